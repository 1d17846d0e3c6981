//! What stands between clients and an app, as people set it.
//!
//! Invariants: whoever may not see an app learns nothing of it but that; a password costs its price
//! once, not with every request, and never on a thread that serves; whoever guesses runs into a limit
//! before that price is paid.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Argon2, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hythe_core::edge::{EdgeSettings, EdgeUser, Rate};
use hythe_core::names::HostName;
use hythe_core::wire::edge::Passwords;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::limiter::Limiter;
use super::pages::Page;
use super::sleep::Sleeper;

/// Longest `Authorization` value that is looked at.
const MOST_BYTES: usize = 2_048;
/// How long a password may wait for its turn to be looked at.
const TURN: Duration = Duration::from_secs(5);
/// Passwords that are known to be right, per core.
const MOST_KNOWN: usize = 4_096;
/// How many passwords one address may try: each that is not known yet counts.
const TRIES: Rate = Rate { per_second: 1, burst: 20 };

/// What holds for one host.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) settings: EdgeSettings,
    pub(crate) redirect: Option<HostName>,
    pub(crate) passwords: Passwords,
    pub(crate) shared: Arc<Shared>,
    /// The app, where it sleeps or may.
    pub(crate) sleeper: Option<Arc<Sleeper>>,
}

/// What all hosts of an app share, from one table to the next.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) limiter: Option<Limiter>,
    /// Requests that wait for the app to start.
    waiting: AtomicUsize,
}

/// A place among those that wait.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { limiter: rate.map(Limiter::new), waiting: AtomicUsize::new(0) }
    }

    /// Whether it is one for this rate.
    pub(crate) fn is(&self, rate: Option<Rate>) -> bool {
        match (&self.limiter, rate) {
            (None, None) => true,
            (Some(limiter), Some(rate)) => limiter.is(rate),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// A place to wait; none where `most` wait already.
    pub(crate) fn wait(&self, most: usize) -> Option<Waiting<'_>> {
        let place = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Relaxed) < most).then_some(place)
    }
}

impl Gate {
    /// Whether a client may be served whoever it is, and however often it asks.
    pub(crate) fn admits_all(&self) -> bool {
        self.settings.allow.is_empty() && self.shared.limiter.is_none()
    }

    /// Whether a client with this address may be served at all.
    pub(crate) fn admits(&self, client: IpAddr, now_ns: u64) -> Result<(), Page> {
        let allow = &self.settings.allow;
        if !allow.is_empty() && !allow.iter().any(|network| network.contains(client)) {
            return Err(Page::NotFromHere);
        }
        let Some(limiter) = &self.shared.limiter else { return Ok(()) };
        limiter.admit(client, now_ns).map_err(too_many)
    }
}

fn too_many(wait: Duration) -> Page {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    Page::TooMany(u16::try_from(seconds).unwrap_or(u16::MAX).max(1))
}

/// Looks at passwords, for one core.
#[derive(Debug)]
pub(crate) struct Doorman {
    key: [u8; 32],
    known: Mutex<HashSet<[u8; 32]>>,
    tries: Arc<Limiter>,
    turns: Arc<Semaphore>,
}

/// What the cores share of that.
#[derive(Clone, Debug)]
pub(crate) struct Doormen {
    tries: Arc<Limiter>,
    turns: Arc<Semaphore>,
}

impl Doormen {
    pub(crate) fn new(at_once: usize) -> Self {
        let turns = Arc::new(Semaphore::new(at_once.max(1)));
        Self { tries: Arc::new(Limiter::new(TRIES)), turns }
    }
}

impl Doorman {
    pub(crate) fn new(all: &Doormen) -> Self {
        let mut key = [0; 32];
        // Without the system's randomness nobody is remembered by a key that could be known.
        let known = getrandom::fill(&mut key).is_ok();
        if !known {
            tracing::warn!("no randomness: passwords are kept under a key that may be known");
        }
        let Doormen { tries, turns } = all.clone();
        Self { key, known: Mutex::default(), tries, turns }
    }

    /// Who it is that asks, where they may see what they ask for.
    pub(crate) async fn knows(
        &self,
        passwords: &Passwords,
        headers: &HeaderMap,
        client: IpAddr,
        now_ns: u64,
    ) -> Result<HeaderValue, Page> {
        let (user, password) = credentials(headers).ok_or(Page::NoPassword)?;
        let name = HeaderValue::from_str(user.as_str()).map_err(|_| Page::NoPassword)?;
        // For a stranger it takes as long as for a user, so that nobody learns who is one.
        let (hash, is_one) = match passwords.get(&user) {
            Some(hash) => (hash, true),
            None => (passwords.values().next().ok_or(Page::NoPassword)?, false),
        };
        let mut mark = blake3::Hasher::new_keyed(&self.key);
        for part in [hash.as_str(), user.as_str(), password.as_str()] {
            mark.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mark = *mark.finalize().as_bytes();
        if is_one && self.known().contains(&mark) {
            return Ok(name);
        }
        self.tries.admit(client, now_ns).map_err(too_many)?;
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Page::Busy) };
        let hash = hash.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let right = Argon2::default().verify_password(password.as_bytes(), hash.as_str());
            drop(turn);
            right.is_ok()
        });
        if !looked.await.map_err(|_| Page::Busy)? || !is_one {
            return Err(Page::NoPassword);
        }
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(mark);
        Ok(name)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user and password of basic authentication (RFC 7617), where there is exactly one of it.
fn credentials(headers: &HeaderMap) -> Option<(EdgeUser, Zeroizing<String>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() || value.len() > MOST_BYTES {
        return None;
    }
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((EdgeUser::new(user).ok()?, Zeroizing::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn credentials_are_read_or_there_are_none() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let read = |values: &[&str]| {
            let found = credentials(&headers(values));
            found.map(|(user, password)| format!("{user} {}", password.as_str()))
        };
        assert_eq!(read(&[&basic("ada:a:b c")]), Some("ada a:b c".into()));
        assert_eq!(read(&[&basic("ada:")]), Some("ada ".into()));
        assert_eq!(read(&[&basic("ada:x").replace("Basic", "bAsIc")]), Some("ada x".into()));
        let long = basic(&format!("ada:{}", "x".repeat(4_000)));
        for bad in [
            &[][..],
            &["Basic"],
            &["Basic !!!"],
            &[&basic("ada")],
            &[&basic(":x")],
            &[&basic("a da:x")],
            &[&basic("ada:x").replace("Basic", "Bearer")],
            &[&basic("ada:x"), &basic("ada:x")],
            &[&long],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn those_who_wait_are_counted() {
        let shared = Shared::new(None);
        let (one, two) = (shared.wait(2), shared.wait(2));
        assert!(one.is_some() && two.is_some() && shared.wait(2).is_none());
        drop(one);
        assert!(shared.wait(2).is_some());
    }
}
