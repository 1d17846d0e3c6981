//! Telling providers how commits fare: what is new in the journal, page by page, from a cursor that is
//! kept in it; of several states of one deployment the newest only.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::deployment::{DeploymentEvent, StageName};
use hythe_core::event::Event;
use hythe_core::hook::status::{CommitState, CommitStatus};
use hythe_core::ids::DeploymentId;
use hythe_core::record::Sequence;

use crate::faults::Kind;
use crate::plant::Plant;
use crate::schedule::Due;
use crate::world::World;

/// Events read at once.
const PAGE: usize = 64;
/// From one try to the next, and how many there are.
const AGAIN: u64 = 1_000;
const TRIES: u32 = 3;

/// Something to do about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatusDue {
    Look,
    /// The provider is told, for so many times already.
    Tell(DeploymentId, CommitState, u32),
}

/// What is being told.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    done: Sequence,
    told: BTreeMap<DeploymentId, CommitState>,
    /// Whose answer is waited for, and up to where all is told then.
    under_way: Option<(Sequence, BTreeSet<DeploymentId>)>,
    /// Whether a look is about to be taken.
    looks: bool,
}

impl World {
    pub(super) fn statuses_start(&mut self) {
        self.control.statuses.done = self.journal.told;
        self.wake_statuses();
    }

    /// Something changed.
    pub(super) fn wake_statuses(&mut self) {
        let statuses = &mut self.control.statuses;
        if !self.user.has_statuses || statuses.looks || statuses.under_way.is_some() {
            return;
        }
        statuses.looks = true;
        self.after(1, Due::Status(self.control.life, StatusDue::Look));
    }

    pub(crate) fn statuses(&mut self, due: StatusDue) {
        match due {
            StatusDue::Look => self.look_what_to_tell(),
            StatusDue::Tell(id, state, tried) => self.tell_provider(id, state, tried),
        }
    }

    fn look_what_to_tell(&mut self) {
        self.control.statuses.looks = false;
        let view = &self.control.view;
        let page = self.journal.page(self.control.statuses.done, PAGE);
        let page = page.iter().take_while(|recorded| recorded.sequence <= view.head);
        let mut until = self.control.statuses.done;
        let mut changed: BTreeMap<DeploymentId, bool> = BTreeMap::new();
        for recorded in page {
            until = recorded.sequence;
            if let Event::Deployment(event) = &recorded.event {
                let live = matches!(event, DeploymentEvent::WentLive { .. });
                *changed.entry(DeploymentId::new(recorded.stream.id)).or_default() |= live;
            }
        }
        if until == self.control.statuses.done {
            return;
        }
        let passes_over = self.plant == Some(Plant::MomentsGoUntold);
        let due = |(id, went_live): (DeploymentId, bool)| {
            let deployment = view.deployments.get(&id)?;
            let attempt = deployment.state.attempt()?;
            let was_live = deployment.stages.iter().any(|(stage, _)| *stage == StageName::Live);
            let of_live = || {
                let wanted = went_live && !passes_over;
                wanted.then(|| CommitStatus::of_live(attempt)).flatten()
            };
            let status = CommitStatus::of(attempt, was_live).or_else(of_live)?;
            Some((id, status.state))
        };
        let due: Vec<(DeploymentId, CommitState)> = changed.into_iter().filter_map(due).collect();
        let told = &mut self.control.statuses.told;
        let fresh: Vec<(DeploymentId, CommitState)> = due
            .into_iter()
            .filter(|(id, state)| told.insert(*id, *state) != Some(*state))
            .collect();
        let waits = fresh.iter().map(|(id, _)| *id).collect();
        self.control.statuses.under_way = Some((until, waits));
        let life = self.control.life;
        for (id, state) in fresh {
            // A provider may be slow.
            let most = if self.random.u32(..4) == 0 { 120_000 } else { 400 };
            let after = self.random.u64(5..most);
            self.after(after, Due::Status(life, StatusDue::Tell(id, state, 0)));
        }
        self.end_telling();
    }

    fn tell_provider(&mut self, id: DeploymentId, state: CommitState, tried: u32) {
        if self.strikes(Kind::SendFails) {
            if tried + 1 < TRIES {
                let again = StatusDue::Tell(id, state, tried + 1);
                return self.after(AGAIN, Due::Status(self.control.life, again));
            }
            self.count("status given up");
            self.truth.statuses.is_given_up(id);
        } else {
            self.count("status told");
            self.judge_status(id, state);
        }
        if let Some((_, waits)) = &mut self.control.statuses.under_way {
            waits.remove(&id);
        }
        self.end_telling();
    }

    /// The page is done once all of it is told; the cursor is on the disk some time later.
    fn end_telling(&mut self) {
        let statuses = &mut self.control.statuses;
        if statuses.under_way.as_ref().is_none_or(|(_, waits)| !waits.is_empty()) {
            return;
        }
        if let Some((until, _)) = statuses.under_way.take() {
            statuses.done = until;
            if self.random.bool() {
                self.journal.told = until;
            }
        }
        self.wake_statuses();
    }

    /// Whether something is yet to be told.
    pub(crate) fn has_more_to_tell(&self) -> bool {
        self.user.has_statuses && self.control.statuses.done < self.journal.head()
    }
}
