//! `hythe init` and `hythe import`, without a server.

use std::path::Path;

use super::common::{hythe, run};
use super::ports::free_addresses;

/// Runs a command in a folder, where no server answers.
fn within(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let [nobody] = free_addresses();
    let mut command = hythe();
    command.args(args).env("HYTHE_URL", format!("http://{nobody}"));
    let said = run(command.current_dir(folder));
    (said.code, said.out, said.err)
}

#[test]
fn init_writes_what_was_found_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let init = |args: &[&str]| within(folder.path(), &[&["init"], args].concat());

    let (code, _, err) = init(&[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nothing to build was found") && !at("hythe.toml").exists(), "{err}");

    std::fs::write(at("package.json"), r#"{"scripts":{"start":"node a.js"}}"#).unwrap();
    std::fs::write(at("Procfile"), "worker: node w.js\n").unwrap();
    let (_, shown, _) = init(&["--print"]);
    assert!(shown.contains("start = \"node a.js\"") && !at("hythe.toml").exists(), "{shown}");
    assert!(shown.contains("[processes.worker]\ncommand = \"node w.js\"\n"), "{shown}");
    let (code, out, err) = init(&[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("hythe.toml") && out.contains("node"), "{out}");
    assert_eq!(std::fs::read_to_string(at("hythe.toml")).unwrap(), shown);
    let (_, found, _) = within(folder.path(), &["detect", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["start"], "node a.js");

    // What people wrote is not lost, and is no reason either for what is written anew.
    std::fs::write(at("hythe.toml"), "[build]\nstart = \"mine\"\n").unwrap();
    let (code, _, err) = init(&[]);
    assert_eq!((code, err.contains("--force")), (1, true), "{err}");
    assert!(std::fs::read_to_string(at("hythe.toml")).unwrap().contains("mine"));
    let (code, out, _) = init(&["--force", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["text"].as_str().unwrap()), (0, shown.as_str()));
    assert_eq!(std::fs::read_to_string(at("hythe.toml")).unwrap(), shown);
}

#[test]
fn the_schema_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = within(folder.path(), &["init", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &schema["properties"]["build"]["type"]), (0, &"object".into()));
}

#[test]
fn import_says_what_it_took_and_what_it_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let import = |args: &[&str]| within(folder.path(), &[&["import"], args].concat());

    let (code, _, err) = import(&[]);
    assert_eq!((code, err.contains("looked for: hythe.toml")), (1, true), "{err}");

    std::fs::write(at("main.py"), "").unwrap();
    std::fs::write(at("requirements.txt"), "flask\n").unwrap();
    std::fs::write(
        at("fly.toml"),
        "app = \"a\\u001b[31m\"\n[http_service]\ninternal_port = 5000\n[mounts]\nsource = \"d\"\n",
    )
    .unwrap();
    std::fs::write(at("railway.json"), r#"{"deploy":{"startCommand":"flask run"}}"#).unwrap();
    std::fs::write(at("Procfile"), "worker: celery -A shop\n").unwrap();
    let (code, out, err) = import(&[]);
    assert_eq!(code, 0, "{err}");
    for words in ["fly.toml http_service.internal_port", "port: 5000", "mounts.source", "start:"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(err.contains("--write") && err.contains("--app"), "{err}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
    assert!(!at("hythe.toml").exists());

    let (code, out, err) = import(&["--write", "--json"]);
    assert_eq!(code, 0, "{err}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["app"]["port"], 5000);
    let worker = serde_json::json!(["celery", "-A", "shop"]);
    assert_eq!(document["app"]["processes"]["worker"]["command"], worker);
    assert_eq!(document["wrote"], "./hythe.toml");
    let text = std::fs::read_to_string(at("hythe.toml")).unwrap();
    assert!(text.contains("\nstart = \"flask run\"\n"), "{text}");
    let (code, _, err) = import(&["--write"]);
    assert_eq!((code, err.contains("already")), (1, true), "{err}");
    let (code, _, err) = import(&["--app", "shop"]);
    assert_eq!((code, err.contains("hythe up")), (3, true), "{err}");
    let (code, _, err) = import(&["--app", "No One"]);
    assert_eq!((code, err.contains("app name")), (2, true), "{err}");
}
