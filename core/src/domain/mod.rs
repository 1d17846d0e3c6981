//! Custom domains of apps: added, proven by a TXT record, routed, looked at again and again.
//!
//! Invariants: an app gets the requests of a host only after somebody who can change the host's DNS
//! has put this very addition's token there; where the host leads (CNAME, A) proves nothing. A token
//! belongs to one addition of one app and is never taken again once that is removed. An addition that
//! is not proven holds no claim, so it is in nobody's way. Nothing here knows a resolver or a clock:
//! what was heard and when is handed in.

mod caa;
pub mod cdn;
mod host;
mod leads;
mod schedule;
mod settings;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::AppId;
use crate::limits;
use crate::names::{BadText, HostName, bad, shown, text};
use crate::time::Timestamp;
use crate::view::View;

pub use self::caa::{CaaAnswer, CaaForbids, CaaRecord, CaaToSet, caa_forbids, caa_names};
pub use self::host::{DomainHost, within};
pub use self::leads::{LeadAnswer, LeadTarget, Leads, Led, led};
pub use self::schedule::{next_check, what_it_means};
pub use self::settings::{DEFAULT_RESOLVERS, DomainSettings};
pub use self::verdict::{Heard, Judged, TxtAnswer, Verdict, judge, not_yet, while_remembered};

text!(
    /// What a TXT record has to say: 32 random bytes in lower-case hexadecimal digits. It is no
    /// secret; only who can change the host's DNS can put it there.
    DomainToken, "a domain's token", |text| {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && text.len() == 64 {
            Ok(())
        } else {
            Err(format!("is 64 lower-case hexadecimal digits; got {}", shown(text)))
        }
    }
);

/// What requests for a domain get. Append-only: postcard stores a variant's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainMode {
    /// The app's answer; and the others that redirect lead here. One domain of an app at most.
    Main,
    /// They are sent on to the main domain; while there is none that is proven, the app's answer.
    Redirect,
    /// The app's answer.
    Serve,
}

/// Whether somebody has proven that the app may have the domain. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Nobody has yet.
    Pending,
    /// The record was there.
    Verified {
        /// When that was first seen, or seen again after it was not.
        at: Timestamp,
    },
    /// The record is not there any more. The domain still leads to the app, for a while.
    Failing {
        /// When it was verified.
        verified: Timestamp,
        /// Since when it has not been there.
        since: Timestamp,
        /// What was seen.
        why: String,
    },
    /// The record was not there for too long. The domain leads nowhere and is free for others.
    Lost {
        /// Since when.
        at: Timestamp,
        /// What was seen.
        why: String,
    },
}

/// A custom domain of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// What proves it.
    pub token: DomainToken,
    /// What requests get.
    pub mode: DomainMode,
    /// When it was added.
    pub added: Timestamp,
    /// Whether it is proven.
    pub trust: Trust,
}

impl Domain {
    /// Whether it leads to the app, and is the app's alone.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        match self.trust {
            Trust::Verified { .. } | Trust::Failing { .. } => true,
            Trust::Pending | Trust::Lost { .. } => false,
        }
    }

    /// When it stops leading to the app, where its record does not come back.
    #[must_use]
    pub const fn trusted_until(&self) -> Option<Timestamp> {
        match self.trust {
            Trust::Failing { since, .. } => Some(since.plus(limits::DOMAIN_GRACE)),
            Trust::Pending | Trust::Verified { .. } | Trust::Lost { .. } => None,
        }
    }
}

/// What a look at a domain's record means for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainNews {
    /// The record is there.
    Verified,
    /// It has not been there for a while.
    Failing {
        /// What was seen.
        why: String,
    },
    /// It has not been there for too long, or another app has proven the domain meanwhile.
    Lost {
        /// What was seen.
        why: String,
    },
}

/// The custom domains of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Domains(BTreeMap<DomainHost, Domain>);

impl Domains {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&DomainHost, &Domain)> {
        self.0.iter()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, host: &DomainHost) -> Option<&Domain> {
        self.0.get(host)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that lead to the app.
    pub fn trusted(&self) -> impl Iterator<Item = (&DomainHost, &Domain)> {
        self.0.iter().filter(|(_, domain)| domain.is_trusted())
    }

    /// Where a domain's requests are sent on to, where they are.
    #[must_use]
    pub fn redirects(&self, host: &DomainHost) -> Option<&HostName> {
        match self.0.get(host)?.mode {
            DomainMode::Main | DomainMode::Serve => None,
            DomainMode::Redirect => self
                .trusted()
                .find(|(_, domain)| domain.mode == DomainMode::Main)
                .and_then(|(main, _)| main.exact()),
        }
    }

    /// What a new domain does where nobody said it: the first one is the main one.
    #[must_use]
    pub fn usual_mode(&self, host: &DomainHost) -> DomainMode {
        let there_is_one = self.0.values().any(|domain| domain.mode == DomainMode::Main);
        match (host.is_wildcard(), there_is_one) {
            (true, _) => DomainMode::Serve,
            (false, false) => DomainMode::Main,
            (false, true) => DomainMode::Redirect,
        }
    }

    pub(crate) fn insert(&mut self, host: &DomainHost, domain: Domain) {
        let mode = domain.mode;
        self.0.insert(host.clone(), domain);
        self.set_mode(host, mode);
    }

    /// What was the main domain redirects to the new one.
    pub(crate) fn set_mode(&mut self, host: &DomainHost, mode: DomainMode) {
        for (other, domain) in &mut self.0 {
            if other == host {
                domain.mode = mode;
            } else if mode == DomainMode::Main && domain.mode == DomainMode::Main {
                domain.mode = DomainMode::Redirect;
            }
        }
    }

    pub(crate) fn set_trust(&mut self, host: &DomainHost, trust: impl FnOnce(&Trust) -> Trust) {
        if let Some(domain) = self.0.get_mut(host) {
            domain.trust = trust(&domain.trust);
        }
    }

    pub(crate) fn remove(&mut self, host: &DomainHost) {
        self.0.remove(host);
    }
}

/// The domains that certificates may be asked for: proven ones, and no others, of apps that are there.
/// That a domain leads here is another matter, which whoever asks for a certificate sees for itself.
pub fn certifiable<'a>(
    view: &'a View,
    base_domain: &HostName,
) -> impl Iterator<Item = (AppId, &'a DomainHost)> {
    let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
    let there = apps.filter(|(_, app)| app.discarded.is_none());
    let proven = there.flat_map(|(id, app)| app.domains.trusted().map(move |(host, _)| (id, host)));
    // What is under the base domain by now is another app's own host.
    proven.filter(|(_, host)| !host.is_within(base_domain))
}
