//! Where a Python app begins, and what serves it.

use super::deps::{Dependencies, VENV};
use crate::detect::repo::Repo;
use crate::detect::texts::{PYTHON_ENTRIES, python_package};
use crate::detect::words;

/// Objects of a program that a server can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// Such as `app.main:app`, or `app:create_app()`.
    pub(super) target: String,
    /// What its framework is called.
    pub(super) framework: &'static str,
    /// Whether it is asynchronous.
    pub(super) asgi: bool,
}

/// Classes whose objects are served: class, package, framework, asynchronous.
const CLASSES: &[(&str, &str, &str, bool)] = &[
    ("FastAPI", "fastapi", "FastAPI", true),
    ("Starlette", "starlette", "Starlette", true),
    ("Quart", "quart", "Quart", true),
    ("Litestar", "litestar", "Litestar", true),
    ("Sanic", "sanic", "Sanic", true),
    ("FastHTML", "fasthtml", "FastHTML", true),
    ("BlackSheep", "blacksheep", "BlackSheep", true),
    ("Flask", "flask", "Flask", false),
    ("Bottle", "bottle", "Bottle", false),
    ("falcon.App", "falcon", "Falcon", false),
];

/// The object that is served, where one of the usual files makes one.
pub(super) fn served(repo: &Repo<'_>, deps: &Dependencies) -> Option<Served> {
    made_in(PYTHON_ENTRIES.iter().copied(), repo, deps)
}

/// The same where a file of some package makes one.
pub(super) fn served_by_package(repo: &Repo<'_>, deps: &Dependencies) -> Option<Served> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named =
        |path: &&str| python_package(path).is_some_and(|package| package.chars().all(plain));
    made_in(repo.all().filter(named), repo, deps)
}

/// The first object to serve that one of these files makes.
fn made_in<'p>(
    mut paths: impl Iterator<Item = &'p str>,
    repo: &Repo<'_>,
    deps: &Dependencies,
) -> Option<Served> {
    paths.find_map(|path| {
        let text = repo.texts_of(path);
        let module = path.trim_end_matches(".py").trim_end_matches("/__init__").replace('/', ".");
        let by_class = CLASSES.iter().find_map(|(class, package, framework, asgi)| {
            if !text.contains(package) {
                return None;
            }
            let object = text.lines().find_map(|line| object(line, class));
            let factory = || {
                let made = text.lines().any(|line| line.starts_with("def create_app("));
                (made && text.contains(&format!("{class}(")) && !asgi).then_some("create_app()")
            };
            let what = object.or_else(factory)?;
            let target = format!("{module}:{what}");
            Some(Served { target, framework, asgi: *asgi })
        });
        let by_class = by_class.or_else(|| {
            // Dash has the app that is served within its own.
            let mut lines = text.lines().filter(|_| deps.has("dash"));
            let object = lines.find_map(|line| {
                let (name, of) = line.split_once('=')?;
                let name = name.trim_end();
                (is_plain(name) && of.trim().ends_with(".server")).then_some(name)
            })?;
            Some(Served { target: format!("{module}:{object}"), framework: "Dash", asgi: false })
        });
        by_class.or_else(|| {
            // What a function makes is of whatever framework is depended on.
            let object = text.lines().find_map(|line| object(line, "create_app"))?;
            let (_, _, framework, asgi) =
                CLASSES.iter().find(|(_, package, _, _)| deps.has(package))?;
            Some(Served { target: format!("{module}:{object}"), framework, asgi: *asgi })
        })
    })
}

/// `app` of `app = Flask(__name__)` and `app: Flask = Flask(…)`, at the beginning of a line.
fn object<'t>(line: &'t str, class: &str) -> Option<&'t str> {
    let (name, made) = line.split_once('=')?;
    let made = made.trim_start();
    let last = class.rsplit('.').next().unwrap_or(class);
    let called = made.split('(').next()?.trim_end();
    let of_class = called == class || called == last || called.ends_with(&format!(".{last}"));
    let name = name.split(':').next()?;
    let name = name.trim_end();
    (of_class && made.contains('(') && is_plain(name)).then_some(name)
}

/// Whether it is the name of an object.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(plain) && name.len() <= 64
}

/// The first of the usual files that is there.
pub(super) fn script(repo: &Repo<'_>) -> Option<&'static str> {
    repo.first(PYTHON_ENTRIES).filter(|path| !path.ends_with("__init__.py"))
}

/// A program that is written for people who look at data: what starts it.
pub(super) fn of_data(repo: &Repo<'_>, deps: &Dependencies) -> Option<(&'static str, String)> {
    let script = script(repo)?;
    if deps.has("streamlit") {
        return Some((
            "Streamlit",
            format!(
                "exec streamlit run {script} --server.port ${{PORT:-8080}} \
                 --server.address 0.0.0.0 --server.headless true"
            ),
        ));
    }
    if deps.has("chainlit") {
        let line =
            format!("exec chainlit run {script} --headless --host 0.0.0.0 --port ${{PORT:-8080}}");
        return Some(("Chainlit", line));
    }
    if deps.has("shiny") {
        let line = format!("exec shiny run {script} --host 0.0.0.0 --port ${{PORT:-8080}}");
        return Some(("Shiny", line));
    }
    if deps.has("panel") && !deps.has("flask") {
        return Some((
            "Panel",
            format!(
                "exec panel serve {script} --address 0.0.0.0 --port ${{PORT:-8080}} \
                 --allow-websocket-origin '*'"
            ),
        ));
    }
    if deps.has("gradio") {
        return Some((
            "Gradio",
            format!(
                "export GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=${{PORT:-8080}}; \
                 exec python {script}"
            ),
        ));
    }
    None
}

/// The variable that settings of Django take their secret from, where they have no other.
pub(super) fn secret(settings: &str) -> Option<&str> {
    let mut lines = settings.lines().filter_map(|line| line.strip_prefix("SECRET_KEY"));
    let whole = |rest: &&str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let (_, value) = lines.find(whole)?.split_once('=')?;
    let asks = ["environ", "getenv", "env(", "config("].iter().any(|word| value.contains(word));
    let has_other = [",", "default", " or "].iter().any(|word| value.contains(word));
    let name = value.split(['"', '\'']).nth(1)?;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let fine = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(plain);
    (asks && !has_other && fine && name.len() <= 64).then_some(name)
}

/// Has Python take the app's own secret for this variable where it is not set, in whatever it runs, and make one up
/// elsewhere than in Hythe: it carries out such a file each time that it starts.
pub(super) fn with_secret(name: &str) -> String {
    format!(
        "cd {VENV}/lib/python3*/site-packages && echo 'import os; os.environ[\"{name}\"] = \
         os.environ.get(\"{name}\") or os.environ.get(\"HYTHE_SECRET\") or os.urandom(32).hex()' > \
         secret-of-django.pth"
    )
}

/// The one package that can be run by itself, as `python -m` runs it.
pub(super) fn package(repo: &Repo<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let folders = repo.all().filter_map(|path| path.strip_suffix("/__main__.py"));
    let mut packages =
        folders.filter(|folder| folder.strip_prefix("src/").unwrap_or(folder).chars().all(plain));
    let only = packages.next().filter(|_| packages.next().is_none())?;
    words::path(only, "a package").ok()
}

/// The one folder that has a `manage.py`, where there is none at the root.
pub(super) fn django_folder(repo: &Repo<'_>) -> Option<String> {
    let mut folders = repo.all().filter_map(|path| path.strip_suffix("/manage.py"));
    let folder = folders.next().filter(|folder| !folder.contains('/'))?;
    let only = folders.next().is_none();
    words::path(folder, "the folder of manage.py").ok().filter(|_| only)
}

/// The settings module of a Django project, by what `manage.py` says: `site` of `site.settings`;
/// `root` is empty, or the folder of `manage.py` with a `/` behind it.
pub(super) fn django(repo: &Repo<'_>, root: &str) -> Option<String> {
    let text = repo.texts_of(&format!("{root}manage.py"));
    let named = text.split("DJANGO_SETTINGS_MODULE").nth(1).and_then(|rest| {
        let rest = rest.split_once(',').map(|(_, rest)| rest)?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let module = rest.get(1..)?.split(quote).next()?;
        module.split(".settings").next().map(str::to_owned)
    });
    let found = || {
        let paths = repo.all().filter_map(|path| path.strip_prefix(root));
        let paths = paths.filter(|path| path.ends_with("/wsgi.py"));
        let path = paths.min_by_key(|path| path.matches('/').count())?;
        path.strip_suffix("/wsgi.py").map(|folder| folder.replace('/', "."))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let module = named.filter(|module| !module.is_empty()).or_else(found)?;
    (module.chars().all(plain) && module.len() <= 100).then_some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_asked_for_by_its_name() {
        for (line, name) in [
            ("SECRET_KEY = os.environ[\"SECRET_KEY\"]", Some("SECRET_KEY")),
            ("SECRET_KEY = os.environ.get('DJANGO_KEY')", Some("DJANGO_KEY")),
            ("SECRET_KEY = config('KEY', default='x')", None),
            ("SECRET_KEY = env(\"KEY\")", Some("KEY")),
            ("SECRET_KEY = os.getenv('KEY') or 'x'", None),
            ("SECRET_KEY = 'abc'", None),
            ("SECRET_KEY = os.environ['a; b']", None),
            ("# SECRET_KEY = env('KEY')", None),
            ("SECRET_KEY_FILE = env('FILE')\nSECRET_KEY: str = env('KEY')", Some("KEY")),
        ] {
            assert_eq!(secret(line), name, "{line}");
        }
    }
}
