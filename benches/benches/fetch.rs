//! What it costs to fetch the next commit of a repository that was fetched before, beside a fresh
//! `git clone --depth 1` of the same commit from the same server, which is what would be done without
//! mirrors.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hythe_actors::git::{Access, GitSettings, Mirrors, Wanted, fetch};
use hythe_benches::{median, millis, percentile, row};
use hythe_core::names::{AppName, RepositoryUrl};
use hythe_core::source::{Fetches, GitSource, Reference};
use hythe_tests::git_server::GitServer;
use hythe_tests::repository::Repositories;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PAIRS: usize = 20;
/// A repository of the middle sort: 2,000 files, 32 MB that do not shrink much.
const FILES: usize = 2_000;
const LINES: usize = 250;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let repositories = Repositories::default();
    let files = contents();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let repository = repositories.create("app", &files);
    let server = GitServer::start(repositories.root());
    let url = format!("{}/app.git", server.url());
    let folder = TempDir::new().expect("a folder");
    let mirrors = Mirrors::open(&folder.path().join("mirrors")).expect("a folder for mirrors");
    let source = GitSource {
        repository: RepositoryUrl::new(url.clone()).expect("a URL"),
        reference: Reference::DefaultBranch,
    };
    let (app, access) = (AppName::new("app").expect("a name"), Access::default());
    let fetches = Fetches::default();
    let (judge, found) = (None, None);
    let wanted = Wanted { source: &source, app: &app, access: &access, fetches, judge, found };
    let ours = || {
        let (scratch, cancel) = (TempDir::new().expect("a folder"), CancellationToken::new());
        let settings = GitSettings::default();
        let begin = Instant::now();
        let fetching = fetch(&settings, Some(&mirrors), wanted, scratch.path(), &cancel);
        let checkout = runtime.block_on(fetching).expect("it is fetched");
        (begin.elapsed(), checkout.commit.to_string())
    };

    let (first, _) = ours();
    let (mut next, mut fresh) = (Vec::new(), Vec::new());
    let (mut sent_next, mut sent_fresh) = (0, 0);
    for n in 0..PAIRS {
        let id = repository.commit(&[("file-0", &format!("change {n}\n"))]);
        let before = server.sent();
        let (took, commit) = ours();
        assert_eq!(commit, id, "the newest commit");
        let between = server.sent();
        next.push(took);
        fresh.push(clone(&url));
        sent_next += between - before;
        sent_fresh += server.sent() - between;
    }
    row(
        "next commit, beside a fresh clone",
        millis(median(&next)),
        millis(median(&fresh)),
        "ms median",
    );
    let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
    row("next commit, beside a fresh clone, p90", late(&next), late(&fresh), "ms");
    row("first commit, beside a fresh clone", millis(first), millis(median(&fresh)), "ms");
    let kib = |bytes: usize| u32::try_from(bytes / PAIRS / 1024).map_or(f64::INFINITY, f64::from);
    row("sent for it", kib(sent_next), kib(sent_fresh), "KiB");
}

fn clone(url: &str) -> Duration {
    let scratch = TempDir::new().expect("a folder");
    let into = scratch.path().join("clone");
    let begin = Instant::now();
    let mut command = Command::new("git");
    command.args(["clone", "-q", "--depth", "1", url]).arg(&into);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let done = command.stdin(Stdio::null()).status().expect("git runs");
    assert!(done.success() && Path::new(&into).join("file-0").exists(), "it is cloned");
    begin.elapsed()
}

/// Files that look like something, and are all different.
fn contents() -> Vec<(String, String)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut file = |n: usize| {
        let mut text = String::new();
        for _ in 0..LINES {
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Into memory: it cannot fail.
                let _ = write!(text, "{state:016x}");
            }
            text.push('\n');
        }
        (format!("file-{n}"), text)
    };
    (0..FILES).map(&mut file).collect()
}
