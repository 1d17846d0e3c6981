//! Apps of PHP: Laravel, Symfony and others.

use serde_json::Value;

use super::images;
use super::node::said;
use super::recipe::{Recipe, Run, User};
use super::repo::Repo;
use super::ruby::with_node;
use super::versions::{self, Wish};
use super::words::{self, Start};
use crate::rejection::Rejection;

/// Frameworks, by their packages: package, name, further extensions.
const FRAMEWORKS: &[(&str, &str, &[&str])] = &[
    ("laravel/framework", "Laravel", &["bcmath", "pdo_mysql", "pdo_pgsql", "zip", "opcache"]),
    ("symfony/framework-bundle", "Symfony", &["intl", "pdo_mysql", "pdo_pgsql", "opcache"]),
    ("slim/slim", "Slim", &["opcache"]),
    ("codeigniter4/framework", "CodeIgniter", &["intl", "mysqli", "opcache"]),
    ("cakephp/cakephp", "CakePHP", &["intl", "pdo_mysql", "opcache"]),
    ("yiisoft/yii2", "Yii", &["intl", "pdo_mysql", "opcache"]),
    ("drupal/core-recommended", "Drupal", &["gd", "pdo_mysql", "pdo_pgsql", "opcache"]),
    ("roots/wordpress", "WordPress", OF_WORDPRESS),
    ("johnpbloch/wordpress", "WordPress", OF_WORDPRESS),
];
/// What WordPress asks for.
const OF_WORDPRESS: &[&str] = &["exif", "gd", "intl", "mysqli", "opcache", "zip"];
/// Files of WordPress where it lies in the repository itself.
const WORDPRESS: &[&str] = &["wp-settings.php", "wp-login.php"];
/// What pages that are written by hand reach their databases by, without saying so anywhere.
const BY_HAND: &[&str] = &["mysqli", "pdo_mysql"];

/// Extensions that the image has.
const BUILT_IN: &[&str] = &[
    "ctype",
    "curl",
    "date",
    "dom",
    "fileinfo",
    "filter",
    "hash",
    "iconv",
    "json",
    "libxml",
    "mbstring",
    "mysqlnd",
    "openssl",
    "pcre",
    "pdo",
    "pdo_sqlite",
    "phar",
    "posix",
    "random",
    "readline",
    "reflection",
    "session",
    "simplexml",
    "sodium",
    "spl",
    "sqlite3",
    "standard",
    "tokenizer",
    "xml",
    "xmlreader",
    "xmlwriter",
    "zlib",
];

/// Has PHP make Laravel's key, of the 32 bytes that its cipher takes, of the app's own secret where none is said:
/// before each script, be it a request, a worker or `artisan`.
const KEY_OF_LARAVEL: &str = "echo '<?php if (!getenv(\"APP_KEY\") && getenv(\"HYTHE_SECRET\")) { \
    $_ENV[\"APP_KEY\"] = $_SERVER[\"APP_KEY\"] = \
    \"base64:\" . base64_encode(hash(\"sha256\", getenv(\"HYTHE_SECRET\"), true)); \
    putenv(\"APP_KEY=\" . $_ENV[\"APP_KEY\"]); }' > /usr/local/lib/key-of-laravel.php && \
    echo 'auto_prepend_file = /usr/local/lib/key-of-laravel.php' > \
    /usr/local/etc/php/conf.d/key-of-laravel.ini";

/// Finds out how an app of PHP is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let composer: Option<Value> = repo.json("composer.json")?;
    let entry = repo.first(&[
        "index.php",
        "public/index.php",
        "web/index.php",
        "webroot/index.php",
        "www/index.php",
        "html/index.php",
        "htdocs/index.php",
        "public_html/index.php",
    ]);
    if entry.is_none() && composer.is_none() && !repo.has("composer.json") {
        return Ok(None);
    }
    let composer = composer.unwrap_or_default();
    let requires = composer.get("require").and_then(Value::as_object);
    let needs = |name: &str| requires.is_some_and(|list| list.contains_key(name));
    let named = requires.and_then(|list| list.get("php")?.as_str());
    let wish = said(repo, "php").or(Wish::of(named, "php in composer.json"));
    // Composer refuses any other version than one that is named to the last number.
    let (images, why) = versions::choose_just(&images::PHP, wish.as_ref(), true)?;
    let mut recipe = Recipe::new("php", images.build, images.run);
    recipe.versions.push(("php", images.version));
    recipe.because(format!("{} is there", entry.unwrap_or("composer.json")));
    recipe.because(why);
    recipe.user = User::There("www-data");

    let framework = FRAMEWORKS.iter().find(|(package, _, _)| needs(package));
    recipe.framework = framework.map(|(_, name, _)| *name);
    recipe.sure = entry.is_some() || framework.is_some();
    let usual = match framework {
        Some((_, _, extensions)) => *extensions,
        None if repo.first(WORDPRESS).is_some() => {
            recipe.framework = Some("WordPress");
            OF_WORDPRESS
        }
        None if entry.is_some() => BY_HAND,
        None => &[],
    };
    let mut extensions: Vec<String> = usual.iter().map(|name| (*name).to_owned()).collect();
    if recipe.framework == Some("Symfony") {
        // Composer runs scripts of it, which want what is only for development otherwise.
        recipe.build_env("APP_ENV", "prod");
        recipe.run_env("APP_ENV", "prod");
    }
    for name in requires.into_iter().flat_map(serde_json::Map::keys) {
        if let Some(extension) = name.strip_prefix("ext-") {
            extensions.push(words::name(extension, "an extension in composer.json")?);
        }
    }
    extensions.extend(of_lock(repo));
    extensions.sort();
    extensions.dedup();
    extensions.retain(|name| !BUILT_IN.contains(&name.as_str()));
    if !extensions.is_empty() {
        recipe.others.push(("extensions", images::PHP_EXTENSIONS.to_owned()));
        let program = "/usr/bin/install-php-extensions";
        recipe.fetched.push(("extensions", program, "/usr/local/bin/"));
        recipe.run_fetched.push(("extensions", program, "/usr/local/bin/"));
        let line = format!("install-php-extensions {}", extensions.join(" "));
        recipe.tools.push(Run::own(&line));
        recipe.run_tools.push(Run::own(&line));
        recipe.because(format!("extensions: {}", extensions.join(", ")));
    }
    if repo.has("composer.json") {
        recipe.manager = Some("composer");
        recipe.others.push(("composer", images::COMPOSER.to_owned()));
        recipe.fetched.push(("composer", "/usr/bin/composer", "/usr/local/bin/composer"));
        recipe.packages(&["git", "unzip"], &[]);
        recipe.build_env("COMPOSER_ALLOW_SUPERUSER", "1");
        let line = "composer install --no-dev --no-interaction --prefer-dist --optimize-autoloader";
        recipe.install.push(Run::own(line).cached(&["/root/.composer/cache"]).of_app());
    }
    scripts(&mut recipe, repo)?;
    apache(&mut recipe, repo, entry);
    if recipe.framework == Some("Laravel") {
        let named = requires.and_then(|list| list.get("laravel/framework")?.as_str());
        laravel(&mut recipe, repo, named);
    }
    Ok(Some(recipe))
}

/// What Laravel wants of whoever runs it: a key, and since its eleventh version a database with its tables,
/// which is a file as long as nobody says another.
fn laravel(recipe: &mut Recipe, repo: &Repo<'_>, named: Option<&str>) {
    let mut line = String::new();
    if !repo.has(".env") {
        recipe.run_tools.push(Run::own(KEY_OF_LARAVEL));
        // Elsewhere than in Hythe; a request alone could make up none that the next one knows.
        line.push_str(
            "[ -n \"$APP_KEY$HYTHE_SECRET\" ] || \
             export APP_KEY=\"base64:$(head -c 32 /dev/urandom | base64)\"; ",
        );
        recipe.because_of_secret("APP_KEY");
    }
    let digits = named.unwrap_or_default().trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if repo.has("artisan") && major.parse::<u32>().is_ok_and(|major| major >= 11) {
        // A database of somebody's own is theirs to change, and several containers would do so at once.
        line.push_str(
            "if [ -z \"$DB_CONNECTION$DB_URL$DB_HOST$DB_DATABASE\" ]; then \
             touch database/database.sqlite; php artisan migrate --force || :; fi; ",
        );
        recipe.because(
            "its migrations are run when it starts while no database is set: for one that is, say \
             `php artisan migrate --force` as its release command",
        );
        recipe.because(
            "while no DB_CONNECTION is set, its database is a file in the container, and goes with that",
        );
    }
    if !line.is_empty() {
        recipe.start = Some(Start::own(format!("{line}exec apache2-foreground")));
    }
}

/// Extensions that what is depended on needs: Composer installs nothing without them.
fn of_lock(repo: &Repo<'_>) -> Vec<String> {
    let lock: Value = serde_json::from_str(repo.texts_of("composer.lock")).unwrap_or_default();
    let packages = lock.get("packages").and_then(Value::as_array);
    let requires = packages.into_iter().flatten().filter_map(|p| p.get("require")?.as_object());
    let names = requires.flat_map(serde_json::Map::keys);
    let extensions = names.filter_map(|name| name.strip_prefix("ext-"));
    extensions.filter_map(|name| words::name(name, "an extension in composer.lock").ok()).collect()
}

/// Scripts and styles, where there is something that builds them.
fn scripts(recipe: &mut Recipe, repo: &Repo<'_>) -> Result<(), Rejection> {
    let package: Value = repo.json("package.json")?.unwrap_or_default();
    if package.pointer("/scripts/build").is_some_and(Value::is_string) {
        with_node(recipe)?;
        let install = if repo.has("package-lock.json") { "npm ci" } else { "npm install" };
        recipe.build.push(Run::own(install).cached(&["/root/.npm"]));
        recipe.build.push(Run::own("npm run build").of_app());
        recipe.finish.push(Run::own("rm -rf node_modules"));
    }
    Ok(())
}

/// The server: it listens on the port that it is told, and serves what is public.
fn apache(recipe: &mut Recipe, repo: &Repo<'_>, entry: Option<&'static str>) {
    let folder = entry.and_then(|entry| entry.split_once('/')).map(|(folder, _)| folder);
    // A framework's index.php is made when it is installed, where it is not there.
    let folder =
        folder.or_else(|| (entry.is_none() && recipe.framework.is_some()).then_some("public"));
    let root = folder.map_or("/app".to_owned(), |folder| format!("/app/{folder}"));
    recipe.because(format!("Apache serves {root}"));
    recipe.run_env("APACHE_DOCUMENT_ROOT", &root);
    recipe.run_tools.push(Run::own(
        "sed -ri 's/^Listen 80$/Listen ${PORT}/' /etc/apache2/ports.conf && \
         sed -ri -e 's/:80>/:${PORT}>/' -e 's#/var/www/html#${APACHE_DOCUMENT_ROOT}#' \
         /etc/apache2/sites-available/000-default.conf && \
         sed -ri 's#<Directory /var/www/>#<Directory /app>#' /etc/apache2/apache2.conf \
         /etc/apache2/conf-available/docker-php.conf && \
         a2enmod rewrite",
    ));
    let rules = folder.map_or(".htaccess".to_owned(), |folder| format!("{folder}/.htaccess"));
    if recipe.framework.is_some() && !repo.has(&rules) {
        recipe.because(format!("there is no {rules}: what is no file is up to index.php"));
        recipe.run_tools.push(Run::own(
            "echo 'FallbackResource /index.php' > /etc/apache2/conf-enabled/hythe.conf",
        ));
    }
    recipe.start = Some(Start::words(&["apache2-foreground"]));
}
