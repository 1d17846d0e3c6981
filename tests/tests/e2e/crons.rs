//! Cron jobs: run when they are due, over a server that dies, beside themselves or not, and by hand.

use serde_json::{Value, json};

use crate::scene::Scene;

fn set(scene: &Scene, name: &str, schedule: &str, options: &[&str], line: &str) {
    let before = ["cron", "set", "shop", name, schedule];
    let said = scene.hythe.run(&[&before[..], options, &["--", "sh", "-c", line]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
}

fn job(scene: &Scene, name: &str) -> Value {
    scene.hythe.json(&["cron", "show", "shop", name])
}

/// Waits until this holds of a job: of what the API says, which costs less than a command for each look.
fn wait_for_job(scene: &Scene, name: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    let path = format!("/api/v1/apps/shop/crons/{name}");
    scene.hythe.wait_until(what, || {
        let (status, shown) = scene.hythe.api("GET", &path, None);
        status == 200 && holds(&shown)
    });
}

/// How its newest run ended, once it has.
fn end(job: &Value) -> Option<&str> {
    job["runs"][0]["end"].as_str()
}

#[test]
fn a_job_runs_when_it_is_due_and_once_also_where_the_server_dies_then() {
    let scene = Scene::with_shop();
    let hythe = &scene.hythe;
    // Before the job is there: it may be due at once.
    hythe.failpoints().arm(
        hythe_store::steps::Process::Server,
        &[hythe_tests::failpoints::die(
            hythe_store::steps::Step::JournalAppended,
            Some("app.cron_run"),
            1,
        )],
    );
    // Side by side, so that nothing is left out.
    let line = "echo $GREETING from $HYTHE_APP";
    set(&scene, "poll", "* * * * *", &["--overlap", "allow"], line);
    wait_for_job(&scene, "poll", "it was due and its run has ended", |shown| end(shown).is_some());
    assert_eq!(hythe.failpoints().deaths(hythe_store::steps::Process::Server).len(), 1);
    let shown = job(&scene, "poll");
    let first = shown["runs"].as_array().unwrap().last().unwrap();
    let set = hythe.run(&["events", "--after", "0", "--type", "app.cron_set", "--json"]);
    let set: Value = serde_json::from_str(set.out.lines().next().unwrap()).unwrap();
    let minute = set["data"]["at"].as_u64().unwrap() / 60_000 + 1;
    let next = format!("T{:02}:{:02}:00.000Z", minute / 60 % 24, minute % 60);
    let due = first["due_at"].as_str().unwrap();
    assert!(due.ends_with(&next), "{due} is not the next minute: {next}");
    assert_eq!(first["end"], "exit code 0", "{shown}");
    let log = hythe.run(&["runs", "logs", first["id"].as_str().unwrap()]);
    assert_eq!((log.code, &*log.out), (0, "hello there from shop\n"), "{}", log.err);

    // No time comes twice.
    assert_eq!(hythe.run(&["cron", "pause", "shop", "poll"]).code, 0);
    let events = hythe.run(&["events", "--app", "shop", "--limit", "500", "--json"]).out;
    let ran = events.matches("app.cron_run").count();
    assert_eq!(ran, job(&scene, "poll")["runs"].as_array().unwrap().len(), "{events}");
    let shown = hythe.run(&["cron", "ls", "shop"]);
    assert!(
        shown.out.contains("it is paused") && shown.out.contains("exit code 0"),
        "{}",
        shown.out
    );
    scene.finish();
}

#[test]
fn by_hand_it_runs_at_once_not_beside_itself_and_its_exit_code_comes_back() {
    let scene = Scene::with_shop();
    let hythe = &scene.hythe;
    set(&scene, "report", "@yearly", &[], "echo one; echo two >&2; exit 7");
    let said = hythe.run(&["cron", "run", "shop", "report"]);
    assert_eq!((said.code, &*said.out, &*said.err), (7, "one\n", "two\n"));
    wait_for_job(&scene, "report", "how it ended is known", |shown| {
        end(shown) == Some("exit code 7")
    });
    let shown = job(&scene, "report");
    assert_eq!((&shown["runs"][0]["due_at"], &shown["runs"][0]["code"]), (&Value::Null, &json!(7)));

    set(&scene, "report", "@yearly", &[], "trap 'exit 3' TERM; echo up; sleep 600 & wait");
    let run = hythe.json(&["cron", "run", "shop", "report", "--detach"]);
    let refused = hythe.run(&["cron", "run", "shop", "report"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("report runs already"), "{}", refused.err);
    // Whoever looks after it may die meanwhile. What the one before wrote is kept, too.
    hythe.kill("server");
    hythe.wait_until("it still goes on", || {
        let (status, shown) = hythe.api("GET", "/api/v1/apps/shop/crons/report", None);
        status == 200 && end(&shown).is_none() && hythe.containers().len() == 3
    });
    assert_eq!(hythe.run(&["runs", "stop", run["id"].as_str().unwrap()]).code, 0);
    wait_for_job(&scene, "report", "it was stopped", |shown| {
        end(shown).is_some_and(|end| end.contains("stopped") || end == "exit code 3")
    });

    set(&scene, "report", "@yearly", &["--timeout", "1s"], "exec sleep 600");
    assert_eq!(hythe.run(&["cron", "run", "shop", "report", "--detach"]).code, 0);
    wait_for_job(&scene, "report", "it took too long", |shown| {
        end(shown) == Some("it took longer than it may")
    });

    assert_eq!(hythe.run(&["cron", "rm", "shop", "report"]).code, 0);
    let gone = hythe.run(&["cron", "show", "shop", "report"]);
    assert!(gone.code == 1 && gone.err.contains("no cron job report"), "{}", gone.err);
    let typo = hythe.run(&["cron", "set", "shop", "x", "every day", "--", "true"]);
    assert!(typo.code == 2 && typo.err.contains("five fields"), "{}", typo.err);
    assert_eq!(hythe.run(&["app", "rm", "shop", "--yes", "--now"]).code, 0);
    hythe.wait_until("nothing is left of it", || hythe.containers().is_empty());
    scene.finish();
}

#[test]
fn what_runs_still_is_left_alone_or_gives_way() {
    let scene = Scene::with_shop();
    let hythe = &scene.hythe;
    let line = "trap 'exit 0' TERM; sleep 600 & wait";
    let jobs: [(&str, &[&str]); 2] = [("slow", &[]), ("eager", &["--overlap", "replace"])];
    // Due only once both run by hand: a job that runs already is not run again.
    for (name, options) in jobs {
        set(&scene, name, "@yearly", options, line);
        assert_eq!(hythe.run(&["cron", "run", "shop", name, "--detach"]).code, 0);
    }
    for (name, options) in jobs {
        set(&scene, name, "* * * * *", options, line);
    }
    wait_for_job(&scene, "slow", "the one is left out", |slow| !slow["skipped"].is_null());
    let slow = job(&scene, "slow");
    assert_eq!(slow["skipped"]["why"], "the run before went on still", "{slow}");
    assert_eq!(slow["runs"].as_array().unwrap().len(), 1, "{slow}");
    wait_for_job(&scene, "eager", "the other one runs anew", |eager| {
        eager["runs"].as_array().is_some_and(|runs| runs.len() >= 2)
    });
    let eager = job(&scene, "eager");
    let [.., new, old] = &eager["runs"].as_array().unwrap()[..] else { panic!("{eager}") };
    assert!(!old["end"].is_null() && new["due_at"].is_string(), "{eager}");

    // What belongs to a stopped app is not due; what runs of it, ends with the app for good.
    hythe.json(&["stop", "shop"]);
    assert_eq!(job(&scene, "slow")["waits"], "the app is stopped");
    assert_eq!(hythe.run(&["app", "rm", "shop", "--yes", "--now"]).code, 0);
    hythe.wait_until("nothing is left of it", || hythe.containers().is_empty());
    scene.finish();
}
