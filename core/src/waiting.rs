//! What a deployment waits for, in words: for lists, and for the reason when it waited too long.

use crate::deployment::{Attempt, Fault, Stage};
use crate::giving_way::giving_way;
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::observed::{Carries, Observed};
use crate::process::is_process;
use crate::reconcile::releases;
use crate::record::{AggregateKind, Sequence};
use crate::run::RunSettings;
use crate::turns::Turns;
use crate::view::View;
use crate::wire::worker::{EngineState, ReplicaReport, ReplicaState};
use crate::worker::Lease;

/// What a deployment waits for, with log lines where they say more; none once it is settled and has
/// as many replicas as it is to have.
#[must_use]
pub fn waiting_for(view: &View, observed: &Observed, id: DeploymentId) -> Option<Fault> {
    let deployment = view.deployments.get(&id)?;
    let attempt = deployment.state.attempt()?;
    if observed.cut_off && hangs_on_others(&attempt.stage) {
        return Some(Fault::new(CUT_OFF));
    }
    if let Some(why) = unsent(observed, id, &attempt.stage, deployment.assigned) {
        return Some(Fault::new(format!(
            "NATS to take a message: failed to {why}; it is sent again. See the log of nats-server, and its disk"
        )));
    }
    match &attempt.stage {
        Stage::Requested => Some(Fault::new(turn(view, attempt))),
        Stage::Queued { .. } => {
            let turn = its_turn(&Turns::of(view, observed), id);
            let waits = turn.unwrap_or_else(|| builders(observed));
            Some(Fault::new(if attempt.rebuilt {
                format!("{waits}; the image of the earlier deployment is gone: it is built again")
            } else {
                waits
            }))
        }
        Stage::Building { worker, .. } => {
            let name = worker_name(view, *worker);
            Some(Fault::new(format!("the build on {name}")))
        }
        Stage::Built { .. } => Some(Fault::new(places(view, observed, attempt))),
        Stage::Releasing { worker, .. } => {
            Some(releases::waiting(view, observed, id, attempt, *worker))
        }
        Stage::Starting { .. } => Some(
            version_before(view, observed, id, attempt)
                .unwrap_or_else(|| replicas(view, observed, id, attempt)),
        ),
        Stage::Healthy => Some(Fault::new(healthy(view, id, attempt))),
        Stage::Switching { .. } => Some(Fault::new(edges(observed))),
        Stage::Draining { previous, .. } => Some(Fault::new(requests_left(observed, *previous))),
        Stage::Live => {
            asleep(view, id, attempt).or_else(|| scaling(view, observed, attempt)).map(Fault::new)
        }
        Stage::Ended(_) => None,
    }
}

/// What is waited for where nothing gets through.
const CUT_OFF: &str = "NATS, which is not connected: nothing gets to workers and edges, or back from them. See \
                       whether nats-server runs, and what /readyz says of it";

/// Whether somebody beyond the server has to hear or say something before a stage is over.
const fn hangs_on_others(stage: &Stage) -> bool {
    match stage {
        Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Releasing { .. }
        | Stage::Starting { .. }
        | Stage::Switching { .. }
        | Stage::Draining { .. } => true,
        Stage::Requested | Stage::Healthy | Stage::Live | Stage::Ended(_) => false,
    }
}

/// Why the message that a stage begins by did not get to a builder or worker, where it did not. Of one with
/// another generation it is not waited for any more.
fn unsent<'a>(
    observed: &'a Observed,
    id: DeploymentId,
    stage: &Stage,
    assigned: Sequence,
) -> Option<&'a str> {
    match stage {
        Stage::Queued { generation, .. } => observed.unsent_build(id, *generation),
        Stage::Releasing { .. } | Stage::Starting { .. } => observed.unsent_order(id, assigned.0),
        Stage::Requested
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. }
        | Stage::Live
        | Stage::Ended(_) => None,
    }
}

fn healthy(view: &View, id: DeploymentId, attempt: &Attempt) -> String {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    match app.and_then(|app| app.singing()).filter(|canary| canary.deployment == id) {
        Some(canary) => format!(
            "somebody to promote it: as a canary it takes {} of the requests",
            canary.weight
        ),
        None => format!("the {} to switch", AggregateKind::App),
    }
}

/// What the live version of an app that sleeps waits for.
fn asleep(view: &View, id: DeploymentId, attempt: &Attempt) -> Option<String> {
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let sleeps = app.asleep && app.live == Some(id);
    sleeps.then(|| "the next request: it is asleep".to_owned())
}

fn requests_left(observed: &Observed, previous: Option<DeploymentId>) -> String {
    let mut left: u64 = 0;
    for edge in observed.edges.values() {
        match &edge.carries {
            Carries::Known { busy, leaving: _ } => {
                let to_it = busy.iter().filter(|busy| Some(busy.deployment) == previous);
                left += to_it.map(|busy| busy.requests).sum::<u64>();
            }
            Carries::Unknown => {
                return "its drain time: a proxy that asks for its routes does not say which \
                        requests to the version before go on"
                    .to_owned();
            }
        }
    }
    if left == 0 {
        return edges(observed);
    }
    format!("{left} requests to the version before")
}

/// That what is live has to be gone first, where both write to the same volume and it is not.
fn version_before(
    view: &View,
    observed: &Observed,
    id: DeploymentId,
    attempt: &Attempt,
) -> Option<Fault> {
    let app = view.apps.get(&attempt.spec.app)?.state.active()?;
    let (live, _) = giving_way(view, observed, app).filter(|_| app.rolling == Some(id))?;
    let before = view.deployments.get(&live)?.state.attempt()?;
    let mut web = before.placements.iter().filter(|place| !is_process(place.index));
    let there = web.any(|place| observed.replica(live, place).is_some());
    there.then(|| {
        let number = before.spec.number;
        Fault::new(format!(
            "deployment {number} to finish its requests and to end, for both write to the same volume"
        ))
    })
}

/// What a live deployment waits for until it has as many replicas as it is to have.
fn scaling(view: &View, observed: &Observed, attempt: &Attempt) -> Option<String> {
    let has = |index| attempt.placements.iter().any(|place| place.index == index);
    let missing = attempt.wanted().filter(|index| !has(*index)).count();
    if missing > 0 {
        let Some(worker) = attempt.built.as_ref().map(|built| built.worker) else {
            return Some(format!("room for {missing} more replicas on a worker"));
        };
        let (on, why) = (worker_name(view, worker), away(view, observed, worker));
        let why = why.map_or_else(String::new, |why| format!(", {why}"));
        return Some(format!("room for {missing} more replicas on {on}{why}"));
    }
    let (processes, web): (Vec<_>, Vec<_>) =
        attempt.leaving.iter().partition(|place| is_process(place.index));
    match (web.len(), processes.len()) {
        (0, 0) => None,
        (0, left) => Some(format!("{left} replicas that are too many to be stopped")),
        (left, _) => Some(format!(
            "requests to {left} replicas that are too many, and the others to be healthy"
        )),
    }
}

/// Before whom it stands.
fn turn(view: &View, attempt: &Attempt) -> String {
    let app = view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
    let rolling = app.and_then(|app| app.rolling);
    let before = rolling.and_then(|id| view.deployments.get(&id)?.state.attempt());
    match before.filter(|before| before.spec.number != attempt.spec.number) {
        Some(before) => {
            let Attempt { spec, stage, .. } = before;
            format!("its turn: deployment {} of this app is {}", spec.number, stage.name())
        }
        None => "to begin".into(),
    }
}

/// Where a build stands that is not given out because all builders are busy.
fn its_turn(turns: &Turns, id: DeploymentId) -> Option<String> {
    let before = turns.before(id)?;
    if turns.out.is_empty() {
        return None;
    }
    // More are out where a builder has gone, or builds fewer at once than before.
    let (slots, out) = (turns.slots, turns.out.len().min(turns.slots));
    let next = match before {
        0 => "it is next".to_owned(),
        1 => "1 more is before it".to_owned(),
        more => format!("{more} more are before it"),
    };
    Some(format!("its turn to be built: {out} of {slots} builds at once are under way, {next}"))
}

fn builders(observed: &Observed) -> String {
    match observed.workers.values().find_map(|worker| unreachable(&worker.report.engine)) {
        Some(message) => format!("a builder; an engine cannot be reached: {message}"),
        None if observed.workers.is_empty() => {
            "a builder; none was heard of yet: see whether `hythe agent` runs".into()
        }
        None => "a builder".into(),
    }
}

fn unreachable(engine: &EngineState) -> Option<&str> {
    match engine {
        EngineState::Ready { .. } => None,
        EngineState::Unreachable { message } => Some(message),
    }
}

pub(crate) fn worker_name(view: &View, id: WorkerId) -> String {
    let member = view.workers.get(&id).and_then(|worker| worker.state.member());
    member.map_or_else(|| id.to_string(), |member| member.name.to_string())
}

/// Why nothing can be expected of a worker at the moment, to follow its name; none where something can.
fn away(view: &View, observed: &Observed, worker: WorkerId) -> Option<String> {
    let lease = view.workers.get(&worker).and_then(|of| of.state.member()).map(|of| of.lease);
    match observed.workers.get(&worker).map(|seen| &seen.report.engine) {
        None => Some("which is not heard of".into()),
        Some(_) if lease == Some(Lease::Lost) => Some("which was not heard of for too long".into()),
        Some(_) if lease.is_none() => Some("which has left".into()),
        Some(engine) => {
            unreachable(engine).map(|why| format!("whose engine cannot be reached: {why}"))
        }
    }
}

fn places(view: &View, observed: &Observed, attempt: &Attempt) -> String {
    let Some(built) = &attempt.built else {
        return "a worker".into();
    };
    let name = worker_name(view, built.worker);
    let member = view.workers.get(&built.worker).and_then(|of| of.state.member());
    match away(view, observed, built.worker) {
        Some(why) => format!("worker {name}, which has the image, and {why}"),
        None if member.is_some_and(|member| member.draining) => {
            format!("worker {name}, which has the image and takes nothing new")
        }
        None => format!("room on worker {name}, which has the image"),
    }
}

fn replicas(view: &View, observed: &Observed, id: DeploymentId, attempt: &Attempt) -> Fault {
    let late = attempt.placements.iter().find_map(|place| {
        let replica = observed.replica(id, place);
        if replica.is_some_and(|replica| replica.state == ReplicaState::Healthy) {
            return None;
        }
        let run = &attempt.spec.run;
        let (mut fault, on) = match replica {
            Some(replica) => (replica_state(run, replica), ", on "),
            None => (Fault::new(format!("{} to be created", run.title(place.index))), " on "),
        };
        let away = away(view, observed, place.worker);
        if replica.is_none() || away.is_some() {
            fault.message += on;
            fault.message += &worker_name(view, place.worker);
        }
        if let Some(why) = away {
            fault.message += ", ";
            fault.message += &why;
        }
        Some(fault)
    });
    late.unwrap_or_else(|| Fault::new("all replicas to be confirmed"))
}

/// One replica in words, with its last lines. `run`: what its deployment runs by.
#[must_use]
pub fn replica_state(run: &RunSettings, replica: &ReplicaReport) -> Fault {
    let title = run.title(replica.index);
    let mut message = match &replica.state {
        ReplicaState::Creating => format!("{title} to start"),
        ReplicaState::Starting { elapsed, .. } if is_process(replica.index) => {
            format!(
                "{title} to have stayed up for {}; it runs for {elapsed}",
                limits::PROCESS_UP_FOR
            )
        }
        ReplicaState::Starting { elapsed, .. } if run.part.once => {
            format!("{title} to end by itself; it runs for {elapsed}")
        }
        ReplicaState::Starting { check, elapsed: _, within: _ } => {
            format!("{title} to become healthy; its last check: {check}")
        }
        ReplicaState::Healthy => format!("{title}, which is healthy"),
        ReplicaState::Unhealthy { check } => {
            format!("{title} to become healthy again; its last check: {check}")
        }
        ReplicaState::Exited { code, out_of_memory: false } => {
            format!("{title}, which exited with code {code}")
        }
        ReplicaState::Exited { code, out_of_memory: true } => {
            format!("{title}, which ran out of memory and exited with code {code}")
        }
        ReplicaState::Failed { message } => {
            format!("{title}, which cannot start: {message}")
        }
        ReplicaState::Stopping => format!("{title}, which is stopping"),
    };
    if replica.crash_loop() {
        let times = replica.in_a_row;
        message += &format!(" (crash loop: started again {times} times in a row)");
    }
    Fault { message, log: replica.log.clone() }
}

fn edges(observed: &Observed) -> String {
    if let Some(why) = &observed.unpublishable {
        return format!("a route table that edges can be given: {why}");
    }
    if observed.edges.is_empty() {
        return "an edge; none was heard of: see whether `hythe edge` runs".into();
    }
    let behind = observed
        .edges
        .iter()
        .filter(|(_, edge)| edge.revision < observed.table.revision)
        .map(|(id, _)| id.to_string())
        .collect::<Vec<_>>();
    if behind.is_empty() {
        return "the switch to be confirmed: no edge that was heard of is behind".into();
    }
    format!("edges to take up the route table: {}", behind.join(", "))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::ids::EdgeId;
    use crate::limits::CRASH_LOOP;
    use crate::observed::EdgeSeen;
    use crate::testing::{app_id, deployment_id};

    #[test]
    fn edges_are_named_where_one_is_behind() {
        let mut observed = Observed::default();
        assert!(edges(&observed).starts_with("an edge; none was heard of"));
        observed.table.revision = 3;
        let edge = |revision| EdgeSeen::new(revision, Carries::Unknown, crate::testing::at(1));
        let id = |n| EdgeId::new(uuid::Uuid::from_u128(n));
        observed.edges.insert(id(1), edge(3));
        assert_eq!(
            edges(&observed),
            "the switch to be confirmed: no edge that was heard of is behind"
        );
        observed.edges.insert(id(2), edge(2));
        assert_eq!(edges(&observed), format!("edges to take up the route table: {}", id(2)));
        observed.unpublishable = Some("it is too large".into());
        assert!(edges(&observed).ends_with("can be given: it is too large"));
        observed.put_in_force(crate::routes::RouteTable::default());
        assert!(!edges(&observed).contains("too large"));
    }

    #[test]
    fn a_crash_loop_is_named_for_as_long_as_it_is_one() {
        let check = || "it answered GET / with 500".to_owned();
        let exited = || ReplicaState::Exited { code: 9, out_of_memory: false };
        let rows = [
            (exited(), CRASH_LOOP, true),
            (exited(), CRASH_LOOP - 1, false),
            (ReplicaState::Unhealthy { check: check() }, CRASH_LOOP, true),
            (ReplicaState::Healthy, 9, false),
            (ReplicaState::Stopping, 9, false),
        ];
        for (state, in_a_row, looping) in rows {
            let replica = ReplicaReport {
                deployment: deployment_id(1),
                app: app_id(1),
                index: 2,
                state,
                endpoint: None,
                restarts: 20,
                in_a_row,
                log: vec!["the-end".into()],
                image_missing: false,
            };
            let Fault { message, log } = replica_state(&RunSettings::default(), &replica);
            let named = message.contains("crash loop: started again 3 times in a row");
            assert_eq!((replica.crash_loop(), named), (looping, looping), "{message}");
            assert_eq!(log, ["the-end"]);
        }
    }
}
