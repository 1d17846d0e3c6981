//! Replicas: placed, ordered from the workers, and judged by what the workers report.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, canaries, exits, post_deploys, releases, scaling, sleep};
use crate::app::ActiveApp;
use crate::container::VolumeName;
use crate::deployment::{Attempt, DeploymentCommand, Fault, Placement, Stage, StageName};
use crate::giving_way::giving_way;
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::{Observed, Sent};
use crate::place::{Place, place};
use crate::process::is_process;
use crate::record::Sequence;
use crate::task::is_task;
use crate::time::Timestamp;
use crate::view::{AppView, DeploymentView, View};
use crate::waiting::worker_name;
use crate::wire::worker::{EngineState, ReplicaReport, ReplicaState};
use crate::worker::{Capacity, Lease};

/// Places what is built, and says of what starts whether it is healthy or has failed.
pub(super) fn settle(
    id: DeploymentId,
    attempt: &Attempt,
    assigned: Sequence,
    view: &View,
    observed: &Observed,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    match &attempt.stage {
        Stage::Built { .. } => {
            let Some(built) = &attempt.built else { return };
            if attempt.takes_over() && is_gone(view, built.worker) {
                let command = DeploymentCommand::MissImage { at: now };
                effects.push(Effect::Deployment(id, command));
                return;
            }
            // Without a registry an image is where it was built.
            let mut places = places(view, observed);
            places.retain(|worker, _| *worker == built.worker);
            if attempt.to_release().is_some() {
                effects.extend(
                    releases::begin(attempt, &places, now)
                        .map(|command| Effect::Deployment(id, command)),
                );
                return;
            }
            let needs = attempt.wanted().map(|index| (index, attempt.resources(index)));
            if let Some(placements) = place(&places, needs) {
                let command = DeploymentCommand::Place { placements, at: now };
                effects.push(Effect::Deployment(id, command));
            }
        }
        Stage::Releasing { worker, .. } => {
            effects.extend(
                releases::verdict(id, attempt, *worker, assigned, observed, now)
                    .map(|command| Effect::Deployment(id, command)),
            );
        }
        Stage::Starting { .. } => {
            let away = away_from_volumes(id, attempt, view);
            let away = away.map(|fault| DeploymentCommand::FailStart { fault });
            effects.extend(
                away.or_else(|| verdict(id, attempt, assigned, observed, now))
                    .map(|command| Effect::Deployment(id, command)),
            );
        }
        Stage::Live => {
            let command = scaling::rescale(attempt, || places(view, observed), now)
                .or_else(|| scaling::finish(id, attempt, view, observed, now));
            effects.extend(command.map(|command| Effect::Deployment(id, command)));
        }
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Ended(_) => {}
    }
}

/// Why a deployment cannot start where it is placed: what has the same volumes, the version before or
/// another app of its group, keeps them on another worker, and here it would find them empty.
fn away_from_volumes(id: DeploymentId, attempt: &Attempt, view: &View) -> Option<Fault> {
    let (here, own) = (web(attempt)?, view.deployments.get(&id)?);
    let mut wanted = volumes(attempt);
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let live = app.live.filter(|live| *live != id);
    let before = live.and_then(|live| view.deployments.get(&live)?.state.attempt());
    if let Some(before) = before {
        if let Some(away) = away_from(before, &wanted, here, view) {
            return Some(away);
        }
        // What it has there already stays its own, wherever others of its group are.
        wanted.retain(|volume| !volumes(before).contains(volume));
    }
    let group = attempt.spec.run.container.group.as_ref().filter(|_| !wanted.is_empty())?;
    view.deployments.iter().find_map(|(other, of)| {
        let member = of.state.attempt().filter(|member| member.spec.app != attempt.spec.app)?;
        let container = &member.spec.run.container;
        if container.group.as_ref().is_none_or(|of| of.project != group.project) {
            return None;
        }
        // Of two that start at the same time the later one has to come to where the earlier one is.
        let keeps = is_live(view, *other, member) || runs(of) && of.assigned < own.assigned;
        if keeps { away_from(member, &wanted, here, view) } else { None }
    })
}

/// Why what wants these volumes on one worker cannot have them there: another deployment keeps one of them
/// elsewhere.
fn away_from(
    keeper: &Attempt,
    wanted: &BTreeSet<VolumeName>,
    here: WorkerId,
    view: &View,
) -> Option<Fault> {
    let volume = wanted.intersection(&volumes(keeper)).next()?.clone();
    // One that is no member any more has nothing that could be gone back to.
    let there = web(keeper)
        .filter(|there| *there != here && view.workers.contains_key(there))
        .map(|there| worker_name(view, there))?;
    let (here, keeper) = (worker_name(view, here), &keeper.spec.app_name);
    Some(Fault::new(format!(
        "its volume {volume} is on worker {there}, with {keeper}, and it was built on {here}, where the \
         volume would be empty. Deploy again while only {there} builds, or give the volume another name to \
         begin anew"
    )))
}

/// Whether it is the version of its app that people have.
fn is_live(view: &View, id: DeploymentId, attempt: &Attempt) -> bool {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    app.is_some_and(|app| app.live == Some(id))
}

fn volumes(of: &Attempt) -> BTreeSet<VolumeName> {
    of.spec.run.container.volumes.values().map(|mount| mount.volume.clone()).collect()
}

/// The worker of its replicas of web.
fn web(of: &Attempt) -> Option<WorkerId> {
    of.placements.iter().find(|place| !is_process(place.index)).map(|place| place.worker)
}

/// Whether a worker left, or was not heard of for too long.
pub(crate) fn is_gone(view: &View, worker: WorkerId) -> bool {
    let member = view.workers.get(&worker).and_then(|worker| worker.state.member());
    member.is_none_or(|member| member.lease == Lease::Lost)
}

fn verdict(
    id: DeploymentId,
    attempt: &Attempt,
    assigned: Sequence,
    observed: &Observed,
    now: Timestamp,
) -> Option<DeploymentCommand> {
    let mut healthy = 0;
    for place in &attempt.placements {
        let worker = observed.workers.get(&place.worker)?;
        // What it reports under an older order says nothing about this one.
        if worker.generation(id) < assigned.0 {
            continue;
        }
        let Some(replica) = observed.replica(id, place) else { continue };
        if replica.image_missing && attempt.takes_over() {
            return Some(DeploymentCommand::MissImage { at: now });
        }
        let once = attempt.spec.run.part.once && !is_process(place.index);
        match &replica.state {
            ReplicaState::Healthy if !once => healthy += 1,
            // It was to end, and did so well.
            ReplicaState::Exited { code: 0, out_of_memory: false } if once => healthy += 1,
            ReplicaState::Exited { .. } | ReplicaState::Failed { .. } => {
                return Some(DeploymentCommand::FailStart { fault: ended(attempt, replica) });
            }
            // Nothing asks a process beside web how it is: it only has to stay up.
            ReplicaState::Starting { elapsed, within, check: _ }
                if !is_process(place.index)
                    && *elapsed >= within.unwrap_or(attempt.spec.health.start_within()) =>
            {
                return Some(DeploymentCommand::FailStart { fault: ended(attempt, replica) });
            }
            ReplicaState::Creating
            | ReplicaState::Starting { .. }
            | ReplicaState::Healthy
            | ReplicaState::Unhealthy { .. }
            | ReplicaState::Stopping => {}
        }
    }
    (healthy == attempt.placements.len()).then_some(DeploymentCommand::BecomeHealthy)
}

fn ended(attempt: &Attempt, replica: &ReplicaReport) -> Fault {
    let run = &attempt.spec.run;
    let title = run.title(replica.index);
    let once = run.part.once;
    let message = match (&replica.state, run.process(replica.index)) {
        (ReplicaState::Exited { code, out_of_memory: false }, None) if once => {
            let meaning = exits::meaning(*code, &replica.log);
            let meaning = meaning.map_or_else(String::new, |meaning| format!(", {meaning}"));
            format!(
                "{title} exited with code {code}{meaning}; it is to run once, and to end with code 0"
            )
        }
        (ReplicaState::Starting { elapsed, .. }, None) if once => format!(
            "{title} is to end by itself, and was not done within {elapsed}; where it takes longer, say so by \
             health_start_within_ms, and where it is to keep running, leave once out"
        ),
        (ReplicaState::Exited { code, out_of_memory: false }, None) => format!(
            "{title} exited with code {code} before it was healthy{}",
            match exits::meaning(*code, &replica.log) {
                Some(meaning) => format!(", {meaning}"),
                None => "; an app has to keep running and answer on its port".into(),
            }
        ),
        (ReplicaState::Exited { code, out_of_memory: false }, Some((_, process))) => format!(
            "{title} (`{}`) exited with code {code} before it had stayed up for {}{}",
            process.command,
            limits::PROCESS_UP_FOR,
            match exits::meaning(*code, &replica.log) {
                Some(meaning) => format!(", {meaning}"),
                None => "; a process has to keep running".into(),
            }
        ),
        (ReplicaState::Exited { code, out_of_memory: true }, process) => format!(
            "{title} ran out of memory and was ended with code {code}; give {} more memory \
             (`hythe {} set … --memory SIZE`)",
            if process.is_some() { "it" } else { "the app" },
            if process.is_some() { "process" } else { "app" },
        ),
        (ReplicaState::Failed { message }, _) => format!("{title} cannot start: {message}"),
        (ReplicaState::Starting { check, elapsed, within: _ }, _) => {
            format!("{title} was not healthy within {elapsed}; its last check: {check}")
        }
        (
            ReplicaState::Creating
            | ReplicaState::Healthy
            | ReplicaState::Unhealthy { .. }
            | ReplicaState::Stopping,
            _,
        ) => format!("{title} did not become healthy"),
    };
    Fault { message, log: replica.log.clone() }
}

/// Tells workers what to run and what no longer to run.
pub(super) fn order(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    for (worker, seen) in &observed.workers {
        // A replica without an order the worker ends by itself; an order to run has to be undone,
        // but not while requests may still come.
        let mut held: BTreeMap<DeploymentId, u64> = seen
            .report
            .assignments
            .iter()
            .filter(|held| !held.stopping)
            .map(|held| (held.deployment, held.generation))
            .collect();
        let running = view.deployments.iter().filter(|(id, of)| {
            let stays = !runs(of) || !is_followed(view, **id);
            occupies(of)
                && resting(view, **id).is_none()
                && gives_way(view, observed, **id).is_none()
                && stays
        });
        for (id, deployment) in running {
            let Some(attempt) = deployment.state.attempt() else { continue };
            if !runs(deployment) && !post_deploys::goes_on(view, *id, attempt) {
                continue;
            }
            let sleeper = sleep::sleeper(view, *id);
            if sleeper.is_some_and(|app| falls_asleep(app, view, observed, *id, now)) {
                // Until nobody can come any more, what it was told before stays.
                held.remove(id);
                continue;
            }
            let here = occupied(deployment).filter(|place| place.worker == *worker);
            let wanted = here.filter(|place| sleeper.is_none() || is_process(place.index));
            let replicas: Vec<u16> = wanted.map(|place| place.index).collect();
            if replicas.is_empty() {
                continue;
            }
            if !runs(deployment) && may_be_asked(view, observed, *id, now) {
                // Its replicas have to stay for a moment, and so does the order that they are in.
                held.remove(id);
                continue;
            }
            held.remove(id);
            let generation = deployment.assigned.0;
            let behind = seen.generation(*id) < generation;
            if behind
                && observed.due(&Sent::Order(*worker, *id, generation), limits::RESEND_AFTER, now)
            {
                effects.push(Effect::SendRun {
                    worker: *worker,
                    deployment: *id,
                    generation,
                    replicas,
                    // What was to end and has ended stays so.
                    restart: !attempt.spec.run.part.once
                        && (matches!(attempt.stage, Stage::Live)
                            || canaries::canary(*id, attempt, view).is_some()),
                });
            }
        }
        for (deployment, told) in held {
            // One that runs, and not here, never had traffic here, or none any more; one that sleeps
            // does not come so far while it has some.
            let stopped = resting(view, deployment);
            let ends = gives_way(view, observed, deployment);
            let elsewhere = stopped.is_none()
                && ends.is_none()
                && !is_followed(view, deployment)
                && view.deployments.get(&deployment).is_some_and(runs);
            if may_be_asked(view, observed, deployment, now) && !elsewhere {
                continue;
            }
            let attempt = view.deployments.get(&deployment).and_then(|of| of.state.attempt());
            if ends.is_some() && attempt.is_some_and(|attempt| attempt.post_deploying().is_some()) {
                // What would be stopped with it is recorded as given up first.
                continue;
            }
            let goes_on = |attempt| post_deploys::goes_on(view, deployment, attempt);
            if is_followed(view, deployment) && attempt.is_some_and(goes_on) {
                // Once it has ended, what goes on of it is ordered without its replicas.
                continue;
            }
            let stop = stopped.and_then(|app| Some((app, app.stopped?.until)));
            if stop.is_some_and(|(app, until)| still_busy(app, until, observed, deployment, now))
                || canaries::is_finishing(view, observed, deployment, now)
                || ends
                    .is_some_and(|(app, since)| is_finishing(app, since, observed, deployment, now))
            {
                continue;
            }
            let of = view.deployments.get(&deployment);
            let newest = of.map_or(0, |view| view.last.max(view.assigned).0);
            let generation = newest.max(told.saturating_add(1));
            let sent = Sent::Order(*worker, deployment, generation);
            if observed.due(&sent, limits::RESEND_AFTER, now) {
                effects.push(Effect::SendStop { worker: *worker, deployment, generation });
            }
        }
    }
}

/// The app of a deployment that has come to be live.
fn app_of_live(view: &View, id: DeploymentId) -> Option<&ActiveApp> {
    let attempt = view.deployments.get(&id)?.state.attempt()?;
    matches!(attempt.stage, Stage::Live).then_some(())?;
    view.apps.get(&attempt.spec.app)?.state.active()
}

/// The app of a deployment that is live and is to have no replicas, for its app was stopped.
fn resting(view: &View, id: DeploymentId) -> Option<&ActiveApp> {
    app_of_live(view, id).filter(|app| app.is_resting(id))
}

/// The app of a deployment that is live and ends before the one that follows it starts, and since when
/// it is to.
fn gives_way<'a>(
    view: &'a View,
    observed: &Observed,
    id: DeploymentId,
) -> Option<(&'a ActiveApp, Timestamp)> {
    let app = app_of_live(view, id)?;
    let gives_way = giving_way(view, observed, app).filter(|(live, _)| *live == id);
    gives_way.map(|(_, since)| (app, since))
}

/// Whether requests to it may still go on. No new ones come: the table does not lead to it any more.
fn is_finishing(
    app: &ActiveApp,
    since: Timestamp,
    observed: &Observed,
    id: DeploymentId,
    now: Timestamp,
) -> bool {
    let most = app.settings.drain_within.min(limits::GIVE_WAY_WITHIN);
    // It had requests until the worker had taken on the next one.
    let since = observed.left_at(id).map_or(since, |left| left.max(since));
    let in_time = !since.plus(most).is_over(most, now);
    let routed = !app.settings.run.container.unrouted;
    routed && in_time && observed.live_edges(now).any(|edge| edge.may_carry(id))
}

/// Whether another one is live in its place, and it is about to end: were the app stopped before,
/// it would be started again for that moment.
fn is_followed(view: &View, id: DeploymentId) -> bool {
    app_of_live(view, id).is_some_and(|app| app.live != Some(id) && app.serving != Some(id))
}

/// Whether new requests to a deployment that is to sleep may still come, or old ones go on.
fn falls_asleep(
    app: &AppView,
    view: &View,
    observed: &Observed,
    id: DeploymentId,
    now: Timestamp,
) -> bool {
    let until = app.state.active().zip(app.rested_at);
    let until = until.map(|(app, at)| {
        // The table may have come to say so only later.
        let at = observed.left_at(id).map_or(at, |left| left.max(at));
        (app, at.plus(app.settings.drain_within))
    });
    may_be_asked(view, observed, id, now)
        || until.is_some_and(|(app, until)| still_busy(app, until, observed, id, now))
}

/// Whether requests to a deployment whose replicas are to end by a moment may still go on.
fn still_busy(
    app: &ActiveApp,
    until: Timestamp,
    observed: &Observed,
    id: DeploymentId,
    now: Timestamp,
) -> bool {
    let in_time = !until.is_over(app.settings.drain_within, now);
    let mut edges = observed.live_edges(now).peekable();
    // With no edge to ask, nobody knows.
    in_time && (edges.peek().is_none() || edges.any(|edge| edge.may_carry(id)))
}

/// Whether requests may still come to a deployment that is not to run any more.
fn may_be_asked(view: &View, observed: &Observed, id: DeploymentId, now: Timestamp) -> bool {
    had_traffic(view, id) && observed.may_have_traffic(id, now)
}

/// Whether a deployment may ever have had traffic: that is so from when it was healthy. Nothing is
/// known of one that went with its app.
fn had_traffic(view: &View, deployment: DeploymentId) -> bool {
    view.deployments.get(&deployment).is_none_or(|deployment| {
        deployment.stages.iter().any(|(stage, _)| *stage == StageName::Healthy)
    })
}

fn runs(deployment: &DeploymentView) -> bool {
    let stage = deployment.state.attempt().map(|attempt| &attempt.stage);
    match stage {
        Some(
            Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live,
        ) => true,
        Some(
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Ended(_),
        )
        | None => false,
    }
}

/// Whether anything of it is to be on a worker: its replicas, or a command that outlives it.
fn occupies(deployment: &DeploymentView) -> bool {
    occupied(deployment).next().is_some()
}

/// What is to be on workers of it.
fn occupied(deployment: &DeploymentView) -> impl Iterator<Item = Placement> + '_ {
    let replicas = deployment.state.attempt().filter(|_| runs(deployment));
    let replicas = replicas.into_iter().flat_map(|of| of.placements.iter().chain(&of.leaving));
    let task = deployment.state.attempt().and_then(Attempt::post_deploying);
    replicas.cloned().chain(task)
}

/// Whether a replica is to be nowhere for now, for its app sleeps or was stopped. It uses nothing, and comes
/// back to where it was without asking for room: limits may be promised more than once.
fn is_idle(view: &View, id: DeploymentId, index: u16) -> bool {
    let web = !is_process(index) && !is_task(index);
    web && sleep::sleeper(view, id).is_some() || !is_task(index) && resting(view, id).is_some()
}

/// The workers as places for replicas.
pub(super) fn places(view: &View, observed: &Observed) -> BTreeMap<WorkerId, Place> {
    let mut places: BTreeMap<WorkerId, Place> = view
        .workers
        .iter()
        .filter_map(|(id, worker)| {
            let member = worker.state.member()?;
            let ready = observed.workers.get(id).is_some_and(|seen| match seen.report.engine {
                EngineState::Ready { .. } => true,
                EngineState::Unreachable { .. } => false,
            });
            let open = ready && member.lease == Lease::Held && !member.draining;
            let used = Capacity::default();
            Some((*id, Place { capacity: member.capacity.clone(), used, open }))
        })
        .collect();
    for (id, deployment) in &view.deployments {
        let Some(attempt) = deployment.state.attempt() else { continue };
        for placement in occupied(deployment).filter(|place| !is_idle(view, *id, place.index)) {
            if let Some(place) = places.get_mut(&placement.worker) {
                let need = attempt.resources(placement.index);
                place.used.memory_bytes = place.used.memory_bytes.saturating_add(need.memory_bytes);
                place.used.cpu_millis = place.used.cpu_millis.saturating_add(need.cpu_millis);
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{ContainerSettings, GroupPart};
    use crate::deployment::{Deployment, DeploymentEvent, DeploymentSpec};
    use crate::machine::replay;
    use crate::observed::WorkerSeen;
    use crate::reconcile::tasks;
    use crate::run::RunSettings;
    use crate::task::Hook;
    use crate::testing::{at, built, deployment_id, spec, worker_id};
    use crate::time::Millis;

    /// One that is to end, as one that is to keep running is.
    fn attempt(once: bool) -> Attempt {
        let container = ContainerSettings { unrouted: true, ..ContainerSettings::default() };
        let part = GroupPart { once, ..GroupPart::default() };
        let run = RunSettings { container, part, ..RunSettings::default() };
        let spec = DeploymentSpec { run, ..spec(1) };
        let (until, worker) = (at(500), worker_id(1));
        let deployment: Deployment = replay(&[
            DeploymentEvent::Requested(Box::new(spec)),
            DeploymentEvent::Built { built: built(), until },
            DeploymentEvent::Placed { placements: vec![Placement { index: 0, worker }], until },
        ]);
        deployment.attempt().unwrap().clone()
    }

    fn observed(state: ReplicaState) -> Observed {
        let mut observed = tasks::testing::observed(Hook::Release, 7, state);
        let mut report = observed.workers[&worker_id(1)].report.clone();
        report.replicas[0].index = 0;
        observed.workers.insert(worker_id(1), WorkerSeen::new(report, at(1)));
        observed
    }

    #[test]
    fn what_is_to_run_once_is_well_when_it_has_ended_with_0_and_not_before() {
        let running = |seconds| ReplicaState::Starting {
            check: "it is not over yet".into(),
            elapsed: Millis::seconds(seconds),
            within: Some(Millis::seconds(600)),
        };
        let exited = |code, out_of_memory| ReplicaState::Exited { code, out_of_memory };
        let well = Some("");
        // How it is; what is made of it where it is to end, and where it is to keep running.
        let rows = [
            (ReplicaState::Healthy, None, well),
            (running(599), None, None),
            (running(600), Some("is to end by itself"), Some("was not healthy within")),
            (exited(0, false), well, Some("has to keep running")),
            (exited(3, false), Some("exited with code 3; it is to run once"), Some("code 3")),
            // As where its engine was started anew in the middle of it.
            (exited(137, false), Some("killed from without"), Some("killed from without")),
            (exited(0, true), Some("ran out of memory"), Some("ran out of memory")),
        ];
        for (state, ends, stays) in rows {
            for (once, expected) in [(true, ends), (false, stays)] {
                let id = deployment_id(1);
                let told =
                    verdict(id, &attempt(once), Sequence(7), &observed(state.clone()), at(2));
                match (told, expected) {
                    (None, None) | (Some(DeploymentCommand::BecomeHealthy), Some("")) => {}
                    (Some(DeploymentCommand::FailStart { fault }), Some(words)) => {
                        assert!(!words.is_empty(), "{state:?}: {}", fault.message);
                        assert!(fault.message.contains(words), "{}", fault.message);
                        assert_eq!(fault.log, ["last words"]);
                    }
                    (told, _) => panic!("{state:?}, to end: {once}: {told:?}"),
                }
            }
        }
    }
}
