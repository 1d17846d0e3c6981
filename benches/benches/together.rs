//! Ten apps deployed at once beside the same ten built and run by hand with the same concurrency:
//! so many builds at a time, and whatever is built is run at once.
//!
//! Every round changes one line of each app, so that each has a step to run and layers to find.
//! Ours: from the first request until the last app serves its new version through the edge, git
//! included. Theirs: from the first build until the last container answers, without git. Apart: theirs
//! once more, each app in a network of its own, as Hythe has them.

#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use hythe_benches::by_hand::{
    Container, Network, build, folder_of, request, until_hythe_serves, until_served,
};
use hythe_benches::{median, millis, percentile, row};
use hythe_tests::git_server::GitServer;
use hythe_tests::installation::Installation;
use hythe_tests::repository::{Repositories, Repository};

const APPS: usize = 10;
const ROUNDS: usize = 5;

/// A step before the page that is not repeated, and one after it that is.
const DOCKERFILE: &str = "FROM busybox\nCOPY dependencies /dependencies\n\
    RUN sha256sum /dependencies > /sum\nCOPY index.html /www/index.html\n\
    RUN for n in 1 2 3 4 5 6 7 8; do sha256sum /www/index.html >> /sum; done && sleep 0.5\n\
    EXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

fn main() {
    let repositories = Repositories::default();
    let git = GitServer::start(repositories.root());
    let hythe = Installation::start();
    let apps: Vec<(String, Repository)> = (0..APPS)
        .map(|n| {
            let name = format!("app-{n}");
            let repository = repositories.create(&name, &files(&name, "0"));
            let url = format!("{}/{name}.git", git.url());
            hythe.json(&["deploy", &name, "--repo", &url, "--wait"]);
            (name, repository)
        })
        .collect();
    // What `hythe up` gives out at a time where it is not told otherwise.
    let cores = std::thread::available_parallelism().expect("the number of processors").get();
    let at_once = (cores / 2).max(1);

    let (mut ours, mut theirs, mut apart) = (Vec::new(), Vec::new(), Vec::new());
    let networks: Vec<Network> =
        apps.iter().map(|(name, _)| Network::create(&format!("hythe-bench-{name}"))).collect();
    let run = repositories.root().display().to_string();
    for round in 1..=ROUNDS {
        // The engine remembers the layers of an earlier run.
        let sides = ["ours", "theirs", "apart"];
        let [a, b, c] = sides.map(|side| format!("{side}-{round}-{run}"));
        ours.push(through_hythe(&hythe, &apps, &a));
        theirs.push(by_hand(&apps, &b, at_once, |_, image| Container::run(image)));
        let run_apart = |app: usize, image: &str| networks[app].run(image);
        apart.push(by_hand(&apps, &c, at_once, run_apart));
    }
    let what = format!("{APPS} deployments, {at_once} build(s) at once");
    row(&what, millis(median(&ours)), millis(median(&theirs)), "ms median");
    let late = |samples: &[Duration]| millis(percentile(samples, 1.0));
    row(&format!("{what}, slowest"), late(&ours), late(&theirs), "ms");
    let apart = millis(median(&apart));
    row(&format!("{what}, beside apart"), millis(median(&ours)), apart, "ms median");
    hythe.finish();
}

fn files<'a>(app: &'a str, page: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("Dockerfile", DOCKERFILE), ("dependencies", app), ("index.html", page)]
}

fn through_hythe(hythe: &Installation, apps: &[(String, Repository)], page: &str) -> Duration {
    for (name, repository) in apps {
        repository.commit(&files(name, &format!("{name} {page}")));
    }
    let begin = Instant::now();
    let ids: Vec<String> = apps.iter().map(|(name, _)| request(hythe, name)).collect();
    std::thread::scope(|scope| {
        for ((name, _), id) in apps.iter().zip(&ids) {
            scope.spawn(move || {
                let host = format!("{name}.localhost");
                until_hythe_serves(hythe, id, &host, &format!("{name} {page}"));
            });
        }
    });
    let took = begin.elapsed();
    // The old versions go before the next measurement begins.
    for id in ids {
        hythe.wait_for_status(&id, &["live"]);
    }
    hythe.wait_until("the old versions are gone", || hythe.containers().len() == APPS);
    took
}

fn by_hand(
    apps: &[(String, Repository)],
    page: &str,
    at_once: usize,
    run: impl Fn(usize, &str) -> Container + Sync,
) -> Duration {
    let slots = Slots { free: Mutex::new(at_once), freed: Condvar::new() };
    let folders: Vec<_> =
        apps.iter().map(|(name, _)| folder_of(&files(name, &format!("{name} {page}")))).collect();
    // What ran before goes on while the next is built, as on our side.
    let begin = Instant::now();
    let containers: Vec<Container> = std::thread::scope(|scope| {
        let running: Vec<_> = apps
            .iter()
            .zip(&folders)
            .enumerate()
            .map(|(app, ((name, _), folder))| {
                let (slots, run) = (&slots, &run);
                scope.spawn(move || {
                    let image = format!("hythe-bench-{name}");
                    slots.take();
                    build(folder.path(), &image);
                    slots.give();
                    let container = run(app, &image);
                    until_served(container.address(), name, &format!("{name} {page}"));
                    container
                })
            })
            .collect();
        running.into_iter().map(|one| one.join().expect("it was served")).collect()
    });
    let took = begin.elapsed();
    drop(containers);
    took
}

/// How many may build.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn take(&self) {
        let free = self.free.lock().expect("nobody panicked");
        let mut free = self.freed.wait_while(free, |free| *free == 0).expect("nobody panicked");
        *free -= 1;
    }

    fn give(&self) {
        *self.free.lock().expect("nobody panicked") += 1;
        self.freed.notify_one();
    }
}
