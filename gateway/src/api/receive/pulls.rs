//! What a signed delivery of a pull request leads to: that each app that it concerns wants a preview of
//! it, or none. What was wanted is on disk before the answer; what follows from that is made by itself.

use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use hythe_actors::aggregate::CommandError;
use hythe_core::app::{ActiveApp, AppCommand};
use hythe_core::claims::ClaimKey;
use hythe_core::hook::{Hook, PullRequest, RepositoryKey};
use hythe_core::ids::{AppId, HookId};
use hythe_core::preview::judge::{Judged, judge};
use hythe_core::record::Meta;
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use uuid::Uuid;

use super::act::{AT_ONCE, ask, meta, summed_up};
use crate::api::ApiState;
use crate::api::dto::{DeliveredApp, Delivery, DeliveryOutcome};
use crate::api::plane;
use crate::api::problem::Problem;
use crate::hooks::payload::Pulled;

/// Asks every app of the repository for what it means. Answers when all of that is on disk.
pub(super) async fn heard(
    state: &ApiState,
    request: Uuid,
    (id, hook): (HookId, &Hook),
    pulled: &Pulled,
    delivery: &mut Delivery,
) -> Result<StatusCode, Problem> {
    let (pull, change) = match &pulled.what {
        Ok((pull, change)) => (pull, *change),
        Err(why) => {
            delivery.outcome = DeliveryOutcome::Skipped;
            delivery.reason = Some(format!("#{}: {why}", pulled.number));
            return Ok(StatusCode::OK);
        }
    };
    let apps = state.control().read(|view| served(view, &hook.repository));
    let meta = meta(state, request, (id, hook), pulled.sender.clone());
    let name = delivery.id.clone().unwrap_or_default();
    let default = pulled.remote.default_branch.as_deref();
    let one = |app: ActiveApp| {
        let key = ClaimKey::delivery(id, app.id, &name);
        let judged = judge(pull, change, &app, default);
        of_app(state, app, (pull, judged), key, meta.clone())
    };
    let done: Vec<_> = stream::iter(apps.into_iter().map(one)).buffered(AT_ONCE).collect().await;
    summed_up(done, &hook.repository, delivery)
}

/// The apps of the repository that may have previews.
fn served(view: &View, repository: &RepositoryKey) -> Vec<ActiveApp> {
    let apps = view.names.values().filter_map(|id| view.apps.get(id)?.state.active());
    let of = apps.filter(|app| {
        let source = app.settings.source.as_ref();
        let own = source.and_then(|source| RepositoryKey::of(&source.git()?.repository));
        app.preview.is_none() && own.as_ref() == Some(repository)
    });
    of.cloned().collect()
}

/// What comes of it for one app; and the problem where it is worth sending the delivery again.
async fn of_app(
    state: &ApiState,
    app: ActiveApp,
    (pull, judged): (&PullRequest, Judged),
    key: ClaimKey,
    meta: Meta,
) -> (DeliveredApp, Option<Problem>) {
    let number = pull.number;
    let said = |outcome, reason: String| DeliveredApp {
        id: app.id,
        name: app.name.to_string(),
        outcome,
        reason: Some(reason),
        deployment: None,
    };
    let preview = AppId::new(Uuid::now_v7());
    let (command, outcome) = match judged {
        Judged::Skip(why) => return (said(DeliveryOutcome::Skipped, why), None),
        Judged::Want | Judged::Refresh => {
            let (pull, refresh) = (Box::new(pull.clone()), judged == Judged::Refresh);
            let command = AppCommand::WantPreview { pull, app: preview, refresh, at: meta.at };
            (command, DeliveryOutcome::Deployed)
        }
        Judged::End(why) => {
            // Where it is not said when that was, it is not taken for long ago.
            let at = Some(pull.at).filter(|at| *at > Timestamp::default());
            (AppCommand::EndPreview { number, why, at }, DeliveryOutcome::Removed)
        }
    };
    let open = app.previews.open.contains_key(&number);
    match ask(state, app.id, command, (&key, preview.uuid()), meta).await {
        // What is so already was made so by this one, or by another.
        Ok(done) if done.events.is_empty() && taken(state, &key) => {
            (said(DeliveryOutcome::Repeated, "this delivery was taken before".into()), None)
        }
        Ok(done) if done.events.is_empty() => {
            (said(DeliveryOutcome::Skipped, format!("nothing of #{number} is new")), None)
        }
        Ok(_) if outcome == DeliveryOutcome::Removed && !open => {
            (said(DeliveryOutcome::Skipped, format!("#{number} has no preview")), None)
        }
        Ok(_) => (said(outcome, format!("the preview of #{number}")), None),
        Err(CommandError::ClaimTaken { .. }) => {
            (said(DeliveryOutcome::Repeated, "this delivery was taken before".into()), None)
        }
        Err(CommandError::Rejected(refusal)) => {
            (said(DeliveryOutcome::Refused, refusal.to_string()), None)
        }
        Err(
            error @ (CommandError::Busy { .. }
            | CommandError::NoRoom(_)
            | CommandError::Unavailable(_)),
        ) => {
            let problem = plane::problem(error);
            let why = format!("{}; send the delivery again", problem.detail.trim_end_matches('.'));
            (said(DeliveryOutcome::Failed, why), Some(problem))
        }
    }
}

/// Whether a delivery had its effect before. Where the journal cannot be read, it says what it would say
/// of another one.
fn taken(state: &ApiState, key: &ClaimKey) -> bool {
    state.control().journal().claim(key).is_ok_and(|owner| owner.is_some())
}
