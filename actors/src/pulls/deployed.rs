//! What GitHub is told of deployments: of those of previews, and of an app's own.
//!
//! Which of its deployments is ours is asked each time, by what was put into it: so nothing has to be
//! remembered, and none is made twice.

use hythe_core::app::ActiveApp;
use hythe_core::deployment::StageName;
use hythe_core::github::Purpose;
use hythe_core::hook::comment::{Deployed, Thread, created, ours};
use hythe_core::hook::status::{CommitState, CommitStatus, page};
use hythe_core::hook::{Provider, Telling};
use hythe_core::ids::DeploymentId;
use hythe_core::names::{AppName, CommitId};
use hythe_core::preview::environment;
use hythe_core::preview::told::{self, PreviewState};
use hythe_core::view::View;

use super::{no_such, told_by};
use crate::control::Control;
use crate::provider::{Access, Refused, Sender};

/// Deployments of a preview that is gone of which GitHub is told so.
const MOST_ENDED: usize = 20;

/// Something to tell.
#[derive(Debug)]
pub(super) struct Due {
    access: Access,
    pub(super) what: What,
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
        return Some(Due { access, what: gone });
    };
    let now = told::now(view, open);
    let (id, _) = now.deployment?;
    let attempt = view.deployments.get(&id)?.state.attempt()?;
    let commit = attempt.built.as_ref().map(|built| built.commit.clone());
    let commit = commit.or_else(|| open.pull.commit.whole())?;
    let address = |name: &AppName| control.app_url(name);
    let (state, address) = match now.state {
        PreviewState::Building => ("in_progress", None),
        PreviewState::Live => ("success", now.name.map(address)),
        PreviewState::Failed => ("failure", None),
        PreviewState::Stopped => ("inactive", None),
    };
    let page = installation.address.as_ref().map(|address| page(address, id));
    let what = What { of: Some((id, commit, state)), page, address, ..gone };
    Some(Due { access, what })
}

/// What is to be told of an app's own deployment.
pub(super) fn of_app(control: &Control, view: &View, id: DeploymentId) -> Option<Due> {
    let deployment = view.deployments.get(&id)?;
    let attempt = deployment.state.attempt()?;
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let installation = &view.installation.state;
    let access = told_by(installation, app, Telling::Deployments)?;
    let was_live = deployment.stages.iter().any(|(stage, _)| *stage == StageName::Live);
    let CommitStatus { commit, state, .. } = CommitStatus::of(attempt, was_live)?;
    let (state, address) = match state {
        CommitState::Pending => ("in_progress", None),
        CommitState::Success => ("success", Some(control.app_url(&app.name))),
        CommitState::Failure => ("failure", None),
        CommitState::Cancelled => ("inactive", None),
    };
    let what = What {
        environment: app.name.to_string(),
        transient: false,
        of: Some((id, commit, state)),
        page: installation.address.as_ref().map(|address| page(address, id)),
        address,
    };
    Some(Due { access, what })
}

/// Tells GitHub how a deployment fares, or that an environment has none any more.
pub(super) async fn tell(control: &Control, sender: &Sender, due: &Due) -> Result<(), Refused> {
    let Due { access, what } = due;
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
    let links = (what.page.as_deref(), what.address.as_deref());
    let Some((id, commit, state)) = &what.of else {
        for deployment in ours(&listed, None).into_iter().take(MOST_ENDED) {
            let ended = thread.deployed(deployment, "inactive", links).ok_or_else(none)?;
            sender.ask(control, access, &ended, Purpose::Deployments).await?;
        }
        return Ok(());
    };
    let there = ours(&listed, Some(*id)).into_iter().min();
    let deployment = match there {
        Some(deployment) => deployment,
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
