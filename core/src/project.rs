//! A project: apps that belong together.
//!
//! Every app is in one; the one that is always there ([`ProjectId::DEFAULT`]) needs no event to
//! exist and cannot be removed. A project does not know its apps: which app is where is said by the
//! app alone, so that there is one truth. Whoever removes a project looks first whether it is empty;
//! an app that comes to it in that very moment is shown in the default one from then on.

use serde::{Deserialize, Serialize};

use crate::claims::{ClaimChange, ClaimKey};
use crate::ids::ProjectId;
use crate::machine::Machine;
use crate::names::ProjectName;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;

/// A project's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Project {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// It exists.
    Active(ActiveProject),
    /// It was deleted.
    Deleted,
}

/// A project that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveProject {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: ProjectName,
}

impl Project {
    /// The project, where it exists.
    #[must_use]
    pub const fn active(&self) -> Option<&ActiveProject> {
        match self {
            Self::Active(project) => Some(project),
            Self::Absent | Self::Deleted => None,
        }
    }
}

/// What a project can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectCommand {
    /// Comes into being.
    Create {
        /// Its id.
        id: ProjectId,
        /// Its name, free to take.
        name: ProjectName,
    },
    /// Goes. Whoever asks has looked that no app is in it.
    Delete,
}

/// What can happen to a project. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectEvent {
    /// It came into being.
    Created {
        /// Its id.
        id: ProjectId,
        /// Its name.
        name: ProjectName,
    },
    /// It is gone.
    Deleted,
}

impl Machine for Project {
    const KIND: AggregateKind = AggregateKind::Project;
    type Command = ProjectCommand;
    type Event = ProjectEvent;

    fn decide(&self, command: ProjectCommand) -> Result<Vec<ProjectEvent>, Rejection> {
        match (self, command) {
            (Self::Absent, ProjectCommand::Create { id, .. }) if id == ProjectId::DEFAULT => {
                Err(Rejection::Exists { what: "project".into() })
            }
            (Self::Absent, ProjectCommand::Create { name, .. }) if name.is_default() => {
                Err(Rejection::invalid("name", "\"default\" is the project that is always there"))
            }
            (Self::Absent, ProjectCommand::Create { id, name }) => {
                Ok(vec![ProjectEvent::Created { id, name }])
            }
            (Self::Active(_) | Self::Deleted, ProjectCommand::Create { .. }) => {
                Err(Rejection::Exists { what: "project".into() })
            }
            (Self::Absent, ProjectCommand::Delete) => Err(Rejection::not_found("project")),
            (Self::Active(_), ProjectCommand::Delete) => Ok(vec![ProjectEvent::Deleted]),
            (Self::Deleted, ProjectCommand::Delete) => Ok(Vec::new()),
        }
    }

    fn evolve(self, event: &ProjectEvent) -> Self {
        match (self, event) {
            (Self::Absent, ProjectEvent::Created { id, name }) => {
                Self::Active(ActiveProject { id: *id, name: name.clone() })
            }
            (Self::Active(_), ProjectEvent::Deleted) => Self::Deleted,
            (state, ProjectEvent::Created { .. } | ProjectEvent::Deleted) => state,
        }
    }

    fn priority(command: &ProjectCommand) -> Priority {
        match command {
            ProjectCommand::Create { .. } => Priority::Ordinary,
            ProjectCommand::Delete => Priority::Urgent,
        }
    }

    fn claims(&self, event: &ProjectEvent) -> Vec<ClaimChange> {
        match event {
            ProjectEvent::Created { id, name } => vec![ClaimChange::Take {
                key: ClaimKey::project_name(name),
                note: id.uuid().as_bytes().to_vec(),
            }],
            ProjectEvent::Deleted => {
                let name = self.active().map(|project| ClaimKey::project_name(&project.name));
                name.map(|key| ClaimChange::Release { key }).into_iter().collect()
            }
        }
    }

    fn ended(&self) -> bool {
        match self {
            Self::Deleted => true,
            Self::Absent | Self::Active(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> ProjectId {
        ProjectId::new(Uuid::from_u128(n))
    }

    fn create(n: u128, name: &str) -> ProjectCommand {
        ProjectCommand::Create { id: id(n), name: ProjectName::new(name).unwrap() }
    }

    #[test]
    fn what_a_project_does_in_each_state() {
        let created = ProjectEvent::Created { id: id(1), name: ProjectName::new("one").unwrap() };
        let active = Project::default().evolve(&created);
        let gone = active.clone().evolve(&ProjectEvent::Deleted);
        assert_eq!(Project::Absent.decide(create(1, "one")).unwrap(), [created]);
        assert_eq!(active.decide(ProjectCommand::Delete).unwrap(), [ProjectEvent::Deleted]);
        assert_eq!(gone.decide(ProjectCommand::Delete).unwrap(), []);
        assert!(Project::Absent.decide(ProjectCommand::Delete).is_err(), "nothing to delete");
        assert!(active.decide(create(2, "two")).is_err(), "it is there already");
        assert!(gone.decide(create(2, "two")).is_err(), "an id is not used twice");
        assert!(Project::Absent.decide(create(1, "default")).is_err(), "it is there already");
        let default = ProjectId::DEFAULT.uuid().as_u128();
        assert!(Project::Absent.decide(create(default, "one")).is_err());
        assert_eq!((gone.ended(), active.ended()), (true, false));
    }

    #[test]
    fn a_name_is_held_while_the_project_is_there() {
        let created = ProjectEvent::Created { id: id(1), name: ProjectName::new("one").unwrap() };
        let key = ClaimKey("project-name/one".into());
        let note = id(1).uuid().as_bytes().to_vec();
        assert_eq!(
            Project::Absent.claims(&created),
            [ClaimChange::Take { key: key.clone(), note }]
        );
        let active = Project::default().evolve(&created);
        assert_eq!(active.claims(&ProjectEvent::Deleted), [ClaimChange::Release { key }]);
        assert_eq!(Project::Deleted.claims(&ProjectEvent::Deleted), []);
    }

    fn commands() -> impl Strategy<Value = Vec<ProjectCommand>> {
        let one = prop_oneof![
            (0u128..3, "[a-c]").prop_map(|(n, name)| create(n, &name)),
            Just(ProjectCommand::Delete),
        ];
        prop::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn a_history_gives_the_same_state_again(commands in commands()) {
            crate::testing::replays_to_the_same_state::<Project>(commands)?;
        }
    }
}
