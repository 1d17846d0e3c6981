//! What surrounds every operation, outermost first: the request's id and the last word on errors,
//! counting, headers for browsers, the host, panics, the time limit, the limit on how much is under
//! way at once.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::ApiState;
use super::auth::check_host;
use super::problem::{Kind, Problem};
use super::push;

/// How long one request may take. Following a log or events is no request in this sense.
const WITHIN: Duration = Duration::from_secs(30);
/// The operations that take as long as what is sent takes to come, and how long that may be. One that
/// stalls is ended long before.
const UPLOAD: &str = "/api/v1/uploads/{digest}";
const UPLOAD_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);
/// The operation that asks every worker what it has, and has each let go of much of it.
const HOUSEKEEPING: &str = "/api/v1/housekeeping";
const HOUSEKEEPING_WITHIN: Duration = Duration::from_secs(10 * 60);
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
    let within = match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(UPLOAD) if request.method() == Method::PUT => UPLOAD_WITHIN,
        Some(push::RECEIVE) if request.method() == Method::POST => UPLOAD_WITHIN,
        Some(HOUSEKEEPING) => HOUSEKEEPING_WITHIN,
        Some(_) | None => WITHIN,
    };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(within, answered).await {
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
            format!(
                "the answer took longer than it may ({}); a write may have taken effect all the \
                 same: look, or repeat it with the same Idempotency-Key",
                said(within)
            ),
        )
        .into_response(),
    }
}

/// A span of whole seconds, minutes or hours, in words.
fn said(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{} hours", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
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
    if status.is_server_error() && !is_own(&response) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use hythe_actors::bus::NatsSettings;
    use hythe_actors::server::{Server, ServerConfig, run};
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::{ApiConfig, OwnerToken};

    async fn state(dir: &std::path::Path) -> (Server, ApiState) {
        let nats = NatsSettings {
            url: "nats://127.0.0.1:1".into(),
            user: None,
            password: None,
            logs: None,
        };
        let base_domain: hythe_core::names::HostName = "localhost".parse().unwrap();
        let server = run(ServerConfig::new(dir.into(), nats, base_domain.clone())).await.unwrap();
        let config = ApiConfig {
            base_domain,
            edge_port: 8080,
            edge_https: false,
            hosts: Vec::new(),
            loopback: true,
            secure_cookie: false,
            local_repositories: false,
        };
        let (control, token) = (server.control().clone(), OwnerToken::of("a token of the test"));
        let state = ApiState::new(control, config, token, Default::default()).unwrap();
        (server, state)
    }

    async fn answer(router: &Router, path: &str) -> (u16, Problem) {
        let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_and_a_full_house_are_problems_and_the_server_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (_server, state) = state(dir.path()).await;
        async fn panics() -> &'static str {
            panic!("a bug")
        }
        let waits = Arc::new(Notify::new());
        let entered = Arc::new(Notify::new());
        let (leave, enter) = (Arc::clone(&waits), Arc::clone(&entered));
        let slow = move || async move {
            enter.notify_one();
            leave.notified().await;
            "done"
        };
        let router = Router::new()
            .route("/panics", get(panics))
            .route("/slow", get(slow))
            .layer(from_fn_with_state(state.clone(), outermost));
        let (status, problem) = answer(&router, "/panics").await;
        assert_eq!((status, &*problem.problem_type), (500, "/problems/internal"));
        assert!(problem.request_id.is_some());

        let one = tokio::spawn({
            let request = Request::get("/slow").header(header::HOST, "localhost");
            router.clone().oneshot(request.body(Body::empty()).unwrap())
        });
        entered.notified().await;
        let all = state.permits().available_permits();
        let room = state.permits().try_acquire_many(u32::try_from(all).unwrap()).unwrap();
        let (status, problem) = answer(&router, "/panics").await;
        assert_eq!((status, &*problem.problem_type), (503, "/problems/busy"));
        assert_eq!(problem.retry_after, Some(1));
        drop(room);
        waits.notify_one();
        assert_eq!(one.await.unwrap().unwrap().status(), 200);
        assert_eq!(answer(&router, "/panics").await.0, 500);
    }

    #[tokio::test]
    async fn what_takes_too_long_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (_server, state) = state(dir.path()).await;
        let router = Router::new()
            .route("/never", get(std::future::pending::<()>))
            .route(HOUSEKEEPING, get(std::future::pending::<()>))
            .layer(from_fn_with_state(state, outermost));
        // From here on time passes as soon as everything waits.
        tokio::time::pause();
        for (path, within, said) in
            [("/never", WITHIN, "30 seconds"), (HOUSEKEEPING, HOUSEKEEPING_WITHIN, "10 minutes")]
        {
            let begun = tokio::time::Instant::now();
            let (status, problem) = answer(&router, path).await;
            assert_eq!((status, &*problem.problem_type), (504, "/problems/timed-out"));
            assert!(problem.detail.contains(said), "{}", problem.detail);
            assert!((within..within * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }
    }
}
