//! What one certificate is for: one name or several.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CertificateName;
use crate::limits;
use crate::names::{BadText, HostName, bad};

/// The names of one certificate: at least one. As text they stand in order, with commas between.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateNames(BTreeSet<CertificateName>);

impl CertificateNames {
    /// Takes names.
    ///
    /// # Errors
    /// [`BadText`] where there are none, or too many.
    pub fn new(names: BTreeSet<CertificateName>) -> Result<Self, BadText> {
        let most = limits::MOST_CERTIFICATE_NAMES;
        if names.is_empty() || names.len() > most {
            let why = format!("are 1 to {most}; got {}", names.len());
            return Err(bad("the names of a certificate", why));
        }
        Ok(Self(names))
    }

    /// For one name.
    #[must_use]
    pub fn one(name: CertificateName) -> Self {
        Self(BTreeSet::from([name]))
    }

    /// A host and all right below it.
    #[must_use]
    pub fn with_below(host: &HostName) -> Self {
        let names = [CertificateName::exact(host.clone()), CertificateName::below(host.clone())];
        Self(BTreeSet::from(names))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &CertificateName> {
        self.0.iter()
    }

    /// As a set.
    #[must_use]
    pub const fn as_set(&self) -> &BTreeSet<CertificateName> {
        &self.0
    }

    /// Whether a certificate for these serves `host`.
    #[must_use]
    pub fn cover(&self, host: &HostName) -> bool {
        self.0.iter().any(|name| name.covers(host))
    }

    /// Whether a certificate for these serves whatever one for `other` serves.
    #[must_use]
    pub fn cover_all(&self, other: &Self) -> bool {
        let covers = |name: &CertificateName| {
            self.0.contains(name) || (!name.is_wildcard() && self.cover(name.name()))
        };
        other.0.iter().all(covers)
    }
}

impl fmt::Display for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            fmt::Display::fmt(name, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CertificateNames {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let names = text.split(',').map(CertificateName::new).collect::<Result<_, _>>()?;
        Self::new(names)
    }
}

// As text, so that it can be a key in JSON.
impl Serialize for CertificateNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_text_and_cover_what_a_wildcard_covers() {
        let names = |text: &str| text.parse::<CertificateNames>().unwrap();
        let both = names("apps.test,*.apps.test");
        assert_eq!(both, CertificateNames::with_below(&HostName::new("apps.test").unwrap()));
        let written = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<CertificateNames>(&written).unwrap(), both);
        assert_eq!(names(&both.to_string()), both);
        for (covered, text) in [
            (true, "shop.apps.test"),
            (true, "apps.test"),
            (true, "*.apps.test"),
            (true, "a.apps.test,b.apps.test"),
            (false, "a.b.apps.test"),
            (false, "*.shop.apps.test"),
            (false, "shop.apps.test,other.test"),
        ] {
            assert_eq!(both.cover_all(&names(text)), covered, "{text}");
        }
        assert!("".parse::<CertificateNames>().is_err());
        assert!("a.test,".parse::<CertificateNames>().is_err());
    }
}
