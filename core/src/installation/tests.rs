//! Tables: given events, when a command, then events; when backups are due; what a restoration
//! needs; and what must hold for any history.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::due::{Due, due};
use super::recover::{Cause, Recovery, live_sites, recover};
use super::*;
use crate::app::{AppEvent, AppSettings};
use crate::deployment::{BuiltImage, DeploymentEvent};
use crate::event::Event;
use crate::ids::CorrelationId;
use crate::machine::{Machine, replay};
use crate::names::WorkerName;
use crate::observed::{Observed, WorkerSeen};
use crate::record::{Actor, Meta, Recorded, StreamId, Version};
use crate::site::{BuiltSite, SiteId};
use crate::testing::{app_id, at, built, deployment_id, name, placements, spec, worker_id};
use crate::view::View;
use crate::wire::worker::Held;
use crate::wire::worker::{EngineState, ReplicaReport, ReplicaState, SealingKey, WorkerReport};
use crate::worker::{Capacity, WorkerEvent};

mod certificates;
mod github;
mod hooks;

use InstallationCommand as C;
use InstallationEvent as E;

const HOUR: u64 = 3_600;

fn place(n: u8) -> BackupPlace {
    BackupPlace::new(format!("file:///srv/{n}")).unwrap()
}

fn recipient() -> BackupRecipient {
    BackupRecipient::new(format!("age1{}", "q".repeat(58))).unwrap()
}

fn schedule(n: u8) -> Schedule {
    Schedule { to: place(n), recipient: recipient(), every: Millis::seconds(24 * HOUR), keep: 7 }
}

fn scheduled(n: u8, since: u64) -> E {
    E::BackupScheduled { schedule: schedule(n), at: at(since) }
}

fn made(id: u128, to: Option<BackupPlace>, when: u64) -> Made {
    Made {
        id: Uuid::from_u128(id),
        to,
        name: "name".into(),
        bytes: 1,
        head: Sequence(1),
        hash: "00".into(),
        took: Millis(1),
        at: at(when),
    }
}

fn failed(id: u128, when: u64) -> Failed {
    Failed { id: Uuid::from_u128(id), to: Some(place(1)), why: "no room".into(), at: at(when) }
}

fn mirror() -> Mirror {
    Mirror { to: place(9), recipient: recipient() }
}

fn restored() -> Restored {
    Restored { head: Sequence(5), hash: "00".into(), at: at(1) }
}

#[test]
fn what_is_so_already_is_no_event() {
    let set = |n| C::SetSchedule { schedule: schedule(n), at: at(5) };
    let behind = || C::NoteMirrorBehind { why: "slow".into() };
    let rows: Vec<(Vec<E>, C, Option<Vec<E>>)> = vec![
        (vec![], set(1), Some(vec![scheduled(1, 5)])),
        (vec![scheduled(1, 1)], set(1), Some(vec![])),
        (vec![scheduled(1, 1)], set(2), Some(vec![scheduled(2, 5)])),
        (vec![], C::RemoveSchedule, Some(vec![])),
        (vec![scheduled(1, 1)], C::RemoveSchedule, Some(vec![E::BackupUnscheduled])),
        (vec![], C::NoteStale { at: at(9) }, Some(vec![])),
        (
            vec![scheduled(1, 1)],
            C::NoteStale { at: at(9) },
            Some(vec![E::BackupBecameStale { at: at(9) }]),
        ),
        (
            vec![scheduled(1, 1), E::BackupBecameStale { at: at(9) }],
            C::NoteStale { at: at(10) },
            Some(vec![]),
        ),
        (vec![E::BackupMade(made(1, None, 3))], C::NoteMade(made(1, None, 3)), Some(vec![])),
        (vec![], C::NoteFailed(failed(1, 3)), Some(vec![E::BackupFailed(failed(1, 3))])),
        (vec![E::BackupFailed(failed(1, 3))], C::NoteFailed(failed(1, 3)), Some(vec![])),
        (vec![], behind(), Some(vec![])),
        (vec![], C::SetMirror(mirror()), Some(vec![E::MirrorSet(mirror())])),
        (vec![E::MirrorSet(mirror())], C::SetMirror(mirror()), Some(vec![])),
        (
            vec![E::MirrorSet(mirror())],
            behind(),
            Some(vec![E::MirrorFellBehind { why: "slow".into() }]),
        ),
        (vec![E::MirrorSet(mirror())], C::NoteMirrorCaughtUp, Some(vec![])),
        (vec![E::MirrorSet(mirror())], C::RemoveMirror, Some(vec![E::MirrorRemoved])),
        (vec![], C::RemoveMirror, Some(vec![])),
        (vec![], C::NoteRestored(restored()), Some(vec![E::Restored(restored())])),
        (vec![E::Restored(restored())], C::NoteRestored(restored()), Some(vec![])),
    ];
    for (given, when, then) in rows {
        let state: Installation = replay(&given);
        assert_eq!(state.decide(when.clone()).ok(), then, "{when:?} after {given:?}");
    }
    for (every, keep) in [(59, 7), (367 * 24 * HOUR, 7), (HOUR, 0), (HOUR, 1_001)] {
        let schedule = Schedule { every: Millis::seconds(every), keep, ..schedule(1) };
        let refused = Installation::default().decide(C::SetSchedule { schedule, at: at(1) });
        assert!(refused.is_err(), "{every} {keep}");
    }
}

#[test]
fn a_reason_is_bounded_wherever_its_characters_end() {
    let why = "é".repeat(limits_reason());
    let event = Installation::default().decide(C::NoteFailed(Failed { why, ..failed(1, 1) }));
    let Some(E::BackupFailed(kept)) = event.unwrap().pop() else { panic!("it failed") };
    assert!(kept.why.len() <= limits_reason() && kept.why.len() > limits_reason() - 4);
}

const fn limits_reason() -> usize {
    crate::limits::MOST_REASON_BYTES
}

#[test]
fn backups_are_due_retried_ever_later_and_overdue_after_twice_their_span() {
    let day = 24 * HOUR;
    let ask = |events: &[E], now: u64| {
        let state: Installation = replay(events);
        due(&state, at(now)).map(|Due { at, stale_at }| (at.0 / 1000, stale_at.0 / 1000))
    };
    let ok = |when| E::BackupMade(made(1, Some(place(1)), when));
    let elsewhere = |when| E::BackupMade(made(1, Some(place(2)), when));
    let bad = |id, when| E::BackupFailed(failed(id, when));
    assert_eq!(ask(&[], 100), None);
    assert_eq!(ask(&[scheduled(1, 100)], 200), Some((100, 100 + 2 * day)));
    assert_eq!(ask(&[scheduled(1, 100), ok(150)], 200), Some((150 + day, 150 + 2 * day)));
    assert_eq!(ask(&[scheduled(1, 100), elsewhere(150)], 200), Some((100, 100 + 2 * day)));
    let once = [scheduled(1, 100), bad(1, 110)];
    assert_eq!(ask(&once, 200), Some((170, 100 + 2 * day)));
    let often: Vec<E> =
        [scheduled(1, 100)].into_iter().chain((0..20).map(|n| bad(n, 110))).collect();
    assert_eq!(ask(&often, 200), Some((110 + HOUR, 100 + 2 * day)));
    let later = [scheduled(1, 100), ok(150), bad(1, 160)];
    assert_eq!(ask(&later, 200), Some((150 + day, 150 + 2 * day)), "one by hand that failed");
    // Noted under a clock that was years ahead: counts for nothing.
    let ahead = [scheduled(1, 100), ok(1_000 * day)];
    assert_eq!(ask(&ahead, 200), Some((100, 100 + 2 * day)));
    assert_eq!(ask(&[scheduled(1, 100 * day)], 200), Some((200 + day, 200 + 2 * day)));
    assert_eq!(ask(&[scheduled(1, 1), E::BackupUnscheduled], 200), None);
}

fn host(n: u64) -> RegistryHost {
    RegistryHost::new(format!("r{n}.example")).unwrap()
}

fn set_registry(n: u64, version: u64) -> C {
    let user = RegistryUser::new("ci").unwrap();
    C::SetRegistry { host: host(n), user, version, at: at(n) }
}

#[test]
fn a_login_has_the_next_version_and_there_are_not_too_many() {
    let mut state = Installation::default();
    for version in [0, 2] {
        assert!(state.decide(set_registry(1, version)).is_err(), "{version}");
    }
    assert_eq!(state.decide(C::RemoveRegistry { host: host(1) }).unwrap(), []);
    let most = u64::try_from(crate::limits::MOST_REGISTRIES).unwrap();
    for n in 1..=most {
        let events = state.decide(set_registry(n, n)).unwrap();
        state = events.iter().fold(state, Machine::evolve);
    }
    let error = state.decide(set_registry(most + 1, most + 1)).unwrap_err().to_string();
    assert!(error.contains("hythe registry logout HOST"), "{error}");
    // A new password for one that is there.
    let events = state.decide(set_registry(1, most + 1)).unwrap();
    state = events.iter().fold(state, Machine::evolve);
    assert_eq!(state.registries[&host(1)].version, most + 1);
    let gone = state.decide(C::RemoveRegistry { host: host(1) }).unwrap();
    assert_eq!(gone, [E::RegistryRemoved { host: host(1) }]);
    state = gone.iter().fold(state, Machine::evolve);
    assert!(!state.registries.contains_key(&host(1)));
    assert_eq!(state.registry_version, most + 1, "no version is given twice");
}

proptest! {
    #[test]
    fn accepted_commands_replay_to_the_same_state(
        commands in prop::collection::vec(
            prop_oneof![
                (0u8..3, 0u64..9).prop_map(|(n, t)| C::SetSchedule { schedule: schedule(n), at: at(t) }),
                Just(C::RemoveSchedule),
                (0u128..4, 0u64..9).prop_map(|(id, t)| C::NoteMade(made(id, Some(place(1)), t))),
                (0u128..4, 0u64..9).prop_map(|(id, t)| C::NoteFailed(failed(id, t))),
                (0u64..9).prop_map(|t| C::NoteStale { at: at(t) }),
                Just(C::SetMirror(mirror())),
                Just(C::RemoveMirror),
                Just(C::NoteMirrorBehind { why: "slow".into() }),
                Just(C::NoteMirrorCaughtUp),
                Just(C::NoteRestored(restored())),
                (0u64..3, 0u64..6).prop_map(|(n, version)| set_registry(n, version)),
                (0u64..3).prop_map(|n| C::RemoveRegistry { host: host(n) }),
            ],
            0..40,
        )
    ) {
        crate::testing::replays_to_the_same_state::<Installation>(commands)?;
    }
}

/// An app that is live on worker 1, backed up and put back.
struct Back {
    view: View,
    observed: Observed,
}

impl Back {
    fn new() -> Self {
        Self::of(built())
    }

    fn of(built: BuiltImage) -> Self {
        let placements = if built.site.is_some() { Vec::new() } else { placements(1) };
        let mut this = Self { view: View::default(), observed: Observed::starting_at(at(100)) };
        let (app, deployment) = (app_id(1).uuid(), deployment_id(1).uuid());
        this.joins(1, "one");
        let settings = Box::new(AppSettings::default());
        let created = AppEvent::Created { id: app_id(1), name: name("shop"), settings };
        this.happens(app, Event::App(created));
        let asked =
            AppEvent::DeploymentRequested { deployment: deployment_id(1), spec: Box::new(spec(1)) };
        this.happens(app, Event::App(asked));
        let begun = AppEvent::DeploymentBegun { deployment: deployment_id(1) };
        this.happens(app, Event::App(begun));
        for event in [
            DeploymentEvent::Requested(Box::new(spec(1))),
            DeploymentEvent::Built { built, until: at(99) },
            DeploymentEvent::Placed { placements, until: at(99) },
            DeploymentEvent::WentLive { app: app_id(1) },
        ] {
            this.happens(deployment, Event::Deployment(event));
        }
        let live = deployment_id(1);
        for event in [
            AppEvent::TrafficSwitched { deployment: live, previous: None },
            AppEvent::DeploymentPromoted { deployment: live, previous: None },
        ] {
            this.happens(app, Event::App(event));
        }
        this
    }

    fn happens(&mut self, id: Uuid, event: Event) {
        let sequence = Sequence(self.view.head.0 + 1);
        let correlation = CorrelationId::new(Uuid::nil());
        let meta = Meta { at: at(1), actor: Actor::System, correlation, causation: None };
        let stream = StreamId { kind: event.kind(), id };
        self.view.apply(&Recorded { sequence, stream, version: Version(0), meta, event });
    }

    fn joins(&mut self, n: u128, name: &str) {
        let (id, name) = (worker_id(n), WorkerName::new(name).unwrap());
        let event = WorkerEvent::Registered { id, name, capacity: Capacity::default() };
        self.happens(id.uuid(), Event::Worker(event));
    }

    fn restored(mut self) -> Self {
        self.happens(Uuid::nil(), Event::Installation(E::Restored(restored())));
        self
    }

    fn reports(&mut self, n: u128, name: &str, state: Option<ReplicaState>) {
        let replica = |state| ReplicaReport {
            deployment: deployment_id(1),
            app: app_id(1),
            index: 0,
            state,
            endpoint: None,
            restarts: 0,
            in_a_row: 0,
            log: Vec::new(),
            image_missing: false,
        };
        let report = WorkerReport {
            format: 1,
            worker: worker_id(n),
            installation: crate::ids::InstallationId::new(Uuid::nil()),
            name: WorkerName::new(name).unwrap(),
            capacity: Capacity::default(),
            sealing_key: SealingKey([0; 32]),
            engine: EngineState::Ready { version: "1".into() },
            assignments: Vec::new(),
            replicas: state.into_iter().map(replica).collect(),
            builds: Vec::new(),
            builder: None,
            at: at(101),
        };
        self.observed.workers.insert(worker_id(n), WorkerSeen::new(report, at(101)));
    }

    fn todo(&self, now: u64) -> Vec<Recovery> {
        self.todo_without(&[], now)
    }

    fn todo_without(&self, gone: &[SiteId], now: u64) -> Vec<Recovery> {
        recover(&self.view, &self.observed, &gone.iter().cloned().collect(), at(now))
    }
}

fn deploys(todo: &[Recovery]) -> bool {
    match todo {
        [Recovery::Deploy { app, live, source, cause: Cause::Restored(_) }] => {
            assert_eq!((*app, *live), (app_id(1), deployment_id(1)));
            assert_eq!(*source, crate::testing::source().at(&built().commit));
            true
        }
        _ => false,
    }
}

#[test]
fn nothing_is_to_be_done_without_a_restoration_or_where_all_still_runs() {
    let failed = || Some(ReplicaState::Failed { message: "no image".into() });
    let mut never = Back::new();
    never.reports(1, "one", failed());
    assert_eq!(never.todo(200), []);
    let mut running = Back::new().restored();
    running.reports(1, "one", Some(ReplicaState::Healthy));
    assert_eq!(running.todo(200), []);
    let mut coming = Back::new().restored();
    coming.reports(1, "one", None);
    assert_eq!(coming.todo(200), [], "it has not come to it yet");
    let nobody = Back::new().restored();
    assert_eq!(nobody.todo(200), [], "there is nobody to build");
}

#[test]
fn a_missing_image_is_built_again_once() {
    let mut back = Back::new().restored();
    back.reports(1, "one", Some(ReplicaState::Failed { message: "no image".into() }));
    assert!(deploys(&back.todo(200)));
    assert_eq!(back.todo(26 * HOUR), [], "what fails a day later fails for another reason");
    let again =
        AppEvent::DeploymentRequested { deployment: deployment_id(2), spec: Box::new(spec(1)) };
    back.happens(app_id(1).uuid(), Event::App(again));
    let begun = AppEvent::DeploymentBegun { deployment: deployment_id(2) };
    back.happens(app_id(1).uuid(), Event::App(begun));
    assert_eq!(back.todo(200), []);
    let requested = DeploymentEvent::Requested(Box::new(spec(1)));
    back.happens(deployment_id(2).uuid(), Event::Deployment(requested));
    let settled = AppEvent::DeploymentSettled { deployment: deployment_id(2) };
    back.happens(app_id(1).uuid(), Event::App(settled));
    assert_eq!(back.todo(200), [], "it failed: that is for people to see");
}

#[test]
fn a_worker_that_was_told_what_nobody_remembers_is_told_anew() {
    let mut back = Back::new().restored();
    back.reports(1, "one", Some(ReplicaState::Healthy));
    let mut report = back.observed.workers[&worker_id(1)].report.clone();
    let held = |generation| Held { deployment: deployment_id(1), generation, stopping: true };
    report.assignments = vec![held(5)];
    back.observed.workers.insert(worker_id(1), WorkerSeen::new(report.clone(), at(101)));
    assert_eq!(back.todo(200), []);
    report.assignments = vec![held(900)];
    back.observed.workers.insert(worker_id(1), WorkerSeen::new(report, at(101)));
    assert!(deploys(&back.todo(200)));
}

#[test]
fn a_new_machine_takes_the_name_and_the_work_of_the_old_one() {
    let mut back = Back::new().restored();
    back.reports(2, "one", None);
    assert_eq!(back.todo(105), [], "the old one may still be heard of");
    assert_eq!(back.todo(110), [Recovery::LetGo(worker_id(1))]);
    back.happens(worker_id(1).uuid(), Event::Worker(WorkerEvent::Removed));
    assert_eq!(back.todo(110), [], "the new one has not joined yet");
    back.joins(2, "one");
    assert!(deploys(&back.todo(110)));
}

#[test]
fn a_lost_worker_of_another_name_gives_its_work_away_and_keeps_its_place() {
    let mut back = Back::new().restored();
    back.joins(2, "two");
    back.reports(2, "two", None);
    assert_eq!(back.todo(110), []);
    back.happens(worker_id(1).uuid(), Event::Worker(WorkerEvent::Lost));
    assert!(deploys(&back.todo(140)));
    assert_eq!(BTreeMap::len(&back.view.workers), 2);
}

#[test]
fn a_site_whose_files_are_not_there_is_deployed_anew_restored_or_not() {
    let site = |n: u128| SiteId::new(format!("{n:064x}")).unwrap();
    let of_site = || {
        let of = BuiltSite { id: site(1), files: 1, bytes: 1 };
        let mut back = Back::of(BuiltImage { site: Some(Box::new(of)), port: 0, ..built() });
        back.reports(1, "one", None);
        back
    };
    let anew = [Recovery::Deploy {
        app: app_id(1),
        live: deployment_id(1),
        source: crate::testing::source().at(&built().commit),
        cause: Cause::FilesGone,
    }];
    let mut never = of_site();
    assert_eq!(live_sites(&never.view), [(app_id(1), site(1))]);
    assert_eq!(never.todo_without(&[site(1)], 200), anew, "its place was lost");
    assert_eq!(never.todo_without(&[site(2)], 200), []);
    assert_eq!(never.todo(200), []);
    let restored = of_site().restored();
    assert_eq!(restored.todo_without(&[site(1)], 200), anew);
    assert_eq!(restored.todo_without(&[site(1)], 26 * HOUR), anew, "a place may be lost any day");
    assert_eq!(restored.todo(200), [], "the object store still has it");
    never.observed.workers.clear();
    assert_eq!(never.todo_without(&[site(1)], 200), [], "there is nobody to build");
    let mut going_on = of_site();
    let again =
        AppEvent::DeploymentRequested { deployment: deployment_id(2), spec: Box::new(spec(1)) };
    going_on.happens(app_id(1).uuid(), Event::App(again));
    let begun = AppEvent::DeploymentBegun { deployment: deployment_id(2) };
    going_on.happens(app_id(1).uuid(), Event::App(begun));
    assert_eq!(going_on.todo_without(&[site(1)], 200), [], "it is under way");
    let mut of_image = Back::new();
    of_image.reports(1, "one", None);
    assert_eq!(live_sites(&of_image.view), []);
}
