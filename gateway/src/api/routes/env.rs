//! Environment variables: names can be read, values can only be written.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hythe_actors::aggregate::CommandError;
use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::names::{EnvName, EnvValue};
use hythe_core::rejection::Rejection;
use hythe_store::{Journal, Secret, SecretChange, StoreError};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{AtQuery, ChangeEnv, EnvList, EnvVariable};
use crate::api::extract::{Params, SecretJson, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::With;
use crate::api::present::Sight;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// How often a change is tried while others change the same environment.
const TRIES: u32 = 8;

/// Lists an app's environment variables
///
/// Names only: nobody can read a value back.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/env", operation_id = "list_env", tag = "env",
    params(("app" = String, Path, description = "Name or id", example = "shop"), AtQuery),
    responses((status = 200, description = "The variables", body = EnvList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
    Params(query): Params<AtQuery>,
) -> Result<axum::Json<EnvList>, Problem> {
    if let Some(at) = query.at {
        let list = state.look_back("at", &at, move |then| {
            let id = then.app(&app)?;
            let view = then.book.app_in_brief(id, None, then.at())?;
            listed(then.sight(&view), id)
                .ok_or_else(|| Problem::not_found("there was no such app then"))
        });
        return list.await.map(axum::Json);
    }
    let (id, _) = state.app(&app)?;
    shown(&state, id).map(axum::Json)
}

fn shown(state: &ApiState, id: AppId) -> Result<EnvList, Problem> {
    let list = state.see(|sight| listed(sight, id));
    list.ok_or_else(|| Problem::not_found("this app was deleted in the meantime"))
}

fn listed(sight: Sight<'_>, id: AppId) -> Option<EnvList> {
    let view = sight.view.apps.get(&id)?;
    let env = &view.state.active()?.env;
    let items = env.iter().map(|(name, version)| EnvVariable {
        name: name.to_string(),
        version: *version,
        set_at: view.env_set_at.get(name).map(|at| (*at).into()),
    });
    Some(EnvList { items: items.collect(), as_of: sight.as_of })
}

/// Sets and removes environment variables
///
/// All or nothing. They hold from the next deployment on. An app has at most 900 variables, of
/// 64 KiB each and 256 KiB together.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/env", operation_id = "change_env", tag = "env",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = ChangeEnv,
    responses((status = 200, description = "The variables as they are now", body = EnvList), WriteProblems)
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    SecretJson(body): SecretJson<ChangeEnv>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    let answer = |id: AppId| Ok::<_, Problem>(axum::Json(shown(&state, id)?).into_response());
    if let Some(before) = state.before(once.as_ref()).await? {
        return Ok(mark_replayed(answer(AppId::new(before.resource))?));
    }
    let wanted = Wanted::read(&body.value)?;
    let mut tries = 1;
    loop {
        let (id, now) = state.app(&app)?;
        check_size(&state, &now, &wanted).await?;
        // Two changes at the same moment would give the same version to different values: the app
        // refuses the later one, which is then made again on top of the earlier.
        let version = now.next_secret;
        let command = AppCommand::ChangeEnvironment {
            set: wanted.set.keys().map(|name| (name.clone(), version)).collect(),
            remove: wanted.remove.clone(),
        };
        let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
        let with = With { claim, secrets: wanted.secrets(id, version) };
        match state.command::<App>(id.uuid(), command, state.meta(&asked), with).await {
            Ok(_) => return answer(id),
            Err(CommandError::Rejected(Rejection::Conflict { .. }))
                if tries < TRIES && moved_on(&state, &app, version).await? =>
            {
                tries += 1;
            }
            Err(error) => {
                let before = state.before_or(once.as_ref(), error).await?;
                return Ok(mark_replayed(answer(AppId::new(before.resource))?));
            }
        }
    }
}

/// Waits until reads show an app whose next change is another one: the app knows of the change that
/// was quicker before they do. False where that does not happen soon.
async fn moved_on(state: &ApiState, app: &str, version: u64) -> Result<bool, Problem> {
    state.shows(|| Ok(state.app(app)?.1.next_secret != version)).await
}

/// A change whose every name and value was checked.
struct Wanted {
    set: BTreeMap<EnvName, EnvValue>,
    remove: BTreeSet<EnvName>,
}

impl Wanted {
    fn read(body: &ChangeEnv) -> Result<Self, Problem> {
        if body.set.len() > limits::MOST_ENV || body.remove.len() > limits::MOST_ENV {
            return Err(Problem::field(
                if body.set.len() > limits::MOST_ENV { "set" } else { "remove" },
                format!("at most {} variables can be changed at once", limits::MOST_ENV),
            ));
        }
        let mut set = BTreeMap::new();
        for (name, value) in &body.set {
            let name: EnvName = settings::text("set", name)?;
            let field = format!("set.{name}");
            let value = EnvValue::new(value.reveal())
                .map_err(|bad| Problem::field(field, bad.to_string()))?;
            set.insert(name, value);
        }
        let remove = body.remove.iter().enumerate();
        let remove = remove.map(|(at, name)| settings::text(&format!("remove[{at}]"), name));
        Ok(Self { set, remove: remove.collect::<Result<_, _>>()? })
    }

    fn secrets(&self, app: AppId, version: u64) -> Vec<SecretChange> {
        let put = |(name, value): (&EnvName, &EnvValue)| SecretChange::Put {
            scope: app.uuid(),
            name: name.to_string(),
            version,
            value: Secret::new(value.reveal().as_bytes().to_vec()),
        };
        // Values that are replaced or removed stay until the app goes: what runs was made with
        // them, and needs them to be started again.
        self.set.iter().map(put).collect()
    }
}

/// Refuses an environment that is too large as a whole.
async fn check_size(state: &ApiState, now: &ActiveApp, wanted: &Wanted) -> Result<(), Problem> {
    let new: usize =
        wanted.set.iter().map(|(name, value)| name.as_str().len() + value.reveal().len()).sum();
    let kept: Vec<_> = now
        .env
        .iter()
        .filter(|(name, _)| !wanted.set.contains_key(name) && !wanted.remove.contains(name))
        .map(|(name, version)| (name.clone(), *version))
        .collect();
    let (journal, scope) = (state.control().journal().clone(), now.id);
    let kept = tokio::task::spawn_blocking(move || bytes_of(&journal, scope, &kept)).await;
    let unreadable = |why: String| {
        tracing::error!(%why, "failed to read the sizes of secrets");
        Problem::new(
            Kind::Unavailable,
            "the present variables cannot be read; see the server's log",
        )
    };
    let kept = kept
        .map_err(|error| unreadable(error.to_string()))?
        .map_err(|error| unreadable(error.to_string()))?;
    if new + kept > limits::MOST_ENV_BYTES {
        return Err(Problem::field(
            "set",
            format!(
                "an app's variables have at most {} KiB together, names included; they would have \
                 {} bytes",
                limits::MOST_ENV_BYTES / 1024,
                new + kept
            ),
        ));
    }
    Ok(())
}

fn bytes_of(
    journal: &Journal,
    app: AppId,
    variables: &[(EnvName, u64)],
) -> Result<usize, StoreError> {
    variables.iter().try_fold(0, |sum, (name, version)| {
        let secret = journal.secret(app.uuid(), name.as_str(), *version)?;
        Ok(sum + name.as_str().len() + secret.map_or(0, |secret| secret.expose().len()))
    })
}
