//! What other platforms are told to start: it counts where nothing else says how an app is started, neither its
//! people nor what it consists of.

use super::Overrides;
use crate::detect::repo::Repo;
use crate::detect::texts::{FileText, FileTexts};
use crate::detect::words::ShellLine;
use crate::import::import;

const FILES: &[&str] = &["railway.json", "railway.toml", "render.yaml"];

/// What cannot be read says nothing: it was not written for Hythe.
pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) {
    said.otherwise = FILES.iter().find_map(|file| {
        let text = repo.text(file).ok().flatten()?;
        let text = ((*file).to_owned(), FileText::Text(text.to_owned()));
        let texts: FileTexts = std::iter::once(text).collect();
        let start = import(&texts, None).build.start?;
        Some((ShellLine::new(&start, file).ok()?, *file))
    });
}
