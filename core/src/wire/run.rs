//! Commands that are run once: questions of the control plane to a worker, and the packets that go
//! between whoever began a command and the worker that runs it.
//!
//! The control plane passes packets on as they are; both ends go by [`crate::link`]. A packet is a
//! message of its own: the kind of its body (1 byte), 1 where something is missed or else 0 (1 byte),
//! its number (8 bytes, 0 where the body is not numbered), how far its sender has received and how
//! many of those it has used up (8 bytes each), all big-endian; then the body.

use serde::{Deserialize, Serialize};

use crate::argv::Argv;
use crate::ids::{AppId, DeploymentId, InstallationId, RunId, WorkerId};
use crate::inside::Inside;
use crate::names::{AppName, EnvName, ImageId};
use crate::one_off::OneOffEnd;
use crate::source::Resources;
use crate::time::{Millis, Timestamp};

/// Bytes of data in one packet.
pub const MOST_PIECE: usize = 32 * 1024;
/// Bytes of what comes before a body.
const HEAD: usize = 2 + 3 * 8;
/// Bytes of a packet.
pub const MOST_PACKET: usize = HEAD + MOST_PIECE;
/// Runs that one answer tells of.
pub const MOST_RUNS: usize = 512;

/// What a worker is asked about commands that are run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQuestion {
    /// Format of this message; 1.
    pub format: u16,
    /// Whose worker is meant.
    pub installation: InstallationId,
    /// What is asked.
    pub wanted: RunWanted,
}

/// What a worker is asked about commands that are run once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWanted {
    /// That one is run.
    Open(Box<RunOpening>),
    /// Which there are.
    List,
    /// That one is ended.
    Stop(RunId),
    /// That what a detached one wrote is sent, from the beginning to its end.
    Log {
        /// Which.
        run: RunId,
        /// Which reader this is: packets to and from it bear this in place of the run's id.
        reader: RunId,
    },
    /// That what is left of one that has ended goes.
    Forget(RunId),
}

/// A command that is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOpening {
    /// Which run this is.
    pub run: RunId,
    /// The app.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// Whose network it is on, where that is not its app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppId>,
    /// The deployment whose version it is.
    pub deployment: DeploymentId,
    /// The image.
    pub image: ImageId,
    /// What replicas of it find in `PORT`.
    pub port: u16,
    /// The most that it may use.
    pub resources: Resources,
    /// How its container is within, as those of the app are.
    #[serde(default, skip_serializing_if = "Inside::is_usual")]
    pub inside: Inside,
    /// How long it may take.
    pub within: Millis,
    /// From SIGTERM to SIGKILL.
    pub stop_within: Millis,
    /// How large its terminal is, where it has one.
    pub terminal: Option<TerminalSize>,
    /// Whether it goes on without whoever began it.
    pub detached: bool,
    /// Whether the image's entrypoint is left out.
    pub bare: bool,
    /// A [`SealedRun`] in postcard, in a box that only this worker can open.
    pub sealed: Vec<u8>,
}

/// What lies in the box: arguments may hold secrets as well as variables.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedRun {
    /// For which run: a box fits no other.
    pub run: RunId,
    /// What is run.
    pub command: Argv,
    /// Environment variables, later ones before earlier ones of the same name.
    pub variables: Vec<(EnvName, String)>,
}

impl std::fmt::Debug for SealedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedRun({}, {} variables)", self.run, self.variables.len())
    }
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAnswer {
    /// Format of this message; 1.
    pub format: u16,
    /// Who answers.
    pub worker: WorkerId,
    /// What it says.
    pub said: RunSaid,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunSaid {
    /// It is done, or under way.
    Done,
    /// What there is, at the most [`MOST_RUNS`].
    Runs(Vec<RunSeen>),
    /// It is not.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// A run that a worker knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSeen {
    /// Which.
    pub run: RunId,
    /// The app.
    pub app: AppId,
    /// How it ended, where it did.
    pub ended: Option<OneOffEnd>,
    /// When it is ended, whatever it does, by the worker's clock.
    pub until: Timestamp,
}

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// How wide.
    pub columns: u16,
    /// How high.
    pub rows: u16,
}

/// A signal that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP
    Hangup,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
    /// SIGTERM
    Terminate,
}

impl Signal {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Terminate => 15,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Hangup),
            2 => Some(Self::Interrupt),
            3 => Some(Self::Quit),
            15 => Some(Self::Terminate),
            _ => None,
        }
    }

    /// Its name, as the engine takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// What a packet brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: a sign of life.
    Nothing,
    /// Whoever began it goes: it is to be ended. Not numbered.
    Leave,
    /// Something for the program's input.
    Input(Vec<u8>),
    /// The program's input is at its end.
    InputEnd,
    /// The terminal has another size.
    Resize(TerminalSize),
    /// A signal for the program.
    Signal(Signal),
    /// Something that the program wrote to its output, or to its terminal.
    Output(Vec<u8>),
    /// Something that the program wrote to its error output.
    ErrorOutput(Vec<u8>),
    /// It has ended; nothing comes after this.
    Ended(RunEnded),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// How.
    pub end: OneOffEnd,
    /// The exit code that this means.
    pub code: u8,
    /// What people should know about it.
    pub message: Option<String>,
}

impl Body {
    /// Whether it counts: it is sent again until it arrives.
    #[must_use]
    pub const fn is_numbered(&self) -> bool {
        match self {
            Self::Nothing | Self::Leave => false,
            Self::Input(_)
            | Self::InputEnd
            | Self::Resize(_)
            | Self::Signal(_)
            | Self::Output(_)
            | Self::ErrorOutput(_)
            | Self::Ended(_) => true,
        }
    }

    /// Whether it goes to the worker, and not from it.
    #[must_use]
    pub const fn is_for_worker(&self) -> bool {
        match self {
            Self::Nothing
            | Self::Leave
            | Self::Input(_)
            | Self::InputEnd
            | Self::Resize(_)
            | Self::Signal(_) => true,
            Self::Output(_) | Self::ErrorOutput(_) | Self::Ended(_) => false,
        }
    }
}

/// One message between whoever began a command and the worker that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its number; 0 where the body is not numbered.
    pub number: u64,
    /// How far its sender has received.
    pub received: u64,
    /// How many of those it has used up.
    pub used: u64,
    /// Whether it misses something.
    pub again: bool,
    /// What it brings.
    pub body: Body,
}

/// A message that is no packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read a packet of a run: {0}")]
pub struct BadPacket(pub &'static str);

impl Packet {
    /// As a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, Vec<u8>) = match &self.body {
            Body::Nothing => (0, Vec::new()),
            Body::Leave => (1, Vec::new()),
            Body::Input(bytes) => (2, bytes.clone()),
            Body::InputEnd => (3, Vec::new()),
            Body::Resize(TerminalSize { columns, rows }) => {
                (4, [columns.to_be_bytes(), rows.to_be_bytes()].concat())
            }
            Body::Signal(signal) => (5, vec![signal.number()]),
            Body::Output(bytes) => (16, bytes.clone()),
            Body::ErrorOutput(bytes) => (17, bytes.clone()),
            Body::Ended(ended) => (18, serde_json::to_vec(ended).unwrap_or_default()),
        };
        let mut message = Vec::with_capacity(HEAD + body.len());
        message.extend([kind, u8::from(self.again)]);
        for number in [self.number, self.received, self.used] {
            message.extend(number.to_be_bytes());
        }
        message.extend(body);
        message
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`BadPacket`] where it is none.
    pub fn decode(message: &[u8]) -> Result<Self, BadPacket> {
        let bad = |why| Err(BadPacket(why));
        if message.len() > MOST_PACKET {
            return bad("it is too long");
        }
        let Some((head, body)) = message.split_at_checked(HEAD) else {
            return bad("it is too short");
        };
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&head[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let kind = match (head[0], body) {
            (0, []) => Body::Nothing,
            (1, []) => Body::Leave,
            (2, bytes) => Body::Input(bytes.to_vec()),
            (3, []) => Body::InputEnd,
            (4, [a, b, c, d]) => Body::Resize(TerminalSize {
                columns: u16::from_be_bytes([*a, *b]),
                rows: u16::from_be_bytes([*c, *d]),
            }),
            (5, [number]) => match Signal::of(*number) {
                Some(signal) => Body::Signal(signal),
                None => return bad("it has a signal that is not passed on"),
            },
            (16, bytes) => Body::Output(bytes.to_vec()),
            (17, bytes) => Body::ErrorOutput(bytes.to_vec()),
            (18, bytes) => match serde_json::from_slice(bytes) {
                Ok(ended) => Body::Ended(ended),
                Err(_) => return bad("how it ended cannot be read"),
            },
            (_, _) => return bad("it is of no kind that is known here"),
        };
        let packet = Self {
            number: number(2),
            received: number(10),
            used: number(18),
            again: head[1] != 0,
            body: kind,
        };
        if (packet.number != 0) != packet.body.is_numbered() {
            return bad("its number does not fit its kind");
        }
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_were() {
        let ended = RunEnded {
            end: OneOffEnd::Exited { code: 3, out_of_memory: false },
            code: 3,
            message: Some("so".into()),
        };
        let bodies = [
            Body::Nothing,
            Body::Leave,
            Body::Input(vec![0, 1, 255]),
            Body::Input(vec![]),
            Body::InputEnd,
            Body::Resize(TerminalSize { columns: 300, rows: 2 }),
            Body::Signal(Signal::Interrupt),
            Body::Output(vec![7; MOST_PIECE]),
            Body::ErrorOutput(vec![7]),
            Body::Ended(ended),
        ];
        for (n, body) in (1..).zip(bodies) {
            let number = if body.is_numbered() { n } else { 0 };
            let packet = Packet { number, received: 1 << 40, used: 5, again: n % 2 == 0, body };
            assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let good = Packet {
            number: 1,
            received: 0,
            used: 0,
            again: false,
            body: Body::Input(vec![0; MOST_PIECE]),
        };
        let good = good.encode();
        for cut in [0, 1, HEAD - 1] {
            assert!(Packet::decode(&good[..cut]).is_err(), "{cut}");
        }
        let mut long = good.clone();
        long.push(0);
        assert!(Packet::decode(&long).is_err());
        for (at, byte) in [(0, 3), (0, 4), (0, 5), (0, 18), (0, 99), (0, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(Packet::decode(&bad).is_err(), "{at} {byte}");
        }
        let mut unnumbered = good[..HEAD].to_vec();
        unnumbered[9] = 0;
        assert!(Packet::decode(&unnumbered).is_err(), "input without a number");
    }
}
