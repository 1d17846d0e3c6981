//! Stories of cron jobs and of previews.

use hythe_core::app::AppCommand;
use hythe_core::cron::{CronSettings, Overlap, Schedule};
use hythe_core::hook::{Head, PullChange, PullRequest};
use hythe_core::ids::AppId;
use hythe_core::preview::{Forks, PreviewSettings};
use hythe_core::time::{Millis, Timestamp};

use super::{MINUTE, SECOND, ask, containers, live, pass, world, world_of};
use crate::made;
use crate::network::Node;
use crate::world::{BEGINNING, World};

fn count(world: &World, what: &str) -> u64 {
    world.counts.get(what).copied().unwrap_or_default()
}

/// A job of every minute.
fn set_job(world: &mut World, overlap: Overlap) {
    let settings = Box::new(CronSettings {
        schedule: Schedule::new("* * * * *").unwrap(),
        within: Millis::seconds(100),
        overlap,
        ..made::job(&mut world.random)
    });
    let (cron, at) = (made::cron_name(0), world.control_now());
    ask(world, AppCommand::SetCron { cron, settings, at });
    pass(world, SECOND);
}

/// Until so long before the next minute.
fn pass_until_before_a_minute(world: &mut World, span: u64) {
    let left = MINUTE - world.control_now().0 % MINUTE;
    pass(world, (left + MINUTE - span) % MINUTE);
}

#[test]
fn every_minute_a_job_runs_or_is_left_out() {
    for seed in 1..=4 {
        let mut world = world_of(seed);
        live(&mut world);
        pass_until_before_a_minute(&mut world, 30 * SECOND);
        set_job(&mut world, Overlap::Skip);
        pass(&mut world, 10 * MINUTE);
        let (ran, skipped) = (count(&world, "\"job ran\""), count(&world, "skipped: Overlap"));
        assert_eq!(ran + skipped, 10, "seed {seed}: it ran {ran} times");
        assert!(ran >= 5, "seed {seed}: it ran {ran} times");
        assert_eq!(count(&world, "\"run begun\""), ran, "seed {seed}");
    }
}

#[test]
fn a_run_of_which_its_worker_never_heard_is_told_of_after_a_start() {
    let mut world = world();
    live(&mut world);
    set_job(&mut world, Overlap::Allow);
    pass_until_before_a_minute(&mut world, SECOND);
    let before = count(&world, "\"job ran\"");
    assert_eq!(count(&world, "\"run begun\""), before);
    world.machines[0].cut = true;
    pass(&mut world, 2 * SECOND);
    assert_eq!(count(&world, "\"job ran\""), before + 1);
    assert_eq!(count(&world, "\"run begun\""), before);
    world.control_dies();
    world.mend(Node::AgentLink(0));
    pass(&mut world, 45 * SECOND);
    assert_eq!(count(&world, "\"job ran\""), before + 1);
    assert_eq!(count(&world, "\"run begun\""), before + 1);
}

#[test]
fn a_job_that_replaces_ends_what_runs_still() {
    let mut world = world();
    live(&mut world);
    pass_until_before_a_minute(&mut world, 30 * SECOND);
    set_job(&mut world, Overlap::Replace);
    pass(&mut world, 30 * MINUTE);
    let (ran, stopped) = (count(&world, "\"job ran\""), count(&world, "\"run stopped\""));
    assert_eq!(ran, 30, "it gives way in time");
    assert!(stopped > 0, "some take longer than a minute");
}

fn previews(world: &World) -> Vec<(AppId, u64)> {
    let apps = world.control.view.apps.iter();
    let active = apps.filter_map(|(id, app)| Some((*id, app.state.active()?)));
    active.filter_map(|(id, app)| Some((id, app.preview.as_ref()?.revision))).collect()
}

fn told(world: &mut World, pull: PullRequest, change: PullChange) -> PullRequest {
    let pull = PullRequest { at: Timestamp(BEGINNING + world.now), ..pull };
    world.send_delivery(&pull, change);
    pass(world, 4 * MINUTE);
    pull
}

#[test]
fn a_preview_comes_and_goes_with_its_pull_request() {
    let mut world = world();
    live(&mut world);
    world.user.has_previews = true;
    // The first one is the app itself.
    world.next_app();
    let on = |forks| {
        AppCommand::SetPreviews(Box::new(PreviewSettings {
            on: true,
            most: 1,
            forks,
            ..PreviewSettings::default()
        }))
    };
    ask(&mut world, on(Forks::Never));
    pass(&mut world, SECOND);
    let pull = world.new_pull(1);
    let fork = PullRequest { head: Head::Own, draft: false, ..world.new_pull(2) };
    let pull = PullRequest { head: Head::Own, draft: false, ..pull };
    let pull = told(&mut world, pull, PullChange::Came);
    let [(preview, 1)] = previews(&world)[..] else { panic!("{:?}", previews(&world)) };
    let pull = world.with_commit(pull);
    let pull = told(&mut world, pull, PullChange::Came);
    assert_eq!(previews(&world), [(preview, 2)], "it is moved on");
    told(&mut world, fork.clone(), PullChange::Came);
    assert_eq!(previews(&world), [(preview, 2)], "there is one at the most");
    told(&mut world, pull, PullChange::Closed { merged: true });
    assert_eq!(previews(&world), []);
    assert_eq!(containers(&world), 2, "those of the app itself");
    let repository = made::other_repository();
    let fork = PullRequest { head: Head::Fork(repository), ..fork };
    told(&mut world, fork.clone(), PullChange::Came);
    assert_eq!(previews(&world), [], "forks get none");
    ask(&mut world, on(Forks::Allowed));
    pass(&mut world, SECOND);
    told(&mut world, fork, PullChange::Came);
    assert_eq!(previews(&world).len(), 1);
    ask(&mut world, on(Forks::Never));
    pass(&mut world, 2 * MINUTE);
    assert_eq!(previews(&world), []);
    assert_eq!(containers(&world), 2);
}
