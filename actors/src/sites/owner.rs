//! Whose a place is that several servers can reach: one installation's, and one server's of it.
//!
//! Invariants: a place of another installation is not written to. What lies in a place is tidied up by the one
//! server that has it: another one of the same installation, restored from a backup on a machine beside it, knows
//! less of what is live, and would take it for what nobody needs. It has what it needs and brings what is new;
//! whoever knows that the other server is gone gives it the place by removing the owner's object. The owner in turn
//! knows nothing of what the other one brings: as long as that one says that it is there, nothing goes at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use bytes::Bytes;
use hythe_core::ids::InstallationId;
use hythe_core::limits;
use hythe_core::time::Timestamp;
use hythe_store::steps::Step;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::SiteStoreError;
use crate::backup::Place;

/// The object that says whose the place is.
const NAME: &str = "owner.json";
/// Bytes of it that are read.
const MOST_BYTES: u64 = 4 * 1024;
const FORMAT: u32 = 1;
/// Where servers that use another one's place say that they do.
const OTHERS: &str = "others";
/// Of those that are looked at at once; what is old among them goes, and the rest comes next.
const MOST_OTHERS: usize = 1_000;

/// Who uses a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    format: u32,
    installation: InstallationId,
    /// Of all servers that bear this installation's id; it lies in the data folder, and in no backup.
    server: Uuid,
}

/// Whose a place is, of this installation's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This one's.
    Own,
    /// This one's, and another one of the same installation puts its sites there, too.
    Shared,
    /// That of another one, which bears the same installation's id.
    OfAnother,
}

impl Owner {
    /// This server, as whoever has this folder; minted the first time.
    pub(super) fn of(installation: InstallationId, folder: &Path) -> io::Result<Self> {
        let path = folder.join("server");
        let server = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let server = match server {
            Some(server) => server,
            // One that cannot be read is another server's as far as anybody can tell.
            None => mint(folder, &path)?,
        };
        Ok(Self { format: FORMAT, installation, server })
    }
}

fn mint(folder: &Path, path: &Path) -> io::Result<Uuid> {
    let id = Uuid::now_v7();
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{id}")?;
    file.as_file().sync_all()?;
    #[expect(clippy::disallowed_methods, reason = "nothing follows from half a start")]
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(id)
}

/// Takes a place that is nobody's, and says whose it is. In another server's it says that this one is there.
pub(super) async fn claim(
    place: &Place,
    own: &Owner,
    now: Timestamp,
) -> Result<Claim, SiteStoreError> {
    let claim = match found(place, own).await? {
        Some(claim) => claim,
        None => take(place, own).await?,
    };
    match claim {
        Claim::Own | Claim::Shared if is_used(place, own, now).await? => Ok(Claim::Shared),
        Claim::Own | Claim::Shared => Ok(Claim::Own),
        Claim::OfAnother => {
            // Written anew each time: what counts is when it was.
            write(place, &format!("{OTHERS}/{}", own.server), own).await?;
            Ok(Claim::OfAnother)
        }
    }
}

async fn take(place: &Place, own: &Owner) -> Result<Claim, SiteStoreError> {
    write(place, NAME, own).await?;
    // Of two that take it at once the later one has it.
    let taken = found(place, own).await?;
    taken.ok_or_else(|| {
        let what = format!("{NAME} was written to {} and is not there", place.shown());
        SiteStoreError::Owned(what)
    })
}

async fn write(place: &Place, name: &str, own: &Owner) -> Result<(), SiteStoreError> {
    let bytes = serde_json::to_vec(own).map_err(io::Error::other)?;
    Step::SiteObjectKept.take(place.put(name, Bytes::from(bytes))).await?;
    Ok(())
}

/// Whether a server beside the owner said not long ago that it uses the place. Those that did long ago are forgotten.
async fn is_used(place: &Place, own: &Owner, now: Timestamp) -> Result<bool, SiteStoreError> {
    // The owner may have been such a server itself, before it took the place.
    let own = own.server.to_string();
    let below = place.below(OTHERS);
    let others = below.each(MOST_OTHERS, |other| Some(other).filter(|(name, _)| *name != own));
    let mut used = false;
    for (name, said_at) in others.await? {
        if now.since(said_at) <= limits::SITE_PLACE_USED {
            used = true;
        } else {
            place.remove(&format!("{OTHERS}/{name}")).await?;
        }
    }
    Ok(used)
}

async fn found(place: &Place, own: &Owner) -> Result<Option<Claim>, SiteStoreError> {
    let object = place.read(NAME, 0..MOST_BYTES).await?;
    object.map(|(bytes, _)| judge(&bytes, own, place)).transpose()
}

fn judge(bytes: &[u8], own: &Owner, place: &Place) -> Result<Claim, SiteStoreError> {
    let owned = |why: String| Err(SiteStoreError::Owned(why));
    let place = place.shown();
    match serde_json::from_slice::<Owner>(bytes) {
        Ok(found) if found.installation != own.installation => owned(format!(
            "{place} has those of another installation ({}; this one is {}). Give this server a \
             place of its own: another folder, or another prefix, in --sites. Where that \
             installation is gone for good and nobody needs its sites, remove {NAME} there, and \
             this one takes the place",
            found.installation, own.installation
        )),
        Ok(found) if found == *own => Ok(Claim::Own),
        Ok(found) if found.format == FORMAT => Ok(Claim::OfAnother),
        Ok(found) => owned(format!(
            "{NAME} in {place} has the format {}, and this version reads {FORMAT}; run the newer \
             version",
            found.format
        )),
        Err(error) => owned(format!(
            "{NAME} in {place} does not say whose the place is ({error}). Where no other server \
             uses it, remove that object, and this one takes the place"
        )),
    }
}

/// Why nothing is tidied up in a place that several servers of this installation use, and what to do.
pub(super) fn shared(place: &Place, claim: Claim) -> Option<String> {
    let place = place.shown();
    match claim {
        Claim::Own => None,
        Claim::Shared => Some(format!(
            "another server of this same installation, restored or copied from it, keeps the files \
             of its static sites in {place}, too: nothing there is tidied up, as this server does \
             not know what that one serves. Give that server a place of its own (--sites); {} days \
             after it was there last, this one goes on tidying up",
            limits::SITE_PLACE_USED.0 / (24 * 3_600_000)
        )),
        Claim::OfAnother => Some(format!(
            "{place} is another server's of this same installation, from which this one was \
             restored or copied: the files of static sites are used and nothing there is tidied \
             up. Where that server goes on, give this one a place of its own (--sites); where it \
             is gone for good, remove {NAME} there, and this one takes the place"
        )),
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::installation::BackupPlace;

    use super::*;
    use crate::clock::Clock;

    fn place(folder: &Path) -> Place {
        let place = BackupPlace::new(format!("file://{}", folder.display())).unwrap();
        Place::open(&place).unwrap()
    }

    /// As of now: a folder says when something was written by the machine's clock.
    async fn claim(place: &Place, own: &Owner) -> Result<Claim, SiteStoreError> {
        super::claim(place, own, Clock::system().now()).await
    }

    fn installation(n: u128) -> InstallationId {
        InstallationId::new(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn a_place_is_of_the_first_server_and_of_no_other_installation() {
        let (kept, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, restored) = (place(kept.path()), tempfile::tempdir().unwrap());
        let first = Owner::of(installation(1), data.path()).unwrap();
        assert_eq!(Owner::of(installation(1), data.path()).unwrap(), first, "it stays the same");
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::Own);
        let other = Owner::of(installation(2), data.path()).unwrap();
        let refused = claim(&place, &other).await.unwrap_err().to_string();
        assert!(refused.contains("another installation"), "{refused}");
        assert!(refused.contains("--sites"), "{refused}");
        let second = Owner::of(installation(1), restored.path()).unwrap();
        assert_eq!(claim(&place, &second).await.unwrap(), Claim::OfAnother);
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::Shared, "it is taken from nobody");
        // Somebody says that the first one is gone.
        fs::remove_file(kept.path().join(NAME)).unwrap();
        assert_eq!(claim(&place, &second).await.unwrap(), Claim::Own);
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::OfAnother);
    }

    #[tokio::test]
    async fn a_server_that_was_there_long_ago_is_forgotten() {
        let (kept, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, beside) = (place(kept.path()), tempfile::tempdir().unwrap());
        let first = Owner::of(installation(1), data.path()).unwrap();
        let second = Owner::of(installation(1), beside.path()).unwrap();
        let said = kept.path().join(OTHERS).join(second.server.to_string());
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::Own);
        assert_eq!(claim(&place, &second).await.unwrap(), Claim::OfAnother);
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::Shared);
        let now = Clock::system().now();
        let later = |more: u64| Timestamp(now.0 + limits::SITE_PLACE_USED.0 + more);
        let at = |now| super::claim(&place, &first, now);
        // It is there a moment before, by whatever a disk makes of that moment.
        assert_eq!(at(Timestamp(later(0).0 - 60_000)).await.unwrap(), Claim::Shared);
        assert!(said.exists());
        assert_eq!(at(later(60_000)).await.unwrap(), Claim::Own);
        assert!(!said.exists());
        assert_eq!(claim(&place, &second).await.unwrap(), Claim::OfAnother);
        assert_eq!(claim(&place, &first).await.unwrap(), Claim::Shared, "it says so each time");
    }

    #[tokio::test]
    async fn what_does_not_say_whose_it_is_is_left_alone() {
        let (kept, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (place, own) = (place(kept.path()), Owner::of(installation(1), data.path()).unwrap());
        let newer = Owner { format: 2, ..own.clone() };
        for (found, why) in [
            (b"{".to_vec(), "remove that object"),
            (serde_json::to_vec(&newer).unwrap(), "run the newer version"),
        ] {
            fs::write(kept.path().join(NAME), &found).unwrap();
            let refused = claim(&place, &own).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
            assert_eq!(fs::read(kept.path().join(NAME)).unwrap(), found);
        }
    }
}
