//! Commands that run once for each deployment, on the command line.

use clap::Args;
use hythe_core::argv::Argv;

use super::span::span;
use crate::api::dto::{CreateApp, UpdateApp};

/// What runs once for each deployment; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct HookArgs {
    /// What runs once before the replicas of a new version start, in a container of its own, by no
    /// shell: words, or a JSON list of them. Where it fails, the version before stays
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub release_command: Option<Argv>,
    /// Nothing runs before a new version any more
    #[arg(long, conflicts_with_all = ["release_command", "release_timeout"])]
    pub no_release_command: bool,
    /// How long the release command may take, such as 5m [default: 10m]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub release_timeout: Option<u64>,
}

impl HookArgs {
    fn release(&self) -> Option<Vec<String>> {
        self.release_command.as_ref().map(|command| command.words().to_vec())
    }

    /// Puts what was given into a change of settings.
    pub(in crate::cli) fn put(&self, change: &mut UpdateApp) {
        let none = self.no_release_command;
        change.release_command = self.release().map(Some).or(none.then_some(None));
        change.release_within_ms = self.release_timeout;
    }

    /// Puts what was given into a new app.
    pub(in crate::cli) fn put_new(&self, app: &mut CreateApp) {
        app.release_command = self.release();
        app.release_within_ms = self.release_timeout;
    }
}

/// Words, or a JSON list of them.
pub(super) fn command(text: &str) -> Result<Argv, String> {
    let words = if text.trim_start().starts_with('[') {
        let bad =
            |error| format!("is no JSON list of texts, as [\"test\", \"-f\", \"/up\"]: {error}");
        serde_json::from_str(text).map_err(bad)?
    } else {
        text.split_whitespace().map(str::to_owned).collect()
    };
    Argv::new(words).map_err(|bad| bad.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        hooks: HookArgs,
    }

    fn change(args: &[&str]) -> Result<UpdateApp, clap::Error> {
        let line = Line::try_parse_from([&["set"], args].concat())?;
        let mut change = UpdateApp::default();
        line.hooks.put(&mut change);
        Ok(change)
    }

    #[test]
    fn a_release_command_is_words_or_a_list_or_none() {
        let words = |words: &[&str]| Some(Some(words.iter().map(ToString::to_string).collect()));
        type Row<'a> = (&'a [&'a str], Option<Option<Vec<String>>>);
        let rows: [Row<'_>; 4] = [
            (&[], None),
            (&["--release-command", "rake db:migrate"], words(&["rake", "db:migrate"])),
            (&["--release-command", r#"["sh", "-c", "a b"]"#], words(&["sh", "-c", "a b"])),
            (&["--no-release-command"], Some(None)),
        ];
        for (args, expected) in rows {
            assert_eq!(change(args).unwrap().release_command, expected, "{args:?}");
        }
        let timeout = change(&["--release-timeout", "5m"]).unwrap();
        assert_eq!(timeout.release_within_ms, Some(300_000));
        for refused in [
            &["--release-command", ""][..],
            &["--release-command", "[1]"],
            &["--release-command", "a", "--no-release-command"],
            &["--release-timeout", "5"],
        ] {
            assert!(change(refused).is_err(), "{refused:?}");
        }
    }
}
