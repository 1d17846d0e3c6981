//! A deployment as people see it.

use hythe_core::canary::Canary;
use hythe_core::deployment::{Attempt, Origin, Outcome, PostDeploy, Stage, StageName};
use hythe_core::ids::DeploymentId;
use hythe_core::source::Source;
use hythe_core::task::Hook;
use hythe_core::time::Timestamp;
use hythe_core::view::DeploymentView;
use hythe_core::waiting::waiting_for;

use super::Sight;
use crate::api::dto::{
    self, AppRef, Deployment, DeploymentRef, DeploymentSource, Durations, Failure,
    PostDeployStatus, StageEntry, TakesOver,
};
use crate::api::settings::{self, Named};

/// A deployment, where the view has it.
pub(crate) fn deployment(sight: Sight<'_>, id: DeploymentId) -> Option<Deployment> {
    deployment_in(sight, id, sight.view.deployments.get(&id)?)
}

/// A deployment in the state given.
pub(crate) fn deployment_in(
    sight: Sight<'_>,
    id: DeploymentId,
    view: &DeploymentView,
) -> Option<Deployment> {
    let attempt = view.state.attempt()?;
    let spec = &attempt.spec;
    let stage = attempt.stage.name();
    let runs = attempt.built.as_ref().filter(|built| built.site.is_none());
    let Named { repository, upload, image, branch, tag, commit } =
        settings::named(Some(&spec.source));
    Some(Deployment {
        id,
        app: AppRef { id: spec.app, name: spec.app_name.to_string() },
        number: spec.number,
        status: stage.into(),
        settled: stage.settled(),
        // What it waited for follows from what was seen, which is not kept.
        waiting_for: match sight.as_of {
            Some(_) => None,
            None => waiting_for(sight.view, sight.observed, id).map(|fault| fault.message),
        },
        waiting_until: attempt.stage.until().or(canary_until(sight, id, view)).map(Into::into),
        source: DeploymentSource {
            repository,
            upload,
            image,
            digest: digest(attempt),
            branch,
            tag,
            commit,
            dockerfile: spec.build.dockerfile.as_ref().map(ToString::to_string),
        },
        takes_over: takes_over(sight, attempt),
        commit: built_commit(attempt),
        image: runs.map(|built| built.image.to_string()),
        port: runs.map(|built| built.port),
        site: attempt.site().map(|site| dto::Site {
            id: site.id.to_string(),
            files: site.files,
            bytes: site.bytes,
        }),
        replicas: attempt.replicas,
        process_types: settings::processes::shown(&spec.run),
        release_command: release_command(attempt),
        post_deploy: post_deploy(attempt),
        url: if spec.run.container.unrouted {
            String::new()
        } else {
            sight.config.url(spec.app_name.as_str())
        },
        stages: stages(&view.stages),
        durations_ms: durations(&view.stages),
        failure: failure(attempt),
        requested_by: view.requested_by().to_string(),
        created_at: view.requested.at.into(),
        as_of: sight.as_of,
        canary_percent: canary_percent(sight, id, attempt),
    })
}

/// Which part of the requests it takes, where it is a canary that does.
fn canary_percent(sight: Sight<'_>, id: DeploymentId, attempt: &Attempt) -> Option<u8> {
    Some(canary(sight, id, attempt)?.weight.percent())
}

/// When somebody has to have promoted it, where it is a canary.
fn canary_until(sight: Sight<'_>, id: DeploymentId, view: &DeploymentView) -> Option<Timestamp> {
    let canary = canary(sight, id, view.state.attempt()?)?;
    Some(view.since().plus(canary.within))
}

fn canary(sight: Sight<'_>, id: DeploymentId, attempt: &Attempt) -> Option<Canary> {
    let app = sight.view.apps.get(&attempt.spec.app)?.state.active()?;
    app.singing().filter(|canary| canary.deployment == id)
}

/// Which deployment, and where it stands.
pub(crate) fn reference_to(sight: Sight<'_>, id: DeploymentId) -> Option<DeploymentRef> {
    let view: &DeploymentView = sight.view.deployments.get(&id)?;
    let attempt = view.state.attempt()?;
    Some(DeploymentRef {
        id,
        number: attempt.spec.number,
        status: attempt.stage.name().into(),
        commit: built_commit(attempt),
        created_at: view.requested.at.into(),
        post_deploy: attempt.hook(Hook::PostDeploy).map(|_| post_deploy_status(attempt)),
    })
}

/// The commit that was built; one that was pushed is known before.
fn built_commit(attempt: &Attempt) -> Option<String> {
    match &attempt.spec.source {
        Source::Git(_) => attempt.built.as_ref().map(|built| built.commit.to_string()),
        Source::Pushed(pushed) => Some(pushed.commit.to_string()),
        Source::Upload(_) | Source::Image(_) => None,
    }
}

/// The digest that an image's name stood for.
fn digest(attempt: &Attempt) -> Option<String> {
    match (&attempt.spec.source, &attempt.built) {
        (Source::Image(_), Some(built)) => Some(format!("sha256:{}", built.commit)),
        (Source::Image(image), None) => image.digest().map(|digest| format!("sha256:{digest}")),
        (Source::Git(_) | Source::Upload(_) | Source::Pushed(_), _) => None,
    }
}

fn takes_over(sight: Sight<'_>, attempt: &Attempt) -> Option<TakesOver> {
    match attempt.spec.origin {
        Origin::Build => None,
        Origin::Deployment { deployment, .. } | Origin::Restart { deployment, .. } => {
            let of = sight.view.deployments.get(&deployment).and_then(|of| of.state.attempt());
            let number = of.map(|of| of.spec.number);
            Some(TakesOver { deployment, number, rebuilt: attempt.rebuilt })
        }
    }
}

/// What runs, or has run, before its replicas start.
fn release_command(attempt: &Attempt) -> Option<Vec<String>> {
    let release = attempt.spec.run.hook(Hook::Release);
    let runs = attempt.released || attempt.to_release().is_some();
    release.filter(|_| runs).map(|release| release.command.words().to_vec())
}

/// What runs once it is live, and how that stands.
fn post_deploy(attempt: &Attempt) -> Option<dto::PostDeploy> {
    let command = attempt.hook(Hook::PostDeploy)?.command.words().to_vec();
    let (message, log) = match &attempt.post_deploy {
        PostDeploy::Failed(fault) => (Some(fault.message.clone()), fault.log.clone()),
        PostDeploy::Outstanding | PostDeploy::Runs { .. } | PostDeploy::Done => (None, Vec::new()),
    };
    Some(dto::PostDeploy { command, status: post_deploy_status(attempt), message, log })
}

const fn post_deploy_status(attempt: &Attempt) -> PostDeployStatus {
    match (&attempt.post_deploy, &attempt.stage) {
        (PostDeploy::Outstanding, Stage::Ended(_)) => PostDeployStatus::NotRun,
        (PostDeploy::Outstanding, _) => PostDeployStatus::Outstanding,
        (PostDeploy::Runs { .. }, _) => PostDeployStatus::Running,
        (PostDeploy::Done, _) => PostDeployStatus::Done,
        (PostDeploy::Failed(_), _) => PostDeployStatus::Failed,
    }
}

fn failure(attempt: &Attempt) -> Option<Failure> {
    match &attempt.stage {
        Stage::Ended(Outcome::Failed { stage, fault }) => Some(Failure {
            stage: (*stage).into(),
            message: fault.message.clone(),
            log: fault.log.clone(),
        }),
        Stage::Ended(Outcome::Superseded | Outcome::Cancelled)
        | Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Releasing { .. }
        | Stage::Live => None,
    }
}

fn stages(came_to: &[(StageName, Timestamp)]) -> Vec<StageEntry> {
    let left = came_to.iter().skip(1).map(|(_, at)| Some(*at)).chain(std::iter::once(None));
    came_to
        .iter()
        .zip(left)
        .map(|((stage, at), left)| StageEntry {
            stage: (*stage).into(),
            at: (*at).into(),
            duration_ms: left.map(|left| left.since(*at).0),
        })
        .collect()
}

fn durations(came_to: &[(StageName, Timestamp)]) -> Durations {
    let mut durations = Durations::default();
    let left = came_to.iter().skip(1).map(|(_, at)| *at);
    for ((stage, at), left) in came_to.iter().zip(left) {
        let place = match stage {
            StageName::Requested => &mut durations.requested,
            StageName::Queued => &mut durations.queued,
            StageName::Building => &mut durations.building,
            StageName::Built => &mut durations.built,
            StageName::Starting => &mut durations.starting,
            StageName::Healthy => &mut durations.healthy,
            StageName::Switching => &mut durations.switching,
            StageName::Draining => &mut durations.draining,
            StageName::Releasing => &mut durations.releasing,
            StageName::Live | StageName::Superseded | StageName::Failed | StageName::Cancelled => {
                continue;
            }
        };
        // A build that was given out anew comes to a stage twice.
        *place = Some(place.unwrap_or(0).saturating_add(left.since(*at).0));
    }
    let settled = came_to.iter().find(|(stage, _)| stage.settled());
    durations.total =
        came_to.first().zip(settled).map(|((_, first), (_, last))| last.since(*first).0);
    durations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_the_stages_took() {
        let came_to: Vec<_> = [
            (StageName::Requested, 1_000),
            (StageName::Queued, 1_010),
            (StageName::Building, 1_030),
            (StageName::Queued, 1_130),
            (StageName::Building, 1_150),
            (StageName::Built, 2_150),
            (StageName::Starting, 2_160),
            (StageName::Live, 3_000),
            (StageName::Superseded, 9_000),
        ]
        .into_iter()
        .map(|(stage, at)| (stage, Timestamp(at)))
        .collect();
        let durations = durations(&came_to);
        assert_eq!(durations.queued, Some(40));
        assert_eq!(durations.building, Some(1_100));
        assert_eq!(durations.switching, None);
        assert_eq!(durations.total, Some(2_000), "until it was live");
        let stages = stages(&came_to);
        assert_eq!(stages[7].duration_ms, Some(6_000));
        assert_eq!(stages[8].duration_ms, None);
    }
}
