//! Images that nobody can go back to go; what runs, or can be gone back to, stays.

use std::collections::BTreeSet;

use hythe_tests::engine::{OwnEngine, moved_away};
use hythe_tests::installation::Installation;
use hythe_tests::repository::apps;
use serde_json::Value;

use crate::restored::docker;
use crate::scene::Scene;

/// The deployments whose images there are, by the names of the app's images.
fn images(app: &str) -> BTreeSet<String> {
    let reference = format!("reference=hythe/{app}");
    let said = docker(&["image", "ls", "--filter", &reference, "--format", "{{.Tag}}"]);
    said.out.lines().map(str::to_owned).collect()
}

fn ids<'a>(list: &'a Value, field: &str) -> BTreeSet<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}

#[test]
fn versions_beyond_those_that_are_kept_go_and_so_does_what_a_deleted_app_left() {
    let scene = Scene::of(Installation::start_with(&["--keep-versions", "1"]));
    let repository = scene.repository("shop", &apps::page("v1"));
    let mut deployments = Vec::new();
    for version in 1..=3 {
        if version > 1 {
            repository.commit(&[("index.html", &format!("v{version}"))]);
        }
        deployments.push(scene.deploy_live("shop")["deployment"].as_str().unwrap().to_owned());
    }
    let app = scene.hythe.json(&["app", "show", "shop"])["id"].as_str().unwrap().to_owned();
    assert_eq!(images(&app), deployments.iter().cloned().collect());

    let plan = scene.hythe.json(&["gc", "--dry-run"]);
    let worker = &plan["workers"][0];
    assert_eq!((&plan["keep_versions"], &worker["images"]), (&1.into(), &3.into()), "{plan}");
    assert_eq!(ids(&worker["going"], "deployment"), BTreeSet::from([deployments[0].as_str()]));
    assert!(worker["going"][0]["why"].as_str().unwrap().contains("newer versions"), "{plan}");
    assert!(worker["disk_free_bytes"].as_u64().unwrap() > 0, "{plan}");
    assert_eq!(images(&app).len(), 3, "looking takes nothing away");

    let swept = scene.hythe.json(&["gc"]);
    assert_eq!(swept["workers"][0]["gone"], serde_json::json!([deployments[0]]), "{swept}");
    assert_eq!(images(&app), deployments[1..].iter().cloned().collect());
    scene.assert_serves("shop", "v3");
    let text = scene.hythe.run(&["gc"]);
    assert!(
        text.code == 0 && text.out.contains("nothing to let go of"),
        "{}{}",
        text.out,
        text.err
    );

    assert_eq!(scene.hythe.run(&["app", "rm", "shop", "--now", "--yes"]).code, 0);
    scene.hythe.wait_until("the images of the deleted app to go", || {
        let swept = scene.hythe.json(&["gc"]);
        assert!(swept["workers"][0]["failed"].is_null(), "{swept}");
        images(&app).is_empty()
    });
    scene.finish();
}

/// An app whose build leaves three megabytes in the cache that are in no image.
fn with_cache(mark: &str) -> [(&'static str, String); 1] {
    let dockerfile = format!(
        "FROM busybox AS made\nRUN head -c 3000000 /dev/urandom >/big && echo {mark} >/small\n\
         FROM busybox\nCOPY --from=made /small /w/index.html\nEXPOSE 8080\n\
         CMD [\"sh\", \"-c\", \"exec httpd -f -p $PORT -h /w\"]\n"
    );
    [("Dockerfile", dockerfile)]
}

#[test]
fn build_cache_beyond_its_budget_goes_and_what_others_left_stays() {
    let name = "housekeeping::build_cache_beyond_its_budget_goes_and_what_others_left_stays";
    if moved_away(name, "busybox:latest") {
        return;
    }
    let engine = OwnEngine::start(false);
    let address = engine.address();
    assert_eq!(docker(&["volume", "create", "precious"]).code, 0);
    let theirs = Scene::of(Installation::start_with(&["--docker-host", &address]));
    theirs.repository("theirs", &with_cache("theirs-mark"));
    theirs.deploy_live("theirs");
    let cache = |scene: &Scene| -> Value {
        let plan = scene.hythe.json(&["gc", "--dry-run"]);
        assert!(plan["workers"][0]["failed"].is_null(), "{plan}");
        plan["workers"][0].clone()
    };
    let before = cache(&theirs)["cache_bytes"].as_u64().unwrap();
    assert!(before >= 3_000_000, "{before}");

    let args = ["--docker-host", &address, "--build-cache", "1K", "--build-cache-days", "30"];
    let ours = Scene::of(Installation::start_with(&args));
    ours.repository("ours", &with_cache("ours-mark"));
    ours.deploy_live("ours");
    let plan = cache(&ours);
    let going = plan["cache_going"].as_array().unwrap();
    let mentions = |mark: &str| going.iter().any(|c| c["what"].as_str().unwrap().contains(mark));
    assert!(mentions("ours-mark") && !mentions("theirs-mark"), "{plan}");
    assert!(going[0]["why"].as_str().unwrap().contains("more cache than is kept"), "{plan}");
    let shown = ours.hythe.run(&["gc", "--dry-run"]);
    assert!(shown.out.contains("of build cache would go"), "{}{}", shown.out, shown.err);
    assert!(cache(&ours)["cache_bytes"].as_u64().unwrap() >= 3_000_000, "looking takes nothing");

    let swept = ours.hythe.json(&["gc"]);
    let worker = &swept["workers"][0];
    assert!(worker["failed"].is_null(), "{swept}");
    assert!(worker["cache_gone_bytes"].as_u64().unwrap() >= 3_000_000, "{swept}");
    assert!(cache(&ours)["cache_bytes"].as_u64().unwrap() < 3_000_000);
    assert_eq!(cache(&theirs)["cache_bytes"].as_u64().unwrap(), before, "it is not ours");
    assert_eq!(docker(&["volume", "inspect", "precious"]).code, 0);
    ours.assert_serves("ours", "ours-mark");
    ours.finish();
    theirs.finish();
}
