//! No request is lost: under constant load, versions come and go, good ones and broken ones, come
//! back, are run anew, scaled, stopped and started, and the processes of Hythe are killed. `HYTHE_SOAK=1` makes a hundred deployments under answers that
//! take twenty seconds.

mod load;

use std::time::Duration;

use hythe_tests::installation::alive;
use hythe_tests::repository::Repository;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::scene::Scene;
use load::{Load, RESTED};

const SERVER: &str = include_str!("server.js");

/// What is wrong with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Good,
    Exits,
    NeverHealthy,
    WrongPort,
    FailsToBuild,
    FailsToRelease,
    /// Healthy until it has the traffic.
    Ails,
}

impl Version {
    /// Those that never get the traffic.
    const BROKEN: [Self; 5] = [
        Self::NeverHealthy,
        Self::Exits,
        Self::WrongPort,
        Self::FailsToBuild,
        Self::FailsToRelease,
    ];

    fn files(self, name: &str) -> Vec<(&'static str, String)> {
        let mode = match self {
            Self::Good | Self::FailsToBuild | Self::FailsToRelease => "good",
            Self::Exits => "exits",
            Self::NeverHealthy => "never-healthy",
            Self::WrongPort => "wrong-port",
            Self::Ails => "ails",
        };
        let step = if self == Self::FailsToBuild { "RUN exit 7\n" } else { "" };
        let dockerfile = format!(
            "FROM node:20-bookworm-slim\n{step}WORKDIR /app\nCOPY server.js version.json ./\n\
             EXPOSE 8080\nUSER node\nCMD [\"node\", \"server.js\"]\n"
        );
        vec![
            ("Dockerfile", dockerfile),
            ("server.js", SERVER.to_owned()),
            ("version.json", json!({ "version": name, "mode": mode }).to_string()),
        ]
    }

    /// Stage and words of its failure.
    const fn failure(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Good | Self::Ails => None,
            Self::Exits => Some(("starting", "exited with code 3")),
            Self::NeverHealthy => Some(("starting", "answered GET /healthz with 500")),
            Self::WrongPort => Some(("starting", "nothing listens on port 8080")),
            Self::FailsToBuild => Some(("building", "exit")),
            Self::FailsToRelease => Some(("releasing", "exited with code 9")),
        }
    }
}

struct Shop {
    scene: Scene,
    repository: Repository,
    count: u32,
}

impl Shop {
    fn open() -> Self {
        let scene = Scene::new();
        let files = Version::Good.files("v0");
        let repository = scene.repository("shop", &files);
        assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
        let mut shop = Self { scene, repository, count: 0 };
        shop.set(&json!({
            "health_path": "/healthz",
            "health_interval_ms": 250,
            "health_start_within_ms": 60_000,
        }));
        shop.deploy(Version::Good);
        shop
    }

    fn set(&self, settings: &Value) {
        let (status, body) = self.scene.hythe.api("PATCH", "/api/v1/apps/shop", Some(settings));
        assert_eq!(status, 200, "{body}");
    }

    /// Pushes a version; says its name.
    fn push(&mut self, version: Version) -> String {
        self.count += 1;
        let kind = match version {
            Version::Good => "good",
            Version::Ails => "ails",
            Version::Exits
            | Version::NeverHealthy
            | Version::WrongPort
            | Version::FailsToBuild
            | Version::FailsToRelease => "broken",
        };
        let name = format!("{kind}-{}", self.count);
        let files = version.files(&name);
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.repository.commit(&files);
        name
    }

    /// Pushes and deploys a version, and sees that it ends as it should.
    fn deploy(&mut self, version: Version) {
        let name = self.push(version);
        // A good one has all the time that a busy machine needs.
        if version.failure().is_some() {
            let fails = (version == Version::FailsToRelease).then_some(["sh", "-c", "exit 9"]);
            self.set(&json!({ "health_start_within_ms": 2_000, "release_command": fails }));
        }
        let said = self.scene.deploy("shop");
        let document = said.json();
        match version.failure() {
            None => {
                assert_eq!(said.code, 0, "{name}: {}{}", said.out, said.err);
                self.scene.assert_serves("shop", &name);
            }
            Some((stage, words)) => {
                assert_eq!((said.code, &document["status"]), (1, &json!("failed")), "{document}");
                let failure = &document["failure"];
                assert_eq!(failure["stage"], json!(stage), "{document}");
                assert!(failure["message"].as_str().unwrap().contains(words), "{document}");
                self.set(&json!({ "health_start_within_ms": 60_000, "release_command": null }));
            }
        }
    }

    /// Stops and starts it. Meanwhile whoever asks is told so; before and after, everybody has an answer.
    fn rest(&self, load: &Load) {
        load.may_rest(true);
        self.scene.hythe.json(&["stop", "shop"]);
        let hythe = &self.scene.hythe;
        hythe.wait_until("somebody is told so", || load.answers(RESTED) > 0);
        let before = load.answers("keep-alive");
        hythe.json(&["start", "shop"]);
        // The edge follows a moment after its replica is healthy.
        hythe.wait_until("it answers again", || load.answers("keep-alive") > before);
        load.may_rest(false);
        hythe.wait_until("it goes on", || load.answers("keep-alive") > before + 20);
        assert_eq!(load.failures(), Vec::<String>::new(), "stopped and started");
    }

    /// Deploys what is there with other settings, while a process is killed.
    fn deploy_while_killing(&mut self, part: &str) {
        let name = self.push(Version::Good);
        let id = self.scene.begin("shop");
        self.scene.hythe.kill(part);
        self.scene.hythe.wait_for_status(&id, &["live"]);
        self.scene.assert_serves("shop", &name);
    }
}

#[test]
fn no_request_is_lost_while_versions_come_and_go_and_processes_die() {
    let soak = std::env::var_os("HYTHE_SOAK").is_some();
    let (rounds, long) = if soak { (100_u32, 20) } else { (6, 2) };
    let mut shop = Shop::open();
    let edge = shop.scene.hythe.edge();
    let load = Load::start(edge, "shop.localhost", Duration::from_secs(long));
    let mut broken = Version::BROKEN.into_iter().cycle();
    for round in 0..rounds {
        // A third of them is broken in a way of its own, in the short form all but the first.
        let bad = if soak { round % 3 == 1 } else { round > 0 };
        shop.deploy(if bad { broken.next().unwrap() } else { Version::Good });
        assert_eq!(load.failures(), Vec::<String>::new(), "after round {round}");
    }
    let set = shop.scene.hythe.run(&["env", "set", "shop", "LEVEL=debug"]);
    assert_eq!(set.code, 0, "{}", set.err);
    // What asks for no new version loses no request either.
    for round in 0..rounds.div_ceil(6) {
        for asked in [
            ["redeploy", "shop"].as_slice(),
            &["restart", "shop"],
            &["scale", "shop", "3"],
            &["rollback", "shop"],
            &["scale", "shop", "1"],
        ] {
            let said = shop.scene.hythe.run(asked);
            assert_eq!(said.code, 0, "{asked:?}: {}{}", said.out, said.err);
            assert_eq!(load.failures(), Vec::<String>::new(), "{asked:?} in round {round}");
        }
    }
    shop.deploy_while_killing("server");
    shop.set(&json!({ "replicas": 2 }));
    shop.deploy_while_killing("agent");
    shop.set(&json!({ "replicas": 1 }));

    let seen = load.finish();
    assert!(seen.failures.is_empty(), "{:#?}\n{}", seen.failures, shop.scene.hythe.logs());
    for kind in ["keep-alive", "slow", "upload", "socket"] {
        assert!(seen.answers.get(kind).is_some_and(|count| *count > 10), "{seen:?}");
    }
    assert!(seen.versions.keys().all(|name| name.starts_with("good-")), "{seen:?}");
    println!("{:?}, {:?}", seen.answers, seen.versions);

    // One that ails is ended after ten seconds, and whatever it answers has that long.
    let load = Load::start(edge, "shop.localhost", Duration::from_secs(1));
    shop.deploy(Version::Ails);
    shop.scene.hythe.wait_until("its checks fail", || {
        let (_, app) = shop.scene.hythe.api("GET", "/api/v1/apps/shop", None);
        app["replicas_healthy"] == 0
    });
    // It has the traffic for as long as there is nothing better, and then the next one has.
    shop.deploy(Version::Good);
    assert_eq!(load.failures(), Vec::<String>::new(), "from one that ails to a good one");
    shop.rest(&load);
    let seen = load.finish();
    assert!(seen.failures.is_empty(), "{:#?}\n{}", seen.failures, shop.scene.hythe.logs());
    println!("{:?}, {:?}", seen.answers, seen.versions);
    shop.scene.finish();
}

/// Control plane, worker and NATS are killed, and so is who would start them again: for seconds here, for
/// minutes with `HYTHE_SOAK=1`.
#[test]
fn no_request_is_lost_while_nobody_but_the_edge_is_there() {
    let soak = std::env::var_os("HYTHE_SOAK").is_some();
    let (alone, long) = if soak { (180, 20) } else { (10, 2) };
    let mut shop = Shop::open();
    let edge = shop.scene.hythe.pid("edge");
    let load = Load::start(shop.scene.hythe.edge(), "shop.localhost", Duration::from_secs(long));
    shop.scene.hythe.kill_up();
    for part in ["server", "agent", "nats"] {
        let pid = shop.scene.hythe.pid(part).unwrap();
        kill(pid, Signal::SIGKILL).unwrap();
        shop.scene.hythe.wait_until("it has ended", || !alive(pid));
    }
    // Nothing is waited for but time itself.
    std::thread::sleep(Duration::from_secs(alone));
    assert_eq!(load.failures(), Vec::<String>::new(), "with nobody there");
    shop.scene.hythe.up();
    assert!(edge.is_some() && shop.scene.hythe.pid("edge") == edge, "it was there all the time");
    shop.deploy(Version::Good);

    let seen = load.finish();
    assert!(seen.failures.is_empty(), "{:#?}\n{}", seen.failures, shop.scene.hythe.logs());
    for kind in ["keep-alive", "slow", "upload", "socket"] {
        assert!(seen.answers.get(kind).is_some_and(|count| *count > 5), "{seen:?}");
    }
    shop.scene.finish();
}
