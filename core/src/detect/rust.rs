//! Apps of Rust.

use toml::{Table, Value};

use super::go::certificates;
use super::images;
use super::patterns::fits;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::texts::crates_above;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

const CACHES: &[&str] = &["/usr/local/cargo/registry", "/usr/local/cargo/git", "/app/target"];
/// Crates that link with a library of the distribution, those by which they are most often depended
/// on, and the library's package.
const LIBRARIES: &[(&str, &[&str], &str)] = &[
    ("openssl-sys", &["openssl", "native-tls"], "libssl3"),
    ("pq-sys", &[], "libpq5"),
    ("mysqlclient-sys", &[], "libmariadb3"),
    ("libsqlite3-sys", &[], "libsqlite3-0"),
];
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
    let workspace = workspace(repo, &manifest)?;
    let root = Repo { folder: workspace.map_or(repo.folder, |(above, _)| above), ..*repo };
    let (line, _) = versions::choose(&images::RUST, None)?;
    let mut recipe = Recipe::new("rust", line.build, line.run);
    recipe.versions.push(("rust", line.line.to_owned()));
    recipe.manager = Some("cargo");
    recipe.because("Cargo.toml is there");
    if let Some(file) = root.first(&["rust-toolchain.toml", "rust-toolchain"]) {
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
    let locked = if root.has("Cargo.lock") { " --locked" } else { "" };
    let mut package = String::new();
    if let Some((above, inside)) = workspace {
        let name = manifest.get("package").and_then(|p| p.get("name")?.as_str());
        let name = words::name(name.unwrap_or_default(), "the package's name in Cargo.toml")?;
        package = format!(" --package {name}");
        recipe.because(format!(
            "{inside} is a part of the workspace above it, which is built with it"
        ));
        recipe.workspace = Some(above.to_owned());
        recipe.inside = words::path(inside, "build_context")?;
    }
    let line = format!(
        "cargo build --release{locked}{package} --bin {program} && mkdir -p /out && \
         cp target/release/{program} /out/app"
    );
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(&mut recipe);
    libraries(&mut recipe, &root, &manifest);
    let start = if recipe.framework == Some("Rocket") {
        Start::own("ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=${PORT:-8080} exec app")
    } else {
        Start::words(&["app"])
    };
    recipe.start = Some(start.within(&recipe.inside));
    Ok(Some(recipe))
}

/// The workspace that a crate in a folder is a part of: its folder, and the crate's in that.
fn workspace<'r>(
    repo: &Repo<'r>,
    manifest: &Table,
) -> Result<Option<(&'r str, &'r str)>, Rejection> {
    let Some(above) = crates_above(repo.files, repo.folder) else { return Ok(None) };
    let root = Repo { folder: above, ..*repo }.toml("Cargo.toml")?.unwrap_or_default();
    let listed = |key: &str| {
        let list = root.get("workspace").and_then(|workspace| workspace.get(key)?.as_array());
        list.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let inside = repo.folder.get(above.len()..).unwrap_or_default().trim_start_matches('/');
    let is_one = listed("members").iter().any(|pattern| fits(pattern, inside))
        && !listed("exclude").iter().any(|pattern| fits(pattern, inside));
    Ok((is_one && !manifest.contains_key("workspace")).then_some((above, inside)))
}

/// What of the distribution the program is linked with: a lock names all crates, however deep.
fn libraries(recipe: &mut Recipe, repo: &Repo<'_>, manifest: &Table) {
    let lock = repo.texts_of("Cargo.lock");
    for (crate_name, direct, package) in LIBRARIES {
        let locked = lock.lines().any(|line| {
            line.strip_prefix("name = ").is_some_and(|name| name.trim_matches('"') == *crate_name)
        });
        if locked || direct.iter().any(|name| depends_on(manifest, name)) {
            recipe.packages(&[], &[*package]);
            recipe.because(format!("{package}: {crate_name} is linked with it"));
        }
    }
}

/// The one program there is, and its framework.
fn program(
    repo: &Repo<'_>,
    root: &Table,
) -> Result<Option<(String, Option<&'static str>)>, Rejection> {
    let mut found = Vec::new();
    let mut of = |folder: &str, manifest: &Table| {
        let framework = framework(manifest);
        let served = !depends_on(manifest, "tauri");
        for name in programs(repo, folder, manifest).into_iter().filter(|_| served) {
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
    // Tools of a workspace that people run by cargo.
    if found.len() > 1 {
        found.retain(|(name, _)| name != "xtask");
    }
    let started = repo.overrides.program().map(|program| program.name());
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
            named(started)
                .or_else(|| named(usual))
                .or_else(|| named(own))
                .or_else(only_serving)
                .cloned()
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
    FRAMEWORKS.iter().find(|(name, _)| depends_on(manifest, name)).map(|(_, name)| *name)
}

fn depends_on(manifest: &Table, name: &str) -> bool {
    let dependencies = manifest.get("dependencies").and_then(Value::as_table);
    dependencies.is_some_and(|dependencies| dependencies.contains_key(name))
}
