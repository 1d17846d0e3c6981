//! The courses of events: each begins with an app that is live, kills a process somewhere on the
//! way, and sees the end that there would have been without.

use std::process::Command;

use hythe_store::steps::{Process, Step};
use hythe_tests::failpoints::die;
use hythe_tests::repository::apps;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::history::Ending;
use super::points::{Course, Deaths, Point, points};
use super::world::{APP, World};

/// Kills a process at a point, in its course of events.
pub(super) fn run(world: &mut World, point: &Point, deaths: Deaths) {
    let lines = &point.lines(deaths);
    let began = std::time::Instant::now();
    let before = world.hythe().pid(point.process.name()).expect("it runs").as_raw();
    let arm = |world: &World| world.hythe().failpoints().arm(point.process, lines);
    match point.course {
        Course::Deploy => {
            world.commit_next();
            arm(world);
            deploy(world);
        }
        Course::DeployAgain => {
            arm(world);
            deploy(world);
        }
        Course::Configure => {
            arm(world);
            let settings = json!({ "health_interval_ms": 400 + world.next() });
            let (status, document) = world.insist("PATCH", "/api/v1/apps/shop", &settings);
            assert!(status < 300, "{status} {document}");
            deploy(world);
        }
        Course::Environment => {
            arm(world);
            let change = json!({ "set": { "GREETING": format!("hello {}", world.next()) } });
            let (status, document) = world.insist("PATCH", "/api/v1/apps/shop/env", &change);
            assert!(status < 300, "{status} {document}");
            deploy(world);
        }
        Course::NewApp => {
            arm(world);
            let name = new_app(world);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::DeleteApp => {
            let name = new_app(world);
            arm(world);
            delete(world, &name);
        }
        Course::Replace => replace(world, arm),
        Course::CancelBuild => {
            // So long that it cannot end by itself before the worker says that it runs.
            let id = slow_build(world, 600);
            arm(world);
            cancel(world, &id);
        }
        Course::FailBuild => {
            world.repository.commit(&apps::files(&apps::failing_build()));
            arm(world);
            let id = world.request(APP);
            world.ends(&id, Ending::Failed);
            world.repository.commit(&apps::files(&apps::page(&world.version.to_string())));
        }
        Course::ReplicaDies => {
            arm(world);
            kill_replica(world);
        }
        Course::ServerStops => {
            let id = slow_build(world, 3);
            arm(world);
            let server = world.hythe().pid("server").expect("it runs");
            kill(server, Signal::SIGTERM).expect("it can be told to stop");
            world.ends(&id, Ending::Live);
            world.now_live(&id);
        }
        Course::FirstStart | Course::Never(_) => panic!("{point:?} has no course of this kind"),
    }
    world.died(point, deaths, before);
    let ended = began.elapsed();
    world.serves_the_live_version();
    world.users_saw_nothing(point);
    eprintln!(
        "{} {}: {ended:.2?} until the end, {:.2?} in all; {}",
        point.process,
        lines.join(", "),
        began.elapsed(),
        world.durations()
    );
}

fn deploy(world: &mut World) {
    let id = world.request(APP);
    world.ends(&id, Ending::Live);
    world.now_live(&id);
}

/// Makes an app and deploys it; says its name.
fn new_app(world: &mut World) -> String {
    let name = format!("extra-{}", world.next());
    world.make_app(&name);
    let id = world.request(&name);
    world.ends(&id, Ending::Live);
    name
}

fn delete(world: &mut World, name: &str) {
    // A repeated one may find that the first one was heard.
    let (status, document) = world.insist("DELETE", &format!("/api/v1/apps/{name}"), &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
    let hythe = world.hythe();
    world.until("its network is gone", || hythe.networks().len() == 1);
}

/// Begins a deployment whose build takes so long; gives it back when that is under way.
fn slow_build(world: &mut World, seconds: u32) -> String {
    world.version = world.next();
    let files = apps::slow_build(&world.version.to_string(), seconds);
    world.repository.commit(&apps::files(&files));
    let id = world.request(APP);
    world.until("the build runs", || world.status(&id) == "building");
    id
}

fn replace(world: &mut World, arm: impl Fn(&World)) {
    let first = slow_build(world, 3);
    let second = world.request(APP);
    arm(world);
    let third = world.request(APP);
    world.ends(&second, Ending::Superseded);
    world.ends(&third, Ending::Live);
    world.history.ended(&first, Ending::Live);
    world.now_live(&third);
}

fn cancel(world: &mut World, id: &str) {
    let path = format!("/api/v1/deployments/{id}/cancel");
    let (status, document) = world.insist("POST", &path, &Value::Null);
    assert!(status < 300 || status == 409, "{status} {document}");
    world.ends(id, Ending::Cancelled);
    world.commit_next();
}

/// Kills the app's program, as the kernel would for want of memory.
fn kill_replica(world: &World) {
    let id = world.hythe().containers().pop().expect("it has a container");
    let killed = Command::new("docker").args(["kill", &id]).output().unwrap();
    assert!(killed.status.success());
}

/// All processes die at all steps of a first start, one after the other; then a first deployment
/// goes live.
pub(super) fn first_start() {
    let mut world = World::prepare();
    let mut lines: Vec<(Process, Vec<String>)> = Vec::new();
    for process in [Process::Server, Process::Agent, Process::Edge] {
        let mut of_first_start: Vec<Point> = points();
        of_first_start.retain(|p| p.process == process && p.course == Course::FirstStart);
        // In the order in which they come; what happens only once comes before what happens at
        // every start.
        of_first_start.sort_by_key(|point| {
            let late = [Step::StreamsMade, Step::JournalAppended, Step::ConsumerMade];
            late.iter().position(|step| *step == point.step)
        });
        let of_it: Vec<String> =
            of_first_start.iter().map(|p| die(p.step, p.detail.as_deref(), 1)).collect();
        assert!(!of_it.is_empty());
        world.hythe().failpoints().arm(process, &of_it);
        lines.push((process, of_it));
    }
    world.scene.hythe.up();
    for (process, lines) in &lines {
        world.until(&format!("{process} has died at {lines:?}"), || {
            world.hythe().failpoints().deaths(*process).len() == lines.len()
        });
        let died: Vec<String> =
            world.hythe().failpoints().deaths(*process).into_iter().map(|d| d.line).collect();
        assert_eq!(&died, lines);
    }
    world.go_live();
    world.finish();
}
