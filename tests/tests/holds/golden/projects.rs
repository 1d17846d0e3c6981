//! Events of projects.

use hythe_core::names::ProjectName;
use hythe_core::project::ProjectEvent;

use super::values::project;

pub(super) fn all() -> Vec<(&'static str, ProjectEvent)> {
    vec![
        (
            "created",
            ProjectEvent::Created { id: project(), name: ProjectName::new("web").unwrap() },
        ),
        ("deleted", ProjectEvent::Deleted),
    ]
}
