//! The house has one direction: which crate may depend on which, as docs/architecture.md draws it.

use std::collections::BTreeMap;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

/// Each crate and the crates of ours it may use. A new edge is a design decision: change the drawing first.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("formats", &[]),
    ("shaders", &[]),
    ("model", &["formats"]),
    ("convert", &["formats", "model"]),
    ("cpu", &["formats", "model"]),
    ("runtime", &["formats", "shaders", "model", "cpu"]),
    ("train", &["formats", "model", "cpu"]),
    ("train-cuda", &["formats", "model", "cpu", "train"]),
    ("bench", &["formats", "model", "cpu", "runtime"]),
    ("text", &["formats", "model", "cpu", "runtime"]),
    ("serve", &["formats", "runtime", "text"]),
    ("gui", &["formats", "model", "cpu", "runtime", "text", "bench", "train", "train-cuda", "serve"]),
    (
        "tercet",
        &[
            "formats",
            "model",
            "convert",
            "cpu",
            "runtime",
            "text",
            "bench",
            "train",
            "train-cuda",
            "serve",
            "gui",
        ],
    ),
];

/// What sockets and tasks are made of.
const ASYNCHRONOUS: [&str; 7] =
    ["axum", "http-body-util", "hyper", "hyper-rustls", "hyper-util", "tokio", "tokio-stream"];

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
            // Whoever else waits, waits on threads.
            let asynchronous = ASYNCHRONOUS.contains(&dependency.name.as_str());
            assert!(
                !asynchronous || package.name.as_str() == "serve",
                "{} may not depend on {}; serve alone may",
                package.name,
                dependency.name
            );
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
