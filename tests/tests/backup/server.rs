//! One `hythe server`, without NATS and workers: its API answers, and that is all that is needed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hythe_tests::http::ask;
use hythe_tests::installation::{Said, hythe};
use hythe_tests::object_store::{ACCESS_KEY, SECRET_KEY};
use hythe_tests::ports::free_addresses;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let home = TempDir::with_prefix("hythe-backup-").unwrap();
        let [address] = free_addresses();
        let mut server = Self { home, address, process: None };
        server.up();
        server
    }

    /// Where its files lie.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A folder for backups, made.
    pub(crate) fn folder(&self, name: &str) -> String {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        format!("file://{}", folder.display())
    }

    pub(crate) fn up(&mut self) {
        let log = std::fs::File::create(self.path("server.log")).unwrap();
        let child = with_credentials(&mut hythe())
            .args(["server", "--nats", "nats://127.0.0.1:1", "--data"])
            .arg(self.data())
            .args(["--gateway", &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        wait_until("the server answers", || {
            let answer = ask(self.address, "GET", "/healthz", &[], "");
            answer.is_some_and(|(status, _)| status == 200)
        });
    }

    /// The process.
    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        let id = self.process.as_ref().unwrap().id();
        nix::unistd::Pid::from_raw(i32::try_from(id).unwrap())
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("owner.token")).unwrap().trim().to_owned()
    }

    /// A command of the CLI that asks this server.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = hythe();
        command
            .args(args)
            .env("HYTHE_URL", format!("http://{}", self.address))
            .env("HYTHE_TOKEN", self.token())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().unwrap().into()
    }

    /// One that must succeed; says its JSON document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat());
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said.json()
    }

    pub(crate) fn create_app(&self, name: &str) {
        let said = self.run(&["app", "create", name]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }

    /// The server's status, whether all is well or not.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "--json"]).json()
    }

    /// The names of the events so far.
    pub(crate) fn events(&self) -> String {
        self.run(&["events", "--after", "0", "--json"]).out
    }

    /// Head and state hash of the journal, which no server may have open.
    pub(crate) fn replayed(data: &Path) -> (u64, String) {
        let data = data.to_str().unwrap();
        let said = offline(&["journal", "replay", "--data", data, "--json"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let said = said.json();
        (said["until"].as_u64().unwrap(), said["state_hash"].as_str().unwrap().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Gone already, or gone now.
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("server.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = lines.into_iter().rev().collect();
            drop(std::io::Write::write_all(&mut std::io::stderr(), tail.join("\n").as_bytes()));
        }
    }
}

/// A command that needs no server.
pub(crate) fn offline(args: &[&str]) -> Said {
    with_credentials(&mut hythe()).args(args).stdin(Stdio::null()).output().unwrap().into()
}

fn with_credentials(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env_remove("HYTHE_BACKUP_KEY")
        .env_remove("HYTHE_BACKUP_KEY_FILE")
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    loop {
        let look = Instant::now();
        if holds() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        // As long as the look took: most of them are commands.
        let took = look.elapsed();
        std::thread::sleep(took.clamp(Duration::from_millis(20), Duration::from_millis(250)));
    }
}
