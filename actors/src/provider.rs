//! One request to a provider's API: with its token, a few times where it does not answer, and never
//! for long.
//!
//! A token goes to the API that the installation's owner named for the hook, follows no server that
//! sends on to another, and is never written in the clear where the repository is not fetched so.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use hyper_rustls::ConfigBuilderExt as _;
use hythe_core::hook::status::{ApiMethod, ApiRequest, over_https};
use hythe_core::hook::{ApiAddress, Provider};
use hythe_core::installation::{Installation, SourcePrefix};
use hythe_core::names::RepositoryUrl;
use hythe_core::repository::{Location, Scheme};
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::ClientConfig;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::control::Control;
use crate::sealing;

/// How long a connection may take to come about, and a whole request.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried again, and the first wait; each further one is twice as long.
const AGAIN: usize = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What is read of an answer, in bytes, of one that refuses, and shown of that, in characters.
const MOST_ANSWER: usize = 8 * 1024 * 1024;
const MOST_REFUSAL: usize = 4 * 1024;
const MOST_SHOWN: usize = 200;
/// Who Bitbucket says that a repository's access token belongs to.
const BITBUCKET_TOKEN: &str = "x-token-auth";

/// A token: its value lies with the other secrets.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    prefix: SourcePrefix,
    user: String,
    version: u64,
}

/// How one gets to a repository at its provider.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Who has it.
    pub(crate) provider: Provider,
    /// Where its API is.
    pub(crate) api: ApiAddress,
    /// The repository, as it is reached over https.
    pub(crate) repository: Location,
    /// The token that goes with it.
    token: Option<Token>,
}

impl Access {
    /// With the token for that repository; none for a repository that no provider has.
    pub(crate) fn of(
        installation: &Installation,
        url: &RepositoryUrl,
        (provider, api): (Provider, ApiAddress),
    ) -> Option<Self> {
        let repository = over_https(&Location::of(url)?)?;
        Some(Self::at(installation, repository, (provider, api)))
    }

    /// With the token for whatever lies there.
    pub(crate) fn at(
        installation: &Installation,
        repository: Location,
        (provider, api): (Provider, ApiAddress),
    ) -> Self {
        let covering =
            installation.source_tokens.iter().filter(|(prefix, _)| prefix.covers(&repository));
        let token = covering.max_by_key(|(prefix, _)| prefix.as_str().len());
        let token = token.map(|(prefix, token)| Token {
            prefix: prefix.clone(),
            user: token.user.to_string(),
            version: token.version,
        });
        Self { provider, api, repository, token }
    }
}

impl Access {
    /// The token to ask with, where there is one and it may be sent.
    ///
    /// # Errors
    /// Why not, for people, and what to do.
    pub(crate) fn may_be_asked(&self, may: &str) -> Result<&Token, Refused> {
        let Self { provider: _, api, repository, token } = self;
        let Some(token) = token else {
            return Err(Refused::from(format!(
                "there is no token for this repository; give one that may {may}: hythe source token \
                 set {} --username USER --password-stdin",
                repository.host
            )));
        };
        if api.as_str().starts_with("http://") && repository.scheme != Scheme::Http {
            return Err(Refused::from(format!(
                "{api} is not encrypted, and everybody on the way could read the token; name its \
                 https:// address"
            )));
        }
        Ok(token)
    }
}

/// Why a provider did not do what it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// The status that it answered with, where it answered.
    pub(crate) status: Option<u16>,
    /// The same for people, and what to do.
    pub(crate) why: String,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { status: None, why }
    }
}

/// Sends. Its client is made when it is first needed, and shared by all clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender(Arc<OnceLock<reqwest::Client>>);

/// What came of one try.
enum Attempt {
    /// It may go better the next time.
    Transient(Refused),
    /// It will not.
    Refused(Refused),
}

impl Attempt {
    fn refused(self) -> Refused {
        match self {
            Self::Transient(refused) | Self::Refused(refused) => refused,
        }
    }
}

impl Sender {
    /// Asks a provider. `may` is what the token must be one for, in words.
    ///
    /// # Errors
    /// Why it was not done, for people, and what to do.
    pub(crate) async fn ask(
        &self,
        control: &Control,
        access: &Access,
        request: &ApiRequest,
        may: &str,
    ) -> Result<Value, Refused> {
        self.ask_times(control, access, request, may, AGAIN).await
    }

    /// The same for what makes something, and would make another one: where the answer is lost, it is
    /// looked for before it is made again.
    ///
    /// # Errors
    /// As [`Sender::ask`].
    pub(crate) async fn ask_once(
        &self,
        control: &Control,
        access: &Access,
        request: &ApiRequest,
        may: &str,
    ) -> Result<Value, Refused> {
        self.ask_times(control, access, request, may, 0).await
    }

    async fn ask_times(
        &self,
        control: &Control,
        access: &Access,
        request: &ApiRequest,
        may: &str,
        again: usize,
    ) -> Result<Value, Refused> {
        let (provider, token) = (&access.provider, access.may_be_asked(may)?);
        let value = value(control, token)?;
        let client = self.client()?;
        let ask = || async { answer(&client, *provider, (request, may), token, &value).await };
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_times(again)
            .with_jitter();
        let transient = |attempt: &Attempt| matches!(attempt, Attempt::Transient(_));
        ask.retry(waits).when(transient).await.map_err(Attempt::refused)
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
    (request, may): (&ApiRequest, &str),
    token: &Token,
    value: &str,
) -> Result<Value, Attempt> {
    let method = match request.method {
        ApiMethod::Get => Method::GET,
        ApiMethod::Post => Method::POST,
        ApiMethod::Put => Method::PUT,
        ApiMethod::Patch => Method::PATCH,
    };
    let mut asked = client.request(method, &request.url);
    if !request.body.is_null() {
        asked = asked.json(&request.body);
    }
    for (name, value) in &request.headers {
        asked = asked.header(*name, *value);
    }
    let asked = signed(asked, provider, &token.user, value);
    let unanswered =
        |error: reqwest::Error| Attempt::Transient(Refused::from(plain(&error.without_url())));
    let mut answer = asked.send().await.map_err(unanswered)?;
    let status = answer.status();
    let most = if status.is_success() { MOST_ANSWER } else { MOST_REFUSAL };
    let mut text = Vec::new();
    while text.len() < most {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) if status.is_success() => return Err(unanswered(error)),
            Err(_) => break,
        }
    }
    text.truncate(most);
    if status.is_success() {
        // Not every answer says something, and what says too much is not read.
        return Ok(serde_json::from_slice(&text).unwrap_or(Value::Null));
    }
    let said = said(&String::from_utf8_lossy(&text));
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!("; may the token {may}?"),
        StatusCode::NOT_FOUND => {
            "; may the token see this repository, and is what it is about there?".to_owned()
        }
        _ => String::new(),
    };
    let colon = if said.is_empty() { "" } else { ": " };
    let code = status.as_u16();
    let why = format!("{provider} answered {code}{colon}{said}{hint}");
    let refused = Refused { status: Some(code), why };
    if status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    {
        Err(Attempt::Transient(refused))
    } else {
        Err(Attempt::Refused(refused))
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
    let message = serde_json::from_str::<Value>(text).ok().and_then(|value| {
        let at = |pointer: &str| value.pointer(pointer).map(ToString::to_string);
        at("/message").or_else(|| at("/error/message")).or_else(|| at("/error"))
    });
    let text = message.unwrap_or_else(|| text.to_owned());
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_matches('"').chars().map(shown).take(MOST_SHOWN).collect()
}
