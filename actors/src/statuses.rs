//! Tells providers how the commits fare that are deployed: an outbox over the journal.
//!
//! Invariants: what is told follows from the journal alone, from a cursor that is kept in it, so that
//! no end of a deployment goes untold because of a crash; of several states of one deployment only the
//! newest is told. Telling twice says the same. A provider that does not answer is told again later, for
//! a day, and holds up nothing but what is told after it. A token goes to the API that the
//! installation's owner named for its hook, follows no server that sends on to another, and is never
//! written in the clear where the repository is not fetched so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use hythe_core::deployment::{DeploymentEvent, StageName};
use hythe_core::event::Event;
use hythe_core::github::Purpose;
use hythe_core::hook::status::{self, CommitState, CommitStatus, page};
use hythe_core::hook::{Provider, RepositoryKey};
use hythe_core::ids::{DeploymentId, HookId};
use hythe_core::names::{AppName, CommitId};
use hythe_core::record::Sequence;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::view::View;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::outbox::{self, Again, Later};
use crate::provider::{Access, Refused, Sender};

/// The cursor's name in the journal.
const CURSOR: &str = "statuses";
/// What is told at the same time.
const AT_ONCE: usize = 8;
/// What came about longer ago is not told any more: who waited for it has looked elsewhere.
const NOT_AFTER: Millis = Millis::seconds(24 * 60 * 60);
/// How many are remembered of each hook.
const REMEMBERED: usize = 50;

/// What was told, for people to look at. Cheap to clone; forgotten when the server ends.
#[derive(Clone, Debug, Default)]
pub struct Statuses(Arc<Mutex<BTreeMap<HookId, VecDeque<Told>>>>);

/// What a provider was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Of which app.
    pub app: AppName,
    /// Of which commit.
    pub commit: CommitId,
    /// How it fares.
    pub state: CommitState,
    /// Why the provider did not take it, where it did not.
    pub refused: Option<String>,
}

impl Statuses {
    fn all(&self) -> MutexGuard<'_, BTreeMap<HookId, VecDeque<Told>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was told through a hook, the newest first.
    #[must_use]
    pub fn of(&self, hook: HookId) -> Vec<Told> {
        self.all().get(&hook).map(|told| told.iter().cloned().collect()).unwrap_or_default()
    }

    fn remember(&self, hook: HookId, told: Told) {
        let mut all = self.all();
        let of_hook = all.entry(hook).or_default();
        // What it did not take before is the same, told again.
        let same = |one: &Told| one.deployment == told.deployment && one.state == told.state;
        of_hook.retain(|one| one.refused.is_none() || !same(one));
        of_hook.push_front(told);
        of_hook.truncate(REMEMBERED);
    }

    /// Keeps those that there still are.
    fn retain(&self, there: &BTreeSet<HookId>) {
        self.all().retain(|hook, _| there.contains(hook));
    }
}

/// Something to tell.
#[derive(Debug)]
struct Due {
    hook: HookId,
    access: Access,
    deployment: DeploymentId,
    app: AppName,
    status: CommitStatus,
    /// Where people read more.
    page: Option<String>,
}

/// Tells until `stop` is cancelled.
///
/// # Errors
/// Where the journal cannot be read.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut head = control.seen();
    let sender = Sender::default();
    let mut told: BTreeMap<DeploymentId, CommitState> = BTreeMap::new();
    let mut again: Again<DeploymentId> = Again::default();
    let mut done = control.journal().load_cursor(CURSOR);
    if done == Sequence(0) {
        // An installation from before there was this: it begins with what comes now.
        done = *head.borrow();
    }
    loop {
        let seen = *head.borrow_and_update();
        let (hooks, wanted) = control.read(|view| {
            let (hooks, apps) =
                (&view.installation.state.hooks, &view.installation.state.github_apps);
            let ids: BTreeSet<_> = hooks.keys().chain(apps.keys()).copied().collect();
            (ids, !apps.is_empty() || hooks.values().any(|hook| hook.statuses.is_some()))
        });
        control.statuses().retain(&hooks);
        let (mut deployments, until) = match wanted && done < seen {
            true => changed(&control, done, seen)?,
            false => (Vec::new(), done.max(seen)),
        };
        let ripe = again.ripe();
        for id in ripe.keys().filter(|_| wanted) {
            // What was not heard may have been that it is live.
            match deployments.iter_mut().find(|(known, _)| known == id) {
                Some((_, went_live)) => *went_live = true,
                None => deployments.push((*id, true)),
            }
        }
        if !deployments.is_empty() {
            let due = control.read(|view| {
                told.retain(|deployment, _| view.deployments.contains_key(deployment));
                again.retain(|deployment| view.deployments.contains_key(&deployment));
                let now = control.clock().now();
                let due = |changed: &Changed| due(view, *changed, now);
                deployments.iter().filter_map(due).collect::<Vec<_>>()
            });
            let fresh = due
                .into_iter()
                .filter(|due| told.get(&due.deployment) != Some(&due.status.state))
                .collect::<Vec<_>>();
            told.extend(fresh.iter().map(|due| (due.deployment, due.status.state)));
            let all = futures_util::stream::iter(fresh).map(|due| {
                let (control, sender) = (control.clone(), sender.clone());
                async move { (due.deployment, tell(&control, &sender, &due).await) }
            });
            let all = all.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
            let Some(all) = stop.run_until_cancelled(all).await else { return Ok(()) };
            for (id, heard) in all {
                let times = again.take(id).or_else(|| ripe.get(&id).copied()).unwrap_or(0);
                if let Err(later) = heard {
                    told.remove(&id);
                    again.put(id, times, later);
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

/// A deployment that something happened to, and whether it went live by that.
type Changed = (DeploymentId, bool);

/// The deployments that something happened to, in the next events up to `seen`, and the last of those.
fn changed(
    control: &Control,
    from: Sequence,
    seen: Sequence,
) -> Result<(Vec<Changed>, Sequence), String> {
    let mut deployments: Vec<Changed> = Vec::new();
    let until = outbox::next(control, from, seen, |recorded| {
        let Event::Deployment(event) = &recorded.event else { return };
        let id = DeploymentId::new(recorded.stream.id);
        let live = matches!(event, DeploymentEvent::WentLive { .. });
        match deployments.iter_mut().find(|(known, _)| *known == id) {
            Some((_, went_live)) => *went_live |= live,
            None => deployments.push((id, live)),
        }
    })?;
    Ok((deployments, until))
}

/// What is to be told of a deployment now, where anything is.
fn due(view: &View, (id, went_live): Changed, now: Timestamp) -> Option<Due> {
    let deployment = view.deployments.get(&id)?;
    let since = deployment.stages.last().map(|(_, at)| *at)?;
    if now.since(since) > NOT_AFTER {
        return None;
    }
    let attempt = deployment.state.attempt()?;
    let was_live = deployment.stages.iter().any(|(stage, _)| *stage == StageName::Live);
    // Where the provider was slow, another version may have taken the place of this one meanwhile: it
    // would be under way there for ever.
    let of_live = || went_live.then(|| CommitStatus::of_live(attempt)).flatten();
    let status = CommitStatus::of(attempt, was_live).or_else(of_live)?;
    let url = &attempt.spec.source.git()?.repository;
    let key = RepositoryKey::of(url)?;
    let installation = &view.installation.state;
    let said = installation.hooks.iter().find_map(|(id, hook)| {
        let api = hook.statuses.clone().filter(|_| hook.repository == key)?;
        Some((*id, hook.provider, api))
    });
    let (hook, access) = match said {
        Some((hook, provider, api)) => (hook, Access::of(installation, url, (provider, api))?),
        None => {
            let access = Access::by_app(installation, url)?;
            (access.apps().first()?.id(), access)
        }
    };
    Some(Due {
        hook,
        access,
        deployment: id,
        app: attempt.spec.app_name.clone(),
        status,
        page: installation.address.as_ref().map(|address| page(address, id)),
    })
}

/// Tells it, and remembers what came of it.
async fn tell(control: &Control, sender: &Sender, due: &Due) -> Result<(), Later> {
    let refused = match send(control, sender, due).await {
        // An App that is installed elsewhere has nothing to do with it.
        Err(refused) if refused.uncovered && due.access.implied => return Ok(()),
        sent => sent.err(),
    };
    let later = refused.as_ref().filter(|refused| refused.transient);
    let later = later.map(|refused| Later { wait: refused.wait });
    let refused = refused.map(|refused| refused.why);
    if let Some(why) = &refused {
        tracing::warn!(hook = %due.hook, app = %due.app, why, "a provider was not told");
    }
    let Due { deployment, app, status, .. } = due;
    let told = Told {
        at: control.clock().now(),
        deployment: *deployment,
        app: app.clone(),
        commit: status.commit.clone(),
        state: status.state,
        refused,
    };
    control.statuses().remember(due.hook, told);
    later.map_or(Ok(()), Err)
}

async fn send(control: &Control, sender: &Sender, due: &Due) -> Result<(), Refused> {
    due.access.may_be_asked(Purpose::Statuses)?;
    let Access { provider, api, repository, .. } = &due.access;
    let request = status::request((*provider, api), repository, &due.status, due.page.as_deref());
    let request = request.ok_or_else(|| match (provider, &due.page) {
        (Provider::Bitbucket, None) => {
            "Bitbucket wants a page to link to; say where this server is reached: hythe address set \
             https://HOST"
                .to_owned()
        }
        (provider, _) => format!("{} is no repository of {provider}'s", repository.path),
    })?;
    match sender.ask(control, &due.access, &request, Purpose::Statuses).await {
        Ok(_) => Ok(()),
        // It is in that state already: GitLab has no word for saying it again.
        Err(refused)
            if *provider == Provider::GitLab
                && refused.status == Some(400)
                && refused.why.contains("Cannot transition status") =>
        {
            Ok(())
        }
        Err(refused) => Err(refused),
    }
}
