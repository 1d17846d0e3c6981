//! Certificates of hosts: which are wanted, from whom, when they are renewed, and what a failure means.
//!
//! Invariants: a certificate is wanted only for proven domains and for the installation's own names; the
//! terms of an authority were agreed to before anything is asked of it. Nothing here knows a clock or
//! the network: time, and what an authority said, is handed in. No private key is here, only the version
//! under which one lies among the secrets.

mod alone;
mod authority;
mod held;
mod name;
mod names;
mod renewal;
mod retry;
mod settings;
mod wanted;

pub use self::alone::{
    Alone, AloneHeld, AloneOrder, AlonePace, AloneTries, alone_at, gives_way, is_silent,
};
pub use self::authority::Authority;
pub use self::held::{
    AccountKept, Certificate, CertificateIssuer, Certificates, Issued, LocalAuthority, Ordered,
    Trouble,
};
pub use self::name::CertificateName;
pub use self::names::CertificateNames;
pub use self::renewal::{Renewal, nears_end_at, renew_at};
pub use self::retry::{FailureKind, Tries};
pub use self::settings::{
    CertificateSettings, ChallengeKind, ContactAddress, DnsHook, ExternalAccount, ExternalKeyId,
    HookUrl,
};
pub use self::wanted::{Wanted, Way, is_local, wanted};
