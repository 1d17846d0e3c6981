//! The host of a custom domain: one host, or all that are right below one.
//!
//! People write it as they know it (`bücher.example`, `Shop.Example.`); kept is what DNS knows it as.
//! What nobody can prove by public DNS is none: single labels, addresses, names that are reserved.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{BadText, HostName, bad, shown};

/// With it go the labels that are put before it: those of the record, and of the host that is looked
/// up for a wildcard.
const MOST_BYTES: usize = 240;
/// Longer texts are not looked at.
const MOST_TYPED: usize = 1_024;
/// What the last label of a public name is not.
const RESERVED: [&str; 4] = ["localhost", "internal", "invalid", "onion"];

/// A custom domain's host: `shop.example.com`, or `*.example.com` for every host right below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainHost {
    /// The host itself, or the one that the others are right below.
    name: HostName,
    wildcard: bool,
}

impl DomainHost {
    /// Checks what somebody typed, and brings it into the form that DNS has it in.
    ///
    /// # Errors
    /// [`BadText`] says what is wrong and what would be right.
    pub fn new(text: &str) -> Result<Self, BadText> {
        let wrong = |why: &str| bad("a domain", format!("{why}; got {}", shown(text)));
        if text.len() > MOST_TYPED {
            return Err(wrong("has at most 240 characters"));
        }
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        let form = "is a host that public DNS knows, such as shop.example.com, or *.example.com for \
                    every host right below it, without scheme, port and path";
        let ascii = Uts46::new()
            .to_ascii(
                rest.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::CheckFirstLast,
                DnsLength::Verify,
            )
            .map_err(|_| wrong(form))?;
        if ascii.len() > MOST_BYTES {
            return Err(wrong("has at most 240 characters"));
        }
        let name = HostName::new(ascii.into_owned()).map_err(|_| wrong(form))?;
        let Some((_, last)) = name.as_str().rsplit_once('.') else { return Err(wrong(form)) };
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong("is a host, and no address"));
        }
        if RESERVED.contains(&last) {
            let why = "is a host that public DNS knows, and that one is reserved: whose it is cannot \
                       be proven";
            return Err(wrong(why));
        }
        Ok(Self { name, wildcard })
    }

    /// Whether it stands for every host right below one.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The host itself; of a wildcard, the one that the others are right below.
    #[must_use]
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// The host, where it is one.
    #[must_use]
    pub const fn exact(&self) -> Option<&HostName> {
        if self.wildcard { None } else { Some(&self.name) }
    }

    /// Where the TXT record is that proves it. A wildcard is proven where its own host would be.
    #[must_use]
    pub fn record(&self) -> String {
        format!("_hythe.{}", self.name)
    }

    /// The host that is looked up to see where it leads.
    #[must_use]
    pub fn looked_up(&self) -> String {
        if self.wildcard { format!("hythe-check.{}", self.name) } else { self.name.to_string() }
    }

    /// Whether it is a host, or about hosts, at or below `domain`.
    #[must_use]
    pub fn is_within(&self, domain: &HostName) -> bool {
        within(&self.name, domain)
    }

    /// As people write it, where that is another text.
    #[must_use]
    pub fn unicode(&self) -> Option<String> {
        let (name, fine) = Uts46::new().to_unicode(
            self.name.as_str().as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
        );
        let differs = fine.is_ok() && name != self.name.as_str();
        differs.then(|| if self.wildcard { format!("*.{name}") } else { name.into_owned() })
    }
}

/// Whether a host is `domain` or below it.
#[must_use]
pub fn within(host: &HostName, domain: &HostName) -> bool {
    let rest = host.as_str().strip_suffix(domain.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl fmt::Display for DomainHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.wildcard { "*." } else { "" })?;
        self.name.fmt(f)
    }
}

impl fmt::Debug for DomainHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for DomainHost {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for DomainHost {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DomainHost {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_what_dns_knows() {
        for (typed, kept, unicode) in [
            ("shop.example.com", "shop.example.com", None),
            ("Shop.Example.COM.", "shop.example.com", None),
            ("*.example.com", "*.example.com", None),
            ("bücher.example", "xn--bcher-kva.example", Some("bücher.example")),
            ("*.BÜCHER.example", "*.xn--bcher-kva.example", Some("*.bücher.example")),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", Some("bücher.example")),
            ("straße.example", "xn--strae-oqa.example", Some("straße.example")),
            ("r3---sn.example", "r3---sn.example", None),
        ] {
            let host = DomainHost::new(typed).unwrap();
            assert_eq!(host.to_string(), kept, "{typed}");
            assert_eq!(host.unicode().as_deref(), unicode, "{typed}");
            assert_eq!(DomainHost::new(kept).unwrap(), host, "what is kept is taken as it is");
            let bytes = postcard::to_stdvec(&host).unwrap();
            assert_eq!(postcard::from_bytes::<DomainHost>(&bytes).unwrap(), host);
        }
    }

    #[test]
    fn what_is_no_public_host_is_refused() {
        let long = format!("{}.example", "a.".repeat(117) + "abcdefgh");
        for typed in [
            "",
            ".",
            "*",
            "*.",
            "*.com",
            "com",
            "localhost",
            "shop.localhost",
            "hythe-edge.internal",
            "a.onion",
            "127.0.0.1",
            "*.0.0.1",
            "[::1]",
            "shop.example.com:80",
            "http://shop.example.com",
            "shop.example.com/x",
            "user@shop.example.com",
            "a..example",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b.example",
            "a\n.example",
            "$(id).example",
            "*.*.example.com",
            "a.*.example.com",
            "xn--.example",
            "xn--a.example",
            "\u{202e}a.example",
            &"a".repeat(64),
            &long,
            &"ü".repeat(10_000),
        ] {
            assert!(DomainHost::new(typed).is_err(), "{typed:?} was taken");
        }
    }

    #[test]
    fn where_it_is_proven_and_what_it_is_below() {
        let wildcard = DomainHost::new("*.shop.example.com").unwrap();
        assert_eq!(wildcard.record(), "_hythe.shop.example.com");
        assert_eq!(wildcard.looked_up(), "hythe-check.shop.example.com");
        assert_eq!(wildcard.exact(), None);
        let host = DomainHost::new("shop.example.com").unwrap();
        assert_eq!(
            (host.record(), host.looked_up()),
            (wildcard.record(), "shop.example.com".into())
        );
        let domain = |text: &str| HostName::new(text).unwrap();
        for (below, of) in [
            (true, "shop.example.com"),
            (true, "example.com"),
            (true, "com"),
            (false, "hop.example.com"),
            (false, "a.shop.example.com"),
        ] {
            assert_eq!(host.is_within(&domain(of)), below, "{of}");
        }
    }
}
