//! Events of deployments.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::argv::Argv;
use hythe_core::declared::{Counts, Declared, TakenOn};
use hythe_core::deployment::{
    DeploymentEvent, DeploymentSpec, Fault, Outcome, Placement, StageName,
};
use hythe_core::run::{HookSettings, RunSettings};
use hythe_core::task::Hook;
use hythe_core::time::Millis;

use super::values::{
    app, at, built, declared, deployment, process, spec, with_container, with_hooks, worker,
};

pub(super) fn all() -> Vec<(&'static str, DeploymentEvent)> {
    let fault = Fault { message: "it failed".into(), log: vec!["last line".into()] };
    let scaled = || BTreeMap::from([(process(), 3)]);
    let counts = Counts { of: scaled(), most: 1 };
    let processes = BTreeSet::from([process()]);
    let hooks = BTreeSet::from([Hook::Release]);
    let taken = TakenOn { says: declared(), processes, hooks };
    let of_repository = RunSettings { counts, declared: taken, ..with_container() };
    let of_repository = DeploymentSpec { run: of_repository, ..spec() };
    let ended = |outcome| DeploymentEvent::Ended { app: app(), outcome };
    let failed = fault.clone();
    let warm_up = HookSettings {
        command: Argv::new(vec!["bin/warm-up".into()]).unwrap(),
        within: Millis(60_000),
    };
    let mut with_post_deploy = DeploymentSpec { run: with_hooks(), ..spec() };
    with_post_deploy.run.hooks.insert(Hook::PostDeploy, warm_up);
    vec![
        ("requested", DeploymentEvent::Requested(Box::new(spec()))),
        ("build_queued", DeploymentEvent::BuildQueued { generation: 1, until: at() }),
        ("build_started", DeploymentEvent::BuildStarted { generation: 1, worker: worker() }),
        ("built", DeploymentEvent::Built { built: built(), until: at() }),
        (
            "placed",
            DeploymentEvent::Placed {
                placements: vec![Placement { index: 0, worker: worker() }],
                until: at(),
            },
        ),
        ("became_healthy", DeploymentEvent::BecameHealthy { app: app() }),
        (
            "switch_started",
            DeploymentEvent::SwitchStarted { previous: Some(deployment(1)), until: at() },
        ),
        ("switched", DeploymentEvent::Switched { previous: None, until: at() }),
        ("went_live", DeploymentEvent::WentLive { app: app() }),
        ("ended-superseded", ended(Outcome::Superseded)),
        ("ended-failed", ended(Outcome::Failed { stage: StageName::Starting, fault })),
        ("ended-cancelled", ended(Outcome::Cancelled)),
        ("build_skipped", DeploymentEvent::BuildSkipped { until: at() }),
        ("image_missed", DeploymentEvent::ImageMissed { until: at() }),
        ("scaled", DeploymentEvent::Scaled { replicas: 3 }),
        (
            "rescaled",
            DeploymentEvent::Rescaled {
                placements: vec![Placement { index: 0, worker: worker() }],
                until: at(),
            },
        ),
        ("replicas_left", DeploymentEvent::ReplicasLeft),
        ("release_started", DeploymentEvent::ReleaseStarted { worker: worker(), until: at() }),
        ("released", DeploymentEvent::Released { until: at() }),
        ("requested-post-deploy", DeploymentEvent::Requested(Box::new(with_post_deploy))),
        (
            "post_deploy_started",
            DeploymentEvent::PostDeployStarted { worker: worker(), until: at() },
        ),
        ("post_deployed", DeploymentEvent::PostDeployed),
        ("post_deploy_failed", DeploymentEvent::PostDeployFailed { fault: failed }),
        ("processes_scaled", DeploymentEvent::ProcessesScaled { processes: scaled() }),
        ("declared", DeploymentEvent::Declared(Box::new(declared()))),
        ("requested-declared", DeploymentEvent::Requested(Box::new(of_repository))),
        (
            "declared-hooks",
            DeploymentEvent::Declared(Box::new(Declared {
                post_deploy: Argv::new(vec!["bin/warm-up".into()]).ok(),
                ..declared()
            })),
        ),
    ]
}
