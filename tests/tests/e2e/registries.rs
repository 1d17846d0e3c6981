//! Base images of a registry that wants a login, from the command line to the app that serves.

use hythe_tests::registry::{Auth, Registry};

use crate::scene::Scene;

#[test]
fn an_app_is_built_from_a_private_image_once_builds_may_log_in() {
    let scene = Scene::new();
    let password = "canary-c4ca4238a0b923820dcc509a6f75849b";
    let registry = Registry::start(Auth::Bearer, "ci", password, "from the registry");
    let host = registry.host();
    let dockerfile = format!(
        "FROM {} AS base\nFROM busybox\nCOPY --from=base /from-the-registry /w/index.html\n\
         EXPOSE 8080\nCMD [\"sh\", \"-c\", \"exec httpd -f -p $PORT -h /w\"]\n",
        registry.image()
    );
    scene.repository("shop", &[("Dockerfile", dockerfile)]);
    let refused = scene.hythe.run(&["deploy", "shop", "--repo", &scene.url("shop")]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    let advice = format!("hythe registry login {host} --username NAME --password-stdin");
    assert!(refused.err.contains(&advice), "{}", refused.err);

    let args = ["registry", "login", &host, "--username", "ci", "--password-stdin"];
    let said = scene.with_input(&args, &format!("{password}\n"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let deployed = scene.hythe.json(&["deploy", "shop", "--wait"]);
    scene.assert_serves("shop", "from the registry");

    let listed = scene.hythe.run(&["registry", "ls"]);
    assert!(listed.out.contains(&host) && !listed.out.contains(password), "{}", listed.out);
    let events = scene.hythe.run(&["events", "--after", "0", "--json"]);
    assert!(events.out.contains("registry_set") && !events.out.contains(password));
    let id = deployed["deployment"].as_str().unwrap();
    let log = scene.hythe.run(&["logs", "shop", "--build", id]);
    assert!(log.out.contains(&registry.image()) && !log.out.contains(password), "{}", log.out);
    assert!(!scene.hythe.logs().contains(password));
    let found = super::deploys::files_with(scene.hythe.data(), password);
    assert!(found.is_empty(), "the password lies in {found:?}");

    let gone = scene.hythe.run(&["registry", "logout", &host]);
    assert_eq!(gone.code, 0, "{}{}", gone.out, gone.err);
    let refused = scene.hythe.run(&["deploy", "shop", "--no-cache"]);
    assert!(refused.err.contains(&advice), "{}{}", refused.out, refused.err);
    scene.assert_serves("shop", "from the registry");
    scene.finish();
}
