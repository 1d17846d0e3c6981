//! The reactor: pages of the journal from a durable cursor; commands to one aggregate keep their
//! order, those to different ones go at once; "busy" is no answer.

use std::collections::{BTreeMap, VecDeque};

use hythe_core::app::{App, AppEvent};
use hythe_core::deployment::{Deployment, DeploymentCommand};
use hythe_core::event::Event;
use hythe_core::react::{Reaction, react};
use hythe_core::record::{Actor, Meta, Sequence};
use uuid::Uuid;

use crate::aggregate::{Answer, Waiter};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// Events taken at once.
const PAGE: usize = 256;

/// What the reactor is at.
#[derive(Debug, Default)]
pub(crate) struct Reactor {
    /// Everything up to here was reacted to.
    pub(crate) at: Sequence,
    /// The end of the page under way.
    page: Sequence,
    work: BTreeMap<Uuid, VecDeque<(Reaction, Meta)>>,
}

impl Reactor {
    pub(super) fn starting_at(at: Sequence) -> Self {
        Self { at, page: at, work: BTreeMap::new() }
    }
}

impl World {
    /// Takes the next page, unless one is under way.
    pub(crate) fn react(&mut self) {
        if !self.control.reactor.work.is_empty() {
            return;
        }
        let page = self.journal.page(self.control.reactor.at, PAGE).to_vec();
        let Some(last) = page.last().map(|recorded| recorded.sequence) else { return };
        self.control.reactor.page = last;
        let now = self.control_now();
        for recorded in page {
            let mut reactions = react(&recorded, now);
            if self.plant == Some(Plant::OldVersionNeverRetires)
                && matches!(&recorded.event, Event::App(AppEvent::DeploymentPromoted { .. }))
            {
                reactions.clear();
            }
            if self.plant == Some(Plant::NobodyWaitsForTheirTurn)
                && let Event::App(AppEvent::DeploymentRequested { deployment, .. }) = recorded.event
            {
                let begin = DeploymentCommand::Begin { at: now };
                reactions.push(Reaction::Deployment(deployment, begin));
            }
            for reaction in reactions {
                let target = match &reaction {
                    Reaction::App(id, _) => id.uuid(),
                    Reaction::Deployment(id, _) => id.uuid(),
                };
                let mut meta = self.meta(Actor::System, Some(recorded.sequence));
                meta.correlation = recorded.meta.correlation;
                let work = &mut self.control.reactor.work;
                work.entry(target).or_default().push_back((reaction, meta));
            }
        }
        let targets: Vec<Uuid> = self.control.reactor.work.keys().copied().collect();
        targets.into_iter().for_each(|target| self.give(target));
        self.end_page();
    }

    /// Gives the next command to a target.
    pub(crate) fn give(&mut self, target: Uuid) {
        let work = self.control.reactor.work.get(&target);
        let Some((reaction, meta)) = work.and_then(|work| work.front()).cloned() else { return };
        self.note(format_args!("reaction to {:?}: {}", meta.causation, words(&reaction)));
        match reaction {
            Reaction::App(id, command) => {
                self.command::<App>(id.uuid(), command, meta, Waiter::Reactor(target));
            }
            Reaction::Deployment(id, command) => {
                self.command::<Deployment>(id.uuid(), command, meta, Waiter::Reactor(target));
            }
        }
    }

    pub(super) fn reactor_answered(&mut self, target: Uuid, answer: &Answer) {
        match answer {
            Answer::Busy => {
                let after = self.random.u64(20..500);
                return self.after(after, Due::ReactAgain(self.control.life, target));
            }
            Answer::Rejected(why) => self.note(format_args!("a reaction was refused: {why}")),
            Answer::Done(_) | Answer::ClaimTaken => {}
        }
        let Some(work) = self.control.reactor.work.get_mut(&target) else { return };
        work.pop_front();
        if work.is_empty() {
            self.control.reactor.work.remove(&target);
            self.end_page();
        } else {
            self.give(target);
        }
    }

    /// The page is done once every target is; the cursor is on the disk some time later.
    fn end_page(&mut self) {
        let reactor = &mut self.control.reactor;
        if !reactor.work.is_empty() || reactor.at == reactor.page {
            return;
        }
        reactor.at = reactor.page;
        self.journal.cursor.1 = reactor.at;
        if self.random.bool() {
            self.journal.cursor.0 = reactor.at;
        }
        self.after(0, Due::React(self.control.life));
    }
}

fn words(reaction: &Reaction) -> String {
    match reaction {
        Reaction::App(id, command) => format!("{} {command:?}", Short(id.uuid())),
        Reaction::Deployment(id, DeploymentCommand::Request(_)) => {
            format!("{} Request", Short(id.uuid()))
        }
        Reaction::Deployment(id, command) => format!("{} {command:?}", Short(id.uuid())),
    }
}
