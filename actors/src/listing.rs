//! Which repositories a token reaches, and which branches one has: asked of the provider at that moment,
//! and kept nowhere.

use hythe_core::github::{Purpose, api as github};
use hythe_core::hook::comment::Thread;
use hythe_core::hook::listing::{self, Listed, ListedBranch, MOST_PAGES, listed, listed_branches};
use hythe_core::hook::status::ApiRequest;
use hythe_core::hook::{ApiAddress, Provider};
use hythe_core::installation::SourcePrefix;
use hythe_core::names::RepositoryUrl;
use serde_json::Value;

use crate::control::Control;
use crate::github::AppAt;
use crate::provider::{Access, Sender};

/// The repositories that the token for `at` reaches there, and whether there are more than are read.
///
/// # Errors
/// Why they cannot be listed, for people, and what to do.
pub async fn repositories(
    control: &Control,
    at: &SourcePrefix,
    (provider, api): (Provider, ApiAddress),
) -> Result<(Vec<Listed>, bool), String> {
    let place = at.location().ok_or_else(|| format!("{at} is no place of repositories"))?;
    let access =
        control.read(|view| Access::at(&view.installation.state, place.clone(), (provider, api)));
    let (all, more) = match by_apps(control, &access, at).await? {
        Some(found) => found,
        None => {
            let asks = |page| listing::repositories((provider, &access.api), &place.path, page);
            pages(control, &access, asks, |answer| listed(provider, answer)).await?
        }
    };
    let within = |one: &Listed| {
        let lies = hythe_core::repository::Location::of(&one.url);
        lies.is_some_and(|lies| at.covers(&lies))
    };
    Ok((all.into_iter().filter(within).collect(), more))
}

/// What the Apps there reach; none where none of them is installed at what is asked for.
async fn by_apps(
    control: &Control,
    access: &Access,
    at: &SourcePrefix,
) -> Result<Option<(Vec<Listed>, bool)>, String> {
    let path = access.repository.path.as_str();
    let owner = path.split('/').next().filter(|owner| !owner.is_empty());
    let (mut all, mut more, mut any) = (Vec::new(), false, false);
    for app in access.apps() {
        let (installed, rest) = control.github().installations(app).await?;
        more |= rest;
        let wanted = |account: &str| owner.is_none_or(|owner| owner.eq_ignore_ascii_case(account));
        for one in installed.iter().filter(|one| !one.suspended && wanted(one.account.as_str())) {
            any = true;
            more |= of_installation(control, app, one.id, &mut all).await?;
        }
    }
    tracing::debug!(%at, any, "asked the Apps which repositories there are");
    Ok(any.then_some((all, more)))
}

/// Adds what an installation reaches, and says whether there is more than is read.
async fn of_installation(
    control: &Control,
    app: &AppAt,
    installation: u64,
    all: &mut Vec<Listed>,
) -> Result<bool, String> {
    let sender = Sender::default();
    for page in 1..=MOST_PAGES {
        let loan = control.github().borrow_to_list(app, installation).await;
        let loan = loan.map_err(|refused| refused.why)?;
        let request = github::repositories(&app.api, page);
        let answer = sender.ask_with(loan, &request, Purpose::List).await;
        let answer = answer.map_err(|refused| refused.why)?;
        let items = answer.get("repositories").cloned().unwrap_or_default();
        let (some, more) = listed(Provider::GitHub, &items);
        all.extend(some);
        if !more {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The branches of a repository, and whether there are more than are read.
///
/// # Errors
/// Why they cannot be listed, for people, and what to do.
pub async fn branches(
    control: &Control,
    repository: &RepositoryUrl,
    to: (Provider, ApiAddress),
) -> Result<(Vec<ListedBranch>, bool), String> {
    let provider = to.0;
    let access = control.read(|view| Access::of(&view.installation.state, repository, to));
    let access = access.ok_or_else(|| format!("{repository} is at no provider"))?;
    let thread = Thread { provider, api: &access.api, repository: &access.repository, number: 0 };
    let asks = |page| listing::branches(&thread, page);
    pages(control, &access, asks, |answer| listed_branches(provider, answer)).await
}

/// All pages, as far as they are read.
async fn pages<T>(
    control: &Control,
    access: &Access,
    asks: impl Fn(u32) -> Option<ApiRequest>,
    read: impl Fn(&Value) -> (Vec<T>, bool),
) -> Result<(Vec<T>, bool), String> {
    let sender = Sender::default();
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let request = asks(page).ok_or_else(|| match access.provider {
            Provider::Bitbucket => {
                "Bitbucket lists the repositories of a workspace: say which, such as \
                 bitbucket.org/team"
                    .to_owned()
            }
            provider @ (Provider::GitHub | Provider::GitLab | Provider::Gitea) => {
                format!("{} is no repository of {provider}'s", access.repository.path)
            }
        })?;
        let answer = sender.ask(control, access, &request, Purpose::List).await;
        let (some, more) = read(&answer.map_err(|refused| refused.why)?);
        all.extend(some);
        if !more {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}
