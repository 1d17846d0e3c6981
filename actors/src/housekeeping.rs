//! Housekeeping: lets images go that nobody can go back to any more, build cache beyond its budget,
//! uploads and files of sites that nobody needs, and repositories that were pushed to whose app is gone.
//!
//! What may go is decided by [`hythe_core::sweep`] over what workers say that they have. Nothing of
//! it is remembered: whatever stays this time is found again the next time.

use std::collections::BTreeSet;
use std::time::Duration;

use hythe_core::ids::WorkerId;
use hythe_core::names::WorkerName;
use hythe_core::observed::Observed;
use hythe_core::sweep::cache::DispensableCache;
use hythe_core::sweep::uploads::StoredUpload;
use hythe_core::sweep::{Dispensable, Keep, cache, sites, sweep, uploads};
use hythe_core::view::View;
use hythe_core::wire::FORMAT;
use hythe_core::wire::storage::{
    DiskRoom, ImageName, MOST_CACHE_REMOVED, MOST_REMOVED, StorageAnswer, StorageQuestion,
    StorageSaid, StorageWanted,
};
use hythe_core::wire::subjects;
use hythe_core::worker::Lease;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::sites::SiteSweep;

/// From one look to the next, and before the first one after a start.
const EVERY: Duration = Duration::from_secs(15 * 60);
const FIRST_AFTER: Duration = Duration::from_secs(5 * 60);
/// From one question to the next whether a worker's disk became low.
const LOW_EVERY: Duration = Duration::from_secs(2);
/// From one look to the next one for that reason, at the least.
const LOW_APART: Duration = Duration::from_secs(60);
/// How long a worker may take to say what it has, and to let go of some of it. An engine with much
/// build cache takes its time to say so: the worker itself waits for it less long than this.
const SURVEY_WITHIN: Duration = Duration::from_secs(120);
const REMOVE_WITHIN: Duration = Duration::from_secs(120);

/// What a worker could let go of.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: WorkerName,
    /// How many images of ours it has, and how large they are together, in bytes.
    pub images: usize,
    /// As above. What images share is counted for each of them.
    pub bytes: u64,
    /// The disk that they lie on, where that can be seen.
    pub disk: Option<DiskRoom>,
    /// What may go.
    pub going: Vec<Dispensable>,
    /// How large the build cache is that our builds left, in bytes.
    pub cache_bytes: u64,
    /// What of it may go.
    pub cache_going: Vec<DispensableCache>,
    /// How many bytes that gave, where it was asked for.
    pub cache_gone_bytes: u64,
    /// What went, where that was asked for.
    pub gone: Vec<ImageName>,
    /// What did not go, each with the reason.
    pub stayed: Vec<(ImageName, String)>,
    /// Why nothing is known, or the work broke off.
    pub failed: Option<String>,
}

/// The uploads that the server could let go of.
#[derive(Clone, Debug, Default)]
pub struct UploadSweep {
    /// How many it has.
    pub count: usize,
    /// How many bytes they have together.
    pub bytes: u64,
    /// What may go.
    pub going: Vec<StoredUpload>,
    /// How many went, where that was asked for.
    pub gone: usize,
    /// Why nothing is known, or the work broke off.
    pub failed: Option<String>,
}

/// Looks at the server's uploads; with `act`, what may go goes.
pub async fn look_at_uploads(control: &Control, act: bool) -> UploadSweep {
    let control = control.clone();
    let look = tokio::task::spawn_blocking(move || {
        let stored = match control.uploads().list() {
            Ok(stored) => stored,
            Err(error) => {
                return UploadSweep { failed: Some(error.to_string()), ..UploadSweep::default() };
            }
        };
        let (count, bytes) = (stored.len(), stored.iter().map(|upload| upload.bytes).sum());
        let (keep, now) = (control.keep_versions().into(), control.clock().now());
        let going = control.read(|view| uploads::sweep(view, stored, keep, now));
        let (mut gone, mut failed) = (0, None);
        for upload in going.iter().filter(|_| act) {
            match control.uploads().remove(upload) {
                Ok(went) => gone += usize::from(went),
                Err(error) => failed = Some(error.to_string()),
            }
        }
        UploadSweep { count, bytes, going, gone, failed }
    });
    look.await.unwrap_or_else(|error| UploadSweep {
        failed: Some(error.to_string()),
        ..UploadSweep::default()
    })
}

/// Lets the files go of static sites that nobody can go back to.
pub async fn tidy_sites(control: &Control) -> SiteSweep {
    let keep = control.keep_versions().into();
    let kept = control.read(|view| sites::kept(view, keep));
    control.sites().tidy(&kept, control.clock().now()).await
}

/// Lets the repositories go of apps that are gone, and keeps those small that stay.
pub async fn tidy_pushes(control: &Control) {
    crate::pushes::tidy(control).await;
}

/// Looks at every worker that is heard of; with `act`, what may go goes.
pub async fn look(control: &Control, act: bool) -> Vec<Sweep> {
    let workers: Vec<_> = control.read(|view| members(view).collect());
    let looks = workers.into_iter().map(|(id, name)| one(control, id, name, act));
    futures_util::future::join_all(looks).await
}

async fn one(control: &Control, worker: WorkerId, name: WorkerName, act: bool) -> Sweep {
    let mut found = Sweep {
        worker,
        name,
        images: 0,
        bytes: 0,
        disk: None,
        going: Vec::new(),
        cache_bytes: 0,
        cache_going: Vec::new(),
        cache_gone_bytes: 0,
        gone: Vec::new(),
        stayed: Vec::new(),
        failed: None,
    };
    match ask(control, worker, StorageWanted::Survey, SURVEY_WITHIN).await {
        Ok(StorageSaid::Stored { images, disk, cache: cached }) => {
            found.images = images.len();
            found.bytes = images.iter().map(|image| image.bytes).sum();
            found.disk = disk;
            let now = control.clock().now();
            let keep =
                Keep { versions: control.keep_versions().into(), images: control.image_budget() };
            found.going = control.read(|view| sweep(view, &images, keep, now));
            found.cache_bytes = cached.iter().map(|record| record.bytes).sum();
            found.cache_going = cache::sweep(&cached, control.build_cache(), now);
        }
        Ok(StorageSaid::Failed { why }) | Err(why) => found.failed = Some(why),
        Ok(StorageSaid::Removed { .. } | StorageSaid::CacheRemoved { .. }) => {
            found.failed = Some(strange());
        }
    }
    if !act {
        return found;
    }
    let names: Vec<ImageName> = found.going.iter().map(|going| going.name).collect();
    for names in names.chunks(MOST_REMOVED) {
        let wanted = StorageWanted::Remove(names.to_vec());
        match ask(control, worker, wanted, REMOVE_WITHIN).await {
            Ok(StorageSaid::Removed { gone, stayed }) => {
                found.gone.extend(gone);
                found.stayed.extend(stayed);
            }
            Ok(StorageSaid::Failed { why }) | Err(why) => {
                found.failed = Some(why);
                break;
            }
            Ok(StorageSaid::Stored { .. } | StorageSaid::CacheRemoved { .. }) => {
                found.failed = Some(strange());
                break;
            }
        }
    }
    let ids: Vec<_> = found.cache_going.iter().map(|going| going.record.id.clone()).collect();
    for ids in ids.chunks(MOST_CACHE_REMOVED) {
        let wanted = StorageWanted::RemoveCache(ids.to_vec());
        match ask(control, worker, wanted, REMOVE_WITHIN).await {
            Ok(StorageSaid::CacheRemoved { bytes }) => found.cache_gone_bytes += bytes,
            Ok(StorageSaid::Failed { why }) | Err(why) => {
                found.failed = Some(why);
                break;
            }
            Ok(StorageSaid::Stored { .. } | StorageSaid::Removed { .. }) => {
                found.failed = Some(strange());
                break;
            }
        }
    }
    found
}

fn strange() -> String {
    "the worker answered something else; run the same version everywhere".into()
}

async fn ask(
    control: &Control,
    worker: WorkerId,
    wanted: StorageWanted,
    within: Duration,
) -> Result<StorageSaid, String> {
    let question = StorageQuestion { format: FORMAT, installation: control.installation(), wanted };
    let subject = subjects::worker_storage(worker);
    let answer: Result<StorageAnswer, _> = control.bus().ask(&subject, &question, within).await;
    match answer {
        Ok(answer) if answer.format == FORMAT && answer.worker == worker => Ok(answer.said),
        Ok(_) => Err(strange()),
        Err(error) => Err(format!("failed to {error}")),
    }
}

/// The workers whose builds are about to end for want of room.
fn low_disks(view: &View, observed: &Observed) -> BTreeSet<WorkerId> {
    let low = members(view).map(|(id, _)| id).filter(|id| {
        let builder = observed.workers.get(id).and_then(|seen| seen.report.builder.as_ref());
        builder.and_then(|builder| builder.disk).is_some_and(|disk| disk.is_low())
    });
    low.collect()
}

/// The workers that are heard of.
fn members(view: &View) -> impl Iterator<Item = (WorkerId, WorkerName)> {
    let members = view.workers.values().filter_map(|worker| worker.state.member());
    let held = members.filter(|member| member.lease == Lease::Held);
    held.map(|member| (member.id, member.name.clone()))
}

/// Keeps workers tidy until `stop`: every so often, and at once where a disk became low.
///
/// # Errors
/// Never: what does not work now is tried again later.
pub(crate) async fn keep_tidy(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut next = Instant::now() + FIRST_AFTER;
    let mut rested = Instant::now();
    let mut low = BTreeSet::new();
    while stop.run_until_cancelled(sleep(LOW_EVERY)).await.is_some() {
        let now = Instant::now();
        let low_now = control.read(|view| control.observed(|observed| low_disks(view, observed)));
        // One that stays low is looked at as often as all others are.
        let became_low = !low_now.is_subset(&low);
        let due = now >= next || (became_low && now >= rested);
        if due || !became_low {
            low = low_now;
        }
        if !due {
            continue;
        }
        (next, rested) = (now + EVERY, now + LOW_APART);
        let Some(swept) = stop.run_until_cancelled(look(&control, true)).await else { break };
        tidy_pushes(&control).await;
        let SiteSweep { gone, failed } = tidy_sites(&control).await;
        if gone > 0 {
            tracing::info!(count = gone, "files of static sites that nobody needs went");
        }
        if let Some(why) = failed {
            tracing::warn!(why, "the files of static sites could not be tidied up");
        }
        let UploadSweep { gone, failed, .. } = look_at_uploads(&control, true).await;
        if gone > 0 {
            tracing::info!(count = gone, "uploads that nobody needs went");
        }
        if let Some(why) = failed {
            tracing::warn!(why, "the uploads could not be tidied up");
        }
        for Sweep { worker, gone, stayed, failed, cache_gone_bytes, .. } in swept {
            if cache_gone_bytes > 0 {
                tracing::info!(%worker, bytes = cache_gone_bytes, "build cache went");
            }
            if !gone.is_empty() {
                tracing::info!(%worker, count = gone.len(), "images that nobody needs went");
            }
            for (name, why) in stayed {
                tracing::info!(%worker, deployment = %name.deployment, why, "an image stayed");
            }
            if let Some(why) = failed {
                tracing::warn!(%worker, why, "a worker could not be tidied up");
            }
        }
    }
    Ok(())
}
