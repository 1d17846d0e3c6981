//! `hythe init`: a `hythe.toml` of what is found in a folder.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

use hythe_actors::build::read_texts;
use hythe_core::detect::{
    BaseImages, FileListing, FileTexts, Found, SCHEMA, SETTINGS_FILE, settings_file, wanted,
};
use hythe_core::import::{self, BuildWishes, ProcessWish};
use hythe_core::source::BuildSettings;

use super::args::InitArgs;
use super::detect::list;
use super::failure::{Failure, Outcome};
use super::output::Output;

pub(super) async fn run(args: &InitArgs, output: &Output) -> Outcome {
    if args.schema {
        output.text(SCHEMA);
        return Ok(());
    }
    let args = args.clone();
    let path = args.folder.join(SETTINGS_FILE);
    let (print, shown) = (args.print, path.display().to_string());
    let looking = tokio::task::spawn_blocking(move || {
        let files = list(&args.folder)?;
        if files.kind(SETTINGS_FILE).is_some() && !args.force && !args.print {
            return Err(there_already(&path));
        }
        // What it says now is what is to be written anew.
        let files = files.without(SETTINGS_FILE);
        let texts = read_texts(&args.folder, &wanted(&files, &BuildSettings::default()));
        let beside_web = import::import(&read_texts(&args.folder, &import::wanted(&files)), None);
        let processes = beside_web.app.processes;
        let (text, found) = settings(&files, &texts, &BuildWishes::default(), &processes)?;
        if !args.print {
            write(&path, &text, args.force)?;
        }
        Ok((text, found))
    });
    let (text, found) = looking.await.map_err(|error| Failure::failed(error.to_string()))??;
    if output.json() {
        let file = (!print).then_some(shown);
        output.document(&serde_json::json!({ "file": file, "text": text, "found": found }));
    } else if print {
        output.text(text);
    } else {
        output.line(format_args!("wrote {shown}: {}", output.foreign(&found.to_string())));
    }
    Ok(())
}

/// The text of a settings file, and what it comes to.
pub(super) fn settings(
    files: &FileListing,
    texts: &FileTexts,
    said: &BuildWishes,
    processes: &BTreeMap<String, ProcessWish>,
) -> Outcome<(String, Found)> {
    let (settings, images) = (BuildSettings::default(), BaseImages::default());
    let written = settings_file(files, texts, &settings, &images, said, processes);
    let (text, detected) = written.map_err(|why| Failure::failed(why.to_string()))?;
    Ok((text, detected.found))
}

/// Writes it; one that is there is only replaced where that is wanted.
pub(super) fn write(path: &Path, text: &str, replace: bool) -> Outcome {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).truncate(true);
    if replace {
        options.create(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return there_already(path);
        }
        Failure::failed(format!("failed to write {}: {error}", path.display()))
    })
}

fn there_already(path: &Path) -> Failure {
    Failure::failed(format!("there is a {} already", path.display()))
        .hint("hythe init --print shows what would be in it; --force writes it anew")
}
