//! Sleep: what nobody asks for is put to sleep, what is asked for is woken.
//!
//! Falling asleep takes everybody's word: each edge that was lately heard of has to say, by the table in force,
//! that nobody has asked for long. One that is silent may be the one that is asked, and a proxy that says nothing
//! of requests could wake nobody. To wake it takes one of them.

use crate::app::{ActiveApp, AppCommand, WokenBy};
use crate::deployment::Stage;
use crate::ids::{AppId, DeploymentId};
use crate::observed::{Carries, Observed};
use crate::time::{Millis, Timestamp};
use crate::view::{AppView, View};

use super::Effect;

pub(super) fn settle(view: &View, observed: &Observed, now: Timestamp, effects: &mut Vec<Effect>) {
    for (id, app) in &view.apps {
        let Some(active) = app.state.active() else { continue };
        let command = if active.asleep {
            wake(*id, active, view, observed, now)
        } else {
            fall_asleep(*id, app, active, view, observed, now)
        };
        effects.extend(command.map(|command| Effect::App(*id, command)));
    }
}

fn wake(
    id: AppId,
    app: &ActiveApp,
    view: &View,
    observed: &Observed,
    now: Timestamp,
) -> Option<AppCommand> {
    let asked = observed.edges.iter().find(|(_, edge)| edge.wanted.contains(&id));
    let polled = || {
        observed.live_edges(now).any(|edge| match edge.carries {
            Carries::Known { .. } => false,
            Carries::Unknown => true,
        })
    };
    let why = match asked {
        Some((edge, _)) => WokenBy::Request { edge: *edge },
        None if app.may_sleep().is_none() || polled() || is_restored(app, view) => {
            WokenBy::Circumstances
        }
        None => return None,
    };
    Some(AppCommand::Wake { why })
}

/// Whether the installation was restored since the app fell asleep. Its image may be gone with a machine, and
/// what is not ordered cannot be found missing and be deployed anew.
fn is_restored(app: &ActiveApp, view: &View) -> bool {
    let live = app.live.and_then(|live| view.deployments.get(&live));
    let restored = live.zip(view.installation.restored_at);
    restored.is_some_and(|(live, restored)| live.assigned < restored)
}

fn fall_asleep(
    id: AppId,
    app: &AppView,
    active: &ActiveApp,
    view: &View,
    observed: &Observed,
    now: Timestamp,
) -> Option<AppCommand> {
    let after = active.may_sleep()?;
    let live = active.live.filter(|live| observed.serving_since.contains_key(live))?;
    let deployment = view.deployments.get(&live)?;
    let attempt = deployment.state.attempt()?;
    let settled = matches!(attempt.stage, Stage::Live)
        && attempt.site().is_none()
        && attempt.leaving.is_empty()
        && attempt.post_deploying().is_none()
        && attempt.to_post_deploy().is_none();
    // What comes from a clock that was set back since says nothing.
    let lately = |at: Timestamp| at <= now && now.since(at) < after;
    let begun = [Some(observed.started_at), Some(deployment.since()), app.rested_at];
    if !settled || begun.into_iter().flatten().any(lately) {
        return None;
    }
    let unasked = unasked(id, observed, now).filter(|unasked| *unasked >= after)?;
    Some(AppCommand::FallAsleep { unasked })
}

/// For how long nobody has asked for an app at any edge; none where one of them does not say so.
fn unasked(id: AppId, observed: &Observed, now: Timestamp) -> Option<Millis> {
    if !observed.all_follow(now) {
        return None;
    }
    observed.edges.values().try_fold(Millis(u64::MAX), |least, edge| {
        let there = edge.unasked.get(&id).filter(|_| edge.is_alive(now))?;
        Some(least.min(*there))
    })
}

/// The app of a deployment of which web is to have no replicas, for it sleeps.
pub(super) fn sleeper(view: &View, id: DeploymentId) -> Option<&AppView> {
    let app = view.apps.get(&view.deployments.get(&id)?.state.attempt()?.spec.app)?;
    app.state.active().is_some_and(|app| app.asleep && app.live == Some(id)).then_some(app)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::AppEvent;
    use crate::edge::EdgeSettings;
    use crate::event::Event;
    use crate::ids::EdgeId;
    use crate::installation::{InstallationEvent, Restored};
    use crate::names::HostName;
    use crate::observed::EdgeSeen;
    use crate::past::testing::Journal;
    use crate::record::Sequence;
    use crate::routes::{Backend, Route, RouteTable};
    use crate::testing::{app_id, at, deployment_id, name};

    const AFTER: u64 = 60_000;
    /// Long after all that the journal tells.
    const NOW: u64 = 1_000_000;

    fn edge_id(n: u128) -> EdgeId {
        EdgeId::new(uuid::Uuid::from_u128(n))
    }

    fn host() -> HostName {
        HostName::new("shop.localhost").unwrap()
    }

    /// An app that is live and may sleep.
    fn shop() -> Journal {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.deploy(1, 1);
        let settings = EdgeSettings { sleep_after: Some(Millis(AFTER)), ..Default::default() };
        journal.app(1, AppEvent::EdgeSet(settings.listed()));
        journal
    }

    fn view(journal: &Journal) -> View {
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        view
    }

    fn edge(unasked: Option<u64>) -> EdgeSeen {
        let carries = Carries::Known { busy: Vec::new(), leaving: Vec::new() };
        let unasked = unasked.map(|for_so_long| (app_id(1), Millis(for_so_long)));
        EdgeSeen {
            unasked: unasked.into_iter().collect(),
            ..EdgeSeen::new(1, carries, Timestamp(NOW))
        }
    }

    /// The table leads to the app, and nobody asks.
    fn quiet() -> Observed {
        let mut observed = Observed::starting_at(Timestamp(1));
        let targets = vec![std::net::SocketAddr::from(([10, 0, 0, 1], 80))];
        let backend = Backend::Replicas { deployment: deployment_id(1), targets };
        let route = Route::new(app_id(1), name("shop"), backend);
        observed.put_in_force(RouteTable {
            revision: 1,
            routes: [(host(), route)].into_iter().collect(),
        });
        observed.edges.insert(edge_id(1), edge(Some(AFTER)));
        observed
    }

    fn commands(view: &View, observed: &Observed) -> Vec<AppCommand> {
        let mut effects = Vec::new();
        settle(view, observed, Timestamp(NOW), &mut effects);
        let command = |effect| {
            let Effect::App(_, command) = effect else { panic!("{effect:?}") };
            command
        };
        effects.into_iter().map(command).collect()
    }

    #[test]
    fn it_takes_every_edges_word_to_put_an_app_to_sleep() {
        type Change = fn(&mut Observed);
        let rows: [(&str, bool, Change); 11] = [
            ("nobody asks", true, |_| {}),
            ("two edges, and nobody asks", true, |seen| {
                seen.edges.insert(edge_id(2), edge(Some(AFTER + 1)));
            }),
            ("one of two was asked", false, |seen| {
                seen.edges.insert(edge_id(2), edge(None));
            }),
            ("one was asked within that time", false, |seen| {
                seen.edges.insert(edge_id(2), edge(Some(AFTER - 1)));
            }),
            ("one is silent", false, |seen| {
                let heard_at = Timestamp(NOW - crate::limits::EDGE_LEASE.0);
                seen.edges.insert(edge_id(2), EdgeSeen { heard_at, ..edge(Some(AFTER)) });
            }),
            ("one goes by another table", false, |seen| {
                seen.edges.insert(edge_id(2), EdgeSeen { revision: 9, ..edge(Some(AFTER)) });
            }),
            ("a proxy asks for its routes", false, |seen| {
                seen.edges.insert(edge_id(2), EdgeSeen { carries: Carries::Unknown, ..edge(None) });
            }),
            ("no edge is known", false, |seen| seen.edges.clear()),
            ("nothing answers", false, |seen| {
                seen.put_in_force(RouteTable { revision: 1, routes: BTreeMap::new() });
            }),
            ("the server has not been there for as long", false, |seen| {
                seen.started_at = Timestamp(NOW - AFTER + 1);
            }),
            ("what edges say has just begun to get here", false, |seen| {
                seen.unreached_until(Timestamp(NOW));
            }),
        ];
        let view = view(&shop());
        for (what, sleeps, change) in rows {
            let mut observed = quiet();
            change(&mut observed);
            let unasked = Millis(AFTER);
            let expected: Vec<_> =
                sleeps.then_some(AppCommand::FallAsleep { unasked }).into_iter().collect();
            assert_eq!(commands(&view, &observed), expected, "{what}");
        }
    }

    #[test]
    fn an_app_sleeps_only_where_it_is_settled_and_has_been_up_for_as_long() {
        type Change = fn(&mut Journal);
        let rows: [(&str, bool, Change); 6] = [
            ("it is live", true, |_| {}),
            ("it may not", false, |journal| {
                journal.app(1, AppEvent::EdgeSet(Vec::new()));
            }),
            ("a deployment is on its way", false, |journal| {
                journal.request(1, 2);
            }),
            ("it was stopped", false, |journal| {
                journal.app(1, AppEvent::Stopped { until: at(9) });
            }),
            ("it was deleted", false, |journal| {
                journal.app(1, AppEvent::Discarded { until: at(9), drained: at(9) });
            }),
            ("it has no address", false, |journal| {
                let mut run = crate::run::RunSettings::default();
                run.container.unrouted = true;
                let change = crate::app::SettingsChange { run: Some(run), ..Default::default() };
                journal.app(1, AppEvent::Configured(Box::new(change)));
            }),
        ];
        for (what, sleeps, change) in rows {
            let mut journal = shop();
            change(&mut journal);
            assert_eq!(commands(&view(&journal), &quiet()).len(), usize::from(sleeps), "{what}");
        }
        let mut journal = shop();
        journal.app(1, AppEvent::FellAsleep { unasked: Millis(AFTER) });
        journal.app(1, AppEvent::Woken { why: WokenBy::Change });
        let mut view = view(&journal);
        for (woken, sleeps) in [(NOW - AFTER, true), (NOW - AFTER + 1, false), (NOW + 9, true)] {
            view.apps.get_mut(&app_id(1)).unwrap().rested_at = Some(Timestamp(woken));
            assert_eq!(commands(&view, &quiet()).len(), usize::from(sleeps), "woken at {woken}");
        }
    }

    #[test]
    fn one_edges_word_wakes_it_and_so_does_what_lets_nobody_wake_it() {
        let mut journal = shop();
        journal.app(1, AppEvent::FellAsleep { unasked: Millis(AFTER) });
        assert_eq!(commands(&view(&journal), &quiet()), []);
        let mut asked = quiet();
        asked.edges.insert(edge_id(2), EdgeSeen { wanted: [app_id(1)].into(), ..edge(None) });
        let why = WokenBy::Request { edge: edge_id(2) };
        assert_eq!(commands(&view(&journal), &asked), [AppCommand::Wake { why }]);
        let mut polled = quiet();
        polled.edges.insert(edge_id(2), EdgeSeen { carries: Carries::Unknown, ..edge(None) });
        let why = WokenBy::Circumstances;
        assert_eq!(commands(&view(&journal), &polled), [AppCommand::Wake { why }]);
        let mut run = crate::run::RunSettings::default();
        run.container.unrouted = true;
        let change = crate::app::SettingsChange { run: Some(run), ..Default::default() };
        journal.app(1, AppEvent::Configured(Box::new(change)));
        assert_eq!(commands(&view(&journal), &quiet()), [AppCommand::Wake { why }]);
        journal.app(1, AppEvent::Woken { why });
        assert_eq!(commands(&view(&journal), &asked), [], "once");
    }

    #[test]
    fn what_slept_through_a_restoration_is_woken_once() {
        let asleep = || AppEvent::FellAsleep { unasked: Millis(AFTER) };
        let mut journal = shop();
        journal.app(1, asleep());
        assert_eq!(commands(&view(&journal), &quiet()), []);
        let restored = Restored { head: Sequence(1), hash: "00".into(), at: at(1) };
        let restored = InstallationEvent::Restored(restored);
        journal.push(uuid::Uuid::nil(), Event::Installation(restored));
        let why = WokenBy::Circumstances;
        assert_eq!(commands(&view(&journal), &quiet()), [AppCommand::Wake { why }]);
        journal.app(1, AppEvent::Woken { why });
        journal.app(1, asleep());
        assert_eq!(commands(&view(&journal), &quiet()), [], "it was seen to run since");
    }
}
