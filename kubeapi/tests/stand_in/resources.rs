//! The kinds of objects that the stand-in knows, and the paths they are found under.
//!
//! A path is taken apart before it is known whether its resource exists, because a refusal (403)
//! names the resource in both cases. Subresources are not known.

use serde_json::{Value, json};

/// A kind of object.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// Declared by a CustomResourceDefinition: served only when switched on.
    pub(crate) custom: bool,
    /// What an object without content has besides its metadata; bookmarks are such objects.
    empty: &'static str,
}

const fn core(plural: &'static str, kind: &'static str, empty: &'static str) -> Resource {
    Resource {
        group: "",
        version: "v1",
        plural,
        kind,
        namespaced: true,
        custom: false,
        empty,
    }
}

/// All of them.
pub(crate) static RESOURCES: [Resource; 7] = [
    core(
        "services",
        "Service",
        r#"{"spec":{},"status":{"loadBalancer":{}}}"#,
    ),
    core("pods", "Pod", r#"{"spec":{"containers":null},"status":{}}"#),
    core("events", "Event", r#"{"involvedObject":{},"source":{}}"#),
    Resource {
        namespaced: false,
        ..core("namespaces", "Namespace", r#"{"spec":{},"status":{}}"#)
    },
    Resource {
        group: "discovery.k8s.io",
        ..core(
            "endpointslices",
            "EndpointSlice",
            r#"{"addressType":"","endpoints":null,"ports":null}"#,
        )
    },
    Resource {
        group: "events.k8s.io",
        ..core("events", "Event", r#"{"eventTime":null,"regarding":{}}"#)
    },
    Resource {
        group: "multicluster.x-k8s.io",
        version: "v1alpha1",
        custom: true,
        ..core("serviceimports", "ServiceImport", "{}")
    },
];

impl Resource {
    /// As objects say it.
    pub(crate) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The resource of an object.
    pub(crate) fn of(object: &Value) -> Option<&'static Resource> {
        RESOURCES.iter().find(|resource| {
            object["kind"] == resource.kind && object["apiVersion"] == resource.api_version()
        })
    }

    /// Under what an object is kept; keys are in the order of lists.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> Key {
        let path = match self.namespaced {
            true => format!("/{namespace}/{name}"),
            false => format!("/{name}"),
        };
        Key {
            group: self.group,
            plural: self.plural,
            path,
        }
    }

    /// The object of a bookmark.
    pub(crate) fn bookmark(&self, revision: u64, partial: bool) -> Value {
        let mut object = match partial {
            true => json!({}),
            false => serde_json::from_str(self.empty).expect("the table is right"),
        };
        object["kind"] = json!(self.kind);
        object["apiVersion"] = json!(self.api_version());
        object["metadata"] = json!({ "resourceVersion": revision.to_string() });
        self.present(&object, partial)
    }

    /// An object as it is sent: whole, or its metadata.
    pub(crate) fn present(&self, object: &Value, partial: bool) -> Value {
        match partial {
            true => json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": object["metadata"],
            }),
            false => object.clone(),
        }
    }

    /// The entry in the list of resources of a group.
    fn described(&self) -> Value {
        json!({
            "name": self.plural,
            "singularName": self.kind.to_lowercase(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        })
    }
}

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    group: &'static str,
    plural: &'static str,
    pub(crate) path: String,
}

impl Key {
    pub(crate) fn is_of(&self, resource: &Resource) -> bool {
        (self.group, self.plural) == (resource.group, resource.plural)
    }
}

/// What a path names.
#[derive(Debug, Default)]
pub(crate) struct Target {
    pub(crate) group: String,
    version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Target {
    pub(crate) fn parse(path: &str) -> Option<Target> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments[..] {
            ["api", version, ref rest @ ..] => ("", version, rest),
            ["apis", group, version, ref rest @ ..] => (group, version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match *rest {
            [plural] => (None, plural, None),
            [plural, name] => (None, plural, Some(name)),
            ["namespaces", namespace, plural] => (Some(namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
            _ => return None,
        };
        Some(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    /// The resource, if there is one at this path.
    pub(crate) fn resource(&self, custom: bool) -> Option<&'static Resource> {
        RESOURCES.iter().find(|resource| {
            let named = (resource.group, resource.version, resource.plural)
                == (&self.group, &self.version, &self.plural);
            let scoped = match resource.namespaced {
                true => self.namespace.is_some() || self.name.is_none(),
                false => self.namespace.is_none(),
            };
            named && scoped && (custom || !resource.custom)
        })
    }
}

/// The list of the resources of a group, if the path is that of a group that is served.
pub(crate) fn discovery(path: &str, custom: bool) -> Option<Value> {
    let version = path
        .strip_prefix("/apis/")
        .or_else(|| path.strip_prefix("/api/"))?;
    let served = RESOURCES.iter().filter(|resource| {
        resource.api_version() == version
            && path.starts_with("/apis/") != resource.group.is_empty()
            && (custom || !resource.custom)
    });
    let resources: Vec<Value> = served.map(Resource::described).collect();
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": resources,
        })
    })
}
