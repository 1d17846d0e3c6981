//! The nats-server program: where it is and whether it is new enough.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use super::NatsError;

/// The oldest that has what Hythe uses.
pub(super) const LEAST_VERSION: Version = Version { major: 2, minor: 10, patch: 0 };
/// How long a program may take to say its version.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Its name.
const NAME: &str = "nats-server";

/// A version of nats-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Incompatible ones.
    pub major: u32,
    /// Features.
    pub minor: u32,
    /// Corrections.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text without a version.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("read a version")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    /// Reads `2.10.1`, `v2.11.0-preview.2`, or a line that ends so.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.split_whitespace().next_back().ok_or(NoVersion)?;
        let plain = word.strip_prefix('v').unwrap_or(word);
        let numbers = plain.split(['-', '+']).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(str::parse);
        let mut next = || parts.next().and_then(Result::ok).ok_or(NoVersion);
        Ok(Self { major: next()?, minor: next()?, patch: next()? })
    }
}

/// The program that a shell would find.
pub(super) fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?)
        // An empty or relative entry would mean whatever lies in the current folder.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(NAME))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

/// Whether a program is a nats-server that Hythe can use.
pub(super) async fn check(path: &Path) -> Result<Version, NatsError> {
    let asked = tokio::process::Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let strange = |said: String| NatsError::Strange { path: path.to_owned(), said };
    let output = match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Err(_) => return Err(strange(format!("says nothing for {} s", ANSWER_WITHIN.as_secs()))),
        Ok(Err(e)) => {
            return Err(NatsError::NotThere { path: path.to_owned(), why: e.to_string() });
        }
        Ok(Ok(output)) => output,
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or_default();
    let Some(Ok(found)) = line.strip_prefix("nats-server: ").map(str::parse::<Version>) else {
        let shown: String = line.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(strange(format!("said {shown:?} ({})", output.status)));
    };
    if found < LEAST_VERSION {
        return Err(NatsError::TooOld { path: path.to_owned(), found });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let read = |text: &str| text.parse::<Version>().ok();
        assert_eq!(read("nats-server: v2.15.1"), Some(Version { major: 2, minor: 15, patch: 1 }));
        assert_eq!(read("2.11.0-RC.2"), Some(Version { major: 2, minor: 11, patch: 0 }));
        for bad in ["", "v2", "v2.10", "two", "v2.x.1", "-v2.10.1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read("v2.9.25").unwrap() < LEAST_VERSION);
        assert!(read("v2.10.0").unwrap() >= LEAST_VERSION);
        assert!(read("v3.0.0").unwrap() >= LEAST_VERSION);
    }

    #[test]
    fn only_what_can_be_run_from_an_absolute_folder_is_found() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(NAME);
        std::fs::write(&file, "").unwrap();
        assert_eq!(on_path(Some(home.path().as_os_str())), None, "it cannot be run");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(on_path(Some(home.path().as_os_str())), Some(file));
        assert_eq!(on_path(Some(OsStr::new("::."))), None);
        assert_eq!(on_path(None), None);
    }
}
