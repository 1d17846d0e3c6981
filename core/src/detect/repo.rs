//! A checkout as the providers see it: paths count from the folder that is built.

use serde::de::DeserializeOwned;

use super::listing::{FileKind, FileListing};
use super::overrides::Overrides;
use super::texts::{CONFIG_ENDINGS, FileText, FileTexts};
use super::versions::Wish;
use crate::rejection::Rejection;

/// What there is to look at, and what people said about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repo<'a> {
    pub(super) files: &'a FileListing,
    pub(super) texts: &'a FileTexts,
    /// The folder that is built; `""` for all of it.
    pub(super) folder: &'a str,
    pub(super) overrides: &'a Overrides,
}

impl<'a> Repo<'a> {
    /// A path of the repository by its path in the folder.
    pub(super) fn at(&self, path: &str) -> String {
        match (self.folder, path) {
            ("", path) => path.to_owned(),
            (folder, "") => folder.to_owned(),
            (folder, path) => format!("{folder}/{path}"),
        }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.has_file(&self.at(path))
    }

    /// Whether there is such a folder.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.files.kind(&self.at(path)) == Some(FileKind::Folder)
    }

    /// The first of these that is there.
    pub(super) fn first(&self, paths: &[&'static str]) -> Option<&'static str> {
        paths.iter().find(|path| self.has(path)).copied()
    }

    /// All files, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a str> {
        self.files.files_below(self.folder)
    }

    /// What is in a file; `None` where there is none.
    pub(super) fn text(&self, path: &str) -> Result<Option<&'a str>, Rejection> {
        match self.texts.0.get(&self.at(path)) {
            Some(FileText::Text(text)) => Ok(Some(text.trim_start_matches('\u{feff}'))),
            None => Ok(None),
            Some(FileText::TooLarge) => {
                Err(Rejection::invalid(self.at(path), "is larger than 1 MiB; make it smaller"))
            }
            Some(FileText::Unreadable) => Err(Rejection::invalid(
                self.at(path),
                "cannot be read: it has to be UTF-8 (or UTF-16 with its mark), and may not be a link \
                 that leads out of the repository",
            )),
        }
    }

    /// The same, or nothing where it cannot be had: for what only adds to a decision.
    pub(super) fn texts_of(&self, path: &str) -> &'a str {
        self.text(path).ok().flatten().unwrap_or_default()
    }

    /// The settings of a tool, in whatever language they are written.
    pub(super) fn config(&self, name: &str) -> Result<&'a str, Rejection> {
        for ending in CONFIG_ENDINGS {
            if let Some(text) = self.text(&format!("{name}.{ending}"))? {
                return Ok(text);
            }
        }
        Ok("")
    }

    /// What a JSON file says; `None` where there is none.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Rejection> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let read = serde_json::from_str(text);
        read.map(Some).map_err(|error| self.broken(path, &error))
    }

    /// What a TOML file says; `None` where there is none.
    pub(super) fn toml(&self, path: &str) -> Result<Option<toml::Table>, Rejection> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let read = text.parse::<toml::Table>();
        read.map(Some).map_err(|error| self.broken(path, &error.message()))
    }

    /// A file that is not what its name says.
    pub(super) fn broken(&self, path: &str, why: &dyn std::fmt::Display) -> Rejection {
        Rejection::invalid(self.at(path), format!("cannot be understood: {why}"))
    }

    /// The first line with anything on it, without what is around it.
    pub(super) fn first_line(&self, path: &str) -> Result<Option<&'a str>, Rejection> {
        let text = self.text(path)?;
        let mut lines = text.into_iter().flat_map(str::lines).map(str::trim);
        Ok(lines.find(|line| !line.is_empty() && !line.starts_with('#')))
    }

    /// The version of a tool that `.tool-versions` or `mise.toml` names.
    pub(super) fn tool(&self, names: &[&str]) -> Result<Option<Wish>, Rejection> {
        if let Some(version) = self.tool_version(names)?.filter(|version| is_version(version)) {
            return Ok(Wish::of(Some(version), ".tool-versions"));
        }
        for file in ["mise.toml", ".mise.toml"] {
            let Some(table) = self.toml(file)? else { continue };
            let tools = table.get("tools").and_then(toml::Value::as_table);
            let named = names.iter().find_map(|name| tools?.get(*name));
            if let Some(version) = named.and_then(of_mise).filter(|version| is_version(version)) {
                return Ok(Wish::of(Some(version), file));
            }
        }
        Ok(None)
    }

    /// What `.tool-versions` says of a tool.
    fn tool_version(&self, names: &[&str]) -> Result<Option<&'a str>, Rejection> {
        let text = self.text(".tool-versions")?.unwrap_or_default();
        Ok(text.lines().find_map(|line| {
            let (tool, version) = line.trim().split_once(char::is_whitespace)?;
            let version = version.split_whitespace().next()?;
            names.contains(&tool).then_some(version)
        }))
    }
}

/// A version as `mise.toml` has it: a text, the first of several, or the one of a table.
fn of_mise(value: &toml::Value) -> Option<&str> {
    match value {
        toml::Value::String(version) => Some(version),
        toml::Value::Array(several) => several.first().and_then(of_mise),
        toml::Value::Table(table) => table.get("version")?.as_str(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => None,
    }
}

/// Whether it says a version at all, rather than whatever a machine has, or a place.
fn is_version(text: &str) -> bool {
    text != "system" && !["ref:", "path:", "sub-"].iter().any(|start| text.starts_with(start))
}
