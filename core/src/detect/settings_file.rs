//! `hythe.toml` as it is written for a repository that has none: what was found stands in it, to be
//! changed, and every other key as a comment.
//!
//! What is written changes nothing by itself: where a key said what was found, and the image came out
//! otherwise, it stands there as a comment, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::Value;

use super::listing::FileKind;
use super::overrides::LANGUAGES;
use super::{BaseImages, Detected, FileListing, FileText, FileTexts, Found, detect};
use crate::import::{BuildWishes, ProcessWish};
use crate::names::RepositoryPath;
use crate::rejection::Rejection;
use crate::source::BuildSettings;

/// Its name.
pub const SETTINGS_FILE: &str = "hythe.toml";

/// Writes one. `said` goes before what is found; `processes` are what runs beside web.
///
/// # Errors
/// As [`detect`]; also where what was said cannot be used.
pub fn settings_file(
    files: &FileListing,
    texts: &FileTexts,
    settings: &BuildSettings,
    images: &BaseImages,
    said: &BuildWishes,
    processes: &BTreeMap<String, ProcessWish>,
) -> Result<(String, Detected), Rejection> {
    let folder = settings.context.as_ref().map_or("", RepositoryPath::as_str);
    let place = match folder {
        "" => SETTINGS_FILE.to_owned(),
        folder => format!("{folder}/{SETTINGS_FILE}"),
    };
    let with = |text: &str| {
        let (mut files, mut texts) = (files.clone(), texts.clone());
        files.add(&place, FileKind::File);
        texts.0.insert(place.clone(), FileText::Text(text.to_owned()));
        detect(&files, &texts, settings, images)
    };
    let nothing_said = *said == BuildWishes::default();
    // What was said may be what makes it found at all.
    let found = if nothing_said {
        detect(files, texts, settings, images)?
    } else {
        with(&write(None, said, processes, true))?
    };
    let text = write(Some(&found.found), said, processes, false);
    let same = |other: &Result<Detected, Rejection>| {
        other.as_ref().is_ok_and(|other| other.plan == found.plan)
    };
    if same(&with(&text)) {
        return Ok((text, found));
    }
    let text = write(Some(&found.found), said, processes, true);
    let detected = with(&text)?;
    Ok((text, detected))
}

/// A key of `[build]`.
struct Key {
    what: &'static str,
    name: &'static str,
    said: Option<Value>,
    found: Option<Value>,
    /// Whether what was found is written so that it is in force.
    kept: bool,
    /// What it may look like, where nothing was said or found.
    usual: Value,
}

impl Key {
    fn of(what: &'static str, name: &'static str, usual: impl Into<Value>) -> Self {
        Self { what, name, said: None, found: None, kept: false, usual: usual.into() }
    }

    fn said(self, said: Option<&String>) -> Self {
        Self { said: said.map(|said| Value::from(said.as_str())), ..self }
    }

    fn found(self, found: Option<impl Into<Value>>) -> Self {
        Self { found: found.map(Into::into), ..self }
    }

    fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    fn write(&self, text: &mut String, only_said: bool) {
        let Self { what, name, said, found, kept, usual } = self;
        let in_force = said.as_ref().or(found.as_ref().filter(|_| *kept && !only_said));
        let _never_fails = match in_force {
            Some(value) => writeln!(text, "# {what}\n{name} = {value}"),
            None => writeln!(text, "# {what}\n# {name} = {}", found.as_ref().unwrap_or(usual)),
        };
    }
}

/// `only_said`: what was only found stands as a comment.
fn write(
    found: Option<&Found>,
    said: &BuildWishes,
    processes: &BTreeMap<String, ProcessWish>,
    only_said: bool,
) -> String {
    let made = found.filter(|found| found.dockerfile_path.is_none());
    let steps = |steps: fn(&Found) -> &Vec<String>| {
        made.map(steps).filter(|steps| !steps.is_empty()).map(|steps| steps.join(" && "))
    };
    let text_of = |of: fn(&Found) -> Option<&String>| found.and_then(of).map(String::as_str);
    let keys = [
        Key::of("A Dockerfile of the repository.", "dockerfile", "Dockerfile")
            .said(said.dockerfile.as_ref())
            .found(text_of(|found| found.dockerfile_path.as_ref())),
        Key::of("The language that it is taken for, whatever else is there.", "preset", "node")
            .found(made.map(|found| match found.runtime.as_str() {
                // The runtime is found by the lock; what it is taken for is an app of JavaScript.
                "bun" => "node",
                runtime => runtime,
            })),
        Key::of("What it depends on is installed by this; \"\" for no such step.", "install", "")
            .said(said.install.as_ref())
            .found(steps(|found| &found.install)),
        Key::of("It is built by this; \"\" for no such step.", "build", "")
            .said(said.build.as_ref())
            .found(steps(|found| &found.build)),
        Key::of("What is started.", "start", "./serve")
            .said(said.start.as_ref())
            .found(text_of(|found| found.start.as_ref()))
            .kept(),
        Key::of("A folder to serve, where nothing is to be started.", "output", "dist")
            .said(said.output.as_ref())
            .found(text_of(|found| found.output.as_ref()))
            .kept(),
        Key::of("What is not found in it is up to its index.html.", "single_page", true),
        Key::of("The port that it listens on.", "port", 8080)
            .found(found.and_then(|found| found.port).map(i64::from))
            .kept(),
        Key::of(
            "Packages of Debian, for the build and the app.",
            "packages",
            vec![Value::from("ffmpeg")],
        ),
    ];
    let mut text = String::from(HEAD);
    for key in keys {
        key.write(&mut text, only_said);
    }
    let versions = made.map(|found| &found.versions).into_iter().flatten();
    let versions = versions.filter(|(of, _)| LANGUAGES.contains(&of.as_str()));
    let versions: Vec<String> = versions
        .map(|(of, version)| format!("{of} = {}\n", Value::from(version.as_str())))
        .collect();
    text.push('\n');
    match (versions.is_empty(), only_said) {
        (false, false) => text.push_str(&format!("[build.versions]\n{}", versions.concat())),
        (false, true) => {
            text.push_str(&format!("# [build.versions]\n# {}", versions.join("# ")));
        }
        (true, _) => text.push_str("# [build.versions]\n# node = \"22\"\n"),
    }
    text.push_str(TAIL);
    text.push_str(PROCESSES);
    for (name, ProcessWish { command, replicas }) in processes {
        let line = match command.as_deref().unwrap_or_default() {
            [shell, option, line] if shell == "sh" && option == "-c" => line.clone(),
            words => words.join(" "),
        };
        text.push_str(&format!("[processes.{name}]\ncommand = {}\n", Value::from(line)));
        text.extend(replicas.map(|replicas| format!("replicas = {replicas}\n")));
    }
    if processes.is_empty() {
        text.push_str("# [processes.worker]\n# command = \"./worker\"\n# replicas = 1\n");
    }
    text
}

const HEAD: &str = "\
# How Hythe builds this app. Every key can be left out: then it is found out anew at each build, as
# `hythe detect` shows it. What stands behind # is not in force.

[build]
";
const TAIL: &str = "
# Variables of the build and of the app that are no secret; for those there is `hythe env set`.
# [build.env]
# MODE = \"live\"

# What runs once for each deployment: before its version starts, and once that is live.
# [hooks]
# release = \"./migrate\"
# post_deploy = \"./warm-up\"
";

const PROCESSES: &str = "
# What runs beside web, without traffic: how many of each, `hythe scale` changes.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)], said: &BuildWishes) -> Result<(String, Detected), Rejection> {
        let listing = files.iter().map(|(path, _)| (*path, FileKind::File)).collect();
        let texts = files.iter().map(|(path, text)| (*path, FileText::Text((*text).to_owned())));
        let (settings, images) = (BuildSettings::default(), BaseImages::default());
        let processes = BTreeMap::new();
        settings_file(&listing, &texts.collect(), &settings, &images, said, &processes)
    }

    const NODE: &[(&str, &str)] =
        &[("package.json", r#"{"scripts":{"build":"tsc","start":"node a.js"}}"#), ("a.js", "")];

    #[test]
    fn what_was_found_can_be_changed() {
        let (text, detected) = of(NODE, &BuildWishes::default()).unwrap();
        assert_eq!(detected.found.runtime, "node");
        for line in
            ["\n# preset = \"node\"\n", "\nport = 8080\n", "\n# build = \"npm run build\"\n"]
        {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("\n[build.versions]\nnode = "), "{text}");
    }

    #[test]
    fn what_an_app_is_taken_for_can_be_said_as_it_stands_there() {
        let package = r#"{"scripts":{"start":"bun run a.ts"},"dependencies":{"elysia":"1"}}"#;
        let files = [("package.json", package), ("bun.lock", "{}")];
        let (text, detected) = of(&files, &BuildWishes::default()).unwrap();
        assert_eq!(detected.found.runtime, "bun");
        assert!(text.contains("\n# preset = \"node\"\n"), "{text}");
    }

    #[test]
    fn what_was_said_goes_before_it_and_has_to_be_of_use() {
        let mut said =
            BuildWishes { start: Some("node \"b c\".js".to_owned()), ..BuildWishes::default() };
        let (text, detected) = of(NODE, &said).unwrap();
        assert_eq!(detected.found.start.as_deref(), Some("node \"b c\".js"), "{text}");
        said.dockerfile = Some("missing/Dockerfile".to_owned());
        assert!(of(NODE, &said).unwrap_err().to_string().contains("no missing/Dockerfile"));
        said = BuildWishes { start: Some("a\nb".to_owned()), ..BuildWishes::default() };
        assert!(of(NODE, &said).unwrap_err().to_string().contains("one line"));
    }

    #[test]
    fn what_runs_beside_web_is_written_as_import_takes_it() {
        let texts = [("Procfile", "web: x\nworker: node w.js\nclock: a && b \"c\"\n")];
        let texts: FileTexts =
            texts.into_iter().map(|(path, text)| (path, FileText::Text(text.to_owned()))).collect();
        let mut processes = crate::import::import(&texts, None).app.processes;
        processes.get_mut("worker").unwrap().replicas = Some(0);
        let listing = NODE.iter().map(|(path, _)| (*path, FileKind::File)).collect();
        let node = NODE.iter().map(|(path, text)| (*path, FileText::Text((*text).to_owned())));
        let (settings, images) = (BuildSettings::default(), BaseImages::default());
        let none = BuildWishes::default();
        let (text, _) =
            settings_file(&listing, &node.collect(), &settings, &images, &none, &processes)
                .unwrap();
        let again: FileTexts = [("hythe.toml", FileText::Text(text.clone()))].into_iter().collect();
        assert_eq!(crate::import::import(&again, None).app.processes, processes, "{text}");
    }

    #[test]
    fn where_nothing_is_found_that_is_said() {
        assert!(of(&[("a.c", "")], &BuildWishes::default()).is_err());
        let (text, _) = of(&[("Dockerfile", "FROM x")], &BuildWishes::default()).unwrap();
        assert!(text.contains("# dockerfile = \"Dockerfile\""), "{text}");
    }
}
