//! Where a container listens instead of where it is asked, as far as that can be seen from here: most that never
//! get healthy listen on another port, or on localhost alone.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::means::Subject;
use super::{Finding, http};

/// From one look to the next, and before the first one: most take a moment to start.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look may take: the app itself is not asked meanwhile, and it may be there by now.
const LOOK_WITHIN: Duration = Duration::from_millis(500);
/// What engines resolve names with in each container.
const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
/// How `/proc/net/tcp` calls the state of what listens.
const LISTENS: &str = "0A";
/// Ports that are named.
const MOST_NAMED: usize = 5;

/// What is said of where it listens.
#[derive(Debug)]
pub(super) struct Hints {
    next: Instant,
    last: Option<String>,
}

impl Hints {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + LOOK_EVERY, last: None }
    }

    /// Adds to what a check found where else the container listens, where it found nobody.
    pub(super) async fn add(&mut self, subject: &Subject, check: Finding) -> Finding {
        if !check.what.starts_with(http::NOBODY) {
            return check;
        }
        let now = Instant::now();
        if now >= self.next {
            // An engine that is busy says nothing: what was seen before is told on.
            if let Ok(seen) = tokio::time::timeout(LOOK_WITHIN, look(subject)).await {
                self.last = seen;
            }
            self.next = now + LOOK_EVERY;
        }
        match &self.last {
            Some(hint) => Finding { what: format!("{}; {hint}", check.what), ..check },
            None => check,
        }
    }
}

async fn look(subject: &Subject) -> Option<String> {
    let port = subject.address?.port();
    let process = subject.engine.main_process(&subject.container).await.ok()??;
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{process}/{what}")).ok();
    // The number is one of the engine's machine, which may be another one.
    read("cgroup").filter(|cgroup| cgroup.contains(&subject.container))?;
    let tables: String = [read("net/tcp"), read("net/tcp6")].into_iter().flatten().collect();
    say(&listening(&tables), port)
}

/// The ports that something listens on, and whether on localhost.
fn listening(tables: &str) -> BTreeSet<(u16, bool)> {
    let of_line = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (address, port) = local.split_once(':')?;
        let address = parse(address).filter(|address| state == LISTENS && *address != RESOLVER)?;
        Some((u16::from_str_radix(port, 16).ok()?, address.is_loopback()))
    };
    tables.lines().filter_map(of_line).collect()
}

/// An address as the kernel writes it: words of four bytes as this machine has numbers.
fn parse(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let number = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(number.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at * 8)?);
            }
            Some(IpAddr::from(bytes).to_canonical())
        }
        _strange => None,
    }
}

/// What to say to whoever expected it on a port.
fn say(listening: &BTreeSet<(u16, bool)>, port: u16) -> Option<String> {
    if listening.contains(&(port, false)) {
        // By now.
        return None;
    }
    if listening.contains(&(port, true)) {
        return Some(format!(
            "it listens on localhost:{port} alone, where nobody beyond its container gets"
        ));
    }
    let open = listening.iter().filter(|(_, local)| !local).take(MOST_NAMED);
    let open: Vec<String> = open.map(|(port, _)| port.to_string()).collect();
    let or = "or have it listen where the variable PORT says";
    Some(match open.as_slice() {
        [] => format!("it listens on localhost:{} alone", listening.first()?.0),
        [one] => {
            format!("it listens on port {one}: set that (`hythe app set … --port {one}`), {or}")
        }
        [..] => format!(
            "it listens on ports {}: set the one (`hythe app set … --port PORT`), {or}",
            open.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use hythe_core::names::ImageId;

    use super::*;
    use crate::docker::Engine;

    fn line(address: &str, port: u16, state: &str) -> String {
        format!("   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000\n")
    }

    fn word(bytes: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(bytes))
    }

    fn words(address: &str) -> String {
        match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(four) => word(four.octets()),
            IpAddr::V6(six) => {
                let octets = six.octets();
                let parts = octets.chunks_exact(4).map(|part| word(part.try_into().unwrap()));
                parts.collect()
            }
        }
    }

    #[test]
    fn it_is_told_where_an_app_listens_instead() {
        let tables = |listens: &[(&str, u16)]| {
            let head = "  sl  local_address rem_address   st tx_queue rx_queue\n".to_owned();
            let all = listens.iter().map(|(address, port)| line(&words(address), *port, LISTENS));
            // The engine's own, and a connection that is under way.
            let more = [line(&words("127.0.0.11"), 33_333, LISTENS), line(&words("::1"), 9, "01")];
            all.chain(more).fold(head, |text, line| text + &line)
        };
        type Row<'a> = (&'a [(&'a str, u16)], Option<&'a str>);
        let rows: [Row<'_>; 9] = [
            (&[], None),
            (&[("0.0.0.0", 8_080)], None),
            (&[("127.0.0.1", 8_080)], Some("localhost:8080 alone, where nobody")),
            (&[("::1", 8_080), ("0.0.0.0", 9_000)], Some("localhost:8080 alone")),
            (&[("::ffff:127.0.0.1", 3_000)], Some("localhost:3000 alone")),
            (&[("0.0.0.0", 3_000)], Some("port 3000: set that (`hythe app set … --port 3000`)")),
            (&[("::", 5_000), ("127.0.0.1", 1)], Some("port 5000: set that")),
            (&[("::", 80), ("0.0.0.0", 443)], Some("ports 80, 443: set the one")),
            (&[("10.1.2.3", 7)], Some("port 7: set that")),
        ];
        for (listens, expected) in rows {
            let said = say(&listening(&tables(listens)), 8_080);
            let fits = match (&said, expected) {
                (Some(said), Some(expected)) => said.contains(expected),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(fits, "{listens:?}: {said:?}");
        }
        assert!(listening("what is no table\nat all").is_empty());
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_keeps_nobody_from_asking_the_app() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let engine = Engine::new(socket.to_str()).unwrap();
        let image = ImageId::new(format!("sha256:{}", "5a".repeat(32))).unwrap();
        let address = Some("127.0.0.1:8080".parse().unwrap());
        let subject = Subject { engine, container: "c".into(), image, address };
        let mut hints = Hints { next: Instant::now(), last: None };
        let nobody = || Finding::plain(format!("{} 8080", http::NOBODY));
        let begun = Instant::now();
        assert_eq!(hints.add(&subject, nobody()).await, nobody());
        // A sign of life alone may take an engine longer.
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
