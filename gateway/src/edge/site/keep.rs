//! Fetches the sites that the table in force names, and lets go of those that it does not.
//!
//! Invariants: a site is put on the shelf once all that is wanted of it is on the disk; then, and only then, the
//! table is applied anew, so that routes lead there. One that cannot be had is tried again; meanwhile what was
//! served before is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_actors::bus::Bus;
use hythe_actors::sites::client::{SiteAskError, SiteClient};
use hythe_core::limits;
use hythe_core::site::{FileHash, Manifest, SiteId};
use hythe_core::wire::site::SiteObject;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::sleep;

use super::disk::{Part, SiteDisk};
use super::shelf::{Shelf, Wanted, wanted};
use crate::edge::table::Live;

/// Files of one site that are fetched at once.
const AT_ONCE: usize = 8;
/// How long until one that could not be had is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How often an edge that fetches nothing itself looks for what another one fetches.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A site, and what of it is wanted.
type Key = (SiteId, Part);

/// Keeps the shelf for ever. `spare`: the bytes that are kept on the disk besides what the table needs.
pub(crate) async fn keep(shelf: Arc<Shelf>, live: Arc<Live>, bus: Bus, spare: u64) {
    let mut tables = live.tables();
    let mut fetching: JoinSet<(Key, Result<Manifest, SiteAskError>)> = JoinSet::new();
    let mut under_way: BTreeMap<Key, AbortHandle> = BTreeMap::new();
    let mut tidied = None;
    loop {
        tables.mark_unchanged();
        let now = live.with_table(wanted);
        under_way.retain(|key, task| {
            let stays = now.contains(key);
            if !stays {
                task.abort();
            }
            stays
        });
        for key in &now {
            if !shelf.has(key) && !under_way.contains_key(key) {
                let client = SiteClient::new(bus.client().clone());
                let fetch = fetched(client, Arc::clone(shelf.disk()), key.clone());
                under_way.insert(key.clone(), fetching.spawn(fetch));
            }
        }
        if under_way.is_empty() && tidied.as_ref() != Some(&now) {
            tidy(&shelf, &now, spare).await;
            tidied = Some(now);
        }
        tokio::select! {
            changed = tables.changed() => if changed.is_err() { return },
            Some(ended) = fetching.join_next() => {
                let mut more = arrived(&shelf, &mut under_way, ended);
                // Those that came meanwhile come into force with it.
                while let Some(ended) = fetching.try_join_next() {
                    more |= arrived(&shelf, &mut under_way, ended);
                }
                if more {
                    // With many routes this takes a while, and reports are to go on.
                    let live = Arc::clone(&live);
                    let applied = tokio::task::spawn_blocking(move || live.apply_again()).await;
                    if let Err(error) = applied {
                        tracing::error!(%error, "could not put sites in force");
                    }
                }
            }
        }
    }
}

/// Notes how fetching ended; whether a site is there that was not.
fn arrived(
    shelf: &Shelf,
    under_way: &mut BTreeMap<Key, AbortHandle>,
    ended: Result<(Key, Result<Manifest, SiteAskError>), JoinError>,
) -> bool {
    // One that was called off is not under way any more.
    let Ok((key, manifest)) = ended else { return false };
    under_way.remove(&key);
    match manifest {
        Ok(manifest) => {
            tracing::info!(site = %key.0, files = manifest.files.len(), "a site is there");
            shelf.put(key, manifest);
            true
        }
        Err(error) => {
            tracing::warn!(site = %key.0, %error, "a site cannot be had; trying on");
            false
        }
    }
}

/// For an edge that gave its place away and finishes what it has: puts those on the shelf that the one in its
/// place has fetched, for ever. It writes nothing. Without this a switch would be waited for here in vain.
pub(crate) async fn take_in(shelf: Arc<Shelf>, live: Arc<Live>) {
    let mut tables = live.tables();
    loop {
        tables.mark_unchanged();
        let (from, into) = (Arc::clone(&shelf), Arc::clone(&live));
        let missing = tokio::task::spawn_blocking(move || found_on_disk(&from, &into)).await;
        let changed = if missing.unwrap_or(true) {
            tokio::time::timeout(LOOK_AGAIN, tables.changed()).await.unwrap_or(Ok(()))
        } else {
            tables.changed().await
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Puts those on the shelf, and in force, that are on the disk; whether some are still missing.
fn found_on_disk(shelf: &Shelf, live: &Live) -> bool {
    let (mut found, mut missing) = (false, false);
    for key in live.with_table(wanted) {
        if shelf.has(&key) {
            continue;
        }
        match shelf.disk().recall(&key.0, key.1) {
            Some(manifest) => {
                shelf.put(key, manifest);
                found = true;
            }
            None => missing = true,
        }
    }
    if found {
        live.apply_again();
    }
    missing
}

/// Gets what is wanted of a site onto the disk. It takes a while after a failure, so that it can be begun anew
/// at once.
async fn fetched(
    client: SiteClient,
    disk: Arc<SiteDisk>,
    key: Key,
) -> (Key, Result<Manifest, SiteAskError>) {
    let fetched = fetch(&client, &disk, &key).await;
    if fetched.is_err() {
        sleep(AGAIN_AFTER).await;
    }
    (key, fetched)
}

async fn fetch(
    client: &SiteClient,
    disk: &Arc<SiteDisk>,
    (id, part): &Key,
) -> Result<Manifest, SiteAskError> {
    let (known, of, part) = (Arc::clone(disk), id.clone(), *part);
    if let Some(manifest) = blocking(move || Ok(known.recall(&of, part))).await? {
        return Ok(manifest);
    }
    let bytes = client.get(&SiteObject::Manifest(id.clone()), limits::MOST_MANIFEST_BYTES).await?;
    if blake3::hash(&bytes).to_hex().as_str() != id.as_str() {
        return Err(SiteAskError::Damaged);
    }
    let manifest = Manifest::read(&bytes).map_err(SiteAskError::Server)?;
    manifest.check().map_err(|bad| SiteAskError::Server(bad.to_string()))?;
    let blobs: Vec<(FileHash, u64)> =
        part.blobs(&manifest).into_iter().map(|(hash, bytes)| (hash.clone(), bytes)).collect();
    let files = blobs.into_iter().map(|(hash, bytes)| file(client, disk, hash, bytes));
    let mut files = stream::iter(files).buffer_unordered(AT_ONCE);
    while files.try_next().await?.is_some() {}
    drop(files);
    let (into, of) = (Arc::clone(disk), id.clone());
    blocking(move || into.keep_manifest(&of, &bytes)).await?;
    Ok(manifest)
}

async fn file(
    client: &SiteClient,
    disk: &Arc<SiteDisk>,
    hash: FileHash,
    bytes: u64,
) -> Result<(), SiteAskError> {
    let (into, of) = (Arc::clone(disk), hash.clone());
    let begun =
        blocking(move || if into.has(&of, bytes) { Ok(None) } else { into.begin().map(Some) });
    let Some(file) = begun.await? else { return Ok(()) };
    let handle = Arc::new(file.as_file().try_clone()?);
    client.get_file(&hash, bytes, handle).await?;
    let into = Arc::clone(disk);
    Ok(blocking(move || into.keep(&hash, file)).await?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

async fn tidy(shelf: &Arc<Shelf>, now: &Wanted, spare: u64) {
    let files = shelf.retain(now);
    let sites: BTreeSet<SiteId> = now.iter().map(|(id, _)| id.clone()).collect();
    let disk = Arc::clone(shelf.disk());
    if let Err(error) = blocking(move || disk.tidy(&sites, &files, spare)).await {
        tracing::warn!(%error, "files of sites that nobody needs stay on the disk");
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::canary::{Part as CanaryPart, PartSite, Weight};
    use hythe_core::ids::{AppId, DeploymentId};
    use hythe_core::routes::{Backend, Route, RouteTable};
    use uuid::Uuid;

    use super::*;
    use crate::edge::table::Found;

    /// Nobody is to wait for an edge that fetches nothing any more.
    #[test]
    fn an_edge_that_finishes_takes_in_what_the_one_in_its_place_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("sites");
        let shelf = Arc::new(Shelf::open(place.clone(), 0).unwrap());
        let live = Live::serving(1, Some(Arc::clone(&shelf)));
        let bytes = br#"{"format":1,"single_page":false,"files":{}}"#;
        let site = SiteId::new(blake3::hash(bytes).to_hex().to_string()).unwrap();
        let deployment = DeploymentId::new(Uuid::from_u128(1));
        let backend = Backend::Site { deployment, site: site.clone(), earlier: Vec::new() };
        let route = Route::new(AppId::new(Uuid::nil()), "shop".parse().unwrap(), backend);
        let routes = [("a.example".parse().unwrap(), route)].into();
        live.apply(&RouteTable { revision: 1, routes });
        assert!(found_on_disk(&shelf, &live), "it is missing");
        assert_eq!(live.behind(), [deployment].into());
        // The other process has the folder as well.
        SiteDisk::open(place).unwrap().keep_manifest(&site, bytes).unwrap();
        assert!(!found_on_disk(&shelf, &live));
        assert!(live.behind().is_empty());
    }

    /// A switch is not held up by what only takes a part, and that takes none before all of it is there.
    #[test]
    fn a_site_that_is_to_take_a_part_begins_once_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("sites");
        let shelf = Arc::new(Shelf::open(place.clone(), 0).unwrap());
        let live = Live::serving(1, Some(Arc::clone(&shelf)));
        let bytes = br#"{"format":1,"single_page":false,"files":{}}"#;
        let site = SiteId::new(blake3::hash(bytes).to_hex().to_string()).unwrap();
        let of = |number| DeploymentId::new(Uuid::from_u128(number));
        let targets = vec![std::net::SocketAddr::from(([127, 0, 0, 1], 1))];
        let backend = Backend::Replicas { deployment: of(1), targets };
        let mut route = Route::new(AppId::new(Uuid::nil()), "shop".parse().unwrap(), backend);
        route.canary = Some(Box::new(CanaryPart {
            deployment: of(2),
            targets: Vec::new(),
            weight: Weight::new(50).unwrap(),
            site: Some(PartSite { site: site.clone(), earlier: Vec::new() }),
        }));
        let routes = [("a.example".parse().unwrap(), route)].into();
        live.apply(&RouteTable { revision: 1, routes });
        let took = || {
            let sites = (0..100).filter(|_| matches!(live.find("a.example"), Found::Site(_)));
            sites.count()
        };
        assert!(found_on_disk(&shelf, &live), "it is missing");
        assert_eq!((took(), live.behind()), (0, BTreeSet::new()));
        SiteDisk::open(place).unwrap().keep_manifest(&site, bytes).unwrap();
        assert!(!found_on_disk(&shelf, &live));
        assert_eq!(took(), 50);
        // What the table names is kept.
        shelf.retain(&live.with_table(wanted));
        assert!(shelf.has(&(site, Part::Whole)));
    }
}
