//! The walls between the crates: `core ← store ← actors ← gateway`, and what each may not know.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate depends on when it is built for use, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let dependencies = package.dependencies.iter();
        dependencies
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.clone())
            .collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn the_workspace_is_these_crates() {
    let names: Vec<String> = dependencies().into_keys().collect();
    let expected = [
        "hythe-actors",
        "hythe-benches",
        "hythe-core",
        "hythe-gateway",
        "hythe-store",
        "hythe-tests",
    ];
    assert_eq!(names, expected);
}

#[test]
fn crates_know_only_those_below_them() {
    let dependencies = dependencies();
    let below: [(&str, &[&str]); 4] = [
        ("hythe-core", &[]),
        ("hythe-store", &["hythe-core"]),
        ("hythe-actors", &["hythe-core", "hythe-store"]),
        ("hythe-gateway", &["hythe-core", "hythe-store", "hythe-actors"]),
    ];
    for (name, allowed) in below {
        for dependency in dependencies[name].iter().filter(|name| name.starts_with("hythe-")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn each_crate_keeps_away_from_what_is_not_its_business() {
    let dependencies = dependencies();
    let banned: [(&str, &[&str]); 4] = [
        (
            "hythe-core",
            &[
                "tokio",
                "tracing",
                "redb",
                "async-nats",
                "ractor",
                "bollard",
                "axum",
                "hyper",
                "jiff",
                "chrono",
                "getrandom",
                "rand",
            ],
        ),
        ("hythe-store", &["ractor", "async-nats", "bollard", "axum", "hyper"]),
        ("hythe-actors", &["axum", "clap", "utoipa"]),
        ("hythe-gateway", &["ractor", "redb"]),
    ];
    for (name, names) in banned {
        for dependency in &dependencies[name] {
            assert!(
                !names.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

/// The edge must keep serving when journal and aggregates are gone: it may not even name them.
#[test]
fn the_edge_never_touches_journal_or_aggregates() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/src/edge");
    let mut files = 0;
    for entry in walk(std::path::Path::new(folder)) {
        let text = std::fs::read_to_string(&entry).unwrap();
        // The names of durable steps lie with the store, and are no way into the journal.
        let text = text.replace("hythe_store::steps::", "").replace("hythe_store::durable::", "");
        files += 1;
        for word in ["hythe_store", "control::", "aggregate::", "crate::api"] {
            assert!(!text.contains(word), "{} names {word}", entry.display());
        }
    }
    assert!(files > 3, "the edge lies elsewhere now: this test looks at nothing");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
