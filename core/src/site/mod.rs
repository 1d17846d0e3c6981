//! Static sites: what a build left to be served as it is, and what a request for it comes to.
//!
//! A site is a [`Manifest`]: which paths there are and under which digest each file lies, with what
//! `_redirects` and `_headers` said. It is named by the digest of its own bytes, so a version of an app is
//! one name, and a switch of versions is a switch of names. Pure: bytes are hashed, kept and sent elsewhere.
//!
//! Invariants: nothing of a repository gets in here unchecked; every list has a bound; what a request asks
//! for is found among the manifest's own paths or not at all, whatever it says.

mod headers;
mod manifest;
mod pattern;
mod plan;
mod redirects;
mod resolve;
mod target;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::{BadText, bad, text};

/// The files of a site that say how it is served, and are no part of it.
pub const RULE_FILES: [&str; 2] = [redirects::FILE, headers::FILE];

pub use headers::{HeaderRule, HeaderRules, parse as parse_headers};
pub use manifest::{BadSite, Compression, MANIFEST_FORMAT, Manifest, SiteFile, Variant, Variants};
pub use pattern::Pattern;
pub use plan::{SiteMode, serves_files};
pub use redirects::{Redirect, parse as parse_redirects};
pub use resolve::{Answer, Rules, Served};
pub use target::{Target, is_compressible, is_immutable};

text!(
    /// A digest of a file's bytes: BLAKE3, as 64 lower-case hexadecimal digits.
    FileHash, "a digest of a file", digest
);
text!(
    /// A site: the digest of its manifest's bytes, as [`FileHash`] writes one.
    SiteId, "a site", digest
);
text!(
    /// Where a file lies in a site: plain parts between `/`, no `.` or `..`, no control character, at most
    /// 1,024 bytes.
    SitePath, "a path in a site", |text| {
        if text.len() > MOST_PATH_BYTES {
            return Err(format!("has at most {MOST_PATH_BYTES} bytes; it has {}", text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err("holds no control characters".to_owned());
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("is made of names between slashes".to_owned());
        }
        Ok(())
    }
);

/// The most bytes of a path in a site.
pub const MOST_PATH_BYTES: usize = 1_024;

impl std::borrow::Borrow<str> for SitePath {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

fn digest(text: &str) -> Result<(), String> {
    let fine = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 64 && text.bytes().all(fine) {
        Ok(())
    } else {
        Err("is 64 lower-case hexadecimal digits".to_owned())
    }
}

/// What a build gave that is served without a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BuiltSite {
    /// Which site.
    pub id: SiteId,
    /// How many files.
    pub files: u32,
    /// How many bytes they have together, uncompressed.
    pub bytes: u64,
}

impl fmt::Display for BuiltSite {
    /// In words: `static site: 12 files, 3400 bytes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files =
            if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        write!(f, "static site: {files}, {} bytes", self.bytes)
    }
}
