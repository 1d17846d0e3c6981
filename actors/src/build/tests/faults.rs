//! Builds that fail, and say why.

use hythe_core::deployment::Fault;
use hythe_core::source::Reference;
use hythe_core::time::Millis;
use hythe_core::wire::build::BuildCommand;

use super::super::publish::now;
use super::git_server::GitServer;
use super::world::{World, at, branch, commit, dockerfile, tag, unique};

async fn fails(world: &World, command: BuildCommand, parts: &[&str]) -> Fault {
    let (build, outcome) = world.build(command).await;
    let fault = outcome.unwrap_err();
    for part in parts {
        assert!(fault.message.contains(part), "{part:?} is missing in: {}", fault.message);
    }
    let log = build.text();
    assert!(log.contains("the build failed: "), "{log}");
    fault
}

#[tokio::test]
async fn a_failed_step_is_named_with_its_last_lines() {
    let world = World::new().await;
    let mark = unique();
    let text = format!(
        "FROM busybox\nRUN for i in $(seq 1 50); do echo {mark}-$i; done; echo oh no >&2; exit 7\n"
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let fault = fails(&world, world.command("app"), &["`RUN for i in", "exit code 7"]).await;
    assert_eq!(fault.log.len(), 20);
    assert!(fault.log.contains(&"oh no".to_owned()), "{:?}", fault.log);
    assert!(fault.log.contains(&format!("{mark}-50")), "{:?}", fault.log);
    let app = world.command("app").spec.app;
    assert!(world.docker().inspect_image(&format!("hythe/{app}")).await.is_err());
}

#[tokio::test]
async fn dockerfiles_that_cannot_be_built_say_why() {
    let world = World::new().await;
    let repository = world.repositories.create(
        "app",
        &[
            ("wrong", "FORM busybox\n"),
            ("empty", ""),
            ("base", "FROM registry.invalid/none:1\n"),
            ("copy", "FROM busybox\nCOPY not-there /\n"),
            ("docker/Dockerfile.prod", "FROM busybox\n"),
        ],
    );
    drop(repository);
    let rows: &[(Option<&str>, &[&str])] = &[
        (None, &["looked for Dockerfile", "docker/Dockerfile.prod"]),
        (Some("none"), &["there is no none", "docker/Dockerfile.prod"]),
        (Some("docker"), &["docker is a folder"]),
        (Some("wrong"), &["unknown instruction: FORM"]),
        (Some("empty"), &["Dockerfile"]),
        (Some("base"), &["base image registry.invalid/none:1 cannot be had"]),
        (Some("copy"), &["`COPY not-there /` failed", "not found"]),
    ];
    for (path, parts) in rows {
        let mut command = world.command("app");
        if let Some(path) = path {
            command.spec.build = dockerfile(path);
        }
        fails(&world, command, parts).await;
    }
}

#[tokio::test]
async fn sources_that_cannot_be_fetched_say_why() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let empty = world.repositories.root().join("empty.git");
    let made =
        std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(&empty).status();
    assert!(made.unwrap().success());
    let private = GitServer::start_private(world.repositories.root(), "me", "secret");
    let here = world.repositories.root().join("app.git");
    let file = format!("file://{}", here.display());
    let (url, closed) = (world.url("app"), "http://127.0.0.1:9/app.git");
    let missing = "0123456789abcdef0123456789abcdef01234567";
    let rows: &[(&str, Reference, &[&str])] = &[
        (&world.url("none"), Reference::DefaultBranch, &["/none.git was not found"]),
        (&world.url("empty"), Reference::DefaultBranch, &["has no commit yet"]),
        (&url, branch("nope"), &["no branch or tag nope"]),
        (&url, branch("mian"), &["no branch or tag mian; the nearest that it has: main"]),
        (&url, tag("v1"), &["no tag v1, nor any other tag"]),
        (&url, tag("main"), &["no tag main, but a branch of that name: --branch main"]),
        (&url, branch("a$(id)&b"), &["no branch or tag a$(id)&b"]),
        (&url, commit(missing), &["has no commit 0123456789"]),
        (
            &format!("{}/app.git", private.url()),
            Reference::DefaultBranch,
            &["private or does not exist", "hythe source token set"],
        ),
        (closed, Reference::DefaultBranch, &["cannot be reached"]),
        ("http://no.such.host.invalid/a", Reference::DefaultBranch, &["cannot be reached"]),
        (&file, Reference::DefaultBranch, &["is not allowed", "--local-repos"]),
        ("ssh://git@127.0.0.1/a.git", Reference::DefaultBranch, &["hythe source key app"]),
        ("git@127.0.0.1:a.git", Reference::DefaultBranch, &["hythe source key app"]),
    ];
    for (url, reference, parts) in rows {
        let mut command = world.command_for(url);
        command.spec.source = at(&command, reference.clone());
        let fault = fails(&world, command, parts).await;
        assert!(!fault.message.contains("secret"), "{}", fault.message);
    }
}

#[tokio::test]
async fn local_repositories_are_built_where_they_are_allowed() {
    let repositories = tempfile::tempdir().unwrap();
    let folder = repositories.path().join("all of them");
    std::fs::create_dir(&folder).unwrap();
    let world = World::with(|settings| settings.git.local_repos = vec![folder.clone()]).await;
    let repository = world.repositories.create("app", &[("Dockerfile", "FROM busybox\n")]);
    let inside = folder.join("app.git");
    std::fs::rename(repository.path(), &inside).unwrap();
    // Another user's, as a repository of the person who started a builder that is root.
    let mode = std::process::Command::new("chown").args(["-R", "65534"]).arg(&inside).status();
    assert!(mode.unwrap().success());
    let url = format!("file://{}", inside.display()).replace(' ', "%20");
    let (_, built) = world.build(world.command_for(&url)).await;
    built.unwrap();
}

#[tokio::test]
async fn a_source_beyond_the_limit_is_refused() {
    let world = World::with(|settings| settings.git.most_bytes = 1024 * 1024).await;
    let big = "x".repeat(2 * 1024 * 1024);
    world.repository("app", &[("Dockerfile", "FROM busybox\n"), ("big", &big)]);
    fails(&world, world.command("app"), &["more than 1 MiB"]).await;
}

#[tokio::test]
async fn a_build_has_an_end_in_any_case() {
    let world = World::new().await;
    let text = format!("FROM busybox\nRUN echo {}; sleep 600\n", unique());
    world.repository("app", &[("Dockerfile", &text)]);
    let mut command = world.command("app");
    // Enough to come as far as that, also on a busy machine.
    command.until = now().plus(Millis::seconds(10));
    fails(&world, command, &["not done in the time", "building the image"]).await;
}
