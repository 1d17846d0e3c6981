//! Certificates: keys and other secrets are written, never read back.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, Time};

/// How it stands with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// It is there and good.
    Valid,
    /// It is ordered at this moment.
    Pending,
    /// Something has to be done first, or to come about: `detail` says what.
    Waiting,
    /// It was not to be had, or not renewed: `detail` says why, `next_attempt` when it is tried again.
    Failing,
    /// It is there, and was good until `not_after`.
    Expired,
    /// It is there, and nothing asks for it any more; it is not served.
    Unused,
}

impl CertificateState {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Expired => "expired",
            Self::Unused => "unused",
        }
    }
}

/// A certificate that there is, or that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// Its id, through all renewals; none before there is one.
    pub id: Option<String>,
    /// The hosts that it is for.
    #[schema(example = json!(["shop.example.com"]))]
    pub names: Vec<String>,
    /// The app that it is for, where it is for one.
    pub app: Option<String>,
    /// How it stands.
    pub state: CertificateState,
    /// What there is to know and to do, in words.
    pub detail: String,
    /// Who signed it: an authority, `local` for this installation's own, or `own` where it was given.
    #[schema(example = "letsencrypt")]
    pub issuer: Option<String>,
    /// What proved the hosts.
    #[schema(example = "http-01")]
    pub challenge: Option<String>,
    /// Its serial number, in hexadecimal digits.
    pub serial: Option<String>,
    /// From when on it is good.
    pub not_before: Option<Time>,
    /// Until when.
    pub not_after: Option<Time>,
    /// When it is renewed; none where nobody renews it.
    pub renew_at: Option<Time>,
    /// When it is tried again, where it fails.
    pub next_attempt: Option<Time>,
}

/// All certificates, by their hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateList {
    /// The certificates.
    pub items: Vec<Certificate>,
}

/// A certificate of somebody else's, with its key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCertificate {
    /// The chain in PEM, the certificate itself first: at most 48 KiB.
    #[schema(max_length = 49152)]
    pub certificate: String,
    /// Its private key in PEM (PKCS #8, without a passphrase).
    pub key: SecretText,
}

/// The installation's own authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateAuthority {
    /// Its certificate in PEM, for whoever is to trust it.
    pub certificate: String,
    /// Until when it is good.
    pub not_after: Time,
}

/// What binds an account to one that people have at an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalAccount {
    /// The authority.
    #[schema(example = "zerossl")]
    pub ca: String,
    /// The key's name there.
    pub key_id: String,
}

/// The same with the key, to be set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetExternalAccount {
    /// The authority.
    pub ca: String,
    /// The key's name there.
    #[schema(max_length = 256)]
    pub key_id: String,
    /// The key, in base64url as authorities give it.
    pub key: SecretText,
}

/// A server that sets DNS records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsHook {
    /// Where it is; `/present` and `/cleanup` are put after it.
    pub url: String,
    /// Whether it is shown a secret.
    pub has_secret: bool,
}

/// The same, to be set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDnsHook {
    /// Where it is.
    #[schema(max_length = 1024)]
    pub url: String,
    /// What it is shown: `user:password`, or a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
}

/// How certificates are come by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateSettings {
    /// Whom an authority writes to.
    pub email: Option<String>,
    /// Who signs, the first first: known names or https URLs of ACME directories.
    #[schema(example = json!(["letsencrypt"]))]
    pub cas: Vec<String>,
    /// Those of them whose terms were agreed to; no other one is asked for anything.
    pub agreed: Vec<String>,
    /// What binds accounts to those that people have.
    pub external: Vec<ExternalAccount>,
    /// Who sets DNS records, where it is a server.
    pub dns_hook: Option<DnsHook>,
    /// The program that sets DNS records, as the server was started with.
    pub dns_program: Option<String>,
    /// How hosts are proven, the first first.
    #[schema(example = json!(["http-01", "tls-alpn-01"]))]
    pub challenges: Vec<String>,
    /// Whether the installation signs for local names itself, such as those below localhost.
    pub local: bool,
}

/// A change of those: only what is given changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ops@example.com", "cas": ["letsencrypt"], "agree_tos": true}))]
pub struct UpdateCertificateSettings {
    /// Whom an authority writes to; `null` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<String>>,
    /// At most 8, the first first; none for the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 8)]
    pub cas: Option<Vec<String>>,
    /// Whether the terms of all that are set then are agreed to; `false` takes that back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree_tos: Option<bool>,
    /// What binds an account to one that people have there, beside those that are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<SetExternalAccount>,
    /// Who sets DNS records; `null` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<SetDnsHook>)]
    pub dns_hook: Option<Option<SetDnsHook>>,
    /// Of http-01, tls-alpn-01 and dns-01, the first first; none for the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 3)]
    pub challenges: Option<Vec<String>>,
    /// Whether the installation signs for local names itself. Whoever reaches them then has to trust its
    /// authority: edges send on to https what they have a certificate for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<bool>,
}
