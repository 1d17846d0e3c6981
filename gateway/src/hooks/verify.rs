//! Whether a delivery comes from whoever knows the hook's secret: over the bytes that were sent, before
//! anything of them is understood, and compared in constant time.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hythe_core::hook::Provider;
use hythe_core::time::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How far the moment in a signed delivery may be from ours, in seconds.
const APART: u64 = 300;
/// What GitLab's signing tokens begin with; the rest is the key in base64.
pub(crate) const SIGNING_TOKEN: &str = "whsec_";
/// Signatures in one header: more are there only while a secret is changed.
const MOST_SIGNATURES: usize = 4;

/// Why a delivery is not taken for the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproven {
    /// Nothing was signed.
    #[error("it is not signed (no {0}); enter the hook's secret at the provider")]
    Missing(&'static str),
    /// Another secret, or another body.
    #[error("{0} does not fit the hook's secret; enter it at the provider again, or rotate it")]
    Wrong(&'static str),
    /// Signed long ago, or by another clock.
    #[error("it was signed more than {APART} seconds ago or ahead; compare the clocks")]
    Stale,
}

/// Whether there is something to check at all.
pub(crate) fn is_signed(provider: Provider, headers: &HeaderMap) -> Result<(), Unproven> {
    let names: &[&'static str] = match provider {
        Provider::GitHub => &["x-hub-signature-256"],
        Provider::GitLab => &["webhook-signature", "x-gitlab-token"],
        Provider::Bitbucket => &["x-hub-signature"],
        Provider::Gitea => &["x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256"],
    };
    if names.iter().any(|name| headers.contains_key(*name)) {
        return Ok(());
    }
    Err(Unproven::Missing(shown(names.last().copied().unwrap_or_default())))
}

/// Checks the signature over the body as it came.
pub(crate) fn verify(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    secret: &[u8],
    now: Timestamp,
) -> Result<(), Unproven> {
    is_signed(provider, headers)?;
    match provider {
        Provider::GitHub => prefixed(headers, "x-hub-signature-256", body, secret),
        Provider::Bitbucket => prefixed(headers, "x-hub-signature", body, secret),
        Provider::Gitea => {
            // The first that is there decides: a good one does not make up for a bad one.
            for name in ["x-gitea-signature", "x-forgejo-signature"] {
                if let Some(given) = text(headers, name) {
                    return hex_is(given, &[body], secret).ok_or(Unproven::Wrong(shown(name)));
                }
            }
            prefixed(headers, "x-hub-signature-256", body, secret)
        }
        Provider::GitLab if headers.contains_key("webhook-signature") => {
            standard(headers, body, secret, now)
        }
        Provider::GitLab => {
            let given = text(headers, "x-gitlab-token").unwrap_or_default();
            // Hashes, so that not even the length tells anything.
            let (given, own) = (blake3::hash(given.as_bytes()), blake3::hash(secret));
            let same = bool::from(given.as_bytes().ct_eq(own.as_bytes()));
            same.then_some(()).ok_or(Unproven::Wrong("X-Gitlab-Token"))
        }
    }
}

/// `sha256=` and the tag in hexadecimal digits.
fn prefixed(
    headers: &HeaderMap,
    name: &'static str,
    body: &[u8],
    secret: &[u8],
) -> Result<(), Unproven> {
    let given = text(headers, name).and_then(|given| given.strip_prefix("sha256="));
    given.and_then(|given| hex_is(given, &[body], secret)).ok_or(Unproven::Wrong(shown(name)))
}

/// As the Standard Webhooks have it, which GitLab signs by: the id and the moment are signed, too.
fn standard(
    headers: &HeaderMap,
    body: &[u8],
    secret: &[u8],
    now: Timestamp,
) -> Result<(), Unproven> {
    let wrong = Unproven::Wrong("webhook-signature");
    let part = |name| text(headers, name).ok_or(wrong);
    let (id, at) = (part("webhook-id")?, part("webhook-timestamp")?);
    let seconds: u64 = at.parse().map_err(|_| wrong)?;
    let key = std::str::from_utf8(secret).ok().and_then(|text| text.strip_prefix(SIGNING_TOKEN));
    let key = key.and_then(|key| STANDARD.decode(key).ok()).ok_or(wrong)?;
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let given = part("webhook-signature")?.split(' ').take(MOST_SIGNATURES);
    let tags = given.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let mut fits = false;
    for tag in tags {
        fits |= tag_is(&tag, &signed, &key).is_some();
    }
    if !fits {
        return Err(wrong);
    }
    // Only now: what is not signed right says nothing of clocks.
    if seconds.abs_diff(now.0 / 1_000) > APART {
        return Err(Unproven::Stale);
    }
    Ok(())
}

fn hex_is(given: &str, parts: &[&[u8]], key: &[u8]) -> Option<()> {
    tag_is(&hex::decode(given).ok()?, parts, key)
}

fn tag_is(tag: &[u8], parts: &[&[u8]], key: &[u8]) -> Option<()> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(tag).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// As providers write it.
fn shown(name: &'static str) -> &'static str {
    match name {
        "x-hub-signature-256" => "X-Hub-Signature-256",
        "x-hub-signature" => "X-Hub-Signature",
        "x-gitea-signature" => "X-Gitea-Signature",
        "x-forgejo-signature" => "X-Forgejo-Signature",
        "x-gitlab-token" => "X-Gitlab-Token",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn check(
        provider: Provider,
        pairs: &[(&'static str, &str)],
        body: &[u8],
        secret: &str,
    ) -> Result<(), Unproven> {
        verify(provider, &headers(pairs), body, secret.as_bytes(), Timestamp(1_700_000_000_000))
    }

    /// The example of GitHub's own documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn a_tag_over_the_body_by_the_secret_is_what_counts() {
        let body = b"Hello, World!";
        let tag = format!("sha256={TAG}");
        for (provider, name) in [
            (Provider::GitHub, "x-hub-signature-256"),
            (Provider::Bitbucket, "x-hub-signature"),
            (Provider::Gitea, "x-hub-signature-256"),
        ] {
            assert_eq!(check(provider, &[(name, &tag)], body, SECRET), Ok(()));
            let wrong = Err(Unproven::Wrong(shown(name)));
            assert_eq!(check(provider, &[(name, &tag)], b"Hello, World", SECRET), wrong);
            assert_eq!(check(provider, &[(name, &tag)], body, "another"), wrong);
            for given in [TAG, "sha256=", "sha256=zz", &tag[..60], "sha1=00", ""] {
                assert_eq!(check(provider, &[(name, given)], body, SECRET), wrong, "{given}");
            }
            assert!(matches!(check(provider, &[], body, SECRET), Err(Unproven::Missing(_))));
        }
        // The older, weaker one of GitHub is not looked at.
        let sha1 = [("x-hub-signature", "sha1=abc")];
        assert!(matches!(check(Provider::GitHub, &sha1, body, SECRET), Err(Unproven::Missing(_))));
    }

    #[test]
    fn of_two_signatures_the_good_one_does_not_make_up_for_the_bad_one() {
        let body = b"Hello, World!";
        assert_eq!(check(Provider::Gitea, &[("x-gitea-signature", TAG)], body, SECRET), Ok(()));
        assert_eq!(check(Provider::Gitea, &[("x-forgejo-signature", TAG)], body, SECRET), Ok(()));
        let good = format!("sha256={TAG}");
        let both = [("x-gitea-signature", "00"), ("x-hub-signature-256", good.as_str())];
        let wrong = Err(Unproven::Wrong("X-Gitea-Signature"));
        assert_eq!(check(Provider::Gitea, &both, body, SECRET), wrong);
    }

    #[test]
    fn gitlab_sends_the_secret_itself_or_signs_with_it() {
        let secret = format!("{SIGNING_TOKEN}{}", STANDARD.encode([7; 32]));
        let token =
            |given: &str| check(Provider::GitLab, &[("x-gitlab-token", given)], b"{}", &secret);
        assert_eq!(token(&secret), Ok(()));
        for given in ["", "x", &secret[1..], &format!("{secret} ")[..secret.len() - 1]] {
            assert_eq!(token(given), Err(Unproven::Wrong("X-Gitlab-Token")), "{given}");
        }
        let sign = |id: &str, at: u64, body: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
            mac.update(format!("{id}.{at}.{body}").as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        let signed = |signature: &str, at: &str, more: &[(&'static str, &str)]| {
            let mut pairs = vec![
                ("webhook-id", "d1"),
                ("webhook-timestamp", at),
                ("webhook-signature", signature),
            ];
            pairs.extend(more);
            check(Provider::GitLab, &pairs, b"{}", &secret)
        };
        let (now, late) = (1_700_000_000, 1_700_000_000 - APART - 1);
        let good = sign("d1", now, "{}");
        let wrong = Err(Unproven::Wrong("webhook-signature"));
        assert_eq!(signed(&good, "1700000000", &[]), Ok(()));
        assert_eq!(signed(&format!("v1,AAAA {good}"), "1700000000", &[]), Ok(()));
        assert_eq!(signed(&good, "1700000001", &[]), wrong, "the moment is signed");
        assert_eq!(signed(&sign("d2", now, "{}"), "1700000000", &[]), wrong, "so is the id");
        assert_eq!(signed(&sign("d1", now, "{ }"), "1700000000", &[]), wrong);
        assert_eq!(signed(&good[3..], "1700000000", &[]), wrong);
        let stale = signed(&sign("d1", late, "{}"), &late.to_string(), &[]);
        assert_eq!(stale, Err(Unproven::Stale));
        // Whoever knows how to sign is asked for it, whatever else is sent.
        assert_eq!(signed("v1,AAAA", "1700000000", &[("x-gitlab-token", &secret)]), wrong);
    }
}
