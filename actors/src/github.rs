//! What GitHub is asked on behalf of the installation's Apps: what was made, where they are installed, and
//! tokens that last an hour.
//!
//! Invariants: a token may do what it is borrowed for and nothing else, and reaches one repository where one
//! is meant; it is kept in memory, until shortly before it ends, and goes to the App's own GitHub and to
//! builders, sealed. Where an App is installed is asked of GitHub, and forgotten as soon as GitHub says that
//! something has changed. Nothing that GitHub says is taken but what it documents.

mod assertion;
mod lending;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hythe_core::github::api::{self, Converted, Installed};
use hythe_core::github::{GitHubApp, GitHubServer, ManifestCode};
use hythe_core::hook::ApiAddress;
use hythe_core::hook::status::ApiRequest;
use hythe_core::ids::{HookId, InstallationId};
use hythe_core::installation::Installation;
use hythe_core::repository::Location;
use hythe_core::time::Timestamp;
use hythe_store::Journal;
use reqwest::StatusCode;
use serde_json::Value;
use zeroize::Zeroizing;

use self::assertion::Key;
use self::lending::LoanKey;
pub(crate) use self::lending::{FOR_A_BUILD, FOR_A_REQUEST, Loan};
use crate::clock::Clock;
use crate::provider::Refused;
use crate::provider::http::{Attempt, Client, once, tried};
use crate::sealing;

/// What is read of an answer, in bytes.
const MOST_ANSWER: usize = 256 * 1024;
/// The same where it lists something.
const MOST_LIST: usize = 4 * 1024 * 1024;
/// How often something is asked again.
const AGAIN: usize = 1;

/// An App, as far as it is needed to ask on its behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAt {
    id: HookId,
    app: u64,
    slug: String,
    key: u64,
    pub(crate) api: ApiAddress,
    /// Where people install it.
    pub(crate) install_page: String,
}

impl AppAt {
    /// Of an App.
    #[must_use]
    pub fn of(id: HookId, app: &GitHubApp) -> Self {
        Self {
            id,
            app: app.made.app,
            slug: app.made.slug.to_string(),
            key: app.key,
            api: app.api(),
            install_page: app.install_page(),
        }
    }

    /// Which it is.
    #[must_use]
    pub const fn id(&self) -> HookId {
        self.id
    }

    /// All that may reach a repository, the likeliest first.
    #[must_use]
    pub fn all_for(installation: &Installation, repository: &Location) -> Vec<Self> {
        let apps = installation.github_apps_for(repository).into_iter();
        apps.map(|(id, app)| Self::of(id, app)).collect()
    }
}

/// Why an App was not made.
#[derive(Clone, Debug)]
pub enum NotMade {
    /// GitHub did not answer: it may be tried again.
    Unanswered(String),
    /// GitHub refused, or said what is no App: it is over.
    Refused(String),
}

/// Asks GitHub. Cheap to clone; what is known is shared.
#[derive(Clone)]
pub struct GitHubApps(Arc<Inner>);

/// By App and repository, in lower case: the installation, and until when that is known.
type Covered = BTreeMap<(HookId, String), (Option<u64>, Timestamp)>;

struct Inner {
    journal: Journal,
    installation: InstallationId,
    clock: Clock,
    client: Client,
    covered: Mutex<Covered>,
    lent: Mutex<BTreeMap<LoanKey, (Zeroizing<String>, Timestamp)>>,
}

impl fmt::Debug for GitHubApps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitHubApps(…)")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GitHubApps {
    pub(crate) fn new(journal: Journal, installation: InstallationId, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            journal,
            installation,
            clock,
            client: Client::default(),
            covered: Mutex::default(),
            lent: Mutex::default(),
        }))
    }

    /// Exchanges the code that GitHub gave a browser for the App that was made.
    ///
    /// # Errors
    /// See [`NotMade`].
    pub async fn exchange(
        &self,
        server: &GitHubServer,
        code: &ManifestCode,
    ) -> Result<Converted, NotMade> {
        let request = api::exchange(server, code);
        // Once only: a code serves once, and one whose answer was lost is looked at by people.
        let answer = match once(&self.0.client, &request, |request| request, MOST_ANSWER).await {
            Ok(answer) => answer,
            Err(Attempt::Transient(refused)) => return Err(NotMade::Unanswered(refused.why)),
            Err(Attempt::Refused(refused)) => return Err(NotMade::Refused(refused.why)),
        };
        let status = answer.status;
        if !status.is_success() {
            let why = format!("{server} answered {}: {}", status.as_u16(), answer.said());
            return Err(match Attempt::of(&answer, why) {
                Attempt::Transient(refused) => NotMade::Unanswered(refused.why),
                Attempt::Refused(refused) => NotMade::Refused(refused.why),
            });
        }
        if answer.is_cut() {
            return Err(NotMade::Refused(format!(
                "{server} answered more than {} KiB, which is no GitHub App",
                MOST_ANSWER / 1024
            )));
        }
        let wrong = |what: &str| {
            NotMade::Refused(format!("what {server} answered is no GitHub App: {what}"))
        };
        let json = answer.json().ok_or_else(|| wrong("it is no JSON"))?;
        let converted = api::converted(&json)
            .map_err(|field| wrong(&format!("{field} is missing or wrong")))?;
        Key::read(&converted.key).map_err(|why| wrong(&format!("of its key, {why}")))?;
        Ok(converted)
    }

    /// Where an App is installed, and whether there is more.
    ///
    /// # Errors
    /// Why that cannot be told, for people.
    pub async fn installations(&self, app: &AppAt) -> Result<(Vec<Installed>, bool), String> {
        let mut all = Vec::new();
        for page in 1..=api::MOST_PAGES {
            let answer = self.as_app(app, &api::installations(&app.api, page), MOST_LIST).await;
            let (some, more) = api::installed_on(&answer.map_err(|refused| refused.why)?);
            all.extend(some);
            if !more {
                return Ok((all, false));
            }
        }
        Ok((all, true))
    }

    /// Tells GitHub which secret an App's webhook has.
    ///
    /// # Errors
    /// Why it does not know it, for people.
    pub async fn tell_secret(&self, app: &AppAt, url: &str, secret: &str) -> Result<(), String> {
        let request = api::tell_secret(&app.api, url, secret);
        self.as_app(app, &request, MOST_ANSWER).await.map(drop).map_err(|refused| refused.why)
    }

    /// Whether a private key is one of this App's: GitHub is asked with it.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn is_key_of(&self, app: &AppAt, pem: &str) -> Result<(), String> {
        let key = Key::read(pem)?;
        let request = api::who(&app.api);
        let answer = self.signed(app, &key, &request, MOST_ANSWER).await;
        let answer = answer.map_err(|refused| refused.why)?;
        if api::number(&answer) == Some(app.app) {
            return Ok(());
        }
        Err(format!("it is the key of another App than {}", app.slug))
    }

    /// Forgets where an App is installed, and what was lent to it: something has changed.
    pub fn forget(&self, id: HookId) {
        locked(&self.0.covered).retain(|(app, _), _| *app != id);
        locked(&self.0.lent).retain(|key, _| key.app != id);
    }

    /// Asks as the App itself.
    async fn as_app(
        &self,
        app: &AppAt,
        request: &ApiRequest,
        most: usize,
    ) -> Result<Value, Refused> {
        let Inner { journal, installation, .. } = &*self.0;
        let pem = sealing::value(journal, installation.uuid(), &app.id.app_key(), app.key);
        let pem = pem.map_err(|error| Refused::from(error.to_string()))?.map(Zeroizing::new);
        let again = || {
            format!(
                "give it another one: hythe source github-app key {} --private-key-stdin",
                app.id
            )
        };
        let gone =
            || Refused::from(format!("the key of the App {} is gone; {}", app.slug, again()));
        let pem = pem.ok_or_else(gone)?;
        let key = Key::read(&pem).map_err(|why| {
            Refused::from(format!(
                "the key of the App {} cannot be used: {why}; {}",
                app.slug,
                again()
            ))
        })?;
        self.signed(app, &key, request, most).await.map_err(|refused| match refused.status {
            Some(401) => Refused {
                why: format!(
                    "{}; either its key was taken away at GitHub ({}), or the App was deleted there \
                     (hythe source github-app rm {}), or the clocks are not the same",
                    refused.why,
                    again(),
                    app.id
                ),
                ..refused
            },
            Some(_) | None => refused,
        })
    }

    async fn signed(
        &self,
        app: &AppAt,
        key: &Key,
        request: &ApiRequest,
        most: usize,
    ) -> Result<Value, Refused> {
        let ask = || async {
            let assertion = key.assert(app.app, self.0.clock.now())?;
            let sign = |request: reqwest::RequestBuilder| request.bearer_auth(assertion.as_str());
            let answer = once(&self.0.client, request, sign, most).await?;
            let status = answer.status;
            if status == StatusCode::NO_CONTENT {
                return Ok(Value::Null);
            }
            if !status.is_success() {
                let why = format!("github answered {}: {}", status.as_u16(), answer.said());
                return Err(Attempt::of(&answer, why));
            }
            answer.json().ok_or_else(|| {
                let what = if answer.is_cut() { "too much" } else { "no JSON" };
                Attempt::from(format!("github answered with {what}"))
            })
        };
        tried(AGAIN, Duration::ZERO, ask).await
    }
}
