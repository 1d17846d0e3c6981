//! Which app of a host a path is for, where other apps are mounted there.
//!
//! Invariants: a path that an app could take for one outside of its mount, or for one in another's, gets
//! to no app: apps resolve `..`, `%2e%2e` and `..;x` in ways of their own, and some join `//`. What of the
//! path decides is compared as it reads without escapes. Hosts without mounts are not looked at.

use std::collections::HashMap;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use hythe_core::mount::{Mounted, PathPrefix, SeenPath};

/// A path that could be taken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// What is mounted at one host: for each place, `T`.
#[derive(Clone, Debug)]
pub(crate) struct Mounts<T> {
    /// Segments of the longest prefix.
    depth: usize,
    places: HashMap<Box<str>, T>,
}

impl<T> Mounts<T> {
    pub(crate) fn new<'a>(places: impl IntoIterator<Item = (&'a PathPrefix, T)>) -> Self {
        let mut depth = 0;
        let places = places.into_iter().map(|(prefix, place)| {
            depth = depth.max(prefix.segments());
            (Box::from(prefix.as_str()), place)
        });
        let places = places.collect();
        Self { depth, places }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.places.iter().map(|(prefix, place)| (&**prefix, place))
    }

    pub(crate) fn get(&self, prefix: &str) -> Option<&T> {
        self.places.get(prefix)
    }

    /// What is mounted at the longest prefix of a path, if anything is.
    pub(crate) fn find(&self, path: &str) -> Result<Option<&T>, Ambiguous> {
        let (decides, ends) = deciding(path, self.depth)?;
        let mut longest_first = ends.iter().rev();
        Ok(longest_first.find_map(|end| self.places.get(decides.get(..*end)?)))
    }
}

/// The first `depth` segments of a path without escapes, and where each of them ends.
fn deciding(path: &str, depth: usize) -> Result<(String, Vec<usize>), Ambiguous> {
    let mut decides = String::new();
    let mut ends = Vec::with_capacity(depth);
    // `OPTIONS *` has no path.
    let Some(rest) = path.strip_prefix('/') else { return Ok((decides, ends)) };
    let mut segments = rest.split('/').enumerate().peekable();
    while let Some((index, segment)) = segments.next() {
        let plain = decoded(segment);
        let mut parts = plain.split(|byte| matches!(byte, b'/' | b'\\'));
        if parts.any(is_dots) {
            return Err(Ambiguous);
        }
        if index >= depth {
            continue;
        }
        let last = segments.peek().is_none();
        let several = plain.iter().any(|byte| matches!(byte, b'/' | b'\\'));
        if several || plain.is_empty() && !last {
            return Err(Ambiguous);
        }
        decides.push('/');
        // What is no text is no prefix.
        decides.push_str(std::str::from_utf8(&plain).unwrap_or(segment));
        ends.push(decides.len());
    }
    Ok((decides, ends))
}

/// Whether a segment leads elsewhere, with or without parameters.
fn is_dots(segment: &[u8]) -> bool {
    let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
    let (name, _parameters) = segment.split_at(end);
    matches!(name, b"." | b"..")
}

/// A segment without its escapes; what is no escape stays.
fn decoded(segment: &str) -> Vec<u8> {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        let escaped = match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        plain.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    plain
}

/// A place at a host, as its requests see it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) prefix: PathPrefix,
    seen: SeenPath,
}

impl Place {
    pub(crate) fn new(prefix: &PathPrefix, mounted: &Mounted) -> Self {
        Self { prefix: prefix.clone(), seen: mounted.seen }
    }

    /// What the app gets to see of a path that was found to be here, where that is not all of it.
    pub(crate) fn seen(&self, uri: &Uri) -> Option<PathAndQuery> {
        match self.seen {
            SeenPath::Whole => return None,
            SeenPath::Stripped => {}
        }
        let path = uri.path();
        let mut slashes = path.match_indices('/').map(|(at, _)| at);
        let rest = slashes.nth(self.prefix.segments()).and_then(|at| path.get(at..));
        // More than one at the begin could be taken for a host.
        let rest = rest.unwrap_or_default().trim_start_matches('/');
        let text = match uri.query() {
            Some(query) => format!("/{rest}?{query}"),
            None => format!("/{rest}"),
        };
        PathAndQuery::try_from(text).ok()
    }

    /// Whether a path that was found to be here is the prefix itself, without a slash at its end: what is
    /// asked for from there on by relative addresses would be outside.
    pub(crate) fn is_bare(&self, path: &str) -> bool {
        path.match_indices('/').nth(self.prefix.segments()).is_none()
    }

    /// The prefix, where the app is to know that it was taken away.
    pub(crate) fn taken(&self) -> Option<&str> {
        match self.seen {
            SeenPath::Whole => None,
            SeenPath::Stripped => Some(self.prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let places = ["/api", "/api/v2", "/a/b/c", "/v1.0~x"].map(prefix);
        let mounts = Mounts::new(places.iter().map(|prefix| (prefix, prefix.as_str())));
        for (path, wanted) in [
            ("/api", Some("/api")),
            ("/api/", Some("/api")),
            ("/api/x", Some("/api")),
            ("/api/v2", Some("/api/v2")),
            ("/api/v2/x//y/", Some("/api/v2")),
            ("/api/v22", Some("/api")),
            ("/a/b/c", Some("/a/b/c")),
            ("/a/b", None),
            ("/apix", None),
            ("/API", None),
            ("/api;v=2/x", None),
            ("/x/api", None),
            ("/", None),
            ("*", None),
            ("", None),
            // The same, written otherwise.
            ("/%61pi/%762/x", Some("/api/v2")),
            ("/v1%2E0%7ex", Some("/v1.0~x")),
            ("/%zzapi", None),
            ("/api%", None),
            ("/\u{fc}", None),
            ("/%ff%00/x", None),
            // Beyond what decides, apps may name things as they like.
            ("/api/v2/x/group%2Fname", Some("/api/v2")),
            ("/api/v2/x/...", Some("/api/v2")),
        ] {
            assert_eq!(mounts.find(path), Ok(wanted.as_ref()), "{path}");
        }
    }

    #[test]
    fn no_trick_gets_past_a_mount() {
        let places = ["/api", "/api/admin"].map(prefix);
        let mounts = Mounts::new(places.iter().map(|prefix| (prefix, ())));
        for path in [
            "/api/../x",
            "/api/..",
            "/api/./admin",
            "/x/../api/admin",
            "/api/x/%2e%2e/admin",
            "/api/x/%2E./admin",
            "/api/.%2e/x",
            "/api/..;a=b/x",
            "/api/x/..%2fadmin",
            "/api/x/a%5c..%5cb",
            "/api/x/a\\..\\b",
            "//api/admin",
            "/api//admin",
            "/api%2fadmin",
            "/api\\admin",
            "/api%5Cadmin",
        ] {
            assert_eq!(mounts.find(path), Err(Ambiguous), "{path}");
        }
    }

    #[test]
    fn a_prefix_without_its_slash_is_told_from_one_with_it() {
        let place = Place { prefix: prefix("/v1/api"), seen: SeenPath::Stripped };
        assert!(place.is_bare("/v1/api") && place.is_bare("/v1/%61pi"));
        assert!(!place.is_bare("/v1/api/") && !place.is_bare("/v1/api/x"));
    }

    #[test]
    fn what_is_stripped_is_a_path_of_its_own() {
        let place = |seen| Place { prefix: prefix("/v1/api"), seen };
        for (uri, wanted) in [
            ("/v1/api", "/"),
            ("/v1/api/", "/"),
            ("/v1/api?a=/b", "/?a=/b"),
            ("/v1/api/x/y?z", "/x/y?z"),
            ("/v1/%61pi/%2fx", "/%2fx"),
            ("/v1/api//evil.example/x", "/evil.example/x"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(place(SeenPath::Stripped).seen(&uri).unwrap(), wanted);
            assert_eq!(place(SeenPath::Whole).seen(&uri), None);
        }
    }
}
