//! Samples as schema 1 had them.

use hythe_core::app::{AppEvent, AppSettings};
use hythe_core::deployment::{DeploymentEvent, DeploymentSpec, Origin};
use hythe_core::event::Event;
use hythe_core::health::{HealthCheck, Probe};
use hythe_core::ids::ProjectId;
use hythe_core::names::HealthPath;
use hythe_core::record::AggregateKind;
use hythe_core::run::RunSettings;
use hythe_core::source::BuildSettings;
use hythe_core::time::Millis;

use super::values::{settings, spec};

/// The events whose form changed after schema 1, as what that one had: nothing else could be said.
pub(super) fn all() -> Vec<(&'static str, Event)> {
    let build = BuildSettings {
        dockerfile: settings().build.dockerfile,
        within: Millis(1_800_000),
        ..BuildSettings::default()
    };
    let path = HealthPath::new("/healthz").unwrap();
    let probe = Probe::Http { path, statuses: None };
    let health = HealthCheck { probe, ..HealthCheck::default() };
    let settings = AppSettings {
        project: ProjectId::DEFAULT,
        build: build.clone(),
        health: health.clone(),
        run: RunSettings::default(),
        drain_within: Millis(30_000),
        stop_within: Millis(10_000),
        ..settings()
    };
    let spec = DeploymentSpec {
        build,
        project: ProjectId::DEFAULT,
        health,
        run: RunSettings::default(),
        origin: Origin::Build,
        ..spec()
    };
    let older = |event| match event {
        Event::App(AppEvent::Created { id, name, .. }) => {
            Event::App(AppEvent::Created { id, name, settings: Box::new(settings.clone()) })
        }
        Event::App(AppEvent::Configured(mut change)) => {
            (change.run, change.drain_within, change.stop_within) = (None, None, None);
            change.project = None;
            Event::App(AppEvent::Configured(change))
        }
        Event::App(AppEvent::DeploymentRequested { deployment, .. }) => {
            let spec = Box::new(spec.clone());
            Event::App(AppEvent::DeploymentRequested { deployment, spec })
        }
        Event::Deployment(DeploymentEvent::Requested(_)) => {
            Event::Deployment(DeploymentEvent::Requested(Box::new(spec.clone())))
        }
        unchanged @ (Event::App(_)
        | Event::Deployment(_)
        | Event::Worker(_)
        | Event::Installation(_)
        | Event::Project(_)) => unchanged,
    };
    // What came later was never written so.
    let later = |label: &str, event: &Event| {
        event.kind() == AggregateKind::Project
            || label.ends_with("-hooks")
            || label.ends_with("-processes")
            || label.ends_with("-container")
            || label.ends_with("-inside")
            || label.ends_with("-part")
            || label.ends_with("-counts")
            || label.ends_with("-declared")
            || label.ends_with("-post-deploy")
            || matches!(event, Event::App(AppEvent::DeploymentRepeated { .. }))
    };
    let then = super::samples().into_iter().filter(|(label, event)| !later(label, event));
    then.map(|(label, event)| (label, older(event))).collect()
}
