//! An event of any aggregate, as the journal, projections and reactions see it.

use serde::{Deserialize, Serialize};

use crate::app::AppEvent;
use crate::deployment::DeploymentEvent;
use crate::installation::{CertificateEvent, GitHubEvent, InstallationEvent};
use crate::project::ProjectEvent;
use crate::record::AggregateKind;
use crate::worker::WorkerEvent;

/// An event of any aggregate. Not what the journal stores: there each kind is encoded by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Of an app.
    App(AppEvent),
    /// Of a deployment.
    Deployment(DeploymentEvent),
    /// Of a worker.
    Worker(WorkerEvent),
    /// Of the installation itself.
    Installation(InstallationEvent),
    /// Of a project.
    Project(ProjectEvent),
}

impl Event {
    /// The kind and name of every event that there is.
    pub const NAMES: [(AggregateKind, &'static str); 114] = [
        (AggregateKind::App, "created"),
        (AggregateKind::App, "configured"),
        (AggregateKind::App, "environment_changed"),
        (AggregateKind::App, "deployment_requested"),
        (AggregateKind::App, "deployment_replaced"),
        (AggregateKind::App, "deployment_begun"),
        (AggregateKind::App, "traffic_switched"),
        (AggregateKind::App, "traffic_returned"),
        (AggregateKind::App, "deployment_promoted"),
        (AggregateKind::App, "deployment_settled"),
        (AggregateKind::App, "deleted"),
        (AggregateKind::App, "deployment_repeated"),
        (AggregateKind::App, "deployment_called_off"),
        (AggregateKind::App, "stopped"),
        (AggregateKind::App, "started"),
        (AggregateKind::App, "scaled"),
        (AggregateKind::App, "discarded"),
        (AggregateKind::App, "restored"),
        (AggregateKind::App, "triggers_set"),
        (AggregateKind::App, "source_key_set"),
        (AggregateKind::App, "command_run"),
        (AggregateKind::App, "command_ended"),
        (AggregateKind::App, "processes_scaled"),
        (AggregateKind::App, "cron_set"),
        (AggregateKind::App, "cron_removed"),
        (AggregateKind::App, "cron_run"),
        (AggregateKind::App, "cron_skipped"),
        (AggregateKind::App, "previews_set"),
        (AggregateKind::App, "preview_wanted"),
        (AggregateKind::App, "preview_unwanted"),
        (AggregateKind::App, "preview_commented"),
        (AggregateKind::App, "became_preview"),
        (AggregateKind::App, "domain_added"),
        (AggregateKind::App, "domain_set"),
        (AggregateKind::App, "domain_verified"),
        (AggregateKind::App, "domain_failing"),
        (AggregateKind::App, "domain_lost"),
        (AggregateKind::App, "domain_removed"),
        (AggregateKind::App, "edge_set"),
        (AggregateKind::App, "canary_asked"),
        (AggregateKind::App, "canary_started"),
        (AggregateKind::App, "canary_weight_set"),
        (AggregateKind::App, "canary_promoted"),
        (AggregateKind::Deployment, "requested"),
        (AggregateKind::Deployment, "build_queued"),
        (AggregateKind::Deployment, "build_started"),
        (AggregateKind::Deployment, "built"),
        (AggregateKind::Deployment, "placed"),
        (AggregateKind::Deployment, "became_healthy"),
        (AggregateKind::Deployment, "switch_started"),
        (AggregateKind::Deployment, "switched"),
        (AggregateKind::Deployment, "went_live"),
        (AggregateKind::Deployment, "ended"),
        (AggregateKind::Deployment, "build_skipped"),
        (AggregateKind::Deployment, "image_missed"),
        (AggregateKind::Deployment, "scaled"),
        (AggregateKind::Deployment, "rescaled"),
        (AggregateKind::Deployment, "replicas_left"),
        (AggregateKind::Deployment, "release_started"),
        (AggregateKind::Deployment, "released"),
        (AggregateKind::Deployment, "post_deploy_started"),
        (AggregateKind::Deployment, "post_deployed"),
        (AggregateKind::Deployment, "post_deploy_failed"),
        (AggregateKind::Deployment, "processes_scaled"),
        (AggregateKind::Worker, "registered"),
        (AggregateKind::Worker, "capacity_changed"),
        (AggregateKind::Worker, "lost"),
        (AggregateKind::Worker, "returned"),
        (AggregateKind::Worker, "drain_started"),
        (AggregateKind::Worker, "drain_ended"),
        (AggregateKind::Worker, "removed"),
        (AggregateKind::Installation, "backup_scheduled"),
        (AggregateKind::Installation, "backup_unscheduled"),
        (AggregateKind::Installation, "backup_made"),
        (AggregateKind::Installation, "backup_failed"),
        (AggregateKind::Installation, "backup_became_stale"),
        (AggregateKind::Installation, "mirror_set"),
        (AggregateKind::Installation, "mirror_removed"),
        (AggregateKind::Installation, "mirror_fell_behind"),
        (AggregateKind::Installation, "mirror_caught_up"),
        (AggregateKind::Installation, "restored"),
        (AggregateKind::Installation, "registry_set"),
        (AggregateKind::Installation, "registry_removed"),
        (AggregateKind::Installation, "hook_added"),
        (AggregateKind::Installation, "hook_rotated"),
        (AggregateKind::Installation, "hook_removed"),
        (AggregateKind::Installation, "address_set"),
        (AggregateKind::Installation, "address_removed"),
        (AggregateKind::Installation, "source_token_set"),
        (AggregateKind::Installation, "source_token_removed"),
        (AggregateKind::Installation, "source_host_set"),
        (AggregateKind::Installation, "source_host_removed"),
        (AggregateKind::Installation, "statuses_set"),
        (AggregateKind::Installation, "told_set"),
        (AggregateKind::Installation, "domain_settings_set"),
        (AggregateKind::Installation, "github_app_begun"),
        (AggregateKind::Installation, "github_app_given_up"),
        (AggregateKind::Installation, "github_app_made"),
        (AggregateKind::Installation, "github_secret_minted"),
        (AggregateKind::Installation, "github_secret_told"),
        (AggregateKind::Installation, "github_key_set"),
        (AggregateKind::Installation, "github_app_removed"),
        (AggregateKind::Installation, "certificate_settings_set"),
        (AggregateKind::Installation, "certificate_account_opened"),
        (AggregateKind::Installation, "certificate_authority_made"),
        (AggregateKind::Installation, "fleet_key_made"),
        (AggregateKind::Installation, "certificate_ordered"),
        (AggregateKind::Installation, "certificate_issued"),
        (AggregateKind::Installation, "certificate_failed"),
        (AggregateKind::Installation, "certificate_nears_end"),
        (AggregateKind::Installation, "certificate_removed"),
        (AggregateKind::Installation, "certificate_given_up"),
        (AggregateKind::Project, "created"),
        (AggregateKind::Project, "deleted"),
    ];

    /// Which kind of aggregate it happened to.
    #[must_use]
    pub const fn kind(&self) -> AggregateKind {
        match self {
            Self::App(_) => AggregateKind::App,
            Self::Deployment(_) => AggregateKind::Deployment,
            Self::Worker(_) => AggregateKind::Worker,
            Self::Installation(_) => AggregateKind::Installation,
            Self::Project(_) => AggregateKind::Project,
        }
    }

    /// The name of what happened, in subjects, lists and CloudEvents types.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::App(event) => match event {
                AppEvent::Created { .. } => "created",
                AppEvent::Configured(_) => "configured",
                AppEvent::EnvironmentChanged { .. } => "environment_changed",
                AppEvent::DeploymentRequested { .. } => "deployment_requested",
                AppEvent::DeploymentReplaced { .. } => "deployment_replaced",
                AppEvent::DeploymentBegun { .. } => "deployment_begun",
                AppEvent::TrafficSwitched { .. } => "traffic_switched",
                AppEvent::TrafficReturned { .. } => "traffic_returned",
                AppEvent::DeploymentPromoted { .. } => "deployment_promoted",
                AppEvent::DeploymentSettled { .. } => "deployment_settled",
                AppEvent::Deleted { .. } => "deleted",
                AppEvent::DeploymentRepeated { .. } => "deployment_repeated",
                AppEvent::DeploymentCalledOff { .. } => "deployment_called_off",
                AppEvent::Stopped { .. } => "stopped",
                AppEvent::Started => "started",
                AppEvent::Scaled { .. } => "scaled",
                AppEvent::Discarded { .. } => "discarded",
                AppEvent::Restored { .. } => "restored",
                AppEvent::TriggersSet(_) => "triggers_set",
                AppEvent::SourceKeySet(_) => "source_key_set",
                AppEvent::CommandRun { .. } => "command_run",
                AppEvent::CommandEnded { .. } => "command_ended",
                AppEvent::ProcessesScaled { .. } => "processes_scaled",
                AppEvent::CronSet { .. } => "cron_set",
                AppEvent::CronRemoved { .. } => "cron_removed",
                AppEvent::CronRun { .. } => "cron_run",
                AppEvent::CronSkipped { .. } => "cron_skipped",
                AppEvent::PreviewsSet(_) => "previews_set",
                AppEvent::PreviewWanted { .. } => "preview_wanted",
                AppEvent::PreviewUnwanted { .. } => "preview_unwanted",
                AppEvent::PreviewCommented { .. } => "preview_commented",
                AppEvent::BecamePreview(_) => "became_preview",
                AppEvent::DomainAdded { .. } => "domain_added",
                AppEvent::DomainSet { .. } => "domain_set",
                AppEvent::DomainVerified { .. } => "domain_verified",
                AppEvent::DomainFailing { .. } => "domain_failing",
                AppEvent::DomainLost { .. } => "domain_lost",
                AppEvent::DomainRemoved { .. } => "domain_removed",
                AppEvent::EdgeSet(_) => "edge_set",
                AppEvent::CanaryAsked { .. } => "canary_asked",
                AppEvent::CanaryStarted { .. } => "canary_started",
                AppEvent::CanaryWeightSet { .. } => "canary_weight_set",
                AppEvent::CanaryPromoted { .. } => "canary_promoted",
            },
            Self::Deployment(event) => match event {
                DeploymentEvent::Requested(_) => "requested",
                DeploymentEvent::BuildQueued { .. } => "build_queued",
                DeploymentEvent::BuildStarted { .. } => "build_started",
                DeploymentEvent::Built { .. } => "built",
                DeploymentEvent::Placed { .. } => "placed",
                DeploymentEvent::BecameHealthy { .. } => "became_healthy",
                DeploymentEvent::SwitchStarted { .. } => "switch_started",
                DeploymentEvent::Switched { .. } => "switched",
                DeploymentEvent::WentLive { .. } => "went_live",
                DeploymentEvent::Ended { .. } => "ended",
                DeploymentEvent::BuildSkipped { .. } => "build_skipped",
                DeploymentEvent::ImageMissed { .. } => "image_missed",
                DeploymentEvent::Scaled { .. } => "scaled",
                DeploymentEvent::Rescaled { .. } => "rescaled",
                DeploymentEvent::ReplicasLeft => "replicas_left",
                DeploymentEvent::ReleaseStarted { .. } => "release_started",
                DeploymentEvent::Released { .. } => "released",
                DeploymentEvent::PostDeployStarted { .. } => "post_deploy_started",
                DeploymentEvent::PostDeployed => "post_deployed",
                DeploymentEvent::PostDeployFailed { .. } => "post_deploy_failed",
                DeploymentEvent::ProcessesScaled { .. } => "processes_scaled",
                DeploymentEvent::Declared(_) => "declared",
            },
            Self::Worker(event) => match event {
                WorkerEvent::Registered { .. } => "registered",
                WorkerEvent::CapacityChanged { .. } => "capacity_changed",
                WorkerEvent::Lost => "lost",
                WorkerEvent::Returned => "returned",
                WorkerEvent::DrainStarted => "drain_started",
                WorkerEvent::DrainEnded => "drain_ended",
                WorkerEvent::Removed => "removed",
            },
            Self::Installation(event) => match event {
                InstallationEvent::BackupScheduled { .. } => "backup_scheduled",
                InstallationEvent::BackupUnscheduled => "backup_unscheduled",
                InstallationEvent::BackupMade(_) => "backup_made",
                InstallationEvent::BackupFailed(_) => "backup_failed",
                InstallationEvent::BackupBecameStale { .. } => "backup_became_stale",
                InstallationEvent::MirrorSet(_) => "mirror_set",
                InstallationEvent::MirrorRemoved => "mirror_removed",
                InstallationEvent::MirrorFellBehind { .. } => "mirror_fell_behind",
                InstallationEvent::MirrorCaughtUp => "mirror_caught_up",
                InstallationEvent::Restored(_) => "restored",
                InstallationEvent::RegistrySet { .. } => "registry_set",
                InstallationEvent::RegistryRemoved { .. } => "registry_removed",
                InstallationEvent::HookAdded { .. } => "hook_added",
                InstallationEvent::HookRotated { .. } => "hook_rotated",
                InstallationEvent::HookRemoved { .. } => "hook_removed",
                InstallationEvent::AddressSet { .. } => "address_set",
                InstallationEvent::AddressRemoved => "address_removed",
                InstallationEvent::SourceTokenSet { .. } => "source_token_set",
                InstallationEvent::SourceTokenRemoved { .. } => "source_token_removed",
                InstallationEvent::SourceHostSet { .. } => "source_host_set",
                InstallationEvent::SourceHostRemoved { .. } => "source_host_removed",
                InstallationEvent::StatusesSet { .. } => "statuses_set",
                InstallationEvent::ToldSet { .. } => "told_set",
                InstallationEvent::DomainSettingsSet(_) => "domain_settings_set",
                InstallationEvent::GitHub(event) => match event {
                    GitHubEvent::Begun { .. } => "github_app_begun",
                    GitHubEvent::GivenUp { .. } => "github_app_given_up",
                    GitHubEvent::Made { .. } => "github_app_made",
                    GitHubEvent::SecretMinted { .. } => "github_secret_minted",
                    GitHubEvent::SecretTold { .. } => "github_secret_told",
                    GitHubEvent::KeySet { .. } => "github_key_set",
                    GitHubEvent::Removed { .. } => "github_app_removed",
                },
                InstallationEvent::Certificate(event) => match event {
                    CertificateEvent::Set { .. } => "certificate_settings_set",
                    CertificateEvent::AccountOpened { .. } => "certificate_account_opened",
                    CertificateEvent::LocalMade { .. } => "certificate_authority_made",
                    CertificateEvent::FleetKeyMade { .. } => "fleet_key_made",
                    CertificateEvent::Ordered { .. } => "certificate_ordered",
                    CertificateEvent::Issued { .. } => "certificate_issued",
                    CertificateEvent::Failed { .. } => "certificate_failed",
                    CertificateEvent::NearsEnd { .. } => "certificate_nears_end",
                    CertificateEvent::Removed { .. } => "certificate_removed",
                    CertificateEvent::GivenUp { .. } => "certificate_given_up",
                },
            },
            Self::Project(event) => match event {
                ProjectEvent::Created { .. } => "created",
                ProjectEvent::Deleted => "deleted",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list and the match above must say the same; the match is checked by the compiler.
    #[test]
    fn the_list_of_names_has_every_name_in_the_match() {
        let source = include_str!("event.rs");
        let named = source.lines().filter(|line| line.contains("=> \"")).count();
        assert_eq!(named, Event::NAMES.len());
    }
}
