//! The owner token: minted once, kept in a file that only its user can read.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The name of the file in the data directory.
const FILE: &str = "owner.token";
const PREFIX: &str = "hythe_";
const RANDOM_BYTES: usize = 32;
/// Bytes of a token: more is not even hashed.
const MOST_BYTES: usize = 256;

/// The owner token's hash: all that is needed to tell the right one.
#[derive(Clone)]
pub struct OwnerToken {
    hash: blake3::Hash,
    /// For whatever else must change when the token does.
    key: [u8; 32],
}

/// Why there is no owner token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{doing} the owner token {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could read it.
    #[error(
        "use the owner token {}: others may read it (mode {mode:04o}); run chmod 600 on it, and \
         delete it to get a new one where that matters", path.display()
    )]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not a token.
    #[error("use the owner token {}: it {why}; delete the file to get a new one", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system has no randomness to give.
    #[error("mint the owner token: {0}")]
    Random(String),
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerToken(…)")
    }
}

impl OwnerToken {
    /// The token of these characters.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self {
            hash: blake3::hash(token.as_bytes()),
            key: blake3::derive_key(
                "hythe 2026-11 keys that change with the owner token",
                token.as_bytes(),
            ),
        }
    }

    /// Reads the token of a data directory, minted where there is none.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong with the file and what to do.
    pub fn load_or_mint(dir: &Path) -> Result<Self, TokenError> {
        let path = dir.join(FILE);
        match read(&path) {
            Ok(text) => Ok(Self::of(&text)),
            Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let token = mint()?;
                match write(&path, &token) {
                    Ok(()) => Ok(Self::of(&token)),
                    // Another process was faster: its token is the one.
                    Err(TokenError::Io { source, .. })
                        if source.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        Ok(Self::of(&read(&path)?))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether these characters are the token. Takes the same time whatever is wrong with them.
    #[must_use]
    pub fn is(&self, given: &str) -> bool {
        given.len() <= MOST_BYTES
            && bool::from(blake3::hash(given.as_bytes()).as_bytes().ct_eq(self.hash.as_bytes()))
    }

    /// A key for one purpose that changes with the token.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, purpose.as_bytes()).as_bytes()
    }
}

fn mint() -> Result<Zeroizing<String>, TokenError> {
    let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| TokenError::Random(error.to_string()))?;
    Ok(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes))))
}

fn read(path: &Path) -> Result<Zeroizing<String>, TokenError> {
    let io = |source| TokenError::Io { doing: "read", path: path.into(), source };
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Unsafe { path: path.into(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST_BYTES as u64 + 2).read_to_string(&mut text).map_err(io)?;
    let token = text.trim_end_matches(['\r', '\n']);
    let bad = |why| TokenError::Bad { path: path.into(), why };
    if token.len() < 16 {
        return Err(bad("is shorter than 16 characters"));
    }
    if token.len() > MOST_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("is not one line of at most 256 visible ASCII characters"));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Written beside and linked into place, so that nobody ever reads half of it, and nobody's token
/// is overwritten.
fn write(path: &Path, token: &str) -> Result<(), TokenError> {
    let io = |source| TokenError::Io { doing: "write", path: path.into(), source };
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    file.write_all(token.as_bytes()).map_err(io)?;
    file.write_all(b"\n").map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    #[expect(clippy::disallowed_methods, reason = "nothing follows from it that is durable")]
    file.persist_noclobber(path).map_err(|error| io(error.error))?;
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_minted_once_for_its_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let token = OwnerToken::load_or_mint(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim_end().len(), PREFIX.len() + 43);
        assert!(token.is(text.trim_end()));
        assert!(OwnerToken::load_or_mint(dir.path()).unwrap().is(text.trim_end()));
        for wrong in ["", "hythe_", &text, &text.to_uppercase(), &"x".repeat(1 << 20)] {
            assert!(!token.is(wrong));
        }
    }

    #[test]
    fn a_file_that_is_not_right_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for (content, mode, word) in [
            ("hythe_0123456789abcdef", 0o644, "others may read it"),
            ("short", 0o600, "shorter"),
            ("", 0o600, "shorter"),
            ("0123456789abcdef\n0123456789abcdef", 0o600, "one line"),
        ] {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let error = OwnerToken::load_or_mint(dir.path()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
