//! Which of the versions that were live before go although as many are to be kept: those that were replaced
//! too long ago, and beyond the budget of bytes the ones that were replaced longest ago.
//!
//! Invariant: the newest earlier version of an app is not among what this decides about.

use std::collections::{BTreeMap, BTreeSet};

use super::{Why, image_of};
use crate::ids::DeploymentId;
use crate::names::ImageId;
use crate::time::{Millis, Timestamp};
use crate::view::DeploymentView;
use crate::wire::storage::StoredImage;

/// How much of the images of apps each worker keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageBudget {
    /// The most bytes of images, as the engine counts them: what two of them share counts twice.
    pub most_bytes: u64,
    /// A version that was replaced so long ago goes, however little there is.
    pub replaced_for: Millis,
}

impl Default for ImageBudget {
    fn default() -> Self {
        Self {
            most_bytes: crate::limits::IMAGES_BYTES,
            replaced_for: crate::limits::IMAGES_REPLACED,
        }
    }
}

/// An earlier version that may go.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    image: ImageId,
    /// What ran it.
    deployments: Vec<DeploymentId>,
    /// When the version that came after it was live.
    replaced: Timestamp,
}

/// The earlier versions of an app but for the newest. `before`: its deployments that were live, newest
/// first; `live`: what runs or is on its way.
pub(super) fn of_app(
    before: &[(DeploymentId, &DeploymentView)],
    live: &BTreeSet<&ImageId>,
) -> Vec<Earlier> {
    let mut found: Vec<Earlier> = Vec::new();
    let mut replaced = Timestamp(u64::MAX);
    for (id, deployment) in before {
        let image = image_of(deployment).filter(|image| !live.contains(image));
        if let Some(image) = image {
            match found.iter_mut().find(|known| known.image == *image) {
                Some(known) => known.deployments.push(*id),
                None => {
                    let deployments = vec![*id];
                    found.push(Earlier { image: image.clone(), deployments, replaced });
                }
            }
        }
        if let Some((_, at)) = deployment.stages.last() {
            replaced = *at;
        }
    }
    if !found.is_empty() {
        found.remove(0);
    }
    found
}

/// The deployments whose versions go, with the reason. `staying`: how many bytes of images there are that
/// nothing else takes.
pub(super) fn beyond(
    earlier: &[Earlier],
    stored: &[StoredImage],
    staying: u64,
    budget: ImageBudget,
    now: Timestamp,
) -> BTreeMap<DeploymentId, Why> {
    let there: BTreeMap<&ImageId, u64> =
        stored.iter().filter(|image| !image.used).map(|image| (&image.id, image.bytes)).collect();
    let mut oldest_first: Vec<&Earlier> =
        earlier.iter().filter(|version| there.contains_key(&version.image)).collect();
    oldest_first.sort_by_key(|version| version.replaced);
    let mut staying = staying;
    let mut found = BTreeMap::new();
    for version in oldest_first {
        let why = if now.since(version.replaced) > budget.replaced_for {
            Why::Aged
        } else if staying > budget.most_bytes {
            Why::Beyond
        } else {
            continue;
        };
        staying = staying.saturating_sub(there.get(&version.image).copied().unwrap_or_default());
        found.extend(version.deployments.iter().map(|deployment| (*deployment, why)));
    }
    found
}
