//! The command line from outside: exit codes, messages, pipes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use super::common::{hythe, run};
use super::ports::free_addresses;

#[test]
fn exit_codes_say_what_kind_of_end_it_was() {
    let home = tempfile::tempdir().unwrap();
    let [nobody] = free_addresses();
    let url = format!("http://{nobody}");
    let missing = home.path().join("missing");
    let missing = missing.to_str().unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["--version"], 0, ""),
        (&["--help"], 0, ""),
        (&["completions", "bash"], 0, ""),
        (&["detect", missing], 2, "is no folder"),
        (&["detect", "--base-images", "https://x"], 2, "mirror"),
        // Nobody is there.
        (&["app", "ls"], 3, "hythe up"),
        (&["app", "show", "shop"], 3, "HYTHE_URL"),
        (&["deploy", "shop", "--repo", "https://git.example/a.git"], 3, "hythe up"),
        (&["deployments", "ls", "shop"], 3, "hythe up"),
        (&["cancel", "shop"], 3, "hythe up"),
        (&["env", "set", "shop", "A=1"], 3, "hythe up"),
        (&["logs", "shop"], 3, "hythe up"),
        (&["logs", "shop", "-f"], 3, "hythe up"),
        (&["events", "-f"], 3, "hythe up"),
        (&["ps"], 3, "hythe up"),
        (&["worker", "ls"], 3, "hythe up"),
        (&["open", "shop"], 3, "hythe up"),
        (&["link", "shop"], 3, "hythe up"),
        // Wrong, and nobody was asked.
        (&[], 2, "Usage"),
        (&["frobnicate"], 2, "unrecognized"),
        (&["deploy", "Shop"], 2, "app name"),
        (&["deploy", "-shop"], 2, ""),
        (&["deploy", "shop\n"], 2, "app name"),
        (&["deploy", "$(id)"], 2, "app name"),
        (&["deploy", "../shop"], 2, "name the app first"),
        (&["deploy", "shop", "--repo", "--upload-pack=x"], 2, ""),
        (&["deploy", "shop", "--repo", "https://u:p@h/a"], 2, "password"),
        (&["deploy", "shop", "--commit", "HEAD"], 2, "hexadecimal"),
        (&["deploy", "shop", "--port", "0"], 2, ""),
        (&["deploy", "shop", "--env", "A B=x"], 2, "variable"),
        (&["env", "set", "shop", "novalue"], 2, "NAME=VALUE"),
        (&["env", "set", "shop", "--env-file", missing], 2, "missing"),
        (&["cancel", "No One"], 2, "app name"),
        (&["--url", "ftp://x", "app", "ls"], 2, "HYTHE_URL"),
        (&["--token-file", missing, "app", "ls"], 2, "missing"),
        (&["link", "Shop"], 2, "app name"),
        (&["stop"], 2, "required"),
        // Broken, or not there.
        (&["link"], 1, "hythe link APP"),
        (&["unlink"], 1, "linked to no app"),
        (&["journal", "verify", "--data", missing], 1, "there is none"),
        (&["journal", "replay", "--data", missing], 1, "there is none"),
        (&["journal", "export", "--data", missing], 1, "there is none"),
    ];
    for (args, code, word) in rows {
        let home = home.path();
        let mut command = hythe();
        command.args(*args).env("HYTHE_URL", &url).env("HOME", home);
        let said = run(command.env_remove("XDG_CONFIG_HOME"));
        assert_eq!(said.code, *code, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(word), "{args:?}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{args:?}: {}", said.err);
    }
    assert!(!Path::new(missing).exists(), "looking at a journal makes none");
}

#[test]
fn a_value_that_is_refused_is_not_repeated() {
    for args in
        [&["env", "set", "shop", "A B=hush-hush"][..], &["deploy", "shop", "--env", "1=hush-hush"]]
    {
        let said = run(hythe().args(args));
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(!(said.out + &said.err).contains("hush-hush"));
    }
}

#[test]
fn an_error_is_a_document_too_where_json_is_wanted() {
    let [nobody] = free_addresses();
    let said = run(hythe().args(["app", "ls", "--json", "--url", &format!("http://{nobody}")]));
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["exit_code"], 3);
    assert!(document["error"].as_str().unwrap().contains("no answer"), "{document}");
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut child = hythe()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_answers_but_is_no_hythe_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /api/v1/apps"));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    });
    let said = run(hythe().args(["app", "ls", "--url", &url]));
    server.join().unwrap();
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("no Hythe"), "{}", said.err);
}

#[test]
fn what_fails_after_the_result_is_no_second_document() {
    let worker = serde_json::json!({
        "id": "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f", "name": "main", "images": 0,
        "image_bytes": 0, "disk_bytes": null, "disk_free_bytes": null, "going": [], "gone": [],
        "stayed": [], "cache_bytes": 0, "cache_going": [], "cache_gone_bytes": 0,
        "failed": "it is not heard of",
    });
    let found = serde_json::json!({
        "keep_versions": 5, "keep_image_bytes": 0, "keep_image_ms": 0, "keep_cache_bytes": 0,
        "keep_cache_ms": 0, "workers": [worker],
    });
    let body = found.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /api/v1/housekeeping"));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    });
    let said = run(hythe().args(["gc", "--dry-run", "--json", "--url", &url]));
    server.join().unwrap();
    assert_eq!(said.code, 1, "{}", said.err);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["workers"][0]["failed"], "it is not heard of");
    assert!(said.err.contains("not every worker"), "{}", said.err);
}

/// `hythe up` with an empty `PATH`, no engine, and these arguments besides.
fn up_without_anything(data: &Path, extra: &[&str]) -> super::common::Said {
    let [gateway, edge] = free_addresses();
    run(hythe()
        .args(["up", "--gateway", &gateway.to_string(), "--edge-http", &edge.to_string()])
        .arg("--data")
        .arg(data)
        .args(["--docker-host", "unix:///nonexistent/docker.sock"])
        .args(extra)
        .env("PATH", "/nonexistent"))
}

#[test]
fn without_nats_and_engine_the_message_names_the_ways_to_get_one() {
    let home = tempfile::tempdir().unwrap();
    let said = up_without_anything(&home.path().join("data"), &[]);
    assert_eq!(said.code, 1, "{}", said.err);
    for way in ["nats-server on PATH", "--nats-server", "Docker", "--nats", "releases"] {
        assert!(said.err.contains(way), "{way}: {}", said.err);
    }
}

// The one program here that is not the real one: a nats-server of 2022 is not to be had on every
// machine, and all that is asked of it is its version.
#[test]
fn a_nats_server_that_is_too_old_is_named_with_its_version() {
    let home = tempfile::tempdir().unwrap();
    let stub = home.path().join("nats-server");
    for (says, words) in [
        ("nats-server: v2.9.10", &["2.9.10", "2.10.0", "releases", "--nats-server"][..]),
        ("hello", &["hello", "--nats-server"]),
    ] {
        std::fs::write(&stub, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = home.path().join("data");
        let said = up_without_anything(&data, &["--nats-server", stub.to_str().unwrap()]);
        assert_eq!(said.code, 1, "{}", said.err);
        for word in words {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
    }
    let gone = home.path().join("gone");
    let said =
        up_without_anything(&home.path().join("data"), &["--nats-server", gone.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("gone"), "{}", said.err);
}

#[test]
fn a_folder_of_somebody_else_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("thesis.tex"), "x").unwrap();
    let said = up_without_anything(home.path(), &[]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("--data"), "{}", said.err);
}

#[test]
fn an_external_nats_that_does_not_answer_is_not_reached() {
    let home = tempfile::tempdir().unwrap();
    let [nobody] = free_addresses();
    let url = format!("nats://{nobody}");
    let said = up_without_anything(&home.path().join("data"), &["--nats", &url]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains(&nobody.port().to_string()), "{}", said.err);
}

#[tokio::test]
async fn an_export_goes_out_and_in_again_and_verifies() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    hythe_gateway::up::DataDir::prepare(&first).unwrap();
    let journal =
        hythe_store::Journal::open(&first, hythe_store::JournalOptions::default()).unwrap();
    let held = run(hythe().args(["journal", "verify", "--data"]).arg(&first));
    assert_eq!(held.code, 1, "{}", held.err);
    assert!(held.err.contains("stop it first"), "{}", held.err);
    journal.append(one_event()).await.unwrap();
    journal.close();
    drop(journal);
    let journal = |command: &[&str], data: &Path, file: Option<&Path>| {
        let said = run(hythe()
            .arg("journal")
            .args(command)
            .args(["--json", "--data"])
            .arg(data)
            .args(file));
        assert_eq!(said.code, 0, "{command:?}: {}", said.err);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
    };
    let file = home.path().join("export.jsonl");
    assert_eq!(journal(&["verify"], &first, None)["ok"], true);
    let out = journal(&["export"], &first, Some(&file));
    let back = journal(&["import"], &second, Some(&file));
    assert_eq!(out, back);
    let (one, two) = (journal(&["replay"], &first, None), journal(&["replay"], &second, None));
    assert_eq!(one["state_hash"], two["state_hash"]);
    let again = run(hythe().args(["journal", "import", "--data"]).arg(&second).arg(&file));
    assert_eq!(again.code, 1, "there is a journal already: {}", again.err);
    // One flipped byte, in the record itself.
    flip(&second.join("journal"), NAME.as_bytes());
    let said = run(hythe().args(["journal", "verify", "--json", "--data"]).arg(&second));
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["ok"], false);
    let problem = &report["problems"][0];
    assert_eq!(problem["place"], "journal.redb", "{report}");
    assert!(problem["what"].as_str().unwrap().contains("page at byte"), "{report}");
}

const NAME: &str = "an-app-to-be-damaged";

fn one_event() -> hythe_store::Append {
    use hythe_core::record::{Actor, AggregateKind, Meta, StreamId, Version};
    let id = uuid::Uuid::now_v7();
    let event = hythe_core::event::Event::App(hythe_core::app::AppEvent::Created {
        id: hythe_core::ids::AppId::new(id),
        name: hythe_core::names::AppName::new(NAME).unwrap(),
        settings: Box::default(),
    });
    hythe_store::Append {
        stream: StreamId { kind: AggregateKind::App, id },
        expected: Version(0),
        events: vec![hythe_store::codec::encode(&event).unwrap()],
        meta: Meta {
            at: hythe_core::time::Timestamp(1),
            actor: Actor::Owner,
            correlation: hythe_core::ids::CorrelationId::new(id),
            causation: None,
        },
        claims: Vec::new(),
        secrets: Vec::new(),
        priority: Default::default(),
    }
}

/// Flips a bit of these bytes wherever they stand in the files of a folder.
fn flip(folder: &Path, pattern: &[u8]) {
    let mut flipped = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let found: Vec<_> = (0..bytes.len().saturating_sub(pattern.len()))
            .filter(|at| bytes[*at..].starts_with(pattern))
            .collect();
        flipped += found.len();
        found.into_iter().for_each(|at| bytes[at] ^= 1);
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(flipped > 0, "the record is in the log as it is");
}

#[test]
fn detect_says_what_a_folder_is_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [nobody] = free_addresses();
    let detect = |args: &[&str]| {
        let mut command = hythe();
        command.arg("detect").args(args).env("HYTHE_URL", format!("http://{nobody}"));
        run(command.current_dir(folder.path()))
    };
    let nothing = detect(&[]);
    assert_eq!(nothing.code, 1, "{}", nothing.err);
    assert!(nothing.err.contains("nothing to build was found"), "{}", nothing.err);

    std::fs::write(at("package.json"), r#"{"scripts":{"start":"node a.js"}}"#).unwrap();
    // What git ignores is not in the repository, and so decides nothing.
    std::fs::write(at(".gitignore"), "Dockerfile\n").unwrap();
    std::fs::write(at("Dockerfile"), "FROM nothing\n").unwrap();
    let found = detect(&["--json"]);
    assert_eq!(found.code, 0, "{}", found.err);
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!((&found["runtime"], &found["port"]), (&"node".into(), &8080.into()), "{found}");
    assert_eq!(found["start"], "node a.js", "{found}");
    let dockerfile = detect(&["--dockerfile", "--base-images", "mirror.example/all"]).out;
    assert!(dockerfile.starts_with("FROM mirror.example/all/library/node:"), "{dockerfile}");
    assert!(detect(&[]).out.contains("because"), "people are told why");

    std::fs::write(at("hythe.toml"), "[build]\nstrat = \"x\"\n").unwrap();
    let wrong = detect(&[]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("line 2") && wrong.err.contains("start?"), "{}", wrong.err);
}
