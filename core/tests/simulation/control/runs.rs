//! Runs as the control plane looks after them: their workers are told of them until they have heard,
//! and how each ended is found by comparing what is open with what workers know, again and again.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::{ActiveApp, AppCommand};
use hythe_core::argv::Argv;
use hythe_core::ids::{AppId, DeploymentId, RunId, WorkerId};
use hythe_core::limits;
use hythe_core::one_off::{CommandLine, Cut, OneOff, OneOffEnd};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::{RunSaid, RunSeen};
use hythe_core::worker::Lease;

use super::{Insisted, Then};
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::runs::{Opening, Question};
use crate::schedule::Due;
use crate::world::World;

/// From one look at what is open to the next.
const LOOK_EVERY: u64 = 5_000;
/// How long a worker may take to make a container, and for other answers.
const OPEN_WITHIN: u64 = 20_000;
const ANSWER_WITHIN: u64 = 10_000;
/// Before one is told again.
const AGAIN: u64 = 2_000;

/// Something about runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RunsDue {
    Look,
    /// A worker is told of a run.
    Tell(RunId),
    /// A question was not answered in time.
    Unanswered(u64),
}

/// Who tells a worker of a run, and so what follows where that does not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A person waits for it.
    ByHand,
    /// It has just begun.
    First,
    /// It may have heard of it, since then.
    Again(Timestamp),
}

/// A run that a worker is told of.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) app: AppId,
    pub(crate) one_off: OneOff,
    pub(crate) within: Millis,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Open(RunId),
    List,
    Stop,
}

/// The runs that this control plane looks after, and what it has asked.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// As long as one is here, nobody takes it for lost.
    pub(super) held: BTreeMap<RunId, Option<Telling>>,
    asked: BTreeMap<u64, Asked>,
    /// What was open and let go of when workers were asked last, and who has answered since.
    told: BTreeSet<RunId>,
    heard: Option<BTreeSet<WorkerId>>,
}

type Open = BTreeMap<RunId, (AppId, OneOff)>;

impl World {
    /// What is open and may not have been heard of is told again.
    pub(super) fn runs_start(&mut self) {
        let now = self.control_now();
        let apps = self.control.view.apps.iter();
        let apps = apps.filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let open = apps.flat_map(|(app, active)| {
            active.crons.values().flat_map(move |cron| {
                cron.open().filter_map(move |run| {
                    let one_off = active.one_offs.get(&run.run)?.clone();
                    let within = cron.settings.within;
                    Some((run.run, Telling { app, one_off, within, how: How::Again(now) }))
                })
            })
        });
        let open: Vec<(RunId, Telling)> = open.collect();
        for (run, telling) in open {
            self.count("run told again after a start");
            self.control.runs.held.insert(run, Some(telling));
            self.tell(run);
        }
        self.after(LOOK_EVERY, Due::Runs(self.control.life, RunsDue::Look));
    }

    pub(crate) fn runs(&mut self, due: RunsDue) {
        match due {
            RunsDue::Look => self.look_at_runs(),
            RunsDue::Tell(run) => self.tell(run),
            RunsDue::Unanswered(number) => self.said(number, None),
        }
    }

    /// Where a command of an app may run, and what the journal is told of it.
    pub(super) fn place_run(
        &self,
        app: &ActiveApp,
        command: &Argv,
        within: Millis,
    ) -> Option<OneOff> {
        let view = &self.control.view;
        let deployment = app.live?;
        let attempt = self.attempt(deployment)?;
        let built = attempt.built.as_ref()?;
        let busy = |worker: WorkerId| {
            let apps = view.apps.values().filter_map(|app| app.state.active());
            apps.flat_map(|app| app.one_offs.values()).filter(|one| one.worker == worker).count()
        };
        let held = |worker: &WorkerId| {
            let member = view.workers.get(worker).and_then(|worker| worker.state.member());
            member.is_some_and(|member| member.lease == Lease::Held)
                && self.control.observed.workers.contains_key(worker)
        };
        let places = attempt.placements.iter().map(|place| place.worker).chain([built.worker]);
        let worker = places.filter(held).min_by_key(|worker| busy(*worker))?;
        Some(OneOff {
            deployment,
            worker,
            command: CommandLine::of(command),
            terminal: false,
            detached: true,
            until: self.control_now().plus(within),
        })
    }

    /// Tells a worker of a run, unless it was let go of meanwhile.
    pub(super) fn tell(&mut self, run: RunId) {
        let Some(Some(telling)) = self.control.runs.held.get(&run).cloned() else { return };
        let now = self.control_now();
        let within = match telling.how {
            How::Again(since) => {
                let over = now >= telling.one_off.until;
                let given = limits::CRON_LATE;
                if over || since.plus(given).is_over(given, now) || !self.has_built(&telling) {
                    return self.let_go(run);
                }
                telling.one_off.until.since(now).min(telling.within)
            }
            How::ByHand | How::First => telling.within,
        };
        let attended = !telling.one_off.detached;
        let opening = Opening { run, app: telling.app, within, attended };
        let on = self.machines.iter().position(|machine| machine.id == telling.one_off.worker);
        if let Some(m) = on.filter(|_| attended) {
            self.sit_down(run, m);
        }
        self.question(
            telling.one_off.worker,
            Question::Open(opening),
            Asked::Open(run),
            OPEN_WITHIN,
        );
    }

    fn has_built(&self, telling: &Telling) -> bool {
        let of: DeploymentId = telling.one_off.deployment;
        self.attempt(of).is_some_and(|attempt| attempt.built.is_some())
    }

    fn question(&mut self, worker: WorkerId, question: Question, asked: Asked, within: u64) {
        self.tickets += 1;
        let number = self.tickets;
        self.control.runs.asked.insert(number, asked);
        let m = self.machines.iter().position(|machine| machine.id == worker);
        let sent = m.is_some_and(|m| {
            self.send(Node::Control, To::Worker(m), Body::Question(number, question))
        });
        let after = if sent { within } else { 0 };
        self.after(after, Due::Runs(self.control.life, RunsDue::Unanswered(number)));
    }

    /// A worker has answered.
    pub(crate) fn runs_answered(&mut self, number: u64, m: usize, said: &RunSaid) {
        self.said(number, Some((self.machines[m].id, said.clone())));
    }

    fn said(&mut self, number: u64, said: Option<(WorkerId, RunSaid)>) {
        match (self.control.runs.asked.remove(&number), said) {
            (Some(Asked::Open(run)), said) => self.opened(run, said.map(|(_, said)| said)),
            (Some(Asked::List), Some((worker, RunSaid::Runs(seen)))) => {
                if let Some(heard) = &mut self.control.runs.heard {
                    heard.insert(worker);
                }
                self.compare(worker, &seen);
            }
            (Some(Asked::List | Asked::Stop), _) | (None, _) => {}
        }
    }

    /// What a worker said that was told of a run.
    fn opened(&mut self, run: RunId, said: Option<RunSaid>) {
        let Some(Some(telling)) = self.control.runs.held.get(&run).cloned() else { return };
        let again = match (telling.how, said) {
            // It has heard of it, or cannot run it: how it ended is found like that of any other.
            (_, Some(RunSaid::Done | RunSaid::Runs(_)))
            | (How::Again(_), Some(RunSaid::Refused { .. })) => return self.let_go(run),
            (How::First | How::ByHand, Some(RunSaid::Refused { .. })) | (How::ByHand, None) => {
                self.count("run not started");
                self.stand_up(run);
                self.end_run(telling.app, run, OneOffEnd::NotStarted);
                return self.let_go(run);
            }
            (How::First, None) => {
                let how = How::Again(self.control_now());
                self.control.runs.held.insert(run, Some(Telling { how, ..telling }));
                1
            }
            (How::Again(_), None) => AGAIN,
        };
        self.count("run told again");
        self.after(again, Due::Runs(self.control.life, RunsDue::Tell(run)));
    }

    /// Nobody tells of it any more.
    fn let_go(&mut self, run: RunId) {
        self.control.runs.held.remove(&run);
        self.job_is_attended_to(run);
    }

    pub(super) fn end_run(&mut self, app: AppId, run: RunId, end: OneOffEnd) {
        if self.plant == Some(Plant::NobodyEndsRuns) {
            return;
        }
        let command = AppCommand::EndCommand { run, end };
        self.insist(Insisted { app, command, then: Then::Nothing });
    }

    fn open_runs(&self) -> Open {
        let apps = self.control.view.apps.iter();
        let apps = apps.filter_map(|(id, app)| Some((*id, app.state.active()?)));
        apps.flat_map(|(id, app)| {
            app.one_offs.iter().map(move |(run, one_off)| (*run, (id, one_off.clone())))
        })
        .collect()
    }

    fn held_workers(&self) -> Vec<WorkerId> {
        let members = self.control.view.workers.values();
        let members = members.filter_map(|worker| worker.state.member());
        members.filter(|one| one.lease == Lease::Held).map(|one| one.id).collect()
    }

    fn look_at_runs(&mut self) {
        self.after(LOOK_EVERY, Due::Runs(self.control.life, RunsDue::Look));
        let open = self.open_runs();
        let now = self.control_now();
        if let Some(heard) = self.control.runs.heard.take() {
            for (run, (app, one_off)) in &open {
                let lost = !self.held_workers().contains(&one_off.worker);
                if !heard.contains(&one_off.worker) && one_off.is_given_up(lost, now) {
                    self.end_run(*app, *run, OneOffEnd::Cut(Cut::Lost));
                }
            }
        }
        // Where nothing is open and nothing runs, no answer would say anything.
        let mut runs = self.machines.iter().flat_map(|machine| machine.engine.runs.values());
        if open.is_empty() && !runs.any(|one| one.runs()) {
            return;
        }
        let held = &self.control.runs.held;
        let told = open.into_keys().filter(|run| !held.contains_key(run)).collect();
        self.control.runs.told = told;
        self.control.runs.heard = Some(BTreeSet::new());
        for worker in self.held_workers() {
            self.question(worker, Question::List, Asked::List, ANSWER_WITHIN);
        }
    }

    fn compare(&mut self, worker: WorkerId, seen: &[RunSeen]) {
        let open = self.open_runs();
        let discarded = |world: &Self, app: AppId| {
            let app = world.control.view.apps.get(&app).and_then(|app| app.state.active());
            app.is_none_or(|app| app.discarded.is_some())
        };
        for one in seen {
            match (open.get(&one.run), one.ended) {
                (Some((app, _)), Some(end)) => self.end_run(*app, one.run, end),
                (None, Some(_)) => {}
                (known, None) => {
                    let wanted = known.is_some() && !discarded(self, one.app);
                    let held = self.control.runs.held.contains_key(&one.run);
                    if !wanted && (known.is_some() || !held) {
                        self.stop_run_at(worker, one.run);
                    }
                }
            }
        }
        let told = self.control.runs.told.clone();
        for (run, (app, one_off)) in open {
            let known = seen.iter().any(|one| one.run == run);
            if one_off.worker == worker && !known && told.contains(&run) {
                self.end_run(app, run, OneOffEnd::Cut(Cut::Lost));
            }
        }
    }

    pub(super) fn stop_run_at(&mut self, worker: WorkerId, run: RunId) {
        self.question(worker, Question::Stop(run), Asked::Stop, ANSWER_WITHIN);
    }
}
