//! An app's versions: which one a rollback goes back to, and what a new deployment takes over.

use crate::app::{AppSettings, Earlier};
use crate::deployment::{Attempt, DeploymentSpec};
use crate::ids::{AppId, DeploymentId};
use crate::source::BuildSettings;
use crate::view::{DeploymentView, View};

/// What a new deployment can take over from this one: none where it is not kept any more, or was
/// never built. With `settings`, the app's settings of then are to come back with it.
#[must_use]
pub fn earlier(view: &View, id: DeploymentId, settings: bool) -> Option<Earlier> {
    let deployment = view.deployments.get(&id)?;
    let attempt = deployment.state.attempt()?;
    let built = attempt.built.clone()?;
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let now = &app.settings;
    // As it was scaled.
    let spec = DeploymentSpec { replicas: attempt.replicas, ..attempt.spec.clone() };
    let settings = settings.then(|| Box::new(settings_then(deployment, &spec, now)));
    Some(Earlier { deployment: id, spec, built, settings, gone: false })
}

fn settings_then(
    deployment: &DeploymentView,
    spec: &DeploymentSpec,
    now: &AppSettings,
) -> AppSettings {
    AppSettings {
        source: deployment.then.source.clone(),
        // Whether earlier layers are used is no part of a version.
        build: BuildSettings { no_cache: now.build.no_cache, ..spec.build.clone() },
        port: spec.port,
        replicas: spec.replicas,
        health: spec.health.clone(),
        resources: spec.resources.clone(),
        domains: deployment.then.domains.clone(),
        run: spec.run.own(),
        drain_within: spec.drain_within,
        stop_within: spec.stop_within,
        project: now.project,
    }
}

/// The deployment of an app that has this number, where it is kept.
#[must_use]
pub fn numbered(view: &View, app: AppId, number: u64) -> Option<DeploymentId> {
    let of_app = view.apps.get(&app)?.deployments.iter().rev();
    of_app
        .copied()
        .find(|id| attempt(view, *id).is_some_and(|attempt| attempt.spec.number == number))
}

/// The version that was live last before the present one. Restarts of the present one do not count:
/// going back to one would change nothing.
#[must_use]
pub fn before_live(view: &View, app: AppId) -> Option<DeploymentId> {
    let app = view.apps.get(&app)?;
    let live = app.state.active()?.live;
    let present = live.and_then(|live| attempt(view, live));
    let was_live = |id: &DeploymentId| {
        view.deployments.get(id).is_some_and(crate::view::DeploymentView::was_live)
    };
    let other = |id: &DeploymentId| match (present, attempt(view, *id)) {
        (Some(present), Some(before)) => !same_version(present, before),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    let before = app.deployments.iter().rev().copied();
    before.filter(|id| Some(*id) != live).find(|id| was_live(id) && other(id))
}

/// Whether two deployments run the same in the same way.
fn same_version(one: &Attempt, other: &Attempt) -> bool {
    let DeploymentSpec {
        app,
        app_name: _,
        project: _,
        number: _,
        source: _,
        build,
        port,
        env,
        replicas: _,
        health,
        resources,
        drain_within,
        stop_within,
        run,
        origin: _,
    } = &one.spec;
    let spec = &other.spec;
    one.built == other.built
        && *app == spec.app
        && *build == spec.build
        && *port == spec.port
        && *env == spec.env
        && one.replicas == other.replicas
        && *health == spec.health
        && *resources == spec.resources
        && *drain_within == spec.drain_within
        && *stop_within == spec.stop_within
        && *run == spec.run
}

fn attempt(view: &View, id: DeploymentId) -> Option<&Attempt> {
    view.deployments.get(&id)?.state.attempt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppEvent, Repeat, SettingsChange};
    use crate::argv::Argv;
    use crate::declared::{Declared, DeclaredProcess};
    use crate::deployment::{DeploymentEvent, Origin};
    use crate::event::Event;
    use crate::names::HostName;
    use crate::past::testing::Journal;
    use crate::process::ProcessName;
    use crate::run::RunSettings;
    use crate::testing::{app_id, built, deployment_id, spec};

    fn view(journal: &Journal) -> View {
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        view
    }

    #[test]
    fn the_version_before_is_another_one_than_the_present() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        assert_eq!(before_live(&view(&journal), app_id(1)), None, "nothing was live");
        journal.deploy(1, 1);
        assert_eq!(before_live(&view(&journal), app_id(1)), None, "nothing was before");
        journal.set_env(1, "LEVEL", 1);
        journal.deploy(1, 2);
        journal.request(1, 3);
        assert_eq!(before_live(&view(&journal), app_id(1)), Some(deployment_id(1)));
        // The same again, as a restart does it: the one before that still is the one to go to.
        journal.deploy(1, 4);
        let then = view(&journal);
        assert_eq!(before_live(&then, app_id(1)), Some(deployment_id(1)));
        assert_eq!(numbered(&then, app_id(1), 2), Some(deployment_id(2)));
        assert_eq!(numbered(&then, app_id(1), 9), None);
        assert_eq!(numbered(&then, app_id(2), 1), None);
    }

    #[test]
    fn settings_are_those_of_the_moment_when_it_was_asked_for() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        let domain = |text: &str| Some([HostName::new(text).unwrap()].into());
        let leads = |text| SettingsChange { domains: domain(text), ..SettingsChange::default() };
        journal.configure(1, leads("then.example"));
        journal.deploy(1, 1);
        journal.configure(1, leads("now.example"));
        let view = view(&journal);
        let found = earlier(&view, deployment_id(1), true).unwrap();
        assert_eq!(Some(found.settings.unwrap().domains), domain("then.example"));
        assert_eq!(found.built, built());
        assert_eq!(earlier(&view, deployment_id(1), false).unwrap().settings, None);
        assert_eq!(earlier(&view, deployment_id(9), true), None);
    }

    #[test]
    fn what_a_repository_says_is_of_the_version_and_no_setting() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.request(1, 1);
        let command = Argv::new(vec!["work".into()]).unwrap();
        let (worker, replicas) = (ProcessName::new("worker").unwrap(), 2);
        let processes = [(worker.clone(), DeclaredProcess { command: command.clone(), replicas })];
        let (release, post_deploy) = (Some(command.clone()), Some(command));
        let declared = Declared { processes: processes.into(), release, post_deploy };
        let id = deployment_id(1);
        let built = DeploymentEvent::Built { built: built(), until: crate::testing::at(9) };
        for event in [DeploymentEvent::Declared(Box::new(declared)), built] {
            journal.push(id.uuid(), Event::Deployment(event));
        }
        let found = earlier(&view(&journal), id, true).unwrap();
        assert_eq!(found.spec.run.processes[&worker].replicas, 2);
        assert_eq!(found.spec.run.hooks.len(), 2);
        assert_eq!(found.settings.unwrap().run, RunSettings::default());
    }

    #[test]
    fn what_was_taken_over_can_be_taken_over_again() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        let (deployment, mut spec) = (deployment_id(2), spec(1));
        spec.number = 2;
        spec.origin = Origin::Deployment { deployment: deployment_id(1), built: Box::new(built()) };
        let (spec, how) = (Box::new(spec), Repeat::Rollback);
        let asked = AppEvent::DeploymentRepeated { deployment, spec: spec.clone(), of: 1, how };
        journal.app(1, asked);
        journal.push(deployment.uuid(), Event::Deployment(DeploymentEvent::Requested(spec)));
        assert_eq!(earlier(&view(&journal), deployment, true), None, "it has no image yet");
        let skipped = DeploymentEvent::BuildSkipped { until: crate::testing::at(1) };
        journal.push(deployment.uuid(), Event::Deployment(skipped));
        assert_eq!(earlier(&view(&journal), deployment, true).unwrap().built, built());
    }
}
