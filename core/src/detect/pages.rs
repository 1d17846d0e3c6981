//! Sites that are written as texts for a program that makes pages of them: Hugo, Zola, mdBook.

use serde_json::Value;

use super::images::{self, tools};
use super::node::said;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::ruby::with_node;
use super::versions;
use super::words;
use crate::rejection::Rejection;

/// The settings of Hugo under names that nothing else has.
const HUGO: &[&str] = &[
    "hugo.toml",
    "hugo.yaml",
    "hugo.yml",
    "hugo.json",
    "config/_default/hugo.toml",
    "config/_default/hugo.yaml",
    "config/_default/config.toml",
    "config/_default/config.yaml",
];
/// Its settings under names that others have, too.
const HUGO_OF_OLD: &[&str] = &["config.toml", "config.yaml", "config.yml"];
/// Folders of which it has one beside `content`.
const BESIDE_CONTENT: &[&str] = &["archetypes", "layouts", "themes"];
/// The settings of Zola.
const ZOLA: &[&str] = &["zola.toml", "config.toml"];
/// From this one on its archives are named by the processor, as Debian calls it.
const HUGO_BY_PROCESSOR: u32 = 103;

/// Finds a site of Hugo.
pub(super) fn hugo(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let of_old = || {
        let file = repo.first(HUGO_OF_OLD).filter(|_| repo.has_folder("content"))?;
        let folders = BESIDE_CONTENT.iter().any(|folder| repo.has_folder(folder));
        (folders && !has_key(repo.texts_of(file), "base_url")).then_some(file)
    };
    let Some(file) = repo.first(HUGO).or_else(of_old) else { return Ok(None) };
    // A program of Go that has such a file is no site.
    if repo.has("main.go") {
        return Ok(None);
    }
    let (version, why) = version(repo, "hugo", "HUGO_VERSION", tools::HUGO)?;
    // Its modules are fetched by Go, and its own archive needs the library of C++ that is in there.
    let go = images::GO.usual();
    let mut recipe = Recipe::new("hugo", go.build, go.run);
    recipe.framework = Some("Hugo");
    recipe.because(format!("{file} is there"));
    recipe.because(why);
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let system = match minor {
        Some(minor) if minor < HUGO_BY_PROCESSOR => "Linux-64bit",
        Some(_) | None => "linux-$(dpkg --print-architecture)",
    };
    let url = format!(
        "https://github.com/gohugoio/hugo/releases/download/v{version}/\
         hugo_extended_{version}_{system}.tar.gz"
    );
    recipe.tools.push(fetched(&url, "hugo"));
    recipe.versions.push(("hugo", version));
    recipe.build_env("HUGO_CACHEDIR", "/root/.cache/hugo");
    let package: Value = repo.json("package.json")?.unwrap_or_default();
    if repo.has("package.json") {
        with_node(&mut recipe)?;
        let install = if repo.has("package-lock.json") { "npm ci" } else { "npm install" };
        recipe.build.push(Run::own(install).cached(&["/root/.npm"]));
    }
    let script = package.pointer("/scripts/build").and_then(Value::as_str);
    let line = if script.is_some_and(|script| script.contains("hugo")) {
        recipe.because("package.json has a script \u{201c}build\u{201d}");
        "npm run build".to_owned()
    } else {
        let texts = HUGO.iter().chain(HUGO_OF_OLD).map(|file| repo.texts_of(file));
        let own = texts.flat_map(str::lines).any(|line| is_address(line, "baseurl"));
        let base = if own { "" } else { " --baseURL /" };
        if !own {
            recipe.because("its settings name no address of its own: pages link by their paths");
        }
        format!("hugo --gc --minify --destination public{base}")
    };
    recipe.build.push(Run::own(line).cached(&["/root/.cache/hugo"]).of_app());
    site(&mut recipe, "public");
    Ok(Some(recipe))
}

/// Finds a site of Zola.
pub(super) fn zola(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let file = repo.first(ZOLA).filter(|_| repo.has_folder("content"));
    let Some(file) = file.filter(|file| has_key(repo.texts_of(file), "base_url")) else {
        return Ok(None);
    };
    let (version, why) = version(repo, "zola", "ZOLA_VERSION", tools::ZOLA)?;
    let mut recipe = Recipe::new("zola", images::DEBIAN, images::DEBIAN);
    recipe.framework = Some("Zola");
    recipe.because(format!("{file} is there"));
    recipe.because(why);
    recipe.packages(&["ca-certificates", "curl"], &[]);
    let url = format!(
        "https://github.com/getzola/zola/releases/download/v{version}/\
         zola-v{version}-$(uname -m)-unknown-linux-gnu.tar.gz"
    );
    recipe.tools.push(fetched(&url, "zola"));
    recipe.versions.push(("zola", version));
    let own = repo.texts_of(file).lines().any(|line| is_address(line, "base_url"));
    if !own {
        recipe.because("its settings name no address of its own: pages link by their paths");
    }
    let base = if own { "" } else { " --base-url /" };
    recipe.build.push(Run::own(format!("zola build{base}")).of_app());
    site(&mut recipe, "public");
    Ok(Some(recipe))
}

/// Finds a book of mdBook.
pub(super) fn mdbook(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    // Beside a crate it is about that.
    let Some(book) = repo.toml("book.toml")?.filter(|_| !repo.has("Cargo.toml")) else {
        return Ok(None);
    };
    let (version, why) = version(repo, "mdbook", "MDBOOK_VERSION", tools::MDBOOK)?;
    let mut recipe = Recipe::new("mdbook", images::DEBIAN, images::DEBIAN);
    recipe.framework = Some("mdBook");
    recipe.because("book.toml is there");
    recipe.because(why);
    recipe.packages(&["ca-certificates", "curl"], &[]);
    let url = format!(
        "https://github.com/rust-lang/mdBook/releases/download/v{version}/\
         mdbook-v{version}-$(uname -m)-unknown-linux-musl.tar.gz"
    );
    recipe.tools.push(fetched(&url, "mdbook"));
    recipe.versions.push(("mdbook", version));
    recipe.build.push(Run::own("mdbook build").of_app());
    let named = book.get("build").and_then(|build| build.get("build-dir")?.as_str());
    let folder = words::path(named.unwrap_or("book"), "build-dir in book.toml")?;
    // Each of several has a folder of its own.
    let several = book.get("output").and_then(toml::Value::as_table);
    let several = several.is_some_and(|outputs| outputs.len() > 1);
    site(&mut recipe, &if several { format!("{folder}/html") } else { folder });
    Ok(Some(recipe))
}

fn site(recipe: &mut Recipe, folder: &str) {
    recipe.because(format!("it builds files, in {folder}: they are served as they are"));
    recipe.output = Some(Output { folder: folder.to_owned(), missing: Missing::Page });
}

/// The step that brings a program out of an archive.
fn fetched(url: &str, program: &str) -> Run {
    Run::own(format!(
        "curl -fsSL -o /tmp/fetched.tar.gz {url} && \
         tar -xzf /tmp/fetched.tar.gz -C /usr/local/bin {program} && rm /tmp/fetched.tar.gz"
    ))
}

/// Which version is fetched, and why: one that is named to the last number, as there are no lines of
/// these.
fn version(
    repo: &Repo<'_>,
    tool: &str,
    variable: &str,
    usual: &str,
) -> Result<(String, String), Rejection> {
    let named = said(repo, tool).map(|wish| (wish.text, wish.written));
    let named = named.or_else(|| Some((of_netlify(repo, variable)?, "netlify.toml")));
    let Some((text, written)) = named else {
        return Ok((usual.to_owned(), format!("{tool} {usual}: nothing names a version")));
    };
    let exact = versions::exact(&text).or_else(|| versions::exact(&format!("{text}.0")));
    let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    match exact {
        Some(exact) => {
            let why = format!("{tool} {exact}: {written} says \u{201c}{shown}\u{201d}");
            Ok((exact, why))
        }
        None => Err(Rejection::invalid(
            "version",
            format!(
                "{written} says \u{201c}{shown}\u{201d}, and {tool} is fetched by its whole version: write \
                 one such as {usual}"
            ),
        )),
    }
}

/// What `netlify.toml` has builds there be given.
fn of_netlify(repo: &Repo<'_>, variable: &str) -> Option<String> {
    let file = repo.toml("netlify.toml").ok().flatten()?;
    let of = |table: Option<&toml::Value>| {
        let value = table?.get("environment")?.get(variable)?.as_str()?;
        Some(value.to_owned())
    };
    let live = || file.get("context").and_then(|context| context.get("production"));
    of(file.get("build")).or_else(|| of(live()))
}

/// Whether a line of settings names a key.
fn has_key(text: &str, key: &str) -> bool {
    text.lines().any(|line| value(line, key).is_some())
}

/// Whether a line names an address that somebody has, rather than the one that it was begun with.
fn is_address(line: &str, key: &str) -> bool {
    value(line, key).is_some_and(|value| {
        value.contains("://") && !value.contains("example.") && !value.contains("localhost")
    })
}

/// What stands behind a key, in whatever language.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let line = line.trim_start().trim_start_matches('"');
    let named = line.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key));
    let rest = line.get(key.len()..).filter(|_| named)?;
    rest.trim_start_matches('"').trim_start().strip_prefix(['=', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_its_own_is_told_from_the_one_that_sites_begin_with() {
        for (line, own) in [
            ("baseURL = 'https://example.org/'", false),
            ("baseURL = \"https://blog.shop.net\"", true),
            ("baseurl: https://blog.shop.net/", true),
            ("  \"baseURL\": \"https://blog.shop.net\",", true),
            ("baseURL = \"/\"", false),
            ("baseURL = \"http://localhost:1313\"", false),
            ("# baseURL = \"https://blog.shop.net\"", false),
            ("baseURLs = \"https://blog.shop.net\"", false),
            ("b\u{e4}seurl", false),
        ] {
            assert_eq!(is_address(line, "baseurl"), own, "{line}");
        }
    }
}
