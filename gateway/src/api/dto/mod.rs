//! What goes over the wire: one file per resource, plain data, the same types for the server, the
//! CLI and (by way of the OpenAPI document) the web page.
//!
//! Invariants: names are `snake_case`; ids are strings; moments are RFC 3339 in UTC; spans are
//! milliseconds and their names end in `_ms`; a request with a field that nobody knows is refused,
//! while an answer may gain fields at any time.

mod app;
mod backup;
mod canary;
mod certificate;
mod commit_status;
mod compose;
mod create_app;
mod cron;
mod deleted;
mod deployment;
mod domain;
mod edge;
mod env;
mod event;
mod github_app;
mod health;
mod hook;
mod housekeeping;
mod inside;
mod journal;
mod listing;
mod log;
mod page;
mod past;
mod preview;
mod process;
mod project;
mod registry;
mod replica;
mod route;
mod run;
mod session;
mod source;
mod status;
mod time;
mod traefik;
mod update_app;
mod upload;
mod worker;

pub use app::{App, AppPage, AppRef, AppSettings, AppStatus, StaticMode};
pub use backup::{
    BackupFailed, BackupMade, BackupRun, BackupSchedule, BackupStatus, CreateBackup,
    DownloadBackup, MirrorStatus, SetBackupSchedule, SetMirror,
};
pub use canary::{Canary, CreateCanary, SetCanary};
pub use certificate::{
    AddCertificate, Certificate, CertificateAuthority, CertificateList, CertificateSettings,
    CertificateState, DnsHook, ExternalAccount, SetDnsHook, SetExternalAccount,
    UpdateCertificateSettings,
};
pub use commit_status::{CommitStatuses, SetCommitStatuses, ToldStatus};
pub use compose::{
    AppGroup, ComposeAction, ComposeLeft, ComposeMounted, ComposeMountedKind, ComposeOrphan,
    ComposePlan, ComposeService, ComposeSource, PlanCompose, VolumeMount,
};
pub use create_app::CreateApp;
pub use cron::{Cron, CronList, CronOverlap, CronRun, CronSkipped, SetCron};
pub use deleted::{DeleteQuery, DeletedApp, DeletedAppList};
pub use deployment::{
    CreateDeployment, CreateRollback, Deployment, DeploymentPage, DeploymentRef, DeploymentSource,
    DeploymentStatus, Durations, Failure, PostDeploy, PostDeployStatus, Site, StageEntry,
    TakesOver,
};
pub use domain::{
    AddDomain, DnsRecord, Domain, DomainCaa, DomainCheck, DomainLeads, DomainList, DomainMode,
    DomainSettings, DomainState, DomainVerdict, ResolverAnswer, UpdateDomain, UpdateDomainSettings,
};
pub use edge::{
    EdgeGuards, EdgeHsts, EdgeHttps, EdgeMount, EdgeProtocol, EdgeRate, EdgeSeenPath, EdgeSettings,
    EdgeWww, UpdateEdge,
};
pub use env::{ChangeEnv, EnvList, EnvVariable, SecretText};
pub use event::{EventEntry, EventPage, EventQuery};
pub use github_app::{
    BeginGitHubApp, FinishGitHubApp, GitHubApp, GitHubAppBegun, GitHubAppList, GitHubAppSeen,
    GitHubInstallation, SetGitHubAppKey,
};
pub use health::HealthProbe;
pub use hook::{
    Address, CreateHook, DeliveredApp, Delivery, DeliveryList, DeliveryOutcome, DeployOn, Hook,
    HookApp, HookList, HookQuery, HookSetup, HookWithSecret, SetAddress, Triggers, UpdateTriggers,
};
pub use housekeeping::{
    DispensableCache, DispensableImage, DispensableUpload, Housekeeping, ImageThatStayed,
    UploadHousekeeping, WorkerHousekeeping,
};
pub use inside::{ContainerInside, MemoryFolder, ProcessLimit, ValueFile};
pub use journal::{JournalProblem, Verification, VerificationReport, VerificationState};
pub use listing::{
    BranchList, BranchQuery, ListedBranch, ListedRepository, RepositoryList, RepositoryQuery,
};
pub use log::{LogItem, LogOutput, LogPage, LogQuery};
pub use page::PageQuery;
pub use past::{
    AppDiff, AsOf, AtQuery, Beginning, Culprit, DiffQuery, DiffSide, DiffStep, FieldChange,
    StepChange, Why, WhyQuery, WhyStep,
};
pub use preview::{
    Preview, PreviewEnv, PreviewForks, PreviewList, PreviewOf, PreviewSettings, Told,
    UpdatePreviews,
};
pub use process::{ProcessCount, ProcessType, ScaleApp, SetProcess};
pub use project::{CreateProject, Project, ProjectList};
pub use registry::{Registry, RegistryList, SetRegistry};
pub use replica::{Replica, ReplicaList, ReplicaState};
pub use route::{Route, RoutePage, RouteState};
pub use run::{CreateRun, Run, RunList, RunTerminal};
pub use session::{CreateSession, Session};
pub use source::{
    MakeSourceKey, SetSourceHost, SetSourceToken, SourceHost, SourceHostList, SourceKey,
    SourceToken, SourceTokenList,
};
pub use status::{Check, Health, JournalStatus, Readiness, ServerStatus};
pub use time::Time;
pub use traefik::{
    TraefikConfig, TraefikHttp, TraefikLoadBalancer, TraefikMiddleware, TraefikQuery,
    TraefikRedirect, TraefikRouter, TraefikServer, TraefikService, TraefikStripPrefix, TraefikTls,
};
pub use update_app::UpdateApp;
pub use upload::Upload;
pub use worker::{Worker, WorkerList, WorkerStatus};

/// Reads a field that may be left out, be `null`, or have a value: three different things in a
/// change of settings.
pub(crate) fn given<'de, D, T>(input: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    serde::Deserialize::deserialize(input).map(Some)
}
