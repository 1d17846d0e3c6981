//! What changed of an app between two moments or two deployments, and who changed it.

use hythe_actors::past::{Book, Moment, PastError};
use hythe_core::app::AppEvent;
use hythe_core::deployment::{Deployment, DeploymentEvent};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::machine::replay;
use hythe_core::names::AppName;
use hythe_core::past::{
    Change, Facts, Point, Step, Walk, blame, compare, of_deployment, piece, projects, wanted,
};
use hythe_core::record::{Recorded, Sequence};
use hythe_core::view::View;

use super::ApiState;
use super::dto::{
    AppDiff, AppRef, Culprit, DiffQuery, DiffSide, DiffStep, FieldChange, StepChange,
};
use super::past::{Then, as_of};
use super::present;
use super::problem::{Kind, Problem};
use super::why::origin;

/// Deployments that are followed from one side to the other.
const MOST_DEPLOYMENTS: usize = 5_000;
/// Events that are told.
const MOST_STEPS: usize = 5_000;

/// One side as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Moment(Moment),
    Number(u64),
    Deployment(DeploymentId),
}

/// Compares an app at two moments, or two of its deployments.
pub(crate) async fn diff(
    state: &ApiState,
    app: String,
    query: DiffQuery,
) -> Result<AppDiff, Problem> {
    let from = asked(state, "from", &query.from)?;
    let to = query.to.as_deref().map(|to| asked(state, "to", to)).transpose()?;
    let tell_events = query.events.unwrap_or(false);
    let this = state.clone();
    let compared = state.control().past().look(move |book| {
        let comparison = Comparison::open(&this, book, &app, from, to)?;
        comparison.compare(tell_events)
    });
    compared.await
}

fn asked(state: &ApiState, field: &'static str, text: &str) -> Result<Asked, Problem> {
    let text = text.trim();
    if let Some(number) = text.strip_prefix('#') {
        let wrong = |_| Problem::field(field, "a deployment's number is # and a number, as in #3");
        return number.parse().map(Asked::Number).map_err(wrong);
    }
    if text.len() == 36
        && let Ok(id) = text.parse()
    {
        return Ok(Asked::Deployment(id));
    }
    state.moment(field, text).map(Asked::Moment)
}

/// A deployment of the app, with its own history.
struct Attempt {
    id: DeploymentId,
    /// The event by which it was asked for.
    asked: Point,
    events: Vec<Recorded<Event>>,
}

/// One side, found.
struct Side {
    point: Point,
    deployment: Option<Attempt>,
}

struct Comparison<'a> {
    state: &'a ApiState,
    book: &'a Book,
    app: AppId,
    name: AppName,
    /// All of the app's own events.
    history: Vec<Recorded<Event>>,
    from: Side,
    to: Side,
}

impl<'a> Comparison<'a> {
    fn open(
        state: &'a ApiState,
        book: &'a Book,
        app: &str,
        from: Asked,
        to: Option<Asked>,
    ) -> Result<Self, Problem> {
        let head = book.head();
        let point = |field, asked| match asked {
            Asked::Moment(moment) => state.point(book, field, moment).map(Some),
            Asked::Number(_) | Asked::Deployment(_) => Ok(None),
        };
        let now = book.find(Moment::Sequence(head), state.now()).map_err(Problem::from)?;
        let to = to.unwrap_or(Asked::Moment(Moment::Sequence(head)));
        let (at_from, at_to) = (point("from", from)?, point("to", to)?);
        // Whoever bore the name at the later side; else at the earlier one.
        let known = |point: Option<Point>| {
            let point = point.unwrap_or(now);
            Then { state, book, point }.app(app)
        };
        let app = known(at_to).or_else(|absent| known(at_from).map_err(|_| absent))?;
        let history = book.of_app(app, head)?;
        let name =
            book.chronicle(|chronicle| chronicle.apps.life(app).map(|(name, _)| name.clone()))?;
        let name = name.ok_or_else(|| Problem::not_found("there never was such an app"))?;
        let side = |field, asked, point: Option<Point>| match point {
            Some(point) => Ok(Side { point, deployment: None }),
            None => {
                let attempt = attempt(book, &history, field, asked)?;
                Ok::<_, Problem>(Side {
                    point: settled(&history, &attempt),
                    deployment: Some(attempt),
                })
            }
        };
        let (from, to) = (side("from", from, at_from)?, side("to", to, at_to)?);
        let mut comparison = Self { state, book, app, name, history, from, to };
        if let (Some(from), Some(to)) = (&comparison.from.deployment, &comparison.to.deployment) {
            (comparison.from.point, comparison.to.point) = (from.asked, to.asked);
        }
        let (from, to) = (comparison.from.point, comparison.to.point);
        if from.sequence > to.sequence {
            return Err(Problem::field(
                "to",
                format!(
                    "the earlier side comes first: \"from\" is event {}, \"to\" is event {}",
                    from.sequence, to.sequence
                ),
            ));
        }
        Ok(comparison)
    }

    fn compare(&self, tell_events: bool) -> Result<AppDiff, Problem> {
        let (walk, last) = match (&self.from.deployment, &self.to.deployment) {
            (Some(from), Some(to)) => (self.between_deployments(from, to)?, Some(to)),
            (Some(_) | None, None) | (None, Some(_)) => (self.between_moments()?, None),
        };
        let mut changes = Vec::new();
        for change in compare(&walk.before, &walk.after) {
            let by = match last {
                // The app has a status of its own, and builds nothing.
                Some(to) if of_its_own(&change.field) => Some(made(to, &change.field)),
                Some(to) => blame(&walk.steps, &change).or(Some(to.asked.sequence)),
                None => blame(&walk.steps, &change),
            };
            changes.push(self.told(change, by)?);
        }
        let events = tell_events.then(|| self.steps(&walk.steps)).transpose()?;
        Ok(AppDiff {
            app: AppRef { id: self.app, name: self.name.to_string() },
            from: self.side(&self.from)?,
            to: self.side(&self.to)?,
            changes,
            events,
        })
    }

    /// From what the app was, over all that happened to it and its deployments.
    fn between_moments(&self) -> Result<Walk, Problem> {
        let (from, to) = (self.from.point.sequence, self.to.point.sequence);
        let mut deployments = wanted(&self.history, from);
        let later = self.between().filter_map(|recorded| requested(&recorded.event));
        deployments.extend(later.map(|(id, _)| id));
        if deployments.len() > MOST_DEPLOYMENTS {
            return Err(Problem::new(
                Kind::Conflict,
                format!(
                    "there are more than {MOST_DEPLOYMENTS} deployments in between; compare \
                         moments that are closer"
                ),
            ));
        }
        let mut events = self.history.clone();
        for deployment in deployments {
            events.extend(self.book.of_deployment(deployment, to)?);
        }
        events.extend(self.book.of_projects(projects(&self.history), to)?);
        events.sort_by_key(|recorded| recorded.sequence);
        let before = events.partition_point(|recorded| recorded.sequence <= from);
        let upto = events.partition_point(|recorded| recorded.sequence <= to);
        let view = piece(events[..before].to_vec(), from);
        Ok(Walk::of_app(view, self.app, &events[before..upto]))
    }

    /// What two deployments run with, and the settings on the way from one request to the other.
    fn between_deployments(&self, from: &Attempt, to: &Attempt) -> Result<Walk, Problem> {
        let view: View = piece(self.history.clone(), self.from.point.sequence);
        let between: Vec<_> = self.between().cloned().collect();
        let walk = Walk::of_app(view, self.app, &between);
        Ok(Walk { before: facts(from)?, after: facts(to)?, steps: walk.steps })
    }

    fn between(&self) -> impl Iterator<Item = &Recorded<Event>> {
        let (from, to) = (self.from.point.sequence, self.to.point.sequence);
        let inside = move |r: &&Recorded<Event>| r.sequence > from && r.sequence <= to;
        self.history.iter().filter(inside)
    }

    fn told(&self, change: Change, by: Option<Sequence>) -> Result<FieldChange, Problem> {
        let event = by.map(|by| self.book.event(by)).transpose()?;
        let origin = event.clone().map(|event| origin(self.book, event)).transpose()?;
        let Change { field, before, after } = change;
        let (by, origin) = (event.as_ref().map(culprit), origin.as_ref().map(culprit));
        Ok(FieldChange { field, before, after, by, origin })
    }

    fn steps(&self, steps: &[Step]) -> Result<Vec<DiffStep>, Problem> {
        let told = steps.iter().take(MOST_STEPS).map(|step| {
            let changes = step.changes.iter().cloned().map(|change| {
                let Change { field, before, after } = change;
                StepChange { field, before, after }
            });
            let by = culprit(&self.book.event(step.by)?);
            Ok::<_, PastError>(DiffStep { by, changes: changes.collect() })
        });
        Ok(told.collect::<Result<_, _>>()?)
    }

    fn side(&self, side: &Side) -> Result<DiffSide, Problem> {
        let deployment = match &side.deployment {
            None => None,
            Some(attempt) => {
                let head = self.book.head();
                let view = self.book.app_in_brief(self.app, Some(attempt.id), head)?;
                let point = side.point;
                let then = Then { state: self.state, book: self.book, point };
                present::reference_to(then.sight(&view), attempt.id)
            }
        };
        Ok(DiffSide { as_of: as_of(side.point), deployment })
    }
}

fn requested(event: &Event) -> Option<(DeploymentId, u64)> {
    match event {
        Event::App(event) => event.requested().map(|(id, spec)| (id, spec.number)),
        Event::Deployment(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => {
            None
        }
    }
}

fn attempt(
    book: &Book,
    history: &[Recorded<Event>],
    field: &'static str,
    asked: Asked,
) -> Result<Attempt, Problem> {
    let found = history.iter().find_map(|recorded| {
        let (id, number) = requested(&recorded.event)?;
        let meant = match asked {
            Asked::Number(wanted) => wanted == number,
            Asked::Deployment(wanted) => wanted == id,
            Asked::Moment(_) => false,
        };
        meant.then_some((id, Point { sequence: recorded.sequence, time: recorded.meta.at }))
    });
    let (id, asked) = found.ok_or_else(|| {
        Problem::field(
            field,
            "this app never had such a deployment; `hythe deployments ls` lists them",
        )
    })?;
    let events = book.of_deployment(id, book.head())?;
    Ok(Attempt { id, asked, events })
}

/// When the app took it for live; or its newest event.
fn settled(history: &[Recorded<Event>], attempt: &Attempt) -> Point {
    let promotes = |event: &Event| match event {
        Event::App(AppEvent::DeploymentPromoted { deployment, .. }) => *deployment == attempt.id,
        Event::App(_)
        | Event::Deployment(_)
        | Event::Worker(_)
        | Event::Installation(_)
        | Event::Project(_) => false,
    };
    let promoted = history.iter().find(|recorded| promotes(&recorded.event));
    promoted.or(attempt.events.last()).map_or(attempt.asked, |recorded| Point {
        sequence: recorded.sequence,
        time: recorded.meta.at,
    })
}

/// Whether a fact of a deployment comes from its own history, not from its app's settings.
fn of_its_own(field: &str) -> bool {
    field == "status" || field.starts_with("built.")
}

/// The event of a deployment's own that a fact of it comes from; else its request.
fn made(attempt: &Attempt, field: &str) -> Sequence {
    let built = |event: &Event| match event {
        Event::Deployment(DeploymentEvent::Built { .. }) => true,
        Event::App(_)
        | Event::Deployment(_)
        | Event::Worker(_)
        | Event::Installation(_)
        | Event::Project(_) => false,
    };
    let found = if field.starts_with("built.") {
        attempt.events.iter().find(|recorded| built(&recorded.event))
    } else if field == "status" {
        attempt.events.last()
    } else {
        None
    };
    found.map_or(attempt.asked.sequence, |recorded| recorded.sequence)
}

fn facts(attempt: &Attempt) -> Result<Facts, Problem> {
    let events = attempt.events.iter().filter_map(|recorded| match &recorded.event {
        Event::Deployment(event) => Some(event),
        Event::App(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => None,
    });
    let deployment: Deployment = replay(events);
    deployment.attempt().map(of_deployment).ok_or_else(|| {
        Problem::new(Kind::Busy, "this deployment has not begun yet; look again soon")
            .retry_after(std::time::Duration::from_secs(1))
    })
}

fn culprit(event: &Recorded<Event>) -> Culprit {
    let entry = present::event(event);
    Culprit {
        sequence: entry.sequence,
        time: entry.time,
        event_type: entry.event_type,
        actor: entry.actor,
        correlation: entry.correlation,
    }
}
