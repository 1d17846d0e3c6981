//! What names an upload: the digest of its bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, CommitId, bad, shown, text};

text!(
    /// An upload, by the SHA-256 digest of its bytes: `sha256:` and 64 lower-case hexadecimal digits.
    UploadDigest, "an upload", |text| {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() == 64 && digits.bytes().all(hex) {
            Ok(())
        } else {
            Err(format!(
                "is \"sha256:\" and 64 lower-case hexadecimal digits; got {}",
                shown(text)
            ))
        }
    }
);

impl UploadDigest {
    /// The digits alone: a name for a file.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.as_str().strip_prefix("sha256:").unwrap_or_default()
    }

    /// As the version that something is made of. It has the form of a commit's id, which it is not.
    ///
    /// # Errors
    /// Never: the digits were checked.
    pub fn version(&self) -> Result<CommitId, BadText> {
        CommitId::new(self.hex())
    }

    /// Enough of it to tell one from another.
    #[must_use]
    pub fn short(&self) -> &str {
        self.as_str().get(..19).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_digest_is_one() {
        let digits = "0123456789abcdef".repeat(4);
        let digest = UploadDigest::new(format!("sha256:{digits}")).unwrap();
        assert_eq!(digest.hex(), digits);
        assert_eq!(digest.version().unwrap().as_str(), digits);
        assert_eq!(digest.short(), "sha256:0123456789ab");
        let upper = format!("sha256:{}", digits.to_uppercase());
        for wrong in ["", "sha256:", &digits, &upper, "sha256:../../etc/passwd", "sha512:00"] {
            assert!(UploadDigest::new(wrong).is_err(), "{wrong}");
        }
    }
}
