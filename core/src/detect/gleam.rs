//! Apps of Gleam, on Erlang.

use toml::Value;

use super::images;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::words::Start;
use crate::rejection::Rejection;

/// Frameworks, by their packages.
const FRAMEWORKS: &[(&str, &str)] =
    &[("lustre", "Lustre"), ("wisp", "Wisp"), ("mist", "Mist"), ("elli", "Elli")];

/// Finds out how an app of Gleam is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(project) = repo.toml("gleam.toml")? else { return Ok(None) };
    let mut recipe = Recipe::new("gleam", images::GLEAM, images::GLEAM);
    recipe.manager = Some("gleam");
    recipe.because("gleam.toml is there");
    let needs = |package: &str| {
        let listed = project.get("dependencies").and_then(Value::as_table);
        listed.is_some_and(|listed| listed.contains_key(package))
    };
    let served = FRAMEWORKS.iter().find(|(package, _)| needs(package));
    recipe.framework = served.map(|(_, name)| *name);
    let manifests = ["gleam.toml", "manifest.toml"].into_iter().filter(|name| repo.has(name));
    recipe.manifests = manifests.map(str::to_owned).collect();
    recipe.install.push(Run::own("gleam deps download").cached(&["/root/.cache/gleam"]));
    recipe.build.push(Run::own("gleam export erlang-shipment").of_app());
    let name = project.get("name").and_then(Value::as_str).unwrap_or_default();
    if repo.has(&format!("src/{name}.gleam")) {
        recipe.because(format!("src/{name}.gleam is where it begins"));
        recipe.taken = vec![("/app/build/erlang-shipment/".to_owned(), "/app/".to_owned())];
        recipe.start = Some(Start::words(&["/app/entrypoint.sh", "run"]));
    }
    Ok(Some(recipe))
}
