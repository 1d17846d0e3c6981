//! The value of an environment variable, which nothing prints.

use std::fmt;

use super::{BadText, bad};

/// The value of an environment variable: at most 64 KiB, no NUL. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvValue(String);

impl EnvValue {
    /// The most bytes in one value.
    pub const MOST_BYTES: usize = 64 * 1024;

    /// Checks a value.
    ///
    /// # Errors
    /// [`BadText`], which never shows the value.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        if text.len() > Self::MOST_BYTES {
            return Err(bad(
                "an environment variable's value",
                format!("has at most 64 KiB; got {} bytes", text.len()),
            ));
        }
        if text.contains('\0') {
            return Err(bad("an environment variable's value", "has no NUL character"));
        }
        Ok(Self(text))
    }

    /// The value itself: for sealing, and for handing to a container.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvValue(…)")
    }
}
