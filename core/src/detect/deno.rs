//! Apps of Deno.

use serde_json::Value;

use super::images;
use super::node::said;
use super::recipe::{Recipe, Run, User};
use super::repo::Repo;
use super::versions;
use super::words::Start;
use crate::rejection::Rejection;

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
    let task = |name: &str| settings.pointer(&format!("/tasks/{name}")).is_some();
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
    recipe.sure = task("start");
    let entry = repo.first(ENTRIES);
    let imports = settings.get("imports").map(Value::to_string).unwrap_or_default();
    if imports.contains("fresh") {
        recipe.framework = Some("Fresh");
    } else if imports.contains("@oak/oak") {
        recipe.framework = Some("oak");
    } else if imports.contains("hono") {
        recipe.framework = Some("Hono");
    }
    if task("build") {
        recipe.because("it has a task \u{201c}build\u{201d}");
        recipe.build.push(Run::own("deno task build").of_app());
    }
    recipe.start = match (task("start"), entry) {
        (true, _) => {
            recipe.because("it has a task \u{201c}start\u{201d}");
            Some(Start::words(&["deno", "task", "start"]))
        }
        (false, Some(entry)) => {
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
        (false, None) => None,
    };
    if let Some(entry) = entry {
        recipe.finish.push(Run::own(format!("deno cache {entry}")));
    } else {
        recipe.finish.push(Run::own("mkdir -p /deno-dir"));
    }
    Ok(Some(recipe))
}

/// JSON without what Deno allows in it besides: comments, and commas behind the last of several.
fn plain(text: &str) -> String {
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
