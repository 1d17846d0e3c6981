//! Deployments that take over from an earlier one: roll back, deploy again, restart.

use axum::extract::State;
use axum::response::Response;
use hythe_actors::aggregate::CommandError;
use hythe_core::app::{ActiveApp, App, AppCommand, Earlier, Repeat};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::AppName;
use hythe_core::source::Source;
use hythe_core::versions;
use uuid::Uuid;

use super::deployments::{accepted, accepted_before, requested, requested_now};
use crate::api::ApiState;
use crate::api::doc::WriteProblems;
use crate::api::dto::{CreateRollback, Deployment};
use crate::api::extract::{Json, OptionalJson, Which};
use crate::api::idempotency::{Asked, Once, once};
use crate::api::plane::With;
use crate::api::problem::{Kind, Problem};

/// Rolls an app back
///
/// A new deployment that takes over all of an earlier one without building: image, commit, settings
/// and environment. The app's settings, variables and domains become what they were when the earlier
/// one was asked for; with `keep_settings` they stay, and so does what the next deployment takes.
/// What is on its way and has no traffic yet gives way. Where the image is gone, it is built again
/// from the commit.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/rollback", operation_id = "rollback_app", tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body(content = Option<CreateRollback>, description = "May be left out"),
    responses(
        (status = 202, description = "It was asked for", body = Deployment,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn rollback(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
    OptionalJson(body): OptionalJson<CreateRollback>,
) -> Result<Response, Problem> {
    let once = once(&asked, &body.hash, state.request_key())?;
    if let Some(before) = state.before(once.as_ref()).await? {
        return accepted_before(&state, before).await;
    }
    let (id, now) = state.app(&app)?;
    let Json { value: CreateRollback { to, keep_settings }, hash: _ } = body;
    let target = target(&state, id, &now, to.as_deref())?;
    let earlier = there(&state, earlier(&state, id, target, !keep_settings)?).await?;
    repeat(&state, id, earlier, Repeat::Rollback, &asked, once).await
}

/// Deploys the live version again
///
/// The same commit, with the present settings and variables. Nothing is built where the image is
/// there and how it is built has not changed.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/redeploy", operation_id = "redeploy_app", tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses(
        (status = 202, description = "It was asked for", body = Deployment,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn redeploy(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    again(&state, &app, Repeat::Redeploy, &asked).await
}

/// Restarts an app
///
/// The live version in new replicas, with the settings and variables that it has: the old ones serve
/// until the new ones are healthy. Changed settings and variables take a deployment.
#[utoipa::path(
    post, path = "/api/v1/apps/{app}/restart", operation_id = "restart_app", tag = "deployments",
    params(
        ("app" = String, Path, description = "Name or id", example = "shop"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses(
        (status = 202, description = "It was asked for", body = Deployment,
            headers(("Location" = String, description = "Where it is"))),
        WriteProblems
    )
)]
pub(crate) async fn restart(
    State(state): State<ApiState>,
    Which(app): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    again(&state, &app, Repeat::Restart, &asked).await
}

async fn again(
    state: &ApiState,
    app: &str,
    how: Repeat,
    asked: &Asked,
) -> Result<Response, Problem> {
    let once = once(asked, &blake3::hash(&[]), state.request_key())?;
    if let Some(before) = state.before(once.as_ref()).await? {
        return accepted_before(state, before).await;
    }
    let (id, now) = state.app(app)?;
    let live = now.live.ok_or_else(|| {
        let name = &now.name;
        Problem::new(
            Kind::Conflict,
            format!("nothing of {name} is live; deploy it with: hythe deploy {name}"),
        )
    })?;
    let earlier = there(state, earlier(state, id, live, false)?).await?;
    repeat(state, id, earlier, how, asked, once).await
}

async fn repeat(
    state: &ApiState,
    app: AppId,
    earlier: Earlier,
    how: Repeat,
    asked: &Asked,
    once: Option<Once>,
) -> Result<Response, Problem> {
    let meta = state.meta(asked);
    let id = Uuid::now_v7();
    let deployment = DeploymentId::new(id);
    let number = earlier.spec.number;
    let command = AppCommand::Repeat { deployment, earlier: Box::new(earlier), how };
    let claim = once.as_ref().map(|once| once.claim(id)).transpose()?;
    let with = With { claim, secrets: Vec::new() };
    match state.command::<App>(app.uuid(), command, meta.clone(), with).await {
        Ok(done) => {
            let spec = done.events.iter().find_map(|event| requested(event, deployment));
            requested_now(state, deployment, spec, meta).map(accepted)
        }
        Err(CommandError::ClaimTaken { key, .. }) if key.0.starts_with("domain/") => {
            let domain = key.0.trim_start_matches("domain/");
            Err(Problem::new(
                Kind::Conflict,
                format!(
                    "\"{domain}\" led to deployment {number} and leads to another app now; take it \
                     from there first, or go back without the settings of then (keep_settings; \
                     --keep-settings)"
                ),
            ))
        }
        Err(error) => {
            let before = state.before_or(once.as_ref(), error).await?;
            accepted_before(state, before).await
        }
    }
}

/// The deployment to go back to.
fn target(
    state: &ApiState,
    app: AppId,
    now: &ActiveApp,
    to: Option<&str>,
) -> Result<DeploymentId, Problem> {
    let name = &now.name;
    let Some(to) = to else {
        if now.rolling.is_some() {
            return Err(Problem::new(
                Kind::Conflict,
                format!(
                    "a deployment of {name} is on its way: cancel it (hythe cancel {name}) to stay \
                     with the live version, or say which one to go back to (to; --to)"
                ),
            ));
        }
        return state.see(|sight| versions::before_live(sight.view, app)).ok_or_else(|| {
            Problem::new(
                Kind::Conflict,
                format!(
                    "no other version of {name} was live before this one; `hythe deployments ls \
                     {name}` shows what there was"
                ),
            )
        });
    };
    let number = to.strip_prefix('#').unwrap_or(to).parse::<u64>();
    let found = match (number, to.parse::<DeploymentId>()) {
        (Ok(number), _) => state.see(|sight| versions::numbered(sight.view, app, number)),
        (Err(_), Ok(id)) => state.see(|sight| {
            sight.view.apps.get(&app).filter(|app| app.deployments.contains(&id)).map(|_| id)
        }),
        (Err(_), Err(_)) => {
            return Err(Problem::field(
                "to",
                "is the number or the id of a deployment, such as 3 (see `hythe deployments ls`)",
            ));
        }
    };
    found.ok_or_else(|| {
        Problem::not_found(format!(
            "{name} has no such deployment, or it is too old to be kept: the last {} that ended \
             are, and the last {} that were live. Deploy its commit instead: hythe deploy {name} \
             --commit SHA",
            hythe_core::limits::MOST_ENDED_KEPT,
            hythe_core::limits::MOST_LIVE_KEPT
        ))
    })
}

/// Notes whether what was built of a static site is there: else it is built anew, where what it was built from
/// is. Of an image its worker says so.
async fn there(state: &ApiState, mut earlier: Earlier) -> Result<Earlier, Problem> {
    let Some(site) = &earlier.built.site else { return Ok(earlier) };
    // Where it cannot be asked nothing is known to be gone, and edges may have it.
    earlier.gone = state.control().sites().has(&site.id).await.is_ok_and(|there| !there);
    let spec = &earlier.spec;
    if let Some(upload) = spec.source.upload().filter(|_| earlier.gone)
        && super::uploads::touch(state, upload).await?.is_none()
    {
        return Err(lost(spec.number, &spec.app_name, &spec.source));
    }
    Ok(earlier)
}

/// Neither what was built of a static site is there, nor what it was built from.
fn lost(number: u64, app: &AppName, source: &Source) -> Problem {
    let again = match source {
        Source::Pushed(pushed) => format!("push it again: git push hythe HEAD:{}", pushed.branch),
        Source::Upload(_) | Source::Git(_) | Source::Image(_) => {
            format!("send the folder again: hythe deploy {app} DIR")
        }
    };
    let why = format!(
        "the files of the static site of deployment {number} are not where they are kept (--sites), and \
         what it was built from is not there any more either; {again}"
    );
    Problem::new(Kind::Conflict, why)
}

/// What there is to take over from it.
fn earlier(
    state: &ApiState,
    app: AppId,
    id: DeploymentId,
    settings: bool,
) -> Result<Earlier, Problem> {
    let found = state.see(|sight| versions::earlier(sight.view, id, settings));
    found.filter(|earlier| earlier.spec.app == app).ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "that deployment was never built, so that there is nothing to take over from it; choose \
             another one",
        )
    })
}

#[cfg(test)]
mod tests {
    use hythe_core::names::{BranchName, CommitId};
    use hythe_core::source::{Pushed, UploadDigest};

    use super::*;

    #[test]
    fn what_is_lost_is_named_with_how_to_have_it_again() {
        let upload = UploadDigest::new(format!("sha256:{}", "0".repeat(64))).unwrap();
        let app = AppName::new("shop").unwrap();
        let sent = lost(3, &app, &Source::Upload(upload.clone()));
        assert_eq!(sent.status, 409);
        assert!(
            sent.detail.contains("deployment 3 are not where they are kept"),
            "{}",
            sent.detail
        );
        assert!(sent.detail.ends_with("hythe deploy shop DIR."), "{}", sent.detail);
        let branch = BranchName::new("main").unwrap();
        let commit = CommitId::new("a".repeat(40)).unwrap();
        let pushed = lost(3, &app, &Source::Pushed(Pushed { branch, commit, upload }));
        assert!(pushed.detail.ends_with("git push hythe HEAD:main."), "{}", pushed.detail);
    }
}
