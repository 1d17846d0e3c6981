//! Apps without a Dockerfile, from their repository to their URL.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn an_app_without_a_dockerfile_goes_live_and_says_what_it_was_found_to_be() {
    let scene = Scene::new();
    let server =
        "require('http').createServer((q, a) => a.end('from node')).listen(process.env.PORT)";
    let package = r#"{"scripts":{"start":"node server.js"},"engines":{"node":"20"}}"#;
    let repository = scene.repository(
        "shop",
        &[("package.json", package.to_owned()), ("server.js", server.to_owned())],
    );
    let live = scene.deploy_live("shop");
    scene.assert_serves("shop", "from node");
    let id = live["deployment"].as_str().unwrap();
    let log = scene.hythe.run(&["logs", "shop", "--build", id]);
    assert!(log.out.contains("engines.node in package.json"), "{}{}", log.out, log.err);

    // What people say goes before what was found, and what they get wrong is named.
    repository.commit(&[("hythe.toml", "[build]\nstrat = \"node other.js\"\n")]);
    let said = scene.hythe.run(&["deploy", "shop", "--wait", "--json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let document = said.json();
    assert_eq!(document["failure"]["stage"], json!("building"), "{document}");
    let message = document["failure"]["message"].as_str().unwrap();
    assert!(message.contains("line 2") && message.contains("did you mean start?"), "{message}");
    scene.assert_serves("shop", "from node");

    let other = server.replace("from node", "from the other");
    repository.commit(&[
        ("hythe.toml", "[build]\nstart = \"node other.js\"\n"),
        ("other.js", other.as_str()),
    ]);
    scene.deploy_live("shop");
    scene.assert_serves("shop", "from the other");
    scene.finish();
}
