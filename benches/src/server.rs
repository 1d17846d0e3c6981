//! A `hythe server` of its own, with a nats-server of its own, without worker and edge.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hythe_tests::installation::{curl, hythe};

/// How long anything may take that a bench waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A nats-server on loopback, ended when it is dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    address: SocketAddr,
    _store: tempfile::TempDir,
}

impl Nats {
    /// Starts one.
    ///
    /// # Panics
    /// Where it cannot be started: a bench that cannot measure stops.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
    pub fn start() -> Self {
        let store = tempfile::TempDir::with_prefix("hythe-bench-nats-").expect("a folder");
        let address = free_address();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.hythe/tools/bin/nats-server");
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &address.port().to_string(), "--jetstream"])
            .arg("--store_dir")
            .arg(store.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts; scripts/nats-server gets it");
        Self { child, address, _store: store }
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// A control plane on a data folder.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Server {
    /// Starts one, waits until it is ready, and says how long that took: until the API answers
    /// that the journal is folded and all of its parts run, connection to NATS included.
    ///
    /// # Panics
    /// Where it does not come up.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
    pub fn start(data: &Path, nats: &Nats) -> (Self, Duration) {
        let address = free_address();
        let log = std::fs::File::create(data.join("server.log")).expect("a log file");
        let began = Instant::now();
        let child = hythe()
            .arg("server")
            .arg("--data")
            .arg(data)
            .arg("--gateway")
            .arg(address.to_string())
            .arg("--nats")
            .arg(format!("nats://{}", nats.address))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("hythe starts");
        let mut server = Self { child, address, data: data.to_owned() };
        let url = format!("http://{address}/readyz");
        loop {
            let said = curl(&[&url, "--output", "/dev/null", "--write-out", "%{http_code}"]);
            // 503 says what is missing beyond the server itself: workers and edges.
            if said.out == "200" || said.out == "503" {
                return (server, began.elapsed());
            }
            let ended = server.child.try_wait().expect("its state");
            let log = || std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
            assert!(ended.is_none(), "it has ended: {}", log());
            assert!(began.elapsed() < PATIENCE, "no answer within {PATIENCE:?}: {}", log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The owner token.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(self.data.join("owner.token"));
        token.expect("the owner token").trim().to_owned()
    }

    /// Resident memory in MB, `VmRSS` of `/proc/PID/status`.
    #[must_use]
    pub fn resident_mb(&self) -> f64 {
        crate::resident_mb(self.child.id())
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// Where it does not stop.
    #[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is there");
        self.child.wait().expect("it ends");
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// Where it is gone already.
    #[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

#[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}
