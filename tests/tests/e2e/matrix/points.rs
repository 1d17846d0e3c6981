//! The failpoints, and the course of events in which each is reached.

use hythe_core::event::Event;
use hythe_store::steps::{Process, Step};
use hythe_tests::failpoints::{die, past};

/// Where a process is to die.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) process: Process,
    pub(super) step: Step,
    pub(super) detail: Option<String>,
    pub(super) course: Course,
}

/// What is going on when it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// An installation starts for the first time.
    FirstStart,
    /// A new version takes the place of the live one.
    Deploy,
    /// The same version is deployed again.
    DeployAgain,
    /// Something is sent to be built.
    Upload,
    /// A commit is pushed here.
    Push,
    /// A static site is deployed for the first time.
    Site,
    /// An app whose repository says what runs besides is deployed for the first time.
    Declare,
    /// A setting is changed.
    Configure,
    /// A variable is set, and the app deployed with it.
    Environment,
    /// An app that never was is deployed for the first time.
    NewApp,
    /// An app is deleted for good.
    DeleteApp,
    /// An app is deleted, and restored.
    DeleteAndRestore,
    /// A project is made.
    NewProject,
    /// A project without apps is deleted.
    DeleteProject,
    /// Builds are given a login to a registry.
    NewRegistry,
    /// It is taken away from them.
    RemoveRegistry,
    /// A repository gets a webhook.
    NewHook,
    /// A webhook gets another secret.
    RotateHook,
    /// A webhook's provider is told how commits fare.
    SetStatuses,
    /// A webhook is removed.
    RemoveHook,
    /// What deploys an app by itself is changed.
    SetTriggers,
    /// How edges serve an app is changed.
    SetEdge,
    /// It is said where the server is reached, and taken back.
    SetAddress,
    /// Builds are given what reaches private repositories, and it is taken away from them.
    Sources,
    /// A waiting request is replaced by a newer one.
    Replace,
    /// A build is cancelled.
    CancelBuild,
    /// A build fails.
    FailBuild,
    /// The live version is run anew.
    Restart,
    /// A version comes back whose image is gone.
    RollBackUnbuilt,
    /// An app is stopped while a version is built, and started again.
    StopAndStart,
    /// A command is run once.
    RunCommand,
    /// A cron job is set, run by hand, and removed.
    Cron,
    /// A cron job is due while it runs.
    CronSkipped,
    /// A domain is added, proven, changed and taken away.
    Domain,
    /// A pull request comes and goes, and its preview with it.
    Preview,
    /// An app gets a replica more, and one less.
    Scale,
    /// A process beside web gets a replica more, and one less.
    ScaleProcesses,
    /// A version with a release command is deployed.
    Release,
    /// A version with a post-deploy command is deployed.
    PostDeploy,
    /// The same, and that command fails.
    PostDeployFails,
    /// The app's program dies.
    ReplicaDies,
    /// The server is stopped in order while a version is built.
    ServerStops,
    /// A deployment does not come to it.
    Never(&'static str),
}

/// How often it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deaths {
    /// At which passage of the point; later ones than the first need not come.
    pub(super) passage: u32,
    /// At which step after it was started again it dies once more, whatever step that is.
    pub(super) again: Option<u32>,
}

impl Deaths {
    /// Once, at the first passage.
    pub(super) const AT_FIRST: Self = Self { passage: 1, again: None };
    /// What a soak does.
    pub(super) const LONG: [Self; 6] = [
        Self::AT_FIRST,
        Self { passage: 2, again: None },
        Self { passage: 3, again: None },
        Self { passage: 1, again: Some(1) },
        Self { passage: 1, again: Some(2) },
        Self { passage: 1, again: Some(5) },
    ];
}

/// Every point: generated from the list of steps, and for appends from that of events.
pub(super) fn points() -> Vec<Point> {
    let mut points = Vec::new();
    for &step in Step::ALL {
        for &process in step.processes() {
            if step == Step::JournalAppended {
                points.extend(Event::NAMES.iter().map(|(kind, name)| {
                    let detail = format!("{kind}.{name}");
                    let course = course_of_event(&detail);
                    Point { process, step, detail: Some(detail), course }
                }));
            } else {
                points.push(Point { process, step, detail: None, course: course(step) });
            }
        }
    }
    points
}

impl Point {
    /// What is to be armed. Steps that are taken all the time count from one on that belongs to
    /// the deployment.
    pub(super) fn lines(&self, deaths: Deaths) -> Vec<String> {
        let of = |steps: &[Step]| steps.contains(&self.step);
        let after = if of(&[Step::CursorsSaved, Step::EventPublished]) {
            Some((Step::JournalAppended, Some("deployment.requested")))
        } else if of(&[Step::WorkerReportSettled]) {
            Some((Step::JournalAppended, Some("deployment.placed")))
        } else if of(&[Step::EdgeReportSettled]) {
            Some((Step::RoutesPut, None))
        } else if of(&[Step::WorkerReported, Step::PositionsSaved]) {
            Some((Step::ContainerStarted, None))
        } else if of(&[Step::EdgeReported]) {
            Some((Step::TableApplied, None))
        } else {
            None
        };
        let past = after.map(|(step, detail)| past(step, detail));
        let dies = die(self.step, self.detail.as_deref(), deaths.passage);
        let again = deaths.again.map(|passage| format!("die * - {passage}"));
        past.into_iter().chain([dies]).chain(again).collect()
    }
}

/// No wildcard: a new step has to be given its course.
const fn course(step: Step) -> Course {
    match step {
        Step::MasterKeyMade
        | Step::JournalDrafted
        | Step::JournalMade
        | Step::IndexMade
        | Step::StreamsMade
        | Step::ConsumerMade
        | Step::LedgerMade
        | Step::WorkerMinted
        | Step::SealingKeyMinted
        | Step::BuildLedgerMade
        | Step::MirrorsMade
        | Step::EdgeMinted => Course::FirstStart,
        Step::IndexExtended | Step::CheckpointSaved => Course::ServerStops,
        Step::JournalAppended
        | Step::CursorsSaved
        | Step::BuildSent
        | Step::RunSent
        | Step::StopSent
        | Step::RoutesPut
        | Step::EventPublished
        | Step::BuildReportSettled
        | Step::WorkerReportSettled
        | Step::EdgeReportSettled
        | Step::OrderAccepted
        | Step::OrderSettled
        | Step::OrderForgotten
        | Step::PositionsSaved
        | Step::ContainerMade
        | Step::ContainerStarted
        | Step::ContainerLimited
        | Step::ContainerStopped
        | Step::ContainerRemoved
        | Step::WorkerReported
        | Step::LogPublished
        | Step::BuildAccepted
        | Step::BuildSettled
        | Step::BuildAlive
        | Step::MirrorFetched
        | Step::SourceFetched
        | Step::ImageBuilt
        | Step::BuildLogPublished
        | Step::BuildEnded
        | Step::BuildReported
        | Step::BuildClosed
        | Step::TableKept
        | Step::TableApplied
        | Step::EdgeReported
        | Step::AccessLogged => Course::Deploy,
        Step::ImageTagged => Course::DeployAgain,
        Step::CancelBuildSent | Step::BuildCancelled | Step::ImageUntagged => Course::CancelBuild,
        Step::UploadKept => Course::Upload,
        Step::PushReceived | Step::BranchMoved => Course::Push,
        Step::SiteObjectKept
        | Step::SiteContainerMade
        | Step::SiteContainerRemoved
        | Step::SiteBrought
        | Step::SiteFetched => Course::Site,
        Step::NetworkMade => Course::NewApp,
        // Points of a first start come in one order: this one comes before or after those of workers.
        Step::CertificatesPut => Course::Never("an edge has to be heard of first, or a worker"),
        Step::CertificatesDropped => Course::Never("no deployment waits for a certificate"),
        Step::DnsRecordsNoted => Course::Never("an authority has to want a DNS record"),
        Step::NetworkRemoved => Course::DeleteApp,
        Step::RestartCounted => Course::ReplicaDies,
        Step::FleetKeyKept | Step::CertificatesKept | Step::AloneKept => {
            Course::Never("no authority has given this installation a certificate")
        }
        Step::ContainerFilled => Course::Never("an app has to have values in files"),
        Step::LogsShared => Course::Never("so much has to be logged that it takes long"),
    }
}

fn course_of_event(name: &str) -> Course {
    match name {
        "app.created" => Course::NewApp,
        "app.configured" => Course::Configure,
        "app.environment_changed" => Course::Environment,
        "app.deployment_requested"
        | "app.deployment_begun"
        | "app.traffic_switched"
        | "app.deployment_promoted"
        | "deployment.requested"
        | "deployment.build_queued"
        | "deployment.build_started"
        | "deployment.built"
        | "deployment.placed"
        | "deployment.became_healthy"
        | "deployment.switch_started"
        | "deployment.switched"
        | "deployment.went_live" => Course::Deploy,
        "deployment.ended" | "app.deployment_settled" => Course::FailBuild,
        "app.deployment_replaced" => Course::Replace,
        "app.deleted" => Course::DeleteApp,
        "app.discarded" | "app.restored" => Course::DeleteAndRestore,
        "app.deployment_repeated" | "deployment.build_skipped" => Course::Restart,
        "deployment.image_missed" => Course::RollBackUnbuilt,
        "deployment.declared" => Course::Declare,
        "deployment.release_started" | "deployment.released" => Course::Release,
        "deployment.post_deploy_started" | "deployment.post_deployed" => Course::PostDeploy,
        "deployment.post_deploy_failed" => Course::PostDeployFails,
        "app.stopped" | "app.deployment_called_off" | "app.started" => Course::StopAndStart,
        "app.scaled" | "deployment.scaled" | "deployment.rescaled" | "deployment.replicas_left" => {
            Course::Scale
        }
        "app.processes_scaled" | "deployment.processes_scaled" => Course::ScaleProcesses,
        "app.command_run" | "app.command_ended" => Course::RunCommand,
        "app.cron_set" | "app.cron_run" | "app.cron_removed" => Course::Cron,
        "app.cron_skipped" => Course::CronSkipped,
        "app.domain_added"
        | "app.domain_set"
        | "app.domain_verified"
        | "app.domain_removed"
        | "installation.domain_settings_set" => Course::Domain,
        "app.domain_failing" | "app.domain_lost" => {
            Course::Never("a record has to be gone for hours")
        }
        "app.previews_set"
        | "app.preview_wanted"
        | "app.became_preview"
        | "app.preview_unwanted" => Course::Preview,
        "app.preview_commented" => Course::Never("a provider has to take a comment"),
        "project.created" => Course::NewProject,
        "project.deleted" => Course::DeleteProject,
        "installation.registry_set" => Course::NewRegistry,
        "installation.registry_removed" => Course::RemoveRegistry,
        "installation.hook_added" => Course::NewHook,
        "installation.hook_rotated" => Course::RotateHook,
        "installation.hook_removed" => Course::RemoveHook,
        "installation.statuses_set" | "installation.told_set" => Course::SetStatuses,
        "installation.address_set" | "installation.address_removed" => Course::SetAddress,
        "app.triggers_set" => Course::SetTriggers,
        "app.edge_set" => Course::SetEdge,
        "app.canary_asked"
        | "app.canary_started"
        | "app.canary_weight_set"
        | "app.canary_promoted" => {
            Course::Never("a canary is a deployment that waits for somebody")
        }
        "app.fell_asleep" | "app.woken" => {
            Course::Never("that nobody asks for an app is seen by its edges for a while first")
        }
        "app.source_key_set"
        | "installation.source_token_set"
        | "installation.source_token_removed"
        | "installation.source_host_set"
        | "installation.source_host_removed"
        | "installation.github_app_begun"
        | "installation.github_app_given_up" => Course::Sources,
        "installation.github_app_made"
        | "installation.github_secret_minted"
        | "installation.github_secret_told"
        | "installation.github_key_set"
        | "installation.github_app_removed" => {
            Course::Never("GitHub has to make an App, and no deployment waits for it")
        }
        "installation.fleet_key_made" => {
            Course::Never("an edge has to be heard of first, or a worker")
        }
        "installation.certificate_authority_made"
        | "installation.certificate_issued"
        | "installation.certificate_settings_set"
        | "installation.certificate_account_opened"
        | "installation.certificate_ordered"
        | "installation.certificate_failed"
        | "installation.certificate_nears_end"
        | "installation.certificate_removed"
        | "installation.certificate_given_up" => {
            Course::Never("an authority has to be asked, and no deployment waits for it")
        }
        "worker.registered" => Course::FirstStart,
        "app.traffic_returned" => Course::Never("only where a replica dies while it takes over"),
        "worker.capacity_changed" => Course::Never("a machine has to change"),
        "worker.lost" | "worker.returned" => Course::Never("a worker has to be away for long"),
        "worker.drain_started" | "worker.drain_ended" | "worker.removed" => {
            Course::Never("nothing asks for it yet")
        }
        installation if installation.starts_with("installation.") => {
            Course::Never("it is about backups, and no deployment waits for it")
        }
        other => panic!("{other} is new: say in what course of events it is appended"),
    }
}
