//! Private repositories over https and over ssh, and canaries that must not be found anywhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use hythe_core::installation::{SourcePrefix, SourceUser, SshHost, SshKey};
use hythe_core::wire::build::{
    AccessFor, BuildCommand, BuildProgress, KnownHost, SealedAccess, SealedToken,
};

use super::git_server::GitServer;
use super::secrets::{files_below, holds, saved};
use super::ssh_server::SshServer;
use super::world::{World, unique};
use crate::node::Keys;

const USER: &str = "x-access-token";

/// What is sealed for a build.
#[derive(Default)]
struct Content {
    tokens: Vec<(String, String)>,
    key: Option<String>,
    hosts: Vec<(String, String)>,
}

/// A command that brings it, sealed for the builder as the control plane does it.
fn with(world: &World, mut command: BuildCommand, content: Content) -> BuildCommand {
    let keys = Keys::open(&world.settings.sealing_key).unwrap();
    let token = |(prefix, password): (String, String)| SealedToken {
        prefix: SourcePrefix::parse(&prefix).unwrap(),
        user: SourceUser::new(USER).unwrap(),
        password,
    };
    let host = |(host, key): (String, String)| KnownHost {
        host: SshHost::parse(&host).unwrap(),
        keys: vec![SshKey::parse(&key).unwrap()],
    };
    let content = SealedAccess {
        deployment: command.deployment,
        tokens: content.tokens.into_iter().map(token).collect(),
        key: content.key,
        hosts: content.hosts.into_iter().map(host).collect(),
    };
    let plain = postcard::to_stdvec(&content).unwrap();
    let sealed = PublicKey::from(keys.public().0).seal(&mut OsRng, &plain).unwrap();
    command.access = vec![AccessFor { worker: world.settings.worker, sealed }];
    command
}

fn tokens(pairs: &[(&str, &str)]) -> Content {
    let pair = |(prefix, token): &(&str, &str)| ((*prefix).to_owned(), (*token).to_owned());
    Content { tokens: pairs.iter().map(pair).collect(), ..Content::default() }
}

async fn refused(world: &World, command: BuildCommand) -> String {
    let (build, outcome) = world.build(command).await;
    match outcome {
        Err(fault) => fault.message,
        Ok(_) => panic!("it was built:\n{}", build.text()),
    }
}

/// None of these is in what was said, in the image, or on the disk of anybody.
async fn nowhere(world: &World, said: &str, image: &str, canaries: &[&str]) {
    let layers = saved(image).await;
    let history = world.docker().image_history(image).await.unwrap();
    let inspected = world.docker().inspect_image(image).await.unwrap();
    let said = format!("{said}{history:?}{inspected:?}");
    let disk = files_below(&world.settings.data);
    let stream = files_below(&world.nats.store());
    assert!(!stream.is_empty(), "the stream's files were read");
    let places: BTreeMap<&str, &[u8]> = BTreeMap::from([
        ("what was said", said.as_bytes()),
        ("the layers", layers.as_slice()),
        ("the builder's files", disk.as_slice()),
        ("the stream's files", stream.as_slice()),
    ]);
    for (place, bytes) in places {
        for canary in canaries {
            assert!(!holds(bytes, canary), "{canary} is in {place}");
        }
    }
}

#[tokio::test]
async fn a_private_repository_over_http_needs_its_token_which_is_found_nowhere() {
    let world = World::new().await;
    let canary = format!("canary-{}", unique());
    // What a build does with all that it can see ends up in its log and in its image.
    let dockerfile = format!(
        "FROM busybox\nCOPY . /all\nRUN echo {} && env && find / -xdev -name '.git*' -exec cat {{}} +\n",
        unique()
    );
    world.repository("app", &[("Dockerfile", &dockerfile)]);
    let server = GitServer::start_private(world.repositories.root(), USER, &canary);
    let (host, url) = (server.url(), format!("{}/app.git", server.url()));
    let command = || world.command_for(&url);

    let advice = format!("hythe source token set {host} --username NAME --password-stdin");
    let why = refused(&world, command()).await;
    assert!(why.contains(&advice) && why.contains("Hythe has none"), "{why}");
    // Others do not open it, and that of another host is not even tried.
    let other = tokens(&[("http://127.0.0.1:1", &canary)]);
    assert!(refused(&world, with(&world, command(), other)).await.contains("Hythe has none"));
    let below = format!("{host}/team");
    let other = tokens(&[(&below, &canary)]);
    assert!(refused(&world, with(&world, command(), other)).await.contains("Hythe has none"));
    let wrong = format!("wrong-{}", unique());
    let why = refused(&world, with(&world, command(), tokens(&[(&host, &wrong)]))).await;
    assert!(why.contains(&format!("the token of {USER} for {host}")), "{why}");
    assert!(why.contains(&advice) && !why.contains(&wrong), "{why}");
    // Of two that fit, the one for less is meant: here it is the wrong one.
    let narrow = format!("{host}/app");
    let both = tokens(&[(&host, &canary), (&narrow, &wrong)]);
    assert!(refused(&world, with(&world, command(), both)).await.contains(&narrow));

    let content = tokens(&[("https://git.example", &wrong), (&host, &canary)]);
    let (build, outcome) = world.build(with(&world, command(), content)).await;
    let image = outcome.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text())).image;
    let encoded = STANDARD.encode(format!("{USER}:{canary}"));
    nowhere(&world, &build.text(), image.as_str(), &[&canary, &canary[8..], &encoded[24..]]).await;
}

#[tokio::test]
async fn a_token_does_not_go_along_to_where_a_server_sends_on_to() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let token = unique();
    let server = GitServer::start_private(world.repositories.root(), USER, &token);
    // The other one would take it, too.
    let other = GitServer::start_private(world.repositories.root(), USER, &token);
    server.send_on(&other.url());
    let url = format!("{}/app.git", server.url());
    let content = tokens(&[(&server.url(), &token)]);
    let why = refused(&world, with(&world, world.command_for(&url), content)).await;
    assert!(why.contains("has moved") && !why.contains(&token), "{why}");
    assert!(server.requests() > 0);
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn a_token_that_may_not_read_a_repository_is_named() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let token = unique();
    let server = GitServer::start_private(world.repositories.root(), USER, &token);
    let url = format!("{}/none.git", server.url());
    let content = tokens(&[(&server.url(), &token)]);
    let why = refused(&world, with(&world, world.command_for(&url), content)).await;
    assert!(why.contains("was not found") && why.contains(&format!("token of {USER}")), "{why}");
}

/// A pair as OpenSSH writes it: the private half, the public half.
fn pair() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let mut command = std::process::Command::new("ssh-keygen");
    let made = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file).status().unwrap();
    assert!(made.success());
    let read = |path| std::fs::read_to_string(path).unwrap();
    (read(file.clone()), read(file.with_extension("pub")))
}

#[tokio::test]
async fn a_private_repository_over_ssh_needs_its_key_and_a_host_that_is_known() {
    let world = World::new().await;
    let dockerfile = format!("FROM busybox\nCOPY . /all\nRUN echo {}\n", unique());
    world.repository("app", &[("Dockerfile", &dockerfile)]);
    let server = SshServer::start(world.repositories.root());
    let (private, public) = pair();
    let url = server.url("app");
    let command = || world.command_for(&url);
    let content = |key: Option<&String>, host_key: Option<String>| Content {
        key: key.cloned(),
        hosts: host_key.map(|key| (server.host(), key)).into_iter().collect(),
        ..Content::default()
    };

    // Neither without a key nor to a host that nobody knows is anything sent.
    let known = server.host_key();
    let why = refused(&world, with(&world, command(), content(None, Some(known.clone())))).await;
    assert!(why.contains("hythe source key app"), "{why}");
    let why = refused(&world, with(&world, command(), content(Some(&private), None))).await;
    let advice = format!("hythe source host add {} --key", server.host());
    assert!(why.contains(&advice) && why.contains("ssh-keyscan -p"), "{why}");
    assert_eq!(server.connections(), 0);

    // The key was not given to the repository.
    let full = || content(Some(&private), Some(known.clone()));
    let why = refused(&world, with(&world, command(), full())).await;
    assert!(why.contains("did not take the key of app"), "{why}");

    server.let_in(&public);
    let (build, outcome) = world.build(with(&world, command(), full())).await;
    let image = outcome.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text())).image;
    let lines: Vec<&str> = private.lines().filter(|line| !line.starts_with("-----")).collect();
    nowhere(&world, &build.text(), image.as_str(), &lines).await;

    let mut missing = with(&world, command(), full());
    let url = server.url("none");
    missing.spec.source = super::world::command_for(&url).spec.source;
    let why = refused(&world, missing).await;
    assert!(why.contains("was not found") && why.contains("as a deploy key"), "{why}");

    // Somebody in between has another key.
    server.change_host_key();
    let why = refused(&world, with(&world, command(), full())).await;
    assert!(why.contains("shows another key") && why.contains(&advice), "{why}");
}

#[tokio::test]
async fn what_is_for_another_worker_or_deployment_is_not_used() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let content = || tokens(&[("git.example", "canary-value")]);
    let mine = with(&world, world.command("app"), content());
    let mut others = mine.clone();
    others.access[0].worker = hythe_core::ids::WorkerId::new(uuid::Uuid::now_v7());
    let mut build = world.listen(mine.clone()).await;
    world.send(&others).await;
    world.send(&mine).await;
    // Only the second one is taken on: the first gave no report at all.
    assert_eq!(build.report().await, BuildProgress::Accepted);
    build.finished().await.unwrap();
    let mut foreign = world.command("app");
    foreign.access = mine.access;
    let why = refused(&world, foreign).await;
    assert!(why.contains("belongs to another deployment"), "{why}");
}
