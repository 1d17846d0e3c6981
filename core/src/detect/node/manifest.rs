//! What `package.json` says.

use serde_json::{Map, Value};

use crate::detect::repo::Repo;
use crate::rejection::Rejection;

/// Lists of what is depended on; the first is what an app needs when it runs.
const LISTS: [&str; 4] =
    ["dependencies", "optionalDependencies", "devDependencies", "peerDependencies"];
/// Scripts that run when dependencies are installed, and may want any file.
const INSTALL_SCRIPTS: [&str; 6] =
    ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];

/// `package.json`.
#[derive(Clone, Debug, Default)]
pub(super) struct Manifest(Map<String, Value>);

impl Manifest {
    pub(super) fn read(repo: &Repo<'_>) -> Result<Option<Self>, Rejection> {
        if !repo.has("package.json") {
            return Ok(None);
        }
        match repo.json::<Value>("package.json")? {
            None => Ok(Some(Self::default())),
            Some(Value::Object(fields)) => Ok(Some(Self(fields))),
            Some(_) => Err(repo.broken("package.json", &"it is no object")),
        }
    }

    fn text(&self, pointer: &[&str]) -> Option<&str> {
        let (first, rest) = pointer.split_first()?;
        let found = rest.iter().try_fold(self.0.get(*first)?, |value, key| value.get(*key))?;
        found.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn script(&self, name: &str) -> Option<&str> {
        self.text(&["scripts", name])
    }

    /// The first script whose name begins so.
    pub(super) fn script_like(&self, start: &str) -> Option<(&str, &str)> {
        let scripts = self.0.get("scripts").and_then(Value::as_object)?;
        let found = scripts.iter().find(|(name, _)| name.starts_with(start));
        found.and_then(|(name, script)| Some((name.as_str(), script.as_str()?)))
    }

    /// The first number of the version that is wanted of a package, in whatever list.
    pub(super) fn major(&self, package: &str) -> Option<u32> {
        let mut lists = LISTS.iter().flat_map(|list| self.list(list));
        let (_, version) = lists.find(|(name, _)| *name == package)?;
        let version = version.as_str()?.trim_start_matches(|c: char| !c.is_ascii_digit());
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    pub(super) fn engine(&self, name: &str) -> Option<&str> {
        self.text(&["engines", name])
    }

    /// What Volta, which keeps versions of tools, is told.
    pub(super) fn volta(&self, name: &str) -> Option<&str> {
        self.text(&["volta", name])
    }

    pub(super) fn main(&self) -> Option<&str> {
        self.text(&["main"])
    }

    /// `pnpm@9.1.0+sha…` as name and version.
    pub(super) fn package_manager(&self) -> Option<(&str, &str)> {
        let named = self.text(&["packageManager"]).and_then(|text| text.split_once('@'));
        let (name, version) = named.or_else(|| {
            let name = self.text(&["devEngines", "packageManager", "name"])?;
            Some((name, self.text(&["devEngines", "packageManager", "version"])?))
        })?;
        Some((name, version.split('+').next().unwrap_or(version)))
    }

    /// The version of a runtime that it is developed with.
    pub(super) fn dev_engine(&self, runtime: &str) -> Option<&str> {
        let named = self.text(&["devEngines", "runtime", "name"])? == runtime;
        self.text(&["devEngines", "runtime", "version"]).filter(|_| named)
    }

    /// Whether it is written for Bun, as far as that can be told without a lock.
    pub(super) fn speaks_of_bun(&self) -> bool {
        let by_bun = |name: &&str| {
            self.script(name).is_some_and(|script| script.split(' ').next() == Some("bun"))
        };
        self.needs("@types/bun") || self.needs("bun-types") || ["start", "dev"].iter().any(by_bun)
    }

    /// The version of the package manager, where it is named to the last number.
    pub(super) fn exact_manager(&self) -> Option<&str> {
        self.package_manager().map(|(_, version)| version).filter(|version| {
            version.split('.').count() == 3
                && version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
        })
    }

    fn list(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether a package is depended on, in whatever list.
    pub(super) fn needs(&self, package: &str) -> bool {
        LISTS.iter().any(|list| self.list(list).any(|(name, _)| name == package))
    }

    /// The first of these packages that is depended on.
    pub(super) fn needs_any(&self, packages: &[&'static str]) -> Option<&'static str> {
        packages.iter().find(|package| self.needs(package)).copied()
    }

    /// Whether an app needs a package when it runs.
    pub(super) fn needs_to_run(&self, package: &str) -> bool {
        self.list(LISTS[0]).any(|(name, _)| name == package)
    }

    pub(super) fn has_dependencies(&self) -> bool {
        LISTS.iter().any(|list| self.list(list).next().is_some())
    }

    pub(super) fn has_development(&self) -> bool {
        self.list("devDependencies").next().is_some()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.text(&["name"])
    }

    /// The patterns of the folders of its workspace.
    pub(super) fn workspaces(&self) -> impl Iterator<Item = &str> {
        let listed = self.0.get("workspaces");
        let listed = listed.and_then(|list| list.get("packages").unwrap_or(list).as_array());
        listed.into_iter().flatten().filter_map(Value::as_str)
    }

    pub(super) fn has_workspaces(&self) -> bool {
        self.0.contains_key("workspaces")
    }

    /// Whether what is installed depends on further files of the repository.
    pub(super) fn installs_from_files(&self) -> bool {
        let local = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            ["file:", "link:", "portal:", "patch:", "workspace:", ".", "/"]
                .iter()
                .any(|start| text.starts_with(start))
        };
        self.has_workspaces()
            || self.0.contains_key("pnpm")
            || INSTALL_SCRIPTS.iter().any(|script| self.script(script).is_some())
            || LISTS.iter().any(|list| self.list(list).any(|(_, version)| local(version)))
    }

    /// Whether git fetches something that is installed.
    pub(super) fn installs_by_git(&self) -> bool {
        let by_git = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.starts_with("git") || text.contains(".git")
        };
        LISTS.iter().any(|list| self.list(list).any(|(_, version)| by_git(version)))
    }
}
