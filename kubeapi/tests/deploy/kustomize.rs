//! Each kustomization names the files of its folder, all of them and no others, and its patches
//! point at what is there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::manifests::{Manifest, Target, base, documents, kustomizations, manifests, yaml_files};

#[test]
fn every_file_is_named_once() {
    let mut named: Vec<PathBuf> = Vec::new();
    for kustomization in kustomizations() {
        let folder = &kustomization.folder;
        named.push(folder.join("kustomization.yaml"));
        named.extend(kustomization.resources.iter().map(|file| folder.join(file)));
        for file in kustomization
            .config_map_generator
            .iter()
            .flat_map(|g| &g.files)
        {
            assert!(base().join(folder).join(file).is_file(), "{file:?}");
        }
        let kind = if folder.as_os_str().is_empty() {
            "Kustomization"
        } else {
            "Component"
        };
        assert_eq!(kustomization.kind, kind, "{folder:?}");
    }
    named.sort();
    assert_eq!(named, yaml_files());
}

#[test]
fn objects_have_names_of_their_own() {
    let mut seen = BTreeSet::new();
    for manifest in manifests() {
        let id = [manifest.kind(), manifest.namespace(), manifest.name()].map(str::to_owned);
        assert!(seen.insert(id), "{}: is there twice", manifest.label());
    }
}

fn meant(target: &Target, manifest: &Manifest) -> bool {
    let name = match target.name.strip_suffix(".*") {
        Some(begin) => manifest.name().starts_with(begin),
        None => manifest.name() == target.name,
    };
    name && manifest.kind() == target.kind
}

#[test]
fn patches_point_at_what_is_there() {
    let manifests = manifests();
    let mut operations = 0;
    for kustomization in kustomizations() {
        for patch in &kustomization.patches {
            let label = format!("{}: {:?}", kustomization.folder.display(), patch.target);
            let mut targets = manifests
                .iter()
                .filter(|m| meant(&patch.target, m))
                .peekable();
            assert!(targets.peek().is_some(), "{label}: there is none");
            let document = documents(&label, &patch.patch).remove(0);
            let Some(list) = document.as_array() else {
                assert_eq!(document["$patch"], "delete", "{label}");
                continue;
            };
            for target in targets {
                for operation in list {
                    check_operation(&label, operation, &target.object);
                    operations += 1;
                }
            }
        }
    }
    assert!(operations > 10, "only {operations} operations");
}

/// `add` makes a member of something that is there; the others are about what is there itself.
fn check_operation(label: &str, operation: &Value, object: &Value) {
    let path = operation["path"].as_str().expect("an operation has a path");
    let (parent, member) = path.rsplit_once('/').expect("a path begins with a slash");
    let parent = object.pointer(parent);
    assert!(parent.is_some(), "{label}: {path}: leads nowhere");
    let there = object.pointer(path).is_some();
    match operation["op"].as_str() {
        Some("add") => assert!(!there || member == "-", "{label}: {path}: is there already"),
        Some("replace" | "remove") => assert!(there, "{label}: {path}: is not there"),
        other => panic!("{label}: {path}: {other:?}"),
    }
}
