//! A whole installation for one test: `hythe up` with data, ports and parts of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::failpoints::Failpoints;
use crate::http::{ask, ask_at};
use crate::ports::free_addresses;
use crate::small_disk::SmallDisk;

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// From one look to the next where something is waited for: as long as the look itself took, within these
/// bounds, so that whoever waits leaves most of the machine to what is waited for.
const LOOK: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));
/// Characters of an engine's ids, as its client shows them.
const SHORT_ID: usize = 12;

/// A running installation. Stopped, checked for leftovers and verified when it is dropped.
#[derive(Debug)]
pub struct Installation {
    /// Goes before the folder that it lies over.
    disk: Option<SmallDisk>,
    data: TempDir,
    failpoints: Failpoints,
    extra: Vec<OsString>,
    environment: Vec<(&'static str, &'static str)>,
    gateway: SocketAddr,
    edge: SocketAddr,
    up: Option<std::process::Child>,
}

/// What a command of the CLI gave.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// The JSON document on standard output.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|why| panic!("no JSON ({why}): {}\n{}", self.out, self.err))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Installation {
    /// Starts one and waits until it is ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments for `hythe up`.
    #[must_use]
    pub fn start_with(extra: &[&str]) -> Self {
        let mut installation = Self::prepare(extra);
        installation.up();
        installation
    }

    /// The same, with its data on a small disk.
    #[must_use]
    pub fn start_on_small_disk(size: &str) -> Self {
        let mut installation = Self::prepare_in(Some(size), &[]);
        installation.up();
        installation
    }

    /// One that is not started yet.
    #[must_use]
    pub fn prepare(extra: &[&str]) -> Self {
        Self::prepare_in(None, extra)
    }

    fn prepare_in(size: Option<&str>, extra: &[&str]) -> Self {
        let [gateway, edge] = free_addresses();
        let data = TempDir::with_prefix("hythe-test-").expect("a temporary folder");
        Self {
            disk: size.map(|size| SmallDisk::over(data.path(), size)),
            data,
            failpoints: Failpoints::default(),
            extra: extra.iter().map(OsString::from).collect(),
            environment: Vec::new(),
            gateway,
            edge,
            up: None,
        }
    }

    /// Further variables for `hythe up` and its parts, from the next start on.
    pub fn environment(&mut self, variables: &[(&'static str, &'static str)]) {
        self.environment = variables.to_vec();
    }

    /// Starts `hythe up` on the same data (again) and waits until it is ready.
    pub fn up(&mut self) {
        let log = std::fs::File::create(self.data().join("up.log")).expect("a log file");
        let child = hythe()
            .arg("up")
            .arg("--data")
            .arg(self.data())
            .args(["--gateway", &self.gateway.to_string()])
            .args(["--edge-http", &self.edge.to_string()])
            .args(&self.extra)
            .env(hythe_store::steps::FOLDER, self.failpoints.folder())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("hythe starts");
        self.up = Some(child);
        let mut child = self.up.take();
        self.wait_until("hythe up is ready", || {
            let ended = child.as_mut().and_then(|up| up.try_wait().expect("it can be asked"));
            assert!(ended.is_none(), "hythe up ended: {ended:?}\n{}", self.logs());
            let answer = ask(self.gateway, "GET", "/readyz", &[], "");
            answer.is_some_and(|(status, _)| status == 200)
        });
        self.up = child;
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The small disk.
    #[must_use]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was started on a small disk")
    }

    /// Where its processes can be made to die.
    #[must_use]
    pub const fn failpoints(&self) -> &Failpoints {
        &self.failpoints
    }

    /// The gateway's address.
    #[must_use]
    pub const fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The edge's address.
    #[must_use]
    pub const fn edge(&self) -> SocketAddr {
        self.edge
    }

    /// The owner token.
    #[must_use]
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(self.data().join("owner.token"));
        token.expect("the owner token").trim().to_owned()
    }

    /// The installation's id, as its containers are labelled.
    #[must_use]
    pub fn id(&self) -> String {
        let id = std::fs::read_to_string(self.data().join("instance"));
        id.expect("the installation's id").trim().to_owned()
    }

    /// A command of the CLI, not started yet.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = hythe();
        command
            .args(args)
            .env("HYTHE_URL", format!("http://{}", self.gateway))
            .env("HYTHE_TOKEN", self.token())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command of the CLI to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().expect("hythe runs").into()
    }

    /// Runs a command that must succeed; says its JSON document.
    pub fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat());
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said.json()
    }

    /// A request to the API; says status and body.
    #[must_use]
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token());
        let text = body.map(Value::to_string).unwrap_or_default();
        document(ask(self.gateway, method, path, &[("Authorization", bearer.as_str())], &text))
    }

    /// What a provider tells at this path, with headers such as `Name: value`; says status and body.
    #[must_use]
    pub fn tell(&self, path: &str, headers: &[&str], body: &Value) -> (u16, Value) {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|header| header.split_once(": ").expect("a header such as `Name: value`"))
            .collect();
        document(ask(self.gateway, "POST", path, &headers, &body.to_string()))
    }

    /// Asks the edge for an app's page; says status and body.
    #[must_use]
    pub fn get(&self, app: &str, path: &str) -> (u16, String) {
        let host = format!("{app}.localhost");
        let answer = ask(self.edge, "GET", path, &[("Host", host.as_str())], "");
        let (status, body) = answer.unwrap_or_default();
        (status, body.trim_end().to_owned())
    }

    /// The process of a part: `server`, `agent`, `edge` or `nats`.
    #[must_use]
    pub fn pid(&self, part: &str) -> Option<Pid> {
        let text = std::fs::read_to_string(self.data().join("run").join(format!("{part}.pid")));
        let pid = text.ok()?.split_whitespace().next()?.parse().ok()?;
        alive(Pid::from_raw(pid)).then_some(Pid::from_raw(pid))
    }

    /// The process of `hythe up` itself.
    #[must_use]
    pub fn up_pid(&self) -> Option<Pid> {
        Some(Pid::from_raw(i32::try_from(self.up.as_ref()?.id()).ok()?))
    }

    /// Kills a part with SIGKILL and waits until another one runs in its place.
    pub fn kill(&self, part: &str) {
        let old = self.pid(part).unwrap_or_else(|| panic!("{part} runs"));
        kill(old, Signal::SIGKILL).expect("it can be killed");
        self.wait_until(&format!("{part} runs again"), || {
            self.pid(part).is_some_and(|new| new != old)
        });
    }

    /// The status of a deployment, and its whole document.
    #[must_use]
    pub fn deployment(&self, id: &str) -> (String, Value) {
        let (status, body) = self.api("GET", &format!("/api/v1/deployments/{id}"), None);
        if status != 200 {
            return (String::new(), body);
        }
        (body["status"].as_str().unwrap_or_default().to_owned(), body)
    }

    /// Waits until a deployment's status is one of `wanted`; says its document.
    pub fn wait_for_status(&self, id: &str, wanted: &[&str]) -> Value {
        let mut last = Value::Null;
        self.wait_until(&format!("deployment {id} is {wanted:?}"), || {
            let (status, body) = self.deployment(id);
            last = body;
            wanted.contains(&status.as_str())
        });
        last
    }

    /// Waits for something that nothing announces; panics with the parts' logs when it takes
    /// longer than [`PATIENCE`].
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        loop {
            let look = Instant::now();
            if holds() {
                return;
            }
            let took = look.elapsed();
            assert!(
                start.elapsed() < PATIENCE,
                "waited {PATIENCE:?} until {what}\n{}",
                self.logs()
            );
            std::thread::sleep(took.clamp(LOOK.0, LOOK.1));
        }
    }

    /// The last lines of every part's log.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut files = vec![self.data().join("up.log")];
        let folder = std::fs::read_dir(self.data().join("logs")).into_iter().flatten();
        files.extend(folder.flatten().map(|entry| entry.path()));
        let tail = |path: &PathBuf| {
            let text = std::fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(60);
            format!("== {}\n{}\n", path.display(), lines[from..].join("\n"))
        };
        files.iter().map(tail).collect()
    }

    /// The ids of this installation's containers, running or not.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        match self.listed("/containers/json", "all=true&") {
            Some(listed) => ids(&listed),
            None => self.owned("ps", &["--all"]),
        }
    }

    /// The ids of this installation's networks.
    #[must_use]
    pub fn networks(&self) -> Vec<String> {
        match self.listed("/networks", "") {
            Some(listed) => ids(&listed),
            None => self.owned("network", &["ls"]),
        }
    }

    /// The names of this installation's volumes.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        self.owned("volume", &["ls"])
    }

    /// What an engine on this machine has of this installation, as its API says it: its client takes many
    /// times as long, and tests ask all the time. None where the engine is somewhere else.
    #[must_use]
    pub fn listed(&self, path: &str, query: &str) -> Option<Value> {
        let socket = match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => PathBuf::from(host.strip_prefix("unix://")?),
            Ok(_) | Err(_) => PathBuf::from("/var/run/docker.sock"),
        };
        // {"label":["hythe.instance=ID"]}
        let filter = format!("%7B%22label%22%3A%5B%22hythe.instance%3D{}%22%5D%7D", self.id());
        let (status, body) = ask_at(&socket, &format!("{path}?{query}filters={filter}"))?;
        (status == 200).then(|| serde_json::from_str(&body).ok()).flatten()
    }

    fn owned(&self, verb: &str, args: &[&str]) -> Vec<String> {
        let filter = format!("label=hythe.instance={}", self.id());
        let output = Command::new("docker")
            .arg(verb)
            .args(args)
            .args(["--quiet", "--filter", &filter])
            .output()
            .expect("the docker client runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Deletes every app, stops, and sees that nothing is left and the journal is whole, running
    /// and stopped.
    pub fn finish(mut self) {
        self.verify();
        let apps = self.json(&["app", "ls"]);
        for app in apps.as_array().or_else(|| apps["apps"].as_array()).into_iter().flatten() {
            let path = format!("/api/v1/apps/{}", app["name"].as_str().unwrap_or_default());
            let (status, body) = self.api("DELETE", &path, None);
            assert!(status < 300, "{status} {body}");
        }
        self.wait_until("the containers are gone", || self.containers().is_empty());
        self.wait_until("the networks are gone", || self.networks().is_empty());
        let parts: Vec<(&str, Option<Pid>)> =
            ["server", "agent", "edge", "nats"].map(|part| (part, self.pid(part))).to_vec();
        self.stop();
        for (part, pid) in parts {
            let pid = pid.expect("it ran until then");
            self.wait_until(&format!("{part} ({pid}) has stopped"), || !alive(pid));
        }
        self.verify();
    }

    /// Sees that the journal is whole: by itself, or by asking the server that has it open.
    pub fn verify(&self) {
        let data = self.data().to_str().expect("a plain path");
        let verified: Said = hythe()
            .args(["journal", "verify", "--data", data])
            .output()
            .expect("hythe runs")
            .into();
        assert_eq!(verified.code, 0, "journal verify: {}{}", verified.out, verified.err);
    }

    /// Stops `hythe up` with SIGTERM and waits for its end.
    pub fn stop(&mut self) {
        let Some(mut up) = self.up.take() else { return };
        let pid = Pid::from_raw(i32::try_from(up.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("it can be told to stop");
        let start = Instant::now();
        while up.try_wait().expect("it can be waited for").is_none() {
            if start.elapsed() > PATIENCE {
                up.kill().expect("it can be killed");
                panic!("hythe up did not stop within {PATIENCE:?}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills `hythe up` itself with SIGKILL; its parts may live on.
    pub fn kill_up(&mut self) {
        if let Some(mut up) = self.up.take() {
            up.kill().expect("it can be killed");
            up.wait().expect("it ends");
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // Only a test that failed comes here with anything left.
        if std::thread::panicking() {
            if std::env::var_os("HYTHE_TEST_LOGS").is_some() {
                let _the_test_fails_anyway =
                    std::io::Write::write_all(&mut std::io::stderr(), self.logs().as_bytes());
            }
            for part in ["server", "agent", "edge", "nats"] {
                if let Some(pid) = self.pid(part) {
                    let _gone_already = kill(pid, Signal::SIGKILL);
                }
            }
            if let Some(mut up) = self.up.take() {
                let _gone_already = up.kill();
                let _gone_already = up.wait();
            }
            for part in ["server", "agent", "edge", "nats"] {
                if let Some(pid) = self.pid(part) {
                    let _gone_already = kill(pid, Signal::SIGKILL);
                }
            }
            if self.data().join("instance").exists() {
                for id in self.containers() {
                    let _gone_already = Command::new("docker").args(["rm", "-f", &id]).output();
                }
                for id in self.networks() {
                    let _gone_already =
                        Command::new("docker").args(["network", "rm", &id]).output();
                }
                for name in self.volumes() {
                    let _gone_already =
                        Command::new("docker").args(["volume", "rm", &name]).output();
                }
            }
        } else {
            self.stop();
        }
    }
}

/// Whether a process runs; one that only waits to be collected does not.
#[must_use]
pub fn alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// The `hythe` binary: `HYTHE_BIN`, or the one beside the tests.
#[must_use]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("HYTHE_BIN").map_or_else(
        || {
            let here = std::env::current_exe().expect("the test has a path");
            let target = here.ancestors().find(|path| path.join("hythe").is_file());
            target.map_or_else(PathBuf::new, |folder| folder.join("hythe"))
        },
        PathBuf::from,
    );
    assert!(path.is_file(), "no hythe binary: run `cargo build -p hythe-gateway` first");
    path
}

/// The `hythe` command, with the tools that this repository installs on its path.
#[must_use]
pub fn hythe() -> Command {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.hythe/tools/bin");
    let mut path = vec![tools];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(binary());
    command.env("PATH", std::env::join_paths(path).expect("a path"));
    for name in ["HYTHE_URL", "HYTHE_TOKEN", "HYTHE_DATA"] {
        command.env_remove(name);
    }
    command
}

/// Status and document of an answer; 0 where there was none.
fn document(answer: Option<(u16, String)>) -> (u16, Value) {
    let (status, body) = answer.unwrap_or_default();
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// The ids in an engine's list, as its client shows them.
fn ids(listed: &Value) -> Vec<String> {
    let all = listed.as_array().into_iter().flatten();
    all.filter_map(|one| Some(one["Id"].as_str()?.get(..SHORT_ID)?.to_owned())).collect()
}

/// Runs curl; what cannot be reached gives an empty answer.
#[must_use]
pub fn curl(args: &[&str]) -> Said {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(args)
        .output()
        .expect("curl runs; is it installed?");
    output.into()
}
