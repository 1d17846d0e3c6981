//! What there is to do so that a project's apps are as a file says: which are new, which change, which
//! stay, and which of the project's are in the file no more.

use std::collections::{BTreeMap, BTreeSet};

use super::folders::tag;
use super::{Bad, Build, Composed, From, Service};
use crate::app::AppSettings;
use crate::container::{ContainerSettings, ContentId, GroupMember, GroupPart, ServiceName};
use crate::deployment::DeploymentSpec;
use crate::ids::ProjectId;
use crate::names::{AppName, EnvName, EnvValue, ProjectName, RepositoryPath};
use crate::run::{HookSettings, RunSettings};
use crate::source::{BuildSettings, GitSource, Resources, Source, UploadDigest};
use crate::task::Hook;
use crate::{limits, names};

/// The longest name of an app.
const LONGEST_NAME: usize = 40;
/// How much of a number made from a name is in one that would be longer.
const TAGGED: usize = 6;

/// What a service that is built is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The whole of a repository, at a commit whose folder has this content.
    Git {
        /// Where.
        source: GitSource,
        /// What its folder holds.
        content: ContentId,
    },
    /// A folder that was sent.
    Upload(UploadDigest),
}

/// An app of the project's group, as it is.
#[derive(Clone, Debug)]
pub struct Present {
    /// Its name.
    pub name: AppName,
    /// Its settings.
    pub settings: AppSettings,
    /// Its variables.
    pub env: BTreeMap<EnvName, EnvValue>,
    /// What is live of it, or on its way.
    pub newest: Option<Deployed>,
}

/// A deployment that is live or on its way.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// What it runs with.
    pub spec: DeploymentSpec,
    /// Whether the app's variables are those that it runs with.
    pub same_env: bool,
}

/// What is done about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It becomes an app.
    Create,
    /// Its app is deployed anew.
    Update,
    /// Its app is as it should be.
    Unchanged,
}

/// A service, and what is done about it.
#[derive(Debug)]
pub struct Planned {
    /// The service.
    pub service: Service,
    /// Its app.
    pub app: AppName,
    /// What is done.
    pub action: Action,
    /// Why, where it is deployed anew: what is different.
    pub because: Vec<&'static str>,
    /// The settings that it is to have.
    pub settings: AppSettings,
    /// Variables that the app has and the file does not: they stay.
    pub surplus: BTreeSet<EnvName>,
    /// Variables that only stood in files of its containers, which there are no more: they go. One that
    /// stayed would be in the environment of every container from now on.
    pub removed: BTreeSet<EnvName>,
    /// Whether its folder has to be sent, or its content said, before it is known whether it changed.
    pub needs_source: bool,
}

/// What there is to do.
#[derive(Debug)]
pub struct Plan {
    /// The services, in the order in which they go live.
    pub services: Vec<Planned>,
    /// Apps of the group whose services are in the file no more, by service.
    pub orphans: BTreeMap<ServiceName, AppName>,
}

/// Compares a file with what is there. `made` says what services that are built are built from, as far
/// as that is known yet.
///
/// # Errors
/// [`Bad`], where a service cannot become an app.
pub fn plan(
    composed: Composed,
    (name, project): (&ProjectName, ProjectId),
    present: &BTreeMap<ServiceName, Present>,
    made: &BTreeMap<ServiceName, Made>,
) -> Result<Plan, Bad> {
    let Composed { services, idle, left: _, lines } = composed;
    of_services(services, &idle, (name, project), present, made).map_err(|bad| lines.named(bad))
}

fn of_services(
    listed: Vec<Service>,
    idle: &BTreeSet<ServiceName>,
    (name, project): (&ProjectName, ProjectId),
    present: &BTreeMap<ServiceName, Present>,
    made: &BTreeMap<ServiceName, Made>,
) -> Result<Plan, Bad> {
    let mut services = Vec::with_capacity(listed.len());
    let mut taken: BTreeMap<AppName, ServiceName> = BTreeMap::new();
    for service in listed {
        let there = present.get(&service.name);
        let app = match there {
            Some(there) => there.name.clone(),
            None => app_name(name, &service)?,
        };
        if let Some(other) = taken.insert(app.clone(), service.name.clone()) {
            return Err(Bad {
                line: Some(service.line),
                why: format!(
                    "the services {other} and {} would both be the app {app}; give one another name",
                    service.name
                ),
            });
        }
        services.push(of_service(service, app, project, there, made)?);
    }
    let in_file: BTreeSet<&ServiceName> =
        services.iter().map(|planned| &planned.service.name).chain(idle).collect();
    let orphans = present
        .iter()
        .filter(|(service, _)| !in_file.contains(service))
        .map(|(service, there)| (service.clone(), there.name.clone()))
        .collect();
    Ok(Plan { services, orphans })
}

/// The name of the app that a service becomes. One that would be too long is cut, and has a number that is made
/// from all of it.
fn app_name(project: &ProjectName, service: &Service) -> Result<AppName, Bad> {
    let plain: String = service
        .name
        .as_str()
        .chars()
        .map(|c| if c == '_' || c == '.' { '-' } else { c.to_ascii_lowercase() })
        .collect();
    let mut name = format!("{project}-{}", plain.trim_end_matches('-'));
    if name.len() > LONGEST_NAME {
        let tag = tag(&name);
        name.truncate(LONGEST_NAME - TAGGED - 1);
        let tag = tag.get(..TAGGED).unwrap_or_default();
        name = format!("{}-{tag}", name.trim_end_matches('-'));
    }
    AppName::new(name.as_str()).map_err(|why| Bad {
        line: Some(service.line),
        why: format!(
            "the service {} would be the app {}: {why}. Give the project or the service a shorter name",
            service.name,
            names::shown(&name)
        ),
    })
}

fn of_service(
    service: Service,
    app: AppName,
    project: ProjectId,
    there: Option<&Present>,
    made: &BTreeMap<ServiceName, Made>,
) -> Result<Planned, Bad> {
    let made = made.get(&service.name);
    let before = there.map(|there| there.settings.clone()).unwrap_or_default();
    let settings = settings(&service, project, made, before)?;
    let needs_source = matches!(service.from, From::Build(_)) && made.is_none();
    let mut because = Vec::new();
    let mut surplus: BTreeSet<EnvName> = BTreeSet::new();
    let mut removed: BTreeSet<EnvName> = BTreeSet::new();
    let action = match there {
        None => Action::Create,
        Some(there) => {
            surplus =
                there.env.keys().filter(|name| !service.env.contains_key(*name)).cloned().collect();
            let (was, is) = (there.settings.run.inside.in_files(), settings.run.inside.in_files());
            let gone = surplus.iter().filter(|name| was.contains(name) && !is.contains(name));
            removed = gone.cloned().collect();
            // What was set besides stays: there secrets are that belong into no file.
            surplus.retain(|name| !removed.contains(name));
            let differs =
                service.env.iter().any(|(name, value)| there.env.get(name) != Some(value));
            if differs || !removed.is_empty() {
                because.push("variables");
            }
            match &there.newest {
                None => because.push("nothing of it is live"),
                Some(newest) => {
                    differences(&settings, &newest.spec, needs_source, &mut because);
                    if !newest.same_env && !because.contains(&"variables") {
                        because.push("variables");
                    }
                }
            }
            if because.is_empty() && settings == there.settings {
                Action::Unchanged
            } else {
                if because.is_empty() {
                    because.push("settings");
                }
                Action::Update
            }
        }
    };
    Ok(Planned { service, app, action, because, settings, surplus, removed, needs_source })
}

/// What the settings that are wanted say otherwise than what runs.
fn differences(
    wanted: &AppSettings,
    runs: &DeploymentSpec,
    source_unknown: bool,
    because: &mut Vec<&'static str>,
) {
    let content = |run: &RunSettings| run.container.group.as_ref().and_then(|g| g.content.clone());
    let source = match (&wanted.source, &runs.source) {
        _ if source_unknown => true,
        // Another commit is no change where the folder is the same.
        (Some(Source::Git(one)), Source::Git(other)) => {
            one.repository == other.repository && content(&wanted.run) == content(&runs.run)
        }
        (Some(Source::Image(one)), Source::Image(other)) => {
            // A deployment that takes over from another has its digest besides.
            one == other || other.as_str().strip_prefix(one.as_str()).is_some_and(pinned)
        }
        (Some(one), other) => one == other,
        (None, _) => false,
    };
    let plain = |run: &RunSettings| {
        let mut run = run.clone();
        if let Some(group) = &mut run.container.group {
            group.content = None;
        }
        run
    };
    let same_build = BuildSettings { no_cache: false, ..runs.build.clone() } == wanted.build;
    for (same, what) in [
        (source, "source"),
        (same_build, "how it is built"),
        (wanted.port == runs.port, "port"),
        (wanted.replicas == runs.replicas, "replicas"),
        (wanted.health == runs.health, "health check"),
        (wanted.resources == runs.resources, "limits"),
        (plain(&wanted.run) == plain(&runs.run), "how it runs"),
        (wanted.stop_within == runs.stop_within, "time to stop"),
    ] {
        if !same {
            because.push(what);
        }
    }
}

fn pinned(rest: &str) -> bool {
    rest.starts_with("@sha256:")
}

/// The settings that a service comes to. What a file cannot say (domains, how long requests may go on,
/// processes beside web) stays as it is.
fn settings(
    service: &Service,
    project: ProjectId,
    made: Option<&Made>,
    before: AppSettings,
) -> Result<AppSettings, Bad> {
    let usual = Resources::default();
    let mut settings = before;
    let (source, build, content) = match &service.from {
        From::Image(image) => (Some(Source::Image(image.clone())), BuildSettings::default(), None),
        From::Build(of) => {
            let (source, whole, content) = match made {
                Some(Made::Git { source, content }) => {
                    (Some(Source::Git(source.clone())), true, Some(content.clone()))
                }
                Some(Made::Upload(digest)) => (Some(Source::Upload(digest.clone())), false, None),
                None => {
                    let kept = settings.source.clone();
                    let whole = kept.as_ref().is_none_or(|source| source.git().is_some());
                    let group = settings.run.container.group.as_ref();
                    (kept, whole, group.and_then(|group| group.content.clone()))
                }
            };
            (source, built(service, of, whole)?, content)
        }
    };
    settings.source = source;
    settings.build = BuildSettings {
        secrets: settings.build.secrets,
        within: settings.build.within,
        fetches: settings.build.fetches,
        ..build
    };
    settings.port = service.port;
    settings.replicas = service.replicas;
    settings.health = service.health.clone();
    settings.resources = Resources {
        memory_bytes: service.memory_bytes.unwrap_or(usual.memory_bytes),
        cpu_millis: service.cpu_millis.unwrap_or(usual.cpu_millis),
        processes: service.processes.unwrap_or(usual.processes),
    };
    settings.project = project;
    settings.stop_within = service.stop_within.unwrap_or(limits::STOP_WITHIN);
    settings.run.command = service.command.clone();
    if let Some(command) = service.release.clone() {
        let within =
            settings.run.hook(Hook::Release).map_or(limits::HOOK_WITHIN, |before| before.within);
        settings.run.hooks.insert(Hook::Release, HookSettings { command, within });
    }
    settings.run.container = ContainerSettings {
        entrypoint: service.entrypoint.clone(),
        volumes: service.volumes.clone(),
        unrouted: !service.routed,
        group: Some(GroupMember { project, service: service.name.clone(), content }),
    };
    settings.run.part = GroupPart { names: service.names.clone(), once: service.once };
    settings.run.inside = service.inside.clone();
    Ok(settings)
}

/// How a service is built: of a whole repository, or of its folder alone.
fn built(service: &Service, of: &Build, whole: bool) -> Result<BuildSettings, Bad> {
    let Build { context, dockerfile, target, args } = of.clone();
    // In a repository a Dockerfile's path counts from the root.
    let dockerfile = match (&context, dockerfile) {
        (Some(context), Some(dockerfile)) if whole => {
            let path = format!("{context}/{dockerfile}");
            Some(RepositoryPath::new(path).map_err(|why| Bad {
                line: Some(service.line),
                why: format!("services.{}.build: {why}", service.name),
            })?)
        }
        (_, dockerfile) => dockerfile,
    };
    let context = context.filter(|_| whole);
    Ok(BuildSettings { dockerfile, context, target, args, ..BuildSettings::default() })
}
