//! `hythe up` with real processes: killed parts come back, a killed `up` leaves them running, the
//! next one takes them over, and a stopped one leaves nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::common::{Talking, ask, hythe, run};
use super::ports::free_addresses;
use hythe_gateway::up::{
    DataDir, Fingerprint, Identity, Launch, News, Notice, Order, OwnBinary, Part, PartName,
    Process, Program,
};
use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A part that sleeps, under supervision.
struct Sleeper {
    orders: watch::Sender<Order>,
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Sleeper {
    fn start(dir: &DataDir, seconds: &str) -> Self {
        let launch = Launch::Program(Program {
            own: OwnBinary::at(PathBuf::from(env!("CARGO_BIN_EXE_hythe"))).unwrap(),
            other: Some(PathBuf::from("sleep")),
            args: vec![seconds.into()],
            fingerprint: Fingerprint::default().text(seconds).finish(),
            takes_over: None,
        });
        let (orders, told) = watch::channel(Order::Run);
        let (tell, news) = mpsc::channel(64);
        let part = Part {
            name: PartName::Agent,
            launch,
            dir: dir.clone(),
            news: tell,
            longest_wait: Duration::from_secs(30),
        };
        Self { orders, news, task: tokio::spawn(part.keep(told)) }
    }

    async fn next(&mut self) -> Notice {
        timeout(super::common::PATIENCE, self.news.recv()).await.unwrap().unwrap().1
    }

    async fn stop(mut self) -> Notice {
        self.orders.send_replace(Order::Stop);
        let last = self.next().await;
        timeout(super::common::PATIENCE, self.task).await.unwrap().unwrap();
        last
    }
}

fn pid_in(text: &str) -> i32 {
    let digits: String = text
        .split("pid ")
        .nth(1)
        .unwrap_or_else(|| panic!("a pid in {text:?}"))
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// The identity of a part, as soon as its pid file says so.
fn identity(dir: &Path, part: &str) -> Option<Identity> {
    std::fs::read_to_string(dir.join("run").join(format!("{part}.pid"))).ok()?.parse().ok()
}

/// Waits until a process is no more.
fn gone(process: &Identity) {
    let start = std::time::Instant::now();
    while Identity::of(process.pid).as_ref() == Some(process) {
        assert!(start.elapsed() < super::common::PATIENCE, "{process:?} goes on");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

async fn kill(pid: i32) {
    let mut process = Process::found(&Identity::of(pid).unwrap()).unwrap().unwrap();
    process.kill().unwrap();
    process.ended().await.unwrap();
}

#[tokio::test]
async fn a_part_that_is_killed_comes_back_and_one_that_is_stopped_does_not() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::prepare(home.path()).unwrap();
    let mut part = Sleeper::start(&dir, "600");
    let Notice::Started(first) = part.next().await else { panic!("it starts") };
    // `exec-part` writes the file before it becomes the part; the kill may come before that.
    kill(pid_in(&first)).await;
    let ended = part.next().await;
    assert!(matches!(&ended, Notice::Ended { how, .. } if how.contains("signal")), "{ended:?}");
    let Notice::Started(second) = part.next().await else { panic!("it starts again") };
    let second = Identity::of(pid_in(&second)).unwrap();
    assert!(matches!(part.stop().await, Notice::Stopped));
    assert!(Process::found(&second).unwrap().is_none());
    assert!(!dir.pid_file(PartName::Agent).exists());
}

#[tokio::test]
async fn what_was_left_is_adopted_or_replaced_and_never_doubled() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::prepare(home.path()).unwrap();
    let mut first = Sleeper::start(&dir, "600");
    let Notice::Started(who) = first.next().await else { panic!("it starts") };
    let pid = pid_in(&who);
    // Its pid file is what the next one goes by.
    let written = async {
        while identity(home.path(), "agent").is_none_or(|found| found.pid != pid) {
            tokio::task::yield_now().await;
        }
    };
    timeout(super::common::PATIENCE, written).await.unwrap();
    first.task.abort();

    let mut second = Sleeper::start(&dir, "600");
    let notice = second.next().await;
    assert!(matches!(&notice, Notice::Adopted(who) if pid_in(who) == pid), "{notice:?}");
    second.task.abort();

    let mut third = Sleeper::start(&dir, "601");
    let notice = third.next().await;
    assert!(matches!(&notice, Notice::Replaced(who) if pid_in(who) == pid), "{notice:?}");
    let Notice::Started(new) = third.next().await else { panic!("another one starts") };
    assert_ne!(pid_in(&new), pid);
    assert_eq!(Identity::of(pid), None);
    assert!(matches!(third.stop().await, Notice::Stopped));
}

#[tokio::test]
async fn a_pid_that_went_to_somebody_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::prepare(home.path()).unwrap();
    let own = Identity::own().unwrap();
    // This very process stands in for whoever got the number.
    let earlier = Identity { start: own.start.saturating_sub(1), ..own };
    std::fs::write(dir.pid_file(PartName::Agent), format!("{earlier}fingerprint x\n")).unwrap();
    let mut part = Sleeper::start(&dir, "600");
    assert!(matches!(part.next().await, Notice::Started(_)));
    assert!(matches!(part.stop().await, Notice::Stopped));
}

#[tokio::test]
async fn an_end_can_be_hurried() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::prepare(home.path()).unwrap();
    let mut part = Sleeper::start(&dir, "600");
    let Notice::Started(who) = part.next().await else { panic!("it starts") };
    // Stopped by the kernel, it cannot answer SIGTERM.
    let pid = rustix::process::Pid::from_raw(pid_in(&who)).unwrap();
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    part.orders.send_replace(Order::Stop);
    tokio::task::yield_now().await;
    part.orders.send_replace(Order::Kill);
    assert!(matches!(part.next().await, Notice::Killed));
    timeout(super::common::PATIENCE, part.task).await.unwrap().unwrap();
    assert_eq!(Identity::of(pid_in(&who)), None);
}

/// All of Hythe, as the user starts it.
struct Up {
    home: tempfile::TempDir,
    gateway: SocketAddr,
    edge: SocketAddr,
}

impl Up {
    fn new() -> Self {
        let [gateway, edge] = free_addresses();
        Self { home: tempfile::tempdir().unwrap(), gateway, edge }
    }

    fn command(&self) -> std::process::Command {
        let mut command = hythe();
        command
            .arg("up")
            .arg("--data")
            .arg(self.home.path())
            .args(["--gateway", &self.gateway.to_string()])
            .args(["--edge-http", &self.edge.to_string()]);
        command
    }

    fn start(&self) -> Talking {
        Talking::start(&mut self.command())
    }

    fn identity(&self, part: &str) -> Identity {
        identity(self.home.path(), part).unwrap_or_else(|| panic!("{part} has a pid file"))
    }

    /// Waits until the edge answers.
    fn edge_answers(&self) {
        let start = std::time::Instant::now();
        while ask(self.edge).is_none() {
            assert!(start.elapsed() < super::common::PATIENCE, "the edge does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

#[test]
fn one_up_after_another_finds_what_was_left_and_leaves_nothing() {
    let it = Up::new();
    let mut up = it.start();
    for part in ["nats", "server", "agent", "edge"] {
        up.wait_for(&[part, "started"]);
    }
    it.edge_answers();
    let (nats, edge) = (it.identity("nats"), it.identity("edge"));

    // A second one at the same time is refused.
    let refused = run(&mut it.command());
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(&up.child.id().to_string()), "{}", refused.err);

    // Killed, it takes nobody with it.
    up.stop(Signal::KILL);
    it.edge_answers();
    assert_eq!(Identity::of(edge.pid), Some(edge.clone()));

    // The next one takes over the very same processes.
    let mut up = it.start();
    let line = up.wait_for(&["nats", "taken over"]);
    assert_eq!(pid_in(&line), nats.pid);
    let line = up.wait_for(&["edge", "taken over"]);
    assert_eq!(pid_in(&line), edge.pid);

    // It looks after them as if they were its own.
    for (part, old) in [("edge", edge), ("nats", nats)] {
        let pid = rustix::process::Pid::from_raw(old.pid).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        up.wait_for(&[part, "ended"]);
        let line = up.wait_for(&[part, "started"]);
        assert_ne!(pid_in(&line), old.pid);
    }
    it.edge_answers();

    // Stopped, it leaves no process and no port.
    let left: Vec<_> = ["nats", "edge"].iter().map(|part| it.identity(part)).collect();
    assert!(up.stop(Signal::TERM).success());
    for identity in left {
        assert_eq!(Identity::of(identity.pid), None);
    }
    assert_eq!(std::fs::read_dir(it.home.path().join("run")).unwrap().count(), 1, "the lock");
    TcpListener::bind(it.edge).unwrap();
    TcpListener::bind(it.gateway).unwrap();
}

#[test]
fn an_edge_with_other_settings_is_replaced() {
    let mut it = Up::new();
    let mut up = it.start();
    up.wait_for(&["edge", "started"]);
    it.edge_answers();
    let old = it.identity("edge");
    up.stop(Signal::KILL);
    [it.edge] = free_addresses();
    let mut up = it.start();
    let line = up.wait_for(&["edge", "left running", "takes its place"]);
    assert_eq!(pid_in(&line), old.pid);
    up.wait_for(&["edge", "started"]);
    it.edge_answers();
    gone(&old);
    assert!(up.stop(Signal::INT).success());
}

/// A new version of the binary, as far as `hythe up` can tell: another file.
fn another_binary(folder: &Path) -> PathBuf {
    let binary = folder.join("hythe");
    std::fs::copy(env!("CARGO_BIN_EXE_hythe"), &binary).unwrap();
    binary
}

#[test]
fn a_new_version_takes_over_and_no_request_fails() {
    let it = Up::new();
    let mut up = it.start();
    up.wait_for(&["edge", "started"]);
    // Before it has a table it says something else.
    let start = std::time::Instant::now();
    while !ask(it.edge).is_some_and(|answer| answer.starts_with("HTTP/1.1 404")) {
        assert!(start.elapsed() < super::common::PATIENCE, "the edge gets no table");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let (nats, edge) = (it.identity("nats"), it.identity("edge"));
    let enough = std::sync::atomic::AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let (asked, failed) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut asked, mut failed) = (0, 0);
            while !enough.load(std::sync::atomic::Ordering::SeqCst) {
                asked += 1;
                // Nobody has this host, and who says so is the edge.
                let answer = ask(it.edge).unwrap_or_default();
                failed += i32::from(!answer.starts_with("HTTP/1.1 404"));
                std::thread::park_timeout(Duration::from_millis(2));
            }
            (asked, failed)
        });
        let mut command = std::process::Command::new(another_binary(folder.path()));
        let same = it.command();
        command.args(same.get_args()).arg("--replace");
        for (name, value) in same.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut next = Talking::start(&mut command);
        up.wait_for(&["takes over", "left running"]);
        assert!(up.child.wait().unwrap().success());
        let line = next.wait_for(&["edge", "takes its place"]);
        assert_eq!(pid_in(&line), edge.pid);
        next.wait_for(&["edge", "started"]);
        gone(&edge);
        it.edge_answers();
        assert_ne!(it.identity("edge"), edge);
        enough.store(true, std::sync::atomic::Ordering::SeqCst);
        let seen = load.join().unwrap();
        assert!(next.stop(Signal::TERM).success());
        seen
    });
    assert!(asked > 100, "{asked}");
    assert_eq!(failed, 0, "of {asked}");
    gone(&nats);
    TcpListener::bind(it.edge).unwrap();
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    for (option, taken_by_gateway) in [("--gateway", true), ("--edge-http", false)] {
        let mut it = Up::new();
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap();
        if taken_by_gateway {
            it.gateway = address;
        } else {
            it.edge = address;
        }
        let said = run(&mut it.command());
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains(&address.port().to_string()), "{}", said.err);
        assert!(said.err.contains(option), "{}", said.err);
        let nats = identity(it.home.path(), "nats");
        assert_eq!(nats, None, "what it had started is stopped");
    }
}

#[test]
fn a_nats_port_that_was_taken_meanwhile_is_changed() {
    let it = Up::new();
    let mut up = it.start();
    up.wait_for(&["edge", "started"]);
    assert!(up.stop(Signal::TERM).success());
    let settings = it.home.path().join("nats/settings.json");
    let port = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["port"].as_u64().unwrap()
    };
    let before = port(&settings);
    let _stranger = TcpListener::bind(("127.0.0.1", u16::try_from(before).unwrap())).unwrap();
    let mut up = it.start();
    up.wait_for(&["edge", "started"]);
    assert_ne!(port(&settings), before);
    assert!(up.stop(Signal::TERM).success());
}

#[test]
fn without_a_program_nats_runs_as_a_container_and_goes_with_up() {
    let it = Up::new();
    let image = Image::make();
    let start = || {
        Talking::start(it.command().env("PATH", "/usr/bin:/bin").env("HYTHE_NATS_IMAGE", image.0))
    };
    let mut up = start();
    let line = up.wait_for(&["nats", "started", "container"]);
    let name = line.split_whitespace().last().unwrap().trim_end_matches(')').to_owned();
    up.wait_for(&["edge", "started"]);
    assert!(docker(&["port", &name]).contains("-> 127.0.0.1:"), "on loopback only");

    // Left by a killed `up`, it is taken over; killed itself, it comes back.
    up.stop(Signal::KILL);
    let mut up = start();
    up.wait_for(&["nats", "taken over", &name]);
    up.wait_for(&["edge", "taken over"]);
    docker(&["kill", &name]);
    up.wait_for(&["nats", "ended"]);
    up.wait_for(&["nats", "started", &name]);

    assert!(up.stop(Signal::TERM).success());
    let label = format!("name={name}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]), "");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &label]), "");
}

fn docker(args: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An image of the nats-server of this machine, since the official one cannot be pulled
/// everywhere; it has the same entry point.
struct Image(&'static str);

impl Image {
    fn make() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.hythe/tools/bin");
        let path = std::env::var_os("PATH").unwrap();
        let server = std::iter::once(tools)
            .chain(std::env::split_paths(&path))
            .map(|folder| folder.join("nats-server"))
            .find(|file| file.is_file())
            .expect("a nats-server");
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("nats-server");
        std::fs::copy(server, &binary).unwrap();
        let tar = folder.path().join("image.tar");
        let packed = std::process::Command::new("tar")
            .arg("-C")
            .arg(folder.path())
            .args(["-cf", tar.to_str().unwrap(), "nats-server"])
            .status()
            .unwrap();
        assert!(packed.success());
        let name = "hythe-test-nats:1";
        docker(&[
            "import",
            "--change",
            "ENTRYPOINT [\"/nats-server\"]",
            tar.to_str().unwrap(),
            name,
        ]);
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["rmi", self.0]);
    }
}
