//! Hosts that are sent on to an app's main domain: the one place that answers them.
//!
//! Invariants: where they are sent is a host of the table; path, query and port stay as they are, and
//! the method does, too (308). Nothing of the request but these gets into the answer.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};

use super::headers::Peer;
use super::host::Host;

/// How long a browser may go by it without asking again: the main domain can become another one.
const KEPT: &str = "max-age=600";

/// The answer to a request for `host`, which is sent on to `to`.
pub(crate) fn to(
    to: &str,
    uri: &Uri,
    headers: &HeaderMap,
    host: &Host,
    peer: &Peer,
) -> Response<Bytes> {
    let forwarded = headers.get("x-forwarded-proto").filter(|_| peer.trusted);
    let https = forwarded.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    let scheme = if https { "https" } else { peer.scheme };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // `OPTIONS *` has no path.
    let path = if path.starts_with('/') { path } else { "/" };
    let location = format!("{scheme}://{to}{}{path}", port(host));
    let mut answer =
        Response::new(Bytes::from_static(b"This host is another name of the one in Location.\n"));
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let fields = answer.headers_mut();
    match HeaderValue::try_from(location) {
        Ok(location) => drop(fields.insert(header::LOCATION, location)),
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
fn port(host: &Host) -> &str {
    let text = host.original.to_str().unwrap_or_default();
    match text.split_once(':') {
        Some((name, port)) if !port.is_empty() => text.get(name.len()..).unwrap_or_default(),
        Some(_) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_query_and_port_are_kept_and_the_scheme_is_the_clients() {
        for (original, uri, forwarded, trusted, location) in [
            ("www.example", "/", None, false, "http://shop.example/"),
            ("www.example", "/a/b?c=d&e", None, false, "http://shop.example/a/b?c=d&e"),
            ("WWW.example:8080", "/a", None, false, "http://shop.example:8080/a"),
            ("www.example:", "/a", None, false, "http://shop.example/a"),
            ("www.example", "*", None, false, "http://shop.example/"),
            ("www.example", "//evil.example/", None, false, "http://shop.example//evil.example/"),
            ("www.example", "http://www.example/x?y", None, false, "http://shop.example/x?y"),
            ("www.example", "/", Some("https"), true, "https://shop.example/"),
            ("www.example", "/", Some("https"), false, "http://shop.example/"),
            ("www.example", "/", Some("javascript"), true, "http://shop.example/"),
        ] {
            let host = Host { name: "www.example".into(), original: original.parse().unwrap() };
            let peer = Peer::new(
                "192.0.2.7:5555".parse().unwrap(),
                "198.51.100.1:80".parse().unwrap(),
                trusted,
                "http",
            );
            let mut headers = HeaderMap::new();
            if let Some(forwarded) = forwarded {
                headers.insert("x-forwarded-proto", forwarded.parse().unwrap());
            }
            let uri: Uri = uri.parse().unwrap();
            let answer = to("shop.example", &uri, &headers, &host, &peer);
            assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
            assert_eq!(answer.headers()[header::LOCATION], location);
        }
    }
}
