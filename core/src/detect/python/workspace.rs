//! An app in a folder of a workspace of uv: that has one lock for all its packages, and the app is installed by it.

use toml::Value;

use crate::detect::patterns::fits;
use crate::detect::repo::Repo;
use crate::detect::texts::uv_above;
use crate::detect::words;
use crate::rejection::Rejection;

/// A workspace that an app is a part of.
#[derive(Debug)]
pub(super) struct Workspace<'a> {
    /// Its root.
    pub(super) root: Repo<'a>,
    /// The folder of the app in it.
    pub(super) inside: String,
    /// What the app is called there.
    pub(super) package: String,
}

/// The one whose root lists the folder among its members.
pub(super) fn of<'a>(repo: &Repo<'a>) -> Result<Option<Workspace<'a>>, Rejection> {
    let Some(above) = uv_above(repo.files, repo.folder) else { return Ok(None) };
    let root = Repo { folder: above, ..*repo };
    let inside = repo.folder.get(above.len()..).unwrap_or_default().trim_start_matches('/');
    let manifest = root.toml("pyproject.toml")?.unwrap_or_default();
    let workspace = manifest.get("tool").and_then(|tool| tool.get("uv")?.get("workspace"));
    let listed = |key: &str| {
        let patterns = workspace.and_then(|workspace| workspace.get(key)?.as_array());
        let mut patterns = patterns.into_iter().flatten().filter_map(Value::as_str);
        patterns.any(|pattern| fits(pattern, inside))
    };
    if !listed("members") || listed("exclude") {
        return Ok(None);
    }
    let own = repo.toml("pyproject.toml")?.unwrap_or_default();
    let name = own.get("project").and_then(|project| project.get("name")?.as_str());
    let package = words::name(name.unwrap_or_default(), "project.name in pyproject.toml")?;
    let inside = words::path(inside, "build_context")?;
    Ok(Some(Workspace { root, inside, package }))
}
