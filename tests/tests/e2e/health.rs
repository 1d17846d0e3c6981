//! What people see of health checks: set by flags, named in failures, and crash loops by name.

use std::process::Command;

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Serves until a file in its container says otherwise, and ends at once after every start then.
fn mortal() -> Vec<(&'static str, String)> {
    let line = "echo up; httpd -p 8080 -h /www; while [ ! -f /tmp/fate ] || grep -q live /tmp/fate; \
                do sleep 0.1; done; \
                echo the-end; exit 9";
    let line = serde_json::to_string(line).unwrap();
    let dockerfile = format!(
        "FROM busybox\nCOPY index.html /www/index.html\nEXPOSE 8080\nCMD [\"sh\", \"-c\", {line}]\n"
    );
    vec![("Dockerfile", dockerfile), ("index.html", "mortal".to_owned())]
}

/// Puts that file there; the container need not run.
fn decide(container: &str, fate: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fate");
    std::fs::write(&file, fate).unwrap();
    let to = format!("{container}:/tmp/fate");
    let output = Command::new("docker").arg("cp").arg(&file).arg(&to).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_crash_loop_is_named_as_such() {
    let scene = Scene::new();
    scene.repository("shop", &mortal());
    scene.deploy_live("shop");
    let [id] = &scene.hythe.containers()[..] else { panic!("one container") };
    decide(id, "die");
    let mut app = Value::Null;
    scene.hythe.wait_until("the app is in a crash loop, and says of what", || {
        app = scene.hythe.json(&["app", "show", "shop"]);
        let detail = app["status_detail"].as_str().unwrap();
        // Between two ends it starts for a moment.
        app["status"] == json!("crash_loop") && detail.contains("exited with code 9")
    });
    let detail = app["status_detail"].as_str().unwrap();
    assert!(detail.contains("crash loop: started again"), "{detail}");
    let mut replica = Value::Null;
    scene.hythe.wait_until("the replica is in a crash loop", || {
        replica = scene.hythe.json(&["ps", "shop"])[0].clone();
        replica["state"] == json!("crash_loop")
    });
    assert!(replica["restarts_in_a_row"].as_u64().unwrap() >= 3, "{replica}");
    assert!(replica["since"].is_string() && replica["log"].is_array(), "{replica}");
    scene.hythe.wait_until("people see that, too", || {
        scene.hythe.run(&["ps", "shop"]).out.contains("crash loop")
    });
    // It goes on to be started, and recovers where what it died of is gone.
    decide(id, "live");
    scene.hythe.wait_until("it runs again", || {
        scene.hythe.json(&["app", "show", "shop"])["status"] == json!("running")
    });
    scene.assert_serves("shop", "mortal");
    scene.finish();
}

#[test]
fn a_check_is_chosen_by_flags_and_a_failure_names_it_with_what_came_back() {
    let scene = Scene::new();
    let repository = scene.repository("shop", &apps::page("good"));
    scene.deploy_live("shop");
    let command = r#"["sh", "-c", "echo no such table; exit 4"]"#;
    let set = |args: &[&str]| scene.hythe.json(&[&["app", "set", "shop"], args].concat());
    let app = set(&["--memory", "256M", "--cpus", "0.5", "--pids", "100"]);
    let resources = ["memory_bytes", "cpu_millis", "processes"].map(|name| &app["settings"][name]);
    assert_eq!(resources, [&json!(256 << 20), &json!(500), &json!(100)], "{app}");
    let mut message = String::new();
    // A busy machine may not come to the end of one check within the first of these.
    for within in ["2s", "10s", "40s"] {
        let app = set(&["--health-command", command, "--health-start", within]);
        assert_eq!(app["settings"]["health"]["type"], json!("command"), "{app}");
        let said = scene.deploy("shop");
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        message = said.json()["failure"]["message"].as_str().unwrap().to_owned();
        if message.contains("exited with") {
            break;
        }
    }
    for words in ["not healthy within", "its last check: `sh -c", "exited with 4: no such table"] {
        assert!(message.contains(words), "{message}");
    }
    scene.assert_serves("shop", "good");

    // The image's own check is used where nothing else is said.
    set(&["--health-default"]);
    let page = apps::page("checked").remove(0).1;
    let checked = page + "HEALTHCHECK --interval=1s CMD test -f /www/index.html\n";
    repository.commit(&[("Dockerfile", &checked), ("index.html", "checked")]);
    scene.deploy_live("shop");
    scene.assert_serves("shop", "checked");
    set(&["--health-http", "/index.html", "--health-status", "200"]);
    scene.deploy_live("shop");
    let both = scene.hythe.run(&["app", "set", "shop", "--health-tcp", "--health-none"]);
    assert_eq!(both.code, 2, "{}", both.err);
    scene.finish();
}
