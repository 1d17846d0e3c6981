//! Mirrors: what they save, who may read them, and what becomes of broken ones.

use std::path::Path;

use hythe_core::source::Reference;
use sha2::{Digest, Sha256};

use super::super::{Access, GitError, Mirrors};
use super::world::{World, commit, git, tag};

const DEFAULT: Reference = Reference::DefaultBranch;

/// Text that cannot be made much smaller.
fn noise(bytes: usize) -> String {
    let mut block = Sha256::digest(b"noise").to_vec();
    let mut text = String::new();
    while text.len() < bytes {
        block = Sha256::digest(&block).to_vec();
        text.extend(block.iter().map(|byte| format!("{byte:02x}")));
    }
    text
}

type Damage = fn(&Path);

fn packs(mirror: &Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(mirror.join("git/objects/pack")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|end| end == "pack")).collect()
}

#[tokio::test]
async fn only_what_is_new_is_fetched_and_all_of_it_is_there() {
    let world = World::new();
    let big = noise(1 << 20);
    let repository = world.repository("app", &[("big", &big), ("small", "one")]);
    let first = world.fetch("app", DEFAULT).await.unwrap();
    assert!(world.server.sent() > 400_000, "all of it");
    let before = world.server.sent();
    let id = repository.commit(&[("small", "two"), ("new", "file")]);
    let second = world.fetch("app", DEFAULT).await.unwrap();
    assert!(world.server.sent() - before < 20_000, "{} bytes", world.server.sent() - before);
    assert_eq!((second.commit(), second.read("small").as_str()), (id.as_str(), "two"));
    assert_eq!((second.read("big"), second.read("new")), (big, "file".to_owned()));
    assert_eq!(first.read("small"), "one", "what another build has stays");
    let records = world.mirrors.records().unwrap();
    assert_eq!(records.len(), 1);
    assert!(records[0].what.ends_with("/app.git") && records[0].bytes > 400_000, "{records:?}");
    assert!(!records[0].in_use && records[0].used_at.0 > 0);
}

#[tokio::test]
async fn what_is_built_is_what_the_server_has_now_or_what_was_recorded() {
    let world = World::new();
    let repository = world.repository("app", &[("file", "one")]);
    let first = repository.commit(&[("file", "two")]);
    world.fetch("app", DEFAULT).await.unwrap();
    // The branch moves on: the commit that was asked for stays the one that is built.
    repository.commit(&[("file", "three")]);
    assert_eq!(world.fetch("app", commit(&first)).await.unwrap().read("file"), "two");
    // Pushed by force, from another beginning.
    git(repository.folder(), &["checkout", "-q", "--orphan", "again"]);
    std::fs::write(repository.folder().join("file"), "anew").unwrap();
    git(repository.folder(), &["commit", "-q", "-a", "-m", "anew"]);
    git(repository.folder(), &["push", "-q", "-f", "origin", "HEAD:main"]);
    let anew = world.fetch("app", DEFAULT).await.unwrap();
    assert_eq!(anew.read("file"), "anew");
    git(repository.path(), &["tag", "-a", "-m", "one", "v1", &first]);
    assert_eq!(world.fetch("app", tag("v1")).await.unwrap().commit(), first);
    // What the server does not have any more is not built, although the mirror has it.
    git(repository.path(), &["tag", "-d", "v1"]);
    git(repository.path(), &["reflog", "expire", "--expire=now", "--all"]);
    git(repository.path(), &["gc", "-q", "--prune=now"]);
    let Err(gone) = world.fetch("app", commit(&first)).await else { panic!("it was fetched") };
    assert!(matches!(gone, GitError::CommitNotFound { .. }), "{gone}");
    assert_eq!(world.fetch("app", DEFAULT).await.unwrap().read("file"), "anew");
    assert_eq!(world.mirrors().len(), 1);
}

#[tokio::test]
async fn who_may_not_read_a_repository_any_more_gets_nothing_out_of_its_mirror() {
    let canary = "canary-1f0c2d";
    let world = World::private(canary);
    let repository = world.repository("app", &[("file", "one")]);
    let id = repository.commit(&[]);
    let good = world.token(canary);
    world.fetch_with("app", DEFAULT, &good).await.unwrap();
    assert_eq!(world.mirrors().len(), 1);
    let refused =
        async |access: &Access, reference| match world.fetch_with("app", reference, access).await {
            Err(error) => error,
            Ok(_) => panic!("it was fetched"),
        };
    for reference in [DEFAULT, commit(&id)] {
        let none = refused(&Access::default(), reference.clone()).await;
        assert!(matches!(none, GitError::NeedsCredentials { .. }), "{none}");
        let other = refused(&world.token("other"), reference).await;
        assert!(matches!(other, GitError::TokenRefused { .. }), "{other}");
    }
    // Taken away on the server: the same token, and what lies here, are worth nothing.
    world.server.change_password("x-access-token", "changed");
    for reference in [DEFAULT, commit(&id)] {
        let revoked = refused(&good, reference).await;
        assert!(matches!(revoked, GitError::TokenRefused { .. }), "{revoked}");
    }
    assert_eq!(world.mirrors().len(), 1, "what is refused leaves nothing, and takes nothing");
    // Another one begins with a mirror of its own.
    let sent = world.server.sent();
    world.fetch_with("app", commit(&id), &world.token("changed")).await.unwrap();
    assert!(world.server.sent() > sent);
    assert_eq!(world.mirrors().len(), 2);
    let all = crate::build::tests::secrets::files_below(world.folder.path());
    for secret in [canary, "changed"] {
        assert!(!crate::build::tests::secrets::holds(&all, secret), "{secret} is on the disk");
    }
}

#[tokio::test]
async fn a_broken_mirror_is_made_anew_and_fails_no_build() {
    let world = World::new();
    let repository = world.repository("app", &[("file", "one"), ("other", "file")]);
    let damages: [(&str, Damage); 7] = [
        ("packs cut off", |mirror| {
            for pack in packs(mirror) {
                std::fs::remove_file(&pack).unwrap();
                std::fs::write(pack, "").unwrap();
            }
        }),
        ("packs full of something else", |mirror| {
            for pack in packs(mirror) {
                let length = std::fs::read(&pack).unwrap().len();
                std::fs::remove_file(&pack).unwrap();
                std::fs::write(pack, vec![7; length]).unwrap();
            }
        }),
        ("packs gone", |mirror| {
            packs(mirror).iter().for_each(|pack| std::fs::remove_file(pack).unwrap());
        }),
        ("no objects", |mirror| {
            std::fs::remove_dir_all(mirror.join("git/objects")).unwrap();
        }),
        ("a configuration of something else", |mirror| {
            std::fs::write(mirror.join("git/config"), "[core\n\0").unwrap();
        }),
        ("halves and locks of a git that was killed", |mirror| {
            std::fs::write(mirror.join("git/objects/pack/tmp_pack_x"), "half").unwrap();
            std::fs::write(mirror.join("git/shallow.lock"), "").unwrap();
            std::fs::write(mirror.join("writing"), "").unwrap();
        }),
        ("a commit that is not there", |mirror| {
            let kept = mirror.join("git/refs/kept");
            std::fs::write(kept.join("1".repeat(40)), "1".repeat(40)).unwrap();
            std::fs::write(kept.join("2".repeat(40)), "").unwrap();
        }),
    ];
    world.fetch("app", DEFAULT).await.unwrap();
    for (what, damage) in damages {
        let [mirror] = &world.mirrors()[..] else { panic!("one mirror: {what}") };
        damage(mirror);
        repository.commit(&[("file", what)]);
        let fetched = world.fetch("app", DEFAULT).await;
        let fetched = fetched.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((fetched.read("file").as_str(), fetched.read("other").as_str()), (what, "file"));
        // Thrown away, or good: the next ones are fetched by way of it.
        world.fetch("app", DEFAULT).await.unwrap();
        let sent = world.server.sent();
        repository.commit(&[("file", "next")]);
        assert_eq!(world.fetch("app", DEFAULT).await.unwrap().read("file"), "next", "{what}");
        assert!(world.server.sent() > sent);
    }
}

#[tokio::test]
async fn what_was_cut_off_by_the_end_of_the_builder_is_not_trusted() {
    let world = World::new();
    drop(world.repository("app", &[("file", "one")]));
    world.fetch("app", DEFAULT).await.unwrap();
    let folder = world.folder.path().join("mirrors");
    let [mirror] = &world.mirrors()[..] else { panic!("one mirror") };
    drop(Mirrors::open(&folder).unwrap());
    assert!(mirror.exists(), "a whole one stays");
    std::fs::write(mirror.join("writing"), "").unwrap();
    std::fs::create_dir(folder.join("gone-1")).unwrap();
    drop(Mirrors::open(&folder).unwrap());
    assert_eq!(world.mirrors(), Vec::<std::path::PathBuf>::new());
    // The names stay what they were.
    let again = Mirrors::open(&folder).unwrap();
    assert_eq!(again.name("u", &["open"]), world.mirrors.name("u", &["open"]));
    assert_ne!(again.name("u", &["open"]), again.name("u", &["token", "open"]));
    assert_ne!(again.name("ab", &["c"]), again.name("a", &["bc"]));
}

#[tokio::test]
async fn builds_of_one_repository_at_once_do_not_get_in_each_others_way() {
    let world = World::new();
    let repository = world.repository("app", &[("file", "0")]);
    for round in 1..4 {
        let content = round.to_string();
        let id = repository.commit(&[("file", &content)]);
        let references = [DEFAULT, commit(&id), DEFAULT, commit(&id), DEFAULT, DEFAULT];
        let fetches = references.map(|reference| world.fetch("app", reference));
        for fetched in futures_util::future::join_all(fetches).await {
            assert_eq!(fetched.unwrap().read("file"), content);
        }
    }
    assert_eq!(world.mirrors().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_is_used_stays_and_one_that_is_not_goes_when_it_is_told_to() {
    let world = World::new();
    drop(world.repository("app", &[("file", "0")]));
    world.fetch("app", DEFAULT).await.unwrap();
    let record = world.mirrors.records().unwrap().remove(0);
    let held = world.mirrors.hold(record.id.as_str()).await.unwrap();
    assert!(world.mirrors.records().unwrap()[0].in_use);
    assert_eq!(world.mirrors.remove(&record.id).unwrap(), 0);
    let reading = held.lock.downgrade();
    assert_eq!(world.mirrors.remove(&record.id).unwrap(), 0);
    drop(reading);
    assert_eq!(world.mirrors.remove(&record.id).unwrap(), record.bytes);
    assert_eq!(world.mirrors.records().unwrap(), []);
    assert_eq!(world.mirrors.remove(&record.id).unwrap(), 0);
    assert_eq!(world.mirrors().len(), 0);
}

#[tokio::test]
async fn a_mirror_does_not_grow_with_every_build() {
    let world = World::new();
    let repository = world.repository("app", &[("file", "0"), ("other", &noise(10_000))]);
    for n in 0..30 {
        repository.commit(&[("file", &noise(4_000 + n))]);
        world.fetch("app", DEFAULT).await.unwrap();
    }
    let [mirror] = &world.mirrors()[..] else { panic!("one mirror") };
    assert!(packs(mirror).len() <= 25, "{:?}", packs(mirror));
    let kept = std::fs::read_dir(mirror.join("git/refs/kept")).unwrap().count();
    assert_eq!(kept, 16);
}
