//! Custom domains: added, proven, lost, removed; which is the main one.

use super::decide::Decision;
use super::{ActiveApp, App, AppEvent};
use crate::claims::{ClaimChange, ClaimKey};
use crate::domain::{Domain, DomainHost, DomainMode, DomainNews, DomainToken, Trust};
use crate::limits;
use crate::machine::Machine as _;
use crate::rejection::Rejection;
use crate::time::Timestamp;

impl App {
    /// What of the names that no other app may have is taken and given back by an event: claims
    /// follow from what the app is before and after it.
    pub(super) fn claims_by(&self, event: &AppEvent) -> Vec<ClaimChange> {
        let Some(app) = self.active() else { return Vec::new() };
        let note = app.id.uuid().as_bytes().to_vec();
        let after = self.clone().evolve(event);
        let (before, after) = (names_of(app), after.active().map(names_of).unwrap_or_default());
        let gone = before.iter().filter(|key| !after.contains(key));
        let new = after.iter().filter(|key| !before.contains(key));
        gone.map(|key| ClaimChange::Release { key: key.clone() })
            .chain(new.map(|key| ClaimChange::Take { key: key.clone(), note: note.clone() }))
            .collect()
    }
}

/// What no other app may have: its name, the domains that are set for it, and those that are proven.
pub(super) fn names_of(app: &ActiveApp) -> Vec<ClaimKey> {
    let set = app.settings.domains.iter().map(ClaimKey::domain);
    let proven = app.domains.trusted().map(|(host, _)| ClaimKey::custom_domain(host));
    let mut keys: Vec<ClaimKey> =
        std::iter::once(ClaimKey::app_name(&app.name)).chain(set).collect();
    // One may be both.
    for key in proven {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

impl ActiveApp {
    pub(super) fn add_domain(
        &self,
        host: DomainHost,
        token: DomainToken,
        mode: Option<DomainMode>,
        at: Timestamp,
    ) -> Decision {
        if self.preview.is_some() {
            return Err(Rejection::conflict(format!(
                "{} is a preview, and previews have no domains of their own",
                self.name
            )));
        }
        if self.domains.get(&host).is_some() {
            return match mode {
                Some(mode) => self.set_domain(host, mode),
                None => Ok(Vec::new()),
            };
        }
        let most = limits::MOST_DOMAINS;
        if self.domains.len() >= most {
            return Err(Rejection::conflict(format!(
                "{} has {most} domains already, and cannot have more; remove one first",
                self.name
            )));
        }
        let mode = mode.unwrap_or_else(|| self.domains.usual_mode(&host));
        fits(&host, mode)?;
        Ok(vec![AppEvent::DomainAdded { host, token, mode, at }])
    }

    pub(super) fn set_domain(&self, host: DomainHost, mode: DomainMode) -> Decision {
        let known = self.domain(&host)?;
        if known.mode == mode {
            return Ok(Vec::new());
        }
        fits(&host, mode)?;
        Ok(vec![AppEvent::DomainSet { host, mode }])
    }

    pub(super) fn remove_domain(&self, host: DomainHost) -> Decision {
        self.domain(&host)?;
        Ok(vec![AppEvent::DomainRemoved { host }])
    }

    /// What was looked at may have been another addition of the same host: its token says so.
    pub(super) fn note_domain(
        &self,
        host: DomainHost,
        token: &DomainToken,
        news: DomainNews,
        at: Timestamp,
    ) -> Vec<AppEvent> {
        let Some(known) = self.domains.get(&host).filter(|known| known.token == *token) else {
            return Vec::new();
        };
        let event = match (news, &known.trust) {
            (DomainNews::Verified, Trust::Verified { .. })
            | (DomainNews::Failing { .. }, Trust::Pending)
            | (DomainNews::Failing { .. }, Trust::Failing { .. } | Trust::Lost { .. })
            | (DomainNews::Lost { .. }, Trust::Pending | Trust::Lost { .. }) => return Vec::new(),
            (DomainNews::Verified, Trust::Pending | Trust::Failing { .. } | Trust::Lost { .. }) => {
                AppEvent::DomainVerified { host, at }
            }
            (DomainNews::Failing { why }, Trust::Verified { .. }) => {
                AppEvent::DomainFailing { host, why: bounded(why), at }
            }
            (DomainNews::Lost { why }, Trust::Verified { .. } | Trust::Failing { .. }) => {
                AppEvent::DomainLost { host, why: bounded(why), at }
            }
        };
        vec![event]
    }

    fn domain(&self, host: &DomainHost) -> Result<&Domain, Rejection> {
        self.domains.get(host).ok_or_else(|| {
            Rejection::not_found(format!(
                "domain of {} as {host}; see `hythe domain ls`",
                self.name
            ))
        })
    }

    pub(super) fn domain_added(
        &mut self,
        host: &DomainHost,
        token: &DomainToken,
        mode: DomainMode,
        at: Timestamp,
    ) {
        let domain = Domain { token: token.clone(), mode, added: at, trust: Trust::Pending };
        self.domains.insert(host, domain);
    }

    pub(super) fn domain_failing(&mut self, host: &DomainHost, why: &str, at: Timestamp) {
        self.domains.set_trust(host, |before| match before {
            Trust::Verified { at: verified } => {
                Trust::Failing { verified: *verified, since: at, why: why.to_owned() }
            }
            Trust::Pending | Trust::Failing { .. } | Trust::Lost { .. } => before.clone(),
        });
    }
}

/// A wildcard stands for many hosts, and neither of them is the main one.
fn fits(host: &DomainHost, mode: DomainMode) -> Result<(), Rejection> {
    match mode {
        DomainMode::Main | DomainMode::Redirect if host.is_wildcard() => Err(Rejection::invalid(
            "mode",
            format!("{host} stands for many hosts: it serves, and is neither main nor a redirect"),
        )),
        DomainMode::Main | DomainMode::Redirect | DomainMode::Serve => Ok(()),
    }
}

fn bounded(mut why: String) -> String {
    let mut end = why.len().min(limits::MOST_REASON_BYTES);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why.truncate(end);
    why
}
