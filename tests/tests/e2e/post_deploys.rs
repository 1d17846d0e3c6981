//! Post-deploy commands: once after each version went live, with its image and environment; however
//! one ends, the version stays.

use serde_json::Value;

use crate::releases::Shop;

/// What a deployment says of its post-deploy command, once that is over.
fn over(shop: &Shop, id: &str) -> Value {
    let mut said = Value::Null;
    shop.scene.hythe.wait_until("its post-deploy command is over", || {
        said = shop.scene.hythe.deployment(id).1["post_deploy"].clone();
        // While the server starts again there is no answer.
        ["done", "failed"].contains(&said["status"].as_str().unwrap_or_default())
    });
    said
}

/// What the whole app wrote.
fn log(shop: &Shop) -> String {
    shop.scene.hythe.run(&["logs", "shop"]).out
}

/// The names of what happened to a deployment.
fn events(shop: &Shop, id: &str) -> Vec<String> {
    let said = shop.scene.hythe.run(&["events", "--app", "shop", "--from", "1", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let events = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mine = events.filter(|event| event["id"] == id);
    mine.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_post_deploy_command_runs_once_a_version_is_live_and_not_with_a_restart() {
    let shop = Shop::new();
    assert_eq!(shop.scene.hythe.run(&["env", "set", "shop", "GREETING=hello"]).code, 0);
    let line = "echo warming: $GREETING from $HYTHE_REPLICA, $(cat /www/index.html)";
    shop.hook("post-deploy", line, &[]);
    shop.commit("two");
    let said = shop.scene.hythe.run(&["deploy", "shop"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("its post-deploy command runs now"), "{}", said.err);
    let newest = || shop.scene.hythe.json(&["deployments", "ls", "shop"])[0]["id"].clone();
    let second = newest();
    let second = second.as_str().unwrap();
    assert_eq!(over(&shop, second)["status"], "done");
    shop.scene.assert_serves("shop", "two");
    shop.one_container_is_left();
    let words = "post-deploy | warming: hello from post-deploy, two";
    shop.scene.hythe.wait_until("its lines are told", || log(&shop).contains(words));
    assert_eq!(log(&shop).matches(words).count(), 1);
    let happened = events(&shop, second);
    let at = |name: &str| happened.iter().position(|known| known == name).unwrap();
    let (live, began) = (at("deployment.went_live"), at("deployment.post_deploy_started"));
    let ended = at("deployment.post_deployed");
    assert!(live < began && began < ended, "{happened:?}");

    let of = |document: &Value| document["deployment"].as_str().unwrap().to_owned();
    let restarted = of(&shop.scene.hythe.json(&["restart", "shop"]));
    assert_eq!(shop.scene.hythe.deployment(&restarted).1["post_deploy"], Value::Null);
    let redeployed = of(&shop.scene.hythe.json(&["redeploy", "shop"]));
    assert_eq!(over(&shop, &redeployed)["status"], "done");
    // The version of then had none; what comes back of it comes back with its settings.
    let back = of(&shop.scene.hythe.json(&["rollback", "shop", "--to", "1"]));
    assert_eq!(shop.scene.hythe.deployment(&back).1["post_deploy"], Value::Null);
    let forward = of(&shop.scene.hythe.json(&["rollback", "shop", "--to", "2"]));
    assert_eq!(over(&shop, &forward)["status"], "done");
    shop.one_container_is_left();
    shop.scene.hythe.wait_until("it ran with three versions", || {
        log(&shop).matches("warming: hello").count() == 3
    });
    shop.scene.finish();
}

#[test]
fn what_a_repository_says_runs_once_runs_with_its_version_and_comes_back_with_it() {
    let shop = Shop::new();
    let says = "[hooks]\nrelease = \"echo it-migrates\"\npost_deploy = \"echo it-warms\"\n";
    shop.commit_files(&[("hythe.toml", says), ("index.html", "two")]);
    let second = shop.scene.deploy_live("shop");
    assert_eq!(over(&shop, second["deployment"].as_str().unwrap())["status"], "done");
    let ran = |times: usize| {
        shop.scene.hythe.wait_until("its lines are told", || {
            let log = log(&shop);
            ["release | it-migrates", "post-deploy | it-warms"]
                .iter()
                .all(|words| log.matches(words).count() == times)
        });
    };
    ran(1);
    shop.commit_files(&[("hythe.toml", ""), ("index.html", "three")]);
    let third = shop.scene.deploy_live("shop");
    let (_, third) = shop.scene.hythe.deployment(third["deployment"].as_str().unwrap());
    assert_eq!((&third["release_command"], &third["post_deploy"]), (&Value::Null, &Value::Null));
    let back = shop.scene.hythe.json(&["rollback", "shop", "--to", "2"]);
    assert_eq!(over(&shop, back["deployment"].as_str().unwrap())["status"], "done");
    ran(2);
    shop.scene.assert_serves("shop", "two");
    shop.one_container_is_left();
    shop.scene.finish();
}

#[test]
fn a_post_deploy_command_that_fails_or_is_ended_undoes_nothing_and_says_why() {
    let shop = Shop::new();
    shop.hook("post-deploy", "echo cannot-warm-up; exit 7", &[]);
    shop.commit("two");
    let document = shop.scene.deploy_live("shop");
    let id = document["deployment"].as_str().unwrap();
    let said = over(&shop, id);
    let words = "the post-deploy command `sh -c echo cannot-warm-up; exit 7` exited with code 7";
    assert_eq!(said["message"], words);
    assert!(said["log"].to_string().contains("cannot-warm-up"), "{said}");
    shop.one_container_is_left();
    shop.scene.assert_serves("shop", "two");
    let (_, deployment) = shop.scene.hythe.deployment(id);
    assert_eq!((&deployment["status"], &deployment["failure"]), (&"live".into(), &Value::Null));
    // Told wherever one looks.
    let shown = shop.scene.hythe.run(&["deployments", "show", id]).out;
    assert!(shown.contains(&format!("the version stays, but {words}")), "{shown}");
    let app = shop.scene.hythe.run(&["app", "show", "shop"]).out;
    assert!(app.contains("its post-deploy command failed: hythe deployments show"), "{app}");
    let told = shop.scene.hythe.run(&["events", "--app", "shop"]).out;
    assert!(told.contains("post_deploy_failed"), "{told}");

    // One that takes too long.
    let more = ["--post-deploy-timeout", "2s", "--stop", "1s"];
    shop.hook("post-deploy", "echo still-warming; sleep 600", &more);
    let document = shop.scene.deploy_live("shop");
    let said = over(&shop, document["deployment"].as_str().unwrap());
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("was not done within 2.0 s and was ended"), "{said}");
    assert!(said["log"].to_string().contains("still-warming"), "{said}");
    shop.one_container_is_left();
    shop.scene.assert_serves("shop", "two");

    // The next one is another matter.
    let none = ["app", "set", "shop", "--no-post-deploy-command"];
    assert_eq!(shop.scene.hythe.run(&none).code, 0);
    let next = shop.scene.deploy_live("shop");
    let (_, next) = shop.scene.hythe.deployment(next["deployment"].as_str().unwrap());
    assert_eq!(next["post_deploy"], Value::Null);
    shop.scene.finish();
}

#[test]
fn a_post_deploy_command_outlives_its_version_and_ends_with_a_stop() {
    let shop = Shop::new();
    shop.hook("post-deploy", "sleep 600", &["--stop", "1s"]);
    let id = |document: &Value| document["deployment"].as_str().unwrap().to_owned();
    let first = id(&shop.scene.deploy_live("shop"));
    shop.scene.hythe.wait_until("it runs", || shop.task().is_some());
    let task = shop.task();
    assert_eq!(shop.scene.hythe.run(&["app", "set", "shop", "--no-post-deploy-command"]).code, 0);
    shop.commit("two");
    shop.scene.deploy_live("shop");
    shop.scene.hythe.wait_for_status(&first, &["superseded"]);
    shop.scene.hythe.wait_until("the replicas of the one before are gone", || {
        shop.scene.hythe.containers().len() == 2
    });
    assert_eq!(shop.task(), task, "it goes on");
    let (_, document) = shop.scene.hythe.deployment(&first);
    assert_eq!(document["post_deploy"]["status"], "running", "{document}");
    assert_eq!(shop.scene.hythe.run(&["stop", "shop"]).code, 0);
    let said = over(&shop, &first);
    assert!(said["message"].as_str().unwrap().ends_with("for the app was stopped"), "{said}");
    shop.scene.hythe.wait_until("nothing is left", || shop.scene.hythe.containers().is_empty());
    shop.scene.finish();
}

#[test]
fn a_post_deploy_command_goes_on_and_runs_once_when_server_and_agent_are_killed() {
    let shop = Shop::new();
    shop.hook("post-deploy", "echo it-begins; sleep 8; echo it-ends", &[]);
    let document = shop.scene.deploy_live("shop");
    let id = document["deployment"].as_str().unwrap();
    shop.scene.hythe.wait_until("it runs", || shop.task().is_some());
    shop.scene.hythe.kill("agent");
    shop.scene.hythe.kill("server");
    shop.scene.assert_serves("shop", "one");
    assert_eq!(over(&shop, id)["status"], "done");
    shop.one_container_is_left();
    for words in ["it-begins", "it-ends"] {
        shop.scene.hythe.wait_until("its lines are told", || log(&shop).contains(words));
        assert_eq!(log(&shop).matches(words).count(), 1);
    }
    shop.scene.finish();
}
