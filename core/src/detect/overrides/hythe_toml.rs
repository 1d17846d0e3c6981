//! `hythe.toml`: what a repository says to Hythe itself.
//!
//! Nothing in it is passed over in silence: a key that there is not is named with its line and the
//! key that was probably meant.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{LANGUAGES, Overrides, PRESETS, Which};
use crate::detect::repo::Repo;
use crate::detect::words;
use crate::limits;
use crate::names::RepositoryPath;
use crate::near;
use crate::process::ProcessName;
use crate::rejection::Rejection;
use crate::task::Hook;

const FILE: &str = "hythe.toml";
/// The keys of the file.
const TOP: &[&str] = &["build", "hooks", "processes", "static"];
/// The keys of `[hooks]`.
const HOOKS: &[&str] = &["post_deploy", "release"];
/// The keys of `[static]`.
const STATIC: &[&str] = &["output", "serve"];
/// The keys of `[processes.NAME]`.
const PROCESS: &[&str] = &["command", "replicas"];
/// The keys of `[build]`.
const BUILD: &[&str] = &[
    "build",
    "dockerfile",
    "env",
    "install",
    "output",
    "packages",
    "port",
    "preset",
    "single_page",
    "start",
    "versions",
];

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    let Some(text) = repo.text(FILE)? else { return Ok(()) };
    let file = File { text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        file.wrong(at, error.message().trim())
    })?;
    let table = table.get_ref();
    file.keys(table, TOP, "")?;
    if let Some(build) = table.get("build") {
        file.build(file.table(build, "build")?, said)?;
    }
    if let Some(hooks) = table.get("hooks") {
        file.hooks(file.table(hooks, "hooks")?, said)?;
    }
    if let Some(processes) = table.get("processes") {
        file.processes(file.table(processes, "processes")?, said)?;
    }
    if let Some(site) = table.get("static") {
        file.site(file.table(site, "static")?, said)?;
    }
    Ok(())
}

/// The file, for saying where something stands in it.
struct File<'a> {
    text: &'a str,
}

impl File<'_> {
    fn wrong(&self, at: usize, why: impl std::fmt::Display) -> Rejection {
        let before = self.text.as_bytes().iter().take(at);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Rejection::invalid(FILE, format!("line {line}: {why}"))
    }

    /// Whether a table has no keys but these.
    fn keys(&self, table: &DeTable<'_>, known: &[&str], of: &str) -> Result<(), Rejection> {
        // In the order of the file, whatever order the table is in.
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let name: String = key.get_ref().chars().filter(|c| !c.is_control()).take(60).collect();
        let nearest = nearest(&name, known);
        let place = if of.is_empty() { String::new() } else { format!(" in [{of}]") };
        let all = if of.is_empty() {
            known.iter().map(|key| format!("[{key}]")).collect::<Vec<_>>().join(", ")
        } else {
            known.join(", ")
        };
        let hint = match nearest {
            Some(nearest) => format!("did you mean {nearest}? There are: {all}"),
            None => format!("there are: {all}"),
        };
        Err(self.wrong(key.span().start, format!("there is no key {name}{place}; {hint}")))
    }

    fn build(&self, table: &DeTable<'_>, said: &mut Overrides) -> Result<(), Rejection> {
        self.keys(table, BUILD, "build")?;
        if let Some(value) = table.get("dockerfile") {
            let path = RepositoryPath::new(self.text_of(value, "dockerfile")?);
            let path = path.map_err(|error| self.wrong(value.span().start, error))?;
            said.dockerfile = Some(path);
            said.reasons.push(format!("{FILE} names the Dockerfile"));
        }
        if let Some(value) = table.get("preset") {
            let name = self.text_of(value, "preset")?;
            if !PRESETS.contains(&name) {
                let hint = nearest(name, PRESETS)
                    .map_or(String::new(), |nearest| format!("did you mean {nearest}? "));
                let all = PRESETS.join(", ");
                let why = format!("there is no such preset; {hint}There are: {all}");
                return Err(self.wrong(value.span().start, why));
            }
            said.preset = Some(name.to_owned());
            said.beats_dockerfile = true;
            said.reasons.push(format!("{FILE} names the preset {name}"));
        }
        for (key, which) in [("install", Which::Install), ("build", Which::Build)] {
            if let Some(value) = table.get(key) {
                let text = self.text_of(value, key)?;
                self.at(value, said.steps(which, &[text], FILE, key))?;
            }
        }
        if let Some(value) = table.get("start") {
            let text = self.text_of(value, "start")?;
            self.at(value, said.start(text, FILE, "start"))?;
        }
        if let Some(value) = table.get("output") {
            let text = self.text_of(value, "output")?;
            let path = if matches!(text, "." | "./") {
                Ok(String::new())
            } else {
                words::path(text, "output")
            };
            said.output = Some(self.at(value, path)?);
            said.reasons.push(format!("{FILE} names the folder that is served"));
        }
        if let Some(value) = table.get("single_page") {
            let yes = value.get_ref().as_bool();
            said.single_page =
                Some(yes.ok_or_else(|| {
                    self.wrong(value.span().start, "single_page is true or false")
                })?);
        }
        if let Some(value) = table.get("port") {
            let number = value.get_ref().as_integer();
            let number =
                number.and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
            said.port = Some(number.filter(|port| *port > 0).ok_or_else(|| {
                self.wrong(value.span().start, "port is a number from 1 to 65535")
            })?);
            said.reasons.push(format!("{FILE} names the port"));
        }
        if let Some(value) = table.get("packages") {
            let names = value.get_ref().as_array().and_then(texts).ok_or_else(|| {
                self.wrong(value.span().start, "packages is a list of names, such as [\"ffmpeg\"]")
            })?;
            self.at(value, said.packages(&names, FILE, "packages"))?;
        }
        if let Some(value) = table.get("versions") {
            let versions = self.table(value, "build.versions")?;
            self.keys(versions, LANGUAGES, "build.versions")?;
            for (language, version) in versions {
                let version = self.text_of(version, language.get_ref())?;
                said.version(language.get_ref(), version, FILE);
            }
        }
        if let Some(value) = table.get("env") {
            for (name, value) in self.table(value, "build.env")? {
                let text = self.text_of(value, name.get_ref())?;
                self.at(value, said.variable(name.get_ref(), text, FILE, "env"))?;
            }
        }
        Ok(())
    }

    /// Whether what is built is served without a container, and where it lies in the image of a Dockerfile.
    fn site(&self, table: &DeTable<'_>, said: &mut Overrides) -> Result<(), Rejection> {
        self.keys(table, STATIC, "static")?;
        if let Some(value) = table.get("serve") {
            let yes = value.get_ref().as_bool();
            let wrong = || self.wrong(value.span().start, "serve is true or false");
            said.serve = Some(yes.ok_or_else(wrong)?);
            said.reasons.push(format!("{FILE} says whether it is served without a container"));
        }
        if let Some(value) = table.get("output") {
            let text = self.text_of(value, "output")?;
            let below = text.strip_prefix('/').ok_or_else(|| {
                let why = "output is a folder of the image, such as \"/usr/share/nginx/html\"";
                self.wrong(value.span().start, why)
            })?;
            let path = self.at(value, words::path(below, "output"))?;
            said.image_folder = Some(format!("/{path}"));
            said.reasons.push(format!("{FILE} names the folder of the image that is served"));
        }
        Ok(())
    }

    /// What runs once for each deployment.
    fn hooks(&self, table: &DeTable<'_>, said: &mut Overrides) -> Result<(), Rejection> {
        self.keys(table, HOOKS, "hooks")?;
        let mut named = Vec::new();
        for (key, hook) in [("release", Hook::Release), ("post_deploy", Hook::PostDeploy)] {
            if let Some(value) = table.get(key) {
                let text = self.text_of(value, key)?;
                let line = self.at(value, words::ShellLine::new(text, key))?;
                self.at(value, said.hook(hook, &line, key))?;
                named.push(hook.as_str());
            }
        }
        if !named.is_empty() {
            let named = named.join(", ");
            said.reasons.push(format!("{FILE} names what runs once for each deployment: {named}"));
        }
        Ok(())
    }

    /// What runs beside web.
    fn processes(&self, table: &DeTable<'_>, said: &mut Overrides) -> Result<(), Rejection> {
        let mut names = Vec::new();
        for (name, value) in table {
            let at = name.span().start;
            let name = ProcessName::new(name.get_ref().as_ref());
            let name = name.map_err(|bad| self.wrong(at, bad))?;
            let place = format!("processes.{name}");
            let process = self.table(value, &place)?;
            self.keys(process, PROCESS, &place)?;
            let command = process.get("command");
            let command = command.ok_or_else(|| {
                self.wrong(at, format!("[{place}] needs a command, such as \"node worker.js\""))
            })?;
            let text = self.text_of(command, "command")?;
            let line = self.at(command, words::ShellLine::new(text, "command"))?;
            let mut count = 0;
            if let Some(replicas) = process.get("replicas") {
                let number = replicas.get_ref().as_integer();
                let number = number
                    .and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
                let most = limits::MOST_REPLICAS;
                count = number.filter(|number| *number <= most).ok_or_else(|| {
                    let why = format!("replicas is a number from 0 to {most}");
                    self.wrong(replicas.span().start, why)
                })?;
            }
            names.push(name.to_string());
            self.at(command, said.process(name, &line, count, &place))?;
        }
        if !names.is_empty() {
            let names = names.join(", ");
            said.reasons.push(format!("{FILE} names what runs beside web: {names}"));
        }
        Ok(())
    }

    fn table<'t, 'i>(
        &self,
        value: &'t Spanned<DeValue<'i>>,
        name: &str,
    ) -> Result<&'t DeTable<'i>, Rejection> {
        let table = value.get_ref().as_table();
        table.ok_or_else(|| self.wrong(value.span().start, format!("[{name}] is a table")))
    }

    fn text_of<'t>(
        &self,
        value: &'t Spanned<DeValue<'_>>,
        name: &str,
    ) -> Result<&'t str, Rejection> {
        let text = value.get_ref().as_str();
        text.ok_or_else(|| {
            let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            self.wrong(value.span().start, format!("{name} is a text in quotes"))
        })
    }

    /// Adds the line to what is wrong with a value.
    fn at<T>(
        &self,
        value: &Spanned<DeValue<'_>>,
        result: Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        result.map_err(|rejection| self.wrong(value.span().start, rejection))
    }
}

fn texts<'t>(array: &'t DeArray<'_>) -> Option<Vec<&'t str>> {
    array.iter().map(|value| value.get_ref().as_str()).collect()
}

/// What was probably meant.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    near::nearest(name, known.iter().copied(), 1).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::listing::{FileKind, FileListing};
    use crate::detect::texts::{FileText, FileTexts};

    fn said(text: &str) -> Result<Overrides, String> {
        let files: FileListing = [(FILE, FileKind::File)].into_iter().collect();
        let texts: FileTexts = [(FILE, FileText::Text(text.to_owned()))].into_iter().collect();
        let none = Overrides::default();
        let repo = Repo { files: &files, texts: &texts, folder: "", overrides: &none };
        let mut said = Overrides::default();
        read(&repo, &mut said).map_err(|error| error.to_string())?;
        Ok(said)
    }

    #[test]
    fn what_it_says_is_taken() {
        let text = "[build]\npreset = \"node\"\ninstall = \"\"\nbuild = \"make all\"\n\
                    start = \"node x.js\"\noutput = \"./dist/\"\nport = 0xBB8\n\
                    packages = [\"ffmpeg\"]\nsingle_page = true\n\
                    [build.versions]\nnode = \"20\"\n[build.env]\nA = \"b c\"\n";
        let said = said(text).unwrap();
        assert_eq!(said.preset.as_deref(), Some("node"));
        assert_eq!(said.install, Some(vec![]), "an empty text is no step");
        let line = words::ShellLine::new("make all", "build").unwrap();
        assert_eq!(said.build, Some(vec![crate::detect::overrides::Step::Line(line)]));
        assert_eq!(said.start.unwrap().as_str(), "node x.js");
        assert_eq!((said.output.as_deref(), said.port), (Some("dist"), Some(3000)));
        assert_eq!(said.versions["node"], ("20".to_owned(), FILE));
        assert_eq!(said.single_page, Some(true));
    }

    #[test]
    fn processes_start_nothing_of_the_build_and_are_told_of() {
        let text = "[processes.worker]\ncommand = \"node w.js\"\nreplicas = 2\n\
                    [processes.clock]\ncommand = \"tick && tock\"\n";
        let said = said(text).unwrap();
        assert_eq!(said.start, None);
        let [reason] = &said.reasons[..] else { panic!("{:?}", said.reasons) };
        assert!(reason.contains("clock, worker"), "{reason}");
        let all: Vec<_> = said.declared.processes.iter().collect();
        let [(clock, tick), (worker, works)] = &all[..] else { panic!("{all:?}") };
        assert_eq!((clock.as_str(), worker.as_str()), ("clock", "worker"));
        assert_eq!(tick.command.words(), ["sh", "-c", "tick && tock"]);
        assert_eq!(works.command.words(), ["node", "w.js"]);
        assert_eq!((tick.replicas, works.replicas), (0, 2));
    }

    #[test]
    fn what_runs_once_goes_before_what_a_procfile_says() {
        let text = "[hooks]\nrelease = \"bin/migrate\"\npost_deploy = \"warm && tell\"\n";
        let said = said(text).unwrap();
        let hooks: Vec<_> = said.declared.hooks().collect();
        let [(Hook::Release, release), (Hook::PostDeploy, after)] = &hooks[..] else {
            panic!("{hooks:?}")
        };
        assert_eq!(release.words(), ["bin/migrate"]);
        assert_eq!(after.words(), ["sh", "-c", "warm && tell"]);
        let [reason] = &said.reasons[..] else { panic!("{:?}", said.reasons) };
        assert!(reason.contains("release, post-deploy"), "{reason}");
    }

    #[test]
    fn the_schema_has_the_same_keys() {
        let schema: serde_json::Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let keys = |at: &str| -> Vec<String> {
            let object = schema.pointer(at).and_then(serde_json::Value::as_object);
            object.unwrap_or_else(|| panic!("no {at}")).keys().cloned().collect()
        };
        assert_eq!(keys("/properties"), TOP);
        assert_eq!(keys("/properties/build/properties"), BUILD);
        assert_eq!(keys("/properties/processes/additionalProperties/properties"), PROCESS);
        assert_eq!(keys("/properties/hooks/properties"), HOOKS);
        assert_eq!(keys("/properties/static/properties"), STATIC);
        assert_eq!(keys("/properties/build/properties/versions/properties"), LANGUAGES);
        let presets = schema.pointer("/properties/build/properties/preset/enum").unwrap();
        assert_eq!(presets, &serde_json::json!(PRESETS));
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line_and_the_right_one() {
        let rows: &[(&str, &[&str])] = &[
            (
                "[build]\n\nstrat = \"x\"\n",
                &["line 3", "no key strat in [build]", "did you mean start?"],
            ),
            ("\n[biuld]\n", &["line 2", "did you mean build?"]),
            ("[build]\nbuild_command = \"x\"\n", &["line 2", "did you mean build?"]),
            (
                "[build]\nzzz = 1\naaa = 1\n",
                &["line 2", "no key zzz", "there are: build, dockerfile"],
            ),
            ("[build.versions]\npyhton = \"3\"\n", &["line 2", "did you mean python?"]),
            ("[build]\npreset = \"nodejs\"\n", &["line 2", "did you mean node?"]),
            ("[build]\nport = \"80\"\n", &["line 2", "1 to 65535"]),
            ("[build]\nport = 70000\n", &["line 2", "1 to 65535"]),
            ("[build]\nstart = 5\n", &["line 2", "text in quotes"]),
            ("[build]\nstart = \"\"\"\na\nUSER root\"\"\"\n", &["line 2", "one line"]),
            ("[build]\noutput = \"../x\"\n", &["line 2", "inside the app's folder"]),
            ("[build]\ndockerfile = \"/etc/passwd\"\n", &["line 2", "relative"]),
            ("[build]\npackages = [\"a; id\"]\n", &["line 2", "name of letters"]),
            ("[build.env]\nA = \"$(id)\"\n", &["line 2", "hythe env set"]),
            ("build = 1\n", &["line 1", "is a table"]),
            ("[processes]\nworker = 1\n", &["line 2", "[processes.worker] is a table"]),
            ("[processes.worker]\nreplicas = 1\n", &["line 1", "needs a command"]),
            ("[processes.Worker]\ncommand = \"x\"\n", &["line 1", "lower-case letters"]),
            ("[processes.w]\ncomand = \"x\"\n", &["line 2", "did you mean command?"]),
            ("[processes.w]\ncommand = [\"x\"]\n", &["line 2", "text in quotes"]),
            ("[processes.w]\ncommand = \"x\"\nreplicas = 65\n", &["line 3", "0 to 64"]),
            ("[processes.web]\ncommand = \"x\"\n", &["line 2", "something else here"]),
            ("[hooks]\npost-deploy = \"x\"\n", &["line 2", "did you mean post_deploy?"]),
            ("[hooks]\nrelease = [\"x\"]\n", &["line 2", "text in quotes"]),
            ("[hooks]\nrelease = \"\"\n", &["line 2", "release"]),
            ("[static]\nserv = true\n", &["line 2", "did you mean serve?"]),
            ("[static]\nserve = 1\n", &["line 2", "true or false"]),
            ("[static]\noutput = \"dist\"\n", &["line 2", "folder of the image"]),
            ("[static]\noutput = \"/../etc\"\n", &["line 2", "inside"]),
            ("[build\n", &["line 1"]),
            ("[build]\nstart = \"a\"\nstart = \"b\"\n", &["line 3"]),
        ];
        for (text, parts) in rows {
            let refusal = said(text).unwrap_err();
            for part in *parts {
                assert!(refusal.contains(part), "{text:?}: {refusal}");
            }
        }
    }
}
