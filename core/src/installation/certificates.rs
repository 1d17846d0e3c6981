//! Certificates of the installation: what is set, signed, ordered, failed and removed.
//!
//! Chains and keys lie among the secrets, put and deleted in the same commit as the event that names
//! their version; so do accounts, the installation's own authority and the key that edges share.

use serde::{Deserialize, Serialize};

use super::decide::{Decision, NOTHING};
use super::{Installation, InstallationEvent};
use crate::certificate::{
    AccountKept, Authority, Certificate, CertificateIssuer, CertificateNames, CertificateSettings,
    Issued, LocalAuthority, Ordered, Trouble,
};
use crate::ids::CertificateId;
use crate::limits;
use crate::priority::Priority;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// What the installation can be asked to do about certificates, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateCommand {
    /// Certificates are come by so from now on.
    Set {
        /// How.
        settings: Box<CertificateSettings>,
        /// The version of the secrets that are put with it: the next one; none where none is.
        version: Option<u64>,
    },
    /// There is an account at an authority; it is put in the same commit.
    OpenAccount {
        /// Which.
        authority: Authority,
        /// The version of the secret: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// There is an own authority, in place of the one before; it is put in the same commit.
    MakeLocal {
        /// The version of the secret: the next one.
        version: u64,
        /// Until when it is good.
        not_after: Timestamp,
        /// Now.
        at: Timestamp,
    },
    /// Edges share a key from now on; it is put in the same commit.
    MakeFleetKey {
        /// Its version: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// An authority has taken the proofs; the private key is put in the same commit.
    Order {
        /// For what.
        names: CertificateNames,
        /// The order.
        order: Box<Ordered>,
    },
    /// There is a certificate, or a new one in place of the one before; both are put in the same commit.
    Issue {
        /// Which.
        id: CertificateId,
        /// What it is for.
        names: CertificateNames,
        /// The version of the secret: the next one.
        version: u64,
        /// What it says of itself.
        issued: Box<Issued>,
    },
    /// There is none, or no new one.
    Fail {
        /// For what.
        names: CertificateNames,
        /// Why.
        trouble: Box<Trouble>,
    },
    /// A certificate that nobody renews comes to its end.
    NoteNearsEnd {
        /// Which.
        id: CertificateId,
    },
    /// A certificate is needed no more; its secret is deleted in the same commit.
    Remove {
        /// Which.
        id: CertificateId,
    },
    /// What failed, or was ordered, is not wanted any more.
    GiveUp {
        /// For what.
        names: CertificateNames,
    },
}

/// What can happen to certificates. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateEvent {
    /// Certificates are come by so from now on.
    Set {
        /// How.
        settings: Box<CertificateSettings>,
        /// The version of the newest secret among them.
        version: u64,
    },
    /// There is an account at an authority.
    AccountOpened {
        /// Which.
        authority: Authority,
        /// The version of the secret.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// There is an own authority.
    LocalMade {
        /// The version of the secret.
        version: u64,
        /// Until when it is good.
        not_after: Timestamp,
        /// Since when.
        at: Timestamp,
    },
    /// Edges share a key from now on.
    FleetKeyMade {
        /// Its version.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// An authority is about to sign.
    Ordered {
        /// For what.
        names: CertificateNames,
        /// The order.
        order: Box<Ordered>,
    },
    /// There is a certificate, or a new one.
    Issued {
        /// Which.
        id: CertificateId,
        /// What it is for.
        names: CertificateNames,
        /// The version of the secret.
        version: u64,
        /// What it says of itself.
        issued: Box<Issued>,
    },
    /// There is none, or no new one.
    Failed {
        /// For what.
        names: CertificateNames,
        /// Why.
        trouble: Box<Trouble>,
    },
    /// A certificate that nobody renews comes to its end.
    NearsEnd {
        /// Which.
        id: CertificateId,
        /// When that is.
        not_after: Timestamp,
    },
    /// A certificate is gone.
    Removed {
        /// Which.
        id: CertificateId,
    },
    /// What failed, or was ordered, is not wanted any more.
    GivenUp {
        /// For what.
        names: CertificateNames,
    },
}

impl CertificateCommand {
    pub(super) const fn priority(&self) -> Priority {
        match self {
            Self::Set { .. }
            | Self::OpenAccount { .. }
            | Self::MakeLocal { .. }
            | Self::MakeFleetKey { .. }
            | Self::Order { .. } => Priority::Ordinary,
            // What an authority signed counts against its limits, whether it is kept or not.
            Self::Issue { .. }
            | Self::Fail { .. }
            | Self::NoteNearsEnd { .. }
            | Self::Remove { .. }
            | Self::GiveUp { .. } => Priority::Urgent,
        }
    }
}

fn one(event: CertificateEvent) -> Decision {
    Ok(vec![InstallationEvent::Certificate(event)])
}

fn next(version: u64, before: u64) -> Result<(), Rejection> {
    if version == before + 1 {
        Ok(())
    } else {
        Err(Rejection::conflict("this was changed at the same moment; try again"))
    }
}

impl Installation {
    pub(super) fn certificate(&self, command: CertificateCommand) -> Decision {
        let now = &self.certificates;
        match command {
            CertificateCommand::Set { settings, version } => {
                settings.check()?;
                if let Some(version) = version {
                    next(version, now.secret_version)?;
                } else if *settings == now.settings {
                    return NOTHING;
                }
                let version = version.unwrap_or(now.secret_version);
                one(CertificateEvent::Set { settings, version })
            }
            CertificateCommand::OpenAccount { authority, version, at } => {
                next(version, now.accounts.get(&authority).map_or(0, |kept| kept.version))?;
                one(CertificateEvent::AccountOpened { authority, version, at })
            }
            CertificateCommand::MakeLocal { version, not_after, at } => {
                next(version, now.local.as_ref().map_or(0, |local| local.version))?;
                one(CertificateEvent::LocalMade { version, not_after, at })
            }
            CertificateCommand::MakeFleetKey { version, at } => {
                next(version, now.fleet)?;
                one(CertificateEvent::FleetKeyMade { version, at })
            }
            CertificateCommand::Order { names, order } => {
                one(CertificateEvent::Ordered { names, order })
            }
            CertificateCommand::Issue { id, names, version, issued } => {
                self.issue(id, names, version, issued)
            }
            CertificateCommand::Fail { names, mut trouble } => {
                if now.troubles.get(&names).is_some_and(|before| before.is_like(&trouble)) {
                    return NOTHING;
                }
                super::decide::bound(&mut trouble.why);
                one(CertificateEvent::Failed { names, trouble })
            }
            CertificateCommand::NoteNearsEnd { id } => match now.held.get(&id) {
                None => Err(Rejection::not_found("certificate")),
                Some(held) if held.nears_end => NOTHING,
                Some(held) => {
                    one(CertificateEvent::NearsEnd { id, not_after: held.issued.not_after })
                }
            },
            CertificateCommand::Remove { id } if now.held.contains_key(&id) => {
                one(CertificateEvent::Removed { id })
            }
            CertificateCommand::GiveUp { names }
                if now.troubles.contains_key(&names) || now.ordered.contains_key(&names) =>
            {
                one(CertificateEvent::GivenUp { names })
            }
            CertificateCommand::Remove { .. } | CertificateCommand::GiveUp { .. } => NOTHING,
        }
    }

    fn issue(
        &self,
        id: CertificateId,
        names: CertificateNames,
        version: u64,
        issued: Box<Issued>,
    ) -> Decision {
        let held = &self.certificates.held;
        let before = held.get(&id);
        next(version, before.map_or(0, |before| before.version))?;
        if before.is_none() {
            let most = limits::MOST_CERTIFICATES;
            if held.len() >= most {
                return Err(Rejection::conflict(format!(
                    "there are {most} certificates, which is the most"
                )));
            }
            let most = limits::MOST_OWN_CERTIFICATES;
            if issued.by == CertificateIssuer::Own && self.certificates.own().count() >= most {
                return Err(Rejection::conflict(format!(
                    "there are {most} certificates of your own, which is the most; remove one first \
                     (hythe certificate rm ID)"
                )));
            }
        }
        one(CertificateEvent::Issued { id, names, version, issued })
    }

    pub(super) fn with_certificate(&mut self, event: &CertificateEvent) {
        let now = &mut self.certificates;
        match event {
            CertificateEvent::Set { settings, version } => {
                now.settings = (**settings).clone();
                now.secret_version = *version;
            }
            CertificateEvent::AccountOpened { authority, version, at } => {
                let kept = AccountKept { version: *version, at: *at };
                now.accounts.insert(authority.clone(), kept);
            }
            CertificateEvent::LocalMade { version, not_after, at } => {
                now.local =
                    Some(LocalAuthority { version: *version, not_after: *not_after, at: *at });
            }
            CertificateEvent::FleetKeyMade { version, at: _ } => now.fleet = *version,
            CertificateEvent::Ordered { names, order } => {
                now.ordered.insert(names.clone(), (**order).clone());
            }
            CertificateEvent::Issued { id, names, version, issued } => {
                now.ordered.remove(names);
                now.troubles.remove(names);
                let certificate = Certificate {
                    names: names.clone(),
                    version: *version,
                    issued: (**issued).clone(),
                    nears_end: false,
                };
                now.held.insert(*id, certificate);
            }
            CertificateEvent::Failed { names, trouble } => {
                now.troubles.insert(names.clone(), (**trouble).clone());
            }
            CertificateEvent::NearsEnd { id, not_after: _ } => {
                if let Some(held) = now.held.get_mut(id) {
                    held.nears_end = true;
                }
            }
            CertificateEvent::Removed { id } => {
                now.held.remove(id);
            }
            CertificateEvent::GivenUp { names } => {
                now.ordered.remove(names);
                now.troubles.remove(names);
            }
        }
    }
}
