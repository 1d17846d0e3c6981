//! A little load that never ends: what it is refused while a process dies is what users would see.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hythe_tests::http::ask;

/// From one request to the next.
const EVERY: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    asking: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: u32,
    pub(crate) failures: Vec<String>,
}

impl Load {
    pub(crate) fn start(edge: SocketAddr, host: &'static str) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&seen));
        let asking = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let answer = ask(edge, "GET", "/", &[("Host", host)], "");
                let mut seen: std::sync::MutexGuard<'_, Seen> = noted.lock().unwrap();
                match answer {
                    Some((200, _)) => seen.answers += 1,
                    other => seen.failures.push(format!("{other:?}")),
                }
                drop(seen);
                std::thread::sleep(EVERY);
            }
        });
        Self { stop, seen, asking: Some(asking) }
    }

    /// What came back since this was called last.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(asking) = self.asking.take() {
            let _it_only_asks = asking.join();
        }
    }
}
