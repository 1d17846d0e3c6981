//! `hythe detect`: what a builder would find in a folder, found here.
//!
//! Of a working copy only what would be in its repository counts: what git ignores is passed over.

use std::path::Path;

use hythe_actors::build::read_texts;
use hythe_core::detect::{BaseImages, Detected, FileKind, FileListing, Found, detect, wanted};
use hythe_core::source::BuildSettings;
use ignore::WalkBuilder;

use super::args::DetectArgs;
use super::failure::{Failure, Outcome};
use super::output::{Output, Tone};

/// The most files that are looked at.
const MOST_FILES: usize = 500_000;

pub(super) async fn run(args: &DetectArgs, output: &Output) -> Outcome {
    let folder = args.folder.clone();
    let settings = BuildSettings { context: args.context.clone(), ..BuildSettings::default() };
    let images = BaseImages::from(args.base_images.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let files = list(&folder)?;
        let texts = read_texts(&folder, &wanted(&files, &settings));
        detect(&files, &texts, &settings, &images).map_err(|why| Failure::failed(why.to_string()))
    });
    let detected = looking.await.map_err(|error| Failure::failed(error.to_string()))??;
    let Detected { found, .. } = detected;
    if output.json() {
        output.document(&found);
    } else if args.dockerfile {
        dockerfile(&found, output)?;
    } else {
        show(&found, output);
    }
    Ok(())
}

/// The files of a folder, without those that git ignores.
pub(super) fn list(folder: &Path) -> Outcome<FileListing> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Failure::usage(format!("{shown} is no folder")));
    }
    let mut files = Vec::new();
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .git_ignore(true)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry
            .map_err(|error| Failure::failed(format!("failed to look at {shown}: {error}")))?;
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let Some(path) = path.to_str() else {
            let name = path.display();
            return Err(Failure::failed(format!("the file name {name} is not UTF-8")));
        };
        let kind = match entry.file_type() {
            _ if path.is_empty() => continue,
            Some(kind) if kind.is_dir() => FileKind::Folder,
            Some(kind) if kind.is_symlink() => FileKind::Link,
            Some(_) | None => FileKind::File,
        };
        if files.len() == MOST_FILES {
            return Err(Failure::failed(format!("{shown} has more than {MOST_FILES} files")));
        }
        files.push((path.to_owned(), kind));
    }
    Ok(files.into_iter().collect())
}

fn dockerfile(found: &Found, output: &Output) -> Outcome {
    match (&found.dockerfile, &found.dockerfile_path) {
        (Some(text), _) => output.text(text),
        (None, Some(path)) => {
            return Err(Failure::failed(format!("{path} of the repository is used as it is")));
        }
        (None, None) => return Err(Failure::failed("there is no Dockerfile")),
    }
    Ok(())
}

fn show(found: &Found, output: &Output) {
    let row = |name: &str, value: &str| {
        if !value.is_empty() {
            let name = output.tone(Tone::Faint, format_args!("{name:<11}"));
            output.line(format_args!("{name} {}", output.foreign(value)));
        }
    };
    row("runtime", &found.runtime);
    row("framework", found.framework.as_deref().unwrap_or_default());
    let versions: Vec<String> =
        found.versions.iter().map(|(of, version)| format!("{of} {version}")).collect();
    row("versions", &versions.join(", "));
    row("packages by", found.package_manager.as_deref().unwrap_or_default());
    row("install", &found.install.join(" && "));
    row("build", &found.build.join(" && "));
    row("start", found.start.as_deref().unwrap_or_default());
    row("serves", found.output.as_deref().unwrap_or_default());
    row("port", &found.port.map(|port| port.to_string()).unwrap_or_default());
    row("Dockerfile", found.dockerfile_path.as_deref().unwrap_or_default());
    for (n, reason) in found.reasons.iter().enumerate() {
        row(if n == 0 { "because" } else { "" }, reason);
    }
    if let Some(text) = &found.dockerfile {
        output.line("");
        for line in text.lines() {
            output.line(output.foreign(line));
        }
    }
}
