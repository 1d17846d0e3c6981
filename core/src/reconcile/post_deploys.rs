//! Post-deploy commands: placed where the image is once a version is live, and judged by what that
//! worker reports. Whatever comes of them, the version stays.

use super::replicas::places;
use super::{Effect, tasks};
use crate::deployment::{Attempt, DeploymentCommand, Fault, PostDeploy};
use crate::giving_way::giving_way;
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::Observed;
use crate::place::place;
use crate::plan::ReplicaKey;
use crate::run::HookSettings;
use crate::task::Hook;
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};
use crate::waiting::worker_name;

/// Begins it, or says how it ended.
pub(super) fn settle(
    id: DeploymentId,
    deployment: &DeploymentView,
    attempt: &Attempt,
    view: &View,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let command = match attempt.post_deploy {
        PostDeploy::Outstanding => begin(id, deployment, attempt, view, observed, now),
        PostDeploy::Runs { worker, until } => {
            verdict(id, attempt, (worker, until), view, observed, now)
        }
        PostDeploy::Done | PostDeploy::Failed(_) => None,
    };
    effects.extend(command.map(|command| Effect::Deployment(id, command)));
}

/// Whether it runs and may go on to its end, also where its deployment has ended before.
pub(super) fn goes_on(view: &View, id: DeploymentId, attempt: &Attempt) -> bool {
    attempt.post_deploying().is_some() && unwanted(view, id, attempt).is_none()
}

/// Why nothing of it is to run, where that is so.
fn unwanted(view: &View, id: DeploymentId, attempt: &Attempt) -> Option<&'static str> {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    let Some(app) = app else { return Some("the app was deleted") };
    (app.rests() || app.is_resting(id)).then_some("the app was stopped")
}

/// The same for one that is live: what ends with its version so that the next one can start is not begun once
/// more when that has ended.
fn given_up(
    view: &View,
    observed: &Observed,
    id: DeploymentId,
    attempt: &Attempt,
) -> Option<&'static str> {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    let live = app.and_then(|app| giving_way(view, observed, app)).map(|(live, _)| live);
    let gives_way = live == Some(id);
    let why = "the next version starts, and both write to the same volume";
    unwanted(view, id, attempt).or(gives_way.then_some(why))
}

fn begin(
    id: DeploymentId,
    deployment: &DeploymentView,
    attempt: &Attempt,
    view: &View,
    observed: &Observed,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let HookSettings { command, within: _ } = attempt.to_post_deploy()?;
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    if app.live != Some(id) {
        // Its app has not heard of it yet.
        return None;
    }
    let not_run = |why: &str| {
        let fault = Fault::new(format!("the post-deploy command `{command}` was not run: {why}"));
        DeploymentCommand::FailPostDeploy { fault }
    };
    if let Some(why) = given_up(view, observed, id, attempt) {
        return Some(not_run(why));
    }
    let worker = attempt.built.as_ref()?.worker;
    let mut places = places(view, observed);
    places.retain(|place, _| *place == worker);
    if let Some(placed) =
        place(&places, [(Hook::PostDeploy.index(), attempt.spec.resources.clone())])
    {
        let worker = placed.first()?.worker;
        return Some(DeploymentCommand::PostDeploy { worker, at: now });
    }
    let (given, since) = (limits::START_GRACE, deployment.since());
    let late = since.plus(given).is_over(given, observed.own_time(since, now));
    (late && !tasks::unheard(worker, observed, now)).then(|| {
        let name = worker_name(view, worker);
        not_run(&format!("worker {name}, which has the image, took nothing new for {given}"))
    })
}

fn verdict(
    id: DeploymentId,
    attempt: &Attempt,
    (worker, until): (WorkerId, Timestamp),
    view: &View,
    observed: &Observed,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let settings = attempt.hook(Hook::PostDeploy)?;
    let command = &settings.command;
    let key = ReplicaKey { deployment: id, index: Hook::PostDeploy.index() };
    // It begins once in the life of a deployment, so what is reported is of no earlier order.
    let report = observed.workers.get(&worker).and_then(|seen| seen.replica(key));
    match report.and_then(|report| tasks::ended(Hook::PostDeploy, settings, report)) {
        Some(Ok(())) => return Some(DeploymentCommand::FinishPostDeploy),
        Some(Err(fault)) => return Some(DeploymentCommand::FailPostDeploy { fault }),
        None => {}
    }
    let log = || report.map(|report| report.log.clone()).unwrap_or_default();
    if let Some(why) = given_up(view, observed, id, attempt) {
        let message = format!("the post-deploy command `{command}` was ended, for {why}");
        return Some(DeploymentCommand::FailPostDeploy { fault: Fault { message, log: log() } });
    }
    let given = attempt.post_deploy_given();
    let since = Timestamp(until.0.saturating_sub(given.0));
    let over = until.is_over(given, observed.own_time(since, now));
    (over && !tasks::unheard(worker, observed, now)).then(|| {
        let name = worker_name(view, worker);
        let message = format!(
            "the post-deploy command `{command}` was given up: worker {name} did not say in time how \
             it ended"
        );
        DeploymentCommand::FailPostDeploy { fault: Fault { message, log: log() } }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::AppEvent;
    use crate::argv::Argv;
    use crate::deployment::Deployment;
    use crate::past::testing::Journal;
    use crate::reconcile::tasks::testing::observed;
    use crate::testing::{at, deployment_id, worker_id};
    use crate::time::Millis;
    use crate::wire::worker::ReplicaState;

    /// An app whose deployment is live and has a post-deploy command that stands so.
    fn view(post_deploy: PostDeploy, more: Vec<AppEvent>) -> View {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        for event in more {
            journal.app(1, event);
        }
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        let deployment = view.deployments.get_mut(&deployment_id(1)).unwrap();
        let Deployment::Present(attempt) = &mut deployment.state else { panic!("it is there") };
        let command = Argv::new(vec!["warm-up".into()]).unwrap();
        let settings = HookSettings { command, within: Millis::seconds(60) };
        attempt.spec.run.hooks.insert(Hook::PostDeploy, settings);
        attempt.post_deploy = post_deploy;
        view
    }

    /// What is done, or the words of the failure.
    fn done(view: &View, observed: &Observed, now: u64) -> Option<Result<(), String>> {
        let (id, mut effects) = (deployment_id(1), Vec::new());
        let deployment = &view.deployments[&id];
        let attempt = deployment.state.attempt().unwrap();
        settle(id, deployment, attempt, view, observed, at(now), &mut effects);
        let effect = effects.pop()?;
        if let Effect::Deployment(_, DeploymentCommand::FailPostDeploy { fault }) = effect {
            return Some(Err(fault.message));
        }
        assert_eq!(effect, Effect::Deployment(id, DeploymentCommand::FinishPostDeploy));
        Some(Ok(()))
    }

    fn runs() -> PostDeploy {
        PostDeploy::Runs { worker: worker_id(1), until: at(500) }
    }

    #[test]
    fn how_it_ended_is_told_and_what_cannot_run_is_given_up() {
        let exited = |code| {
            let state = ReplicaState::Exited { code, out_of_memory: false };
            observed(Hook::PostDeploy, 7, state)
        };
        let away = Observed::starting_at(at(0));
        let stopped = || vec![AppEvent::Stopped { until: at(1) }];
        let outstanding = || PostDeploy::Outstanding;
        let grace = limits::START_GRACE.0 / 1_000;
        type Row = (PostDeploy, Vec<AppEvent>, Observed, u64, Option<Result<(), &'static str>>);
        let rows: Vec<Row> = vec![
            (runs(), vec![], exited(0), 20, Some(Ok(()))),
            (runs(), vec![], exited(3), 20, Some(Err("`warm-up` exited with code 3"))),
            (runs(), vec![], away.clone(), 499, None),
            (runs(), vec![], away.clone(), 500, Some(Err("was given up: worker"))),
            // It had no chance to be heard of yet.
            (runs(), vec![], Observed::starting_at(at(499)), 500, None),
            (runs(), stopped(), away.clone(), 20, Some(Err("was ended, for the app was stopped"))),
            // How it ended counts before what came after.
            (runs(), stopped(), exited(0), 20, Some(Ok(()))),
            (outstanding(), vec![], away.clone(), 20, None),
            (outstanding(), vec![], away.clone(), 20 + grace, Some(Err("took nothing new for"))),
            (outstanding(), stopped(), away, 20, Some(Err("was not run: the app was stopped"))),
            (PostDeploy::Done, stopped(), exited(3), 900, None),
        ];
        for (post_deploy, more, observed, now, expected) in rows {
            let told = done(&view(post_deploy.clone(), more), &observed, now);
            match (&told, expected) {
                (None, None) | (Some(Ok(())), Some(Ok(()))) => {}
                (Some(Err(message)), Some(Err(words))) if message.contains(words) => {}
                _ => panic!("{post_deploy:?} at {now}: {told:?}, not {expected:?}"),
            }
        }
    }
}
