//! The HTTP client: the public API and nothing else.
//!
//! Every write carries an idempotency key, so that it can be sent again when a connection breaks
//! off in the middle: it takes effect once. A server that is not there at the first request is
//! told at once; one that goes away later is waited for, within a bound.

use std::io::Seek as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use url::Url;
use uuid::Uuid;

use super::failure::{Exit, Failure, Outcome};
use super::target::{Target, is_local};
use crate::api::problem::Problem;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long the answer to something that takes its time may take: a little longer than the server
/// gives it.
const LONG_ANSWER_WITHIN: Duration = Duration::from_secs(11 * 60);
/// How long something long may take.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a server that was there may be away while a command waits for it.
pub const AWAY_WITHIN: Duration = Duration::from_secs(120);
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// The longest that a server may ask to wait.
const MOST_RETRY_AFTER: u64 = 30;
/// How much of an answer is read.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// Who to ask, and as whom.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    base: Url,
    token: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Client {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// The URL or the token cannot be used.
    pub fn new(target: &Target) -> Outcome<Self> {
        let base = target.base()?;
        let token = target.token(&base)?;
        let tls = target.tls(&base)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hythe/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .tls_backend_preconfigured(tls.clone())
            // The token goes to the server that was named, and to no other.
            .redirect(reqwest::redirect::Policy::none());
        if is_local(&base) {
            // No proxy of the environment stands between a machine and itself.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| Failure::of(&e))?;
        Ok(Self { http, tls: Arc::new(tls), base, token })
    }

    /// The server's URL.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Who is trusted.
    #[must_use]
    pub fn tls(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// The token, where there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The address of an operation; every part is one segment, whatever characters it has.
    ///
    /// # Errors
    /// Never with a URL that [`Client::new`] took.
    pub fn address(&self, path: &[&str], query: &[(&str, String)]) -> Outcome<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage("the server's URL cannot have a path"))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Reads something.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Outcome<T> {
        let url = self.address(path, query)?;
        self.send(Method::GET, url, None, Patience::OnceReached, ANSWER_WITHIN).await
    }

    /// Reads or writes something that takes the server minutes; a write as [`Client::write`] does.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn ask_long<T: DeserializeOwned>(&self, method: Method, path: &[&str]) -> Outcome<T> {
        let url = self.address(path, &[])?;
        self.send(method, url, None, Patience::OnceReached, LONG_ANSWER_WITHIN).await
    }

    /// Reads something from a server that was there a moment ago and may be restarting.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_patiently<T: DeserializeOwned>(&self, path: &[&str]) -> Outcome<T> {
        let url = self.address(path, &[])?;
        self.send(Method::GET, url, None, Patience::Always, ANSWER_WITHIN).await
    }

    /// Writes something, once, however often it has to be sent.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
        patience: Patience,
    ) -> Outcome<T> {
        let url = self.address(path, &[])?;
        let body = serde_json::to_vec(body).map_err(|e| Failure::of(&e))?;
        self.send(method, url, Some(body), patience, ANSWER_WITHIN).await
    }

    /// Asks for something to be done, once, as [`Client::write`] does.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Outcome<T> {
        self.write(Method::POST, path, body, Patience::OnceReached).await
    }

    /// Asks for something long to be made, to be read piece by piece. It is asked for once, and not
    /// again where that fails: so it needs no key.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn download(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Outcome<reqwest::Response> {
        let url = self.address(path, &[])?;
        let body = serde_json::to_vec(body).map_err(|e| Failure::of(&e))?;
        let request = self.http.post(url).header(header::CONTENT_TYPE, "application/json");
        self.stream(request.body(body)).await
    }

    /// Reads something long, piece by piece.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn read_long(&self, path: &[&str]) -> Outcome<reqwest::Response> {
        self.stream(self.http.get(self.address(path, &[])?)).await
    }

    async fn stream(&self, request: reqwest::RequestBuilder) -> Outcome<reqwest::Response> {
        let mut request = request.timeout(DOWNLOAD_WITHIN);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| self.not_there(&chain(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = read(answer).await.map_err(|why| self.not_there(&why))?;
        self.understand::<serde::de::IgnoredAny>(status, &bytes)?;
        Err(self.not_there("it answers what nobody asked for"))
    }

    /// Sends a file, from its beginning, again where the way to the server broke off: it is the same
    /// however often it is sent.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        file: &std::fs::File,
        bytes: u64,
    ) -> Outcome<T> {
        let url = self.address(path, &[])?;
        let key = Uuid::now_v7().to_string();
        let until = Instant::now() + AWAY_WITHIN;
        loop {
            let again = file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
            let file = tokio::fs::File::from_std(again.map_err(|e| Failure::of(&e))?);
            let mut request = self.http.put(url.clone()).timeout(DOWNLOAD_WITHIN);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let request = request
                .header("idempotency-key", &key)
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_LENGTH, bytes)
                .body(reqwest::Body::from(file));
            let (wait, why) = match self.attempt(request).await {
                Attempt::Done(answer) => return answer.map_err(|failure| *failure),
                Attempt::Busy(wait) => (wait, "it is too busy".to_owned()),
                Attempt::Lost(failure) => (TRY_AGAIN, failure.message),
            };
            if Instant::now() + wait >= until {
                return Err(self.not_there(&why));
            }
            sleep(wait).await;
        }
    }

    /// Removes something.
    ///
    /// # Errors
    /// The server was not reached, or said no.
    pub async fn delete(&self, path: &[&str], query: &[(&str, String)]) -> Outcome {
        let url = self.address(path, query)?;
        let patience = Patience::OnceReached;
        self.send::<serde::de::IgnoredAny>(Method::DELETE, url, None, patience, ANSWER_WITHIN)
            .await?;
        Ok(())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        patience: Patience,
        within: Duration,
    ) -> Outcome<T> {
        let key = Uuid::now_v7().to_string();
        let until = Instant::now() + AWAY_WITHIN.max(within);
        let mut reached = patience == Patience::Always;
        loop {
            let mut request = self.http.request(method.clone(), url.clone()).timeout(within);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            if method != Method::GET {
                request = request.header("idempotency-key", &key);
            }
            if let Some(body) = &body {
                request =
                    request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
            }
            let wait = match self.attempt(request).await {
                Attempt::Done(answer) => return answer.map_err(|failure| *failure),
                Attempt::Busy(wait) => wait,
                Attempt::Lost(failure) => {
                    // Refused at once and never reached: nobody is there, and waiting is no help.
                    if !reached && failure.refused {
                        return Err(self.not_there(&failure.message));
                    }
                    if Instant::now() >= until {
                        return Err(self.not_there(&failure.message));
                    }
                    TRY_AGAIN
                }
            };
            reached = true;
            if Instant::now() + wait >= until {
                return Err(self.not_there("it is too busy"));
            }
            sleep(wait).await;
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Attempt<T> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let refused = error.is_connect() || error.is_builder();
                return Attempt::Lost(Lost { refused, message: chain(&error) });
            }
        };
        let status = answer.status();
        let wait = retry_after(answer.headers());
        let bytes = match read(answer).await {
            Ok(bytes) => bytes,
            Err(message) => return Attempt::Lost(Lost { refused: false, message }),
        };
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
            && let Some(wait) = wait
        {
            return Attempt::Busy(wait);
        }
        if says_that_nobody_answers(status) && serde_json::from_slice::<Problem>(&bytes).is_err() {
            let message = format!("what is in front of it says {status}");
            return Attempt::Lost(Lost { refused: true, message });
        }
        Attempt::Done(self.understand(status, &bytes).map_err(Box::new))
    }

    fn understand<T: DeserializeOwned>(&self, status: StatusCode, bytes: &[u8]) -> Outcome<T> {
        if status.is_success() {
            let bytes = if bytes.is_empty() { b"null" } else { bytes };
            return serde_json::from_slice(bytes).map_err(|error| self.no_hythe(status, &error));
        }
        match serde_json::from_slice::<Problem>(bytes) {
            Ok(problem) => Err(self.refused(status, &problem)),
            Err(error) => Err(self.no_hythe(status, &error)),
        }
    }

    fn refused(&self, status: StatusCode, problem: &Problem) -> Failure {
        let failure = Failure {
            exit: exit_of(status),
            message: problem.detail.clone(),
            hint: None,
            problem: problem.problem_type.rsplit('/').next().map(str::to_owned),
        };
        if status != StatusCode::UNAUTHORIZED {
            return failure;
        }
        let hint = if self.token.is_some() {
            "give the right one as HYTHE_TOKEN or with --token-file"
        } else {
            "give the owner token: HYTHE_TOKEN, or --token-file DIR/owner.token where DIR is the \
             data folder of the server"
        };
        failure.hint(hint)
    }

    fn no_hythe(&self, status: StatusCode, error: &serde_json::Error) -> Failure {
        Failure::unreachable(format!(
            "what answers at {} is no Hythe of this version (status {status}; {error})",
            self.base
        ))
        .hint("check HYTHE_URL: it is the address of the gateway, not of an app")
    }

    fn not_there(&self, why: &str) -> Failure {
        if why.contains("certificate") {
            return Failure::unreachable(format!("{} is not trusted: {why}", self.base)).hint(
                "if its certificate is of an authority of your own, name that with --ca-file FILE \
                 or HYTHE_CA_FILE",
            );
        }
        Failure::unreachable(format!("no answer from {}: {why}", self.base)).hint(
            "is `hythe up` running? For a server elsewhere, set HYTHE_URL to its address \
             (such as http://127.0.0.1:7070) and HYTHE_TOKEN to its owner token",
        )
    }

    /// What to say of a WebSocket that does not come about.
    pub(super) fn socket_refused(&self, status: StatusCode, bytes: &[u8]) -> Failure {
        match self.understand::<serde_json::Value>(status, bytes) {
            Err(failure) => failure,
            Ok(_) => self.not_there("it does not speak WebSocket"),
        }
    }

    pub(super) fn away(&self, why: &str) -> Failure {
        self.not_there(why)
    }
}

/// Whether to wait for a server that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Only after it was reached.
    OnceReached,
    /// It was there a moment ago.
    Always,
}

enum Attempt<T> {
    Done(Result<T, Box<Failure>>),
    Busy(Duration),
    Lost(Lost),
}

struct Lost {
    refused: bool,
    message: String,
}

/// Whether a proxy may answer so for a server that is away just now.
fn says_that_nobody_answers(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Which exit code an answer means.
fn exit_of(status: StatusCode) -> Exit {
    match status.as_u16() {
        400 | 405 | 413 | 415 | 421 | 422 => Exit::Usage,
        401 | 403 | 429 | 503 | 504 => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| chain(&e))? {
        if bytes.len() + chunk.len() > MOST_BODY {
            return Err("the answer is too long".into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, MOST_RETRY_AFTER)))
}

/// The innermost cause says what happened ("connection refused"); the outer ones repeat the URL.
fn chain(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_address_stays_one_segment() {
        let target = Target {
            url: "http://a:1/base/".into(),
            token: None,
            token_file: None,
            ca_file: None,
            data: "/nonexistent".into(),
        };
        let client = Client::new(&target).unwrap();
        let url = client.address(&["apps", "../x?y"], &[("cursor", "a&b".into())]).unwrap();
        assert_eq!(url.as_str(), "http://a:1/base/api/v1/apps/..%2Fx%3Fy?cursor=a%26b");
    }

    /// Answers one connection after the other with these.
    async fn server(answers: &'static [&'static str]) -> Client {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = vec![0; 4_096];
                assert!(stream.read(&mut asked).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let target = Target {
            url,
            token: None,
            token_file: None,
            ca_file: None,
            data: "/nonexistent".into(),
        };
        Client::new(&target).unwrap()
    }

    #[tokio::test]
    async fn a_proxy_that_finds_nobody_is_asked_again_once_somebody_was_there() {
        const NOBODY: &str =
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlost";
        const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ntrue";
        let client = server(&[NOBODY, NOBODY, FINE]).await;
        assert!(client.get_patiently::<bool>(&["deployments"]).await.unwrap());
        let client = server(&[NOBODY]).await;
        let failure = client.get::<bool>(&["apps"], &[]).await.unwrap_err();
        assert!(failure.message.contains("502"), "{}", failure.message);
        assert_eq!(failure.exit, Exit::Unreachable);
    }

    #[test]
    fn answers_have_their_exit_codes() {
        for (status, exit) in [
            (400, Exit::Usage),
            (401, Exit::Unreachable),
            (403, Exit::Unreachable),
            (404, Exit::Failed),
            (409, Exit::Failed),
            (422, Exit::Usage),
            (500, Exit::Failed),
            (503, Exit::Unreachable),
        ] {
            assert_eq!(exit_of(StatusCode::from_u16(status).unwrap()), exit, "{status}");
        }
    }
}
