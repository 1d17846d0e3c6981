//! Ports: whether an address leads to a service, and which of its ports that leads to.

use super::notes::Notes;
use super::tree::{Node, Tree};
use super::units;

/// Ports on which something else than HTTP is spoken, in nearly every file that publishes them.
const OTHER: &[(u16, &str)] = &[
    (21, "FTP"),
    (22, "ssh"),
    (25, "SMTP"),
    (53, "DNS"),
    (110, "POP3"),
    (143, "IMAP"),
    (389, "LDAP"),
    (445, "SMB"),
    (465, "SMTP"),
    (587, "SMTP"),
    (636, "LDAP"),
    (993, "IMAP"),
    (995, "POP3"),
    (1025, "SMTP"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (1883, "MQTT"),
    (1935, "RTMP"),
    (2181, "ZooKeeper"),
    (2222, "ssh"),
    (3306, "MySQL"),
    (4222, "NATS"),
    (5432, "PostgreSQL"),
    (5433, "PostgreSQL"),
    (5671, "AMQP"),
    (5672, "AMQP"),
    (6379, "Redis"),
    (6380, "Redis"),
    (6543, "PostgreSQL"),
    (7687, "Neo4j"),
    (8883, "MQTT"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9300, "Elasticsearch's nodes among one another"),
    (11211, "memcached"),
    (25565, "Minecraft"),
    (26257, "CockroachDB"),
    (27017, "MongoDB"),
    (61616, "ActiveMQ"),
];
/// Ports on which HTTP is spoken within TLS, nearly always beside another one without.
const WITHIN_TLS: [u16; 3] = [443, 8443, 9443];

/// What a service says of its ports.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// The ports that are published and may speak HTTP, with their lines.
    published: Vec<(u16, u64)>,
    /// The first of any.
    first: Option<u16>,
    /// What a label says of the address, which goes before all else.
    pub(super) wanted: Option<Wanted>,
}

/// What a label says of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None.
    None,
    /// One, to whatever port there is.
    Any,
    /// One, to this port.
    To(u16),
}

impl Ports {
    /// `ports`.
    pub(super) fn publish(&mut self, key: &str, node: &Node, notes: &mut Notes) {
        let Some(items) = node.items() else {
            if !node.is_null() {
                notes.left(node.line, key, "it is a list of ports");
            }
            return;
        };
        for item in items {
            match &item.value {
                Tree::Map(_) => self.long(key, item, notes),
                Tree::Text(_) | Tree::Number(_) => {
                    self.short(key, item.line, &item.text().unwrap_or_default(), notes);
                }
                Tree::Null | Tree::Bool(_) | Tree::List(_) => {
                    notes.left(item.line, key, "it is no port");
                }
            }
        }
    }

    /// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`
    fn short(&mut self, key: &str, line: u64, text: &str, notes: &mut Notes) {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let mut parts = ports.rsplit(':');
        let target = parts.next().unwrap_or_default();
        let published = parts.next().filter(|published| !published.is_empty());
        self.one(key, line, (target, protocol, published), notes);
    }

    fn long(&mut self, key: &str, item: &Node, notes: &mut Notes) {
        let text = |name: &str| item.get(name).and_then(Node::text);
        for field in item.fields().unwrap_or_default() {
            match field.name.as_str() {
                "target" | "protocol" | "published" | "name" | "mode" | "app_protocol" => {}
                "host_ip" => notes.left(
                    field.line,
                    &format!("{key}.host_ip"),
                    "no port of the machine is opened: its address is its host name",
                ),
                name => {
                    let known =
                        ["target", "published", "host_ip", "protocol", "app_protocol", "mode"];
                    notes.unknown(field.line, &format!("{key}.{name}"), name, &known);
                }
            }
        }
        let protocol = text("protocol").unwrap_or_else(|| "tcp".into());
        let (target, published) = (text("target").unwrap_or_default(), text("published"));
        self.one(key, item.line, (&target, &protocol, published.as_deref()), notes);
    }

    fn one(
        &mut self,
        key: &str,
        line: u64,
        (target, protocol, published): (&str, &str, Option<&str>),
        notes: &mut Notes,
    ) {
        if protocol != "tcp" {
            let why = format!("no address leads to a port of {}", super::notes::shown(protocol));
            return notes.left(line, key, why);
        }
        if target.contains('-') {
            return notes.left(line, key, "an address leads to one port, not to a range of them");
        }
        let Some(port) = target.parse::<u16>().ok().filter(|port| *port > 0) else {
            return notes.left(line, key, "it is no port");
        };
        self.first.get_or_insert(port);
        if let Some((_, what)) = OTHER.iter().find(|(other, _)| *other == port) {
            let why = format!(
                "port {port} is one of {what}, and an address is one of HTTP: other services reach it by \
                 name. If it does speak HTTP, say so by the label hythe.route: \"{port}\""
            );
            return notes.left(line, key, why);
        }
        if let Some(published) = published.filter(|published| *published != target) {
            let why = format!(
                "it is not opened as port {} of the machine: it answers at its host name",
                super::notes::shown(published)
            );
            notes.left(line, key, why);
        }
        self.published.push((port, line));
    }

    /// `expose`.
    pub(super) fn expose(&mut self, key: &str, node: &Node, notes: &mut Notes) {
        for item in node.items().unwrap_or_default() {
            let text = item.text().unwrap_or_default();
            let (port, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
            match port.parse::<u16>().ok().filter(|port| *port > 0) {
                Some(port) if protocol == "tcp" => {
                    self.first.get_or_insert(port);
                }
                Some(_) | None => {
                    notes.left(item.line, key, "only single ports of tcp count here");
                }
            }
        }
    }

    /// The port that it listens on, where that is said, and whether an address leads there.
    pub(super) fn settle(self, key: &str, notes: &mut Notes) -> (Option<u16>, bool) {
        // To a container an edge speaks HTTP as it is.
        let plain = self.published.iter().find(|(port, _)| !WITHIN_TLS.contains(port));
        let first = plain.or(self.published.first()).map(|(port, _)| *port);
        let (port, routed) = match self.wanted {
            Some(Wanted::None) => (first.or(self.first), false),
            Some(Wanted::Any) => (first.or(self.first), true),
            Some(Wanted::To(port)) => (Some(port), true),
            None => (first.or(self.first), first.is_some()),
        };
        for (other, line) in &self.published {
            if routed && Some(*other) != port {
                let leads = port.map_or_else(String::new, |port| format!(" {port}"));
                let why = format!(
                    "one port of a service has an address, here{leads}; which one is said by the label \
                     hythe.route: \"{other}\". Other services reach this one by name"
                );
                notes.left(*line, key, why);
            }
        }
        (port, routed)
    }
}

/// The label that says whether an address leads to a service.
pub(super) fn label(node: &Node) -> Option<Wanted> {
    match node.truth() {
        Some(true) => Some(Wanted::Any),
        Some(false) => Some(Wanted::None),
        None => units::number(node).filter(|port| *port > 0).map(Wanted::To),
    }
}
