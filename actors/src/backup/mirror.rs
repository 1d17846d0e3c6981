//! The mirror: what the journal grows by is somewhere else within a second.
//!
//! It only reads the journal, so it never holds anybody up; where its place is slow or gone it
//! falls behind, says so, and catches up. What is there is read from the names in the place, so
//! that it goes on after a restart where it ended. A journal of another history (restored from an
//! older backup, say) begins anew beside what is there, and so does one for another key: parts that
//! no one key opens are no mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hythe_core::installation::{self, InstallationCommand};
use hythe_core::record::Sequence;
use hythe_store::backup::mirror::{self as parts, Name, Stored};
use hythe_store::backup::{Known, records_only, segment};
use hythe_store::journal::record::{GENESIS, Hash};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::MirrorState;
use super::place::{Place, PlaceError};
use crate::control::Control;

/// From one part to the next at the least. With the time that writing one takes, this is what can
/// be lost.
const APART: Duration = Duration::from_millis(300);
/// Events that it may be behind and still be whole with its next part: more than come about in a second.
const FAR: u64 = 64 * 1024;
/// Events of one part while it has further to go: what lies beside them comes when it has caught up.
const MOST_EVENTS: u64 = 8 * 1024;
/// Small parts after which everything beside the log is said again, and small ones are merged.
const WHOLE_EVERY: u64 = 64;
/// Further behind than this is an event.
const BEHIND_AFTER: Duration = Duration::from_secs(15);
/// First and longest pause after a failure.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_MOST: Duration = Duration::from_secs(30);
/// What says for whom the parts beside it were made.
const RECIPIENT: &str = "recipient";
/// Bytes of that that are looked at.
const MOST_RECIPIENT: u64 = 256;
/// How long writing one part may take.
const PUT_WITHIN: Duration = Duration::from_secs(60);

/// Keeps the mirror until `stop` is cancelled.
///
/// # Errors
/// Where the projection is gone.
pub(crate) async fn run(control: Control, stop: CancellationToken) -> Result<(), String> {
    let mut seen = control.seen();
    loop {
        seen.mark_unchanged();
        let wanted = control.read(|view| view.installation.state.mirror.clone());
        let Some(wanted) = wanted else {
            control.backups().0.mirror.send_replace(MirrorState::default());
            match stop.run_until_cancelled(seen.changed()).await {
                None => return Ok(()),
                Some(Ok(())) => continue,
                Some(Err(_)) => return Err("the projection is gone".into()),
            }
        };
        let keeping = keep(&control, &wanted);
        if stop.run_until_cancelled(keeping).await.is_none() {
            return Ok(());
        }
    }
}

fn wanted(control: &Control, mirror: &installation::Mirror) -> bool {
    control.read(|view| view.installation.state.mirror.as_ref() == Some(mirror))
}

/// Mirrors until something else is wanted.
async fn keep(control: &Control, mirror: &installation::Mirror) {
    let mut pause = AGAIN_FIRST;
    let mut shipper = None;
    let (mut head, mut seen) = (control.journal().watch(), control.seen());
    while wanted(control, mirror) {
        head.mark_unchanged();
        seen.mark_unchanged();
        let at = shipper.as_ref().map_or(Sequence(0), |shipper: &Shipper| shipper.at.0);
        note_waiting(control, at);
        let result = match &mut shipper {
            Some(shipper) => shipper.ship(control).await,
            None => Shipper::open(control, mirror).await.map(|opened| {
                shipper = Some(opened);
            }),
        };
        match result {
            Ok(()) => {
                pause = AGAIN_FIRST;
                note_shipped(control, shipper.as_ref()).await;
                let done = shipper.as_ref().is_some_and(|s| s.done(control.journal().head()));
                let apart = tokio::time::sleep(APART);
                if done {
                    // Of what is wanted the view hears a little later than the journal.
                    let grown = tokio::select! {
                        grown = head.changed() => grown,
                        grown = seen.changed() => grown,
                    };
                    if grown.is_err() {
                        return;
                    }
                }
                apart.await;
            }
            Err(why) => {
                tracing::warn!(%why, "the mirror could not be written; trying again");
                note_trouble(control, &why).await;
                // What is there is read again: nobody knows what became of the last part.
                shipper = None;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(AGAIN_MOST);
            }
        }
    }
}

fn note_waiting(control: &Control, at: Sequence) {
    let (head, now) = (control.journal().head(), control.clock().now());
    control.backups().0.mirror.send_if_modified(|state| {
        let waits = head > at;
        if waits && state.waiting_since.is_none() {
            state.waiting_since = Some(now);
        }
        waits
    });
}

async fn note_shipped(control: &Control, shipper: Option<&Shipper>) {
    let Some(shipper) = shipper else { return };
    let (head, now) = (control.journal().head(), control.clock().now());
    let whole = shipper.done(head);
    control.backups().0.mirror.send_modify(|state| {
        state.at = shipper.at.0;
        state.parts = shipper.stored.len();
        state.trouble = None;
        // What came meanwhile waits since now at the earliest.
        state.waiting_since = (!whole).then_some(now);
        if whole {
            state.whole_at = now;
        }
    });
    let behind = control.read(|view| view.installation.state.mirror_behind.is_some());
    if whole && behind {
        control.note(InstallationCommand::NoteMirrorCaughtUp).await;
    }
}

async fn note_trouble(control: &Control, why: &str) {
    let now = control.clock().now();
    control.backups().0.mirror.send_modify(|state| {
        state.trouble = Some(why.to_owned());
        state.waiting_since.get_or_insert(now);
    });
    let state = control.backups().mirror();
    let waited = state.waiting_since.map_or(0, |since| now.since(since).0);
    if Duration::from_millis(waited) >= BEHIND_AFTER {
        control.note(InstallationCommand::NoteMirrorBehind { why: why.to_owned() }).await;
    }
}

type Merging = JoinHandle<Result<Merged, String>>;

/// A merge that ended.
struct Merged {
    part: Stored,
    gone: Vec<Name>,
}

struct Shipper {
    place: Place,
    mirror: installation::Mirror,
    stored: Vec<Stored>,
    /// The last event that is there, and its hash.
    at: (Sequence, Hash),
    turn: u64,
    /// What the parts hold beside the log, where that is known.
    known: Option<(Known, Sequence)>,
    /// The turn of the last part that said everything.
    whole: u64,
    merging: Option<Merging>,
}

/// The folder of an installation's mirror.
fn folder(installation: hythe_core::ids::InstallationId) -> String {
    format!("mirror-{installation}")
}

impl Shipper {
    /// Looks at what is there.
    async fn open(control: &Control, mirror: &installation::Mirror) -> Result<Self, String> {
        let failed = |error: PlaceError| format!("failed to {error}");
        let place = Place::open(&mirror.to).map_err(failed)?;
        let own = place.below(&folder(control.installation()));
        let (mut generation, mut stored) = newest(&own).await.map_err(failed)?;
        let (at, hash, mut turn) = parts::end(&stored);
        let before = own.below(&generation_folder(generation));
        let made_for = before.read(RECIPIENT, 0..MOST_RECIPIENT).await.map_err(failed)?;
        // One from before this was written down is taken for one of the same key.
        let made_for = made_for.map(|(text, _)| text);
        let other_key = made_for
            .as_ref()
            .is_some_and(|text| text.trim_ascii() != mirror.recipient.as_str().as_bytes());
        let control = control.clone();
        let known = tokio::task::spawn_blocking(move || hash_at(&control, at));
        let known = known.await.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
        let same = known.filter(|known| hash.is_none_or(|hash| Name::hash(&hex(known)) == hash));
        let at = match same.filter(|_| !other_key) {
            Some(hash) => (at, hash),
            None => {
                let what = if other_key { "parts for another key" } else { "another history" };
                tracing::warn!(generation, "the mirror holds {what}; beginning anew beside it");
                generation += 1;
                (stored, turn) = (Vec::new(), 0);
                (Sequence(0), GENESIS)
            }
        };
        let place = own.below(&generation_folder(generation));
        if made_for.is_none() || stored.is_empty() {
            let text = format!("{}\n", mirror.recipient.as_str());
            place.put(RECIPIENT, text.into()).await.map_err(failed)?;
        }
        let mirror = mirror.clone();
        Ok(Self { place, mirror, stored, at, turn, known: None, whole: 0, merging: None })
    }

    fn done(&self, head: Sequence) -> bool {
        self.at.0 == head && self.known.is_some()
    }

    /// Writes the next part, where there is something for it.
    async fn ship(&mut self, control: &Control) -> Result<(), String> {
        self.settle_merge().await;
        let head = control.journal().head();
        if self.done(head) {
            return Ok(());
        }
        if head.0 - self.at.0.0 > FAR {
            let upto = Sequence(self.at.0.0 + MOST_EVENTS);
            return self.ship_records(control, upto).await;
        }
        let again = self.turn + 1 - self.whole >= WHOLE_EVERY && self.merging.is_none();
        if again {
            self.known = None;
        }
        let everything = self.known.is_none();
        let (control_, recipient, at) = (control.clone(), self.mirror.recipient.clone(), self.at);
        let known = self.known.take();
        let written = tokio::task::spawn_blocking(move || {
            let about = control_.about()?;
            let borrowed = known.as_ref().map(|(known, at)| (known, *at));
            let journal = control_.journal();
            let done = segment(journal, &about, &recipient, at, borrowed, Vec::new())?;
            Ok::<_, hythe_store::backup::BackupError>((done, known))
        });
        let (done, before) = written
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("failed to {error}"))?;
        let name = Name {
            after: self.at.0,
            upto: done.part.head.sequence,
            turn: self.turn + 1,
            hash: Name::hash(&done.part.head.hash),
        };
        self.put(&name, done.out).await?;
        self.turn += 1;
        self.at = (done.part.head.sequence, done.hash);
        let known = done.known.or_else(|| before.map(|(known, _)| known));
        self.known = known.map(|known| (known, done.part.secrets_changed));
        if everything {
            self.whole = self.turn;
            self.begin_merge(control);
        }
        Ok(())
    }

    /// Events alone, while there is far to go.
    async fn ship_records(&mut self, control: &Control, upto: Sequence) -> Result<(), String> {
        let (from, recipient) = (self.at, self.mirror.recipient.clone());
        let (to, bytes) = write_records(control, recipient, from, upto).await?;
        let hash = Name::hash(&hex(&to.1));
        let name = Name { after: from.0, upto, turn: 0, hash };
        self.put(&name, bytes).await?;
        self.at = to;
        Ok(())
    }

    async fn put(&mut self, name: &Name, bytes: Vec<u8>) -> Result<(), String> {
        let stored = put(&self.place, name, bytes).await?;
        self.stored.push(stored);
        Ok(())
    }

    /// Merges in the background: what comes meanwhile is mirrored as fast as ever.
    fn begin_merge(&mut self, control: &Control) {
        if self.merging.is_some() {
            return;
        }
        let gone = parts::superfluous(&self.stored);
        let run = parts::mergeable(&self.stored, self.whole);
        if gone.is_empty() && run.is_none() {
            return;
        }
        let (control, place, stored) = (control.clone(), self.place.clone(), self.stored.clone());
        let recipient = self.mirror.recipient.clone();
        self.merging =
            Some(tokio::spawn(
                async move { merge(&control, &place, recipient, stored, run).await },
            ));
    }

    async fn settle_merge(&mut self) {
        if !self.merging.as_ref().is_some_and(JoinHandle::is_finished) {
            return;
        }
        let Some(merging) = self.merging.take() else { return };
        match merging.await.map_err(|error| error.to_string()).and_then(|merged| merged) {
            Ok(Merged { part, gone }) => {
                if !self.stored.iter().any(|stored| stored.name == part.name) {
                    self.stored.push(part);
                }
                self.stored.retain(|stored| !gone.contains(&stored.name));
            }
            Err(why) => tracing::warn!(%why, "parts of the mirror could not be merged"),
        }
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        if let Some(merging) = &self.merging {
            merging.abort();
        }
    }
}

/// The larger part first, then the smaller ones go: whoever restores meanwhile finds everything.
async fn merge(
    control: &Control,
    place: &Place,
    recipient: installation::BackupRecipient,
    mut stored: Vec<Stored>,
    run: Option<Vec<Stored>>,
) -> Result<Merged, String> {
    let mut part = stored.first().cloned();
    if let Some((first, last)) = run.as_ref().and_then(|run| Some((run.first()?, run.last()?))) {
        let (after, upto) = (first.name.after, last.name.upto);
        if after < upto {
            let control_ = control.clone();
            let hash = tokio::task::spawn_blocking(move || hash_at(&control_, after)).await;
            let hash = hash.map_err(|error| error.to_string())?.map_err(|e| e.to_string())?;
            let from = (after, hash.ok_or("the journal ends before its mirror")?);
            let (to, bytes) = write_records(control, recipient, from, upto).await?;
            let name = Name { after, upto, turn: 0, hash: Name::hash(&hex(&to.1)) };
            let merged = put(place, &name, bytes).await?;
            stored.push(merged.clone());
            part = Some(merged);
        }
    }
    let gone = parts::superfluous(&stored);
    for name in &gone {
        place.remove(&name.to_string()).await.map_err(|error| format!("failed to {error}"))?;
    }
    let part = part.ok_or("there is nothing to merge")?;
    Ok(Merged { part, gone })
}

async fn write_records(
    control: &Control,
    recipient: installation::BackupRecipient,
    from: (Sequence, Hash),
    upto: Sequence,
) -> Result<((Sequence, Hash), Vec<u8>), String> {
    let control = control.clone();
    let written = tokio::task::spawn_blocking(move || {
        let about = control.about()?;
        let hash = hash_at(&control, upto)?.unwrap_or(GENESIS);
        let to = (upto, hash);
        let bytes = records_only(control.journal(), &about, &recipient, from, to, Vec::new())?;
        Ok::<_, hythe_store::backup::BackupError>((to, bytes))
    });
    let written = written.await.map_err(|error| error.to_string())?;
    written.map_err(|error| format!("failed to {error}"))
}

async fn put(place: &Place, name: &Name, bytes: Vec<u8>) -> Result<Stored, String> {
    let stored = Stored { name: name.clone(), bytes: bytes.len() as u64 };
    let text = name.to_string();
    let begun = Instant::now();
    match tokio::time::timeout(PUT_WITHIN, place.put(&text, bytes.into())).await {
        Ok(Ok(())) => {
            tracing::debug!(name = text, took = ?begun.elapsed(), "wrote a part of the mirror");
            Ok(stored)
        }
        Ok(Err(error)) => Err(format!("failed to {error}")),
        Err(_) => Err(format!("writing a part of the mirror took longer than {PUT_WITHIN:?}")),
    }
}

/// The hash of an event; none beyond the journal's end. Blocks on the disk.
fn hash_at(control: &Control, at: Sequence) -> Result<Option<Hash>, hythe_store::StoreError> {
    if at == Sequence(0) {
        return Ok(Some(GENESIS));
    }
    if at > control.journal().head() {
        return Ok(None);
    }
    let found = control.journal().read_stored(Sequence(at.0 - 1), 1)?;
    Ok(found.first().map(|stored| stored.hash))
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn generation_folder(generation: u32) -> String {
    format!("g{generation:08}")
}

/// The histories that lie in the folder of an installation's mirror, by their number, and their parts.
async fn histories(own: &Place) -> Result<BTreeMap<u32, Vec<Stored>>, PlaceError> {
    let mut found: BTreeMap<u32, Vec<Stored>> = BTreeMap::new();
    for object in own.list().await? {
        let Some((folder, name)) = object.name.split_once('/') else { continue };
        let Some(generation) = generation_of(folder) else { continue };
        let Some(name) = Name::parse(name) else { continue };
        found.entry(generation).or_default().push(Stored { name, bytes: object.bytes });
    }
    Ok(found)
}

fn generation_of(folder: &str) -> Option<u32> {
    folder.strip_prefix('g')?.parse().ok()
}

/// The newest of them.
async fn newest(own: &Place) -> Result<(u32, Vec<Stored>), PlaceError> {
    Ok(histories(own).await?.pop_last().unwrap_or((1, Vec::new())))
}

/// Fetches the parts of a mirror in their order, into a folder: of the newest history of which all that
/// it takes is there, and no further than what is complete.
///
/// # Errors
/// See [`PlaceError`]; there is no mirror, or there are several.
pub async fn fetch(place: &Place, to: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    let objects = place.list().await?;
    let folders: BTreeSet<&str> =
        objects.iter().filter_map(|object| Some(object.name.split_once('/')?.0)).collect();
    let mirrors: Vec<&str> =
        folders.iter().copied().filter(|folder| folder.starts_with("mirror-")).collect();
    let own = match mirrors.as_slice() {
        [folder] => place.below(folder),
        // The folder of one installation's mirror itself.
        [] if folders.iter().any(|folder| generation_of(folder).is_some()) => place.clone(),
        [] => {
            return Err(place.unfit(
                "there is no mirror; is this the place that was given to `hythe backup mirror`?",
            ));
        }
        [_, _, ..] => {
            return Err(place.unfit(&format!(
                "there are mirrors of several installations; add to the place which one is meant: /{}",
                mirrors.join(", /")
            )));
        }
    };
    let found = histories(&own).await?;
    let mut complete =
        found.iter().rev().map(|(generation, stored)| (generation, parts::restorable(stored)));
    let Some((generation, names)) = complete.find(|(_, names)| !names.is_empty()) else {
        return Err(place.unfit("the mirror is empty, or nothing of it is complete yet"));
    };
    let own = own.below(&generation_folder(*generation));
    let mut fetched = Vec::new();
    for name in names {
        let path = to.join(name.to_string());
        own.fetch(&name.to_string(), &path).await?;
        fetched.push(path);
    }
    Ok(fetched)
}
