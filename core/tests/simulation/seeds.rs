//! The runs: many seeds, one seed with its trace, the same seed twice, and planted faults.
//!
//! `HYTHE_SOAK=1` runs fifty times as many seeds. `HYTHE_SEED=n` prints all that happens in one.

use std::process::Command;

use crate::faults::{Counts, Kind, Profile};
use crate::invariants::Breach;
use crate::plant::Plant;
use crate::trace::Kept;
use crate::world::World;

/// Seeds in one run of the tests, and in a soak.
const SEEDS: (u64, u64) = (2_000, 100_000);
/// The first of them, in which is counted what happens.
const COUNTED: u64 = 1_500;
/// Tests that share the others.
const SHARES: u64 = 16;
/// Seeds within which a planted fault has to be found.
const FOUND_WITHIN: u64 = 400;

fn run(seed: u64, kept: Kept, plant: Option<Plant>) -> (World, Result<(), Breach>) {
    let mut world = World::of(seed, kept, plant);
    let ended = world.run();
    (world, ended)
}

fn must_hold(seed: u64, ended: Result<(), Breach>) {
    if let Err(Breach { invariant, what }) = ended {
        panic!(
            "seed {seed} ({:?}) breaks {invariant}: {what}\nto see all of it: HYTHE_SEED={seed} \
             cargo test -p hythe-core --test simulation replay_one -- --nocapture",
            Profile::of(seed)
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "which seeds to run is for whoever runs them")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn share(number: u64) {
    let soak = asked("HYTHE_SOAK").is_some_and(|soak| soak == "1");
    let others = if soak { SEEDS.1 } else { SEEDS.0 } - COUNTED;
    let from = |share: u64| COUNTED + share * others / SHARES;
    for seed in from(number)..from(number + 1) {
        let (_, ended) = run(seed, Kept::Not, None);
        must_hold(seed, ended);
    }
}

macro_rules! shares {
    ($($name:ident $number:literal)*) => {
        const _: () = assert!([$($number),*].len() as u64 == SHARES);
        $(
            #[test]
            fn $name() {
                share($number);
            }
        )*
    };
}
shares! {
    share_00 0 share_01 1 share_02 2 share_03 3 share_04 4 share_05 5 share_06 6 share_07 7
    share_08 8 share_09 9 share_10 10 share_11 11 share_12 12 share_13 13 share_14 14 share_15 15
}

/// Prints everything where a seed is asked for.
#[test]
fn replay_one() {
    let seed = asked("HYTHE_SEED");
    let kept = if seed.is_some() { Kept::Printed } else { Kept::Hashed };
    let seed = seed.map_or(7, |seed| seed.parse().unwrap());
    let (world, ended) = run(seed, kept, None);
    println!("{} steps, {} ms, trace {:016x}", world.steps, world.now, world.trace.hash());
    must_hold(seed, ended);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = Vec::new();
    for seed in 0..16 {
        let [first, second] = [(); 2].map(|()| run(seed, Kept::Hashed, None).0);
        assert_eq!(first.trace.hash(), second.trace.hash(), "seed {seed}");
        assert_eq!(first.journal.log, second.journal.log, "seed {seed}");
        hashes.push(first.trace.hash());
    }
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all, "different seeds give different traces");
}

/// Nothing of one process, such as an address or a hasher's key, finds its way into a trace.
#[test]
fn another_process_gives_the_same_trace() {
    for seed in [3u64, 7] {
        let here = format!("trace {:016x}", run(seed, Kept::Hashed, None).0.trace.hash());
        let program = std::env::current_exe().unwrap();
        let arguments = ["seeds::replay_one", "--exact", "--nocapture"];
        let there =
            Command::new(program).args(arguments).env("HYTHE_SEED", seed.to_string()).output();
        let there = String::from_utf8(there.unwrap().stdout).unwrap();
        assert!(there.contains(&here), "seed {seed}: {here} is not what the other process says");
    }
}

/// A simulation in which something does not happen any more proves nothing about it.
#[test]
fn everything_that_can_happen_does() {
    let mut counts = Counts::new();
    for seed in 0..COUNTED {
        let (world, ended) = run(seed, Kept::Not, None);
        must_hold(seed, ended);
        for (what, n) in world.counts {
            *counts.entry(what).or_default() += n;
        }
    }
    let often = |what: &str, least: u64| {
        let n = counts.get(what).copied().unwrap_or_default();
        assert!(n >= least, "{what} happened {n} times, {least} is the least: {counts:#?}");
    };
    for kind in Kind::ALL {
        often(&format!("{kind:?}"), 15);
    }
    let stages = ["live", "superseded", "cancelled", "failed while building"];
    stages.into_iter().for_each(|stage| often(stage, 300));
    for stage in ["built", "releasing", "starting"] {
        often(&format!("failed while {stage}"), 20);
    }
    // Only what no builder took for all of its time, whatever the clocks said.
    often("failed while queued", 10);
    for stage in ["switching", "draining"] {
        often(&format!("failed while {stage}"), 2);
    }
    let answers = ["\"create\": done", "\"create\": taken", "\"deploy\": done", "\"delete\": done"];
    answers.into_iter().for_each(|answer| often(&answer.replace('"', ""), 100));
    let refusals = ["old order refused", "old build refused", "older table refused"];
    refusals.into_iter().for_each(|refusal| often(&format!("{refusal:?}"), 2));
    for asked in ["rollback", "redeploy", "restart", "stop", "start", "scale"] {
        often(&format!("{asked}: done"), 20);
    }
    often("\"build skipped\"", 100);
    often("\"replicas left\"", 20);
    often("\"processes scaled\"", 10);
    often("\"declared\"", 100);
    often("\"status told\"", 300);
    often("\"heard how it ended\"", 20);
    often("\"left their terminal\"", 10);
    often("run cut: ClientGone", 10);
    often("\"pushed\"", 100);
    often("\"pushed again\"", 10);
    often("\"push refused\"", 20);
    often("scale what is said: done", 5);
    often("\"image missed\"", 20);
    often("\"called off\"", 20);
    often("\"released\"", 100);
    often("\"post-deployed\"", 100);
    often("\"post-deploy failed\"", 20);
    often("\"build given out anew\"", 5);
    often("\"durable and unanswered\"", 50);
    often("\"writer after another\"", 20);
    for asked in ["add a domain to", "prove a domain of", "set the edge of", "set the triggers of"]
    {
        often(&format!("{asked}: done"), 20);
    }
    for asked in ["set a job", "pause a job", "remove a job", "run a job", "run a command"] {
        often(&format!("{asked}: done"), 20);
    }
    for what in ["job ran", "job ran by hand", "run ended well", "run failed", "run begun"] {
        often(&format!("{what:?}"), 50);
    }
    for what in ["run lost", "run took too long", "run stopped", "run was not started"] {
        often(&format!("{what:?}"), 5);
    }
    for what in ["run told again", "run told again after a start", "gave way"] {
        often(&format!("{what:?}"), 5);
    }
    ["Overlap", "Missed"].into_iter().for_each(|why| often(&format!("skipped: {why}"), 20));
    for asked in ["set the previews of", "remove a preview", "note a comment"] {
        often(&format!("{asked}: done"), 10);
    }
    for what in ["delivery counts", "delivery doubled", "preview made", "preview deleted"] {
        often(&format!("{what:?}"), 50);
    }
    for what in ["preview moved", "preview ended", "delivery refused", "preview of a fork"] {
        often(&format!("{what:?}"), 10);
    }
    for asked in ["create a project", "move", "set the key of"] {
        often(&format!("{asked}: done"), 10);
    }
    // It has to be empty by then.
    often("delete a project: done", 4);
    for asked in ["remove a variable of", "set a domain of", "add a hook", "rotate a hook"] {
        often(&format!("{asked}: done"), 3);
    }
    for asked in ["lose a domain of", "doubt a domain of", "take a domain from"] {
        often(&format!("{asked}: done"), 5);
    }
}

/// Each invariant has a fault that it finds.
const PLANTED: &[(Plant, &str)] = &[
    (Plant::OldVersionNeverRetires, "one_live_deployment"),
    (Plant::NobodyWaitsForTheirTurn, "one_deployment_moves"),
    (Plant::SkipsAVersion, "versions_are_continuous"),
    (Plant::WritesWhatIsIllegal, "stages_follow_one_another"),
    (Plant::GenerationGoesBack, "build_generations_grow"),
    (Plant::CancelledComesBack, "what_ended_stays_ended"),
    (Plant::CutsLeaving, "replicas_leave_after_their_requests"),
    (Plant::NobodyLeaves, "scaling_comes_to_its_end"),
    (Plant::CalledOffGoesOn, "what_was_called_off_gets_no_traffic"),
    (Plant::LosesTheLastEvent, "nothing_durable_is_lost"),
    (Plant::ProjectionSkipsAnEvent, "log_and_state_agree"),
    (Plant::LosesClaims, "claims_and_names_agree"),
    (Plant::RoutesBeforeHealth, "tables_lead_to_healthy_replicas"),
    (Plant::EdgeGoesBack, "edges_never_go_back"),
    (Plant::EdgeRoutesElsewhere, "edges_serve_what_was_published"),
    (Plant::SwitchesUnconfirmed, "a_switch_is_confirmed_by_every_edge"),
    (Plant::CutsRequests, "requests_finish_before_the_old_version_ends"),
    (Plant::LosesTrafficWhileDraining, "what_goes_live_has_the_traffic"),
    (Plant::StopsWhatServes, "nothing_is_stopped_that_has_traffic"),
    (Plant::BuilderForgets, "a_build_begins_once"),
    (Plant::AgentIgnoresGenerations, "only_the_newest_order_counts"),
    (Plant::EngineMakesTwo, "a_replica_has_one_container"),
    (Plant::NothingExpires, "every_deployment_ends"),
    (Plant::NothingIsStartedAgain, "what_runs_is_what_is_wanted"),
    (Plant::ContainerLeaks, "nothing_runs_that_nobody_wants"),
    (Plant::EdgeIsDeaf, "traffic_goes_to_what_is_live"),
    (Plant::NobodyReturns, "everybody_is_known"),
    (Plant::TaskRunsTwice, "a_task_runs_once"),
    (Plant::NobodyWaitsForTheRelease, "nothing_starts_before_it_is_released"),
    (Plant::TasksEndWell, "what_is_said_to_end_well_did"),
    (Plant::RoutesToProcesses, "no_route_leads_to_a_process_beside_web"),
    (Plant::WritersMeet, "two_versions_never_write_to_one_volume"),
    (Plant::RoutesTheUnproven, "a_domain_leads_to_who_has_proven_it"),
    (Plant::TimesRunTwice, "a_time_runs_once"),
    (Plant::JobsOverlap, "runs_overlap_where_they_may"),
    (Plant::RemovedJobsRun, "what_was_removed_runs_no_more"),
    (Plant::PausedJobsRun, "what_is_paused_is_not_due"),
    (Plant::MissedTimesRun, "what_was_missed_is_left_out"),
    (Plant::NobodyLooksAtJobs, "what_is_due_is_dealt_with"),
    (Plant::NobodyEndsRuns, "every_run_ends"),
    (Plant::WorkerHearsFirst, "what_runs_was_decided"),
    (Plant::RunBeginsTwice, "a_run_begins_once"),
    (Plant::TooManyPreviews, "previews_keep_to_their_most"),
    (Plant::ForksGetIn, "forks_get_in_where_they_may"),
    (Plant::LateIsNew, "what_is_told_late_changes_nothing"),
    (Plant::ClosedComesBack, "what_was_closed_gets_no_preview"),
    (Plant::ForksAreGiven, "forks_are_given_nothing"),
    (Plant::PreviewRunsAhead, "previews_are_of_what_was_wanted"),
    (Plant::PreviewsStay, "previews_are_those_that_are_wanted"),
    (Plant::BuilderPassesOver, "a_version_runs_by_what_its_repository_says"),
    (Plant::ProcessesSwapPlaces, "processes_run_what_their_version_says"),
    (Plant::BranchForgets, "a_push_is_taken_once"),
    (Plant::PushIsHalfKnown, "what_is_pushed_is_the_source"),
    (Plant::MomentsGoUntold, "providers_know_how_it_ended"),
    (Plant::ProviderHearsLate, "what_is_told_last_stays"),
    (Plant::NobodyNoticesSilence, "who_left_leaves_nothing_running"),
    (Plant::TerminalsSkip, "what_is_written_is_read_in_order"),
    (Plant::EndComesEarly, "the_end_comes_after_everything"),
];
/// Tests that share them.
const PARTS: usize = 3;

fn are_found(part: usize) {
    let mut blind = Vec::new();
    for (plant, invariant) in PLANTED.iter().copied().skip(part).step_by(PARTS) {
        let mut found = Vec::new();
        for seed in 0..FOUND_WITHIN {
            found.extend(run(seed, Kept::Not, Some(plant)).1.err().map(|breach| breach.invariant));
            if found.last() == Some(&invariant) {
                break;
            }
        }
        if found.last() != Some(&invariant) {
            blind.push((plant, invariant, found));
        }
    }
    assert!(blind.is_empty(), "not found: {blind:#?}");
}

#[test]
fn planted_faults_are_found_0() {
    are_found(0);
}

#[test]
fn planted_faults_are_found_1() {
    are_found(1);
}

#[test]
fn planted_faults_are_found_2() {
    are_found(2);
}
