//! Repositories that have nothing at their root, and their app in a folder.
//!
//! Where there is just one folder with something that is known, there is nothing to choose among: that one is built.
//! Guides often have two, one to begin with and one that is finished.

use std::collections::BTreeSet;

use super::listing::FileListing;
use super::texts::{GRADLE_SETTINGS, PYTHON_ENTRIES, WHOLE};
use super::{BUILT_FOLDERS, DOCKERFILES, MANIFESTS, SITE_FOLDERS};
use crate::names::RepositoryPath;
use crate::source::BuildSettings;

/// Folders of what is about an app rather than the app.
const BESIDE: &[&str] = &[
    "ci",
    "deploy",
    "doc",
    "docker",
    "docs",
    "e2e",
    "example",
    "examples",
    "infra",
    "scripts",
    "terraform",
    "test",
    "tests",
    "tools",
];
/// What folders of a guide are called, of which the first is the app; the others may be in other languages.
const OF_GUIDES: [&str; 2] = ["complete", "initial"];
/// What stands at the root wherever the app lies.
const OF_PLATFORMS: &[&str] = &["railway.json", "railway.toml", "render.yaml"];
/// What else says something at the root.
const ELSE: &[&str] = &[
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "index.html",
    "index.php",
    "setup.py",
    "start.sh",
    "uv.lock",
];

/// What an app says of its build, with the one folder that has an app, where it names none and there is one.
pub(super) fn settings(files: &FileListing, settings: &BuildSettings) -> Option<BuildSettings> {
    if settings.context.is_some() || settings.dockerfile.is_some() {
        return None;
    }
    let folder = RepositoryPath::new(folder(files)?).ok()?;
    Some(BuildSettings { context: Some(folder), ..settings.clone() })
}

fn folder(files: &FileListing) -> Option<&str> {
    let known = [DOCKERFILES, MANIFESTS, WHOLE, GRADLE_SETTINGS, ELSE].into_iter().flatten();
    let known = known.filter(|name| !OF_PLATFORMS.contains(name));
    // What begins in a folder is of that folder, where that has a list of what it depends on.
    let scripts = PYTHON_ENTRIES.iter().filter(|name| !name.contains('/'));
    let sites = BUILT_FOLDERS.iter().chain(SITE_FOLDERS);
    let mut pages = sites.map(|folder| format!("{folder}/index.html"));
    if known.chain(scripts).any(|name| files.has_file(name))
        || pages.any(|page| files.has_file(&page))
    {
        return None;
    }
    let mut found = BTreeSet::new();
    for path in files.files_below("") {
        let Some((folder, file)) = path.split_once('/') else {
            if [".go", ".csproj", ".fsproj", ".sln"].iter().any(|of| path.ends_with(of)) {
                return None;
            }
            continue;
        };
        if MANIFESTS.contains(&file) && !BESIDE.contains(&folder) && !folder.starts_with('.') {
            found.insert(folder);
        }
        let of_dotnet = path.ends_with(".csproj") || path.ends_with(".fsproj");
        if of_dotnet && path.matches('/').count() <= 2 {
            return None;
        }
    }
    let [finished, begun] = OF_GUIDES;
    let guide = found.iter().all(|name| name.starts_with(finished) || name.starts_with(begun));
    let finished = found.get(finished).filter(|_| guide);
    let only = || found.first().filter(|_| found.len() == 1);
    finished.or_else(only).copied()
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
    use super::*;

    #[test]
    fn the_one_folder_with_an_app_is_built_where_the_root_has_nothing() {
        let rows: &[(&[&str], Option<&str>)] = &[
            (&["README.md", "app/package.json", "app/index.js"], Some("app")),
            (&["complete/pom.xml", "initial/pom.xml", "README.adoc"], Some("complete")),
            (&["complete/pom.xml", "complete-kotlin/pom.xml", "initial/pom.xml"], Some("complete")),
            (&["complete/pom.xml", "other/pom.xml"], None),
            (&["backend/requirements.txt", "frontend/package.json"], None),
            (&["app/package.json", "package.json"], None),
            (&["app/package.json", "Dockerfile"], None),
            (&["app/package.json", "hythe.toml"], None),
            (&["app/package.json", "compose.yml"], None),
            (&["app/package.json", "docker-compose.yaml"], None),
            (&["app/package.json", "docs/package.json", "render.yaml"], Some("app")),
            (&["examples/package.json"], None),
            (&["a/b/package.json"], None),
            (&["src/Web/Web.csproj", "client/package.json"], None),
            (&["main.c"], None),
        ];
        for (paths, expected) in rows {
            let files: FileListing = paths.iter().map(|path| (*path, FileKind::File)).collect();
            assert_eq!(folder(&files), *expected, "{paths:?}");
            let own = BuildSettings::default();
            let chosen = settings(&files, &own).and_then(|settings| settings.context);
            assert_eq!(chosen.as_ref().map(RepositoryPath::as_str), *expected, "{paths:?}");
        }
        let named = BuildSettings {
            context: Some(RepositoryPath::new("other").unwrap()),
            ..BuildSettings::default()
        };
        let files: FileListing = [("app/package.json", FileKind::File)].into_iter().collect();
        assert_eq!(settings(&files, &named), None);
    }
}
