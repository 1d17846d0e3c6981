//! What of the settings is other than usual, as events list it and people read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EdgeSettings, EdgeUser, Guards, Hsts, Https, Protocol, Rate, Www};
use crate::mount::{self, Mounts, SeenPath};
use crate::network::Network;
use crate::time::Millis;

/// One setting, where it is other than usual. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeSetting {
    /// Everybody gets the maintenance page.
    Maintenance,
    /// Clients stay with a replica.
    Sticky,
    /// See [`EdgeSettings::www`].
    Www(Www),
    /// See [`EdgeSettings::rate`].
    Rate(Rate),
    /// See [`EdgeSettings::users`].
    Users(BTreeMap<EdgeUser, u64>),
    /// See [`EdgeSettings::allow`].
    Allow(BTreeSet<Network>),
    /// See [`EdgeSettings::guards`].
    Guards(Guards),
    /// See [`EdgeSettings::wait`].
    Wait(Millis),
    /// See [`EdgeSettings::body_bytes`].
    BodyBytes(u64),
    /// See [`EdgeSettings::answer_within`].
    AnswerWithin(Millis),
    /// Nothing is compressed.
    AsIs,
    /// See [`EdgeSettings::protocol`].
    Protocol(Protocol),
    /// See [`EdgeSettings::https`].
    Https(Https),
    /// See [`EdgeSettings::hsts`].
    Hsts(Hsts),
    /// Its requests are in no access log.
    NoAccessLog,
    /// See [`EdgeSettings::mounts`].
    Mounts(Mounts),
    /// See [`EdgeSettings::sleep_after`].
    SleepAfter(Millis),
}

impl EdgeSettings {
    /// What of it is other than usual.
    #[must_use]
    pub fn listed(&self) -> Vec<EdgeSetting> {
        let Self {
            maintenance,
            sticky,
            www,
            rate,
            users,
            allow,
            guards,
            wait,
            body_bytes,
            answer_within,
            compress,
            protocol,
            https,
            hsts,
            access_log,
            mounts,
            sleep_after,
        } = self;
        let usual = Self::default();
        [
            maintenance.then_some(EdgeSetting::Maintenance),
            sticky.then_some(EdgeSetting::Sticky),
            (*www != usual.www).then_some(EdgeSetting::Www(*www)),
            rate.map(EdgeSetting::Rate),
            (!users.is_empty()).then(|| EdgeSetting::Users(users.clone())),
            (!allow.is_empty()).then(|| EdgeSetting::Allow(allow.clone())),
            (*guards != usual.guards).then_some(EdgeSetting::Guards(*guards)),
            (*wait != usual.wait).then_some(EdgeSetting::Wait(*wait)),
            body_bytes.map(EdgeSetting::BodyBytes),
            answer_within.map(EdgeSetting::AnswerWithin),
            (!compress).then_some(EdgeSetting::AsIs),
            (*protocol != usual.protocol).then_some(EdgeSetting::Protocol(*protocol)),
            (*https != usual.https).then_some(EdgeSetting::Https(*https)),
            hsts.map(EdgeSetting::Hsts),
            (!access_log).then_some(EdgeSetting::NoAccessLog),
            (!mounts.is_empty()).then(|| EdgeSetting::Mounts(mounts.clone())),
            sleep_after.map(EdgeSetting::SleepAfter),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The settings that are other than usual in these ways.
    #[must_use]
    pub fn of(listed: &[EdgeSetting]) -> Self {
        let mut settings = Self::default();
        for setting in listed {
            match setting {
                EdgeSetting::Maintenance => settings.maintenance = true,
                EdgeSetting::Sticky => settings.sticky = true,
                EdgeSetting::Www(www) => settings.www = *www,
                EdgeSetting::Rate(rate) => settings.rate = Some(*rate),
                EdgeSetting::Users(users) => settings.users.clone_from(users),
                EdgeSetting::Allow(allow) => settings.allow.clone_from(allow),
                EdgeSetting::Guards(guards) => settings.guards = *guards,
                EdgeSetting::Wait(wait) => settings.wait = *wait,
                EdgeSetting::BodyBytes(bytes) => settings.body_bytes = Some(*bytes),
                EdgeSetting::AnswerWithin(within) => settings.answer_within = Some(*within),
                EdgeSetting::AsIs => settings.compress = false,
                EdgeSetting::Protocol(protocol) => settings.protocol = *protocol,
                EdgeSetting::Https(https) => settings.https = *https,
                EdgeSetting::Hsts(hsts) => settings.hsts = Some(*hsts),
                EdgeSetting::NoAccessLog => settings.access_log = false,
                EdgeSetting::Mounts(mounts) => settings.mounts.clone_from(mounts),
                EdgeSetting::SleepAfter(after) => settings.sleep_after = Some(*after),
            }
        }
        settings
    }
}

impl fmt::Display for EdgeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.fact();
        write!(f, "{name} {value}")
    }
}

impl EdgeSetting {
    /// Its name and what it is set to, in words.
    #[must_use]
    pub fn fact(&self) -> (&'static str, String) {
        match self {
            Self::Maintenance => ("maintenance", "on".into()),
            Self::Sticky => ("sticky", "on".into()),
            Self::Www(Www::Both) => ("www", "both".into()),
            Self::Www(Www::Remove) => ("www", "remove".into()),
            Self::Www(Www::Add) => ("www", "add".into()),
            Self::Rate(Rate { per_second, burst }) => {
                ("rate", format!("{per_second} a second, {burst} at once"))
            }
            Self::Users(users) => {
                let named =
                    |(user, version): (&EdgeUser, &u64)| format!("{user} (version {version})");
                ("users", users.iter().map(named).collect::<Vec<_>>().join(", "))
            }
            Self::Allow(allow) => {
                ("allow", allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Guards(Guards::All) => ("guards", "all".into()),
            Self::Guards(Guards::Previews) => ("guards", "previews".into()),
            Self::Wait(wait) => ("wait", wait.to_string()),
            Self::BodyBytes(bytes) => ("body_bytes", bytes.to_string()),
            Self::AnswerWithin(within) => ("answer_within", within.to_string()),
            Self::AsIs => ("compress", "off".into()),
            Self::Protocol(Protocol::Http1) => ("protocol", "http1".into()),
            Self::Protocol(Protocol::H2c) => ("protocol", "h2c".into()),
            Self::Https(Https::Redirect) => ("https", "redirect".into()),
            Self::Https(Https::Both) => ("https", "both".into()),
            Self::Hsts(hsts) => ("hsts", hsts.to_string()),
            Self::NoAccessLog => ("access_log", "off".into()),
            Self::Mounts(mounts) => {
                let one = |(at, seen): (&mount::MountPoint, &SeenPath)| match seen {
                    SeenPath::Whole => at.to_string(),
                    SeenPath::Stripped => format!("{at} (stripped)"),
                };
                ("mounts", mounts.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            Self::SleepAfter(after) => ("sleep_after", after.to_string()),
        }
    }
}
