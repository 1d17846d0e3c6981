//! A machine that is lost under load: what was acknowledged more than a second before is there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hythe_tests::installation::curl;

use crate::server::{Server, offline, wait_until};

/// What may be lost.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// How long there is load before the machine is lost.
const LOAD_FOR: Duration = Duration::from_secs(4);

fn rounds() -> usize {
    if std::env::var_os("HYTHE_SOAK").is_some() { 20 } else { 1 }
}

#[test]
fn a_mirror_loses_at_most_the_last_second() {
    for _ in 0..rounds() {
        lose_a_machine();
    }
}

fn lose_a_machine() {
    let mut server = Server::start();
    let key = server.path("k.key");
    let key = key.to_str().unwrap().to_owned();
    assert_eq!(offline(&["backup", "key", &key]).code, 0);
    let second_disk = server.folder("second-disk");
    let set = server.run(&["backup", "mirror", &second_disk, "--key-file", &key]);
    assert_eq!(set.code, 0, "{}", set.err);
    wait_until("the mirror has begun", || {
        server.status()["backup"]["mirror"]["head"].as_u64() > Some(0)
    });

    let acknowledged: Mutex<Vec<(Instant, String)>> = Mutex::default();
    let stop = AtomicBool::new(false);
    let killed = std::thread::scope(|scope| {
        for client in 0..4 {
            let (server, acknowledged, stop) = (&server, &acknowledged, &stop);
            scope.spawn(move || create_apps(server, client, acknowledged, stop));
        }
        std::thread::sleep(LOAD_FOR);
        let pid = server.pid();
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        let killed = Instant::now();
        stop.store(true, Ordering::Relaxed);
        killed
    });
    server.kill();
    // What was really there, to compare with; the machine does not have it any more.
    let lost = server.path("lost");
    std::fs::rename(server.data(), &lost).unwrap();

    let data = server.data();
    let data = data.to_str().unwrap().to_owned();
    let args = ["restore", "--mirror", &second_disk, "--key-file", &key, "--data", &data, "--json"];
    let back = offline(&args);
    assert_eq!(back.code, 0, "{}", back.err);
    let back = back.json();
    let head = back["head"].as_u64().unwrap();
    let (whole, _) = Server::replayed(&lost);
    assert!(head <= whole, "nothing is invented: {head} of {whole}");
    let until = head.to_string();
    let same = offline(&[
        "journal",
        "replay",
        "--data",
        lost.to_str().unwrap(),
        "--until",
        &until,
        "--json",
    ]);
    assert_eq!(same.json()["state_hash"], back["state_hash"], "it is a beginning of what was");

    server.up();
    let apps = server.run(&["app", "ls", "--json"]).out;
    let acknowledged = acknowledged.into_inner().unwrap();
    let owed: Vec<&String> = acknowledged
        .iter()
        .filter(|(at, _)| killed.duration_since(*at) > LAST_SECOND)
        .map(|(_, name)| name)
        .collect();
    assert!(owed.len() > 20, "there was load: {}", owed.len());
    let missing: Vec<&&String> =
        owed.iter().filter(|name| !apps.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), owed.len());
    server.kill();
    let verified = offline(&["journal", "verify", "--data", &data]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

fn create_apps(
    server: &Server,
    client: u32,
    acknowledged: &Mutex<Vec<(Instant, String)>>,
    stop: &AtomicBool,
) {
    let url = format!("http://{}/api/v1/apps", server.address);
    let bearer = format!("Authorization: Bearer {}", server.token());
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("app-{client}-{n}");
        n += 1;
        let body = format!("{{\"name\":\"{name}\"}}");
        let args = ["-X", "POST", &url, "-H", &bearer, "-H", "Content-Type: application/json"];
        let rest = ["-d", &body, "-o", "/dev/null", "-w", "%{http_code}"];
        let said = curl(&[&args[..], &rest].concat());
        if said.out == "201" {
            acknowledged.lock().unwrap().push((Instant::now(), name));
        }
    }
}
