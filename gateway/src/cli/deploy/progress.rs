//! What is seen while a deployment is on its way, always on stderr: on a terminal its stages with
//! their durations and the tail of the build's log, elsewhere a line per stage and the whole log.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::api::dto::{Deployment, DeploymentStatus, StageEntry};
use crate::cli::format;
use crate::cli::output::Output;

/// Lines of the log that are seen at once.
const TAIL: usize = 6;
/// How long nothing comes before it is said what is waited for.
const QUIET: Duration = Duration::from_secs(15);
/// How often the view moves while nothing happens.
const TICK: Duration = Duration::from_millis(120);
/// Columns that are left to a line of log.
const MOST_COLUMNS: usize = 110;

/// A deployment's progress.
pub(super) enum Progress {
    /// Lines.
    Plain(Plain),
    /// A view that changes in place.
    Live(Box<Live>),
}

impl Progress {
    pub(super) fn new(output: &Output, deployment: &Deployment) -> Self {
        let title = format!("{} #{}", deployment.app.name, deployment.number);
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if std::io::stderr().is_terminal() && !dumb {
            Self::Live(Box::new(Live::new(output, &title)))
        } else {
            output.note(format_args!("{title}: {}", deployment.id));
            let quiet = Quiet { since: Instant::now() };
            Self::Plain(Plain { output: output.clone(), seen: 0, quiet })
        }
    }

    /// Shows where it stands.
    pub(super) fn look(&mut self, deployment: &Deployment) {
        match self {
            Self::Plain(plain) => plain.look(deployment),
            Self::Live(live) => live.look(deployment),
        }
    }

    /// Shows a line of the build's log.
    pub(super) fn line(&mut self, text: &str) {
        match self {
            Self::Plain(plain) => {
                plain.quiet.over(Instant::now());
                plain.output.note(format_args!("    | {}", clean(text)));
            }
            Self::Live(live) => live.line(text),
        }
    }

    /// Shows no more.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Live(live) => live.finish(),
        }
    }
}

/// Without control characters: the view counts columns, and a file wants none.
fn clean(text: &str) -> String {
    text.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

/// Lines, one per stage, and what it waits for where nothing else comes.
pub(super) struct Plain {
    output: Output,
    seen: usize,
    quiet: Quiet,
}

/// Since when nothing was said.
struct Quiet {
    since: Instant,
}

impl Quiet {
    /// Something is said.
    fn over(&mut self, now: Instant) {
        self.since = now;
    }

    /// What it waits for, where it is time to say that.
    fn breaks(&mut self, now: Instant, waits: Option<&str>) -> Option<String> {
        let waits = waits.filter(|_| now.duration_since(self.since) >= QUIET)?;
        self.over(now);
        Some(clean(waits))
    }
}

impl Plain {
    fn look(&mut self, deployment: &Deployment) {
        let Some(first) = deployment.stages.first() else { return };
        for entry in deployment.stages.iter().skip(self.seen) {
            let after = entry.at.0.since(first.at.0);
            self.output.note(format_args!("[{:>9}] {}", after.to_string(), entry.stage.as_str()));
        }
        let now = Instant::now();
        if deployment.stages.len() > self.seen {
            self.seen = deployment.stages.len();
            self.quiet.over(now);
        }
        if let Some(waits) = self.quiet.breaks(now, deployment.waiting_for.as_deref()) {
            self.output.note(format_args!("            waits for {waits}"));
        }
    }
}

/// A view that changes in place: stages that are over, the one that is not, the tail of the log.
pub(super) struct Live {
    all: MultiProgress,
    done: Vec<ProgressBar>,
    now: ProgressBar,
    tail: Vec<ProgressBar>,
    lines: VecDeque<String>,
    stage: Option<StageEntry>,
    plain: ProgressStyle,
}

impl Live {
    fn new(output: &Output, title: &str) -> Self {
        output.note(title);
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12));
        let now = all.add(ProgressBar::new_spinner());
        now.set_style(style("  {spinner:.cyan} {msg}"));
        now.enable_steady_tick(TICK);
        let plain = style("{msg}");
        let faint = style("    {msg:.dim}");
        let tail = (0..TAIL)
            .map(|_| {
                let line = all.add(ProgressBar::new_spinner());
                line.set_style(faint.clone());
                line
            })
            .collect();
        Self { all, done: Vec::new(), now, tail, lines: VecDeque::new(), stage: None, plain }
    }

    fn look(&mut self, deployment: &Deployment) {
        for (at, entry) in deployment.stages.iter().enumerate().skip(self.done.len()) {
            let Some(took) = entry.duration_ms else { continue };
            let mark = mark(deployment.stages.get(at + 1).map(|next| next.stage));
            let line = self.all.insert_before(&self.now, ProgressBar::new_spinner());
            line.set_style(self.plain.clone());
            line.finish_with_message(format!(
                "  {mark} {:<10} {}",
                entry.stage.as_str(),
                format::span(took)
            ));
            self.done.push(line);
        }
        if let Some(entry) = deployment.stages.last() {
            self.stage = Some(entry.clone());
        }
        let Some(entry) = &self.stage else { return };
        let since = format::now().since(entry.at.0).0 / 1000;
        let waiting = deployment.waiting_for.as_deref().map_or(String::new(), clean);
        self.now.set_message(format!("{:<10} {since} s  {waiting}", entry.stage.as_str()));
    }

    fn line(&mut self, text: &str) {
        self.lines.push_back(clean(text).chars().take(MOST_COLUMNS).collect());
        if self.lines.len() > TAIL {
            self.lines.pop_front();
        }
        for (bar, line) in self.tail.iter().zip(&self.lines) {
            bar.set_message(line.clone());
        }
    }

    fn finish(&mut self) {
        self.now.finish_and_clear();
        for line in &self.tail {
            line.finish_and_clear();
        }
    }
}

/// How a stage is shown that is over, by what came after it.
fn mark(next: Option<DeploymentStatus>) -> char {
    let ended =
        [DeploymentStatus::Failed, DeploymentStatus::Cancelled, DeploymentStatus::Superseded];
    if next.is_some_and(|next| ended.contains(&next)) { '✗' } else { '✓' }
}

fn style(template: &str) -> ProgressStyle {
    // The templates above are constants; a plain spinner will do should one be wrong.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_where_nothing_else_comes() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut quiet = Quiet { since: begun };
        assert_eq!(quiet.breaks(after(14), Some("a builder")), None);
        assert_eq!(quiet.breaks(after(15), None), None);
        assert_eq!(quiet.breaks(after(16), Some("a builder")).as_deref(), Some("a builder"));
        assert_eq!(quiet.breaks(after(17), Some("a builder")), None, "it was just said");
        quiet.over(after(30));
        assert_eq!(quiet.breaks(after(32), Some("a builder")), None, "a line came");
        assert!(quiet.breaks(after(45), Some("a builder")).is_some());
    }

    #[test]
    fn the_stage_that_a_deployment_failed_in_was_not_done() {
        assert_eq!(mark(Some(DeploymentStatus::Healthy)), '✓');
        assert_eq!(mark(None), '✓');
        assert_eq!(mark(Some(DeploymentStatus::Failed)), '✗');
        assert_eq!(mark(Some(DeploymentStatus::Cancelled)), '✗');
    }
}
