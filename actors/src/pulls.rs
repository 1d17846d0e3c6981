//! Tells providers of previews, in one comment on each pull request: an outbox over the journal, as
//! that of commits' statuses; and GitHub of deployments.
//!
//! Invariants: what is told follows from the journal alone, from a cursor that is kept in it; the newest
//! is told, and telling twice says the same. The id of a comment is an event of the app; one that was
//! made by a server that died before it could write that down is found by its marker, which nobody
//! knows before the comment is there. What the comment says is words of our own and checked names.

mod deployed;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use hythe_core::app::{ActiveApp, App, AppCommand, AppEvent};
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::github::Purpose;
use hythe_core::hook::comment::{Thread, created, marker};
use hythe_core::hook::{RepositoryKey, Telling};
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::installation::Installation;
use hythe_core::names::AppName;
use hythe_core::preview::told;
use hythe_core::record::{Actor, Recorded, Sequence};
use hythe_core::view::View;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::outbox::{self, Again, Later};
use crate::provider::{Access, Refused, Sender};

/// The cursor's name in the journal.
const CURSOR: &str = "pulls";
/// What is told at the same time.
const AT_ONCE: usize = 8;

/// What something is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A pull request of an app, by its number.
    Pull(AppId, u64),
    /// An app's own deployment.
    Deployment(DeploymentId),
}

/// Something to tell.
#[derive(Debug)]
struct Due {
    of: Subject,
    comment: Option<CommentDue>,
    deployment: Option<deployed::Due>,
    /// The app that the preview is, or was.
    preview: Option<AppId>,
}

/// What a comment is to say.
#[derive(Debug)]
struct CommentDue {
    access: Access,
    parent: AppId,
    number: u64,
    preview: AppId,
    text: String,
    /// Which comment that is, where there is one.
    known: Option<u64>,
}

/// What was told last, so that nothing is told again for nothing.
#[derive(Debug, Default)]
struct Last {
    comment: Option<String>,
    deployment: Option<deployed::What>,
}

/// Tells until `stop` is cancelled.
///
/// # Errors
/// Where the journal cannot be read.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut head = control.seen();
    let sender = Sender::default();
    let mut last: BTreeMap<Subject, Last> = BTreeMap::new();
    let mut again = Again::at_once(control.read(without_comment));
    let mut done = control.journal().load_cursor(CURSOR);
    if done == Sequence(0) {
        // An installation from before there was this: it begins with what comes now.
        done = *head.borrow();
    }
    loop {
        let seen = *head.borrow_and_update();
        let wanted = control.read(|view| {
            let mut hooks = view.installation.state.hooks.values();
            let told = hooks.any(|hook| hook.comments.is_some() || hook.deployments.is_some());
            told || !view.installation.state.github_apps.is_empty()
        });
        let (mut subjects, until) = match wanted && done < seen {
            true => changed(&control, done, seen)?,
            false => (BTreeSet::new(), done.max(seen)),
        };
        let ripe = again.ripe();
        if wanted {
            subjects.extend(ripe.keys().copied());
        }
        if !subjects.is_empty() {
            let mut due = control.read(|view| {
                last.retain(|subject, _| is_there(view, *subject));
                again.retain(|subject| is_there(view, subject));
                let due = |subject: &Subject| due(&control, view, *subject);
                subjects.iter().filter_map(due).collect::<Vec<_>>()
            });
            for due in &mut due {
                only_news(due, last.entry(due.of).or_default());
            }
            let all = futures_util::stream::iter(due).map(|due| {
                let (control, sender) = (control.clone(), sender.clone());
                async move { (due.of, tell(&control, &sender, due).await) }
            });
            let all = all.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
            let Some(all) = stop.run_until_cancelled(all).await else { return Ok(()) };
            for (of, taken) in all {
                let times = again.take(of).or_else(|| ripe.get(&of).copied()).unwrap_or(0);
                if let Err(later) = taken {
                    last.remove(&of);
                    again.put(of, times, later);
                }
            }
        }
        done = until;
        control.journal().save_cursor(CURSOR, done).map_err(|error| error.to_string())?;
        if done >= seen {
            let next = again.next();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = head.changed() => {
                    changed.map_err(|_| "the projection is closed".to_owned())?;
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }
}

/// Pull requests whose preview has no comment that is known of, where there is to be one: the server may have
/// ended while their provider was away.
fn without_comment(view: &View) -> BTreeSet<Subject> {
    let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
    let told = |app: &ActiveApp| {
        !app.previews.open.is_empty()
            && told_by(&view.installation.state, app, Telling::Comments).is_some()
    };
    let told = apps.filter(|(_, app)| told(app));
    let missing = told.flat_map(|(id, app)| {
        let open = app.previews.open.iter().filter(|(_, preview)| preview.comment.is_none());
        open.map(move |(number, _)| Subject::Pull(id, *number))
    });
    missing.collect()
}

/// Whether there is still something to be told of.
fn is_there(view: &View, subject: Subject) -> bool {
    match subject {
        Subject::Pull(parent, number) => {
            let app = view.apps.get(&parent).and_then(|app| app.state.active());
            let previews = app.map(|app| &app.previews);
            previews
                .is_some_and(|all| all.open.contains_key(&number) || all.past.contains_key(&number))
        }
        Subject::Deployment(id) => view.deployments.contains_key(&id),
    }
}

fn only_news(due: &mut Due, last: &mut Last) {
    let text = due.comment.as_ref().map(|comment| comment.text.clone());
    if text.is_some() && text == last.comment {
        due.comment = None;
    }
    let deployment = due.deployment.as_ref().map(|due| due.what.clone());
    let told = last.deployment.as_ref();
    if due.deployment.as_mut().is_some_and(|due| !due.is_news(told)) {
        due.deployment = None;
    }
    last.comment = text.or_else(|| last.comment.take());
    last.deployment = deployment.or_else(|| last.deployment.take());
}

/// What something happened to that may be told of, in the next events up to `seen`, and the last of
/// those.
fn changed(
    control: &Control,
    from: Sequence,
    seen: Sequence,
) -> Result<(BTreeSet<Subject>, Sequence), String> {
    let mut subjects = BTreeSet::new();
    let until = outbox::next(control, from, seen, |recorded| {
        subjects.extend(control.read(|view| concerned(view, recorded)));
    })?;
    Ok((subjects, until))
}

/// What an event is about, where that may be told of.
fn concerned(view: &View, recorded: &Recorded<Event>) -> Option<Subject> {
    let preview = |app: AppId| {
        let of = view.apps.get(&app)?.state.active()?.preview.as_ref()?;
        Some(Subject::Pull(of.parent, of.number))
    };
    let app = AppId::new(recorded.stream.id);
    let deployment = DeploymentId::new(recorded.stream.id);
    let of = |app| preview(app).unwrap_or(Subject::Deployment(deployment));
    match &recorded.event {
        Event::App(AppEvent::PreviewWanted { pull, .. }) => Some(Subject::Pull(app, pull.number)),
        Event::App(AppEvent::PreviewUnwanted { number, .. }) => Some(Subject::Pull(app, *number)),
        Event::App(AppEvent::BecamePreview(of)) => Some(Subject::Pull(of.parent, of.number)),
        Event::App(AppEvent::Stopped { .. } | AppEvent::Started) => preview(app),
        Event::Deployment(DeploymentEvent::Requested(spec)) => Some(of(spec.app)),
        Event::Deployment(_) => {
            Some(of(view.deployments.get(&deployment)?.state.attempt()?.spec.app))
        }
        Event::App(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => None,
    }
}

/// How one gets to the provider of an app's repository, where that is told so.
fn told_by(installation: &Installation, app: &ActiveApp, what: Telling) -> Option<Access> {
    let url = &app.settings.source.as_ref()?.git()?.repository;
    let key = RepositoryKey::of(url)?;
    let mut hooks = installation.hooks.values().filter(|hook| hook.repository == key);
    match hooks.find_map(|hook| Some((hook.provider, hook.told(what)?.clone()))) {
        Some(to) => Access::of(installation, url, to),
        None => Access::by_app(installation, url),
    }
}

/// What is to be told now, where anything is.
fn due(control: &Control, view: &View, of: Subject) -> Option<Due> {
    let (parent, number) = match of {
        Subject::Deployment(id) => {
            let deployment = Some(deployed::of_app(control, view, id)?);
            return Some(Due { of, comment: None, deployment, preview: None });
        }
        Subject::Pull(parent, number) => (parent, number),
    };
    let app = view.apps.get(&parent)?.state.active()?;
    let address = |name: &AppName| control.app_url(name);
    let (preview, text) = told::text(view, app, number, address)?;
    let known = match app.previews.open.get(&number) {
        Some(open) => open.comment,
        None => app.previews.past.get(&number)?.comment,
    };
    let deployment = deployed::of_preview(control, view, (app, number));
    let access = told_by(&view.installation.state, app, Telling::Comments);
    let comment = access.map(|access| CommentDue { access, parent, number, preview, text, known });
    if comment.is_none() && deployment.is_none() {
        return None;
    }
    Some(Due { of, comment, deployment, preview: Some(preview) })
}

/// Tells it. What is not taken is said in the log and beside the preview.
async fn tell(control: &Control, sender: &Sender, due: Due) -> Result<(), Later> {
    let Due { of, comment, deployment, preview } = due;
    let mut refused = None;
    if let Some(due) = &comment {
        match say(control, sender, due).await {
            Ok(Some(comment)) if Some(comment) != due.known => note(control, due, comment).await,
            Ok(_) => {}
            // An App that is installed elsewhere has nothing to do with it.
            Err(why) if why.uncovered && due.access.implied => {}
            Err(why) => refused = Some(why),
        }
    }
    if let Some(due) = &deployment {
        refused = deployed::tell(control, sender, due).await.err().or(refused);
    }
    let later = refused.as_ref().map(|refused| Later { wait: refused.wait });
    let why = refused.map(|refused| refused.why);
    if let Some(why) = &why {
        tracing::warn!(?of, why, "a provider was not told");
    }
    if let Some(preview) = preview {
        control.troubles().told(preview, why);
    }
    later.map_or(Ok(()), Err)
}

/// Writes down which comment it is.
async fn note(control: &Control, due: &CommentDue, comment: u64) {
    let command = AppCommand::NotePreviewComment { number: due.number, comment };
    let meta = control.meta(Actor::System, None, None);
    let noted = control.insist::<App>(due.parent.uuid(), command, meta).await;
    if let Some(sequence) = noted.and_then(|done| done.sequence) {
        // Where reads stay behind, the marker tells.
        drop(control.wait_for(sequence).await);
    }
}

fn no_such(access: &Access) -> Refused {
    Refused::from(format!("{} is no repository of {}'s", access.repository.path, access.provider))
}

/// Has the comment say this. Says which comment that is.
async fn say(control: &Control, sender: &Sender, due: &CommentDue) -> Result<Option<u64>, Refused> {
    let CommentDue { access, number, preview, text, known, parent: _ } = due;
    let Access { provider, api, repository, .. } = access;
    let thread = Thread { provider: *provider, api, repository, number: *number };
    let none = || no_such(access);
    let edit = |comment: u64| {
        let request = thread.edit(comment, text).ok_or_else(none);
        async move { sender.ask(control, access, &request?, Purpose::Comments).await }
    };
    if let Some(comment) = *known {
        match edit(comment).await {
            Ok(_) => return Ok(Some(comment)),
            // Somebody removed it.
            Err(refused) if refused.status == Some(404) => {}
            Err(refused) => return Err(refused),
        }
    } else if let Some(comment) = find(control, sender, &thread, access, *preview).await? {
        edit(comment).await?;
        return Ok(Some(comment));
    }
    let create = thread.create(text).ok_or_else(none)?;
    let made = sender.ask_once(control, access, &create, Purpose::Comments).await?;
    Ok(created(&made))
}

/// The comment that tells of this preview, where there is one: the oldest, for whoever copies the
/// marker does so later.
async fn find(
    control: &Control,
    sender: &Sender,
    thread: &Thread<'_>,
    access: &Access,
    preview: AppId,
) -> Result<Option<u64>, Refused> {
    let marker = marker(preview);
    let mut found: Option<u64> = None;
    let mut page = 1;
    while let Some(request) = thread.list(page) {
        let answer = sender.ask(control, access, &request, Purpose::Comments).await?;
        let (comments, more) = thread.listed(&answer);
        let here = comments.into_iter().filter(|comment| comment.text.contains(&marker));
        found = found.into_iter().chain(here.map(|comment| comment.id)).min();
        if !more {
            break;
        }
        page += 1;
    }
    Ok(found)
}
