//! What providers of repositories say by webhook, and what it means for an app. Pure: no clock, no
//! network, no state; [`crate::api`] takes deliveries in and acts.
//!
//! Invariants: nothing of a body is read before its signature holds; whatever a payload says is a
//! checked type or a bounded text before it leaves here; what a payload leaves open about which files
//! changed is answered by building.

pub(crate) mod matching;
pub(crate) mod payload;
pub(crate) mod verify;

use axum::http::HeaderMap;
use hythe_core::hook::Provider;

/// Characters of a delivery's id.
const MOST_ID: usize = 128;
/// Characters of an event's name.
const MOST_EVENT: usize = 64;

/// The name that the provider gives to what happened, such as `push`; none where it says none.
pub(crate) fn event_name(provider: Provider, headers: &HeaderMap) -> Option<String> {
    let names: &[&str] = match provider {
        Provider::GitHub => &["x-github-event"],
        Provider::GitLab => &["x-gitlab-event"],
        Provider::Bitbucket => &["x-event-key"],
        Provider::Gitea => &["x-gitea-event", "x-forgejo-event", "x-github-event"],
    };
    let name = names.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    let plain: String = name.chars().filter(|c| !c.is_control()).take(MOST_EVENT).collect();
    (!plain.is_empty()).then_some(plain)
}

/// The provider's own id of the delivery, the same when it is sent again. Where it has none, what was
/// sent is its own name.
pub(crate) fn delivery_id(provider: Provider, headers: &HeaderMap, body: &[u8]) -> String {
    let names: &[&str] = match provider {
        Provider::GitHub => &["x-github-delivery"],
        // The last one tells events apart and not deliveries, but older versions have no other.
        Provider::GitLab => &["webhook-id", "idempotency-key", "x-gitlab-event-uuid"],
        Provider::Bitbucket => &["x-request-uuid"],
        Provider::Gitea => &["x-gitea-delivery", "x-forgejo-delivery", "x-github-delivery"],
    };
    let given = names.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let fine = |id: &&str| {
        (1..=MOST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match given.filter(fine) {
        Some(id) => id.to_owned(),
        None => format!("body-{}", blake3::hash(body).to_hex()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_without_a_usable_id_is_known_by_its_body() {
        let mut headers = HeaderMap::new();
        let own = |headers: &HeaderMap| delivery_id(Provider::GitHub, headers, b"{}");
        assert!(own(&headers).starts_with("body-"));
        assert_ne!(own(&headers), delivery_id(Provider::GitHub, &headers, b"{} "));
        for (id, fine) in [("72d3162e-cc78-11e3", true), ("a b", false), ("", false)] {
            headers.insert("x-github-delivery", id.parse().unwrap());
            assert_eq!(own(&headers) == id, fine, "{id}");
        }
        headers.insert("x-github-delivery", "x".repeat(MOST_ID + 1).parse().unwrap());
        assert!(own(&headers).starts_with("body-"));
    }
}
