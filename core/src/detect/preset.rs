//! From the first provider that knows an app to its Dockerfile, with what its people said about it.

use super::foreign::{self, Started};
use super::found::Found;
use super::images::BaseImages;
use super::overrides::{Overrides, Step};
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::settings_file::SETTINGS_FILE;
use super::{
    BuildPlan, Detected, SiteFiles, clojure, cpp, crystal, dart, deno, dockerfile, dotnet, elixir,
    gleam, go, java, known, node, pages, php, ports, python, refusal, ruby, rust, scala, shell,
    site, swift,
};
use crate::declared::Declared;
use crate::rejection::Rejection;
use crate::source::BuildSettings;

type Provider = fn(&Repo<'_>) -> Result<Option<Recipe>, Rejection>;

/// All of them, in the order in which they are asked. Sites of Hugo have modules of Go, and come first.
/// Those of JavaScript come last: apps of every other language have a `package.json` for what their
/// pages are made of.
const PROVIDERS: &[(&str, Provider)] = &[
    ("hugo", pages::hugo),
    ("zola", pages::zola),
    ("php", php::find),
    ("go", go::find),
    ("java", java::find),
    ("java", scala::find),
    ("java", clojure::find),
    ("rust", rust::find),
    ("mdbook", pages::mdbook),
    ("ruby", ruby::find),
    ("elixir", elixir::find),
    ("dotnet", dotnet::find),
    ("deno", deno::find),
    ("crystal", crystal::find),
    ("dart", dart::find),
    ("swift", swift::find),
    ("gleam", gleam::find),
    ("python", python::find),
    ("cpp", cpp::find),
    ("node", node::find),
    ("shell", shell::find),
];

/// Programs that a start line for an app of JavaScript begins with.
const OF_SCRIPTS: &[&str] = &[
    "bun",
    "bunx",
    "next",
    "node",
    "npm",
    "npx",
    "nuxt",
    "pnpm",
    "remix-serve",
    "serve",
    "ts-node",
    "tsx",
    "yarn",
];

/// Asks the providers; `None` where none knows it.
pub(super) fn find(
    repo: &Repo<'_>,
    settings: &BuildSettings,
    images: &BaseImages,
) -> Result<Option<Detected>, Rejection> {
    let Some(mut recipe) = recipe(repo)? else { return Ok(None) };
    apply(&mut recipe, repo);
    if !recipe.is_whole() {
        return Err(refusal::nothing_starts(recipe.runtime, &recipe.reasons));
    }
    let text = dockerfile::write(&recipe, settings, images);
    let found = Found::of_recipe(&recipe, text.clone());
    let site = recipe.output.as_ref().map(|output| SiteFiles {
        folder: site::ROOT.to_owned(),
        single_page: output.missing == Missing::Index,
    });
    let plan = BuildPlan::Preset { dockerfile: text };
    let context = match recipe.workspace.as_deref() {
        Some("") => None,
        Some(folder) => Some(known(folder)?),
        None => settings.context.clone(),
    };
    Ok(Some(Detected { plan, context, found, site, declared: Declared::default() }))
}

/// The recipe of the first provider that knows an app. Where that is not sure of it, or it has
/// nothing to start, and there is a `package.json`, it may be what an app of JavaScript has beside it
/// (a Gemfile for its tools, a crate that it loads): then a later provider that is sure goes before.
fn recipe(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let said = repo.overrides;
    let asked = PROVIDERS
        .iter()
        .filter(|(name, _)| said.preset.as_deref().is_none_or(|preset| preset == *name));
    let by_script = said.program().is_some_and(|program| OF_SCRIPTS.contains(&program.path));
    // A start or a build that somebody named is for the first, unless it is one of JavaScript.
    let free = said.start.is_none() && (said.output.is_none() || said.build.is_none());
    let open = said.preset.is_none() && (free || by_script) && repo.has("package.json");
    let said_whole = said.start.is_some() || said.output.is_some();
    let mut unsure: Option<(&str, Result<Recipe, Rejection>)> = None;
    for (name, provider) in asked {
        let Some(found) = provider(repo).transpose() else { continue };
        let sure = found.as_ref().is_ok_and(|recipe| {
            // What runs scripts is the runtime that a line for one was written for.
            recipe.sure && (recipe.is_whole() || (*name == "node" && said_whole))
        });
        let whole = |found: &Result<Recipe, Rejection>| found.as_ref().is_ok_and(Recipe::is_whole);
        match (unsure.take(), found) {
            (None, found) if sure || !open => return found.map(Some),
            (Some((beside, _)), Ok(mut recipe)) if sure => {
                recipe.because(format!("what there is of {beside} is taken for a part of it"));
                return Ok(Some(recipe));
            }
            (Some(before), _) if whole(&before.1) => unsure = Some(before),
            (_, found) => unsure = Some((*name, found)),
        }
    }
    unsure.map(|(_, found)| found).transpose()
}

/// What people said goes before what was found.
fn apply(recipe: &mut Recipe, repo: &Repo<'_>) {
    let Overrides {
        dockerfile: _,
        preset: _,
        beats_dockerfile: _,
        versions: _,
        install,
        build,
        start,
        start_file,
        otherwise,
        port,
        output,
        single_page,
        serve: _,
        image_folder: _,
        packages,
        env,
        declared,
        reasons,
    } = repo.overrides;
    let own = start.as_ref().map(|line| (line, start_file.unwrap_or(SETTINGS_FILE)));
    let spare = otherwise.as_ref().filter(|_| !recipe.is_whole());
    let line = own.or(spare.map(|(line, file)| (line, *file)));
    if let (None, Some((_, file))) = (start, line) {
        recipe.because(format!("{file} says how it is started"));
    }
    let started = line.map(|(line, file)| foreign::start(repo, recipe, line, file));
    // What is said is said in the app's own folder.
    let inside = recipe.inside.clone();
    if let Some(steps) = install {
        let usual = std::mem::take(&mut recipe.install);
        recipe.install = said_steps(steps, &usual, &inside);
        recipe.manifests.clear();
    }
    if let Some(steps) = build {
        let usual = std::mem::take(&mut recipe.build);
        recipe.build = said_steps(steps, &usual, &inside);
        if !steps.contains(&Step::Usual) {
            // What serves an app of Python is no part of its build, though it is put beside it there.
            let serves = recipe.runtime == "python" && start.is_none();
            let servers = usual.into_iter().filter(|run| serves && !run.of_app);
            recipe.build.splice(0..0, servers.collect::<Vec<_>>());
            recipe.finish.clear();
        }
        if recipe.taken.iter().any(|(from, _)| from == "/out/") {
            recipe.tools.push(Run::own("mkdir -p /out"));
        }
    }
    // What runs besides may start what the build leaves in folders of its own.
    if recipe.runtime == "java" && runs_of_build(declared) && !has_home(recipe) {
        recipe.taken.push((Recipe::HOME.to_owned(), Recipe::HOME.to_owned()));
        recipe.because("what runs besides is of what the build leaves: all of it is in the image");
    }
    let mut of_start = None;
    if let Some(folder) = output {
        let missing = recipe.output.as_ref().map_or(Missing::Page, |output| output.missing);
        let folder = match (inside.as_str(), folder.as_str()) {
            ("", folder) => folder.to_owned(),
            (inside, "") => inside.to_owned(),
            (inside, folder) => format!("{inside}/{folder}"),
        };
        recipe.output = Some(Output { folder, missing });
    } else if let Some(Started { start, why, wants_all }) = started {
        recipe.output = None;
        // It may start anything.
        let all = wants_all || build.is_some() || recipe.runtime == "node";
        if all && !has_home(recipe) {
            recipe.taken.push((Recipe::HOME.to_owned(), Recipe::HOME.to_owned()));
        }
        // Where only what was built is in the image, there is no such folder.
        recipe.start = Some(if has_home(recipe) { start.within(&inside) } else { start });
        if matches!(recipe.runtime, "node" | "bun")
            && !recipe.run_env.iter().any(|(name, _)| name == "PATH")
        {
            recipe.run_env("PATH", "/app/node_modules/.bin:$PATH");
        }
        of_start = why;
    }
    let address = ports::address(repo, recipe);
    if address.asked && !recipe.run_env.iter().any(|(name, _)| name == "HOST") {
        recipe.run_env("HOST", "0.0.0.0");
    } else if let Some(path) = address.closed.filter(|_| !address.asked) {
        recipe.because(format!(
            "{path} listens on its own machine alone, where nobody reaches it: have it listen on 0.0.0.0"
        ));
    }
    if let (Some(output), Some(single)) = (&mut recipe.output, single_page) {
        output.missing = if *single { Missing::Index } else { Missing::Page };
    }
    let in_words = || recipe.start.as_ref().and_then(|start| port_in(&start.to_string()));
    if let Some(port) = port.or_else(in_words) {
        recipe.port = port;
    } else if let Some((port, path)) = ports::in_program(repo, recipe) {
        recipe.because(format!("{path} listens on port {port}"));
        recipe.port = port;
    }
    recipe.build_packages.extend(packages.iter().cloned());
    recipe.run_packages.extend(packages.iter().cloned());
    for (name, value) in env {
        recipe.build_env.push((name.to_string(), value.clone()));
        recipe.run_env.push((name.to_string(), value.clone()));
    }
    recipe.reasons.extend(reasons.iter().cloned().chain(of_start));
}

/// Steps as they were said, with those in their place that are usual.
fn said_steps(steps: &[Step], usual: &[Run], inside: &str) -> Vec<Run> {
    let of = |step: &Step| match step {
        Step::Usual => usual.to_vec(),
        Step::Line(line) => vec![Run::given(line.within(inside))],
    };
    steps.iter().flat_map(of).collect()
}

/// Whether a command that runs besides names what Maven or Gradle leaves.
fn runs_of_build(declared: &Declared) -> bool {
    let processes = declared.processes.values().map(|process| &process.command);
    let commands = processes.chain(declared.hooks().map(|(_, command)| command));
    let mut words = commands.flat_map(|command| command.words());
    words.any(|word| word.contains("target/") || word.contains("build/"))
}

fn has_home(recipe: &Recipe) -> bool {
    recipe.taken.iter().any(|(from, _)| from == Recipe::HOME)
}

/// The port that a start command names: `-p 3000`, `--port=3000`, `PORT=3000`.
fn port_in(line: &str) -> Option<u16> {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let value = match word {
            "-p" | "--port" => words.peek().copied(),
            _ => word.strip_prefix("--port=").or_else(|| word.strip_prefix("PORT=")),
        };
        if let Some(port) = value.and_then(|value| value.parse().ok()).filter(|port| *port > 0) {
            return Some(port);
        }
    }
    None
}
