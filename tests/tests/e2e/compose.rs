//! Docker Compose files: services become apps that find one another by name, a volume outlives whatever
//! mounts it, and the same file again touches only what changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::matrix::load::Load;
use crate::scene::Scene;

const FILE: &str = "\
services:
  web:
    build: web
    ports: [\"80:8080\"]
    environment:
      SAYS: ${SAYS:-one}
    depends_on:
      store: {condition: service_healthy}
    restart: always
    privileged: true
  store:
    build: store
    expose: [9000]
    volumes: [\"data:/data\"]
    healthcheck:
      test: [\"CMD\", \"wget\", \"-q\", \"-O\", \"/dev/null\", \"http://127.0.0.1:9000/cgi-bin/count\"]
      interval: 1s
volumes:
  data:
";

/// Answers with what it says, and with what the store answers to it.
const WEB: &str = "FROM busybox\nCOPY . /www/\nEXPOSE 8080\n\
                   CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
const ASKS: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n\
                    echo \"$SAYS $(wget -q -O - http://store:9000/cgi-bin/mark)\"\n";
/// Keeps marks in its volume: `mark` makes one and says how many there are, `count` only says it.
const STORE: &str = "FROM busybox\nCOPY . /www/\n\
                     CMD [\"httpd\", \"-f\", \"-p\", \"9000\", \"-h\", \"/www\"]\n";
const COUNT: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\ntouch /data/marks\n\
                     wc -l < /data/marks\n";
const MARK: &str = "#!/bin/sh\necho x >> /data/marks\nexec /www/cgi-bin/count\n";

fn write(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn up(scene: &Scene, folder: &Path, more: &[&str]) -> Value {
    let folder = folder.to_str().unwrap();
    let said =
        scene.hythe.run(&[&["compose", "up", "shop", "--repo", folder, "--json"], more].concat());
    assert_eq!(said.code, 0, "{}{}\n{}", said.out, said.err, scene.hythe.logs());
    said.json()
}

fn actions(done: &Value) -> Vec<(&str, &str)> {
    let services = done["services"].as_array().unwrap().iter();
    services
        .map(|one| (one["service"].as_str().unwrap(), one["action"].as_str().unwrap()))
        .collect()
}

fn deployments(scene: &Scene, app: &str) -> u64 {
    scene.hythe.json(&["app", "show", app])["deployments"].as_u64().unwrap()
}

/// What web says, and how many marks the store has after it.
fn marks(scene: &Scene) -> (String, u32) {
    let (status, body) = scene.hythe.get("shop-web", "/cgi-bin/ask");
    assert_eq!(status, 200, "{body}");
    let (says, count) = body.split_once(' ').unwrap();
    (says.to_owned(), count.trim().parse().unwrap())
}

/// Says who it is, and where it can write.
const WHO: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n\
                   grep ' / ' /proc/mounts | grep -q ' ro,' && root=kept\n\
                   touch /tmp/yes && tmp=written\necho \"$(id -u):$(id -g) $root $tmp $SAYS\"\n";

/// Says what is in its secret, that nothing else has it, and what is in a file that it mounts.
const KEY: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n\
                   echo \"$(cat /run/secrets/key), in the environment: ${SECRET_FILE_key:-none}, \
                   beside it: $(cat /etc/note.txt), $(cat /etc/notes/deep/two.txt), $(/etc/notes/run.sh)\"\n";

#[test]
fn what_several_files_say_of_how_a_container_is_within_holds_in_it() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    for (path, text, mode) in [
        (
            "compose.yaml",
            "include: [apps/compose.yaml]\nservices:\n  keeper:\n    build: keeper\n    ports: [\"8080:8080\"]\n    \
             secrets: [key]\n    volumes: [\"./note.txt:/etc/note.txt:ro\", \"./notes:/etc/notes\"]\nsecrets: {key: {file: key.txt}}\n",
            0o644,
        ),
        ("key.txt", "hush-hush", 0o600),
        ("note.txt", "a note", 0o644),
        ("notes/deep/two.txt", "two", 0o644),
        ("notes/run.sh", "#!/bin/sh\necho three\n", 0o755),
        ("keeper/Dockerfile", WEB, 0o644),
        ("keeper/index.html", "up", 0o644),
        ("keeper/cgi-bin/key", KEY, 0o755),
        (
            "apps/compose.yaml",
            "services:\n  web:\n    extends: {file: ../shared/base.yaml, service: small}\n    build: who\n    \
             ports: [\"8080:8080\"]\n    user: \"1000:1000\"\n    tmpfs: \"/tmp:size=64k\"\n",
            0o644,
        ),
        (
            "shared/base.yaml",
            "services:\n  small:\n    read_only: true\n    environment: {SAYS: \"${SAYS:-nothing}\"}\n",
            0o644,
        ),
        ("apps/.env", "SAYS=hello\n", 0o644),
        ("apps/who/Dockerfile", WEB, 0o644),
        ("apps/who/index.html", "up", 0o644),
        ("apps/who/cgi-bin/who", WHO, 0o755),
    ] {
        write(&folder.path().join(path), text, mode);
    }
    let done = up(&scene, folder.path(), &[]);
    let live = |one: &Value| one["status"] == "live";
    assert!(done["services"].as_array().unwrap().iter().all(live), "{done}");
    let (status, body) = scene.hythe.get("shop-keeper", "/cgi-bin/key");
    let says = "hush-hush, in the environment: none, beside it: a note, two, three";
    assert_eq!((status, body.trim()), (200, says));
    let ran = scene.hythe.run(&["run", "shop-keeper", "--", "cat", "/run/secrets/key"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "hush-hush"), "{}", ran.err);
    let shown = scene.hythe.json(&["app", "show", "shop-keeper"]).to_string();
    assert!(shown.contains("/run/secrets/key") && !shown.contains("hush-hush"), "{shown}");
    let (status, body) = scene.hythe.get("shop-web", "/cgi-bin/who");
    assert_eq!((status, body.trim()), (200, "1000:1000 kept written hello"));
    let same = up(&scene, folder.path(), &[]);
    assert_eq!(actions(&same), [("keeper", "unchanged"), ("web", "unchanged")]);
    scene.hythe.json(&["compose", "down", "shop", "--yes"]);
    scene.finish();
}

#[test]
fn what_runs_once_is_done_before_what_waits_for_it_and_fails_all_where_it_fails() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let file = |job: &str| {
        format!(
            "services:\n  web:\n    build: web\n    ports: [\"8080:8080\"]\n    volumes: [\"data:/data\"]\n    \
             depends_on:\n      fill: {{condition: service_completed_successfully}}\n      store: {{condition: \
             service_started}}\n  fill:\n    build: job\n    entrypoint: [\"sh\", \"-c\"]\n    command: [\"{job}\"]\n    \
             volumes: [\"data:/data\"]\n  store:\n    build: web\n    expose: [8080]\n    container_name: \
             keeper\nvolumes: {{data: }}\n"
        )
    };
    let asks = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n\
                echo \"$(cat /data/filled) $(wget -q -O - http://keeper:8080/)\"\n";
    write(&at("compose.yaml"), &file("sleep 1; echo first >> /data/filled"), 0o644);
    write(&at("web/Dockerfile"), WEB, 0o644);
    write(&at("web/index.html"), "kept", 0o644);
    write(&at("web/cgi-bin/ask"), asks, 0o755);
    write(&at("job/Dockerfile"), "FROM busybox\n", 0o644);
    let done = up(&scene, folder.path(), &[]);
    let how = |done: &Value| {
        let services = done["services"].as_array().unwrap().iter();
        let one = |one: &Value| format!("{}: {}", one["service"], one["status"]).replace('"', "");
        services.map(one).collect::<Vec<_>>()
    };
    assert_eq!(how(&done), ["fill: done", "store: live", "web: live"], "{done}");
    assert_eq!(scene.hythe.get("shop-web", "/cgi-bin/ask"), (200, "first kept".to_owned()));
    let job = scene.hythe.json(&["app", "show", "shop-fill"]);
    assert_eq!(job["status"], "stopped", "{job}");

    // It is not run again, but where something of it changes.
    let same = up(&scene, folder.path(), &[]);
    let unchanged = [("fill", "unchanged"), ("store", "unchanged"), ("web", "unchanged")];
    assert_eq!(actions(&same), unchanged);
    write(&at("compose.yaml"), &file("echo again >> /data/filled"), 0o644);
    let changed = up(&scene, folder.path(), &[]);
    assert_eq!(actions(&changed)[0], ("fill", "update"));
    let (status, body) = scene.hythe.get("shop-web", "/cgi-bin/ask");
    assert_eq!((status, body.as_str()), (200, "first\nagain kept"));

    // One that fails fails all, with what it wrote last.
    write(&at("compose.yaml"), &file("echo no such bucket; exit 3"), 0o644);
    let path = folder.path().to_str().unwrap();
    let said = scene.hythe.run(&["compose", "up", "shop", "--repo", path, "--json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let failed = said.json();
    let fill = &failed["services"][0];
    assert!(fill["error"].as_str().unwrap().contains("exited with code 3"), "{failed}");
    assert!(fill["log"].to_string().contains("no such bucket"), "{failed}");
    scene.hythe.json(&["compose", "down", "shop", "--yes"]);
    let volumes = scene.hythe.volumes();
    scene.finish();
    for volume in volumes {
        let removed = Command::new("docker").args(["volume", "rm", &volume]).output().unwrap();
        assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    }
}

#[test]
fn services_find_one_another_and_only_what_changed_is_deployed_while_the_volume_stays() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    write(&at("compose.yaml"), FILE, 0o644);
    for (path, text, mode) in [
        ("web/Dockerfile", WEB, 0o644),
        ("web/index.html", "first", 0o644),
        ("web/cgi-bin/ask", ASKS, 0o755),
        ("store/Dockerfile", STORE, 0o644),
        ("store/cgi-bin/count", COUNT, 0o755),
        ("store/cgi-bin/mark", MARK, 0o755),
    ] {
        write(&at(path), text, mode);
    }

    let dry = up(&scene, folder.path(), &["--dry-run"]);
    assert_eq!(actions(&dry), [("store", "create"), ("web", "create")], "in their order");
    let told = dry["left"].to_string();
    assert!(told.contains("privileged") && told.contains("80"), "{told}");
    assert!(scene.hythe.json(&["app", "ls"]).as_array().unwrap().is_empty(), "nothing was done");

    let first = up(&scene, folder.path(), &[]);
    let live = |one: &Value| one["status"] == "live";
    assert!(first["services"].as_array().unwrap().iter().all(live), "{first}");
    assert_eq!(marks(&scene), ("one".to_owned(), 1));
    assert_eq!(scene.hythe.get("shop-store", "/").0, 404, "no address leads to it");
    assert_eq!(scene.hythe.volumes().len(), 1);
    let store = scene.hythe.json(&["app", "show", "shop-store"]);
    assert_eq!((&store["url"], &store["status"]), (&json!(""), &json!("running")), "{store}");

    let same = up(&scene, folder.path(), &[]);
    assert_eq!(actions(&same), [("store", "unchanged"), ("web", "unchanged")]);

    // Web changes: it rolls under load, and the store is left alone.
    write(&at("web/index.html"), "second", 0o644);
    let load = Load::start(scene.hythe.edge(), "shop-web.localhost");
    let changed = up(&scene, folder.path(), &["--env", "SAYS=two"]);
    assert_eq!(actions(&changed), [("store", "unchanged"), ("web", "update")]);
    assert_eq!(scene.hythe.get("shop-web", "/"), (200, "second".to_owned()));
    let seen = load.take();
    assert!(seen.answers > 0 && seen.failures.is_empty(), "{seen:?}");
    drop(load);
    assert_eq!(marks(&scene), ("two".to_owned(), 2));
    assert_eq!((deployments(&scene, "shop-store"), deployments(&scene, "shop-web")), (1, 2));

    // The store changes: there is never more than one, and what it kept is there.
    write(&at("store/index.html"), "other", 0o644);
    let changed = up(&scene, folder.path(), &["--env", "SAYS=two"]);
    assert_eq!(actions(&changed), [("store", "update"), ("web", "unchanged")]);
    assert_eq!(marks(&scene), ("two".to_owned(), 3));

    // One that cannot start leaves the version before running again, with its volume.
    write(&at("store/Dockerfile"), "FROM busybox\nCMD [\"sh\", \"-c\", \"exit 3\"]\n", 0o644);
    let said = scene.hythe.run(&[
        "compose",
        "up",
        "shop",
        "--repo",
        folder.path().to_str().unwrap(),
        "--env",
        "SAYS=two",
        "--json",
    ]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let failed = said.json();
    assert!(failed["services"][0]["error"].as_str().unwrap().contains("code 3"), "{failed}");
    scene.hythe.wait_until("the version before serves again", || {
        let (status, body) = scene.hythe.get("shop-web", "/cgi-bin/ask");
        status == 200 && body.trim().len() > "two".len()
    });
    let (_, kept) = marks(&scene);
    assert!(kept >= 4, "{kept}");

    // A service that is gone from the file goes when that is asked for, and its volume does not.
    let alone = FILE
        .split("  store:")
        .next()
        .unwrap()
        .replace("    depends_on:\n      store: {condition: service_healthy}\n", "");
    write(&at("compose.yaml"), &alone, 0o644);
    let stays = up(&scene, folder.path(), &["--env", "SAYS=two"]);
    assert_eq!(
        (actions(&stays), &stays["orphans"][0]["removed"]),
        (vec![("web", "unchanged")], &json!(false))
    );
    let removed = up(&scene, folder.path(), &["--env", "SAYS=two", "--remove-orphans"]);
    assert_eq!(removed["orphans"][0]["removed"], true);
    let ps = scene.hythe.json(&["compose", "ps", "shop"]);
    assert_eq!((ps.as_array().unwrap().len(), &ps[0]["service"]), (1, &json!("web")));
    assert_eq!(scene.hythe.json(&["compose", "ls"])[0]["project"], "shop");
    let down = scene.hythe.json(&["compose", "down", "shop", "--yes"]);
    assert_eq!(down["removed"], json!(["shop-web"]));
    let volumes = scene.hythe.volumes();
    assert_eq!(volumes.len(), 1, "it is never removed as a side effect");
    scene.finish();
    let removed = Command::new("docker").args(["volume", "rm", &volumes[0]]).output().unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
}
