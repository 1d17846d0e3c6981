//! Commands that are run once, as a worker has them: it makes a container for each, refuses what it
//! knows already, ends what takes too long, and says how each ended. Those with somebody at their
//! terminal are in `terminal.rs`.
//!
//! Containers outlive the agent; what the agent remembers besides does not.

use std::collections::BTreeMap;

use hythe_core::ids::{AppId, RunId};
use hythe_core::limits;
use hythe_core::one_off::{Cut, OneOffEnd};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::{RunSaid, RunSeen};

use crate::engine::EngineDue;
use crate::faults::Kind;
use crate::network::{Body, Node, To};
use crate::plant::Plant;
use crate::schedule::Due;
use crate::terminal::Sessions;
use crate::trace::Short;
use crate::worker::NodeDue;
use crate::world::World;

/// From one look at what is left of runs to the next.
const TIDY_EVERY: u64 = 5_000;

/// What a worker is asked.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Open(Opening),
    List,
    Stop(RunId),
}

/// What it is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) run: RunId,
    pub(crate) app: AppId,
    pub(crate) within: Millis,
    /// Whether it ends with whoever waits for it.
    pub(crate) attended: bool,
}

/// A container of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunContainer {
    pub(crate) app: AppId,
    pub(crate) within: Millis,
    /// By the machine's clock.
    pub(crate) until: Timestamp,
    attended: bool,
    started: bool,
    ended: Option<OneOffEnd>,
}

impl RunContainer {
    pub(crate) const fn runs(&self) -> bool {
        self.started && self.ended.is_none()
    }

    pub(crate) const fn ended(&self) -> Option<OneOffEnd> {
        self.ended
    }
}

/// The containers of an engine.
pub(crate) type EngineRuns = BTreeMap<RunId, RunContainer>;

/// What an agent remembers.
#[derive(Debug, Default)]
pub(crate) struct NodeRuns {
    /// Those that are being begun.
    carried: BTreeMap<RunId, (AppId, Timestamp)>,
    ended: BTreeMap<RunId, RunSeen>,
    pub(crate) sessions: Sessions,
    /// Whether it is about to look after them.
    tidies: bool,
}

impl NodeRuns {
    /// Remembers how one ended, unless that is known.
    pub(crate) fn ended(&mut self, run: RunId, seen: RunSeen) {
        self.ended.entry(run).or_insert(seen);
    }
}

/// Something about a run on an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RunDue {
    /// It makes what an agent of this life asked for, because of a question.
    Begins(u32, u64, Opening),
    /// The program ends, with this exit code.
    Ends(RunId, u8),
}

fn refused(why: &str) -> RunSaid {
    RunSaid::Refused { why: why.into() }
}

impl World {
    /// A question reached an agent.
    pub(crate) fn asked_about_runs(&mut self, m: usize, number: u64, question: &Question) {
        let said = match question {
            Question::Open(opening) => match self.take_on(m, number, *opening) {
                Ok(()) => return,
                Err(why) => refused(why),
            },
            Question::List => self.list_runs(m),
            Question::Stop(run) => self.stop_run(m, *run),
        };
        self.answer_about_runs(m, number, said);
    }

    fn answer_about_runs(&mut self, m: usize, number: u64, said: RunSaid) {
        // One that is not heard is asked again.
        let _ = self.send(Node::Agent(m), To::Control, Body::Answer(number, m, said));
    }

    /// Takes a place for a run, where there is one, and has the engine make its container.
    fn take_on(&mut self, m: usize, number: u64, opening: Opening) -> Result<(), &'static str> {
        let now = self.machine_now(m);
        let machine = &mut self.machines[m];
        if !machine.engine.up {
            return Err("failed to reach the engine");
        }
        let runs = &mut machine.node.runs;
        if runs.carried.contains_key(&opening.run) || runs.ended.contains_key(&opening.run) {
            return Err("this command was run already");
        }
        let running = machine.engine.runs.values().filter(|one| one.ended.is_none()).count();
        if running.max(runs.carried.len()) >= limits::MOST_ONE_OFFS_HERE {
            return Err("too many commands run on its worker already");
        }
        runs.carried.insert(opening.run, (opening.app, now.plus(opening.within)));
        let life = machine.life;
        let after = self.random.u64(5..400);
        let begins = RunDue::Begins(life, number, opening);
        self.after(after, Due::Engine(m, EngineDue::Run(begins)));
        Ok(())
    }

    fn list_runs(&self, m: usize) -> RunSaid {
        let machine = &self.machines[m];
        if !machine.engine.up {
            return refused("failed to reach the engine");
        }
        let seen = |run: RunId, app, until, ended| (run, RunSeen { run, app, ended, until });
        let runs = machine.engine.runs.iter();
        let mut all: BTreeMap<RunId, RunSeen> =
            runs.map(|(run, one)| seen(*run, one.app, one.until, one.ended)).collect();
        let carried = machine.node.runs.carried.iter();
        all.extend(carried.map(|(run, (app, until))| seen(*run, *app, *until, None)));
        let ended = machine.node.runs.ended.iter();
        all.extend(ended.map(|(run, seen)| (*run, seen.clone())));
        RunSaid::Runs(all.into_values().collect())
    }

    fn stop_run(&mut self, m: usize, run: RunId) -> RunSaid {
        let machine = &mut self.machines[m];
        // What is just being begun is asked for again.
        if machine.node.runs.carried.contains_key(&run) {
            return RunSaid::Done;
        }
        if !machine.engine.up {
            return refused("failed to reach the engine");
        }
        if machine.engine.runs.get(&run).is_some_and(|one| one.ended.is_none()) {
            self.cut_run(m, run, Cut::Stopped);
        }
        RunSaid::Done
    }

    /// Ends a program, and remembers why.
    pub(crate) fn cut_run(&mut self, m: usize, run: RunId, cut: Cut) {
        let machine = &mut self.machines[m];
        let Some(one) = machine.engine.runs.get_mut(&run) else { return };
        one.ended = Some(OneOffEnd::Exited { code: 137, out_of_memory: false });
        let (app, until, ended) = (one.app, one.until, Some(OneOffEnd::Cut(cut)));
        let seen = RunSeen { run, app, ended, until };
        machine.node.runs.ended.entry(run).or_insert(seen);
        self.count(format_args!("run cut: {cut:?}"));
        self.note(format_args!("w{m} ends {}: {cut:?}", Short(run.uuid())));
    }

    pub(crate) fn engine_of_runs(&mut self, m: usize, due: RunDue) {
        match due {
            RunDue::Begins(life, number, opening) => {
                // Of an agent that has died, the engine may have the request already, or half of it.
                let asked = self.machines[m].up && self.machines[m].life == life;
                if !asked && self.random.bool() {
                    return;
                }
                let starts = asked || self.random.bool();
                let said = self.make_run(m, opening, starts);
                if asked {
                    self.machines[m].node.runs.carried.remove(&opening.run);
                    if opening.attended && said == RunSaid::Done {
                        self.begin_session(m, opening.run);
                    }
                    self.answer_about_runs(m, number, said);
                }
            }
            RunDue::Ends(run, code) => {
                let engine = &mut self.machines[m].engine;
                if let Some(one) = engine.runs.get_mut(&run).filter(|one| engine.up && one.runs()) {
                    one.ended = Some(OneOffEnd::Exited { code, out_of_memory: false });
                    self.note(format_args!("{} exits on w{m} with {code}", Short(run.uuid())));
                }
            }
        }
    }

    fn make_run(&mut self, m: usize, opening: Opening, starts: bool) -> RunSaid {
        let now = self.machine_now(m);
        if !self.machines[m].engine.up || self.strikes(Kind::StepFails) {
            return refused("failed to reach the engine");
        }
        let Opening { run, app, within, attended } = opening;
        let runs = &mut self.machines[m].engine.runs;
        if runs.contains_key(&run) {
            return refused("there is a container of this name");
        }
        let until = now.plus(within);
        let container = RunContainer { app, within, until, attended, started: starts, ended: None };
        runs.insert(run, container);
        self.note(format_args!("{} is made on w{m}, and starts: {starts}", Short(run.uuid())));
        self.tidy_soon(m);
        if !starts {
            return RunSaid::Done;
        }
        self.judge_run(run);
        if self.planted(Plant::RunBeginsTwice) {
            self.judge_run(run);
        }
        let takes = self.random.u64(20..90_000);
        let ends_with = match self.random.u32(..8) {
            0 => Some(3),
            // It goes on until its time is over.
            1 => None,
            _ => Some(0),
        };
        if let Some(code) = ends_with {
            self.after(takes, Due::Engine(m, EngineDue::Run(RunDue::Ends(run, code))));
        }
        RunSaid::Done
    }

    /// The engine dies with what it runs.
    pub(crate) fn runs_break(&mut self, m: usize, wiped: bool) {
        let runs = &mut self.machines[m].engine.runs;
        for one in runs.values_mut().filter(|one| one.runs()) {
            one.ended = Some(OneOffEnd::Exited { code: 137, out_of_memory: false });
        }
        if wiped {
            let lost = std::mem::take(runs);
            lost.into_keys().for_each(|run| self.truth.jobs.run_is_lost(run));
        }
    }

    /// Has an agent look after its runs, where it has some.
    pub(crate) fn tidy_soon(&mut self, m: usize) {
        let machine = &mut self.machines[m];
        if !machine.up || machine.engine.runs.is_empty() || machine.node.runs.tidies {
            return;
        }
        machine.node.runs.tidies = true;
        let life = machine.life;
        self.after(TIDY_EVERY, Due::Node(m, life, NodeDue::Tidy));
    }

    /// Ends what is over its time, and removes what an agent that is no more left half begun.
    pub(crate) fn tidy_runs(&mut self, m: usize) {
        let now = self.machine_now(m);
        let machine = &mut self.machines[m];
        machine.node.runs.tidies = false;
        let mut late = Vec::new();
        if machine.engine.up {
            let NodeRuns { carried, ended, sessions, tidies: _ } = &mut machine.node.runs;
            machine.engine.runs.retain(|run, one| {
                let (run, app, until) = (*run, one.app, one.until);
                let seen = |end| RunSeen { run, app, ended: Some(end), until };
                if carried.contains_key(&run) || sessions.contains_key(&run) {
                    return true;
                }
                if one.attended {
                    // Its session went with an agent that is no more.
                    ended.entry(run).or_insert_with(|| seen(OneOffEnd::Cut(Cut::Lost)));
                    return false;
                }
                match one.ended {
                    Some(end) => {
                        ended.entry(run).or_insert_with(|| seen(end));
                    }
                    None if !one.started => {
                        let lost = OneOffEnd::Cut(Cut::Lost);
                        ended.entry(run).or_insert_with(|| seen(lost));
                        return false;
                    }
                    None if now >= until => late.push(run),
                    None => {}
                }
                true
            });
        }
        late.into_iter().for_each(|run| self.cut_run(m, run, Cut::TooLong));
        let machine = &self.machines[m];
        if !machine.engine.up || machine.engine.runs.values().any(|one| one.ended.is_none()) {
            self.tidy_soon(m);
        }
    }
}
