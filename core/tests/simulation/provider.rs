//! Whoever keeps the repository: pull requests are opened, pushed to, closed and opened again, and every
//! app of the repository is told: late, twice, and in another order, but in the end always.

use std::collections::BTreeMap;

use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::hook::{Head, HeadCommit, PullChange, PullRequest, PullTitle, SenderName};
use hythe_core::ids::AppId;
use hythe_core::preview::judge::{Judged, judge};
use hythe_core::record::Actor;
use hythe_core::time::Timestamp;

use crate::aggregate::{Answer, Waiter};
use crate::made;
use crate::schedule::Due;
use crate::world::{BEGINNING, World};

/// The numbers of pull requests: few, so that they come again.
const NUMBERS: u64 = 2;
/// The repository's own branch.
const DEFAULT_BRANCH: &str = "main";

/// Something that was told of a pull request.
#[derive(Clone, Debug)]
struct Delivery {
    pull: PullRequest,
    change: PullChange,
    /// Answers that are still to come, and whether one of them is not one that counts.
    waits_for: usize,
    failed: bool,
}

/// What it has.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    pulls: BTreeMap<u64, (PullRequest, bool)>,
    commits: u64,
    deliveries: u64,
    /// Those that were not answered yet.
    open: BTreeMap<u64, Delivery>,
}

impl Provider {
    /// How many deliveries are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.open.len()
    }
}

impl World {
    /// A pull request changes.
    pub(crate) fn a_pull_request_changes(&mut self) {
        if self.calm {
            return;
        }
        let after = self.random.u64(2_000..60_000);
        self.after(after, Due::Pull);
        let number = self.random.u64(1..=NUMBERS);
        let known = self.provider.pulls.get(&number).cloned();
        let what = self.random.u32(..10);
        let (mut pull, change) = match known {
            Some((pull, true)) => match what {
                0..5 => (self.with_commit(pull), PullChange::Came),
                5 => {
                    let title = PullTitle::cleaned(&format!("at {}", self.now));
                    (PullRequest { title, ..pull }, PullChange::Edited)
                }
                6 => {
                    let base = if pull.base.as_str() == DEFAULT_BRANCH { "next" } else { "main" };
                    (PullRequest { base: base.parse().unwrap(), ..pull }, PullChange::Edited)
                }
                _ => (pull, PullChange::Closed { merged: what == 7 }),
            },
            Some((pull, false)) => (PullRequest { draft: false, ..pull }, PullChange::Came),
            None => (self.new_pull(number), PullChange::Came),
        };
        pull.at = Timestamp(BEGINNING + self.now);
        let open = !matches!(change, PullChange::Closed { .. });
        self.provider.pulls.insert(number, (pull.clone(), open));
        self.note(format_args!("pull request {number}: {change:?}, {:?}", pull.commit));
        self.send_delivery(&pull, change);
        if self.random.u32(..6) == 0 {
            self.count("delivery doubled");
            self.send_delivery(&pull, change);
        }
    }

    pub(crate) fn with_commit(&mut self, pull: PullRequest) -> PullRequest {
        self.provider.commits += 1;
        let commit = HeadCommit::new(format!("{:040x}", self.provider.commits)).unwrap();
        PullRequest { commit, ..pull }
    }

    pub(crate) fn new_pull(&mut self, number: u64) -> PullRequest {
        let is_fork = self.random.u32(..3) == 0;
        let head = if is_fork { Head::Fork(made::other_repository()) } else { Head::Own };
        let pull = PullRequest {
            number,
            title: PullTitle::cleaned("Fix it"),
            page: None,
            author: SenderName::cleaned("somebody"),
            commit: HeadCommit::new("1".repeat(40)).unwrap(),
            branch: "changes".parse().unwrap(),
            head,
            base: DEFAULT_BRANCH.parse().unwrap(),
            draft: self.random.u32(..8) == 0,
            at: Timestamp(BEGINNING),
        };
        self.with_commit(pull)
    }

    pub(crate) fn send_delivery(&mut self, pull: &PullRequest, change: PullChange) {
        self.provider.deliveries += 1;
        let number = self.provider.deliveries;
        let delivery = Delivery { pull: pull.clone(), change, waits_for: 0, failed: false };
        self.provider.open.insert(number, delivery);
        let late = self.random.u32(..4) == 0;
        let after = if late { self.random.u64(500..90_000) } else { self.random.u64(5..300) };
        self.after(after, Due::Delivery(number));
    }

    /// A delivery arrives; it does so again, unless it is answered.
    pub(crate) fn deliver_about_pull(&mut self, number: u64) {
        let Some(delivery) = self.provider.open.get(&number).cloned() else { return };
        let again = self.random.u64(5_000..15_000);
        self.after(again, Due::Delivery(number));
        if !self.control.up {
            return;
        }
        let (pull, change) = (&delivery.pull, delivery.change);
        let view = &self.control.view;
        let apps = view.names.values().filter_map(|id| view.apps.get(id)?.state.active());
        let asked: Vec<(AppId, Judged)> = apps
            .filter(|app| app.preview.is_none())
            .map(|app: &ActiveApp| (app.id, judge(pull, change, app, Some(DEFAULT_BRANCH))))
            .collect();
        let mut commands = Vec::new();
        for (app, judged) in asked {
            let number = pull.number;
            match judged {
                Judged::Skip(why) => self.note(format_args!("#{number} is skipped: {why}")),
                Judged::Want | Judged::Refresh => {
                    let (refresh, preview) = (judged == Judged::Refresh, self.next_app());
                    let (pull, at) = (Box::new(pull.clone()), self.control_now());
                    let command = AppCommand::WantPreview { pull, app: preview, refresh, at };
                    commands.push((app, command, None));
                }
                Judged::End(why) => {
                    let command = AppCommand::EndPreview { number, why, at: Some(pull.at) };
                    let closed = matches!(change, PullChange::Closed { .. });
                    commands.push((app, command, closed.then_some((number, pull.at))));
                }
            }
        }
        if commands.is_empty() {
            self.provider.open.remove(&number);
            return;
        }
        if let Some(open) = self.provider.open.get_mut(&number) {
            (open.waits_for, open.failed) = (commands.len(), false);
        }
        for (app, command, closed) in commands {
            let meta = self.meta(Actor::System, None);
            let waiter = Waiter::Delivery(number, app, closed);
            self.command::<App>(app.uuid(), command, meta, waiter);
        }
    }

    /// An app has taken a delivery in, or not.
    pub(crate) fn delivery_answered(
        &mut self,
        number: u64,
        app: AppId,
        closed: Option<(u64, Timestamp)>,
        answer: &Answer,
    ) {
        let failed = match answer {
            Answer::Done(sequence) => {
                if let Some(sequence) = sequence {
                    self.acknowledged(*sequence);
                    self.count("delivery counts");
                }
                if let Some((pull, at)) = closed {
                    self.truth.pulls.is_closed(app, pull, at);
                }
                false
            }
            Answer::Rejected(why) => {
                self.count("delivery refused");
                self.note(format_args!("delivery {number}: {why}"));
                false
            }
            Answer::ClaimTaken => false,
            Answer::Busy => true,
        };
        let Some(open) = self.provider.open.get_mut(&number) else { return };
        open.waits_for = open.waits_for.saturating_sub(1);
        open.failed |= failed;
        if open.waits_for == 0 && !open.failed {
            self.provider.open.remove(&number);
        }
    }
}
