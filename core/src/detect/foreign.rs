//! Start lines that were written for images with more in them than ours have.
//!
//! The image of a compiled app has its program and nothing that built it; other platforms keep the
//! whole build, at paths of their own, and start `target/x.jar` or `bin/x`. And no image has a tool
//! that only runs what is installed.

use super::overrides::{Overrides, Program, Step};
use super::recipe::Recipe;
use super::repo::Repo;
use super::settings_file::SETTINGS_FILE;
use super::words::{self, ShellLine, Start};

/// Languages whose last stage has the built program alone, or beside the sources.
const COMPILED: &[&str] =
    &["go", "rust", "java", "dotnet", "elixir", "cpp", "crystal", "dart", "swift"];
/// Programs that build or run others, none of which is in an image with a built program.
const TOOLS: &[&str] = &[
    "air", "bash", "bun", "cargo", "crystal", "dart", "docker", "gow", "go", "just", "make",
    "node", "npm", "npx", "pnpm", "sh", "shards", "swift", "task", "yarn",
];
/// What the options of Java begin with that want nothing of the build.
const JAVA_OPTIONS: &[&str] = &["-D", "-X", "-ea", "-server", "--add-", "--enable-", "$"];
/// Tools of Python that run what is installed, with files and tables in which they may name scripts.
const RUNNERS: &[(&str, &str, &str)] = &[
    ("uv", "", ""),
    ("poetry", "", ""),
    ("pipenv", "Pipfile", "[scripts]"),
    ("pdm", "pyproject.toml", "[tool.pdm.scripts]"),
];

/// What is started for a line that was said.
pub(super) struct Started {
    pub(super) start: Start,
    /// Why it is not the line as it stands, or what to know of it.
    pub(super) why: Option<String>,
    /// Whether all of the app has to be in the image.
    pub(super) wants_all: bool,
}

impl Started {
    fn as_said(line: &ShellLine) -> Self {
        Self { start: Start::line(line.clone()), why: None, wants_all: false }
    }
}

/// Finds it out; `recipe` is what was found without the line, which a file says.
pub(super) fn start(repo: &Repo<'_>, recipe: &Recipe, line: &ShellLine, file: &str) -> Started {
    let Overrides { build, .. } = repo.overrides;
    let replaced = build.as_ref().is_some_and(|steps| !steps.contains(&Step::Usual));
    if recipe.runtime == "python" {
        return without_runner(repo, line, file);
    }
    if recipe.runtime == "php"
        && let Some(start) = recipe.start.as_ref().and_then(|own| without_heroku(own, line))
    {
        let why = format!("{file} starts a server that is not in the image: Apache serves instead");
        return Started { start, why: Some(why), wants_all: false };
    }
    let Some(own) = recipe.start.as_ref().filter(|_| COMPILED.contains(&recipe.runtime)) else {
        return Started::as_said(line);
    };
    let command = own.to_string();
    if replaced || names_built(line.as_str(), &command) {
        return Started::as_said(line);
    }
    let why = format!("what is built is started by \u{201c}{command}\u{201d}");
    if file == SETTINGS_FILE {
        let why = format!("{file} starts something else, so all of the app is in the image; {why}");
        return Started { why: Some(why), wants_all: true, ..Started::as_said(line) };
    }
    let program = Program::of(line.as_str());
    if recipe.runtime == "java" && program.as_ref().is_some_and(is_of_build) {
        let why = format!("{file} starts what the build leaves, so all of that is in the image");
        return Started { why: Some(why), wants_all: true, ..Started::as_said(line) };
    }
    let with_sources = recipe.taken.iter().any(|(from, _)| from == Recipe::HOME);
    if with_sources && program.as_ref().is_some_and(|program| is_there(repo, program)) {
        return Started::as_said(line);
    }
    let start = program.and_then(|program| with_words_of(recipe.runtime, own, &program));
    let words = if start.is_some() { ", with the words of that line" } else { "" };
    let why = format!("the image has not what {file} starts: {why}{words}");
    Started { start: start.unwrap_or_else(|| own.clone()), why: Some(why), wants_all: false }
}

/// Whether a line starts the program that was built, at its place in the image.
fn names_built(line: &str, own: &str) -> bool {
    let built = own.split_whitespace().rev().find(|word| {
        *word == "app"
            || word.starts_with("/app/")
            || [".jar", ".dll"].iter().any(|ending| word.ends_with(ending))
    });
    let Some(built) = built else { return false };
    // What lies in the folder that the app is started in can be named from there.
    let below = built.strip_prefix("/app/").or(built.ends_with(".dll").then_some(built));
    line.split_whitespace().any(|word| {
        word == built || below.is_some_and(|below| word.trim_start_matches("./") == below)
    })
}

/// Whether what a line starts is a script of the repository.
fn is_there(repo: &Repo<'_>, program: &Program<'_>) -> bool {
    let by_shell = matches!(program.path, "sh" | "bash");
    let path = if by_shell { program.words.first().copied() } else { Some(program.path) };
    path.is_some_and(|path| repo.has(path.trim_start_matches("./")))
}

/// Whether a line starts Java with more of what a build leaves than the one archive that is taken out of it:
/// classes, or archives that were put beside it.
fn is_of_build(program: &Program<'_>) -> bool {
    let beside = |word: &&str| word.contains("/dependency/") || word.ends_with(".war");
    let by_classes = |word: &&str| ["-cp", "-classpath", "--class-path"].contains(word);
    let of_maven = program.words.iter().any(|word| word.contains("target/"));
    program.path == "java"
        && of_maven
        && (program.words.iter().any(beside)
            || (program.words.iter().any(by_classes) && !program.words.contains(&"clojure.main")))
}

/// What starts the built program, with the variables and words of a line for the same program.
fn with_words_of(runtime: &str, own: &Start, program: &Program<'_>) -> Option<Start> {
    let Program { variables, path, words } = program;
    let (words, none): (&[&str], &[&str]) = (words, &[]);
    let (options, words) = match runtime {
        "go" | "rust" | "cpp" | "crystal" | "dart" | "swift" if !TOOLS.contains(path) => {
            (none, words)
        }
        // A script that a build writes, which takes words as it does at its place there.
        "java" if path.contains("/bin/") && starts_script(own) => (none, words),
        "java" if *path == "java" => {
            let (options, rest) = words.split_at(words.iter().position(|word| *word == "-jar")?);
            let free = |option: &&str| JAVA_OPTIONS.iter().any(|start| option.starts_with(start));
            (options.iter().all(free).then_some(options)?, rest.get(2..)?)
        }
        "dotnet" if *path == "dotnet" && words.first()?.ends_with(".dll") => {
            (none, words.get(1..)?)
        }
        _ => return None,
    };
    let command = own.to_string();
    let with_options = match (options, command.split_once(" -jar ")) {
        ([_, ..], Some((java, jar))) => format!("{java} {} -jar {jar}", options.join(" ")),
        (_, _) => command.clone(),
    };
    let line = |exec: &str| {
        let start = format!("{exec}{with_options}");
        let parts = variables.iter().copied().chain([start.as_str()]).chain(words.iter().copied());
        ShellLine::new(&parts.collect::<Vec<_>>().join(" "), "start").ok()
    };
    let plain = line("")?;
    if plain.plain_words().is_some() || command.contains("exec ") {
        return Some(Start::line(plain));
    }
    // So that the program gets the signals, and no shell in between.
    line("exec ").map(Start::line)
}

/// Whether what is started is a script that a build wrote.
fn starts_script(own: &Start) -> bool {
    own.to_string().split_whitespace().any(|word| word == "/app/bin/app")
}

/// What serves an app of PHP for a line that starts a server of Heroku's, which only comes with what is for
/// development: the folder that is served stands last in it.
fn without_heroku(own: &Start, line: &ShellLine) -> Option<Start> {
    let program = Program::of(line.as_str())?;
    if !program.name().starts_with("heroku-php-") {
        return None;
    }
    let folder = match program.words.as_slice() {
        [.., option, _] if option.starts_with('-') => None,
        [.., last] => words::path(last, "web in Procfile").ok(),
        [] => None,
    };
    const APACHE: &str = "exec apache2-foreground";
    let line = own.to_string();
    let before = line.strip_suffix(APACHE).unwrap_or_default();
    Some(match folder {
        Some(folder) => Start::own(format!("{before}APACHE_DOCUMENT_ROOT=/app/{folder} {APACHE}")),
        None => own.clone(),
    })
}

/// A line without `uv run` and its like: the programs are on the image's path.
fn without_runner(repo: &Repo<'_>, line: &ShellLine, file: &str) -> Started {
    let words: Vec<&str> = line.as_str().split(' ').collect();
    let mut kept = Vec::new();
    let mut left_out = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let runner = RUNNERS.iter().find(|(tool, of, scripts)| {
            tool == word && (of.is_empty() || !repo.texts_of(of).contains(scripts))
        });
        match (runner, words.get(at + 1), words.get(at + 2)) {
            (Some((tool, _, _)), Some(&"run"), Some(next)) if !next.starts_with('-') => {
                if *tool == "uv" && next.ends_with(".py") {
                    kept.push("python");
                }
                left_out = Some(*tool);
                at += 2;
            }
            _ => {
                kept.push(*word);
                at += 1;
            }
        }
    }
    let shorter = ShellLine::new(&kept.join(" "), "start").ok();
    let (Some(tool), Some(shorter)) = (left_out, shorter) else { return Started::as_said(line) };
    let why = format!("{file} starts it by {tool}, which is not in the image and not needed there");
    Started { why: Some(why), ..Started::as_said(&shorter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_line_are_kept_where_they_are_for_the_same_program() {
        let java = "exec java -Dserver.port=${PORT:-8080} -jar /app/app.jar";
        let rows: &[(&str, &str, &str, Option<&str>)] = &[
            ("go", "app", "bin/shop", Some("app")),
            ("go", "app", "bin/shop --port=80 -v", Some("app --port=80 -v")),
            ("go", "app", "shop -p $PORT", Some("exec app -p $PORT")),
            ("go", "app", "A=b ./bin/shop x", Some("A=b exec app x")),
            ("go", "app", "go run .", None),
            ("rust", "R=1 exec app", "Q=2 target/release/x -v", Some("Q=2 R=1 exec app -v")),
            ("rust", "app", "cargo run --release", None),
            ("java", java, "java -jar target/x.jar", Some(java)),
            (
                "java",
                java,
                "java $JAVA_OPTS -Xss1m -jar target/*.jar --debug",
                Some(
                    "exec java -Dserver.port=${PORT:-8080} $JAVA_OPTS -Xss1m -jar /app/app.jar --debug",
                ),
            ),
            ("java", java, "java -cp target/classes Main", None),
            ("java", java, "java -javaagent:x.jar -jar target/x.jar", None),
            ("java", java, "sh target/bin/webapp", None),
            ("java", java, "target/stage/bin/shop -Da=b", None),
            (
                "java",
                "exec /app/bin/app -Dhttp.port=${PORT:-8080}",
                "target/universal/stage/bin/shop -Dplay.http.secret.key=$KEY",
                Some("exec /app/bin/app -Dhttp.port=${PORT:-8080} -Dplay.http.secret.key=$KEY"),
            ),
            (
                "java",
                "/app/bin/app",
                "build/install/shop/bin/shop serve",
                Some("/app/bin/app serve"),
            ),
            ("dotnet", "dotnet A.dll", "dotnet out/A.dll --urls x", Some("dotnet A.dll --urls x")),
            ("dotnet", "dotnet A.dll", "dotnet run", None),
            ("elixir", "/app/bin/shop start", "mix phx.server", None),
        ];
        for (runtime, own, line, expected) in rows {
            let own = Start::own(*own);
            let program = Program::of(line).unwrap();
            let start = with_words_of(runtime, &own, &program).map(|start| start.to_string());
            assert_eq!(start.as_deref(), *expected, "{line}");
        }
    }

    #[test]
    fn a_server_of_heroku_gives_way_to_ours_with_its_folder() {
        let own = Start::words(&["apache2-foreground"]);
        let rows: &[(&str, Option<&str>)] = &[
            (
                "vendor/bin/heroku-php-apache2 web/",
                Some("APACHE_DOCUMENT_ROOT=/app/web exec apache2-foreground"),
            ),
            (
                "vendor/bin/heroku-php-nginx -C nginx.conf public",
                Some("APACHE_DOCUMENT_ROOT=/app/public exec apache2-foreground"),
            ),
            ("heroku-php-nginx -C nginx.conf", Some("apache2-foreground")),
            ("heroku-php-apache2", Some("apache2-foreground")),
            ("heroku-php-apache2 ../x", Some("apache2-foreground")),
            ("php artisan serve", None),
        ];
        for (line, expected) in rows {
            let line = ShellLine::new(line, "web").unwrap();
            let start = without_heroku(&own, &line).map(|start| start.to_string());
            assert_eq!(start.as_deref(), *expected, "{line:?}");
        }
    }

    #[test]
    fn the_program_that_was_built_is_known_by_its_place() {
        let rows = [
            ("app -p 80", "app", true),
            ("migrate && exec app", "app", true),
            ("./app", "app", false),
            ("java -Xmx1g -jar app.jar", "exec java -jar /app/app.jar", true),
            ("java -jar target/app.jar", "exec java -jar /app/app.jar", false),
            ("dotnet Shop.dll", "A=b exec dotnet Shop.dll", true),
            ("bin/shop eval x", "/app/bin/shop start", true),
        ];
        for (line, own, named) in rows {
            assert_eq!(names_built(line, own), named, "{line}");
        }
    }
}
