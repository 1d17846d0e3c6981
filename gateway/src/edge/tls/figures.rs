//! What is counted of handshakes, and how Prometheus reads it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hythe_core::time::Timestamp;
use rustls::ProtocolVersion;

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With all that belongs to one; over which version.
    Full(Version),
    /// With a ticket of an earlier one.
    Resumed(Version),
    /// An authority has what it asked for.
    Proven,
    /// There is no certificate for the host that was asked for.
    NoCertificate,
    /// The client was not through in time.
    Late,
    /// The client broke off, or did not speak TLS as it is spoken here.
    Failed,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

impl From<Option<ProtocolVersion>> for Version {
    fn from(version: Option<ProtocolVersion>) -> Self {
        if version == Some(ProtocolVersion::TLSv1_2) { Self::Tls12 } else { Self::Tls13 }
    }
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Full(Version::Tls13),
        Self::Resumed(Version::Tls13),
        Self::Full(Version::Tls12),
        Self::Resumed(Version::Tls12),
        Self::Proven,
        Self::NoCertificate,
        Self::Late,
        Self::Failed,
    ];

    /// Version and outcome, as labels.
    const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Full(Version::Tls13) => ("1.3", "full"),
            Self::Resumed(Version::Tls13) => ("1.3", "resumed"),
            Self::Full(Version::Tls12) => ("1.2", "full"),
            Self::Resumed(Version::Tls12) => ("1.2", "resumed"),
            Self::Proven => ("", "proven"),
            Self::NoCertificate => ("", "no_certificate"),
            Self::Late => ("", "late"),
            Self::Failed => ("", "failed"),
        }
    }
}

/// How many handshakes ended how. A handshake costs so much more than this that the cores share it.
#[derive(Debug, Default)]
pub(super) struct Figures {
    ended: [AtomicU64; Outcome::ALL.len()],
    /// Orders of the edge's own that ended with a certificate, and those that did not.
    renewed: AtomicU64,
    failed: AtomicU64,
}

impl Figures {
    pub(super) fn ended(&self, outcome: Outcome) {
        let places = Outcome::ALL.iter().zip(&self.ended);
        for (_, count) in places.filter(|(one, _)| **one == outcome) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// An order of the edge's own has ended.
    pub(super) fn ordered(&self, renewed: bool) {
        let count = if renewed { &self.renewed } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }

    /// In Prometheus' text format, with how many certificates there are, how many of them the edge has come
    /// by itself, and when the first is over.
    pub(super) fn write(&self, held: usize, own: usize, soonest: Option<Timestamp>) -> String {
        let mut text = String::with_capacity(1_024);
        // Writing to a string cannot fail.
        let _ = text.write_str(
            "# HELP hythe_edge_tls_handshakes_total TLS handshakes, by version and outcome.\n\
             # TYPE hythe_edge_tls_handshakes_total counter\n",
        );
        for (outcome, count) in Outcome::ALL.iter().zip(&self.ended) {
            let (version, outcome) = outcome.labels();
            let count = count.load(Relaxed);
            let _ = writeln!(
                text,
                "hythe_edge_tls_handshakes_total{{version=\"{version}\",outcome=\"{outcome}\"}} {count}"
            );
        }
        let _ = write!(
            text,
            "# HELP hythe_edge_certificates Certificates that are served.\n\
             # TYPE hythe_edge_certificates gauge\n\
             hythe_edge_certificates {held}\n\
             # HELP hythe_edge_own_certificates Those of them that this edge came by itself, while nothing \
             was heard of the control plane.\n\
             # TYPE hythe_edge_own_certificates gauge\n\
             hythe_edge_own_certificates {own}\n\
             # HELP hythe_edge_own_orders_total Certificates that this edge ordered by itself, by outcome.\n\
             # TYPE hythe_edge_own_orders_total counter\n\
             hythe_edge_own_orders_total{{outcome=\"renewed\"}} {renewed}\n\
             hythe_edge_own_orders_total{{outcome=\"failed\"}} {failed}\n",
            renewed = self.renewed.load(Relaxed),
            failed = self.failed.load(Relaxed),
        );
        if let Some(Timestamp(at)) = soonest {
            let _ = write!(
                text,
                "# HELP hythe_edge_certificate_expiry_timestamp_seconds When the first of them is over.\n\
                 # TYPE hythe_edge_certificate_expiry_timestamp_seconds gauge\n\
                 hythe_edge_certificate_expiry_timestamp_seconds {}\n",
                at / 1_000
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_by_itself() {
        let figures = Figures::default();
        for outcome in Outcome::ALL {
            figures.ended(outcome);
        }
        figures.ended(Outcome::Resumed(Version::Tls12));
        figures.ordered(true);
        figures.ordered(false);
        figures.ordered(false);
        let text = figures.write(3, 1, Some(Timestamp(1_700_000_000_500)));
        let family = "hythe_edge_tls_handshakes_total";
        for line in [
            &format!("{family}{{version=\"1.2\",outcome=\"resumed\"}} 2"),
            &format!("{family}{{version=\"1.3\",outcome=\"full\"}} 1"),
            &format!("{family}{{version=\"\",outcome=\"late\"}} 1"),
            "hythe_edge_certificates 3",
            "hythe_edge_own_certificates 1",
            "hythe_edge_own_orders_total{outcome=\"renewed\"} 1",
            "hythe_edge_own_orders_total{outcome=\"failed\"} 2",
            "hythe_edge_certificate_expiry_timestamp_seconds 1700000000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!Figures::default().write(0, 0, None).contains("expiry"));
    }
}
