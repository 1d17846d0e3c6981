//! Tokens that GitHub lends to Apps, and what is known of where those are installed.

use hythe_core::github::{Purpose, api};
use hythe_core::ids::HookId;
use hythe_core::repository::Location;
use hythe_core::time::{Millis, Timestamp};
use zeroize::Zeroizing;

use super::{AppAt, GitHubApps, MOST_ANSWER, locked};
use crate::provider::Refused;

/// How long it is known where an App is installed, and where it is not: somebody may be just about to.
const COVERED_FOR: Millis = Millis::seconds(10 * 60);
const UNCOVERED_FOR: Millis = Millis::seconds(20);
/// Repositories of which that is known, and tokens that are kept.
const MOST_COVERED: usize = 4_096;
const MOST_LENT: usize = 1_024;
/// The longest that a token is taken to last, whatever GitHub says.
const LASTS: Millis = Millis::seconds(3_600);
/// How much longer a token must last to be sent with a request, and with a build, which may wait.
pub(crate) const FOR_A_REQUEST: Millis = Millis::seconds(5 * 60);
pub(crate) const FOR_A_BUILD: Millis = Millis::seconds(30 * 60);

/// A token that was borrowed.
pub(crate) struct Loan {
    pub(crate) token: Zeroizing<String>,
    /// Which installation lent it.
    pub(crate) installation: u64,
    key: LoanKey,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoanKey {
    pub(super) app: HookId,
    version: u64,
    installation: u64,
    repository: Option<String>,
    purpose: Purpose,
}

impl GitHubApps {
    /// Borrows a token for a repository of the first App that is installed on it; none where none is.
    /// `whole` asks for one of all repositories of that installation. It lasts `lasting` at the least.
    pub(crate) async fn borrow(
        &self,
        apps: &[AppAt],
        repository: &Location,
        (purpose, whole): (Purpose, bool),
        lasting: Millis,
    ) -> Result<Option<Loan>, Refused> {
        let mut failed = None;
        for app in apps {
            match self.borrow_of(app, repository, (purpose, whole), lasting).await {
                Ok(None) => {}
                Ok(Some(loan)) => return Ok(Some(loan)),
                Err(refused) => failed = failed.or(Some(refused)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    async fn borrow_of(
        &self,
        app: &AppAt,
        repository: &Location,
        (purpose, whole): (Purpose, bool),
        lasting: Millis,
    ) -> Result<Option<Loan>, Refused> {
        let Some((_, name)) = api::owner_and_name(repository) else { return Ok(None) };
        let Some((installation, fresh)) = self.covering(app, repository).await? else {
            return Ok(None);
        };
        let name = (!whole).then_some(name);
        match self.lent(app, installation, name, purpose, lasting).await {
            // It may have been installed anew since that was asked.
            Err(refused) if refused.status == Some(404) && !fresh => {
                self.forget(app.id);
                let Some((installation, _)) = self.covering(app, repository).await? else {
                    return Ok(None);
                };
                self.lent(app, installation, name, purpose, lasting).await.map(Some)
            }
            lent => lent.map(Some),
        }
    }

    /// A token was not taken: the next one is another.
    pub(crate) fn was_refused(&self, loan: &Loan) {
        locked(&self.0.lent).remove(&loan.key);
    }

    /// The installation by which an App reaches a repository, and whether that was asked just now.
    async fn covering(
        &self,
        app: &AppAt,
        repository: &Location,
    ) -> Result<Option<(u64, bool)>, Refused> {
        let Some(request) = api::installation_of(&app.api, repository) else { return Ok(None) };
        let path = repository.path.trim_end_matches('/').trim_end_matches(".git");
        let key = (app.id, path.to_ascii_lowercase());
        let now = self.0.clock.now();
        let known = locked(&self.0.covered).get(&key).copied();
        if let Some((installation, _)) = known.filter(|(_, until)| *until > now) {
            return Ok(installation.map(|installation| (installation, false)));
        }
        let found = match self.as_app(app, &request, MOST_ANSWER).await {
            Ok(answer) => {
                let installed = api::installed(&answer).ok_or_else(|| {
                    Refused::from(format!("{} said nothing that is an installation", app.api))
                })?;
                Some(installed).filter(|one| !one.suspended).map(|one| one.id)
            }
            Err(refused) if refused.status == Some(404) => None,
            // Where it leads does not say what it is called now, and that is what tokens are asked for by.
            Err(refused) if matches!(refused.status, Some(301 | 307 | 308)) => {
                let why = format!(
                    "{path} is called otherwise at GitHub by now; give the app its new address: hythe app \
                     set APP --repo URL"
                );
                return Err(Refused { why, ..refused });
            }
            Err(refused) => return Err(refused),
        };
        let known_for = if found.is_some() { COVERED_FOR } else { UNCOVERED_FOR };
        let mut covered = locked(&self.0.covered);
        if covered.len() >= MOST_COVERED {
            covered.retain(|_, (_, until)| *until > now);
        }
        if covered.len() < MOST_COVERED {
            covered.insert(key, (found, now.plus(known_for)));
        }
        Ok(found.map(|installation| (installation, true)))
    }

    async fn lent(
        &self,
        app: &AppAt,
        installation: u64,
        repository: Option<&str>,
        purpose: Purpose,
        lasting: Millis,
    ) -> Result<Loan, Refused> {
        let name = repository.map(|name| name.strip_suffix(".git").unwrap_or(name));
        let key = LoanKey {
            app: app.id,
            version: app.key,
            installation,
            repository: name.map(str::to_ascii_lowercase),
            purpose,
        };
        let now = self.0.clock.now();
        let needed = now.plus(lasting);
        let known = locked(&self.0.lent).get(&key).cloned();
        if let Some((token, _)) = known.filter(|(_, until)| *until > needed) {
            return Ok(Loan { token, installation, key });
        }
        let request = api::borrow(&app.api, installation, name, purpose);
        let answer = self.as_app(app, &request, MOST_ANSWER).await.map_err(|refused| {
            let hint = match refused.status {
                _ if refused.wait.is_some() => String::new(),
                Some(403 | 422) => format!(
                    "; may the App {} {}? Its owner says so at GitHub: {}",
                    app.slug,
                    purpose.words(),
                    app.install_page
                ),
                Some(_) | None => String::new(),
            };
            Refused { why: format!("{}{hint}", refused.why), ..refused }
        })?;
        let unusable = || Refused::from(format!("{} lent nothing that is a token", app.api));
        let (token, until) = api::lent(&answer).ok_or_else(unusable)?;
        let until = until.parse::<jiff::Timestamp>().map_err(|_| unusable())?.as_millisecond();
        let until = Timestamp(u64::try_from(until).unwrap_or(0)).min(now.plus(LASTS));
        let token = Zeroizing::new(token.to_owned());
        let mut lent = locked(&self.0.lent);
        if lent.len() >= MOST_LENT {
            lent.retain(|_, (_, until)| *until > now);
        }
        if lent.len() < MOST_LENT {
            lent.insert(key.clone(), (token.clone(), until));
        }
        Ok(Loan { token, installation, key })
    }

    /// Borrows a token that lists what an installation reaches.
    pub(crate) async fn borrow_to_list(
        &self,
        app: &AppAt,
        installation: u64,
    ) -> Result<Loan, Refused> {
        self.lent(app, installation, None, Purpose::List, FOR_A_REQUEST).await
    }
}
