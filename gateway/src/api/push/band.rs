//! What a pusher is told: lines on the way, and at the end what came of each reference.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use hythe_core::push::RefUpdate;
use tokio::sync::mpsc;

use super::head::line;

/// Packets that wait for a slow client.
const BUFFERED: usize = 64;
/// How long a client may not read before it counts as gone.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// Bytes in one packet of a band.
const MOST: usize = 60_000;
/// Characters of one line.
const MOST_LINE: usize = 1_000;
/// The band with the report, and the one that people read.
const REPORT: u8 = 1;
const PROGRESS: u8 = 2;

/// What came of a reference; the reason, where it was not taken.
pub(super) type Came = (String, Result<(), String>);

/// The way to a pusher. That they are gone is no error: whoever has pushed may go.
#[derive(Debug)]
pub(super) struct Band {
    to: mpsc::Sender<Bytes>,
    /// Whether they read more than the report.
    side: bool,
    /// Whether they want that.
    report: bool,
}

/// A way to whoever reads the body.
pub(super) fn open(side: bool, report: bool) -> (Band, Body) {
    let (to, mut from) = mpsc::channel::<Bytes>(BUFFERED);
    let read = stream::poll_fn(move |context| {
        from.poll_recv(context).map(|bytes| bytes.map(Ok::<_, Infallible>))
    });
    (Band { to, side, report }, Body::from_stream(read))
}

impl Band {
    /// Whether they hear anything before the end.
    pub(super) fn is_heard(&self) -> bool {
        self.side && !self.to.is_closed()
    }

    /// Says a line.
    pub(super) async fn say(&self, text: &str) {
        if self.side {
            self.send(packet(PROGRESS, format!("{}\n", plain(text)).as_bytes())).await;
        }
    }

    /// Says that somebody is still there: whatever lies between would take silence for the end.
    pub(super) async fn stay(&self) {
        if self.side {
            self.send(packet(REPORT, b"")).await;
        }
    }

    /// Says what came of it. `unpacked`: why nothing of it could be used, where nothing could.
    pub(super) async fn report(self, unpacked: Result<(), &str>, came: &[Came]) {
        let mut report = match unpacked {
            Ok(()) => line("unpack ok\n"),
            Err(why) => line(&format!("unpack {}\n", plain(why))),
        };
        for (name, outcome) in came {
            report.push_str(&match outcome {
                Ok(()) => line(&format!("ok {name}\n")),
                Err(why) => line(&format!("ng {name} {}\n", plain(why))),
            });
        }
        report.push_str("0000");
        let report = report.into_bytes();
        match (self.report, self.side) {
            (false, false) => {}
            (true, false) => self.send(report.into()).await,
            (wanted, true) => {
                for part in report.chunks(MOST).filter(|_| wanted) {
                    self.send(packet(REPORT, part)).await;
                }
                self.send(Bytes::from_static(b"0000")).await;
            }
        }
    }

    async fn send(&self, bytes: Bytes) {
        // Gone already, or as good as that.
        let _gone = tokio::time::timeout(READ_WITHIN, self.to.send(bytes)).await;
    }
}

/// What came of all references where one thing came of all that were to be deployed.
pub(super) fn came(
    updates: &[RefUpdate],
    refused: &[Option<String>],
    outcome: &Result<(), String>,
) -> Vec<Came> {
    let pairs = updates.iter().zip(refused);
    let one = |(update, refused): (&RefUpdate, &Option<String>)| {
        let came = refused.clone().map_or_else(|| outcome.clone(), Err);
        (update.name.clone(), came)
    };
    pairs.map(one).collect()
}

fn packet(band: u8, bytes: &[u8]) -> Bytes {
    let mut packet = format!("{:04x}", bytes.len() + 5).into_bytes();
    packet.push(band);
    packet.extend_from_slice(bytes);
    packet.into()
}

/// A line as it is shown on somebody's terminal: without what moves the cursor, and not too long. Logs
/// of builds say whatever they like.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                // A sequence ends with a letter.
                if letters.as_str().starts_with('[') {
                    letters.next();
                    letters.by_ref().find(|c| ('@'..='~').contains(c));
                }
            }
            '\t' => plain.push(' '),
            letter if letter.is_control() => {}
            letter => plain.push(letter),
        }
    }
    match plain.char_indices().nth(MOST_LINE) {
        Some((end, _)) => format!("{}…", plain.get(..end).unwrap_or_default()),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn told(side: bool, report: bool) -> String {
        let (band, body) = open(side, report);
        let telling = async move {
            band.say("one\u{1b}[31m two\r\u{7}\tthree").await;
            band.stay().await;
            let came = [("refs/heads/main".into(), Ok(())), ("x".into(), Err("no\nway".into()))];
            band.report(Ok(()), &came).await;
        };
        let ((), body) = tokio::join!(telling, body.collect());
        String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_pusher_reads_lines_and_a_report() {
        let report = "000eunpack ok\n0017ok refs/heads/main\n000fng x noway\n0000";
        let inside = format!("{:04x}\u{1}{report}", report.len() + 5);
        let all = format!("0013\u{2}one two three\n0005\u{1}{inside}0000");
        assert_eq!(told(true, true).await, all);
        assert_eq!(told(false, true).await, report);
        assert_eq!(told(false, false).await, "");
    }

    #[tokio::test]
    async fn nobody_waits_for_one_who_is_gone() {
        let (band, body) = open(true, true);
        drop(body);
        assert!(!band.is_heard());
        for _ in 0..2 * BUFFERED {
            band.say("to nobody").await;
        }
        band.report(Err("broken"), &[]).await;
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(plain(&"é".repeat(2_000)).chars().count(), MOST_LINE + 1);
    }
}
