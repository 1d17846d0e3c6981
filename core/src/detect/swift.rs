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

/// Finds out how a program of Swift is built; `None` where there is nothing of the kind. What is none
/// is for telephones, or a library.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("Package.swift")? else { return Ok(None) };
    let framework = FRAMEWORKS.iter().find(|(package, _)| text.contains(package));
    let framework = framework.map(|(_, name)| *name);
    let program = program(text).or_else(|| program_of_old(repo, text));
    if framework.is_none() && (program.is_none() || text.contains(".iOSApplication(")) {
        return Ok(None);
    }
    let wish = match said(repo, "swift") {
        Some(wish) => Some(wish),
        None => repo.tool(&["swift"])?,
    };
    let (line, why) = versions::choose(&images::SWIFT, wish.as_ref())?;
    let mut recipe = Recipe::new("swift", line.build, line.run);
    recipe.versions.push(("swift", line.line.to_owned()));
    recipe.manager = Some("swiftpm");
    recipe.framework = framework;
    recipe.sure = framework.is_some();
    recipe.because(match framework {
        Some(framework) => format!("Package.swift is there, and depends on {framework}"),
        None => "Package.swift is there".to_owned(),
    });
    recipe.because(why);
    recipe.packages(&[], &["libcurl4", "libxml2", "tzdata"]);
    let Some(program) = program else { return Ok(Some(recipe)) };
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
    recipe.start = Some(if framework == Some("Vapor") {
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

/// A target that is a program as packages said it before there was a word for that: it has a `main.swift`.
fn program_of_old<'t>(repo: &Repo<'_>, text: &'t str) -> Option<&'t str> {
    let targets = text.split(".target(").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("name:")?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    });
    let targets: Vec<&str> = targets.collect();
    let own = targets.iter().find(|name| repo.has(&format!("Sources/{name}/main.swift")));
    let only = || targets.first().filter(|_| targets.len() == 1 && repo.has("Sources/main.swift"));
    own.or_else(only).copied()
}
