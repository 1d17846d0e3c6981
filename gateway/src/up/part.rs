//! One part of `hythe up`: started or taken over, watched, started again, stopped.
//!
//! Each part has a task of its own, so that the end of one does not concern the others. It is
//! never given up: waits between starts double up to a bound and stay there. A part that was left
//! by an earlier `hythe up` is adopted where it is what would be started now, and else replaced: where it
//! can give its place away, by the one that starts, and nothing is done to it but at the very end.

use std::fmt;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::error::UpError;
use super::launch::{Launch, Running};
use super::layout::DataDir;
use super::logs;

/// Wait before the first new start.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// A part that ran for this long is taken for sound: waits begin anew.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// How long the kernel or engine may take to end what was killed.
const KILL_WITHIN: Duration = Duration::from_secs(10);
/// How many of a part's last lines go with the news of its end.
const LAST_WORDS: usize = 3;

/// The parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartName {
    /// The managed NATS server.
    Nats,
    /// The control plane.
    Server,
    /// The worker.
    Agent,
    /// The proxy.
    Edge,
}

impl PartName {
    /// All parts, in the order of their start.
    pub const ALL: [Self; 4] = [Self::Nats, Self::Server, Self::Agent, Self::Edge];

    /// The name in files and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Edge => "edge",
        }
    }

    /// How long it may take to stop. The edge lets requests finish; all together stay within a
    /// minute, which is what service managers grant.
    #[must_use]
    pub const fn stop_within(self) -> Duration {
        match self {
            Self::Nats => Duration::from_secs(4),
            Self::Agent => Duration::from_secs(8),
            Self::Server => Duration::from_secs(15),
            Self::Edge => Duration::from_secs(31),
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a part is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Run, and be started again.
    Run,
    /// Finish and end.
    Stop,
    /// End now.
    Kill,
}

/// What happens to a part, for people.
#[derive(Clone, Debug)]
pub enum Notice {
    /// It was started.
    Started(String),
    /// It was left over and is what is wanted.
    Adopted(String),
    /// It was left over and is not what is wanted: it is stopped and started anew.
    Replaced(String),
    /// It was left over and is not what is wanted: the one that starts now takes its place.
    GivesWay(String),
    /// It ended, though nobody wanted that.
    Ended {
        /// How.
        how: String,
        /// When it is started again.
        again_in: Duration,
        /// What it said last.
        last_words: Vec<String>,
    },
    /// It could not be started.
    Failed {
        /// Why.
        why: String,
        /// When it is tried again.
        again_in: Duration,
    },
    /// It did not end in time and was killed.
    Killed,
    /// It was stopped.
    Stopped,
    /// It could not be stopped.
    Stuck(String),
}

/// News of one part.
pub type News = (PartName, Notice);

/// One part.
#[derive(Debug)]
pub struct Part {
    /// Which one.
    pub name: PartName,
    /// How it is started, found and stopped.
    pub launch: Launch,
    /// Where its files lie.
    pub dir: DataDir,
    /// Where its news go.
    pub news: mpsc::Sender<News>,
    /// The longest wait between two starts.
    pub longest_wait: Duration,
}

impl Part {
    /// Keeps it running until told otherwise; returns when it has ended.
    pub async fn keep(self, mut orders: watch::Receiver<Order>) {
        let mut backoff = Backoff::up_to(self.longest_wait);
        let (mut running, before) = self.take_over().await;
        while *orders.borrow_and_update() == Order::Run {
            let current = match running.take() {
                Some(current) => Ok(current),
                None => self.start().await,
            };
            let began = Instant::now();
            let mark = logs::length(&self.dir.log_file(self.name));
            let wait = match current {
                Ok(mut current) => {
                    let ended = tokio::select! {
                        ended = current.ended() => ended,
                        () = told(&mut orders) => {
                            running = Some(current);
                            break;
                        }
                    };
                    let again_in = backoff.after(began.elapsed());
                    self.tell_end(ended, again_in, mark).await;
                    again_in
                }
                Err(error) => {
                    let again_in = backoff.after(Duration::ZERO);
                    self.tell(Notice::Failed { why: error.to_string(), again_in }).await;
                    again_in
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = told(&mut orders) => {}
            }
        }
        if let Some(current) = running {
            self.stop(current, &mut orders).await;
        }
        if let Some(before) = before {
            // It ended long ago where another one has taken its place.
            self.end(before, Some(&mut orders)).await;
        }
        self.launch.forget(&self.dir, self.name);
    }

    async fn start(&self) -> Result<Running, UpError> {
        let running = self.launch.start(&self.dir, self.name).await?;
        self.tell(Notice::Started(running.to_string())).await;
        Ok(running)
    }

    /// What an earlier `hythe up` left: adopted, or stopped, or there until another one has its place.
    async fn take_over(&self) -> (Option<Running>, Option<Running>) {
        let (left, wanted) = match self.launch.left_over(&self.dir, self.name).await {
            Ok(Some(left)) => left,
            Ok(None) => return (None, None),
            Err(error) => {
                // Nothing is known to be running; a start says soon enough if that is wrong.
                self.tell(Notice::Stuck(error.to_string())).await;
                return (None, None);
            }
        };
        if wanted {
            self.tell(Notice::Adopted(left.to_string())).await;
            return (Some(left), None);
        }
        if self.launch.gives_way() {
            self.tell(Notice::GivesWay(left.to_string())).await;
            return (None, Some(left));
        }
        self.tell(Notice::Replaced(left.to_string())).await;
        self.end(left, None).await;
        (None, None)
    }

    async fn stop(&self, running: Running, orders: &mut watch::Receiver<Order>) {
        if self.end(running, Some(orders)).await {
            self.tell(Notice::Stopped).await;
        }
    }

    /// Asks it to end, and does not ask when it takes too long. Whether it has ended.
    async fn end(&self, mut running: Running, orders: Option<&mut watch::Receiver<Order>>) -> bool {
        let asked = running.terminate().await;
        if let Err(error) = asked {
            self.tell(Notice::Stuck(error.to_string())).await;
        }
        let in_time = tokio::select! {
            ended = timeout(self.name.stop_within(), running.ended()) => ended.is_ok(),
            () = hurried(orders) => false,
        };
        if in_time {
            return true;
        }
        let killed = running.kill().await;
        let gone = timeout(KILL_WITHIN, running.ended()).await.is_ok();
        match killed {
            Ok(()) if gone => self.tell(Notice::Killed).await,
            Ok(()) => self.tell(Notice::Stuck("it was killed and goes on".into())).await,
            Err(error) => self.tell(Notice::Stuck(error.to_string())).await,
        }
        gone
    }

    async fn tell_end(&self, ended: Result<String, UpError>, again_in: Duration, mark: u64) {
        let how = ended.unwrap_or_else(|error| error.to_string());
        let last_words = logs::last_lines(&self.dir.log_file(self.name), mark, LAST_WORDS);
        self.tell(Notice::Ended { how, again_in, last_words }).await;
    }

    async fn tell(&self, notice: Notice) {
        // Where nobody listens any more, there is nobody to tell.
        self.news.send((self.name, notice)).await.ok();
    }
}

/// Returns when it is no longer to run. Nobody left to say so counts as that too.
async fn told(orders: &mut watch::Receiver<Order>) {
    orders.wait_for(|order| *order != Order::Run).await.ok();
}

async fn hurried(orders: Option<&mut watch::Receiver<Order>>) {
    if let Some(orders) = orders
        && orders.wait_for(|order| *order == Order::Kill).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// How long to wait before the next start.
#[derive(Debug)]
struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    fn up_to(most: Duration) -> Self {
        Self { next: BACKOFF_FIRST.min(most), most }
    }

    fn after(&mut self, ran: Duration) -> Duration {
        if ran >= SOUND_AFTER {
            self.next = BACKOFF_FIRST.min(self.most);
        }
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_a_sound_run() {
        const MOST: Duration = Duration::from_secs(30);
        let mut backoff = Backoff::up_to(MOST);
        let waits: Vec<_> = (0..10).map(|_| backoff.after(Duration::ZERO)).collect();
        assert_eq!(waits[0], BACKOFF_FIRST);
        assert_eq!(waits[1], 2 * BACKOFF_FIRST);
        assert_eq!(waits[9], MOST);
        assert!(waits.is_sorted());
        assert_eq!(backoff.after(SOUND_AFTER), BACKOFF_FIRST);
        assert_eq!(backoff.after(Duration::from_secs(1)), 2 * BACKOFF_FIRST);
    }
}
