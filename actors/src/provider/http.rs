//! How a provider's API is reached: with bounds on everything, to no server that it sends on to, and to no
//! address that no provider has, whatever a name stands for.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use hyper_rustls::ConfigBuilderExt as _;
use hythe_core::hook::status::{ApiMethod, ApiRequest};
use hythe_core::reach::is_off_limits;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::ClientConfig;
use serde_json::Value;
use url::{Host, Url};

use super::Refused;
use crate::clock::Clock;

/// How long a connection may take to come about, and a whole request.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The first wait before it is tried again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long GitHub wants to be left alone where it says that it was asked too often, and not until when; in
/// seconds.
const UNSAID: u64 = 60;
/// What is read of an answer that refuses, in bytes, and shown of that, in characters.
const MOST_REFUSAL: usize = 4 * 1024;
const MOST_SHOWN: usize = 200;

/// A client that is made when it is first needed, and shared by all clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client(Arc<OnceLock<reqwest::Client>>);

impl Client {
    fn get(&self) -> Result<reqwest::Client, String> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = client()?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}

fn client() -> Result<reqwest::Client, String> {
    let failed = |error: &dyn std::fmt::Display| format!("TLS cannot be used here: {error}");
    let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_native_roots()
        .map_err(|error| failed(&error))?
        .with_no_client_auth();
    reqwest::Client::builder()
        .user_agent(concat!("hythe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(Resolver))
        .build()
        .map_err(|error| failed(&error))
}

/// The system's own, but for the addresses that are off limits.
#[derive(Debug)]
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let there = found.len();
            let fine = found.into_iter().filter(|address| !is_off_limits(address.ip()));
            let fine: Vec<_> = fine.collect();
            if fine.is_empty() && there > 0 {
                let why = format!("{} stands for an address that no provider has", name.as_str());
                return Err(std::io::Error::other(why).into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

/// What came of one try.
pub(crate) enum Attempt {
    /// It may go better the next time.
    Transient(Refused),
    /// It will not.
    Refused(Refused),
}

impl Attempt {
    pub(crate) fn refused(self) -> Refused {
        match self {
            Self::Transient(refused) => Refused { transient: true, ..refused },
            Self::Refused(refused) => refused,
        }
    }

    /// Of an answer that is no success.
    pub(crate) fn of(answer: &Answer, why: String) -> Self {
        let (status, wait) = (answer.status, answer.wait);
        let why = match wait {
            Some(wait) => format!("{why}; it says to ask again in {} s", wait.as_secs()),
            None => why,
        };
        let refused = Refused { status: Some(status.as_u16()), wait, ..Refused::from(why) };
        if wait.is_some()
            || status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        {
            Self::Transient(refused)
        } else {
            Self::Refused(refused)
        }
    }

    const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Transient(refused) | Self::Refused(refused) => refused.wait,
        }
    }
}

impl From<String> for Attempt {
    fn from(why: String) -> Self {
        Self::Refused(Refused::from(why))
    }
}

/// Tries, and so many times again where it may go better. Where a provider says when to ask again, it is not
/// asked before, and not at all where that takes more than `patience` in all.
pub(crate) async fn tried<T, F: Future<Output = Result<T, Attempt>>>(
    again: usize,
    patience: Duration,
    ask: impl FnMut() -> F,
) -> Result<T, Refused> {
    let waits = ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_max_times(again)
        .with_jitter();
    let transient = |attempt: &Attempt| matches!(attempt, Attempt::Transient(_));
    let mut left = patience;
    let as_asked = |attempt: &Attempt, usual: Option<Duration>| {
        let usual = usual?;
        let Some(wait) = attempt.wait() else { return Some(usual) };
        left = left.checked_sub(wait)?;
        Some(usual.max(wait))
    };
    ask.retry(waits).when(transient).adjust(as_asked).await.map_err(Attempt::refused)
}

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long it wants not to be asked; none where it says nothing of that.
    pub(crate) wait: Option<Duration>,
    /// As much as was read.
    text: Vec<u8>,
    /// Whether that is all.
    whole: bool,
}

impl Answer {
    /// It as JSON. None where it says nothing, too much, or no JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.text).ok().filter(|_| self.whole)
    }

    /// Whether it said more than is read.
    pub(crate) const fn is_cut(&self) -> bool {
        !self.whole
    }

    /// What it says of an error: its message where it is JSON that has one.
    pub(crate) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|value| {
            let at = |pointer: &str| value.pointer(pointer).map(ToString::to_string);
            at("/message").or_else(|| at("/error/message")).or_else(|| at("/error"))
        });
        let text = message.unwrap_or_else(|| text.into_owned());
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        text.trim_matches('"').chars().map(shown).take(MOST_SHOWN).collect()
    }
}

/// Asks once, and reads no more than `most` bytes of the answer.
pub(crate) async fn once(
    client: &Client,
    request: &ApiRequest,
    sign: impl FnOnce(RequestBuilder) -> RequestBuilder,
    most: usize,
) -> Result<Answer, Attempt> {
    let url = Url::parse(&request.url).map_err(|error| format!("{}: {error}", request.url))?;
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(address) = address.filter(|address| is_off_limits(*address)) {
        return Err(format!("{address} is an address that no provider has").into());
    }
    let method = match request.method {
        ApiMethod::Get => Method::GET,
        ApiMethod::Post => Method::POST,
        ApiMethod::Put => Method::PUT,
        ApiMethod::Patch => Method::PATCH,
    };
    let mut asked = client.get()?.request(method, url);
    if !request.body.is_null() {
        asked = asked.json(&request.body);
    }
    for (name, value) in &request.headers {
        asked = asked.header(*name, *value);
    }
    let unanswered =
        |error: reqwest::Error| Attempt::Transient(Refused::from(plain(&error.without_url())));
    let mut answer = sign(asked).send().await.map_err(unanswered)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let most = if status.is_success() { most } else { MOST_REFUSAL };
    let (mut text, mut whole) = (Vec::new(), false);
    while text.len() <= most {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => {
                whole = true;
                break;
            }
            Err(error) if status.is_success() => return Err(unanswered(error)),
            Err(_) => break,
        }
    }
    whole &= text.len() <= most;
    text.truncate(most);
    let wait = wait(status, &headers, &text, Clock::system().now().0 / 1_000);
    Ok(Answer { status, wait, text, whole })
}

/// How long a provider wants not to be asked, where it says so. GitHub refuses what is asked too often with 403,
/// as it refuses what is not allowed. `now` is in seconds since the Unix epoch.
fn wait(status: StatusCode, headers: &HeaderMap, text: &[u8], now: u64) -> Option<Duration> {
    let refuses =
        [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if !refuses.contains(&status) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let spent = number("x-ratelimit-remaining") == Some(0);
    let reset = || number("x-ratelimit-reset").filter(|_| spent);
    let until_reset = || reset().map(|at| at.saturating_sub(now).max(1));
    let said = || String::from_utf8_lossy(text).to_ascii_lowercase().contains("rate limit");
    let unsaid = || (status == StatusCode::FORBIDDEN && said()).then_some(UNSAID);
    let seconds = number("retry-after").or_else(until_reset).or_else(unsaid)?;
    Some(Duration::from_secs(seconds))
}

/// An error and what caused it, in one line.
fn plain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(url: &str) -> String {
        let request = ApiRequest {
            method: ApiMethod::Get,
            url: url.into(),
            headers: Vec::new(),
            body: Value::Null,
        };
        match once(&Client::default(), &request, |request| request, 100).await {
            Ok(answer) => format!("{}", answer.status),
            Err(attempt) => attempt.refused().why,
        }
    }

    #[tokio::test]
    async fn no_address_that_no_provider_has_is_asked_however_it_is_written() {
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/latest",
            "http://0xa9fea9fe/latest",
            "http://[fe80::1]/x",
            "http://[::ffff:169.254.169.254]/x",
            "http://0.0.0.0:1/x",
        ] {
            assert!(asked(url).await.contains("that no provider has"), "{url}");
        }
    }

    #[test]
    fn when_to_ask_again_is_read_as_providers_say_it() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            let pair = |(name, value): &(&'static str, &str)| {
                (name.parse().unwrap(), value.parse().unwrap())
            };
            pairs.iter().map(pair).collect()
        };
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")];
        let left = [("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1030")];
        let limited = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        for (status, pairs, text, wait) in [
            (429, &[("retry-after", "5")][..], "", Some(5)),
            (403, &[("retry-after", "60")], limited, Some(60)),
            (503, &[("retry-after", "2")], "", Some(2)),
            (403, &spent, "{}", Some(30)),
            (429, &spent, "{}", Some(30)),
            (403, &left, r#"{"message":"Must have admin rights"}"#, None),
            (403, &[], limited, Some(UNSAID)),
            (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], "", None),
            (404, &[("retry-after", "5")], limited, None),
            (201, &spent, "{}", None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let found = super::wait(status, &headers(pairs), text.as_bytes(), 1_000);
            assert_eq!(found, wait.map(Duration::from_secs), "{status} {pairs:?} {text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_asked_again_before_it_wants_to_be() {
        let begun = tokio::time::Instant::now();
        let limited = |seconds: u64| {
            let wait = Some(Duration::from_secs(seconds));
            let status = StatusCode::FORBIDDEN;
            let answer = Answer { status, wait, text: Vec::new(), whole: true };
            Attempt::of(&answer, "github answered 403".into())
        };
        let mut times = 0;
        let ask = || {
            times += 1;
            let done = if times == 1 { Err(limited(50)) } else { Ok(times) };
            async move { done }
        };
        assert_eq!(tried(4, Duration::from_secs(60), ask).await.unwrap(), 2);
        assert!(begun.elapsed() >= Duration::from_secs(50), "{:?}", begun.elapsed());

        let mut times = 0;
        let ask = || {
            times += 1;
            let refused = limited(50);
            async move { Err::<(), _>(refused) }
        };
        let refused = tried(4, Duration::from_secs(60), ask).await.unwrap_err();
        assert_eq!(times, 2, "a second fifty seconds are too much");
        assert!(refused.why.ends_with("it says to ask again in 50 s"), "{}", refused.why);
    }
}
