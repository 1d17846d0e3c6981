//! Which sites are kept, and which of the files that are stored may go.
//!
//! Kept are the sites of deployments that have not ended, those that routes still name for pages that are
//! open, and of each app as many earlier versions as of images. A file goes once no kept site refers to it and
//! it is old enough: a build may just have found it and be about to refer to it.

use std::collections::BTreeSet;

use super::{as_many_versions, of_app};
use crate::limits;
use crate::machine::Machine;
use crate::site::SiteId;
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};

/// Something that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// What it is called.
    pub name: String,
    /// When it was stored last. What a build brings is stored anew where it has lain there for a while.
    pub used_at: Timestamp,
}

/// The sites that are kept. `keep`: how many earlier versions of each app stay.
#[must_use]
pub fn kept(view: &View, keep: usize) -> BTreeSet<SiteId> {
    let keep = keep.max(limits::EARLIER_SITES);
    let mut kept = BTreeSet::new();
    for app in view.apps.values() {
        let all: Vec<&DeploymentView> = of_app(view, app).map(|(_, view)| view).collect();
        let going_on = all.iter().filter(|deployment| !deployment.state.ended());
        let before = all.iter().rev().filter(|d| d.state.ended() && d.was_live());
        let before = before.map(|deployment| (deployment, site_of(deployment)));
        let live: BTreeSet<_> = going_on.clone().filter_map(|d| site_of(d)).collect();
        let before = as_many_versions(before, &live, keep);
        kept.extend(going_on.chain(before).filter_map(|d| site_of(d)).cloned());
    }
    kept
}

/// What a deployment is, or was asked to take over from another one.
fn site_of(deployment: &DeploymentView) -> Option<&SiteId> {
    let attempt = deployment.state.attempt()?;
    let earlier = || attempt.spec.origin.earlier().map(|(_, built)| built);
    let built = attempt.built.as_ref().or_else(earlier)?;
    built.site.as_ref().map(|site| &site.id)
}

/// What of these may go: what is not among the names that are kept, and not new.
#[must_use]
pub fn sweep(
    stored: Vec<StoredObject>,
    kept: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<StoredObject> {
    let old = |object: &StoredObject| now.since(object.used_at) > limits::SITE_FILE_KEPT;
    stored.into_iter().filter(|object| !kept.contains(&object.name) && old(object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;
    use crate::testing::at;

    fn site(n: u128) -> SiteId {
        SiteId::new(format!("{n:064x}")).unwrap()
    }

    #[test]
    fn as_many_versions_are_kept_as_can_be_gone_back_to_or_are_still_served() {
        let mut journal = Journal::default();
        journal.create(1, "docs");
        for n in 1..=9 {
            journal.deploy_site(1, n, site(n));
        }
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        assert_eq!(kept(&view, 5), (4..=9).map(site).collect());
        assert_eq!(kept(&view, 0), (6..=9).map(site).collect(), "what routes name stays");
    }

    #[test]
    fn one_that_takes_a_part_of_the_requests_is_kept() {
        let mut journal = Journal::default();
        journal.create(1, "docs");
        journal.deploy_site(1, 1, site(1));
        journal.canary_site(1, 2, site(2));
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        assert_eq!(kept(&view, 0), [site(1), site(2)].into());
    }

    #[test]
    fn only_what_is_old_and_nobody_refers_to_goes() {
        let object = |name: &str, seconds| StoredObject { name: name.into(), used_at: at(seconds) };
        let day = limits::SITE_FILE_KEPT.0 / 1_000;
        let stored = vec![object("kept", 0), object("old", 0), object("new", day)];
        let going = sweep(stored, &["kept".to_owned()].into(), at(day + 1));
        assert_eq!(going, [object("old", 0)]);
    }
}
