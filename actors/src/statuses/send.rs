//! One request to a provider's API: with its token, a few times where it does not answer, and never
//! for long.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use hyper_rustls::ConfigBuilderExt as _;
use hythe_core::hook::Provider;
use hythe_core::hook::status::{self, ApiRequest};
use hythe_core::repository::Scheme;
use reqwest::{RequestBuilder, StatusCode};
use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::{Due, Token};
use crate::control::Control;
use crate::sealing;

/// How long a connection may take to come about, and a whole request.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried again, and the first wait; each further one is twice as long.
const AGAIN: usize = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What is read of an answer, in bytes, and shown of it, in characters.
const MOST_ANSWER: usize = 4 * 1024;
const MOST_SHOWN: usize = 200;
/// Who Bitbucket says that a repository's access token belongs to.
const BITBUCKET_TOKEN: &str = "x-token-auth";

/// Sends. Its client is made when it is first needed, and shared by all clones.
#[derive(Clone, Debug, Default)]
pub(super) struct Sender(Arc<OnceLock<reqwest::Client>>);

/// What came of one try.
enum Attempt {
    /// It may go better the next time.
    Transient(String),
    /// It will not.
    Refused(String),
}

impl Attempt {
    fn why(self) -> String {
        match self {
            Self::Transient(why) | Self::Refused(why) => why,
        }
    }
}

impl Sender {
    /// Tells a provider.
    ///
    /// # Errors
    /// Why it was not told, for people, and what to do.
    pub(super) async fn send(&self, control: &Control, due: &Due) -> Result<(), String> {
        let repository = &due.repository;
        let Some(token) = &due.token else {
            return Err(format!(
                "there is no token for this repository; give one that may write statuses: hythe \
                 source token set {} --username USER --password-stdin",
                repository.host
            ));
        };
        if due.api.as_str().starts_with("http://") && repository.scheme != Scheme::Http {
            return Err(format!(
                "{} is not encrypted, and everybody on the way could read the token; name its \
                 https:// address",
                due.api
            ));
        }
        let to = (due.provider, &due.api);
        let request = status::request(to, repository, &due.status, due.page.as_deref());
        let request = request.ok_or_else(|| match (due.provider, &due.page) {
            (Provider::Bitbucket, None) => {
                "Bitbucket wants a page to link to; say where this server is reached: hythe address \
                 set https://HOST"
                    .to_owned()
            }
            (provider, _) => format!("{} is no repository of {provider}'s", repository.path),
        })?;
        let value = value(control, token)?;
        let client = self.client()?;
        let ask = || async { answer(&client, due.provider, &request, token, &value).await };
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_times(AGAIN)
            .with_jitter();
        let transient = |attempt: &Attempt| matches!(attempt, Attempt::Transient(_));
        ask.retry(waits).when(transient).await.map_err(Attempt::why)
    }

    fn client(&self) -> Result<reqwest::Client, String> {
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
        .build()
        .map_err(|error| failed(&error))
}

fn value(control: &Control, token: &Token) -> Result<Zeroizing<String>, String> {
    let (journal, scope) = (control.journal(), control.installation().uuid());
    let value = sealing::value(journal, scope, &token.prefix.secret(), token.version);
    let gone =
        || format!("the token is gone; give it again: hythe source token set {}", token.prefix);
    value.map_err(|error| error.to_string())?.map(Zeroizing::new).ok_or_else(gone)
}

async fn answer(
    client: &reqwest::Client,
    provider: Provider,
    request: &ApiRequest,
    token: &Token,
    value: &str,
) -> Result<(), Attempt> {
    let mut asked = client.post(&request.url).json(&request.body);
    for (name, value) in &request.headers {
        asked = asked.header(*name, *value);
    }
    let asked = signed(asked, provider, &token.user, value);
    let mut answer =
        asked.send().await.map_err(|error| Attempt::Transient(plain(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        text.extend_from_slice(&chunk);
        if text.len() >= MOST_ANSWER {
            break;
        }
    }
    text.truncate(MOST_ANSWER);
    let said = said(&String::from_utf8_lossy(&text));
    // It is in that state already: GitLab has no word for saying it again.
    if provider == Provider::GitLab
        && status == StatusCode::BAD_REQUEST
        && said.contains("Cannot transition status")
    {
        return Ok(());
    }
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; may the token write statuses?",
        StatusCode::NOT_FOUND => "; may the token see this repository, and is the commit there?",
        _ => "",
    };
    let colon = if said.is_empty() { "" } else { ": " };
    let why = format!("{provider} answered {}{colon}{said}{hint}", status.as_u16());
    if status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    {
        Err(Attempt::Transient(why))
    } else {
        Err(Attempt::Refused(why))
    }
}

/// Adds who asks, in the way of the provider.
fn signed(request: RequestBuilder, provider: Provider, user: &str, token: &str) -> RequestBuilder {
    match provider {
        Provider::GitHub => request.bearer_auth(token),
        Provider::GitLab => request.header("private-token", token),
        Provider::Gitea => request.header("authorization", format!("token {token}")),
        Provider::Bitbucket if user == BITBUCKET_TOKEN => request.bearer_auth(token),
        Provider::Bitbucket => request.basic_auth(user, Some(token)),
    }
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

/// What an answer says of an error: its message where it is JSON that has one.
fn said(text: &str) -> String {
    let message = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| {
        let at = |pointer: &str| value.pointer(pointer).map(ToString::to_string);
        at("/message").or_else(|| at("/error/message")).or_else(|| at("/error"))
    });
    let text = message.unwrap_or_else(|| text.to_owned());
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_matches('"').chars().map(shown).take(MOST_SHOWN).collect()
}
