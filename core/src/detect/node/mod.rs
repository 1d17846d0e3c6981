//! Apps of JavaScript and TypeScript, on Node or Bun.

mod framework;
mod manager;
mod manifest;
mod needs;
mod pnpm;
mod workspace;

use framework::{Framework, Makes, Swap};
use manager::Manager;
use manifest::Manifest;

use serde_json::Value;

use super::images::{self, Images};
use super::recipe::{Recipe, Run, User};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::{ShellLine, Start};
use crate::rejection::Rejection;

/// Where a program begins, where `package.json` does not say.
const ENTRIES: &[&str] = &[
    "server.js",
    "index.js",
    "app.js",
    "main.js",
    "server.mjs",
    "index.mjs",
    "app.mjs",
    "src/server.js",
    "src/index.js",
    "src/app.js",
    "src/main.js",
    "server/index.js",
];
/// The same in TypeScript, which only some can run as it is.
const TYPED: &[&str] =
    &["index.ts", "server.ts", "app.ts", "main.ts", "src/index.ts", "src/server.ts", "src/main.ts"];
/// Folders that a build writes programs into.
const BUILT: &[&str] = &["dist/", "build/", "lib/", "out/"];
/// Programs of start scripts that serve for development, or serve files.
const FOR_DEVELOPMENT: &[&str] = &[
    "vite",
    "react-scripts",
    "react-app-rewired",
    "craco",
    "ng",
    "vue-cli-service",
    "serve",
    "http-server",
    "parcel",
    "webpack",
    "webpack-dev-server",
    "gatsby",
    "docusaurus",
    "astro",
    "eleventy",
    "live-server",
    "lite-server",
    "browser-sync",
    "ember",
    "preact",
    "vitepress",
    "rsbuild",
    "expo",
    "hexo",
    "quasar",
    "stencil",
    "sanity",
    "slidev",
    "gridsome",
    "rspress",
];

/// Finds out how an app of JavaScript is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(manifest) = Manifest::read(repo)? else {
        return Ok(None);
    };
    if let Some(recipe) = workspace::member(repo, &manifest)? {
        return Ok(Some(recipe));
    }
    let found = Manager::of(repo, &manifest)?;
    let manager = found.0;
    let mut recipe = base(repo, &manifest, manager)?;
    installed(&mut recipe, repo, &manifest, found)?;

    let mut framework = framework::find(repo, &manifest)?;
    if framework.is_none() {
        start(&mut recipe, repo, &manifest, None)?;
        if recipe.start.is_none() && repo.overrides.start.is_none() {
            // Libraries for servers are no server yet.
            framework = framework::by_tool(repo, &manifest)?;
        }
    }
    build(&mut recipe, &manifest, manager, framework.as_ref())?;
    match framework {
        Some(framework) => of_framework(&mut recipe, repo, &manifest, framework)?,
        None => {
            recipe.framework = framework::server(&manifest);
            pages_beside(&mut recipe, repo, &manifest);
        }
    }
    let in_workspace = manifest.has_workspaces() || repo.has("pnpm-workspace.yaml");
    if in_workspace && !recipe.is_whole() && repo.overrides.start.is_none() {
        workspace::take_app(&mut recipe, repo, &manifest, manager)?;
    }
    needs::old_webpack(&mut recipe, &manifest);
    if recipe.output.is_none() && recipe.start.is_none() && recipe.build.is_empty() {
        // It is not said to be a program; perhaps it is a site beside a few tools.
        if repo.overrides.start.is_none()
            && !is_started_elsewhere(repo, &manifest)
            && repo.overrides.build.is_none()
            && repo.overrides.output.is_none()
        {
            return Ok(None);
        }
    }
    prune(&mut recipe, &manifest, manager);
    manager_to_run(&mut recipe, repo, &manifest, manager)?;
    Ok(Some(recipe))
}

/// Whether another platform was told how to start it. Beside pages that line has to name a program that is here: what
/// a site is served with there is nothing to start.
fn is_started_elsewhere(repo: &Repo<'_>, manifest: &Manifest) -> bool {
    let Some((line, _)) = &repo.overrides.otherwise else { return false };
    if !repo.has("index.html") {
        return true;
    }
    let of_script = |name: &str| manifest.script(name).is_some_and(is_own_server);
    let is_here = |word: &str| {
        let path = word.trim_start_matches("./");
        repo.has(path) || repo.has(&format!("{path}.js"))
    };
    match line.as_str().split_whitespace().collect::<Vec<_>>().as_slice() {
        ["npm" | "pnpm" | "yarn" | "bun", "run", name, ..] => of_script(name),
        ["npm" | "pnpm" | "yarn", name, ..] => of_script(name),
        ["node" | "bun" | "tsx" | "ts-node" | "nodemon", words @ ..] => {
            words.iter().any(|word| is_here(word))
        }
        _ => false,
    }
}

/// What its manager needs and does, with the lock that was found and the reason.
fn installed(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    manifest: &Manifest,
    (manager, lock, why): (Manager, Option<&'static str>, String),
) -> Result<(), Rejection> {
    recipe.manager = Some(manager.program());
    recipe.because(why);
    if manager == Manager::Pnpm {
        recipe.because(pnpm::version(repo, manifest)?.1);
    }
    manager.settings(recipe);
    recipe.tools.extend(manager.tool(repo, manifest)?);
    if recipe.runtime == "node" {
        let scripts = manifest.script("build").or(manifest.script("heroku-postbuild"));
        recipe.tools.extend(manager.others(scripts.as_slice()));
    }
    if manifest.has_dependencies() || lock.is_some() {
        recipe.manifests = Manager::manifests(repo, manifest, lock);
        let install = manager.install(lock.is_some());
        // Scripts of packages are the app's business, as far as they read its variables.
        recipe.install.push(if recipe.manifests.is_empty() { install.of_app() } else { install });
    }
    needs::system_packages(recipe, manifest, None);
    Ok(())
}

/// Which image builds and runs it.
fn base(repo: &Repo<'_>, manifest: &Manifest, manager: Manager) -> Result<Recipe, Rejection> {
    if manager == Manager::Bun {
        let wish = said(repo, "bun").or_else(|| Manager::wish(manifest));
        let (line, why) = versions::choose(&images::BUN, wish.as_ref())?;
        let mut recipe = Recipe::new("bun", line.build, line.run);
        recipe.versions.push(("bun", line.line.to_owned()));
        recipe.because(why);
        recipe.user = User::There("bun");
        return Ok(recipe);
    }
    let said = said(repo, "node");
    let engine = Wish::of(manifest.engine("node"), "engines.node in package.json");
    let just = said.is_some() || (engine.is_some() && manager.minds_engines(repo));
    let wish = match said.or(engine) {
        Some(wish) => Some(wish),
        None => Wish::of(repo.first_line(".nvmrc")?, ".nvmrc")
            .or(Wish::of(repo.first_line(".node-version")?, ".node-version"))
            .or(repo.tool(&["node", "nodejs"])?)
            .or(Wish::of(manifest.volta("node"), "volta.node in package.json"))
            .or(Wish::of(manifest.dev_engine("node"), "devEngines in package.json")),
    };
    let older = needs::newest_node(manifest).filter(|_| !just);
    let older = older.and_then(|(package, line)| of_old(package, line, wish.as_ref()));
    let (images, why) = match older {
        Some(older) => older,
        None => versions::choose_just(&images::NODE, wish.as_ref(), just)?,
    };
    let mut recipe = Recipe::new("node", images.build, images.run);
    recipe.versions.push(("node", images.version));
    recipe.because(why);
    recipe.user = User::There("node");
    Ok(recipe)
}

/// The images of a Node that an old package goes with, where what is wished for allows it.
fn of_old(package: &str, line: &str, wish: Option<&Wish>) -> Option<(Images, String)> {
    let text = match wish {
        Some(wish) if wish.text.contains("||") => return None,
        Some(wish) => format!("{}, <={line}", wish.text),
        None => format!("<={line}"),
    };
    let wish = Wish::of(Some(&text), "the age of what it depends on");
    let (found, _) = versions::choose(&images::NODE, wish.as_ref()).ok()?;
    let why = format!("Node {}: {package} goes with no later one", found.line);
    Some((found.newest(), why))
}

/// What `hythe.toml` and its like say of a version.
pub(super) fn said(repo: &Repo<'_>, language: &str) -> Option<Wish> {
    let (version, file) = repo.overrides.versions.get(language)?;
    Wish::of(Some(version), file)
}

fn build(
    recipe: &mut Recipe,
    manifest: &Manifest,
    manager: Manager,
    framework: Option<&Framework>,
) -> Result<(), Rejection> {
    if let Some(swap) = framework.and_then(|framework| framework.swap.as_ref()) {
        recipe.because(swap.why);
        recipe.build.extend(swapped(swap, manager, ""));
    }
    if manifest.script("build").is_some() {
        recipe.because("package.json has a script \u{201c}build\u{201d}");
        recipe.build.push(Run::own(manager.run("build")).of_app());
    } else if let Some(with) = framework.and_then(|framework| framework.build) {
        recipe.because(
            "package.json has no script \u{201c}build\u{201d}: the framework's own is used",
        );
        recipe.build.push(Run::own(format!("node_modules/.bin/{with}")).of_app());
    } else if manifest.script("heroku-postbuild").is_some() {
        recipe.build.push(Run::own(manager.run("heroku-postbuild")).of_app());
    }
    if let Some(framework) = framework {
        for (name, value) in framework.build_env {
            recipe.build_env(name, *value);
        }
        for (name, value) in framework.run_env {
            recipe.run_env(name, *value);
        }
    }
    Ok(())
}

/// Builds pages that lie in a folder of their own, where the app's server serves that and no script builds them.
fn pages_beside(recipe: &mut Recipe, repo: &Repo<'_>, manifest: &Manifest) {
    const FOLDERS: &[&str] = &["client", "frontend", "web", "ui"];
    if !recipe.build.is_empty() || manifest.has_workspaces() {
        return;
    }
    let is_built = |folder: &str| {
        let package: Option<Value> = repo.json(&format!("{folder}/package.json")).ok().flatten();
        package
            .is_some_and(|package| package.pointer("/scripts/build").is_some_and(Value::is_string))
    };
    let is_served = |folder: &str| {
        let mut texts = ENTRIES.iter().chain(TYPED).map(|entry| repo.texts_of(entry));
        texts.any(|text| text.contains("static(") && names_folder(text, folder))
    };
    let found = FOLDERS.iter().find(|folder| is_built(folder) && is_served(folder));
    let Some(folder) = found else { return };
    recipe.because(format!("its server serves what {folder}/ builds, and no script builds it"));
    recipe.build.push(Run::own(format!("npm install --prefix {folder}")).cached(&["/root/.npm"]));
    recipe.build.push(Run::own(format!("npm run build --prefix {folder}")).of_app());
}

/// Whether a text has a path with this folder in it, rather than a word or a variable that is called so, too.
fn names_folder(text: &str, folder: &str) -> bool {
    let is_edge = |c: char| matches!(c, '"' | '\'' | '`' | '/');
    text.match_indices(folder).any(|(at, _)| {
        let before = text.get(..at).is_some_and(|before| before.ends_with(is_edge));
        let behind = text.get(at + folder.len()..);
        before && behind.is_some_and(|behind| behind.starts_with(is_edge))
    })
}

/// The steps of a swap, in the folder of an app.
fn swapped(swap: &Swap, manager: Manager, folder: &str) -> Vec<Run> {
    let package = manager.add(swap.package);
    let steps = std::iter::once(package.as_str()).chain(swap.steps.iter().copied());
    let inside = if folder.is_empty() { String::new() } else { format!("cd {folder} && ") };
    steps.map(|step| Run::own(format!("{inside}{step}"))).collect()
}

fn of_framework(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    manifest: &Manifest,
    framework: Framework,
) -> Result<(), Rejection> {
    recipe.framework = Some(framework.name);
    recipe.because(format!("{}: package.json depends on it", framework.name));
    match framework.makes {
        Makes::Program(words) => start(recipe, repo, manifest, Some(words)),
        Makes::Alone(words, parts) => {
            recipe.start = Some(Start::words(words));
            recipe.run_env("NODE_ENV", "production");
            recipe.taken = parts.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect();
            recipe.because("what it builds is complete: nothing else goes into the image");
            Ok(())
        }
        Makes::Files(output) => {
            if manifest.script("start").is_some_and(is_own_server)
                && framework::could_serve(manifest)
            {
                recipe.because("its own server serves what it builds");
                return start(recipe, repo, manifest, None);
            }
            recipe.because(format!(
                "it builds files, in {}: they are served as they are",
                output.folder
            ));
            recipe.output = Some(output);
            Ok(())
        }
    }
}

/// Whether a start script runs a program of the app's own, rather than a tool that serves files.
fn is_own_server(script: &str) -> bool {
    let mut words =
        script.split_whitespace().filter(|word| !word.contains('=') && *word != "cross-env");
    let first = words.find(|word| *word != "npx" && *word != "bunx").unwrap_or_default();
    !FOR_DEVELOPMENT.contains(&first)
}

/// What starts it.
fn start(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    manifest: &Manifest,
    usual: Option<&[&str]>,
) -> Result<(), Rejection> {
    recipe.run_env("NODE_ENV", "production");
    let runner = if recipe.runtime == "bun" { "bun" } else { "node" };
    let built_apart = repo.has("bin/server.ts") && !repo.has("bin/server.js");
    if built_apart && manifest.needs_to_run("@adonisjs/core") && manifest.script("build").is_some()
    {
        recipe.because("what AdonisJS builds is started in build/");
        recipe.run_env("HOST", "0.0.0.0");
        recipe.start = Some(Start::own(format!("cd build && exec {runner} bin/server.js")));
        return Ok(());
    }
    let script = ["start:prod", "start"].into_iter().find_map(|name| {
        let script = manifest.script(name)?;
        // For development there is another one: what is built is meant.
        let fine = is_own_server(script) && !(name == "start" && script.starts_with("nest start"));
        fine.then_some((name, script))
    });
    if let Some((name, script)) = script {
        recipe.because(format!("package.json has a script \u{201c}{name}\u{201d}"));
        let alone = manifest.script(&format!("pre{name}")).is_none();
        let by_manager = ["npm", "npx", "pnpm", "pnpx", "yarn", "bun", "bunx"]
            .iter()
            .any(|program| script.split_whitespace().any(|word| word == *program));
        let line = ShellLine::new(script, "start in package.json").ok();
        recipe.start = Some(match line {
            // The program itself, so that it gets the signals, with no manager in between.
            Some(line) if alone && !by_manager => {
                recipe.run_env("PATH", "/app/node_modules/.bin:$PATH");
                Start::line(line)
            }
            Some(_) | None if runner == "bun" => Start::words(&["bun", "run", name]),
            Some(_) | None => Start::words(&["npm", "run", name]),
        });
        return Ok(());
    }
    if let Some(words) = usual {
        recipe.run_env("PATH", "/app/node_modules/.bin:$PATH");
        recipe.start = Some(Start::words(words));
        return Ok(());
    }
    // The server that Angular writes has a script of its own beside that for development.
    if let Some((name, script)) = manifest.script_like("serve:ssr")
        && let Ok(line) = ShellLine::new(script, "serve:ssr in package.json")
    {
        recipe.because(format!("package.json has a script \u{201c}{name}\u{201d}"));
        recipe.start = Some(Start::line(line));
        return Ok(());
    }
    if manifest.needs("@nestjs/core") {
        recipe.start = Some(Start::words(&["node", "dist/main"]));
        return Ok(());
    }
    let main = manifest.main().map(|main| main.trim_start_matches("./"));
    let main = main.and_then(|main| {
        let built = manifest.script("build").is_some()
            && framework::server(manifest).is_some()
            && BUILT.iter().any(|folder| main.starts_with(folder));
        let found = [main.to_owned(), format!("{main}.js")]
            .into_iter()
            .find(|path| repo.has(path) || (built && path.ends_with("js")))?;
        super::words::path(&found, "main in package.json").ok()
    });
    let typed = if runner == "bun" { repo.first(TYPED) } else { None };
    // Beside a page, what lies in src/ is what the page loads.
    let of_page = repo.has("index.html") && framework::by_tool(repo, manifest)?.is_some();
    let usual = repo.first(ENTRIES).or(typed).filter(|path| !(of_page && path.starts_with("src/")));
    let entry = main.or_else(|| usual.map(str::to_owned));
    if entry.is_none()
        && runner == "node"
        && manifest.needs("tsx")
        && framework::server(manifest).is_some()
        && let Some(typed) = repo.first(TYPED)
    {
        recipe.because(format!("{typed} is where it begins, and tsx runs it as it is"));
        recipe.run_env("PATH", "/app/node_modules/.bin:$PATH");
        recipe.start = Some(Start::words(&["tsx", typed]));
        return Ok(());
    }
    if let Some(entry) = entry {
        recipe.because(format!("{entry} is where it begins"));
        recipe.start = Some(Start::words(&[runner, &entry]));
    }
    Ok(())
}

/// Leaves out what is only for development, where what is started is sure not to need it.
fn prune(recipe: &mut Recipe, manifest: &Manifest, manager: Manager) {
    if recipe.output.is_some() || recipe.taken.len() != 1 || !manifest.has_development() {
        return;
    }
    let Some(Start::Words(words)) = &recipe.start else { return };
    let package = match words.first().map(String::as_str) {
        Some("node") => None,
        Some("next") => Some("next"),
        Some("remix-serve") => Some("@remix-run/serve"),
        Some("react-router-serve") => Some("@react-router/serve"),
        Some(_) | None => return,
    };
    // A server may be listed among what is for development, and is needed all the same.
    if framework::server(manifest).is_none() && framework::could_serve(manifest) {
        return;
    }
    let plain = words.iter().skip(1).all(|word| !word.starts_with('-'));
    let there = package.is_none_or(|package| manifest.needs_to_run(package));
    if plain && there && !manifest.has_workspaces() && takes_all(recipe) {
        recipe.finish.extend(manager.prune());
    }
}

/// Whether all of the app is taken from the build.
fn takes_all(recipe: &Recipe) -> bool {
    recipe.taken.first().is_some_and(|(from, _)| from == Recipe::HOME)
}

/// A start script that calls its manager needs it where it runs.
fn manager_to_run(
    recipe: &mut Recipe,
    repo: &Repo<'_>,
    manifest: &Manifest,
    manager: Manager,
) -> Result<(), Rejection> {
    let said = repo.overrides.start.as_ref().map(ShellLine::as_str);
    let called = said.is_some_and(|line| calls(line, manager))
        || is_by_manager(recipe.start.as_ref(), manifest, manager);
    if recipe.output.is_none() && called {
        recipe.run_tools.extend(manager.tool(repo, manifest)?);
    }
    if recipe.output.is_none() && recipe.runtime == "node" {
        let by_script = recipe.start.as_ref().is_some_and(|s| s.to_string().starts_with("npm run"));
        let scripts = manifest.script("start:prod").or(manifest.script("start"));
        let own = scripts.filter(|_| by_script && said.is_none());
        let called: Vec<&str> = own.into_iter().chain(said).collect();
        recipe.run_tools.extend(manager.others(&called));
    }
    Ok(())
}

/// Whether what starts it is a script that npm runs, and that calls the app's manager.
fn is_by_manager(start: Option<&Start>, manifest: &Manifest, manager: Manager) -> bool {
    let scripts =
        [manifest.script("start"), manifest.script("start:prod"), manifest.script("prestart")];
    start.is_some_and(|start| start.to_string().starts_with("npm run"))
        && scripts.into_iter().flatten().any(|script| calls(script, manager))
}

fn calls(line: &str, manager: Manager) -> bool {
    let also = if manager == Manager::Pnpm { "pnpx" } else { manager.program() };
    line.split_whitespace().any(|word| word == manager.program() || word == also)
}
