//! Browser sessions: cookies that prove a sign-in for 12 hours.
//!
//! A cookie carries its end and a random id under a keyed hash, so that a restart of the server
//! signs nobody out; a new owner token does. Signed-out ids are remembered in memory, the oldest
//! forgotten first: the browser has dropped its cookie by then anyway.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hythe_core::time::Timestamp;
use subtle::ConstantTimeEq;

use super::OwnerToken;

/// The name of the cookie.
pub(crate) const COOKIE: &str = "hythe_session";
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
const MOST_SIGNED_OUT: usize = 4_096;
const ID: usize = 16;
const HEAD: usize = 8 + ID;
const WHOLE: usize = HEAD + 32;

/// Makes and checks sessions.
pub(crate) struct Sessions {
    key: [u8; 32],
    signed_out: Mutex<VecDeque<[u8; ID]>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(…)")
    }
}

/// A session that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    id: [u8; ID],
    /// When it ends.
    pub(crate) until: Timestamp,
}

impl Sessions {
    pub(crate) fn new(token: &OwnerToken) -> Self {
        Self { key: token.derive("browser sessions"), signed_out: Mutex::default() }
    }

    /// A new session and the value of its cookie.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub(crate) fn mint(&self, now: Timestamp) -> Result<(Session, String), getrandom::Error> {
        let mut id = [0; ID];
        getrandom::fill(&mut id)?;
        let millis = u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp(now.0.saturating_add(millis));
        let mut whole = [0; WHOLE];
        whole[..8].copy_from_slice(&until.0.to_be_bytes());
        whole[8..HEAD].copy_from_slice(&id);
        let proof = self.proof(&whole[..HEAD]);
        whole[HEAD..].copy_from_slice(proof.as_bytes());
        Ok((Session { id, until }, URL_SAFE_NO_PAD.encode(whole)))
    }

    /// The session of a request's cookie, where it holds.
    pub(crate) fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let session = self.read(cookie(headers)?)?;
        let signed_out = self.signed_out.lock().unwrap_or_else(PoisonError::into_inner);
        (session.until > now && !signed_out.contains(&session.id)).then_some(session)
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, session: &Session) {
        let mut signed_out = self.signed_out.lock().unwrap_or_else(PoisonError::into_inner);
        if signed_out.len() >= MOST_SIGNED_OUT {
            signed_out.pop_front();
        }
        signed_out.push_back(session.id);
    }

    fn proof(&self, head: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, head)
    }

    fn read(&self, cookie: &str) -> Option<Session> {
        let mut whole = [0; WHOLE];
        let read = URL_SAFE_NO_PAD.decode_slice(cookie, &mut whole).ok()?;
        let (head, proof) = whole.split_at(HEAD);
        let right = self.proof(head).as_bytes().ct_eq(proof);
        if read != WHOLE || !bool::from(right) {
            return None;
        }
        let (until, id) = head.split_first_chunk::<8>()?;
        Some(Session { id: id.try_into().ok()?, until: Timestamp(u64::from_be_bytes(*until)) })
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// The header that gives a browser its cookie; an empty value takes it back.
pub(crate) fn set_cookie(value: &str, secure: bool) -> String {
    let age = if value.is_empty() { 0 } else { LASTS.as_secs() };
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("a=b; {COOKIE}={cookie}; c=d");
        headers.insert(header::COOKIE, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_ends_by_time_by_signing_out_and_by_a_new_token() {
        let sessions = Sessions::new(&OwnerToken::of("one"));
        let now = Timestamp(1_000);
        let (session, cookie) = sessions.mint(now).unwrap();
        assert_eq!(sessions.of(&with(&cookie), now), Some(session));
        assert_eq!(sessions.of(&with(&cookie), session.until), None);
        assert_eq!(Sessions::new(&OwnerToken::of("two")).of(&with(&cookie), now), None);
        // A restart keeps it.
        assert!(Sessions::new(&OwnerToken::of("one")).of(&with(&cookie), now).is_some());
        sessions.sign_out(&session);
        assert_eq!(sessions.of(&with(&cookie), now), None);
    }

    #[test]
    fn no_byte_of_a_cookie_can_be_changed() {
        let sessions = Sessions::new(&OwnerToken::of("one"));
        let (_, cookie) = sessions.mint(Timestamp(1)).unwrap();
        for at in 0..cookie.len() {
            let mut other = cookie.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(sessions.of(&with(&other), Timestamp(2)), None, "{at}");
        }
        for other in ["", "x", "%%%", &cookie[..40], &format!("{cookie}AAAA")] {
            assert_eq!(sessions.of(&with(other), Timestamp(2)), None);
        }
    }
}
