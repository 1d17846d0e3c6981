//! The control plane: what it holds in memory, how it dies and what a start finds.

mod crons;
mod previews;
mod reactor;
mod reconciler;
mod reports;
mod runs;
mod statuses;

use std::collections::BTreeMap;

use hythe_core::app::{App, AppCommand};
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::observed::Observed;
use hythe_core::record::{Actor, Meta, Sequence};
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use uuid::Uuid;

use self::crons::Attended;
pub(crate) use self::crons::{CronDue, Job, last_until, works};
use self::previews::Previews;
use self::reactor::Reactor;
use self::reconciler::Reconciler;
use self::runs::Runs;
pub(crate) use self::runs::RunsDue;
pub(crate) use self::statuses::StatusDue;
use self::statuses::Statuses;
use crate::aggregate::{Answer, Hosts, Waiter};
use crate::network::Node;
use crate::plant::Plant;
use crate::pushes::Taken;
use crate::schedule::Due;
use crate::terminal::People;
use crate::world::World;

/// The control plane's memory.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) up: bool,
    pub(crate) life: u32,
    /// How far its clock is off.
    pub(crate) skew: i64,
    /// Cut off from NATS.
    pub(crate) cut: bool,
    /// Counts its connections to NATS.
    epoch: u32,
    pub(crate) hosts: Hosts,
    pub(crate) view: View,
    pub(crate) observed: Observed,
    pub(crate) reactor: Reactor,
    pub(crate) reconciler: Reconciler,
    runs: Runs,
    /// Jobs that are attended to.
    attended: BTreeMap<Job, Attended>,
    previews: Previews,
    pub(crate) pushes: Taken,
    statuses: Statuses,
    pub(crate) people: People,
}

/// A command that is given until it was heard.
#[derive(Clone, Debug)]
pub(crate) struct Insisted {
    app: AppId,
    command: AppCommand,
    then: Then,
}

/// What goes on once it was.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    Attend(Job),
    Leave(Job),
}

impl World {
    pub(crate) fn control_now(&self) -> Timestamp {
        self.clock(self.control.skew)
    }

    /// What goes with a command: who asked, and because of what.
    pub(crate) fn meta(&mut self, actor: Actor, causation: Option<Sequence>) -> Meta {
        self.tickets += 1;
        let correlation = CorrelationId::new(Uuid::from_u128(u128::from(self.tickets)));
        Meta { at: self.control_now(), actor, correlation, causation }
    }

    /// It dies. What was being committed at that moment may be durable though nobody was told.
    pub(crate) fn control_dies(&mut self) -> bool {
        if !self.journal.pending.is_empty() && self.random.bool() {
            self.count("durable and unanswered");
            let group = std::mem::take(&mut self.journal.pending);
            for append in &group {
                // A refusal has nobody to go to.
                let _ = self.journal.commit(append);
            }
            self.witness();
        }
        if self.planted(Plant::LosesTheLastEvent) {
            self.journal.lose_the_last();
        }
        self.journal.crash();
        self.answers.clear();
        let Control { life, skew, cut, epoch, .. } = self.control;
        self.control = Control { life: life + 1, skew, cut, epoch, ..Control::default() };
        let after = self.random.u64(50..30_000);
        self.after(after, Due::Back(Node::Control));
        true
    }

    /// It starts: everything is folded from what is durable, nothing was seen yet.
    pub(crate) fn control_starts(&mut self) {
        self.control.up = true;
        self.control.view = self.journal.view();
        self.control.observed = Observed::starting_at(self.control_now());
        self.control.reactor = Reactor::starting_at(self.journal.cursor.0);
        self.control_linked();
        let life = self.control.life;
        self.after(1, Due::React(life));
        self.runs_start();
        self.look_at_jobs();
        self.previews_start();
        self.statuses_start();
        self.look_at_everything();
    }

    /// Its connection to NATS is new.
    pub(crate) fn control_linked(&mut self) {
        if self.control.up {
            self.control.epoch += 1;
            self.wake_reconciler();
        }
    }

    /// The projection takes in what is durable.
    pub(crate) fn fold(&mut self) {
        let new = self.journal.page(self.control.view.head, usize::MAX / 2);
        if new.is_empty() {
            return;
        }
        let skip = self.plant == Some(Plant::ProjectionSkipsAnEvent);
        for (n, recorded) in new.iter().enumerate() {
            if !(skip && n == 1) {
                self.control.view.apply(recorded);
            }
        }
        if self.random.u32(..32) == 0 {
            self.journal.keep(&self.control.view);
        }
        self.wake_reconciler();
        self.wake_previews();
        self.wake_statuses();
    }

    /// An answer reaches whoever waited for it.
    pub(crate) fn answered(&mut self, waiter: Waiter, answer: &Answer) {
        match waiter {
            Waiter::Nobody => {}
            Waiter::Reactor(target) => self.reactor_answered(target, answer),
            Waiter::Reconciler => self.reconciler_answered(answer),
            Waiter::Report(envelope) => match answer {
                Answer::Busy => self.wait_on(envelope),
                Answer::Done(_) | Answer::Rejected(_) | Answer::ClaimTaken => {}
            },
            Waiter::User(asked) => self.user_answered(asked, answer),
            Waiter::Insists(insisted) => self.insisted(*insisted, answer),
            Waiter::Job(job) => self.job_answered(&job, answer),
            Waiter::Run(asked, run) => self.by_hand_answered(asked, run, answer),
            Waiter::Previews => self.previews_answered(answer),
            Waiter::Push(app) => self.push_answered(app, answer),
            Waiter::Delivery(number, app, closed) => {
                self.delivery_answered(number, app, closed, answer);
            }
        }
    }

    /// Gives a command until it was heard.
    pub(crate) fn insist(&mut self, insisted: Insisted) {
        let meta = self.meta(Actor::System, None);
        let (id, command) = (insisted.app.uuid(), insisted.command.clone());
        self.command::<App>(id, command, meta, Waiter::Insists(Box::new(insisted)));
    }

    fn insisted(&mut self, insisted: Insisted, answer: &Answer) {
        match answer {
            Answer::Busy => {
                let after = self.random.u64(20..500);
                return self.after(after, Due::Insist(self.control.life, Box::new(insisted)));
            }
            Answer::Rejected(why) => self.note(format_args!("insisted in vain: {why}")),
            Answer::Done(_) | Answer::ClaimTaken => {}
        }
        match insisted.then {
            Then::Nothing => {}
            Then::Attend(job) => self.attend(&job),
            Then::Leave(job) => self.leave(&job),
        }
    }
}
