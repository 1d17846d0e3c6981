//! Apps of Crystal.

use super::go::certificates;
use super::images;
use super::node::said;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions;
use super::words::{self, Start};
use crate::rejection::Rejection;

const CACHES: &[&str] = &["/root/.cache/crystal", "/root/.cache/shards"];
/// Frameworks, by their shards.
const FRAMEWORKS: &[(&str, &str)] =
    &[("kemal", "Kemal"), ("lucky", "Lucky"), ("amber", "Amber"), ("athena", "Athena")];

/// Finds out how an app of Crystal is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("shard.yml")? else { return Ok(None) };
    let wish = match said(repo, "crystal") {
        Some(wish) => Some(wish),
        None => repo.tool(&["crystal"])?,
    };
    let (line, why) = versions::choose(&images::CRYSTAL, wish.as_ref())?;
    let mut recipe = Recipe::new("crystal", line.build, line.run);
    recipe.versions.push(("crystal", line.line.to_owned()));
    recipe.manager = Some("shards");
    recipe.because("shard.yml is there");
    recipe.because(why);
    let shards = keys_below(text, "dependencies");
    let framework = FRAMEWORKS.iter().find(|(shard, _)| shards.contains(shard));
    recipe.framework = framework.map(|(_, name)| *name);
    if shards.contains(&"sqlite3") {
        recipe.tools.push(Run::own("apk add --no-cache sqlite-dev sqlite-static"));
        recipe.because("SQLite: the shard sqlite3 is linked with it");
    }
    let locked = repo.has("shard.lock");
    let install = if locked { "shards install --production" } else { "shards install" };
    recipe.install.push(Run::own(install).cached(CACHES));
    if !text.contains("path:") {
        let there = ["shard.yml", "shard.lock"].into_iter().filter(|name| repo.has(name));
        recipe.manifests = there.map(str::to_owned).collect();
    }
    let own = text.lines().find_map(|line| line.strip_prefix("name:")).map(str::trim);
    let own = own.unwrap_or_default();
    let targets = keys_below(text, "targets");
    let target = targets.iter().find(|target| **target == own).or(targets.first());
    // All that it is linked with is in it: it is built where there is another library of C.
    let line = match target {
        Some(target) => {
            let target = words::name(target, "targets in shard.yml")?;
            recipe.because(format!("{target} is its program"));
            let production = if locked { " --production" } else { "" };
            format!(
                "shards build {target}{production} --release --no-debug --static && \
                 mkdir -p /out && cp bin/{target} /out/app"
            )
        }
        None if repo.has(&format!("src/{own}.cr")) => {
            let own = words::name(own, "name in shard.yml")?;
            recipe.because(format!("src/{own}.cr is its program"));
            format!(
                "mkdir -p /out && crystal build src/{own}.cr --release --no-debug --static -o /out/app"
            )
        }
        None => return Ok(Some(recipe)),
    };
    recipe.build.push(Run::own(line).cached(CACHES).of_app());
    recipe.taken.insert(0, ("/out/".to_owned(), "/usr/local/bin/".to_owned()));
    certificates(&mut recipe);
    recipe.run_env("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt");
    recipe.start = Some(if recipe.framework == Some("Kemal") {
        Start::own("exec app --port ${PORT:-8080}")
    } else {
        Start::words(&["app"])
    });
    Ok(Some(recipe))
}

/// The keys right below one at the left.
fn keys_below<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let mut lines = text.lines().skip_while(|line| {
        line.strip_prefix(key).is_none_or(|rest| !rest.trim_end().starts_with(':'))
    });
    let _key = lines.next();
    let below = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#']));
    let own = below.filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        let name = name.split_once(':')?.0;
        (!name.starts_with([' ', '#', '-'])).then_some(name.trim_matches(['"', '\'']))
    });
    own.collect()
}
