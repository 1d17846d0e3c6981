//! `hythe link`: which app a folder is of, so that its name can be left out there.
//!
//! Links lie with the person, not in the folder: what is in a repository is for everybody who has it,
//! and may have been written by anybody. They hold no token.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hythe_core::names::AppName;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::{Context, set};
use crate::api::dto::App;

/// Commands that make an app or take one away: their app is always said.
const SAID: [&str; 3] = ["create", "rm", "restore"];

/// What a folder is linked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The app.
    pub app: AppName,
    /// The server that it is on.
    pub url: String,
}

type All = BTreeMap<PathBuf, Link>;

/// The links of a person.
#[derive(Clone, Debug)]
pub struct Links(PathBuf);

impl Links {
    /// Those of whoever runs this; none where they have no home.
    #[must_use]
    pub fn own() -> Option<Self> {
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let config =
            absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        config.map(|config| Self(config.join("hythe/links.json")))
    }

    /// What a folder, or the nearest one that it lies in, is linked to.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn of(&self, folder: &Path) -> Outcome<Option<(PathBuf, Link)>> {
        let all = self.read()?;
        let nearest = folder.ancestors().find_map(|folder| all.get_key_value(folder));
        Ok(nearest.map(|(folder, link)| (folder.clone(), link.clone())))
    }

    /// Links a folder, or unlinks it.
    fn put(&self, folder: &Path, link: Option<Link>) -> Outcome {
        let mut all = self.read()?;
        match link {
            Some(link) => drop(all.insert(folder.to_owned(), link)),
            None => drop(all.remove(folder)),
        }
        self.write(&all).map_err(|error| {
            Failure::failed(format!("failed to write {}: {error}", self.0.display()))
        })
    }

    fn read(&self) -> Outcome<All> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(All::new()),
            Err(error) => {
                let shown = self.0.display();
                return Err(Failure::failed(format!("failed to read {shown}: {error}")));
            }
        };
        serde_json::from_slice(&text).map_err(|error| {
            let shown = self.0.display();
            Failure::failed(format!("{shown} holds no links: {error}"))
                .hint("remove it; links are made again with `hythe link APP`")
        })
    }

    fn write(&self, all: &All) -> std::io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut aside, all)?;
        aside.write_all(b"\n")?;
        #[expect(clippy::disallowed_methods, reason = "a link that is lost is made again")]
        aside.persist(&self.0)?;
        Ok(())
    }
}

fn here() -> Outcome<PathBuf> {
    let folder = std::env::current_dir().and_then(std::fs::canonicalize);
    folder.map_err(|error| Failure::failed(format!("this folder is not there any more: {error}")))
}

/// What the present folder is linked to. What cannot be read is told by `hythe link`, and by nothing
/// else: who names the app needs no link.
#[must_use]
pub fn present() -> Option<Link> {
    let (_, link) = Links::own()?.of(&here().ok()?).ok()??;
    Some(link)
}

/// The command line, with what the link says for what is left out.
#[must_use]
pub fn filled(command: clap::Command, link: &Link) -> clap::Command {
    let command = command.mut_arg("url", |arg| arg.default_value(link.url.clone()));
    with_app(command, link)
}

fn with_app(command: clap::Command, link: &Link) -> clap::Command {
    let command = command.mut_subcommands(|command| with_app(command, link));
    if SAID.contains(&command.get_name()) {
        return command;
    }
    match left_out(&command) {
        // Where it is: one that is changed by itself becomes the last.
        Some(app) => command.mut_args(|arg| {
            if arg.get_id() == app.as_str() {
                arg.required(false).default_value(link.app.to_string())
            } else {
                arg
            }
        }),
        None => command,
    }
}

/// The argument that names the app, where a command needs one and can be told the rest without it.
fn left_out(command: &clap::Command) -> Option<clap::Id> {
    let mut named = command.get_positionals();
    let app = named.next().filter(|arg| {
        let kind = arg.get_value_parser().type_id();
        arg.is_required_set() && kind == TypeId::of::<AppName>()
    });
    // What comes after "--" is told from an app; whatever else has to be given is not.
    let alone = named.all(|arg| arg.is_last_set() || !arg.is_required_set());
    app.map(|arg| arg.get_id().clone()).filter(|_| alone)
}

/// `hythe link`.
pub(super) async fn link(context: &Context, url: &str, app: Option<AppName>) -> Outcome {
    let (links, folder) = (links()?, here()?);
    if let Some(app) = app {
        let there: App = context.client.get(&["apps", app.as_str()], &[]).await?;
        let link = Link { app, url: url.to_owned() };
        links.put(&folder, Some(link.clone()))?;
        told(context, &folder, &link);
        if !context.output.json() {
            context.output.note(format_args!(
                "in here, hythe commands are about {} where they name no app",
                there.name
            ));
        }
        return Ok(());
    }
    match links.of(&folder)? {
        Some((folder, link)) => told(context, &folder, &link),
        None => {
            return Err(Failure::failed(format!("{} is linked to no app", folder.display()))
                .hint("link it: hythe link APP"));
        }
    }
    Ok(())
}

/// `hythe unlink`.
pub(super) fn unlink(context: &Context) -> Outcome {
    let (links, folder) = (links()?, here()?);
    let Some((folder, link)) = links.of(&folder)? else {
        return Err(Failure::failed(format!("{} is linked to no app", folder.display())));
    };
    links.put(&folder, None)?;
    if context.output.json() {
        context.output.document(&json!({"folder": folder, "app": link.app, "linked": false}));
    } else {
        let shown = folder.display();
        context.output.line(format_args!("{shown} is not linked to {} any more", link.app));
    }
    Ok(())
}

fn links() -> Outcome<Links> {
    Links::own()
        .ok_or_else(|| Failure::usage("links are kept in your home, and there is none: set HOME"))
}

fn told(context: &Context, folder: &Path, link: &Link) {
    let Link { app, url } = link;
    if context.output.json() {
        context.output.document(&json!({"folder": folder, "app": app, "url": url, "linked": true}));
    } else {
        let shown = folder.display();
        context.output.line(format_args!("{shown} is linked to {app} on {url}"));
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::cli::args::{Cli, Command, EnvCommand};

    fn parsed(args: &[&str]) -> Result<Cli, clap::Error> {
        let link = Link { app: AppName::new("shop").unwrap(), url: "http://far.example".into() };
        let words = [&["hythe"], args].concat();
        Cli::from_arg_matches(&filled(Cli::command(), &link).try_get_matches_from(words)?)
    }

    #[test]
    fn what_is_left_out_is_the_linked_app() {
        filled(Cli::command(), &Link { app: AppName::new("a").unwrap(), url: "http://x".into() })
            .debug_assert();
        let cli = parsed(&["stop"]).unwrap();
        assert_eq!(cli.global.url, "http://far.example");
        let Command::Stop(args) = cli.command else { panic!("stop") };
        assert_eq!(args.name.as_str(), "shop");
        let Command::Stop(args) = parsed(&["stop", "other"]).unwrap().command else {
            panic!("stop")
        };
        assert_eq!(args.name.as_str(), "other");
        let cli = parsed(&["--url", "http://near.example", "env", "ls"]).unwrap();
        assert_eq!(cli.global.url, "http://near.example");
        let Command::Env(EnvCommand::Ls { name, .. }) = cli.command else { panic!("env ls") };
        assert_eq!(name.as_str(), "shop");
        let Command::Run(args) = parsed(&["run", "--", "ls", "-l"]).unwrap().command else {
            panic!("run")
        };
        assert_eq!((args.name.as_str(), args.command.len()), ("shop", 2));
        for args in [&["deploy"][..], &["logs"], &["rollback"], &["restart"], &["app", "show"]] {
            assert!(parsed(args).is_ok(), "{args:?}");
        }
    }

    #[test]
    fn what_else_has_to_be_named_is_not_taken_for_it() {
        for args in [
            &["app", "create"][..],
            &["app", "rm"],
            &["app", "restore"],
            &["cron", "show"],
            &["process", "rm"],
            &["project", "show"],
            &["deploy", "Not a name"],
        ] {
            assert!(parsed(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn a_folder_has_the_link_of_the_nearest_one_around_it() {
        let home = tempfile::tempdir().unwrap();
        let links = Links(home.path().join("hythe/links.json"));
        let link = |app: &str| Link { app: AppName::new(app).unwrap(), url: "http://x".into() };
        assert_eq!(links.of(Path::new("/a/b")).unwrap(), None);
        links.put(Path::new("/a"), Some(link("shop"))).unwrap();
        links.put(Path::new("/a/b"), Some(link("other"))).unwrap();
        for (folder, app) in [
            ("/a", Some("shop")),
            ("/a/c/d", Some("shop")),
            ("/a/b/c", Some("other")),
            ("/b", None),
        ] {
            let found = links.of(Path::new(folder)).unwrap().map(|(_, link)| link.app.to_string());
            assert_eq!(found.as_deref(), app, "{folder}");
        }
        links.put(Path::new("/a/b"), None).unwrap();
        let (folder, found) = links.of(Path::new("/a/b/c")).unwrap().unwrap();
        assert_eq!((folder.as_path(), found), (Path::new("/a"), link("shop")));
        std::fs::write(&links.0, "{").unwrap();
        let refused = links.of(Path::new("/a")).unwrap_err();
        assert!(refused.message.contains("holds no links"), "{}", refused.message);
    }
}
