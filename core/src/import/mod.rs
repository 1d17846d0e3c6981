//! What a repository still says to where it was deployed before, and what that comes to here.
//!
//! Pure: whoever has the folder reads the files that [`FILES`] names and hands in their texts. Every
//! value in them ends up in one of two lists, so that nothing is lost unseen: what was taken, and
//! what was not, with the reason. Where two say the same thing differently, the first one counts.

mod app_json;
mod captain;
mod checks;
mod fly;
mod hythe_toml;
mod leaves;
mod procfile;
mod railway;
mod render;
mod sheet;

use std::collections::BTreeMap;

use serde::Serialize;

use self::sheet::Sheet;
use crate::detect::{FileListing, FileText, FileTexts, MOST_TEXT_BYTES, Wanted};

/// The files that are looked for, in the order in which they count.
pub const FILES: &[&str] = &[
    "hythe.toml",
    "fly.toml",
    "render.yaml",
    "railway.json",
    "railway.toml",
    "app.json",
    "captain-definition",
    "CHECKS",
    "Procfile",
];

/// What was said, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// How it is built: this goes into `hythe.toml`.
    pub build: BuildWishes,
    /// How it runs: these are settings of the app.
    pub app: AppWishes,
    /// Environment variables with values that stand in a file.
    pub env: BTreeMap<String, String>,
    /// What was taken.
    pub taken: Vec<Taken>,
    /// What was not.
    pub left: Vec<Left>,
}

/// Keys of `[build]` in `hythe.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuildWishes {
    /// The Dockerfile.
    pub dockerfile: Option<String>,
    /// The line that installs what the app depends on.
    pub install: Option<String>,
    /// The line that builds it.
    pub build: Option<String>,
    /// The line that starts it.
    pub start: Option<String>,
    /// The folder that is served, where nothing is started.
    pub output: Option<String>,
}

/// Settings of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppWishes {
    /// The repository's address.
    pub repository: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The folder that is built.
    pub context: Option<String>,
    /// The stage of the Dockerfile.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// How many replicas.
    pub replicas: Option<u16>,
    /// Bytes of memory for each.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor for each.
    pub cpu_millis: Option<u32>,
    /// Words that run in place of the image's command.
    pub command: Option<Vec<String>>,
    /// Words that run once before a new version starts.
    pub release_command: Option<Vec<String>>,
    /// Words that run once after a new version went live.
    pub post_deploy_command: Option<Vec<String>>,
    /// What runs beside web, by name.
    pub processes: BTreeMap<String, ProcessWish>,
    /// What is run by a schedule, by name.
    pub crons: BTreeMap<String, CronWish>,
    /// The path that the health check asks for.
    pub health_path: Option<String>,
    /// Words of a health check in the container.
    pub health_command: Option<Vec<String>>,
    /// Whether a connection is enough for it.
    pub health_tcp: Option<bool>,
    /// From one check to the next, in milliseconds.
    pub health_interval_ms: Option<u64>,
    /// How long one may take.
    pub health_timeout_ms: Option<u64>,
    /// How many failures in a row count.
    pub health_retries: Option<u16>,
    /// How long a replica may take to be healthy.
    pub health_start_within_ms: Option<u64>,
    /// From SIGTERM to SIGKILL.
    pub stop_within_ms: Option<u64>,
}

/// A process beside web.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessWish {
    /// Words that run in place of the image's command; none only while the files are read.
    pub command: Option<Vec<String>>,
    /// How many replicas.
    pub replicas: Option<u16>,
}

/// A cron job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CronWish {
    /// When it is due, in UTC.
    pub schedule: String,
    /// Words that run in place of the image's command.
    pub command: Vec<String>,
}

/// A value that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Where it stands.
    pub file: String,
    /// Its key there.
    pub key: String,
    /// What it comes to.
    pub means: String,
}

/// A value that was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Where it stands.
    pub file: String,
    /// Its key there.
    pub key: String,
    /// Why, and what to do instead where there is something.
    pub why: String,
}

/// What is to be read of a folder that has these files.
#[must_use]
pub fn wanted(files: &FileListing) -> Vec<Wanted> {
    let there = FILES.iter().filter(|file| files.kind(file).is_some());
    let whole =
        |file: &&str| Wanted { path: (*file).to_owned(), most_bytes: MOST_TEXT_BYTES, head: false };
    there.map(whole).collect()
}

/// Takes what is there. `service` chooses one where a file has several.
#[must_use]
pub fn import(texts: &FileTexts, service: Option<&str>) -> Imported {
    let mut imported = Imported::default();
    for file in FILES {
        let Some(text) = texts.get(file) else { continue };
        let sheet = &mut Sheet::of(file, &mut imported);
        let read = match text {
            FileText::Text(text) => read(file, text.trim_start_matches('\u{feff}'), service, sheet),
            FileText::TooLarge => Err("it is larger than 1 MiB".to_owned()),
            FileText::Unreadable => {
                Err("it is not UTF-8, or a link that leads out of the folder".to_owned())
            }
        };
        if let Err(why) = read {
            sheet.left("", format!("it cannot be read: {why}"));
        }
    }
    drop_nameless(&mut imported);
    imported
}

/// What has a number of replicas and no command is no process.
fn drop_nameless(imported: &mut Imported) {
    let empty: Vec<String> = imported
        .app
        .processes
        .extract_if(.., |_, wish| wish.command.is_none())
        .map(|(name, _)| name)
        .collect();
    for name in empty {
        let of = |key: &str| key.split('.').any(|part| part.eq_ignore_ascii_case(&name));
        let (gone, taken) =
            std::mem::take(&mut imported.taken).into_iter().partition(|taken| of(&taken.key));
        imported.taken = taken;
        let gone: Vec<Taken> = gone;
        imported.left.extend(gone.into_iter().map(|Taken { file, key, means: _ }| Left {
            file,
            key,
            why: "no file says what it runs: `hythe process set` does".to_owned(),
        }));
    }
}

fn read(
    file: &str,
    text: &str,
    service: Option<&str>,
    sheet: &mut Sheet<'_>,
) -> Result<(), String> {
    match file {
        "hythe.toml" => hythe_toml::read(text, sheet),
        "fly.toml" => fly::read(text, sheet),
        "render.yaml" => render::read(text, service, sheet),
        "railway.json" => railway::read_json(text, sheet),
        "railway.toml" => railway::read_toml(text, sheet),
        "app.json" => app_json::read(text, sheet),
        "captain-definition" => captain::read(text, sheet),
        "CHECKS" => checks::read(text, sheet),
        _procfile => {
            procfile::read(text, sheet);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
