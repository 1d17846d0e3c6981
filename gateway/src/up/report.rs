//! What `hythe up` says: short lines on stderr, and where everything is on stdout.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use super::UpConfig;
use super::address::reachable;
use super::layout::DataDir;
use super::part::{News, Notice, PartName};
use crate::cli::output::Output;

/// Shows what happens.
#[derive(Clone, Debug)]
pub struct Reporter {
    output: Output,
}

impl Reporter {
    /// One that writes where the CLI writes.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints news until there is nobody left who could have some.
    pub(super) async fn print(self, mut news: mpsc::Receiver<News>, dir: DataDir) {
        while let Some((part, notice)) = news.recv().await {
            self.notice(part, &notice, &dir);
        }
    }

    pub(super) fn line(&self, text: impl fmt::Display) {
        self.output.note(format_args!("hythe up: {text}"));
    }

    fn notice(&self, part: PartName, notice: &Notice, dir: &DataDir) {
        match notice {
            Notice::Started(who) => self.line(format_args!("{part:<6} started ({who})")),
            Notice::Adopted(who) => {
                self.line(format_args!("{part:<6} was left running and is taken over ({who})"));
            }
            Notice::Replaced(who) => self.line(format_args!(
                "{part:<6} was left running and is not what is wanted now: stopping it ({who})"
            )),
            Notice::GivesWay(who) => self.line(format_args!(
                "{part:<6} was left running and is not what is wanted now: a new one takes its place ({who})"
            )),
            Notice::Ended { how, again_in, last_words } => {
                self.line(format_args!(
                    "{part:<6} ended ({how}); starting it again in {}; see {}",
                    Span(*again_in),
                    dir.log_file(part).display()
                ));
                for line in last_words {
                    self.line(format_args!("{part:<6} | {line}"));
                }
            }
            Notice::Failed { why, again_in } => self.line(format_args!(
                "{part:<6} failed to {why}; trying again in {}",
                Span(*again_in)
            )),
            Notice::Killed => {
                self.line(format_args!("{part:<6} did not stop in time and was killed"));
            }
            Notice::Stopped => self.line(format_args!("{part:<6} stopped")),
            Notice::Stuck(why) => self.line(format_args!("{part:<6} failed to {why}")),
        }
    }

    pub(super) fn ready(&self, ready: &Ready) {
        if self.output.json() {
            self.output.document(ready);
            return;
        }
        if !ready.missing.is_empty() {
            self.line(format_args!(
                "not ready yet: {}; see {} (it goes on trying)",
                ready.missing.join(", "),
                ready.logs
            ));
        }
        self.output.line(format_args!("\n  dashboard  {}", ready.dashboard));
        self.output.line(format_args!("  sign in    with the token in {}", ready.token_file));
        self.output.line(format_args!("  apps       {}", ready.apps));
        if let Some(apps) = &ready.apps_https {
            self.output.line(format_args!("             {apps} with a certificate"));
        }
        self.output.line(format_args!("  data       {}", ready.data));
        self.output.line(format_args!("\nStop with Ctrl-C."));
    }
}

/// A wait, in words.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        hythe_core::time::Millis(millis).fmt(f)
    }
}

/// Where everything is, once it is up.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// Whether all of it answers.
    pub ready: bool,
    /// What does not answer yet.
    pub missing: Vec<&'static str>,
    /// The dashboard, and the API below it.
    pub dashboard: String,
    /// Where an app answers, with `<app>` for its name.
    pub apps: String,
    /// Where one answers over TLS, where there is a certificate for its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps_https: Option<String>,
    /// Where the edge listens.
    pub edge: String,
    /// The file with the owner's token.
    pub token_file: String,
    /// The data folder.
    pub data: String,
    /// The folder with what the parts say.
    pub logs: String,
    /// This process.
    pub pid: u32,
}

impl Ready {
    pub(super) fn new(config: &UpConfig, dir: &DataDir, missing: Vec<&'static str>) -> Self {
        let port =
            |port: u16, usual: u16| if port == usual { String::new() } else { format!(":{port}") };
        let secure = config.edge_https.map(|address| {
            let port = port(config.public_https.unwrap_or(address.port()), 443);
            format!("https://<app>.{}{port}/", config.base_domain)
        });
        let port = port(config.edge_http.port(), 80);
        Self {
            ready: missing.is_empty(),
            missing,
            dashboard: format!("http://{}/", reachable(config.gateway)),
            apps: format!("http://<app>.{}{port}/", config.base_domain),
            apps_https: secure,
            edge: config.edge_http.to_string(),
            token_file: dir.owner_token_file().display().to_string(),
            data: dir.root().display().to_string(),
            logs: dir.logs().display().to_string(),
            pid: std::process::id(),
        }
    }
}
