//! Uploads, fetched over NATS from what a server keeps.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hythe_core::source::{Source, UploadDigest};
use hythe_core::wire::build::{BuildCommand, BuildProgress};
use hythe_core::wire::subjects;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::world::{World, soon, unique};
use crate::uploads::{Uploads, hex, serve};

/// What a server keeps, and the part of it that gives it out.
struct Server {
    uploads: Arc<Uploads>,
    stop: Option<CancellationToken>,
    dir: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Arc::new(Uploads::open(dir.path().join("uploads")).unwrap());
        Self { uploads, stop: None, dir }
    }

    async fn start(&mut self, world: &World) {
        let stop = CancellationToken::new();
        let (bus, uploads) = (world.bus.clone(), Arc::clone(&self.uploads));
        let serving = serve(bus, world.settings.installation, uploads, stop.clone());
        tokio::spawn(async move { serving.await.unwrap() });
        self.stop = Some(stop);
        // Questions come over the same connection, after this.
        world.bus.client().flush().await.unwrap();
    }

    async fn keep(&self, bytes: Vec<u8>) -> UploadDigest {
        let digest = UploadDigest::new(format!("sha256:{}", hex(&Sha256::digest(&bytes)))).unwrap();
        let whole = stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
        self.uploads.take(&digest, None, whole).await.unwrap();
        digest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.iter().for_each(CancellationToken::cancel);
    }
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Bytes that nothing makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    getrandom::fill(&mut noise).unwrap();
    noise
}

fn command(world: &World, upload: &UploadDigest) -> BuildCommand {
    let mut command = world.command("none");
    command.spec.source = Source::Upload(upload.clone());
    command
}

#[tokio::test]
async fn an_upload_is_built_and_the_same_again_needs_neither_its_bytes_nor_a_build() {
    let world = World::new().await;
    let mut server = Server::new();
    server.start(&world).await;
    let mark = unique();
    let dockerfile = format!("FROM busybox\nCOPY . /src\nRUN /src/run {mark}\nEXPOSE 3000\n");
    // Some pieces, and a rest.
    let large = noise(3_000_123);
    let files: &[(&str, &[u8])] = &[
        ("Dockerfile", dockerfile.as_bytes()),
        ("run", b"#!/bin/sh\nsha256sum /src/large; echo ran-$1\n"),
        ("large", &large),
    ];
    let upload = server.keep(gzip(&archive(files))).await;
    let wanted = command(&world, &upload);
    let app = wanted.spec.app;
    let (build, built) = world.build(wanted).await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    assert_eq!(built.commit.as_str(), upload.hex());
    assert_eq!(built.port, 3000);
    let log = build.text();
    let sum = hex(&Sha256::digest(&large));
    for part in ["fetching upload sha256:", &format!("ran-{mark}"), &sum, "building by Dockerfile"]
    {
        assert!(log.contains(part), "{part} is missing in:\n{log}");
    }

    // It is not even there any more.
    std::fs::remove_dir_all(server.dir.path().join("uploads")).unwrap();
    let mut again = command(&world, &upload);
    again.spec.app = app;
    let (build, same) = world.build(again).await;
    assert_eq!(same.unwrap().image, built.image);
    assert!(build.text().contains("was built in the same way before"), "{}", build.text());

    // Another app's is its own.
    let (_, other) = world.build(command(&world, &upload)).await;
    let why = other.unwrap_err().message;
    assert!(
        why.contains("does not have the upload") && why.contains("hythe deploy APP DIR"),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_no_good_archive_fails_the_build_and_says_why() {
    let world = World::new().await;
    let mut server = Server::new();
    server.start(&world).await;
    let mut links = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    links.append_link(&mut header, "out", "/etc").unwrap();
    for (bytes, expected) in [
        (links.into_inner().unwrap(), "leads out of the folder"),
        (b"no archive at all".to_vec(), "no tar archive"),
        (gzip(&archive(&[("a", &noise(100_000))]))[..50_000].to_vec(), "cannot be used"),
    ] {
        let upload = server.keep(bytes).await;
        let (_, outcome) = world.build(command(&world, &upload)).await;
        let why = outcome.unwrap_err().message;
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_they_are_said_to_be_are_not_built() {
    let world = World::new().await;
    let mut server = Server::new();
    server.start(&world).await;
    let upload = server.keep(archive(&[("Dockerfile", b"FROM busybox\n")])).await;
    let place = server.dir.path().join("uploads").join(upload.hex());
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&place, archive(&[("Dockerfile", b"FROM BUSYBOX\n")])).unwrap();
    let (build, outcome) = world.build(command(&world, &upload)).await;
    let why = outcome.unwrap_err().message;
    assert!(why.contains("arrived damaged"), "{why}\n{}", build.text());
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_a_builder_that_dies_fetches_again() {
    let mut world = World::new().await;
    let mut server = Server::new();
    let dockerfile = format!("FROM busybox\nCOPY . /src\nRUN echo {}\n", unique());
    let large = noise(2_000_000);
    let upload = server
        .keep(gzip(&archive(&[("Dockerfile", dockerfile.as_bytes()), ("large", &large)])))
        .await;
    // One that hears questions and answers none, as one that is killed meanwhile.
    let deaf = world.bus.client().subscribe(subjects::uploads(world.settings.installation)).await;
    let mut deaf = deaf.unwrap();
    world.bus.client().flush().await.unwrap();
    let mut build = world.give(command(&world, &upload)).await;
    soon("the builder asks", deaf.next()).await.unwrap();
    world.restart().await;
    soon("the builder asks again", deaf.next()).await.unwrap();
    drop(deaf);
    build.until("the server does not answer").await;
    server.start(&world).await;
    let built = build.finished().await;
    let built = built.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text()));
    assert_eq!(built.commit.as_str(), upload.hex());
    assert!(build.text().contains("this build begins again"), "{}", build.text());
}

#[tokio::test]
async fn a_fetch_can_be_cancelled() {
    let world = World::new().await;
    let upload = UploadDigest::new(format!("sha256:{}", "0".repeat(64))).unwrap();
    let mut build = world.give(command(&world, &upload)).await;
    build.until("the server does not answer").await;
    world.builder().cancel(build.command.deployment, 1).await.unwrap();
    assert_eq!(build.end().await, BuildProgress::Cancelled);
}
