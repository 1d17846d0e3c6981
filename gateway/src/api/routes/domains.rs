//! Custom domains of an app: list, add, show, check, change, remove; and how all of them are proven.

use std::net::{IpAddr, SocketAddr};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hythe_actors::domains::{self, LookError};
use hythe_core::app::{App, AppCommand};
use hythe_core::domain::{self as core, DomainHost, DomainToken, within};
use hythe_core::ids::AppId;
use hythe_core::installation::InstallationCommand;
use hythe_core::names::HostName;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    AddDomain, Domain, DomainList, DomainMode, DomainSettings, UpdateDomain, UpdateDomainSettings,
};
use crate::api::extract::{Json, Which};
use crate::api::idempotency::{Asked, mark_replayed, once};
use crate::api::plane::{self, With};
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// The port that resolvers answer at where none is given.
const DNS_PORT: u16 = 53;

/// Lists the custom domains of an app
///
/// With what proves each, where it is to lead, and what was seen of it last.
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/domains", operation_id = "list_domains", tag = "domains",
    params(("app" = String, Path, description = "Name or id", example = "shop")),
    responses((status = 200, description = "The domains, by host", body = DomainList), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Which(app): Which,
) -> Result<axum::Json<DomainList>, Problem> {
    let (id, app) = state.app(&app)?;
    let seen = state.control().domains();
    let (standing, now) = (state.control().certificates().standing(), state.now());
    let items = state.see(|sight| {
        let each = app.domains.iter().map(|(host, domain)| {
            let last = seen.last(id, host, domain);
            let (name, wildcard) = (host.name(), host.is_wildcard());
            Domain {
                certificate: present::certificate_of(sight.view, &standing, name, wildcard, now),
                ..present::domain(sight, &app, host, domain, last)
            }
        });
        each.collect()
    });
    Ok(axum::Json(DomainList { items }))
}

/// Adds a custom domain to an app
///
/// The answer says which TXT record proves that whoever adds it may have it, and where the domain is to
/// lead. It leads to the app once the record was seen: that is looked for by itself, and at once where
/// somebody asks. Until then it is in nobody's way. Added again, it stays as it is, but for its mode. An
/// app has at most 64.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/domains", operation_id = "add_domain", tag = "domains",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = AddDomain,
    responses((status = 201, description = "The domain, to be proven", body = Domain), WriteProblems)
)]
pub(crate) async fn add(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    Json { value, hash }: Json<AddDomain>,
) -> Result<Response, Problem> {
    let once = once(&asked, &hash, state.request_key())?;
    let host: DomainHost = settings::text("host", &value.host)?;
    if let Some(before) = state.before(once.as_ref()).await? {
        let app = AppId::new(before.resource).to_string();
        let shown = shown(&state, &app, &host)?;
        return Ok(mark_replayed((StatusCode::CREATED, axum::Json(shown)).into_response()));
    }
    let (id, _) = state.app(&app)?;
    not_ours(&state, "host", host.name())?;
    let token = token()?;
    let mode = value.mode.map(mode_of);
    let command = AppCommand::AddDomain { host: host.clone(), token, mode, at: state.now() };
    let claim = once.as_ref().map(|once| once.claim(id.uuid())).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    let given = state.command::<App>(id.uuid(), command, state.meta(&asked), with).await;
    let replayed = match given {
        Ok(_) => false,
        Err(error) => {
            state.before_or(once.as_ref(), error).await?;
            true
        }
    };
    let answer = axum::Json(shown(&state, &app, &host)?);
    let answer = (StatusCode::CREATED, answer).into_response();
    Ok(if replayed { mark_replayed(answer) } else { answer })
}

/// Shows a custom domain
#[utoipa::path(
    get, path = "/api/v1/apps/{app}/domains/{host}", operation_id = "get_domain", tag = "domains",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("host" = String, Path, description = "The host", example = "shop.example.com"),
    ),
    responses((status = 200, description = "The domain", body = Domain), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which((app, host)): Which<(String, String)>,
) -> Result<axum::Json<Domain>, Problem> {
    Ok(axum::Json(shown(&state, &app, &settings::text("host", &host)?)?))
}

/// Looks for a domain's record now
///
/// All resolvers are asked at once, and have 8 seconds together. The answer says what each found, and
/// what is missing or wrong; where the record is there, the domain leads to the app from now on. A look
/// that finds none takes nothing away. It takes no `Idempotency-Key`: each is a look of its own.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/domains/{host}/check", operation_id = "check_domain",
    tag = "domains",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("host" = String, Path, description = "The host", example = "shop.example.com"),
    ),
    responses((status = 200, description = "The domain as it is now", body = Domain), WriteProblems)
)]
pub(crate) async fn check(
    State(state): State<ApiState>,
    Which((app, host)): Which<(String, String)>,
) -> Result<axum::Json<Domain>, Problem> {
    let host: DomainHost = settings::text("host", &host)?;
    let (id, _) = state.app(&app)?;
    match domains::verify(state.control(), id, &host).await {
        Ok(_) => Ok(axum::Json(shown(&state, &app, &host)?)),
        Err(LookError::NotFound) => Err(no_such_domain(&host)),
        Err(error @ LookError::Busy) => Err(Problem::new(Kind::Busy, error.to_string())
            .retry_after(std::time::Duration::from_secs(1))),
        Err(LookError::Command(error)) => Err(plane::problem(error)),
    }
}

/// Changes what requests for a domain get
///
/// Where it becomes the main one, the main one of before redirects there.
#[utoipa::path(
    patch, path = "/api/v1/apps/{app}/domains/{host}", operation_id = "update_domain",
    tag = "domains",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("host" = String, Path, description = "The host", example = "shop.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateDomain,
    responses((status = 200, description = "The domain as it is now", body = Domain), WriteProblems)
)]
pub(crate) async fn update(
    State(state): State<ApiState>,
    Which((app, host)): Which<(String, String)>,
    asked: Asked,
    Json { value, hash }: Json<UpdateDomain>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let host: DomainHost = settings::text("host", &host)?;
    if !writing.done() {
        let (id, _) = state.app(&app)?;
        let command = AppCommand::SetDomain { host: host.clone(), mode: mode_of(value.mode) };
        writing.give::<App>(id.uuid(), command, Vec::new()).await?;
    }
    Ok(writing.answer(axum::Json(shown(&state, &app, &host)?)))
}

/// Takes a domain away from an app
///
/// It leads nowhere at once and is free for others. Its token is never taken again.
#[utoipa::path(
    delete, path = "/api/v1/apps/{app}/domains/{host}", operation_id = "remove_domain",
    tag = "domains",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("host" = String, Path, description = "The host", example = "shop.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which((app, host)): Which<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        let host: DomainHost = settings::text("host", &host)?;
        let (id, _) = state.app(&app)?;
        writing.give::<App>(id.uuid(), AppCommand::RemoveDomain { host }, Vec::new()).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Shows how domains are proven, and where they are to lead
#[utoipa::path(
    get, path = "/api/v1/domains/settings", operation_id = "get_domain_settings", tag = "domains",
    responses((status = 200, description = "For all apps", body = DomainSettings), ReadProblems)
)]
pub(crate) async fn settings(State(state): State<ApiState>) -> axum::Json<DomainSettings> {
    axum::Json(settings_of(&now(&state)))
}

/// Sets how domains are proven, and where they are to lead
///
/// The resolvers are asked for every domain from now on. Where they lead is what people are told to
/// set: it moves nothing by itself.
#[utoipa::path(
    patch, path = "/api/v1/domains/settings", operation_id = "update_domain_settings",
    tag = "domains",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateDomainSettings,
    responses((status = 200, description = "For all apps", body = DomainSettings), WriteProblems)
)]
pub(crate) async fn update_settings(
    State(state): State<ApiState>,
    asked: Asked,
    Json { value, hash }: Json<UpdateDomainSettings>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(settings_of(&now(&state)))));
    }
    let UpdateDomainSettings { resolvers, target, addresses } = value;
    let mut wanted = now(&state);
    if let Some(resolvers) = resolvers {
        let read = resolvers.iter().enumerate().map(|(at, text)| resolver(at, text));
        wanted.resolvers = read.collect::<Result<_, _>>()?;
    }
    if let Some(target) = target {
        let target = target.as_deref().filter(|text| !text.is_empty());
        wanted.target = target.map(|text| settings::text("target", text)).transpose()?;
    }
    if let Some(addresses) = addresses {
        let read = addresses.iter().enumerate().map(|(at, text)| address(at, text));
        wanted.addresses = read.collect::<Result<_, _>>()?;
    }
    let command = InstallationCommand::SetDomainSettings(Box::new(wanted.clone()));
    writing.tell(command, Vec::new()).await?;
    Ok(writing.answer(axum::Json(settings_of(&now(&state)))))
}

fn now(state: &ApiState) -> core::DomainSettings {
    state.control().read(|view| view.installation.state.domains.clone())
}

fn settings_of(settings: &core::DomainSettings) -> DomainSettings {
    DomainSettings {
        resolvers: domains::resolvers(settings).iter().map(ToString::to_string).collect(),
        usual_resolvers: settings.resolvers.is_empty(),
        target: settings.target.as_ref().map(ToString::to_string),
        addresses: settings.addresses.iter().map(ToString::to_string).collect(),
    }
}

fn resolver(at: usize, text: &str) -> Result<SocketAddr, Problem> {
    let with_port = || text.parse::<SocketAddr>().ok();
    let bare = text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, DNS_PORT));
    bare.or_else(with_port).ok_or_else(|| {
        let why = "is the address of a resolver, such as 1.1.1.1, 1.1.1.1:5353 or [2620:fe::fe]:53";
        Problem::field(format!("resolvers[{at}]"), why)
    })
}

fn address(at: usize, text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        let why = "is an address, such as 203.0.113.7 or 2001:db8::7";
        Problem::field(format!("addresses[{at}]"), why)
    })
}

/// Refuses what cannot be an app's own domain: what is under the base domain is the apps' own hosts,
/// and the server's own names are not theirs.
pub(super) fn not_ours(state: &ApiState, field: &str, host: &HostName) -> Result<(), Problem> {
    let config = state.config();
    let base = &config.base_domain;
    if within(host, base) {
        let why = format!(
            "{host} is under {base}, where each app has its own host already; a domain of your own \
             is one elsewhere"
        );
        return Err(Problem::field(field, why));
    }
    let public = state.control().read(|view| view.installation.state.address.clone());
    let public = public.as_ref().is_some_and(|address| {
        let rest = address.as_str().split_once("://").map_or("", |(_, rest)| rest);
        rest.split(':').next() == Some(host.as_str())
    });
    if public || config.hosts.contains(host) {
        let why = format!("{host} is where this server itself is reached, and no app's");
        return Err(Problem::field(field, why));
    }
    Ok(())
}

/// 32 random bytes.
fn token() -> Result<DomainToken, Problem> {
    let mut bytes = [0_u8; 32];
    let filled = getrandom::fill(&mut bytes).map_err(|error| error.to_string());
    let token = filled
        .and_then(|()| DomainToken::new(hex::encode(bytes)).map_err(|error| error.to_string()));
    token.map_err(|why| {
        Problem::new(Kind::Unavailable, format!("no random bytes could be had: {why}"))
    })
}

const fn mode_of(mode: DomainMode) -> core::DomainMode {
    match mode {
        DomainMode::Main => core::DomainMode::Main,
        DomainMode::Redirect => core::DomainMode::Redirect,
        DomainMode::Serve => core::DomainMode::Serve,
    }
}

fn no_such_domain(host: &DomainHost) -> Problem {
    Problem::not_found(format!(
        "the app has no domain {host}; `hythe domain ls` shows which it has, and `hythe domain add` \
         adds one"
    ))
}

fn shown(state: &ApiState, app: &str, host: &DomainHost) -> Result<Domain, Problem> {
    let (id, app) = state.app(app)?;
    let domain = app.domains.get(host).ok_or_else(|| no_such_domain(host))?;
    let last = state.control().domains().last(id, host, domain);
    let (standing, now) = (state.control().certificates().standing(), state.now());
    Ok(state.see(|sight| {
        let (name, wildcard) = (host.name(), host.is_wildcard());
        Domain {
            certificate: present::certificate_of(sight.view, &standing, name, wildcard, now),
            ..present::domain(sight, &app, host, domain, last)
        }
    }))
}
