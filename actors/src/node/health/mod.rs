//! Health checks: asked by the worker, of the replica's own address or inside its container.
//!
//! Before the first success a replica is asked often, because a deployment waits for it; then at
//! the interval of its check. One failure is no illness: as many in a row as the check says are.

mod command;
mod http;
mod listening;
mod means;

use std::time::Duration;

use hythe_core::health::HealthCheck;
use hythe_core::time::Millis;

use listening::Hints;
pub(crate) use means::Subject;
use means::{Found, Means};

/// How long to wait between two tries while a replica starts.
#[derive(Clone, Copy)]
struct Eager {
    next: Duration,
    most: Duration,
    /// By how many hundredths each is longer than the one before.
    growth: u32,
}

/// A question grows slowly, so that a replica that took long is not noticed much later than it was
/// there.
const QUESTION: Eager =
    Eager { next: Duration::from_millis(5), most: Duration::from_millis(250), growth: 5 };
/// A command costs a process in the container.
const COMMAND: Eager =
    Eager { next: Duration::from_millis(100), most: Duration::from_secs(1), growth: 50 };

impl Eager {
    fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * (100 + self.growth) / 100).min(self.most);
        wait
    }
}

/// How long a replica of which nothing is asked has to run before it counts as healthy: what ends
/// at once never was.
const UNASKED: Duration = Duration::from_secs(1);
/// When an image that could not be looked at is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a check that failed found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// In words of ours.
    pub(crate) what: String,
    /// The last that the check's command wrote: in the app's words, secrets and all.
    pub(crate) output: String,
    /// Whether it wrote more before that.
    pub(crate) cut: bool,
}

impl Finding {
    pub(crate) const fn plain(what: String) -> Self {
        Self { what, output: String::new(), cut: false }
    }
}

/// What checks say of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nothing yet.
    Unknown,
    /// It has not been healthy yet.
    Starting {
        /// What the newest check found.
        check: Finding,
        /// How long it may take.
        within: Millis,
    },
    /// The newest check succeeded.
    Healthy,
    /// It was healthy, and the newest checks failed.
    Unhealthy {
        /// What the newest check found.
        check: Finding,
    },
}

/// Checks for as long as it is not dropped and tells each change. `was_healthy`: a replica that
/// was found running and had been healthy under an agent before.
pub(crate) async fn watch(
    subject: Subject,
    check: HealthCheck,
    was_healthy: bool,
    mut tell: impl FnMut(Health) + Send,
) {
    let mut health = Health::Unknown;
    let mut tell = |found: Health| {
        if found != health {
            health = found.clone();
            tell(found);
        }
    };
    let (mut means, pace) = loop {
        match subject.means(&check).await {
            Ok(found) => break found,
            Err(error) => {
                if !was_healthy {
                    let why = format!("its image cannot be looked at: {error}");
                    let within = check.start_within();
                    tell(Health::Starting { check: Finding::plain(why), within });
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let interval = Duration::from_millis(pace.interval.0);
    let timeout = Duration::from_millis(pace.timeout.0);
    let mut eager = match means {
        Means::Command(_) => COMMAND,
        Means::Http { .. } | Means::Tcp | Means::Nothing => QUESTION,
    };
    if matches!(means, Means::Nothing) && !was_healthy {
        tokio::time::sleep(UNASKED).await;
    }
    let mut known_good = was_healthy;
    let mut hints = Hints::new();
    let mut failures = 0;
    loop {
        match subject.ask(&mut means, timeout).await {
            Found::Good => {
                known_good = true;
                failures = 0;
                tell(Health::Healthy);
            }
            Found::Bad(check) | Found::Unknown(check) if !known_good => {
                let check = hints.add(&subject, check).await;
                tell(Health::Starting { check, within: pace.start_within });
            }
            Found::Bad(check) => {
                // An agent that has just started does not know of failures before.
                failures += 1;
                if failures >= pace.retries {
                    failures = pace.retries;
                    tell(Health::Unhealthy { check });
                }
            }
            Found::Unknown(_) => {}
        }
        let pause = if known_good { interval } else { eager.wait().min(interval) };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;

    use hythe_core::health::Probe;
    use hythe_core::names::{HealthPath, ImageId};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::docker::Engine;

    /// Answers each connection with the next of these texts; the last one for ever.
    pub(super) async fn server(answers: Vec<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for n in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answers[n.min(answers.len() - 1)];
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        address
    }

    /// Watches with an engine that is not there.
    fn watched(address: SocketAddr, check: HealthCheck) -> UnboundedReceiver<Health> {
        let (told, heard) = tokio::sync::mpsc::unbounded_channel();
        let image = ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap();
        let engine = Engine::new(Some("/nowhere/docker.sock")).unwrap();
        let subject = Subject { engine, container: "c".into(), image, address: Some(address) };
        tokio::spawn(watch(subject, check, false, move |health| {
            let _ = told.send(health);
        }));
        heard
    }

    fn check(probe: Probe) -> HealthCheck {
        let (interval, timeout) = (Some(Millis(100)), Some(Millis(300)));
        HealthCheck { probe, interval, timeout, ..HealthCheck::default() }
    }

    fn http() -> Probe {
        Probe::Http { path: HealthPath::new("/up").unwrap(), statuses: None }
    }

    async fn first_finding(address: SocketAddr, probe: Probe) -> String {
        match watched(address, check(probe)).recv().await.unwrap() {
            Health::Starting { check, within } => {
                assert_eq!(within, Millis::seconds(60));
                check.what
            }
            other @ (Health::Unknown | Health::Healthy | Health::Unhealthy { .. }) => {
                panic!("{other:?}")
            }
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno";

    #[tokio::test]
    async fn silence_and_a_closed_port_say_what_to_do() {
        // An address of its own: nobody else takes the port once it is closed.
        let listener = TcpListener::bind("127.0.83.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = first_finding(address, http()).await;
        assert!(silent.contains("no answer to GET /up on port"), "{silent}");
        assert_eq!(watched(address, check(Probe::Tcp)).recv().await, Some(Health::Healthy));
        drop(listener);
        for probe in [http(), Probe::Tcp] {
            let closed = first_finding(address, probe).await;
            assert!(closed.contains("must listen on 0.0.0.0"), "{closed}");
        }
        let blind = first_finding(address, Probe::Default).await;
        assert!(blind.contains("its image cannot be looked at"), "{blind}");
    }

    #[tokio::test]
    async fn as_many_failures_in_a_row_as_it_says_make_it_unhealthy_and_one_success_healthy() {
        let twice = [BROKEN, OK, BROKEN, BROKEN, OK, BROKEN, BROKEN, BROKEN, OK];
        for (retries, answers) in [(None, &twice[..]), (Some(1), &[BROKEN, OK, BROKEN, OK][..])] {
            let address = server(answers.to_vec()).await;
            let mut heard = watched(address, HealthCheck { retries, ..check(http()) });
            let finding =
                Finding::plain("it answered GET /up with 500, and 200-399 is healthy".into());
            let within = Millis::seconds(60);
            let starting = Health::Starting { check: finding.clone(), within };
            assert_eq!(heard.recv().await, Some(starting));
            assert_eq!(heard.recv().await, Some(Health::Healthy));
            assert_eq!(heard.recv().await, Some(Health::Unhealthy { check: finding }));
            assert_eq!(heard.recv().await, Some(Health::Healthy));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_that_nothing_is_asked_of_running_is_enough() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let begun = tokio::time::Instant::now();
        let mut heard = watched(address, check(Probe::None));
        assert_eq!(heard.recv().await, Some(Health::Healthy));
        assert_eq!(begun.elapsed(), UNASKED);
    }
}
