//! Certificates of hosts: what they are for.
//!
//! Invariant: a name here says nothing of whether somebody may have a certificate for it; that is
//! decided from proven domains and the installation's own names.

mod name;

pub use self::name::CertificateName;
