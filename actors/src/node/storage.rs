//! Answers what the control plane asks about images and build cache, and lets go of those that it
//! names.

use hythe_core::wire::FORMAT;
use hythe_core::wire::storage::{
    CacheId, ImageName, MOST_CACHE_REMOVED, MOST_REMOVED, StorageAnswer, StorageQuestion,
    StorageSaid, StorageWanted,
};
use hythe_core::wire::subjects;
use tokio_util::sync::CancellationToken;

use super::builds::Builds;
use super::guard::for_ever;
use super::steps::Tools;
use crate::bus::Bus;
use crate::docker::EngineError;

/// Answers until `stop`.
pub(crate) async fn answer(bus: Bus, tools: Tools, builds: Builds, stop: CancellationToken) {
    let answering = for_ever("answering about images", || async {
        bus.ready().await;
        let subject = subjects::worker_storage(tools.owner.worker);
        let answered =
            bus.answer(&subject, &stop, |question| said(&tools, &builds, question)).await;
        if let Err(error) = answered {
            tracing::warn!(%error, "questions about images are not heard");
        }
    });
    stop.run_until_cancelled(answering).await;
}

async fn said(tools: &Tools, builds: &Builds, question: StorageQuestion) -> StorageAnswer {
    let StorageQuestion { format, installation, wanted } = question;
    let said = if format != FORMAT || installation != tools.owner.installation {
        let why = format!(
            "a question of format {format} for installation {installation}, and this agent knows \
             {FORMAT} and {}; run the same version everywhere",
            tools.owner.installation
        );
        StorageSaid::Failed { why }
    } else {
        match wanted {
            StorageWanted::Survey => survey(tools, builds).await,
            StorageWanted::Remove(names) => remove(tools, names).await,
            StorageWanted::RemoveCache(ids) => remove_cache(builds, ids).await,
        }
    };
    StorageAnswer { format: FORMAT, worker: tools.owner.worker, said }
}

async fn survey(tools: &Tools, builds: &Builds) -> StorageSaid {
    let images = match tools.engine.stored_images(tools.owner.installation).await {
        Ok(images) => images,
        Err(error) => return StorageSaid::Failed { why: failed(&error) },
    };
    match builds.cache().await {
        Ok(cache) => StorageSaid::Stored { images, disk: tools.engine.disk_room().await, cache },
        Err(why) => StorageSaid::Failed { why: format!("failed to {why}") },
    }
}

async fn remove_cache(builds: &Builds, mut ids: Vec<CacheId>) -> StorageSaid {
    ids.truncate(MOST_CACHE_REMOVED);
    match builds.remove_cache(&ids).await {
        Ok(bytes) => StorageSaid::CacheRemoved { bytes },
        Err(why) => StorageSaid::Failed { why: format!("failed to {why}") },
    }
}

async fn remove(tools: &Tools, names: Vec<ImageName>) -> StorageSaid {
    let (mut gone, mut stayed) = (Vec::new(), Vec::new());
    for name in names.into_iter().take(MOST_REMOVED) {
        match tools.engine.remove_image(name).await {
            Ok(()) => gone.push(name),
            Err(error) if error.engine_down() => {
                return StorageSaid::Failed { why: failed(&error) };
            }
            Err(error) => stayed.push((name, failed(&error))),
        }
    }
    StorageSaid::Removed { gone, stayed }
}

fn failed(error: &EngineError) -> String {
    format!("failed to {error}")
}
