//! Where this installation is reached from outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, HostName, bad, shown, text};
use crate::repository::is_host;

text!(
    /// Where the gateway is reached from outside: `https://` or `http://` and a host, with a port where
    /// it is not the usual one; no path.
    PublicAddress, "a public address", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let (name, port) = match rest.unwrap_or_default().rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            Some(_) | None => (rest.unwrap_or_default(), None),
        };
        let number = |port: &str| !port.starts_with('0') && port.parse::<u16>().is_ok()
            && port.bytes().all(|b| b.is_ascii_digit());
        if is_host(name) && port.is_none_or(number) {
            Ok(())
        } else {
            Err(format!(
                "is https:// or http:// and a host in lower case, such as https://hythe.example.com, \
                 without a path; got {}",
                shown(text)
            ))
        }
    }
);

/// Where apps answer: each at its name below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppsAddress {
    /// The domain.
    pub domain: HostName,
    /// The port on which people reach the edge.
    pub port: u16,
    /// Whether they reach it by https.
    pub https: bool,
}

impl AppsAddress {
    /// Where an app answers.
    #[must_use]
    pub fn of(&self, app: &str) -> String {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        let Self { domain, port, https: _ } = self;
        if *port == usual {
            format!("{scheme}://{app}.{domain}")
        } else {
            format!("{scheme}://{app}.{domain}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for text in [
            "https://hythe.example.com",
            "http://localhost:7070",
            "http://10.0.0.7",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(PublicAddress::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "hythe.example.com",
            "https://",
            "https://hythe.example.com/",
            "https://hythe.example.com/x",
            "https://a@hythe.example.com",
            "https://hythe.example.com:0",
            "https://hythe.example.com:",
            "ftp://hythe.example.com",
            "https://HYTHE.example.com",
            "https://hythe.example.com?x",
            "https://a b",
        ] {
            assert!(PublicAddress::new(text).is_err(), "{text}");
        }
    }
}
