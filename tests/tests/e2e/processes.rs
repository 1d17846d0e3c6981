//! Processes beside web: they come and go with a version, are scaled alone, and one that does not stay
//! up fails its deployment.

use std::process::Command;

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::matrix::load::Load;
use crate::scene::Scene;

struct Shop {
    scene: Scene,
}

impl Shop {
    /// An app of which `one` is live, with nothing beside web.
    fn new() -> Self {
        let scene = Scene::new();
        let _repository = scene.repository("shop", &apps::page("one"));
        scene.deploy_live("shop");
        Self { scene }
    }

    /// What the worker runs from the next deployment on: a line for a shell.
    fn set(&self, line: &str, more: &[&str]) {
        let set = [&["process", "set", "shop", "worker"], more, &["--", "sh", "-c", line]].concat();
        let said = self.scene.hythe.run(&set);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    /// The containers of the worker that run.
    fn workers(&self) -> Vec<String> {
        let filter = format!("label=hythe.instance={}", self.scene.hythe.id());
        let filters = ["--filter", &filter, "--filter", "label=hythe.process=worker"];
        let output = Command::new("docker").args(["ps", "--quiet"]).args(filters).output().unwrap();
        let ids = String::from_utf8(output.stdout).unwrap();
        ids.lines().map(str::to_owned).collect()
    }

    /// So many are left, once those of the version before have ended.
    fn settles_at(&self, count: usize) -> Vec<String> {
        self.scene.hythe.wait_until("the version before is gone", || self.workers().len() == count);
        self.workers()
    }

    fn logs(&self) -> String {
        let said = self.scene.hythe.run(&["logs", "shop"]);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    }

    fn app(&self) -> Value {
        self.scene.hythe.json(&["app", "show", "shop"])
    }

    fn targets(&self) -> usize {
        let (_, table) = self.scene.hythe.api("GET", "/api/v1/routes", None);
        table["items"][0]["targets"].as_array().unwrap().len()
    }
}

/// A worker has the hardening of a replica, limits of its own, and not the app's name.
fn is_kept_in(container: &str) {
    let output = Command::new("docker").args(["inspect", container]).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let host = &document[0]["HostConfig"];
    assert_eq!((&host["Privileged"], &host["CapDrop"]), (&json!(false), &json!(["ALL"])));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["Memory"], 32 << 20);
    let networks = document[0]["NetworkSettings"]["Networks"].as_object().unwrap();
    let named =
        networks.values().any(|network| network["Aliases"].to_string().contains("\"shop\""));
    assert!(!named, "who asks for the app must not come here: {networks:?}");
}

#[test]
fn a_worker_runs_beside_web_under_its_own_name_and_is_scaled_alone() {
    let shop = Shop::new();
    assert_eq!(shop.scene.hythe.run(&["env", "set", "shop", "GREETING=hello"]).code, 0);
    shop.set("echo working: $GREETING as $HYTHE_REPLICA; exec sleep 900", &["--memory", "32M"]);
    assert_eq!(shop.workers().len(), 0, "not before it is deployed");
    shop.scene.deploy_live("shop");
    let [worker] = &shop.workers()[..] else { panic!("one worker") };
    is_kept_in(worker);
    shop.scene.hythe.wait_until("what it says is in the log", || {
        shop.logs().contains("worker.0 | working: hello as worker.0")
    });
    assert_eq!((shop.targets(), &shop.app()["status"]), (1, &json!("running")));
    let ps = shop.scene.hythe.run(&["ps", "shop"]);
    assert!(ps.out.contains("shop/2.worker.0") && ps.out.contains("shop/2.0 "), "{}", ps.out);

    let load = Load::start(shop.scene.hythe.edge(), "shop.localhost");
    // The version before may still be on its way out.
    shop.scene
        .hythe
        .wait_until("only this version runs", || shop.scene.hythe.containers().len() == 2);
    let all = shop.scene.hythe.containers();
    let scaled = shop.scene.hythe.json(&["scale", "shop", "worker=2"]);
    let two = json!([{"name": "worker", "replicas_healthy": 2, "replicas_wanted": 2}]);
    assert_eq!((&scaled["processes"], &scaled["replicas_wanted"]), (&two, &json!(1)));
    let now = shop.scene.hythe.containers();
    assert!(now.len() == 3 && all.iter().all(|id| now.contains(id)), "{all:?}, {now:?}");
    shop.scene.hythe.json(&["scale", "shop", "worker=0"]);
    assert_eq!((shop.workers().len(), shop.targets()), (0, 1));
    let both = shop.scene.hythe.json(&["scale", "shop", "web=2", "worker=1"]);
    assert_eq!((shop.workers().len(), &both["replicas_healthy"]), (1, &json!(2)));
    assert_eq!(shop.app()["deployments"], 2, "no deployment was needed");
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
    drop(load);

    let refused = shop.scene.hythe.run(&["scale", "shop", "wroker=1"]);
    assert!(refused.code != 0 && refused.err.contains("there are: worker"), "{}", refused.err);
    assert_eq!(shop.scene.hythe.run(&["process", "rm", "shop", "worker"]).code, 0);
    shop.scene.deploy_live("shop");
    shop.settles_at(0);
    assert_eq!(shop.app()["processes"], json!([]));
    shop.scene.finish();
}

#[test]
fn a_worker_that_does_not_stay_up_fails_its_deployment_and_the_version_before_serves_on() {
    let shop = Shop::new();
    shop.set("echo cannot-work; exit 7", &[]);
    let load = Load::start(shop.scene.hythe.edge(), "shop.localhost");
    let before = shop.scene.hythe.containers();
    let said = shop.scene.hythe.run(&["deploy", "shop", "--json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let failure = said.json()["failure"].clone();
    assert_eq!(failure["stage"], "starting", "{failure}");
    let message = failure["message"].as_str().unwrap();
    let words = "process worker.0 (`sh -c echo cannot-work; exit 7`) exited with code 7 before";
    assert!(message.starts_with(words), "{message}");
    assert!(failure["log"].to_string().contains("cannot-work"), "{failure}");
    shop.scene.hythe.wait_until("nothing of it is left", || {
        shop.scene.hythe.containers() == before && shop.workers().is_empty()
    });
    shop.scene.assert_serves("shop", "one");
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
    drop(load);
    shop.scene.finish();
}

#[test]
fn a_worker_is_started_again_and_a_rollback_brings_the_one_before_back() {
    let shop = Shop::new();
    shop.set("echo the-first; exec sleep 900", &[]);
    shop.scene.deploy_live("shop");
    shop.set("echo the-second; exec sleep 901", &["--replicas", "2"]);
    shop.scene.deploy_live("shop");
    shop.settles_at(2);
    let back = shop.scene.hythe.json(&["rollback", "shop"]);
    let (_, document) = shop.scene.hythe.deployment(back["deployment"].as_str().unwrap());
    let first = &document["process_types"]["worker"];
    assert_eq!(first["command"][2], "echo the-first; exec sleep 900", "{document}");
    assert_eq!(shop.app()["settings"]["process_types"]["worker"], *first);
    let [worker] = &shop.settles_at(1)[..] else { panic!("one worker, as it was then") };

    shop.scene.hythe.kill("server");
    let killed =
        Command::new("docker").args(["kill", "--signal", "KILL", worker]).output().unwrap();
    assert!(killed.status.success(), "{killed:?}");
    shop.scene.hythe.wait_until("it is started again", || shop.workers().len() == 1);
    shop.scene.hythe.wait_until("and has stayed up", || {
        let app = shop.app();
        app["status"] == "running" && app["processes"][0]["replicas_healthy"] == 1
    });
    let replicas = shop.scene.hythe.json(&["ps", "shop"]);
    let worker = replicas.as_array().unwrap().iter().find(|one| one["process"] == "worker");
    assert_eq!(worker.unwrap()["restarts"], 1, "{replicas}");
    shop.scene.assert_serves("shop", "one");

    shop.scene.hythe.json(&["stop", "shop"]);
    assert_eq!(shop.scene.hythe.containers().len(), 0);
    shop.scene.hythe.json(&["start", "shop"]);
    assert_eq!(shop.workers().len(), 1);
    shop.scene.finish();
}

/// The command that a container runs.
fn command_of(container: &str) -> String {
    let args = ["inspect", "--format", "{{json .Config.Cmd}}", container];
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_a_procfile_names_runs_once_somebody_scales_it_and_comes_back_with_its_version() {
    let scene = Scene::new();
    let mut files = apps::page("one");
    files.push(("Procfile", "worker: sleep 901\n".to_owned()));
    let repository = scene.repository("shop", &files);
    scene.deploy_live("shop");
    let shop = Shop { scene };
    assert!(shop.workers().is_empty(), "nobody asked for one");
    let ps = shop.scene.hythe.run(&["ps", "shop"]);
    assert!(ps.err.contains("hythe scale shop worker=1"), "{}", ps.err);
    shop.scene.hythe.json(&["scale", "shop", "worker=1"]);
    let [worker] = &shop.workers()[..] else { panic!("one worker") };
    assert!(command_of(worker).contains("901"), "{}", command_of(worker));

    repository.commit(&[("Procfile", "worker: sleep 902\n")]);
    shop.scene.deploy_live("shop");
    let [worker] = &shop.settles_at(1)[..] else { panic!("one worker") };
    assert!(command_of(worker).contains("902"), "{}", command_of(worker));
    shop.scene.hythe.json(&["rollback", "shop"]);
    let [worker] = &shop.settles_at(1)[..] else { panic!("one worker") };
    assert!(command_of(worker).contains("901"), "{}", command_of(worker));
    assert_eq!(shop.app()["settings"]["process_types"], json!({}), "it is no setting");

    // What the app has set goes before it.
    shop.set("exec sleep 903", &[]);
    shop.scene.deploy_live("shop");
    let [worker] = &shop.settles_at(1)[..] else { panic!("one worker") };
    assert!(command_of(worker).contains("903"), "{}", command_of(worker));
    shop.scene.finish();
}
