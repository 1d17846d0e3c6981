//! Apps of Go.

use super::images;
use super::node::said;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

const CACHES: &[&str] = &["/go/pkg/mod", "/root/.cache/go-build"];
/// Programs that are preferred where there are several.
const NAMES: &[&str] = &["server", "web", "api", "app", "main", "http"];
/// Frameworks, by their modules.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("github.com/gin-gonic/gin", "Gin"),
    ("github.com/labstack/echo", "Echo"),
    ("github.com/gofiber/fiber", "Fiber"),
    ("github.com/go-chi/chi", "chi"),
    ("github.com/gorilla/mux", "Gorilla"),
    ("github.com/beego/beego", "Beego"),
    ("github.com/pocketbase/pocketbase", "PocketBase"),
];

/// Finds out how an app of Go is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let workspace = repo.has("go.work");
    let module = repo.text("go.mod")?;
    if module.is_none() && !workspace && !repo.has("go.mod") && !repo.has("main.go") {
        return Ok(None);
    }
    let text = module.unwrap_or_default();
    let wish = said(repo, "go");
    let (line, why) = versions::choose(&images::GO, wish.as_ref())?;
    let mut recipe = Recipe::new("go", line.build, line.run);
    recipe.versions.push(("go", line.line.to_owned()));
    recipe.manager = Some("go");
    recipe.because(if module.is_some() { "go.mod is there" } else { "main.go is there" });
    recipe.because(why);
    // A module that wants a newer one gets it.
    let newest = images::GO.lines.first().map_or("", |line| line.line);
    let wanted = text.lines().find_map(|line| line.strip_prefix("go ")).map(str::trim);
    if wanted.is_some_and(|wanted| newer(wanted, newest)) || text.contains("\ntoolchain ") {
        recipe.build_env("GOTOOLCHAIN", "auto");
        recipe.because("go.mod wants another one: it is fetched");
    }
    let framework = FRAMEWORKS.iter().find(|(module, _)| text.contains(module));
    recipe.framework = framework.map(|(_, name)| *name);
    let c = text.contains("github.com/mattn/go-sqlite3");
    recipe.build_env("CGO_ENABLED", if c { "1" } else { "0" });
    if c {
        recipe.because("go-sqlite3 is of C: it is compiled with the rest");
    }
    if !repo.has("go.mod") && !workspace {
        recipe.build_env("GO111MODULE", "off");
    } else if !workspace && !repo.has_folder("vendor") && !text.contains("=> .") {
        recipe.manifests =
            ["go.mod", "go.sum"].iter().filter(|n| repo.has(n)).map(|n| (*n).to_owned()).collect();
        recipe.install.push(Run::own("go mod download").cached(&[CACHES[0]]));
    }
    let Some(package) = package(repo, text)? else {
        if repo.overrides.build.is_none() {
            return Err(Rejection::invalid(
                "source",
                "there is a go.mod, but no main.go at its root and no single program under cmd/; \
                 say in hythe.toml how it is built and started, such as build = \"go build -o \
                 /out/app ./cmd/web\" and start = \"app\"",
            ));
        }
        recipe.taken.push(("/out/".to_owned(), "/usr/local/bin/".to_owned()));
        recipe.tools.push(Run::own("mkdir -p /out"));
        return Ok(Some(recipe));
    };
    recipe.because(format!("{package} is its program"));
    let line = format!("go build -trimpath -ldflags='-s -w' -o /out/app {package}");
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    finish(&mut recipe);
    Ok(Some(recipe))
}

/// The program, beside the files of the repository: templates and the like lie among them.
fn finish(recipe: &mut Recipe) {
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(recipe);
    recipe.start = Some(Start::words(&["app"]));
}

/// What programs that bring everything else with them need to trust other servers.
pub(super) fn certificates(recipe: &mut Recipe) {
    let path = "/etc/ssl/certs/ca-certificates.crt";
    recipe.taken.insert(0, (path.to_owned(), path.to_owned()));
}

/// Which package is the program.
fn package(repo: &Repo<'_>, module: &str) -> Result<Option<String>, Rejection> {
    let at_root = repo
        .all()
        .any(|path| path.ends_with(".go") && !path.contains('/') && !path.ends_with("_test.go"));
    let mains: Vec<&str> = repo
        .all()
        .filter_map(|path| path.strip_prefix("cmd/")?.strip_suffix("/main.go"))
        .filter(|name| !name.contains('/'))
        .collect();
    if repo.has("main.go") || (at_root && mains.is_empty()) {
        return Ok(Some(".".to_owned()));
    }
    let own = module.lines().find_map(|line| line.strip_prefix("module "));
    let own = own.and_then(|path| path.trim().rsplit('/').next()).unwrap_or_default();
    let preferred = |name: &&&str| **name == own || NAMES.contains(*name);
    let chosen = match mains.as_slice() {
        [only] => Some(*only),
        [] if repo.has("cmd/main.go") => return Ok(Some("./cmd".to_owned())),
        several => several.iter().find(preferred).copied(),
    };
    chosen
        .map(|name| Ok(format!("./cmd/{}", words::path(name, "a folder under cmd/")?)))
        .transpose()
}

/// Whether `1.26.1` is newer than the line `1.25`.
fn newer(wanted: &str, line: &str) -> bool {
    let number = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    number(wanted) > number(line)
}
