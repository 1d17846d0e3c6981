//! What builds leave of the repositories that they fetched.

use hythe_core::names::RepositoryUrl;

use super::world::{World, unique};

#[tokio::test]
async fn mirrors_are_a_part_of_the_build_cache_and_outlive_the_builder() {
    let mut world = World::new().await;
    let text = format!("FROM busybox\nRUN echo {}\n", unique());
    let repository = world.repositories.create("app", &[("Dockerfile", &text)]);
    world.build(world.command("app")).await.1.unwrap();
    let mirror = async |world: &World| {
        let cache = world.builder().cache().await.unwrap();
        cache.into_iter().find(|record| record.what.starts_with("mirror of "))
    };
    let record = mirror(&world).await.unwrap();
    let url = RepositoryUrl::new(world.url("app")).unwrap();
    assert!(record.what.ends_with(url.as_str()) && record.bytes > 0, "{record:?}");

    world.restart().await;
    repository.commit(&[("new", "file")]);
    let sent = world.server.sent();
    world.build(world.command("app")).await.1.unwrap();
    assert!(world.server.sent() > sent);
    assert_eq!(mirror(&world).await.unwrap().id, record.id);

    let gone = world.builder().remove_cache(&[record.id]).await.unwrap();
    assert!(gone > 0);
    assert_eq!(mirror(&world).await, None);
    world.build(world.command("app")).await.1.unwrap();
}

#[tokio::test]
async fn the_server_is_asked_for_what_is_fetched_and_nothing_besides() {
    let world = World::new().await;
    let text = || format!("FROM busybox\nRUN echo {}\n", unique());
    let repository = world.repositories.create("app", &[("Dockerfile", &text())]);
    let first = world.command("app");
    let (mut next, mut again) = (world.command("app"), world.command("app"));
    (next.spec.app, again.spec.app) = (first.spec.app, first.spec.app);
    world.build(first).await.1.unwrap();
    let asked = world.server.requests();
    // Now that there is an image, it might be used again: the fetch itself tells that it cannot be.
    repository.commit(&[("Dockerfile", &text())]);
    let built = world.build(next).await.1.unwrap();
    let for_the_next = world.server.requests() - asked;
    assert!(for_the_next <= asked + 1, "{asked}, and {for_the_next}");
    // And that it can.
    let (build, used) = world.build(again).await;
    assert_eq!(used.unwrap().image, built.image);
    assert!(build.text().contains("using sha256:"), "{}", build.text());
    let for_the_same = world.server.requests() - asked - for_the_next;
    assert!(for_the_same <= asked + 1, "{asked}, and {for_the_same}");
}
