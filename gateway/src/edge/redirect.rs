//! Requests that are sent on: hosts to an app's main domain or to the one with or without `www.`, and
//! those without TLS to https. The one place that says where, and answers.
//!
//! Invariants: where they are sent is a host of the table; path and query stay as they are, and the method
//! does, too (308). Nothing of the request but these and its port gets into the answer. Nobody is sent to
//! https without a certificate for that host, and nobody away from it but for want of one.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use hythe_core::edge::Https;

use super::headers::Peer;
use super::host::Host;
use super::tls::Ports;

/// How long a browser may go by it without asking again: what holds for a host can become another.
const KEPT: &str = "private, max-age=600";

/// What a request leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leads<'a> {
    /// The host that the one that was asked is another name of.
    pub(crate) to: Option<&'a str>,
    /// What becomes of requests without TLS.
    pub(crate) https: Https,
    pub(crate) ports: Ports,
}

impl Leads<'_> {
    /// Where a request is sent on to, if it is. `serves` says whether a host is served over TLS here.
    pub(crate) fn elsewhere(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        host: &Host,
        peer: &Peer,
        serves: impl FnOnce(&str) -> bool,
    ) -> Option<String> {
        let came = peer.came_by_https(headers);
        let wanted = came || self.https == Https::Redirect;
        // Those who came by https to another proxy find it there again.
        let passed_on = came && peer.scheme == "http";
        if self.to.is_none() && (came || !wanted) {
            return None;
        }
        let target = self.to.unwrap_or(&host.name);
        let secure = passed_on || (wanted && serves(target));
        if self.to.is_none() && !secure {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // `OPTIONS *` has no path.
        let path = if path.starts_with('/') { path } else { "/" };
        let port = |known: Option<u16>, usual| match known {
            Some(port) if port != usual => format!(":{port}"),
            Some(_) | None => String::new(),
        };
        let (scheme, port) = match (secure, came) {
            (true, true) => ("https", named(host).to_owned()),
            (false, false) => ("http", named(host).to_owned()),
            (true, false) => ("https", port(self.ports.https, 443)),
            (false, true) => ("http", port(self.ports.http, 80)),
        };
        Some(format!("{scheme}://{target}{port}{path}"))
    }
}

/// The answer that sends a client on.
pub(crate) fn to(location: &str) -> Response<Bytes> {
    let mut answer =
        Response::new(Bytes::from_static(b"What was asked for is at the address in Location.\n"));
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    match HeaderValue::try_from(location) {
        Ok(location) => drop(answer.headers_mut().insert(header::LOCATION, location)),
        // A URI that was parsed has no characters that a header may not have.
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    let fields = answer.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    fields.insert(header::CONTENT_TYPE, text);
    answer
}

/// The port that the client named, with its colon; where it named none, nothing.
fn named(host: &Host) -> &str {
    let text = host.original.to_str().unwrap_or_default();
    match text.split_once(':') {
        Some((name, port)) if !port.is_empty() => text.get(name.len()..).unwrap_or_default(),
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request comes with, and whether the target has a certificate.
    struct Asked {
        original: &'static str,
        uri: &'static str,
        scheme: &'static str,
        forwarded: Option<&'static str>,
        trusted: bool,
        covered: bool,
    }

    const PLAIN: Asked = Asked {
        original: "www.example",
        uri: "/",
        scheme: "http",
        forwarded: None,
        trusted: false,
        covered: false,
    };

    fn leads(asked: &Asked, to: Option<&str>, https: Https) -> Option<String> {
        let name = asked.original.split(':').next().unwrap().to_ascii_lowercase();
        let host = Host::new(name, asked.original.parse().unwrap());
        let peer = Peer::new(
            "192.0.2.7:5555".parse().unwrap(),
            "198.51.100.1:80".parse().unwrap(),
            asked.trusted,
            asked.scheme,
        );
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = asked.forwarded {
            headers.insert("x-forwarded-proto", forwarded.parse().unwrap());
        }
        let ports = Ports { http: Some(8080), https: Some(8443) };
        let uri = asked.uri.parse().unwrap();
        let leads = Leads { to, https, ports };
        leads.elsewhere(&uri, &headers, &host, &peer, |_| asked.covered)
    }

    #[test]
    fn path_query_and_port_are_kept_and_the_scheme_is_the_clients() {
        let by_proxy = Asked { forwarded: Some("https"), ..PLAIN };
        for (asked, location) in [
            (PLAIN, "http://shop.example/"),
            (Asked { uri: "/a/b?c=d&e", ..PLAIN }, "http://shop.example/a/b?c=d&e"),
            (
                Asked { original: "WWW.example:8080", uri: "/a", ..PLAIN },
                "http://shop.example:8080/a",
            ),
            (Asked { original: "www.example:", ..PLAIN }, "http://shop.example/"),
            (Asked { uri: "*", ..PLAIN }, "http://shop.example/"),
            (Asked { uri: "//evil.example/", ..PLAIN }, "http://shop.example//evil.example/"),
            (Asked { uri: "http://www.example/x?y", ..PLAIN }, "http://shop.example/x?y"),
            (Asked { trusted: true, ..by_proxy }, "https://shop.example/"),
            (by_proxy, "http://shop.example/"),
            (
                Asked { forwarded: Some("javascript"), trusted: true, ..PLAIN },
                "http://shop.example/",
            ),
            // To where there is a certificate, at once; and only there.
            (Asked { covered: true, ..PLAIN }, "https://shop.example:8443/"),
            (
                Asked { covered: true, scheme: "https", original: "www.example:8443", ..PLAIN },
                "https://shop.example:8443/",
            ),
            (
                Asked { scheme: "https", original: "www.example:8443", ..PLAIN },
                "http://shop.example:8080/",
            ),
        ] {
            let found = leads(&asked, Some("shop.example"), Https::Redirect);
            assert_eq!(found.as_deref(), Some(location));
        }
        let both = leads(&Asked { covered: true, ..PLAIN }, Some("shop.example"), Https::Both);
        assert_eq!(both.as_deref(), Some("http://shop.example/"));
    }

    #[test]
    fn without_tls_one_is_sent_to_https_where_there_is_a_certificate() {
        let covered = Asked { covered: true, original: "shop.example:8080", uri: "/a?b", ..PLAIN };
        let to = Some("https://shop.example:8443/a?b".to_owned());
        assert_eq!(leads(&covered, None, Https::Redirect), to);
        for (asked, https) in [
            (PLAIN, Https::Redirect),
            (Asked { covered: true, ..PLAIN }, Https::Both),
            (Asked { covered: true, scheme: "https", ..PLAIN }, Https::Redirect),
            // A trusted proxy ended TLS: sent on, it would come back for ever.
            (
                Asked { covered: true, trusted: true, forwarded: Some("https"), ..PLAIN },
                Https::Redirect,
            ),
        ] {
            assert_eq!(leads(&asked, None, https), None);
        }
    }

    #[test]
    fn the_answer_says_where_and_for_how_long() {
        let answer = to("https://shop.example/a");
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.headers()[header::LOCATION], "https://shop.example/a");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], KEPT);
    }
}
