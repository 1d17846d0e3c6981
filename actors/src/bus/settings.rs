//! Where NATS is and how to log in. The password is wiped from memory when it is let go and never
//! shows in `Debug`.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::BusError;
use super::streams::LogBudget;

/// The longest credentials file that is read, in bytes.
const MOST_BYTES: u16 = 4 * 1024;

/// Where NATS is and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// One URL or several, separated by commas: `nats://host:4222` or `tls://host:4222`.
    pub url: String,
    /// The user, where one is needed.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Zeroizing<String>>,
    /// How much is kept of what apps and builds log; none where another role says so.
    pub logs: Option<LogBudget>,
}

impl NatsSettings {
    /// Takes the user and the password from a file: one line each. The file must not be readable
    /// by anybody but its owner.
    ///
    /// # Errors
    /// [`BusError::Credentials`] says what is wrong with the file and what would be right.
    pub fn load(url: impl Into<String>, credentials: Option<&Path>) -> Result<Self, BusError> {
        let url = url.into();
        let Some(path) = credentials else {
            return Ok(Self { url, user: None, password: None, logs: None });
        };
        let bad = |why: String| BusError::Credentials { path: path.to_owned(), why };
        let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
        let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(bad(format!(
                "others may read it (mode {:o}); run `chmod 600` on it",
                mode & 0o777
            )));
        }
        // Room for all of it at once: growing would leave copies of the password behind.
        let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES.into()));
        file.take(MOST_BYTES.into())
            .read_to_string(&mut text)
            .map_err(|error| bad(error.to_string()))?;
        let mut lines = text.lines();
        match (lines.next(), lines.next()) {
            (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => Ok(Self {
                url,
                user: Some(user.to_owned()),
                password: Some(Zeroizing::new(password.to_owned())),
                logs: None,
            }),
            (None | Some(_), None | Some(_)) => {
                Err(bad("it must hold the user on one line and the password on the next".into()))
            }
        }
    }

    /// The addresses, without credentials: for messages and logs.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let without_user = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            (Some(_) | None, None) => url.to_owned(),
        };
        self.url.split(',').map(without_user).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettings")
            .field("url", &self.shown_url())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32, text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn credentials_are_read_from_a_private_file_only() {
        let good = file(0o600, "hythe\ns3cret\n");
        let settings = NatsSettings::load("nats://127.0.0.1:4222", Some(good.path())).unwrap();
        assert_eq!(settings.user.as_deref(), Some("hythe"));
        assert_eq!(settings.password.as_ref().map(|p| p.as_str()), Some("s3cret"));
        assert!(!format!("{settings:?}").contains("s3cret"));

        let open = file(0o644, "hythe\ns3cret\n");
        let error = NatsSettings::load("nats://x", Some(open.path())).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");

        let short = file(0o600, "hythe\n");
        let error = NatsSettings::load("nats://x", Some(short.path())).unwrap_err().to_string();
        assert!(error.contains("password on the next"), "{error}");

        assert!(NatsSettings::load("nats://x", Some(Path::new("/nowhere/at/all"))).is_err());
    }

    #[test]
    fn what_is_shown_has_no_credentials() {
        let settings = NatsSettings::load("nats://a:b@one:1,two:2", None).unwrap();
        assert_eq!(settings.shown_url(), "nats://one:1,two:2");
    }
}
