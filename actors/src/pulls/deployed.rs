//! What GitHub is told of deployments: of those of previews, and of an app's own.
//!
//! Which of its deployments is ours is asked each time, by what was put into it: so nothing has to be
//! remembered, and none is made twice.

use hythe_core::app::ActiveApp;
use hythe_core::deployment::{Outcome, Stage};
use hythe_core::github::Purpose;
use hythe_core::hook::comment::{Deployed, Thread, created, ours};
use hythe_core::hook::status::{CommitState, CommitStatus, page};
use hythe_core::hook::{Provider, Telling};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::{AppName, CommitId};
use hythe_core::preview::environment;
use hythe_core::preview::told::{self, PreviewState};
use hythe_core::view::View;

use super::{no_such, told_by};
use crate::control::Control;
use crate::provider::{Access, Refused, Sender};

/// Deployments of a preview that is gone of which GitHub is told so.
const MOST_ENDED: usize = 20;

// What GitHub calls it.
const UNDER_WAY: &str = "in_progress";
const LIVE: &str = "success";
const FAILED: &str = "failure";
const OVER: &str = "inactive";

/// Something to tell.
#[derive(Debug)]
pub(super) struct Due {
    access: Access,
    pub(super) what: What,
    /// Whether it is told only where GitHub knows of the deployment.
    only_known: bool,
    /// One of the same environment that this one overtook: GitHub may take it to be under way still, and nothing
    /// else ends that.
    overtaken: Option<(DeploymentId, CommitId)>,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct What {
    environment: String,
    /// Whether that goes again.
    transient: bool,
    /// Which deployment, of which commit, and how it fares; none where the environment is gone.
    of: Option<(DeploymentId, CommitId, &'static str)>,
    page: Option<String>,
    address: Option<String>,
}

impl Due {
    /// Whether there is anything that GitHub was not told last; leaves out what it was told.
    pub(super) fn is_news(&mut self, last: Option<&What>) -> bool {
        // Where nothing is known of that, what the view says of it stays.
        let Some(last) = last else { return true };
        let now = self.what.of.as_ref().map(|(id, ..)| *id);
        let told = last.of.as_ref();
        self.overtaken = told
            .filter(|(id, _, state)| *state == UNDER_WAY && now.is_some_and(|now| now != *id))
            .map(|(id, commit, _)| (*id, commit.clone()));
        // What was live is over at GitHub as soon as another one is.
        let ends_by_itself = self.only_known && told.is_some_and(|(.., state)| *state == LIVE);
        *last != self.what && !ends_by_itself
    }
}

/// The deployment of an app before this one, where it was called off before it was live.
fn overtaken_by(view: &View, app: AppId, id: DeploymentId) -> Option<(DeploymentId, CommitId)> {
    let all = &view.apps.get(&app)?.deployments;
    let before = *all.iter().take_while(|one| **one != id).last()?;
    let deployment = view.deployments.get(&before)?;
    let status = CommitStatus::of(deployment.state.attempt()?, deployment.was_live())?;
    (status.state == CommitState::Cancelled).then_some((before, status.commit))
}

/// What is to be told of a preview's deployment.
pub(super) fn of_preview(
    control: &Control,
    view: &View,
    (app, number): (&ActiveApp, u64),
) -> Option<Due> {
    let installation = &view.installation.state;
    let access = told_by(installation, app, Telling::Deployments)?;
    let environment = environment(&app.name, number);
    let gone = What { environment, transient: true, of: None, page: None, address: None };
    let Some(open) = app.previews.open.get(&number) else {
        return Some(Due { access, what: gone, only_known: false, overtaken: None });
    };
    let now = told::now(view, open);
    let (id, _) = now.deployment?;
    let attempt = view.deployments.get(&id)?.state.attempt()?;
    let commit = attempt.built.as_ref().map(|built| built.commit.clone());
    let commit = commit.or_else(|| open.pull.commit.whole())?;
    let address = |name: &AppName| control.app_url(name);
    // Where another version is live, this one is not.
    let called_off =
        matches!(attempt.stage, Stage::Ended(Outcome::Superseded | Outcome::Cancelled));
    let (state, address) = match now.state {
        PreviewState::Live if called_off => (OVER, None),
        PreviewState::Building => (UNDER_WAY, None),
        PreviewState::Live => (LIVE, now.name.map(address)),
        PreviewState::Failed => (FAILED, None),
        PreviewState::Stopped => (OVER, None),
    };
    let page = installation.address.as_ref().map(|address| page(address, id));
    let what = What { of: Some((id, commit, state)), page, address, ..gone };
    let overtaken = overtaken_by(view, open.app, id);
    Some(Due { access, what, only_known: false, overtaken })
}

/// What is to be told of an app's own deployment.
pub(super) fn of_app(control: &Control, view: &View, id: DeploymentId) -> Option<Due> {
    let deployment = view.deployments.get(&id)?;
    let attempt = deployment.state.attempt()?;
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let installation = &view.installation.state;
    let access = told_by(installation, app, Telling::Deployments)?;
    let status = CommitStatus::of(attempt, deployment.was_live());
    // Another version may have taken its place before anybody could tell that it was live.
    let only_known = status.is_none();
    let CommitStatus { commit, state, .. } = status.or_else(|| CommitStatus::of_live(attempt))?;
    let (state, address) = match state {
        CommitState::Success if only_known => (OVER, None),
        CommitState::Pending => (UNDER_WAY, None),
        CommitState::Success => (LIVE, Some(control.app_url(&app.name))),
        CommitState::Failure => (FAILED, None),
        CommitState::Cancelled => (OVER, None),
    };
    let what = What {
        environment: app.name.to_string(),
        transient: false,
        of: Some((id, commit, state)),
        page: installation.address.as_ref().map(|address| page(address, id)),
        address,
    };
    // Each of an app's own is told of by itself.
    Some(Due { access, what, only_known, overtaken: None })
}

/// Tells GitHub how a deployment fares, or that an environment has none any more.
pub(super) async fn tell(control: &Control, sender: &Sender, due: &Due) -> Result<(), Refused> {
    let Due { access, what, only_known, overtaken } = due;
    if access.provider != Provider::GitHub {
        return Ok(());
    }
    let Access { provider, api, repository, .. } = access;
    let thread = Thread { provider: *provider, api, repository, number: 0 };
    let none = || no_such(access);
    let commit = what.of.as_ref().map(|(_, commit, _)| commit);
    let list = thread.deployments(&what.environment, commit).ok_or_else(none)?;
    let listed = match sender.ask(control, access, &list, Purpose::Deployments).await {
        // An App that is installed elsewhere has nothing to do with it.
        Err(refused) if refused.uncovered && access.implied => return Ok(()),
        listed => listed?,
    };
    if let Some(overtaken) = overtaken {
        end(control, sender, access, (&thread, &what.environment), overtaken).await?;
    }
    let links = (what.page.as_deref(), what.address.as_deref());
    let Some((id, commit, state)) = &what.of else {
        for deployment in ours(&listed, None).into_iter().take(MOST_ENDED) {
            let ended = thread.deployed(deployment, OVER, links).ok_or_else(none)?;
            sender.ask(control, access, &ended, Purpose::Deployments).await?;
        }
        return Ok(());
    };
    let there = ours(&listed, Some(*id)).into_iter().min();
    let deployment = match there {
        Some(deployment) => deployment,
        None if *only_known => return Ok(()),
        None => {
            let (id, environment, transient) = (*id, what.environment.as_str(), what.transient);
            let deployed = Deployed { id, commit, environment, transient };
            let create = thread.deploy(&deployed).ok_or_else(none)?;
            let made = sender.ask_once(control, access, &create, Purpose::Deployments).await?;
            created(&made).ok_or_else(|| {
                Refused::from("GitHub did not say which deployment that is".to_owned())
            })?
        }
    };
    let status = thread.deployed(deployment, state, links).ok_or_else(none)?;
    sender.ask(control, access, &status, Purpose::Deployments).await.map(drop)
}

/// Tells GitHub that a deployment is over, where it knows of it.
async fn end(
    control: &Control,
    sender: &Sender,
    access: &Access,
    (thread, environment): (&Thread<'_>, &str),
    (id, commit): &(DeploymentId, CommitId),
) -> Result<(), Refused> {
    let none = || no_such(access);
    let list = thread.deployments(environment, Some(commit)).ok_or_else(none)?;
    let listed = sender.ask(control, access, &list, Purpose::Deployments).await?;
    let Some(known) = ours(&listed, Some(*id)).into_iter().min() else { return Ok(()) };
    let ended = thread.deployed(known, OVER, (None, None)).ok_or_else(none)?;
    sender.ask(control, access, &ended, Purpose::Deployments).await.map(drop)
}

#[cfg(test)]
mod tests {
    use hythe_core::hook::ApiAddress;
    use hythe_core::installation::Installation;
    use hythe_core::names::RepositoryUrl;
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> DeploymentId {
        DeploymentId::new(Uuid::from_u128(n))
    }

    fn commit() -> CommitId {
        CommitId::new("1481a2de7b2a7d02428ad93446ab166be7793fbb").unwrap()
    }

    fn what(of: u128, state: &'static str) -> What {
        What {
            environment: "shop-pr-4".into(),
            transient: true,
            of: Some((id(of), commit(), state)),
            page: None,
            address: None,
        }
    }

    fn due(what: What, only_known: bool) -> Due {
        let url = RepositoryUrl::new("https://github.com/octo/shop.git").unwrap();
        let api = ApiAddress::of_github();
        let access = Access::of(&Installation::default(), &url, (Provider::GitHub, api)).unwrap();
        Due { access, what, only_known, overtaken: None }
    }

    #[test]
    fn one_that_was_overtaken_while_it_was_under_way_is_ended_with_the_next_and_once() {
        for (last, overtaken) in [
            (what(1, UNDER_WAY), Some((id(1), commit()))),
            (what(1, LIVE), None),
            (what(1, FAILED), None),
            (what(1, OVER), None),
            (what(2, UNDER_WAY), None),
        ] {
            let mut due = due(what(2, LIVE), false);
            assert!(due.is_news(Some(&last)));
            assert_eq!(due.overtaken, overtaken, "{last:?}");
        }
        // After a start nothing is known of what was told: then it is what the view says.
        let mut first = due(what(2, UNDER_WAY), false);
        first.overtaken = Some((id(1), commit()));
        assert!(first.is_news(None));
        assert_eq!(first.overtaken, Some((id(1), commit())));
        assert!(!due(what(2, LIVE), false).is_news(Some(&what(2, LIVE))));
    }

    #[test]
    fn what_was_live_is_ended_only_where_nobody_was_told_that_it_was() {
        for (last, told) in [(UNDER_WAY, true), (LIVE, false), (OVER, false)] {
            let mut due = due(what(1, OVER), true);
            assert_eq!(due.is_news(Some(&what(1, last))), told, "{last}");
        }
    }
}
