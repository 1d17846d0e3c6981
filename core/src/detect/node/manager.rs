//! Which package manager installs, in which version, and by which commands.

use super::manifest::Manifest;
use super::pnpm;
use crate::detect::images::tools;
use crate::detect::recipe::{Recipe, Run};
use crate::detect::repo::Repo;
use crate::detect::versions::Wish;
use crate::rejection::Rejection;

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Npm,
    Pnpm,
    /// Its first version.
    Yarn,
    /// Its later ones.
    YarnBerry,
    Bun,
}

/// Files by which a manager is known, best first.
const LOCKS: &[(&str, Manager)] = &[
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
    ("yarn.lock", Manager::Yarn),
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
];
/// What says how packages are installed, besides a lock.
const SETTINGS: &[&str] =
    &[".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", "bunfig.toml"];

impl Manager {
    /// Finds it out; answers with the lock, where there is one, and the reason, too.
    pub(super) fn of(
        repo: &Repo<'_>,
        manifest: &Manifest,
    ) -> Result<(Self, Option<&'static str>, String), Rejection> {
        let named = manifest.package_manager();
        let lock = LOCKS.iter().find(|(lock, manager)| {
            repo.has(lock) && named.is_none_or(|(name, _)| name == manager.program())
        });
        let lock = lock.map(|(lock, _)| *lock);
        let berry = || -> Result<bool, Rejection> {
            let head = repo.text("yarn.lock")?.unwrap_or_default();
            let first = named.is_some_and(|(_, version)| version.starts_with("1."));
            Ok(!first && (repo.has(".yarnrc.yml") || head.contains("__metadata:")))
        };
        let yarn = || Ok::<_, Rejection>(if berry()? { Self::YarnBerry } else { Self::Yarn });
        let (manager, why) = match (named, lock) {
            (Some(("npm", _)), _) => (Self::Npm, "packageManager in package.json"),
            (Some(("pnpm", _)), _) => (Self::Pnpm, "packageManager in package.json"),
            (Some(("bun", _)), _) => (Self::Bun, "packageManager in package.json"),
            (Some(("yarn", version)), _) => {
                let first = version.starts_with("1.") || version == "1";
                let manager = if first { Self::Yarn } else { Self::YarnBerry };
                (manager, "packageManager in package.json")
            }
            (_, Some("yarn.lock")) => (yarn()?, "yarn.lock"),
            (_, Some(lock)) => {
                let manager = LOCKS.iter().find(|(name, _)| *name == lock).map(|(_, m)| *m);
                (manager.unwrap_or(Self::Npm), lock)
            }
            (_, None) if repo.has("pnpm-workspace.yaml") => (Self::Pnpm, "pnpm-workspace.yaml"),
            (_, None) if repo.has(".yarnrc.yml") => (Self::YarnBerry, ".yarnrc.yml"),
            (None, None) if manifest.speaks_of_bun() => {
                let why = "bun: there is no lock, and package.json speaks of it";
                return Ok((Self::Bun, None, why.to_owned()));
            }
            (_, None) => {
                return Ok((Self::Npm, None, "npm: there is no lock of another one".into()));
            }
        };
        Ok((manager, lock, format!("{}: {why} is there", manager.program())))
    }

    /// What it is called.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn | Self::YarnBerry => "yarn",
            Self::Bun => "bun",
        }
    }

    /// Whether it installs nothing on a version of Node that the app's own `engines` do not allow.
    pub(super) fn minds_engines(self, repo: &Repo<'_>) -> bool {
        match self {
            Self::Pnpm | Self::Yarn => true,
            Self::Npm => repo.texts_of(".npmrc").lines().any(|line| {
                line.split_once('=').is_some_and(|(key, value)| {
                    key.trim() == "engine-strict" && value.trim() == "true"
                })
            }),
            Self::YarnBerry | Self::Bun => false,
        }
    }

    /// How a script of `package.json` is run.
    pub(super) fn run(self, script: &str) -> String {
        format!("{} run {script}", self.program())
    }

    /// The step that brings it into an image of Node; none where it is there.
    pub(super) fn tool(
        self,
        repo: &Repo<'_>,
        manifest: &Manifest,
    ) -> Result<Option<Run>, Rejection> {
        let exact = manifest.exact_manager();
        let package = match self {
            Self::Npm | Self::Bun => return Ok(None),
            Self::Pnpm => format!("pnpm@{}", pnpm::version(repo, manifest)?.0),
            Self::Yarn => format!("yarn@{}", exact.unwrap_or(tools::YARN)),
            Self::YarnBerry => format!("@yarnpkg/cli-dist@{}", exact.unwrap_or(tools::YARN_BERRY)),
        };
        // Some images bring an older one under the same name.
        Ok(Some(Run::own(format!("npm install --global --force {package}")).cached(&[NPM_CACHE])))
    }

    /// The steps that bring what scripts call besides it, and no image of Node has.
    pub(super) fn others(self, scripts: &[&str]) -> Vec<Run> {
        let called = |names: &[&str]| {
            let mut words = scripts.iter().flat_map(|script| script.split_whitespace());
            words.any(|word| names.contains(&word))
        };
        let mut packages = Vec::new();
        if self != Self::Bun && called(&["bun", "bunx"]) {
            packages.push(format!("bun@{}", tools::BUN));
        }
        if !matches!(self, Self::Pnpm | Self::Bun) && called(&["pnpm", "pnpx"]) {
            packages.extend(tools::PNPM.first().map(|(_, version)| format!("pnpm@{version}")));
        }
        let step = |package: String| {
            Run::own(format!("npm install --global --force {package}")).cached(&[NPM_CACHE])
        };
        packages.into_iter().map(step).collect()
    }

    /// The step that adds a package of a checked name.
    pub(super) fn add(self, package: &str) -> String {
        match self {
            Self::Npm => format!("npm install --legacy-peer-deps {package}"),
            Self::Pnpm => format!("pnpm add --ignore-workspace-root-check {package}"),
            Self::Yarn => format!("yarn add --ignore-workspace-root-check {package}"),
            Self::YarnBerry => format!("yarn add {package}"),
            Self::Bun => format!("bun add {package}"),
        }
    }

    /// What it needs to be told by variables.
    pub(super) fn settings(self, recipe: &mut Recipe) {
        match self {
            Self::Npm => {
                recipe.build_env("NPM_CONFIG_UPDATE_NOTIFIER", "false");
                recipe.build_env("NPM_CONFIG_FUND", "false");
            }
            Self::Pnpm => recipe.build_env("NPM_CONFIG_STORE_DIR", PNPM_STORE),
            Self::Yarn => recipe.build_env("YARN_CACHE_FOLDER", YARN_CACHE),
            // Packages as folders: what runs the app need not know of the manager.
            Self::YarnBerry => recipe.build_env("YARN_NODE_LINKER", "node-modules"),
            Self::Bun => {}
        }
    }

    /// The step that installs.
    pub(super) fn install(self, locked: bool) -> Run {
        match (self, locked) {
            (Self::Npm, true) => Run::own("npm ci").cached(&[NPM_CACHE]),
            (Self::Npm, false) => Run::own("npm install").cached(&[NPM_CACHE]),
            (Self::Pnpm, true) => {
                Run::own("pnpm install --frozen-lockfile --prod=false").cached(&[PNPM_STORE])
            }
            (Self::Pnpm, false) => {
                Run::own("pnpm install --no-frozen-lockfile --prod=false").cached(&[PNPM_STORE])
            }
            (Self::Yarn, true) => {
                Run::own("yarn install --frozen-lockfile --production=false").cached(&[YARN_CACHE])
            }
            (Self::Yarn, false) => {
                Run::own("yarn install --production=false").cached(&[YARN_CACHE])
            }
            (Self::YarnBerry, true) => {
                Run::own("yarn install --immutable").cached(&[YARN_BERRY_CACHE])
            }
            (Self::YarnBerry, false) => {
                Run::own("yarn install --no-immutable").cached(&[YARN_BERRY_CACHE])
            }
            (Self::Bun, true) => Run::own("bun install --frozen-lockfile").cached(&[BUN_CACHE]),
            (Self::Bun, false) => Run::own("bun install").cached(&[BUN_CACHE]),
        }
    }

    /// The step that takes away what is only for development; none where that is not sure to work.
    pub(super) fn prune(self) -> Option<Run> {
        match self {
            Self::Npm => Some(Run::own("npm prune --omit=dev").cached(&[NPM_CACHE])),
            Self::Pnpm => {
                Some(Run::own("CI=true pnpm prune --prod --ignore-scripts").cached(&[PNPM_STORE]))
            }
            Self::Yarn => Some(
                Run::own("yarn install --production --ignore-scripts --prefer-offline")
                    .cached(&[YARN_CACHE]),
            ),
            Self::YarnBerry | Self::Bun => None,
        }
    }

    /// The files that decide what is installed; none where any may.
    pub(super) fn manifests(
        repo: &Repo<'_>,
        manifest: &Manifest,
        lock: Option<&'static str>,
    ) -> Vec<String> {
        let any = manifest.installs_from_files()
            || repo.has("pnpm-workspace.yaml")
            || [".yarn", "patches", "prisma"].iter().any(|folder| repo.has_folder(folder));
        if any {
            return Vec::new();
        }
        let mut files = vec!["package.json".to_owned()];
        files.extend(lock.map(str::to_owned));
        files.extend(SETTINGS.iter().filter(|name| repo.has(name)).map(|name| (*name).to_owned()));
        files
    }

    /// The version of it that is wished for, where it is what runs the app.
    pub(super) fn wish(manifest: &Manifest) -> Option<Wish> {
        let of_manager = manifest.package_manager().filter(|(name, _)| *name == "bun");
        Wish::of(manifest.engine("bun"), "engines.bun in package.json").or_else(|| {
            Wish::of(of_manager.map(|(_, version)| version), "packageManager in package.json")
        })
    }
}

const NPM_CACHE: &str = "/root/.npm";
const PNPM_STORE: &str = "/root/.pnpm-store";
const YARN_CACHE: &str = "/root/.cache/yarn";
const YARN_BERRY_CACHE: &str = "/root/.yarn/berry/cache";
const BUN_CACHE: &str = "/root/.bun/install/cache";
