//! Docker Compose files: what there is to do so that a project's apps are as a file says.
//!
//! Nothing is changed here: whoever asks carries the plan out, by the operations that there are for each
//! app. So what is done for a service is in the events as whatever else is done to apps.

use std::collections::BTreeMap;

use axum::extract::State;
use hythe_core::app::{ActiveApp, AppSettings};
use hythe_core::compose::{
    self, Action, Bad, Deployed, Given, Made, Mounted, Plan, Planned, Present,
};
use hythe_core::container::ServiceName;
use hythe_core::ids::{AppId, ProjectId};
use hythe_core::names::{AppName, EnvName, EnvValue, ProjectName};
use hythe_core::source::{GitSource, Reference};
use hythe_core::task::Hook;
use hythe_store::Journal;

use crate::api::ApiState;
use crate::api::doc::WriteProblems;
use crate::api::dto::{
    ComposeAction, ComposeLeft, ComposeMounted, ComposeMountedKind, ComposeOrphan, ComposePlan,
    ComposeService, ComposeSource, PlanCompose, SecretText, UpdateApp,
};
use crate::api::extract::{SecretJson, Which};
use crate::api::present::Sight;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Says what a Compose file comes to
///
/// As apps of a project's group, compared with those that there are: which are new, which would be
/// deployed anew and why, which stay, and what of the file is not taken. Changes nothing. The project
/// need not exist. As nothing is changed it takes no `Idempotency-Key`.
#[utoipa::path(
    post, path = "/api/v1/projects/{project}/compose", operation_id = "plan_compose",
    tag = "projects",
    params(("project" = String, Path, description = "Name or id", example = "web")),
    request_body = PlanCompose,
    responses((status = 200, description = "What there is to do", body = ComposePlan), WriteProblems)
)]
pub(crate) async fn plan(
    State(state): State<ApiState>,
    Which(project): Which,
    SecretJson(body): SecretJson<PlanCompose>,
) -> Result<axum::Json<ComposePlan>, Problem> {
    let (name, id) = named(&state, &project)?;
    let PlanCompose { file, folder, variables, files, mounted, profiles, sources } = body.value;
    let made = sources
        .iter()
        .map(|(service, source)| {
            let local = state.config().local_repositories;
            Ok((settings::text("sources", service)?, of_source(service, source, local)?))
        })
        .collect::<Result<BTreeMap<ServiceName, Made>, Problem>>()?;
    let plain = |texts: BTreeMap<String, SecretText>| {
        texts.into_iter().map(|(name, text)| (name, text.reveal().to_owned())).collect()
    };
    let given = Given {
        variables: plain(variables),
        files: plain(files),
        mounted: mounted.into_iter().map(|(path, there)| (path, lies(there))).collect(),
        profiles: profiles.into_iter().collect(),
        folder,
    };
    // A large one takes a while, and others are asked meanwhile.
    let reading = tokio::task::spawn_blocking(move || compose::read(file.reveal(), &given));
    let composed = reading.await.map_err(|error| {
        tracing::error!(%error, "failed to read a Compose file");
        Problem::new(Kind::Unavailable, "the file cannot be read just now; see the server's log")
    })?;
    let composed = composed.map_err(|bad| refused(&bad))?;
    let left = composed.left.iter().map(|left| ComposeLeft {
        file: left.file.clone(),
        line: left.line,
        key: left.key.clone(),
        why: left.why.clone(),
    });
    let left = left.collect();
    let present = match id {
        Some(id) => present(&state, id).await?,
        None => BTreeMap::new(),
    };
    // A new project gets its id when it is made; the settings of its apps are asked for again then.
    let of = (&name, id.unwrap_or(ProjectId::DEFAULT));
    let Plan { services, orphans } =
        compose::plan(composed, of, &present, &made).map_err(|bad| refused(&bad))?;
    let taken = state.see(|sight| {
        let theirs = |planned: &&Planned| {
            planned.action == Action::Create && sight.view.names.contains_key(&planned.app)
        };
        services.iter().find(theirs).map(|planned| planned.app.to_string())
    });
    if let Some(app) = taken {
        return Err(Problem::new(
            Kind::Exists,
            format!(
                "an app named \"{app}\" exists already and belongs to no group of this project; give the \
                 project or the service another name"
            ),
        ));
    }
    let shown = services.into_iter().map(|planned| service(&state, planned, id));
    Ok(axum::Json(ComposePlan {
        project: name.to_string(),
        project_id: id.map(|id| id.to_string()),
        services: shown.collect(),
        orphans: orphans
            .into_iter()
            .map(|(service, app)| ComposeOrphan {
                service: service.to_string(),
                app: app.to_string(),
            })
            .collect(),
        left,
    }))
}

fn lies(there: ComposeMounted) -> Mounted {
    match there.kind {
        ComposeMountedKind::Nothing => Mounted::Nothing,
        ComposeMountedKind::File => Mounted::File,
        ComposeMountedKind::Folder => Mounted::Folder(there.files.into_iter().collect()),
        ComposeMountedKind::LargeFolder => Mounted::Large,
    }
}

fn refused(bad: &Bad) -> Problem {
    Problem::field("file", bad.to_string())
}

/// The project's name, and its id where it exists.
fn named(state: &ApiState, project: &str) -> Result<(ProjectName, Option<ProjectId>), Problem> {
    let Ok(id) = state.project("project", project) else {
        let name: ProjectName = settings::text("project", project)?;
        return Ok((name, None));
    };
    let name = state.see(|sight| sight.view.project(id).map(|project| project.name.clone()));
    let name = name.ok_or_else(|| {
        Problem::field(
            "project",
            "the default project has no group: its apps are each for itself. Name another one, which \
             need not exist",
        )
    })?;
    Ok((name, Some(id)))
}

fn of_source(service: &str, source: &ComposeSource, local: bool) -> Result<Made, Problem> {
    let field = |name: &str| format!("sources.{service}.{name}");
    let ComposeSource { upload, repository, branch, content } = source;
    match (upload, repository, content) {
        (Some(upload), None, None) => Ok(Made::Upload(settings::text(&field("upload"), upload)?)),
        (None, Some(repository), Some(content)) => {
            if !local && repository.starts_with("file://") {
                let why = "this server takes no folders of its own machine as repositories";
                return Err(Problem::field(field("repository"), why));
            }
            let reference = match branch {
                Some(branch) => Reference::Branch(settings::text(&field("branch"), branch)?),
                None => Reference::DefaultBranch,
            };
            let repository = settings::text(&field("repository"), repository)?;
            let source = GitSource { repository, reference };
            let content = settings::text(&field("content"), content)?;
            Ok(Made::Git { source, content })
        }
        (_, _, _) => Err(Problem::field(
            field("upload"),
            "give an upload, or a repository and the content of the folder in it",
        )),
    }
}

/// The apps of a project's group.
async fn present(
    state: &ApiState,
    project: ProjectId,
) -> Result<BTreeMap<ServiceName, Present>, Problem> {
    let found: Vec<(ServiceName, ActiveApp, Option<Deployed>)> = state.see(|sight| {
        let apps = sight.view.apps.values().filter_map(|app| app.state.active());
        let apps = apps.filter(|app| app.discarded.is_none());
        let member = |app: &ActiveApp| {
            let group = app.settings.run.container.group.as_ref()?;
            (group.project == project).then(|| group.service.clone())
        };
        let members = apps.filter_map(|app| Some((member(app)?, app)));
        members.map(|(name, app)| (name, app.clone(), newest(sight, app))).collect()
    });
    let journal = state.control().journal().clone();
    let read = tokio::task::spawn_blocking(move || {
        let one = |(service, app, newest): (ServiceName, ActiveApp, Option<Deployed>)| {
            let env = values(&journal, app.id, &app.env);
            (service, Present { name: app.name, settings: app.settings, env, newest })
        };
        found.into_iter().map(one).collect::<BTreeMap<_, _>>()
    });
    read.await.map_err(|error| {
        tracing::error!(%error, "failed to read the variables of a group");
        Problem::new(
            Kind::Unavailable,
            "the present variables cannot be read; see the server's log",
        )
    })
}

/// The values of an app's variables. One that cannot be read is as one that is not there: it is set
/// again.
fn values(
    journal: &Journal,
    app: AppId,
    env: &BTreeMap<EnvName, u64>,
) -> BTreeMap<EnvName, EnvValue> {
    let one = |(name, version): (&EnvName, &u64)| {
        let secret = journal.secret(app.uuid(), name.as_str(), *version).ok()??;
        let text = String::from_utf8(secret.expose().to_vec()).ok()?;
        Some((name.clone(), EnvValue::new(text).ok()?))
    };
    env.iter().filter_map(one).collect()
}

/// What is on its way of an app, or else live. Of one that is stopped nothing is, but for one that is to run once:
/// it is stopped when it has.
fn newest(sight: Sight<'_>, app: &ActiveApp) -> Option<Deployed> {
    if app.rests() && !app.settings.run.part.once {
        return None;
    }
    let id = app.waiting.or(app.rolling).or(app.live)?;
    let spec = sight.view.deployments.get(&id)?.state.attempt()?.spec.clone();
    let same_env = spec.env == app.env;
    Some(Deployed { spec, same_env })
}

fn service(state: &ApiState, planned: Planned, project: Option<ProjectId>) -> ComposeService {
    let Planned { service, app, action, because, settings, surplus, removed, needs_source } =
        planned;
    let context = match &service.from {
        compose::From::Image(_) => None,
        compose::From::Build(build) => {
            Some(build.context.as_ref().map_or_else(|| ".".to_owned(), ToString::to_string))
        }
    };
    let image = match &service.from {
        compose::From::Image(image) => Some(image.to_string()),
        compose::From::Build(_) => None,
    };
    let url = |app: &AppName| state.config().url(app.as_str());
    ComposeService {
        url: service.routed.then(|| url(&app)),
        service: service.name.to_string(),
        action: match action {
            Action::Create => ComposeAction::Create,
            Action::Update => ComposeAction::Update,
            Action::Unchanged => ComposeAction::Unchanged,
        },
        because: because.into_iter().map(str::to_owned).collect(),
        wave: u32::try_from(service.wave).unwrap_or(u32::MAX),
        after: service.after.iter().map(ToString::to_string).collect(),
        context,
        needs_source,
        settings: changes(&settings, project),
        image,
        retries: service.retries,
        variables: service
            .env
            .iter()
            .map(|(name, value)| (name.to_string(), SecretText::new(value.reveal().to_owned())))
            .collect(),
        kept: surplus.iter().map(ToString::to_string).collect(),
        removed: removed.iter().map(ToString::to_string).collect(),
        app: app.to_string(),
    }
}

/// All that a file can say, as a change of settings; what an app is made from goes with its deployment.
fn changes(wanted: &AppSettings, project: Option<ProjectId>) -> UpdateApp {
    let shown = settings::shown(wanted);
    UpdateApp {
        project: project.map(|project| project.to_string()),
        dockerfile: Some(shown.dockerfile),
        build_context: Some(shown.build_context),
        build_target: Some(shown.build_target),
        build_args: Some(shown.build_args),
        port: Some(shown.port),
        replicas: Some(shown.replicas),
        health: Some(shown.health),
        health_interval_ms: Some(shown.health_interval_ms),
        health_timeout_ms: Some(shown.health_timeout_ms),
        health_retries: Some(shown.health_retries),
        health_start_within_ms: Some(shown.health_start_within_ms),
        memory_bytes: Some(shown.memory_bytes),
        cpu_millis: Some(shown.cpu_millis),
        processes: Some(shown.processes),
        command: Some(shown.command),
        entrypoint: Some(shown.entrypoint),
        volumes: Some(shown.volumes),
        routed: Some(shown.routed),
        group: Some(shown.group.filter(|_| project.is_some())),
        inside: Some(shown.inside),
        release_command: wanted.run.hook(Hook::Release).map(|_| shown.release_command),
        stop_within_ms: Some(shown.stop_within_ms),
        ..UpdateApp::default()
    }
}
