//! The courses of events: each begins with an app that is live, kills a process somewhere on the
//! way, and sees the end that there would have been without.

use std::process::Command;

use hythe_store::steps::{Process, Step};
use hythe_tests::failpoints::die;
use hythe_tests::repository::apps;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::history::Ending;
use super::points::{Course, Deaths, Point, points};
use super::world::{APP, World};
use super::{domains, previews};
use crate::pushes::git;

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

fn deploy(world: &mut World) {
    let id = world.request(APP);
    world.ends(&id, Ending::Live);
    world.now_live(&id);
}

/// Pushes what is committed until git says that it was taken; says the deployment, of which there is one,
/// whoever died meanwhile.
fn push(world: &World, name: &str) -> String {
    let hythe = world.hythe();
    let url = format!("http://hythe:{}@{}/git/{name}.git", hythe.token(), hythe.gateway());
    world.until("git says that it was taken", || {
        let args = ["push", "--quiet", "-o", "detach", &url, "HEAD:main"];
        git(world.repository.folder(), &args).status().unwrap().success()
    });
    let listed = world.look(&format!("/api/v1/apps/{name}/deployments"));
    let all = listed["items"].as_array().expect("a list");
    assert_eq!(all.len(), 1, "{listed}");
    all[0]["id"].as_str().unwrap().to_owned()
}

/// Makes an app and deploys it; says its name.
fn new_app(world: &mut World) -> String {
    let name = format!("extra-{}", world.next());
    world.make_app(&name);
    let id = world.request(&name);
    world.ends(&id, Ending::Live);
    // Its app hears of that a moment later.
    world.until("its app has it as its live version", || {
        world.look(&format!("/api/v1/apps/{name}"))["live"]["id"] == id.as_str()
    });
    name
}

/// Makes an app with a process beside web and deploys it; says its name.
fn app_with_worker(world: &mut World) -> String {
    let name = format!("extra-{}", world.next());
    world.make_app(&name);
    let worker = json!({ "command": ["sleep", "900"] });
    let settings = json!({ "process_types": { "worker": worker } });
    let (status, document) = world.insist("PATCH", &format!("/api/v1/apps/{name}"), &settings);
    assert!(status < 300, "{status} {document}");
    let id = world.request(&name);
    world.ends(&id, Ending::Live);
    name
}

/// Sets a cron job, runs it by hand, waits, and removes it.
fn cron(
    world: &mut World,
    name: &str,
    schedule: &str,
    line: &str,
    wait: impl FnOnce(&World, &str),
) {
    let path = format!("/api/v1/apps/{name}/crons/job");
    let body = json!({ "schedule": schedule, "command": ["sh", "-c", line] });
    let (status, document) = world.insist("PUT", &path, &body);
    assert!(status < 300, "{status} {document}");
    let (status, document) = world.insist("POST", &format!("{path}/run"), &Value::Null);
    // A repeated one may find that it runs.
    assert!(status < 300 || status == 409, "{status} {document}");
    wait(world, &path);
    let (status, document) = world.insist("DELETE", &path, &Value::Null);
    // A repeated one may find that the first one was heard.
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// What a command says that runs once.
const RAN: &str = "it-has-run";

/// Makes an app with a command that runs once and ends so; says its name.
fn hooked_app(world: &mut World, setting: &str, code: u8) -> String {
    let name = format!("extra-{}", world.next());
    world.make_app(&name);
    let line = format!("echo {RAN}; sleep 1; exit {code}");
    let settings = json!({ setting: ["sh", "-c", line] });
    let (status, document) = world.insist("PATCH", &format!("/api/v1/apps/{name}"), &settings);
    assert!(status < 300, "{status} {document}");
    name
}

/// Deploys an app whose post-deploy command ends so, and sees that it runs once.
fn post_deploys(world: &mut World, code: u8, arm: impl Fn(&World)) {
    let name = hooked_app(world, "post_deploy_command", code);
    arm(world);
    let id = world.request(&name);
    let (ending, status) = match code {
        0 => (Ending::PostDeployed, "done"),
        _ => (Ending::PostDeployFailed, "failed"),
    };
    world.ends(&id, ending);
    let path = format!("/api/v1/deployments/{id}");
    world.until("its post-deploy command is over", || {
        world.look(&path)["post_deploy"]["status"] == status
    });
    let path = format!("/api/v1/apps/{name}/logs");
    world.until("its post-deploy command ran once", || {
        let log = world.look(&path).to_string();
        assert!(log.matches(RAN).count() <= 1, "{log}");
        log.contains(RAN)
    });
    delete(world, &name);
}

fn delete(world: &mut World, name: &str) {
    // A repeated one may find that the first one was heard.
    let path = format!("/api/v1/apps/{name}?now=true");
    let (status, document) = world.insist("DELETE", &path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
    let hythe = world.hythe();
    world.until("its network is gone", || hythe.networks().len() == 1);
}

/// Makes a project; says its name.
fn new_project(world: &mut World) -> String {
    let name = format!("project-{}", world.next());
    let body = json!({ "name": name });
    let (status, document) = world.insist("POST", "/api/v1/projects", &body);
    // A repeated one may find that the first one was heard.
    assert!(status < 300 || status == 409, "{status} {document}");
    name
}

fn delete_project(world: &mut World, name: &str) {
    let path = format!("/api/v1/projects/{name}");
    let (status, document) = world.insist("DELETE", &path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// Gives builds a login; says where it is found.
fn new_registry(world: &mut World) -> String {
    let path = format!("/api/v1/registries/r{}.example", world.next());
    let body = json!({ "username": "ci", "password": "of no use" });
    let (status, document) = world.insist("PUT", &path, &body);
    assert!(status < 300, "{status} {document}");
    path
}

fn remove_registry(world: &mut World, path: &str) {
    // A repeated one may find that the first one was heard.
    let (status, document) = world.insist("DELETE", path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}

/// Gives an app's repository a webhook; says where it is found.
fn new_hook(world: &mut World) -> String {
    let body = json!({ "app": APP, "provider": "gitea" });
    let (status, document) = world.insist("POST", "/api/v1/hooks", &body);
    // A repeated one may find that the first one was heard.
    assert!(status < 300 || status == 409, "{status} {document}");
    let there = world.look("/api/v1/hooks");
    let id = there["items"][0]["id"].as_str().expect("there is one");
    format!("/api/v1/hooks/{id}")
}

fn remove_hook(world: &mut World, path: &str) {
    // A repeated one may find that the first one was heard.
    let (status, document) = world.insist("DELETE", path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
}
/// Gives builds a token, a host and a key, and takes away what can be.
fn sources(world: &mut World) {
    let n = world.next();
    let token = format!("/api/v1/sources/tokens/git{n}.example");
    let host = format!("/api/v1/sources/hosts/git{n}.example");
    let key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", "A".repeat(43));
    let body = json!({ "username": "ci", "password": "of no use" });
    for (method, path, body) in [
        ("PUT", &token, body),
        ("PUT", &host, json!({ "keys": [key] })),
        ("POST", &"/api/v1/apps/shop/source-key".to_owned(), json!({ "rotate": true })),
        ("DELETE", &token, Value::Null),
        ("DELETE", &host, Value::Null),
    ] {
        let (status, document) = world.insist(method, path, &body);
        // A repeated one may find that the first one was heard.
        let heard = method == "DELETE" && status == 404;
        assert!(status < 300 || heard, "{method} {path}: {status} {document}");
    }
    let apps = "/api/v1/sources/github-apps";
    let begin = json!({ "address": "https://hythe.example" });
    let (status, begun) = world.insist("POST", apps, &begin);
    assert!(status < 300, "{status} {begun}");
    // Of a repeated one the first may have been heard, too.
    let all = world.look(apps)["begun"].as_array().cloned().unwrap_or_default();
    assert!(!all.is_empty(), "it is begun");
    for begun in all {
        let path = format!("{apps}/{}", begun["id"].as_str().unwrap());
        let (status, document) = world.insist("DELETE", &path, &Value::Null);
        assert!(status < 300 || status == 404, "{status} {document}");
    }
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

/// Deploys another version, and goes back to the one before, of which the image is gone.
fn roll_back_unbuilt(world: &mut World, arm: impl Fn(&World)) {
    let (before, version) = world.live();
    world.commit_next();
    deploy(world);
    world.serves_the_live_version();
    let image = world.look(&format!("/api/v1/deployments/{before}"))["image"].clone();
    let image = image.as_str().expect("it was built");
    let removed = Command::new("docker").args(["rmi", "-f", image]).output().unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    arm(world);
    let id = world.ask_for("/api/v1/apps/shop/rollback", &json!({ "to": before }));
    world.ends(&id, Ending::Rebuilt);
    world.version = version;
    world.now_live(&id);
}

fn stop_and_start(world: &mut World, name: &str, arm: impl Fn(&World)) {
    let files = apps::slow_build(&world.next().to_string(), 600);
    world.repository.commit(&apps::files(&files));
    let id = world.request(name);
    world.until("the build runs", || world.status(&id) == "building");
    arm(world);
    for (asked, replicas) in [("stop", 0), ("start", 1)] {
        let path = format!("/api/v1/apps/{name}/{asked}");
        let (status, document) = world.insist("POST", &path, &Value::Null);
        assert!(status < 300, "{status} {document}");
        runs(world, name, replicas);
    }
    world.ends(&id, Ending::Cancelled);
    world.commit_next();
}

/// Waits until so many replicas of an app run, each healthy, and no other.
fn runs(world: &World, name: &str, replicas: usize) {
    let path = format!("/api/v1/apps/{name}/replicas");
    world.until(&format!("{replicas} replicas of {name} run"), || {
        let document = world.look(&path);
        let items = document["items"].as_array().unwrap();
        items.len() == replicas && items.iter().all(|one| one["state"] == "healthy")
    });
}

fn cancel(world: &mut World, id: &str) {
    let path = format!("/api/v1/deployments/{id}/cancel");
    let (status, document) = world.insist("POST", &path, &Value::Null);
    assert!(status < 300 || status == 409, "{status} {document}");
    world.ends(id, Ending::Cancelled);
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
