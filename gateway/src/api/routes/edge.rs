//! How edges serve an app: show, change.

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use axum::extract::State;
use axum::response::Response;
use hythe_core::app::{ActiveApp, App, AppCommand};
use hythe_core::edge::{
    EdgeSettings as Settings, EdgeUser, Guards, Hsts, Https, Protocol, Rate, Www,
};
use hythe_core::mount::{self, MountPoint, SeenPath};
use hythe_core::network::Network;
use hythe_core::routes::routes;
use hythe_core::time::Millis;
use hythe_store::{Secret, SecretChange};

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    EdgeGuards, EdgeHsts, EdgeHttps, EdgeProtocol, EdgeRate, EdgeSeenPath, EdgeSettings, EdgeWww,
    UpdateEdge,
};
use crate::api::extract::{Json, SecretJson, Which};
use crate::api::idempotency::Asked;
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Characters that a password may have.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=256;
/// KiB of memory and passes that one look at a password takes: what an edge bears with many of them.
const MEMORY_KIB: u32 = 8 * 1024;
const PASSES: u32 = 3;
/// Passwords that are set at once.
const MOST_AT_ONCE: usize = 16;

/// Settings are read, changed and set by one at a time: another one's guards would be lost otherwise.
static CHANGING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Shows how edges serve an app
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/edge", operation_id = "get_edge", tag = "routes",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "How", body = EdgeSettings), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<EdgeSettings>, Problem> {
    let (_, app) = state.app(&app)?;
    Ok(axum::Json(present::edge(&app.edge)))
}

/// Changes how edges serve an app
///
/// It holds at once, without a deployment: maintenance page, who may see it, limits, compression, and
/// what else stands between clients and replicas. Users and addresses hold for the app's previews, too.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/edge", operation_id = "update_edge", tag = "routes",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateEdge,
    responses((status = 200, description = "How from now on", body = EdgeSettings), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<UpdateEdge>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let _alone = CHANGING.lock().await;
    let (id, app) = state.app(&app)?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(present::edge(&app.edge))));
    }
    let version = newest(&app).saturating_add(1).max(state.now().0);
    may_mount(&state, &app, &value)?;
    // Hashing is meant to take long.
    let changed = tokio::task::spawn_blocking(move || changed(&app, &value, version));
    let (wanted, secrets) = changed
        .await
        .map_err(|_| Problem::new(Kind::Internal, "a password could not be hashed"))??;
    let answer = present::edge(&wanted);
    let command = AppCommand::SetEdge(Box::new(wanted));
    writing.give::<App>(id.uuid(), command, secrets).await?;
    Ok(writing.answer(axum::Json(answer)))
}

fn newest(app: &ActiveApp) -> u64 {
    app.edge.users.values().max().copied().unwrap_or_default()
}

/// The settings that are wanted, and what becomes of the hashes that go with them.
fn changed(
    app: &ActiveApp,
    change: &UpdateEdge,
    version: u64,
) -> Result<(Settings, Vec<SecretChange>), Problem> {
    let UpdateEdge {
        maintenance,
        sticky,
        www,
        rate,
        users,
        allow,
        guards,
        wait_ms,
        body_bytes,
        answer_within_ms,
        compress,
        protocol,
        https,
        hsts,
        access_log,
        mounts,
        sleep_after_ms,
    } = change;
    let mut wanted = app.edge.clone();
    wanted.maintenance = maintenance.unwrap_or(wanted.maintenance);
    wanted.sticky = sticky.unwrap_or(wanted.sticky);
    wanted.compress = compress.unwrap_or(wanted.compress);
    wanted.access_log = access_log.unwrap_or(wanted.access_log);
    wanted.wait = wait_ms.map_or(wanted.wait, Millis);
    wanted.body_bytes = body_bytes.unwrap_or(wanted.body_bytes);
    wanted.www = www.map_or(wanted.www, |www| match www {
        EdgeWww::Both => Www::Both,
        EdgeWww::Remove => Www::Remove,
        EdgeWww::Add => Www::Add,
    });
    wanted.guards = guards.map_or(wanted.guards, |guards| match guards {
        EdgeGuards::All => Guards::All,
        EdgeGuards::Previews => Guards::Previews,
    });
    wanted.protocol = protocol.map_or(wanted.protocol, |protocol| match protocol {
        EdgeProtocol::Http1 => Protocol::Http1,
        EdgeProtocol::H2c => Protocol::H2c,
    });
    wanted.https = https.map_or(wanted.https, |https| match https {
        EdgeHttps::Redirect => Https::Redirect,
        EdgeHttps::Both => Https::Both,
    });
    if let Some(hsts) = hsts {
        wanted.hsts = hsts.map(|EdgeHsts { max_age, subdomains, preload }| Hsts {
            max_age,
            subdomains,
            preload,
        });
    }
    if let Some(rate) = rate {
        wanted.rate = rate.map(|EdgeRate { per_second, burst }| Rate { per_second, burst });
    }
    if let Some(within) = answer_within_ms {
        wanted.answer_within = within.map(Millis);
    }
    if let Some(after) = sleep_after_ms {
        wanted.sleep_after = after.map(Millis);
    }
    if let Some(allow) = allow {
        let read = |(at, text): (usize, &String)| {
            let network = text.parse::<Network>();
            network.map_err(|bad| Problem::field(format!("allow[{at}]"), bad.to_string()))
        };
        wanted.allow = allow.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    }
    if users.values().flatten().count() > MOST_AT_ONCE {
        let why = format!("at most {MOST_AT_ONCE} passwords are set at once");
        return Err(Problem::field("users", why));
    }
    let scope = app.id.uuid();
    let mut secrets = Vec::new();
    for (user, password) in users {
        let user: EdgeUser = settings::text("users", user)?;
        let name = Settings::secret(&user);
        let known = wanted.users.contains_key(&user);
        if known {
            secrets.push(SecretChange::Delete { scope, name: name.clone() });
        }
        match password {
            None if known => drop(wanted.users.remove(&user)),
            None => {
                return Err(Problem::field("users", format!("there is no {user} to take away")));
            }
            Some(password) => {
                let value = Secret::from(hash(&user, password.reveal())?);
                secrets.push(SecretChange::Put { scope, name, version, value });
                wanted.users.insert(user, version);
            }
        }
    }
    for (at, seen) in mounts {
        let at = place(at)?;
        match seen {
            Some(EdgeSeenPath::Whole) => drop(wanted.mounts.insert(at, SeenPath::Whole)),
            Some(EdgeSeenPath::Stripped) => drop(wanted.mounts.insert(at, SeenPath::Stripped)),
            None => {
                if wanted.mounts.remove(&at).is_none() {
                    return Err(Problem::field("mounts", format!("there is none at {at}")));
                }
            }
        }
    }
    wanted.check().map_err(Problem::from)?;
    Ok((wanted, secrets))
}

fn place(text: &str) -> Result<MountPoint, Problem> {
    text.parse()
        .map_err(|bad: hythe_core::names::BadText| Problem::field("mounts", bad.to_string()))
}

/// Whether the app may be where it is to be, as things are now. What holds is decided with each table; this
/// tells whoever asks at once.
fn may_mount(state: &ApiState, app: &ActiveApp, change: &UpdateEdge) -> Result<(), Problem> {
    let wanted = change.mounts.iter().filter(|(_, seen)| seen.is_some());
    if app.preview.is_some() && wanted.clone().next().is_some() {
        return Err(Problem::field("mounts", "a preview is at its own host only"));
    }
    for (at, _) in wanted {
        let at = place(at)?;
        let may = state.see(|sight| {
            let (view, observed) = (sight.view, sight.observed);
            let base = &sight.config.base_domain;
            let table = routes(view, observed, base, observed.routes());
            mount::may(view, &table, app, &at)
        });
        may.map_err(|refused| Problem::field("mounts", refused.to_string()))?;
    }
    Ok(())
}

/// A password as edges get to see it.
fn hash(user: &EdgeUser, password: &str) -> Result<String, Problem> {
    let broken = |error: String| {
        tracing::error!(error, "a password cannot be hashed");
        Problem::new(Kind::Internal, "the password cannot be hashed; see the server's log")
    };
    let length = password.chars().count();
    if !PASSWORD.contains(&length) || password.chars().any(char::is_control) {
        let why =
            format!("the password of {user} is 8 to 256 characters, none of them a control one");
        return Err(Problem::field("users", why));
    }
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|error| broken(error.to_string()))?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| broken(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Result<PasswordHash, _> = argon2.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| broken(error.to_string()))
}
