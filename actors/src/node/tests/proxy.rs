//! A way to the engine that can be cut: the shared engine itself is never stopped by a test.

use std::path::PathBuf;

use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

/// A socket that leads to the engine while it is not cut.
pub(super) struct Proxy {
    folder: tempfile::TempDir,
    serving: Option<AbortHandle>,
}

impl Proxy {
    pub(super) fn new() -> Self {
        let mut proxy = Self { folder: tempfile::tempdir().unwrap(), serving: None };
        proxy.mend();
        proxy
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    /// Cuts every connection; nothing listens any more.
    pub(super) fn cut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
        let _ = std::fs::remove_file(self.path());
    }

    /// Opens the way again.
    pub(super) fn mend(&mut self) {
        let listener = UnixListener::bind(self.path()).unwrap();
        let serving = tokio::spawn(async move {
            // Dropped with this task, every connection ends.
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    if let Ok(mut far) = UnixStream::connect("/var/run/docker.sock").await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        self.serving = Some(serving.abort_handle());
    }
}
