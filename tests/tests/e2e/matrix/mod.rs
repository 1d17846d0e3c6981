//! The crash matrix: each process dies right after each of its durable steps, for real, and the
//! work that it was part of ends as it would have.
//!
//! The list of steps is [`Step::ALL`], to which whatever makes something durable has to add itself
//! (raw calls are lint errors). [`points`] says for each in what course of events it is reached;
//! one that is not reached there fails the test.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails on whatever it did not expect, and says how far it came"
)]

mod courses;
mod domains;
mod history;
pub(crate) mod load;
mod points;
mod previews;
mod settings;
mod versions;
mod world;

use std::collections::VecDeque;
use std::sync::Mutex;

use hythe_store::steps::Process;

use self::points::{Course, Deaths, Point, points};
use self::world::World;

/// Sees one process die at each of its points but those of a first start, in several installations
/// at once: most of the time each of them waits. A server that was started again, for one, switches no
/// traffic before every edge that there may be has had its lease to speak up.
fn dies_everywhere(process: Process, worlds: usize) {
    let only = std::env::var("HYTHE_MATRIX").unwrap_or_default();
    let soak = std::env::var_os("HYTHE_SOAK").is_some();
    let deaths: &[Deaths] = if soak { &Deaths::LONG } else { &[Deaths::AT_FIRST] };
    let mut points = points();
    points.retain(|point| {
        point.process == process
            && !matches!(point.course, Course::FirstStart | Course::Never(_))
            && format!("{point:?}").contains(&only)
    });
    // What waits for the next minute comes first, so that nothing waits for it in the end.
    points.sort_by_key(|point| point.course != Course::CronSkipped);
    let work: VecDeque<(Point, Deaths)> = deaths
        .iter()
        .flat_map(|deaths| points.iter().map(|point| (point.clone(), *deaths)))
        .collect();
    let work = Mutex::new(work);
    let next = || work.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _world in 0..worlds {
            scope.spawn(|| {
                let mut world = World::start();
                while let Some((point, deaths)) = next() {
                    courses::run(&mut world, &point, deaths);
                }
                world.finish();
            });
        }
    });
}

#[test]
fn the_server_dies_at_each_step() {
    dies_everywhere(Process::Server, 6);
}

#[test]
fn the_agent_dies_at_each_step() {
    dies_everywhere(Process::Agent, 4);
}

#[test]
fn the_edge_dies_at_each_step() {
    dies_everywhere(Process::Edge, 1);
}

#[test]
fn all_die_at_each_step_of_a_first_start() {
    courses::first_start();
}
