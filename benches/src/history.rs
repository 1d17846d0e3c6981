//! Journals with a past: real events, as a server of many apps leaves them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc;

use hythe_core::app::{AppEvent, AppSettings, SettingsChange};
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::names::{AppName, EnvName};
use hythe_core::priority::Priority;
use hythe_core::record::{Actor, AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use hythe_store::codec::encode;
use hythe_store::{Append, Journal, JournalOptions};
use uuid::Uuid;

/// Appends under way at a time.
const AT_ONCE: usize = 512;

/// The id of an app: spread as real ones, so that neighbours in time are none in the index.
#[must_use]
pub fn id(app: u64) -> Uuid {
    let spread = u128::from(app).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    uuid::Builder::from_random_bytes(spread.to_be_bytes()).into_uuid()
}

/// What happened to an app: first it came into being, then its settings and its environment
/// changed in turn, over and over.
fn event(app: u64, version: u64) -> Event {
    let turn = u16::try_from(version % 40_000).unwrap_or(0);
    Event::App(match version {
        0 => AppEvent::Created {
            id: AppId::new(id(app)),
            name: name(app),
            settings: Box::new(AppSettings::default()),
        },
        odd if odd % 2 == 1 => AppEvent::Configured(Box::new(SettingsChange {
            port: Some(Some(1024 + turn)),
            replicas: Some(1 + turn % 8),
            ..SettingsChange::default()
        })),
        _ => AppEvent::EnvironmentChanged {
            set: variable(turn).map(|name| (name, version)).into_iter().collect(),
            remove: BTreeSet::new(),
        },
    })
}

fn variable(turn: u16) -> Option<EnvName> {
    EnvName::new(format!("VARIABLE_{}", turn % 10)).ok()
}

/// The name of an app.
///
/// # Panics
/// Never: it is a name.
#[must_use]
#[expect(clippy::expect_used, reason = "it is a name")]
pub fn name(app: u64) -> AppName {
    AppName::new(format!("app-{app}")).expect("a name")
}

/// Makes a journal in a data folder: so many events of so many apps, in turns, with the cursors
/// at its end, so that nothing is left to be reacted to.
///
/// # Panics
/// Where it cannot be written: a bench that cannot measure stops.
#[expect(clippy::expect_used, reason = "a bench that cannot measure stops")]
pub fn write(data: &Path, apps: u64, events: u64) {
    // A server takes no folder in which something else lies.
    std::fs::write(data.join("instance"), format!("{}\n", Uuid::now_v7())).expect("an id");
    let journal = Journal::open(data, JournalOptions::default()).expect("a journal");
    let (tell, told) = mpsc::sync_channel::<bool>(AT_ONCE);
    let at_once = AT_ONCE as u64;
    for n in 0..events {
        let (app, version) = (n % apps, n / apps);
        let claims = match version {
            0 => vec![ClaimChange::Take { key: ClaimKey::app_name(&name(app)), note: Vec::new() }],
            _ => Vec::new(),
        };
        let append = Append {
            stream: StreamId { kind: AggregateKind::App, id: id(app) },
            expected: Version(version),
            events: vec![encode(&event(app, version)).expect("an event")],
            meta: Meta {
                at: Timestamp(1_790_000_000_000 + n),
                actor: Actor::Owner,
                correlation: CorrelationId::new(Uuid::now_v7()),
                causation: None,
            },
            claims,
            secrets: Vec::new(),
            priority: Priority::Ordinary,
        };
        if n >= at_once {
            assert!(told.recv().expect("an answer"), "it is taken");
        }
        let tell = tell.clone();
        journal.submit(
            append,
            Box::new(move |answer| {
                // There is room for all that are under way.
                let _told = tell.try_send(answer.is_ok());
            }),
        );
    }
    for _ in 0..events.min(at_once) {
        assert!(told.recv().expect("an answer"), "it is taken");
    }
    for cursor in ["reactor", "publisher"] {
        journal.save_cursor(cursor, Sequence(events)).expect("a cursor");
    }
    journal.close();
}
