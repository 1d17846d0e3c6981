//! One request to a provider's API: with its token, a few times where it does not answer, and never
//! for long.
//!
//! A token goes to the API that the installation's owner named for the hook, follows no server that
//! sends on to another, and is never written in the clear where the repository is not fetched so.

pub(crate) mod http;

use std::time::Duration;

use hythe_core::github::Purpose;
use hythe_core::hook::status::{ApiRequest, over_https};
use hythe_core::hook::{ApiAddress, Provider};
use hythe_core::installation::{Installation, SourcePrefix};
use hythe_core::names::RepositoryUrl;
use hythe_core::repository::{Location, Scheme};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use zeroize::Zeroizing;

use self::http::{Attempt, Client, once, tried};
use crate::control::Control;
use crate::github::{AppAt, FOR_A_REQUEST, Loan};
use crate::sealing;

/// How often it is tried again.
const AGAIN: usize = 4;
/// How long a provider that says when to ask again is waited for in all, where nobody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is read of an answer, in bytes.
const MOST_ANSWER: usize = 8 * 1024 * 1024;
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
    /// The GitHub Apps that may reach it, which go before the token.
    apps: Vec<AppAt>,
    /// Whether it is told because of an App alone: then it is not where none is installed.
    pub(crate) implied: bool,
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
        // What an App borrows goes to its own GitHub and nowhere else.
        let mut apps = match provider {
            Provider::GitHub => AppAt::all_for(installation, &repository),
            Provider::GitLab | Provider::Bitbucket | Provider::Gitea => Vec::new(),
        };
        apps.retain(|app| app.api == api);
        Self { provider, api, repository, token, apps, implied: false }
    }

    /// By way of the GitHub Apps alone that may reach a repository; none where there is none.
    pub(crate) fn by_app(installation: &Installation, url: &RepositoryUrl) -> Option<Self> {
        let repository = over_https(&Location::of(url)?)?;
        let api = AppAt::all_for(installation, &repository).first()?.api.clone();
        let access = Self::at(installation, repository, (Provider::GitHub, api));
        Some(Self { token: None, implied: true, ..access })
    }

    /// The GitHub Apps that may reach it.
    pub(crate) fn apps(&self) -> &[AppAt] {
        &self.apps
    }

    /// Whether there is something to ask with.
    ///
    /// # Errors
    /// Why not, for people, and what to do.
    pub(crate) fn may_be_asked(&self, purpose: Purpose) -> Result<(), Refused> {
        if self.apps.is_empty() { self.token(purpose).map(drop) } else { Ok(()) }
    }

    /// The token to ask with where no App is installed, where there is one and it may be sent.
    fn token(&self, purpose: Purpose) -> Result<&Token, Refused> {
        let Self { provider: _, api, repository, token, apps, implied: _ } = self;
        let may = purpose.words();
        let Some(token) = token else {
            let host = &repository.host;
            let give = format!("hythe source token set {host} --username USER --password-stdin");
            return Err(match apps.first() {
                Some(app) => Refused {
                    uncovered: true,
                    ..Refused::from(format!(
                        "no GitHub App is installed on this repository; install one on it: {}; or give \
                         a token that may {may}: {give}",
                        app.install_page
                    ))
                },
                None => Refused::from(format!(
                    "there is no token for this repository; give one that may {may}: {give}"
                )),
            });
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
    /// Whether it was not even asked, since there are Apps and none is installed there.
    pub(crate) uncovered: bool,
    /// How long it wants not to be asked, where it said that.
    pub(crate) wait: Option<Duration>,
    /// Whether it may go better another time.
    pub(crate) transient: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { status: None, why, uncovered: false, wait: None, transient: false }
    }
}

/// Sends. All clones share a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender(Client);

/// What a request is signed with.
enum Credential {
    /// What an App borrowed.
    Loan(Loan),
    /// A token that people gave, and the name that goes with it.
    Token(String, Zeroizing<String>),
}

impl Credential {
    fn of(control: &Control, token: &Token) -> Result<Self, Refused> {
        Ok(Self::Token(token.user.clone(), value(control, token)?))
    }

    const fn name_and_value(&self) -> (&str, &Zeroizing<String>) {
        match self {
            Self::Loan(loan) => ("", &loan.token),
            Self::Token(user, value) => (user.as_str(), value),
        }
    }
}

impl Sender {
    /// Asks a provider, by an App that is installed on the repository, and otherwise with the token.
    ///
    /// # Errors
    /// Why it was not done, for people, and what to do.
    pub(crate) async fn ask(
        &self,
        control: &Control,
        access: &Access,
        request: &ApiRequest,
        purpose: Purpose,
    ) -> Result<Value, Refused> {
        self.ask_times(control, access, request, purpose, AGAIN).await
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
        purpose: Purpose,
    ) -> Result<Value, Refused> {
        self.ask_times(control, access, request, purpose, 0).await
    }

    /// The same with what an App borrowed to list what it reaches.
    ///
    /// # Errors
    /// As [`Sender::ask`].
    pub(crate) async fn ask_with(
        &self,
        loan: Loan,
        request: &ApiRequest,
        purpose: Purpose,
    ) -> Result<Value, Refused> {
        self.ask_signed(Provider::GitHub, &Credential::Loan(loan), request, purpose, AGAIN).await
    }

    async fn ask_times(
        &self,
        control: &Control,
        access: &Access,
        request: &ApiRequest,
        purpose: Purpose,
        again: usize,
    ) -> Result<Value, Refused> {
        let credential = credential(control, access, purpose).await?;
        let answer = self.ask_signed(access.provider, &credential, request, purpose, again).await;
        match (&credential, &answer) {
            (Credential::Loan(loan), Err(refused)) if refused.status == Some(401) => {
                // GitHub took it back: it was not done, so it may be done with another one.
                control.github().was_refused(loan);
                let other = self::credential(control, access, purpose).await?;
                self.ask_signed(access.provider, &other, request, purpose, again).await
            }
            (Credential::Loan(_) | Credential::Token(..), Ok(_) | Err(_)) => answer,
        }
    }

    async fn ask_signed(
        &self,
        provider: Provider,
        credential: &Credential,
        request: &ApiRequest,
        purpose: Purpose,
        again: usize,
    ) -> Result<Value, Refused> {
        let (user, value) = credential.name_and_value();
        let ask = || answer(&self.0, provider, (request, purpose), (user, value));
        let patience = match purpose {
            Purpose::Statuses | Purpose::Deployments | Purpose::Comments => PATIENCE,
            Purpose::Fetch | Purpose::List => Duration::ZERO,
        };
        tried(again, patience, ask).await
    }
}

/// What to ask with.
async fn credential(
    control: &Control,
    access: &Access,
    purpose: Purpose,
) -> Result<Credential, Refused> {
    if !access.apps.is_empty() {
        let github = control.github();
        let what = (purpose, false);
        let loan = github.borrow(&access.apps, &access.repository, what, FOR_A_REQUEST).await?;
        if let Some(loan) = loan {
            return Ok(Credential::Loan(loan));
        }
    }
    Credential::of(control, access.token(purpose)?)
}

fn value(control: &Control, token: &Token) -> Result<Zeroizing<String>, String> {
    let (journal, scope) = (control.journal(), control.installation().uuid());
    let value = sealing::value(journal, scope, &token.prefix.secret(), token.version);
    let gone =
        || format!("the token is gone; give it again: hythe source token set {}", token.prefix);
    value.map_err(|error| error.to_string())?.map(Zeroizing::new).ok_or_else(gone)
}

async fn answer(
    client: &Client,
    provider: Provider,
    (request, purpose): (&ApiRequest, Purpose),
    (user, value): (&str, &str),
) -> Result<Value, Attempt> {
    let sign = |asked| signed(asked, provider, user, value);
    let answer = once(client, request, sign, MOST_ANSWER).await?;
    let status = answer.status;
    if status.is_success() {
        // Not every answer says something, and what says too much is not read.
        return Ok(answer.json().unwrap_or(Value::Null));
    }
    let said = answer.said();
    let hint = match status {
        // It is asked too often, and says so.
        _ if answer.wait.is_some() => String::new(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("; may the token {}?", purpose.words())
        }
        StatusCode::NOT_FOUND => {
            "; may the token see this repository, and is what it is about there?".to_owned()
        }
        moved if moved.is_redirection() => {
            "; is the repository called otherwise by now? Give the app its new address: hythe app set \
             APP --repo URL"
                .to_owned()
        }
        _ => String::new(),
    };
    let colon = if said.is_empty() { "" } else { ": " };
    let code = status.as_u16();
    Err(Attempt::of(&answer, format!("{provider} answered {code}{colon}{said}{hint}")))
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
