//! Images of registries that are pulled as they are.

use hythe_core::source::{ImageRef, Source};
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use serde_json::json;

use super::registries::{USER, with_logins};
use super::registry::{Auth, Below, Registry};
use super::secrets::{holds, saved};
use super::world::{World, unique};

fn command(world: &World, image: &str) -> BuildCommand {
    let mut command = world.command("none");
    command.spec.source = Source::Image(ImageRef::new(image).unwrap());
    // Of an app that was deployed from a repository before: it says nothing about an image.
    command.spec.build = super::world::dockerfile("docker/Dockerfile");
    command.spec.build.target = Some("release".parse().unwrap());
    command.spec.build.args = [("A".parse().unwrap(), "b".parse().unwrap())].into();
    command
}

#[tokio::test]
async fn an_image_is_fixed_to_what_its_tag_means_and_pulled_once() {
    let world = World::new().await;
    let (first, second) = (unique(), unique());
    let registry = Registry::start(Auth::Nobody, "", "", &first);
    let below = Below {
        config: json!({ "ExposedPorts": { "9000/tcp": {}, "4000/tcp": {}, "53/udp": {} } }),
        ..Below::default()
    };
    let digest = registry.push(&below, &first);
    let wanted = command(&world, &registry.image());
    let (app, deployment) = (wanted.spec.app, wanted.deployment);
    let (build, built) = world.build(wanted.clone()).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    assert_eq!(format!("sha256:{}", built.commit), digest);
    assert_eq!(built.port, 4000);
    let log = build.text();
    for part in ["asking the registry", &digest, "pulling the image", "pulled sha256:"] {
        assert!(log.contains(part), "{part} is missing in:\n{log}");
    }
    assert!(holds(&saved(built.image.as_str()).await, &first));
    let name = format!("hythe/{app}:{deployment}");
    let labels = world.docker().inspect_image(&name).await.unwrap().config.unwrap().labels.unwrap();
    assert_eq!(labels["hythe.instance"], world.settings.installation.to_string());

    // The same again: the registry is asked what the tag means, and nothing is pulled.
    let mut again = command(&world, &registry.image());
    again.spec.app = app;
    let (build, same) = world.build(again.clone()).await;
    assert_eq!(same.unwrap(), built);
    assert!(build.text().contains("was pulled before"), "{}", build.text());

    // The tag moves: what was fixed stays what it was, even where the image is gone.
    let moved = registry.push(&below, &second);
    let mut fixed = command(&world, "none");
    fixed.spec.source = wanted.spec.source.at(&built.commit);
    let (_, kept) = world.build(fixed).await;
    let kept = kept.unwrap();
    assert_eq!(kept.commit, built.commit);
    assert!(holds(&saved(kept.image.as_str()).await, &first));
    again.deployment = hythe_core::ids::DeploymentId::new(uuid::Uuid::now_v7());
    let (_, newer) = world.build(again).await;
    assert_eq!(format!("sha256:{}", newer.unwrap().commit), moved);
}

#[tokio::test]
async fn what_is_wrong_with_an_image_is_said_with_what_to_do() {
    let world = World::new().await;
    let registry = Registry::start(Auth::Nobody, "", "", &unique());
    let host = registry.host();
    let closed = "127.0.0.1:1/team/base:1".to_owned();
    for (image, parts) in [
        (format!("{host}/team/base:2"), ["there is no image", "check its name and tag"]),
        (format!("{host}/team/none:1"), ["there is no image", "check its name and tag"]),
        (closed, ["could not be asked", "whether the worker's machine reaches it"]),
    ] {
        let (build, outcome) = world.build(command(&world, &image)).await;
        let message = outcome.unwrap_err().message;
        for part in parts {
            assert!(message.contains(part), "{part}: {message}\n{}", build.text());
        }
        assert!(message.contains(&image), "{message}");
    }
    let missing = format!("{host}/team/base@sha256:{}", "0".repeat(64));
    let (_, outcome) = world.build(command(&world, &missing)).await;
    assert!(outcome.unwrap_err().message.contains("cannot be had"));
}

#[tokio::test]
async fn an_image_that_needs_a_login_says_so_and_is_pulled_with_it() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let world = World::new().await;
        let canary = format!("canary-{}", unique());
        let text = unique();
        let registry = Registry::start(auth, USER, &canary, &text);
        let host = registry.host();
        let advice = format!("hythe registry login {host} --username NAME --password-stdin");
        let wanted = || command(&world, &registry.image());
        let (build, outcome) = world.build(wanted()).await;
        let message = outcome.unwrap_err().message;
        assert!(message.contains(&advice), "{message}\n{}", build.text());
        let wrong = with_logins(&world, wanted(), &[(&host, "wrong-password")]);
        let (_, outcome) = world.build(wrong).await;
        let message = outcome.unwrap_err().message;
        assert!(message.contains(&advice) && message.contains(USER), "{message}");

        let right = with_logins(&world, wanted(), &[(&host, &canary)]);
        let (build, outcome) = world.build(right).await;
        let built = outcome.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
        assert!(holds(&saved(built.image.as_str()).await, &text), "{auth:?}");
        assert!(!build.text().contains(&canary));
    }
}

#[tokio::test]
async fn a_pull_can_be_cancelled() {
    let world = World::new().await;
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/team/base:1", silent.local_addr().unwrap());
    let mut build = world.give(command(&world, &image)).await;
    build.until("asking the registry").await;
    world.builder().cancel(build.command.deployment, 1).await.unwrap();
    assert_eq!(build.end().await, BuildProgress::Cancelled);
}
