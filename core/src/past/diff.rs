//! What changed between two events, and by which event.
//!
//! Facts are compared after every event on the way, so that each change has an event that made it;
//! what was changed and changed back is a step on the way and no change in the end.

use std::collections::BTreeMap;

use super::facts::{Facts, of_app};
use crate::event::Event;
use crate::ids::AppId;
use crate::record::{Recorded, Sequence};
use crate::view::View;

/// One fact that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub field: String,
    /// As it was; none where it was not so.
    pub before: Option<String>,
    /// As it is then; none where it is not so any more.
    pub after: Option<String>,
}

/// An event on the way that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The event.
    pub by: Sequence,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// The way from one event to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// What was so at its beginning.
    pub before: Facts,
    /// What was so at its end.
    pub after: Facts,
    /// The events that changed something, in order.
    pub steps: Vec<Step>,
}

impl Walk {
    /// Goes from what `view` says of an app, event by event.
    #[must_use]
    pub fn of_app(mut view: View, app: AppId, events: &[Recorded<Event>]) -> Self {
        let before = of_app(&view, app);
        let mut walk = Self { after: before.clone(), before, steps: Vec::new() };
        for recorded in events {
            view.apply(recorded);
            let now = of_app(&view, app);
            let changes = compare(&walk.after, &now);
            if !changes.is_empty() {
                walk.steps.push(Step { by: recorded.sequence, changes });
                walk.after = now;
            }
        }
        walk
    }
}

/// What is different in `after`, by name.
#[must_use]
pub fn compare(before: &Facts, after: &Facts) -> Vec<Change> {
    let mut changes = BTreeMap::new();
    for (field, was) in before {
        let is = after.get(field);
        if is != Some(was) {
            changes.insert(field, (Some(was), is));
        }
    }
    for (field, is) in after {
        if !before.contains_key(field) {
            changes.insert(field, (None, Some(is)));
        }
    }
    let owned = |text: Option<&String>| text.cloned();
    let change = |(field, (before, after)): (&String, (Option<&String>, Option<&String>))| Change {
        field: field.clone(),
        before: owned(before),
        after: owned(after),
    };
    changes.into_iter().map(change).collect()
}

/// The event that made a change: the last step that gave the fact the value that it ended with.
#[must_use]
pub fn blame(steps: &[Step], change: &Change) -> Option<Sequence> {
    let made = |step: &&Step| {
        step.changes.iter().any(|c| c.field == change.field && c.after == change.after)
    };
    steps.iter().rev().find(made).map(|step| step.by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::SettingsChange;
    use crate::past::testing::Journal;
    use crate::past::{of_deployment, piece};
    use crate::testing::{app_id, deployment_id};

    type Row = (&'static str, Option<&'static str>, Option<&'static str>, u64);

    fn replicas(replicas: u16) -> SettingsChange {
        SettingsChange { replicas: Some(replicas), ..SettingsChange::default() }
    }

    /// create, port, replicas there and back, a variable twice, a deployment, another one, gone.
    fn history() -> (Journal, Vec<u64>) {
        let mut journal = Journal::default();
        let port = SettingsChange { port: Some(Some(3000)), ..SettingsChange::default() };
        let marks = vec![
            journal.create(1, "shop"),
            journal.configure(1, port),
            journal.configure(1, replicas(3)),
            journal.configure(1, replicas(1)),
            journal.set_env(1, "LEVEL", 1),
            journal.set_env(1, "LEVEL", 2),
            journal.deploy(1, 1),
            journal.deploy(1, 2),
            journal.delete(1),
        ];
        (journal, marks.into_iter().map(|mark| mark.0).collect())
    }

    fn walk(journal: &Journal, from: u64, to: u64) -> Walk {
        let view = piece(journal.events.clone(), Sequence(from));
        let between = |r: &&Recorded<Event>| r.sequence.0 > from && r.sequence.0 <= to;
        let events: Vec<_> = journal.events.iter().filter(between).cloned().collect();
        Walk::of_app(view, app_id(1), &events)
    }

    fn net(walk: &Walk) -> Vec<(String, Option<String>, Option<String>, u64)> {
        let changes = compare(&walk.before, &walk.after);
        let by = |change: &Change| blame(&walk.steps, change).unwrap().0;
        changes
            .into_iter()
            .map(|c| (c.field.clone(), c.before.clone(), c.after.clone(), by(&c)))
            .collect()
    }

    #[test]
    fn each_change_has_the_event_that_made_it() {
        let (journal, marks) = history();
        let [created, port, up, back, _, env, first, second, gone] = marks[..] else { panic!() };
        let rows: [(&str, u64, u64, &[Row]); 6] = [
            ("nothing", created, created, &[]),
            ("a setting", created, port, &[("port", None, Some("3000"), port)]),
            ("there and back", port, back, &[]),
            ("the way back", up, back, &[("replicas", Some("3"), Some("1"), back)]),
            ("set twice", back, env, &[("env.LEVEL", None, Some("version 2"), env)]),
            (
                "asked for",
                env,
                first + 1,
                &[
                    ("rolling", None, Some("#1"), first + 1),
                    ("status", Some("never deployed"), Some("deploying"), first),
                ],
            ),
        ];
        for (what, from, to, expected) in rows {
            let text = |text: &Option<&str>| text.map(str::to_owned);
            let expected: Vec<_> = expected
                .iter()
                .map(|(field, was, is, by)| ((*field).to_owned(), text(was), text(is), *by))
                .collect();
            assert_eq!(net(&walk(&journal, from, to)), expected, "{what}");
        }
        let changed = |from, to| -> Vec<String> {
            net(&walk(&journal, from, to)).into_iter().map(|(field, ..)| field).collect()
        };
        // The same image and commit again: only which deployment it is.
        assert_eq!(changed(second - 1, gone - 1), ["live", "serving"]);
        let all = walk(&journal, 0, gone - 1);
        assert!(all.before.is_empty(), "it did not exist");
        assert_eq!(net(&all).len(), all.after.len());
        let deleted = walk(&journal, gone - 1, gone);
        assert!(deleted.after.is_empty() && deleted.steps.len() == 1);
        assert!(
            net(&deleted)
                .iter()
                .all(|(_, was, is, by)| { was.is_some() && is.is_none() && *by == gone })
        );
        let steps = walk(&journal, port, back).steps;
        assert_eq!(steps.len(), 2, "there and back are steps all the same");
    }

    #[test]
    fn two_deployments_differ_in_what_they_run_with() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.set_env(1, "LEVEL", 1);
        journal.deploy(1, 1);
        let changed = journal.set_env(1, "LEVEL", 2);
        journal.deploy(1, 2);
        let head = Sequence(journal.events.len() as u64);
        let view = piece(journal.events.clone(), head);
        let facts = |n| of_deployment(view.deployments[&deployment_id(n)].state.attempt().unwrap());
        let changes = compare(&facts(1), &facts(2));
        let shown: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(shown, ["env.LEVEL", "status"]);
        let walk = walk(&journal, 3, head.0);
        assert_eq!(blame(&walk.steps, &changes[0]), Some(changed));
    }
}
