//! What was found, for people and for programs of theirs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::images::BaseImages;
use super::recipe::{Recipe, Run};
use super::site::StaticSite;
use crate::names::RepositoryPath;

/// What was found, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The language or what runs it: `node`, `python`, …; `dockerfile`, `static`.
    pub runtime: String,
    /// The framework.
    pub framework: Option<String>,
    /// Versions, by what they are of.
    pub versions: BTreeMap<String, String>,
    /// The package manager.
    pub package_manager: Option<String>,
    /// The steps that install what it depends on.
    pub install: Vec<String>,
    /// The steps that build it.
    pub build: Vec<String>,
    /// What is started.
    pub start: Option<String>,
    /// The port that it is asked on, where it is known before it is built.
    pub port: Option<u16>,
    /// The folder whose files are served, where nothing is started.
    pub output: Option<String>,
    /// Why all of this.
    pub reasons: Vec<String>,
    /// The Dockerfile of the repository that is used.
    pub dockerfile_path: Option<String>,
    /// The Dockerfile that was made, where the repository has none.
    pub dockerfile: Option<String>,
}

impl Found {
    fn new(runtime: &str, reasons: Vec<String>) -> Self {
        Self {
            runtime: runtime.to_owned(),
            framework: None,
            versions: BTreeMap::new(),
            package_manager: None,
            install: Vec::new(),
            build: Vec::new(),
            start: None,
            port: None,
            output: None,
            reasons,
            dockerfile_path: None,
            dockerfile: None,
        }
    }

    pub(super) fn of_dockerfile(path: &RepositoryPath, reasons: Vec<String>) -> Self {
        Self { dockerfile_path: Some(path.to_string()), ..Self::new("dockerfile", reasons) }
    }

    pub(super) fn of_site(site: &StaticSite, reasons: Vec<String>, images: &BaseImages) -> Self {
        let dockerfile =
            site.files(images).into_iter().find(|file| file.path == StaticSite::DOCKERFILE);
        Self {
            output: Some(site.folder.as_ref().map_or(".".to_owned(), ToString::to_string)),
            port: Some(super::recipe::PORT),
            dockerfile: dockerfile.map(|file| file.text),
            ..Self::new("static", reasons)
        }
    }

    pub(super) fn of_recipe(recipe: &Recipe, dockerfile: String) -> Self {
        let lines = |runs: &[Run]| runs.iter().map(|run| run.line.as_str().to_owned()).collect();
        let files = recipe.output.is_some();
        Self {
            framework: recipe.framework.map(str::to_owned),
            versions: recipe
                .versions
                .iter()
                .map(|(of, is)| ((*of).to_owned(), is.clone()))
                .collect(),
            package_manager: recipe.manager.map(str::to_owned),
            install: lines(&recipe.install),
            build: lines(&recipe.build),
            start: recipe.start.as_ref().filter(|_| !files).map(ToString::to_string),
            port: Some(if files { super::recipe::PORT } else { recipe.port }),
            output: recipe.output.as_ref().map(|output| match output.folder.as_str() {
                "" => ".".to_owned(),
                folder => folder.to_owned(),
            }),
            dockerfile: Some(dockerfile),
            ..Self::new(recipe.runtime, recipe.reasons.clone())
        }
    }
}

impl std::fmt::Display for Found {
    /// In a few words: `Next.js (node 22, npm)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> =
            self.versions.iter().map(|(of, version)| format!("{of} {version}")).collect();
        // What comes with the language says nothing more.
        let other = |manager: &&String| !self.versions.contains_key(manager.as_str());
        parts.extend(self.package_manager.iter().filter(other).cloned());
        let name = self.framework.as_ref().unwrap_or(&self.runtime);
        if parts.is_empty() {
            f.write_str(name)
        } else {
            write!(f, "{name} ({})", parts.join(", "))
        }
    }
}
