//! Which host a request is for.
//!
//! Invariant: what leaves here is lower case, without port and trailing dot, and holds only
//! characters that a host name or a bracketed address can have; anything ambiguous is refused.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hyper::Version;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::uri::Uri;

/// Longest accepted `Host` value in bytes: a name of 253, a trailing dot, a colon, a port.
const MOST_BYTES: usize = 260;

/// The host of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// For looking up routes.
    pub(crate) name: String,
    /// As the client gave it, port included: what the app gets to see.
    pub(crate) original: HeaderValue,
    /// What the app is told of it and of the connection's peer, once that was put together.
    pub(super) forwarded: OnceLock<HeaderValue>,
}

impl Host {
    pub(crate) const fn new(name: String, original: HeaderValue) -> Self {
        Self { name, original, forwarded: OnceLock::new() }
    }

    /// Whether a request names it in the way that nearly all do, and with the same letters.
    fn is_named_by(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(HOST).iter();
        let named = match (version == Version::HTTP_2, uri.authority(), values.next()) {
            (false, None, Some(header)) => header.as_bytes(),
            (true, Some(target), None) => target.as_str().as_bytes(),
            _ => return false,
        };
        named == self.original.as_bytes() && values.next().is_none()
    }
}

/// The host that the last request of one connection was for. Most go on with the same, which need not be
/// read again.
#[derive(Debug, Default)]
pub(crate) struct Last(Mutex<Option<Arc<Host>>>);

impl Last {
    /// The host of the connection's next request, as [`of`] finds it.
    pub(crate) fn of(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Arc<Host>, BadHost> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(host) if host.is_named_by(version, uri, headers) => Ok(Arc::clone(host)),
            Some(_) | None => Ok(Arc::clone(last.insert(Arc::new(of(version, uri, headers)?)))),
        }
    }
}

/// Why a request has no usable host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHost {
    #[error("the request names no host")]
    Missing,
    #[error("the request names more than one host")]
    Several,
    #[error("the request's host is not a valid host name")]
    Invalid,
}

/// Finds the host: from an absolute-form target where there is one (it outranks the header), else
/// from the one `Host` header.
///
/// Over HTTP/2 the target names the host, and a header that is there says the same.
fn of(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Host, BadHost> {
    let mut values = headers.get_all(HOST).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(BadHost::Several);
    }
    if version == Version::HTTP_2 {
        let target = uri.authority().map(|target| HeaderValue::from_str(target.as_str()));
        let target = target.transpose().map_err(|_| BadHost::Invalid)?;
        let original = match (target, header) {
            (Some(target), Some(header))
                if !target.as_bytes().eq_ignore_ascii_case(header.as_bytes()) =>
            {
                return Err(BadHost::Several);
            }
            (Some(target), _) => target,
            (None, Some(header)) => header.clone(),
            (None, None) => return Err(BadHost::Missing),
        };
        return Ok(Host::new(name(original.as_bytes())?, original));
    }
    // Without the header a request is malformed even where its target names a host.
    let header = header.ok_or(BadHost::Missing)?;
    let original = match uri.authority() {
        Some(target) => {
            // Judged like a target: what a lenient next hop would make of a bad one is unknown.
            name(header.as_bytes())?;
            HeaderValue::from_str(target.as_str()).map_err(|_| BadHost::Invalid)?
        }
        None => header.clone(),
    };
    Ok(Host::new(name(original.as_bytes())?, original))
}

fn name(host: &[u8]) -> Result<String, BadHost> {
    if host.is_empty() {
        return Err(BadHost::Missing);
    }
    if host.len() > MOST_BYTES {
        return Err(BadHost::Invalid);
    }
    let end = match host {
        [b'[', ..] => {
            host.iter().position(|b| *b == b']').ok_or(BadHost::Invalid)?.saturating_add(1)
        }
        _ => host.iter().position(|b| *b == b':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    port_fine(port)?;
    match name {
        [b'[', inner @ .., b']'] => {
            let fine = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
            if inner.is_empty() || !inner.iter().all(fine) {
                return Err(BadHost::Invalid);
            }
        }
        _ => label_characters(name)?,
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    // All of it is ASCII by now.
    let name = std::str::from_utf8(name).map_err(|_| BadHost::Invalid)?;
    Ok(name.to_ascii_lowercase())
}

fn port_fine(port: &[u8]) -> Result<(), BadHost> {
    match port {
        [] | [b':'] => Ok(()),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<u16>().ok())
            .map(|_| ())
            .ok_or(BadHost::Invalid),
        _ => Err(BadHost::Invalid),
    }
}

/// Underscores are let through: no app has them, but they are no attack, only a 404.
fn label_characters(name: &[u8]) -> Result<(), BadHost> {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let dots = name.starts_with(b".") || name.windows(2).any(|pair| pair == b"..");
    if name.is_empty() || dots || !name.iter().all(fine) {
        return Err(BadHost::Invalid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(target: &str, hosts: &[&[u8]]) -> Result<String, BadHost> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host).unwrap());
        }
        of(Version::HTTP_11, &target.parse().unwrap(), &headers).map(|host| host.name)
    }

    #[test]
    fn hosts_are_read_leniently_where_harmless_and_refused_where_not() {
        for (given, wanted) in [
            ("a.example", Ok("a.example")),
            ("A.Example", Ok("a.example")),
            ("a.example.", Ok("a.example")),
            ("a.example:8080", Ok("a.example")),
            ("a.example.:80", Ok("a.example")),
            ("a.example:", Ok("a.example")),
            ("[::1]:80", Ok("[::1]")),
            ("[::1]", Ok("[::1]")),
            ("a_b.example", Ok("a_b.example")),
            ("", Err(BadHost::Missing)),
            (":80", Err(BadHost::Invalid)),
            (".", Err(BadHost::Invalid)),
            (".a", Err(BadHost::Invalid)),
            ("a..b", Err(BadHost::Invalid)),
            ("a b", Err(BadHost::Invalid)),
            ("a,b", Err(BadHost::Invalid)),
            ("a/b", Err(BadHost::Invalid)),
            ("a@b", Err(BadHost::Invalid)),
            ("a#b", Err(BadHost::Invalid)),
            ("a:b", Err(BadHost::Invalid)),
            ("a:80:80", Err(BadHost::Invalid)),
            ("a:99999", Err(BadHost::Invalid)),
            ("a:+80", Err(BadHost::Invalid)),
            ("a%2eb", Err(BadHost::Invalid)),
            ("<script>", Err(BadHost::Invalid)),
            ("[::1", Err(BadHost::Invalid)),
            ("[]", Err(BadHost::Invalid)),
            ("[::1]x", Err(BadHost::Invalid)),
            ("[::1%25eth0]", Err(BadHost::Invalid)),
            ("b\u{fc}cher.example", Err(BadHost::Invalid)),
        ] {
            assert_eq!(host("/", &[given.as_bytes()]), wanted.map(str::to_owned), "{given}");
        }
        assert_eq!(host("/", &[&[b'a'; 300]]), Err(BadHost::Invalid));
        assert_eq!(host("/", &[]), Err(BadHost::Missing));
        assert_eq!(host("/", &[b"a", b"a"]), Err(BadHost::Several));
    }

    #[test]
    fn over_http2_target_and_header_say_the_same_or_one_is_missing() {
        let host = |target: &str, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(HOST, header.parse().unwrap());
            }
            of(Version::HTTP_2, &target.parse().unwrap(), &headers).map(|host| host.name)
        };
        assert_eq!(host("http://b.example:81/x", None), Ok("b.example".into()));
        assert_eq!(host("http://b.example/x", Some("B.example")), Ok("b.example".into()));
        assert_eq!(host("/x", Some("a.example")), Ok("a.example".into()));
        assert_eq!(host("http://b.example/x", Some("a.example")), Err(BadHost::Several));
        assert_eq!(host("http://u@b.example/x", None), Err(BadHost::Invalid));
        assert_eq!(host("/x", None), Err(BadHost::Missing));
    }

    #[test]
    fn the_next_request_of_a_connection_is_for_the_host_that_it_names() {
        let last = Last::default();
        let of = |version: Version, target: &str, hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| (HOST, host.parse().unwrap()));
            let headers: HeaderMap = HeaderMap::from_iter(hosts);
            let host = last.of(version, &target.parse().unwrap(), &headers);
            host.map(|host| (host.name.clone(), host.original.to_str().unwrap().to_owned()))
        };
        let found = |name: &str, original: &str| Ok((name.to_owned(), original.to_owned()));
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(
                    of(Version::HTTP_11, "/", &["A.example"]),
                    found("a.example", "A.example")
                );
            }
            assert_eq!(of(Version::HTTP_11, "/x", &["a.example"]), found("a.example", "a.example"));
            assert_eq!(
                of(Version::HTTP_11, "/", &["b.example:80"]),
                found("b.example", "b.example:80")
            );
            assert_eq!(of(Version::HTTP_11, "/", &[]), Err(BadHost::Missing));
            assert_eq!(of(Version::HTTP_11, "/", &["a b"]), Err(BadHost::Invalid));
            // What was fine is not so for a request that says more.
            let target = "http://c.example/";
            assert_eq!(
                of(Version::HTTP_11, target, &["b.example:80"]),
                found("c.example", "c.example")
            );
            assert_eq!(of(Version::HTTP_11, target, &["a b"]), Err(BadHost::Invalid));
            assert_eq!(of(Version::HTTP_2, target, &["b.example"]), Err(BadHost::Several));
            for _ in 0..2 {
                assert_eq!(of(Version::HTTP_2, target, &[]), found("c.example", "c.example"));
            }
        }
        // Twice the same is still twice.
        let mut twice = HeaderMap::new();
        twice.append(HOST, HeaderValue::from_static("a.example"));
        let root = Uri::from_static("/");
        assert!(last.of(Version::HTTP_11, &root, &twice).is_ok());
        twice.append(HOST, HeaderValue::from_static("a.example"));
        assert_eq!(last.of(Version::HTTP_11, &root, &twice), Err(BadHost::Several));
    }

    #[test]
    fn an_absolute_target_outranks_the_header() {
        assert_eq!(host("http://b.example:81/x", &[b"a.example"]), Ok("b.example".into()));
        assert_eq!(host("http://b.example/", &[]), Err(BadHost::Missing));
        assert_eq!(host("http://b.example/", &[b"a b"]), Err(BadHost::Invalid));
        assert_eq!(host("http://u@b.example/", &[b"b.example"]), Err(BadHost::Invalid));
    }

    proptest! {
        /// Whatever comes: nothing panics, and what is let through is what the module's head promises.
        #[test]
        fn what_is_let_through_is_a_host_name_and_nothing_else(
            host in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "[a-zA-Z0-9.:\\[\\]%_@/ -]{0,80}".prop_map(String::into_bytes),
            ],
            version in prop_oneof![Just(Version::HTTP_11), Just(Version::HTTP_2)],
        ) {
            let Ok(value) = HeaderValue::from_bytes(&host) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(HOST, value.clone())]);
            if let Ok(found) = of(version, &Uri::from_static("/"), &headers) {
                let fine = |c: char| {
                    c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c)
                };
                prop_assert!(!found.name.is_empty() && found.name.chars().all(fine));
                let dots = found.name.starts_with('.') || found.name.contains("..");
                prop_assert!(found.name.starts_with('[') || !dots);
                prop_assert_eq!(found.original, value);
                // Looked at again, it is the same.
                let again = name(found.name.as_bytes());
                prop_assert_eq!(again, Ok(found.name));
            }
        }
    }
}
