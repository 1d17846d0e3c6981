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
    /// What runs once after a new version went live, in the same way. Where it fails, the version
    /// stays, and its deployment says so
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub post_deploy_command: Option<Argv>,
    /// Nothing runs after a new version any more
    #[arg(long, conflicts_with_all = ["post_deploy_command", "post_deploy_timeout"])]
    pub no_post_deploy_command: bool,
    /// How long the post-deploy command may take, such as 5m [default: 10m]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub post_deploy_timeout: Option<u64>,
}

impl HookArgs {
    /// Puts what was given into a change of settings.
    pub(in crate::cli) fn put(&self, change: &mut UpdateApp) {
        change.release_command = said(self.release_command.as_ref(), self.no_release_command);
        change.release_within_ms = self.release_timeout;
        let none = self.no_post_deploy_command;
        change.post_deploy_command = said(self.post_deploy_command.as_ref(), none);
        change.post_deploy_within_ms = self.post_deploy_timeout;
    }

    /// Puts what was given into a new app.
    pub(in crate::cli) fn put_new(&self, app: &mut CreateApp) {
        app.release_command = self.release_command.as_ref().map(words);
        app.release_within_ms = self.release_timeout;
        app.post_deploy_command = self.post_deploy_command.as_ref().map(words);
        app.post_deploy_within_ms = self.post_deploy_timeout;
    }
}

fn words(command: &Argv) -> Vec<String> {
    command.words().to_vec()
}

/// What runs from now on, or `Some(None)` for nothing any more.
fn said(command: Option<&Argv>, none: bool) -> Option<Option<Vec<String>>> {
    command.map(words).map(Some).or(none.then_some(None))
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
    fn a_command_is_words_or_a_list_or_none() {
        let words = |words: &[&str]| Some(Some(words.iter().map(ToString::to_string).collect()));
        type Said = Option<Option<Vec<String>>>;
        type Row<'a> = (&'a [&'a str], Said, Said);
        let rows: [Row<'_>; 6] = [
            (&[], None, None),
            (&["--release-command", "rake db:migrate"], words(&["rake", "db:migrate"]), None),
            (&["--release-command", r#"["sh", "-c", "a b"]"#], words(&["sh", "-c", "a b"]), None),
            (&["--no-release-command"], Some(None), None),
            (&["--post-deploy-command", "bin/warm-up -a"], None, words(&["bin/warm-up", "-a"])),
            (&["--no-post-deploy-command"], None, Some(None)),
        ];
        for (args, release, post_deploy) in rows {
            let change = change(args).unwrap();
            let said = (change.release_command, change.post_deploy_command);
            assert_eq!(said, (release, post_deploy), "{args:?}");
        }
        let timeouts = change(&["--release-timeout", "5m", "--post-deploy-timeout", "2s"]).unwrap();
        assert_eq!(timeouts.release_within_ms, Some(300_000));
        assert_eq!(timeouts.post_deploy_within_ms, Some(2_000));
        for refused in [
            &["--release-command", ""][..],
            &["--release-command", "[1]"],
            &["--release-command", "a", "--no-release-command"],
            &["--release-timeout", "5"],
            &["--post-deploy-command", ""],
            &["--post-deploy-command", "a", "--no-post-deploy-command"],
            &["--post-deploy-timeout", "5"],
        ] {
            assert!(change(refused).is_err(), "{refused:?}");
        }
    }
}
