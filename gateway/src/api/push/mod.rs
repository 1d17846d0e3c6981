//! `git push` to this server: git's smart HTTP protocol, for one repository for each app.
//!
//! Invariants: who pushes or fetches has shown the owner token; a push is told that it was taken only
//! once its deployment is in the journal; what is deployed is exactly the commit that was pushed; and
//! where the branch stands is read from the journal. Whoever goes away meanwhile changes nothing.

mod band;
mod head;
mod receive;
mod watch;

use std::io::Read as _;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hythe_actors::pushes::PushError;
use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::names::AppName;
use hythe_core::push;
use hythe_core::source::Pushed;
use serde::Deserialize;

use super::ApiState;
use super::auth;
use super::layers::OwnBody;
use super::problem::{Kind, Problem};

/// The operation that takes as long as what is pushed takes to come.
pub(crate) const RECEIVE: &str = "/git/{app}/git-receive-pack";
/// What this server can do for who pushes.
const CAPABILITIES: &str = concat!(
    "report-status side-band-64k quiet ofs-delta delete-refs push-options object-format=sha1 ",
    "agent=hythe/",
    env!("CARGO_PKG_VERSION")
);

/// Everything that git asks. It stands in no OpenAPI document, because git knows it.
pub(crate) fn routes(state: &ApiState) -> Router<ApiState> {
    Router::new()
        .route("/git/{app}/info/refs", get(refs))
        .route(RECEIVE, post(receive::receive))
        .route("/git/{app}/git-upload-pack", post(upload_pack))
        .route("/git/{app}/info/lfs/objects/batch", post(large_files))
        .route_layer(from_fn_with_state(state.clone(), auth::guard_git))
}

/// A refusal in the form in which git shows it: plain text.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let mut response = (status, text, format!("{}\n", problem.detail)).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"hythe\", charset=\"UTF-8\"");
        headers.insert(header::WWW_AUTHENTICATE, basic);
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(OwnBody);
    response
}

/// An answer of git's protocol.
fn answer(service: &str, kind: &str, body: Body) -> Response {
    let media = format!("application/x-{service}-{kind}");
    ([(header::CONTENT_TYPE, media)], body).into_response()
}

/// The app that an address names.
fn named(segment: &str) -> Result<AppName, Problem> {
    push::app_of(segment).ok_or_else(|| {
        Problem::not_found(
            "an app's address is /git/APP.git; APP has 1 to 40 lower-case letters, digits and dashes",
        )
    })
}

/// Where an app's branch stands, as far as a push can build upon it: what nobody has any more has to
/// come again.
async fn tip(state: &ApiState, app: AppId) -> Option<Pushed> {
    let tip = state.see(|sight| push::tip(sight.view, app).cloned())?;
    let there = state.control().uploads().bytes(&tip.upload).is_some()
        && state.control().pushes().has(app, &tip.commit).await;
    there.then_some(tip)
}

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(default)]
    service: String,
}

/// What there is.
async fn refs(
    State(state): State<ApiState>,
    Path(segment): Path<String>,
    Query(Service { service }): Query<Service>,
    headers: HeaderMap,
) -> Response {
    let told = match service.as_str() {
        "git-receive-pack" => to_push(&state, &segment).await,
        "git-upload-pack" => to_fetch(&state, &segment, &headers).await,
        _ => Err(Problem::new(Kind::Malformed, "this server speaks git's smart protocol only")),
    };
    match told {
        Ok(text) => answer(&service, "advertisement", text.into()),
        Err(problem) => refusal(&problem),
    }
}

async fn to_push(state: &ApiState, segment: &str) -> Result<Vec<u8>, Problem> {
    let name = named(segment)?;
    let (tip, shallow) = match state.app(name.as_str()) {
        Ok((id, _)) => {
            let shallow = state.control().pushes().shallow(id);
            (tip(state, id).await, shallow.map_err(|error| problem(&error.into()))?)
        }
        // It comes into being with what is pushed.
        Err(_there_is_none) => (None, Vec::new()),
    };
    let mut text = head::line("# service=git-receive-pack\n") + "0000";
    text.push_str(&match &tip {
        Some(tip) => {
            let place = format!("{}{}", push::BRANCHES, tip.branch);
            head::line(&format!("{} {place}\0{CAPABILITIES}\n", tip.commit))
        }
        None => head::line(&format!("{} capabilities^{{}}\0{CAPABILITIES}\n", "0".repeat(40))),
    });
    for commit in shallow.iter().filter(|_| tip.is_some()) {
        text.push_str(&head::line(&format!("shallow {commit}\n")));
    }
    text.push_str("0000");
    Ok(text.into_bytes())
}

/// The version of git's protocol that a client speaks.
fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol")?.to_str().ok()
}

async fn to_fetch(
    state: &ApiState,
    segment: &str,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Problem> {
    let (id, _) = state.app(named(segment)?.as_str())?;
    let (tip, protocol) = (tip(state, id).await, protocol(headers));
    let offered = state.control().pushes().offered(id, tip.as_ref(), protocol).await;
    let offered = offered.map_err(|error| problem(&error))?;
    if protocol == Some("version=2") {
        return Ok(offered);
    }
    let mut text = (head::line("# service=git-upload-pack\n") + "0000").into_bytes();
    text.extend(offered);
    Ok(text)
}

/// Fetches back what was pushed.
async fn upload_pack(
    State(state): State<ApiState>,
    Path(segment): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let served = async {
        is_of_git(&headers, "git-upload-pack")?;
        let (id, _) = state.app(named(&segment)?.as_str())?;
        let asked = read(&headers, body).await?;
        let served = state.control().pushes().served(id, protocol(&headers), asked).await;
        served.map_err(|error| problem(&error))
    };
    match served.await {
        Ok(pieces) => answer("git-upload-pack", "result", Body::from_stream(pieces)),
        Err(problem) => refusal(&problem),
    }
}

/// A browser cannot be made to send this from another page without asking first.
fn is_of_git(headers: &HeaderMap, service: &str) -> Result<(), Problem> {
    let media = format!("application/x-{service}-request");
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if given == Some(media.as_str()) {
        return Ok(());
    }
    Err(Problem::new(Kind::UnsupportedMediaType, format!("git sends content-type: {media}")))
}

/// A body that is not large, also where git packed it.
async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let large = || {
        let most = limits::MOST_PUSH_HEAD;
        Problem::new(Kind::TooLarge, format!("a question of git's has at most {most} bytes"))
    };
    let bytes = to_bytes(body, limits::MOST_PUSH_HEAD).await.map_err(|_| large())?;
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(bytes.into()),
        Some(b"gzip" | b"x-gzip") => {
            let most = limits::MOST_PUSH_HEAD as u64;
            let mut whole = Vec::new();
            let mut unpacked = flate2::read::GzDecoder::new(&bytes[..]).take(most + 1);
            unpacked.read_to_end(&mut whole).map_err(|_| {
                Problem::new(Kind::Malformed, "the body says that it is gzip, and is not")
            })?;
            if whole.len() as u64 > most { Err(large()) } else { Ok(whole) }
        }
        Some(_) => Err(Problem::new(Kind::UnsupportedMediaType, "send the body as it is, or gzip")),
    }
}

/// Git LFS asks here before a push. Without an answer it would say no more than that there is none.
async fn large_files(Path(segment): Path<String>) -> Response {
    let app = push::app_of(&segment).map_or_else(|| "APP".to_owned(), |name| name.to_string());
    let message = format!(
        "Hythe keeps no files of git LFS, so nothing was pushed. To have them in the app, deploy from \
         where the repository lies: hythe deploy {app} --repo URL, after hythe app set {app} --lfs. To \
         push without them: git push --no-verify"
    );
    let media = [(header::CONTENT_TYPE, "application/vnd.git-lfs+json")];
    let body = serde_json::json!({ "message": message }).to_string();
    let mut response = (StatusCode::NOT_IMPLEMENTED, media, body).into_response();
    response.extensions_mut().insert(OwnBody);
    response
}

fn problem(error: &PushError) -> Problem {
    let kind = match error {
        PushError::NoGit { .. } | PushError::Folder(_) => Kind::Internal,
        PushError::BrokeOff(_) => Kind::Malformed,
        PushError::TooLarge { .. } => Kind::TooLarge,
        PushError::NoRoom => Kind::NoRoom,
        PushError::Busy(_) => {
            let busy = Problem::new(Kind::Busy, error.to_string());
            return busy.retry_after(std::time::Duration::from_secs(2));
        }
        PushError::Refused(_) => Kind::Conflict,
        PushError::TimedOut { .. } => Kind::TimedOut,
        PushError::Upload(_) => Kind::Unavailable,
    };
    Problem::new(kind, error.to_string())
}
