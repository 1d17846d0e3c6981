//! Hostile text in every field: refused with a message, by the CLI and by the API.

use serde_json::{Value, json};

use crate::scene::Scene;

const CORPUS: [&str; 12] = [
    "-x",
    "--upload-pack=touch /tmp/pwned",
    "a\nb",
    "a\r\nHost: evil",
    "$(touch /tmp/pwned)",
    "`id`",
    "; rm -rf /",
    "..",
    "../../etc/passwd",
    "a\0b",
    "\u{202e}evil",
    "",
];

/// A request to create an app, with a text in one field.
type Body = fn(&str) -> Value;

#[test]
fn hostile_text_is_refused_in_every_field() {
    let scene = Scene::new();
    assert_eq!(scene.hythe.run(&["app", "create", "shop"]).code, 0);
    let huge = "a".repeat(10 * 1024 * 1024);
    let repo = "https://git.example/a.git";
    let fields: [(&str, Body); 6] = [
        ("name", |text| json!({ "name": text })),
        ("repository", |text| json!({ "name": "ok", "repository": text })),
        (
            "branch",
            |text| json!({ "name": "ok", "repository": "https://git.example/a.git", "branch": text }),
        ),
        (
            "commit",
            |text| json!({ "name": "ok", "repository": "https://git.example/a.git", "commit": text }),
        ),
        ("dockerfile", |text| json!({ "name": "ok", "dockerfile": text })),
        ("health_path", |text| json!({ "name": "ok", "health_path": text })),
    ];
    for (field, body) in fields {
        for text in CORPUS {
            // Shell text is nothing special in a path of a repository: there is no shell.
            if field == "dockerfile"
                && ["$(touch /tmp/pwned)", "`id`", "\u{202e}evil", "; rm -rf /"].contains(&text)
            {
                continue;
            }
            if field == "branch" && ["$(touch /tmp/pwned)", "`id`", "\u{202e}evil"].contains(&text)
            {
                continue;
            }
            let (status, answer) = scene.hythe.api("POST", "/api/v1/apps", Some(&body(text)));
            assert!((400..500).contains(&status), "{field} {text:?}: {status} {answer}");
            assert!(answer["detail"].as_str().is_some_and(|d| !d.is_empty()), "{field}: {answer}");
        }
    }
    let args: [&[&str]; 5] = [
        &["deploy", "{}", "--repo", repo],
        &["deploy", "shop", "--repo", "{}"],
        &["deploy", "shop", "--repo", repo, "--commit", "{}"],
        &["env", "set", "shop", "{}=x"],
        &["app", "create", "{}"],
    ];
    for row in args {
        for text in CORPUS.iter().filter(|text| !text.contains('\0')) {
            let args: Vec<String> = row.iter().map(|part| part.replace("{}", text)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let said = scene.hythe.run(&args);
            assert_eq!(said.code, 2, "{args:?}: {}{}", said.out, said.err);
            assert!(!said.err.is_empty(), "{args:?} says nothing");
        }
    }
    let path = scene.hythe.data().join("huge.json");
    std::fs::write(&path, json!({ "name": huge }).to_string()).unwrap();
    let answer = hythe_tests::installation::curl(&[
        "-X",
        "POST",
        &format!("http://{}/api/v1/apps", scene.hythe.gateway()),
        "-H",
        &format!("Authorization: Bearer {}", scene.hythe.token()),
        "-H",
        "Content-Type: application/json",
        "-H",
        "Expect:",
        "--data-binary",
        &format!("@{}", path.display()),
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ]);
    assert_eq!(answer.out, "413");
    std::fs::remove_file(path).unwrap();
    assert!(!std::path::Path::new("/tmp/pwned").exists());
    scene.finish();
}

#[test]
fn without_the_token_nothing_is_said() {
    let scene = Scene::new();
    let gateway = scene.hythe.gateway();
    for path in ["/api/v1/apps", "/api/v1/events", "/api/v1/openapi.json", "/metrics"] {
        let url = format!("http://{gateway}{path}");
        for header in ["X-Nothing: 1", "Authorization: Bearer wrong"] {
            let args = [&url, "-H", header, "-o", "/dev/null", "-w", "%{http_code}"];
            assert_eq!(hythe_tests::installation::curl(&args).out, "401", "{path} {header}");
        }
    }
    let healthy = format!("http://{gateway}/healthz");
    let args = [&healthy, "-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(hythe_tests::installation::curl(&args).out, "200");
    let mut command = scene.hythe.command(&["app", "ls"]);
    let refused = command.env("HYTHE_TOKEN", "wrong").output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    scene.finish();
}
