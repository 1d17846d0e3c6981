//! Routes for Traefik's HTTP provider.
//!
//! Whoever asks counts as an edge from then on, for as long as it goes on asking.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_core::ids::WorkerId;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{TraefikConfig, TraefikQuery};
use crate::api::extract::Params;
use crate::api::present::{Sight, TraefikRouters, traefik_of_proxy, traefik_of_worker};
use crate::api::problem::{Kind, Problem};

/// When routes are known, at the soonest.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Characters of a name of Traefik's.
const MOST_NAME: usize = 64;
/// Entry points of a router.
const MOST_ENTRY_POINTS: usize = 16;

/// Routes of apps' own hosts
///
/// The hosts under the base domain, and where their replicas answer; for a Traefik on a worker, its
/// replicas alone. A poll of Traefik's HTTP provider; whoever polls at least every 10 seconds is waited
/// for when the traffic of an app moves.
#[utoipa::path(
    get, path = "/v1/traefik/config", operation_id = "get_traefik_config", tag = "routes",
    params(TraefikQuery),
    responses(
        (status = 200, description = "Dynamic configuration", body = TraefikConfig),
        (status = 304, description = "It is still the one of If-None-Match"),
        ReadProblems,
    )
)]
pub(crate) async fn of_worker(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(query): Params<TraefikQuery>,
) -> Result<Response, Problem> {
    let how = routers(&query)?;
    let (worker, revision, config) = state.see(|sight| {
        let worker = query.worker_id.as_deref().map(|wanted| find(sight, wanted)).transpose()?;
        let base = &sight.config.base_domain;
        let config = traefik_of_worker(sight.observed, base, worker, &how);
        Ok::<_, Problem>((worker, sight.observed.table.revision, config))
    })?;
    let of = worker.map_or_else(|| "all".to_owned(), |worker| worker.to_string());
    answer(&state, &headers, &query, &of, revision, &config)
}

/// Routes of the domains that people brought
///
/// For a Traefik in front of all workers: the domains that are not under the base domain, and where the
/// replicas behind them answer.
#[utoipa::path(
    get, path = "/v1/traefik/proxy-config", operation_id = "get_traefik_proxy_config", tag = "routes",
    params(TraefikQuery),
    responses(
        (status = 200, description = "Dynamic configuration", body = TraefikConfig),
        (status = 304, description = "It is still the one of If-None-Match"),
        ReadProblems,
    )
)]
pub(crate) async fn of_proxy(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Params(query): Params<TraefikQuery>,
) -> Result<Response, Problem> {
    if query.worker_id.is_some() {
        let why = "\"worker_id\" is for /v1/traefik/config; here all workers are meant";
        return Err(Problem::field("worker_id", why));
    }
    let how = routers(&query)?;
    let (revision, config) = state.see(|sight| {
        let config = traefik_of_proxy(sight.observed, &sight.config.base_domain, &how);
        (sight.observed.table.revision, config)
    });
    answer(&state, &headers, &query, "proxy", revision, &config)
}

fn find(sight: Sight<'_>, wanted: &str) -> Result<WorkerId, Problem> {
    let mut workers = sight.view.workers.iter();
    let found = workers.find(|(id, view)| {
        let name = view.state.member().map(|member| member.name.as_str());
        id.to_string() == wanted || name == Some(wanted)
    });
    found.map(|(id, _)| *id).ok_or_else(|| {
        let never =
            "there is no worker of this name or id; `hythe worker ls` shows which there are";
        Problem::not_found(never)
    })
}

fn routers(query: &TraefikQuery) -> Result<TraefikRouters, Problem> {
    let entry_points = query.entrypoints.iter().flat_map(|all| all.split(','));
    let entry_points: Vec<String> =
        entry_points.map(|one| name("entrypoints", one)).collect::<Result<_, _>>()?;
    if entry_points.len() > MOST_ENTRY_POINTS {
        let why = format!("\"entrypoints\" has at most {MOST_ENTRY_POINTS}");
        return Err(Problem::field("entrypoints", why));
    }
    let cert_resolver = query.cert_resolver.as_deref();
    let cert_resolver = cert_resolver.map(|given| name("cert_resolver", given)).transpose()?;
    Ok(TraefikRouters { entry_points, cert_resolver })
}

fn name(field: &str, given: &str) -> Result<String, Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if !given.is_empty() && given.len() <= MOST_NAME && given.bytes().all(plain) {
        return Ok(given.to_owned());
    }
    let why = format!("has letters, digits, \"-\" and \"_\", at most {MOST_NAME} of them");
    Err(Problem::field(field, format!("\"{field}\" {why}")))
}

fn answer(
    state: &ApiState,
    headers: &HeaderMap,
    query: &TraefikQuery,
    of: &str,
    revision: u64,
    config: &TraefikConfig,
) -> Result<Response, Problem> {
    let instance = query.instance.as_deref().map(|given| name("instance", given)).transpose()?;
    if revision == 0 {
        // Without routes it would serve nobody; without an answer it goes by what it has.
        let why = "no routes are known yet; see /readyz for what the server waits for";
        return Err(Problem::new(Kind::Unavailable, why).retry_after(AGAIN_AFTER));
    }
    let body = serde_json::to_vec(config).unwrap_or_default();
    let tag = format!("\"{}\"", blake3::hash(&body).to_hex());
    let who = format!("{of} {}", instance.unwrap_or_default());
    state.pollers().asks(state.control(), &who, revision);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|all| all.to_str().ok());
    let known = known.flat_map(|all| all.split(',')).map(str::trim);
    let mut known = known.map(|one| one.strip_prefix("W/").unwrap_or(one));
    let etag = [(header::ETAG, tag.clone())];
    if known.any(|one| one == tag || one == "*") {
        return Ok((StatusCode::NOT_MODIFIED, etag).into_response());
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((etag, json, body).into_response())
}
