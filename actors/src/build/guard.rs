//! What a builder keeps its builds to: memory and processors, free room on the engine's disk, and
//! the networks that they may reach. What cannot be kept here is said, and where it must be,
//! nothing is built.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error as EngineError;
use hythe_core::deployment::Fault;
use hythe_core::wire::storage::DiskRoom;
use hythe_core::wire::worker::EngineDisk;
use tokio::time::{Instant, sleep};

use super::cgroup::{BuildLimits, Limiter};
use super::engine::Engine;
use super::firewall::{self, Confinement, Network};
use super::pressure::{Lost, Low, Place, Pressure};
use crate::docker::images::room_of;

/// From one look to the next while builds run.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the rules are taken to be in force without a look.
const CONFINED_FOR: Duration = Duration::from_secs(20);
/// How long a build waits for the engine to say which bridge builds run on.
const BRIDGE_WITHIN: Duration = Duration::from_secs(60);
/// The engine's default bridge where it does not say.
const USUAL_BRIDGE: &str = "docker0";
const MIB: u64 = 1024 * 1024;

/// What builds are kept to.
#[derive(Clone, Debug)]
pub struct GuardSettings {
    /// The most that all builds may use together; none where they are not limited.
    pub limits: Option<BuildLimits>,
    /// The fewest free bytes on the engine's disk with which builds go on.
    pub least_free_bytes: u64,
    /// The most bytes that the engine's disk may lose to one build; none where that is not limited.
    pub most_disk_bytes: Option<u64>,
    /// Whether they are kept away from this machine's networks.
    pub confinement: Confinement,
    /// Private networks that they may reach all the same.
    pub allowed: Vec<Network>,
}

impl Default for GuardSettings {
    /// Half the machine's memory and nine tenths of its processors, no fewer than 2 GiB of free
    /// disk, 32 GiB of it for one build, and no way into its networks.
    fn default() -> Self {
        let capacity = crate::node::capacity();
        let limits = BuildLimits {
            memory_bytes: capacity.memory_bytes / 2,
            cpu_millis: capacity.cpu_millis / 10 * 9,
        };
        Self {
            limits: Some(limits),
            least_free_bytes: 2 * 1024 * MIB,
            most_disk_bytes: Some(32 * 1024 * MIB),
            confinement: Confinement::Required,
            allowed: Vec::new(),
        }
    }
}

/// Keeps builds to their limits.
#[derive(Debug)]
pub(super) struct Guard {
    settings: GuardSettings,
    limiter: Mutex<Option<Limiter>>,
    remarks: Mutex<Remarks>,
    /// Where the engine keeps its images, once it said so.
    folder: Mutex<Option<PathBuf>>,
    /// When the rules were put up last.
    confined: Mutex<Option<Instant>>,
    /// Whoever puts them up: one at a time, who knows the bridge that the engine named last.
    confining: tokio::sync::Mutex<Option<String>>,
    /// Which build ends where the disk gets full.
    pressure: Pressure,
}

#[derive(Debug, Default)]
struct Remarks {
    limits: Option<String>,
    disk: Option<String>,
    network: Option<String>,
}

impl Guard {
    pub(super) fn new(settings: GuardSettings) -> Self {
        let limiter = Mutex::new(settings.limits.map(Limiter::new));
        Self {
            settings,
            limiter,
            remarks: Mutex::default(),
            folder: Mutex::default(),
            confined: Mutex::default(),
            confining: tokio::sync::Mutex::default(),
            pressure: Pressure::default(),
        }
    }

    /// What cannot be kept here, for people.
    pub(super) fn remarks(&self) -> Vec<String> {
        let Remarks { limits, disk, network } =
            &*self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        [limits, disk, network].into_iter().flatten().cloned().collect()
    }

    fn remark(&self, change: impl FnOnce(&mut Remarks)) {
        change(&mut self.remarks.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sees to everything before a build; `Err` says why it must not begin.
    pub(super) async fn admit(&self, engine: &Engine) -> Result<(), Fault> {
        self.hold_limits();
        self.confine_surely(engine).await?;
        let Some(folder) = self.engine_folder(engine).await else { return Ok(()) };
        while let Some(low) = self.low(&folder) {
            // What takes the room may be a build that was ended just now.
            if !self.pressure.settles(low, Instant::now()) {
                return Err(Fault::new(too_low(&folder, low, "builds begin")));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Does beforehand what takes a moment of it, while the source of a build is fetched, where the engine answers.
    /// What is wrong [`Guard::admit`] says.
    pub(super) async fn make_ready(&self, engine: &Engine) {
        if self.settings.confinement == Confinement::None || self.is_confined() {
            return;
        }
        let mut named = self.confining.lock().await;
        if self.is_confined() {
            return;
        }
        let Ok(bridge) = engine.bridge().await else { return };
        let bridge = named.insert(bridge);
        if let Err(fault) = self.put_up(bridge, true).await {
            tracing::debug!(why = fault.message, "a build will not begin");
        }
    }

    /// The engine begins with a build: for as long as what this answers with is kept.
    pub(super) fn begins(&self) -> Place<'_> {
        self.pressure.begins()
    }

    /// The private networks that builds may reach, where they are kept away from the others.
    pub(super) fn kept_to(&self) -> Option<&[Network]> {
        let remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.settings.confinement != Confinement::None && remarks.network.is_none();
        kept.then_some(self.settings.allowed.as_slice())
    }

    /// Looks on while the engine builds; answers when that has to end, with the reason.
    pub(super) async fn watch(&self, engine: &Engine, place: &Place<'_>) -> Fault {
        let folder = self.engine_folder(engine).await;
        let most = self.settings.most_disk_bytes;
        loop {
            // Looked at before it waits, too: what is lost is counted from here on.
            let free = folder.as_deref().and_then(|folder| self.free(folder));
            let lost = free.and_then(|free| place.takes(free, most, Instant::now()));
            if let (Some(lost), Some(most)) = (lost, most) {
                return Fault::new(too_much(lost, most));
            }
            sleep(LOOK_EVERY).await;
            self.hold_limits();
            if let Err(fault) = self.confine(engine).await {
                return fault;
            }
            let Some(folder) = &folder else { continue };
            let Some(low) = self.low(folder) else { continue };
            if let Some(others) = place.ends(low, Instant::now()) {
                let why = too_low(folder, low, "builds go on");
                return Fault::new(match others {
                    0 => why,
                    _ => format!(
                        "{why}; which build takes the room cannot be told, so the one that began last \
                         was ended, and {others} more go on"
                    ),
                });
            }
        }
    }

    /// The disk that builds need room on, where it can be seen.
    pub(super) fn disk(&self) -> Option<EngineDisk> {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let room = room_of(&folder).ok()?;
        Some(EngineDisk { room, least_free: self.settings.least_free_bytes })
    }

    /// What holds before the first build, as far as it can be told.
    pub(super) async fn prepare(&self, engine: &Engine) {
        self.hold_limits();
        // Known from here on, so that what is left there can be reported.
        let _known = self.engine_folder(engine).await;
        if let Err(fault) = self.confine(engine).await {
            tracing::error!(why = fault.message, "nothing will be built here");
        }
    }

    fn hold_limits(&self) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = limiter.as_mut() {
            limiter.hold();
            let remark = limiter.remark();
            self.remark(|remarks| remarks.limits = remark);
        }
    }

    /// Confines what comes from the bridge that builds run on, whichever that is.
    async fn confine_surely(&self, engine: &Engine) -> Result<(), Fault> {
        match self.settings.confinement {
            Confinement::Required => named_in_time(|| self.confine(engine)).await,
            // Where builds may reach all that there is, they need not wait for it either.
            Confinement::WherePossible | Confinement::None => self.confine(engine).await.map(drop),
        }
    }

    /// Answers with why the engine did not name the bridge, where it did not: the rules are put up for the one that
    /// it named last, or the usual one.
    async fn confine(&self, engine: &Engine) -> Result<Option<String>, Fault> {
        if self.settings.confinement == Confinement::None || self.is_confined() {
            return Ok(None);
        }
        let mut named = self.confining.lock().await;
        if self.is_confined() {
            return Ok(None);
        }
        match engine.bridge().await {
            Ok(bridge) => self.put_up(named.insert(bridge), true).await.map(|()| None),
            // It answers that it has none of that name.
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {
                self.put_up(USUAL_BRIDGE, true).await.map(|()| None)
            }
            Err(error) => {
                let why = error.to_string();
                let bridge = named.as_deref().unwrap_or(USUAL_BRIDGE);
                self.put_up(bridge, false).await.map(|()| Some(why))
            }
        }
    }

    /// Puts the rules up for what comes from a bridge. Where it is not `known` that builds run on that one, they
    /// are not taken to be in force for any longer.
    async fn put_up(&self, bridge: &str, known: bool) -> Result<(), Fault> {
        let Err(why) = firewall::put_up(bridge, &self.settings.allowed).await else {
            self.remark(|remarks| remarks.network = None);
            let mut confined = self.confined.lock().unwrap_or_else(PoisonError::into_inner);
            *confined = known.then(Instant::now);
            return Ok(());
        };
        match self.settings.confinement {
            Confinement::Required => {
                let text = format!(
                    "this worker builds nothing, because it cannot keep builds away from its \
                     networks ({why}); run the agent as root with iptables or nft \
                     installed, or let builds reach them with --builds-unconfined"
                );
                self.remark(|remarks| remarks.network = Some(text.clone()));
                Err(Fault::new(text))
            }
            Confinement::WherePossible | Confinement::None => {
                let text = format!(
                    "builds here can reach apps, ports of the host and private networks: they \
                     cannot be kept away ({why}); run the agent as root with iptables or nft \
                     installed"
                );
                self.remark(|remarks| remarks.network = Some(text));
                Ok(())
            }
        }
    }

    /// Whether the rules were put up lately.
    fn is_confined(&self) -> bool {
        let confined = *self.confined.lock().unwrap_or_else(PoisonError::into_inner);
        confined.is_some_and(|at| at.elapsed() < CONFINED_FOR)
    }

    async fn engine_folder(&self, engine: &Engine) -> Option<PathBuf> {
        let known = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some() {
            return known;
        }
        let folder = engine.folder().await.ok().flatten().map(PathBuf::from);
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&folder);
        folder
    }

    /// What is free for builds, where that is too little.
    fn low(&self, folder: &Path) -> Option<Low> {
        let least = self.settings.least_free_bytes;
        let free = self.free(folder)?;
        (free < least).then_some(Low { free, least })
    }

    /// What is free for builds, where that can be seen.
    fn free(&self, folder: &Path) -> Option<u64> {
        match room_of(folder) {
            Ok(DiskRoom { free, whole: _ }) => {
                self.remark(|remarks| remarks.disk = None);
                Some(free)
            }
            Err(error) => {
                let text = format!(
                    "the room that builds take cannot be watched: {}, where the engine keeps its \
                     images, cannot be looked at ({error})",
                    folder.display()
                );
                self.remark(|remarks| remarks.disk = Some(text));
                None
            }
        }
    }
}

/// Confines until the engine has named the bridge that builds run on: no build begins before. `confine` answers with
/// why it did not.
async fn named_in_time<F>(mut confine: impl FnMut() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<Option<String>, Fault>>,
{
    let until = Instant::now() + BRIDGE_WITHIN;
    while let Some(why) = confine().await? {
        if Instant::now() >= until {
            return Err(Fault::new(format!(
                "builds cannot be kept away from this machine's networks, for the container engine does not say \
                 which bridge they run on ({why}); see whether `docker network inspect bridge` answers on this \
                 worker, then deploy again, or let builds reach them with --builds-unconfined"
            )));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn too_low(folder: &Path, Low { free, least }: Low, what: &str) -> String {
    format!(
        "{} MiB are free where the engine keeps its images ({}), and {what} only with {} MiB, so that \
         apps have room; free some room there, then deploy again",
        free / MIB,
        folder.display(),
        least / MIB
    )
}

fn too_much(Lost { bytes, builds }: Lost, most: u64) -> String {
    let whose = match builds {
        1 => "while only this one was built (what apps wrote meanwhile counts, too)".to_owned(),
        _ => format!(
            "while {builds} builds were under way; which of them took more than its part cannot be told, so \
             the one that began last was ended"
        ),
    };
    format!(
        "the engine's disk lost {} MiB {whose}, and a build may take {} MiB of it (--build-disk); leave out \
         what it does not need (.dockerignore, a smaller base image, caches of tools), or let builds have more",
        bytes / MIB,
        most / MIB
    )
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_two_builds_on_a_full_disk_the_newer_one_ends_and_says_so_and_the_older_one_may_go_on()
     {
        let guard = Guard::new(GuardSettings {
            limits: None,
            least_free_bytes: u64::MAX,
            most_disk_bytes: None,
            confinement: Confinement::None,
            allowed: Vec::new(),
        });
        *guard.folder.lock().unwrap() = Some(std::env::temp_dir());
        // Nobody asks it.
        let engine = Engine::at(Path::new("/var/run/docker.sock")).unwrap();
        let (older, newer) = (guard.begins(), guard.begins());
        let mut watched = Box::pin(guard.watch(&engine, &older));
        let fault = tokio::select! {
            fault = guard.watch(&engine, &newer) => fault,
            fault = &mut watched => panic!("the older one ended: {fault:?}"),
        };
        assert!(
            fault.message.contains("the one that began last was ended, and 1 more"),
            "{fault:?}"
        );
        assert!(fault.message.contains("free some room there"), "{fault:?}");
        drop(newer);
        let admitted = guard.admit(&engine);
        let both = async {
            tokio::select! { _ = &mut watched => {}, _ = admitted => {} }
        };
        assert!(timeout(Duration::from_secs(8), both).await.is_err(), "its room is waited for");
        let fault = watched.await;
        assert!(!fault.message.contains("began last"), "{fault:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_build_begins_before_the_engine_says_which_bridge_it_runs_on() {
        let silent = || Some("it does not answer".to_owned());
        let mut asked = 0;
        let named = named_in_time(|| {
            asked += 1;
            std::future::ready(Ok(silent().filter(|_| asked < 3)))
        });
        assert_eq!(named.await, Ok(()));
        assert_eq!(asked, 3);

        let begun = Instant::now();
        let fault = named_in_time(|| std::future::ready(Ok(silent()))).await.unwrap_err();
        let in_time = BRIDGE_WITHIN..BRIDGE_WITHIN + 2 * LOOK_EVERY;
        assert!(in_time.contains(&begun.elapsed()), "{:?}", begun.elapsed());
        for part in ["it does not answer", "docker network inspect bridge", "--builds-unconfined"] {
            assert!(fault.message.contains(part), "{fault:?}");
        }
        // What cannot be put up at all is said at once.
        let refused = named_in_time(|| std::future::ready(Err(Fault::new("no iptables")))).await;
        assert_eq!(refused, Err(Fault::new("no iptables")));
        assert!(in_time.contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_a_build_took_is_said_with_what_to_do() {
        let why = too_much(Lost { bytes: 5 * MIB, builds: 1 }, 4 * MIB);
        for part in
            ["lost 5 MiB", "may take 4 MiB", "--build-disk", ".dockerignore", "what apps wrote"]
        {
            assert!(why.contains(part), "{why}");
        }
        let why = too_much(Lost { bytes: 9 * MIB, builds: 2 }, 4 * MIB);
        assert!(why.contains("2 builds were under way") && why.contains("began last"), "{why}");
    }
}
