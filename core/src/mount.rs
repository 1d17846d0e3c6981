//! Apps at paths of another app's host: `shop.example/api` leads to the app `api`.
//!
//! Invariants: a prefix is whole segments of characters that never need an escape, so that there is one
//! way to write it; a mount says where an app would like to be, and serves only as long as the host leads
//! to an app of the same project ([`serve`]), whoever asked for what in which order.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::app::ActiveApp;
use crate::ids::AppId;
use crate::limits;
use crate::names::{BadText, HostName, bad, text};
use crate::rejection::Rejection;
use crate::routes::Route;
use crate::view::View;

text!(
    /// Where at a host an app is: `/` and up to 8 segments of letters, digits and `-`, `.`, `_`, `~`,
    /// none of them `.` or `..`; no `/` at the end. At most 200 characters.
    PathPrefix, "a path", |text| {
        let fine = |segment: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        };
        let segments = text.strip_prefix('/').map(|rest| rest.split('/'));
        let fine = segments.is_some_and(|mut segments| {
            segments.clone().count() <= limits::MOST_MOUNT_SEGMENTS && segments.all(fine)
        });
        if fine && text.len() <= 200 {
            Ok(())
        } else {
            Err(format!(
                "begins with a slash and has 1 to {} parts of letters, digits and - . _ ~ after it, as \
                 /api or /v1/api",
                limits::MOST_MOUNT_SEGMENTS
            ))
        }
    }
);

impl PathPrefix {
    /// How many segments it has.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.as_str().bytes().filter(|byte| *byte == b'/').count()
    }
}

/// A place at a host: `shop.example/api`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountPoint {
    /// The host.
    pub host: HostName,
    /// Where below it.
    pub prefix: PathPrefix,
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.prefix)
    }
}

impl FromStr for MountPoint {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text
            .find('/')
            .ok_or_else(|| bad("a place at a host", "is a host and a path, as shop.example/api"))?;
        let (host, prefix) = text.split_at(at);
        Ok(Self { host: host.parse()?, prefix: prefix.parse()? })
    }
}

impl Serialize for MountPoint {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MountPoint {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What an app gets to see of a path. Append-only: events hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenPath {
    /// All of it.
    #[default]
    Whole,
    /// What comes after the prefix.
    Stripped,
}

/// Where an app is to be besides its own hosts.
pub type Mounts = BTreeMap<MountPoint, SeenPath>;

/// Whether they are within their bounds.
///
/// # Errors
/// [`Rejection`] says which.
pub fn check(mounts: &Mounts) -> Result<(), Rejection> {
    let most = limits::MOST_MOUNTS;
    if mounts.len() > most {
        return Err(Rejection::invalid("mounts", format!("are at most {most}")));
    }
    Ok(())
}

/// What stands at a path of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// What the app gets to see.
    #[serde(default)]
    pub seen: SeenPath,
    /// Where it leads.
    pub route: Route,
}

/// Puts an app where it wants to be, as far as it may be there: at hosts that lead to an app of the same
/// project. Where two want to be at the same place, the one that comes first has it: apps are to be given
/// in the order in which they were made. `plain` is a route that leads to the app.
pub(crate) fn serve(
    view: &View,
    app: &ActiveApp,
    plain: &Route,
    table: &mut BTreeMap<HostName, Route>,
) {
    // A preview has what its app has, and is not to stand in its place.
    if app.preview.is_some() {
        return;
    }
    for (at, seen) in &app.edge.mounts {
        let Some(route) = table.get_mut(&at.host) else { continue };
        if route.redirect.is_some() || !same_project(view, app, route.app) {
            continue;
        }
        let mounted = || Mounted { seen: *seen, route: plain.clone() };
        route.mounts.entry(at.prefix.clone()).or_insert_with(mounted);
    }
}

fn same_project(view: &View, app: &ActiveApp, other: AppId) -> bool {
    let other = view.apps.get(&other).and_then(|other| other.state.active());
    other.is_some_and(|other| other.settings.project == app.settings.project)
}

/// Why an app may not be at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The host leads nowhere.
    #[error("no app has the host {0}; add it to one first: hythe domain add APP {0}")]
    NoHost(HostName),
    /// The host is of an app of another project.
    #[error(
        "the host {0} leads to an app of another project: only apps of the same project share a host"
    )]
    OtherProject(HostName),
    /// The host leads to another one.
    #[error("the host {0} is sent on to {1}: mount the app there")]
    SentOn(HostName, HostName),
    /// Another app is there.
    #[error("the app {1} is at {0} already; unmount it first: hythe traffic unmount {1} {0}")]
    Taken(MountPoint, crate::names::AppName),
}

/// Whether an app may be at a place, as things are now. What is told to people when they ask for it; what
/// holds is decided anew with each table.
///
/// # Errors
/// [`Refused`] says what is in the way.
pub fn may(
    view: &View,
    table: &BTreeMap<HostName, Route>,
    app: &ActiveApp,
    at: &MountPoint,
) -> Result<(), Refused> {
    let route = table.get(&at.host).ok_or_else(|| Refused::NoHost(at.host.clone()))?;
    if !same_project(view, app, route.app) {
        return Err(Refused::OtherProject(at.host.clone()));
    }
    if let Some(to) = &route.redirect {
        return Err(Refused::SentOn(at.host.clone(), to.clone()));
    }
    match route.mounts.get(&at.prefix) {
        Some(there) if there.route.app != app.id => {
            Err(Refused::Taken(at.clone(), there.route.name.clone()))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_whole_segments_that_need_no_escape() {
        for good in ["a.example/api", "a.example/v1/api", "a/~x_y-z.0", "a.example/.well-known"] {
            let at: MountPoint = good.parse().unwrap();
            assert_eq!(at.to_string(), good);
            let json = serde_json::to_string(&at).unwrap();
            assert_eq!(serde_json::from_str::<MountPoint>(&json).unwrap(), at);
        }
        let deep = format!("a.example{}", "/x".repeat(limits::MOST_MOUNT_SEGMENTS + 1));
        for bad in [
            "a.example",
            "a.example/",
            "/api",
            "a.example//api",
            "a.example/api/",
            "a.example/a/../b",
            "a.example/.",
            "a.example/%61pi",
            "a.example/a b",
            "a.example/a?b",
            "a.example/a;b",
            "a.example:80/api",
            "a.example/a\\b",
            "a.example/\u{fc}",
            &deep,
        ] {
            bad.parse::<MountPoint>().unwrap_err();
        }
        assert_eq!("/a/b".parse::<PathPrefix>().unwrap().segments(), 2);
    }
}
