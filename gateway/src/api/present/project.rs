//! Projects as people see them.

use std::collections::BTreeMap;

use hythe_core::ids::{AppId, ProjectId};
use hythe_core::names::ProjectName;

use super::Sight;
use crate::api::dto::Project;

/// The name of the project that an app is in.
pub(crate) fn project_of(sight: Sight<'_>, app: AppId) -> String {
    name(sight, sight.view.project_of(app))
}

fn name(sight: Sight<'_>, id: ProjectId) -> String {
    let project = sight.view.project(id);
    project.map_or_else(|| ProjectName::DEFAULT.to_owned(), |project| project.name.to_string())
}

/// All projects: the one that is always there, then the others by name.
pub(crate) fn projects(sight: Sight<'_>) -> Vec<Project> {
    let mut apps = apps(sight);
    let mut ids: Vec<_> = sight.view.projects.keys().copied().collect();
    ids.sort_by_cached_key(|id| name(sight, *id));
    let all = std::iter::once(ProjectId::DEFAULT).chain(ids);
    all.filter_map(|id| shown(sight, id, apps.remove(&id).unwrap_or_default())).collect()
}

/// One project, where it exists.
pub(crate) fn project(sight: Sight<'_>, id: ProjectId) -> Option<Project> {
    shown(sight, id, apps(sight).remove(&id).unwrap_or_default())
}

/// The apps of each project, by name.
fn apps(sight: Sight<'_>) -> BTreeMap<ProjectId, Vec<String>> {
    let mut apps: BTreeMap<ProjectId, Vec<String>> = BTreeMap::new();
    for (name, id) in &sight.view.names {
        apps.entry(sight.view.project_of(*id)).or_default().push(name.to_string());
    }
    apps
}

fn shown(sight: Sight<'_>, id: ProjectId, apps: Vec<String>) -> Option<Project> {
    let there = sight.view.projects.get(&id);
    if there.is_none() && id != ProjectId::DEFAULT {
        return None;
    }
    let created_at = there.map(|project| project.created_at.into());
    Some(Project { id, name: name(sight, id), apps, created_at, as_of: sight.as_of })
}
