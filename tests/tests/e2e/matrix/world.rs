//! An installation whose processes die one after the other, with an app that serves meanwhile.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use hythe_store::steps::Process;
use hythe_tests::http::ask;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repository, apps};
use serde_json::Value;

use super::history::{Ending, History};
use super::load::Load;
use super::points::{Course, Deaths, Point};
use crate::scene::Scene;

/// The app that serves all the time.
pub(super) const APP: &str = "shop";
/// From one look to the next, while something is waited for. Worlds are several at once, and what they wait
/// for needs the processors.
const LOOK: Duration = Duration::from_millis(30);
/// How long after its course of events has ended a process may take to come to its point.
const DIES_WITHIN: Duration = Duration::from_secs(30);
/// The same for a passage that need not come.
const LATER_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) repository: Repository,
    pub(super) history: History,
    load: Option<Load>,
    /// Counts versions, apps and keys.
    count: u32,
    /// The newest version that was committed, and the one that is live.
    pub(super) version: u32,
    live: (String, u32),
}

impl World {
    /// One with a live app.
    pub(super) fn start() -> Self {
        let mut world = Self::prepare();
        world.scene.hythe.up();
        world.go_live();
        world
    }

    /// One that is not started yet.
    pub(super) fn prepare() -> Self {
        // Whoever dies often would wait ever longer until it is started again.
        let scene = Scene::of(Installation::prepare(&["--longest-wait", "100"]));
        let repository = scene.repository(APP, &apps::page("1"));
        Self {
            scene,
            repository,
            history: History::default(),
            load: None,
            count: 1,
            version: 1,
            live: (String::new(), 0),
        }
    }

    /// Makes the app and deploys it for the first time.
    pub(super) fn go_live(&mut self) {
        self.make_app(APP);
        let id = self.request(APP);
        self.ends(&id, Ending::Live);
        self.now_live(&id);
        self.serves_the_live_version();
        self.load = Some(Load::start(self.scene.hythe.edge(), "shop.localhost"));
    }

    pub(super) fn hythe(&self) -> &Installation {
        &self.scene.hythe
    }

    pub(super) fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    /// Commits a version that is not deployed yet.
    pub(super) fn commit_next(&mut self) {
        self.version = self.next();
        self.repository.commit(&apps::files(&apps::page(&self.version.to_string())));
    }

    /// Asks the API until it answers, under one idempotency key. Says status and document.
    pub(super) fn insist(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let key = format!("key-{}", self.next());
        let bearer = format!("Bearer {}", self.hythe().token());
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key.as_str())];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut found = None;
        self.until(&format!("{method} {path} is answered"), || {
            let gateway = self.hythe().gateway();
            found = ask(gateway, method, path, &headers, &body).filter(|(status, _)| *status < 500);
            found.is_some()
        });
        let (status, text) = found.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Looks something up until there is an answer.
    pub(super) fn look(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.hythe().token());
        let mut found = None;
        self.until(&format!("GET {path} is answered"), || {
            let headers = [("Authorization", bearer.as_str())];
            let answer = ask(self.hythe().gateway(), "GET", path, &headers, "");
            found = answer.filter(|(status, _)| *status == 200);
            found.is_some()
        });
        serde_json::from_str(&found.unwrap().1).unwrap()
    }

    pub(super) fn make_app(&mut self, name: &str) {
        let url = self.scene.url(APP);
        let body = serde_json::json!({ "name": name, "repository": url });
        let (status, document) = self.insist("POST", "/api/v1/apps", &body);
        assert!(status < 300, "{status} {document}");
    }

    /// An app that is a static site.
    pub(super) fn make_site(&mut self, name: &str) {
        self.make_own(name, &[("index.html", name.to_owned())]);
    }

    /// An app whose repository says what runs beside web.
    pub(super) fn make_app_with_procfile(&mut self, name: &str) {
        let mut files = apps::page(name);
        files.push(("Procfile", "worker: sleep 900\n".to_owned()));
        self.make_own(name, &files);
    }

    /// An app of a repository of its own.
    fn make_own(&mut self, name: &str, files: &[(&'static str, String)]) {
        self.scene.repository(name, files);
        let url = self.scene.url(name);
        let body = serde_json::json!({ "name": name, "repository": url });
        let (status, document) = self.insist("POST", "/api/v1/apps", &body);
        assert!(status < 300, "{status} {document}");
    }

    /// Requests a deployment; says its id.
    pub(super) fn request(&mut self, app: &str) -> String {
        self.ask_for(&format!("/api/v1/apps/{app}/deployments"), &Value::Null)
    }

    /// Asks for what makes a deployment; says its id.
    pub(super) fn ask_for(&mut self, path: &str, body: &Value) -> String {
        let (status, document) = self.insist("POST", path, body);
        assert!(status < 300, "{status} {document}");
        document["id"].as_str().or_else(|| document["deployment"].as_str()).unwrap().to_owned()
    }

    pub(super) fn status(&self, id: &str) -> String {
        let document = self.look(&format!("/api/v1/deployments/{id}"));
        document["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Sees a deployment end as it should.
    pub(super) fn ends(&mut self, id: &str, ending: Ending) {
        let mut last = String::new();
        self.until(&format!("{id} is {ending:?}"), || {
            last = self.status(id);
            assert!(
                !["failed", "cancelled", "superseded"].contains(&last.as_str())
                    || last == ending.status(),
                "{id} is {last} instead of {ending:?}\n{}\n{}",
                self.look(&format!("/api/v1/deployments/{id}")),
                self.hythe().logs()
            );
            last == ending.status()
        });
        self.history.ended(id, ending);
    }

    /// The newest version is live, under this deployment.
    pub(super) fn now_live(&mut self, id: &str) {
        self.live = (id.to_owned(), self.version);
    }

    /// The live version runs under another deployment.
    pub(super) fn now_live_again(&mut self, id: &str) {
        id.clone_into(&mut self.live.0);
    }

    /// The live deployment, and its version.
    pub(super) fn live(&self) -> (String, u32) {
        self.live.clone()
    }

    /// How long the live version took, stage by stage.
    pub(super) fn durations(&self) -> Value {
        self.look(&format!("/api/v1/deployments/{}", self.live.0))["durations_ms"].take()
    }

    /// Sees that the app answers with the live version, from one container, and nothing else runs.
    pub(super) fn serves_the_live_version(&self) {
        self.serves(self.live.1);
        self.settles(&[&self.live.0]);
    }

    fn serves(&self, version: u32) {
        let wanted = Some((200, version.to_string()));
        let mut last = None;
        self.until(&format!("version {version} serves"), || {
            let answer = ask(self.hythe().edge(), "GET", "/", &[("Host", "shop.localhost")], "");
            last = answer.map(|(status, body)| (status, body.trim_end().to_owned()));
            last == wanted
        });
    }

    /// Sees a point's process die as often as it should, first at that point, and be there again.
    pub(super) fn died(&self, point: &Point, deaths: Deaths, before: i32) {
        let process = point.process;
        let failpoints = self.hythe().failpoints();
        let expected = if deaths.again.is_some() { 2 } else { 1 };
        let since = Instant::now();
        while failpoints.deaths(process).len() < expected {
            if deaths.passage > 1 && since.elapsed() > LATER_WITHIN {
                // It came there fewer times.
                if failpoints.deaths(process).is_empty() {
                    let _not_reached = failpoints.disarm(process);
                    return;
                }
            }
            assert!(
                since.elapsed() < DIES_WITHIN,
                "{process} was not at {point:?}: is this the right course of events, and HYTHE_BIN \
                 a debug build? still armed: {:?}\n{}",
                failpoints.disarm(process),
                self.hythe().logs()
            );
            std::thread::sleep(LOOK);
        }
        let died = failpoints.deaths(process);
        let (first, last) = (died.first().unwrap(), died.last().unwrap().pid);
        assert_eq!(first.pid, before, "{point:?}: another process died");
        assert!(first.line.contains(point.step.name()), "{first:?}");
        self.until(&format!("{process} is there again"), || {
            self.hythe().pid(process.name()).is_some_and(|pid| pid.as_raw() != last)
        });
    }

    /// Sees that of each replica that should run there is one container, and nothing else.
    fn settles(&self, deployments: &[&str]) {
        let wanted: BTreeMap<String, u32> =
            deployments.iter().map(|id| (format!("{id} 0 running"), 1)).collect();
        let mut last = BTreeMap::new();
        let since = Instant::now();
        loop {
            last.clear();
            for line in self.containers() {
                *last.entry(line).or_insert(0) += 1;
            }
            if last == wanted {
                return;
            }
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "there is {last:?} instead of {wanted:?}\n{}",
                self.hythe().logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn containers(&self) -> Vec<String> {
        if let Some(listed) = self.hythe().listed("/containers/json", "all=true&") {
            let all = listed.as_array().into_iter().flatten();
            return all
                .map(|one| {
                    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let labels = &one["Labels"];
                    let deployment = said(&labels["hythe.deployment"]);
                    let replica = said(&labels["hythe.replica"]);
                    format!("{deployment} {replica} {}", said(&one["State"]))
                })
                .collect();
        }
        let filter = format!("label=hythe.instance={}", self.hythe().id());
        let format = "{{.Label \"hythe.deployment\"}} {{.Label \"hythe.replica\"}} {{.State}}";
        let output = Command::new("docker")
            .args(["ps", "--all", "--filter", &filter, "--format", format])
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// What users saw since the last point: nothing, where it was not the edge that died.
    pub(super) fn users_saw_nothing(&self, point: &Point) {
        let Some(load) = &self.load else { return };
        let seen = load.take();
        // Where the edge dies, or the app itself, they do.
        if point.process != Process::Edge && point.course != Course::ReplicaDies {
            assert!(seen.failures.is_empty(), "{point:?}: {seen:?}\n{}", self.hythe().logs());
        }
    }

    pub(super) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(
                since.elapsed() < hythe_tests::installation::PATIENCE,
                "waited until {what}\n{}",
                self.hythe().logs()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Sees that no event was lost or doubled, and that nothing is left.
    pub(super) fn finish(mut self) {
        self.load = None;
        self.history.check(&self);
        self.scene.finish();
    }
}
