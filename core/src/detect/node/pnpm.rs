//! Which version of pnpm installs.
//!
//! 9 and 10 write locks of the same form. 10 runs no scripts of packages that nobody allowed, and
//! much that was made with 9 needs those: Prisma's client, what is compiled. 9 in turn knows nothing
//! of the settings that 10 keeps in `pnpm-workspace.yaml`, and refuses that file where there is
//! nothing else in it. So 10 is taken where something is of 10, and 9 otherwise.

use nodejs_semver::{Range, Version};

use super::manifest::Manifest;
use crate::detect::images::tools;
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

/// The keys of `pnpm-workspace.yaml` that 9 reads.
const KEYS_OF_9: &[&str] = &["packages", "catalog", "catalogs"];

/// The longest version that is taken, in bytes.
const MOST_WISH_BYTES: usize = 16;

/// The version, and the reason.
pub(super) fn version(repo: &Repo<'_>, manifest: &Manifest) -> Result<(String, String), Rejection> {
    if let Some(exact) = manifest.exact_manager() {
        let why = format!("pnpm {exact}: packageManager in package.json says so");
        return Ok((exact.to_owned(), why));
    }
    let lock = repo.text("pnpm-lock.yaml")?.unwrap_or_default();
    let form = lock.lines().find_map(|line| line.strip_prefix("lockfileVersion:"));
    let form = form.unwrap_or("9").trim().trim_matches(['\'', '"']);
    let named = manifest
        .package_manager()
        .map(|(_, version)| (version, "packageManager"))
        .or_else(|| manifest.engine("pnpm").map(|engine| (engine, "engines.pnpm")));
    let wish = named.and_then(|(text, place)| Some((Range::parse(text).ok()?, place)));
    let fits = |version: &str| {
        let version = Version::parse(version);
        wish.as_ref().is_none_or(|(range, _)| version.is_ok_and(|v| range.satisfies(&v)))
    };
    let of_10 = of_10(repo.text("pnpm-workspace.yaml")?, lock);
    let mut known: Vec<&str> = tools::PNPM
        .iter()
        .filter(|(of, _)| form.starts_with(of))
        .map(|(_, version)| *version)
        .collect();
    if of_10.is_none() {
        known.reverse();
    }
    let all = tools::PNPM.iter().map(|(_, version)| *version);
    known.extend(all);
    let usual = known.first().copied().unwrap_or("latest");
    let fitting = known.iter().copied().find(|version| fits(version));
    // One that is not known yet is of the line that is wished for: pnpm refuses to be another.
    let later = named.filter(|_| fitting.is_none()).and_then(|(text, _)| line_of(text));
    let version = fitting.or(later.as_deref()).unwrap_or(usual);
    let why = match (wish, of_10) {
        (Some((_, place)), _) if version != usual => format!("{place} in package.json says so"),
        (_, Some(sign)) => sign,
        (_, None) => format!("the lock has the form of {form}, and nothing is of a later one"),
    };
    Ok((version.to_owned(), format!("pnpm {version}: {}", shown(&why))))
}

/// The line that a wish is of: `11.5` of `11.5.x`, `11` of `^11` and of `>=11.2`.
fn line_of(wish: &str) -> Option<String> {
    let text = wish.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').filter(|number| !number.is_empty());
    let major = numbers.next().filter(|_| end <= MOST_WISH_BYTES)?;
    let held = wish.starts_with(|c: char| c.is_ascii_digit() || c == '~' || c == '=');
    match numbers.next().filter(|_| held) {
        Some(minor) => Some(format!("{major}.{minor}")),
        None => Some(major.to_owned()),
    }
}

/// What there is that only 10 and later ones know.
fn of_10(workspace: Option<&str>, lock: &str) -> Option<String> {
    // Of a patch 9 keeps a shorter sum.
    let sums = lock.lines().filter_map(|line| line.trim().strip_prefix("hash:"));
    let patched = sums.map(str::trim).any(|sum| sum.len() == 64);
    let of_lock = || patched.then(|| "pnpm-lock.yaml has patches as it keeps them".to_owned());
    let Some(workspace) = workspace else { return of_lock() };
    let keys: Vec<&str> = workspace
        .lines()
        .filter(|line| !line.starts_with([' ', '\t', '#', '-']))
        .filter_map(|line| Some(line.split_once(':')?.0.trim_matches(['\'', '"', ' '])))
        .collect();
    if let Some(key) = keys.iter().find(|key| !KEYS_OF_9.contains(key)) {
        return Some(format!("pnpm-workspace.yaml has {key}, which earlier ones do not read"));
    }
    if !keys.contains(&"packages") {
        return Some("pnpm-workspace.yaml names no packages, which earlier ones refuse".to_owned());
    }
    of_lock()
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_of_a_line() {
        for (wish, line) in [
            ("11.5.x", Some("11.5")),
            ("^11.2.0", Some("11")),
            (">=11", Some("11")),
            ("~12.1.0", Some("12.1")),
            ("12", Some("12")),
            ("x", None),
        ] {
            assert_eq!(line_of(wish).as_deref(), line, "{wish}");
        }
    }
}
