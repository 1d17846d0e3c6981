//! Backup keys: age identities (`AGE-SECRET-KEY-1…`) and their recipients (`age1…`).
//!
//! The secret half opens backups and the public half makes them. Where nobody gives a key, one is
//! made beside the journal; a copy of it has to be kept elsewhere, for a backup is there for the
//! day on which this machine is not.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use hythe_core::installation::BackupRecipient;
use zeroize::Zeroizing;

use super::{BackupError, failed};

/// The key of a data directory, where nobody gave another.
pub const FILE: &str = "backup.key";
/// Bytes of a key file.
const MOST_BYTES: u64 = 16 * 1024;

/// A backup key: its public half, and the secret one where it was given.
#[derive(Clone)]
pub struct BackupKey {
    recipient: BackupRecipient,
    identity: Option<Identity>,
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackupKey").field(&self.recipient).finish()
    }
}

fn refuse(path: Option<&Path>, why: impl Into<String>) -> BackupError {
    BackupError::Key { path: path.map(Into::into), why: why.into() }
}

impl BackupKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self::of(Identity::generate())
    }

    fn of(identity: Identity) -> Self {
        let text = identity.to_public().to_string();
        // What age prints has the form that the core wants; both follow the same standard.
        #[expect(clippy::expect_used, reason = "the two agree on the form of a public key")]
        let recipient = BackupRecipient::new(text).expect("age prints recipients");
        Self { recipient, identity: Some(identity) }
    }

    /// The key in a text: the secret or the public half, with comments around it.
    ///
    /// # Errors
    /// There is none in it, or more than one. The message never repeats the text.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        Self::read(text).map_err(|why| refuse(None, why))
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let lines = text.lines().map(str::trim);
        let mut keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err("a key is one line that begins with AGE-SECRET-KEY-1 or age1; \
                        `hythe backup key FILE` makes one");
        };
        if let Ok(identity) = key.parse::<Identity>() {
            return Ok(Self::of(identity));
        }
        let recipient = BackupRecipient::new(key).ok().filter(|key| recipient(key).is_ok());
        let recipient = recipient.ok_or(
            "it is neither a secret key of age (AGE-SECRET-KEY-1…) nor a public one (age1…)",
        )?;
        Ok(Self { recipient, identity: None })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, others may read it, or there is no key in it.
    pub fn load(path: &Path) -> Result<Self, BackupError> {
        let text = read(path)?;
        let key = Self::read(&text).map_err(|why| refuse(Some(path), why))?;
        let mode = std::fs::metadata(path).map_or(0, |about| about.mode() & 0o7777);
        if key.identity.is_some() && mode & 0o077 != 0 {
            let why = format!("others may read it (mode {mode:04o}); run `chmod 600` on it");
            return Err(refuse(Some(path), why));
        }
        Ok(key)
    }

    /// Reads a key file, made first where there is none; says whether it was made.
    ///
    /// # Errors
    /// As [`BackupKey::load`], and what keeps it from being written.
    pub fn load_or_create(path: &Path) -> Result<(Self, bool), BackupError> {
        if path.exists() {
            return Ok((Self::load(path)?, false));
        }
        let key = Self::generate();
        key.create(path)?;
        Ok((key, true))
    }

    /// Writes the secret half into a new file that only its owner reads.
    ///
    /// # Errors
    /// There is such a file, or it cannot be written.
    pub fn create(&self, path: &Path) -> Result<(), BackupError> {
        let doing = || format!("write the backup key {}", path.display());
        let Some(identity) = &self.identity else {
            return Err(refuse(Some(path), "there is no secret half to write"));
        };
        let secret = identity.to_string();
        let text = Zeroizing::new(format!(
            "# Opens this installation's backups. Keep a copy of this file away from the machine:\n\
             # a backup whose only key was lost with it cannot be opened by anybody.\n\
             # public key: {}\n{}\n",
            self.recipient,
            secret.expose_secret()
        ));
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(path).map_err(failed(doing()))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a key is none, and would be in the way of the next attempt.
            std::fs::remove_file(path).ok();
            return Err(failed(doing())(error));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = std::fs::File::open(dir.unwrap_or(Path::new(".")));
        dir.and_then(|dir| dir.sync_all()).map_err(failed(doing()))
    }

    /// The public half.
    #[must_use]
    pub const fn recipient(&self) -> &BackupRecipient {
        &self.recipient
    }

    /// The secret half.
    pub(super) fn identity(&self) -> Result<&Identity, BackupError> {
        self.identity.as_ref().ok_or_else(|| {
            refuse(
                None,
                "it is only the public half (age1…), which makes backups; opening one takes the \
                 secret half (AGE-SECRET-KEY-1…)",
            )
        })
    }
}

/// The recipient as age has it.
pub(super) fn recipient(text: &BackupRecipient) -> Result<Recipient, BackupError> {
    text.as_str().parse().map_err(|_| refuse(None, "its public half (age1…) is mistyped"))
}

fn read(path: &Path) -> Result<Zeroizing<String>, BackupError> {
    let refused = |error: std::io::Error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let why = if missing { "there is no such file".to_owned() } else { error.to_string() };
        refuse(Some(path), why)
    };
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(refused)?;
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(refused)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_either_half_can_be_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let (key, made) = BackupKey::load_or_create(&path).unwrap();
        assert!(made && key.identity().is_ok());
        let (again, made) = BackupKey::load_or_create(&path).unwrap();
        assert!(!made && again.recipient() == key.recipient());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let public = BackupKey::parse(key.recipient().as_str()).unwrap();
        assert_eq!(public.recipient(), key.recipient());
        assert!(public.identity().err().unwrap().to_string().contains("public half"));
        assert!(key.create(&path).is_err(), "a key is never overwritten");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(BackupKey::load(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_repeated() {
        let secret = BackupKey::generate().identity.unwrap().to_string();
        let secret = secret.expose_secret();
        let cut = &secret[..secret.len() - 1];
        let two = format!("{secret}\n{secret}");
        let mistyped = format!("age1{}", "q".repeat(58));
        for text in ["", "hush-hush", cut, &two, &mistyped, "# only a comment"] {
            let refused = BackupKey::parse(text).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hush"), "{refused}");
            assert!(!refused.to_string().contains(&secret[17..30]), "{refused}");
        }
        let key = BackupKey::parse(&format!("# x\n\n  {secret}  \n")).unwrap();
        assert!(!format!("{key:?}").contains(&secret[17..30]));
    }
}
