//! What an app needs besides Node: packages of the distribution, and settings for old tools.

use super::manifest::Manifest;
use crate::detect::recipe::{OF_CHROMIUM, Recipe, Run};

/// Programs and libraries that packages need. `path`: where their own programs are found, where that is not at the
/// root alone.
pub(super) fn system_packages(recipe: &mut Recipe, manifest: &Manifest, path: Option<&str>) {
    if manifest.installs_by_git() {
        recipe.packages(&["git", "ca-certificates"], &[]);
        recipe.because("git: a dependency is fetched by it");
    }
    if manifest.needs_any(&["prisma", "@prisma/client"]).is_some() {
        recipe.packages(&["openssl", "ca-certificates"], &["openssl", "ca-certificates"]);
        recipe.because("openssl: Prisma needs it");
    }
    if let Some(package) = manifest.needs_any(&[
        "node-sass",
        "canvas",
        "sqlite3",
        "better-sqlite3",
        "bcrypt",
        "argon2",
        "isolated-vm",
        "libxmljs",
        "libxmljs2",
        "node-gyp",
        "node-pty",
        "re2",
        "sodium-native",
        "tree-sitter",
        "zeromq",
    ]) {
        recipe.packages(&["python3", "make", "g++"], &[]);
        recipe.because(format!("a compiler: {package} may have to be compiled"));
    }
    if manifest.needs_to_run("fluent-ffmpeg") && !manifest.needs("ffmpeg-static") {
        recipe.packages(&[], &["ffmpeg"]);
        recipe.because("ffmpeg: fluent-ffmpeg runs it");
    }
    if manifest.needs_any(&["gm", "imagemagick"]).is_some() {
        recipe.packages(&[], &["imagemagick"]);
        recipe.because("ImageMagick: it is run by a package");
    }
    browsers(recipe, manifest, path);
}

/// Browsers that an app runs: what packages fetch for whoever builds is not there for whoever runs it.
fn browsers(recipe: &mut Recipe, manifest: &Manifest, path: Option<&str>) {
    if manifest.needs_to_run("puppeteer") {
        recipe.build_env("PUPPETEER_SKIP_DOWNLOAD", "true");
        recipe.run_env("PUPPETEER_EXECUTABLE_PATH", "/usr/bin/chromium");
        recipe.packages(&[], &["chromium", "ca-certificates", "fonts-liberation"]);
        recipe.because("Chromium: Puppeteer runs it");
    }
    if manifest.needs_to_run("playwright") {
        // In the folder of the package itself.
        recipe.build_env("PLAYWRIGHT_BROWSERS_PATH", "0");
        recipe.run_env("PLAYWRIGHT_BROWSERS_PATH", "0");
        recipe.packages(&["ca-certificates"], OF_CHROMIUM);
        let program = path.map_or_else(
            || "node_modules/.bin/playwright".to_owned(),
            |path| format!("PATH={path} playwright"),
        );
        recipe.install.push(Run::own(format!("{program} install chromium")));
        recipe.because("Chromium: Playwright fetches it");
    }
}

/// Packages of which a version is compiled with, or runs on, no later Node than the one that stands behind it.
const OF_OLD: &[(&str, u32, &str)] = &[
    ("fibers", 4, "14"),
    ("fibers", 5, "14"),
    ("gatsby", 2, "14"),
    ("gatsby", 3, "16"),
    ("gatsby", 4, "18"),
    ("node-sass", 4, "14"),
    ("node-sass", 5, "14"),
    ("node-sass", 6, "16"),
    ("node-sass", 7, "16"),
    ("node-sass", 8, "18"),
    ("node-sass", 9, "20"),
    ("strapi", 3, "14"),
    ("@strapi/strapi", 4, "20"),
];

/// The package that goes with no later Node, and that Node; of several the one that wants the oldest.
pub(super) fn newest_node(manifest: &Manifest) -> Option<(&'static str, &'static str)> {
    let found = OF_OLD.iter().filter(|(package, major, _)| manifest.major(package) == Some(*major));
    // All of two digits.
    found.map(|(package, _, line)| (*package, *line)).min_by_key(|(_, line)| *line)
}

/// Webpack before its fifth version, and what has it inside, wants sums that OpenSSL 3 holds for
/// broken: Node has that one since 17.
pub(super) fn old_webpack(recipe: &mut Recipe, manifest: &Manifest) {
    let old = [
        ("react-scripts", 4),
        ("@vue/cli-service", 4),
        ("webpack", 4),
        ("gatsby", 2),
        ("nuxt", 2),
        ("next", 10),
        ("@angular/cli", 11),
    ]
    .into_iter()
    .find(|(package, last)| manifest.major(package).is_some_and(|major| major <= *last));
    let node = recipe.versions.first().filter(|(of, _)| *of == "node");
    let newer = node.and_then(|(_, version)| version.split('.').next()?.parse::<u32>().ok());
    if let Some((package, last)) = old
        && newer.is_some_and(|major| major >= 17)
    {
        recipe.build_env("NODE_OPTIONS", "--openssl-legacy-provider");
        recipe.because(format!(
            "--openssl-legacy-provider: {package} up to {last} builds with no newer Node otherwise"
        ));
    }
}
