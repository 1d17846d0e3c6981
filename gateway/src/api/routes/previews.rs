//! Previews of pull requests: show, change how they are made, remove one.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use hythe_actors::aggregate::CommandError;
use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::limits;
use hythe_core::names::{EnvName, EnvValue};
use hythe_core::preview::{EnvChoice, Forks, PreviewEnd, PreviewSettings};
use hythe_core::rejection::Rejection;
use hythe_core::time::Millis;
use hythe_store::{Secret, SecretChange};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{PreviewEnv, PreviewForks, PreviewList, UpdatePreviews};
use crate::api::extract::{Json, SecretJson, Which};
use crate::api::idempotency::Asked;
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::settings;

/// How often a change is tried while others change the same environment.
const TRIES: u32 = 8;

/// Lists an app's previews
///
/// Of each open pull request that has one or is to have one; and how they are made. At most 50.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/previews", operation_id = "list_previews", tag = "previews",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The previews", body = PreviewList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<PreviewList>, Problem> {
    shown(&state, &app).map(axum::Json)
}

fn shown(state: &ApiState, app: &str) -> Result<PreviewList, Problem> {
    let (id, _) = state.app(app)?;
    let trouble = |preview| state.control().troubles().of(preview);
    let list = state.see(|sight| present::previews(sight, id, trouble));
    list.ok_or_else(|| Problem::not_found("this app was deleted in the meantime"))
}

/// Changes how an app's previews are made
///
/// Off unless it is said. It needs a webhook of the repository that tells of pull requests. Each open
/// pull request for the app's branch gets an app of its own, with a name and a host name of its own,
/// the settings of this one and one replica; it follows the commits and goes with the pull request.
/// What a preview is given it has from its next commit on.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/previews", operation_id = "update_previews",
    tag = "previews",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdatePreviews,
    responses((status = 200, description = "The previews from now on", body = PreviewList), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<UpdatePreviews>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let mut tries = 1;
    while !writing.done() {
        let (id, now) = state.app(&app)?;
        let version = now.next_secret;
        let (wanted, secrets) = changed(&now, &value)?;
        let command = AppCommand::SetPreviews(Box::new(wanted));
        match writing.attempt::<App>(id.uuid(), command, secrets).await? {
            Ok(()) => break,
            Err(CommandError::Rejected(Rejection::Conflict { .. }))
                if tries < TRIES
                    && state.shows(|| Ok(state.app(&app)?.1.next_secret != version)).await? =>
            {
                tries += 1;
            }
            Err(error) => writing.settle(error).await?,
        }
    }
    Ok(writing.answer(axum::Json(shown(&state, &app)?)))
}

/// The settings that are wanted, and the values that go with them.
fn changed(
    now: &ActiveApp,
    change: &UpdatePreviews,
) -> Result<(PreviewSettings, Vec<SecretChange>), Problem> {
    let UpdatePreviews { on, most, forks, drafts, env, env_names, set, unset, keep_ms } = change;
    let mut wanted = now.previews.settings.clone();
    wanted.on = on.unwrap_or(wanted.on);
    wanted.most = most.unwrap_or(wanted.most);
    wanted.drafts = drafts.unwrap_or(wanted.drafts);
    wanted.forks = match forks {
        Some(PreviewForks::Never) => Forks::Never,
        Some(PreviewForks::Allowed) => Forks::Allowed,
        None => wanted.forks,
    };
    if let Some(keep) = keep_ms {
        wanted.keep = keep.map(Millis);
    }
    wanted.env = match (env, env_names) {
        (None | Some(PreviewEnv::Some), Some(names)) => {
            let names = names.iter().enumerate();
            let names = names.map(|(at, name)| settings::text(&format!("env_names[{at}]"), name));
            EnvChoice::Only(names.collect::<Result<BTreeSet<EnvName>, _>>()?)
        }
        (Some(PreviewEnv::None), None) => EnvChoice::Nothing,
        (Some(PreviewEnv::All), None) => EnvChoice::All,
        (Some(PreviewEnv::None | PreviewEnv::All), Some(_)) => {
            return Err(Problem::field("env_names", "goes with some, and not with none or all"));
        }
        (Some(PreviewEnv::Some), None) => match wanted.env {
            only @ EnvChoice::Only(_) => only,
            EnvChoice::Nothing | EnvChoice::All => {
                return Err(Problem::field("env_names", "says which; name at least one"));
            }
        },
        (None, None) => wanted.env,
    };
    for (at, name) in unset.iter().enumerate() {
        let name: EnvName = settings::text(&format!("unset[{at}]"), name)?;
        if wanted.set.remove(&name).is_none() {
            let why = format!("previews have no variable {name} of their own");
            return Err(Problem::field("unset", why));
        }
    }
    if set.len() > limits::MOST_ENV {
        let why = format!("at most {} variables can be changed at once", limits::MOST_ENV);
        return Err(Problem::field("set", why));
    }
    let mut secrets = Vec::with_capacity(set.len());
    let mut bytes = 0;
    for (name, value) in set {
        let name: EnvName = settings::text("set", name)?;
        let value = EnvValue::new(value.reveal())
            .map_err(|bad| Problem::field(format!("set.{name}"), bad.to_string()))?;
        bytes += name.as_str().len() + value.reveal().len();
        secrets.push(SecretChange::Put {
            scope: now.id.uuid(),
            name: PreviewSettings::secret(&name),
            version: now.next_secret,
            value: Secret::new(value.reveal().as_bytes().to_vec()),
        });
        wanted.set.insert(name, now.next_secret);
    }
    if bytes > limits::MOST_ENV_BYTES {
        let most = limits::MOST_ENV_BYTES / 1024;
        return Err(Problem::field("set", format!("has at most {most} KiB, names included")));
    }
    Ok((wanted, secrets))
}

/// Removes the preview of a pull request
///
/// At once and for good. The next push to the pull request makes one again.
#[utoipa::path(
    delete, path = "/api/v1/apps/{app}/previews/{number}", operation_id = "remove_preview",
    tag = "previews",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("number" = u64, Path, description = "The pull request's number", example = 4),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It goes now"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Path((app, number)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if writing.done() {
        return Ok(writing.answer(StatusCode::NO_CONTENT));
    }
    let (id, app) = state.app(&app)?;
    let number = number.parse().ok().filter(|number| app.previews.open.contains_key(number));
    let Some(number) = number else {
        let name = &app.name;
        return Err(Problem::not_found(format!(
            "{name} has no preview of this number; `hythe preview ls {name}` shows which there are"
        )));
    };
    let command = AppCommand::EndPreview { number, why: PreviewEnd::ByHand, at: None };
    writing.give::<App>(id.uuid(), command, vec![]).await?;
    Ok(writing.answer(StatusCode::NO_CONTENT))
}
