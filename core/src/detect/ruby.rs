//! Apps of Ruby: Rails, Sinatra and others.

use super::images::{self, Language};
use super::node::said;
use super::recipe::{Missing, Output, Recipe, Run};
use super::repo::Repo;
use super::versions::{self, Wish};
use super::words::Start;
use crate::rejection::Rejection;

/// Packages of the distribution that gems need: gem, for the build, for the app.
const SYSTEM: &[(&str, &[&str], &[&str])] = &[
    ("pg", &["libpq-dev"], &["libpq5"]),
    ("mysql2", &["default-libmysqlclient-dev"], &["libmariadb3"]),
    ("sqlite3", &["libsqlite3-dev"], &["libsqlite3-0"]),
    ("ruby-vips", &["libvips-dev"], &["libvips42"]),
    ("image_processing", &["libvips-dev"], &["libvips42"]),
    ("rmagick", &["libmagickwand-dev"], &["libmagickwand-6.q16-6"]),
];

/// Finds out how an app of Ruby is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(gemfile) = repo.text("Gemfile")? else { return Ok(None) };
    let has = |gem: &str| gems(gemfile).any(|name| name == gem);
    let named = gemfile.lines().find_map(|line| quoted(line.trim().strip_prefix("ruby ")?));
    let wish = match said(repo, "ruby") {
        Some(wish) => Some(wish),
        None => Wish::of(repo.first_line(".ruby-version")?, ".ruby-version")
            .or(Wish::of(named, "ruby in Gemfile"))
            .or(Wish::of(repo.tool_version(&["ruby"])?, ".tool-versions")),
    };
    let (line, why) = versions::choose(&images::RUBY, wish.as_ref())?;
    let mut recipe = Recipe::new("ruby", line.build, line.run);
    recipe.versions.push(("ruby", line.line.to_owned()));
    recipe.manager = Some("bundler");
    recipe.because("Gemfile is there");
    recipe.because(why);
    for (name, value) in
        [("BUNDLE_PATH", "/usr/local/bundle"), ("BUNDLE_WITHOUT", "development:test")]
    {
        recipe.build_env(name, value);
        recipe.run_env(name, value);
    }
    if repo.has("Gemfile.lock") {
        recipe.build_env("BUNDLE_DEPLOYMENT", "1");
        recipe.run_env("BUNDLE_DEPLOYMENT", "1");
    }
    recipe.manifests = ["Gemfile", "Gemfile.lock", ".ruby-version"]
        .iter()
        .filter(|name| repo.has(name))
        .map(|name| (*name).to_owned())
        .collect();
    if gemfile.contains("path:") || gemfile.contains("gemspec") {
        recipe.manifests.clear();
    }
    recipe.install.push(Run::own("bundle install --jobs 4"));
    recipe.taken.insert(0, ("/usr/local/bundle".to_owned(), "/usr/local/bundle".to_owned()));
    for (gem, build, run) in SYSTEM {
        if has(gem) {
            recipe.packages(build, run);
            recipe.because(format!("packages of the distribution: {gem} needs them"));
        }
    }
    if has("rails") || repo.has("config/application.rb") {
        rails(&mut recipe, repo)?;
    } else if has("jekyll") || has("github-pages") {
        recipe.framework = Some("Jekyll");
        recipe.build_env("JEKYLL_ENV", "production");
        recipe.build.push(Run::own("bundle exec jekyll build").of_app());
        recipe.output = Some(Output { folder: "_site".to_owned(), missing: Missing::Page });
        recipe.because("Jekyll: what it builds is served as it is");
    } else {
        if has("sinatra") {
            recipe.framework = Some("Sinatra");
        } else if has("hanami") {
            recipe.framework = Some("Hanami");
        } else if has("roda") {
            recipe.framework = Some("Roda");
        }
        recipe.run_env("RACK_ENV", "production");
        recipe.run_env("APP_ENV", "production");
        let script = repo.first(&["app.rb", "main.rb", "server.rb", "web.rb"]);
        let line = if repo.has("config.ru") {
            recipe.because("config.ru is there");
            let with = if has("puma") {
                "puma -b tcp://0.0.0.0:${PORT:-8080}"
            } else {
                "rackup -o 0.0.0.0 -p ${PORT:-8080}"
            };
            Some(format!("exec bundle exec {with}"))
        } else {
            script.map(|script| {
                format!("exec bundle exec ruby {script} -o 0.0.0.0 -p ${{PORT:-8080}}")
            })
        };
        recipe.start = line.map(Start::own);
    }
    Ok(Some(recipe))
}

fn rails(recipe: &mut Recipe, repo: &Repo<'_>) -> Result<(), Rejection> {
    recipe.framework = Some("Rails");
    recipe.because("Rails: the Gemfile names it");
    for (name, value) in [
        ("RAILS_ENV", "production"),
        ("RAILS_LOG_TO_STDOUT", "1"),
        ("RAILS_SERVE_STATIC_FILES", "1"),
    ] {
        recipe.run_env(name, value);
    }
    recipe.build_env("RAILS_ENV", "production");
    recipe.build_env("SECRET_KEY_BASE_DUMMY", "1");
    recipe.build_env("SECRET_KEY_BASE", "only-while-it-is-built");
    if repo.has("package.json") {
        with_node(recipe)?;
        let line = if repo.has("yarn.lock") {
            "npm install --global --force yarn@1.22.22 && yarn install"
        } else {
            "npm install"
        };
        recipe.build.push(Run::own(line).cached(&["/root/.npm"]));
    }
    if repo.has_folder("app/assets") || repo.has_folder("app/javascript") {
        recipe.build.push(Run::own("bundle exec rails assets:precompile").of_app());
    }
    let serve = "exec bundle exec rails server -b 0.0.0.0 -p ${PORT:-8080}";
    recipe.start = Some(Start::own(if repo.has("config/database.yml") {
        recipe.because("its database is prepared when it starts");
        format!("bundle exec rails db:prepare && {serve}")
    } else {
        serve.to_owned()
    }));
    Ok(())
}

/// Node beside another language, for what builds scripts and styles.
pub(super) fn with_node(recipe: &mut Recipe) -> Result<(), Rejection> {
    let node: &'static Language = &images::NODE;
    let (line, _) = versions::choose(node, None)?;
    recipe.versions.push(("node", line.line.to_owned()));
    recipe.others.push(("node", line.build.to_owned()));
    recipe.fetched.push(("node", "/usr/local/bin/", "/usr/local/bin/"));
    recipe.fetched.push(("node", "/usr/local/lib/node_modules", "/usr/local/lib/node_modules"));
    recipe.because("Node beside it: there is a package.json");
    Ok(())
}

/// The gems that a Gemfile names.
fn gems(gemfile: &str) -> impl Iterator<Item = &str> {
    gemfile.lines().filter_map(|line| quoted(line.trim().strip_prefix("gem ")?))
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text.get(1..)?.split(quote).next()
}
