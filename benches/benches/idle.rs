//! What an installation with one live app takes when nobody asks it for anything.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure stops")]

use std::time::{Duration, Instant};

use hythe_benches::{figure, resident_mb};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, apps};

const WATCHED_FOR: Duration = Duration::from_secs(30);

fn main() {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let page = apps::page("idle");
    let _repository = repositories.create("app", &apps::files(&page));
    hythe.json(&["deploy", "app", "--repo", &format!("{}/app.git", git.url()), "--wait"]);

    let parts = ["server", "agent", "edge", "nats", "up"];
    let pids: Vec<_> = parts
        .iter()
        .filter_map(|part| {
            let pid = if *part == "up" { hythe.up_pid() } else { hythe.pid(part) };
            pid.map(|pid| (*part, pid))
        })
        .collect();
    assert_eq!(pids.len(), parts.len(), "a part is missing");
    let before: Vec<f64> = pids.iter().map(|(_, pid)| cpu_seconds(pid.as_raw())).collect();
    let begin = Instant::now();
    std::thread::sleep(WATCHED_FOR);
    let watched = begin.elapsed().as_secs_f64();
    let (mut memory, mut cpu) = (0.0, 0.0);
    for ((part, pid), before) in pids.iter().zip(before) {
        let resident = resident_mb(pid.as_raw().cast_unsigned());
        let share = (cpu_seconds(pid.as_raw()) - before) / watched * 100.0;
        figure(&format!("idle {part}, resident"), resident, "MB");
        figure(&format!("idle {part}, CPU"), share, "% of a core");
        memory += resident;
        cpu += share;
    }
    figure("idle, all processes, resident", memory, "MB");
    figure("idle, all processes, CPU", cpu, "% of a core");
    hythe.finish();
}

/// User and system time, fields 14 and 15 of `/proc/PID/stat`, in ticks of 10 ms.
fn cpu_seconds(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
