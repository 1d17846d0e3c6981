//! What builds are kept to on this machine: these need root, as the agent does for it.

use std::net::TcpListener;
use std::process::Command;

use hythe_core::names::{BuildArg, BuildArgValue};

use super::super::cgroup::Limiter;
use super::super::{BuildLimits, Confinement, Network};
use super::world::{World, unique};

#[tokio::test]
async fn builds_together_may_use_no_more_memory_than_their_worker_gives_them() {
    let limits = BuildLimits { memory_bytes: 256 << 20, cpu_millis: 1_500 };
    let world = World::with(|settings| settings.guard.limits = Some(limits)).await;
    let mark = unique();
    // The first step makes the cgroup, where no build ever ran; the second is too large for it.
    // Another agent of this machine may have limits of its own: what counts is that ours come back.
    let text = format!(
        "FROM busybox\nRUN echo {mark}; sleep 3\n\
         RUN echo {mark}; for round in 1 2 3 4 5 6; do \
             head -c 400m /dev/zero | tail -c 400m >/dev/null || exit $?; sleep 0.4; done\n"
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let (build, outcome) = world.build(world.command("app")).await;
    let fault = outcome.map(|built| format!("{built:?}")).unwrap_err();
    assert!(fault.message.contains("137"), "{}\n{}", fault.message, build.text());
    assert!(fault.message.contains("--build-memory"), "{}", fault.message);
    assert_eq!(world.builder().remarks(), Vec::<String>::new());
    let capacity = crate::node::capacity();
    let (memory_bytes, cpu_millis) = (capacity.memory_bytes, capacity.cpu_millis);
    Limiter::new(BuildLimits { memory_bytes, cpu_millis }).hold();
}

#[tokio::test]
async fn builds_end_where_the_disk_has_too_little_room() {
    let world = World::with(|settings| settings.guard.least_free_bytes = u64::MAX).await;
    world.repository("app", &[("Dockerfile", "FROM busybox\nRUN sleep 600\n")]);
    let (_, outcome) = world.build(world.command("app")).await;
    let fault = outcome.unwrap_err().message;
    for part in ["MiB are free where the engine keeps its images", "free some room"] {
        assert!(fault.contains(part), "{fault}");
    }
    let disk = world.builder().disk().unwrap();
    assert!(disk.is_low() && disk.room.free > 0 && disk.room.whole >= disk.room.free, "{disk:?}");
}

#[tokio::test]
async fn a_build_ends_that_takes_more_of_the_disk_than_it_may() {
    let world = World::with(|settings| settings.guard.most_disk_bytes = Some(16 << 20)).await;
    let text = format!(
        "FROM busybox\nRUN echo {}; head -c 256m /dev/urandom >/filled; sync; sleep 600\n",
        unique()
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let (_, outcome) = world.build(world.command("app")).await;
    let fault = outcome.unwrap_err().message;
    for part in ["the engine's disk lost", "may take 16 MiB", "--build-disk"] {
        assert!(fault.contains(part), "{fault}");
    }
}

/// Runs a command of the engine's client, and answers with what it prints.
fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An app: a container on a network of its own, which listens on 8080.
struct App {
    id: String,
    network: String,
    address: String,
}

impl App {
    fn start() -> Self {
        let network = format!("hythe-test-{}", unique());
        docker(&["network", "create", &network]);
        let serve = "mkdir /w; echo reached-the-app >/w/index.html; exec httpd -f -p 8080 -h /w";
        let run = ["run", "-d", "--network", &network, "busybox", "sh", "-c", serve];
        let id = docker(&run);
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = docker(&["inspect", "-f", format, &id]);
        Self { id, network, address }
    }

    /// What a neighbour of it hears: that there is somebody to be reached.
    fn neighbour(&self, host: &str, path: &str) -> String {
        let script = ask(host, path);
        docker(&["run", "--rm", "--network", &self.network, "busybox", "sh", "-c", &script])
    }
}

/// Asks for a page; fails where there is no connection.
fn ask(host: &str, path: &str) -> String {
    let (address, port) = host.split_once(':').unwrap();
    format!("printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port}")
}

impl Drop for App {
    fn drop(&mut self) {
        for args in [["rm", "-f", &self.id], ["network", "rm", &self.network]] {
            let _ = Command::new("docker").args(args).output();
        }
    }
}

#[tokio::test]
async fn a_build_reaches_no_app_no_port_of_the_host_and_no_private_address() {
    let world = World::with(|settings| settings.guard.confinement = Confinement::Required).await;
    let app = App::start();
    // The host as builds see it: not every engine says so of its own bridge.
    let routes = docker(&["run", "--rm", "busybox", "ip", "route"]);
    let bridge = routes.strip_prefix("default via ").and_then(|rest| rest.split(' ').next());
    let bridge = bridge.expect("a route out of a container");
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut line = [0; 512];
            let length = stream.read(&mut line).unwrap_or(0);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nreached-the-host\n");
            if line[..length].starts_with(b"GET /stop") {
                return;
            }
        }
    });
    let (of_app, of_host) = (format!("{}:8080", app.address), format!("{bridge}:{port}"));
    assert!(app.neighbour(&of_app, "/").contains("reached-the-app"));
    assert!(app.neighbour(&of_host, "/").contains("reached-the-host"));

    let mut text = format!("FROM busybox\nRUN echo {}\n", unique());
    let hosts =
        [of_host.as_str(), of_app.as_str(), "169.254.169.254:80", "10.0.0.1:80", "192.168.0.1:80"];
    for host in hosts {
        let ask = ask(host, "/");
        text += &format!("RUN {ask} && echo GOT-THERE {host} || echo kept-away {host}\n");
    }
    // What is to be reached is: names can be asked for.
    text += "RUN nslookup localhost.invalid 2>&1 | grep -qi 'timed out' && echo no-names || echo names\n";
    world.repository("app", &[("Dockerfile", &text)]);
    let (build, outcome) = world.build(world.command("app")).await;
    assert!(outcome.is_ok(), "{outcome:?}\n{}", build.text());
    let said = |text: &str| {
        let line = |line: &str| line.split_once(' ').is_some_and(|(_, line)| line == text);
        build.lines.iter().any(|found| line(&found.text))
    };
    for host in hosts {
        assert!(said(&format!("kept-away {host}")), "{host}:\n{}", build.text());
    }
    assert!(!build.text().contains("reached-the"), "{}", build.text());
    assert!(said("names"), "{}", build.text());
    assert_eq!(world.builder().remarks(), Vec::<String>::new());
    let _ = app.neighbour(&of_host, "/stop");
    serving.join().unwrap();
}

#[tokio::test]
async fn what_a_dockerfile_adds_comes_from_the_internet_or_from_where_it_is_let() {
    let app = App::start();
    let text = format!(
        "FROM busybox\nARG AT\nADD http://${{AT}}:8080/index.html /{mark}\nRUN cat /{mark}\n",
        mark = unique()
    );
    // What listens there may only just have been started.
    assert!(app.neighbour(&format!("{}:8080", app.address), "/").contains("reached-the-app"));
    for allowed in [None, Some(app.address.parse::<Network>().unwrap())] {
        let world = World::with(|settings| {
            settings.guard.confinement = Confinement::Required;
            settings.guard.allowed = allowed.clone().into_iter().collect();
        })
        .await;
        world.repository("app", &[("Dockerfile", &text)]);
        let mut command = world.command("app");
        let at = BuildArgValue::new(&app.address).unwrap();
        command.spec.build.args.insert(BuildArg::new("AT").unwrap(), at);
        let (build, outcome) = world.build(command).await;
        if allowed.is_some() {
            assert!(outcome.is_ok(), "{outcome:?}");
            assert!(build.text().contains("reached-the-app"), "{}", build.text());
        } else {
            let fault = outcome.unwrap_err().message;
            let why = format!("--build-allow {}", app.address);
            assert!(fault.contains("line 3 of Dockerfile") && fault.contains(&why), "{fault}");
        }
    }
}
