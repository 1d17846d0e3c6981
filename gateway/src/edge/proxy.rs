//! One request: find its host's replicas, pass it on, pass the answer back.
//!
//! Invariants: a request is sent a second time only where the first replica cannot have begun to
//! act on it (nothing of it was sent), or where its connection died before a byte of an answer and the
//! request may be repeated: on another connection where that one had been used before, and once on
//! another replica where it was new. Nothing is buffered.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use hyper::http::uri::{Authority, Scheme};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hythe_core::edge::{EdgeSettings, Https, Protocol};
use hythe_core::ids::AppId;
use hythe_core::limits;
use hythe_core::names::HostName;
use hythe_core::time::Millis;
use tokio::task::unconstrained;
use tokio::time::sleep;

use super::access::{Came, Record};
use super::balance::Chosen;
use super::body::{Lease, Progress, RequestBody, ResponseBody};
use super::compress::{self, Coding};
use super::connection::{Connection, millis};
use super::draft::Draft;
use super::exchange::Exchange;
use super::figures;
use super::gate::Gate;
use super::headers::{self, Peer};
use super::host::{Host, Last};
use super::mounts::Place;
use super::pages::{Failed, Form, Page};
use super::pool::Upward;
use super::redirect::{self, Leads};
use super::scrape;
use super::serving::Core;
use super::site::{self, Served};
use super::split::Side;
use super::table::{Found, InFlight};
use super::tls::Certificate;
use super::trace::Trace;
use super::tunnel;
use super::version::{self, Keep};

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
    /// What the client was shown, where it came by TLS.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) last: Last,
}

/// A body of no more bytes has left with the last of it: what the connection cannot write at once is more than
/// a socket takes.
const FLUSHED_BYTES: u64 = 64 * 1024;

/// The path under which its figures are read there.
pub(crate) const FIGURES_PATH: &str = "/metrics";

type Answer = Response<ResponseBody>;

/// What a connection to a replica makes of a request.
type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// What came of asking a replica.
enum Asked {
    Answered(Response<Incoming>),
    /// Nothing of it was sent.
    Unsent(Request<RequestBody>),
    /// The connection died before a byte of the answer; whether it had been fine before.
    Died {
        used: bool,
    },
    Failed(Page),
}

/// Why a request does not reach the app.
enum Instead {
    Page(Page),
    /// It is sent on to there.
    Elsewhere(String),
}

impl From<Page> for Instead {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

/// What is known of a request before an app is chosen.
struct Asking<'a> {
    host: &'a Host,
    /// By which it is found again.
    id: &'a HeaderValue,
    /// What of compression the client takes.
    accepted: Option<Coding>,
    gate: Option<Arc<Gate>>,
    /// Where at the host the app is, where it is mounted there.
    place: Option<Arc<Place>>,
    /// The app, whose gate the request has to pass.
    app: Option<AppId>,
    /// How the client is kept with the version that answers, where it is to be.
    keep: Option<Keep>,
}

impl Asking<'_> {
    fn settings<T>(&self, usual: T, of: impl FnOnce(&EdgeSettings) -> T) -> T {
        self.gate.as_ref().map_or(usual, |gate| of(&gate.settings))
    }

    /// The path of the app at its host.
    fn below(&self) -> &str {
        self.place.as_ref().map_or("/", |place| place.prefix.as_str())
    }
}

impl Proxy {
    /// Answers one request, whatever happens.
    pub(crate) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let exchange = Exchange::begin(Arc::clone(self));
        let form = headers::preferred(request.headers());
        let id = headers::request_id(request.headers(), &self.peer, || self.core.ids.next());
        let host = match self.last.of(request.version(), request.uri(), request.headers()) {
            Ok(host) => host,
            Err(error) => {
                tracing::debug!(peer = %self.peer.address, %error, "refused a request");
                return page(Page::BadHost, form, "", id, exchange);
            }
        };
        // What another proxy of this machine passes on is a stranger's.
        let own = host.name == PROBE_HOST
            && self.peer.address.ip().to_canonical().is_loopback()
            && !request.headers().contains_key("x-forwarded-for");
        if own {
            match request.uri().path() {
                PROBE_PATH => return self.probe(exchange),
                FIGURES_PATH => return self.figures(exchange),
                _ => {}
            }
        }
        // An authority is answered whatever holds for the host; what is no authority's goes on.
        if let Some(proof) = self.core.tls.answer(&host.name, request.uri().path()) {
            let mut answer = Response::new(proof);
            let kind = HeaderValue::from_static("application/octet-stream");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            return plain(answer, exchange);
        }
        if self.misdirected(&host) {
            return page(Page::Misdirected, form, &host.name, id, exchange);
        }
        let mut exchange = Some(exchange);
        let mut hsts = None;
        let mut answer = match self.pass(request, &host, &id, &mut exchange, &mut hsts).await {
            Ok(mut answer) => {
                headers::note_request_id(answer.headers_mut(), id);
                answer
            }
            Err(instead) => {
                let began = || Exchange::begin(Arc::clone(self));
                let exchange = exchange.unwrap_or_else(began);
                match instead {
                    Instead::Page(shown) => page(shown, form, &host.name, id, exchange),
                    Instead::Elsewhere(location) => plain(redirect::to(&location), exchange),
                }
            }
        };
        if let Some(hsts) = hsts {
            headers::note_hsts(answer.headers_mut(), hsts);
        }
        answer
    }

    /// Whether the client was shown a certificate that is not for the host it asks for (RFC 9110, 15.5.20):
    /// it has no reason to believe that this is the host. Trusted peers connect as they are told to.
    fn misdirected(&self, host: &Host) -> bool {
        let shown = self.certificate.as_ref().filter(|_| !self.peer.trusted);
        shown.is_some_and(|certificate| !certificate.covers(&host.name))
    }

    /// The exchange is taken where the app answers; what those are to be told who came by https is left in
    /// `hsts`.
    async fn pass(
        &self,
        mut request: Request<Incoming>,
        host: &Host,
        id: &HeaderValue,
        exchange: &mut Option<Exchange>,
        hsts: &mut Option<HeaderValue>,
    ) -> Result<Answer, Instead> {
        if request.method() == Method::CONNECT {
            return Err(Page::NoTunnels.into());
        }
        let side = Side::Client(request.headers());
        let seen = self.core.live.look_up(&host.name, request.uri().path(), side);
        let trace = Trace::of(request.headers(), id, || self.core.ids.next());
        if let (Some(figures), Some(exchange)) = (seen.figures, exchange.as_mut()) {
            exchange.of(figures);
            if let Some(tap) = seen.tap {
                let client = self.peer.client(request.headers(), &self.core.trusted);
                let scheme = self.peer.scheme;
                let came = Came { host: &host.name, scheme, client, id, trace: &trace };
                exchange.recorded(Record::of(tap, &request, came));
            }
        }
        let (gate, place, app, keep) = (seen.gate, seen.place, seen.app, seen.keep);
        let mut asking = Asking { host, id, accepted: None, gate, place, app, keep };
        let https = self.peer.came_by_https(request.headers());
        *hsts = asking.settings(None, |set| set.hsts).filter(|_| https).and_then(|hsts| {
            // Numbers and words.
            HeaderValue::try_from(hsts.to_string()).ok()
        });
        self.admit(&asking, request.headers())?;
        if let Some(location) = self.elsewhere(&seen.found, &asking, &request) {
            return Err(Instead::Elsewhere(location));
        }
        let user = match &asking.gate {
            Some(gate) if gate.settings.maintenance => return Err(Page::Maintenance.into()),
            Some(gate) if !gate.settings.users.is_empty() => {
                // On the heap, as whatever few requests come to: all of them have room for it otherwise.
                Some(Box::pin(self.let_in(gate, request.headers())).await?)
            }
            Some(_) | None => None,
        };
        if seen.ambiguous {
            return Err(Page::BadPath.into());
        }
        // Whoever is not let in neither wakes an app nor keeps it awake.
        if let Some(sleeper) = asking.gate.as_ref().and_then(|gate| gate.sleeper.as_deref()) {
            self.core.live.asked(sleeper);
        }
        if asking.settings(true, |set| set.compress) {
            asking.accepted = Coding::accepted(request.method(), request.headers());
        }
        if let Found::Site(served) = seen.found {
            let asked = (request.method(), request.uri(), request.headers());
            return Box::pin(self.serve(&served, asked, &asking, exchange)).await;
        }
        let mut in_flight = match in_flight(seen.found) {
            Ok(in_flight) => in_flight,
            Err(why) => match Box::pin(self.wait(why, &asking)).await {
                Ok(in_flight) => in_flight,
                Err(why) => {
                    // What came meanwhile may be a site.
                    let Found::Site(served) = self.found(&asking) else { return Err(why.into()) };
                    let asked = (request.method(), request.uri(), request.headers());
                    return Box::pin(self.serve(&served, asked, &asking, exchange)).await;
                }
            },
        };
        let stays = asking.settings(false, |set| set.sticky);
        let stays = stays.then(|| headers::replica(request.headers()));
        // A site may have to answer in the place of replicas.
        let whole = asking.keep.map(|_| Box::new(request.uri().clone()));
        let upgrade = headers::asked_upgrade(request.headers());
        let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let shares =
            client.is_none() && asking.settings(false, |set| set.protocol == Protocol::H2c);
        let (mut request, progress) = self.for_app(request, &asking, trace, upgrade, user)?;
        if let (Some(progress), Some(exchange)) = (&progress, exchange.as_mut()) {
            exchange.with_body(Arc::clone(progress));
        }
        let repeatable = progress.is_none() && is_idempotent(request.method()) && client.is_none();

        let mut tried: Vec<SocketAddr> = Vec::new();
        let (mut fresh, mut repeated) = (false, false);
        for _ in 0..self.core.limits.tries {
            let now_ms = self.core.clock.now_ms();
            let Some(chosen) = in_flight.choose_for(stays.flatten(), &tried, now_ms) else {
                break;
            };
            let to = chosen.address;
            let upstream = &in_flight.upstream;
            let pooled =
                if fresh || shares { None } else { self.core.pool.take(upstream, to, !repeatable) };
            let upward = match pooled {
                Some(upward) => Ok(upward),
                None if shares => self.core.pool.share(upstream, to).await,
                None => Box::pin(self.core.pool.connect(to)).await,
            };
            let mut upward = match upward {
                Ok(upward) => upward,
                Err(error) => {
                    tracing::debug!(%to, %error, "could not connect to a replica");
                    chosen.unreachable(self.core.clock.now_ms());
                    tried.push(to);
                    // The table may have changed: a new deployment is a new chance.
                    let was = in_flight.upstream.deployment;
                    let more = in_flight.upstream.has_another(&tried, to);
                    let side = if more { Side::Same(was) } else { Side::Not(was) };
                    let now = match self.find_again(&asking, side).await {
                        Ok(now) => now,
                        Err(why) => {
                            let Some(uri) = &whole else { return Err(why.into()) };
                            let (host, place) = (&asking.host.name, asking.place.as_deref());
                            let found = self.core.live.find_at(host, place, asking.app, side);
                            let Found::Site(served) = found else { return Err(why.into()) };
                            let asked = (request.method(), &**uri, request.headers());
                            return Box::pin(self.serve(&served, asked, &asking, exchange)).await;
                        }
                    };
                    if !Arc::ptr_eq(&now.upstream, &in_flight.upstream) {
                        tried.clear();
                    }
                    in_flight = now;
                    continue;
                }
            };
            // One that was fine before may have been closed for its age. A new one that dies is the
            // replica's doing: another one may do better, once.
            let elsewhere = !repeated && in_flight.upstream.has_another(&tried, to);
            let draft = (repeatable && (upward.used || elsewhere)).then(|| Draft::of(&request));
            let within = asking.settings(None, |set| set.answer_within);
            upward.expect_answer();
            if upward.multiplexes() {
                for_http2(&mut request);
            }
            // It is large, and stays where it is made.
            let sent = {
                let sending = pin!(upward.send(request));
                self.answer_to(&mut upward, sending, progress.as_deref(), within).await
            };
            match asked(sent, &upward, progress.as_deref()) {
                Asked::Answered(response) => {
                    // The request's body goes on while the client does not take the answer, and after a
                    // switch of protocols there is none to take.
                    let sends = progress.as_ref().is_some_and(|progress| {
                        !progress.ended() || progress.bytes() > FLUSHED_BYTES
                    });
                    if sends || response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        upward.hand_over();
                    }
                    let version = in_flight.upstream.deployment;
                    chosen.answered();
                    // Once where it stays to the end.
                    let lease = Box::new(Lease { in_flight, chosen, upward, progress });
                    let Some(exchange) = exchange.take() else { return Err(Page::Busy.into()) };
                    let mut answer = self.deliver(response, lease, client, &asking, exchange)?;
                    if let Some(stays) = stays {
                        stay(&mut answer, stays, https, asking.place.as_deref());
                    }
                    if let Some(keep) = asking.keep {
                        keep.note(&mut answer, Some(version), https, asking.below());
                    }
                    return Ok(answer);
                }
                Asked::Unsent(unsent) => request = unsent,
                Asked::Died { used: true } => {
                    request = draft.and_then(Draft::request).ok_or(Page::NotAnswering)?;
                }
                Asked::Died { used: false } => {
                    chosen.failed(self.core.clock.now_ms());
                    let draft = draft.filter(|_| elsewhere).and_then(Draft::request);
                    request = draft.ok_or(Page::NotAnswering)?;
                    repeated = true;
                    tried.push(to);
                }
                Asked::Failed(page) => {
                    if page.failed() == Failed::App {
                        chosen.failed(self.core.clock.now_ms());
                    }
                    return Err(page.into());
                }
            }
            drop(upward);
            // Where one idle connection was dead, so may others be; and each choice is made by the
            // table that is in force.
            fresh = true;
            let side = Side::Same(in_flight.upstream.deployment);
            in_flight = self.find_again(&asking, side).await?;
        }
        Err(Page::NotAnswering.into())
    }

    /// Answers out of a static site.
    async fn serve(
        &self,
        served: &Served,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        asking: &Asking<'_>,
        exchange: &mut Option<Exchange>,
    ) -> Result<Answer, Instead> {
        let compress = asking.settings(true, |set| set.compress);
        let stripped = asking.place.as_ref().and_then(|place| Some((place, place.taken()?)));
        let reads = *method == Method::GET || *method == Method::HEAD;
        let bare = stripped.filter(|(place, _)| reads && place.is_bare(uri.path()));
        if let Some((_, prefix)) = bare {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            return Err(Instead::Elsewhere(format!("{prefix}/{query}")));
        }
        let seen = stripped.and_then(|(place, _)| place.seen(uri)).map(Uri::from);
        let uri = seen.as_ref().unwrap_or(uri);
        let mut answer = site::answer(served, method, uri, headers, compress).await;
        if let Some((_, prefix)) = stripped {
            site::lead_below(prefix, answer.headers_mut());
        }
        let guarded = asking.settings(false, |set| !set.users.is_empty() || !set.allow.is_empty());
        if guarded || asking.keep.is_some() && !version::is_of_both(answer.headers()) {
            site::keep_private(answer.headers_mut());
        }
        if let Some(keep) = asking.keep {
            let https = self.peer.came_by_https(headers);
            keep.note(&mut answer, served.deployment, https, asking.below());
        }
        let Some(mut exchange) = exchange.take() else { return Err(Page::Busy.into()) };
        exchange.answered(answer.status().as_u16());
        Ok(answer.map(|body| match body {
            site::Body::Whole(bytes) => ResponseBody::page(bytes, exchange),
            site::Body::File(file) => ResponseBody::file(file, exchange),
        }))
    }

    /// Whether a client may be served at all.
    fn admit(&self, asking: &Asking<'_>, headers: &HeaderMap) -> Result<(), Page> {
        let gate = asking.gate.as_ref().filter(|gate| !gate.admits_all());
        let Some(gate) = gate else { return Ok(()) };
        let client = self.peer.client(headers, &self.core.trusted);
        gate.admits(client, self.core.clock.now_ns())
    }

    /// What the place leads to by now that was found before.
    fn found(&self, asking: &Asking<'_>) -> Found {
        let (host, place) = (&asking.host.name, asking.place.as_deref());
        self.core.live.find_at(host, place, asking.app, Side::Any)
    }

    /// Where a request is sent on to, if it is.
    fn elsewhere(
        &self,
        found: &Found,
        asking: &Asking<'_>,
        request: &Request<Incoming>,
    ) -> Option<String> {
        let to = match found {
            Found::Redirect(to) => Some(&**to),
            Found::Nobody | Found::NoTable => return None,
            Found::Replicas(_)
            | Found::Site(_)
            | Found::Starting
            | Found::Stopped
            | Found::Asleep(_)
            | Found::Down => {
                let gate = asking.gate.as_ref();
                gate.and_then(|gate| gate.redirect.as_ref()).map(HostName::as_str)
            }
        };
        let https = asking.settings(Https::default(), |set| set.https);
        let leads = Leads { to, https, ports: self.core.tls.ports };
        let serves = |host: &str| self.core.tls.serves(host);
        let (uri, headers) = (request.uri(), request.headers());
        leads.elsewhere(uri, headers, asking.host, &self.peer, serves)
    }

    /// Who it is that asks, where only those pass to the app who are known.
    async fn let_in(&self, gate: &Gate, headers: &HeaderMap) -> Result<HeaderValue, Page> {
        let client = self.peer.client(headers, &self.core.trusted);
        let now = self.core.clock.now_ns();
        self.core.doorman.knows(&gate.passwords, headers, client, now).await
    }

    /// Waits for the app to start, where that is wanted and there is room. For one that sleeps it always is: who
    /// asks is the one who wakes it.
    async fn wait(&self, why: Page, asking: &Asking<'_>) -> Result<InFlight, Page> {
        let least = match why {
            Page::Waking => limits::EDGE_WAKE_WITHIN,
            Page::Starting | Page::Down => Millis(0),
            Page::BadHost
            | Page::BadBody
            | Page::BadPath
            | Page::NoTunnels
            | Page::NoSuchApp
            | Page::NoTable
            | Page::Stopped
            | Page::NotAnswering
            | Page::TimedOut
            | Page::Maintenance
            | Page::NotFromHere
            | Page::NoPassword
            | Page::TooMany(_)
            | Page::TooLarge
            | Page::Busy
            | Page::Misdirected => return Err(why),
        };
        let within = asking.settings(Millis(0), |set| set.wait).max(least);
        let Some(gate) = asking.gate.as_ref().filter(|_| within.0 > 0) else { return Err(why) };
        let Some(_place) = gate.shared.wait(self.core.limits.waiting) else { return Err(why) };
        let mut tables = self.core.live.tables();
        let waiting = async {
            loop {
                tables.mark_unchanged();
                match self.found(asking) {
                    Found::Starting | Found::Down => {}
                    Found::Asleep(sleeper) => self.core.live.want(&sleeper),
                    Found::Site(_) => return Err(why),
                    other @ (Found::Replicas(_)
                    | Found::Stopped
                    | Found::Redirect(_)
                    | Found::Nobody
                    | Found::NoTable) => return in_flight(other),
                }
                if tables.changed().await.is_err() {
                    return Err(why);
                }
            }
        };
        let within = Duration::from_millis(within.0);
        match tokio::time::timeout(within, waiting).await {
            Ok(found) => {
                // However long it took: it is being asked for now.
                if let Some(sleeper) = &gate.sleeper {
                    self.core.live.asked(sleeper);
                }
                found
            }
            // What could not be woken may be known to be down by now.
            Err(_over) => self.find(asking, Side::Any),
        }
    }

    /// What there is by now for a request that is on its way to an app; one that has fallen asleep since is woken.
    async fn find_again(&self, asking: &Asking<'_>, side: Side<'_>) -> Result<InFlight, Page> {
        match self.find(asking, side) {
            Err(Page::Waking) => Box::pin(self.wait(Page::Waking, asking)).await,
            found @ (Ok(_) | Err(_)) => found,
        }
    }

    fn find(&self, asking: &Asking<'_>, side: Side<'_>) -> Result<InFlight, Page> {
        let (host, place) = (&asking.host.name, asking.place.as_deref());
        in_flight(self.core.live.find_at(host, place, asking.app, side))
    }

    /// Writes a client's request anew for the app.
    fn for_app(
        &self,
        request: Request<Incoming>,
        asking: &Asking<'_>,
        trace: Trace,
        upgrade: Option<HeaderValue>,
        user: Option<HeaderValue>,
    ) -> Result<(Request<RequestBody>, Option<Arc<Progress>>), Page> {
        let (mut head, body) = request.into_parts();
        if !headers::one_length(&mut head.headers) {
            return Err(Page::BadBody);
        }
        let seen = asking.place.as_ref().and_then(|place| place.seen(&head.uri));
        let path = seen.or(head.uri.into_parts().path_and_query).ok_or(Page::BadHost)?;
        head.uri = Uri::from(path);
        if head.version == Version::HTTP_2 {
            headers::join_cookies(&mut head.headers);
        }
        head.version = Version::HTTP_11;
        let id = asking.id.clone();
        headers::to_app(&mut head.headers, &self.peer, asking.host, upgrade, id);
        trace.note(&mut head.headers);
        if let Some(prefix) = asking.place.as_ref().and_then(|place| place.taken()) {
            headers::note_prefix(&mut head.headers, prefix);
        }
        if let Some(user) = user {
            headers::note_user(&mut head.headers, user);
        }
        if body.is_end_stream() {
            return Ok((Request::from_parts(head, RequestBody::Empty), None));
        }
        let most = asking.settings(None, |set| set.body_bytes).unwrap_or(u64::MAX);
        if body.size_hint().lower() > most {
            return Err(Page::TooLarge);
        }
        if !head.headers.contains_key(CONTENT_LENGTH) {
            // Otherwise hyper would take a GET for one without body.
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let connection = Arc::clone(&self.connection);
        let progress = Arc::new(Progress::new(connection, self.core.clock, most));
        let body = RequestBody::Stream(body, Arc::clone(&progress));
        Ok((Request::from_parts(head, body), Some(progress)))
    }

    /// Waits for the head of the answer to what is sent; none where that takes too long.
    async fn answer_to(
        &self,
        upward: &mut Upward,
        mut sending: Pin<&mut impl Future<Output = Sent>>,
        progress: Option<&Progress>,
        within: Option<Millis>,
    ) -> Option<Sent> {
        let start = self.core.clock.now_ms();
        let limit = within.map_or(millis(self.core.limits.answer_within), |within| within.0);
        let timed = self.connection.times(limit, &self.core.limits);
        let mut timer = (!timed).then(|| Box::pin(sleep(Duration::from_millis(limit))));
        let answer = poll_fn(|cx| {
            loop {
                // However much the task has done by now: what puts an answer off that is there would wake
                // nobody, as it is the connection that does.
                let mut there = unconstrained(sending.as_mut());
                let polled = upward.poll(cx, |cx| Pin::new(&mut there).poll(cx));
                if let Poll::Ready(answer) = polled {
                    return Poll::Ready(Some(answer));
                }
                // A long upload is no silence of the app.
                let since = progress.map_or(start, |progress| start.max(progress.last_ms()));
                let (by, now) = (since.saturating_add(limit), self.core.clock.now_ms());
                if by <= now {
                    return Poll::Ready(None);
                }
                let Some(timer) = &mut timer else {
                    self.connection.answer_by(by);
                    return Poll::Pending;
                };
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                *timer = Box::pin(sleep(Duration::from_millis(by.saturating_sub(now))));
            }
        });
        let answer = answer.await;
        self.connection.answer_by(0);
        answer
    }

    /// Hands an app's answer to the client; a switch of protocols ends the exchange and joins the
    /// two connections.
    fn deliver(
        &self,
        mut response: Response<Incoming>,
        lease: Box<Lease>,
        client: Option<OnUpgrade>,
        asking: &Asking<'_>,
        mut exchange: Exchange,
    ) -> Result<Answer, Page> {
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        headers::to_client(response.headers_mut(), upgraded);
        *response.version_mut() = Version::HTTP_11;
        exchange.served(lease.in_flight.upstream.deployment, lease.chosen.address);
        exchange.answered(response.status().as_u16());
        if !upgraded {
            let squeezer = if asking.settings(true, |set| set.compress) {
                let length = response.body().size_hint().exact();
                compress::begin(&mut response, asking.accepted, length, &self.core.compressing)
            } else {
                None
            };
            return Ok(response.map(|body| ResponseBody::app(body, lease, squeezer, exchange)));
        }
        // An app that switches without having been asked to is not speaking HTTP.
        let client = client.ok_or(Page::NotAnswering)?;
        let app = hyper::upgrade::on(&mut response);
        let to = lease.chosen.address;
        let half_open = self.core.limits.half_open;
        let connection = Arc::clone(&self.connection);
        tunnel::join(client, app, to, half_open, (lease, connection));
        Ok(response.map(|_| ResponseBody::page(Bytes::new(), exchange)))
    }

    fn probe(&self, exchange: Exchange) -> Answer {
        let probe = serde_json::json!({
            "edge": self.core.edge,
            "revision": self.core.live.revision(),
        });
        let body = Bytes::from(format!("{probe}\n"));
        let mut answer = Response::new(ResponseBody::page(body, exchange));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        answer
    }

    fn figures(&self, exchange: Exchange) -> Answer {
        let body = Bytes::from(scrape::text(&self.core.live, &self.core.tls));
        let mut answer = Response::new(ResponseBody::page(body, exchange));
        let kind = HeaderValue::from_static(figures::MEDIA_TYPE);
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }
}

/// What came of a request. `sent` is none where no answer came in time.
fn asked(sent: Option<Sent>, upward: &Upward, progress: Option<&Progress>) -> Asked {
    let mut error = match sent {
        Some(Ok(response)) => return Asked::Answered(response),
        Some(Err(error)) => error,
        None => return Asked::Failed(Page::TimedOut),
    };
    if let Some(unsent) = error.take_message() {
        return Asked::Unsent(unsent);
    }
    if progress.is_some_and(Progress::too_large) {
        return Asked::Failed(Page::TooLarge);
    }
    if progress.is_some_and(Progress::failed) {
        return Asked::Failed(Page::BadBody);
    }
    if !upward.answered() {
        return Asked::Died { used: upward.used };
    }
    tracing::debug!(error = %error.into_error(), "a replica broke off before its answer");
    Asked::Failed(Page::NotAnswering)
}

/// A page of the edge's own.
fn page(shown: Page, form: Form, host: &str, id: HeaderValue, mut exchange: Exchange) -> Answer {
    let (status, headers, body) = shown.write(form, host, id.to_str().unwrap_or_default());
    exchange.answered(status.as_u16());
    exchange.failed(shown.failed().into());
    let mut answer = Response::new(ResponseBody::page(body, exchange));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    headers::note_request_id(answer.headers_mut(), id);
    answer
}

/// An answer of the edge's own that is no page.
fn plain(answer: Response<Bytes>, mut exchange: Exchange) -> Answer {
    exchange.answered(answer.status().as_u16());
    answer.map(|body| ResponseBody::page(body, exchange))
}

/// Has a client stay with the replica that answered, where it does not so already.
fn stay(answer: &mut Answer, said: Option<u64>, https: bool, place: Option<&Place>) {
    let token = answer.body().chosen().and_then(Chosen::token);
    if let Some(token) = token.filter(|token| said != Some(*token)) {
        // Each app at a host has its own.
        let path = place.map_or("/", |place| place.prefix.as_str());
        headers::stay_with(answer.headers_mut(), token, https, path);
    }
}

fn in_flight(found: Found) -> Result<InFlight, Page> {
    match found {
        Found::Replicas(in_flight) => Ok(in_flight),
        Found::Starting => Err(Page::Starting),
        Found::Asleep(_) => Err(Page::Waking),
        Found::Stopped => Err(Page::Stopped),
        // One that began to be sent on while its request was under way gets the redirect next time.
        Found::Down | Found::Redirect(_) => Err(Page::Down),
        // As does one whose app became a site meanwhile.
        Found::Site(_) => Err(Page::NotAnswering),
        Found::Nobody => Err(Page::NoSuchApp),
        Found::NoTable => Err(Page::NoTable),
    }
}

/// Writes a request that is written for HTTP/1.1 so that it can go over HTTP/2.
fn for_http2(request: &mut Request<RequestBody>) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONNECTION);
    // It was written before where it comes back unsent.
    let Some(host) = headers.remove(HOST) else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Authority::from_maybe_shared(Bytes::copy_from_slice(host.as_bytes())).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Whether a request that may have been acted upon does no harm when it comes again.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE]
        .contains(method)
}
