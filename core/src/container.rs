//! What the containers of an app are given besides their image: another entrypoint, volumes, the
//! network of the group that the app belongs to, and whether an address leads to them at all.
//!
//! A volume lies on one worker and outlives every version of its app. Where a version may write to one,
//! it never runs beside another version that has the same one: the earlier one ends before the later one
//! starts ([`crate::view::View::giving_way`] and [`crate::plan`] see to it).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::argv::Argv;
use crate::ids::{AppId, ProjectId};
use crate::limits;
use crate::names::{BadText, bad, shown, text};
use crate::rejection::Rejection;

text!(
    /// A volume's name: letters, digits, `.`, `_` and `-`, beginning with a letter or digit; at most 63
    /// characters.
    VolumeName, "a volume's name", |text| plain(text, 63)
);
text!(
    /// The name by which the apps of a group reach one another: as that of a volume.
    ServiceName, "a service's name", |text| plain(text, 63)
);
text!(
    /// A folder in a container: an absolute path without `..`, at most 255 visible characters, and not
    /// the root.
    MountPath, "a folder in the container", |text| {
        let fine = text.strip_prefix('/').is_some_and(|parts| {
            parts.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        });
        let visible = !text.chars().any(|c| c.is_control() || c == ':' || c == '\\');
        if fine && visible && text.len() <= 255 {
            Ok(())
        } else {
            Err(format!(
                "is an absolute path such as /var/lib/data, without \"..\" and \":\", of at most 255 \
                 characters; got {}",
                shown(text)
            ))
        }
    }
);
text!(
    /// What the files were that an app of a group was made from: an id that git or a digest gives, of 40
    /// or 64 lower-case hexadecimal digits.
    ContentId, "the id of a source's content", |text| {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(())
        } else {
            Err(format!("is 40 or 64 lower-case hexadecimal digits; got {}", shown(text)))
        }
    }
);

fn plain(text: &str, most: usize) -> Result<(), String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if first && text.bytes().all(inner) && text.len() <= most {
        Ok(())
    } else {
        Err(format!(
            "has letters, digits, \".\", \"_\" and \"-\", begins with a letter or digit, and has at most \
             {most} characters; got {}",
            shown(text)
        ))
    }
}

/// What an app's containers are given besides their image. In events by position: what is new goes
/// into another variant of how [`crate::run::RunSettings`] is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSettings {
    /// What runs in replicas of web in place of the image's entrypoint.
    pub entrypoint: Option<Argv>,
    /// Volumes of replicas of web, by where they see them.
    pub volumes: BTreeMap<MountPath, Mount>,
    /// Whether no address leads to it.
    pub unrouted: bool,
    /// The group that it belongs to.
    pub group: Option<GroupMember>,
}

/// A volume as a replica sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Which.
    pub volume: VolumeName,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// An app's place in a group: apps that share a network and reach one another by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// The project whose group it is.
    pub project: ProjectId,
    /// The name that others of the group reach it by.
    pub service: ServiceName,
    /// What the files were that it was made from last, where whoever sent them said so.
    pub content: Option<ContentId>,
}

/// What an app is to its group besides a service of it. In events by position, as [`ContainerSettings`] is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPart {
    /// Further names that others of the group reach it by.
    #[serde(default)]
    pub names: BTreeSet<ServiceName>,
    /// Whether web is to end by itself: its deployment is fit to be live once it has, with code 0, and nothing
    /// starts it again.
    #[serde(default)]
    pub once: bool,
}

impl GroupPart {
    /// Whether it is as it is where nobody said anything.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is within its bounds, for what has such containers.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self, container: &ContainerSettings) -> Result<(), Rejection> {
        let most = limits::MOST_GROUP_NAMES;
        if self.names.len() > most {
            return Err(Rejection::invalid("group.names", format!("are at most {most}")));
        }
        if self.once && !container.unrouted {
            return Err(Rejection::invalid(
                "group.once",
                "is for what no address leads to, as nothing answers once it has ended: say routed: false, too",
            ));
        }
        Ok(())
    }
}

impl ContainerSettings {
    /// Whether it is as it is where nobody said anything.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The volumes that a replica may write to.
    fn written(&self) -> BTreeSet<&VolumeName> {
        self.volumes.values().filter(|mount| !mount.read_only).map(|mount| &mount.volume).collect()
    }

    /// Whether there can only be one of it, for it writes to a volume.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.volumes.values().any(|mount| !mount.read_only)
    }

    /// Whether two versions of an app must not run at the same time.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        !self.written().is_disjoint(&other.written())
    }

    /// Whose volumes and network are meant: those of its group, or its own.
    #[must_use]
    pub fn scope(&self, app: AppId) -> Uuid {
        self.group.as_ref().map_or(app.uuid(), |group| group.project.uuid())
    }

    /// Whose network an app is on. That of a group goes by the project's id.
    #[must_use]
    pub fn network(&self, app: AppId) -> AppId {
        AppId::new(self.scope(app))
    }

    /// Whether it is within its bounds, for so many replicas.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self, replicas: u16) -> Result<(), Rejection> {
        let most = limits::MOST_VOLUMES;
        if self.volumes.len() > most {
            return Err(Rejection::invalid("volumes", format!("are at most {most}")));
        }
        if self.is_exclusive() && replicas > 1 {
            return Err(Rejection::invalid(
                "replicas",
                format!(
                    "is 1 for an app that writes to a volume; got {replicas}. Mount it read-only, or \
                     take the volume away, for more"
                ),
            ));
        }
        if self.group.as_ref().is_some_and(|group| group.project == ProjectId::DEFAULT) {
            return Err(Rejection::invalid("group", "is that of a project of its own"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(mounts: &[(&str, &str, bool)]) -> ContainerSettings {
        let volumes = mounts.iter().map(|(path, volume, read_only)| {
            let mount = Mount { volume: VolumeName::new(*volume).unwrap(), read_only: *read_only };
            (MountPath::new(*path).unwrap(), mount)
        });
        ContainerSettings { volumes: volumes.collect(), ..ContainerSettings::default() }
    }

    #[test]
    fn texts_are_checked() {
        for good in ["/data", "/var/lib/postgresql/data", "/with space"] {
            assert!(MountPath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "//", "/data/", "data", "/a/../b", "/a//b", "/a:b", "/a\nb", "/./a"] {
            assert!(MountPath::new(bad).is_err(), "{bad}");
        }
        for good in ["data", "pg_data", "a.b-C", "0"] {
            assert!(VolumeName::new(good).is_ok() && ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a/b", "a b", "a\0", &"a".repeat(64)] {
            assert!(VolumeName::new(bad).is_err() && ServiceName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_writes_to_the_same_volume_excludes_another() {
        let one = with(&[("/data", "data", false)]);
        let elsewhere = with(&[("/other", "data", false), ("/x", "x", true)]);
        let reads = with(&[("/data", "data", true)]);
        let other = with(&[("/data", "cache", false)]);
        assert!(one.excludes(&elsewhere) && elsewhere.excludes(&one) && one.excludes(&one));
        for free in [&reads, &other, &with(&[])] {
            assert!(!one.excludes(free) && !free.excludes(&one));
        }
        assert!(one.check(1).is_ok() && reads.check(3).is_ok());
        assert!(one.check(2).unwrap_err().to_string().contains("writes to a volume"));
    }

    #[test]
    fn what_ends_by_itself_has_no_address_and_names_have_a_bound() {
        let once = GroupPart { once: true, ..GroupPart::default() };
        let unrouted = ContainerSettings { unrouted: true, ..with(&[]) };
        assert!(once.check(&unrouted).is_ok());
        assert!(once.check(&with(&[])).unwrap_err().to_string().contains("routed"));
        let named = |many: usize| {
            let names = (0..many).map(|n| ServiceName::new(format!("n{n}")).unwrap());
            GroupPart { names: names.collect(), once: false }.check(&with(&[])).is_ok()
        };
        assert!(named(limits::MOST_GROUP_NAMES) && !named(limits::MOST_GROUP_NAMES + 1));
    }

    #[test]
    fn a_group_has_one_network_and_its_own_volumes() {
        let (app, project) = (AppId::new(Uuid::from_u128(1)), ProjectId::new(Uuid::from_u128(2)));
        let alone = with(&[]);
        assert_eq!((alone.network(app), alone.scope(app)), (app, app.uuid()));
        let service = ServiceName::new("db").unwrap();
        let group = Some(GroupMember { project, service, content: None });
        let member = ContainerSettings { group, ..alone };
        assert_eq!(member.network(app).uuid(), project.uuid());
        assert_eq!(member.scope(app), project.uuid());
        assert!(member.check(2).is_ok());
    }
}
