//! What of the files of sites may go.

use std::collections::BTreeSet;
use std::io;

use hythe_core::limits;
use hythe_core::site::{Manifest, SiteId};
use hythe_core::sweep::sites::{StoredObject, sweep};
use hythe_core::time::Timestamp;
use hythe_core::wire::site::SiteObject;

use super::owner::Claim;
use super::partial::forget_partial;
use super::store::{SiteStoreError, Sites, name};
use crate::backup::PlaceError;

/// What goes in one pass; the rest goes in the next.
const MOST_SWEPT: usize = 10_000;

/// What could be let go of.
#[derive(Clone, Debug, Default)]
pub struct SiteSweep {
    /// What went.
    pub gone: usize,
    /// Why nothing is known, or the work broke off.
    pub failed: Option<String>,
}

impl Sites {
    /// Lets go of what no kept site refers to; of nothing where another server uses the place, which may know of
    /// sites that this one does not.
    pub async fn tidy(&self, kept: &BTreeSet<SiteId>, now: Timestamp) -> SiteSweep {
        let _nothing_comes = self.tidying.write().await;
        let mut swept = SiteSweep::default();
        let tidied = match self.claim().await {
            Ok(Claim::Own) => self.let_go(kept, now, &mut swept).await,
            Ok(Claim::Shared | Claim::OfAnother) => Ok(()),
            Err(error) => Err(error),
        };
        // What is on its way lies in a folder of this server alone.
        if let Err(error) = tidied.and(self.forget().await) {
            swept.failed = Some(error.to_string());
        }
        swept
    }

    async fn let_go(
        &self,
        kept: &BTreeSet<SiteId>,
        now: Timestamp,
        swept: &mut SiteSweep,
    ) -> Result<(), SiteStoreError> {
        let of_kept = kept.iter().map(|id| name(&SiteObject::Manifest(id.clone()))).collect();
        let manifests = self.below("manifests", MOST_SWEPT * 10, &|_| true).await?;
        let going = sweep(manifests.clone(), &of_kept, now);
        let goes: BTreeSet<&str> = going.iter().map(|object| object.name.as_str()).collect();
        // What stays may have been written just now, and not be decided upon yet.
        let mut files = BTreeSet::new();
        for manifest in manifests.iter().filter(|object| !goes.contains(object.name.as_str())) {
            let most = 0..limits::MOST_MANIFEST_BYTES as u64;
            let Some((bytes, _)) = self.place.read(&manifest.name, most).await? else { continue };
            let manifest = Manifest::read(&bytes).map_err(SiteStoreError::Other)?;
            for file in manifest.files.values() {
                files.insert(name(&SiteObject::Variants(file.hash.clone())));
                files.extend(file.blobs().map(|(hash, _)| name(&SiteObject::File(hash.clone()))));
            }
        }
        let old = |object: &StoredObject| now.since(object.used_at) > limits::SITE_FILE_KEPT;
        self.remove(going, swept).await?;
        // What says that a file is there goes before it.
        for folder in ["variants", "files"] {
            let wanted = |object: &StoredObject| old(object) && !files.contains(&object.name);
            let going = self.below(folder, MOST_SWEPT, &wanted).await?;
            self.remove(sweep(going, &files, now), swept).await?;
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), SiteStoreError> {
        let partial = self.partial.clone();
        let forgotten = tokio::task::spawn_blocking(move || forget_partial(&partial));
        forgotten.await.map_err(io::Error::other)??;
        Ok(())
    }

    async fn remove(
        &self,
        going: Vec<StoredObject>,
        swept: &mut SiteSweep,
    ) -> Result<(), PlaceError> {
        for object in going {
            self.place.remove(&object.name).await?;
            swept.gone += 1;
        }
        Ok(())
    }

    async fn below(
        &self,
        folder: &str,
        most: usize,
        wanted: &(dyn Fn(&StoredObject) -> bool + Send + Sync),
    ) -> Result<Vec<StoredObject>, PlaceError> {
        let stored = |(name, used_at)| StoredObject { name: format!("{folder}/{name}"), used_at };
        let place = self.place.below(folder);
        place.each(most, |found| Some(stored(found)).filter(|object| wanted(object))).await
    }
}
