//! The Python of the time in which pinned packages were new.
//!
//! A list that pins its packages and names no Python was written beside one that is old by now. Packages of that
//! time have no binaries for later ones, and some do not even start on them.

use super::deps::{REQUIREMENTS, name_of};
use crate::detect::repo::Repo;
use crate::detect::versions::Wish;

/// A version, and the second number of the last Python that goes with what is before it.
type Age = (&'static [u32], u32);

/// Packages, each with its ages in order.
const AGES: &[(&str, &[Age])] = &[
    ("aiohttp", &[(&[3, 8], 9), (&[3, 8, 3], 10), (&[3, 9], 11), (&[3, 10, 6], 12)]),
    ("asyncpg", &[(&[0, 25], 9), (&[0, 27], 10), (&[0, 29], 11), (&[0, 30], 12)]),
    ("cffi", &[(&[1, 15], 9), (&[1, 15, 1], 10), (&[1, 16], 11), (&[1, 17], 12)]),
    ("django", &[(&[3, 2], 9), (&[4, 2], 11)]),
    ("gevent", &[(&[21, 8], 9), (&[22, 10], 10), (&[23, 9], 11), (&[24, 10], 12)]),
    ("greenlet", &[(&[1, 1, 2], 9), (&[2], 10), (&[3], 11), (&[3, 1], 12)]),
    ("grpcio", &[(&[1, 41], 9), (&[1, 49, 1], 10), (&[1, 59], 11), (&[1, 66, 2], 12)]),
    ("gunicorn", &[(&[21], 11)]),
    ("httptools", &[(&[0, 5], 10), (&[0, 6], 11), (&[0, 6, 2], 12)]),
    ("jinja2", &[(&[2, 11], 9)]),
    ("lxml", &[(&[4, 6, 4], 9), (&[4, 9, 2], 10), (&[4, 9, 3], 11), (&[5, 3], 12)]),
    ("matplotlib", &[(&[3, 5], 9), (&[3, 6], 10), (&[3, 8], 11), (&[3, 9, 2], 12)]),
    ("numpy", &[(&[1, 21, 2], 9), (&[1, 23, 2], 10), (&[1, 26], 11), (&[2, 1], 12)]),
    ("orjson", &[(&[3, 6, 5], 9), (&[3, 8], 10), (&[3, 9, 7], 11), (&[3, 10, 7], 12)]),
    ("pandas", &[(&[1, 3, 3], 9), (&[1, 5, 1], 10), (&[2, 1, 1], 11), (&[2, 2, 3], 12)]),
    ("pillow", &[(&[8, 4], 9), (&[9, 3], 10), (&[10, 1], 11), (&[11], 12)]),
    ("psycopg2", &[(&[2, 9], 9), (&[2, 9, 5], 10), (&[2, 9, 10], 12)]),
    ("psycopg2-binary", &[(&[2, 9], 9), (&[2, 9, 5], 10), (&[2, 9, 8], 11), (&[2, 9, 10], 12)]),
    ("pydantic", &[(&[2, 8], 12)]),
    ("pyyaml", &[(&[6], 9), (&[6, 0, 1], 11), (&[6, 0, 2], 12)]),
    ("scikit-learn", &[(&[1], 9), (&[1, 1, 3], 10), (&[1, 3, 1], 11), (&[1, 5, 2], 12)]),
    ("scipy", &[(&[1, 7, 2], 9), (&[1, 9, 2], 10), (&[1, 11, 2], 11), (&[1, 14, 1], 12)]),
    ("tensorflow", &[(&[2, 8], 9), (&[2, 12], 10), (&[2, 16], 11), (&[2, 20], 12)]),
    ("torch", &[(&[1, 11], 9), (&[2], 10), (&[2, 2], 11), (&[2, 5], 12)]),
    ("uvloop", &[(&[0, 16], 9), (&[0, 17], 10), (&[0, 18], 11), (&[0, 20], 12)]),
];

/// Packages, each with the versions from which on it needs a later Python, and that one's second number
/// (`requires-python` at pypi.org).
const FLOORS: &[(&str, &[Age])] = &[
    ("django", &[(&[5], 10), (&[6], 12)]),
    ("matplotlib", &[(&[3, 9], 9), (&[3, 10], 10)]),
    ("numpy", &[(&[2], 9), (&[2, 1], 10), (&[2, 3], 11)]),
    ("pandas", &[(&[2, 1], 9), (&[3], 11)]),
    ("scikit-learn", &[(&[1, 5], 9), (&[1, 7], 10)]),
    ("scipy", &[(&[1, 11], 9), (&[1, 14], 10), (&[1, 16], 11)]),
];

/// The Python that pinned packages want, and the one of them that wants the oldest.
pub(super) fn wish(repo: &Repo<'_>) -> Option<(Wish, &'static str)> {
    let lists = REQUIREMENTS.iter().chain(&["requirements/base.txt"]);
    let lines = || lists.clone().flat_map(|list| repo.texts_of(list).lines());
    let (minor, package) = lines().filter_map(newest).min()?;
    // Where another one cannot be had for that, what is old is not of the time of the rest.
    if lines().filter_map(oldest).any(|least| least > minor) {
        return None;
    }
    let wish = Wish::of(Some(&format!("3.{minor}")), "the age of what is pinned");
    Some((wish?, package))
}

/// The last Python of a line that pins a package, with the package.
fn newest(line: &str) -> Option<(u32, &'static str)> {
    let (name, version) = pinned(line)?;
    let (package, ages) = AGES.iter().find(|(package, _)| *package == name)?;
    let (_, minor) = ages.iter().find(|(bound, _)| version.as_slice() < *bound)?;
    Some((*minor, *package))
}

/// The first Python of a line that pins a package.
fn oldest(line: &str) -> Option<u32> {
    let (name, version) = pinned(line)?;
    let (_, floors) = FLOORS.iter().find(|(package, _)| *package == name)?;
    let (_, minor) = floors.iter().rev().find(|(bound, _)| version.as_slice() >= *bound)?;
    Some(*minor)
}

/// The package that a line pins, and its version.
fn pinned(line: &str) -> Option<(String, Vec<u32>)> {
    let line = line.split(" #").next()?;
    let (name, pinned) = line.split_once("==")?;
    let pinned = pinned.trim_start();
    let end = pinned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(pinned.len());
    let version: Option<Vec<u32>> =
        pinned.get(..end)?.split('.').map(|number| number.parse().ok()).collect();
    Some((name_of(name)?, version?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_is_of_a_time() {
        for (line, found) in [
            ("numpy==1.22.3", Some((10, "numpy"))),
            ("numpy == 1.26.4  # why", Some((12, "numpy"))),
            ("numpy==2.3.0", None),
            ("numpy>=1.22", None),
            ("Django==4.0.4", Some((11, "django"))),
            ("Django==5.1", None),
            ("gunicorn[gevent]==20.1.0 ; python_version > '3.6'", Some((11, "gunicorn"))),
            ("psycopg2==2.8.6", Some((9, "psycopg2"))),
            ("flask==1.1.2", None),
            ("pandas==1.5.*", None),
            ("torch==2.1.0+cpu", Some((11, "torch"))),
            ("==", None),
        ] {
            assert_eq!(newest(line), found, "{line}");
        }
        for (line, least) in [
            ("Django==6.0", Some(12)),
            ("django==5.2.1", Some(10)),
            ("django==4.2", None),
            ("numpy==2.0.2", Some(9)),
            ("flask==3.1", None),
        ] {
            assert_eq!(oldest(line), least, "{line}");
        }
        for (package, ages) in AGES.iter().chain(FLOORS) {
            assert!(ages.is_sorted(), "{package}");
        }
    }
}
