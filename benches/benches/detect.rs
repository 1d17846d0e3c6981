//! What it takes to find out how a repository of 50,000 files is built: `hythe detect` on a folder, the whole
//! process, beside `find` over the same; and as a builder does it, out of a bare repository's objects without
//! checking anything out, beside `git ls-tree` of the same commit by hand, and beside a checkout.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hythe_actors::git::{GitSettings, Seen, look};
use hythe_benches::{figure, median, millis, percentile, row};
use hythe_core::detect::{BaseImages, detect};
use hythe_core::source::BuildSettings;
use hythe_tests::installation::hythe;
use tempfile::TempDir;

const FILES: usize = 50_000;
const FOLDERS: usize = 500;
const ROUNDS: usize = 20;
/// What is wanted, in milliseconds.
const WANTED: f64 = 100.0;

fn main() {
    let folder = TempDir::new().expect("a folder");
    let work = folder.path().join("work");
    write(&work);
    let bare = folder.path().join("bare.git");
    git(&work, &["init", "-q", "-b", "main"]);
    git(&work, &["add", "-A"]);
    // Git tidies up in the background otherwise, and files go while they are looked for.
    let with = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid"];
    let with = [&with[..], &["-c", "gc.auto=0", "-c", "maintenance.auto=false"]].concat();
    git(&work, &[&with[..], &["commit", "-q", "-m", "all"]].concat());
    git(folder.path(), &["clone", "-q", "--bare", &work.display().to_string(), "bare.git"]);

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(timed(hythe().arg("detect").arg(&work).arg("--json")));
        theirs.push(timed(Command::new("find").arg(&work).args(["-name", "no-such-file"])));
    }
    told("hythe detect, beside find", &ours, &theirs);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (settings, build) = (GitSettings::default(), BuildSettings::default());
    let images = BaseImages::default();
    let (mut ours, mut theirs, mut checkouts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let looking = look(&settings, &bare, "HEAD", &build);
        let seen = runtime.block_on(looking).expect("git reads it").expect("its tree tells");
        let Seen { files, texts } = seen;
        let found = detect(&files, &texts, &build, &images).expect("it is found");
        ours.push(begin.elapsed());
        assert_eq!(found.found.runtime, "node", "what it is");
        theirs.push(timed(
            Command::new("git").args(["ls-tree", "-r", "-t", "-z", "HEAD"]).current_dir(&bare),
        ));
    }
    for n in 0..3 {
        let into = folder.path().join(format!("tree-{n}"));
        std::fs::create_dir(&into).expect("a folder");
        let mut checkout = Command::new("git");
        checkout.args(["checkout", "-q", "-f", "HEAD", "--", "."]).current_dir(&into);
        checkout.env("GIT_DIR", &bare).env("GIT_WORK_TREE", &into);
        checkouts.push(timed(&mut checkout));
    }
    told("out of objects, beside git ls-tree", &ours, &theirs);
    row(
        "the same, beside a checkout",
        millis(median(&ours)),
        millis(median(&checkouts)),
        "ms median",
    );
}

fn told(what: &str, ours: &[Duration], theirs: &[Duration]) {
    row(what, millis(median(ours)), millis(median(theirs)), "ms median");
    let late = |samples: &[Duration]| millis(percentile(samples, 0.9));
    row(&format!("{what}, p90"), late(ours), late(theirs), "ms");
    figure("  of what is wanted", millis(median(ours)) / WANTED, "times 100 ms");
}

/// How long a process takes, its output read by nobody.
fn timed(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it runs");
    let took = begin.elapsed();
    assert!(done.success(), "{command:?}");
    took
}

/// A repository as large ones are: an app, and very much beside it.
fn write(root: &Path) {
    std::fs::create_dir_all(root).expect("a folder");
    let package = r#"{"name": "large", "scripts": {"start": "node server.js"}}"#;
    for (path, text) in
        [("package.json", package), ("package-lock.json", "{}"), ("server.js", "// serves\n")]
    {
        std::fs::write(root.join(path), text).expect("a file");
    }
    for folder in 0..FOLDERS {
        let path = root.join(format!("packages/part-{}/module-{folder}", folder % 20));
        std::fs::create_dir_all(&path).expect("a folder");
        for file in 0..(FILES / FOLDERS) {
            let mut text = String::new();
            // Into memory: it cannot fail.
            let _ = writeln!(text, "export const n = {};", folder * FILES + file);
            std::fs::write(path.join(format!("file-{file}.js")), text).expect("a file");
        }
    }
}

fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .expect("git runs");
    assert!(done.success(), "git {args:?}");
}
