//! Which images may go: those that nobody can go back to any more.
//!
//! Kept are the images of deployments that have not ended, of what an app is live with, and of the
//! last versions that were live before, as many as are to be kept of each app; and whatever a
//! container uses. An image may have several names: it goes with the last of them. Of the versions that
//! were live before, those beyond the budget go too, the ones that were replaced longest ago first; the
//! newest of each app stays whatever it takes, for there is always a way back.

pub mod cache;
mod earlier;
pub mod logs;
pub mod sites;
pub mod uploads;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AppId, DeploymentId};
use crate::machine::Machine;
use crate::names::ImageId;
use crate::time::Timestamp;
use crate::view::{AppView, DeploymentView, View};
use crate::wire::storage::{ImageName, StoredImage};

use self::earlier::Earlier;
pub use self::earlier::ImageBudget;

/// A name that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispensable {
    /// The name.
    pub name: ImageName,
    /// The image.
    pub image: ImageId,
    /// How many bytes go with it at the most: none where the image keeps another name.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// Why a name may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its app was deleted.
    AppGone,
    /// It was never live, and its deployment is over.
    NeverLive,
    /// Enough newer versions of the app were live since.
    Older,
    /// It was replaced longer ago than earlier versions are kept.
    Aged,
    /// There are more images than are to be kept, and the rest was live since.
    Beyond,
}

impl Why {
    /// In words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::AppGone => "its app was deleted",
            Self::NeverLive => "its deployment ended without ever being live",
            Self::Older => "newer versions than are kept were live since",
            Self::Aged => "it was replaced longer ago than earlier versions are kept",
            Self::Beyond => "there are more images than are kept, and what stays was live since",
        }
    }
}

/// What stays of earlier versions.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// How many of each app, besides the one that is live.
    pub versions: usize,
    /// For how long, and how much of the images on a worker.
    pub images: ImageBudget,
}

/// The names that may go, of the images that a worker has.
#[must_use]
pub fn sweep(view: &View, stored: &[StoredImage], keep: Keep, now: Timestamp) -> Vec<Dispensable> {
    let kept = Kept::of(view, stored, keep.versions, BTreeMap::new());
    let found = kept.others(view, stored);
    let going: u64 = found.iter().map(|going| going.bytes).sum();
    let all: u64 = stored.iter().map(|image| image.bytes).sum();
    let staying = all.saturating_sub(going);
    let beyond = earlier::beyond(&kept.earlier, stored, staying, keep.images, now);
    if beyond.is_empty() {
        return found;
    }
    Kept::of(view, stored, keep.versions, beyond).others(view, stored)
}

#[derive(Default)]
struct Kept {
    deployments: BTreeSet<DeploymentId>,
    /// Images that a kept deployment runs or would run, under whatever name.
    images: BTreeSet<ImageId>,
    /// Those of it that a budget may take.
    earlier: Vec<Earlier>,
    /// What a budget took, and why.
    beyond: BTreeMap<DeploymentId, Why>,
}

impl Kept {
    fn of(
        view: &View,
        stored: &[StoredImage],
        versions: usize,
        beyond: BTreeMap<DeploymentId, Why>,
    ) -> Self {
        let mut kept = Self { beyond, ..Self::default() };
        let apps: BTreeSet<AppId> =
            stored.iter().flat_map(|image| &image.names).map(|name| name.app).collect();
        for app in apps {
            kept.keep_of(view, app, versions);
        }
        kept
    }

    /// The names that are not kept.
    fn others(&self, view: &View, stored: &[StoredImage]) -> Vec<Dispensable> {
        let mut found = Vec::new();
        for image in stored.iter().filter(|image| !image.used && !self.images.contains(&image.id)) {
            let why = |name: &ImageName| Some((*name, self.why(view, *name)?));
            let going: Vec<(ImageName, Why)> = image.names.iter().filter_map(why).collect();
            let all = going.len() == image.names.len();
            for (at, (name, why)) in going.iter().enumerate() {
                let last = all && at + 1 == going.len();
                let bytes = if last { image.bytes } else { 0 };
                found.push(Dispensable { name: *name, image: image.id.clone(), bytes, why: *why });
            }
        }
        found
    }

    fn keep_of(&mut self, view: &View, app: AppId, keep: usize) {
        let Some(app) = view.apps.get(&app) else { return };
        for (id, deployment) in of_app(view, app).filter(|(_, view)| !view.state.ended()) {
            self.keep(id, deployment);
        }
        let mut before: Vec<_> =
            of_app(view, app).filter(|(_, view)| view.state.ended() && view.was_live()).collect();
        before.sort_by_key(|(_, view)| Reverse(view.state.attempt().map(|a| a.spec.number)));
        let live = of_app(view, app).filter(|(_, view)| !view.state.ended());
        let live: BTreeSet<_> = live.filter_map(|(_, view)| image_of(view)).collect();
        let before = before.into_iter().map(|(id, view)| ((id, view), image_of(view)));
        let before = as_many_versions(before, &live, keep);
        self.earlier.extend(earlier::of_app(&before, &live));
        for (id, deployment) in before {
            if !self.beyond.contains_key(&id) {
                self.keep(id, deployment);
            }
        }
    }

    fn keep(&mut self, id: DeploymentId, deployment: &DeploymentView) {
        self.deployments.insert(id);
        let Some(attempt) = deployment.state.attempt() else { return };
        self.images.extend(attempt.built.iter().map(|built| built.image.clone()));
        if let Some((deployment, built)) = attempt.spec.origin.earlier() {
            self.deployments.insert(deployment);
            self.images.insert(built.image.clone());
        }
    }

    /// Why a name may go; none where it may not.
    fn why(&self, view: &View, name: ImageName) -> Option<Why> {
        if self.deployments.contains(&name.deployment) {
            return None;
        }
        if let Some(why) = self.beyond.get(&name.deployment) {
            return Some(*why);
        }
        if !view.apps.contains_key(&name.app) {
            // One of a deployment that still has to be brought to its end is held a little longer.
            let ended = view.deployments.get(&name.deployment).is_none_or(|d| d.state.ended());
            return ended.then_some(Why::AppGone);
        }
        Some(match view.deployments.get(&name.deployment) {
            Some(deployment) if !deployment.was_live() => Why::NeverLive,
            // What the view has forgotten is older than all that it remembers.
            Some(_) | None => Why::Older,
        })
    }
}

fn of_app<'a>(
    view: &'a View,
    app: &'a AppView,
) -> impl Iterator<Item = (DeploymentId, &'a DeploymentView)> {
    app.deployments.iter().filter_map(|id| Some((*id, view.deployments.get(id)?)))
}

/// What a deployment runs, or was made of another one's.
fn image_of(deployment: &DeploymentView) -> Option<&ImageId> {
    let attempt = deployment.state.attempt()?;
    let earlier = || attempt.spec.origin.earlier().map(|(_, built)| &built.image);
    attempt.built.as_ref().map(|built| &built.image).or_else(earlier)
}

/// The first of these, newest first, that come to so many versions besides the ones that are live. A
/// version that was restarted or deployed again is the same one, and takes no other one's place.
fn as_many_versions<D, V: Ord + Copy>(
    before: impl Iterator<Item = (D, Option<V>)>,
    live: &BTreeSet<V>,
    keep: usize,
) -> Vec<D> {
    let mut versions = BTreeSet::new();
    let mut kept = Vec::new();
    for (deployment, version) in before {
        if let Some(version) = version.filter(|version| !live.contains(version)) {
            if versions.len() >= keep && !versions.contains(&version) {
                break;
            }
            versions.insert(version);
        }
        kept.push(deployment);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{DeploymentEvent, Outcome, StageName};
    use crate::event::Event;
    use crate::past::testing::Journal;
    use crate::testing::{app_id, deployment_id};
    use crate::time::Millis;

    fn image(n: u128) -> ImageId {
        ImageId::new(format!("sha256:{n:064x}")).unwrap()
    }

    fn named(n: u128, deployments: &[u128]) -> StoredImage {
        let name = |n: &u128| ImageName { app: app_id(1), deployment: deployment_id(*n) };
        let names = deployments.iter().map(name).collect();
        StoredImage { id: image(n), names, bytes: 100, used: false }
    }

    /// Versions 1 to 4 were live in turn, 5 failed, 6 is on its way.
    fn journal() -> Journal {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        for n in 1..=4 {
            journal.deploy_image(1, n, image(n));
        }
        journal.request(1, 5);
        let fault = crate::deployment::Fault::new("it failed");
        let outcome = Outcome::Failed { stage: StageName::Starting, fault };
        let failed = DeploymentEvent::Ended { app: app_id(1), outcome };
        journal.push(deployment_id(5).uuid(), Event::Deployment(failed));
        journal.request(1, 6);
        journal
    }

    fn view(journal: &Journal) -> View {
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        view
    }

    fn gone(view: &View, stored: &[StoredImage], keep: usize) -> Vec<(u128, Why, u64)> {
        let number = |name: ImageName| name.deployment.uuid().as_u128() - 0x0d00;
        let images = ImageBudget { most_bytes: u64::MAX, replaced_for: Millis(u64::MAX) };
        let found = sweep(view, stored, Keep { versions: keep, images }, Timestamp(0));
        found.iter().map(|d| (number(d.name), d.why, d.bytes)).collect()
    }

    #[test]
    fn beyond_the_budget_what_was_replaced_longest_ago_goes_and_one_way_back_stays() {
        let mut journal = journal();
        journal.create(2, "other");
        // Replaced after all of the first app's, so it goes last.
        for n in [7, 8, 9] {
            journal.deploy_image(2, n, image(n));
        }
        let view = view(&journal);
        let of = |n: u128, app: u128| {
            let name = ImageName { app: app_id(app), deployment: deployment_id(n) };
            StoredImage { id: image(n), names: vec![name], bytes: 100, used: false }
        };
        let stored: Vec<_> =
            [1, 2, 3, 4].map(|n| of(n, 1)).into_iter().chain([7, 8, 9].map(|n| of(n, 2))).collect();
        let gone = |most_bytes, replaced_for, now| {
            let images = ImageBudget { most_bytes, replaced_for: Millis(replaced_for) };
            let found = sweep(&view, &stored, Keep { versions: 9, images }, Timestamp(now));
            let number = |name: ImageName| name.deployment.uuid().as_u128() - 0x0d00;
            found.iter().map(|d| (number(d.name), d.why)).collect::<Vec<_>>()
        };
        let (all, far) = (u64::MAX, u64::MAX);
        assert_eq!(gone(700, all, far), []);
        assert_eq!(gone(699, all, far), [(1, Why::Beyond)]);
        assert_eq!(gone(500, all, far), [(1, Why::Beyond), (2, Why::Beyond)]);
        // 3 and 8 are the ways back, 4 and 9 are live.
        let most = [(1, Why::Beyond), (2, Why::Beyond), (7, Why::Beyond)];
        assert_eq!(gone(0, all, far), most);
        let aged = most.map(|(n, _)| (n, Why::Aged));
        assert_eq!(gone(all, 1_000, far), aged);
        assert_eq!(gone(0, 1_000, far), aged);
        assert_eq!(gone(all, 1_000, 0), [], "a clock that was set back makes nothing old");
        // What a container uses stays, and counts.
        let mut stored = stored.clone();
        stored[0].used = true;
        let images = ImageBudget { most_bytes: 600, replaced_for: Millis(all) };
        let found = sweep(&view, &stored, Keep { versions: 9, images }, Timestamp(far));
        let names: Vec<_> = found.iter().map(|d| d.name.deployment).collect();
        assert_eq!(names, [deployment_id(2)]);
    }

    #[test]
    fn what_can_be_gone_back_to_stays() {
        let view = view(&journal());
        let all: Vec<_> = (1..=6).map(|n| named(n, &[n])).collect();
        for (keep, expected) in [
            (9, vec![(5, Why::NeverLive, 100)]),
            (2, vec![(1, Why::Older, 100), (5, Why::NeverLive, 100)]),
            (1, vec![(1, Why::Older, 100), (2, Why::Older, 100), (5, Why::NeverLive, 100)]),
            (
                0,
                vec![
                    (1, Why::Older, 100),
                    (2, Why::Older, 100),
                    (3, Why::Older, 100),
                    (5, Why::NeverLive, 100),
                ],
            ),
        ] {
            assert_eq!(gone(&view, &all, keep), expected, "keep {keep}");
        }
        // Never built for anybody who is still known.
        assert_eq!(gone(&view, &[named(70, &[70])], 9), [(70, Why::Older, 100)]);
    }

    #[test]
    fn what_was_restarted_again_and_again_is_one_version() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        for (n, of) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 4), (7, 4), (8, 4)] {
            journal.deploy_image(1, n, image(of));
        }
        let view = view(&journal);
        let all: Vec<_> = (1..=4).map(|n| named(n, &[n])).collect();
        let images =
            |keep| gone(&view, &all, keep).into_iter().map(|(n, ..)| n).collect::<Vec<_>>();
        assert_eq!(images(0), [1, 2, 3]);
        assert_eq!(images(1), [1, 2]);
        assert_eq!(images(2), [1]);
        assert_eq!(images(3), [0; 0]);
    }

    #[test]
    fn an_image_goes_with_its_last_name_and_not_while_it_is_used() {
        let view = view(&journal());
        assert_eq!(gone(&view, &[named(9, &[1, 4])], 0), [(1, Why::Older, 0)]);
        let two = [named(9, &[1, 2])];
        assert_eq!(gone(&view, &two, 0), [(1, Why::Older, 0), (2, Why::Older, 100)]);
        let used = StoredImage { used: true, ..named(9, &[1, 2]) };
        assert_eq!(gone(&view, &[used], 0), []);
        // The image that the live version runs stays, whatever it is called.
        let same = StoredImage { id: image(4), ..named(9, &[1]) };
        assert_eq!(gone(&view, &[same], 0), []);
    }

    #[test]
    fn all_goes_with_the_app() {
        let mut journal = journal();
        journal.delete(1);
        let gone = gone(&view(&journal), &[named(1, &[1]), named(5, &[5])], 9);
        assert_eq!(gone, [(1, Why::AppGone, 100), (5, Why::AppGone, 100)]);
    }
}
