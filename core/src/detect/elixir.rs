//! Apps of Elixir: Phoenix and others.

use super::images;
use super::node::said;
use super::overrides::Step;
use super::recipe::{Recipe, Run};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::{self, Start};
use crate::rejection::Rejection;

/// Has a release take the app's own secret where none is said, and make one up elsewhere than in Hythe: each of its
/// commands reads this file first.
const SECRET: &str = "for file in /out/releases/*/env.sh; do \
    echo 'export SECRET_KEY_BASE=\"${SECRET_KEY_BASE:-${HYTHE_SECRET:-$(head -c 48 /dev/urandom | base64 -w 0)}}\"' >> $file; done";

/// Finds out how an app of Elixir is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(text) = repo.text("mix.exs")? else { return Ok(None) };
    let quoted = |key: &str| {
        let rest = text.split_once(key)?.1.trim_start().strip_prefix('"')?;
        rest.split('"').next()
    };
    // Mix refuses any other version than one that is named here to the last number; the other files
    // are for tools that are not in the image.
    let of_mix = Wish::of(quoted("elixir:"), "elixir in mix.exs");
    let held = said(repo, "elixir")
        .or_else(|| of_mix.clone().filter(|wish| versions::exact(&wish.text).is_some()));
    let just = held.is_some();
    let wish = match held {
        Some(wish) => Some(wish),
        None => Wish::of(repo.first_line(".elixir-version")?, ".elixir-version")
            .or(repo.tool(&["elixir"])?)
            .or(of_mix),
    };
    let (images, why) = versions::choose_just(&images::ELIXIR, wish.as_ref(), just)?;
    let mut recipe = Recipe::new("elixir", images.build, images.run);
    recipe.versions.push(("elixir", images.version));
    recipe.manager = Some("mix");
    recipe.because("mix.exs is there");
    recipe.because(why);
    recipe.packages(&["build-essential", "git", "ca-certificates"], &["ca-certificates"]);
    recipe.build_env("MIX_ENV", "prod");
    recipe.tools.push(Run::own("mix local.hex --force && mix local.rebar --force"));
    recipe.manifests =
        ["mix.exs", "mix.lock"].iter().filter(|n| repo.has(n)).map(|n| (*n).to_owned()).collect();
    if text.contains("path:") || text.contains("in_umbrella") || text.contains("apps_path") {
        recipe.manifests.clear();
    }
    recipe.install.push(Run::own("mix deps.get --only prod").cached(&["/root/.cache/rebar3"]));
    let phoenix = text.contains(":phoenix");
    if phoenix {
        recipe.framework = Some("Phoenix");
    }
    recipe.build.push(Run::own("mix compile").of_app());
    if text.contains("assets.deploy") {
        if repo.has("assets/package.json") {
            super::ruby::with_node(&mut recipe)?;
            recipe.build.push(Run::own("npm install --prefix assets").cached(&["/root/.npm"]));
        }
        recipe.build.push(Run::own("mix assets.deploy").of_app());
        recipe.because("mix.exs has assets.deploy");
    } else if phoenix && repo.texts_of("assets/package.json").contains("\"deploy\"") {
        super::ruby::with_node(&mut recipe)?;
        // It is of a time before Node had the OpenSSL of today.
        recipe.build_env("NODE_OPTIONS", "--openssl-legacy-provider");
        recipe.build.push(Run::own("npm install --prefix assets").cached(&["/root/.npm"]));
        let line = "npm run deploy --prefix assets && mix phx.digest";
        recipe.build.push(Run::own(line).of_app());
        recipe.because("assets/package.json has a script \u{201c}deploy\u{201d}");
    }
    // `app: :shop`
    let app = text.split_once("app:").and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let app = app.and_then(|rest| rest.split(end).next()).filter(|name| !name.is_empty());
    let Some(app) = app else { return Ok(Some(recipe)) };
    let app = words::name(app, "app in mix.exs")?;
    recipe.build.push(Run::own("mix release --path /out").of_app());
    if phoenix {
        // Phoenix does not start without one, and whoever only tries it has said none.
        recipe.build.push(Run::own(SECRET));
        let said = repo.overrides.build.as_ref();
        if said.is_none_or(|steps| steps.contains(&Step::Usual)) {
            recipe.because_of_secret("SECRET_KEY_BASE");
        }
    }
    recipe.because(format!("its release is {app}"));
    recipe.taken = vec![("/out/".to_owned(), "/app/".to_owned())];
    recipe.run_env("MIX_ENV", "prod");
    recipe.run_env("LANG", "C.UTF-8");
    if phoenix {
        recipe.run_env("PHX_SERVER", "true");
    }
    recipe.start = Some(Start::words(&[&format!("/app/bin/{app}"), "start"]));
    Ok(Some(recipe))
}
