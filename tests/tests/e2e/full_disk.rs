//! A data folder without a byte left.

use hythe_tests::installation::Installation;
use hythe_tests::repository::apps;
use serde_json::json;

use crate::scene::Scene;

#[test]
fn a_full_disk_stops_neither_apps_nor_reads_nor_cleaning_up() {
    let scene = Scene::of(Installation::start_on_small_disk("64m"));
    let hythe = &scene.hythe;
    let repository = scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    assert_eq!(hythe.run(&["app", "create", "spare"]).code, 0);

    hythe.disk().fill();
    let create = |name: &str| hythe.api("POST", "/api/v1/apps", Some(&json!({"name": name})));
    // It is looked at ten times a second: one or two may find a page that is free in the file.
    let mut number = 0;
    let mut problem = json!(null);
    hythe.wait_until("writes are refused", || {
        number += 1;
        let (status, answer) = create(&format!("early-{number}"));
        problem = answer;
        // One that met the end of the disk in the middle is told to come again.
        assert!([201, 503, 507].contains(&status), "{problem}");
        status == 507
    });
    assert_eq!(problem["status"], 507, "{problem}");
    assert_eq!(problem["type"], "/problems/no-room", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    for words in [hythe.data().to_str().unwrap(), "are free", "are needed", "image prune"] {
        assert!(detail.contains(words), "{words:?} in {detail}");
    }
    assert!(problem["retry_after"].is_u64(), "{problem}");
    let said = hythe.run(&["app", "create", "late"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains("is full"), "{}", said.err);

    scene.assert_serves("shop", "one");
    for path in ["/api/v1/apps", "/api/v1/apps/shop", "/api/v1/events?after=0"] {
        assert_eq!(hythe.api("GET", path, None).0, 200, "{path}");
    }
    let (status, ready) = hythe.api("GET", "/readyz", None);
    let checks = ready["checks"].as_array().unwrap();
    let room = checks.iter().find(|check| check["name"] == "room").unwrap();
    assert_eq!((status, &room["ok"]), (200, &json!(false)), "{ready}");

    // Cleaning up needs no room but what is held back.
    let said = hythe.run(&["app", "rm", "spare", "--yes"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(hythe.api("GET", "/api/v1/apps/spare", None).0, 404);

    // Nothing is started anew: it goes on by itself.
    let server = hythe.pid("server");
    hythe.disk().make_room();
    hythe.wait_until("writes are taken again", || create("late").0 == 201);
    repository.commit(&[("index.html", "two")]);
    hythe.json(&["deploy", "shop", "--wait"]);
    scene.assert_serves("shop", "two");
    assert_eq!(hythe.pid("server"), server);
    scene.finish();
}
