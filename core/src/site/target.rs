//! What a request asks a site for, and what the names of files say about them.

use super::MOST_PATH_BYTES;

/// A path that was asked for, in its one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its parts between single slashes, none at either end; empty for the root.
    pub path: String,
    /// Whether it ended with a slash; always so for the root.
    pub folder: bool,
}

impl Target {
    /// Understands the path of a request: escapes are taken off once, and slashes in a row count as one.
    /// None where it is nothing that a file could be called: it climbs, holds control characters or no UTF-8,
    /// or is too long.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MOST_PATH_BYTES * 3 {
            return None;
        }
        let decoded = decode(raw)?;
        if decoded.chars().any(char::is_control) {
            return None;
        }
        let mut path = String::with_capacity(decoded.len());
        for part in decoded.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if part == ".." {
                return None;
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
        }
        if path.len() > MOST_PATH_BYTES {
            return None;
        }
        let folder = path.is_empty() || decoded.ends_with('/') || decoded.ends_with("/.");
        Some(Self { path, folder })
    }

    /// Whether it may be served at all: names that begin with a dot are a repository's own business, while
    /// `.well-known` is part of the web (RFC 8615).
    #[must_use]
    pub fn is_public(&self) -> bool {
        let mut parts = self.path.split('/');
        let first = parts.next().unwrap_or_default();
        (!first.starts_with('.') || first == ".well-known")
            && !parts.any(|part| part.starts_with('.'))
    }
}

/// Takes escapes off; none where one is broken, or what they stand for is no UTF-8.
pub(super) fn decode(raw: &str) -> Option<String> {
    if !raw.contains('%') {
        return Some(raw.to_owned());
    }
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
        decoded.push(high * 16 + low);
    }
    String::from_utf8(decoded).ok()
}

/// Folders into which generators put files that they name after what is in them.
const BUILT_FOLDERS: &[&str] = &[
    "_app/immutable",
    "_astro",
    "_next/static",
    "_nuxt",
    "assets",
    "build",
    "immutable",
    "static/css",
    "static/js",
    "static/media",
];

/// Whether a file's name holds a digest of its content, so that it never means another one.
///
/// Sixteen hexadecimal digits (or eight, letters among them) say so anywhere; other digests only where
/// generators put such files: a date or a word in a name is none.
#[must_use]
pub fn is_immutable(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    // Whole parts of the path: asked for with every request, so nothing is put together for it.
    let within = |known: &str| {
        folder.match_indices(known).any(|(at, found)| {
            let (before, rest) = folder.split_at_checked(at).unwrap_or_default();
            let after = rest.strip_prefix(found).unwrap_or_default();
            (before.is_empty() || before.ends_with('/'))
                && (after.is_empty() || after.starts_with('/'))
        })
    };
    let built = BUILT_FOLDERS.iter().any(|known| within(known));
    let hex = |part: &str| {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let letters = part.bytes().any(|byte| byte.is_ascii_alphabetic());
        let digits = part.bytes().any(|byte| byte.is_ascii_digit());
        part.bytes().all(lower) && digits && letters && part.len() >= 8
    };
    let mixed = |part: &str| {
        let plain =
            part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        let telling = part.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        plain && telling && part.len() >= 8
    };
    let parts = stem.split(['.', '-']);
    // A digest in base 64 may hold the very signs that names are put together with.
    let last = stem.len().checked_sub(8).and_then(|at| stem.get(at..)).filter(|_| {
        stem.len() > 8
            && stem.as_bytes().get(stem.len() - 9).is_some_and(|sign| b".-".contains(sign))
    });
    parts.clone().any(hex) || (built && (parts.clone().any(mixed) || last.is_some_and(mixed)))
}

/// What is asked for as a part of a page and never as a page.
const PARTS_OF_PAGES: &[&str] = &[
    "avif",
    "css",
    "eot",
    "gif",
    "ico",
    "jpeg",
    "jpg",
    "js",
    "json",
    "map",
    "mjs",
    "mp3",
    "mp4",
    "otf",
    "pdf",
    "png",
    "svg",
    "ttf",
    "txt",
    "wasm",
    "webm",
    "webmanifest",
    "webp",
    "woff",
    "woff2",
    "xml",
];

/// Whether somebody who asks for this wants no page, also where there is nothing of that name.
pub(super) fn is_part_of_a_page(path: &str) -> bool {
    ending(path).is_some_and(|ending| PARTS_OF_PAGES.contains(&ending.as_str()))
}

/// What gets smaller when it is compressed.
const COMPRESSIBLE: &[&str] = &[
    "atom",
    "bmp",
    "css",
    "csv",
    "eot",
    "geojson",
    "htm",
    "html",
    "ico",
    "js",
    "json",
    "jsonld",
    "map",
    "markdown",
    "md",
    "mjs",
    "otf",
    "rss",
    "svg",
    "ttf",
    "txt",
    "vtt",
    "wasm",
    "webmanifest",
    "xhtml",
    "xml",
    "yaml",
    "yml",
];

/// Whether a file of this name is worth compressing.
#[must_use]
pub fn is_compressible(path: &str) -> bool {
    ending(path).is_some_and(|ending| COMPRESSIBLE.contains(&ending.as_str()))
}

fn ending(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_and_leads_nowhere_else() {
        let rows: &[(&str, Option<(&str, bool)>)] = &[
            ("/", Some(("", true))),
            ("", Some(("", true))),
            ("/a", Some(("a", false))),
            ("/a/", Some(("a", true))),
            ("//a///b", Some(("a/b", false))),
            ("/./a/./b/.", Some(("a/b", true))),
            ("/a%20b.html", Some(("a b.html", false))),
            ("/%C3%A4", Some(("ä", false))),
            // Once, and not again.
            ("/%252e%252e/x", Some(("%2e%2e/x", false))),
            ("/..", None),
            ("/a/../b", None),
            ("/%2e%2e/etc/passwd", None),
            ("/a%2f..%2fb", None),
            ("/a%00", None),
            ("/a%0d%0ab", None),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%ff", None),
        ];
        for (raw, expected) in rows {
            let expected = expected.map(|(path, folder)| Target { path: path.to_owned(), folder });
            assert_eq!(Target::parse(raw), expected, "{raw}");
        }
        assert_eq!(Target::parse(&format!("/{}", "a".repeat(MOST_PATH_BYTES + 1))), None);
    }

    #[test]
    fn what_begins_with_a_dot_is_no_part_of_a_site_but_what_is_well_known() {
        let public = |path: &str| Target { path: path.to_owned(), folder: false }.is_public();
        assert!(public("") && public("a/b") && public(".well-known/security.txt"));
        assert!(!public(".env") && !public("a/.git/config") && !public(".well-known/.x"));
        assert!(!public("a/.well-known/x"));
    }

    #[test]
    fn names_with_a_digest_are_told_from_others() {
        let yes = [
            "assets/index-BxYz12_3.js",
            "assets/index-Ab-cd_Ef.css",
            "_astro/page.DkZnQbXw.css",
            "main.8f3c2d1a.js",
            "static/js/2.1a2b3c4d.chunk.js",
            "_next/static/chunks/app-0123456789abcdef.js",
            "docs/assets/logo-DkZnQbXw.svg",
        ];
        let no = [
            "index.html",
            "assets/component-library.js",
            "photo-20230405.jpg",
            "IMG-20230405.jpg",
            "jquery-3.7.1.min.js",
            "my-beautiful-page.html",
            "assets/style.css",
            "deadbeef",
            "img/photo-Holiday2023.jpg",
        ];
        for path in yes {
            assert!(is_immutable(path), "{path}");
        }
        for path in no {
            assert!(!is_immutable(path), "{path}");
        }
    }
}
