//! Signing in and out with a browser.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::api::ApiState;
use crate::api::auth::{Caller, set_cookie, sign_in};
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{CreateSession, Session, Time};
use crate::api::extract::SecretJson;
use crate::api::problem::Problem;

/// Says who is asking, and of whom
#[utoipa::path(
    get, path = "/api/v1/session", operation_id = "get_session", tag = "session",
    responses((status = 200, description = "Who is asking", body = Session), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> axum::Json<Session> {
    let until = match caller {
        Caller::Token => None,
        Caller::Browser(session) => Some(session.until.into()),
    };
    axum::Json(session(&state, until))
}

fn session(state: &ApiState, expires_at: Option<Time>) -> Session {
    let config = state.config();
    Session {
        actor: hythe_core::record::Actor::Owner.to_string(),
        expires_at,
        version: env!("CARGO_PKG_VERSION").into(),
        base_domain: config.base_domain.to_string(),
        url_pattern: config.url("{app}"),
    }
}

/// Signs in with a browser
///
/// Takes no `Idempotency-Key`: each time it is another session, which the token was shown for.
/// Sets a cookie that scripts cannot read and other sites cannot use, for 12 hours.
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "create_session", tag = "session",
    request_body = CreateSession, security(()),
    responses(
        (status = 200, description = "Signed in", body = Session,
            headers(("Set-Cookie" = String, description = "The session"))),
        WriteProblems
    )
)]
pub(crate) async fn create(
    State(state): State<ApiState>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    uri: Uri,
    headers: HeaderMap,
    SecretJson(body): SecretJson<CreateSession>,
) -> Result<Response, Problem> {
    let peer = peer.map(|Extension(info)| info.0);
    let (made, cookie) = sign_in(&state, body.value.token.reveal(), &headers, &uri, peer)?;
    let answer = axum::Json(session(&state, Some(made.until.into())));
    Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
}

/// Signs out
///
/// Takes no `Idempotency-Key`: signed out once or twice is the same.
/// The session is of no use any more.
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "delete_session", tag = "session",
    responses((status = 204, description = "Signed out"), WriteProblems)
)]
pub(crate) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Response {
    match caller {
        Caller::Token => {}
        Caller::Browser(session) => state.sessions().sign_out(&session),
    }
    let cookie = set_cookie("", state.config().secure_cookie);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}
