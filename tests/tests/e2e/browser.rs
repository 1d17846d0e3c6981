//! The dashboard in a real browser, on a real installation.

use std::path::Path;
use std::process::Command;

use hythe_tests::repository::apps;

use crate::scene::Scene;

#[test]
fn the_dashboard_shows_apps_deployments_and_logs() {
    let scene = Scene::new();
    scene.repository("shop", &apps::page("one"));
    scene.deploy_live("shop");
    // A request of which the access log tells.
    scene.assert_serves("shop", "one");
    scene.repository("docs", &[("index.html", "docs".to_owned())]);
    scene.deploy_live("docs");
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    assert!(web.join("dist/index.html").is_file(), "no page to look at: run scripts/web-build");
    let output = Command::new("npm")
        .args(["run", "--silent", "test:browser"])
        .current_dir(&web)
        .env("HYTHE_URL", format!("http://{}", scene.hythe.gateway()))
        .env("HYTHE_TOKEN", scene.hythe.token())
        .env("HYTHE_TEST_APP", "shop")
        .env("HYTHE_TEST_SITE", "docs")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    scene.finish();
}
