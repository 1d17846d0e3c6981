//! An object store that speaks S3, on a folder: a real server of the protocol, signatures included.

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The credentials that it takes.
pub const ACCESS_KEY: &str = "AKIATESTTESTTESTTEST";
/// Their secret half.
pub const SECRET_KEY: &str = "hush-hush-secret-of-the-object-store";
/// The one bucket that there is.
pub const BUCKET: &str = "backups";

/// An object store that runs.
#[derive(Debug)]
pub struct ObjectStore {
    root: TempDir,
    address: SocketAddr,
    _runtime: Runtime,
}

impl ObjectStore {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let root = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).expect("a store"));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            loop {
                let Ok((connection, _)) = listener.accept().await else { continue };
                let service = service.clone();
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // Whoever hangs up is none of our business.
                    drop(http.serve_connection(TokioIo::new(connection), service).await);
                });
            }
        });
        Self { root, address, _runtime: runtime }
    }

    /// A place in it, as `hythe backup` takes it.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint=http://{}&region=us-east-1", self.address)
    }

    /// What lies in it, as a folder.
    #[must_use]
    pub fn folder(&self) -> std::path::PathBuf {
        self.root.path().join(BUCKET)
    }

    /// Whether a text is in any of its files.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        holds(self.root.path(), text.as_bytes())
    }
}

fn holds(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text)
    })
}
