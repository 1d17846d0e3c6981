//! Lets the owner in and nobody else.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::origin::own_origin;
use super::session::{Session, set_cookie};
use crate::api::ApiState;
use crate::api::problem::{Kind, Problem};
use crate::api::push::refusal;

/// The subprotocol that carries a token for a WebSocket of a browser.
const TOKEN_PROTOCOL: &str = "hythe.bearer.";

/// Who asks, and how that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// Gave the owner token.
    Token,
    /// Signed in with a browser.
    Browser(Session),
}

/// Lets a request through where the owner makes it.
pub(crate) async fn guard(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&state, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The same for git, which asks for a name and a password: any name will do, with the token.
pub(crate) async fn guard_git(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // Git comes from no page, and a browser may know the password.
    if own_origin(headers, request.uri()).is_some() {
        return refusal(&foreign());
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let allowed = match password(headers) {
        Some(token) => check_token(&state, &token, peer),
        None => Err(Problem::new(
            Kind::Unauthorized,
            "the password is the owner token, and any user name will do; `hythe git remote APP` sets \
             this up",
        )),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(problem) => refusal(&problem),
    }
}

/// The password of basic authentication, or a token as programs send it.
fn password(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = bearer(headers) {
        return Some(token.to_owned());
    }
    let (scheme, pair) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    // Without one, git has asked nobody yet.
    Some(password.trim().to_owned()).filter(|password| !password.is_empty())
}

fn identify(state: &ApiState, request: &Request) -> Result<Caller, Problem> {
    let headers = request.headers();
    let own = own_origin(headers, request.uri());
    let upgrade = headers.contains_key(header::UPGRADE);
    if upgrade && own == Some(false) {
        return Err(foreign());
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Some(token) = bearer(headers).or_else(|| offered(headers, upgrade)) {
        return check_token(state, token, peer).map(|()| Caller::Token);
    }
    let Some(session) = state.sessions().of(headers, state.now()) else {
        let detail = if headers.contains_key(header::COOKIE) || headers.contains_key(header::ORIGIN)
        {
            "sign in first"
        } else {
            "send the owner token as authorization: Bearer TOKEN; it lies in the file owner.token \
             of the server's data directory"
        };
        return Err(Problem::new(Kind::Unauthorized, detail));
    };
    // A browser sends the cookie whoever made it ask: only reading is harmless then.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD) && !upgrade;
    if !reads && own != Some(true) {
        return Err(foreign());
    }
    Ok(Caller::Browser(session))
}

fn foreign() -> Problem {
    Problem::new(
        Kind::ForeignOrigin,
        "a browser session may be used from this server's own page only; programs send the owner \
         token instead",
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) =
        headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn offered(headers: &HeaderMap, upgrade: bool) -> Option<&str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    lists
        .iter()
        .filter(|_| upgrade)
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(TOKEN_PROTOCOL))
}

fn check_token(state: &ApiState, token: &str, peer: Option<SocketAddr>) -> Result<(), Problem> {
    if state.token().is(token) {
        return Ok(());
    }
    match state.throttle().failed(peer, Instant::now()) {
        None => Err(Problem::new(
            Kind::Unauthorized,
            "this is not the owner token; it lies in the file owner.token of the server's data \
             directory",
        )),
        Some(wait) => {
            Err(Problem::new(Kind::TooMany, "too many wrong tokens came from your address")
                .retry_after(wait))
        }
    }
}

/// Signs in: a session, and the header that gives the browser its cookie.
pub(crate) fn sign_in(
    state: &ApiState,
    token: &str,
    headers: &HeaderMap,
    uri: &axum::http::Uri,
    peer: Option<SocketAddr>,
) -> Result<(Session, String), Problem> {
    if own_origin(headers, uri) == Some(false) {
        return Err(foreign());
    }
    check_token(state, token, peer)?;
    let (session, cookie) = state.sessions().mint(state.now()).map_err(|error| {
        tracing::error!(%error, "no randomness for a session");
        Problem::new(Kind::Internal, "the system has no randomness to give; see the server's log")
    })?;
    Ok((session, set_cookie(&cookie, state.config().secure_cookie)))
}
