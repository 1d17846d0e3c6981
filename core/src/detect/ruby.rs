//! Apps of Ruby: Rails, Sinatra and others.

use super::images::{self, Language, tools};
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

/// Servers, by their gems: what starts each.
const SERVERS: &[(&str, &str)] = &[
    ("puma", "puma -b tcp://0.0.0.0:${PORT:-8080}"),
    ("falcon", "falcon serve --bind http://0.0.0.0:${PORT:-8080}"),
    ("unicorn", "unicorn --listen 0.0.0.0:${PORT:-8080}"),
    ("thin", "thin start --address 0.0.0.0 --port ${PORT:-8080}"),
];
/// Has Ruby take the app's own secret where none is said, in whatever it runs, and make one up elsewhere than in
/// Hythe: no other app has the same, and none is in the image.
const SECRET: &str = "echo 'ENV[\"SECRET_KEY_BASE\"] ||= ENV[\"HYTHE_SECRET\"] || \
    File.binread(\"/dev/urandom\", 64).unpack1(\"H*\") unless ENV[\"RAILS_MASTER_KEY\"]' > \
    /usr/local/lib/secret-of-rails.rb";
/// Files with what opens a Rails app's own secrets.
const KEYS_OF_RAILS: &[&str] = &["config/master.key", "config/credentials/production.key"];
/// Where Rails up to 7.1 has them in the clear.
const SECRETS_OF_RAILS: &str = "config/secrets.yml";

/// Programs that make pages: gem, name, what builds, and where.
const SITES: &[(&str, &str, &str, &str)] = &[
    ("middleman", "Middleman", "bundle exec middleman build", "build"),
    ("nanoc", "Nanoc", "bundle exec nanoc compile", "output"),
];
/// Folders of which a site of Jekyll has one.
const OF_JEKYLL: &[&str] = &["_includes", "_layouts", "_pages", "_posts"];
/// Gems that a site of Jekyll may name in its settings, besides those that begin with `jekyll-`.
const GEMS_OF_JEKYLL: &[&str] = &["just-the-docs", "minima", "minimal-mistakes-jekyll"];
/// The most of those that are looked at.
const MOST_GEMS: usize = 24;

/// Finds out how an app of Ruby is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(gemfile) = repo.text("Gemfile")? else { return jekyll(repo) };
    let has = |gem: &str| gems(gemfile).any(|name| name == gem);
    let (wish, just) = wish(repo, gemfile)?;
    let (images, why) = versions::choose_just(&images::RUBY, wish.as_ref(), just)?;
    let mut recipe = Recipe::new("ruby", images.build, images.run);
    recipe.versions.push(("ruby", images.version));
    recipe.manager = Some("bundler");
    recipe.because("Gemfile is there");
    recipe.because(why);
    for (name, value) in
        [("BUNDLE_PATH", "/usr/local/bundle"), ("BUNDLE_WITHOUT", "development:test")]
    {
        recipe.build_env(name, value);
        recipe.run_env(name, value);
    }
    let for_linux = is_for_linux(repo.texts_of("Gemfile.lock"));
    if repo.has("Gemfile.lock") && for_linux {
        recipe.build_env("BUNDLE_DEPLOYMENT", "1");
        recipe.run_env("BUNDLE_DEPLOYMENT", "1");
    }
    recipe.manifests = ["Gemfile", "Gemfile.lock", ".ruby-version", ".tool-versions"]
        .iter()
        .filter(|name| repo.has(name))
        .map(|name| (*name).to_owned())
        .collect();
    if gemfile.contains("path:") || gemfile.contains("gemspec") {
        recipe.manifests.clear();
    }
    if !for_linux {
        // What is written into it stays, where it is not copied once more.
        recipe.manifests.clear();
        recipe.because("Gemfile.lock was written for other systems: gems for this one are added");
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
    } else if let Some((framework, line, folder)) =
        SITES.iter().find_map(|(gem, name, line, folder)| {
            (has(gem) && !repo.has("config.ru")).then_some((*name, *line, *folder))
        })
    {
        recipe.framework = Some(framework);
        recipe.build.push(Run::own(line).of_app());
        recipe.output = Some(Output { folder: folder.to_owned(), missing: Missing::Page });
        recipe.because(format!("{framework}: what it builds is served as it is"));
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
            let own = SERVERS.iter().find(|(gem, _)| has(gem)).map(|(_, with)| *with);
            let with = own.unwrap_or("rackup -o 0.0.0.0 -p ${PORT:-8080}");
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

/// A site of Jekyll that has no Gemfile, as those have that GitHub builds: what it needs, its settings
/// name.
fn jekyll(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(settings) = repo.text("_config.yml")? else { return Ok(None) };
    if !OF_JEKYLL.iter().any(|folder| repo.has_folder(folder)) && !repo.has("index.md") {
        return Ok(None);
    }
    let wish = match said(repo, "ruby") {
        Some(wish) => Some(wish),
        None => {
            Wish::of(repo.first_line(".ruby-version")?, ".ruby-version").or(repo.tool(&["ruby"])?)
        }
    };
    let (line, why) = versions::choose(&images::RUBY, wish.as_ref())?;
    let mut recipe = Recipe::new("ruby", line.build, line.run);
    recipe.versions.push(("ruby", line.line.to_owned()));
    recipe.framework = Some("Jekyll");
    recipe.because("_config.yml is there, and no Gemfile: what Jekyll needs is what it names");
    recipe.because(why);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let words = settings.lines().map(|line| line.split(" #").next().unwrap_or(line));
    let words = words.flat_map(|line| line.split([' ', '"', '\'', ',', '[', ']']));
    let mut gems: Vec<&str> = words
        .filter(|word| word.starts_with("jekyll-") || GEMS_OF_JEKYLL.contains(word))
        .filter(|word| word.chars().all(plain) && word.len() <= 64)
        .take(MOST_GEMS)
        .collect();
    if settings.contains("remote_theme") {
        gems.push("jekyll-remote-theme");
    }
    // Themes of GitHub's ask for what it knows of the repository.
    if gems.iter().any(|gem| gem.starts_with("jekyll-theme-")) {
        gems.push("jekyll-github-metadata");
    }
    gems.sort_unstable();
    gems.dedup();
    let file: Vec<String> =
        gems.iter().map(|gem| format!("\"gem '{gem}', group: :jekyll_plugins\"")).collect();
    recipe.build_env("BUNDLE_GEMFILE", "/opt/site/Gemfile");
    recipe.build_env("JEKYLL_ENV", "production");
    recipe.build_env("LANG", "C.UTF-8");
    recipe.tools.push(Run::own(format!(
        "mkdir -p /opt/site && printf '%s\\n' \"source 'https://rubygems.org'\" \"gem 'jekyll', '{}'\" {} > \
         /opt/site/Gemfile && bundle install --jobs 4",
        tools::JEKYLL,
        file.join(" ")
    )));
    recipe.build.push(Run::own("bundle exec jekyll build --baseurl ''").of_app());
    recipe.output = Some(Output { folder: "_site".to_owned(), missing: Missing::Page });
    recipe.because("Jekyll: what it builds is served as it is");
    Ok(Some(recipe))
}

/// Whether a lock has gems for this system: Bundler takes no other ones where it may not change it.
fn is_for_linux(lock: &str) -> bool {
    let mut lines = lock.lines().skip_while(|line| *line != "PLATFORMS").skip(1).peekable();
    if lines.peek().is_none() {
        return true;
    }
    let mut platforms = lines.take_while(|line| line.starts_with(' ')).map(str::trim);
    platforms.any(|platform| platform == "ruby" || platform.contains("linux"))
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
        let line = match repo.first(&["yarn.lock", "bun.lock", "bun.lockb"]) {
            Some("yarn.lock") => {
                format!("npm install --global --force yarn@{} && yarn install", tools::YARN)
            }
            Some(_) => format!("npm install --global --force bun@{} && bun install", tools::BUN),
            None => "npm install".to_owned(),
        };
        recipe.build.push(Run::own(line).cached(&["/root/.npm"]));
    }
    if repo.has_folder("app/assets") || repo.has_folder("app/javascript") {
        recipe.build.push(Run::own("bundle exec rails assets:precompile").of_app());
    }
    // Rails would take the variable rather than those.
    let in_the_clear = || {
        let own = has_secret(repo.texts_of(SECRETS_OF_RAILS));
        own.then_some(SECRETS_OF_RAILS)
    };
    if let Some(file) = repo.first(KEYS_OF_RAILS).or_else(in_the_clear) {
        recipe.because(format!("its secret is its own, by {file}"));
    } else {
        recipe.run_tools.push(Run::own(SECRET));
        recipe.run_env("RUBYOPT", "-r/usr/local/lib/secret-of-rails.rb");
        recipe.because_of_secret("SECRET_KEY_BASE");
        recipe.because(
            "RAILS_MASTER_KEY goes before that: its secret is then that of the credentials",
        );
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

/// Whether a `secrets.yml` has a secret for production that is more than what `SECRET_KEY_BASE` says.
fn has_secret(text: &str) -> bool {
    let lines = text.lines().skip_while(|line| !line.starts_with("production:")).skip(1);
    let mut section =
        lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#']));
    let value = section.find_map(|line| line.trim().strip_prefix("secret_key_base:"));
    let only_asks = |value: &str| {
        value.starts_with("<%=")
            && value.contains("SECRET_KEY_BASE")
            && !value.contains("||")
            && !value.contains(',')
    };
    value.map(str::trim).is_some_and(|value| !value.is_empty() && !only_asks(value))
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

/// The version that is wished for, and whether Bundler takes just that: it refuses any other than
/// the Gemfile's, which may be in a file that the Gemfile reads.
fn wish(repo: &Repo<'_>, gemfile: &str) -> Result<(Option<Wish>, bool), Rejection> {
    if let Some(wish) = said(repo, "ruby") {
        return Ok((Some(wish), true));
    }
    let line = gemfile.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("ruby")?;
        rest.starts_with([' ', '(']).then(|| rest.trim_start_matches([' ', '(']))
    });
    let named = line.map(all_quoted).unwrap_or_default().join(", ");
    let of_gemfile = Wish::of(Some(&named), "ruby in Gemfile");
    if versions::exact(&named).is_some() {
        return Ok((of_gemfile, true));
    }
    let files =
        Wish::of(repo.first_line(".ruby-version")?, ".ruby-version").or(repo.tool(&["ruby"])?);
    let read = line.is_some_and(|line| {
        [".ruby-version", ".tool-versions"].iter().any(|file| line.contains(file))
    });
    Ok((files.or(of_gemfile), read))
}

/// All texts in quotes that a list begins with.
fn all_quoted(list: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = list;
    while let Some(text) = quoted(rest) {
        all.push(text);
        let after = rest.trim_start().get(text.len() + 2..).unwrap_or_default();
        rest = after.trim_start().strip_prefix(',').unwrap_or_default();
    }
    all
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

#[cfg(test)]
mod tests {
    use super::has_secret;

    #[test]
    fn a_secret_of_ones_own_is_told_from_one_that_is_asked_for() {
        for (section, expected) in [
            ("  secret_key_base: 0123abcd\n", true),
            ("\n  # its own\n  other: 1\n  secret_key_base: \"0123abcd\"\n", true),
            ("  secret_key_base: <%= ENV[\"OF_THE_SHOP\"] %>\n", true),
            ("  secret_key_base: <%= ENV[\"SECRET_KEY_BASE\"] || \"0123abcd\" %>\n", true),
            ("  secret_key_base: <%= ENV.fetch(\"SECRET_KEY_BASE\", \"0123abcd\") %>\n", true),
            ("  secret_key_base: <%= ENV[\"SECRET_KEY_BASE\"] %>\n", false),
            ("  secret_key_base: <%= ENV.fetch(\"SECRET_KEY_BASE\") %>\n", false),
            ("  secret_key_base:\n", false),
            ("  other: 1\ntest:\n  secret_key_base: 0123abcd\n", false),
            ("", false),
        ] {
            let text = format!("development:\n  secret_key_base: 4567\n\nproduction:\n{section}");
            assert_eq!(has_secret(&text), expected, "{section}");
        }
        assert!(!has_secret("development:\n  secret_key_base: 4567\n"));
    }
}
