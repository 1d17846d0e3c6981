//! Which events are wanted.

use std::collections::HashMap;

use hythe_actors::past::{Book, Moment};
use hythe_core::deployment::DeploymentEvent;
use hythe_core::event::Event;
use hythe_core::ids::{AppId, CorrelationId, DeploymentId, ProjectId, WorkerId};
use hythe_core::names::{AppName, ProjectName, WorkerName};
use hythe_core::past::Lives;
use hythe_core::record::{Actor, AggregateKind, Recorded, Sequence, StreamId, Version};
use hythe_store::{Journal, Payload};
use uuid::Uuid;

use super::ApiState;
use super::dto::EventQuery;
use super::follow::{decode, unreadable};
use super::problem::Problem;

/// Deployments whose app is remembered.
const MOST_REMEMBERED: usize = 4_096;
/// Characters of a list of types.
const MOST_TYPES: usize = 1_000;

/// Which events are wanted.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    kind: Option<AggregateKind>,
    id: Option<Uuid>,
    app: Option<AppId>,
    apps: HashMap<DeploymentId, Option<AppId>>,
    types: Option<Vec<Type>>,
    who: Option<Who>,
    correlation: Option<CorrelationId>,
    /// None before this one.
    pub(crate) after: Sequence,
    /// None after this one.
    pub(crate) until: Option<Sequence>,
}

/// Kind and name; either may be any.
type Type = (Option<AggregateKind>, Option<&'static str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    System,
    AnyWorker,
    Webhook,
    Worker(WorkerId),
}

impl Filter {
    /// Whether reading what was asked for has to look into the past: for a time, or for a name.
    pub(crate) fn looks_back(query: &EventQuery) -> bool {
        let names = |text: &Option<String>| {
            let which = text.as_deref().and_then(|text| text.split_once([':', '/']));
            which.is_some_and(|(_, which)| which.parse::<Uuid>().is_err())
        };
        query.since.is_some()
            || query.until.is_some()
            || names(&query.aggregate)
            || names(&query.who)
            || query.app.as_ref().is_some_and(|app| app.parse::<Uuid>().is_err())
    }

    /// Reads what was asked for. Blocks on the disk, where it [looks back](Self::looks_back).
    pub(crate) fn new(state: &ApiState, book: &Book, query: &EventQuery) -> Result<Self, Problem> {
        let mut filter = Self {
            types: query.event_type.as_deref().map(types).transpose()?,
            who: query.who.as_deref().map(|who| self::who(book, who)).transpose()?,
            app: query.app.as_deref().map(|app| self::app(book, "app", app)).transpose()?,
            correlation: query.correlation.map(CorrelationId::new),
            ..Self::default()
        };
        if let Some(aggregate) = &query.aggregate {
            let (kind, which) = match aggregate.split_once(':') {
                Some((kind, which)) => (kind, Some(which)),
                None => (aggregate.as_str(), None),
            };
            let kind: AggregateKind = kind.parse().map_err(|unknown| {
                let unknown: hythe_core::record::UnknownKind = unknown;
                Problem::field("aggregate", unknown.to_string())
            })?;
            filter.kind = Some(kind);
            filter.id = which.map(|which| one(book, kind, which)).transpose()?;
        }
        if let Some(since) = &query.since {
            filter.after = match state.moment("since", since)? {
                Moment::Sequence(sequence) => {
                    Sequence(sequence.0.saturating_sub(1)).min(book.head())
                }
                moment @ Moment::Time(_) => up_to(state, book, "since", moment)?,
            };
        }
        if let Some(until) = &query.until {
            filter.until = Some(match state.moment("until", until)? {
                Moment::Sequence(sequence) => sequence,
                moment @ Moment::Time(_) => up_to(state, book, "until", moment)?,
            });
        }
        Ok(filter)
    }

    /// Whether an event is wanted, given that its bytes have not been looked at.
    fn may_want(&self, recorded: &Recorded<Payload>) -> bool {
        let Recorded { stream, meta, .. } = recorded;
        let by = |who| match (who, &meta.actor) {
            (Who::Owner, Actor::Owner)
            | (Who::System, Actor::System)
            | (Who::AnyWorker, Actor::Worker(_))
            | (Who::Webhook, Actor::Webhook(_)) => true,
            (Who::Worker(wanted), Actor::Worker(id)) => wanted == *id,
            (Who::Owner, Actor::System | Actor::Worker(_) | Actor::Webhook(_))
            | (Who::System, Actor::Owner | Actor::Worker(_) | Actor::Webhook(_))
            | (Who::AnyWorker | Who::Worker(_), Actor::Owner | Actor::System | Actor::Webhook(_))
            | (Who::Webhook, Actor::Owner | Actor::System | Actor::Worker(_)) => false,
        };
        self.kind.is_none_or(|kind| kind == stream.kind)
            && self.id.is_none_or(|id| id == stream.id)
            && self.correlation.is_none_or(|correlation| correlation == meta.correlation)
            && self.who.is_none_or(by)
    }

    /// The event, where it is wanted.
    pub(crate) fn take(
        &mut self,
        journal: &Journal,
        recorded: Recorded<Payload>,
    ) -> Result<Option<Recorded<Event>>, Problem> {
        if !self.may_want(&recorded) {
            return Ok(None);
        }
        let recorded = decode(recorded)?;
        let named = |(kind, name): &Type| {
            kind.is_none_or(|kind| kind == recorded.stream.kind)
                && name.is_none_or(|name| name == recorded.event.name())
        };
        if self.types.as_ref().is_some_and(|types| !types.iter().any(named)) {
            return Ok(None);
        }
        let wanted = match (self.app, &recorded.event) {
            (None, _) => true,
            (Some(app), Event::App(_)) => recorded.stream.id == app.uuid(),
            (Some(_), Event::Worker(_) | Event::Installation(_) | Event::Project(_)) => false,
            (Some(app), Event::Deployment(event)) => {
                let id = DeploymentId::new(recorded.stream.id);
                self.app_of(journal, id, event)? == Some(app)
            }
        };
        Ok(wanted.then_some(recorded))
    }

    fn app_of(
        &mut self,
        journal: &Journal,
        id: DeploymentId,
        event: &DeploymentEvent,
    ) -> Result<Option<AppId>, Problem> {
        if let Some(app) = app_named_by(event) {
            return Ok(Some(app));
        }
        if let Some(app) = self.apps.get(&id) {
            return Ok(*app);
        }
        let stream = StreamId { kind: AggregateKind::Deployment, id: id.uuid() };
        let first =
            journal.read_stream(stream, Version(0), 1).map_err(|error| unreadable(&error))?;
        let app = match first.into_iter().next() {
            None => None,
            Some(first) => of_which_app(&decode(first)?),
        };
        if self.apps.len() >= MOST_REMEMBERED {
            self.apps.clear();
        }
        self.apps.insert(id, app);
        Ok(app)
    }
}

/// The app that an event of a deployment names.
fn app_named_by(event: &DeploymentEvent) -> Option<AppId> {
    match event {
        DeploymentEvent::Requested(spec) => Some(spec.app),
        DeploymentEvent::BecameHealthy { app }
        | DeploymentEvent::WentLive { app }
        | DeploymentEvent::Ended { app, .. } => Some(*app),
        DeploymentEvent::BuildQueued { .. }
        | DeploymentEvent::BuildStarted { .. }
        | DeploymentEvent::Built { .. }
        | DeploymentEvent::Placed { .. }
        | DeploymentEvent::SwitchStarted { .. }
        | DeploymentEvent::Switched { .. }
        | DeploymentEvent::BuildSkipped { .. }
        | DeploymentEvent::ImageMissed { .. }
        | DeploymentEvent::ProcessesScaled { .. }
        | DeploymentEvent::Declared(_)
        | DeploymentEvent::Scaled { .. }
        | DeploymentEvent::Rescaled { .. }
        | DeploymentEvent::ReplicasLeft
        | DeploymentEvent::ReleaseStarted { .. }
        | DeploymentEvent::Released { .. }
        | DeploymentEvent::PostDeployStarted { .. }
        | DeploymentEvent::PostDeployed
        | DeploymentEvent::PostDeployFailed { .. } => None,
    }
}

/// The app that a deployment is of, by the first of its events.
pub(crate) fn of_which_app(first: &Recorded<Event>) -> Option<AppId> {
    match &first.event {
        Event::Deployment(event) => app_named_by(event),
        Event::App(_) | Event::Worker(_) | Event::Installation(_) | Event::Project(_) => None,
    }
}

/// The newest event at a time; none, where that was before the first.
fn up_to(
    state: &ApiState,
    book: &Book,
    field: &'static str,
    moment: Moment,
) -> Result<Sequence, Problem> {
    match state.point(book, field, moment) {
        Ok(point) => Ok(point.sequence),
        Err(problem) => match moment {
            // Before the beginning there was nothing, which is an answer here.
            Moment::Time(time) if book.newest_by(time)? == Sequence(0) => Ok(Sequence(0)),
            Moment::Time(_) | Moment::Sequence(_) => Err(problem),
        },
    }
}

fn types(text: &str) -> Result<Vec<Type>, Problem> {
    let known =
        |name: &str| Event::NAMES.iter().map(|(_, known)| *known).find(|known| *known == name);
    let one = |text: &str| {
        let (kind, name) = match text.split_once('.') {
            Some((kind, name)) => (Some(kind.parse::<AggregateKind>().ok()?), name),
            None => (None, text),
        };
        if name == "*" {
            return Some((kind, None));
        }
        let name = known(name)?;
        let there = Event::NAMES
            .iter()
            .any(|(of, named)| *named == name && kind.is_none_or(|kind| kind == *of));
        there.then_some((kind, Some(name)))
    };
    let wrong = || {
        let all: Vec<_> =
            Event::NAMES.iter().map(|(kind, name)| format!("{kind}.{name}")).collect();
        Problem::field(
            "type",
            format!("there is no such type of event; it is one of {}", all.join(", ")),
        )
    };
    if text.len() > MOST_TYPES {
        return Err(wrong());
    }
    text.split(',').map(|text| one(text.trim())).collect::<Option<_>>().ok_or_else(wrong)
}

fn who(book: &Book, text: &str) -> Result<Who, Problem> {
    match text {
        "owner" => return Ok(Who::Owner),
        "system" => return Ok(Who::System),
        "worker" => return Ok(Who::AnyWorker),
        "webhook" => return Ok(Who::Webhook),
        _other => {}
    }
    match text.strip_prefix("worker:").or_else(|| text.strip_prefix("worker/")) {
        Some(which) => worker(book, "who", which).map(Who::Worker),
        None => Err(Problem::field(
            "who",
            "somebody is owner, system, webhook, worker, or one worker: worker:NAME, worker:ID",
        )),
    }
}

fn one(book: &Book, kind: AggregateKind, which: &str) -> Result<Uuid, Problem> {
    match kind {
        AggregateKind::App => app(book, "aggregate", which).map(AppId::uuid),
        AggregateKind::Worker => worker(book, "aggregate", which).map(WorkerId::uuid),
        AggregateKind::Deployment => which
            .parse()
            .map_err(|_| Problem::field("aggregate", "a deployment is named by its id")),
        AggregateKind::Project => project(book, "aggregate", which).map(ProjectId::uuid),
        AggregateKind::Installation => which
            .parse()
            .map_err(|_| Problem::field("aggregate", "there is one installation: leave out which")),
    }
}

/// The app of an id or a name: the newest one that bore it, gone or not.
fn app(book: &Book, field: &'static str, which: &str) -> Result<AppId, Problem> {
    // By its id, it need not even have been there.
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let name = AppName::new(which).map_err(|bad| Problem::field(field, bad.to_string()))?;
    let found = book.chronicle(|chronicle| newest(&chronicle.apps, &name))?;
    found.ok_or_else(|| Problem::not_found(format!("there never was an app named {name}")))
}

fn worker(book: &Book, field: &'static str, which: &str) -> Result<WorkerId, Problem> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let name = WorkerName::new(which).map_err(|bad| Problem::field(field, bad.to_string()))?;
    let found = book.chronicle(|chronicle| newest(&chronicle.workers, &name))?;
    found.ok_or_else(|| Problem::not_found(format!("there never was a worker named {name}")))
}

fn project(book: &Book, field: &'static str, which: &str) -> Result<ProjectId, Problem> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let name = ProjectName::new(which).map_err(|bad| Problem::field(field, bad.to_string()))?;
    let found = book.chronicle(|chronicle| newest(&chronicle.projects, &name))?;
    found.ok_or_else(|| Problem::not_found(format!("there never was a project named {name}")))
}

fn newest<N: Ord + Clone, I: Ord + Copy>(lives: &Lives<N, I>, name: &N) -> Option<I> {
    lives.named(name).last().map(|life| life.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_ones() {
        let deployment = Some(AggregateKind::Deployment);
        assert_eq!(types("deployment.went_live").unwrap(), [(deployment, Some("went_live"))]);
        assert_eq!(
            types("went_live, deployment.*").unwrap(),
            [(None, Some("went_live")), (deployment, None)]
        );
        for wrong in
            ["", "app.went_live", "deployment.", "nothing", "x.*", "a,,b", &"a,".repeat(900)]
        {
            let problem = types(wrong).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("type"), "{wrong}");
            assert!(problem.detail.contains("deployment.went_live"), "{}", problem.detail);
        }
    }
}
