//! Apps of Deno.

use serde_json::Value;

use super::images;
use super::node::said;
use super::ports;
use super::recipe::{Recipe, Run, User};
use super::repo::Repo;
use super::versions;
use super::words::Start;
use crate::rejection::Rejection;

/// The port that Deno serves on unless it is told another.
const OF_DENO: u16 = 8000;
const ENTRIES: &[&str] = &[
    "main.ts",
    "server.ts",
    "app.ts",
    "index.ts",
    "mod.ts",
    "main.tsx",
    "main.js",
    "server.js",
    "src/main.ts",
    "src/server.ts",
];

/// Finds out how an app of Deno is built; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let Some(manifest) = repo.first(&["deno.json", "deno.jsonc", "deno.lock"]) else {
        return Ok(None);
    };
    // Whoever only tries it, or runs tools by it, has a lock beside those of others.
    let asked = repo.overrides.preset.as_deref() == Some("deno");
    if manifest == "deno.lock" && repo.has("package.json") && !asked {
        return Ok(None);
    }
    let settings: Value = match repo.text("deno.json")? {
        Some(text) => {
            serde_json::from_str(&plain(text)).map_err(|error| repo.broken("deno.json", &error))?
        }
        // It is only asked for tasks, which can also be named in hythe.toml.
        None => serde_json::from_str(&plain(repo.texts_of("deno.jsonc"))).unwrap_or_default(),
    };
    let line_of = |name: &str| {
        let task = settings.pointer(&format!("/tasks/{name}"))?;
        task.as_str().or_else(|| task.get("command")?.as_str())
    };
    let task = |name: &str| settings.pointer(&format!("/tasks/{name}")).is_some();
    // What starts it for whoever develops it has another one beside that starts what was built.
    let for_development = |name: &str| {
        line_of(name).is_some_and(|line| line.contains("--watch") || line.ends_with(" dev.ts"))
    };
    let started = match (task("start"), task("preview")) {
        (true, true) if for_development("start") => Some("preview"),
        (true, _) => Some("start"),
        (false, true) => Some("preview"),
        (false, false) => None,
    };
    let (line, why) = versions::choose(&images::DENO, said(repo, "deno").as_ref())?;
    let mut recipe = Recipe::new("deno", line.build, line.run);
    recipe.versions.push(("deno", line.line.to_owned()));
    recipe.manager = Some("deno");
    recipe.because(format!("{manifest} is there"));
    recipe.because(why);
    recipe.user = User::There("deno");
    recipe.build_env("DENO_DIR", "/deno-dir");
    recipe.run_env("DENO_DIR", "/deno-dir");
    recipe.taken.insert(0, ("/deno-dir/".to_owned(), "/deno-dir/".to_owned()));
    recipe.sure = started.is_some();
    let entry = repo.first(ENTRIES);
    let imports = settings.get("imports").map(Value::to_string).unwrap_or_default();
    if imports.contains("fresh") {
        recipe.framework = Some("Fresh");
    } else if imports.contains("@oak/oak") {
        recipe.framework = Some("oak");
    } else if imports.contains("hono") {
        recipe.framework = Some("Hono");
    }
    let apart = settings.get("nodeModulesDir").is_some() || repo.has("package.json");
    if apart && line.line != "1" {
        recipe.because("what it depends on lies in a folder of its own: it is installed there");
        recipe.install.push(Run::own("deno install").of_app());
    }
    if task("build") {
        recipe.because("it has a task \u{201c}build\u{201d}");
        recipe.build.push(Run::own("deno task build").of_app());
    }
    recipe.start = match (started, entry) {
        (Some(name), _) => {
            recipe.because(format!("it has a task \u{201c}{name}\u{201d}"));
            Some(Start::words(&["deno", "task", name]))
        }
        (None, Some(entry)) => {
            recipe.because(format!("{entry} is where it begins"));
            Some(Start::words(&[
                "deno",
                "run",
                "--allow-net",
                "--allow-env",
                "--allow-read",
                entry,
            ]))
        }
        (None, None) => None,
    };
    if let Some(port) = port(repo, started.and_then(line_of), entry) {
        recipe.because(format!("it listens on port {port}"));
        recipe.port = port;
    }
    if let Some(entry) = entry {
        recipe.finish.push(Run::own(format!("deno cache {entry}")));
    } else {
        recipe.finish.push(Run::own("mkdir -p /deno-dir"));
    }
    Ok(Some(recipe))
}

/// The port that it listens on, where it does not ask for one: Deno's own, or what its program says.
fn port(repo: &Repo<'_>, task: Option<&str>, entry: Option<&str>) -> Option<u16> {
    let words = task.unwrap_or_default().split(' ');
    let named: Vec<&str> = words.filter(|word| ENTRIES.contains(word)).collect();
    let text = repo.texts_of(named.first().copied().or(entry).unwrap_or_default());
    if task.is_some_and(|task| task.contains("deno serve")) {
        return (!task.unwrap_or_default().contains("--port")).then_some(OF_DENO);
    }
    let asks = text.contains("PORT");
    ports::listened(text).or_else(|| (text.contains("Deno.serve(") && !asks).then_some(OF_DENO))
}

/// JSON without what Deno allows in it besides: comments, and commas behind the last of several.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                plain.push(c);
                plain.extend(chars.next());
            }
            '"' => {
                quoted = !quoted;
                plain.push(c);
            }
            '/' if !quoted && chars.peek() == Some(&'/') => {
                while chars.next_if(|c| *c != '\n').is_some() {}
            }
            '/' if !quoted && chars.next_if_eq(&'*').is_some() => {
                let mut before = ' ';
                for c in chars.by_ref() {
                    if (before, c) == ('*', '/') {
                        break;
                    }
                    before = c;
                }
                plain.push(' ');
            }
            '}' | ']' if !quoted => {
                let end = plain.trim_end().len();
                if plain.get(..end).is_some_and(|before| before.ends_with(',')) {
                    plain.truncate(end - 1);
                }
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deno_allows_besides_is_left_out() {
        for (text, expected) in [
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("// x\n{\"a\": [1, /* y */ 2, ],\n}", "{\"a\": [1, 2]}"),
            ("{\"a\": \"//, /* ,] \\\" , }\"}", "{\"a\": \"//, /* ,] \\\" , }\"}"),
            ("{ /*/ \"b\": 1 */ \"a\": 1 /* **/ , // c\n }", "{\"a\": 1}"),
        ] {
            let read: Value = serde_json::from_str(&plain(text)).unwrap();
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(read, expected, "{text}");
        }
        assert!(serde_json::from_str::<Value>(&plain("{ /* open")).is_err());
    }
}
