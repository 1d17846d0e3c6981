//! Two ends that talk over messages which may be lost, repeated or late, and lose nothing.
//!
//! What counts is numbered. Each end says with every packet how far it has received and how much of
//! that it has used up; whoever sends keeps what was not received, sends it again where it is
//! missed, and has at most a window of it that is not used up. So a slow reader stops a fast writer,
//! and neither end, nor what is between them, ever holds more than a window. Both ends give signs of
//! life, so that either notices when the other is gone.
//!
//! Pure: time is what the caller says it is.

use std::collections::VecDeque;

use crate::time::Millis;
use crate::wire::run::{Body, Packet};

/// Pieces of data that may be under way and not used up.
pub const WINDOW: u64 = 16;
/// Further bodies (signals, sizes of windows) that go out even where the window is full.
pub const MARGIN: u64 = 16;
/// The longest from one packet to the next.
pub const HEARTBEAT: Millis = Millis(2_000);
/// Whoever is not heard of for this long is gone.
pub const SILENCE: Millis = Millis(15_000);
/// From one request for what is missing, and one answer to it, to the next.
const AGAIN_APART: Millis = Millis(200);
/// First and longest wait for a sign that something arrived.
const PATIENCE_FIRST: Millis = Millis(3_000);
const PATIENCE_MOST: Millis = Millis(12_000);
/// So much that was received or used up is told without waiting for the next heartbeat.
const TELL_AFTER: u64 = WINDOW / 4;

/// One end.
#[derive(Debug)]
pub struct Link {
    /// Numbered bodies that were sent.
    sent: u64,
    /// Those of them that the other end may not have.
    unreceived: VecDeque<(u64, Body)>,
    /// How many of them the other end has used up.
    used_there: u64,
    received: u64,
    used: u64,
    /// What was last told of both.
    told: (u64, u64),
    /// Something came out of turn: it is to be told at once.
    owes: bool,
    misses: bool,
    /// The other end misses something.
    missed: bool,
    heard: Millis,
    said: Millis,
    asked_again: Millis,
    sent_again: Millis,
    /// When something was last known to arrive, or the first thing under way was sent.
    progress: Millis,
    patience: Millis,
}

impl Link {
    /// A new end.
    #[must_use]
    pub const fn new(now: Millis) -> Self {
        Self {
            sent: 0,
            unreceived: VecDeque::new(),
            used_there: 0,
            received: 0,
            used: 0,
            told: (0, 0),
            owes: true,
            misses: false,
            missed: false,
            heard: now,
            said: now,
            asked_again: Millis(0),
            sent_again: Millis(0),
            progress: now,
            patience: PATIENCE_FIRST,
        }
    }

    /// Whether another piece of data may be sent.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.sent - self.used_there < WINDOW
    }

    /// Whether something small may be sent although the window is full.
    #[must_use]
    pub const fn has_margin(&self) -> bool {
        self.sent - self.used_there < WINDOW + MARGIN
    }

    /// Whether everything that was sent has arrived.
    #[must_use]
    pub fn all_received(&self) -> bool {
        self.unreceived.is_empty()
    }

    /// Whether the other end has not been heard of for so long that it is gone.
    #[must_use]
    pub const fn is_silent(&self, now: Millis) -> bool {
        now.0.saturating_sub(self.heard.0) >= SILENCE.0
    }

    /// Numbers a body; the packet is to be sent. Whoever calls has seen that there is room.
    pub fn send(&mut self, body: Body, now: Millis) -> Packet {
        if self.unreceived.is_empty() {
            self.progress = now;
            self.patience = PATIENCE_FIRST;
        }
        self.sent += 1;
        self.unreceived.push_back((self.sent, body.clone()));
        self.packet(self.sent, body, now)
    }

    /// Takes a packet in; what it brought is given out once, and in order.
    pub fn hear(&mut self, packet: Packet, now: Millis) -> Option<Body> {
        let Packet { number, received, used, again, body } = packet;
        self.heard = now;
        // Claims of what never was sent mean nothing.
        if received <= self.sent && used <= received {
            let before = self.unreceived.len();
            self.unreceived.retain(|(number, _)| *number > received);
            if self.unreceived.len() < before {
                self.progress = now;
                self.patience = PATIENCE_FIRST;
            }
            self.used_there = self.used_there.max(used);
        }
        self.missed |= again;
        if !body.is_numbered() {
            return (body != Body::Nothing).then_some(body);
        }
        if number != self.received + 1 {
            self.owes = true;
            self.misses |= number > self.received;
            return None;
        }
        if self.received - self.used >= WINDOW + MARGIN {
            // More than was allowed: whoever sends like this may send it again.
            return None;
        }
        self.received = number;
        Some(body)
    }

    /// One of the bodies that were given out is used up.
    pub const fn used_one(&mut self) {
        if self.used < self.received {
            self.used += 1;
        }
    }

    /// All that is known here is to be told at once.
    pub const fn tell(&mut self) {
        self.owes = true;
    }

    /// What is to be sent now; to be asked after everything that happens, and several times in each
    /// second.
    pub fn due(&mut self, now: Millis) -> Vec<Packet> {
        let past = |since: Millis, span: Millis| now.0.saturating_sub(since.0) >= span.0;
        let mut packets = Vec::new();
        let again: Vec<(u64, Body)> = if self.missed && past(self.sent_again, AGAIN_APART) {
            self.unreceived.iter().cloned().collect()
        } else if !self.unreceived.is_empty() && past(self.progress, self.patience) {
            self.patience = Millis((self.patience.0 * 2).min(PATIENCE_MOST.0));
            self.unreceived.front().cloned().into_iter().collect()
        } else {
            Vec::new()
        };
        if !again.is_empty() {
            (self.sent_again, self.progress) = (now, now);
            packets.extend(again.into_iter().map(|(number, body)| self.packet(number, body, now)));
        }
        if past(self.sent_again, AGAIN_APART) || !packets.is_empty() {
            self.missed = false;
        }
        let asks_again = self.misses && past(self.asked_again, AGAIN_APART);
        let news =
            self.received - self.told.0 >= TELL_AFTER || self.used - self.told.1 >= TELL_AFTER;
        if self.owes || news || asks_again || past(self.said, HEARTBEAT) {
            let mut packet = self.packet(0, Body::Nothing, now);
            if asks_again {
                packet.again = true;
                self.asked_again = now;
                self.misses = false;
            }
            packets.push(packet);
        }
        packets
    }

    /// A last word, which is not numbered and not sent again.
    pub fn leave(&mut self, now: Millis) -> Packet {
        self.packet(0, Body::Leave, now)
    }

    const fn packet(&mut self, number: u64, body: Body, now: Millis) -> Packet {
        self.said = now;
        self.owes = false;
        self.told = (self.received, self.used);
        Packet { number, received: self.received, used: self.used, again: false, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way between two ends that loses, repeats and delays.
    struct Way {
        random: fastrand::Rng,
        bad: bool,
        under_way: Vec<(u64, Packet)>,
    }

    impl Way {
        fn put(&mut self, packets: Vec<Packet>, now: u64) {
            for packet in packets {
                let copies = match self.random.u8(..100) {
                    _ if !self.bad => 1,
                    0..10 => 0,
                    10..15 => 2,
                    _ => 1,
                };
                for _ in 0..copies {
                    let late = if self.bad { self.random.u64(0..300) } else { 1 };
                    self.under_way.push((now + late, packet.clone()));
                }
            }
        }

        fn take(&mut self, now: u64) -> Vec<Packet> {
            let (come, stay) = self.under_way.drain(..).partition(|(at, _)| *at <= now);
            self.under_way = stay;
            come.into_iter().map(|(_, packet)| packet).collect()
        }
    }

    /// Sends so many pieces over a way; says when the last was used up.
    fn carried(seed: u64, bad: bool, pieces: u64, slow: bool) -> u64 {
        let way =
            |n| Way { random: fastrand::Rng::with_seed(seed + n), bad, under_way: Vec::new() };
        let (mut there, mut back) = (way(0), way(1));
        let (mut from, mut to) = (Link::new(Millis(0)), Link::new(Millis(0)));
        let mut random = fastrand::Rng::with_seed(seed + 2);
        let (mut sent, mut got, mut waiting) = (0_u64, 0_u64, 0_u64);
        for now in 0..3_600_000 {
            let at = Millis(now);
            while sent < pieces && from.has_room() {
                let piece = Body::Output(sent.to_be_bytes().to_vec());
                there.put(vec![from.send(piece, at)], now);
                sent += 1;
            }
            for packet in there.take(now) {
                if let Some(body) = to.hear(packet, at) {
                    assert_eq!(body, Body::Output(got.to_be_bytes().to_vec()), "in order, once");
                    got += 1;
                    waiting += 1;
                }
            }
            assert!(waiting <= WINDOW, "bounded: {waiting}");
            if waiting > 0 && (!slow || random.u8(..100) == 0) {
                waiting -= 1;
                to.used_one();
            }
            for packet in back.take(now) {
                assert_eq!(from.hear(packet, at), None);
            }
            if now % 5 == 0 {
                there.put(from.due(at), now);
                back.put(to.due(at), now);
            }
            assert!(!from.is_silent(at) && !to.is_silent(at), "both are heard of");
            if got == pieces && waiting == 0 && from.all_received() {
                return now;
            }
        }
        panic!("seed {seed}: {got} of {pieces} pieces came");
    }

    #[test]
    fn everything_comes_once_and_in_order_over_a_bad_way() {
        for seed in 0..20 {
            carried(seed * 10, true, 200, seed % 2 == 0);
        }
    }

    #[test]
    fn over_a_good_way_nothing_is_sent_twice_and_nobody_waits() {
        let took = carried(1, false, 1_000, false);
        assert!(took < 8_000, "{took} ms");
        let mut link = Link::new(Millis(0));
        let packet = link.send(Body::Output(vec![1]), Millis(0));
        assert_eq!(packet.number, 1);
        assert!(link.due(Millis(1_000)).is_empty(), "it may still be under way");
        assert_eq!(link.due(Millis(3_000)).len(), 1, "the piece, which tells all the rest as well");
    }

    #[test]
    fn who_says_nothing_is_gone_and_who_claims_too_much_is_not_believed() {
        let mut link = Link::new(Millis(0));
        assert!(!link.is_silent(Millis(14_999)));
        assert!(link.is_silent(SILENCE));
        for _ in 0..WINDOW {
            link.send(Body::Output(vec![]), Millis(0));
        }
        assert!(!link.has_room() && link.has_margin());
        let mut claim =
            Packet { number: 0, received: 99, used: 99, again: false, body: Body::Nothing };
        link.hear(claim.clone(), Millis(1));
        assert!(!link.has_room() && !link.all_received());
        (claim.received, claim.used) = (WINDOW, 1);
        link.hear(claim, Millis(1));
        assert!(link.has_room() && link.all_received());
        // More than the window and its margin is not taken.
        let mut link = Link::new(Millis(0));
        let taken = (1..=100).filter(|number| {
            let body = Body::Input(vec![]);
            let packet = Packet { number: *number, received: 0, used: 0, again: false, body };
            link.hear(packet, Millis(0)).is_some()
        });
        assert_eq!(taken.count() as u64, WINDOW + MARGIN);
    }
}
