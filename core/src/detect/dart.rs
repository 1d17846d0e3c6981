//! Servers of Dart, and pages of Flutter.

use super::go::certificates;
use super::images;
use super::node::said;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

const CACHES: &[&str] = &["/root/.pub-cache"];
/// Where a server begins.
const ENTRIES: &[&str] = &["bin/server.dart", "bin/main.dart"];
/// Frameworks, by their packages.
const FRAMEWORKS: &[(&str, &str)] =
    &[("serverpod", "Serverpod"), ("shelf", "Shelf"), ("alfred", "Alfred"), ("conduit", "Conduit")];

/// An app of Flutter that is also a page.
fn flutter() -> Recipe {
    let mut recipe = Recipe::new("dart", images::FLUTTER, images::FLUTTER);
    recipe.framework = Some("Flutter");
    recipe.manager = Some("pub");
    recipe.because("pubspec.yaml is there, and web/: it becomes a page");
    recipe.install.push(Run::own("flutter pub get").cached(CACHES));
    recipe.build.push(Run::own("flutter build web --release").cached(CACHES).of_app());
    recipe.output = Some(Output { folder: "build/web".to_owned(), missing: Missing::Index });
    recipe
}

/// Finds out how a server of Dart is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("pubspec.yaml")? else { return Ok(None) };
    if text.contains("sdk: flutter") || text.lines().any(|line| line.starts_with("flutter:")) {
        // One without this folder is for telephones.
        return Ok(repo.has_folder("web").then(flutter));
    }
    let mut programs = repo.all().filter(|path| {
        path.strip_prefix("bin/").is_some_and(|name| name.ends_with(".dart") && !name.contains('/'))
    });
    let only = || programs.next().filter(|_| programs.next().is_none());
    let Some(entry) = repo.first(ENTRIES).or_else(only) else { return Ok(None) };
    let entry = words::path(entry, "a program in bin/")?;
    let wish = match said(repo, "dart") {
        Some(wish) => Some(wish),
        None => repo.tool(&["dart"])?,
    };
    let (line, why) = versions::choose(&images::DART, wish.as_ref())?;
    let mut recipe = Recipe::new("dart", line.build, line.run);
    recipe.versions.push(("dart", line.line.to_owned()));
    recipe.manager = Some("pub");
    recipe.because("pubspec.yaml is there");
    recipe.because(why);
    recipe.because(format!("{entry} is where it begins"));
    let named = |package: &str| {
        text.lines().any(|line| line.trim_start().split(':').next() == Some(package))
    };
    let framework = FRAMEWORKS.iter().find(|(package, _)| named(package));
    recipe.framework = framework.map(|(_, name)| *name);
    recipe.install.push(Run::own("dart pub get").cached(CACHES));
    let line = format!("mkdir -p /out && dart compile exe {entry} -o /out/app");
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(&mut recipe);
    recipe.start = Some(Start::words(&["app"]));
    Ok(Some(recipe))
}
