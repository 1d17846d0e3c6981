//! How certificates are come by: set by the owner, for the whole installation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::Authority;
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;

text!(
    /// The e-mail address that an authority knows an account by.
    ContactAddress, "an e-mail address", |text| {
        // A comma or a question mark would be more than an address in a mailto: URL (RFC 8555, 7.3).
        let plain = text.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'@')
        });
        let parts: Vec<&str> = text.split('@').collect();
        let fine = matches!(parts[..], [user, host] if !user.is_empty() && host.contains('.'));
        if plain && fine && text.len() <= 254 {
            Ok(())
        } else {
            Err(format!("is one address such as ops@example.com; got {}", shown(text)))
        }
    }
);

text!(
    /// The name that an authority gave the key which binds an account to one that people have there.
    ExternalKeyId, "a key id", |text| {
        if !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(())
        } else {
            Err("has 1 to 256 visible ASCII characters".to_owned())
        }
    }
);

text!(
    /// The URL of a hook that sets DNS records, up to what is put after it (`/present`, `/cleanup`).
    HookUrl, "a hook's URL", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.unwrap_or_default().split('/').next().unwrap_or_default();
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'@' | b'\\'));
        if host.is_empty() || !plain || text.len() > 1_024 {
            // The text is not repeated: somebody may have put a password into it.
            return Err("is an http:// or https:// URL of at most 1024 characters without user, query and \
                        fragment".to_owned());
        }
        Ok(())
    }
);

/// How a name is proven. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChallengeKind {
    /// RFC 8555, 8.3: over plain HTTP, at port 80.
    Http01,
    /// RFC 8737: within TLS, at port 443.
    TlsAlpn01,
    /// RFC 8555, 8.4: by a DNS record; the only one for wildcards.
    Dns01,
}

impl ChallengeKind {
    /// Which are tried where nobody said it, the first first.
    pub const USUAL: [Self; 2] = [Self::Http01, Self::TlsAlpn01];

    /// Its name, as ACME has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChallengeKind {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let all = [Self::Http01, Self::TlsAlpn01, Self::Dns01];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            bad("a challenge", format!("is http-01, tls-alpn-01 or dns-01; got {}", shown(text)))
        })
    }
}

/// What binds an account to one that people have at an authority (RFC 8555, 7.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalAccount {
    /// The key's name.
    pub key_id: ExternalKeyId,
    /// The version of the secret that the key is.
    pub version: u64,
}

/// Who sets DNS records: a server that takes what lego's `httpreq` sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsHook {
    /// Where it is.
    pub url: HookUrl,
    /// The version of the secret that it wants to see, `user:password` or a bearer token; none where it
    /// wants none.
    pub version: Option<u64>,
}

/// What is set for all certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateSettings {
    /// Whom an authority writes to.
    pub email: Option<ContactAddress>,
    /// Who signs, the first first; none for the usual ones.
    pub authorities: Vec<Authority>,
    /// Those whose terms of service the owner agreed to. No other one is asked for anything.
    pub agreed: BTreeSet<Authority>,
    /// What binds accounts to those that people have.
    pub external: BTreeMap<Authority, ExternalAccount>,
    /// Who sets DNS records.
    pub dns: Option<DnsHook>,
    /// How names are proven, the first first; none for the usual ways.
    pub challenges: Vec<ChallengeKind>,
    /// Whether the installation signs for local names itself. Whoever reaches these has to trust it: so
    /// nothing is signed unasked.
    pub local: bool,
}

impl CertificateSettings {
    /// Who signs, the first first.
    #[must_use]
    pub fn authorities(&self) -> Vec<Authority> {
        if self.authorities.is_empty() { Authority::usual() } else { self.authorities.clone() }
    }

    /// Those of them that may be asked.
    #[must_use]
    pub fn usable(&self) -> Vec<Authority> {
        let all = self.authorities().into_iter();
        all.filter(|authority| self.agreed.contains(authority)).collect()
    }

    /// How names are proven that are no wildcards, the first first.
    #[must_use]
    pub fn challenges(&self) -> Vec<ChallengeKind> {
        if self.challenges.is_empty() {
            ChallengeKind::USUAL.to_vec()
        } else {
            self.challenges.clone()
        }
    }

    /// Whether it can be so.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), Rejection> {
        let most = limits::MOST_AUTHORITIES;
        if self.authorities.len() > most || self.external.len() > most || self.agreed.len() > most {
            return Err(Rejection::invalid("cas", format!("are at most {most}")));
        }
        for (at, authority) in self.authorities.iter().enumerate() {
            if self.authorities.iter().take(at).any(|other| other == authority) {
                let why = format!("has {authority} a second time");
                return Err(Rejection::invalid(format!("cas[{at}]"), why));
            }
        }
        for (at, kind) in self.challenges.iter().enumerate() {
            if self.challenges.iter().take(at).any(|other| other == kind) {
                let why = format!("has {kind} a second time");
                return Err(Rejection::invalid(format!("challenges[{at}]"), why));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_checked() {
        for text in ["ops@example.com", "a.b+c@mail.example"] {
            assert!(ContactAddress::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "ops",
            "ops@example",
            "a@b@c.example",
            "a@b.example,c@d.example",
            "a@b.example?x",
            "a b@c.example",
        ] {
            assert!(ContactAddress::new(text).is_err(), "{text}");
        }
        assert!(HookUrl::new("http://127.0.0.1:8080/dns").is_ok());
        for text in
            ["", "https://", "ftp://a/", "https://me:hush@a/", "https://a/?x", "https://a b/"]
        {
            let bad = HookUrl::new(text).unwrap_err().to_string();
            assert!(!bad.contains("hush"), "{bad}");
        }
        for kind in ["http-01", "tls-alpn-01", "dns-01"] {
            assert_eq!(kind.parse::<ChallengeKind>().unwrap().to_string(), kind);
        }
        assert!("tls-sni-01".parse::<ChallengeKind>().is_err());
    }

    #[test]
    fn only_authorities_are_asked_whose_terms_were_agreed_to() {
        let other = Authority::new("zerossl").unwrap();
        let mut settings = CertificateSettings::default();
        assert_eq!((settings.authorities(), settings.usable()), (Authority::usual(), vec![]));
        settings.agreed.insert(other.clone());
        assert_eq!(settings.usable(), []);
        settings.authorities = vec![Authority::usual().remove(0), other.clone()];
        assert_eq!((settings.check(), settings.usable()), (Ok(()), vec![other.clone()]));
        settings.authorities.push(other);
        assert!(settings.check().is_err());
    }
}
