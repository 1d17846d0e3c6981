//! An engine that is stopped, killed and started again under an agent: it says what is wrong, its
//! apps come back, and none is there twice.

use std::process::Command;

use hythe_tests::engine::{OwnEngine, moved_away};
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repository, apps};

use crate::scene::Scene;

/// An app that is live on an engine of the test's own.
struct World {
    engine: OwnEngine,
    scene: Scene,
    repository: Repository,
}

/// How an engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
}

impl World {
    fn start(live_restore: bool) -> Self {
        let engine = OwnEngine::start(live_restore);
        let address = engine.address();
        let scene = Scene::of(Installation::start_with(&["--docker-host", &address]));
        let repository = scene.repository("shop", &apps::page("one"));
        scene.deploy_live("shop");
        scene.assert_serves("shop", "one");
        Self { engine, scene, repository }
    }

    fn end(&mut self, end: End) {
        match end {
            End::Stopped => self.engine.stop(),
            End::Killed => self.engine.kill(),
        }
    }

    /// The engine goes away while the app is live, and a deployment waits for it.
    fn goes_away(&mut self, end: End, live_restore: bool) {
        let agent = self.scene.hythe.pid("agent");
        let said = self.says_that_the_engine_is_away();
        self.end(end);
        let hythe = &self.scene.hythe;
        hythe.wait_until("the agent says what is wrong", || {
            self.says_that_the_engine_is_away() > said
        });
        if live_restore {
            self.scene.assert_serves("shop", "one");
        }
        self.repository.commit(&[("index.html", "two")]);
        let id = self.scene.begin("shop");
        hythe.wait_until("the build's log says what it waits for", || {
            let log = hythe.run(&["logs", "shop", "--build", &id]);
            log.out.contains("does not answer") && log.out.contains("waiting for it")
        });
        assert_eq!(hythe.deployment(&id).0, "building");
        self.engine.start_again(live_restore);
        self.scene.hythe.wait_for_status(&id, &["live"]);
        self.settles("two");
        assert_eq!(self.scene.hythe.pid("agent"), agent, "the agent has ended meanwhile");
    }

    /// The engine goes away in the middle of a deployment.
    fn goes_away_during_a_build(&mut self, end: End, live_restore: bool) {
        self.repository.commit(&apps::files(&apps::page("three")));
        let id = self.scene.begin("shop");
        // On a busy machine it may have come further before it is looked at.
        let later = ["building", "built", "starting", "healthy", "switching", "draining", "live"];
        self.scene.hythe.wait_for_status(&id, &later);
        self.end(end);
        self.engine.start_again(live_restore);
        self.scene.hythe.wait_for_status(&id, &["live"]);
        self.settles("three");
    }

    fn settles(&self, content: &str) {
        let hythe = &self.scene.hythe;
        hythe.wait_until("the app serves", || hythe.get("shop", "/") == (200, content.to_owned()));
        hythe.wait_until("one container is there", || hythe.containers().len() == 1);
        let output = Command::new("docker").args(["ps", "--quiet"]).output().unwrap();
        let running = String::from_utf8_lossy(&output.stdout).lines().count();
        assert_eq!(running, 1, "it runs once");
    }

    /// How often the agent said so.
    fn says_that_the_engine_is_away(&self) -> usize {
        let log = std::fs::read_to_string(self.scene.hythe.data().join("logs/agent.log"));
        log.unwrap().matches("the container engine does not answer").count()
    }

    fn finish(self) {
        let Self { engine, scene, repository: _ } = self;
        scene.finish();
        drop(engine);
    }
}

#[test]
fn an_engine_that_keeps_its_containers_is_killed_and_comes_back() {
    let name = "engine::an_engine_that_keeps_its_containers_is_killed_and_comes_back";
    if moved_away(name, "busybox:latest") {
        return;
    }
    let mut world = World::start(true);
    world.goes_away(End::Killed, true);
    world.goes_away_during_a_build(End::Killed, true);
    world.finish();
}

#[test]
fn an_engine_that_stops_its_containers_is_stopped_and_comes_back() {
    let name = "engine::an_engine_that_stops_its_containers_is_stopped_and_comes_back";
    if moved_away(name, "busybox:latest") {
        return;
    }
    let mut world = World::start(false);
    world.goes_away(End::Stopped, false);
    if std::env::var_os("HYTHE_SOAK").is_some() {
        world.goes_away_during_a_build(End::Stopped, false);
        world.goes_away_during_a_build(End::Killed, false);
    }
    world.finish();
}
