//! Deliveries of webhooks: taken in, checked, and made deployments.
//!
//! Invariants: nothing is read of a body that nobody signed, and little is kept of it; a signed push
//! is answered once every deployment that it asks for is on disk, and each app takes one delivery
//! once: the provider's id of it is claimed in the commit of the request. Whoever cannot sign makes
//! nothing grow: not the journal, not the memory.

mod act;
mod gate;
mod pulls;
mod ring;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use hythe_core::hook::Hook;
use hythe_core::ids::HookId;
use hythe_core::view::View;
use uuid::Uuid;

pub(crate) use self::gate::Gate;
pub(crate) use self::ring::Deliveries;
use super::ApiState;
use super::dto::{Delivery, DeliveryOutcome};
use super::problem::{Kind, Problem};
use crate::hooks::payload::{Push, Remote, Said, Unreadable, read};
use crate::hooks::verify::{Unproven, is_signed, verify};
use crate::hooks::{delivery_id, event_name};

/// Bytes of a delivery: as many as GitHub sends at the most.
pub(crate) const MOST_BODY: usize = 25 * 1024 * 1024;
/// Bytes from which on a body is read on a thread of its own: it would hold others up.
const LONG_BODY: usize = 64 * 1024;

/// A delivery as it came.
pub(crate) struct Came {
    pub(crate) provider: String,
    pub(crate) hook: String,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: std::net::IpAddr,
    /// The request's id.
    pub(crate) request: Uuid,
}

/// Takes a delivery in. Says what came of it, with the status of the answer.
pub(crate) async fn receive(
    state: &ApiState,
    came: Came,
    body: Body,
) -> Result<(StatusCode, Delivery), Problem> {
    let (id, hook) = find(state, &came)?;
    let event = event_name(hook.provider, &came.headers);
    let mut delivery = Delivery {
        id: None,
        hook: id,
        at: state.now().into(),
        event: event.clone(),
        reference: None,
        commit: None,
        sender: None,
        outcome: DeliveryOutcome::Refused,
        reason: None,
        apps: Vec::new(),
    };
    let unproven = |state: &ApiState, why: Unproven, mut delivery: Delivery| {
        state.gate().failed(id, came.peer);
        delivery.reason = Some(why.to_string());
        state.deliveries().unsigned(delivery);
        Problem::new(Kind::Unauthorized, format!("the delivery is refused: {why}"))
    };
    if let Some(wait) = state.gate().waits(id, came.peer) {
        let detail = "too many deliveries with a wrong signature came from your address";
        return Err(Problem::new(Kind::TooMany, detail).retry_after(wait));
    }
    if let Err(why) = is_signed(hook.provider, &came.headers) {
        return Err(unproven(state, why, delivery));
    }
    let (_room, body) = state.gate().body(id, came.peer, &came.headers, body, MOST_BODY).await?;
    let secret = secret(state, id, &hook)?;
    let now = state.now();
    let event = event.unwrap_or_default();
    let (provider, headers) = (hook.provider, came.headers.clone());
    let check = move || {
        verify(provider, &headers, &body, secret.expose(), now)?;
        Ok((delivery_id(provider, &headers, &body), read(provider, &event, &headers, &body)))
    };
    let checked: Result<(String, Result<Said, Unreadable>), Unproven> = if came.is_long() {
        tokio::task::spawn_blocking(check).await.map_err(|error| {
            tracing::error!(%error, "a delivery could not be read");
            Problem::new(Kind::Internal, "the delivery could not be read; see the server's log")
        })?
    } else {
        check()
    };
    let (name, said) = checked.map_err(|why| unproven(state, why, delivery.clone()))?;
    delivery.id = Some(name);
    let done = match said {
        Ok(said) => settle(state, &came, id, &hook, said, &mut delivery).await,
        Err(why) => {
            delivery.reason = Some(why.to_string());
            Err(Problem::new(Kind::Malformed, format!("the delivery is refused: {why}")))
        }
    };
    state.deliveries().signed(delivery.clone());
    done.map(|status| (status, delivery))
}

/// What a signed delivery leads to.
async fn settle(
    state: &ApiState,
    came: &Came,
    id: HookId,
    hook: &Hook,
    said: Said,
    delivery: &mut Delivery,
) -> Result<StatusCode, Problem> {
    let mut ignored = |why: &str| {
        delivery.outcome = DeliveryOutcome::Ignored;
        delivery.reason = Some(why.to_owned());
        Ok(StatusCode::OK)
    };
    match said {
        Said::Ping => ignored("the webhook is set up"),
        Said::Other => {
            ignored("events of this kind deploy nothing: choose pushes and pull requests")
        }
        Said::Pull(pulled) => {
            delivery.sender = Some(pulled.sender.as_str().to_owned());
            delivery.reference = Some(format!("#{}", pulled.number));
            if let Ok((pull, _)) = &pulled.what {
                delivery.commit = Some(pull.commit.to_string());
            }
            if elsewhere(&pulled.remote, hook, delivery) {
                return Ok(StatusCode::OK);
            }
            pulls::heard(state, came.request, (id, hook), &pulled, delivery).await
        }
        Said::Push(push) => {
            describe(&push, delivery);
            if elsewhere(&push.remote, hook, delivery) {
                return Ok(StatusCode::OK);
            }
            act::deploy(state, came.request, id, hook, &push, delivery).await
        }
    }
}

/// Whether it is of another repository than the webhook; says so then.
fn elsewhere(remote: &Remote, hook: &Hook, delivery: &mut Delivery) -> bool {
    let own = &hook.repository;
    if remote.keys.contains(own) {
        return false;
    }
    let theirs = remote.keys.first().map_or("another one", |key| key.as_str());
    delivery.outcome = DeliveryOutcome::Ignored;
    delivery.reason =
        Some(format!("it is of another repository ({theirs}; this webhook is of {own})"));
    true
}

fn describe(push: &Push, delivery: &mut Delivery) {
    delivery.sender = Some(push.sender.as_str().to_owned());
    if let Some(first) = push.changes.first() {
        delivery.reference = Some(first.name.clone());
        delivery.commit = first.commit.as_ref().map(ToString::to_string);
    }
}

fn find(state: &ApiState, came: &Came) -> Result<(HookId, Hook), Problem> {
    let id = came.hook.parse::<HookId>().ok();
    let hook = |view: &View| {
        let id = id?;
        view.installation.state.hooks.get(&id).map(|hook| (id, hook.clone()))
    };
    let found = state.control().read(hook);
    found.filter(|(_, hook)| hook.provider.name() == came.provider).ok_or_else(|| {
        Problem::not_found(
            "there is no webhook at this address; `hythe hook ls` shows the addresses there are",
        )
    })
}

fn secret(state: &ApiState, id: HookId, hook: &Hook) -> Result<hythe_store::Secret, Problem> {
    let control = state.control();
    let kept = control.journal().secret(control.installation().uuid(), &id.secret(), hook.version);
    kept.ok().flatten().ok_or_else(|| {
        tracing::error!(hook = %id, "a webhook's secret is not there");
        let detail = "the webhook's secret cannot be read here; give it another one: \
                      hythe hook rotate ID";
        Problem::new(Kind::Unavailable, detail)
    })
}

impl Came {
    fn is_long(&self) -> bool {
        let length = self.headers.get(header::CONTENT_LENGTH).and_then(|said| said.to_str().ok());
        length
            .and_then(|length| length.parse::<usize>().ok())
            .is_none_or(|length| length > LONG_BODY)
    }
}
