//! What a token reaches at its provider: repositories, and branches of one.

use axum::extract::State;
use hythe_actors::listing;
use hythe_core::hook::{ApiAddress, Hook, Provider, RepositoryKey, UnknownProvider};
use hythe_core::installation::SourcePrefix;
use hythe_core::names::RepositoryUrl;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{
    BranchList, BranchQuery, ListedBranch, ListedRepository, RepositoryList, RepositoryQuery,
};
use crate::api::extract::Params;
use crate::api::problem::{Kind, Problem};
use crate::api::settings;

/// Lists repositories that a token reaches
///
/// Asked of the provider at that moment, with the token that there is for them
/// (`PUT /api/v1/sources/tokens/{prefix}`). At most a thousand are read.
#[utoipa::path(
    get, path = "/api/v1/sources/repositories", operation_id = "list_repositories", tag = "sources",
    params(RepositoryQuery),
    responses((status = 200, description = "The repositories", body = RepositoryList), ReadProblems)
)]
pub(crate) async fn repositories(
    State(state): State<ApiState>,
    Params(query): Params<RepositoryQuery>,
) -> Result<axum::Json<RepositoryList>, Problem> {
    let at = SourcePrefix::parse(&query.at).map_err(|bad| Problem::field("at", bad.to_string()))?;
    // Any repository there has the same API.
    let key = RepositoryKey::of_text(&format!("{at}/x"))
        .ok_or_else(|| Problem::field("at", "names no host"))?;
    let to = provider(&state, query.provider.as_deref(), query.api.as_deref(), &key)?;
    let (items, more) =
        listing::repositories(state.control(), &at, to).await.map_err(|why| refused(&why))?;
    let items = items.into_iter().map(|one| ListedRepository {
        url: one.url.to_string(),
        default_branch: one.default_branch.map(|branch| branch.to_string()),
        private: one.private,
    });
    Ok(axum::Json(RepositoryList { items: items.collect(), more }))
}

/// Lists the branches of a repository
///
/// Asked of the provider at that moment, with the token that there is for it. At most a thousand are
/// read.
#[utoipa::path(
    get, path = "/api/v1/sources/branches", operation_id = "list_branches", tag = "sources",
    params(BranchQuery),
    responses((status = 200, description = "The branches", body = BranchList), ReadProblems)
)]
pub(crate) async fn branches(
    State(state): State<ApiState>,
    Params(query): Params<BranchQuery>,
) -> Result<axum::Json<BranchList>, Problem> {
    let repository: RepositoryUrl = settings::text("repository", &query.repository)?;
    let key = RepositoryKey::of(&repository)
        .ok_or_else(|| Problem::field("repository", "is at no provider"))?;
    let to = provider(&state, query.provider.as_deref(), query.api.as_deref(), &key)?;
    let (items, more) =
        listing::branches(state.control(), &repository, to).await.map_err(|why| refused(&why))?;
    let items = items.into_iter().map(|one| ListedBranch {
        name: one.name.to_string(),
        commit: one.commit.map(|commit| commit.to_string()),
    });
    Ok(axum::Json(BranchList { items: items.collect(), more }))
}

fn provider(
    state: &ApiState,
    given: Option<&str>,
    api: Option<&str>,
    key: &RepositoryKey,
) -> Result<(Provider, ApiAddress), Problem> {
    let wrong = |unknown: UnknownProvider| Problem::field("provider", unknown.to_string());
    let given: Option<Provider> = given.map(|given| given.parse().map_err(wrong)).transpose()?;
    let host = key.host();
    let app = state.control().read(|view| {
        let mut apps = view.installation.state.github_apps.values();
        apps.find(|app| app.server.has(key)).map(|app| app.api())
    });
    let by_app = app.as_ref().map(|_| Provider::GitHub);
    let provider = given.or(by_app).or_else(|| Provider::of_host(host)).ok_or_else(|| {
        let why = format!(
            "whose server {host} is cannot be told; say github, gitlab, bitbucket or gitea"
        );
        Problem::field("provider", why)
    })?;
    let api = match api {
        Some(api) => {
            let api = settings::text("api", api.strip_suffix('/').unwrap_or(api))?;
            // The token goes there, and whoever can make a browser read can name any address.
            if Some(&api) != app.as_ref() && !is_known(state, provider, key, &api) {
                let why = format!(
                    "no webhook of {host} is told there; say it once, with one that is: hythe hook \
                     statuses APP --on --api URL"
                );
                return Err(Problem::field("api", why));
            }
            api
        }
        None if provider == Provider::GitHub && app.is_some() => {
            app.unwrap_or_else(ApiAddress::of_github)
        }
        None => ApiAddress::usual(provider, key).ok_or_else(|| {
            Problem::field("api", format!("where {provider} has it at {host} cannot be told"))
        })?,
    };
    Ok((provider, api))
}

/// Whether a provider of this host has its API there, or somebody said so of a webhook.
fn is_known(state: &ApiState, provider: Provider, key: &RepositoryKey, api: &ApiAddress) -> bool {
    let said = |hook: &Hook| {
        let told = [&hook.statuses, &hook.comments, &hook.deployments];
        hook.provider == provider
            && hook.repository.host() == key.host()
            && told.into_iter().flatten().any(|told| told == api)
    };
    ApiAddress::usual(provider, key).as_ref() == Some(api)
        || state.control().read(|view| view.installation.state.hooks.values().any(said))
}

fn refused(why: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!("it cannot be listed: {why} (which there are: hythe source token ls)"),
    )
}
