//! Apps of Rust.

use toml::{Table, Value};

use super::go::certificates;
use super::images;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

const CACHES: &[&str] = &["/usr/local/cargo/registry", "/usr/local/cargo/git", "/app/target"];
/// Frameworks, by their crates.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("axum", "Axum"),
    ("actix-web", "Actix Web"),
    ("rocket", "Rocket"),
    ("warp", "warp"),
    ("poem", "Poem"),
    ("salvo", "Salvo"),
    ("tide", "Tide"),
    ("hyper", "hyper"),
];

/// Finds out how an app of Rust is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(manifest) = repo.toml("Cargo.toml")? else { return Ok(None) };
    let (line, _) = versions::choose(&images::RUST, None)?;
    let mut recipe = Recipe::new("rust", line.build, line.run);
    recipe.versions.push(("rust", line.line.to_owned()));
    recipe.manager = Some("cargo");
    recipe.because("Cargo.toml is there");
    if let Some(file) = repo.first(&["rust-toolchain.toml", "rust-toolchain"]) {
        recipe.because(format!("{file} names the toolchain: it is fetched"));
    }
    let Some((program, framework)) = program(repo, &manifest)? else {
        if repo.overrides.build.is_some() && repo.overrides.start.is_some() {
            return Ok(Some(recipe));
        }
        return Err(Rejection::invalid(
            "source",
            "there is a Cargo.toml, but not just one program: name it as default-run in \
             [package], or say in hythe.toml how it is built and started",
        ));
    };
    recipe.because(format!("{program} is its program"));
    recipe.framework = framework;
    let locked = if repo.has("Cargo.lock") { " --locked" } else { "" };
    let line = format!(
        "cargo build --release{locked} --bin {program} && mkdir -p /out && \
         cp target/release/{program} /out/app"
    );
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(&mut recipe);
    let dependencies = manifest.get("dependencies").and_then(Value::as_table);
    if dependencies
        .is_some_and(|d| ["openssl", "native-tls"].iter().any(|name| d.contains_key(*name)))
    {
        recipe.packages(&[], &["libssl3"]);
    }
    recipe.start = Some(if recipe.framework == Some("Rocket") {
        Start::own("ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=${PORT:-8080} exec app")
    } else {
        Start::words(&["app"])
    });
    Ok(Some(recipe))
}

/// The one program there is, and its framework.
fn program(
    repo: &Repo<'_>,
    root: &Table,
) -> Result<Option<(String, Option<&'static str>)>, Rejection> {
    let mut found = Vec::new();
    let mut of = |folder: &str, manifest: &Table| {
        let framework = framework(manifest);
        for name in programs(repo, folder, manifest) {
            found.push((name, framework));
        }
    };
    of("", root);
    let members: Vec<&str> = repo
        .all()
        .filter(|path| path.ends_with("/Cargo.toml") && path.matches('/').count() <= 2)
        .collect();
    if root.contains_key("workspace") {
        for path in members {
            if let Some(manifest) = repo.toml(path)? {
                of(path.trim_end_matches("/Cargo.toml"), &manifest);
            }
        }
    }
    let usual = root.get("package").and_then(|p| p.get("default-run")?.as_str());
    let own = root.get("package").and_then(|p| p.get("name")?.as_str());
    let chosen = match found.as_slice() {
        [only] => Some(only.clone()),
        several => {
            let named = |name: Option<&str>| {
                several.iter().find(|(program, _)| Some(program.as_str()) == name)
            };
            let mut serving = several.iter().filter(|(_, framework)| framework.is_some());
            let only_serving = || match (serving.next(), serving.next()) {
                (Some(one), None) => Some(one),
                _ => None,
            };
            named(usual).or_else(|| named(own)).or_else(only_serving).cloned()
        }
    };
    chosen
        .map(|(name, framework)| Ok((words::name(&name, "a program in Cargo.toml")?, framework)))
        .transpose()
}

/// The programs of a package.
fn programs(repo: &Repo<'_>, folder: &str, manifest: &Table) -> Vec<String> {
    let at = |path: &str| {
        if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
    };
    let Some(name) = manifest.get("package").and_then(|p| p.get("name")?.as_str()) else {
        return Vec::new();
    };
    let mut programs = Vec::new();
    let listed = manifest.get("bin").and_then(Value::as_array);
    for bin in listed.into_iter().flatten() {
        programs.extend(bin.get("name").and_then(Value::as_str).map(str::to_owned));
    }
    if repo.has(&at("src/main.rs")) && programs.is_empty() {
        programs.push(name.to_owned());
    }
    let below = at("src/bin/");
    let others = repo.all().filter_map(|path| {
        let rest = path.strip_prefix(below.as_str())?;
        rest.strip_suffix("/main.rs").or_else(|| rest.strip_suffix(".rs"))
    });
    programs.extend(others.filter(|name| !name.contains('/')).map(str::to_owned));
    programs.dedup();
    programs
}

fn framework(manifest: &Table) -> Option<&'static str> {
    let dependencies = manifest.get("dependencies")?.as_table()?;
    FRAMEWORKS.iter().find(|(name, _)| dependencies.contains_key(*name)).map(|(_, name)| *name)
}
