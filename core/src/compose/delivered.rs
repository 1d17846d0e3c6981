//! `configs` and `secrets`: what is in them is kept as variables of the service are, encrypted, and stands in
//! files of its containers. So do texts that lie beside the file and are mounted from there.

use std::collections::BTreeMap;

use super::files::own::{Values, value};
use super::folders::{Means, tag};
use super::notes::{Notes, bad, shown};
use super::service::resolve;
use super::tree::Node;
use super::variables::Room;
use super::volumes::Bind;
use super::{Bad, Given, Service};
use crate::container::MountPath;
use crate::inside::{Inside, ValueFile};
use crate::limits;
use crate::names::{EnvName, EnvValue};

/// What is delivered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Secret,
    Config,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Secret, Self::Config];

    const fn key(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Config => "configs",
        }
    }

    /// The variable that has what is in one.
    fn variable(self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let plain: String = name.chars().map(plain).collect();
        match self {
            Self::Secret => format!("SECRET_FILE_{plain}"),
            Self::Config => format!("CONFIG_FILE_{plain}"),
        }
    }

    /// Where one is that says nothing else.
    fn place(self, name: &str) -> String {
        match self {
            Self::Secret => format!("/run/secrets/{name}"),
            Self::Config => format!("/{name}"),
        }
    }
}

/// What is declared at the top of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    pub(super) secrets: Option<&'a Node>,
    pub(super) configs: Option<&'a Node>,
    /// What variables stand for that they are made from.
    pub(super) values: &'a Values,
}

impl<'a> Declared<'a> {
    const fn of(self, kind: Kind) -> Option<&'a Node> {
        match kind {
            Kind::Secret => self.secrets,
            Kind::Config => self.configs,
        }
    }

    /// Tells of what is not taken of them.
    pub(super) fn tell(self, notes: &mut Notes) {
        for kind in Kind::ALL {
            let listed = self.of(kind).and_then(Node::fields).unwrap_or_default();
            let options = listed.iter().flat_map(|one| {
                one.node.fields().unwrap_or_default().iter().map(move |option| (one, option))
            });
            for (one, option) in options {
                let at = format!("{}.{}.{}", kind.key(), one.name, option.name);
                match option.name.as_str() {
                    "file" | "environment" | "external" => {}
                    "content" if kind == Kind::Config => {}
                    "name" | "labels" => {
                        notes.left(
                            option.line,
                            &at,
                            "what is in it is kept with each app that has it",
                        );
                    }
                    name if name.starts_with("x-") => {}
                    name => {
                        let known = ["file", "environment", "external", "name", "labels"];
                        notes.unknown(option.line, &at, name, &known);
                    }
                }
            }
        }
    }
}

/// What a service is given so: variables, and the files that they stand in.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    pub(super) variables: BTreeMap<EnvName, EnvValue>,
    pub(super) files: BTreeMap<MountPath, ValueFile>,
}

/// `secrets` and `configs` of a service.
pub(super) fn read(
    key: &str,
    service: &Node,
    declared: Declared<'_>,
    (given, room): (&Given, &mut Room),
    notes: &mut Notes,
) -> Result<Delivered, Bad> {
    let mut delivered = Delivered::default();
    for kind in Kind::ALL {
        let Some(node) = service.get(kind.key()).filter(|node| !node.is_null()) else { continue };
        let at = format!("{key}.{}", kind.key());
        let Some(items) = node.items() else {
            return bad(node.line, format!("{at}: it is a list of names, or of maps with source"));
        };
        if let Some(item) = items.get(limits::MOST_CONTAINER_FILES) {
            let most = limits::MOST_CONTAINER_FILES;
            return bad(item.line, format!("{at}: a service has at most {most} files"));
        }
        for item in items {
            one(&at, item, (kind, declared), (given, &mut *room), &mut delivered, notes)?;
        }
    }
    Ok(delivered)
}

fn one(
    at: &str,
    item: &Node,
    (kind, declared): (Kind, Declared<'_>),
    (given, room): (&Given, &mut Room),
    delivered: &mut Delivered,
    notes: &mut Notes,
) -> Result<(), Bad> {
    let line = item.line;
    let Some(source) = item.text().or_else(|| item.get("source")?.text()) else {
        return bad(line, format!("{at}: it is a name, or a map with source"));
    };
    let Some(of) = declared.of(kind).and_then(|listed| listed.get(&source)) else {
        let key = kind.key();
        let why =
            format!("{at}: there is no {}; declare it under {key} at the top", shown(&source));
        return bad(line, why);
    };
    let text = content((kind, &source), of, declared.values, given)?;
    room.take(text.len()).map_err(|why| Bad { line: Some(line), why })?;
    let value = EnvValue::new(text).map_err(|_too_large| Bad {
        line: Some(of.line),
        why: format!(
            "{}.{}: it is a text of at most {} KiB; what is larger belongs into the image",
            kind.key(),
            shown(&source),
            EnvValue::MOST_BYTES / 1024
        ),
    })?;
    let variable = EnvName::new(kind.variable(&source))
        .map_err(|why| Bad { line: Some(line), why: format!("{at}: {why}") })?;
    let before = delivered.variables.insert(variable.clone(), value.clone());
    if before.is_some_and(|before| before != value) {
        let why = format!("{at}: two of them would be the variable {variable}; name one otherwise");
        return bad(line, why);
    }
    let mut file = ValueFile { variable, mode: ValueFile::MODE, uid: 0, gid: 0 };
    let mut path = kind.place(&source);
    for option in item.fields().unwrap_or_default() {
        let at = format!("{at}.{}", option.name);
        let text = option.node.text().unwrap_or_default();
        let wrong = |why: &str| Bad { line: Some(option.line), why: format!("{at}: {why}") };
        let id = || text.parse::<u32>().map_err(|_no_number| wrong("it is the number of one"));
        match option.name.as_str() {
            "source" => {}
            "target" if text.starts_with('/') => path = text,
            "target" => path = kind.place(&text),
            "uid" => file.uid = id()?,
            "gid" => file.gid = id()?,
            "mode" => {
                let found = mode(&text);
                file.mode = found.ok_or_else(|| {
                    wrong("it is such as 0444 or 0400: its owner can read it, and nobody has more rights")
                })?;
            }
            name if name.starts_with("x-") => {}
            name => {
                let known = ["source", "target", "uid", "gid", "mode"];
                notes.unknown(option.line, &at, name, &known);
            }
        }
    }
    let path = MountPath::new(path)
        .map_err(|why| Bad { line: Some(line), why: format!("{at}: {why}") })?;
    if delivered.files.insert(path.clone(), file).is_some() {
        return bad(line, format!("{at}: two files are at {path}"));
    }
    Ok(())
}

/// What is told of texts that are taken.
const AS_TEXTS: &str = "what is written there is given to the container as a config is, as it is now: what changes in \
                        it comes with the next `hythe compose up`, and what the app changes goes with the container";
/// The most files that are named in one note.
const MOST_NAMED: usize = 3;
/// The rights to a file that can be run.
const PROGRAM: u16 = 0o555;
/// The longest name of a variable that is made from a path.
const MOST_OF_NAME: usize = 100;

/// Texts that are mounted from where the file lies, where they were handed in: as if they were configs. All
/// else that is mounted so, and is no volume, is told of.
pub(super) fn bound(
    at: &str,
    binds: &[(Bind, Means)],
    (given, room): (&Given, &mut Room),
    service: &mut Service,
    notes: &mut Notes,
) -> Result<(), Bad> {
    for (bind, means) in binds {
        let texts = match means {
            Means::Texts(texts) => texts,
            Means::Nothing(why) => {
                notes.left(bind.line, at, *why);
                continue;
            }
            // It is with the other volumes.
            Means::Volume(_, _) => continue,
        };
        let mut without: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut is_any = false;
        for (path, target) in texts {
            let put = match given.files.get(path) {
                Some(text) => with_file(target, text, service).map(|put| (text, put)),
                None => {
                    Err(format!("it is no text of at most {} KiB", EnvValue::MOST_BYTES / 1024))
                }
            };
            match put {
                Ok((text, (variable, value, inside))) => {
                    room.take(text.len()).map_err(|why| Bad { line: Some(bind.line), why })?;
                    service.env.insert(variable, value);
                    service.inside = inside;
                    is_any = true;
                }
                Err(why) => without.entry(why).or_default().push(shown(path)),
            }
        }
        if is_any {
            notes.left(bind.line, at, AS_TEXTS);
        }
        if !without.is_empty() {
            notes.left(bind.line, at, missing(&without));
        }
    }
    Ok(())
}

/// What is told of files that the container does not have, by why.
fn missing(without: &BTreeMap<String, Vec<String>>) -> String {
    let one = |(why, paths): (&String, &Vec<String>)| {
        let named: Vec<&str> = paths.iter().take(MOST_NAMED).map(String::as_str).collect();
        let more = match paths.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {why}", named.join(", "))
    };
    let whys: Vec<String> = without.iter().take(MOST_NAMED).map(one).collect();
    format!(
        "{}. What is needed of it belongs into an image: a Dockerfile with FROM and COPY, and build instead of image",
        whys.join("; ")
    )
}

/// The variable that has a text, and how the service's containers are with it.
///
/// # Errors
/// Why they cannot have it.
fn with_file(
    target: &str,
    text: &str,
    service: &Service,
) -> Result<(EnvName, EnvValue, Inside), String> {
    let path = MountPath::new(target.trim_end_matches('/')).map_err(|why| why.to_string())?;
    let value = EnvValue::new(text).map_err(|why| why.to_string())?;
    if service.inside.files.contains_key(&path) {
        return Err(format!("another file is at {path}"));
    }
    let variable = variable_of(&path, service)
        .ok_or_else(|| format!("no variable is free for what is in {path}"))?;
    let of = |name: &EnvName, value: &EnvValue| name.as_str().len() + value.reveal().len();
    let bytes: usize = service.env.iter().map(|(name, value)| of(name, value)).sum();
    if service.env.len() >= limits::MOST_ENV
        || bytes + of(&variable, &value) > limits::MOST_ENV_BYTES
    {
        return Err(format!(
            "with it, the service would have more than {} KiB of variables and texts",
            limits::MOST_ENV_BYTES / 1024
        ));
    }
    // What begins so is run, and Docker leaves a file the rights that it has.
    let mode = if text.starts_with("#!") { PROGRAM } else { ValueFile::MODE };
    let mut inside = service.inside.clone();
    inside.files.insert(path, ValueFile { variable: variable.clone(), mode, uid: 0, gid: 0 });
    match inside.check(&service.volumes) {
        Ok(()) => Ok((variable, value, inside)),
        Err(why) => Err(why.to_string()),
    }
}

/// The variable for what is at a path: the first that no other has of those that are made from it.
fn variable_of(path: &MountPath, service: &Service) -> Option<EnvName> {
    let mut name = Kind::Config.variable(path.as_str().trim_start_matches('/'));
    if name.len() > MOST_OF_NAME {
        // It has letters of ASCII alone.
        name.truncate(MOST_OF_NAME);
        name = format!("{name}_{}", tag(path.as_str()));
    }
    let names = (1..=9).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") });
    names.filter_map(|name| EnvName::new(name).ok()).find(|name| !service.env.contains_key(name))
}

/// Rights in octal digits. A number of YAML may have been written so and be another one by now; of rights
/// that a file to be read has, never both are some.
fn mode(text: &str) -> Option<u16> {
    let octal = u16::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok();
    octal.into_iter().chain(text.parse().ok()).find(|mode| ValueFile::is_mode(*mode))
}

/// What is in one.
fn content(
    (kind, name): (Kind, &str),
    of: &Node,
    values: &Values,
    given: &Given,
) -> Result<String, Bad> {
    let at = format!("{}.{}", kind.key(), shown(name));
    if let Some(external) = of.get("external")
        && external.truth() != Some(false)
    {
        let why = format!(
            "{at}: what is not in the file is not known here; say file or environment, or give it as a \
             variable by `hythe env set`"
        );
        return bad(external.line, why);
    }
    if let Some(file) = of.get("file") {
        let path = match resolve(&given.folder, &file.text().unwrap_or_default()) {
            Ok(Some(path)) => path,
            Ok(None) => return bad(file.line, format!("{at}: it is a folder")),
            Err(why) => return bad(file.line, format!("{at}: {why}")),
        };
        // A file that is kept out of a repository, as one with a secret should be, is not there.
        let variable = kind.variable(name);
        return match given.files.get(&path).or_else(|| given.variables.get(&variable)) {
            Some(text) => Ok(text.clone()),
            None => bad(
                file.line,
                format!(
                    "{at}: there is no file {}, or it is no text; what is to be in it can be given instead \
                     by --env {variable}=… or --env-file",
                    shown(&path)
                ),
            ),
        };
    }
    if let Some(variable) = of.get("environment") {
        let name = variable.text().unwrap_or_default();
        return match value(values, of) {
            Some(value) => Ok(value.clone()),
            None => {
                let name = shown(&name);
                let why = format!("{at}: {name} is not given; say it by --env {name}=… or in .env");
                bad(variable.line, why)
            }
        };
    }
    match of.get("content").filter(|_| kind == Kind::Config).and_then(Node::text) {
        Some(text) => Ok(text),
        None => {
            let more = match kind {
                Kind::Secret => "",
                Kind::Config => ", or content",
            };
            bad(of.line, format!("{at}: it says neither file nor environment{more}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::super::{Given, wanted};

    fn given(folder: &str) -> Given {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Given {
            variables: pairs(&[
                ("TOKEN", "t0ken"),
                ("LEVEL", "debug"),
                ("SECRET_FILE_s_1", "instead"),
                ("CONFIG_FILE_s_1", "config"),
                ("SECRET_FILE_tls", "not in place of one that is there"),
            ]),
            files: pairs(&[
                ("keys/tls.pem", "PEM"),
                ("large", &"x".repeat(65 << 10)),
                (
                    "other/compose.yaml",
                    "services: {}\nsecrets: {theirs: {file: ../keys/tls.pem}}\n",
                ),
            ]),
            folder: folder.to_owned(),
            ..Given::default()
        }
    }

    /// What a service says, what the file declares, and how each line begins that is told of it.
    type Row = (&'static str, &'static str, &'static [&'static str]);

    const ROWS: &[Row] = &[
        (
            "secrets: [tls, token]",
            "secrets:\n  tls: {file: ../keys/tls.pem}\n  token: {environment: TOKEN}\n",
            &["0 a image=x health=none SECRET_FILE_tls=PEM SECRET_FILE_token=t0ken \
                 file:/run/secrets/tls=SECRET_FILE_tls,444 file:/run/secrets/token=SECRET_FILE_token,444"],
        ),
        (
            "secrets:\n      - {source: tls, target: key, uid: \"1000\", gid: 1001, mode: 0400}\n      - {source: tls, \
             target: /etc/key, mode: 0o440, x-a: 1, own: 2}",
            "secrets:\n  tls: {file: ../keys/tls.pem, name: theirs}\n",
            &[
                "0 a image=x health=none SECRET_FILE_tls=PEM file:/etc/key=SECRET_FILE_tls,440 \
                 file:/run/secrets/key=SECRET_FILE_tls,400,1000:1001",
                "! 6 services.a.secrets.own: there is no such key",
                "! 8 secrets.tls.name: what is in it is kept",
            ],
        ),
        (
            "configs: [app.conf]",
            "configs:\n  app.conf: {content: \"level = ${LEVEL}\"}\n",
            &["0 a image=x health=none CONFIG_FILE_app_conf=level = debug \
                 file:/app.conf=CONFIG_FILE_app_conf,444"],
        ),
        (
            "secrets: [s]",
            "secrets:\n  s: {external: true}\n",
            &["refused: line 6: secrets.s: what is not in the file is not known here"],
        ),
        (
            "secrets: [s]",
            "secrets:\n  s: {content: no}\n",
            &["refused: line 6: secrets.s: it says neither file nor environment"],
        ),
        ("secrets: [s]", "", &["refused: line 4: services.a.secrets: there is no s; declare"]),
        (
            "secrets: [s]",
            "secrets:\n  s: {file: none}\n",
            &[
                "refused: line 6: secrets.s: there is no file deploy/none, or it is no text; what is to be in it \
                 can be given instead by --env SECRET_FILE_s=",
            ],
        ),
        (
            "secrets: [s-1]\n    configs: [s-1]",
            "secrets:\n  s-1: {file: none}\nconfigs:\n  s-1: {file: keys}\n",
            &["0 a image=x health=none CONFIG_FILE_s_1=config SECRET_FILE_s_1=instead \
                 file:/run/secrets/s-1=SECRET_FILE_s_1,444 file:/s-1=CONFIG_FILE_s_1,444"],
        ),
        (
            "secrets: [tls]",
            "secrets:\n  tls: {file: ../keys/tls.pem}\n",
            &[
                "0 a image=x health=none SECRET_FILE_tls=PEM file:/run/secrets/tls=SECRET_FILE_tls,444",
            ],
        ),
        (
            "secrets: [s]",
            "secrets:\n  s: {file: ../../etc/shadow}\n",
            &["refused: line 6: secrets.s: ../../etc/shadow leads out"],
        ),
        (
            "secrets: [s]",
            "secrets:\n  s: {environment: NONE}\n",
            &["refused: line 6: secrets.s: NONE is not given; say it by --env"],
        ),
        (
            "configs: [s]",
            "configs:\n  s: {file: ../large}\n",
            &["refused: line 6: configs.s: it is a text of at most 64 KiB"],
        ),
        (
            "secrets: [a-b, a.b]",
            "secrets:\n  a-b: {file: ../keys/tls.pem}\n  a.b: {environment: TOKEN}\n",
            &[
                "refused: line 4: services.a.secrets: two of them would be the variable SECRET_FILE_a_b",
            ],
        ),
        (
            "secrets: [s, {source: s}]",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 4: services.a.secrets: two files are at /run/secrets/s"],
        ),
        (
            "secrets: [{source: s, mode: 0444, target: ../etc/passwd}]",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 4: services.a.secrets: a folder in the container"],
        ),
        (
            "secrets: [{source: s, mode: 0042}]",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 4: services.a.secrets.mode: it is such as 0444"],
        ),
        (
            "secrets: [s]\n    environment: {SECRET_FILE_s: own}",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 2: services.a: the variable SECRET_FILE_s is that of a file"],
        ),
        (
            "secrets: [s]\n    read_only: true",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 2: services.a: "],
        ),
        (
            "secrets: [s]\n    tmpfs: [/run]",
            "secrets:\n  s: {environment: TOKEN}\n",
            &["refused: line 2: services.a: "],
        ),
    ];

    #[test]
    fn what_is_declared_stands_in_files() {
        for (said, declared, expected) in ROWS {
            let text = format!("services:\n  a:\n    image: x\n    {said}\n{declared}");
            let told = told(&text, &given("deploy"));
            let lines: Vec<&str> = told.lines().collect();
            assert_eq!(lines.len(), expected.len(), "{text}{told}");
            for (line, expected) in lines.iter().zip(*expected) {
                let whole = expected.starts_with("0 ");
                let same = if whole { line == expected } else { line.starts_with(expected) };
                assert!(same, "{text}{line}\n{expected}");
            }
        }
    }

    #[test]
    fn files_of_another_file_are_found_from_there_and_are_wanted() {
        let text = "include: [other/compose.yaml]\nservices: {a: {image: x, secrets: [theirs, own]}}\n\
                    secrets: {own: {environment: OWN}}\n";
        let wanted = wanted(text, &given("")).unwrap();
        assert!(
            wanted.files.contains("keys/tls.pem") && wanted.variables.contains("OWN"),
            "{wanted:?}"
        );
        let unused = "services: {a: {image: x, secrets: [{source: b}], configs: [a]}}\nsecrets: {a: {file: \
                      certs}, b: {file: b.pem}, c: {environment: C}}\nconfigs: {b: {file: b.conf}}\n";
        let wanted = super::super::wanted(unused, &given("")).unwrap();
        assert_eq!(wanted.files.into_iter().collect::<Vec<_>>(), ["b.pem"]);
        assert!(wanted.variables.is_empty(), "{:?}", wanted.variables);
        let mut given = given("");
        given.variables.insert("OWN".into(), "own".into());
        let told = told(text, &given);
        assert!(told.contains("SECRET_FILE_theirs=PEM"), "{told}");
    }
}
