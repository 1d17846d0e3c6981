//! What a Python app depends on, and what installs that.

use std::collections::BTreeSet;

use toml::Value;

use super::workspace::Workspace;
use crate::detect::images::tools;
use crate::detect::recipe::{OF_CHROMIUM, Recipe, Run};
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

/// Where packages lie, in the build and in the image: at the same place, as their programs know it.
pub(super) const VENV: &str = "/opt/venv";
/// Where Playwright's browsers lie.
const BROWSERS: &str = "/opt/venv/browsers";
const PIP_CACHE: &str = "/root/.cache/pip";
const UV_CACHE: &str = "/root/.cache/uv";

/// Where requirements are listed, best first: projects that have a folder of them keep one list for
/// each place that they run at.
pub(super) const REQUIREMENTS: &[&str] =
    &["requirements.txt", "requirements/production.txt", "requirements/prod.txt"];

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Pip,
    Poetry,
    Uv,
    Pipenv,
    Pdm,
    /// Nothing is depended on.
    None,
}

/// What is depended on.
#[derive(Clone, Debug)]
pub(super) struct Dependencies {
    pub(super) manager: Manager,
    /// The names, in lower case and with dashes.
    names: BTreeSet<String>,
    /// `pyproject.toml`, where there is one.
    pub(super) project: Option<toml::Table>,
    pub(super) pipfile: Option<toml::Table>,
}

impl Dependencies {
    pub(super) fn read(repo: &Repo<'_>) -> Result<Self, Rejection> {
        let project = repo.toml("pyproject.toml")?;
        let pipfile = repo.toml("Pipfile")?;
        let tool = |name: &str| project.as_ref().and_then(|p| p.get("tool")?.get(name)).is_some();
        let in_project = project.as_ref().is_some_and(|p| p.contains_key("project"));
        let is_built = project.as_ref().is_some_and(|p| p.contains_key("build-system"));
        let manager = if repo.has("uv.lock") {
            Manager::Uv
        } else if repo.has("poetry.lock") {
            Manager::Poetry
        } else if repo.has("pdm.lock") {
            Manager::Pdm
        } else if pipfile.is_some() {
            Manager::Pipenv
        } else if repo.first(REQUIREMENTS).is_some() {
            Manager::Pip
        } else if tool("poetry") {
            Manager::Poetry
        } else if tool("uv") || (in_project && !is_built && !repo.has("setup.py")) {
            // Without a build system the project is no package, and pip would take it for one.
            Manager::Uv
        } else if in_project || repo.has("setup.py") {
            Manager::Pip
        } else {
            Manager::None
        };
        let mut names = BTreeSet::new();
        for list in REQUIREMENTS.iter().chain(&["requirements/base.txt"]) {
            let list = repo.text(list)?.unwrap_or_default();
            names.extend(list.lines().filter_map(name_of));
        }
        if let Some(project) = &project {
            let listed = project.get("project").and_then(|p| p.get("dependencies")?.as_array());
            names
                .extend(listed.into_iter().flatten().filter_map(Value::as_str).filter_map(name_of));
            let poetry =
                project.get("tool").and_then(|t| t.get("poetry")?.get("dependencies")?.as_table());
            names.extend(poetry.into_iter().flat_map(toml::Table::keys).filter_map(|n| name_of(n)));
        }
        let packages = pipfile.as_ref().and_then(|file| file.get("packages")?.as_table());
        names.extend(packages.into_iter().flat_map(toml::Table::keys).filter_map(|n| name_of(n)));
        Ok(Self { manager, names, project, pipfile })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The first of these that is depended on.
    pub(super) fn first(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().find(|name| self.has(name)).copied()
    }

    /// Whether it is known what is depended on: a lock or a setup file may name more.
    pub(super) fn are_known(&self) -> bool {
        !self.names.is_empty()
    }

    /// The steps that install, and the packages of the distribution for that.
    pub(super) fn install(
        &self,
        repo: &Repo<'_>,
        whole: Option<&Workspace<'_>>,
        recipe: &mut Recipe,
    ) {
        recipe.build_env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        recipe.build_env("PYTHONDONTWRITEBYTECODE", "1");
        recipe.build_env("VIRTUAL_ENV", VENV);
        recipe.build_env("PATH", "/opt/venv/bin:$PATH");
        recipe.tools.push(Run::own(format!("python -m venv {VENV}")));
        let tool = |name: &str, version: &str| {
            // Beside the app's own packages, not among them.
            Run::own(format!(
                "python -m venv /opt/tool && /opt/tool/bin/pip install {name}=={version}"
            ))
            .cached(&[PIP_CACHE])
        };
        let list = repo.first(REQUIREMENTS);
        let manifests: &[&str] = match (self.manager, list) {
            (Manager::Pip, Some(list)) => {
                let line = format!("pip install --requirement {list}");
                recipe.install.push(Run::own(line).cached(&[PIP_CACHE]));
                // One in a folder is hardly ever alone.
                if list == "requirements.txt" { &["requirements.txt"] } else { &[] }
            }
            (Manager::Pip, None) => {
                recipe.install.push(Run::own("pip install .").cached(&[PIP_CACHE]).of_app());
                &[]
            }
            (Manager::Uv, _) => {
                recipe.tools.push(tool("uv", tools::UV));
                recipe.build_env("UV_PROJECT_ENVIRONMENT", VENV);
                recipe.build_env("UV_LINK_MODE", "copy");
                recipe.build_env("UV_PYTHON_DOWNLOADS", "never");
                let root = whole.map_or(*repo, |whole| whole.root);
                let locked = if root.has("uv.lock") { " --locked" } else { "" };
                let of = whole.map_or_else(String::new, |of| format!(" --package {}", of.package));
                let package = self.is_package();
                let project = if package { "" } else { " --no-install-project" };
                let line =
                    format!("/opt/tool/bin/uv sync{locked}{of} --no-dev --no-editable{project}");
                recipe.install.push(Run::own(line).cached(&[UV_CACHE]));
                // Of a workspace every package's own file is read, and what they are made from.
                if package || whole.is_some() || self.is_of_several() {
                    &[]
                } else {
                    &["pyproject.toml", "uv.lock"]
                }
            }
            (Manager::Poetry, _) => {
                recipe.tools.push(tool("poetry", tools::POETRY));
                recipe.build_env("POETRY_VIRTUALENVS_CREATE", "false");
                let line = "/opt/tool/bin/poetry install --only main --no-root --no-interaction";
                recipe.install.push(Run::own(line).cached(&["/root/.cache/pypoetry"]));
                if self.is_of_several() {
                    &[]
                } else {
                    &["pyproject.toml", "poetry.lock", "poetry.toml"]
                }
            }
            (Manager::Pdm, _) => {
                recipe.tools.push(tool("pdm", tools::PDM));
                let line = "/opt/tool/bin/pdm sync --prod --no-self --no-editable";
                recipe.install.push(Run::own(line).cached(&["/root/.cache/pdm"]));
                &["pyproject.toml", "pdm.lock"]
            }
            (Manager::Pipenv, _) => {
                recipe.tools.push(tool("pipenv", tools::PIPENV));
                recipe.build_env("PIPENV_VERBOSITY", "-1");
                let line = if repo.has("Pipfile.lock") {
                    "/opt/tool/bin/pipenv sync"
                } else {
                    "/opt/tool/bin/pipenv install --skip-lock"
                };
                recipe.install.push(Run::own(line).cached(&["/root/.cache/pipenv", PIP_CACHE]));
                &["Pipfile", "Pipfile.lock"]
            }
            (Manager::None, _) => &[],
        };
        let listed = repo.texts_of("requirements.txt");
        // Such a line leads to further files.
        let leads_on = manifests.contains(&"requirements.txt")
            && listed.lines().map(str::trim).any(|line| {
                line.starts_with("-r")
                    || line.starts_with("-c")
                    || line.starts_with("-e")
                    || line.starts_with("--r")
                    || line.starts_with("--c")
                    || line.starts_with("--e")
                    || line.starts_with('.')
                    || line.contains("file:")
            });
        if !leads_on {
            let there = manifests.iter().filter(|name| repo.has(name));
            recipe.manifests = there.map(|name| (*name).to_owned()).collect();
        }
        if listed.contains("git+") {
            recipe.packages(&["git", "ca-certificates"], &[]);
            recipe.because("git: a dependency is fetched by it");
        }
        for (names, build, run) in SYSTEM {
            if let Some(name) = self.first(names) {
                recipe.packages(build, run);
                recipe.because(format!("packages of the distribution: {name} needs them"));
            }
        }
        if self.has("playwright") {
            // Among the app's packages, which all are taken from the build.
            recipe.build_env("PLAYWRIGHT_BROWSERS_PATH", BROWSERS);
            recipe.run_env("PLAYWRIGHT_BROWSERS_PATH", BROWSERS);
            recipe.packages(&[], OF_CHROMIUM);
            recipe.install.push(Run::own("playwright install chromium"));
            recipe.because("Chromium: Playwright fetches it");
        }
    }

    /// A step that puts a server beside the app's own packages, where they have none.
    pub(super) fn also(&self, name: &str, version: &str) -> Option<Run> {
        let line = format!("{VENV}/bin/python -m pip install {name}=={version}");
        (!self.has(name)).then(|| Run::own(line).cached(&[PIP_CACHE]))
    }

    /// Whether the project itself is to be installed, rather than only what it needs.
    fn is_package(&self) -> bool {
        self.project.as_ref().is_some_and(|project| {
            let said = project.get("tool").and_then(|t| t.get("uv")?.get("package")?.as_bool());
            said.unwrap_or_else(|| project.contains_key("build-system"))
        })
    }

    /// Whether what is depended on lies in the repository, too.
    fn is_of_several(&self) -> bool {
        let tool = |name: &str| self.project.as_ref().and_then(|p| p.get("tool")?.get(name));
        let sources = tool("uv").and_then(|uv| uv.get("sources")?.as_table());
        let of_poetry = tool("poetry").and_then(|poetry| poetry.get("dependencies")?.as_table());
        let here = |of: &Value| of.get("path").is_some() || of.get("workspace").is_some();
        tool("uv").is_some_and(|uv| uv.get("workspace").is_some())
            || sources.into_iter().chain(of_poetry).flat_map(toml::Table::values).any(here)
    }

    /// The one program that the project installs, where it is installed.
    pub(super) fn program(&self, repo: &Repo<'_>) -> Option<&str> {
        let installed = match self.manager {
            Manager::Uv => self.is_package(),
            Manager::Pip => repo.first(REQUIREMENTS).is_none(),
            Manager::Poetry | Manager::Pipenv | Manager::Pdm | Manager::None => false,
        };
        let scripts = self.project.as_ref()?.get("project")?.get("scripts")?.as_table()?;
        let mut names = scripts.keys().filter(|_| installed);
        let first = names.next()?;
        names.next().is_none().then_some(first.as_str())
    }

    pub(super) fn manager_name(&self) -> Option<&'static str> {
        match self.manager {
            Manager::Pip => Some("pip"),
            Manager::Poetry => Some("poetry"),
            Manager::Uv => Some("uv"),
            Manager::Pipenv => Some("pipenv"),
            Manager::Pdm => Some("pdm"),
            Manager::None => None,
        }
    }
}

/// Packages that have to be compiled, and what of the distribution they need: to build, to run.
const SYSTEM: &[(&[&str], &[&str], &[&str])] = &[
    (&["psycopg2"], &["gcc", "libc6-dev", "libpq-dev"], &["libpq5"]),
    (&["psycopg"], &[], &["libpq5"]),
    (
        &["mysqlclient"],
        &["gcc", "libc6-dev", "pkg-config", "default-libmysqlclient-dev"],
        &["libmariadb3"],
    ),
    (&["python-ldap"], &["gcc", "libc6-dev", "libldap2-dev", "libsasl2-dev"], &["libldap-2.5-0"]),
    (&["uwsgi"], &["gcc", "libc6-dev"], &[]),
    (&["weasyprint"], &[], &["libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"]),
    (&["opencv-python", "opencv-contrib-python"], &[], &["libgl1", "libglib2.0-0"]),
    (&["pycairo"], &["gcc", "libc6-dev", "pkg-config", "libcairo2-dev"], &["libcairo2"]),
    (&["cairosvg", "cairocffi", "manim"], &[], &["libcairo2"]),
    (&["pyodbc"], &["gcc", "g++", "libc6-dev", "unixodbc-dev"], &["unixodbc"]),
    (&["pdf2image"], &[], &["poppler-utils"]),
    (&["pytesseract"], &[], &["tesseract-ocr"]),
    (&["pydub", "ffmpeg-python", "moviepy", "openai-whisper", "yt-dlp"], &[], &["ffmpeg"]),
    (&["graphviz"], &[], &["graphviz"]),
    (&["pygraphviz"], &["gcc", "libc6-dev", "pkg-config", "libgraphviz-dev"], &["graphviz"]),
    (&["pyzbar"], &[], &["libzbar0"]),
    (&["python-magic"], &[], &["libmagic1"]),
    (&["soundfile", "librosa"], &[], &["libsndfile1"]),
    (&["lightgbm"], &[], &["libgomp1"]),
    (
        &["xmlsec", "python3-saml"],
        &["gcc", "libc6-dev", "pkg-config", "libxml2-dev", "libxmlsec1-dev", "libxmlsec1-openssl"],
        &["libxmlsec1-openssl"],
    ),
];

/// The name of a requirement, as one writes it: `Flask[async]>=2 ; …`.
pub(super) fn name_of(requirement: &str) -> Option<String> {
    let name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let text = requirement.trim();
    let end = text.find(|c| !name(c)).unwrap_or(text.len());
    let text = text.get(..end).filter(|text| !text.is_empty() && !text.starts_with('-'))?;
    Some(text.to_ascii_lowercase().replace(['_', '.'], "-"))
}
