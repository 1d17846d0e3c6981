//! The courses of events: each begins with an app that is live, kills a process somewhere on the
//! way, and sees the end that there would have been without.

use hythe_store::steps::{Process, Step};
use hythe_tests::failpoints::die;
use hythe_tests::repository::apps;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::history::Ending;
use super::points::{Course, Deaths, Point, points};
use super::settings::{
    delete_project, new_hook, new_project, new_registry, remove_hook, remove_registry, sources,
};
use super::versions::{
    RAN, app_with_worker, cancel, cron, delete, deploy, hooked_app, kill_replica, new_app,
    post_deploys, push, replace, roll_back_unbuilt, runs, slow_build, stop_and_start,
};
use super::world::{APP, World};
use super::{domains, previews};

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
        Course::Upload => {
            // What it holds is looked at by whoever builds it.
            let body = json!({ "sent": world.next() });
            let digest = Sha256::digest(body.to_string().as_bytes());
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            arm(world);
            let path = format!("/api/v1/uploads/sha256:{digits}");
            let (status, document) = world.insist("PUT", &path, &body);
            assert!(status < 300, "{status} {document}");
            assert_eq!(world.look(&path)["bytes"], body.to_string().len());
            deploy(world);
        }
        Course::Push => {
            let name = format!("extra-{}", world.next());
            arm(world);
            let id = push(world, &name);
            world.ends(&id, Ending::Live);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::Declare => {
            let name = format!("extra-{}", world.next());
            world.make_app_with_procfile(&name);
            arm(world);
            let id = world.request(&name);
            world.ends(&id, Ending::Declared);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::Site => {
            let name = format!("site-{}", world.next());
            world.make_site(&name);
            arm(world);
            let id = world.request(&name);
            world.ends(&id, Ending::Live);
            world.until("it is served", || world.hythe().get(&name, "/") == (200, name.clone()));
            world.died(point, deaths, before);
            delete(world, &name);
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
        Course::DeleteAndRestore => {
            let name = new_app(world);
            arm(world);
            let path = format!("/api/v1/apps/{name}");
            let (status, document) = world.insist("DELETE", &path, &Value::Null);
            // A repeated one may find that the first one was heard.
            assert!(status < 300 || status == 404, "{status} {document}");
            world.until("its replica is gone", || world.hythe().containers().len() == 1);
            let (status, document) = world.insist("POST", &format!("{path}/restore"), &Value::Null);
            assert!(status < 300, "{status} {document}");
            runs(world, &name, 1);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::NewProject => {
            arm(world);
            let name = new_project(world);
            world.died(point, deaths, before);
            delete_project(world, &name);
        }
        Course::DeleteProject => {
            let name = new_project(world);
            arm(world);
            delete_project(world, &name);
        }
        Course::NewRegistry => {
            arm(world);
            let path = new_registry(world);
            world.died(point, deaths, before);
            remove_registry(world, &path);
        }
        Course::RemoveRegistry => {
            let path = new_registry(world);
            arm(world);
            remove_registry(world, &path);
        }
        Course::NewHook => {
            arm(world);
            let path = new_hook(world);
            world.died(point, deaths, before);
            remove_hook(world, &path);
        }
        Course::RotateHook => {
            let path = new_hook(world);
            arm(world);
            let (status, document) = world.insist("POST", &format!("{path}/rotate"), &Value::Null);
            assert!(status < 300, "{status} {document}");
            world.died(point, deaths, before);
            remove_hook(world, &path);
        }
        Course::RemoveHook => {
            let path = new_hook(world);
            arm(world);
            remove_hook(world, &path);
        }
        Course::SetStatuses => {
            let path = new_hook(world);
            arm(world);
            let body = json!({"api": "https://git.example/api/v1"});
            for told in ["statuses", "comments"] {
                let (status, document) = world.insist("PUT", &format!("{path}/{told}"), &body);
                assert!(status < 300, "{status} {document}");
            }
            world.died(point, deaths, before);
            remove_hook(world, &path);
        }
        Course::SetTriggers => {
            arm(world);
            let watch = [format!("apps/{}/**", world.next())];
            let change = json!({ "watch_paths": watch });
            let path = "/api/v1/apps/shop/triggers";
            let (status, document) = world.insist("PATCH", path, &change);
            assert!(status < 300, "{status} {document}");
        }
        Course::SetEdge => {
            arm(world);
            let path = "/api/v1/apps/shop/edge";
            let password = format!("a password {}", world.next());
            let change =
                json!({ "wait_ms": 1_000, "guards": "previews", "users": { "ada": password } });
            let (status, document) = world.insist("PATCH", path, &change);
            assert!(status < 300, "{status} {document}");
            let usual = json!({ "wait_ms": 0, "guards": "all", "users": { "ada": null } });
            let (status, document) = world.insist("PATCH", path, &usual);
            assert!(status < 300, "{status} {document}");
        }
        Course::SetAddress => {
            arm(world);
            let url = format!("https://h{}.example", world.next());
            let path = "/api/v1/address";
            let (status, document) = world.insist("PUT", path, &json!({ "url": url }));
            assert!(status < 300, "{status} {document}");
            let (status, document) = world.insist("DELETE", path, &Value::Null);
            assert!(status < 300, "{status} {document}");
        }
        Course::Sources => {
            arm(world);
            sources(world);
        }
        Course::Replace => replace(world, arm),
        Course::CancelBuild => {
            // So long that it cannot end by itself before the worker says that it runs.
            let id = slow_build(world, 600);
            arm(world);
            cancel(world, &id);
            // What is committed before it was fetched would be built in its place.
            world.died(point, deaths, before);
            world.commit_next();
        }
        Course::FailBuild => {
            world.repository.commit(&apps::files(&apps::failing_build()));
            arm(world);
            let id = world.request(APP);
            world.ends(&id, Ending::Failed);
            world.repository.commit(&apps::files(&apps::page(&world.version.to_string())));
        }
        Course::Restart => {
            arm(world);
            let id = world.ask_for("/api/v1/apps/shop/restart", &Value::Null);
            world.ends(&id, Ending::Repeated);
            world.now_live_again(&id);
        }
        Course::RollBackUnbuilt => roll_back_unbuilt(world, arm),
        Course::StopAndStart => {
            let name = new_app(world);
            stop_and_start(world, &name, arm);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::RunCommand => {
            let name = new_app(world);
            arm(world);
            let path = format!("/api/v1/apps/{name}/runs");
            let body = json!({ "command": ["true"], "detach": true });
            let (status, document) = world.insist("POST", &path, &body);
            // A repeated one may find that it has ended.
            assert!(status < 300 || status == 409, "{status} {document}");
            world.until("it is known how it ended", || {
                world.look(&path)["items"].as_array().is_some_and(Vec::is_empty)
            });
            world.died(point, deaths, before);
            // What it wrote is kept until its app goes.
            delete(world, &name);
        }
        Course::Preview => previews::come_and_go(world, arm),
        Course::Domain => domains::come_and_go(world, arm),
        Course::Cron => {
            let name = new_app(world);
            arm(world);
            cron(world, &name, "@yearly", "true", |world, path| {
                world.until("it is known how it ended", || {
                    world.look(path)["runs"][0]["end"] == "exit code 0"
                });
            });
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::CronSkipped => {
            let name = new_app(world);
            arm(world);
            // Longer than from any moment to the next minute.
            cron(world, &name, "* * * * *", "exec sleep 100", |world, path| {
                world.until("it is left out once", || !world.look(path)["skipped"].is_null());
            });
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::Scale => {
            let name = new_app(world);
            arm(world);
            for replicas in [2, 1] {
                let path = format!("/api/v1/apps/{name}/scale");
                let (status, document) =
                    world.insist("POST", &path, &json!({ "replicas": replicas }));
                assert!(status < 300, "{status} {document}");
                runs(world, &name, replicas);
            }
            let app = world.look(&format!("/api/v1/apps/{name}"));
            let id = app["live"]["id"].as_str().expect("it is live");
            world.history.ended(id, Ending::Scaled);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::PostDeploy => post_deploys(world, 0, arm),
        Course::PostDeployFails => post_deploys(world, 3, arm),
        Course::ScaleProcesses => {
            let name = app_with_worker(world);
            arm(world);
            for workers in [2, 1] {
                let path = format!("/api/v1/apps/{name}/scale");
                let body = json!({ "processes": { "worker": workers } });
                let (status, document) = world.insist("POST", &path, &body);
                assert!(status < 300, "{status} {document}");
                // One of web beside them.
                runs(world, &name, workers + 1);
            }
            let app = world.look(&format!("/api/v1/apps/{name}"));
            let id = app["live"]["id"].as_str().expect("it is live");
            world.history.ended(id, Ending::ProcessesScaled);
            world.died(point, deaths, before);
            delete(world, &name);
        }
        Course::Release => {
            let name = hooked_app(world, "release_command", 0);
            arm(world);
            let id = world.request(&name);
            world.ends(&id, Ending::Released);
            world.died(point, deaths, before);
            let path = format!("/api/v1/deployments/{id}/logs");
            world.until("its release command ran once", || {
                let log = world.look(&path).to_string();
                assert!(log.matches(RAN).count() <= 1, "{log}");
                log.contains(RAN)
            });
            delete(world, &name);
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
            // An edge knows who it is before it has a key.
            let known = point.step != Step::EdgeMinted;
            (known, late.iter().position(|step| *step == point.step))
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
