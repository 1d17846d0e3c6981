//! A piece of the view: what a few streams come to by themselves, as of some event.

use std::collections::BTreeSet;

use crate::app::{App, AppEvent, Outline};
use crate::event::Event;
use crate::ids::{DeploymentId, ProjectId};
use crate::limits;
use crate::machine::Machine;
use crate::record::{Recorded, Sequence};
use crate::view::View;

/// Deployments that may be on their way at once, with some room.
const ON_THEIR_WAY: usize = 8;

/// The view that these events make, as of the event `at`. Later ones are left out.
///
/// Where they are all events of an app and of the deployments that it wanted, the piece says of
/// that app what the whole view said of it then.
#[must_use]
pub fn piece(mut events: Vec<Recorded<Event>>, at: Sequence) -> View {
    events.retain(|recorded| recorded.sequence <= at);
    events.sort_by_key(|recorded| recorded.sequence);
    let mut view = View::default();
    for recorded in &events {
        view.apply(recorded);
    }
    view.head = at;
    view
}

/// The deployments of an app that a view keeps as of the event `at`, given the app's own events
/// in their order: the newest ones, and older ones that still have a part to play.
#[must_use]
pub fn wanted(of_app: &[Recorded<Event>], at: Sequence) -> BTreeSet<DeploymentId> {
    newest(of_app, at, limits::MOST_ENDED_KEPT + ON_THEIR_WAY, limits::MOST_LIVE_KEPT + 1)
}

/// Of these only the very newest, and those that still have a part to play.
#[must_use]
pub fn wanted_in_brief(of_app: &[Recorded<Event>], at: Sequence) -> BTreeSet<DeploymentId> {
    newest(of_app, at, 1, 0)
}

fn newest(
    of_app: &[Recorded<Event>],
    at: Sequence,
    most: usize,
    most_live: usize,
) -> BTreeSet<DeploymentId> {
    let (mut requested, mut promoted) = (Vec::new(), Vec::new());
    let mut app = App::default();
    for recorded in of_app.iter().filter(|recorded| recorded.sequence <= at) {
        let Some(event) = app_event(&recorded.event) else { continue };
        requested.extend(event.requested().map(|(deployment, _)| deployment));
        if let AppEvent::DeploymentPromoted { deployment, .. } = event {
            promoted.push(*deployment);
        }
        app = app.evolve(event);
    }
    let mut wanted: BTreeSet<_> = requested.into_iter().rev().take(most).collect();
    wanted.extend(promoted.into_iter().rev().take(most_live));
    if let Some(app) = app.active() {
        wanted.extend([app.live, app.serving, app.rolling, app.waiting].into_iter().flatten());
    }
    wanted
}

/// The projects that an app was in, given its own events.
#[must_use]
pub fn projects(of_app: &[Recorded<Event>]) -> BTreeSet<ProjectId> {
    let put_into = |recorded: &Recorded<Event>| match app_event(&recorded.event)?.outline()? {
        Outline::Created { project, .. } | Outline::PutInto(project) => Some(project),
        Outline::Discarded
        | Outline::Restored(_)
        | Outline::Deleted(_)
        | Outline::Requested(..)
        | Outline::Replaced(_)
        | Outline::CalledOff { .. }
        | Outline::Begun(_)
        | Outline::Switched { .. }
        | Outline::Promoted { .. }
        | Outline::Scaled { .. }
        | Outline::ProcessesScaled { .. } => None,
    };
    of_app.iter().filter_map(put_into).filter(|project| *project != ProjectId::DEFAULT).collect()
}

const fn app_event(event: &Event) -> Option<&AppEvent> {
    match event {
        Event::App(event) => Some(event),
        Event::Deployment(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;
    use crate::testing::app_id;

    #[test]
    fn a_piece_says_of_an_app_what_the_whole_said() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.create(2, "other");
        for n in 0..u64::try_from(limits::MOST_ENDED_KEPT).unwrap() + 30 {
            journal.deploy(1, u128::from(n) + 1);
            if n % 40 == 0 {
                journal.deploy(2, 1_000 + u128::from(n));
            }
        }
        // What was live stays where many fail.
        for n in 2_000..2_100 {
            journal.fail(1, n);
            if n % 20 == 0 {
                journal.deploy(1, 3_000 + n);
            }
        }
        let head = journal.events.len() as u64;
        for at in [1, 2, 3, 5, 9, 40, 41, 300, head - 250, head - 100, head - 3, head].map(Sequence)
        {
            let mut whole = View::default();
            journal.events.iter().filter(|r| r.sequence <= at).for_each(|r| whole.apply(r));
            let of_app = journal.stream(app_id(1).uuid());
            let wanted = wanted(&of_app, at);
            let mut events = of_app;
            events.extend(wanted.iter().flat_map(|id| journal.stream(id.uuid())));
            let piece = piece(events, at);
            assert_eq!(piece.head, at);
            assert_eq!(piece.apps.get(&app_id(1)), whole.apps.get(&app_id(1)), "at {at}");
            let mine = &whole.apps[&app_id(1)].deployments;
            for id in mine {
                assert_eq!(piece.deployments[id], whole.deployments[id], "at {at}");
            }
            assert_eq!(piece.deployments.len(), mine.len(), "at {at}");
        }
        let mut whole = View::default();
        journal.events.iter().for_each(|event| whole.apply(event));
        let mine = whole.apps[&app_id(1)].deployments.iter();
        let kept = mine.filter(|id| {
            let deployment = &whole.deployments[id];
            deployment.state.ended() && deployment.was_live()
        });
        assert_eq!(kept.count(), limits::MOST_LIVE_KEPT);
    }
}
