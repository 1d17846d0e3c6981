//! What courses ask of apps and their versions, as often as it takes until it was heard.

use std::process::Command;

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use super::history::Ending;
use super::world::{APP, World};
use crate::pushes::git;

pub(super) fn deploy(world: &mut World) {
    let id = world.request(APP);
    world.ends(&id, Ending::Live);
    world.now_live(&id);
}

/// Pushes what is committed until git says that it was taken; says the deployment, of which there is one,
/// whoever died meanwhile.
pub(super) fn push(world: &World, name: &str) -> String {
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
pub(super) fn new_app(world: &mut World) -> String {
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
pub(super) fn app_with_worker(world: &mut World) -> String {
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
pub(super) fn cron(
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
pub(super) const RAN: &str = "it-has-run";

/// Makes an app with a command that runs once and ends so; says its name.
pub(super) fn hooked_app(world: &mut World, setting: &str, code: u8) -> String {
    let name = format!("extra-{}", world.next());
    world.make_app(&name);
    let line = format!("echo {RAN}; sleep 1; exit {code}");
    let settings = json!({ setting: ["sh", "-c", line] });
    let (status, document) = world.insist("PATCH", &format!("/api/v1/apps/{name}"), &settings);
    assert!(status < 300, "{status} {document}");
    name
}

/// Deploys an app whose post-deploy command ends so, and sees that it runs once.
pub(super) fn post_deploys(world: &mut World, code: u8, arm: impl Fn(&World)) {
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

pub(super) fn delete(world: &mut World, name: &str) {
    // A repeated one may find that the first one was heard.
    let path = format!("/api/v1/apps/{name}?now=true");
    let (status, document) = world.insist("DELETE", &path, &Value::Null);
    assert!(status < 300 || status == 404, "{status} {document}");
    let hythe = world.hythe();
    world.until("its network is gone", || hythe.networks().len() == 1);
}

/// Begins a deployment whose build takes so long; gives it back when that is under way.
pub(super) fn slow_build(world: &mut World, seconds: u32) -> String {
    world.version = world.next();
    let files = apps::slow_build(&world.version.to_string(), seconds);
    world.repository.commit(&apps::files(&files));
    let id = world.request(APP);
    world.until("the build runs", || world.status(&id) == "building");
    id
}

pub(super) fn replace(world: &mut World, arm: impl Fn(&World)) {
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
pub(super) fn roll_back_unbuilt(world: &mut World, arm: impl Fn(&World)) {
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

pub(super) fn stop_and_start(world: &mut World, name: &str, arm: impl Fn(&World)) {
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
pub(super) fn runs(world: &World, name: &str, replicas: usize) {
    let path = format!("/api/v1/apps/{name}/replicas");
    world.until(&format!("{replicas} replicas of {name} run"), || {
        let document = world.look(&path);
        let items = document["items"].as_array().unwrap();
        items.len() == replicas && items.iter().all(|one| one["state"] == "healthy")
    });
}

pub(super) fn cancel(world: &mut World, id: &str) {
    let path = format!("/api/v1/deployments/{id}/cancel");
    let (status, document) = world.insist("POST", &path, &Value::Null);
    assert!(status < 300 || status == 409, "{status} {document}");
    world.ends(id, Ending::Cancelled);
}

/// Kills the app's program, as the kernel would for want of memory.
pub(super) fn kill_replica(world: &World) {
    let id = world.hythe().containers().pop().expect("it has a container");
    let killed = Command::new("docker").args(["kill", &id]).output().unwrap();
    assert!(killed.status.success());
}
