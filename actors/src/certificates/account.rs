//! Accounts at authorities: opened once, and kept among the secrets.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hythe_core::certificate::{Authority, CertificateSettings, FailureKind};
use hythe_core::installation::CertificateCommand;
use hythe_store::Secret;
use instant_acme::{Account, ExternalAccountKey};
use zeroize::Zeroizing;

use super::acme;
use super::failure::Failure;
use super::kept;
use crate::control::Control;

/// The account at an authority, opened where there is none.
pub(super) async fn account(control: &Control, authority: &Authority) -> Result<Account, Failure> {
    let certificates = control.certificates();
    // One at a time: two orders at the same moment would open two accounts.
    let mut open = certificates.accounts().lock().await;
    if let Some(account) = open.get(authority) {
        return Ok(account.clone());
    }
    let client = certificates.client().map_err(Failure::ours)?;
    let version = control.read(|view| {
        let accounts = &view.installation.state.certificates.accounts;
        accounts.get(authority).map_or(0, |kept| kept.version)
    });
    let name = authority.account_secret();
    let known = kept::read(control, &name, version).map_err(Failure::ours)?;
    let account = match known {
        Some(secret) => Box::pin(acme::again(client, secret.expose())).await?,
        None => {
            let settings =
                control.read(|view| view.installation.state.certificates.settings.clone());
            let external = external(control, authority, &settings)?;
            let directory = authority.directory();
            let opened = acme::open(client, directory, settings.email.as_ref(), external.as_ref());
            let (account, bytes) = Box::pin(opened).await?;
            let version = version + 1;
            let secrets = kept::put(control, &name, version, Secret::new(bytes.to_vec()));
            let at = control.clock().now();
            let command =
                CertificateCommand::OpenAccount { authority: authority.clone(), version, at };
            let told = kept::tell(control, command, secrets).await;
            told.map_err(|error| Failure::ours(error.to_string()))?;
            account
        }
    };
    open.insert(authority.clone(), account.clone());
    Ok(account)
}

/// Has the next order open a new account, where this one is still the one: the authority does not know
/// it any more.
pub(super) async fn forget(control: &Control, authority: &Authority, account: &Account) {
    let mut open = control.certificates().accounts().lock().await;
    // Another order may have seen it first, and a third one opened the next.
    if open.get(authority).is_none_or(|now| now.id() != account.id()) {
        return;
    }
    open.remove(authority);
    let version = control.read(|view| {
        let accounts = &view.installation.state.certificates.accounts;
        accounts.get(authority).map(|kept| kept.version)
    });
    let Some(version) = version else { return };
    let at = control.clock().now();
    let command =
        CertificateCommand::OpenAccount { authority: authority.clone(), version: version + 1, at };
    // A version without a secret is one that is opened anew.
    let secrets = vec![kept::delete(control, authority.account_secret())];
    if let Err(error) = kept::tell(control, command, secrets).await {
        tracing::warn!(%authority, %error, "that an account is gone could not be noted");
    }
}

/// What binds the account to one that people have there.
fn external(
    control: &Control,
    authority: &Authority,
    settings: &CertificateSettings,
) -> Result<Option<ExternalAccountKey>, Failure> {
    let Some(external) = settings.external.get(authority) else { return Ok(None) };
    let again = || {
        Failure::new(
            FailureKind::Refused,
            format!(
                "the key that binds the account at {authority} cannot be used; set it again: hythe \
                 certificate settings --eab-ca {authority} --eab-kid ID --eab-key-stdin"
            ),
        )
    };
    let secret = kept::read(control, &authority.external_secret(), external.version);
    let secret = secret.map_err(Failure::ours)?.ok_or_else(again)?;
    let text = secret.expose_str().ok_or_else(again)?;
    let key =
        URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| again())?;
    let key = Zeroizing::new(key);
    Ok(Some(ExternalAccountKey::new(external.key_id.to_string(), &key)))
}
