//! How operations ask the control plane, and what they make of its answers.

use std::time::{Duration, Instant};

use hythe_actors::aggregate::{CommandError, Done, Extras, Hosted};
use hythe_core::app::ActiveApp;
use hythe_core::claims::{ClaimChange, ClaimKey};
use hythe_core::ids::{AppId, CorrelationId, DeploymentId, ProjectId};
use hythe_core::names::{AppName, ProjectName};
use hythe_core::near::nearest;
use hythe_core::record::{Actor, Meta, Sequence};
use hythe_store::{NoRoom, SecretChange};
use uuid::Uuid;

use super::ApiState;
use super::idempotency::{Asked, Before, Once};
use super::present::Sight;
use super::problem::{Kind, Problem};

/// How long a deployment that an app knows of may take to begin its own history.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// How long reads may take to show a change that was quicker than another one.
const SHOWS_WITHIN: Duration = Duration::from_secs(1);
/// When it is worth looking whether there is room again.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// What goes with a command besides who asks.
#[derive(Debug, Default)]
pub(crate) struct With {
    pub(crate) claim: Option<ClaimChange>,
    pub(crate) secrets: Vec<SecretChange>,
}

impl ApiState {
    /// Looks at everything at one moment.
    pub(crate) fn see<T>(&self, look: impl FnOnce(Sight<'_>) -> T) -> T {
        let control = self.control();
        control.read(|view| {
            control.observed(|observed| {
                look(Sight { view, observed, config: self.config(), as_of: None })
            })
        })
    }

    /// Who asks, and when.
    pub(crate) fn meta(&self, asked: &Asked) -> Meta {
        Meta {
            at: self.now(),
            actor: Actor::Owner,
            correlation: CorrelationId::new(asked.id),
            causation: None,
        }
    }

    /// Gives a command, and waits until it is on disk and everything read afterwards shows it.
    pub(crate) async fn command<M: Hosted>(
        &self,
        id: Uuid,
        command: M::Command,
        meta: Meta,
        with: With,
    ) -> Result<Done<M>, CommandError> {
        let begun = Instant::now();
        let With { claim, secrets } = with;
        let extras = Extras { meta, claims: claim.into_iter().collect(), secrets };
        let answer = self.control().command::<M>(id, command, extras).await;
        self.metrics().commanded(answer.is_ok(), begun.elapsed());
        let done = answer?;
        // Where it was so already, it was made so by something that reads must show as well.
        let sequence = done.sequence.unwrap_or_else(|| self.control().journal().head());
        self.seen(sequence).await?;
        Ok(done)
    }

    async fn seen(&self, sequence: Sequence) -> Result<(), CommandError> {
        self.control().wait_for(sequence).await.map_err(|error| {
            CommandError::Unavailable(format!(
                "it is done and on disk, but reading it back takes too long: {error}"
            ))
        })
    }

    /// Waits until reads show what is looked for; false where that does not happen soon.
    pub(crate) async fn shows(
        &self,
        look: impl Fn() -> Result<bool, Problem>,
    ) -> Result<bool, Problem> {
        let mut seen = self.control().seen();
        let shown = async {
            loop {
                seen.mark_unchanged();
                if look()? {
                    return Ok(true);
                }
                if seen.changed().await.is_err() {
                    return Ok(false);
                }
            }
        };
        tokio::time::timeout(SHOWS_WITHIN, shown).await.unwrap_or(Ok(false))
    }

    /// What came of a request when it was made before under the same key, once reads show that.
    pub(crate) async fn before(&self, once: Option<&Once>) -> Result<Option<Before>, Problem> {
        let Some(once) = once else { return Ok(None) };
        // What is no command has its keys in memory.
        self.errands().before(Some(once))?;
        let Some(before) = once.before(self.control().journal())? else { return Ok(None) };
        self.seen(before.sequence).await.map_err(problem)?;
        Ok(Some(before))
    }

    /// What to say of a failed command: what came of it before, where the same request under the
    /// same key was faster, or the problem.
    pub(crate) async fn before_or(
        &self,
        once: Option<&Once>,
        error: CommandError,
    ) -> Result<Before, Problem> {
        self.before(once).await?.ok_or_else(|| problem(error))
    }

    /// The app of a name or an id.
    pub(crate) fn app(&self, name_or_id: &str) -> Result<(AppId, ActiveApp), Problem> {
        self.see(|sight| {
            let id = match name_or_id.parse::<AppId>() {
                Ok(id) => Some(id),
                Err(_not_an_id) => AppName::new(name_or_id)
                    .ok()
                    .and_then(|name| sight.view.app_named(&name).map(|(id, _)| id)),
            };
            let app = id.and_then(|id| Some((id, sight.view.apps.get(&id)?.state.active()?)));
            let app = app.filter(|(_, app)| app.discarded.is_none());
            app.map(|(id, app)| (id, app.clone()))
        })
        .ok_or_else(|| match self.deleted_app(name_or_id) {
            Some(_) => Problem::not_found(format!(
                "the app {name_or_id} was deleted; to have it back: hythe app restore {name_or_id}"
            )),
            None => no_such_app(self.meant(name_or_id).as_deref()),
        })
    }

    /// The app that was probably meant by a name that none has.
    fn meant(&self, name: &str) -> Option<String> {
        // What can be no name is not compared: it may be of any length.
        let name = AppName::new(name).ok().filter(|_| name.parse::<AppId>().is_err())?;
        self.see(|sight| {
            let apps = sight.view.apps.values().filter_map(|view| view.state.active());
            let names = apps.filter(|app| app.discarded.is_none()).map(|app| app.name.as_str());
            nearest(name.as_str(), names, 1).first().map(|near| (*near).to_owned())
        })
    }

    /// The deleted app of a name or an id; of several the one that was deleted last.
    pub(crate) fn deleted_app(&self, name_or_id: &str) -> Option<AppId> {
        let id = name_or_id.parse::<AppId>().ok();
        self.see(|sight| {
            let apps = sight.view.apps.values().filter_map(|view| view.state.active());
            let deleted = apps.filter_map(|app| Some((app.discarded?.until, app)));
            let meant =
                deleted.filter(|(_, app)| id == Some(app.id) || app.name.as_str() == name_or_id);
            meant.max_by_key(|(until, app)| (*until, app.id)).map(|(_, app)| app.id)
        })
    }

    /// The project of a name or an id.
    pub(crate) fn project(&self, field: &str, name_or_id: &str) -> Result<ProjectId, Problem> {
        if name_or_id == ProjectName::DEFAULT {
            return Ok(ProjectId::DEFAULT);
        }
        let found = self.see(|sight| {
            let id = name_or_id.parse::<ProjectId>().ok();
            let there = sight.view.projects.values().filter_map(|view| view.state.active());
            let mut there = there
                .filter(|project| id == Some(project.id) || project.name.as_str() == name_or_id);
            there.next().map(|project| project.id)
        });
        let default = || name_or_id.parse().ok().filter(|id| *id == ProjectId::DEFAULT);
        found.or_else(default).ok_or_else(|| Problem {
            field: Some(field.into()),
            ..Problem::not_found(
                "there is no project of this name or id; `hythe project ls` shows which there are",
            )
        })
    }

    /// The id of a deployment that is there. One that was asked for a moment ago may not have
    /// begun its own history: it is waited for.
    pub(crate) async fn deployment(&self, id: &str) -> Result<DeploymentId, Problem> {
        let id: DeploymentId = id.parse().map_err(|_not_an_id| no_such_deployment())?;
        let mut head = self.control().journal().watch();
        let found = async {
            loop {
                head.mark_unchanged();
                let newest = *head.borrow();
                // What the journal has, the view has soon.
                if self.seen(newest).await.is_err() {
                    return Err(starting());
                }
                let (there, expected) = self.see(|sight| {
                    let apps = sight.view.apps.values();
                    let mut apps = apps.filter_map(|app| app.state.active());
                    let known = |app: &ActiveApp| [app.rolling, app.waiting].contains(&Some(id));
                    (sight.view.deployments.contains_key(&id), apps.any(known))
                });
                if there {
                    return Ok(id);
                }
                if !expected {
                    return Err(no_such_deployment());
                }
                if head.changed().await.is_err() {
                    return Err(starting());
                }
            }
        };
        tokio::time::timeout(BEGINS_WITHIN, found).await.unwrap_or_else(|_| Err(starting()))
    }
}

fn no_such_app(meant: Option<&str>) -> Problem {
    let meant = meant.map_or_else(String::new, |name| format!("did you mean {name}? "));
    Problem::not_found(format!(
        "there is no app of this name or id; {meant}`hythe app ls` shows which there are"
    ))
}

fn no_such_deployment() -> Problem {
    Problem::not_found(
        "there is no deployment of this id, or it ended so long ago that only the events tell of \
         it",
    )
}

fn starting() -> Problem {
    Problem::new(Kind::Busy, "this deployment was asked for and has not begun yet; look again soon")
        .retry_after(Duration::from_secs(1))
}

/// What a failed command means to whoever asked.
pub(crate) fn problem(error: CommandError) -> Problem {
    match error {
        CommandError::Rejected(rejection) => rejection.into(),
        CommandError::ClaimTaken { key, owner: _ } => taken(&key),
        CommandError::Busy { retry_after } => {
            Problem::new(Kind::Busy, "too much is under way; try again soon")
                .retry_after(retry_after)
        }
        CommandError::NoRoom(room) => no_room(&room),
        CommandError::Unavailable(why) => {
            tracing::warn!(%why, "a command failed");
            Problem::new(Kind::Unavailable, why).retry_after(Duration::from_secs(1))
        }
    }
}

/// What can be done without room, and what to do for some.
fn no_room(room: &NoRoom) -> Problem {
    let detail = format!(
        "{room}. Apps go on, and what frees something still works: deleting apps, cancelling \
         deployments, removing variables. Make room there (old images: `docker image prune`; logs; \
         old backups); what was refused works again by itself then"
    );
    Problem::new(Kind::NoRoom, detail).retry_after(ROOM_AGAIN)
}

fn taken(key: &ClaimKey) -> Problem {
    match key.0.split_once('/') {
        Some(("app-name", name)) => Problem {
            field: Some("name".into()),
            ..Problem::new(
                Kind::Exists,
                format!("an app named \"{name}\" exists already; choose another name"),
            )
        },
        Some(("project-name", name)) => Problem {
            field: Some("name".into()),
            ..Problem::new(
                Kind::Exists,
                format!("a project named \"{name}\" exists already; choose another name"),
            )
        },
        Some(("domain", domain)) => Problem {
            field: Some("domains".into()),
            ..Problem::new(
                Kind::Conflict,
                format!("\"{domain}\" leads to another app; take it from there first"),
            )
        },
        Some(_) | None => Problem::new(
            Kind::Conflict,
            "the same request is under way at this moment; repeat it for its outcome",
        ),
    }
}
