//! Registries that need a login: their names, and who logs in, as checked text.
//!
//! A password is in no event and in no state: those name its version, and the value lies with the
//! other secrets, under [`RegistryHost::secret`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, bad, host, shown, text};
use crate::time::Timestamp;

/// What Docker calls its own registry's host in places where it speaks to it.
const HUB: [&str; 2] = ["registry-1.docker.io", "index.docker.io"];
const HUB_NAME: &str = "docker.io";

text!(
    /// A registry as images name it: a host, lower case, with a port where it is not the usual one.
    /// As in the name of an image it has a dot or a port, or is `localhost`. At most 262 characters.
    RegistryHost, "a registry", registry
);
text!(
    /// Who logs in to a registry: 1 to 256 visible characters without a colon.
    RegistryUser, "a registry's user name", |text| {
        let fine = |c: char| !c.is_control() && !c.is_whitespace() && c != ':';
        if (1..=256).contains(&text.len()) && text.chars().all(fine) {
            Ok(())
        } else {
            Err(format!("has 1 to 256 characters, no blanks and no \":\"; got {}", shown(text)))
        }
    }
);

impl RegistryHost {
    /// The name under which its password lies in the table of secrets.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("registry/{self}")
    }

    /// Whether this is the registry that an engine asks about, by the name that the engine uses.
    #[must_use]
    pub fn is(&self, asked: &str) -> bool {
        let asked = asked.to_ascii_lowercase();
        let asked = if HUB.contains(&asked.as_str()) { HUB_NAME } else { &asked };
        self.as_str() == asked
    }

    /// The registry that an image comes from.
    #[must_use]
    pub fn of_image(image: &str) -> Option<Self> {
        let first = image.split_once('/').map_or("", |(first, _)| first);
        let named = first.contains(['.', ':']) || first == "localhost";
        Self::new(if named { first } else { HUB_NAME }).ok()
    }
}

fn registry(text: &str) -> Result<(), String> {
    if HUB.contains(&text) {
        return Err(format!("is {HUB_NAME} for Docker Hub; got {}", shown(text)));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (text, None),
    };
    let number = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        digits && port.parse::<u16>().is_ok()
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host(name).is_ok() && (name.contains('.') || port.is_some() || name == "localhost"),
    };
    if named && port.is_none_or(number) {
        return Ok(());
    }
    Err(format!(
        "is a host as in the name of an image, lower case, with a dot or a port, such as ghcr.io, \
         registry.example.com:5000 or docker.io; no scheme and no path; got {}",
        shown(text)
    ))
}

/// Whether a text can be a password; why not, without showing it.
pub(super) fn password(text: &str) -> Result<(), String> {
    let most = RegistryPassword::MOST_BYTES;
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        let bytes = text.len();
        return Err(format!("has 1 to {most} bytes and no control characters; got {bytes} bytes"));
    }
    Ok(())
}

/// A registry's password or token: 1 to 4,096 bytes, no control characters. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryPassword(String);

impl RegistryPassword {
    /// The most bytes in one.
    pub const MOST_BYTES: usize = 4 * 1024;

    /// Checks a password.
    ///
    /// # Errors
    /// [`BadText`], which never shows it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        password(&text).map_err(|why| bad("a registry's password", why))?;
        Ok(Self(text))
    }

    /// The password itself: for sealing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RegistryPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryPassword(…)")
    }
}

/// A registry that builds may take images from after a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// Who logs in.
    pub user: RegistryUser,
    /// The version of the password.
    pub version: u64,
    /// Since when.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_as_images_name_it() {
        for text in [
            "docker.io",
            "ghcr.io",
            "registry.example.com:5000",
            "localhost",
            "localhost:5000",
            "registry:5000",
            "127.0.0.1:5000",
            "10.0.0.7",
            "[::1]:5000",
            "[2001:db8::1]",
        ] {
            assert!(RegistryHost::new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "registry",
            "https://ghcr.io",
            "ghcr.io/team",
            "GHCR.io",
            "ghcr.io:0",
            "ghcr.io:065",
            "ghcr.io:70000",
            "ghcr.io:",
            ":5000",
            "user@ghcr.io",
            "-x.example",
            "a b.example",
            "ghcr.io\n",
            "[::1",
            "::1",
            "[x]:5000",
            "index.docker.io",
            "registry-1.docker.io",
        ] {
            assert!(RegistryHost::new(text).is_err(), "{text}");
        }
        let why = RegistryHost::new("index.docker.io").unwrap_err().to_string();
        assert!(why.contains("is docker.io for Docker Hub"), "{why}");
    }

    #[test]
    fn an_image_and_an_engine_mean_the_same_registry() {
        let of = |image: &str| RegistryHost::of_image(image).unwrap().to_string();
        assert_eq!(of("busybox"), "docker.io");
        assert_eq!(of("library/busybox:1"), "docker.io");
        assert_eq!(of("docker.io/library/busybox:1"), "docker.io");
        assert_eq!(of("ghcr.io/team/app@sha256:00"), "ghcr.io");
        assert_eq!(of("127.0.0.1:5000/app:1"), "127.0.0.1:5000");
        let hub = RegistryHost::new("docker.io").unwrap();
        assert!(hub.is("registry-1.docker.io") && hub.is("docker.io"));
        assert!(!hub.is("docker.io.example") && !hub.is("ghcr.io"));
        let own = RegistryHost::new("registry.example.com:5000").unwrap();
        assert!(own.is("Registry.example.com:5000") && !own.is("registry.example.com"));
    }

    #[test]
    fn a_password_is_not_shown_also_where_it_is_refused() {
        let long = "hush".repeat(2_000);
        for text in ["", "hush\nhush", "hush\0", long.as_str()] {
            let bad = RegistryPassword::new(text).unwrap_err();
            assert!(!bad.to_string().contains("hush"), "{bad}");
        }
        let password = RegistryPassword::new("hush hush: ü").unwrap();
        assert!(!format!("{password:?}").contains("hush"));
        for text in ["", "a:b", "a b", "a\n", &"a".repeat(257)] {
            assert!(RegistryUser::new(text).is_err(), "{text:?}");
        }
        assert!(RegistryUser::new("robot$team+ci").is_ok());
    }
}
