//! How operations ask about the past, and what they make of its answers.

use std::fmt::Display;
use std::sync::LazyLock;

use hythe_actors::past::{Book, Moment, PastError};
use hythe_core::ids::{AppId, DeploymentId, ProjectId, WorkerId};
use hythe_core::names::{AppName, ProjectName, WorkerName};
use hythe_core::observed::Observed;
use hythe_core::past::{Lives, NotThen, Point};
use hythe_core::record::Sequence;
use hythe_core::view::View;

use super::ApiState;
use super::dto::{AsOf, Time};
use super::filter::of_which_app;
use super::present::Sight;
use super::problem::{Kind, Problem};
use crate::moment;

/// Nothing of what was seen is kept.
static NOTHING_SEEN: LazyLock<Observed> = LazyLock::new(Observed::default);

/// A moment that was, and everything that tells of it.
pub(crate) struct Then<'a> {
    pub(crate) state: &'a ApiState,
    pub(crate) book: &'a Book,
    /// The event after which it was so.
    pub(crate) point: Point,
}

impl ApiState {
    /// Looks at the past, as of the moment that a parameter says.
    pub(crate) async fn look_back<T: Send + 'static>(
        &self,
        field: &'static str,
        at: &str,
        look: impl FnOnce(&Then<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let moment = self.moment(field, at)?;
        let state = self.clone();
        let seen = self.control().past().look(move |book| {
            let point = state.point(book, field, moment)?;
            look(&Then { state: &state, book, point })
        });
        seen.await
    }

    /// The moment that a parameter says.
    pub(crate) fn moment(&self, field: &'static str, text: &str) -> Result<Moment, Problem> {
        moment::parse(text, &moment::utc(self.now()))
            .map_err(|bad| Problem::field(field, bad.to_string()))
    }

    /// The event that a moment comes down to.
    pub(crate) fn point(
        &self,
        book: &Book,
        field: &'static str,
        moment: Moment,
    ) -> Result<Point, Problem> {
        book.find(moment, self.now()).map_err(|error| match error {
            PastError::Beyond { .. } | PastError::Before { .. } | PastError::Future { .. } => {
                Problem::field(field, never(&error))
            }
            PastError::Busy { .. }
            | PastError::TooLong { .. }
            | PastError::Store(_)
            | PastError::Failed(_) => error.into(),
        })
    }
}

/// Why a moment never was.
fn never(error: &PastError) -> String {
    match error {
        PastError::Before { first: Some(first) } => {
            format!("the journal begins with event 1, at {}; nothing was before that", Time(*first))
        }
        PastError::Before { first: None } => "nothing has happened here yet".into(),
        PastError::Future { now } => {
            format!("that time has not come yet; it is {} here", Time(*now))
        }
        PastError::Beyond { .. }
        | PastError::Busy { .. }
        | PastError::TooLong { .. }
        | PastError::Store(_)
        | PastError::Failed(_) => error.to_string(),
    }
}

impl From<PastError> for Problem {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Busy { retry_after } => {
                Self::new(Kind::Busy, "too many look back at once; try again soon")
                    .retry_after(retry_after)
            }
            PastError::Beyond { .. } | PastError::Before { .. } | PastError::Future { .. } => {
                Self::not_found(never(&error))
            }
            PastError::TooLong { .. } => Self::new(Kind::Conflict, error.to_string()),
            PastError::Store(_) | PastError::Failed(_) => {
                tracing::error!(%error, "failed to look back");
                Self::new(Kind::Unavailable, "the journal cannot be read; see the server's log")
            }
        }
    }
}

impl Then<'_> {
    pub(crate) fn at(&self) -> Sequence {
        self.point.sequence
    }

    pub(crate) fn as_of(&self) -> AsOf {
        as_of(self.point)
    }

    /// A view of the past, to be presented.
    pub(crate) fn sight<'a>(&'a self, view: &'a View) -> Sight<'a> {
        let config = self.state.config();
        Sight { view, observed: &NOTHING_SEEN, config, as_of: Some(self.as_of()) }
    }

    /// The app of a name or an id then.
    pub(crate) fn app(&self, name_or_id: &str) -> Result<AppId, Problem> {
        let at = self.at();
        let found = self.book.chronicle(|chronicle| {
            which(&chronicle.apps, name_or_id.parse().ok(), AppName::new(name_or_id).ok(), at)
        })?;
        found.map_err(|not_then| self.absent("app", &not_then))
    }

    /// The project of a name or an id then.
    pub(crate) fn project(&self, name_or_id: &str) -> Result<ProjectId, Problem> {
        if name_or_id == ProjectName::DEFAULT {
            return Ok(ProjectId::DEFAULT);
        }
        let at = self.at();
        let found = self.book.chronicle(|chronicle| {
            let name = ProjectName::new(name_or_id).ok();
            which(&chronicle.projects, name_or_id.parse().ok(), name, at)
        })?;
        found.map_err(|not_then| self.absent("project", &not_then))
    }

    /// The worker of a name or an id then.
    pub(crate) fn worker(&self, name_or_id: &str) -> Result<WorkerId, Problem> {
        let at = self.at();
        let found = self.book.chronicle(|chronicle| {
            let name = WorkerName::new(name_or_id).ok();
            which(&chronicle.workers, name_or_id.parse().ok(), name, at)
        })?;
        found.map_err(|not_then| self.absent("worker", &not_then))
    }

    fn absent(&self, what: &str, not_then: &NotThen) -> Problem {
        let AsOf { sequence, time } = self.as_of();
        let event = |point: Point| format!("event {} at {}", point.sequence, Time(point.time));
        let mut says =
            format!("there was no {what} of this name or id at event {sequence} ({time})");
        if let Some(gone) = not_then.gone {
            says += &format!("; the one before ended with {}", event(gone));
        }
        match not_then.later {
            Some(later) => says += &format!("; it came into being with {}", event(later)),
            None if not_then.gone.is_none() => says += ", nor ever later",
            None => {}
        }
        Problem::not_found(says)
    }

    /// A deployment then, with its app: what the view said of them.
    pub(crate) fn deployment(&self, id: &str) -> Result<(DeploymentId, View), Problem> {
        let never = || Problem::not_found("there never was a deployment of this id");
        let id: DeploymentId = id.parse().map_err(|_not_an_id| never())?;
        let first = self.book.of_deployment(id, Sequence(u64::MAX))?.into_iter().next();
        let first = first.ok_or_else(never)?;
        if first.sequence > self.at() {
            let (sequence, time) = (first.sequence, Time(first.meta.at));
            let AsOf { sequence: at, time: then } = self.as_of();
            return Err(Problem::not_found(format!(
                "this deployment was not there yet at event {at} ({then}); it began with event \
                 {sequence} at {time}"
            )));
        }
        let app = of_which_app(&first).ok_or_else(never)?;
        let view = self.book.app_in_brief(app, Some(id), self.at())?;
        if view.deployments.contains_key(&id) {
            return Ok((id, view));
        }
        Err(Problem::not_found("this deployment had ended, and went with its app"))
    }
}

fn which<N: Ord + Clone, I: Ord + Copy>(
    lives: &Lives<N, I>,
    id: Option<I>,
    name: Option<N>,
    at: Sequence,
) -> Result<I, NotThen> {
    match (id, name) {
        (Some(id), _) => lives.there(id, at),
        (None, Some(name)) => lives.find(&name, at),
        (None, None) => Err(NotThen::default()),
    }
}

pub(crate) fn as_of(point: Point) -> AsOf {
    AsOf { sequence: point.sequence.0, time: Time(point.time) }
}

/// What is left of a list that goes by name: the names themselves are found quickly, what is under
/// them is not.
pub(crate) fn page<N: Display, I: Copy>(
    mut names: impl Iterator<Item = (N, I)>,
    most: usize,
) -> (Vec<I>, Option<String>) {
    let mut ids = Vec::new();
    let mut last = None;
    for (name, id) in names.by_ref().take(most) {
        ids.push(id);
        last = Some(name);
    }
    let next = names.next().and(last).map(|last| last.to_string());
    (ids, next)
}
