//! Deliveries of webhooks: taken in, checked, and made deployments.
//!
//! Invariants: nothing is read of a body that nobody signed, and little is kept of it; a signed push
//! is answered once every deployment that it asks for is on disk, and each app takes one delivery
//! once: the provider's id of it is claimed in the commit of the request. Whoever cannot sign makes
//! nothing grow: not the journal, not the memory. Nor does it keep anybody from being heard who signs right and
//! comes by the same address: what is small is checked, however many were wrong.

mod act;
mod gate;
mod pulls;
mod ring;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use hythe_core::github::GitHubApp;
use hythe_core::hook::{Hook, Provider};
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

/// What is said where there is nothing to check a signature with.
const NO_SECRET: Unproven = Unproven::Missing("secret");

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
    let (id, receiver) = find(state, &came)?;
    let provider = receiver.provider();
    let event = event_name(provider, &came.headers);
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
    // Several may come by one address, and not all of them sign wrong: what costs little is looked at all the
    // same.
    let waits = state.gate().waits(id, came.peer);
    let most = match waits {
        Some(wait) if came.is_long() => return Err(too_many(wait)),
        Some(_) => LONG_BODY,
        None => MOST_BODY,
    };
    if let Err(why) = is_signed(provider, &came.headers) {
        return Err(waits.map_or_else(|| unproven(state, why, delivery), too_many));
    }
    let (_room, body) = state.gate().body(id, came.peer, &came.headers, body, most).await?;
    let secrets = receiver.secrets(state, id)?;
    let now = state.now();
    let event = event.unwrap_or_default();
    let (headers, told) = (came.headers.clone(), event.clone());
    let check = move || {
        // Of several all are tried: which of them it was tells nobody anything.
        let checks = secrets.iter().map(|one| verify(provider, &headers, &body, one.expose(), now));
        checks.collect::<Vec<_>>().into_iter().reduce(Result::or).unwrap_or(Err(NO_SECRET))?;
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
    let (name, said) = checked
        .map_err(|why| waits.map_or_else(|| unproven(state, why, delivery.clone()), too_many))?;
    delivery.id = Some(name);
    let done = match said {
        Ok(said) => settle(state, &came, (id, &receiver, &told), said, &mut delivery).await,
        Err(why) => {
            delivery.reason = Some(why.to_string());
            Err(Problem::new(Kind::Malformed, format!("the delivery is refused: {why}")))
        }
    };
    state.deliveries().signed(delivery.clone());
    done.map(|status| (status, delivery))
}

fn too_many(wait: std::time::Duration) -> Problem {
    let detail = "too many deliveries with a wrong signature came from your address; until then \
                  only those of at most 64 KiB that are signed right are taken";
    Problem::new(Kind::TooMany, detail).retry_after(wait)
}

/// What a signed delivery leads to.
async fn settle(
    state: &ApiState,
    came: &Came,
    (id, receiver, event): (HookId, &Receiver, &str),
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
        Said::Other if receiver.is_app() && event.starts_with("installation") => {
            state.control().github().forget(id);
            ignored("noted: where the App is installed has changed")
        }
        Said::Other => {
            ignored("events of this kind deploy nothing: choose pushes and pull requests")
        }
        Said::Pull(pulled) => {
            delivery.sender = Some(pulled.sender.as_str().to_owned());
            delivery.reference = Some(format!("#{}", pulled.number));
            if let Ok((pull, _)) = &pulled.what {
                delivery.commit = Some(pull.commit.to_string());
            }
            let Some(hook) = receiver.hook_for(state, &pulled.remote, delivery) else {
                return Ok(StatusCode::OK);
            };
            pulls::heard(state, came.request, (id, &hook), &pulled, delivery).await
        }
        Said::Push(push) => {
            describe(&push, delivery);
            let Some(hook) = receiver.hook_for(state, &push.remote, delivery) else {
                return Ok(StatusCode::OK);
            };
            act::deploy(state, came.request, id, &hook, &push, delivery).await
        }
    }
}

/// Who a delivery is for.
enum Receiver {
    /// The webhook of one repository.
    Hook(Hook),
    /// That of a GitHub App: of all repositories that it is installed on.
    App(Box<GitHubApp>),
}

impl Receiver {
    const fn provider(&self) -> Provider {
        match self {
            Self::Hook(hook) => hook.provider,
            Self::App(_) => Provider::GitHub,
        }
    }

    const fn is_app(&self) -> bool {
        matches!(self, Self::App(_))
    }

    /// What deliveries may be signed with: one secret, but for an App's two while GitHub is told of another
    /// one.
    fn secrets(&self, state: &ApiState, id: HookId) -> Result<Vec<hythe_store::Secret>, Problem> {
        let control = state.control();
        let scope = control.installation().uuid();
        let kept =
            |name: String, version| control.journal().secret(scope, &name, version).ok().flatten();
        let secrets: Vec<_> = match self {
            Self::Hook(hook) => kept(id.secret(), hook.version).into_iter().collect(),
            Self::App(app) => {
                let versions = app.secrets();
                versions.filter_map(|version| kept(id.app_secret(version), version)).collect()
            }
        };
        if !secrets.is_empty() {
            return Ok(secrets);
        }
        tracing::error!(hook = %id, "a webhook's secret is not there");
        let again = if self.is_app() {
            "hythe source github-app rotate-secret ID"
        } else {
            "hythe hook rotate ID"
        };
        let detail =
            format!("the webhook's secret cannot be read here; give it another one: {again}");
        Err(Problem::new(Kind::Unavailable, detail))
    }

    /// The webhook of the repository that a delivery is of; none where it is not for this receiver, which is
    /// said then.
    fn hook_for(&self, state: &ApiState, remote: &Remote, delivery: &mut Delivery) -> Option<Hook> {
        let mut ignored = |why: String| {
            delivery.outcome = DeliveryOutcome::Ignored;
            delivery.reason = Some(why);
            None
        };
        let theirs = remote.keys.first().map_or("another one", |key| key.as_str());
        match self {
            Self::Hook(hook) if remote.keys.contains(&hook.repository) => Some(hook.clone()),
            Self::Hook(hook) => {
                let own = &hook.repository;
                ignored(format!(
                    "it is of another repository ({theirs}; this webhook is of {own}). Where that is its \
                     new name, give apps the new address (hythe app set APP --repo URL) and make a webhook \
                     for it: hythe hook add APP"
                ))
            }
            Self::App(app) => {
                let Some(key) = remote.keys.iter().find(|key| app.server.has(key)) else {
                    let own = &app.server;
                    return ignored(format!(
                        "it is of a repository elsewhere ({theirs}; this App is of {own})"
                    ));
                };
                let own = state.control().read(|view| view.installation.state.hook_of(key));
                if let Some(own) = own {
                    return ignored(format!(
                        "{key} has a webhook of its own, which goes first; to leave it to the App: \
                         hythe hook rm {own}"
                    ));
                }
                Some(Hook {
                    provider: Provider::GitHub,
                    repository: key.clone(),
                    version: app.secret,
                    at: app.at,
                    secret_at: app.secret_at,
                    statuses: None,
                    comments: None,
                    deployments: None,
                })
            }
        }
    }
}

fn describe(push: &Push, delivery: &mut Delivery) {
    delivery.sender = Some(push.sender.as_str().to_owned());
    if let Some(first) = push.changes.first() {
        delivery.reference = Some(first.name.clone());
        delivery.commit = first.commit.as_ref().map(ToString::to_string);
    }
}

fn find(state: &ApiState, came: &Came) -> Result<(HookId, Receiver), Problem> {
    let id = came.hook.parse::<HookId>().ok();
    let receiver = |view: &View| {
        let (id, installation) = (id?, &view.installation.state);
        let hook = installation.hooks.get(&id).cloned().map(Receiver::Hook);
        let app = || installation.github_apps.get(&id).cloned().map(Box::new).map(Receiver::App);
        hook.or_else(app).map(|receiver| (id, receiver))
    };
    let found = state.control().read(receiver);
    found.filter(|(_, receiver)| receiver.provider().name() == came.provider).ok_or_else(|| {
        Problem::not_found(
            "there is no webhook at this address; `hythe hook ls` shows the addresses there are",
        )
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
