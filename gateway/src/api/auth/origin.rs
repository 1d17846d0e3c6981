//! Where a request comes from, as far as a browser tells: against pages of other sites that use
//! the owner's browser, and against names that are made to point here.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

use crate::api::config::ApiConfig;
use crate::api::problem::{Kind, Problem};

/// The host, with its port, that a request names.
fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    match headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?.parse().ok(),
        None => uri.authority().cloned(),
    }
}

/// Refuses a request that names a host which is not this server.
pub(crate) fn check_host(
    config: &ApiConfig,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(), Problem> {
    let Some(authority) = authority(headers, uri) else {
        return Err(Problem::new(Kind::Malformed, "the request names no valid host"));
    };
    if !config.loopback {
        return Ok(());
    }
    // Providers come by whatever name leads here, sign what they say, and are no browser.
    if uri.path().starts_with("/hooks/") {
        return Ok(());
    }
    let host = authority.host().to_ascii_lowercase();
    let own = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
        || config.hosts.iter().any(|name| name.as_str() == host);
    if own {
        return Ok(());
    }
    Err(Problem::new(
        Kind::ForeignHost,
        "this server listens on loopback and answers there to localhost and 127.0.0.1 only; to \
         reach it by another name, start it with that name",
    ))
}

/// Whether a browser says that a request comes from this server's own page. `None` where nothing
/// is said: no browser.
pub(crate) fn own_origin(headers: &HeaderMap, uri: &Uri) -> Option<bool> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let origin = origin.as_ref().and_then(Uri::authority);
        let host = authority(headers, uri);
        return Some(match (origin, &host) {
            (Some(origin), Some(host)) => origin.as_str().eq_ignore_ascii_case(host.as_str()),
            (None, _) | (_, None) => false,
        });
    }
    let site = headers.get("sec-fetch-site")?;
    Some(site.as_bytes() == b"same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(axum::http::HeaderName, _)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn only_own_names_on_loopback() {
        let config = ApiConfig {
            base_domain: "localhost".parse().unwrap(),
            edge_port: 8080,
            edge_https: false,
            hosts: vec!["hythe.example".parse().unwrap()],
            loopback: true,
            secure_cookie: false,
            local_repositories: false,
        };
        let uri = Uri::from_static("/");
        for (host, fine) in [
            ("localhost", true),
            ("LOCALHOST:7070", true),
            ("127.0.0.1:7070", true),
            ("127.0.0.2", true),
            ("[::1]:7070", true),
            ("hythe.example:1", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
            ("shop.localhost:7070", false),
            ("", false),
            ("a b", false),
        ] {
            let headers = headers(&[("host", host)]);
            assert_eq!(check_host(&config, &headers, &uri).is_ok(), fine, "{host}");
            let open = ApiConfig { loopback: false, ..config.clone() };
            let valid = check_host(&open, &headers, &uri).is_ok();
            assert_eq!(valid, !matches!(host, "" | "a b"), "{host}");
        }
    }

    #[test]
    fn only_the_own_page_is_own() {
        let uri = Uri::from_static("/");
        for (pairs, own) in [
            (&[("host", "localhost:7070")][..], None),
            (&[("host", "localhost:7070"), ("origin", "http://localhost:7070")], Some(true)),
            (&[("host", "localhost:7070"), ("origin", "http://localhost:8080")], Some(false)),
            (&[("host", "localhost:7070"), ("origin", "http://shop.localhost:7070")], Some(false)),
            (&[("host", "localhost:7070"), ("origin", "null")], Some(false)),
            (&[("host", "localhost:7070"), ("sec-fetch-site", "same-origin")], Some(true)),
            (&[("host", "localhost:7070"), ("sec-fetch-site", "same-site")], Some(false)),
            (&[("host", "localhost:7070"), ("sec-fetch-site", "none")], Some(false)),
        ] {
            assert_eq!(own_origin(&headers(pairs), &uri), own, "{pairs:?}");
        }
    }
}
