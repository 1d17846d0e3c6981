//! A new version takes a part of the requests, and then all of them or none.

use std::collections::BTreeMap;

use hythe_tests::installation::curl;
use hythe_tests::repository::{Repository, apps};
use serde_json::Value;

use crate::matrix::load::Load;
use crate::scene::Scene;

fn app(scene: &Scene) -> Repository {
    let repository = scene.repository("shop", &apps::page("one"));
    assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
    scene.deploy_live("shop");
    scene.assert_serves("shop", "one");
    repository
}

/// How often each version answers.
fn answers(scene: &Scene, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let (status, answer) = scene.hythe.get("shop", "/");
        assert_eq!(status, 200, "{answer}");
        *answers.entry(answer.trim().to_owned()).or_default() += 1;
    }
    answers
}

#[test]
fn a_canary_takes_its_part_is_promoted_and_no_request_is_lost() {
    let scene = Scene::new();
    let repository = app(&scene);
    let load = Load::start(scene.hythe.edge(), "shop.localhost");
    repository.commit(&[("index.html", "two")]);
    let begun = scene.hythe.json(&["deploy", "shop", "--canary", "20%"]);
    assert_eq!(begun["canary_percent"], 20, "{begun}");
    scene.hythe.wait_until("the edges have it", || answers(&scene, 10).contains_key("two"));
    let shown = scene.hythe.json(&["canary", "show", "shop"]);
    assert_eq!((&shown["percent"], &shown["started"]), (&Value::from(20), &Value::from(true)));
    // The load of this test takes turns, too.
    let seen = answers(&scene, 100);
    let part = seen.get("two").copied().unwrap_or_default();
    assert!((1..60).contains(&part), "{seen:?}");

    assert_eq!(scene.hythe.run(&["canary", "set", "shop", "90%"]).code, 0);
    scene.hythe.wait_until("most are its own", || answers(&scene, 50).get("two") > Some(&30));
    assert_eq!(scene.hythe.run(&["canary", "promote", "shop"]).code, 0);
    scene.hythe.wait_until("it has all", || {
        let (_, app) = scene.hythe.api("GET", "/api/v1/apps/shop", None);
        app["live"]["id"] == begun["deployment"]
    });
    assert_eq!(answers(&scene, 20), BTreeMap::from([("two".to_owned(), 20)]));
    let refused = scene.hythe.run(&["canary", "promote", "shop"]);
    assert_ne!(refused.code, 0, "{}", refused.out);

    // One that is not wanted leaves no trace.
    repository.commit(&[("index.html", "three")]);
    scene.hythe.json(&["deploy", "shop", "--canary", "50%"]);
    scene.hythe.wait_until("the edges have it", || answers(&scene, 10).contains_key("three"));
    assert_eq!(scene.hythe.run(&["canary", "abort", "shop"]).code, 0);
    scene.hythe.wait_until("it is taken back", || !answers(&scene, 10).contains_key("three"));
    assert_eq!(answers(&scene, 20), BTreeMap::from([("two".to_owned(), 20)]));
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
    scene.finish();
}

/// What browsers get, each of which keeps its cookies.
struct Browsers<'a> {
    scene: &'a Scene,
    cookies: tempfile::TempDir,
}

impl Browsers<'_> {
    fn gets(&self, browser: usize, path: &str) -> String {
        let url = format!("http://{}{path}", self.scene.hythe.edge());
        let jar = self.cookies.path().join(browser.to_string());
        let jar = jar.to_str().unwrap();
        let said = curl(&[&url, "-H", "Host: docs.localhost", "-b", jar, "-c", jar]);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out.trim().to_owned()
    }

    /// How many of ten that come anew get each version; each gets all of one.
    fn versions(&self) -> BTreeMap<String, usize> {
        let mut versions = BTreeMap::new();
        for browser in 0..10 {
            drop(std::fs::remove_file(self.cookies.path().join(browser.to_string())));
            let version = self.gets(browser, "/");
            for _ in 0..5 {
                assert_eq!(self.gets(browser, "/style.css"), version);
                assert_eq!(self.gets(browser, "/"), version);
            }
            *versions.entry(version).or_default() += 1;
        }
        versions
    }

    fn all_get(&self, what: &str, version: &str) {
        let all = BTreeMap::from([(version.to_owned(), 10)]);
        self.scene.hythe.wait_until(what, || (0..10).all(|one| self.gets(one, "/") == version));
        assert_eq!(self.versions(), all);
    }
}

#[test]
fn of_a_site_each_visitor_has_one_version_whatever_becomes_of_the_canary() {
    let scene = Scene::new();
    let files = ["index.html", "style.css"];
    let repository = scene.repository("docs", &files.map(|file| (file, "one".to_owned())));
    scene.deploy_live("docs");
    scene.assert_serves("docs", "one");
    let cookies = tempfile::tempdir().unwrap();
    let browsers = Browsers { scene: &scene, cookies };
    let sing = |version: &str| {
        repository.commit(&files.map(|file| (file, version)));
        let begun = scene.hythe.json(&["deploy", "docs", "--canary", "50%"]);
        assert_eq!(begun["canary_percent"], 50, "{begun}");
        let mut new = 0;
        scene.hythe.wait_until("the edge has it", || {
            new += 1;
            browsers.gets(100 + new, "/") == version
        });
        let seen = browsers.versions();
        assert_eq!(seen.get(version), Some(&5), "{seen:?}");
        assert_eq!(seen.len(), 2, "{seen:?}");
        begun
    };
    let end = |how: &str| {
        let said = scene.hythe.run(&["canary", how, "docs"]);
        assert_eq!(said.code, 0, "{}", said.err);
    };
    let promote = |begun: &Value, version: &str| {
        end("promote");
        browsers.all_get("it has all", version);
        scene.hythe.wait_until("it is live", || {
            let (_, app) = scene.hythe.api("GET", "/api/v1/apps/docs", None);
            app["live"]["id"] == begun["deployment"]
        });
    };
    let serves = |how: &str| {
        let set = scene.hythe.run(&["app", "set", "docs", "--static", how]);
        assert_eq!(set.code, 0, "{}", set.err);
    };

    let begun = sing("two");
    assert!(begun["image"].is_null(), "{begun}");
    end("abort");
    browsers.all_get("it is taken back", "one");
    promote(&sing("three"), "three");

    // From a site to a container, and back.
    serves("off");
    let begun = sing("four");
    assert_eq!(scene.hythe.containers().len(), 1, "{begun}");
    promote(&begun, "four");
    serves("on");
    promote(&sing("five"), "five");
    scene.hythe.wait_until("its container is gone", || scene.hythe.containers().is_empty());
    drop(browsers);
    scene.finish();
}
