//! One request: find its host's replicas, pass it on, pass the answer back.
//!
//! Invariants: a request is sent a second time only where the first replica cannot have begun to
//! act on it (nothing of it was sent), or where the connection had been used before, died before a
//! byte of an answer and the request may be repeated; nothing is buffered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};

use super::body::{Lease, Progress, RequestBody, ResponseBody};
use super::connection::{Connection, millis};
use super::headers::{self, Peer};
use super::host::{self, Host};
use super::pages::{Form, Page};
use super::pool::Upward;
use super::redirect;
use super::serving::Core;
use super::table::{Found, InFlight};
use super::tunnel;

/// The host under which a supervisor on this machine asks the edge for itself. No app can have it:
/// `internal` is reserved, and only loopback peers are answered.
pub(crate) const PROBE_HOST: &str = "hythe-edge.internal";
/// The path of that question.
pub(crate) const PROBE_PATH: &str = "/.well-known/hythe/edge";

/// One client's connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) core: Arc<Core>,
    pub(crate) peer: Peer,
    pub(crate) connection: Arc<Connection>,
}

/// How clients reach the edge.
const SCHEME: &str = "http";

type Answer = Response<ResponseBody>;

/// What came of asking a replica.
enum Asked {
    Answered(Response<Incoming>, Upward),
    /// Nothing of it was sent.
    Unsent(Request<RequestBody>),
    /// A connection that had been fine before died before a byte of the answer.
    Stale,
    Failed(Page),
}

/// What is needed to write a request without body a second time.
struct Draft {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Draft {
    fn of(request: &Request<RequestBody>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        }
    }

    fn request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

impl Proxy {
    /// Answers one request, whatever happens.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.connection.request_began();
        let form = headers::preferred(request.headers());
        let host = match host::of(request.uri(), request.headers()) {
            Ok(host) => host,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "refused a request");
                return self.page(Page::BadHost, form, "");
            }
        };
        if host.name == PROBE_HOST
            && request.uri().path() == PROBE_PATH
            && self.peer.address.ip().to_canonical().is_loopback()
        {
            return self.probe();
        }
        match self.pass(request, &host).await {
            Ok(answer) => answer,
            Err(page) => self.page(page, form, &host.name),
        }
    }

    async fn pass(&self, mut request: Request<Incoming>, host: &Host) -> Result<Answer, Page> {
        if request.method() == Method::CONNECT {
            return Err(Page::NoTunnels);
        }
        let mut in_flight = match self.core.live.find(&host.name) {
            Found::Redirect(to) => {
                let (uri, headers) = (request.uri(), request.headers());
                let answer = redirect::to(&to, uri, headers, host, &self.peer, SCHEME);
                let connection = Arc::clone(&self.connection);
                return Ok(answer.map(|body| ResponseBody::page(body, connection)));
            }
            found => chosen(found)?,
        };
        let upgrade = headers::asked_upgrade(request.headers());
        let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut request, progress) = self.for_app(request, host, upgrade)?;
        let repeatable = progress.is_none() && is_idempotent(request.method()) && client.is_none();

        let mut tried: Vec<SocketAddr> = Vec::new();
        let mut fresh = false;
        for _ in 0..self.core.limits.tries {
            let Some(chosen) = in_flight.choose(&tried, self.core.clock.now_ms()) else {
                break;
            };
            let to = chosen.address;
            let pooled = if fresh {
                None
            } else {
                self.core.pool.take(&in_flight.upstream, to, !repeatable)
            };
            let upward = match pooled {
                Some(upward) => upward,
                None => match self.core.pool.connect(to).await {
                    Ok(upward) => upward,
                    Err(error) => {
                        tracing::debug!(%to, %error, "could not connect to a replica");
                        chosen.unreachable(self.core.clock.now_ms());
                        tried.push(to);
                        // The table may have changed: a new deployment is a new chance.
                        let now = self.find(&host.name)?;
                        if !Arc::ptr_eq(&now.upstream, &in_flight.upstream) {
                            tried.clear();
                        }
                        in_flight = now;
                        continue;
                    }
                },
            };
            let draft = (repeatable && upward.used).then(|| Draft::of(&request));
            match self.ask(upward, request, progress.as_deref()).await {
                Asked::Answered(response, upward) => {
                    let pool = Arc::clone(&self.core.pool);
                    let lease = Lease { in_flight, chosen, pool, upward, progress };
                    return self.deliver(response, lease, client);
                }
                Asked::Unsent(unsent) => request = unsent,
                Asked::Stale => request = draft.ok_or(Page::NotAnswering)?.request(),
                Asked::Failed(page) => return Err(page),
            }
            // Where one idle connection was dead, so may others be; and each choice is made by the
            // table that is in force.
            fresh = true;
            in_flight = self.find(&host.name)?;
        }
        Err(Page::NotAnswering)
    }

    fn find(&self, host: &str) -> Result<InFlight, Page> {
        chosen(self.core.live.find(host))
    }

    /// Writes a client's request anew for the app.
    fn for_app(
        &self,
        request: Request<Incoming>,
        host: &Host,
        upgrade: Option<HeaderValue>,
    ) -> Result<(Request<RequestBody>, Option<Arc<Progress>>), Page> {
        let (mut head, body) = request.into_parts();
        head.uri = Uri::from(head.uri.into_parts().path_and_query.ok_or(Page::BadHost)?);
        head.version = Version::HTTP_11;
        let id = || self.core.ids.next();
        headers::to_app(&mut head.headers, &self.peer, host, SCHEME, upgrade, id);
        if body.is_end_stream() {
            return Ok((Request::from_parts(head, RequestBody::Empty), None));
        }
        if !head.headers.contains_key(CONTENT_LENGTH) {
            // Otherwise hyper would take a GET for one without body.
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let progress = Arc::new(Progress::new(Arc::clone(&self.connection), self.core.clock));
        let body = RequestBody::Stream(body, Arc::clone(&progress));
        Ok((Request::from_parts(head, body), Some(progress)))
    }

    /// Sends a request on one connection and waits for the head of the answer.
    async fn ask(
        &self,
        mut upward: Upward,
        request: Request<RequestBody>,
        progress: Option<&Progress>,
    ) -> Asked {
        upward.expect_answer();
        let start = self.core.clock.now_ms();
        let limit = millis(self.core.limits.answer_within);
        let sending = upward.sender.try_send_request(request);
        tokio::pin!(sending);
        let mut error = loop {
            // A long upload is no silence of the app.
            let since = progress.map_or(start, |progress| start.max(progress.last_ms()));
            let left = since.saturating_add(limit).saturating_sub(self.core.clock.now_ms());
            if left == 0 {
                return Asked::Failed(Page::TimedOut);
            }
            match tokio::time::timeout(Duration::from_millis(left), &mut sending).await {
                Ok(Ok(response)) => return Asked::Answered(response, upward),
                Ok(Err(error)) => break error,
                Err(_) => {}
            }
        };
        if let Some(unsent) = error.take_message() {
            return Asked::Unsent(unsent);
        }
        if progress.is_some_and(Progress::failed) {
            return Asked::Failed(Page::BadBody);
        }
        if upward.used && !upward.answered() {
            return Asked::Stale;
        }
        tracing::debug!(error = %error.into_error(), "a replica broke off before its answer");
        Asked::Failed(Page::NotAnswering)
    }

    /// Hands an app's answer to the client; a switch of protocols ends the exchange and joins the
    /// two connections.
    fn deliver(
        &self,
        mut response: Response<Incoming>,
        lease: Lease,
        client: Option<OnUpgrade>,
    ) -> Result<Answer, Page> {
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        headers::to_client(response.headers_mut(), upgraded);
        *response.version_mut() = Version::HTTP_11;
        let connection = Arc::clone(&self.connection);
        if !upgraded {
            return Ok(response.map(|body| ResponseBody::app(body, lease, connection)));
        }
        // An app that switches without having been asked to is not speaking HTTP.
        let client = client.ok_or(Page::NotAnswering)?;
        let app = hyper::upgrade::on(&mut response);
        let to = lease.chosen.address;
        let half_open = self.core.limits.half_open;
        tunnel::join(client, app, to, half_open, (lease, Arc::clone(&connection)));
        Ok(response.map(|_| ResponseBody::page(Bytes::new(), connection)))
    }

    fn page(&self, page: Page, form: Form, host: &str) -> Answer {
        let (status, headers, body) = page.write(form, host);
        let mut answer = Response::new(ResponseBody::page(body, Arc::clone(&self.connection)));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer
    }

    fn probe(&self) -> Answer {
        let probe = serde_json::json!({
            "edge": self.core.edge,
            "revision": self.core.live.revision(),
        });
        let body = Bytes::from(format!("{probe}\n"));
        let mut answer = Response::new(ResponseBody::page(body, Arc::clone(&self.connection)));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        answer
    }
}

fn chosen(found: Found) -> Result<InFlight, Page> {
    match found {
        Found::Replicas(in_flight) => Ok(in_flight),
        Found::Starting => Err(Page::Starting),
        Found::Stopped => Err(Page::Stopped),
        // One that began to be sent on while its request was under way gets the redirect next time.
        Found::Down | Found::Redirect(_) => Err(Page::Down),
        Found::Nobody => Err(Page::NoSuchApp),
        Found::NoTable => Err(Page::NoTable),
    }
}

/// Whether a request that may have been acted upon does no harm when it comes again.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE]
        .contains(method)
}
