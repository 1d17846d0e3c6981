//! What becomes of replicas and routes when an app falls asleep and is woken.

use super::*;
use crate::app::WokenBy;
use crate::edge::EdgeSettings;
use crate::ids::EdgeId;
use crate::observed::{Carries, EdgeSeen};
use crate::wire::edge::Busy;

const WELL: [(u16, ReplicaState); 3] =
    [(0, ReplicaState::Healthy), (1_024, ReplicaState::Healthy), (1_025, ReplicaState::Healthy)];

/// An app with a process beside it, which may sleep.
fn may_sleep() -> Journal {
    let mut journal = journal(true);
    let sleep_after = Some(Millis::seconds(60));
    let settings = EdgeSettings { sleep_after, ..EdgeSettings::default() };
    journal.app(1, AppEvent::EdgeSet(settings.listed()));
    journal
}

fn edge(revision: u64, requests: u64) -> EdgeSeen {
    let deployment = deployment_id(DEPLOYMENT);
    let busy = (requests > 0).then_some(Busy { deployment, requests });
    let carries = Carries::Known { busy: busy.into_iter().collect(), leaving: Vec::new() };
    EdgeSeen::new(revision, carries, at(100))
}

/// What the worker is told: which replicas, none for a stop.
fn orders(view: &View, observed: &Observed, now: Timestamp) -> Vec<Vec<u16>> {
    let base = HostName::new("localhost").unwrap();
    let effects = reconcile(view, observed, &base, now);
    let orders = effects.into_iter().filter_map(|effect| match effect {
        Effect::SendRun { replicas, .. } => Some(replicas),
        Effect::SendStop { .. } => Some(Vec::new()),
        Effect::App(..)
        | Effect::Deployment(..)
        | Effect::Worker(..)
        | Effect::SendBuild { .. }
        | Effect::SendCancelBuild { .. }
        | Effect::PublishRoutes(_) => None,
    });
    orders.collect()
}

fn nothing() -> Vec<Vec<u16>> {
    Vec::new()
}

fn table(view: &View, observed: &Observed) -> RouteTable {
    let base = HostName::new("localhost").unwrap();
    let routes = routes(view, observed, &base, observed.routes());
    RouteTable { revision: observed.table.revision + 1, routes }
}

/// Whether the only route is of an app that sleeps, whether of one that starts, and where it leads.
fn route(table: &RouteTable) -> (bool, bool, Vec<SocketAddr>) {
    let route = table.routes.values().next().unwrap();
    (route.asleep, route.backend == Backend::Starting, route.targets().collect())
}

#[test]
fn replicas_stop_once_nobody_can_come_and_come_back_before_anybody_is_sent_to_them() {
    let edge_id = EdgeId::new(uuid::Uuid::from_u128(1));
    let mut journal = may_sleep();
    let live = view(&journal);
    let mut seen = observed(&live, &WELL);
    seen.put_in_force(table(&live, &seen));
    assert_eq!(route(&seen.table), (false, false, vec![endpoint(0)]));
    seen.edges.insert(edge_id, edge(1, 0));
    assert_eq!(orders(&live, &seen, at(100)), nothing());

    journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
    let now = at(100);
    let mut asleep = view(&journal);
    asleep.apps.get_mut(&app_id(1)).unwrap().rested_at = Some(now);
    assert_eq!(orders(&asleep, &seen, now), nothing(), "the table leads there");
    seen.put_in_force(table(&asleep, &seen));
    assert_eq!(route(&seen.table), (true, true, vec![]));
    assert_eq!(orders(&asleep, &seen, now), nothing(), "an edge leads there");
    seen.edges.insert(edge_id, edge(2, 1));
    assert_eq!(orders(&asleep, &seen, now), nothing(), "a request goes on");
    seen.edges.insert(edge_id, edge(2, 0));
    assert_eq!(orders(&asleep, &seen, now), [[1_024, 1_025]], "what is beside web goes on");
    // One that goes on for too long is cut off, as it is after a switch.
    seen.edges.insert(edge_id, EdgeSeen { heard_at: at(131), ..edge(2, 1) });
    assert_eq!(orders(&asleep, &seen, at(131)), [[1_024, 1_025]]);

    // What the worker says of before it was woken is no reason to send anybody there.
    journal.app(1, AppEvent::Woken { why: WokenBy::Request { edge: edge_id } });
    let woken = view(&journal);
    assert_eq!(route(&table(&woken, &seen)), (true, true, vec![]));
    assert_eq!(orders(&woken, &seen, now), [[0, 1_024, 1_025]]);
    let heard = |web: Option<ReplicaState>| {
        let beside = WELL[1..].to_vec();
        let states: Vec<_> = web.map(|web| (0, web)).into_iter().chain(beside).collect();
        let mut now = observed(&woken, &states);
        now.table = seen.table.clone();
        route(&table(&woken, &now))
    };
    assert_eq!(heard(None), (true, true, vec![]));
    assert_eq!(heard(Some(ReplicaState::Creating)), (true, true, vec![]));
    assert_eq!(heard(Some(ReplicaState::Healthy)), (false, false, vec![endpoint(0)]));
    let failed = ReplicaState::Failed { message: "no such file".into() };
    assert_eq!(heard(Some(failed)), (false, false, vec![]), "it is down like any other");
}

#[test]
fn requests_have_their_time_from_when_the_table_no_longer_leads_there() {
    let mut journal = may_sleep();
    let live = view(&journal);
    let mut seen = observed(&live, &WELL);
    seen.put_in_force(table(&live, &seen));
    journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
    let mut asleep = view(&journal);
    asleep.apps.get_mut(&app_id(1)).unwrap().rested_at = Some(at(100));
    seen.put_in_force(table(&asleep, &seen));
    // NATS took the table late.
    seen.forget_old(at(200));
    let rows: [(u64, &[Vec<u16>]); 3] = [(201, &[]), (229, &[]), (231, &[vec![1_024, 1_025]])];
    for (now, expected) in rows {
        let busy = EdgeSeen { heard_at: at(now), ..edge(2, 1) };
        seen.edges.insert(EdgeId::new(uuid::Uuid::from_u128(1)), busy);
        assert_eq!(orders(&asleep, &seen, at(now)), expected, "{now}");
    }
}

#[test]
fn what_has_nothing_beside_web_is_stopped_whole() {
    let mut journal = may_sleep();
    let id = deployment_id(DEPLOYMENT).uuid();
    let rescaled = DeploymentEvent::Rescaled { placements: places(&[0]), until: at(9) };
    journal.push(id, Event::Deployment(rescaled));
    journal.push(id, Event::Deployment(DeploymentEvent::ReplicasLeft));
    let live = view(&journal);
    let mut seen = observed(&live, &WELL[..1]);
    seen.put_in_force(table(&live, &seen));
    journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
    let asleep = view(&journal);
    seen.put_in_force(table(&asleep, &seen));
    seen.edges.insert(EdgeId::new(uuid::Uuid::from_u128(1)), edge(2, 0));
    assert_eq!(orders(&asleep, &seen, at(100)), [[0u16; 0]]);
}

#[test]
fn what_does_not_run_uses_nothing_of_its_worker() {
    let mut journal = may_sleep();
    let used = |journal: &Journal| {
        let view = view(journal);
        let places = crate::reconcile::replicas::places(&view, &observed(&view, &WELL));
        places[&worker_id(1)].used.memory_bytes
    };
    let awake = used(&journal);
    journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
    let asleep = used(&journal);
    assert!(0 < asleep && asleep < awake, "what is beside web goes on: {asleep} of {awake}");
    journal.app(1, AppEvent::Woken { why: WokenBy::Change });
    assert_eq!(used(&journal), awake);
    journal.app(1, AppEvent::Stopped { until: at(9) });
    assert_eq!(used(&journal), 0);
}

#[test]
fn an_app_that_sleeps_waits_for_a_request() {
    let mut journal = may_sleep();
    journal.app(1, AppEvent::FellAsleep { unasked: Millis::seconds(60) });
    let view = view(&journal);
    let waits = waiting_for(&view, &observed(&view, &WELL[1..]), deployment_id(DEPLOYMENT));
    assert_eq!(waits.unwrap().message, "the next request: it is asleep");
}
