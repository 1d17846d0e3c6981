//! Makes previews what they are to be: an app for each pull request that is to have one, at its newest
//! commit, and none for any other.
//!
//! Invariants: what is done follows from comparing what was decided with what is there
//! ([`hythe_core::preview::plan`]), so that a crash anywhere leaves nothing that is not found again. A
//! preview begins and moves on in one commit, with its variables and its deployment: there is never
//! half of one, and one delivery makes one. A value that is copied goes from secret to secret and
//! through nothing else; to a preview of a fork none goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hythe_core::app::{ActiveApp, App, AppCommand, NewPreview, PreviewGiven, SourceKey};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::limits;
use hythe_core::names::EnvName;
use hythe_core::preview::plan::{Todo, plan};
use hythe_core::preview::{Copied, Preview, PreviewEnd, PreviewOf, copies, name, settings};
use hythe_core::record::{Actor, Meta};
use hythe_core::rejection::Rejection;
use hythe_core::source::Source;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;
use hythe_store::SecretChange;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::aggregate::{CommandError, Extras};
use crate::control::Control;

/// From one look to the next, at the least: many events may say nothing of previews.
const REST: Duration = Duration::from_millis(50);
/// From one look to the next, at the most: that one is kept long enough is no event.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What did not go is tried again after this.
const AGAIN_AFTER: Millis = Millis::seconds(15);

/// Why previews are not as they are to be, or not told of, for people to look at. Cheap to clone;
/// forgotten when the server ends, and found again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<AppId, Trouble>>>);

#[derive(Debug, Default)]
struct Trouble {
    making: Option<String>,
    telling: Option<String>,
}

impl Troubles {
    fn all(&self) -> MutexGuard<'_, BTreeMap<AppId, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the preview that is to be this app is not there, not at its newest commit, or not told of.
    #[must_use]
    pub fn of(&self, preview: AppId) -> Option<String> {
        let all = self.all();
        let trouble = all.get(&preview)?;
        trouble.making.clone().or_else(|| trouble.telling.clone())
    }

    fn made(&self, preview: AppId, why: Option<String>) {
        self.all().entry(preview).or_default().making = why;
    }

    /// What came of telling its provider of it.
    pub(crate) fn told(&self, preview: AppId, why: Option<String>) {
        self.all().entry(preview).or_default().telling = why;
    }

    fn retain(&self, wanted: impl Fn(AppId) -> bool) {
        self.all().retain(|preview, trouble| {
            (trouble.making.is_some() || trouble.telling.is_some()) && wanted(*preview)
        });
    }
}

/// Keeps them so until `stop` is cancelled.
///
/// # Errors
/// Where the projection is gone.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut head = control.seen();
    let mut waits: BTreeMap<Todo, Timestamp> = BTreeMap::new();
    loop {
        head.mark_unchanged();
        let now = control.clock().now();
        let todo = control.read(|view| plan(view, now));
        waits.retain(|one, until| todo.contains(one) && !until.is_over(AGAIN_AFTER, now));
        for one in todo {
            if waits.contains_key(&one) {
                continue;
            }
            let Some(done) = stop.run_until_cancelled(carry_out(&control, one)).await else {
                return Ok(());
            };
            if !done {
                waits.insert(one, control.clock().now().plus(AGAIN_AFTER));
            }
        }
        control.read(|view| control.troubles().retain(|preview| is_wanted(view, preview)));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = head.changed() => {
                changed.map_err(|_| "the projection is gone".to_owned())?;
                if stop.run_until_cancelled(tokio::time::sleep(REST)).await.is_none() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn is_wanted(view: &View, preview: AppId) -> bool {
    let apps = view.apps.values().filter_map(|app| app.state.active());
    apps.flat_map(|app| app.previews.open.values()).any(|open| open.app == preview)
}

/// Does one thing, and waits until reads show it. False where it is to be tried again later.
async fn carry_out(control: &Control, todo: Todo) -> bool {
    let (preview, done) = match todo {
        Todo::Delete(app) => (app, delete(control, app).await),
        Todo::End { parent, number, why } => match wanted(control, parent, number) {
            Some(wanted) => (wanted.preview.app, end(control, &wanted, why).await),
            None => return true,
        },
        Todo::Make { parent, number } => match wanted(control, parent, number) {
            Some(wanted) => (wanted.preview.app, make(control, &wanted).await),
            None => return true,
        },
        Todo::Move { parent, number } => match wanted(control, parent, number) {
            Some(wanted) => (wanted.preview.app, bring(control, &wanted).await),
            None => return true,
        },
    };
    if let Err(why) = &done {
        tracing::warn!(?todo, why, "a preview is not as it is to be, and is tried again");
    }
    control.troubles().made(preview, done.as_ref().err().cloned());
    done.is_ok()
}

/// A preview that is wanted, and by whom.
struct Wanted {
    parent: ActiveApp,
    preview: Preview,
    /// What goes with whatever is done for it: because of whoever asked.
    meta: Meta,
}

fn wanted(control: &Control, parent: AppId, number: u64) -> Option<Wanted> {
    control.read(|view| {
        let seen = view.apps.get(&parent)?;
        let app = seen.state.active()?;
        let preview = app.previews.open.get(&number)?.clone();
        let because = seen.previews.get(&number);
        let (actor, correlation) = match because {
            Some(because) => (because.meta.actor.clone(), Some(because.meta.correlation)),
            None => (Actor::System, None),
        };
        let meta = control.meta(actor, correlation, because.map(|because| because.event));
        Some(Wanted { parent: app.clone(), preview, meta })
    })
}

async fn delete(control: &Control, app: AppId) -> Result<(), String> {
    // Nobody is to read what was its own any more.
    let secrets = vec![SecretChange::DeleteScope { scope: app.uuid() }];
    let meta = control.meta(Actor::System, None, None);
    give(control, app, AppCommand::Delete, meta, secrets).await.map_err(|error| error.to_string())
}

async fn end(control: &Control, wanted: &Wanted, why: PreviewEnd) -> Result<(), String> {
    let number = wanted.preview.pull.number;
    let command = AppCommand::EndPreview { number, why, at: None };
    let meta = control.meta(Actor::System, None, wanted.meta.causation);
    give(control, wanted.parent.id, command, meta, Vec::new())
        .await
        .map_err(|error| error.to_string())
}

async fn make(control: &Control, wanted: &Wanted) -> Result<(), String> {
    let Wanted { parent, preview, meta } = wanted;
    let (given, secrets) = given(control, wanted, None)?;
    for again in [false, true] {
        let number = preview.pull.number;
        let name = name(&parent.name, number, preview.app, again)
            .ok_or("no name can be made for it; give the app a shorter one")?;
        let new = NewPreview { id: preview.app, name, given: given.clone() };
        let command = AppCommand::CreatePreview(Box::new(new));
        match give(control, preview.app, command, meta.clone(), secrets.clone()).await {
            Ok(()) => return Ok(()),
            // Another app is called so.
            Err(CommandError::ClaimTaken { .. }) => {}
            Err(CommandError::Rejected(Rejection::Exists { .. })) => {
                return was_there(control, wanted).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("other apps have every name that it could have".into())
}

/// The app was there already: it is still, or somebody has deleted it.
async fn was_there(control: &Control, wanted: &Wanted) -> Result<(), String> {
    let there = control.wait_for(control.journal().head()).await;
    there.map_err(|error| error.to_string())?;
    let app = wanted.preview.app;
    if control.read(|view| view.apps.contains_key(&app)) {
        return Ok(());
    }
    end(control, wanted, PreviewEnd::ByHand).await
}

/// Brings a preview that is there to the newest commit.
async fn bring(control: &Control, wanted: &Wanted) -> Result<(), String> {
    let app = wanted.preview.app;
    let there = |view: &View| view.apps.get(&app)?.state.active().cloned();
    let Some(there) = control.read(there) else { return Ok(()) };
    let (given, secrets) = given(control, wanted, Some(&there))?;
    let command = AppCommand::MovePreview(Box::new(given));
    give(control, app, command, wanted.meta.clone(), secrets)
        .await
        .map_err(|error| error.to_string())
}

/// What a preview is given, and the values that go with it: all of them, or those that are other than
/// what it has.
fn given(
    control: &Control,
    wanted: &Wanted,
    there: Option<&ActiveApp>,
) -> Result<(PreviewGiven, Vec<SecretChange>), String> {
    let Wanted { parent, preview, meta } = wanted;
    if parent.settings.source.as_ref().and_then(Source::git).is_none() {
        let name = &parent.name;
        return Err(format!("{name} has no repository: hythe app set {name} --repo URL"));
    }
    let fork = preview.pull.is_fork();
    let copied = copies(parent, fork);
    let before = there.and_then(|there| there.preview.as_deref());
    let has = |name: &EnvName| before.and_then(|of| of.copied.get(name));
    let version = there.map_or(1, |there| there.next_secret);
    let mut secrets = Vec::new();
    let mut set = BTreeMap::new();
    let mut bytes = 0;
    for (name, from) in &copied {
        let value = value(control, parent, name, *from)?;
        bytes += name.as_str().len() + value.expose().len();
        if has(name) != Some(from) {
            let (scope, name) = (preview.app.uuid(), name.clone());
            set.insert(name.clone(), version);
            secrets.push(SecretChange::Put { scope, name: name.to_string(), version, value });
        }
    }
    if bytes > limits::MOST_ENV_BYTES {
        let (most, name) = (limits::MOST_ENV_BYTES / 1024, &parent.name);
        return Err(format!(
            "its variables would have {bytes} bytes, and have at most {most} KiB; leave some out: \
             hythe preview on {name} --env NAME,NAME"
        ));
    }
    let gone = before.into_iter().flat_map(|of| of.copied.keys());
    let remove = gone.filter(|name| {
        !copied.contains_key(*name) && there.is_some_and(|there| there.env.contains_key(*name))
    });
    let remove = remove.cloned().collect();
    let had = before.and_then(|of| of.key);
    let of_key = parent.source_key.as_ref().filter(|_| !fork);
    let key = match of_key.filter(|key| had != Some(key.version)) {
        None => None,
        Some(key) => {
            let private = secret(control, parent.id, SourceKey::SECRET, key.version)?;
            let private = private.ok_or_else(|| {
                let name = &parent.name;
                format!(
                    "the key of {name} for its repository is gone: hythe source key {name} --rotate"
                )
            })?;
            let scope = preview.app.uuid();
            let version = there.map_or(1, ActiveApp::next_source_key);
            let name = SourceKey::SECRET.to_owned();
            secrets.push(SecretChange::Put { scope, name, version, value: private });
            Some(SourceKey { key: key.key.clone(), version, at: meta.at })
        }
    };
    let of = PreviewOf {
        parent: parent.id,
        number: preview.pull.number,
        revision: preview.revision,
        fork,
        copied,
        key: of_key.map(|key| key.version),
    };
    let deployment = DeploymentId::new(Uuid::now_v7());
    let settings = settings(parent, preview);
    let sleep_after = parent.edge.sleep_after;
    let given = PreviewGiven { of, settings, sleep_after, set, remove, key, deployment };
    Ok((given, secrets))
}

fn value(
    control: &Control,
    parent: &ActiveApp,
    name: &EnvName,
    from: Copied,
) -> Result<hythe_store::Secret, String> {
    let (lies, version) = from.lies(name);
    let app = &parent.name;
    secret(control, parent.id, &lies, version)?.ok_or_else(|| match from {
        Copied::Own(_) => format!("the value of {name} is gone: hythe env set {app} {name}=-"),
        Copied::Set(_) => {
            format!("the value of {name} is gone: hythe preview on {app} --set {name}=-")
        }
    })
}

fn secret(
    control: &Control,
    app: AppId,
    name: &str,
    version: u64,
) -> Result<Option<hythe_store::Secret>, String> {
    control.journal().secret(app.uuid(), name, version).map_err(|error| error.to_string())
}

/// Gives a command, and waits until reads show what came of it.
async fn give(
    control: &Control,
    app: AppId,
    command: AppCommand,
    meta: Meta,
    secrets: Vec<SecretChange>,
) -> Result<(), CommandError> {
    let extras = Extras { secrets, ..Extras::from(meta) };
    let done = control.command::<App>(app.uuid(), command, extras).await?;
    let sequence = done.sequence.unwrap_or_else(|| control.journal().head());
    control.wait_for(sequence).await
}
