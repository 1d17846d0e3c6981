//! Who signs certificates: an authority that speaks ACME, by a well-known name or by its directory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, bad, shown, text};

/// Longer ones are no directory; with what is put before it, it is the name of a secret.
const MOST_BYTES: usize = 200;

/// Names that people know, and the directory of each (as of November 2026, from each one's guide).
const KNOWN: [(&str, &str); 4] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
    ("zerossl", "https://acme.zerossl.com/v2/DV90"),
    ("google", "https://dv.acme-v02.api.pki.goog/directory"),
];

/// What authorities call themselves in CAA records, by where their directories lie; the first is what they tell
/// people to set.
const ISSUERS: [(&str, &[&str]); 5] = [
    ("letsencrypt.org", &["letsencrypt.org"]),
    (
        "zerossl.com",
        &["sectigo.com", "comodoca.com", "comodo.com", "usertrust.com", "trust-provider.com"],
    ),
    ("pki.goog", &["pki.goog"]),
    ("buypass.com", &["buypass.com"]),
    ("ssl.com", &["ssl.com"]),
];

text!(
    /// An authority that speaks ACME: `letsencrypt`, `letsencrypt-staging`, `zerossl`, `google`, or the
    /// https URL of another one's directory.
    Authority, "a certificate authority", |text| {
        if KNOWN.iter().any(|(name, _)| *name == text) {
            return Ok(());
        }
        let form = "is letsencrypt, letsencrypt-staging, zerossl, google, or the https:// URL of an ACME \
                    directory without user, query and fragment";
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'@' | b'\\'));
        if host.is_empty() || !plain || text.len() > MOST_BYTES {
            return Err(format!("{form}; got {}", shown(text)));
        }
        Ok(())
    }
);

impl Authority {
    /// Who is asked where nobody said whom.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        KNOWN.iter().take(1).map(|(name, _)| Self((*name).to_owned())).collect()
    }

    /// Where its directory is.
    #[must_use]
    pub fn directory(&self) -> &str {
        let known = KNOWN.iter().find(|(name, _)| *name == self.0);
        known.map_or(self.0.as_str(), |(_, directory)| directory)
    }

    /// What it calls itself in CAA records, the name that people set the first; none where that is not known.
    #[must_use]
    pub fn issuers(&self) -> Option<&'static [&'static str]> {
        let rest = self.directory().strip_prefix("https://")?;
        let host = rest.split(['/', ':']).next()?;
        let lies = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        ISSUERS.iter().find(|(domain, _)| lies(domain)).map(|(_, issuers)| *issuers)
    }

    /// The name of the secret that its account is.
    #[must_use]
    pub fn account_secret(&self) -> String {
        format!("acme-account/{self}")
    }

    /// The name of the secret that binds the account to one that people have there.
    #[must_use]
    pub fn external_secret(&self) -> String {
        format!("acme-external/{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_name_or_an_https_directory() {
        for (text, directory) in [
            ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
            ("zerossl", "https://acme.zerossl.com/v2/DV90"),
            (
                "https://ca.internal:9000/acme/acme/directory",
                "https://ca.internal:9000/acme/acme/directory",
            ),
        ] {
            assert_eq!(Authority::new(text).unwrap().directory(), directory);
        }
        assert_eq!(Authority::usual(), [Authority::new("letsencrypt").unwrap()]);
        let long = format!("https://ca.internal/{}", "a".repeat(200));
        for text in [
            "",
            "local",
            "LetsEncrypt",
            "http://ca.internal/dir",
            "https://",
            "https:///dir",
            "https://me:hush@ca.internal/dir",
            "https://ca.internal/dir?x",
            "https://ca internal/",
            &long,
        ] {
            assert!(Authority::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn how_an_authority_calls_itself_is_known_by_its_directory() {
        let of = |text: &str| Authority::new(text).unwrap().issuers().map(|all| all[0]);
        for (text, issuer) in [
            ("letsencrypt", Some("letsencrypt.org")),
            ("letsencrypt-staging", Some("letsencrypt.org")),
            ("zerossl", Some("sectigo.com")),
            ("google", Some("pki.goog")),
            ("https://acme.ssl.com/sslcom-dv-rsa", Some("ssl.com")),
            ("https://ca.internal:9000/acme/acme/directory", None),
            ("https://evil-letsencrypt.org/directory", None),
            ("https://ca.internal/api.letsencrypt.org", None),
        ] {
            assert_eq!(of(text), issuer, "{text}");
        }
    }
}
