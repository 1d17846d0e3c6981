//! What deploys an app by itself: show, change.

use axum::extract::State;
use axum::response::Response;
use hythe_core::app::{App, AppCommand};
use hythe_core::hook::{DeployOn, TagPattern, Triggers as Settings};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{self, Triggers, UpdateTriggers};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::Asked;
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::settings;
use crate::hooks::matching::{Watch, glob};

/// Shows what deploys an app by itself
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/triggers", operation_id = "get_triggers", tag = "hooks",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "What does", body = Triggers), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<Triggers>, Problem> {
    let (_, app) = state.app(&app)?;
    Ok(axum::Json(present::triggers(&app.triggers)))
}

/// Changes what deploys an app by itself
///
/// Pushes to its branch, where nobody says otherwise. It takes effect with the next delivery of a
/// webhook of its repository.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/triggers", operation_id = "update_triggers", tag = "hooks",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateTriggers,
    responses((status = 200, description = "What does from now on", body = Triggers), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    Json { value, hash }: Json<UpdateTriggers>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let (id, app) = state.app(&app)?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(present::triggers(&app.triggers))));
    }
    let wanted = changed(app.triggers, &value)?;
    let answer = present::triggers(&wanted);
    let command = AppCommand::SetTriggers(Box::new(wanted));
    writing.give::<App>(id.uuid(), command, vec![]).await?;
    Ok(writing.answer(axum::Json(answer)))
}

pub(super) fn changed(now: Settings, change: &UpdateTriggers) -> Result<Settings, Problem> {
    let pattern = change.tags.as_deref().map(|tags| settings::text("tags", tags)).transpose()?;
    if let Some(pattern) = &pattern {
        let pattern: &TagPattern = pattern;
        glob(pattern.as_str()).map_err(|why| Problem::field("tags", why))?;
    }
    let on = match (change.deploy_on, pattern, now.on) {
        (Some(dto::DeployOn::Push), None, _) => DeployOn::Push,
        (Some(dto::DeployOn::Off), None, _) => DeployOn::Off,
        (Some(dto::DeployOn::Tag) | None, Some(pattern), _) => DeployOn::Tag(pattern),
        (Some(dto::DeployOn::Tag), None, now @ DeployOn::Tag(_)) | (None, None, now) => now,
        (Some(dto::DeployOn::Tag), None, DeployOn::Push | DeployOn::Off) => {
            DeployOn::Tag(settings::text("tags", "*")?)
        }
        (Some(dto::DeployOn::Push | dto::DeployOn::Off), Some(_), _) => {
            return Err(Problem::field("tags", "\"tags\" is given where deploy_on is tag"));
        }
    };
    let watch = match &change.watch_paths {
        None => now.watch,
        Some(paths) => {
            let read = |path: &String| settings::text("watch_paths", path);
            paths.iter().map(read).collect::<Result<Vec<_>, _>>()?
        }
    };
    Watch::new(&watch).map_err(|why| Problem::field("watch_paths", why))?;
    Ok(Settings { on, watch })
}
