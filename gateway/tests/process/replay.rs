//! `hythe journal replay` against a checkpoint as a server saves it.

use std::path::Path;

use hythe_core::app::{AppEvent, AppSettings};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::names::AppName;
use hythe_core::record::{Actor, AggregateKind, Meta, Sequence, StreamId, Version};
use hythe_core::time::Timestamp;
use hythe_core::view::View;
use hythe_store::{Append, Journal, JournalOptions, codec, replay};
use serde_json::Value;
use uuid::Uuid;

use super::common::{Said, hythe, run};

const NAME: &str = hythe_actors::projection::Projection::CHECKPOINT;

async fn create(journal: &Journal, n: u128) {
    let id = Uuid::from_u128(n);
    let created = AppEvent::Created {
        id: AppId::new(id),
        name: AppName::new(format!("app-{n}")).unwrap(),
        settings: Box::new(AppSettings::default()),
    };
    let append = Append {
        stream: StreamId { kind: AggregateKind::App, id },
        expected: Version(0),
        events: vec![codec::encode(&Event::App(created)).unwrap()],
        meta: Meta {
            at: Timestamp(1_000),
            actor: Actor::Owner,
            correlation: CorrelationId::new(id),
            causation: None,
        },
        claims: Vec::new(),
        secrets: Vec::new(),
        priority: hythe_core::priority::Priority::Ordinary,
    };
    journal.append(append).await.unwrap();
}

fn view(journal: &Journal, until: u64) -> View {
    let until = Some(Sequence(until));
    let fold = replay::fold(journal, Sequence(0), until, View::default(), |mut view, event| {
        view.apply(&event);
        view
    });
    fold.unwrap().state
}

fn replay(data: &Path, more: &[&str]) -> Said {
    run(hythe().args(["journal", "replay", "--data"]).arg(data).args(more))
}

#[tokio::test]
async fn what_is_rebuilt_is_compared_with_the_checkpoint() {
    let data = tempfile::tempdir().unwrap();
    let journal = Journal::open(data.path(), JournalOptions::default()).unwrap();
    for n in 1..=5 {
        create(&journal, n).await;
    }
    let save = |journal: &Journal, view: &View| {
        let bytes = postcard::to_stdvec(view).unwrap();
        journal.save_checkpoint(NAME, View::FORMAT, view.head, &bytes).unwrap();
    };
    let right = view(&journal, 3);
    journal.close();

    let none = replay(data.path(), &[]);
    assert_eq!(none.code, 0, "{}", none.err);
    assert!(none.out.contains("nothing to compare with"), "{}", none.out);

    let journal = Journal::open(data.path(), JournalOptions::default()).unwrap();
    save(&journal, &right);
    journal.close();
    // Before it, at it, after it.
    for until in [1, 3, 4, 5] {
        let said = replay(data.path(), &["--until", &until.to_string(), "--json"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(document["until"], until);
        assert_eq!(document["apps"], until);
        let compared = &document["checkpoint"];
        assert_eq!((&compared["at"], &compared["same"]), (&3.into(), &true.into()), "{document}");
        assert_eq!(compared["saved_hash"], compared["rebuilt_hash"]);
        assert_eq!(compared["saved_hash"] == document["state_hash"], until == 3, "{document}");
    }
    let said = replay(data.path(), &[]);
    assert!(said.out.contains("byte for byte"), "{}", said.out);
    let beyond = replay(data.path(), &["--until", "6"]);
    assert_eq!(beyond.code, 2);
    assert!(beyond.err.contains("the last one is 5"), "{}", beyond.err);

    let journal = Journal::open(data.path(), JournalOptions::default()).unwrap();
    let mut wrong = right;
    wrong.apps.get_mut(&AppId::new(Uuid::from_u128(2))).unwrap().updated_at = Timestamp(7);
    save(&journal, &wrong);
    journal.close();
    let said = replay(data.path(), &["--until", "5"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("NOT"), "{}", said.out);
    assert!(said.err.contains("(app-2)"), "{}", said.err);
    let said = replay(data.path(), &["--json"]);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &document["checkpoint"]["same"]), (1, &false.into()));

    let held = Journal::open(data.path(), JournalOptions::default()).unwrap();
    let said = replay(data.path(), &[]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("a server has it open"), "{}", said.err);
    held.close();
}
