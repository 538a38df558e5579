//! The files of `deploy/kubernetes` as values: objects of Kubernetes, and what kustomize is told.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// What kustomize reads in each folder.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// An object and the file that it is in.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) file: String,
    pub(crate) object: Value,
}

/// A `kustomization.yaml`, with the keys that are used here and no others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kustomization {
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    #[serde(rename = "apiVersion")]
    _api_version: String,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) resources: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) config_map_generator: Vec<Generator>,
    #[serde(default)]
    pub(crate) patches: Vec<Patch>,
    #[serde(default, rename = "labels")]
    _labels: Value,
    #[serde(default)]
    pub(crate) images: Vec<Image>,
}

/// A ConfigMap made of files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) files: Vec<PathBuf>,
}

/// A change to objects of other files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    pub(crate) target: Target,
    pub(crate) patch: String,
}

/// Which objects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) kind: String,
    /// A name; one that ends with `.*` stands for all that begin so.
    pub(crate) name: String,
}

/// An image as it is written in the manifests, and its tag.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_tag: String,
}

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is in the repository")
}

/// `deploy/kubernetes`.
pub(crate) fn base() -> PathBuf {
    repository().join("deploy/kubernetes")
}

/// The text of a file below `deploy/kubernetes`.
pub(crate) fn text(file: impl AsRef<Path>) -> String {
    let path = base().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a file.
pub(crate) fn documents(file: &str, text: &str) -> Vec<Value> {
    let documents = serde_norway::Deserializer::from_str(text);
    let read = |document| Value::deserialize(document).unwrap_or_else(|e| panic!("{file}: {e}"));
    documents.map(read).collect()
}

/// All YAML files, relative to `deploy/kubernetes`, in order.
pub(crate) fn yaml_files() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![base()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let relative = path.strip_prefix(base()).expect("it is below the base");
                files.push(relative.to_owned());
            }
        }
    }
    files.sort();
    files
}

/// All objects.
pub(crate) fn manifests() -> Vec<Manifest> {
    let files = yaml_files();
    let files = files.iter().filter(|file| !file.ends_with(KUSTOMIZATION));
    let manifests = files.flat_map(|path| {
        let file = path.display().to_string();
        let objects = documents(&file, &text(path)).into_iter();
        objects.map(move |object| Manifest {
            file: file.clone(),
            object,
        })
    });
    let manifests: Vec<Manifest> = manifests.collect();
    assert!(manifests.len() > 15, "only {} objects", manifests.len());
    manifests
}

/// All kustomizations.
pub(crate) fn kustomizations() -> Vec<Kustomization> {
    let files = yaml_files().into_iter();
    let files = files.filter(|file| file.ends_with(KUSTOMIZATION));
    let read = |file: PathBuf| {
        let read = serde_norway::from_str(&text(&file));
        let mut read: Kustomization = read.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        read.folder = file.parent().expect("a file is in a folder").to_owned();
        read
    };
    files.map(read).collect()
}

/// What kustomize is told about the whole.
pub(crate) fn base_kustomization() -> Kustomization {
    let is_base = |k: &Kustomization| k.folder.as_os_str().is_empty();
    let base = kustomizations().into_iter().find(is_base);
    base.expect("there is a kustomization.yaml")
}

impl Manifest {
    /// The value at a pointer (RFC 6901); null when there is none.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.object.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A text at a pointer; empty when there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// For messages.
    pub(crate) fn label(&self) -> String {
        format!("{}: {} {}", self.file, self.kind(), self.name())
    }

    /// Whether it makes pods.
    pub(crate) fn is_workload(&self) -> bool {
        ["StatefulSet", "Deployment", "DaemonSet"].contains(&self.kind())
    }

    /// The specification of its pods.
    pub(crate) fn pod(&self) -> &Value {
        self.at("/spec/template/spec")
    }

    /// The containers of its pods.
    pub(crate) fn containers(&self) -> &[Value] {
        let containers = self.pod().get("containers").and_then(Value::as_array);
        containers.expect("a workload has containers")
    }
}
