//! An engine of a test's own: a real dockerd in namespaces of its own, which can be stopped, killed
//! and started again without anybody else noticing.
//!
//! The test itself moves there: network, mounts and processes are its own, so that the engine's
//! bridges and firewall rules meet nobody's, and all of it is gone when the test is, however it
//! ends. Needs root.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Says to a test that it has moved.
const MOVED: &str = "HYTHE_TEST_MOVED";
/// How long an engine may take to answer or to end.
const WITHIN: Duration = Duration::from_secs(60);

/// Runs the test of this name again in namespaces of its own, with an image of the machine's
/// engine. False in that other run: then the test is to be done.
///
/// # Panics
/// Where the other run failed, or namespaces cannot be had.
#[must_use]
pub fn moved_away(test: &str, image: &str) -> bool {
    if std::env::var_os(MOVED).is_some() {
        succeeds(Command::new("ip").args(["link", "set", "lo", "up"]));
        return false;
    }
    let folder = TempDir::with_prefix("hythe-engine-").expect("a temporary folder");
    let archive = folder.path().join("image.tar");
    succeeds(Command::new("docker").args(["save", image, "-o"]).arg(&archive));
    let root = nix::unistd::geteuid().is_root();
    let mut command = if root { Command::new("unshare") } else { Command::new("sudo") };
    if !root {
        command.args(["--non-interactive", "--preserve-env", "unshare"]);
    }
    let status = command
        .args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().expect("the test has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(MOVED, folder.path())
        .env("DOCKER_HOST", address(folder.path()))
        .stdin(Stdio::null())
        .status()
        .expect("unshare (util-linux) and, for others than root, sudo are installed");
    assert!(status.success(), "{test} failed in namespaces of its own (this needs root): {status}");
    true
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The engine of a test that has moved.
#[derive(Debug)]
pub struct OwnEngine {
    folder: PathBuf,
    running: Option<Child>,
}

impl OwnEngine {
    /// Starts it, and gives it the image.
    ///
    /// # Panics
    /// Where the test has not moved, or the engine does not start.
    #[must_use]
    pub fn start(live_restore: bool) -> Self {
        let folder = PathBuf::from(std::env::var_os(MOVED).expect("the test has moved"));
        // What engines share in these places, they shall not share with this one.
        for place in ["/run", "/etc/docker"] {
            std::fs::create_dir_all(place).expect("a folder");
            succeeds(Command::new("mount").args(["-t", "tmpfs", "hythe-test", place]));
        }
        let mut engine = Self { folder, running: None };
        engine.start_again(live_restore);
        let archive = engine.folder.join("image.tar");
        succeeds(Command::new("docker").arg("load").arg("-i").arg(archive));
        engine
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.folder)
    }

    /// Starts it after its end, with or without leave for its containers to live on meanwhile.
    pub fn start_again(&mut self, live_restore: bool) {
        assert!(self.running.is_none(), "it runs");
        let at = |name: &str| self.folder.join(name);
        // One that was killed leaves these, and they name processes that are no more.
        for left in ["pid", "exec/containerd/containerd.pid", "docker.sock"] {
            let _not_there = std::fs::remove_file(at(left));
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(at("log"));
        let log = log.expect("a log file");
        let mut command = Command::new("dockerd");
        command
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["-H", &self.address(), "--bip", "172.31.1.1/24"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        if live_restore {
            command.arg("--live-restore");
        }
        self.running = Some(command.spawn().expect("dockerd is installed"));
        let since = Instant::now();
        while !self.answers() {
            assert!(since.elapsed() < WITHIN, "the engine does not start\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        let asked = Command::new("docker").args(["version"]).output();
        asked.is_ok_and(|output| output.status.success())
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.end(nix::sys::signal::Signal::SIGTERM);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.end(nix::sys::signal::Signal::SIGKILL);
    }

    fn end(&mut self, signal: nix::sys::signal::Signal) {
        let mut running = self.running.take().expect("it runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(running.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("it can be told");
        let since = Instant::now();
        while running.try_wait().expect("it can be asked").is_none() {
            assert!(since.elapsed() < WITHIN, "the engine does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // In order, so that nothing of it stays mounted in the folder that is removed next.
        if self.running.is_some() && !std::thread::panicking() {
            self.stop();
        }
    }
}
