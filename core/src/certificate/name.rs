//! What a certificate is for: one host, or every host right below one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::DomainHost;
use crate::names::{BadText, HostName, bad};

/// `shop.example.com`, or `*.example.com` for every host right below it. Unlike a custom domain's host it
/// may be one that no public DNS knows, such as `*.localhost`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateName {
    name: HostName,
    wildcard: bool,
}

impl CertificateName {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadText`] says what is wrong.
    pub fn new(text: &str) -> Result<Self, BadText> {
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let name = HostName::new(rest.to_owned())
            .map_err(|error| bad("a certificate's name", error.to_string()))?;
        Ok(Self { name, wildcard })
    }

    /// One host.
    #[must_use]
    pub const fn exact(name: HostName) -> Self {
        Self { name, wildcard: false }
    }

    /// Every host right below `name`.
    #[must_use]
    pub const fn below(name: HostName) -> Self {
        Self { name, wildcard: true }
    }

    /// The host, or the one that the others are right below.
    #[must_use]
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// Whether it stands for every host right below [`CertificateName::name`].
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Whether a certificate for this name serves `host`: a wildcard covers one label (RFC 9525, 6.3).
    #[must_use]
    pub fn covers(&self, host: &HostName) -> bool {
        if !self.wildcard {
            return self.name == *host;
        }
        let above = host.as_str().split_once('.').map(|(_, above)| above);
        above == Some(self.name.as_str())
    }
}

impl From<&DomainHost> for CertificateName {
    fn from(host: &DomainHost) -> Self {
        Self { name: host.name().clone(), wildcard: host.is_wildcard() }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            f.write_str("*.")?;
        }
        fmt::Display::fmt(&self.name, f)
    }
}

impl fmt::Debug for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CertificateName {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::new(text)
    }
}

impl Serialize for CertificateName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label_and_not_its_own_host() {
        let host = |text: &str| HostName::new(text).unwrap();
        let name = CertificateName::new("*.shop.example").unwrap();
        assert!(name.covers(&host("a.shop.example")));
        assert!(!name.covers(&host("shop.example")));
        assert!(!name.covers(&host("a.b.shop.example")));
        assert!(CertificateName::new("shop.example").unwrap().covers(&host("shop.example")));
        let written = serde_json::to_string(&name).unwrap();
        assert_eq!(written, "\"*.shop.example\"");
        assert_eq!(serde_json::from_str::<CertificateName>(&written).unwrap(), name);
        for wrong in ["", "*.", "*", "a.*.example", "**.example", "a b.example"] {
            assert!(CertificateName::new(wrong).is_err(), "{wrong}");
        }
    }
}
