//! What of the settings a host's route says, and to which host it leads instead.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EdgeSetting, EdgeSettings, Guards, Www};
use crate::ids::AppId;
use crate::names::HostName;

/// What a host's route says of how it is served, where that is other than usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEdge {
    /// What holds for this host. Who may see it is what holds here, wherever it was set.
    #[serde(default)]
    pub settings: EdgeSettings,
    /// The app that the users are of.
    pub users_of: AppId,
    /// Where the host leads instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<HostName>,
}

impl RouteEdge {
    /// What holds where nobody says anything.
    #[must_use]
    pub fn usual(app: AppId) -> Self {
        Self { settings: EdgeSettings::default(), users_of: app, redirect: None }
    }

    /// What holds for an app, where it is other than usual. `parent` is the app that it is a preview
    /// of: whoever may not see all previews may not see this one, whatever it says itself.
    #[must_use]
    pub fn of(
        app: AppId,
        own: &EdgeSettings,
        parent: Option<(AppId, &EdgeSettings)>,
    ) -> Option<Self> {
        let (mut settings, users_of) = match parent {
            Some((parent, theirs)) => {
                let EdgeSettings { users, allow, .. } = theirs;
                let mut settings = own.clone();
                let users_of = if users.is_empty() { app } else { parent };
                if !users.is_empty() {
                    settings.users.clone_from(users);
                }
                if !allow.is_empty() {
                    settings.allow.clone_from(allow);
                }
                (settings, users_of)
            }
            None => match own.guards {
                Guards::All => (own.clone(), app),
                Guards::Previews => (own.clone().unguarded(), app),
            },
        };
        // They are in the table themselves.
        settings.mounts.clear();
        let plain = settings.listed().iter().all(|setting| match setting {
            // Of hosts, and of other apps.
            EdgeSetting::Www(_) | EdgeSetting::Guards(_) | EdgeSetting::Mounts(_) => true,
            EdgeSetting::Maintenance
            | EdgeSetting::Sticky
            | EdgeSetting::Rate(_)
            | EdgeSetting::Users(_)
            | EdgeSetting::Allow(_)
            | EdgeSetting::Wait(_)
            | EdgeSetting::BodyBytes(_)
            | EdgeSetting::AnswerWithin(_)
            | EdgeSetting::AsIs
            | EdgeSetting::Protocol(_)
            | EdgeSetting::Https(_)
            | EdgeSetting::Hsts(_)
            | EdgeSetting::NoAccessLog
            | EdgeSetting::SleepAfter(_) => false,
        });
        (!plain).then_some(Self { settings, users_of, redirect: None })
    }

    /// Where one of an app's hosts leads instead, given all of them.
    #[must_use]
    pub fn redirected(www: Www, host: &HostName, all: &BTreeSet<HostName>) -> Option<HostName> {
        let other = match www {
            Www::Both => return None,
            Www::Remove => HostName::new(host.as_str().strip_prefix("www.")?).ok()?,
            Www::Add => HostName::new(format!("www.{host}")).ok()?,
        };
        all.contains(&other).then_some(other)
    }
}
