//! Build secrets, and a canary that must not be found anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use hythe_core::names::EnvName;
use hythe_core::wire::build::{BuildCommand, SealedFor};
use hythe_core::wire::worker::{SealedContent, SealedEnvironment};
use tokio::io::AsyncReadExt;

use super::world::{World, unique};
use crate::node::Keys;

/// A command with secrets, sealed for the builder as the control plane does it.
fn with_secrets(world: &World, mut command: BuildCommand, values: &[(&str, &str)]) -> BuildCommand {
    let keys = Keys::open(&world.settings.sealing_key).unwrap();
    let variables: Vec<_> = values
        .iter()
        .map(|(name, value)| (EnvName::new(*name).unwrap(), (*value).to_owned()))
        .collect();
    command.spec.build.secrets = variables.iter().map(|(name, _)| name.clone()).collect();
    command.spec.env = variables.iter().map(|(name, _)| (name.clone(), 1)).collect();
    let content = SealedContent { deployment: command.deployment, variables };
    let plain = postcard::to_stdvec(&content).unwrap();
    let sealed = PublicKey::from(keys.public().0).seal(&mut OsRng, &plain).unwrap();
    let environment = SealedEnvironment(sealed);
    command.secrets = vec![SealedFor { worker: world.settings.worker, environment }];
    command
}

/// All bytes of the files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    bytes
}

pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// `docker save`, as bytes: nothing here is compressed.
pub(super) async fn saved(image: &str) -> Vec<u8> {
    let mut child = tokio::process::Command::new("docker")
        .args(["save", image])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).await.unwrap();
    assert!(child.wait().await.unwrap().success());
    bytes
}

#[tokio::test]
async fn a_secret_can_be_read_by_its_step_and_is_found_nowhere_else() {
    let world = World::new().await;
    let canary = format!("canary-{}", unique());
    let second = format!("zwei/{}+ü", unique());
    let (half, rest) = canary.split_at(20);
    // Printed plain, encoded, in pieces of one line, to the other pipe, and as the last words.
    let text = format!(
        "FROM busybox\nRUN echo {mark}\n\
         RUN --mount=type=secret,id=TOKEN test \"$(wc -c </run/secrets/TOKEN)\" = {length}\n\
         RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN; echo; cat /run/secrets/TOKEN >&2\n\
         RUN --mount=type=secret,id=TOKEN base64 /run/secrets/TOKEN; \
             (printf user:; cat /run/secrets/TOKEN) | base64\n\
         RUN --mount=type=secret,id=TOKEN head -c 20 /run/secrets/TOKEN; sleep 1; \
             tail -c +21 /run/secrets/TOKEN; echo; echo end-of-it\n\
         RUN --mount=type=secret,id=OTHER,target=/x cat /x; \
             head -c 8180 /dev/zero | tr '\\0' x; cat /x; echo; exit 3\n",
        mark = unique(),
        length = canary.len()
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let values = [("TOKEN", canary.as_str()), ("OTHER", second.as_str())];
    let (build, outcome) = world.build(with_secrets(&world, world.command("app"), &values)).await;
    let fault = outcome.unwrap_err();
    assert!(fault.message.contains("exit code 3"), "{}\n{}", fault.message, build.text());
    let log = format!("{}{}{:?}", build.text(), fault.message, fault.log);
    assert!(log.contains("end-of-it") && log.contains("[hidden]"), "{log}");
    assert!(build.text().matches("[hidden]").count() >= 6, "{}", build.text());

    // One that gives an image.
    let text = format!(
        "FROM busybox\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN | wc -c > /size; \
         echo {}\n",
        unique()
    );
    world.repository("good", &[("Dockerfile", &text)]);
    let (good, built) = world.build(with_secrets(&world, world.command("good"), &values)).await;
    let image = built.unwrap().image;
    let layers = saved(image.as_str()).await;
    let size = canary.len().to_string();
    assert!(holds(&layers, &format!("{size}\n")), "the step did read it");
    let history = world.docker().image_history(image.as_str()).await.unwrap();
    let history = format!("{history:?}");

    let quiet = good.text();
    let disk = files_below(&world.settings.data);
    let stream = files_below(&world.nats.store());
    assert!(holds(&stream, "end-of-it") || !stream.is_empty(), "the stream's files were read");
    let encoded = STANDARD.encode(&canary);
    let forms = [canary.as_str(), half, rest, &encoded[..24], second.as_str()];
    let places: BTreeMap<&str, &[u8]> = BTreeMap::from([
        ("the log", log.as_bytes()),
        ("the other log", quiet.as_bytes()),
        ("the layers", layers.as_slice()),
        ("the history", history.as_bytes()),
        ("the builder's files", disk.as_slice()),
        ("the stream's files", stream.as_slice()),
    ]);
    for (place, bytes) in places {
        for form in forms {
            assert!(!holds(bytes, form), "{form} is in {place}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_secret_shows_where_what_a_step_is_called_is_cut() {
    let world = World::new().await;
    let canary = format!("canary-{}", unique());
    // What a step is called is cut after 500 characters: within the value.
    let pad = "x".repeat(480 - "[2/2] RUN : ".len());
    let text = format!("FROM busybox\nRUN : {pad}{canary}; exit 3\n");
    world.repository("app", &[("Dockerfile", &text)]);
    let command = with_secrets(&world, world.command("app"), &[("TOKEN", &canary)]);
    let (build, outcome) = world.build(command).await;
    let told = format!("{}{}", build.text(), outcome.unwrap_err().message);
    assert!(told.contains("[hidden]"), "{told}");
    assert!(!told.contains(&canary[..12]), "{told}");
}

#[tokio::test]
async fn what_the_app_does_not_allow_cannot_be_read() {
    let world = World::new().await;
    let text = format!(
        "FROM busybox\nRUN --mount=type=secret,id=NONE test ! -e /run/secrets/NONE; echo {}\n\
         RUN --mount=type=secret,id=NONE,required=true true\n",
        unique()
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let values = [("TOKEN", "canary-value")];
    let (build, outcome) = world.build(with_secrets(&world, world.command("app"), &values)).await;
    let fault = outcome.unwrap_err().message;
    assert!(fault.contains("NONE"), "{fault}\n{}", build.text());
}

#[tokio::test]
async fn secrets_that_are_for_another_worker_are_left_to_it() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let mine = with_secrets(&world, world.command("app"), &[("TOKEN", "canary-value")]);
    let mut others = mine.clone();
    others.secrets[0].worker = hythe_core::ids::WorkerId::new(uuid::Uuid::now_v7());
    let mut build = world.listen(mine.clone()).await;
    world.send(&others).await;
    world.send(&mine).await;
    // Only the second one is taken on: the first gave no report at all.
    assert_eq!(build.report().await, hythe_core::wire::build::BuildProgress::Accepted);
    build.finished().await.unwrap();
}
