//! How much of what nobody has vouched for is taken in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use hythe_core::ids::HookId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::problem::{Kind, Problem};

/// Deliveries with a wrong signature, of one sender for one webhook, within [`WINDOW`].
const MOST_FAILURES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Senders that are counted at once.
const MOST_SENDERS: usize = 4_096;
/// KiB of bodies in memory at once.
const ROOM: usize = 64 * 1024;
/// How long a body may take to come, and to wait for room.
const BODY_WITHIN: Duration = Duration::from_secs(8);

/// Counts who signs wrong, and how much is read at once.
#[derive(Debug)]
pub(crate) struct Gate {
    failures: Mutex<HashMap<(HookId, IpAddr), (Instant, u32)>>,
    room: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { failures: Mutex::default(), room: Arc::new(Semaphore::new(ROOM)) }
    }
}

impl Gate {
    /// Notes a wrong signature.
    pub(crate) fn failed(&self, hook: HookId, peer: IpAddr) {
        self.failed_at(hook, peer, Instant::now());
    }

    fn failed_at(&self, hook: HookId, peer: IpAddr, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_SENDERS && !failures.contains_key(&(hook, peer)) {
            failures.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if failures.len() >= MOST_SENDERS {
                return;
            }
        }
        let (since, count) = failures.entry((hook, peer)).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }

    /// How long a sender has to wait, where it signed wrong too often.
    pub(crate) fn waits(&self, hook: HookId, peer: IpAddr) -> Option<Duration> {
        self.waits_at(hook, peer, Instant::now())
    }

    fn waits_at(&self, hook: HookId, peer: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = failures.get(&(hook, peer))?;
        let left = WINDOW.checked_sub(now.duration_since(*since)).filter(|left| !left.is_zero());
        left.filter(|_| *count >= MOST_FAILURES)
    }

    /// Reads a body once there is room for it. The room is taken up as long as the permit is held.
    pub(crate) async fn body(
        &self,
        hook: HookId,
        peer: IpAddr,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<(OwnedSemaphorePermit, Bytes), Problem> {
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        // Where nothing is said, it may be as long as it may be.
        let length = said.and_then(|length| length.parse::<usize>().ok()).unwrap_or(most);
        let too_large = || {
            let detail = format!("a delivery has at most {} MiB", most / (1024 * 1024));
            Problem::new(Kind::TooLarge, detail)
        };
        if length > most {
            return Err(too_large());
        }
        let kibibytes = u32::try_from(length.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
        let reads = async {
            let room = Arc::clone(&self.room).acquire_many_owned(kibibytes).await.ok();
            (room, to_bytes(body, most).await)
        };
        match tokio::time::timeout(BODY_WITHIN, reads).await {
            Ok((Some(room), Ok(bytes))) => Ok((room, bytes)),
            Ok((Some(_), Err(error))) => {
                let cause = std::error::Error::source(&error);
                if cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
                    return Err(too_large());
                }
                Err(Problem::new(Kind::Malformed, "the delivery broke off; send it again"))
            }
            Ok((None, _)) | Err(_) => {
                // Who says much and sends nothing takes room from others.
                self.failed(hook, peer);
                let detail = "the delivery took too long to come; send it again";
                Err(Problem::new(Kind::Busy, detail).retry_after(BODY_WITHIN))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn hook(n: u128) -> HookId {
        HookId::new(Uuid::from_u128(n))
    }

    #[test]
    fn who_signs_wrong_too_often_waits_and_nobody_else_does() {
        let gate = Gate::default();
        let (start, peer) = (Instant::now(), IpAddr::from([10, 0, 0, 1]));
        for _ in 0..MOST_FAILURES {
            assert_eq!(gate.waits_at(hook(1), peer, start), None);
            gate.failed_at(hook(1), peer, start);
        }
        assert!(gate.waits_at(hook(1), peer, start).is_some());
        assert_eq!(gate.waits_at(hook(2), peer, start), None, "another webhook");
        assert_eq!(gate.waits_at(hook(1), IpAddr::from([10, 0, 0, 2]), start), None);
        assert_eq!(gate.waits_at(hook(1), peer, start + WINDOW), None);
        for n in 0..10_000_u32 {
            gate.failed_at(hook(1), IpAddr::from(n.to_be_bytes()), start);
        }
        assert!(gate.failures.lock().unwrap().len() <= MOST_SENDERS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_length_and_time() {
        let gate = Gate::default();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let given = |headers: HeaderMap, body: Body| {
            let gate = &gate;
            async move { gate.body(hook(1), peer, &headers, body, 1_000).await }
        };
        let (room, bytes) = given(HeaderMap::new(), Body::from("{}")).await.unwrap();
        assert_eq!((room.num_permits(), &bytes[..]), (1, &b"{}"[..]));
        drop(room);
        let said = |length: &str| {
            HeaderMap::from_iter([(header::CONTENT_LENGTH, length.parse().unwrap())])
        };
        assert_eq!(given(said("1001"), Body::empty()).await.unwrap_err().status, 413);
        let long = Body::from(vec![0; 1_001]);
        assert_eq!(given(HeaderMap::new(), long).await.unwrap_err().status, 413);
        let stalled =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(given(said("10"), stalled).await.unwrap_err().status, 503);
        assert_eq!(gate.room.available_permits(), ROOM, "all of it is given back");
    }
}
