//! Commands with somebody at their terminal: both ends go by the core's numbers, over messages that are
//! lost, late and out of order, and the control plane passes on what goes between them. Whoever leaves,
//! or is not heard of any more, leaves nothing running.

use std::collections::BTreeMap;

use hythe_core::ids::{AppId, RunId};
use hythe_core::link::{Link, SILENCE};
use hythe_core::one_off::{Cut, OneOffEnd};
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::{Body, Packet, RunEnded, RunSeen};

use crate::network::{Body as Message, Node, To};
use crate::plant::Plant;
use crate::runs::RunContainer;
use crate::schedule::Due;
use crate::trace::Short;
use crate::worker::NodeDue;
use crate::world::World;

/// From one look at what is to be sent to the next.
const TICK: u64 = 500;
/// Pieces that a program writes at the most.
const PIECES: u64 = 40;
/// How long after the silence of the other end a program may still run.
const SLACK: u64 = 3 * TICK;

/// Somebody at a terminal.
#[derive(Debug)]
pub(crate) struct Person {
    m: usize,
    link: Link,
    read: u64,
    leaves_at: Option<u64>,
}

/// All of them, as they are connected to the control plane.
pub(crate) type People = BTreeMap<RunId, Person>;

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Session {
    app: AppId,
    until: Timestamp,
    within: Millis,
    link: Link,
    begun: u64,
    heard: u64,
    wrote: u64,
    /// Whether it was said how it ended.
    said: bool,
}

/// Those of an agent.
pub(crate) type Sessions = BTreeMap<RunId, Session>;

impl World {
    /// Somebody waits for what a command writes.
    pub(crate) fn sit_down(&mut self, run: RunId, m: usize) {
        let leaves = self.random.u32(..3) == 0;
        let leaves_at = leaves.then(|| self.now + self.random.u64(1..40_000));
        let person = Person { m, link: Link::new(Millis(self.now)), read: 0, leaves_at };
        self.control.people.insert(run, person);
        self.after(TICK, Due::Terminal(self.control.life, run));
    }

    /// Nobody waits for it any more.
    pub(crate) fn stand_up(&mut self, run: RunId) {
        self.control.people.remove(&run);
    }

    /// What is due at somebody's end.
    pub(crate) fn look_at_terminal(&mut self, run: RunId) {
        let at = self.now;
        let Some(person) = self.control.people.get_mut(&run) else { return };
        let (m, now) = (person.m, Millis(at));
        if person.leaves_at.is_some_and(|leaves_at| at >= leaves_at) {
            let packet = person.link.leave(now);
            self.stand_up(run);
            self.count("left their terminal");
            return self.pass_on(Node::Control, To::Worker(m), run, vec![packet]);
        }
        if person.link.is_silent(now) {
            self.count("terminal lost");
            return self.stand_up(run);
        }
        let packets = person.link.due(now);
        self.pass_on(Node::Control, To::Worker(m), run, packets);
        self.after(TICK, Due::Terminal(self.control.life, run));
    }

    /// What is lost is made good by the ends.
    fn pass_on(&mut self, from: Node, to: To, run: RunId, packets: Vec<Packet>) {
        for packet in packets {
            let _ = self.send(from, to, Message::Packet(run, packet));
        }
    }

    /// Something reaches somebody's end.
    pub(crate) fn person_hears(&mut self, run: RunId, packet: Packet) {
        let now = Millis(self.now);
        let Some(person) = self.control.people.get_mut(&run) else { return };
        match person.link.hear(packet, now) {
            Some(Body::Output(bytes)) => {
                person.link.used_one();
                let expected = person.read;
                person.read += 1;
                self.judge_piece(run, expected, &bytes);
            }
            Some(Body::Ended(_)) => {
                let read = person.read;
                self.judge_last_word(run, read);
                self.count("heard how it ended");
                self.stand_up(run);
            }
            Some(
                Body::Nothing
                | Body::Leave
                | Body::Input(_)
                | Body::InputEnd
                | Body::Resize(_)
                | Body::Signal(_)
                | Body::ErrorOutput(_),
            )
            | None => {}
        }
    }

    /// An agent attends to a command that it has begun.
    pub(crate) fn begin_session(&mut self, m: usize, run: RunId) {
        let at = self.now;
        let machine = &mut self.machines[m];
        let Some(one) = machine.engine.runs.get(&run) else { return };
        let RunContainer { app, until, within, .. } = *one;
        let link = Link::new(Millis(at));
        let session =
            Session { app, until, within, link, begun: at, heard: at, wrote: 0, said: false };
        machine.node.runs.sessions.insert(run, session);
        let life = machine.life;
        self.after(TICK, Due::Node(m, life, NodeDue::Terminal(run)));
    }

    /// What is due at a worker's end.
    pub(crate) fn look_at_session(&mut self, m: usize, run: RunId) {
        let (at, now) = (self.now, Millis(self.now));
        let container = self.machines[m].engine.runs.get(&run).copied();
        let Some(session) = self.machines[m].node.runs.sessions.get(&run) else { return };
        let Some(one) = container else {
            // Its engine lost it.
            return self.end_session(m, run, OneOffEnd::Cut(Cut::Lost));
        };
        if one.runs() {
            let unheard = at - session.heard;
            let silent = session.link.is_silent(now);
            let late = at - session.begun >= session.within.0;
            self.judge_session(run, unheard, SILENCE.0 + SLACK);
            if silent && self.plant != Some(Plant::NobodyNoticesSilence) {
                self.cut_run(m, run, Cut::ClientGone);
            } else if late {
                self.cut_run(m, run, Cut::TooLong);
            }
        }
        let ended = self.machines[m].engine.runs.get(&run).and_then(RunContainer::ended);
        let skips = self.planted(Plant::TerminalsSkip);
        let Some(session) = self.machines[m].node.runs.sessions.get_mut(&run) else { return };
        let mut packets = Vec::new();
        match ended {
            None if session.link.has_room() && session.wrote < PIECES => {
                let piece = session.wrote + u64::from(skips);
                session.wrote += 1;
                packets.push(session.link.send(Body::Output(piece.to_be_bytes().to_vec()), now));
            }
            Some(end) if session.link.has_margin() && !session.said => {
                session.said = true;
                let ended = RunEnded { end, code: end.exit_code(), message: None };
                packets.push(session.link.send(Body::Ended(ended), now));
            }
            Some(_) | None => {}
        }
        packets.extend(session.link.due(now));
        // For a planted fault: one more piece that was never sent.
        let unsent = self.plant == Some(Plant::EndComesEarly) && ended.is_some();
        let wrote = session.wrote + u64::from(unsent);
        let heard_out = session.link.all_received() || session.link.is_silent(now);
        let over = ended.filter(|_| session.said && heard_out);
        self.truth.terminals.has_written(run, wrote);
        self.pass_on(Node::Agent(m), To::Control, run, packets);
        if let Some(end) = over {
            return self.end_session(m, run, end);
        }
        let life = self.machines[m].life;
        self.after(TICK, Due::Node(m, life, NodeDue::Terminal(run)));
    }

    /// Something reaches a worker's end.
    pub(crate) fn session_hears(&mut self, m: usize, run: RunId, packet: Packet) {
        let at = self.now;
        let Some(session) = self.machines[m].node.runs.sessions.get_mut(&run) else { return };
        session.heard = at;
        let leaves = session.link.hear(packet, Millis(at)) == Some(Body::Leave);
        let runs = self.machines[m].engine.runs.get(&run).is_some_and(RunContainer::runs);
        if leaves && runs && self.plant != Some(Plant::NobodyNoticesSilence) {
            self.cut_run(m, run, Cut::ClientGone);
        }
    }

    /// Its container goes with it.
    fn end_session(&mut self, m: usize, run: RunId, end: OneOffEnd) {
        let machine = &mut self.machines[m];
        let Some(session) = machine.node.runs.sessions.remove(&run) else { return };
        let seen = RunSeen { run, app: session.app, ended: Some(end), until: session.until };
        machine.node.runs.ended(run, seen);
        if machine.engine.up {
            machine.engine.runs.remove(&run);
        }
        self.note(format_args!("the session of {} on w{m} is over", Short(run.uuid())));
    }
}
