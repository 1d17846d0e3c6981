//! What a site consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::headers::HeaderRule;
use super::redirects::Redirect;
use super::{BuiltSite, FileHash, SiteId, SitePath};
use crate::limits;

/// The format of manifests that is written and read.
pub const MANIFEST_FORMAT: u16 = 1;

/// Why what a build left is no site. Every message is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSite {
    /// A line of one of its files.
    #[error("{file} line {line}: {why}")]
    Line {
        /// Which file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// One of its files.
    #[error("the site's file {path} {why}")]
    File {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// All of it.
    #[error("the site {0}")]
    Whole(String),
}

/// A way in which a file is kept besides as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
}

impl Compression {
    /// All of them, the best for clients that take several as gladly first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// What HTTP calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// A compressed form of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Of its own bytes.
    pub hash: FileHash,
    /// How many.
    pub bytes: u64,
}

/// The compressed forms of a file, where they are smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Variants {
    /// By Zstandard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zstd: Option<Variant>,
    /// By Brotli.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub br: Option<Variant>,
    /// By gzip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gzip: Option<Variant>,
}

impl Variants {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.zstd.is_none() && self.br.is_none() && self.gzip.is_none()
    }

    /// One of them.
    #[must_use]
    pub const fn get(&self, compression: Compression) -> Option<&Variant> {
        match compression {
            Compression::Zstd => self.zstd.as_ref(),
            Compression::Brotli => self.br.as_ref(),
            Compression::Gzip => self.gzip.as_ref(),
        }
    }

    /// Notes one of them.
    pub fn put(&mut self, compression: Compression, variant: Variant) {
        match compression {
            Compression::Zstd => self.zstd = Some(variant),
            Compression::Brotli => self.br = Some(variant),
            Compression::Gzip => self.gzip = Some(variant),
        }
    }

    /// All that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Variant> {
        self.zstd.iter().chain(&self.br).chain(&self.gzip)
    }
}

/// A file of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFile {
    /// Of its bytes.
    pub hash: FileHash,
    /// How many.
    pub bytes: u64,
    /// Its compressed forms.
    #[serde(default, skip_serializing_if = "Variants::is_empty")]
    pub variants: Variants,
}

impl SiteFile {
    /// Everything that is kept of it: digest and bytes.
    pub fn blobs(&self) -> impl Iterator<Item = (&FileHash, u64)> {
        let variants = self.variants.iter().map(|variant| (&variant.hash, variant.bytes));
        std::iter::once((&self.hash, self.bytes)).chain(variants)
    }
}

/// A site. The same files and rules have the same bytes, and so the same [`SiteId`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u16,
    /// Whether `index.html` answers for every page that is not there.
    pub single_page: bool,
    /// What `_redirects` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// What `_headers` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderRule>,
    /// Its files.
    pub files: BTreeMap<SitePath, SiteFile>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// In words, where it is none that this version understands.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.format == MANIFEST_FORMAT {
            Ok(manifest)
        } else {
            Err(format!(
                "its format is {}, and this version reads {MANIFEST_FORMAT}",
                manifest.format
            ))
        }
    }

    /// Whether it is within its bounds.
    ///
    /// # Errors
    /// [`BadSite`] says which one it is beyond, and what to do.
    pub fn check(&self) -> Result<(), BadSite> {
        if self.files.is_empty() {
            return Err(BadSite::Whole(
                "has no files: what is built leaves its output folder empty".into(),
            ));
        }
        if self.files.len() > limits::MOST_SITE_FILES {
            let most = limits::MOST_SITE_FILES;
            return Err(BadSite::Whole(format!(
                "has {} files, and one has at most {most}; leave some out, or serve it by a container \
                 (--static off)",
                self.files.len()
            )));
        }
        if let Some((path, file)) =
            self.files.iter().find(|(_, file)| file.bytes > limits::MOST_SITE_FILE_BYTES)
        {
            let most = limits::MOST_SITE_FILE_BYTES >> 20;
            let why = format!("has {} bytes, and one has at most {most} MiB", file.bytes);
            return Err(BadSite::File { path: path.to_string(), why });
        }
        if self.bytes() > limits::MOST_SITE_BYTES {
            let most = limits::MOST_SITE_BYTES >> 20;
            return Err(BadSite::Whole(format!(
                "has {} bytes, and one has at most {most} MiB; leave some out, or serve it by a container \
                 (--static off)",
                self.bytes()
            )));
        }
        Ok(())
    }

    /// How many bytes its files have, uncompressed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// What is told of it under a name.
    #[must_use]
    pub fn built(&self, id: SiteId) -> BuiltSite {
        let files = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        BuiltSite { id, files, bytes: self.bytes() }
    }
}
