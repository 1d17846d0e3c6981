//! Makes previews what they are to be: compares what is wanted with what is there, and does one thing
//! after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hythe_core::app::{ActiveApp, App, AppCommand, NewPreview, PreviewGiven, SourceKey};
use hythe_core::ids::AppId;
use hythe_core::preview::plan::{Todo, plan};
use hythe_core::preview::{Preview, PreviewEnd, PreviewOf, copies, name, settings};
use hythe_core::record::{Actor, Sequence};
use hythe_core::rejection::Rejection;
use hythe_core::time::{Millis, Timestamp};

use crate::aggregate::{Answer, Waiter};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::trace::Short;
use crate::world::World;

/// From one look to the next, at the least and at the most.
const REST: u64 = 50;
const LOOK_EVERY: u64 = 10_000;
/// What did not go is tried again after this.
const AGAIN_AFTER: Millis = Millis::seconds(15);

/// What is being done.
#[derive(Debug, Default)]
pub(super) struct Previews {
    waits: BTreeMap<Todo, Timestamp>,
    todo: VecDeque<Todo>,
    /// Whether a name was taken, of what is under way.
    under_way: Option<(Todo, bool)>,
    /// Reads have to show this before anything else is done.
    shown: Sequence,
    /// Names the look that comes next, and when that is.
    look: u64,
    look_at: Option<u64>,
}

impl World {
    pub(super) fn previews_start(&mut self) {
        self.look_at_previews_after(1);
    }

    /// Something changed.
    pub(super) fn wake_previews(&mut self) {
        if self.user.has_previews {
            self.look_at_previews_after(REST);
        }
    }

    fn look_at_previews_after(&mut self, span: u64) {
        let at = self.now + span;
        let previews = &mut self.control.previews;
        if previews.look_at.is_some_and(|set| set <= at) {
            return;
        }
        previews.look += 1;
        previews.look_at = Some(at);
        let look = previews.look;
        self.after(span, Due::Previews(self.control.life, look));
    }

    /// Goes on with what there is to do, or looks what that is.
    pub(crate) fn look_at_previews(&mut self, look: u64) {
        if self.control.previews.look != look {
            return;
        }
        self.control.previews.look_at = None;
        if !self.user.has_previews || self.control.previews.under_way.is_some() {
            return;
        }
        if self.control.view.head < self.control.previews.shown {
            return self.look_at_previews_after(5);
        }
        if self.control.previews.todo.is_empty() {
            let now = self.control_now();
            let mut todo = plan(&self.control.view, now);
            if self.plant == Some(Plant::PreviewsStay) {
                todo.retain(|one| !matches!(one, Todo::Delete(_)));
            }
            let waits = &mut self.control.previews.waits;
            waits.retain(|one, until| todo.contains(one) && !until.is_over(AGAIN_AFTER, now));
            todo.retain(|one| !waits.contains_key(one));
            self.control.previews.todo = todo.into();
        }
        while let Some(todo) = self.control.previews.todo.pop_front() {
            if self.carry_out(todo, false) {
                self.control.previews.under_way = Some((todo, false));
                return;
            }
        }
        self.look_at_previews_after(LOOK_EVERY);
    }

    /// Gives the command that does one thing; false where it is not to be done any more.
    fn carry_out(&mut self, todo: Todo, again: bool) -> bool {
        let given = match todo {
            Todo::Delete(app) => Some((app, AppCommand::Delete)),
            Todo::End { parent, number, why } => {
                let command = AppCommand::EndPreview { number, why, at: None };
                self.wanted_preview(parent, number).map(|_| (parent, command))
            }
            Todo::Make { parent, number } => self.make(parent, number, again),
            Todo::Move { parent, number } => self.bring(parent, number),
        };
        let Some((app, command)) = given else { return false };
        self.note(format_args!("previews: {todo:?}"));
        self.count(match todo {
            Todo::Delete(_) => "preview deleted",
            Todo::End { .. } => "preview ended",
            Todo::Make { .. } => "preview made",
            Todo::Move { .. } => "preview moved",
        });
        let meta = self.meta(Actor::System, None);
        self.command::<App>(app.uuid(), command, meta, Waiter::Previews);
        true
    }

    fn wanted_preview(&self, parent: AppId, number: u64) -> Option<(ActiveApp, Preview)> {
        let app = self.control.view.apps.get(&parent)?.state.active()?;
        Some((app.clone(), app.previews.open.get(&number)?.clone()))
    }

    fn make(&mut self, parent: AppId, number: u64, again: bool) -> Option<(AppId, AppCommand)> {
        let (parent, preview) = self.wanted_preview(parent, number)?;
        let name = name(&parent.name, number, preview.app, again)?;
        let id = preview.app;
        let given = self.given(&parent, &preview, None);
        Some((id, AppCommand::CreatePreview(Box::new(NewPreview { id, name, given }))))
    }

    /// Brings a preview that is there to the newest commit.
    fn bring(&mut self, parent: AppId, number: u64) -> Option<(AppId, AppCommand)> {
        let (parent, preview) = self.wanted_preview(parent, number)?;
        let there = self.control.view.apps.get(&preview.app)?.state.active()?.clone();
        let given = self.given(&parent, &preview, Some(&there));
        Some((preview.app, AppCommand::MovePreview(Box::new(given))))
    }

    /// What a preview is given: of variables, those that are other than what it has.
    fn given(
        &mut self,
        parent: &ActiveApp,
        preview: &Preview,
        there: Option<&ActiveApp>,
    ) -> PreviewGiven {
        let fork = preview.pull.is_fork();
        let copied = copies(parent, fork && self.plant != Some(Plant::ForksAreGiven));
        let before = there.and_then(|there| there.preview.as_deref());
        let version = there.map_or(1, |there| there.next_secret);
        let fresh = copied.iter().filter(|(name, from)| {
            before.is_none_or(|before| before.copied.get(*name) != Some(*from))
        });
        let set = fresh.map(|(name, _)| (name.clone(), version)).collect();
        let gone = before.into_iter().flat_map(|of| of.copied.keys());
        let remove: BTreeSet<_> = gone
            .filter(|name| {
                !copied.contains_key(*name)
                    && there.is_some_and(|there| there.env.contains_key(*name))
            })
            .cloned()
            .collect();
        let of_key = parent.source_key.as_ref().filter(|_| !fork);
        let had = before.and_then(|of| of.key);
        let key = of_key.filter(|key| had != Some(key.version)).map(|key| SourceKey {
            version: there.map_or(1, ActiveApp::next_source_key),
            at: self.control_now(),
            ..key.clone()
        });
        let ahead = u64::from(self.planted(Plant::PreviewRunsAhead));
        let of = PreviewOf {
            parent: parent.id,
            number: preview.pull.number,
            revision: preview.revision + ahead,
            fork,
            copied,
            key: of_key.map(|key| key.version),
        };
        let deployment = self.next_deployment();
        let behaviour = self.any_behaviour();
        self.behaviours.insert(deployment, behaviour);
        self.note(format_args!("{} is {behaviour:?}, a preview", Short(deployment.uuid())));
        let settings = settings(parent, preview);
        let sleep_after = parent.edge.sleep_after;
        PreviewGiven { of, settings, sleep_after, set, remove, key, deployment }
    }

    /// What came of what is under way.
    pub(super) fn previews_answered(&mut self, answer: &Answer) {
        let Some((todo, again)) = self.control.previews.under_way.take() else { return };
        let done = match answer {
            Answer::Done(sequence) => {
                let head = self.journal.head();
                self.control.previews.shown = sequence.unwrap_or(head);
                true
            }
            Answer::ClaimTaken if !again && self.carry_out(todo, true) => {
                self.control.previews.under_way = Some((todo, true));
                return;
            }
            Answer::Rejected(Rejection::Exists { .. }) => return self.was_there(todo),
            Answer::Rejected(why) => {
                self.note(format_args!("a preview is not as it is to be: {why}"));
                false
            }
            Answer::ClaimTaken | Answer::Busy => false,
        };
        if !done {
            let until = self.control_now().plus(AGAIN_AFTER);
            self.control.previews.waits.insert(todo, until);
        }
        self.look_at_previews_after(1);
    }

    /// The app was there already: it is still, or somebody has deleted it.
    fn was_there(&mut self, todo: Todo) {
        let head = self.journal.head();
        self.control.previews.shown = head;
        if let Todo::Make { parent, number } = todo
            && let Some((_, preview)) = self.wanted_preview(parent, number)
            && !self.journal.fold().apps.contains_key(&preview.app)
        {
            self.count("preview was there");
            let end = Todo::End { parent, number, why: PreviewEnd::ByHand };
            self.control.previews.todo.push_front(end);
        }
        self.look_at_previews_after(1);
    }
}
