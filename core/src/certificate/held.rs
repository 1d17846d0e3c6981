//! What is remembered of certificates: those that there are, what is under way, and what fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Authority, CertificateNames, CertificateSettings, ChallengeKind, FailureKind};
use crate::ids::CertificateId;
use crate::time::Timestamp;

/// Who signed a certificate. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateIssuer {
    /// An authority, by ACME.
    Acme {
        /// Which.
        authority: Authority,
        /// What proved the names; none where the authority remembered a proof of before.
        challenge: Option<ChallengeKind>,
    },
    /// This installation's own authority.
    Local,
    /// Somebody else: it was given to the installation as it is.
    Own,
}

/// What a certificate says of itself, and since when it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Who signed it.
    pub by: CertificateIssuer,
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// From when on it is good.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Since when it is here.
    pub at: Timestamp,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What it is for.
    pub names: CertificateNames,
    /// How often it was issued: the version under which chain and key lie among the secrets.
    pub version: u64,
    /// What it says of itself.
    pub issued: Issued,
    /// Whether it was said that it comes to its end and nobody renews it.
    pub nears_end: bool,
}

impl Certificate {
    /// The name of the secret that its chain and its key are.
    #[must_use]
    pub fn secret(id: CertificateId) -> String {
        format!("certificate/{id}")
    }

    /// Whether it was given to the installation as it is.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        match self.issued.by {
            CertificateIssuer::Own => true,
            CertificateIssuer::Acme { .. } | CertificateIssuer::Local => false,
        }
    }
}

/// An order whose proofs the authority has taken: what is left is that it signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Names the secret that the certificate's private key is.
    pub id: Uuid,
    /// At which authority.
    pub authority: Authority,
    /// Where the order is, as the authority says.
    pub url: String,
    /// What proved the names, where anything had to.
    pub challenge: Option<ChallengeKind>,
    /// Since when.
    pub at: Timestamp,
}

impl Ordered {
    /// The name of the secret that the private key is.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("certificate-order/{}", self.id)
    }
}

/// Why there is no certificate, or no new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Who was asked.
    pub authority: Authority,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What the authority says, or what was found.
    pub why: String,
    /// Since when it is so.
    pub since: Timestamp,
}

impl Trouble {
    /// Whether another one is the same news, whatever the words.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.authority == other.authority && self.kind == other.kind
    }
}

/// An account at an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountKept {
    /// The version of the secret that it is.
    pub version: u64,
    /// Since when it is there.
    pub at: Timestamp,
}

/// The installation's own authority, for local names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAuthority {
    /// The version of the secret that its certificate and key are.
    pub version: u64,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// Since when it is there.
    pub at: Timestamp,
}

impl LocalAuthority {
    /// The name of the secret.
    pub const SECRET: &'static str = "local-certificate-authority";
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// How certificates are come by.
    pub settings: CertificateSettings,
    /// The version of the newest secret among the settings; 0 before the first.
    pub secret_version: u64,
    /// Those that there are.
    pub held: BTreeMap<CertificateId, Certificate>,
    /// What fails.
    pub troubles: BTreeMap<CertificateNames, Trouble>,
    /// What an authority is about to sign.
    pub ordered: BTreeMap<CertificateNames, Ordered>,
    /// The accounts.
    pub accounts: BTreeMap<Authority, AccountKept>,
    /// The installation's own authority, once there is one.
    pub local: Option<LocalAuthority>,
    /// The version of the key that edges share; 0 before the first.
    pub fleet: u64,
}

impl Certificates {
    /// The name of the secret that the key of all edges is.
    pub const FLEET_SECRET: &'static str = "fleet-key";
    /// The name of the secret that whoever answers the hook for DNS wants to see.
    pub const HOOK_SECRET: &'static str = "dns-hook";

    /// The certificate that serves these names and no others, the one that is good for longest.
    #[must_use]
    pub fn of(&self, names: &CertificateNames) -> Option<(CertificateId, &Certificate)> {
        let of_names = self.held.iter().filter(|(_, one)| one.names == *names && !one.is_own());
        of_names.max_by_key(|(_, one)| one.issued.not_after).map(|(id, one)| (*id, one))
    }

    /// Those that were given to the installation as they are.
    pub fn own(&self) -> impl Iterator<Item = (CertificateId, &Certificate)> {
        self.held.iter().filter(|(_, one)| one.is_own()).map(|(id, one)| (*id, one))
    }
}
