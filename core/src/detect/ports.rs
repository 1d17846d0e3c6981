//! The port that a program listens on by its own text.
//!
//! Most programs ask their environment for it. Many a first one has a number in it instead, and would be asked in
//! vain on the usual port: where the file that is started names just one, the image says that one, to the program as
//! well, so that it is right also for one that asks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::recipe::{PORT, Recipe};
use super::repo::Repo;

const QUOTES: [char; 3] = ['"', '\'', '`'];
/// The most lines of a program that are looked at, and the longest of them in bytes.
const MOST_LINES: usize = 4_000;
const MOST_LINE_BYTES: usize = 400;
/// The most arguments of a call that are looked at.
const MOST_ARGUMENTS: usize = 6;
/// The most lines of a call's arguments that are looked at.
const MOST_CALL_LINES: usize = 8;
/// What `bind` of a function of JavaScript begins with, which has nothing to do with addresses.
const BOUND: &[&str] = &["null", "this", "undefined"];
/// Signs that a program asks its environment.
const ASKS: &[&str] =
    &[".PORT", "\"PORT\"", "'PORT'", "`PORT`", "{PORT", "{ PORT", "$PORT", "[:PORT]"];
/// Calls that listen, in lower case, and whether a number alone is a port to them.
const CALLS: &[(&str, bool)] = &[
    ("listen(", true),
    ("serve(", true),
    ("listenandservetls(", true),
    ("bind(", true),
    ("socketaddr::from(", true),
    ("tcpserver(", true),
    ("httpserver(", true),
    ("make_server(", true),
    (".port(", true),
    (".run(", false),
    (".start(", false),
];
/// Types that stand between a name and its value.
const TYPES: &[&str] = &[": number", ": u16", ": u32", ": i32", ": usize", ": int", ":int", "int"];
/// Ports of what programs connect to rather than listen on.
const OF_OTHERS: &[u16] = &[
    1433, 1521, 1883, 2181, 3306, 4222, 5432, 5433, 5672, 6379, 8125, 9042, 9092, 9200, 11211,
    26257, 27017, 27018,
];
/// Folders that builds write programs into, and endings of what those were made of.
const BUILT: &[&str] = &["dist/", "build/", "lib/", "out/"];
const SOURCES: &[&str] = &["ts", "mts", "js", "mjs", "cjs", "tsx"];

/// The one port that a program's text names; `None` where it asks for one, or names none or several.
pub(super) fn listened(text: &str) -> Option<u16> {
    if ASKS.iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let lines = || {
        let all = text.lines().take(MOST_LINES).map(str::trim);
        all.filter(|line| line.len() <= MOST_LINE_BYTES && !is_comment(line))
    };
    let of = |found: fn(&str) -> Vec<u16>| lines().flat_map(found).collect::<BTreeSet<u16>>();
    only(&of(called)).or_else(|| only(&of(named)))
}

/// The port of the program that a recipe starts, and the file that names it, where it is not the usual one.
pub(super) fn in_program(repo: &Repo<'_>, recipe: &Recipe) -> Option<(u16, String)> {
    let start = recipe.start.as_ref().filter(|_| recipe.output.is_none())?.to_string();
    let found = programs(repo, recipe, &start).into_iter().find_map(|path| {
        let port = listened(repo.texts_of(&path))?;
        Some((port, path))
    });
    found.filter(|(port, _)| *port != PORT && recipe.port == PORT)
}

/// What is to be known of where the program that a recipe starts listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    /// Whether it asks for the address in `HOST`.
    pub(super) asked: bool,
    /// The file that has it listen where nobody reaches it from outside of its container.
    pub(super) closed: Option<String>,
}

/// Finds that out.
pub(super) fn address(repo: &Repo<'_>, recipe: &Recipe) -> Address {
    let Some(start) = recipe.start.as_ref().filter(|_| recipe.output.is_none()) else {
        return Address::default();
    };
    let mut found = Address::default();
    for path in programs(repo, recipe, &start.to_string()) {
        let text = repo.texts_of(&path);
        found.asked |= asks_for_host(text);
        if found.closed.is_none() && is_closed(text) {
            found.closed = Some(path);
        }
    }
    found
}

/// Whether a program that listens takes the address from `HOST`; elsewhere that may be any other machine's.
fn asks_for_host(text: &str) -> bool {
    const SIGNS: &[&str] =
        &["env.HOST ", "env.HOST;", "env.HOST,", "env.HOST)", "env.HOST\n", "\"HOST\"", "'HOST'"];
    let lower = || text.to_ascii_lowercase();
    SIGNS.iter().any(|sign| text.contains(sign))
        && ["listen(", "serve(", "server("].iter().any(|call| lower().contains(call))
}

/// Whether a program names an address of its own machine alone where it listens: in the line of the call, or in one
/// of those after it that its arguments are in. Elsewhere it is that of a database as often.
fn is_closed(text: &str) -> bool {
    let is_here = |line: &str| {
        ["127.0.0.1", "localhost"].iter().any(|host| {
            QUOTES.iter().any(|quote| {
                line.contains(&format!("{quote}{host}{quote}"))
                    || line.contains(&format!("{quote}{host}:"))
            })
        })
    };
    let mut within = 0_usize;
    let lines = text.lines().take(MOST_LINES).map(str::trim);
    for line in lines.filter(|line| line.len() <= MOST_LINE_BYTES && !is_comment(line)) {
        let lower = line.to_ascii_lowercase();
        let listens = |of: &&str| lower.contains(*of);
        let ends = [line.matches('(').count(), line.matches(')').count()];
        let goes_on = ends[0] > ends[1];
        if ["listen(", "serve(", "bind(", ".run("].iter().any(listens) {
            if is_here(line) {
                return true;
            }
            within = if goes_on { MOST_CALL_LINES } else { 0 };
        } else if lower.contains("server(") {
            within = if goes_on { MOST_CALL_LINES } else { 0 };
            // All that it is told may stand in one line.
            if is_here(line) && lower.contains("host") {
                return true;
            }
        } else if within > 0 {
            if lower.starts_with("host") && is_here(line) {
                return true;
            }
            // Another call begins in it, or it has ended.
            within = if ends[0] == ends[1] { within - 1 } else { 0 };
        }
    }
    false
}

/// Files in which what is started may begin, the likeliest first.
fn programs(repo: &Repo<'_>, recipe: &Recipe, start: &str) -> Vec<String> {
    let built: Vec<&str> = recipe.build.iter().map(|run| run.line.as_str()).collect();
    let after = |option: &str| {
        let mut words = built.iter().flat_map(|line| line.split(' ')).skip_while(|w| *w != option);
        words.nth(1)
    };
    match recipe.runtime {
        "node" | "bun" => of_scripts(repo, start),
        "python" | "ruby" => {
            let of = |word: &&str| word.ends_with(".py") || word.ends_with(".rb");
            start.split(' ').filter(of).map(plain).collect()
        }
        "go" => {
            let package = after("/out/app").unwrap_or(".");
            match package.trim_start_matches("./") {
                "." | "" => ["main.go", "server.go", "app.go"].map(str::to_owned).to_vec(),
                folder => vec![format!("{folder}/main.go")],
            }
        }
        "rust" => {
            let name = after("--bin").unwrap_or_default();
            let own = [format!("src/bin/{name}.rs"), format!("src/bin/{name}/main.rs")];
            let of_member = format!("{name}/src/main.rs");
            let members = repo.all().filter(|path| path.ends_with(&of_member)).take(1);
            let members: Vec<String> = members.map(str::to_owned).collect();
            own.into_iter().chain(members).chain(["src/main.rs".to_owned()]).collect()
        }
        "dart" => ["bin/server.dart", "bin/main.dart"].map(str::to_owned).to_vec(),
        "cpp" => {
            let of_source = |folder: &str| {
                ["cpp", "cc", "cxx", "c"].map(|ending| format!("{folder}main.{ending}"))
            };
            [of_source(""), of_source("src/")].concat()
        }
        "gleam" => {
            let of = |path: &&str| path.starts_with("src/") && path.ends_with(".gleam");
            repo.all().filter(of).take(MOST_ARGUMENTS).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Programs of JavaScript that a line runs; what a build writes is looked for where it was made from.
fn of_scripts(repo: &Repo<'_>, start: &str) -> Vec<String> {
    let words: Vec<&str> = start.split(' ').collect();
    let package: Option<Value> = repo.json("package.json").ok().flatten();
    let name = match words.as_slice() {
        ["npm" | "pnpm" | "yarn" | "bun", "run", name] => Some(*name),
        ["npm" | "pnpm" | "yarn", "start"] => Some("start"),
        _ => None,
    };
    let of_name = |name: &str| package.as_ref()?.get("scripts")?.get(name)?.as_str();
    let script = name.map_or(start, |name| of_name(name).unwrap_or_default());
    let words: Vec<&str> = script.split(' ').filter(|word| !word.is_empty()).collect();
    let folder = match words.as_slice() {
        // Of a part of a workspace it is the folder that is looked at already.
        ["cd", folder, "&&", ..] if !repo.folder.ends_with(folder) => {
            format!("{}/", folder.trim_end_matches('/'))
        }
        _ => String::new(),
    };
    let mut found = Vec::new();
    for word in words.iter().filter(|word| !word.starts_with('-') && !word.contains('=')) {
        let word = plain(word);
        let bare = SOURCES.iter().find_map(|of| word.strip_suffix(&format!(".{of}")));
        let stem = bare.unwrap_or(&word);
        let inside = BUILT.iter().find_map(|folder| stem.strip_prefix(folder));
        let mut of = |stem: &str| {
            let paths = SOURCES.iter().map(|ending| format!("{folder}{stem}.{ending}"));
            found.extend(paths.filter(|path| repo.has(path)));
        };
        of(stem);
        if let Some(inside) = inside {
            let inside = inside.strip_prefix("src/").unwrap_or(inside);
            of(&format!("src/{inside}"));
            of(inside);
        } else if bare.is_none() {
            of(&format!("{stem}/index"));
        }
    }
    found
}

fn plain(word: &str) -> String {
    word.trim_matches(QUOTES).trim_start_matches("./").to_owned()
}

fn only(ports: &BTreeSet<u16>) -> Option<u16> {
    ports.first().copied().filter(|_| ports.len() == 1)
}

fn is_comment(line: &str) -> bool {
    ["//", "#", "*", "/*", "--"].iter().any(|start| line.starts_with(start))
}

/// Ports that calls of a line are given: `listen(3000)`, `bind(("0.0.0.0", 3000))`, `Run(":3000")`.
fn called(line: &str) -> Vec<u16> {
    let lower = line.to_ascii_lowercase();
    let of_server = lower.contains("app") || lower.contains("server");
    let mut found = Vec::new();
    for (call, alone) in CALLS {
        for (at, _) in lower.match_indices(call) {
            let rest = lower.get(at + call.len()..).unwrap_or_default();
            let first = rest.split([',', ')']).next().unwrap_or_default().trim();
            if *call == "bind(" && BOUND.contains(&first) {
                continue;
            }
            found.extend(argument(rest, *alone || of_server));
        }
    }
    found
}

/// The first argument that is a port, or an address with one; `alone`: a number is one.
fn argument(rest: &str, alone: bool) -> Option<u16> {
    let rest = rest.trim_start_matches(['(', '&', ' ']);
    let rest = rest.split(')').next().unwrap_or_default();
    rest.split(',').take(MOST_ARGUMENTS).find_map(|word| {
        let word = word.trim().trim_matches(['[', ']', '(', ' ']);
        let bare = word.trim_matches(QUOTES);
        match bare.rsplit_once(':') {
            Some((host, port)) if word.starts_with(QUOTES) && !host.contains('/') => number(port),
            Some(_) => None,
            None if alone => number(bare),
            None => None,
        }
    })
}

/// Ports that stand behind their name: `port = 3000`, `port: 3000`, `PORT: u16 = 3000`, `set :port, 3000`.
fn named(line: &str) -> Vec<u16> {
    const NAME: &str = "port";
    let lower = line.to_ascii_lowercase();
    let of = |at: usize| {
        let before = line.get(..at)?.chars().next_back();
        let first = line.get(at..)?.chars().next()?;
        let begins = match before {
            Some(c) if c.is_ascii_alphanumeric() => c.is_ascii_lowercase() && first == 'P',
            Some(_) | None => true,
        };
        let rest = lower.get(at + NAME.len()..)?;
        let goes_on = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if !begins || goes_on {
            return None;
        }
        match rest.strip_prefix(',').filter(|_| before == Some(':')) {
            Some(rest) => digits(rest),
            None => value(rest),
        }
    };
    lower.match_indices(NAME).filter_map(|(at, _)| of(at)).collect()
}

fn value(rest: &str) -> Option<u16> {
    let rest = rest.trim_start_matches(QUOTES).trim_start();
    let rest = TYPES.iter().find_map(|of| rest.strip_prefix(of)).unwrap_or(rest).trim_start();
    let rest = [":=", "=>", "=", ":"].iter().find_map(|sign| rest.strip_prefix(sign))?;
    if rest.starts_with('=') {
        return None;
    }
    // What holds where a variable is not set stands last.
    let last = |sign: &str| rest.rsplit_once(sign).map(|(_, last)| last);
    digits(last("||").or_else(|| last("??")).unwrap_or(rest))
}

fn digits(rest: &str) -> Option<u16> {
    let rest = rest.trim_start_matches([' ', '"', '\'', '`', ':']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    number(digits).filter(|_| !goes_on)
}

fn number(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = text.parse::<u16>().ok()?;
    ((port == 80 || port >= 1000) && !OF_OTHERS.contains(&port)).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_its_port_or_asks_for_it() {
        for (text, port) in [
            ("app.listen(3000, () => console.log('http://localhost:3000'));", Some(3000)),
            ("const port = 5000;\napp.listen(port)", Some(5000)),
            ("const port: number = 5000;", Some(5000)),
            ("app.listen(process.env.PORT || 3000)", None),
            ("const { PORT = 3000 } = process.env;\napp.listen(PORT)", None),
            ("const port = process.env.port || 3000", Some(3000)),
            ("await app.listen(3000);", Some(3000)),
            ("serve({ fetch: app.fetch, port: 3000 })", Some(3000)),
            ("new Elysia().get('/', () => 'x').listen(3000)", Some(3000)),
            ("Hapi.server({\n  port: 3000,\n  host: '0.0.0.0'\n})", Some(3000)),
            ("// app.listen(3000)\napp.listen(4000)", Some(4000)),
            ("app.listen(3000)\nmetrics.listen(9100)", None),
            ("const db = { port: 5432 }\napp.listen(3000)", Some(3000)),
            ("import report from './report'\nexport const support = 3000", None),
            ("fetch(\"http://localhost:3000\")", None),
            ("http.ListenAndServe(\":3000\", nil)", Some(3000)),
            ("r.Run(\":9000\")", Some(9000)),
            ("e.Logger.Fatal(e.Start(\":1323\"))", Some(1323)),
            ("log.Fatal(app.Listen(\":3000\"))", Some(3000)),
            ("port := os.Getenv(\"PORT\")\nr.Run(\":\" + port)", None),
            ("timer.Start(5000)", None),
            ("setTimeout(fn.bind(null, 5000))", None),
            ("setTimeout(fn.bind(null, 5000))\napp.listen(4000)", Some(4000)),
            (".bind((\"0.0.0.0\", 10000))?", Some(10_000)),
            ("TcpListener::bind(\"0.0.0.0:3000\").await", Some(3000)),
            ("SocketAddr::from(([0, 0, 0, 0], 3000))", Some(3000)),
            ("app.run(host=\"0.0.0.0\", port=5000)", Some(5000)),
            ("HTTPServer((\"\", 8000), Handler)", Some(8000)),
            ("set :port, 4567", Some(4567)),
            ("|> mist.port(4000)", Some(4000)),
            ("if (port == 3000) {}", None),
            ("port = 99999", None),
            ("p\u{e4}ort = 1 port: 3000", Some(3000)),
        ] {
            assert_eq!(listened(text), port, "{text}");
        }
    }

    #[test]
    fn a_program_that_listens_on_its_own_machine_alone_is_told_of() {
        for (text, closed) in [
            ("Hapi.server({\n  port: 3000,\n  host: 'localhost'\n})", true),
            ("TcpListener::bind(\"127.0.0.1:3000\").await", true),
            ("app.run(host=\"127.0.0.1\")", true),
            ("app.listen(3000, \"localhost\")", true),
            ("app.listen(3000, '0.0.0.0')", false),
            ("// app.listen(3000, \"localhost\")", false),
            ("console.log('http://localhost:3000')", false),
            ("const db = { host: 'db' }", false),
            ("const db = mysql.createPool({\n  host: 'localhost'\n})\napp.listen(3000)", false),
            ("app.listen(3000)\nmodule.exports = {\n  host: 'localhost'\n}", false),
            ("http.createServer((q, a) => {\n  mysql.connect({\n    host: 'localhost'\n})", false),
            ("server.listen({\n  port: 3000,\n  host: '127.0.0.1',\n})", true),
            ("uvicorn.run(\n    app,\n    host=\"127.0.0.1\",\n)", true),
            ("Hapi.server({ port: 3000, host: 'localhost' })", true),
        ] {
            assert_eq!(is_closed(text), closed, "{text}");
        }
        assert!(asks_for_host("app.listen(3000, process.env.HOST || 'localhost')"));
        assert!(!asks_for_host("app.listen(3000, process.env.HOSTNAME)"));
        assert!(!asks_for_host("connect({ host: process.env.HOST })"));
    }
}
