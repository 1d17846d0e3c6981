//! Commands that are run once: what goes in and comes out, how they end, and what is left of them
//! when whoever carries them dies.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hythe_tests::installation::Said;
use hythe_tests::terminal::Terminal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::scene::Scene;

/// Bytes without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Runs a command of the CLI with this as its input.
fn fed(scene: &Scene, args: &[&str], input: Vec<u8>) -> (i32, Vec<u8>, String) {
    let mut child = scene.hythe.command(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn only_the_replica_is_left(scene: &Scene) {
    scene.hythe.wait_until("only the replica is left", || scene.hythe.containers().len() == 1);
    scene.hythe.wait_until("the journal knows how all ended", || runs(scene).is_empty());
}

fn runs(scene: &Scene) -> Vec<serde_json::Value> {
    let (status, listed) = scene.hythe.api("GET", "/api/v1/apps/shop/runs", None);
    assert!(status == 200 || status == 0 || status == 503, "{status} {listed}");
    listed["items"].as_array().cloned().unwrap_or_else(|| vec![json!("not known")])
}

/// All that happened to the app, in lines of JSON.
fn told(scene: &Scene) -> String {
    let said = scene.hythe.run(&["events", "--app", "shop", "--limit", "500", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

/// How many commands were run, and have ended, by that.
fn counted(told: &str) -> (usize, usize) {
    let of = |what: &str| told.matches(what).count();
    (of("app.command_run"), of("app.command_ended"))
}

/// Begins a command that goes on, and waits until it runs.
fn goes_on(scene: &Scene) -> Child {
    let command = "trap '' HUP; echo ready; sleep 600";
    let mut child =
        scene.hythe.command(&["run", "shop", "--", "sh", "-c", command]).spawn().unwrap();
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ready\n");
    assert_eq!(scene.hythe.containers().len(), 2);
    child
}

fn ended(child: Child) -> Said {
    child.wait_with_output().unwrap().into()
}

#[test]
fn what_goes_through_pipes_arrives_whole_and_exit_codes_come_back() {
    let scene = Scene::with_shop();
    let hythe = &scene.hythe;
    let run = |command: &[&str]| hythe.run(&[&["run", "shop", "--"], command].concat());

    let data = noise(5_000_000);
    let (code, back, err) = fed(&scene, &["run", "shop", "--", "cat"], data.clone());
    assert_eq!(code, 0, "{err}");
    assert!(back == data, "{} of {} bytes came back, not all as they were", back.len(), data.len());

    let said = run(&["sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!((said.code, &*said.out, &*said.err), (3, "out\n", "err\n"));
    let said = run(&["true"]);
    assert_eq!((said.code, &*said.out, &*said.err), (0, "", ""));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]).code, 137);
    let said = run(&["there-is-no-such-program"]);
    assert_eq!(said.code, 127, "{}", said.err);
    assert!(said.err.contains("there-is-no-such-program"), "{}", said.err);

    let show = "echo $GREETING/$EXTRA/$HYTHE_APP/$PORT; wget -qO- http://shop:8080/";
    let args = ["run", "shop", "--env", "EXTRA=of-this-one", "--", "sh", "-c", show];
    let said = hythe.run(&args);
    assert_eq!(said.out, "hello there/of-this-one/shop/8080\none", "{}", said.err);

    // It is as hardened as a replica.
    let said = run(&["sh", "-c", "grep -E 'NoNewPrivs|CapBnd' /proc/self/status"]);
    let replica = hythe.containers();
    let asked = std::process::Command::new("docker")
        .args(["exec", &replica[0], "grep", "-E", "NoNewPrivs|CapBnd", "/proc/1/status"])
        .output()
        .unwrap();
    assert_eq!(said.out, String::from_utf8_lossy(&asked.stdout), "{}", said.err);

    // What the app signs with is the same in all of its containers.
    let shows = ["sh", "-c", "echo \"$HYTHE_SECRET\""];
    let said = run(&shows);
    let asked = std::process::Command::new("docker")
        .args(["exec", &replica[0]])
        .args(shows)
        .output()
        .unwrap();
    assert_eq!(said.out, String::from_utf8_lossy(&asked.stdout), "{}", said.err);
    assert_eq!(said.out.trim_end().len(), 64, "{}", said.out);

    let begun = Instant::now();
    let said = hythe.run(&["run", "shop", "--timeout", "2s", "--", "sleep", "600"]);
    assert_eq!(said.code, 124, "{}", said.err);
    assert!(said.err.contains("longer than it may"), "{}", said.err);
    assert!(begun.elapsed() < Duration::from_secs(40));

    // The arguments are nobody's business for ever; that it was run, by whom and how it ended is.
    run(&["sh", "-c", "exit 0 # hush-hush"]);
    only_the_replica_is_left(&scene);
    let told = told(&scene);
    assert_eq!(counted(&told), (10, 10), "{told}");
    assert!(told.contains("\"owner\"") && !told.contains("hush-hush"), "{told}");
    scene.finish();
}

#[test]
fn what_cannot_be_run_is_said_and_told_from_what_programs_say() {
    let scene = Scene::new();
    let hythe = &scene.hythe;
    assert_eq!(hythe.run(&["app", "create", "shop"]).code, 0);
    let said = hythe.run(&["run", "shop", "--", "ls"]);
    assert_eq!(said.code, 125, "{}", said.err);
    assert!(said.err.contains("No version of shop is live"), "{}", said.err);
    let said = hythe.run(&["run", "nothing", "--", "ls"]);
    assert_eq!(said.code, 125, "{}", said.err);
    assert_eq!(hythe.run(&["run", "shop"]).code, 2);
    assert_eq!(hythe.run(&["run", "shop", "--env", "PORT=1", "--", "ls"]).code, 2);
    let mut elsewhere = hythe.command(&["run", "shop", "--", "ls"]);
    let said: Said = elsewhere.env("HYTHE_URL", "http://127.0.0.1:9").output().unwrap().into();
    assert_eq!(said.code, 3, "{}", said.err);
    let mut nobody = hythe.command(&["run", "shop", "--", "ls"]);
    let said: Said = nobody.env("HYTHE_TOKEN", "wrong").output().unwrap().into();
    assert_eq!(said.code, 3, "{}", said.err);
    scene.finish();
}

#[test]
fn a_terminal_is_one_for_the_program_too() {
    let scene = Scene::with_shop();
    let terminal = Terminal::new(97, 31);
    let shows = |what: &str| {
        scene.hythe.wait_until(&format!("the terminal shows {what:?}"), || {
            terminal.screen().contains(what)
        });
    };
    assert!(terminal.is_as_usual());
    let mut child = terminal.start(&scene.hythe.command(&["run", "shop", "--", "sh"]));
    terminal.type_in("test -t 0 && test -t 1 && echo is a $((1+1))-way terminal\n");
    shows("is a 2-way terminal");
    assert!(!terminal.is_as_usual(), "keys go as they are");
    scene.hythe.wait_until("the program sees its size", || {
        terminal.type_in("stty size\n");
        std::thread::sleep(Duration::from_millis(200));
        terminal.screen().contains("31 97")
    });
    terminal.resize(120, 40);
    scene.hythe.wait_until("the program sees the other size", || {
        terminal.type_in("stty size\n");
        std::thread::sleep(Duration::from_millis(200));
        terminal.screen().contains("40 120")
    });
    terminal.type_in("echo sleeps $((1+2)); sleep 600\n");
    shows("sleeps 3");
    terminal.type_in("\u{3}");
    terminal.type_in("echo code $?, goes on\n");
    shows("code 130, goes on");
    terminal.type_in("exit 5\n");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(5), "{}", terminal.screen());
    assert!(terminal.is_as_usual(), "it is as it was");

    // Told to end, it gives the terminal back as well.
    let mut child = terminal.start(&scene.hythe.command(&["run", "shop", "--", "sh"]));
    scene.hythe.wait_until("keys go as they are", || !terminal.is_as_usual());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    scene.hythe.wait_until("it runs", || scene.hythe.containers().len() == 2);
    kill(pid, Signal::SIGHUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert!(terminal.is_as_usual(), "it is as it was");
    only_the_replica_is_left(&scene);
    scene.finish();
}

#[test]
fn whoever_dies_a_command_is_ended_and_nothing_of_it_is_left() {
    let scene = Scene::with_shop();
    // Whoever ran it.
    let mut child = goes_on(&scene);
    child.kill().unwrap();
    child.wait().unwrap();
    only_the_replica_is_left(&scene);
    // The worker.
    let child = goes_on(&scene);
    scene.hythe.kill("agent");
    let said = ended(child);
    assert_eq!(said.code, 125, "{}", said.err);
    assert!(said.err.contains("not heard of"), "{}", said.err);
    only_the_replica_is_left(&scene);
    // The control plane.
    let child = goes_on(&scene);
    scene.hythe.kill("server");
    let said = ended(child);
    assert_eq!(said.code, 125, "{}", said.err);
    only_the_replica_is_left(&scene);
    let told = told(&scene);
    assert_eq!(counted(&told), (3, 3), "{told}");
    assert!(told.contains("client_gone") && told.contains("lost"), "{told}");
    scene.finish();
}

#[test]
fn a_reader_that_stalls_stops_the_program_and_loses_nothing() {
    let scene = Scene::with_shop();
    let command = "i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero; i=$((i+1)); \
                   echo $i >&2; done";
    let mut child =
        scene.hythe.command(&["run", "shop", "--", "sh", "-c", command]).spawn().unwrap();
    let mut told = child.stderr.take().unwrap();
    let telling = std::thread::spawn(move || {
        let mut text = String::new();
        told.read_to_string(&mut text).map(|_| text)
    });
    let mut out = child.stdout.take().unwrap();
    let mut first = [1; 1000];
    out.read_exact(&mut first).unwrap();
    // Long enough to write all of it many times over, were nobody to hold it up.
    std::thread::sleep(Duration::from_secs(3));
    let (status, _) = scene.hythe.api("GET", "/api/v1/apps/shop/runs", None);
    assert_eq!(status, 200);
    assert_eq!(runs(&scene).len(), 1, "it has not ended: it waits for its reader");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(first.len() + rest.len(), 40_000_000);
    assert!(child.wait().unwrap().success());
    assert_eq!(telling.join().unwrap().unwrap().lines().count(), 40);
    // Nobody reads on.
    let command = "yes | hythe run shop -- cat | head -n 1";
    let mut shell = scene.hythe.command(&[]);
    let program = shell.get_program().to_owned();
    let line = command.replace("hythe", program.to_str().unwrap());
    let mut piped = std::process::Command::new("sh");
    for (name, value) in shell.env("LC_ALL", "C").get_envs() {
        piped.env(name, value.unwrap_or_default());
    }
    for unset in ["HYTHE_DATA", "HYTHE_TOKEN_FILE", "HYTHE_CA_FILE"] {
        piped.env_remove(unset);
    }
    let output = piped.args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "y\n");
    only_the_replica_is_left(&scene);
    scene.finish();
}

#[test]
fn a_detached_command_goes_on_by_itself_and_can_be_read_and_stopped() {
    let scene = Scene::with_shop();
    let hythe = &scene.hythe;
    let begin = |command: &str| {
        let said = hythe.run(&["run", "shop", "--detach", "--", "sh", "-c", command]);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out.trim().to_owned()
    };
    let run = begin("echo first; echo second >&2; sleep 600");
    let listed = hythe.json(&["runs", "ls", "shop"]);
    assert_eq!(listed[0]["id"], json!(run), "{listed}");
    assert_eq!(listed[0]["program"], "sh", "{listed}");
    // The agent may die meanwhile.
    hythe.kill("agent");
    let reading = hythe.command(&["runs", "logs", &run]);
    let mut reading = { reading }.spawn().unwrap();
    let mut said = [0; 6];
    if reading.stdout.as_mut().unwrap().read_exact(&mut said).is_err() {
        // It was asked while there was no agent.
        reading.wait().unwrap();
        hythe.wait_until("the log can be read", || {
            reading = hythe.command(&["runs", "logs", &run]).spawn().unwrap();
            reading.stdout.as_mut().unwrap().read_exact(&mut said).is_ok()
        });
    }
    assert_eq!(&said, b"first\n");
    assert_eq!(runs(&scene).len(), 1, "it goes on");
    let stopped = hythe.run(&["runs", "stop", &run]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let said = ended(reading);
    assert_ne!(said.code, 0);
    assert_eq!(said.err, "second\n");
    hythe.wait_until("the journal knows how it ended", || runs(&scene).is_empty());
    let told = told(&scene);
    assert!(told.contains("{\"cut\":\"stopped\"}"), "{told}");
    // A deleted app takes its commands with it.
    begin("sleep 600");
    scene.finish();
}
