//! Base images of registries that want a login, pulled by the engine itself; and a canary that must
//! not be found anywhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use hythe_core::installation::{RegistryHost, RegistryUser};
use hythe_core::wire::build::{BuildCommand, BuildProgress, LoginsFor, SealedLogin, SealedLogins};

use super::registry::{Auth, Registry};
use super::secrets::{files_below, holds, saved};
use super::world::{World, unique};
use crate::node::Keys;

pub(super) const USER: &str = "robot$team";

/// A command with logins, sealed for the builder as the control plane does it.
pub(super) fn with_logins(
    world: &World,
    mut command: BuildCommand,
    logins: &[(&str, &str)],
) -> BuildCommand {
    let keys = Keys::open(&world.settings.sealing_key).unwrap();
    let login = |(host, password): &(&str, &str)| SealedLogin {
        host: RegistryHost::new(*host).unwrap(),
        user: RegistryUser::new(USER).unwrap(),
        password: (*password).to_owned(),
    };
    let logins = logins.iter().map(login).collect();
    let content = SealedLogins { deployment: command.deployment, logins };
    let plain = postcard::to_stdvec(&content).unwrap();
    let sealed = PublicKey::from(keys.public().0).seal(&mut OsRng, &plain).unwrap();
    command.registries = vec![LoginsFor { worker: world.settings.worker, sealed }];
    command
}

#[tokio::test]
async fn a_private_base_image_needs_its_login_and_the_password_is_found_nowhere() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let world = World::new().await;
        let canary = format!("canary-{}", unique());
        let text = format!("text {}", unique());
        let registry = Registry::start(auth, USER, &canary, &text);
        let dockerfile = format!("FROM {}\nCOPY mark /mark\n", registry.image());
        world.repository("app", &[("Dockerfile", &dockerfile), ("mark", &unique())]);
        let host = registry.host();

        // Nobody logs in.
        let (build, outcome) = world.build(world.command("app")).await;
        let fault = outcome.unwrap_err();
        let advice = format!("hythe registry login {host} --username NAME --password-stdin");
        assert!(fault.message.contains(&advice), "{}\n{}", fault.message, build.text());
        assert!(registry.refused() > 0 && registry.served() == 0);

        // Somebody else does, and so does whoever knows another registry's password.
        let wrong = [(host.as_str(), "wrong-password")];
        let (build, outcome) = world.build(with_logins(&world, world.command("app"), &wrong)).await;
        let fault = outcome.unwrap_err();
        assert!(fault.message.contains(&advice), "{}\n{}", fault.message, build.text());
        assert!(fault.message.contains(USER), "{}", fault.message);
        let other = [("127.0.0.1:1", canary.as_str())];
        let (_, outcome) = world.build(with_logins(&world, world.command("app"), &other)).await;
        assert!(outcome.unwrap_err().message.contains(&advice));
        assert_eq!(registry.served(), 0);

        // The right one.
        let logins = [("ghcr.io", "another-one"), (host.as_str(), canary.as_str())];
        let command = with_logins(&world, world.command("app"), &logins);
        let (build, outcome) = world.build(command).await;
        let image = outcome.unwrap_or_else(|fault| panic!("{fault:?}\n{}", build.text())).image;
        assert!(registry.served() > 0);
        let layers = saved(image.as_str()).await;
        assert!(holds(&layers, &text), "{auth:?}: the image is made of what the registry gave");

        let history = world.docker().image_history(image.as_str()).await.unwrap();
        let inspected = world.docker().inspect_image(image.as_str()).await.unwrap();
        let said = format!("{}{history:?}{inspected:?}{fault:?}", build.text());
        let disk = files_below(&world.settings.data);
        let stream = files_below(&world.nats.store());
        assert!(!stream.is_empty(), "the stream's files were read");
        let encoded = STANDARD.encode(format!("{USER}:{canary}"));
        let places: BTreeMap<&str, &[u8]> = BTreeMap::from([
            ("what was said", said.as_bytes()),
            ("the layers", layers.as_slice()),
            ("the builder's files", disk.as_slice()),
            ("the stream's files", stream.as_slice()),
        ]);
        for (place, bytes) in places {
            for form in [canary.as_str(), &canary[8..], &encoded[16..]] {
                assert!(!holds(bytes, form), "{auth:?}: {form} is in {place}");
            }
        }
    }
}

#[tokio::test]
async fn no_step_of_a_build_can_see_a_login() {
    let world = World::new().await;
    let canary = format!("canary-{}", unique());
    // Whatever a step can read of itself and asks the session for.
    let text = format!(
        "FROM busybox\nRUN echo {}\n\
         RUN --mount=type=secret,id=127.0.0.1:1 --mount=type=secret,id=registry/127.0.0.1:1 \
             env; cat /proc/*/environ /proc/*/cmdline; find /run /root /kaniko /etc -type f \
             -exec cat {{}} + 2>&1; echo end-of-it; exit 3\n",
        unique()
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let logins = [("127.0.0.1:1", canary.as_str())];
    let (build, outcome) = world.build(with_logins(&world, world.command("app"), &logins)).await;
    assert!(outcome.unwrap_err().message.contains("exit code 3"), "{}", build.text());
    assert!(build.text().contains("end-of-it"));
    // Neither the value nor the mask that would stand for it.
    assert!(!build.text().contains(&canary) && !build.text().contains("[hidden]"));
}

#[tokio::test]
async fn logins_that_are_for_another_worker_or_deployment_are_not_used() {
    let world = World::new().await;
    world.repository("app", &[("Dockerfile", "FROM busybox\n")]);
    let mine = with_logins(&world, world.command("app"), &[("ghcr.io", "canary-value")]);
    let mut others = mine.clone();
    others.registries[0].worker = hythe_core::ids::WorkerId::new(uuid::Uuid::now_v7());
    let mut build = world.listen(mine.clone()).await;
    world.send(&others).await;
    world.send(&mine).await;
    // Only the second one is taken on: the first gave no report at all.
    assert_eq!(build.report().await, BuildProgress::Accepted);
    build.finished().await.unwrap();

    let mut foreign = world.command("app");
    foreign.registries = mine.registries;
    let (_, outcome) = world.build(foreign).await;
    let fault = outcome.unwrap_err().message;
    assert!(fault.contains("belongs to another deployment"), "{fault}");
}
