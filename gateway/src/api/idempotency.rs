//! Requests that take effect once, however often they are sent.
//!
//! The key that the caller chose is claimed in the same append as the effect, with a note of what
//! was asked and what it led to. Whoever comes later with the same key finds the note. A request
//! that changes nothing appends nothing and claims nothing: it can be repeated anyway.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::record::Sequence;
use hythe_store::Journal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layers::RequestId;
use super::problem::{Kind, Problem};

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const MOST_CHARACTERS: usize = 255;

/// A key that the caller chose, and what it was chosen for.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    claim: ClaimKey,
    request: [u8; 32],
}

/// What is noted with a key. Kept in the journal: fields may only be added, at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// Tells the request from another; keyed, for it may have had secrets in its body.
    request: [u8; 32],
    /// What came of it.
    resource: Uuid,
}

/// Reads the key of a request, where it has one. `key` is this installation's own.
pub(crate) fn once(
    parts: &Asked,
    body: &blake3::Hash,
    key: &[u8; 32],
) -> Result<Option<Once>, Problem> {
    let mut given = parts.headers.get_all(HEADER).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fine = !text.is_empty()
        && text.len() <= MOST_CHARACTERS
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fine || given.next().is_some() {
        return Err(Problem::field(
            "Idempotency-Key",
            "the header Idempotency-Key is one key of 1 to 255 visible ASCII characters, such as a \
             UUID",
        ));
    }
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in [parts.method.as_bytes(), parts.target.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.update(body.as_bytes());
    Ok(Some(Once { claim: ClaimKey::idempotency(text), request: *hasher.finalize().as_bytes() }))
}

/// A request that was made before under the same key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// What came of it.
    pub(crate) resource: Uuid,
    /// The event that it set off.
    pub(crate) sequence: Sequence,
}

/// What of a request tells it from another, besides its body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    method: String,
    target: String,
    headers: HeaderMap,
    /// The request's id: the correlation of every event that it sets off.
    pub(crate) id: Uuid,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            method: parts.method.to_string(),
            target: target.to_owned(),
            headers: parts.headers.clone(),
            // Always there: the outermost layer puts it in.
            id: parts.extensions.get::<RequestId>().map_or_else(Uuid::now_v7, |id| id.0),
        })
    }
}

impl Once {
    /// What claims the key, in the append of the effect.
    pub(crate) fn claim(&self, resource: Uuid) -> Result<ClaimChange, Problem> {
        let note = Note { request: self.request, resource };
        let note = postcard::to_stdvec(&note).map_err(|error| {
            tracing::error!(%error, "a note does not encode");
            Problem::new(Kind::Internal, "see the server's log")
        })?;
        Ok(ClaimChange::Take { key: self.claim.clone(), note })
    }

    /// What came of the request when it was made before, where it was.
    ///
    /// # Errors
    /// Where another request had this key, or the journal cannot be read.
    pub(crate) fn before(&self, journal: &Journal) -> Result<Option<Before>, Problem> {
        let owner = journal.claim(&self.claim).map_err(|error| {
            tracing::error!(%error, "failed to look an idempotency key up");
            Problem::new(Kind::Unavailable, "the journal cannot be read; see the server's log")
        })?;
        let Some(owner) = owner else { return Ok(None) };
        match postcard::from_bytes::<Note>(&owner.note) {
            Ok(note) if note.request == self.request => {
                Ok(Some(Before { resource: note.resource, sequence: owner.sequence }))
            }
            Ok(_) | Err(_) => Err(reused()),
        }
    }

    /// Whether another request has the same key.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.claim == other.claim
    }

    /// Whether the other one is this request.
    pub(crate) fn same_request(&self, other: &Self) -> bool {
        self.request == other.request
    }

    #[cfg(test)]
    pub(crate) fn test(key: &str, request: u8) -> Self {
        Self { claim: ClaimKey::idempotency(key), request: [request; 32] }
    }
}

/// Refuses a key that another request has.
pub(crate) fn reused() -> Problem {
    Problem::new(
        Kind::KeyReused,
        "this Idempotency-Key was used for another request; choose a new one for each",
    )
}

/// Marks an answer to a request that had taken effect before.
pub(crate) fn mark_replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(key: &[u8], target: &str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(key).unwrap());
        Asked { method: "POST".into(), target: target.into(), headers, id: Uuid::nil() }
    }

    #[test]
    fn a_key_is_one_short_visible_word() {
        let body = blake3::hash(b"{}");
        let long = "k".repeat(256);
        for wrong in [&b""[..], b"a b", "é".as_bytes(), long.as_bytes()] {
            let problem = once(&asked(wrong, "/x"), &body, &[0; 32]).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("Idempotency-Key"));
        }
        let one = once(&asked(b"k", "/x"), &body, &[0; 32]).unwrap().unwrap();
        let other = once(&asked(b"k", "/y"), &body, &[0; 32]).unwrap().unwrap();
        assert_eq!(one.claim, other.claim);
        assert_ne!(one.request, other.request, "another address is another request");
        let none = Asked { headers: HeaderMap::new(), ..asked(b"k", "/x") };
        assert!(once(&none, &body, &[0; 32]).unwrap().is_none());
    }
}
