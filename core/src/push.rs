//! What is pushed here by git: which of it is deployed, and where the branch stands.
//!
//! Invariant: the branch follows from the journal. It stands where the newest push stands that was
//! recorded and has not failed; so one that was recorded is not taken a second time, and one that was
//! not, or failed, can be pushed again.

use crate::deployment::{Deployment, StageName};
use crate::ids::AppId;
use crate::limits;
use crate::names::{AppName, BranchName, CommitId};
use crate::source::{GitSource, Pushed, Reference, Source};
use crate::view::View;

/// The branches that a first push may be to.
const USUAL: [&str; 2] = ["main", "master"];
/// What names of branches begin with.
pub const BRANCHES: &str = "refs/heads/";

/// What somebody wants a reference to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The reference, as they say it.
    pub name: String,
    /// What they take it to be now.
    pub old: Option<CommitId>,
    /// What it is to be; none where it is to go.
    pub new: Option<CommitId>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be deployed.
    Deploy {
        /// The branch.
        branch: BranchName,
        /// The commit.
        commit: CommitId,
    },
    /// It is not, and why, in one line.
    Refuse(String),
}

/// What comes of each update of a push. At the most one is deployed.
#[must_use]
pub fn judge(
    updates: &[RefUpdate],
    app: &AppName,
    branch: Option<&BranchName>,
    tip: Option<&CommitId>,
) -> Vec<Verdict> {
    let mut taken: Option<BranchName> = None;
    let one = |update: &RefUpdate| match judge_one(update, app, branch, tip) {
        Verdict::Deploy { branch, commit } => match &taken {
            Some(first) => Verdict::Refuse(format!(
                "one branch of an app is deployed, and {first} was pushed as well"
            )),
            None => {
                taken = Some(branch.clone());
                Verdict::Deploy { branch, commit }
            }
        },
        refused @ Verdict::Refuse(_) => refused,
    };
    updates.iter().map(one).collect()
}

fn judge_one(
    update: &RefUpdate,
    app: &AppName,
    wanted: Option<&BranchName>,
    tip: Option<&CommitId>,
) -> Verdict {
    let refused = |why: String| Verdict::Refuse(why);
    let deployed = wanted.map_or(USUAL[0], BranchName::as_str);
    let advice = format!("push HEAD:{deployed}");
    let named = update.name.strip_prefix(BRANCHES);
    let Some(branch) = named.and_then(|name| BranchName::new(name).ok()) else {
        return refused(format!("only branches are deployed, not tags and the like: {advice}"));
    };
    let right = match wanted {
        Some(wanted) => branch == *wanted,
        None => USUAL.contains(&branch.as_str()),
    };
    if !right {
        let other = match wanted {
            Some(_) => format!(
                "; to deploy another branch from now on: hythe app set {app} --branch {branch}"
            ),
            None => String::new(),
        };
        return refused(format!("{deployed} is deployed, not {branch}: {advice}{other}"));
    }
    let Some(commit) = &update.new else {
        return refused(format!(
            "the branch that is deployed cannot be deleted; to delete the app: hythe app rm {app}"
        ));
    };
    if update.old.as_ref() != tip {
        return refused("it moved meanwhile: git fetch, and push again".to_owned());
    }
    Verdict::Deploy { branch, commit: commit.clone() }
}

/// The branch of an app that pushes are to, where that is settled.
#[must_use]
pub const fn branch_of(source: Option<&Source>) -> Option<&BranchName> {
    match source {
        Some(Source::Pushed(pushed)) => Some(&pushed.branch),
        Some(Source::Git(GitSource { reference: Reference::Branch(branch), .. })) => Some(branch),
        Some(Source::Git(_) | Source::Upload(_) | Source::Image(_)) | None => None,
    }
}

/// Where the branch of an app stands, for whoever pushes and fetches.
#[must_use]
pub fn tip(view: &View, app: AppId) -> Option<&Pushed> {
    let view_of = view.apps.get(&app)?;
    let active = view_of.state.active()?;
    let Some(Source::Pushed(newest)) = &active.settings.source else { return None };
    let begun = |id: &_| view.deployments.contains_key(id);
    if ![active.rolling, active.waiting].iter().flatten().all(begun) {
        // It was asked for, and no more is known of it yet.
        return Some(newest);
    }
    let attempts = view_of.deployments.iter().rev().filter_map(|id| {
        let attempt =
            view.deployments.get(id).map(|view| &view.state).and_then(Deployment::attempt);
        attempt.map(|attempt| (&attempt.spec.source, attempt.stage.name()))
    });
    let mut pushes = attempts.filter_map(|(source, stage)| match source {
        Source::Pushed(pushed) if pushed.branch == newest.branch => Some((pushed, stage)),
        Source::Pushed(_) | Source::Git(_) | Source::Upload(_) | Source::Image(_) => None,
    });
    let mut of_newest =
        pushes.clone().filter(|(pushed, _)| pushed.commit == newest.commit).peekable();
    // One that is no more in the view ended long ago; and where it was deployed once, it is no push that
    // failed, whatever became of it when it was deployed again.
    let stands = of_newest.peek().is_none() || of_newest.any(|(_, stage)| !came_to_nothing(stage));
    if stands {
        return Some(newest);
    }
    pushes.find(|(_, stage)| !came_to_nothing(*stage)).map(|(pushed, _)| pushed)
}

const fn came_to_nothing(stage: StageName) -> bool {
    match stage {
        StageName::Failed | StageName::Cancelled => true,
        StageName::Requested
        | StageName::Queued
        | StageName::Building
        | StageName::Built
        | StageName::Releasing
        | StageName::Starting
        | StageName::Healthy
        | StageName::Switching
        | StageName::Draining
        | StageName::Live
        | StageName::Superseded => false,
    }
}

/// The name of an app in the address of its repository: with `.git` at its end, or without.
#[must_use]
pub fn app_of(segment: &str) -> Option<AppName> {
    AppName::new(segment.strip_suffix(".git").unwrap_or(segment)).ok()
}

/// What a pusher asks for besides, as `git push -o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Not to be told how the deployment goes.
    pub detach: bool,
    /// Nothing that earlier builds left is used again.
    pub no_cache: bool,
}

impl PushOptions {
    /// Reads them.
    ///
    /// # Errors
    /// Which one there is not.
    pub fn read(given: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        for option in given {
            match option.as_str() {
                "detach" => options.detach = true,
                "no-cache" => options.no_cache = true,
                other => {
                    let shown: String =
                        other.escape_debug().take(limits::MOST_COMMAND_SHOWN).collect();
                    return Err(format!(
                        "there is no push option \"{shown}\"; there are detach and no-cache"
                    ));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppEvent, SettingsChange};
    use crate::deployment::{DeploymentEvent, Fault, Outcome};
    use crate::event::Event;
    use crate::past::testing::Journal;
    use crate::source::UploadDigest;
    use crate::testing::{app_id, deployment_id, name, spec};

    fn commit(n: u8) -> CommitId {
        CommitId::new(format!("{n:040x}")).unwrap()
    }

    fn branch(text: &str) -> BranchName {
        BranchName::new(text).unwrap()
    }

    fn pushed(n: u8) -> Pushed {
        let upload = UploadDigest::new(format!("sha256:{n:064x}")).unwrap();
        Pushed { branch: branch("main"), commit: commit(n), upload }
    }

    fn to(name: &str, new: Option<u8>) -> RefUpdate {
        RefUpdate { name: name.to_owned(), old: Some(commit(1)), new: new.map(commit) }
    }

    #[test]
    fn the_apps_branch_is_deployed_and_everything_else_is_told_why_not() {
        let (main, old) = (branch("main"), commit(1));
        let rows = [
            ("refs/heads/main", Some(2), None),
            ("refs/heads/feature", Some(2), Some("push HEAD:main; to deploy another branch")),
            ("refs/tags/v1", Some(2), Some("only branches are deployed")),
            ("refs/heads/main", None, Some("hythe app rm shop")),
            ("refs/heads/../../x", Some(2), Some("push HEAD:main")),
            ("HEAD", Some(2), Some("push HEAD:main")),
            ("refs/heads/", Some(2), Some("push HEAD:main")),
        ];
        for (to_what, new, why) in rows {
            let verdicts = judge(&[to(to_what, new)], &name("shop"), Some(&main), Some(&old));
            match (&verdicts[..], why) {
                ([Verdict::Deploy { commit: found, .. }], None) => assert_eq!(*found, commit(2)),
                ([Verdict::Refuse(said)], Some(why)) => {
                    assert!(said.contains(why) && !said.contains('\n'), "{to_what}: {said}");
                }
                other => panic!("{to_what}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_first_push_is_to_main_or_master_and_one_branch_is_taken() {
        let first = |name: &str| RefUpdate { old: None, ..to(name, Some(2)) };
        let judged = |updates: &[RefUpdate]| judge(updates, &name("shop"), None, None);
        for usual in ["refs/heads/main", "refs/heads/master"] {
            assert!(matches!(judged(&[first(usual)])[..], [Verdict::Deploy { .. }]), "{usual}");
        }
        let [Verdict::Refuse(said)] = &judged(&[first("refs/heads/trunk")])[..] else { panic!() };
        assert_eq!(said, "main is deployed, not trunk: push HEAD:main");
        let both = judged(&[first("refs/heads/master"), first("refs/heads/main")]);
        let [Verdict::Deploy { .. }, Verdict::Refuse(said)] = &both[..] else { panic!("{both:?}") };
        assert!(said.contains("master was pushed as well"), "{said}");
        let moved = judged(&[to("refs/heads/main", Some(2))]);
        assert!(matches!(&moved[..], [Verdict::Refuse(why)] if why.contains("fetch")));
    }

    struct Told {
        journal: Journal,
        count: u64,
    }

    impl Told {
        fn new() -> Self {
            let mut journal = Journal::default();
            journal.create(1, "shop");
            Self { journal, count: 0 }
        }

        /// Asks for a deployment of a push, which becomes the app's source.
        fn push(&mut self, n: u8) {
            let source = Some(Source::Pushed(pushed(n)));
            self.journal.configure(1, SettingsChange { source, ..SettingsChange::default() });
            self.ask(n);
        }

        fn ask(&mut self, n: u8) {
            self.count += 1;
            let mut spec = spec(1);
            (spec.source, spec.number) = (Source::Pushed(pushed(n)), self.count);
            let deployment = deployment_id(self.count.into());
            let spec = Box::new(spec);
            let asked = AppEvent::DeploymentRequested { deployment, spec };
            self.journal.app(1, asked);
            self.journal.app(1, AppEvent::DeploymentBegun { deployment });
        }

        fn begin(&mut self) {
            let mut spec = spec(1);
            let asked =
                self.journal.events.iter().rev().find_map(|recorded| match &recorded.event {
                    Event::App(event) => event.requested().map(|(_, spec)| spec.clone()),
                    Event::Deployment(_)
                    | Event::Worker(_)
                    | Event::Installation(_)
                    | Event::Project(_) => None,
                });
            spec.clone_from(&asked.unwrap());
            self.tell(DeploymentEvent::Requested(Box::new(spec)));
        }

        fn succeed(&mut self) {
            let deployment = deployment_id(self.count.into());
            self.journal.app(1, AppEvent::DeploymentSettled { deployment });
            self.tell(DeploymentEvent::Ended { app: app_id(1), outcome: Outcome::Superseded });
        }

        fn fail(&mut self) {
            let fault = Fault { message: "no".into(), log: Vec::new() };
            let outcome = Outcome::Failed { stage: StageName::Building, fault };
            self.tell(DeploymentEvent::Ended { app: app_id(1), outcome });
            let deployment = deployment_id(self.count.into());
            self.journal.app(1, AppEvent::DeploymentSettled { deployment });
        }

        fn tell(&mut self, event: DeploymentEvent) {
            let id = deployment_id(self.count.into());
            self.journal.push(id.uuid(), Event::Deployment(event));
        }

        fn tip(&self) -> Option<u8> {
            let mut view = View::default();
            self.journal.events.iter().for_each(|event| view.apply(event));
            let tip = tip(&view, app_id(1))?;
            (0..9).find(|n| pushed(*n) == *tip)
        }
    }

    #[test]
    fn the_branch_stands_where_the_newest_push_stands_that_came_to_something() {
        let mut told = Told::new();
        assert_eq!(told.tip(), None, "it is made from a repository");
        told.push(1);
        assert_eq!(told.tip(), Some(1), "also before its deployment has begun");
        told.begin();
        assert_eq!(told.tip(), Some(1));
        told.fail();
        assert_eq!(told.tip(), None, "so the same can be pushed again");
        told.push(1);
        assert_eq!(told.tip(), Some(1), "once more");
        told.begin();
        assert_eq!(told.tip(), Some(1));
        told.push(2);
        told.begin();
        told.fail();
        assert_eq!(told.tip(), Some(1), "the one before");
        told.push(3);
        told.begin();
        told.succeed();
        told.ask(1);
        told.begin();
        told.ask(3);
        told.begin();
        told.fail();
        assert_eq!(told.tip(), Some(3), "it has not failed, though deploying it again did");
        let source = Some(crate::testing::source());
        told.journal.configure(1, SettingsChange { source, ..SettingsChange::default() });
        assert_eq!(told.tip(), None, "it is made from a repository again");
        assert_eq!(tip(&View::default(), app_id(1)), None);
    }

    #[test]
    fn options_and_addresses() {
        let read = |given: &[&str]| {
            PushOptions::read(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read(&[]).unwrap(), PushOptions::default());
        assert_eq!(
            read(&["detach", "no-cache"]).unwrap(),
            PushOptions { detach: true, no_cache: true }
        );
        assert!(
            read(&["ci.skip\u{1b}"]).unwrap_err().contains("no push option \"ci.skip\\u{1b}\"")
        );
        assert_eq!(app_of("shop.git"), Some(name("shop")));
        assert_eq!(app_of("shop"), Some(name("shop")));
        for wrong in ["", ".git", "..", "Shop.git", "a/b", "-x"] {
            assert_eq!(app_of(wrong), None, "{wrong}");
        }
    }
}
