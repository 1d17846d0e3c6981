//! An ssh server on loopback: Debian's sshd, one process for each connection, with a host key and a
//! list of keys of its own.
//!
//! Serves the bare repositories below a folder to this user, as `ssh://…/NAME.git`, once a key was
//! let in. Gone when it is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/sshd";

/// A running ssh server.
#[derive(Debug)]
pub struct SshServer {
    address: SocketAddr,
    root: PathBuf,
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: TempDir,
    stopped: AtomicBool,
    connections: AtomicUsize,
}

impl SshServer {
    /// Serves the repositories below a folder; to nobody yet.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        assert!(Path::new(PROGRAM).exists(), "sshd is needed: apt-get install openssh-server");
        // As root it wants this folder, which its package only makes at boot.
        drop(std::fs::create_dir_all("/run/sshd"));
        let folder = TempDir::new().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin \
             prohibit-password\nPrintMotd no\nPrintLastLog no\nSetEnv PATH={}\n",
            path("host"),
            path("authorized"),
            std::env::var("PATH").expect("a PATH"),
        );
        std::fs::write(folder.path().join("config"), config).expect("a file");
        std::fs::write(folder.path().join("authorized"), "").expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            folder,
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &serving));
        let root = root.canonicalize().expect("a folder");
        let server = Self { address, root, shared, thread: Some(thread) };
        server.change_host_key();
        server
    }

    /// The host as Hythe is told about it.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The URL of a repository.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let user = said(Command::new("id").arg("-un"));
        format!("ssh://{user}@{}{}/{name}.git", self.address, self.root.display())
    }

    /// Its public host key.
    #[must_use]
    pub fn host_key(&self) -> String {
        let line = std::fs::read_to_string(self.file("host.pub")).expect("a key");
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Shows another host key from now on.
    pub fn change_host_key(&self) {
        for name in ["host", "host.pub"] {
            drop(std::fs::remove_file(self.file(name)));
        }
        let mut command = Command::new("ssh-keygen");
        said(command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.file("host")));
    }

    /// Lets this key in, and no other.
    pub fn let_in(&self, key: &str) {
        std::fs::write(self.file("authorized"), format!("{key}\n")).expect("a file");
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.shared.folder.path().join(name)
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A panic in it has failed its test already.
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Shared) {
    let mut children = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            break;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let input = stream.try_clone().expect("a socket of ours");
        let child = Command::new(PROGRAM)
            .args(["-i", "-e", "-f"])
            .arg(shared.folder.path().join("config"))
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::from(OwnedFd::from(stream)))
            .stderr(Stdio::null())
            .spawn();
        children.push(child.expect("sshd runs"));
    }
    for mut child in children {
        // Clients that go away are what some tests are about.
        drop(child.kill());
        drop(child.wait());
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
