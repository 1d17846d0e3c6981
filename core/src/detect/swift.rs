//! Servers of Swift: Vapor and others.

use super::go::certificates;
use super::images;
use super::node::said;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

/// Frameworks, by where their packages come from.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("vapor/vapor", "Vapor"),
    ("hummingbird-project/hummingbird", "Hummingbird"),
    ("swift-server/swift-openapi", "OpenAPI"),
];

/// Finds out how a server of Swift is built; `None` where there is nothing of the kind. What is no
/// server is for telephones, or a library.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("Package.swift")? else { return Ok(None) };
    let Some((_, framework)) = FRAMEWORKS.iter().find(|(package, _)| text.contains(package)) else {
        return Ok(None);
    };
    let wish = match said(repo, "swift") {
        Some(wish) => Some(wish),
        None => repo.tool(&["swift"])?,
    };
    let (line, why) = versions::choose(&images::SWIFT, wish.as_ref())?;
    let mut recipe = Recipe::new("swift", line.build, line.run);
    recipe.versions.push(("swift", line.line.to_owned()));
    recipe.manager = Some("swiftpm");
    recipe.framework = Some(*framework);
    recipe.because(format!("Package.swift is there, and depends on {framework}"));
    recipe.because(why);
    recipe.packages(&[], &["libcurl4", "libxml2", "tzdata"]);
    let Some(program) = program(text) else { return Ok(Some(recipe)) };
    let program = words::name(program, "a target in Package.swift")?;
    recipe.because(format!("{program} is its program"));
    // Bundles of resources are looked for beside it.
    let line = format!(
        "swift build -c release --static-swift-stdlib --product {program} && mkdir -p /out && \
         made=\"$(swift build -c release --show-bin-path)\" && cp \"$made/{program}\" /out/app && \
         find -L \"$made\" -maxdepth 1 -name '*.resources' -exec cp -R {{}} /out/ ';'"
    );
    recipe.build.push(Run::own(line).cached(&["/app/.build"]).of_app());
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(&mut recipe);
    recipe.start = Some(if *framework == "Vapor" {
        Start::own("exec app serve --env production --hostname 0.0.0.0 --port ${PORT:-8080}")
    } else {
        Start::words(&["app"])
    });
    Ok(Some(recipe))
}

/// The first target that is a program.
fn program(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(".executableTarget(")?;
    let (_, rest) = rest.split_once("name:")?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}
