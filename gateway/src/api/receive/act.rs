//! What a signed push leads to: a deployment of the commit that was pushed, of each app that it
//! concerns.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use hythe_actors::aggregate::{CommandError, Done};
use hythe_core::app::{App, AppCommand};
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::hook::{Hook, RepositoryKey, SenderName, Triggers, Webhook};
use hythe_core::ids::{AppId, CorrelationId, DeploymentId, HookId};
use hythe_core::names::AppName;
use hythe_core::record::{Actor, Meta};
use hythe_core::source::{GitSource, Reference, Source};
use hythe_core::view::View;
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::dto::{DeliveredApp, Delivery, DeliveryOutcome};
use crate::api::plane::{self, With};
use crate::api::problem::Problem;
use crate::hooks::matching::{Verdict, judge};
use crate::hooks::payload::Push;

/// Apps that are asked at once.
pub(super) const AT_ONCE: usize = 64;
/// How long an app that has too much to do is asked again. Providers wait ten seconds.
const AGAIN_WITHIN: Duration = Duration::from_secs(5);

/// An app of the repository.
struct Served {
    id: AppId,
    name: AppName,
    source: GitSource,
    triggers: Triggers,
}

/// Asks every app of the repository for what the push means for it. Answers when all of that is on
/// disk.
pub(super) async fn deploy(
    state: &ApiState,
    request: Uuid,
    id: HookId,
    hook: &Hook,
    push: &Push,
    delivery: &mut Delivery,
) -> Result<StatusCode, Problem> {
    let apps = state.control().read(|view| served(view, &hook.repository));
    let meta = meta(state, request, (id, hook), push.sender.clone());
    let name = delivery.id.clone().unwrap_or_default();
    let one = |app: Served| {
        let key = ClaimKey::delivery(id, app.id, &name);
        of_app(state, app, push, key, meta.clone())
    };
    let done: Vec<_> = stream::iter(apps.into_iter().map(one)).buffered(AT_ONCE).collect().await;
    summed_up(done, &hook.repository, delivery)
}

/// What came of a delivery all in all, and the answer to it.
pub(super) fn summed_up(
    done: Vec<(DeliveredApp, Option<Problem>)>,
    repository: &RepositoryKey,
    delivery: &mut Delivery,
) -> Result<StatusCode, Problem> {
    let mut failed = None;
    for (app, problem) in done {
        delivery.apps.push(app);
        failed = failed.or(problem);
    }
    let all = |outcome| delivery.apps.iter().any(|app| app.outcome == outcome);
    let order = [
        DeliveryOutcome::Failed,
        DeliveryOutcome::Deployed,
        DeliveryOutcome::Removed,
        DeliveryOutcome::Repeated,
        DeliveryOutcome::Refused,
        DeliveryOutcome::Skipped,
    ];
    match order.into_iter().find(|outcome| all(*outcome)) {
        Some(outcome) => delivery.outcome = outcome,
        None => {
            delivery.outcome = DeliveryOutcome::Skipped;
            delivery.reason = Some(format!("no app is deployed from {repository}"));
        }
    }
    match (failed, delivery.outcome) {
        (Some(problem), _) => Err(problem),
        (
            None,
            DeliveryOutcome::Deployed | DeliveryOutcome::Removed | DeliveryOutcome::Repeated,
        ) => Ok(StatusCode::ACCEPTED),
        (None, _) => Ok(StatusCode::OK),
    }
}

/// By whoever the provider says that it was.
pub(super) fn meta(
    state: &ApiState,
    request: Uuid,
    (id, hook): (HookId, &Hook),
    sender: SenderName,
) -> Meta {
    Meta {
        at: state.now(),
        actor: Actor::Webhook(Webhook { provider: hook.provider, hook: id, sender }),
        correlation: CorrelationId::new(request),
        causation: None,
    }
}

fn served(view: &View, repository: &RepositoryKey) -> Vec<Served> {
    let apps = view.names.values().filter_map(|id| view.apps.get(id)?.state.active());
    // Previews move with the app that they are of.
    let of = apps.filter(|app| app.preview.is_none()).filter_map(|app| {
        let source = app.settings.source.as_ref()?.git()?;
        let own = RepositoryKey::of(&source.repository)?;
        (own == *repository).then(|| Served {
            id: app.id,
            name: app.name.clone(),
            source: source.clone(),
            triggers: app.triggers.clone(),
        })
    });
    of.collect()
}

/// What comes of it for one app; and the problem where it is worth sending the delivery again.
async fn of_app(
    state: &ApiState,
    app: Served,
    push: &Push,
    key: ClaimKey,
    meta: Meta,
) -> (DeliveredApp, Option<Problem>) {
    let Served { id, name, source, triggers } = app;
    let said = |outcome, reason, deployment| DeliveredApp {
        id,
        name: name.to_string(),
        outcome,
        reason,
        deployment,
    };
    let (commit, note) = match judge(push, &source, &triggers) {
        Verdict::Skip(why) => return (said(DeliveryOutcome::Skipped, Some(why), None), None),
        Verdict::Deploy { commit, note } => (commit, note),
    };
    let source = GitSource { repository: source.repository, reference: Reference::Commit(commit) };
    let source = Source::Git(source);
    let deployment = DeploymentId::new(Uuid::now_v7());
    match request(state, id, deployment, source, &key, meta).await {
        Ok(()) => (said(DeliveryOutcome::Deployed, note, Some(deployment)), None),
        Err(CommandError::ClaimTaken { key: _, owner }) => {
            let before = Uuid::from_slice(&owner.note).ok().map(DeploymentId::new);
            let why = "this delivery was taken before".to_owned();
            (said(DeliveryOutcome::Repeated, Some(why), before), None)
        }
        Err(CommandError::Rejected(refusal)) => {
            (said(DeliveryOutcome::Refused, Some(refusal.to_string()), None), None)
        }
        Err(
            error @ (CommandError::Busy { .. }
            | CommandError::NoRoom(_)
            | CommandError::Unavailable(_)),
        ) => {
            let problem = plane::problem(error);
            let why = format!("{}; send the delivery again", problem.detail.trim_end_matches('.'));
            (said(DeliveryOutcome::Failed, Some(why), None), Some(problem))
        }
    }
}

/// Asks the app, and again where it has too much to do.
async fn request(
    state: &ApiState,
    app: AppId,
    deployment: DeploymentId,
    source: Source,
    key: &ClaimKey,
    meta: Meta,
) -> Result<(), CommandError> {
    let source = Some(source);
    let command = AppCommand::RequestDeployment { deployment, source, no_cache: false };
    ask(state, app, command, (key, deployment.uuid()), meta).await.map(drop)
}

/// Gives the app a command that takes the delivery up, and again where it has too much to do. Whoever
/// comes with the same delivery again finds the note.
pub(super) async fn ask(
    state: &ApiState,
    app: AppId,
    command: AppCommand,
    (key, note): (&ClaimKey, Uuid),
    meta: Meta,
) -> Result<Done<App>, CommandError> {
    let until = Instant::now() + AGAIN_WITHIN;
    loop {
        let note = note.as_bytes().to_vec();
        let claim = Some(ClaimChange::Take { key: key.clone(), note });
        let with = With { claim, secrets: Vec::new() };
        match state.command::<App>(app.uuid(), command.clone(), meta.clone(), with).await {
            Err(CommandError::Busy { retry_after }) if Instant::now() + retry_after < until => {
                tokio::time::sleep(retry_after).await;
            }
            done => return done,
        }
    }
}
