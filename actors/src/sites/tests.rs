use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use hythe_core::ids::{DeploymentId, InstallationId};
use hythe_core::installation::BackupPlace;
use hythe_core::site::{FileHash, MANIFEST_FORMAT, Manifest, SiteFile, SiteId, SitePath, Variants};
use hythe_core::time::Timestamp;
use hythe_core::wire::site::SiteObject;
use uuid::Uuid;

use super::{Claim, SiteStoreError, Sites};

fn installation() -> InstallationId {
    InstallationId::new(Uuid::from_u128(1))
}

fn open(folder: &Path) -> Sites {
    Sites::open(None, folder, installation()).unwrap()
}

fn hash(bytes: &[u8]) -> FileHash {
    FileHash::new(blake3::hash(bytes).to_hex().as_str()).unwrap()
}

fn manifest(files: &[(&str, &[u8])]) -> (SiteId, Bytes) {
    let file = |(path, bytes): &(&str, &[u8])| {
        let file = SiteFile {
            hash: hash(bytes),
            bytes: bytes.len() as u64,
            variants: Variants::default(),
        };
        (SitePath::new(*path).unwrap(), file)
    };
    let files: BTreeMap<_, _> = files.iter().map(file).collect();
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        single_page: false,
        redirects: Vec::new(),
        headers: Vec::new(),
        files,
    };
    let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
    (SiteId::new(hash(&bytes).as_str()).unwrap(), bytes)
}

async fn put(sites: &Sites, object: &SiteObject, bytes: Bytes) -> Result<(), SiteStoreError> {
    let total = bytes.len() as u64;
    sites.take(object, DeploymentId::new(Uuid::nil()), (0, total), bytes).await
}

async fn put_file(sites: &Sites, bytes: &'static [u8]) {
    put(sites, &SiteObject::File(hash(bytes)), Bytes::from_static(bytes)).await.unwrap();
    let variants = serde_json::to_vec(&Variants::default()).unwrap();
    put(sites, &SiteObject::Variants(hash(bytes)), variants.into()).await.unwrap();
}

#[tokio::test]
async fn only_what_its_digest_says_is_kept_and_a_list_only_once_its_files_are() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(&data.path().join("a folder with spaces"));
    let wrong = put(&sites, &SiteObject::File(hash(b"one")), Bytes::from_static(b"two")).await;
    assert!(matches!(wrong, Err(SiteStoreError::Other(_))), "{wrong:?}");
    let (id, list) = manifest(&[("index.html", b"one"), ("b", b"two")]);
    let object = SiteObject::Manifest(id.clone());
    put_file(&sites, b"one").await;
    let early = put(&sites, &object, list.clone()).await;
    assert!(matches!(early, Err(SiteStoreError::Missing(1))), "{early:?}");
    assert!(!sites.has(&id).await.unwrap());
    put_file(&sites, b"two").await;
    put(&sites, &object, list).await.unwrap();
    assert!(sites.has(&id).await.unwrap());
    let known = sites.known(&[hash(b"one"), hash(b"three"), hash(b"two")]).await.unwrap();
    assert_eq!(known, [Some(Variants::default()), None, Some(Variants::default())]);
}

#[tokio::test]
async fn pieces_come_together_and_are_given_out_again() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(data.path());
    let object = SiteObject::File(hash(b"hello world"));
    let by = DeploymentId::new(Uuid::nil());
    sites.take(&object, by, (0, 11), Bytes::from_static(b"hello ")).await.unwrap();
    assert_eq!(sites.piece(&object, 0, 99).await.unwrap(), None, "it is not whole");
    sites.take(&object, by, (6, 11), Bytes::from_static(b"world")).await.unwrap();
    let piece = |from, most| sites.piece(&object, from, most);
    assert_eq!(piece(6, 3).await.unwrap(), Some((Bytes::from_static(b"wor"), 11)));
    assert_eq!(piece(6, 99).await.unwrap(), Some((Bytes::from_static(b"world"), 11)));
    assert_eq!(piece(50, 9).await.unwrap(), Some((Bytes::new(), 11)));
    let beyond = sites.take(&object, by, (6, 10), Bytes::from_static(b"world")).await;
    assert!(matches!(beyond, Err(SiteStoreError::Other(_))));
}

#[tokio::test]
async fn what_a_kept_site_needs_stays_and_the_rest_goes_once_it_is_old() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(data.path());
    for bytes in [&b"shared"[..], b"old", b"new"] {
        put_file(&sites, bytes).await;
    }
    let (old, list) = manifest(&[("a", b"shared"), ("b", b"old")]);
    put(&sites, &SiteObject::Manifest(old.clone()), list).await.unwrap();
    let (new, list) = manifest(&[("a", b"shared"), ("b", b"new")]);
    put(&sites, &SiteObject::Manifest(new.clone()), list).await.unwrap();
    let now = crate::clock::Clock::system().now();
    let kept = BTreeSet::from([new.clone()]);
    let swept = sites.tidy(&kept, now).await;
    assert_eq!((swept.gone, swept.failed), (0, None), "it may be decided upon any moment");
    let later = Timestamp(now.0 + hythe_core::limits::SITE_FILE_KEPT.0 + 60_000);
    let swept = sites.tidy(&kept, later).await;
    // The list, and of its own file the bytes and what is said of them.
    assert_eq!((swept.gone, swept.failed), (3, None));
    assert!(!sites.has(&old).await.unwrap() && sites.has(&new).await.unwrap());
    let known = sites.known(&[hash(b"shared"), hash(b"old"), hash(b"new")]).await.unwrap();
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
}

/// Which of two pieces, the first of six bytes.
async fn piece_of(
    sites: &Sites,
    object: &SiteObject,
    bytes: &Bytes,
    last: bool,
) -> Result<(), SiteStoreError> {
    let (from, piece) = if last { (6, bytes.slice(6..)) } else { (0, bytes.slice(..6)) };
    let by = DeploymentId::new(Uuid::nil());
    sites.take(object, by, (from, bytes.len() as u64), piece).await
}

#[tokio::test]
async fn a_piece_may_come_again_and_by_two_ways_at_once() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(data.path());
    let file = Bytes::from_static(b"hello world");
    let (id, list) = manifest(&[("index.html", b"hello world")]);
    for (object, bytes) in [(SiteObject::File(hash(&file)), file), (SiteObject::Manifest(id), list)]
    {
        // First and first, last and last: the answers were lost, or two paths have the same bytes.
        for last in [false, false, true, true] {
            piece_of(&sites, &object, &bytes, last).await.unwrap();
        }
        let whole = sites.piece(&object, 0, u32::MAX).await.unwrap();
        assert_eq!(whole, Some((bytes.clone(), bytes.len() as u64)));
    }
}

#[tokio::test]
async fn a_piece_that_follows_on_nothing_is_asked_for_from_the_beginning() {
    let data = tempfile::tempdir().unwrap();
    let bytes = Bytes::from_static(b"hello world");
    let object = SiteObject::File(hash(&bytes));
    let sites = open(data.path());
    piece_of(&sites, &object, &bytes, false).await.unwrap();
    let anew = open(data.path());
    let lost = piece_of(&anew, &object, &bytes, true).await.unwrap_err();
    assert!(matches!(lost, SiteStoreError::Apart) && lost.is_sent_again(), "{lost}");
    // Bytes that are none of it: what was put together of them is not gone on with.
    piece_of(&anew, &object, &Bytes::from_static(b"HELLO world"), false).await.unwrap();
    let wrong = piece_of(&anew, &object, &bytes, true).await.unwrap_err();
    assert!(matches!(wrong, SiteStoreError::Other(_)) && wrong.is_sent_again(), "{wrong}");
    for last in [false, true] {
        piece_of(&anew, &object, &bytes, last).await.unwrap();
    }
    assert_eq!(anew.piece(&object, 0, 5).await.unwrap(), Some((bytes.slice(..5), 11)));
}

#[tokio::test]
async fn a_file_of_several_parts_is_kept_whole() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(data.path());
    let bytes = Bytes::from(vec![7_u8; 2 * crate::backup::place::PART_BYTES + 9]);
    let object = SiteObject::File(hash(&bytes));
    for last in [false, true] {
        piece_of(&sites, &object, &bytes, last).await.unwrap();
    }
    let total = bytes.len() as u64;
    let end = sites.piece(&object, total - 5, 99).await.unwrap();
    assert_eq!(end, Some((bytes.slice(bytes.len() - 5..), total)));
}

#[tokio::test]
async fn what_is_brought_again_is_new_again() {
    let data = tempfile::tempdir().unwrap();
    let sites = open(data.path());
    let bytes = Bytes::from_static(b"hello world");
    let hash = hash(&bytes);
    let object = SiteObject::File(hash.clone());
    let place = data.path().join("kept/files").join(&hash.as_str()[..2]).join(hash.as_str());
    let written = || std::fs::metadata(&place).unwrap().modified().unwrap();
    let kept = std::time::Duration::from_millis(hythe_core::limits::SITE_FILE_KEPT.0);
    for whole in [true, false] {
        put(&sites, &object, bytes.clone()).await.unwrap();
        let old = std::time::SystemTime::now() - kept;
        std::fs::File::options().write(true).open(&place).unwrap().set_modified(old).unwrap();
        if whole {
            put(&sites, &object, bytes.clone()).await.unwrap();
        } else {
            for last in [false, true] {
                piece_of(&sites, &object, &bytes, last).await.unwrap();
            }
        }
        assert!(written() > old + kept / 2, "housekeeping takes it while a build counts on it");
    }
}

#[tokio::test]
async fn only_the_server_that_has_the_place_tidies_it_up() {
    let (kept, first, second) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = BackupPlace::new(format!("file://{}", kept.path().display())).unwrap();
    let at = |folder: &Path| Sites::open(Some(&place), folder, installation()).unwrap();
    let live = at(first.path());
    put_file(&live, b"live").await;
    let (id, list) = manifest(&[("index.html", b"live")]);
    put(&live, &SiteObject::Manifest(id.clone()), list).await.unwrap();
    assert_eq!(live.shared(), None);

    // Restored from a backup of before that site, beside the server that goes on.
    let drill = at(second.path());
    assert_eq!(drill.claim().await.unwrap(), Claim::OfAnother);
    assert!(drill.shared().unwrap().contains("owner.json"));
    put_file(&drill, b"drill").await;
    let later = crate::clock::Clock::system().now();
    let later = Timestamp(later.0 + hythe_core::limits::SITE_FILE_KEPT.0 + 60_000);
    let swept = drill.tidy(&BTreeSet::new(), later).await;
    assert_eq!((swept.gone, swept.failed), (0, None));
    assert!(live.has(&id).await.unwrap());
    let asked = BTreeSet::from([id.clone(), manifest(&[]).0]);
    assert_eq!(drill.missing(asked).await, BTreeSet::from([manifest(&[]).0]));

    // Nor does the first one know what the second one serves, as long as that one is there.
    let (drilled, list) = manifest(&[("index.html", b"drill")]);
    put(&drill, &SiteObject::Manifest(drilled.clone()), list).await.unwrap();
    let swept = live.tidy(&BTreeSet::from([id.clone()]), later).await;
    assert_eq!((swept.gone, swept.failed), (0, None));
    assert!(drill.has(&drilled).await.unwrap());
    assert!(live.shared().unwrap().contains("3 days"));

    // Once it was not for days, what only that one knew of goes: the list, the bytes and what is said of them.
    let away = std::time::Duration::from_millis(hythe_core::limits::SITE_PLACE_USED.0 + 60_000);
    for said in std::fs::read_dir(kept.path().join("others")).unwrap() {
        let said = std::fs::File::options().write(true).open(said.unwrap().path()).unwrap();
        said.set_modified(std::time::SystemTime::now() - away).unwrap();
    }
    let swept = live.tidy(&BTreeSet::from([id.clone()]), later).await;
    assert_eq!((swept.gone, swept.failed), (3, None));
    assert_eq!(live.shared(), None);

    // A server of another installation neither writes there nor tidies up.
    let other = InstallationId::new(Uuid::from_u128(2));
    let third = tempfile::tempdir().unwrap();
    let staging = Sites::open(Some(&place), third.path(), other).unwrap();
    let bytes = Bytes::from_static(b"staging");
    let refused = put(&staging, &SiteObject::File(hash(&bytes)), bytes).await.unwrap_err();
    assert!(matches!(refused, SiteStoreError::Owned(_)), "{refused}");
    let swept = staging.tidy(&BTreeSet::new(), later).await;
    assert!(swept.gone == 0 && swept.failed.unwrap().contains("--sites"));
    assert!(live.has(&id).await.unwrap());
}
