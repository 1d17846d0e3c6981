//! From the first provider that knows an app to its Dockerfile, with what its people said about it.

use super::found::Found;
use super::images::BaseImages;
use super::overrides::Overrides;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::words::Start;
use super::{
    BuildPlan, Detected, SiteFiles, deno, dockerfile, dotnet, elixir, go, java, node, php, python,
    refusal, ruby, rust, site,
};
use crate::declared::Declared;
use crate::rejection::Rejection;
use crate::source::BuildSettings;

type Provider = fn(&Repo<'_>) -> Result<Option<Recipe>, Rejection>;

/// All of them, in the order in which they are asked. Those of JavaScript come last: apps of every
/// other language have a `package.json` for what their pages are made of.
const PROVIDERS: &[(&str, Provider)] = &[
    ("php", php::find),
    ("go", go::find),
    ("java", java::find),
    ("rust", rust::find),
    ("ruby", ruby::find),
    ("elixir", elixir::find),
    ("dotnet", dotnet::find),
    ("deno", deno::find),
    ("python", python::find),
    ("node", node::find),
];

/// Asks the providers; `None` where none knows it.
pub(super) fn find(
    repo: &Repo<'_>,
    settings: &BuildSettings,
    images: &BaseImages,
) -> Result<Option<Detected>, Rejection> {
    let said = repo.overrides;
    let asked = PROVIDERS
        .iter()
        .filter(|(name, _)| said.preset.as_deref().is_none_or(|preset| preset == *name));
    for (_, provider) in asked {
        if let Some(mut recipe) = provider(repo)? {
            apply(&mut recipe, said);
            if recipe.start.is_none() && recipe.output.is_none() {
                return Err(refusal::nothing_starts(recipe.runtime, &recipe.reasons));
            }
            let text = dockerfile::write(&recipe, settings, images);
            let found = Found::of_recipe(&recipe, text.clone());
            let site = recipe.output.as_ref().map(|output| SiteFiles {
                folder: site::ROOT.to_owned(),
                single_page: output.missing == Missing::Index,
            });
            let plan = BuildPlan::Preset { dockerfile: text };
            return Ok(Some(Detected { plan, found, site, declared: Declared::default() }));
        }
    }
    Ok(None)
}

/// What people said goes before what was found.
fn apply(recipe: &mut Recipe, said: &Overrides) {
    let Overrides {
        dockerfile: _,
        preset: _,
        beats_dockerfile: _,
        versions: _,
        install,
        build,
        start,
        port,
        output,
        single_page,
        serve: _,
        image_folder: _,
        packages,
        env,
        declared: _,
        reasons,
    } = said;
    if let Some(lines) = install {
        recipe.install = lines.iter().cloned().map(Run::given).collect();
        recipe.manifests.clear();
    }
    if let Some(lines) = build {
        recipe.build = lines.iter().cloned().map(Run::given).collect();
        recipe.finish.clear();
        if recipe.taken.iter().any(|(from, _)| from == "/out/") {
            recipe.tools.push(Run::own("mkdir -p /out"));
        }
    }
    if let Some(folder) = output {
        let missing = recipe.output.as_ref().map_or(Missing::Page, |output| output.missing);
        recipe.output = Some(Output { folder: folder.clone(), missing });
    } else if let Some(line) = start {
        recipe.output = None;
        recipe.start = Some(Start::line(line.clone()));
        // It may start anything.
        if (build.is_some() || recipe.runtime == "node") && !has_home(recipe) {
            recipe.taken.push((Recipe::HOME.to_owned(), Recipe::HOME.to_owned()));
        }
        if matches!(recipe.runtime, "node" | "bun")
            && !recipe.run_env.iter().any(|(name, _)| name == "PATH")
        {
            recipe.run_env("PATH", "/app/node_modules/.bin:$PATH");
        }
    }
    if let (Some(output), Some(single)) = (&mut recipe.output, single_page) {
        output.missing = if *single { Missing::Index } else { Missing::Page };
    }
    let in_words = || recipe.start.as_ref().and_then(|start| port_in(&start.to_string()));
    if let Some(port) = port.or_else(in_words) {
        recipe.port = port;
    }
    recipe.build_packages.extend(packages.iter().cloned());
    recipe.run_packages.extend(packages.iter().cloned());
    for (name, value) in env {
        recipe.build_env.push((name.to_string(), value.clone()));
        recipe.run_env.push((name.to_string(), value.clone()));
    }
    recipe.reasons.extend(reasons.iter().cloned());
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
