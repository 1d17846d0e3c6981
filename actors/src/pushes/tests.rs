use bytes::Bytes;
use futures_util::stream;
use uuid::Uuid;

use super::*;
use crate::uploads::Uploads;

fn app() -> AppId {
    AppId::new(Uuid::from_u128(0x0a01))
}

fn opened(dir: &Path) -> (Pushes, Uploads) {
    (Pushes::open(&dir.join("git")).unwrap(), Uploads::open(dir.join("uploads")).unwrap())
}

fn sent() -> Sent {
    Sent { commit: CommitId::new("1".repeat(40)).unwrap(), shallow: Vec::new() }
}

#[tokio::test]
async fn what_a_git_left_behind_that_died_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let (pushes, _) = opened(dir.path());
    let held = pushes.hold(app()).unwrap();
    assert!(pushes.hold(app()).is_none(), "one at a time");
    pushes.follow(&held, None).await.unwrap();
    drop(held);
    let repository = pushes.repository(app());
    let left = ["HEAD.lock", "packed-refs.lock", "refs/heads/main.lock", "gc.pid"];
    left.iter().for_each(|name| fs::write(repository.join(name), "").unwrap());
    let half = repository.join("objects/tmp_objdir-incoming-x");
    fs::create_dir(&half).unwrap();
    fs::write(dir.path().join("git/notes.txt"), "of somebody").unwrap();
    let (pushes, _) = opened(dir.path());
    assert!(left.iter().all(|name| !repository.join(name).exists()) && !half.exists());
    assert!(repository.join("HEAD").exists() && dir.path().join("git/notes.txt").exists());
    assert_eq!(pushes.list().unwrap(), [app()]);
    let held = pushes.hold(app()).unwrap();
    pushes.shrink(&held).await.unwrap();
    assert!(repository.exists());
    pushes.remove(&held).unwrap();
    pushes.remove(&held).unwrap();
    assert_eq!(pushes.list().unwrap(), []);
}

#[tokio::test]
async fn locks_of_a_git_that_was_cut_off_go_before_the_next_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (pushes, uploads) = opened(dir.path());
    let held = pushes.hold(app()).unwrap();
    pushes.follow(&held, None).await.unwrap();
    let repository = pushes.repository(app());
    let locks = ["HEAD.lock", "packed-refs.lock", "refs/hythe/incoming.lock"];
    let leave = || {
        fs::create_dir_all(repository.join("refs/hythe")).unwrap();
        locks.iter().for_each(|name| fs::write(repository.join(name), "").unwrap());
        // Nothing else is taken for one.
        fs::write(repository.join("config.worktree"), "").unwrap();
    };
    leave();
    pushes.follow(&held, None).await.unwrap();
    assert!(locks.iter().all(|name| !repository.join(name).exists()));
    leave();
    let none = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"no pack"))]);
    let refused = pushes.receive(&held, &uploads, &sent(), none).await.unwrap_err();
    assert!(matches!(&refused, PushError::Refused(why) if !why.contains(".lock")), "{refused}");
    assert!(locks.iter().all(|name| !repository.join(name).exists()));
    assert!(repository.join("config.worktree").exists());
}

#[tokio::test]
async fn who_comes_while_another_one_pushes_waits_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let (pushes, _) = opened(dir.path());
    let held = pushes.hold(app()).unwrap();
    let other = AppId::new(Uuid::from_u128(0x0a02));
    assert!(pushes.hold(other).is_some(), "each app has its own");
    let soon = pushes.hold_soon(app());
    let (waited, ()) = tokio::join!(soon, async { drop(held) });
    assert!(waited.is_some());
}

#[tokio::test]
async fn what_is_too_large_breaks_off_or_is_none_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (mut pushes, uploads) = opened(dir.path());
    pushes.most = 1_000;
    let held = pushes.hold(app()).unwrap();
    let pieces = |count: usize| {
        stream::iter((0..count).map(|_| Ok::<_, io::Error>(Bytes::from_static(&[7; 100]))))
    };
    let large = pushes.receive(&held, &uploads, &sent(), pieces(20)).await.unwrap_err();
    assert!(matches!(large, PushError::TooLarge { most: 1_000 }), "{large}");
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[7; 100])));
    let large = pushes.receive(&held, &uploads, &sent(), endless).await.unwrap_err();
    assert!(matches!(large, PushError::TooLarge { .. }), "{large}");
    let cut = stream::iter([Ok(Bytes::from_static(b"PACK")), Err(io::Error::other("cut"))]);
    let cut = pushes.receive(&held, &uploads, &sent(), cut).await.unwrap_err();
    assert!(matches!(cut, PushError::BrokeOff(_)), "{cut}");
    let none = pushes.receive(&held, &uploads, &sent(), pieces(2)).await.unwrap_err();
    let PushError::Refused(why) = &none else { panic!("{none}") };
    assert!(!why.contains(INCOMING) && !why.is_empty(), "{why}");
    assert!(!pushes.has(app(), &sent().commit).await);
    let kept = pushes.keep(&held, &uploads, &sent().commit).await;
    assert!(matches!(kept, Err(PushError::Refused(_))), "{kept:?}");
    assert_eq!(uploads.list().unwrap(), []);
}
