//! What surrounds every operation, outermost first: the request's id and the last word on errors,
//! counting, headers for browsers, the host, panics, the time limit, the limit on how much is under
//! way at once.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::ApiState;
use super::auth::check_host;
use super::problem::{Kind, Problem};

/// How long one request may take. Following a log or events is no request in this sense.
const WITHIN: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the correlation of every event that it sets off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

/// Gives each request an id, counts it, and sees to it that every error is a problem document
/// that names the id.
pub(crate) async fn outermost(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = Uuid::now_v7();
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id));
    let response = finish(inner(&state, request, next).await, id);
    let route = route.as_deref().unwrap_or("other");
    state.metrics().requested(&method, route, response.status(), begun.elapsed());
    response
}

async fn inner(state: &ApiState, request: Request, next: Next) -> Response {
    if let Err(problem) = check_host(state.config(), request.headers(), request.uri()) {
        return problem.into_response();
    }
    let Ok(_permit) = state.permits().try_acquire() else {
        return Problem::new(Kind::Busy, "too many requests are under way; try again soon")
            .retry_after(Duration::from_secs(1))
            .into_response();
    };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(WITHIN, answered).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a request's handler panicked");
            Problem::new(
                Kind::Internal,
                "this is a bug in Hythe; the server's log says more, under the request's id",
            )
            .into_response()
        }
        Err(_elapsed) => Problem::new(
            Kind::TimedOut,
            "the answer took longer than 30 seconds; a write may have taken effect all the same: \
             look, or repeat it with the same Idempotency-Key",
        )
        .into_response(),
    }
}

fn finish(response: Response, id: Uuid) -> Response {
    let status = response.status();
    let mut response = match response.extensions().get::<Problem>() {
        Some(problem) => {
            let problem = Problem { request_id: Some(id.to_string().into()), ..problem.clone() };
            keep_headers(&response, problem.into_response())
        }
        None if is_own(&response) => response,
        None if status.is_client_error() || status.is_server_error() => {
            let mut problem = Problem::of_status(status);
            problem.status = status.as_u16();
            problem.request_id = Some(id.to_string().into());
            keep_headers(&response, problem.into_response())
        }
        None => response,
    };
    if status.is_server_error() {
        tracing::warn!(request = %id, %status, "answered with an error");
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in SAFETY {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An answer that says itself what is wrong, such as that the server is not ready.
fn is_own(response: &Response) -> bool {
    response.extensions().get::<OwnBody>().is_some()
}

/// Marks an answer of 400 and above that is no problem document on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnBody;

/// What a refusal says in headers (`Allow`, `Retry-After`, …) is kept.
fn keep_headers(before: &Response, mut after: Response) -> Response {
    for name in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::SET_COOKIE] {
        if let Some(value) = before.headers().get(&name) {
            after.headers_mut().insert(name, value.clone());
        }
    }
    after
}

const SAFETY: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];
