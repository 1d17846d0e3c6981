//! What the edge tells the control plane: its revision, who is still busy outside of it, and which apps nobody
//! asks for or somebody wants awake.
//!
//! Invariants: a report is written at the moment it is sent, never kept for later; one follows
//! every change as soon as NATS takes it, and a heartbeat follows every report.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_actors::bus::Bus;
use hythe_core::ids::EdgeId;
use hythe_core::limits::EDGE_HEARTBEAT;
use hythe_core::time::Timestamp;
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::subjects;
use hythe_store::steps::Step;
use tokio_util::sync::CancellationToken;

use super::connection::millis;
use super::table::Live;
use super::tls::Tls;

/// Format of the reports.
const FORMAT: u16 = 1;
/// How long NATS may take to confirm one.
const CONFIRM: Duration = Duration::from_secs(2);
/// Wait before a report that did not get through is written anew.
const AGAIN: Duration = Duration::from_millis(200);

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Reports for ever. `told` is cancelled once the first one has got through. An edge that only finishes what is
/// under way is without `tls`: it answers no authority any more, and is told no key.
pub(crate) async fn report(
    edge: EdgeId,
    live: Arc<Live>,
    tls: Option<Arc<Tls>>,
    bus: Bus,
    told: CancellationToken,
) {
    let mut last = String::new();
    loop {
        bus.ready().await;
        match send(&bus, edge, &live, tls.as_deref(), false).await {
            Ok(()) => {
                told.cancel();
                last.clear();
                let heartbeat = Duration::from_millis(EDGE_HEARTBEAT.0);
                // Over time is a heartbeat, a signal is a change: a report is due either way.
                let _ = tokio::time::timeout(heartbeat, live.changed.notified()).await;
            }
            Err(error) => {
                let error = error.to_string();
                if error == last {
                    tracing::debug!(error, "could not report");
                } else {
                    tracing::warn!(error, "could not report; trying on");
                    last = error;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Says that this edge has ended and nobody needs to wait for it, once: where that does not get through,
/// its silence says so later.
pub(crate) async fn farewell(edge: EdgeId, live: &Live, bus: &Bus) {
    if let Err(error) = send(bus, edge, live, None, true).await {
        tracing::debug!(error, "could not report the end");
    }
}

async fn send(
    bus: &Bus,
    edge: EdgeId,
    live: &Live,
    tls: Option<&Tls>,
    ended: bool,
) -> Result<(), Trouble> {
    let (revision, busy, leaving) = live.report();
    let behind = live.behind();
    let (unasked, wanted) = live.sleep();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Timestamp(millis(now));
    let report = EdgeReport {
        format: FORMAT,
        edge,
        revision,
        busy,
        leaving,
        at,
        sealing_key: tls.map(Tls::sealing_key),
        challenges: tls.map(Tls::challenges).unwrap_or_default(),
        ended,
        behind,
        unasked,
        wanted,
    };
    // Not for as long as the bus would try: by then there may be something else to say.
    let subject = subjects::edge_report(edge);
    tokio::time::timeout(CONFIRM, bus.publish(Step::EdgeReported, &subject, &report, None))
        .await??;
    Ok(())
}
