//! What goes to the server with a Compose file: the values and the files that it names.
//!
//! Invariant: a file says by itself which variables it wants. That of a folder of this machine is given those of
//! this shell, as Docker does; that of a repository, which somebody else may have written, gets only what was given
//! for it.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::compose::{Given, Mounted, PROFILES, wanted};
use hythe_core::limits;
use hythe_core::names::EnvValue;

use super::source::{Found, Place, Seen};
use crate::api::dto::{ComposeMounted, ComposeMountedKind, PlanCompose, SecretText};
use crate::cli::env;
use crate::cli::failure::{Failure, Outcome};

/// The most bytes that a file and all texts have with which what is mounted goes along: what is asked of the
/// server has to fit into one request, however much of it has to be escaped.
const MOST_WITH_MOUNTED: usize = 384 * 1024;
/// The most bytes that the names of files have with which what is mounted is told of.
const MOST_NAMES: usize = 64 * 1024;
/// The folder that a shell is in. Whoever names it in a file means the one that the file is in, and where that is on
/// this machine is nothing to a container.
const HERE: &str = "PWD";
/// Names that are told at once.
const MOST_TOLD: usize = 16;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) request: PlanCompose,
    /// Variables of a repository's file that have no value.
    pub(super) missing: Vec<String>,
    /// Why files that it names are as if they were not there.
    pub(super) unread: Vec<String>,
}

/// Reads the file, and what it names. `shell`: what this shell's variables are.
pub(super) fn read(
    place: &Place,
    found: &Found,
    given: &env::Variables,
    profiles: Vec<String>,
    shell: impl Fn(&str) -> Option<String>,
) -> Outcome<Read> {
    let folder = found.folder();
    let dot_env = if folder.is_empty() { ".env".to_owned() } else { format!("{folder}/.env") };
    let mut variables = place.dot_env(&folder)?;
    let own: BTreeMap<String, String> =
        given.iter().map(|(name, value)| (name.to_string(), value.reveal().to_owned())).collect();
    variables.extend(own.clone());
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let mut unread: Vec<String> = Vec::new();
    let mut mounted: BTreeMap<String, Mounted> = BTreeMap::new();
    let mut names = 0_usize;
    // What a file is called may depend on a variable, and a file that is read may name more of both.
    loop {
        let given = Given {
            variables: variables.clone(),
            files: texts.clone(),
            mounted: mounted.clone(),
            folder: folder.clone(),
            ..Given::default()
        };
        let wanted = wanted(&found.text, &given);
        let wanted = wanted.map_err(|bad| Failure::usage(format!("{}: {bad}", found.path)))?;
        let mut more = false;
        for name in wanted.variables {
            if name == HERE {
                if !variables.contains_key(HERE) {
                    variables.insert(name, ".".to_owned());
                    more = true;
                }
                continue;
            }
            match place {
                // What lets in here is no app's: whoever means it says --env.
                Place::Folder(_) if name.starts_with("HYTHE_") || own.contains_key(&name) => {}
                Place::Folder(_) => {
                    if let Some(value) = shell(&name) {
                        more |= variables.insert(name, value.clone()) != Some(value);
                    }
                }
                Place::Git(_) => {
                    // Without it no profile is wanted, which is as good.
                    if !variables.contains_key(&name) && name != PROFILES {
                        missing.insert(name);
                    }
                }
            }
        }
        if more {
            continue;
        }
        for path in wanted.files {
            if !asked.insert(path.clone()) {
                continue;
            }
            match place.look(&path)? {
                Seen::Text(text) => {
                    texts.insert(path, text);
                    more = true;
                }
                // It is kept out of most repositories: what was given is what would be in it.
                Seen::Nothing if !own.is_empty() && path == dot_env => {
                    texts.insert(path, as_file(&own));
                    more = true;
                }
                Seen::Nothing => {}
                // Where it has to be there, the server refuses it with its line.
                Seen::NoText(why) => unread.push(why),
            }
        }
        if more {
            continue;
        }
        for path in wanted.binds {
            if mounted.contains_key(&path) || mounted.len() >= limits::MOST_COMPOSE_MOUNTS {
                continue;
            }
            let there = place.lies(&path)?;
            names += path.len() + names_of(&there);
            let there = if names > MOST_NAMES { few_names(there) } else { there };
            mounted.insert(path, there);
            more = true;
        }
        if more {
            continue;
        }
        // Of what is mounted from there only short texts go along; the rest is told of with its line.
        let mut bytes = found.text.len() + texts.values().map(String::len).sum::<usize>();
        for path in wanted.texts {
            if !asked.insert(path.clone()) {
                continue;
            }
            match place.look(&path) {
                Ok(Seen::Text(text))
                    if text.len() <= EnvValue::MOST_BYTES
                        && bytes + text.len() <= MOST_WITH_MOUNTED =>
                {
                    bytes += text.len();
                    texts.insert(path, text);
                }
                Ok(Seen::Text(_) | Seen::Nothing | Seen::NoText(_)) | Err(_) => {}
            }
        }
        break;
    }
    let files = texts.into_iter().map(|(path, text)| (path, SecretText::new(text))).collect();
    let secret = |(name, value)| (name, SecretText::new(value));
    let request = PlanCompose {
        file: SecretText::new(found.text.clone()),
        folder,
        variables: variables.into_iter().map(secret).collect(),
        files,
        mounted: mounted.into_iter().map(|(path, there)| (path, told(there))).collect(),
        profiles,
        sources: BTreeMap::new(),
    };
    Ok(Read { request, missing: missing.into_iter().collect(), unread })
}

/// Variables as a file of them.
fn as_file(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\\' | '"' | '$' => text.extend(['\\', c]),
                c => text.push(c),
            }
        }
        text.push_str("\"\n");
    }
    text
}

/// The bytes in the names of a folder's files.
fn names_of(there: &Mounted) -> usize {
    match there {
        Mounted::Folder(files) => files.iter().map(String::len).sum(),
        Mounted::Nothing | Mounted::File | Mounted::Large => 0,
    }
}

/// The same without names of files.
fn few_names(there: Mounted) -> Mounted {
    match there {
        Mounted::Folder(files) if !files.is_empty() => Mounted::Large,
        other @ (Mounted::Folder(_) | Mounted::Nothing | Mounted::File | Mounted::Large) => other,
    }
}

fn told(there: Mounted) -> ComposeMounted {
    let (kind, files) = match there {
        Mounted::Nothing => (ComposeMountedKind::Nothing, Vec::new()),
        Mounted::File => (ComposeMountedKind::File, Vec::new()),
        Mounted::Folder(files) => (ComposeMountedKind::Folder, files.into_iter().collect()),
        Mounted::Large => (ComposeMountedKind::LargeFolder, Vec::new()),
    };
    ComposeMounted { kind, files }
}

/// What is to be said of variables that nothing was given for.
pub(super) fn told_missing(missing: &[String]) -> Option<String> {
    let first = missing.first()?;
    let mut told: Vec<&str> = missing.iter().take(MOST_TOLD).map(String::as_str).collect();
    let more = format!("{} more", missing.len().saturating_sub(MOST_TOLD));
    if missing.len() > MOST_TOLD {
        told.push(&more);
    }
    Some(format!(
        "nothing was given for {}: the file's own defaults hold, or they are empty. Of this shell \
         a repository's file gets nothing by itself; give what it is to have with --env \
         {first}=VALUE or --env-file FILE",
        told.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use hythe_core::names::EnvName;

    use super::*;

    const FILE: &str = "services:\n  web:\n    image: shop:${TAG:-1}\n    environment:\n      \
                        KEY: ${KEY}\n      OWN: ${OWN}\n      TOKEN: ${HYTHE_TOKEN}\n";

    fn shell(name: &str) -> Option<String> {
        Some(format!("of the shell: {name}"))
    }

    fn given() -> env::Variables {
        let value = EnvValue::new("given").unwrap();
        [(EnvName::new("OWN").unwrap(), value)].into_iter().collect()
    }

    fn read_at(place: &Place) -> (BTreeMap<String, String>, Vec<String>) {
        let found = place.compose_file(None).unwrap();
        let read = read(place, &found, &given(), Vec::new(), shell).unwrap();
        let variables = read.request.variables.iter();
        let variables = variables.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        (variables.collect(), read.missing)
    }

    #[test]
    fn of_what_is_mounted_short_texts_go_along_and_nothing_else_is_minded() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mounts: String = (0..9).map(|n| format!("      - ./t{n}:/t{n}\n")).collect();
        let file = format!(
            "services:\n  web:\n    image: x\n    volumes:\n      - ./a.conf:/a.conf\n      - ./data:/data\n      - \
             ./none:/none\n      - ./large:/large\n      - ./key.der:/key\n      - ./out:/out\n{mounts}"
        );
        std::fs::write(at("compose.yaml"), file).unwrap();
        std::fs::write(at("a.conf"), "on\n").unwrap();
        std::fs::create_dir(at("data")).unwrap();
        std::fs::write(at("large"), "x".repeat(EnvValue::MOST_BYTES + 1)).unwrap();
        std::fs::write(at("key.der"), b"\xff\xfe\x01").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("out")).unwrap();
        for n in 0..9 {
            std::fs::write(at(&format!("t{n}")), "x".repeat(EnvValue::MOST_BYTES)).unwrap();
        }
        let place = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        let found = place.compose_file(None).unwrap();
        let read = read(&place, &found, &given(), Vec::new(), shell).unwrap();
        let paths: Vec<&str> = read.request.files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["a.conf", "t0", "t1", "t2", "t3", "t4"],
            "no more than one request has room for"
        );
        assert_eq!(read.unread, Vec::<String>::new());
        let kinds = read.request.mounted.iter();
        let kinds: Vec<(&str, ComposeMountedKind)> =
            kinds.map(|(path, there)| (path.as_str(), there.kind)).take(6).collect();
        let file = ComposeMountedKind::File;
        assert_eq!(
            kinds,
            [
                ("a.conf", file),
                ("data", ComposeMountedKind::Folder),
                ("key.der", file),
                ("large", file),
                ("none", ComposeMountedKind::Nothing),
                ("out", file),
            ]
        );
    }

    #[test]
    fn what_was_given_stands_in_for_a_file_of_variables_that_a_repository_does_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("deploy")).unwrap();
        let file = "services:\n  web:\n    image: x\n    env_file: [.env, other.env]\n";
        std::fs::write(at("deploy/compose.yaml"), file).unwrap();
        let place = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        let found = place.compose_file(Some(std::path::Path::new("deploy/compose.yaml"))).unwrap();
        let odd = "a \"quoted\" $VALUE\\n\nin 'two' lines # and no remark ";
        let odd_one: env::Variables =
            [(EnvName::new("ODD").unwrap(), EnvValue::new(odd).unwrap())].into_iter().collect();
        let texts = |given: &env::Variables| {
            read(&place, &found, given, Vec::new(), shell).unwrap().request.files
        };
        let files = texts(&odd_one);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["deploy/.env"]);
        let values = files["deploy/.env"].reveal();
        let values = hythe_core::compose::variables_of(values, &BTreeMap::new()).unwrap();
        assert_eq!(values, BTreeMap::from([("ODD".to_owned(), odd.to_owned())]));
        assert!(texts(&env::Variables::new()).is_empty());
        std::fs::write(at("deploy/.env"), "OWN=1\n").unwrap();
        assert_eq!(texts(&odd_one)["deploy/.env"].reveal(), "OWN=1\n");
    }

    #[test]
    fn of_folders_only_what_people_wrote_goes_along() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &[u8]| {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let file = "services:\n  web:\n    image: x\n    volumes:\n      - ./conf:/conf:ro\n      - \
                    ${PWD}/data:/data\n      - ./init:/docker-entrypoint-initdb.d\n      - ./many:/many:ro\n  app:\n    \
                    build: app\n    volumes: [\"./app/src:/app/src\"]\n";
        write("compose.yaml", file.as_bytes());
        write("conf/a/b.conf", b"b");
        write("conf/c.conf", b"c");
        write("conf/logo.png", b"\xff\xfe");
        write("data/rows", b"own");
        write("init/1.sql", b"create");
        write("app/src/main.js", b"code");
        for n in 0..=limits::MOST_CONTAINER_FILES {
            write(&format!("many/{n}"), b"x");
        }
        let folder = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        committed(dir.path());
        let repository = Place::open(&format!("file://{}", dir.path().display()), None).unwrap();
        for place in [folder, repository] {
            let found = place.compose_file(None).unwrap();
            let read = read(&place, &found, &given(), Vec::new(), shell).unwrap();
            let paths: Vec<&str> = read.request.files.keys().map(String::as_str).collect();
            assert_eq!(paths, ["conf/a/b.conf", "conf/c.conf", "init/1.sql"]);
            let mounted = &read.request.mounted;
            assert_eq!(mounted["conf"].files, ["a/b.conf", "c.conf", "logo.png"]);
            assert_eq!(mounted["data"].files, ["rows"]);
            assert_eq!(mounted["many"].kind, ComposeMountedKind::LargeFolder);
            assert_eq!(read.missing, Vec::<String>::new());
        }
    }

    /// Makes a repository of a folder.
    fn committed(folder: &std::path::Path) {
        for words in
            [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "one"]]
        {
            let who = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
            let mut command = Command::new("git");
            let ran = command.arg("-C").arg(folder).args(who).args(words).output().unwrap();
            assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        }
    }

    #[test]
    fn what_is_no_text_is_as_if_it_were_not_there_and_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let file = "services:\n  web:\n    image: x\n    env_file: own.env\n    secrets: [key, \
                    certs]\nsecrets:\n  key: {file: key.der}\n  certs: {file: certs}\n  unused: {file: \
                    unused.der}\n";
        std::fs::write(dir.path().join("compose.yaml"), file).unwrap();
        std::fs::write(dir.path().join("own.env"), "A=1\n").unwrap();
        std::fs::write(dir.path().join("key.der"), b"\xff\xfe").unwrap();
        std::fs::write(dir.path().join("unused.der"), b"\xff\xfe").unwrap();
        std::fs::create_dir(dir.path().join("certs")).unwrap();
        let place = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        let found = place.compose_file(None).unwrap();
        let read = read(&place, &found, &given(), Vec::new(), shell).unwrap();
        assert_eq!(read.request.files.keys().collect::<Vec<_>>(), ["own.env"]);
        assert_eq!(read.unread, ["certs is no file", "key.der is not UTF-8 text"]);
    }

    #[test]
    fn a_repository_gets_nothing_of_this_shell_and_a_folder_what_it_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("compose.yaml"), FILE).unwrap();
        let folder = Place::open(dir.path().to_str().unwrap(), None).unwrap();
        let (variables, missing) = read_at(&folder);
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["KEY", "OWN", "TAG"]);
        assert_eq!(variables["KEY"], "of the shell: KEY");
        assert_eq!(variables["OWN"], "given");
        assert!(missing.is_empty(), "{missing:?}");

        committed(dir.path());
        let repository = Place::open(&format!("file://{}", dir.path().display()), None).unwrap();
        let (variables, missing) = read_at(&repository);
        assert_eq!(variables, BTreeMap::from([("OWN".to_owned(), "given".to_owned())]));
        assert_eq!(missing, ["HYTHE_TOKEN", "KEY", "TAG"]);
        let told = told_missing(&missing).unwrap();
        assert!(told.contains("HYTHE_TOKEN, KEY, TAG:") && told.contains("--env-file"), "{told}");
        assert_eq!(told_missing(&[]), None);
    }
}
