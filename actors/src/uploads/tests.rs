use bytes::Bytes;
use futures_util::stream;

use super::*;

fn uploads(dir: &std::path::Path) -> Uploads {
    Uploads::open(dir.join("uploads")).unwrap()
}

fn digest(bytes: &[u8]) -> UploadDigest {
    UploadDigest::new(format!("sha256:{}", hex(&Sha256::digest(bytes)))).unwrap()
}

fn pieces(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, io::Error>> + Unpin + use<> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
    stream::iter(parts)
}

fn files(uploads: &Uploads) -> usize {
    fs::read_dir(&uploads.folder).unwrap().count()
}

#[tokio::test]
async fn what_came_whole_is_there_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kept = uploads(dir.path());
    let wanted = digest(b"hello world");
    assert_eq!(kept.bytes(&wanted), None);
    assert_eq!(kept.take(&wanted, Some(11), pieces(&["hello ", "world"])).await.unwrap(), 11);
    assert_eq!(kept.take(&wanted, None, pieces(&["hello world"])).await.unwrap(), 11);
    fs::write(kept.folder.join("partial-x"), "half").unwrap();
    fs::write(kept.folder.join("notes.txt"), "of somebody").unwrap();
    drop(kept);
    let kept = uploads(dir.path());
    assert_eq!(kept.bytes(&wanted), Some(11));
    assert!(!kept.folder.join("partial-x").exists() && kept.folder.join("notes.txt").exists());
    assert_eq!(kept.piece(&wanted, 6, 3).unwrap(), Some((b"wor".to_vec(), 11)));
    assert_eq!(kept.piece(&wanted, 9, 30).unwrap(), Some((b"ld".to_vec(), 11)));
    assert_eq!(kept.piece(&wanted, 99, 30).unwrap(), Some((Vec::new(), 11)));
    assert_eq!(kept.piece(&digest(b""), 0, 3).unwrap(), None);
    let all = kept.list().unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(kept.remove(&all[0]).unwrap());
    assert_eq!(kept.bytes(&wanted), None);
}

#[tokio::test]
async fn what_did_not_come_as_it_was_said_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Uploads { most: 1024, ..uploads(dir.path()) };
    let wanted = digest(b"hello");
    let other = kept.take(&wanted, None, pieces(&["hellO"])).await.unwrap_err();
    assert!(other.to_string().contains("send it again"), "{other}");
    let large = kept.take(&wanted, Some(1_025), pieces(&[])).await.unwrap_err();
    assert!(matches!(large, UploadError::TooLarge { .. }), "{large}");
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 100])));
    let large = kept.take(&wanted, None, endless).await.unwrap_err();
    assert!(matches!(large, UploadError::TooLarge { .. }), "{large}");
    let broken = stream::iter([Ok(Bytes::from_static(b"hel")), Err(io::Error::other("cut"))]);
    let broken = kept.take(&wanted, None, broken).await.unwrap_err();
    assert!(matches!(broken, UploadError::BrokeOff(_)), "{broken}");
    let nowhere = kept.take(&wanted, Some(5), stream::pending::<Result<Bytes, io::Error>>());
    let nowhere = tokio::time::timeout(Duration::from_millis(1), nowhere).await;
    assert!(nowhere.is_err(), "it waits for what is to come");
    assert_eq!(files(&kept), 0);
}

#[tokio::test]
async fn what_was_used_since_stays() {
    let dir = tempfile::tempdir().unwrap();
    let kept = uploads(dir.path());
    let wanted = digest(b"a");
    kept.take(&wanted, None, pieces(&["a"])).await.unwrap();
    let then = StoredUpload { digest: wanted.clone(), bytes: 1, used_at: Timestamp(1_000) };
    assert!(!kept.remove(&then).unwrap());
    assert_eq!(kept.touch(&wanted), Some(1));
    assert_eq!(kept.touch(&digest(b"b")), None);
}
