//! What people do without Hythe: the docker client with BuildKit, and questions to the container.

#![expect(clippy::panic, clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hythe_tests::http::ask;
use hythe_tests::installation::Installation;
use tempfile::TempDir;

/// From one question for a new version to the next. Whoever asks costs the machine something too (what
/// answers may begin a process for each), so both sides are asked as often, and none while it builds; it adds
/// half of that to both.
const ASK_EVERY: Duration = Duration::from_millis(8);
/// From one look at how far a deployment is to the next, until its image is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a version may take until it is served.
const SERVED_WITHIN: Duration = Duration::from_secs(120);

/// The distribution's own client knows BuildKit without a plugin, where another one on the path
/// may want one.
#[must_use]
pub fn client() -> &'static Path {
    let debian = Path::new("/usr/bin/docker");
    if debian.exists() { debian } else { Path::new("docker") }
}

/// Runs the client to its end; says what it printed.
///
/// # Panics
/// Where it fails.
pub fn docker(args: &[&str], folder: &Path) -> String {
    let output = Command::new(client())
        .args(args)
        .current_dir(folder)
        .env("DOCKER_BUILDKIT", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the docker client runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A folder with these files.
///
/// # Panics
/// Where it cannot be written.
#[must_use]
pub fn folder_of(files: &[(&str, &str)]) -> TempDir {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let folder = TempDir::new().expect("a folder");
    // BuildKit takes a file of the same name, size and time for one that it has, also where it is
    // another folder's; and the kernel's clock stands still while a folder is made.
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now() - Duration::from_secs(3_600) + Duration::from_millis(made);
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        let file = std::fs::File::options().write(true).open(&path).expect("that file");
        file.set_modified(time).expect("its time");
    }
    folder
}

/// Builds a folder.
pub fn build(folder: &Path, name: &str) {
    docker(&["build", "-q", "-t", name, "."], folder);
}

/// A container of ours, gone when it is dropped.
#[derive(Debug)]
pub struct Container(String);

impl Container {
    /// Runs an image.
    #[must_use]
    pub fn run(image: &str) -> Self {
        Self::run_with(&[], image)
    }

    /// The same with further arguments.
    #[must_use]
    pub fn run_with(args: &[&str], image: &str) -> Self {
        let all = [&["run", "-d", "--label", "hythe-bench=1"], args, &[image]].concat();
        Self(docker(&all, Path::new(".")))
    }

    /// Where its port 8080 answers.
    ///
    /// # Panics
    /// Where it has no address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = docker(&["inspect", "-f", format, &self.0], Path::new("."));
        format!("{address}:8080").parse().expect("an address")
    }

    /// Ends it as one does: SIGTERM, and SIGKILL after so many seconds.
    pub fn stop(&self, seconds: u32) {
        docker(&["stop", "-t", &seconds.to_string(), &self.0], Path::new("."));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // One that is not there any more is as good.
        let _gone = Command::new(client()).args(["rm", "-f", &self.0]).output();
    }
}

/// A network of its own for what is run by hand, as Hythe gives each app one; gone when it is dropped,
/// after the containers in it.
#[derive(Debug)]
pub struct Network(String);

impl Network {
    /// Makes one.
    #[must_use]
    pub fn create(name: &str) -> Self {
        docker(&["network", "create", "--label", "hythe-bench=1", name], Path::new("."));
        Self(name.to_owned())
    }

    /// Runs an image in it.
    #[must_use]
    pub fn run(&self, image: &str) -> Container {
        Container::run_with(&["--network", &self.0], image)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _gone = Command::new(client()).args(["network", "rm", &self.0]).output();
    }
}

/// Asks until the page is served; every try a connection of its own.
///
/// # Panics
/// Where it is not.
pub fn until_served(address: SocketAddr, host: &str, page: &str) {
    let begun = Instant::now();
    while begun.elapsed() < SERVED_WITHIN {
        let answer = ask(address, "GET", "/", &[("Host", host)], "");
        if answer.is_some_and(|(status, body)| status == 200 && body.trim_end() == page) {
            return;
        }
        std::thread::sleep(ASK_EVERY);
    }
    panic!("{page} was not served");
}

/// The same of a version that Hythe is asked for: from when its image is there, as by hand.
///
/// # Panics
/// Where it is not.
pub fn until_hythe_serves(hythe: &Installation, id: &str, host: &str, page: &str) {
    let begun = Instant::now();
    let building = |status: &str| ["requested", "queued", "building"].contains(&status);
    while building(&hythe.deployment(id).0) {
        assert!(begun.elapsed() < SERVED_WITHIN, "{page} was not built");
        std::thread::sleep(LOOK_EVERY);
    }
    until_served(hythe.edge(), host, page);
}

/// Asks Hythe for a deployment, without a process in between; says its id.
///
/// # Panics
/// Where it is refused.
#[must_use]
pub fn request(hythe: &Installation, app: &str) -> String {
    let bearer = format!("Bearer {}", hythe.token());
    let path = format!("/api/v1/apps/{app}/deployments");
    let headers = [("Authorization", bearer.as_str())];
    let (status, body) =
        ask(hythe.gateway(), "POST", &path, &headers, "{}").expect("the gateway answers");
    assert!(status < 300, "{status} {body}");
    let body: serde_json::Value = serde_json::from_str(&body).expect("a document");
    body["id"].as_str().expect("an id").to_owned()
}
