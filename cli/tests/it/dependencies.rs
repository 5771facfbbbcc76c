//! The house has one direction: which crate may depend on which, as docs/architecture.md draws it.

use std::collections::BTreeMap;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

/// Each crate and the crates of ours it may use. A new edge is a design decision: change the drawing first.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("formats", &[]),
    ("shaders", &[]),
    ("model", &["formats"]),
    ("cpu", &["formats", "model"]),
    ("runtime", &["formats", "shaders", "model", "cpu"]),
    ("train", &["formats", "model", "cpu"]),
    ("bench", &["formats", "model", "cpu", "runtime"]),
    ("text", &["formats", "model", "cpu", "runtime"]),
    ("gui", &["formats", "model", "cpu", "runtime", "text", "bench", "train"]),
    ("tercet", &["formats", "model", "cpu", "runtime", "text", "bench", "train", "gui"]),
];

#[test]
fn dependencies_point_one_way() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let members: Vec<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    for package in &metadata.packages {
        let may = allowed
            .get(package.name.as_str())
            .unwrap_or_else(|| panic!("crate {} is not in the drawing; add it there and here", package.name));
        for dependency in &package.dependencies {
            let ours = members.contains(&dependency.name.as_str());
            let inward =
                dependency.kind != DependencyKind::Development || dependency.name != package.name.as_str();
            assert!(
                !ours || !inward || may.contains(&dependency.name.as_str()),
                "{} may not depend on {}",
                package.name,
                dependency.name
            );
        }
    }
    assert_eq!(members.len(), ALLOWED.len(), "a crate of the drawing is missing: {members:?}");
}

#[test]
fn unsafe_lives_where_the_architecture_says() {
    const HOMES: [&str; 6] = [
        "cli/src/signals/ignored.rs",
        "cpu/src/",
        "runtime/src/gpu/memory.rs",
        "runtime/src/gpu/pipeline_cache.rs",
        "train/src/cpu/kernels/",
        "formats/tests/it/memory.rs",
    ];
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut folders: Vec<_> =
        ["formats", "shaders", "model", "cpu", "runtime", "text", "bench", "train", "gui", "cli"]
            .map(|c| root.join(c))
            .into();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files += 1;
                let text = std::fs::read_to_string(&path).expect("UTF-8 source");
                let name =
                    path.strip_prefix(root).expect("inside the workspace").to_string_lossy().into_owned();
                let opens = text.lines().any(|l| {
                    let l = l.trim_start();
                    !l.starts_with("//")
                        && !l.contains("\"")
                        && (l.contains("unsafe {") || l.contains("unsafe fn"))
                });
                assert!(!opens || HOMES.iter().any(|h| name.starts_with(h)), "{name} has unsafe code");
            }
        }
    }
    assert!(files > 50, "only {files} source files found");
}
