//! Apps of Go.

use std::collections::BTreeSet;

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
/// Folders of programs that are not the app.
const BESIDE: &[&str] = &[
    "example", "examples", "hack", "internal", "script", "scripts", "testdata", "tools", "vendor",
];
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
    let work = repo.text("go.work")?.unwrap_or_default();
    let wish = said(repo, "go");
    let (line, why) = versions::choose(&images::GO, wish.as_ref())?;
    let mut recipe = Recipe::new("go", line.build, line.run);
    recipe.versions.push(("go", line.line.to_owned()));
    recipe.manager = Some("go");
    let there = repo.first(&["go.mod", "go.work", "main.go"]).unwrap_or("go.mod");
    recipe.because(format!("{there} is there"));
    recipe.because(why);
    // A module that wants a newer one gets it; which patch the image has is not known here.
    let wanted = [("go.mod", text), ("go.work", work)].into_iter().flat_map(|(file, text)| {
        let named = text.lines().filter_map(|line| {
            let line = line.trim();
            line.strip_prefix("go ").or_else(|| line.strip_prefix("toolchain go"))
        });
        named.map(move |version| (numbers(version.trim()), file))
    });
    let wanted = wanted.max_by_key(|(version, _)| *version);
    if let Some(((major, minor, patch), file)) = wanted
        && (major, minor, patch) > numbers(line.line)
    {
        recipe.build_env("GOTOOLCHAIN", "auto");
        recipe.because(format!(
            "{file} wants Go {major}.{minor}.{patch}: it is fetched where the image's is older"
        ));
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
    let Some(package) = package(repo, text, work)? else {
        if repo.overrides.build.is_none() {
            return Err(Rejection::invalid(
                "source",
                "there is a go.mod or go.work, but no main.go at its root and no single program \
                 under cmd/ or in the modules of go.work; say in hythe.toml how it is built and \
                 started, such as build = \"go build -o /out/app ./cmd/web\" and start = \"app\"",
            ));
        }
        recipe.taken.push(("/out/".to_owned(), "/usr/local/bin/".to_owned()));
        recipe.tools.push(Run::own("mkdir -p /out"));
        return Ok(Some(recipe));
    };
    recipe.because(format!("{package} is its program"));
    // Beside files of another language, a few of Go at the root may be tools of it.
    recipe.sure = package != "." || repo.has("main.go");
    let line = format!("go build -trimpath -ldflags='-s -w' -o /out/app {package}");
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    besides(&mut recipe, repo, text, &package)?;
    finish(&mut recipe);
    Ok(Some(recipe))
}

/// Builds the programs that run besides: other platforms have all of a module's in `bin/`.
fn besides(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    module: &str,
    package: &str,
) -> Result<(), Rejection> {
    let declared = &repo.overrides.declared;
    let processes = declared.processes.values().map(|process| &process.command);
    let commands = processes.chain(declared.hooks().map(|(_, command)| command));
    let programs = commands.filter_map(|command| command.words().first());
    let programs: BTreeSet<&str> = programs.map(String::as_str).collect();
    let own = module.lines().find_map(|line| line.strip_prefix("module "));
    let own = own.and_then(|path| path.trim().rsplit('/').next()).unwrap_or_default();
    for program in &programs {
        let name = program.trim_start_matches("./").trim_start_matches("bin/");
        let Ok(name) = words::name(name, "Procfile") else { continue };
        let named = package.rsplit('/').next() == Some(name.as_str());
        if named || (package == "." && name == own) {
            recipe.build.push(Run::own(format!("cp /out/app /out/{name}")));
        } else if repo.has(&format!("cmd/{name}/main.go")) {
            let line = format!("go build -trimpath -ldflags='-s -w' -o /out/{name} ./cmd/{name}");
            recipe.build.push(Run::own(line).cached(CACHES).of_app());
            recipe.because(format!("{name} runs besides: it is built, too"));
        }
    }
    if programs.iter().any(|program| program.trim_start_matches("./").starts_with("bin/")) {
        recipe.taken.push(("/out/".to_owned(), "/app/bin/".to_owned()));
    }
    Ok(())
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
fn package(repo: &Repo<'_>, module: &str, work: &str) -> Result<Option<String>, Rejection> {
    let of_program = |path: &str| {
        let other = ["doc.go", "tools.go", "magefile.go"].contains(&path);
        path.ends_with(".go") && !path.contains('/') && !path.ends_with("_test.go") && !other
    };
    let at_root = repo.all().any(of_program);
    let mains: Vec<&str> = repo
        .all()
        .filter_map(|path| path.strip_prefix("cmd/")?.strip_suffix("/main.go"))
        .filter(|name| !name.contains('/'))
        .collect();
    if repo.has("main.go") || (at_root && mains.is_empty()) {
        return Ok(Some(".".to_owned()));
    }
    // What is started elsewhere is named like the folder.
    let started = repo.overrides.program().map(|program| program.name()).unwrap_or_default();
    let own = module.lines().find_map(|line| line.strip_prefix("module "));
    let own = own.and_then(|path| path.trim().rsplit('/').next()).unwrap_or_default();
    let preferred = |name: &&&str| **name == own || NAMES.contains(*name);
    let named = mains.iter().find(|name| **name == started);
    if mains.is_empty() && !repo.has("cmd/main.go") {
        return match of_modules(repo, work)? {
            Some(found) => Ok(Some(found)),
            None => of_folder(repo),
        };
    }
    let chosen = match mains.as_slice() {
        [only] => Some(*only),
        [] if repo.has("cmd/main.go") => return Ok(Some("./cmd".to_owned())),
        several => named.or_else(|| several.iter().find(preferred)).copied(),
    };
    chosen
        .map(|name| Ok(format!("./cmd/{}", words::path(name, "a folder under cmd/")?)))
        .transpose()
}

/// The one program of the modules that `go.work` names: at the root of one, or under its `cmd/`.
fn of_modules(repo: &Repo<'_>, work: &str) -> Result<Option<String>, Rejection> {
    let lines = work.lines().map(|line| line.trim().trim_start_matches("use ").trim());
    let modules = lines.filter_map(|line| Some(line.strip_prefix("./")?.trim_matches('/')));
    let mut programs = Vec::new();
    for module in modules.filter(|module| !module.is_empty()) {
        if repo.has(&format!("{module}/main.go")) {
            programs.push(module.to_owned());
        }
        let under = format!("{module}/cmd/");
        programs.extend(repo.all().filter_map(|path| {
            let name = path.strip_prefix(&under)?.strip_suffix("/main.go")?;
            (!name.contains('/')).then(|| format!("{under}{name}"))
        }));
    }
    let last = |path: &&String| NAMES.iter().any(|name| path.rsplit('/').next() == Some(*name));
    let chosen = match programs.as_slice() {
        [only] => Some(only),
        several => several.iter().find(last),
    };
    chosen.map(|path| Ok(format!("./{}", words::path(path, "a folder in go.work")?))).transpose()
}

/// The one folder with a program, where there is neither one at the root nor one under `cmd/`.
fn of_folder(repo: &Repo<'_>) -> Result<Option<String>, Rejection> {
    let folders = repo.all().filter_map(|path| path.strip_suffix("/main.go"));
    let aside = |folder: &str| {
        folder.split('/').any(|part| BESIDE.contains(&part) || part.starts_with(['.', '_']))
    };
    let mut folders = folders.filter(|folder| !aside(folder));
    let only = folders.next().filter(|_| folders.next().is_none());
    only.map(|folder| Ok(format!("./{}", words::path(folder, "a folder with main.go")?)))
        .transpose()
}

/// `1.26.1` as numbers; what is left out is 0.
fn numbers(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
