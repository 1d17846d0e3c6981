//! Apps of Python: Django, Flask, FastAPI and others.

mod age;
mod deps;
mod entry;
mod workspace;

use deps::{Dependencies, Manager, REQUIREMENTS, VENV};
use entry::Served;
use workspace::Workspace;

use super::images::{self, tools};
use super::node::said;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::{self, Start};
use crate::rejection::Rejection;

/// Files by which it is known.
const MANIFESTS: &[&str] = &["pyproject.toml", "Pipfile", "uv.lock", "poetry.lock", "setup.py"];

/// What a site of MkDocs needs, where Read the Docs finds it.
const DOCS: &str = "docs/requirements.txt";

/// Finds out how an app of Python is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let manifest = repo.first(REQUIREMENTS).or_else(|| repo.first(MANIFESTS));
    let script = entry::script(repo);
    let asked = repo.overrides.preset.as_deref() == Some("python");
    // Beside an app of JavaScript it is about that.
    let pages = repo.has("mkdocs.yml") && !repo.has("package.json");
    if manifest.is_none() && script.is_none() && !repo.has("manage.py") && !asked && !pages {
        return Ok(None);
    }
    let mut deps = Dependencies::read(repo)?;
    let whole = workspace::of(repo)?;
    if whole.is_some() {
        deps.manager = Manager::Uv;
    }
    let root = whole.as_ref().map_or(*repo, |whole| whole.root);
    let held = held(&root, &deps)?;
    let just = held.is_some();
    let wish = match held {
        Some(wish) => Some(wish),
        // Where uv is run, it takes no other than is named there.
        None => match Wish::of(root.first_line(".python-version")?, ".python-version") {
            Some(wish) => Some(wish),
            None => wish(repo, &deps)?,
        },
    };
    let aged = if wish.is_none() { age::wish(repo) } else { None };
    let wish = wish.or_else(|| aged.as_ref().map(|(wish, _)| wish.clone()));
    let (images, why) = versions::choose_just(&images::PYTHON, wish.as_ref(), just)?;
    let mut recipe = Recipe::new("python", images.build, images.run);
    recipe.versions.push(("python", images.version));
    let usual = if pages { "mkdocs.yml" } else { "manage.py" };
    recipe.because(format!("{} is there", manifest.or(script).unwrap_or(usual)));
    recipe.because(why);
    if let Some((_, package)) = aged {
        recipe.because(format!("{package} is pinned at a version that goes with no later Python"));
    }
    recipe.manager = deps.manager_name();
    deps.install(repo, whole.as_ref(), &mut recipe);
    recipe.run_env("PYTHONUNBUFFERED", "1");
    recipe.run_env("PYTHONDONTWRITEBYTECODE", "1");
    recipe.run_env("VIRTUAL_ENV", VENV);
    recipe.run_env("PATH", "/opt/venv/bin:$PATH");
    recipe.taken.insert(0, (VENV.to_owned(), VENV.to_owned()));
    start(&mut recipe, repo, &deps)?;
    if let Some(whole) = whole {
        within(&mut recipe, whole);
    }
    let elsewhere = repo.overrides.otherwise.is_some();
    let said = repo.overrides.start.is_some() || repo.overrides.output.is_some() || elsewhere;
    // Many an app of JavaScript has a few requirements for its tools.
    if recipe.start.is_none()
        && recipe.output.is_none()
        && !said
        && !asked
        && (repo.has("package.json") || deps.manager == Manager::None)
    {
        return Ok(None);
    }
    Ok(Some(recipe))
}

/// What was found in the app's own folder is done there, of a workspace that is built as a whole.
fn within(recipe: &mut Recipe, whole: Workspace<'_>) {
    let Workspace { root, inside, package: _ } = whole;
    recipe.because(format!("{inside} is a part of the workspace above it, whose lock counts"));
    for run in recipe.build.iter_mut().filter(|run| run.of_app) {
        run.line = run.line.within(&inside);
    }
    recipe.start = recipe.start.take().map(|start| start.within(&inside));
    if let Some(output) = &mut recipe.output {
        output.folder = format!("{inside}/{}", output.folder);
    }
    recipe.workspace = Some(root.folder.to_owned());
    recipe.inside = inside;
}

/// The version that is said, or the one that a package manager takes alone: all refuse another than
/// `pyproject.toml` names to the last number, and uv another than `.python-version`.
fn held(root: &Repo<'_>, deps: &Dependencies) -> Result<Option<Wish>, Rejection> {
    if let Some(wish) = said(root, "python") {
        return Ok(Some(wish));
    }
    let of_file = match deps.manager {
        Manager::Uv => Wish::of(root.first_line(".python-version")?, ".python-version"),
        Manager::Pip | Manager::Poetry | Manager::Pipenv | Manager::Pdm | Manager::None => None,
    };
    let [requires, poetry] = of_project(deps);
    let mut named = [requires, poetry, of_file].into_iter().flatten();
    Ok(named.find(|wish| versions::exact(&wish.text).is_some()))
}

/// What `pyproject.toml` says of Python, in both ways.
fn of_project(deps: &Dependencies) -> [Option<Wish>; 2] {
    let project = deps.project.as_ref();
    let requires = project.and_then(|p| p.get("project")?.get("requires-python")?.as_str());
    let poetry = project
        .and_then(|p| p.get("tool")?.get("poetry")?.get("dependencies")?.get("python")?.as_str());
    [
        Wish::of(requires, "requires-python in pyproject.toml"),
        Wish::of(poetry, "python in pyproject.toml"),
    ]
}

fn wish(repo: &Repo<'_>, deps: &Dependencies) -> Result<Option<Wish>, Rejection> {
    let [requires, poetry] = of_project(deps);
    let pipenv = deps.pipfile.as_ref().and_then(|file| {
        let requires = file.get("requires")?;
        requires.get("python_full_version").or_else(|| requires.get("python_version"))?.as_str()
    });
    let runtime = repo.first_line("runtime.txt")?.filter(|line| line.starts_with("python"));
    Ok(Wish::of(repo.first_line(".python-version")?, ".python-version")
        .or(Wish::of(runtime, "runtime.txt"))
        .or(repo.tool(&["python"])?)
        .or(Wish::of(pipenv, "requires in Pipfile"))
        .or(requires)
        .or(poetry))
}

fn start(recipe: &mut Recipe, repo: &Repo<'_>, deps: &Dependencies) -> Result<(), Rejection> {
    if repo.has("manage.py") {
        return django(recipe, repo, deps, "");
    }
    if repo.has("mkdocs.yml") && is_about_pages(repo, deps) {
        if deps.manager == Manager::None {
            let line = if repo.has(DOCS) {
                format!("pip install --requirement {DOCS}")
            } else {
                let (own, theme) = (tools::MKDOCS, tools::MKDOCS_MATERIAL);
                format!("pip install mkdocs=={own} mkdocs-material=={theme}")
            };
            recipe.install.push(Run::own(line).cached(&["/root/.cache/pip"]));
        }
        recipe.framework = Some("MkDocs");
        recipe.build.push(Run::own("mkdocs build").of_app());
        recipe.output = Some(Output { folder: "site".to_owned(), missing: Missing::Page });
        recipe.because("mkdocs.yml is there: what it builds is served as it is");
        return Ok(());
    }
    if let Some(served) = entry::served(repo, deps) {
        serve(recipe, deps, &served);
        return Ok(());
    }
    if let Some(folder) = entry::django_folder(repo) {
        return django(recipe, repo, deps, &format!("{folder}/"));
    }
    if let Some((framework, line)) = entry::of_data(repo, deps) {
        recipe.framework = Some(framework);
        recipe.because(format!("{framework}: it is depended on"));
        recipe.start = Some(Start::own(line));
        return Ok(());
    }
    if deps.has("pelican")
        && let Some(settings) = repo.first(&["publishconf.py", "pelicanconf.py"])
    {
        recipe.framework = Some("Pelican");
        let line = format!("pelican content --settings {settings} --output output");
        recipe.build.push(Run::own(line).of_app());
        recipe.output = Some(Output { folder: "output".to_owned(), missing: Missing::Page });
        recipe.because(format!("{settings} is there: what it builds is served as it is"));
        return Ok(());
    }
    // Some folder says less of what the app is than what it depends on and a program at the root.
    if let Some(served) = entry::served_by_package(repo, deps) {
        serve(recipe, deps, &served);
        return Ok(());
    }
    if let Some(script) = entry::script(repo) {
        recipe.because(format!("{script} is where it begins"));
        if deps.has("dash") {
            recipe.framework = Some("Dash");
            recipe.run_env("HOST", "0.0.0.0");
        }
        recipe.start = Some(Start::words(&["python", script]));
    } else if let Some(program) = deps.program(repo) {
        let program = words::name(program, "scripts in pyproject.toml")?;
        recipe.because(format!("{program} is the program that it installs"));
        recipe.start = Some(Start::words(&[&program]));
    } else if let Some(package) = entry::package(repo) {
        recipe.because(format!("{package} is a package that can be run"));
        recipe.start = Some(match package.strip_prefix("src/") {
            Some(name) => Start::own(format!("cd src && exec python -m {name}")),
            None => Start::words(&["python", "-m", &package]),
        });
    }
    Ok(())
}

/// Whether what `mkdocs.yml` makes is what the repository is for, rather than about a program in it.
fn is_about_pages(repo: &Repo<'_>, deps: &Dependencies) -> bool {
    let by_itself = entry::script(repo).is_none() && !repo.has("package.json");
    deps.has("mkdocs")
        || (by_itself && (deps.manager == Manager::None || deps.has("mkdocs-material")))
}

/// Has a server serve an object.
fn serve(recipe: &mut Recipe, deps: &Dependencies, served: &Served) {
    recipe.framework = Some(served.framework);
    recipe.because(format!("{} makes an app of {}", served.target, served.framework));
    let target = &served.target;
    let line = if served.asgi {
        recipe.build.extend(deps.also("uvicorn", tools::UVICORN));
        format!(
            "exec uvicorn {target} --host 0.0.0.0 --port ${{PORT:-8080}} --proxy-headers --forwarded-allow-ips '*'"
        )
    } else {
        recipe.build.extend(deps.also("gunicorn", tools::GUNICORN));
        format!("exec gunicorn --bind 0.0.0.0:${{PORT:-8080}} --access-logfile - '{target}'")
    };
    recipe.start = Some(Start::own(line));
}

/// `root` is empty, or the folder of `manage.py` with a `/` behind it.
fn django(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    deps: &Dependencies,
    root: &str,
) -> Result<(), Rejection> {
    recipe.framework = Some("Django");
    recipe.because(format!("Django: {root}manage.py is there"));
    recipe.sure = root.is_empty();
    if !deps.has("django") && !deps.are_known() {
        recipe.because("what it depends on is not named");
    }
    let Some(module) = entry::django(repo, root) else { return Ok(()) };
    let inside = match root.trim_end_matches('/') {
        "" => String::new(),
        root => format!("cd {root} && "),
    };
    let folder = format!("{root}{}", module.replace('.', "/"));
    let settings = format!(
        "{}{}",
        repo.texts_of(&format!("{folder}/settings.py")),
        repo.texts_of(&format!("{folder}/settings/base.py"))
    );
    if settings.contains("STATIC_ROOT") {
        recipe.because("its settings have a STATIC_ROOT: static files are collected");
        recipe.build_env("SECRET_KEY", "only-while-it-is-built");
        recipe.build_env("DJANGO_SECRET_KEY", "only-while-it-is-built");
        let line = format!("{inside}python manage.py collectstatic --noinput");
        recipe.build.push(Run::own(line).of_app());
    }
    let secret = entry::secret(&settings);
    for name in secret.iter().filter(|name| !["SECRET_KEY", "DJANGO_SECRET_KEY"].contains(name)) {
        recipe.build_env.push(((*name).to_owned(), "only-while-it-is-built".to_owned()));
    }
    if let Some(name) = secret {
        recipe.tools.push(Run::own(entry::with_secret(name)));
        recipe.because_of_secret(name);
    }
    let asgi = deps.first(&["daphne", "channels"]).is_some();
    let serve = if deps.has("daphne") {
        format!("exec daphne -b 0.0.0.0 -p ${{PORT:-8080}} {module}.asgi:application")
    } else if asgi || (deps.has("uvicorn") && !deps.has("gunicorn")) {
        recipe.build.splice(0..0, deps.also("uvicorn", tools::UVICORN));
        format!("exec uvicorn {module}.asgi:application --host 0.0.0.0 --port ${{PORT:-8080}}")
    } else {
        recipe.build.splice(0..0, deps.also("gunicorn", tools::GUNICORN));
        format!(
            "exec gunicorn --bind 0.0.0.0:${{PORT:-8080}} --access-logfile - {module}.wsgi:application"
        )
    };
    recipe.because("its migrations are run when it starts");
    let line = format!("{inside}python manage.py migrate --noinput && {serve}");
    recipe.start = Some(Start::own(line));
    Ok(())
}
