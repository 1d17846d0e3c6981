//! Reads the table.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hythe_core::detect::{
    BaseImages, BuildPlan, Detected, FileKind, FileListing, FileText, FileTexts, detect, wanted,
};
use hythe_core::rejection::Rejection;
use hythe_core::source::BuildSettings;

/// A project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) name: String,
    files: Vec<(String, String)>,
    lines: Vec<String>,
    /// `=> what | how it is started, or its folder/ | port`, or `=! part of the refusal`.
    pub(crate) expected: String,
}

impl Shape {
    /// One without a name, of lines with a path and what is in it.
    pub(crate) fn of(text: &str) -> Self {
        let mut shape = Self::default();
        text.lines().for_each(|line| shape.add(line));
        shape
    }

    fn add(&mut self, line: &str) {
        if line.starts_with("=>") || line.starts_with("=!") {
            self.expected = line.to_owned();
            return;
        }
        self.lines.push(line.to_owned());
        let (path, text) = line.split_once(' ').unwrap_or((line, ""));
        // JSON has its own line ends.
        let text =
            if path.ends_with(".json") { text.to_owned() } else { text.replace("\\n", "\n") };
        self.files.push((path.to_owned(), text));
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|(of, _)| of == path)
    }

    /// The same with one file more.
    pub(crate) fn with(&self, path: &str, text: &str) -> Self {
        let mut shape = self.clone();
        shape.files.push((path.to_owned(), text.to_owned()));
        shape
    }

    pub(crate) fn listing(&self) -> FileListing {
        let mut all = Vec::new();
        let mut folders = BTreeSet::new();
        for (path, _) in &self.files {
            folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
            if !path.ends_with('/') {
                all.push((path.clone(), FileKind::File));
            }
        }
        all.extend(folders.into_iter().map(|path| (path, FileKind::Folder)));
        all.into_iter().collect()
    }

    /// What would be read of it, and nothing else.
    pub(crate) fn texts(&self) -> FileTexts {
        self.texts_for(&BuildSettings::default())
    }

    fn texts_for(&self, settings: &BuildSettings) -> FileTexts {
        let wanted = wanted(&self.listing(), settings);
        let text = |path: &str| {
            let (_, text) = self.files.iter().find(|(of, _)| of == path).unwrap();
            FileText::Text(text.clone())
        };
        wanted.into_iter().map(|file| (file.path.clone(), text(&file.path))).collect()
    }

    pub(crate) fn detect(
        &self,
        settings: &BuildSettings,
        images: &BaseImages,
    ) -> Result<Detected, Rejection> {
        detect(&self.listing(), &self.texts_for(settings), settings, images)
    }

    /// What is found, as the table has it.
    pub(crate) fn say(&self, settings: &BuildSettings) -> String {
        match self.detect(settings, &BaseImages::default()) {
            Ok(Detected { found, .. }) => {
                let folder = found.output.as_ref().map(|folder| format!("{folder}/"));
                let what = found.start.clone().or(folder).or(found.dockerfile_path.clone());
                let port = found.port.map_or("-".to_owned(), |port| port.to_string());
                format!("=> {found} | {} | {port}", what.unwrap_or_default())
            }
            Err(refusal) => format!("=! {refusal}"),
        }
    }

    pub(crate) fn meets(&self, found: &str) -> bool {
        match self.expected.strip_prefix("=! ") {
            Some(part) => found.starts_with("=! ") && found.contains(part),
            None => self.expected == found,
        }
    }

    /// The Dockerfile that is made, where one is.
    pub(crate) fn dockerfile(
        &self,
        settings: &BuildSettings,
        images: &BaseImages,
    ) -> Option<String> {
        match self.detect(settings, images).ok()?.plan {
            BuildPlan::Preset { dockerfile } => Some(dockerfile),
            BuildPlan::Dockerfile { .. } | BuildPlan::Static(_) => None,
        }
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/presets"))
}

pub(crate) fn table_names() -> Vec<String> {
    let files = std::fs::read_dir(folder().join("shapes")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn path_of(table: &str) -> PathBuf {
    folder().join("shapes").join(format!("{table}.txt"))
}

pub(crate) fn read_table(table: &str) -> Vec<Shape> {
    let text = std::fs::read_to_string(path_of(table)).unwrap();
    let shape = |(name, text): (String, String)| Shape { name, ..Shape::of(text.trim_end()) };
    sections(&text).into_iter().map(shape).collect()
}

pub(crate) fn write_table(table: &str, shapes: &[Shape]) {
    let text: Vec<String> = shapes
        .iter()
        .map(|shape| format!("== {}\n{}\n{}\n", shape.name, shape.lines.join("\n"), shape.expected))
        .collect();
    std::fs::write(path_of(table), text.join("\n")).unwrap();
}

/// What stands behind each `== name`.
pub(crate) fn sections(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            all.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = all.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    all
}

pub(crate) fn blessing() -> bool {
    std::env::var_os("HYTHE_BLESS").is_some()
}
