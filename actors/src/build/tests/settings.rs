//! Builds by the settings that an app has for them.

use hythe_core::names::{BuildArg, BuildArgValue, BuildTarget, RepositoryPath};
use hythe_core::time::Millis;

use super::world::{World, unique};

#[tokio::test]
async fn arguments_target_and_folder_decide_what_is_built() {
    let world = World::new().await;
    let mark = unique();
    let text = format!(
        "FROM busybox AS base\nARG VERSION=none\nRUN echo version-$VERSION-{mark}\nLABEL which=base\n\
         COPY here.txt /\nFROM base AS last\nLABEL which=last\n"
    );
    let files = [
        ("ops/Dockerfile", text.as_str()),
        ("apps/web/here.txt", ""),
        ("apps/web/left-out.log", "canary"),
        ("apps/web/.dockerignore", "*.log\n"),
    ];
    world.repository("app", &files);
    let mut command = world.command("app");
    let app = command.spec.app;
    command.spec.build.dockerfile = Some(RepositoryPath::new("ops/Dockerfile").unwrap());
    command.spec.build.context = Some(RepositoryPath::new("apps/web").unwrap());
    let settings = command.spec.build.clone();
    let which = async |image: &str| {
        let image = world.docker().inspect_image(image).await.unwrap();
        image.config.unwrap().labels.unwrap()["which"].clone()
    };
    let (build, built) = world.build(command).await;
    assert!(build.text().contains(&format!("version-none-{mark}")), "{}", build.text());
    assert_eq!(which(built.unwrap().image.as_str()).await, "last");

    let mut command = world.command("app");
    command.spec.app = app;
    command.spec.build = settings.clone();
    command.spec.build.target = Some(BuildTarget::new("base").unwrap());
    let value = BuildArgValue::new("1.2 $(id) \"x\"").unwrap();
    command.spec.build.args.insert(BuildArg::new("VERSION").unwrap(), value);
    let settings = command.spec.build.clone();
    let (build, built) = world.build(command).await;
    let built = built.unwrap();
    assert!(build.text().contains("version-1.2 $(id) \"x\"-"), "{}", build.text());
    assert_eq!(which(built.image.as_str()).await, "base");

    // The same again needs no build, but where one is asked for.
    let mut command = world.command("app");
    command.spec.app = app;
    command.spec.build = settings.clone();
    let (build, same) = world.build(command).await;
    assert_eq!(same.unwrap(), built);
    assert!(build.text().contains("built in the same way before"), "{}", build.text());
    let mut command = world.command("app");
    command.spec.app = app;
    command.spec.build = settings;
    command.spec.build.no_cache = true;
    let (build, anew) = world.build(command).await;
    assert!(anew.is_ok() && build.text().matches("version-1.2").count() >= 1, "{}", build.text());
    assert!(build.text().contains("without anything"), "{}", build.text());
}

#[tokio::test]
async fn a_target_or_folder_that_is_not_there_is_named() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox AS only\n")]);
    let mut command = world.command("app");
    command.spec.build.target = Some(BuildTarget::new("release").unwrap());
    let (_, outcome) = world.build(command).await;
    let fault = outcome.unwrap_err().message;
    assert!(fault.contains("release"), "{fault}");
    let mut command = world.command("app");
    command.spec.build.context = Some(RepositoryPath::new("apps/web").unwrap());
    let (_, outcome) = world.build(command).await;
    let fault = outcome.unwrap_err().message;
    assert!(fault.contains("no folder apps/web"), "{fault}");
}

#[tokio::test]
async fn an_app_keeps_its_cache_mounts_and_no_other_app_sees_them() {
    let world = World::new().await;
    let id = unique();
    let file = |n: u32| {
        format!(
            "FROM busybox\nRUN --mount=type=cache,id={id},target=/cache \
             echo \"round {n}: $(ls /cache | tr '\\n' ' ')\"; touch /cache/from-{n}\n"
        )
    };
    let repository = world.repositories.create("app", &[("Dockerfile", &file(1))]);
    let first = world.command("app");
    let app = first.spec.app;
    let (build, built) = world.build(first).await;
    assert!(built.is_ok() && build.text().contains("round 1: "), "{}", build.text());
    repository.commit(&[("Dockerfile", &file(2))]);
    let mut again = world.command("app");
    again.spec.app = app;
    let (build, _) = world.build(again).await;
    assert!(build.text().contains("round 2: from-1"), "{}", build.text());
    repository.commit(&[("Dockerfile", &file(3))]);
    let (build, _) = world.build(world.command("app")).await;
    assert!(build.text().contains("round 3:"), "{}", build.text());
    assert!(!build.text().contains("from-1 "), "another app's: {}", build.text());
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_ended_and_says_so() {
    let world = World::new().await;
    let mark = unique();
    let text = format!("FROM busybox\nRUN echo {mark}; sleep 600\n");
    world.repository("app", &[("Dockerfile", &text)]);
    let mut command = world.command("app");
    command.spec.build.within = Millis::seconds(3);
    let (_, outcome) = world.build(command).await;
    let fault = outcome.unwrap_err().message;
    for part in ["not done within 3", "--build-timeout", "building the image"] {
        assert!(fault.contains(part), "{fault}");
    }
    let left = super::world::processes(&mark);
    assert!(left.is_empty(), "it still runs: {left:?}");
}

#[tokio::test]
async fn what_the_image_asks_for_and_does_not_get_is_in_the_log() {
    let world = World::new().await;
    let text = "FROM busybox\nVOLUME /b /var/lib/a\nHEALTHCHECK --start-period=9m CMD true\n";
    world.repository("app", &[("Dockerfile", text)]);
    let (build, outcome) = world.build(world.command("app")).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    for part in ["the image keeps data in /b, /var/lib/a (VOLUME)", "app set app --health-start 9m"]
    {
        assert!(build.text().contains(part), "{}", build.text());
    }
}
