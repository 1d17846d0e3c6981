//! Git repositories with small apps in them.
//!
//! All apps are made from busybox, which every machine of ours has, so that a build takes a
//! fraction of a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder of bare repositories, to be served.
#[derive(Debug)]
pub struct Repositories {
    root: TempDir,
}

/// One bare repository.
#[derive(Debug)]
pub struct Repository {
    bare: PathBuf,
    work: PathBuf,
}

impl Default for Repositories {
    fn default() -> Self {
        Self { root: TempDir::new().expect("a temporary folder") }
    }
}

impl Repositories {
    /// The folder that the bare repositories lie in.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Makes the bare repository `NAME.git`, with one commit of `files` on the branch `main`.
    #[must_use]
    pub fn create(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let bare = self.root.path().join(format!("{name}.git"));
        let work = self.root.path().join(format!("{name}.work"));
        git(self.root.path(), &["init", "-q", "--bare", "-b", "main", &text(&bare)]);
        git(self.root.path(), &["init", "-q", "-b", "main", &text(&work)]);
        git(&work, &["remote", "add", "origin", &text(&bare)]);
        let repository = Repository { bare, work };
        repository.commit(files);
        repository
    }
}

impl Repository {
    /// Writes the files, commits and pushes; says the commit.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.work.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            std::fs::write(path, content).expect("a file");
        }
        git(&self.work, &["add", "-A"]);
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"];
        let commit = [&who[..], &["commit", "-q", "--allow-empty", "-m", "change"]].concat();
        git(&self.work, &commit);
        git(&self.work, &["push", "-q", "origin", "HEAD"]);
        git(&self.work, &["rev-parse", "HEAD"])
    }

    /// Goes on with a branch, from where it is.
    pub fn branch(&self, name: &str) {
        git(&self.work, &["checkout", "-q", "-B", name]);
    }

    /// Gives the newest commit of `main` a tag.
    pub fn tag(&self, name: &str) {
        git(&self.bare, &["tag", name, "refs/heads/main"]);
    }

    /// The folder in which its commits are made.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.work
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.bare
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs; is it installed?");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Dockerfiles of small apps.
pub mod apps {
    /// Serves `index.html` with the given text on port 8080.
    #[must_use]
    pub fn page(content: &str) -> Vec<(&'static str, String)> {
        vec![("Dockerfile", PAGE.to_owned()), ("index.html", content.to_owned())]
    }

    /// The same after a build step of so many seconds.
    #[must_use]
    pub fn slow_build(content: &str, seconds: u32) -> Vec<(&'static str, String)> {
        let dockerfile = PAGE.replace(
            "EXPOSE",
            &format!("RUN echo working on {content} && sleep {seconds}\nEXPOSE"),
        );
        vec![("Dockerfile", dockerfile), ("index.html", content.to_owned())]
    }

    /// A build step that fails after saying so.
    #[must_use]
    pub fn failing_build() -> Vec<(&'static str, String)> {
        let dockerfile =
            "FROM busybox\nRUN echo the-step-speaks && exit 7\nCMD [\"true\"]\n".to_owned();
        vec![("Dockerfile", dockerfile)]
    }

    /// Says something and exits with code 3.
    #[must_use]
    pub fn exits() -> Vec<(&'static str, String)> {
        command("echo last-words; exit 3")
    }

    /// Runs and never listens.
    #[must_use]
    pub fn never_healthy() -> Vec<(&'static str, String)> {
        command("echo still-thinking; sleep 3600")
    }

    /// Answers 404 to everything.
    #[must_use]
    pub fn always_not_found() -> Vec<(&'static str, String)> {
        command("echo no-luck; mkdir /tmp/w && exec httpd -f -p 8080 -h /tmp/w")
    }

    fn command(line: &str) -> Vec<(&'static str, String)> {
        let json = serde_json::to_string(line).expect("text");
        let dockerfile = format!("FROM busybox\nEXPOSE 8080\nCMD [\"sh\", \"-c\", {json}]\n");
        vec![("Dockerfile", dockerfile)]
    }

    /// The files of an app, borrowed.
    #[must_use]
    pub fn files<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
        files.iter().map(|(path, content)| (*path, content.as_str())).collect()
    }

    const PAGE: &str = "FROM busybox\nCOPY index.html /www/index.html\nEXPOSE 8080\nUSER 1000\n\
                        CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
}
