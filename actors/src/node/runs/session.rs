//! A command from its beginning to its end: its container, and the way to whoever runs it.

use std::time::Duration;

use hythe_core::ids::{AppId, RunId};
use hythe_core::names::EnvName;
use hythe_core::one_off::{Cut, OneOffEnd};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::{MOST_PIECE, RunEnded, RunOpening, RunSaid, SealedRun};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::carry::{Heard, Pieces, Way};
use super::log::log;
use super::{Carried, Runs, until};
use crate::docker::attach::{Input, Output};
use crate::docker::{EngineError, files};
use crate::node::clock;
use crate::node::guard::guarded;
use crate::node::steps::Tools;

/// Pieces of input that wait for the program: more than a window and its margin.
const MOST_INPUTS: usize = 64;
/// How long the engine may take to say how a command ended whose output is at its end.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How long a command that is ended may take beyond its own time for that.
const CUT_SLACK: Duration = Duration::from_secs(20);
/// How long a command may take to end in order when the agent itself stops.
const HASTY: Millis = Millis(2_000);
/// Names that Hythe sets.
const OWN: [&str; 4] = ["PORT", "HYTHE_APP", "HYTHE_DEPLOYMENT", "HYTHE_RUN"];

/// What was in a box, as the engine takes it.
struct Unsealed {
    command: Vec<String>,
    environment: Vec<String>,
    /// Values that stand in files, as an archive.
    files: Option<Zeroizing<Vec<u8>>>,
}

/// A command that was made ready.
struct Ready {
    runs: Runs,
    run: RunId,
    app: AppId,
    until: Timestamp,
    within: Millis,
    stop_within: Millis,
    container: String,
    stop: CancellationToken,
}

impl Runs {
    /// Runs a command: makes its container, and the rest in the background.
    pub(super) async fn open(&self, opening: RunOpening) -> RunSaid {
        let running = match self.containers().await {
            Ok(all) => all.iter().filter(|one| one.ended.is_none()).count(),
            Err(error) => return RunSaid::Refused { why: format!("failed to {error}") },
        };
        let carried = Carried {
            app: opening.app,
            until: until(opening.within),
            stop: CancellationToken::new(),
        };
        if let Err(why) = self.reserve(opening.run, carried.clone(), running) {
            return RunSaid::Refused { why };
        }
        let run = opening.run;
        let begun = guarded(Box::pin(self.begin(opening, carried))).await;
        match begun.unwrap_or_else(Err) {
            Ok(()) => RunSaid::Done,
            Err(why) => {
                self.release(run);
                RunSaid::Refused { why }
            }
        }
    }

    async fn begin(&self, opening: RunOpening, carried: Carried) -> Result<(), String> {
        let failed = |error: EngineError| format!("failed to {error}");
        let engine = &self.tools.engine;
        let Unsealed { command, environment, files } = self.unseal(&opening)?;
        let owner = &self.tools.owner;
        let until = carried.until;
        let made = engine.make_one_off(owner, &opening, until, command, environment);
        let container = made.await.map_err(|error| {
            if error.not_found() {
                format!("its image is not on this worker ({error}); deploy it again")
            } else {
                failed(error)
            }
        })?;
        if let Some(files) = files
            && let Err(error) = engine.fill(&container, &files).await
        {
            self.remove(&container).await;
            return Err(failed(error));
        }
        let ready = Ready {
            runs: self.clone(),
            run: opening.run,
            app: opening.app,
            until,
            within: opening.within,
            stop_within: opening.stop_within,
            container: container.clone(),
            stop: carried.stop,
        };
        let begun = if opening.detached {
            let started = engine.start_one_off(&container).await.map_err(failed);
            started.map(|()| self.release(ready.run))
        } else {
            ready.attach(&opening).await
        };
        if begun.is_err() {
            self.remove(&container).await;
        }
        begun
    }

    fn unseal(&self, opening: &RunOpening) -> Result<Unsealed, String> {
        let bytes = self.tools.keys.unseal(&opening.sealed).map_err(|error| error.to_string())?;
        let SealedRun { run, command, variables } =
            postcard::from_bytes(&bytes).map_err(|_| "what it is to run cannot be read")?;
        if run != opening.run {
            return Err("what it is to run belongs to another run".into());
        }
        let own = [
            opening.port.to_string(),
            opening.app_name.to_string(),
            opening.deployment.to_string(),
            opening.run.to_string(),
        ];
        // Of two of one name the later one counts.
        let value = |name: &EnvName| {
            let found = variables.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let files = files::archive(&opening.inside, value)?;
        let in_files = opening.inside.in_files();
        let given = variables
            .iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()) && !in_files.contains(name));
        let environment = given
            .map(|(name, value)| format!("{name}={value}"))
            .chain(OWN.iter().zip(own).map(|(name, value)| format!("{name}={value}")))
            .collect();
        Ok(Unsealed { command: command.words().to_vec(), environment, files })
    }

    async fn remove(&self, container: &str) {
        if let Err(error) = self.tools.engine.remove_one_off(container).await {
            tracing::warn!(%error, "a command's container is removed later");
        }
    }

    /// Sends what a detached command wrote, from the beginning to its end.
    pub(super) async fn read(&self, run: RunId, reader: RunId) -> RunSaid {
        let refused = |why: String| RunSaid::Refused { why };
        let found = match self.containers().await {
            Ok(all) => all.into_iter().find(|one| one.run == run && one.detached),
            Err(error) => return refused(format!("failed to {error}")),
        };
        let Some(one) = found else {
            return refused("what it wrote is gone, or it was not detached".into());
        };
        let way = match Way::open(&self.bus, reader).await {
            Ok(way) => way,
            Err(why) => return refused(format!("failed to {why}")),
        };
        let runs = self.clone();
        self.tasks.spawn(async move { runs.send_log(way, &one.id).await });
        RunSaid::Done
    }

    async fn send_log(&self, mut way: Way, container: &str) {
        let Tools { engine, owner, .. } = &self.tools;
        let mut pieces = log(engine.clone(), *owner, container.to_owned());
        loop {
            tokio::select! {
                heard = way.next() => if matches!(heard, Some(Heard::Gone)) { return },
                piece = pieces.recv(), if way.has_room() => match piece {
                    Some(piece) => way.piece(piece).await,
                    None => break,
                },
                () = self.stop.cancelled() => return,
            }
            way.flush().await;
        }
        let end = self.how_it_ended(container).await.unwrap_or(OneOffEnd::Cut(Cut::Lost));
        way.last_word(RunEnded { end, code: end.exit_code(), message: None }).await;
    }

    /// How the program of a container ended; none where that is not known in time.
    async fn how_it_ended(&self, container: &str) -> Option<OneOffEnd> {
        let until = Instant::now() + END_WITHIN;
        let mut wait = Duration::from_millis(5);
        while Instant::now() < until {
            match self.tools.engine.one_off(&self.tools.owner, container).await {
                Ok(Some(one)) => {
                    if let Some((end, _at)) = one.ended {
                        return Some(end);
                    }
                }
                Ok(None) => return None,
                Err(error) => tracing::debug!(%error, "how a command ended is asked again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(250));
        }
        None
    }
}

impl Ready {
    /// Attaches to the container, and carries on in the background.
    async fn attach(self, opening: &RunOpening) -> Result<(), String> {
        let engine = self.runs.tools.engine.clone();
        let way = Way::open(&self.runs.bus, self.run).await?;
        let terminal = opening.terminal;
        let attached = engine.attach(&self.container, terminal.is_some()).await;
        let (input, output) = attached.map_err(|error| format!("failed to {error}"))?;
        let tasks = self.runs.tasks.clone();
        tasks.spawn(async move {
            let runs = self.runs.clone();
            let (run, app, until) = (self.run, self.app, self.until);
            let container = self.container.clone();
            let carried = guarded(Box::pin(async move {
                match engine.start_one_off(&self.container).await {
                    Ok(()) => {
                        if let Some(size) = terminal
                            && let Err(error) = engine.resize_one_off(&self.container, size).await
                        {
                            tracing::debug!(%error, "a terminal keeps its size");
                        }
                        self.carry(way, input, output).await;
                    }
                    Err(error) => self.did_not_start(way, &error).await,
                }
            }));
            if let Err(why) = carried.await {
                tracing::error!(%run, why, "the session of a command broke off");
                runs.remove(&container).await;
            }
            runs.ended(run, app, until, OneOffEnd::Cut(Cut::Lost));
            runs.release(run);
        });
        Ok(())
    }

    async fn did_not_start(self, mut way: Way, error: &EngineError) {
        let end = OneOffEnd::NotStarted;
        self.runs.remove(&self.container).await;
        self.runs.ended(self.run, self.app, self.until, end);
        let message = Some(format!("failed to start it: {error}"));
        way.last_word(RunEnded { end, code: end.exit_code(), message }).await;
    }

    async fn carry(self, mut way: Way, input: Input, output: Output) {
        let engine = &self.runs.tools.engine;
        let mut pieces = pieces(output);
        let (inputs, mut used) = writer(input);
        let mut cut: Option<(Cut, Instant)> = None;
        loop {
            let mut why = None;
            tokio::select! {
                heard = way.next() => match heard {
                    None => {}
                    Some(Heard::Gone) => why = Some(Cut::ClientGone),
                    Some(Heard::Input(bytes)) => {
                        // There is room: no more comes than the window and its margin.
                        let _full = inputs.try_send(Some(bytes));
                    }
                    Some(Heard::InputEnd) => {
                        let _full = inputs.try_send(None);
                    }
                    Some(Heard::Resize(size)) => {
                        let resized = engine.resize_one_off(&self.container, size).await;
                        if let Err(error) = resized {
                            tracing::debug!(%error, "a terminal keeps its size");
                        }
                    }
                    Some(Heard::Signal(signal)) => {
                        let told = engine.signal_one_off(&self.container, signal).await;
                        if let Err(error) = told {
                            tracing::debug!(%error, "a signal was not passed on");
                        }
                    }
                },
                // What is written while it is ended is passed on as long as somebody reads it.
                piece = pieces.recv(), if way.has_room() || cut.is_some() => match piece {
                    Some(piece) if way.has_room() => way.piece(piece).await,
                    Some(_nobody_reads_it) => {}
                    None => break,
                },
                Some(()) = used.recv() => way.used_one(),
                () = self.stop.cancelled(), if cut.is_none() => why = Some(Cut::Stopped),
                () = self.runs.stop.cancelled(), if cut.is_none() => why = Some(Cut::Lost),
            }
            if way.age() >= clock::span(self.within) {
                why = why.or(Some(Cut::TooLong));
            }
            match (cut, why) {
                (None, Some(why)) => {
                    cut = Some((why, Instant::now()));
                    self.end(why);
                }
                (Some((_, since)), _) => {
                    if since.elapsed() >= clock::span(self.stop_within) + CUT_SLACK {
                        break;
                    }
                }
                (None, None) => {}
            }
            way.flush().await;
        }
        let seen = match cut {
            Some((why, _)) => Some(OneOffEnd::Cut(why)),
            None => self.runs.how_it_ended(&self.container).await,
        };
        // Its output ended without it: the engine let go of it.
        let end = seen.unwrap_or(OneOffEnd::Cut(Cut::Lost));
        self.runs.remove(&self.container).await;
        self.runs.ended(self.run, self.app, self.until, end);
        let message = match end {
            OneOffEnd::Exited { out_of_memory: true, .. } => Some("it ran out of memory".into()),
            OneOffEnd::Exited { out_of_memory: false, .. } => None,
            OneOffEnd::NotStarted | OneOffEnd::Cut(_) => Some(end.to_string()),
        };
        if !matches!(cut, Some((Cut::ClientGone, _))) {
            way.last_word(RunEnded { end, code: end.exit_code(), message }).await;
        }
    }

    /// Ends the program in the background; its output ends with it.
    fn end(&self, why: Cut) {
        let within = if why == Cut::Lost { self.stop_within.min(HASTY) } else { self.stop_within };
        let (runs, container) = (self.runs.clone(), self.container.clone());
        self.runs.tasks.spawn(async move { runs.stop_container(&container, within).await });
    }
}

/// Reads what a program writes, one piece ahead.
fn pieces(mut output: Output) -> Pieces {
    let (tell, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            match output.next(MOST_PIECE).await {
                Ok(Some(piece)) => {
                    if tell.send(piece).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "the output of a command broke off");
                    return;
                }
            }
        }
    });
    pieces
}

/// Writes to a program's input, and says of each piece when it is used up. What a program does not
/// want any more is dropped.
fn writer(mut input: Input) -> (mpsc::Sender<Option<Vec<u8>>>, mpsc::Receiver<()>) {
    let (inputs, mut wanted) = mpsc::channel::<Option<Vec<u8>>>(MOST_INPUTS);
    let (tell, used) = mpsc::channel(MOST_INPUTS);
    tokio::spawn(async move {
        while let Some(piece) = wanted.recv().await {
            let written = match &piece {
                Some(bytes) => input.write_all(bytes).await,
                None => input.shutdown().await,
            };
            if let Err(error) = written {
                tracing::debug!(%error, "a command does not take its input any more");
            }
            if tell.send(()).await.is_err() {
                return;
            }
        }
    });
    (inputs, used)
}
