//! Cron jobs of an app: list, show, set, pause, remove, run now.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hythe_actors::crons;
use hythe_core::app::{App, AppCommand};
use hythe_core::argv::Argv;
use hythe_core::cron::{CronName, CronSettings, Overlap, Schedule, ZoneName};
use hythe_core::limits;
use hythe_core::time::Millis;

use super::runs;
use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{Cron, CronList, CronOverlap, Run, SetCron};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::{Asked, once};
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::settings;

/// Lists the cron jobs of an app
///
/// With when each is due next, how its newest runs ended, and what was left out last and why.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/crons", operation_id = "list_crons", tag = "crons",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The jobs, by name", body = CronList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<CronList>, Problem> {
    let (_, app) = state.app(&app)?;
    let now = state.now();
    let items = app.crons.iter().map(|(name, job)| present::cron(&app, name, job, now)).collect();
    Ok(axum::Json(CronList { items }))
}

/// Shows a cron job
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/crons/{cron}", operation_id = "get_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name", example = "tidy"),
    ),
    responses((status = 200, description = "The job", body = Cron), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
) -> Result<axum::Json<Cron>, Problem> {
    shown(&state, &app, &name)
}

/// Sets a cron job
///
/// A new one, or one in place of another of its name: what was due before is not any more. It runs in
/// a container of its own each time, of the version that is live then, with its environment, network
/// and limits. A time at which it did not run, for the server was away or the app stopped, is made up
/// for within 5 minutes. An app has at most 16.
#[utoipa::path(
    put, path = "/api/v1/apps/{app}/crons/{cron}", operation_id = "set_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name: lower-case letters, digits, `-` and `_`", example = "tidy"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = SetCron,
    responses((status = 200, description = "The job as it is now", body = Cron), WriteProblems)
)]
pub(crate) async fn set(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
    asked: Asked,
    Json { value, hash }: Json<SetCron>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    if !writing.done() {
        let (id, _) = state.app(&app)?;
        let cron: CronName = settings::text("cron", &name)?;
        let settings = Box::new(checked(&value)?);
        let command = AppCommand::SetCron { cron, settings, at: state.now() };
        writing.give::<App>(id.uuid(), command, vec![]).await?;
    }
    Ok(writing.answer(shown(&state, &app, &name)?))
}

/// Pauses a cron job
///
/// It is never due until it is resumed; what runs goes on.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/crons/{cron}/pause", operation_id = "pause_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name", example = "tidy"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The job as it is now", body = Cron), WriteProblems)
)]
pub(crate) async fn pause(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    paused(&state, &app, &name, &asked, true).await
}

/// Resumes a cron job
///
/// From now on it is due again; times that went by meanwhile are not made up for.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/crons/{cron}/resume", operation_id = "resume_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name", example = "tidy"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 200, description = "The job as it is now", body = Cron), WriteProblems)
)]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    paused(&state, &app, &name, &asked, false).await
}

/// Removes a cron job
///
/// What runs of it goes on to its end.
#[utoipa::path(
    delete, path = "/api/v1/apps/{app}/crons/{cron}", operation_id = "remove_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name", example = "tidy"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        let (id, _) = state.app(&app)?;
        let cron: CronName = settings::text("cron", &name)?;
        writing.give::<App>(id.uuid(), AppCommand::RemoveCron { cron }, vec![]).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Runs a cron job now
///
/// As it runs when it is due, also while it is paused; not beside itself, unless its overlap allows
/// it. When it is due next stays as it is.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/crons/{cron}/run", operation_id = "run_cron", tag = "crons",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("cron" = String, Path, description = "Its name", example = "tidy"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 201, description = "The run", body = Run), WriteProblems)
)]
pub(crate) async fn run(
    State(state): State<ApiState>,
    Which((app, name)): Which<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let (id, now) = state.app(&app)?;
    let cron: CronName = settings::text("cron", &name)?;
    let job = now.crons.get(&cron).ok_or_else(|| no_such_cron(&cron))?;
    let wanted = crons::wanted(id, &job.settings);
    runs::begun(&state, &asked, once, wanted, |run, one_off| AppCommand::RunCron {
        cron,
        due: None,
        run,
        one_off,
    })
    .await
}

fn no_such_cron(cron: &CronName) -> Problem {
    Problem::not_found(format!(
        "there is no cron job {cron}; `hythe cron ls` shows which there are"
    ))
}

fn shown(state: &ApiState, app: &str, name: &str) -> Result<axum::Json<Cron>, Problem> {
    let (_, app) = state.app(app)?;
    let name: CronName = settings::text("cron", name)?;
    let job = app.crons.get(&name).ok_or_else(|| no_such_cron(&name))?;
    Ok(axum::Json(present::cron(&app, &name, job, state.now())))
}

async fn paused(
    state: &ApiState,
    app: &str,
    name: &str,
    asked: &Asked,
    paused: bool,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(asked).await?;
    if !writing.done() {
        let (id, _) = state.app(app)?;
        let cron: CronName = settings::text("cron", name)?;
        let command = AppCommand::PauseCron { cron, paused, at: state.now() };
        writing.give::<App>(id.uuid(), command, vec![]).await?;
    }
    Ok(writing.answer(shown(state, app, name)?))
}

fn checked(wanted: &SetCron) -> Result<CronSettings, Problem> {
    let SetCron { schedule, time_zone, command, timeout_ms, overlap, paused } = wanted;
    let schedule: Schedule = settings::text("schedule", schedule)?;
    let zone: Option<ZoneName> =
        time_zone.as_deref().map(|zone| settings::text("time_zone", zone)).transpose()?;
    if let Some(zone) = zone.as_ref().filter(|zone| crons::schedule::zone(Some(zone)).is_none()) {
        let why = format!(
            "there is no time zone {zone}; the tz database has names such as Europe/Berlin and UTC"
        );
        return Err(Problem::field("time_zone", why));
    }
    let command =
        Argv::new(command.clone()).map_err(|bad| Problem::field("command", bad.to_string()))?;
    let within = timeout_ms.map_or(limits::ONE_OFF_WITHIN, Millis);
    if within < Millis::seconds(1) || within > limits::ONE_OFF_WITHIN_MOST {
        let most = limits::ONE_OFF_WITHIN_MOST.0;
        let why = format!("\"timeout_ms\" is 1000 to {most}; got {}", within.0);
        return Err(Problem::field("timeout_ms", why));
    }
    let overlap = match overlap {
        CronOverlap::Skip => Overlap::Skip,
        CronOverlap::Allow => Overlap::Allow,
        CronOverlap::Replace => Overlap::Replace,
    };
    Ok(CronSettings { schedule, zone, command, within, overlap, paused: *paused })
}
