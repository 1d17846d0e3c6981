//! A real nats-server for tests: found on PATH or where `scripts/nats-server` puts it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use self::ports::free_addresses;
use super::NatsSettings;

#[expect(unreachable_pub, reason = "shared with the tests crate")]
#[path = "../../../tests/src/ports.rs"]
pub(crate) mod ports;

/// A nats-server of a test's own. Killed when it is let go.
pub(crate) struct TestNats {
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
    jetstream: bool,
}

impl TestNats {
    pub(crate) async fn start() -> Self {
        Self::with_jetstream(true).await
    }

    pub(crate) async fn with_jetstream(jetstream: bool) -> Self {
        let [address] = free_addresses();
        let port = address.port();
        let folder = tempfile::tempdir().unwrap();
        let mut nats = Self { child: None, port, folder, jetstream };
        nats.run().await;
        nats
    }

    pub(crate) fn settings(&self) -> NatsSettings {
        NatsSettings::load(format!("nats://127.0.0.1:{}", self.port), None).unwrap()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts it (again) with whatever its store holds.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new(binary());
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]);
        if self.jetstream {
            command.arg("-js").arg("-sd").arg(self.store());
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = log.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("nats-server ended before it was ready"));
            if line.contains("Server is ready") {
                break;
            }
        }
        // Somebody must go on reading, or it would block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        self.child = Some(child);
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// Kills it and forgets everything in it.
    pub(crate) async fn kill_and_wipe(&mut self) {
        self.kill().await;
        match std::fs::remove_dir_all(self.store()) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
        }
    }
}

fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.hythe/tools/bin");
    std::env::split_paths(&path)
        .chain([tools])
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("these tests need nats-server: `scripts/nats-server` brings it"))
}
