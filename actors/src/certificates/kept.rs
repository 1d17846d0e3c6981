//! Chains, keys and accounts among the secrets: how they are written there and read again.

use hythe_core::certificate::{Certificate, Certificates};
use hythe_core::ids::CertificateId;
use hythe_core::installation::{CertificateCommand, Installation, InstallationCommand};
use hythe_core::record::Actor;
use hythe_store::{Secret, SecretChange};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::aggregate::{CommandError, Extras};
use crate::control::Control;

/// Bytes of the key that all edges share.
pub(crate) const FLEET_KEY: usize = 32;

/// A certificate with its key, as they lie among the secrets.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Kept {
    /// The chain in PEM, the certificate itself first.
    pub(crate) chain: String,
    /// The key: PKCS #8 in DER.
    pub(crate) key: Vec<u8>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

impl Kept {
    pub(crate) fn secret(&self) -> Result<Secret, String> {
        postcard::to_stdvec(self).map(Secret::new).map_err(|error| error.to_string())
    }

    /// Reads one from among the secrets.
    pub(crate) fn read(control: &Control, name: &str, version: u64) -> Result<Self, String> {
        let secret =
            read(control, name, version)?.ok_or_else(|| format!("the secret {name} is gone"))?;
        postcard::from_bytes(secret.expose()).map_err(|error| format!("the secret {name}: {error}"))
    }

    /// A certificate that the journal names.
    pub(crate) fn of(control: &Control, id: CertificateId, version: u64) -> Result<Self, String> {
        Self::read(control, &Certificate::secret(id), version)
    }
}

/// A secret of the installation's; none where it is not there.
pub(crate) fn read(control: &Control, name: &str, version: u64) -> Result<Option<Secret>, String> {
    let scope = control.installation().uuid();
    control.journal().secret(scope, name, version).map_err(|error| error.to_string())
}

/// Puts a secret in place of all versions of before.
pub(crate) fn put(control: &Control, name: &str, version: u64, value: Secret) -> Vec<SecretChange> {
    let (scope, name) = (control.installation().uuid(), name.to_owned());
    vec![
        SecretChange::Delete { scope, name: name.clone() },
        SecretChange::Put { scope, name, version, value },
    ]
}

/// Deletes one.
pub(crate) fn delete(control: &Control, name: String) -> SecretChange {
    SecretChange::Delete { scope: control.installation().uuid(), name }
}

/// The key that all edges share.
pub(crate) fn fleet_key(
    control: &Control,
    version: u64,
) -> Result<Zeroizing<[u8; FLEET_KEY]>, String> {
    let secret = read(control, Certificates::FLEET_SECRET, version)?;
    let secret = secret.ok_or("the key that edges share is gone from the secrets")?;
    let key = <[u8; FLEET_KEY]>::try_from(secret.expose());
    key.map(Zeroizing::new).map_err(|_| "the key that edges share is damaged".to_owned())
}

/// What makes a new key that edges share: the command, and the secret that is put in its commit.
///
/// # Errors
/// Where the machine has no random bytes.
pub fn new_fleet_key(control: &Control) -> Result<(CertificateCommand, Vec<SecretChange>), String> {
    let key = random::<FLEET_KEY>()?;
    let version = control.read(|view| view.installation.state.certificates.fleet) + 1;
    let value = Secret::new(key.to_vec());
    let secrets = put(control, Certificates::FLEET_SECRET, version, value);
    Ok((CertificateCommand::MakeFleetKey { version, at: control.clock().now() }, secrets))
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, String> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| format!("no random bytes could be had: {error}"))?;
    Ok(bytes)
}

/// Gives the installation a command about certificates, with secrets in the same commit, and waits until
/// reads show it.
pub(crate) async fn tell(
    control: &Control,
    command: CertificateCommand,
    secrets: Vec<SecretChange>,
) -> Result<(), CommandError> {
    let meta = control.meta(Actor::System, None, None);
    let extras = Extras { secrets, ..Extras::from(meta) };
    let id = control.installation().uuid();
    let command = InstallationCommand::Certificate(command);
    let done = control.command::<Installation>(id, command, extras).await?;
    match done.sequence {
        Some(sequence) => control.wait_for(sequence).await,
        None => Ok(()),
    }
}
