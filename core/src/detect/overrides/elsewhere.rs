//! What other platforms are told to start: it counts where nothing else says how an app is started, neither its
//! people nor what it consists of.
//!
//! Render's file has all services of a repository, each with the folder that it is built in: only those of the folder
//! that is looked at say anything of it.

use serde_json::Value;

use super::Overrides;
use crate::detect::repo::Repo;
use crate::detect::texts::{FileText, FileTexts};
use crate::detect::words::ShellLine;
use crate::import::import;

const RENDER: &str = "render.yaml";
const FILES: &[&str] = &["railway.json", "railway.toml", RENDER];

/// What cannot be read says nothing: it was not written for Hythe.
pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) {
    said.otherwise = FILES.iter().find_map(|file| {
        let text = repo.text(file).ok().flatten()?;
        let service = if *file == RENDER { of_folder(text, repo.folder) } else { None };
        let text = ((*file).to_owned(), FileText::Text(text.to_owned()));
        let texts: FileTexts = std::iter::once(text).collect();
        let told = import(&texts, service.as_deref());
        if !is_of(told.app.context.as_deref(), repo.folder) {
            return None;
        }
        Some((ShellLine::new(&told.build.start?, file).ok()?, *file))
    });
}

/// The name of the first service for the web that is built in this folder.
fn of_folder(text: &str, folder: &str) -> Option<String> {
    let root: Value = serde_saphyr::from_str(text).ok()?;
    let is_web = |service: &Value| service.get("type").and_then(Value::as_str) == Some("web");
    let is_here = |service: &Value| is_of(service.get("rootDir").and_then(Value::as_str), folder);
    let mut services = root.get("services")?.as_array()?.iter();
    let found = services.find(|service| is_web(service) && is_here(service))?;
    found.get("name")?.as_str().map(str::to_owned)
}

/// Whether what is built in `root` is what lies in the folder: both count from the top of the repository.
fn is_of(root: Option<&str>, folder: &str) -> bool {
    let root = root.unwrap_or_default().trim().trim_start_matches("./").trim_matches('/');
    matches!(root, "" | ".") || root == folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_of_the_folder_count() {
        let file = "services:\n  - {type: web, name: api, rootDir: ./backend/}\n  - {type: worker, name: work}\n  - \
                    {type: web, name: site}\n";
        assert_eq!(of_folder(file, "").as_deref(), Some("site"));
        assert_eq!(of_folder(file, "backend").as_deref(), Some("api"));
        assert_eq!(of_folder("services: [{type: web, name: a, rootDir: b}]", ""), None);
        assert_eq!(of_folder("services: 1", ""), None);
        for root in [None, Some("."), Some("./"), Some(""), Some("a/b"), Some("/a/b/")] {
            assert!(is_of(root, "a/b"), "{root:?}");
        }
        assert!(!is_of(Some("a"), "a/b") && !is_of(Some("a"), ""));
    }
}
