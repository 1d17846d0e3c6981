//! Builds that give an image.

use std::os::unix::fs::symlink;
use std::path::Path;

use hythe_core::limits::MOST_LINE_BYTES;
use hythe_core::wire::build::BuildProgress;
use hythe_core::wire::log::LogStream;

use super::world::{World, at, branch, commit, dockerfile, soon, tag, unique};

#[tokio::test]
async fn a_dockerfile_becomes_an_image_that_bears_its_labels() {
    let world = World::new().await;
    let mark = unique();
    let text = format!("FROM busybox\nRUN echo mark-{mark}\nEXPOSE 9000 3000 53/udp\n");
    let repository = world.repositories.create("app", &[("Dockerfile", &text)]);
    let id = repository.commit(&[]);
    let command = world.command("app");
    let (app, deployment) = (command.spec.app, command.deployment);
    let mut build = world.give(command).await;
    assert_eq!(build.report().await, BuildProgress::Accepted);
    let built = build.finished().await.unwrap();
    assert_eq!(built.commit.as_str(), id);
    assert_eq!(built.port, 3000, "the lowest TCP port");
    assert_eq!(built.worker, world.settings.worker);

    let log = build.text();
    for part in ["fetching http://", &id[..10], "building by Dockerfile", "built sha256:"] {
        assert!(log.contains(part), "{part} is missing in:\n{log}");
    }
    let step = build.lines.iter().find(|line| line.text.ends_with(&format!(" mark-{mark}")));
    assert_eq!(step.unwrap().stream, LogStream::Stdout);
    assert!(log.contains(&format!("#2 [2/2] RUN echo mark-{mark}")), "{log}");

    let name = format!("hythe/{app}:{deployment}");
    let image = world.docker().inspect_image(&name).await.unwrap();
    assert_eq!(image.id.as_deref(), Some(built.image.as_str()));
    let labels = image.config.unwrap().labels.unwrap();
    assert_eq!(labels["hythe.app"], app.to_string());
    assert_eq!(labels["hythe.deployment"], deployment.to_string());
    assert_eq!(labels["hythe.instance"], world.settings.installation.to_string());
    nothing_left(&world).await;
}

#[tokio::test]
async fn what_its_repository_says_runs_besides_comes_with_the_image_also_where_that_is_used_again()
{
    let world = World::new().await;
    let text = format!("FROM busybox\nRUN echo {}\nEXPOSE 8080\n", unique());
    let procfile = "web: x\nworker: bin/work --all\nrelease: bin/migrate\n";
    let hooks = "[hooks]\npost_deploy = \"bin/warm-up\"\n";
    let files = [("Dockerfile", text.as_str()), ("Procfile", procfile), ("hythe.toml", hooks)];
    world.repository("app", &files);
    let command = world.command("app");
    let mut again = world.command("app");
    let (app, deployment) = (command.spec.app, command.deployment);
    again.spec.app = app;
    let (build, built) = world.build(command).await;
    let built = built.unwrap();
    assert!(
        build.text().contains("runs besides: worker, release, post-deploy"),
        "{}",
        build.text()
    );
    let declared = &built.declared;
    let [(name, worker)] = &declared.processes.iter().collect::<Vec<_>>()[..] else {
        panic!("{declared:?}")
    };
    assert_eq!((name.as_str(), worker.replicas), ("worker", 0));
    assert_eq!(worker.command.words(), ["bin/work", "--all"]);
    assert_eq!(declared.release.as_ref().unwrap().words(), ["bin/migrate"]);
    assert_eq!(declared.post_deploy.as_ref().unwrap().words(), ["bin/warm-up"]);
    let (build, used) = world.build(again).await;
    assert!(build.text().contains("using sha256:"), "{}", build.text());
    assert_eq!(used.unwrap(), built);

    // An image that is made of it is not of the same repository.
    let text = format!("FROM hythe/{app}:{deployment}\nEXPOSE 8080\n");
    world.repository("other", &[("Dockerfile", &text)]);
    let (_, other) = world.build(world.command("other")).await;
    assert!(other.unwrap().declared.is_empty());
}

/// Waits until no build has a scratch folder any more.
async fn nothing_left(world: &World) {
    let scratch = world.settings.data.join("scratch");
    soon("scratch folders to go", async {
        while std::fs::read_dir(&scratch).unwrap().next().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_wanted_branch_tag_commit_and_dockerfile_are_built() {
    let world = World::new().await;
    let file = |name: &str| format!("FROM busybox\nLABEL which={name}\nEXPOSE 1000\n");
    let repository = world.repositories.create("app", &[("Dockerfile", &file("first"))]);
    let first = repository.commit(&[]);
    git(repository.path(), &["branch", "old"]);
    git(repository.path(), &["tag", "-a", "-m", "a tag", "v1"]);
    // A tag and a branch of one name.
    git(repository.path(), &["tag", "-a", "-m", "the same", "main"]);
    git(repository.path(), &["tag", "light"]);
    repository.commit(&[("Dockerfile", &file("second")), ("ops/b a.Dockerfile", &file("other"))]);
    let rows = [
        (branch("old"), None, "first"),
        (branch("v1"), None, "first"),
        (tag("v1"), None, "first"),
        (tag("light"), None, "first"),
        (tag("main"), None, "first"),
        (branch("main"), None, "second"),
        (commit(&first), None, "first"),
        (branch("main"), Some("ops/b a.Dockerfile"), "other"),
    ];
    for (reference, path, expected) in rows {
        let mut command = world.command("app");
        command.spec.source = at(&command, reference.clone());
        command.spec.port = Some(4321);
        if let Some(path) = path {
            command.spec.build = dockerfile(path);
        }
        let (_, built) = world.build(command).await;
        let built = built.unwrap();
        assert_eq!(built.port, 4321, "what is set wins over what the image says");
        let image = world.docker().inspect_image(built.image.as_str()).await.unwrap();
        assert_eq!(image.config.unwrap().labels.unwrap()["which"], expected, "{reference:?}");
        assert_eq!(built.commit.as_str() == first, expected == "first", "{reference:?}");
    }
}

fn git(folder: &Path, args: &[&str]) {
    let mut command = std::process::Command::new("git");
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.invalid"]).args(args);
    assert!(command.current_dir(folder).status().unwrap().success());
}

#[tokio::test]
async fn the_same_commit_in_the_same_way_needs_no_build() {
    let world = World::new().await;
    let text = format!("FROM busybox\nRUN echo {}\n", unique());
    let repository = world.repositories.create("app", &[("Dockerfile", &text)]);
    let first = world.command("app");
    let app = first.spec.app;
    let (_, built) = world.build(first).await;
    let built = built.unwrap();
    assert_eq!(built.port, 8080, "nothing said");

    let mut again = world.command("app");
    again.spec.app = app;
    let deployment = again.deployment;
    let (build, same) = world.build(again).await;
    assert_eq!(same.unwrap(), built);
    assert!(build.text().contains("using sha256:"), "{}", build.text());
    assert!(!build.text().contains("building"), "{}", build.text());
    let name = format!("hythe/{app}:{deployment}");
    let image = world.docker().inspect_image(&name).await.unwrap();
    assert_eq!(image.id.as_deref(), Some(built.image.as_str()));

    repository.commit(&[("new", "file")]);
    let mut newer = world.command("app");
    newer.spec.app = app;
    let (_, other) = world.build(newer).await;
    assert_ne!(other.unwrap().commit, built.commit);
    // Another app shares nothing, not even what is the same.
    let (build, _) = world.build(world.command("app")).await;
    assert!(build.text().contains("building"), "{}", build.text());
}

#[tokio::test]
async fn ignored_files_stay_out_and_links_are_not_followed() {
    let world = World::new().await;
    let secret = tempfile::tempdir().unwrap();
    std::fs::write(secret.path().join("canary"), "from outside").unwrap();
    let text = "FROM busybox\nCOPY . /src\n\
                RUN test ! -e /src/secret.env && test -f /src/keep.env && test -x /src/run.sh\n\
                RUN test -L /src/out && test ! -e /src/out/canary\n\
                RUN test -f '/src/-rf' && test -f '/src/$(touch x)' && test ! -e /src/.git\n";
    let repository = world.repositories.create("app", &[("Dockerfile", text)]);
    let work = repository.path().with_extension("work");
    symlink(secret.path(), work.join("out")).unwrap();
    std::fs::write(work.join("run.sh"), "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(work.join("run.sh"), mode).unwrap();
    repository.commit(&[
        (".dockerignore", "*.env\n!keep.env\n"),
        ("secret.env", "canary"),
        ("keep.env", ""),
        ("-rf", ""),
        ("$(touch x)", ""),
        ("two\nlines \u{1b}[31m é", ""),
    ]);
    let (build, built) = world.build(world.command("app")).await;
    assert!(built.is_ok(), "{built:?}\n{}", build.text());
}

#[tokio::test]
async fn static_files_get_a_server() {
    let world = World::new().await;
    let files = [
        ("index.html", "<h1>hello</h1>"),
        ("app.mjs", "export {}"),
        ("404.html", "not here"),
        (".env", "canary"),
    ];
    world.repository("site", &files);
    let (build, built) = world.build(world.command("site")).await;
    let built = built.unwrap();
    assert_eq!(built.port, 8080);
    assert!(build.text().contains("will be served as it is"), "{}", build.text());
    let answers = serve(&world, built.image.as_str(), &["/", "/app.mjs", "/none", "/.env"]).await;
    assert!(answers[0].contains("200 OK") && answers[0].ends_with("<h1>hello</h1>"));
    assert!(answers[1].contains("text/javascript"), "{}", answers[1]);
    assert!(answers[2].contains("404") && answers[2].ends_with("not here"), "{}", answers[2]);
    assert!(answers[3].contains("404"), "{}", answers[3]);
}

/// Runs an image for as long as it takes to ask it a few things.
pub(super) async fn serve(world: &World, image: &str, paths: &[&str]) -> Vec<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let docker = world.docker();
    let body = bollard::models::ContainerCreateBody {
        image: Some(image.to_owned()),
        ..Default::default()
    };
    let made = docker.create_container(None, body).await.unwrap();
    docker.start_container(&made.id, None).await.unwrap();
    let about = docker.inspect_container(&made.id, None).await.unwrap();
    let networks = about.network_settings.unwrap().networks.unwrap();
    let address = format!("{}:8080", networks["bridge"].ip_address.clone().unwrap());
    let mut answers = Vec::new();
    for path in paths {
        let mut stream = soon("the server to listen", async {
            loop {
                match tokio::net::TcpStream::connect(&address).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        let request = format!("GET {path} HTTP/1.0\r\nHost: site\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answers.push(answer);
    }
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&made.id, Some(force)).await.unwrap();
    answers
}

#[tokio::test]
async fn much_output_arrives_whole_and_long_lines_are_cut() {
    let world = World::new().await;
    let mark = unique();
    // A long line, then many; together less than what the engine lets through in a second.
    let text = format!(
        "FROM busybox\nRUN echo {mark}; head -c 100000 /dev/zero | tr '\\0' x; echo; \
         for i in $(seq 1 3000); do echo line-$i-end; done; printf no-newline\n"
    );
    world.repository("app", &[("Dockerfile", &text)]);
    let (build, built) = world.build(world.command("app")).await;
    assert!(built.is_ok(), "{built:?}");
    assert!(build.lines.iter().all(|line| line.text.len() <= MOST_LINE_BYTES));
    assert!(build.lines.iter().any(|line| line.text.contains("xxx… (cut: ")));
    for line in ["line-1-end", "line-3000-end", "no-newline"] {
        let there = build
            .lines
            .iter()
            .filter(|found| found.text.split_once(' ').is_some_and(|(_, text)| text == line));
        assert_eq!(there.count(), 1, "{line}");
    }
}
