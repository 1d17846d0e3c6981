//! People who push to the branch of an app: from what they fetched, which may be behind, and once more
//! what came to nothing.

use std::collections::BTreeMap;

use hythe_core::app::{App, AppCommand};
use hythe_core::ids::AppId;
use hythe_core::names::{BranchName, CommitId};
use hythe_core::push::{BRANCHES, RefUpdate, Verdict, branch_of, judge, tip};
use hythe_core::record::{Actor, Sequence};
use hythe_core::source::Pushed;

use crate::aggregate::{Answer, Waiter};
use crate::made;
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

/// Somebody's copy of an app's repository.
#[derive(Debug, Default)]
struct Checkout {
    /// Where the branch stood when it was looked at last.
    fetched: Option<CommitId>,
    /// What was to be pushed last.
    head: Option<CommitId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Checkouts {
    of: BTreeMap<AppId, Checkout>,
    commits: u64,
}

/// Pushes that the control plane has taken in: none while one is under way, and then its last event,
/// which the next one sees.
pub(crate) type Taken = BTreeMap<AppId, Option<Sequence>>;

impl World {
    /// Somebody pushes.
    pub(crate) fn push(&mut self, app: AppId) {
        let view = &self.control.view;
        let Some(active) = view.apps.get(&app).and_then(|app| app.state.active()) else { return };
        let name = active.name.clone();
        let branch = branch_of(active.settings.source.as_ref()).cloned();
        let waits = self.control.pushes.get(&app).is_some_and(|taken| match taken {
            Some(at) => view.head < *at,
            None => true,
        });
        if waits {
            return self.count("push has to wait");
        }
        let forgets = self.plant == Some(Plant::BranchForgets);
        let stands = tip(view, app).filter(|_| !forgets).map(|pushed| pushed.commit.clone());
        let (behind, repeats) = (self.random.u32(..6) == 0, self.random.bool());
        let elsewhere = self.random.u32(..12) == 0;
        let Checkouts { of, commits } = &mut self.user.checkouts;
        let checkout = of.entry(app).or_default();
        let old = if behind { checkout.fetched.clone() } else { stands.clone() };
        checkout.fetched.clone_from(&stands);
        let again = checkout.head.clone().filter(|head| repeats && stands.as_ref() != Some(head));
        let is_again = again.is_some();
        let new = match again {
            Some(head) => head,
            None => {
                *commits += 1;
                made::commit(*commits)
            }
        };
        checkout.head = Some(new.clone());
        let to =
            if elsewhere { "next" } else { branch.as_ref().map_or("main", BranchName::as_str) };
        let update = RefUpdate { name: format!("{BRANCHES}{to}"), old, new: Some(new) };
        match judge(&[update], &name, branch.as_ref(), stands.as_ref()).pop() {
            Some(Verdict::Deploy { branch, commit }) => {
                if is_again {
                    self.count("pushed again");
                }
                self.take_push(app, branch, commit);
            }
            Some(Verdict::Refuse(why)) => {
                self.count("push refused");
                self.note(format_args!("a push to {}: {why}", Short(app.uuid())));
            }
            None => {}
        }
    }

    /// Source and request in one, as for whoever pushes from outside.
    fn take_push(&mut self, app: AppId, branch: BranchName, commit: CommitId) {
        // What was decided since is not judged by what was seen before.
        if self.control.view.head == self.journal.head() {
            self.judge_push(app, &commit);
        }
        let deployment = self.next_deployment();
        let behaviour = self.any_behaviour();
        self.behaviours.insert(deployment, behaviour);
        let id = Short(deployment.uuid());
        self.note(format_args!("{id} is {behaviour:?}, pushed as {commit}"));
        let pushed = Pushed { branch, upload: made::upload(&commit), commit };
        self.control.pushes.insert(app, None);
        let command = AppCommand::Push { deployment, pushed, no_cache: false };
        let meta = self.meta(Actor::Owner, None);
        self.command::<App>(app.uuid(), command, meta, Waiter::Push(app));
    }

    /// It was recorded, or not.
    pub(crate) fn push_answered(&mut self, app: AppId, answer: &Answer) {
        match answer {
            Answer::Done(Some(sequence)) => {
                self.acknowledged(*sequence);
                self.count("pushed");
                self.control.pushes.insert(app, Some(*sequence));
            }
            Answer::Done(None) | Answer::Rejected(_) | Answer::ClaimTaken | Answer::Busy => {
                self.count("push failed");
                self.control.pushes.remove(&app);
            }
        }
    }
}
