//! The schedule and the mirror of a server that runs, in real folders, under a clock of the test's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hythe_core::app::{App, AppCommand, AppSettings};
use hythe_core::ids::AppId;
use hythe_core::installation::{BackupPlace, Installation, InstallationCommand, Mirror, Schedule};
use hythe_core::names::AppName;
use hythe_core::record::Actor;
use hythe_core::time::{Millis, Timestamp};
use hythe_store::backup::mirror::Name;
use hythe_store::backup::{BackupKey, Contents, inspect, state_hash};
use tempfile::TempDir;
use uuid::Uuid;

use super::{MirrorState, Place, mirror, names};
use crate::aggregate::Extras;
use crate::bus::NatsSettings;
use crate::clock::Clock;
use crate::control::Control;
use crate::server::{Server, ServerConfig, run};

const BEGIN: u64 = 1_790_000_000_000;
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    dir: TempDir,
    places: TempDir,
    clock: Arc<AtomicU64>,
    key: BackupKey,
    server: Option<Server>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(BEGIN));
        let (dir, places) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut this = Self { dir, places, clock, key: BackupKey::generate(), server: None };
        this.start().await;
        this
    }

    async fn start(&mut self) {
        let nats = NatsSettings {
            url: "nats://127.0.0.1:1".into(),
            user: None,
            password: None,
            logs: None,
        };
        let clock = Arc::clone(&self.clock);
        let clock = Clock::new(move || Timestamp(clock.load(Ordering::Relaxed)));
        let config = ServerConfig::new(self.dir.path().into(), nats, "localhost".parse().unwrap());
        self.server = Some(Box::pin(run(ServerConfig { clock, ..config })).await.unwrap());
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().close().await;
    }

    fn control(&self) -> &Control {
        self.server.as_ref().unwrap().control()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.places.path().join(name)
    }

    fn place(&self, name: &str) -> BackupPlace {
        BackupPlace::new(format!("file://{}", self.folder(name).display())).unwrap()
    }

    fn passes(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn extras(&self) -> Extras {
        self.control().meta(Actor::Owner, None, None).into()
    }

    async fn tell(&self, command: InstallationCommand) {
        let id = self.control().installation().uuid();
        let told = self.control().command::<Installation>(id, command, self.extras()).await;
        told.unwrap();
    }

    async fn schedule(&self, to: &str, keep: u16) {
        let recipient = self.key.recipient().clone();
        let every = Millis::seconds(60);
        let schedule = Schedule { to: self.place(to), recipient, every, keep };
        let at = self.control().clock().now();
        self.tell(InstallationCommand::SetSchedule { schedule, at }).await;
    }

    async fn create_app(&self, name: &str) {
        let id = AppId::new(Uuid::now_v7());
        let name = AppName::new(name).unwrap();
        let settings = Box::new(AppSettings::default());
        let create = AppCommand::Create { id, name, settings };
        self.control().command::<App>(id.uuid(), create, self.extras()).await.unwrap();
    }

    /// Waits until the installation is so.
    async fn until(&self, what: &str, holds: impl Fn(&Installation) -> bool) -> Installation {
        let mut seen = self.control().seen();
        let wait = async {
            loop {
                seen.mark_unchanged();
                let state = self.control().read(|view| view.installation.state.clone());
                if holds(&state) {
                    return state;
                }
                seen.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("waited for: {what}"))
    }

    /// Waits until the mirror is so.
    async fn mirrored(&self, what: &str, holds: impl Fn(&MirrorState) -> bool) {
        let mut state = self.control().backups().0.mirror.subscribe();
        let waited = tokio::time::timeout(PATIENCE, state.wait_for(holds)).await;
        assert!(waited.is_ok(), "waited for: {what}; {:?}", self.control().backups().mirror());
    }

    async fn all_mirrored(&self) {
        loop {
            let head = self.control().journal().head();
            self.mirrored("all is there", |state| state.at >= head).await;
            if self.control().journal().head() == head {
                return;
            }
        }
    }

    fn state_hash(&self) -> String {
        self.control().read(|view| state_hash(view).unwrap().to_hex().to_string())
    }

    async fn inspect_mirror(&self, name: &str) -> Contents {
        self.try_to_inspect_mirror(name, &self.key).await.unwrap()
    }

    async fn try_to_inspect_mirror(&self, name: &str, key: &BackupKey) -> Result<Contents, String> {
        let place = Place::open(&self.place(name)).unwrap();
        let to = tempfile::tempdir().unwrap();
        let parts = mirror::fetch(&place, to.path()).await.map_err(|error| error.to_string())?;
        inspect(&parts, key).map_err(|error| error.to_string())
    }

    async fn mirror_to(&self, name: &str) {
        let mirror = Mirror { to: self.place(name), recipient: self.key.recipient().clone() };
        self.tell(InstallationCommand::SetMirror(mirror)).await;
    }
}

fn backups(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| names::parse(name).is_some()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn scheduled_backups_are_made_kept_and_thinned_out() {
    let mut world = World::new().await;
    let folder = world.folder("a");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("thesis.tex"), "x").unwrap();
    world.create_app("shop").await;
    for (round, keep) in [3, 4, 2].into_iter().enumerate() {
        world.schedule("a", keep).await;
        let id = |state: &Installation| state.made.as_ref().map(|made| made.at);
        let now = world.control().clock().now();
        let state = world.until("one is made", |state| id(state) == Some(now)).await;
        let made = state.made.unwrap();
        assert_eq!(made.to, Some(world.place("a")));
        let contents = inspect(&[folder.join(&made.name)], &world.key).unwrap();
        assert_eq!((contents.head.sequence, &contents.head.hash), (made.head, &made.hash));
        assert!(contents.state_compared);
        let size = std::fs::metadata(folder.join(&made.name)).unwrap().len();
        assert_eq!(size, made.bytes);
        world.passes(5);
        if round < 2 {
            assert_eq!(backups(&folder).len(), round + 1);
        }
    }
    // The last one is noted before the old ones go.
    world.stop().await;
    world.start().await;
    world.schedule("a", 1).await;
    let begun = std::time::Instant::now();
    while backups(&folder).len() != 1 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", backups(&folder));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(folder.join("thesis.tex").exists());
    world.stop().await;
}

#[tokio::test]
async fn a_backup_that_fails_and_one_that_is_overdue_are_events() {
    let mut world = World::new().await;
    world.schedule("missing", 3).await;
    let state = world.until("it failed", |state| state.failed.is_some()).await;
    assert!(state.failed.unwrap().why.contains("no such folder"));
    assert!(!state.stale);
    world.passes(121);
    // Anything that happens to the installation makes it look.
    let to = world.place("elsewhere");
    world
        .tell(InstallationCommand::SetMirror(Mirror {
            to,
            recipient: world.key.recipient().clone(),
        }))
        .await;
    world.until("it is overdue", |state| state.stale).await;
    world.until("it failed again", |state| state.failures >= 2).await;
    std::fs::create_dir(world.folder("missing")).unwrap();
    world.passes(121);
    world.tell(InstallationCommand::RemoveMirror).await;
    let state = world.until("one is made", |state| state.made.is_some()).await;
    assert!(!state.stale && state.failed.is_none() && state.failures == 0);
    world.stop().await;
}

#[tokio::test]
async fn a_mirror_follows_through_restarts_and_trouble() {
    let mut world = World::new().await;
    let folder = world.folder("m");
    std::fs::create_dir(&folder).unwrap();
    world.create_app("before").await;
    let to = world.place("m");
    let mirror = Mirror { to, recipient: world.key.recipient().clone() };
    world.tell(InstallationCommand::SetMirror(mirror)).await;
    for n in 0..5 {
        world.create_app(&format!("app-{n}")).await;
        world.all_mirrored().await;
    }
    let contents = world.inspect_mirror("m").await;
    assert_eq!(contents.state_hash, world.state_hash());
    world.stop().await;
    world.start().await;
    world.create_app("after").await;
    world.all_mirrored().await;
    assert_eq!(world.inspect_mirror("m").await.state_hash, world.state_hash());
    let own = folder.join(format!("mirror-{}", world.control().installation()));
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1, "it went on where it was");

    // Its disk goes away: that is said, and nobody waits for it.
    std::fs::rename(&folder, world.folder("unmounted")).unwrap();
    world.create_app("meanwhile").await;
    world.mirrored("trouble", |state| state.trouble.is_some()).await;
    world.passes(60);
    let state = world.until("it is behind", |state| state.mirror_behind.is_some()).await;
    assert!(state.mirror_behind.unwrap().contains("no such folder"));
    std::fs::rename(world.folder("unmounted"), &folder).unwrap();
    world.until("it has caught up", |state| state.mirror_behind.is_none()).await;
    world.all_mirrored().await;
    assert_eq!(world.inspect_mirror("m").await.state_hash, world.state_hash());
    world.stop().await;

    // Another history, as after an older backup was restored: kept apart.
    let installation = std::fs::read(world.dir.path().join("instance")).unwrap();
    world.dir = tempfile::tempdir().unwrap();
    std::fs::write(world.dir.path().join("instance"), installation).unwrap();
    world.start().await;
    let (to, recipient) = (world.place("m"), world.key.recipient().clone());
    world.tell(InstallationCommand::SetMirror(Mirror { to, recipient })).await;
    world.create_app("anew").await;
    world.all_mirrored().await;
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 2);
    assert_eq!(world.inspect_mirror("m").await.state_hash, world.state_hash());
    world.stop().await;
}

#[tokio::test]
async fn a_mirror_for_another_key_begins_anew_and_counts_once_it_is_whole() {
    let mut world = World::new().await;
    std::fs::create_dir(world.folder("m")).unwrap();
    world.create_app("before").await;
    world.mirror_to("m").await;
    world.all_mirrored().await;
    assert_eq!(world.inspect_mirror("m").await.state_hash, world.state_hash());

    // As on a machine to which the key was not brought along.
    let before = std::mem::replace(&mut world.key, BackupKey::generate());
    world.mirror_to("m").await;
    world.create_app("after").await;
    let begun = std::time::Instant::now();
    loop {
        let found = world.try_to_inspect_mirror("m", &world.key).await;
        if found.as_ref().is_ok_and(|found| found.state_hash == world.state_hash()) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let folder = format!("mirror-{}", world.control().installation());
    let own = world.folder("m").join(&folder);
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 2);
    world.stop().await;
    world.start().await;
    world.create_app("later").await;
    world.all_mirrored().await;
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 2, "it went on where it was");
    world.stop().await;

    // The place of somebody else as well: it is said which there are, and one can be named.
    let other = world.folder("m").join("mirror-other");
    std::fs::create_dir_all(other.join("g00000001")).unwrap();
    std::fs::write(other.join("g00000001/recipient"), "age1").unwrap();
    let several = world.try_to_inspect_mirror("m", &world.key).await.unwrap_err();
    assert!(several.contains(&folder) && several.contains("/mirror-other"), "{several}");
    let named = format!("m/{folder}");
    world.try_to_inspect_mirror(&named, &world.key).await.unwrap();

    // Where only events are there yet, the one before is what a server can be made of.
    let mut gone = 0;
    for entry in std::fs::read_dir(own.join("g00000002")).unwrap() {
        let entry = entry.unwrap();
        let name = Name::parse(entry.file_name().to_str().unwrap());
        if name.is_some_and(|name| name.turn > 0) {
            std::fs::remove_file(entry.path()).unwrap();
            gone += 1;
        }
    }
    assert!(gone > 0);
    world.try_to_inspect_mirror(&named, &before).await.unwrap();
}
