//! Pushes to this server itself, by the real git.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Answer, Server};

/// What somebody pushes from.
struct Clone {
    dir: tempfile::TempDir,
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .kill_on_drop(true);
    command
}

async fn git(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().await.expect("git runs; is it installed?")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

async fn must(folder: &Path, args: &[&str]) -> String {
    let output = git(folder, args).await;
    assert!(output.status.success(), "git {args:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Clone {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        must(dir.path(), &["init", "-q", "-b", "main"]).await;
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Commits files; says the commit.
    async fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            std::fs::write(self.path().join(path), content).unwrap();
        }
        must(self.path(), &["add", "-A"]).await;
        must(self.path(), &["commit", "-q", "--allow-empty", "-m", "a change"]).await;
        must(self.path(), &["rev-parse", "HEAD"]).await
    }

    async fn push(&self, server: &Server, args: &[&str]) -> (bool, String) {
        let url = url(server, &server.token, "shop");
        let output = git(self.path(), &[&["push", &url], args].concat()).await;
        (output.status.success(), said(&output))
    }

    /// A push that is not waited for.
    async fn pushes(&self, server: &Server, what: &str) -> String {
        let (fine, said) = self.push(server, &["-o", "detach", what]).await;
        assert!(fine, "{what}: {said}");
        said
    }

    async fn refused(&self, server: &Server, args: &[&str], why: &str) {
        let (fine, said) = self.push(server, args).await;
        assert!(!fine && said.contains(why), "{args:?}: {said}");
    }
}

fn url(server: &Server, token: &str, app: &str) -> String {
    format!("http://anybody:{token}@{}/git/{app}.git", server.address)
}

async fn deployments(server: &Server) -> Vec<Value> {
    let page = server.get("/api/v1/apps/shop/deployments").await.is(200).json;
    page["items"].as_array().unwrap().clone()
}

/// The paths in an upload.
fn files(server: &Server, digest: &str) -> Vec<String> {
    let path = server.dir.path().join("uploads").join(digest.strip_prefix("sha256:").unwrap());
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file());
    files.map(|entry| entry.path().unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_push_makes_the_app_and_deploys_exactly_its_commit() {
    let server = Server::start().await;
    let clone = Clone::new().await;
    let attributes = ("attributes", ".gitattributes");
    let attributes = [(attributes.1, "*.md export-ignore\n"), ("a.md", "kept"), ("app", "one")];
    let first = clone.commit(&attributes).await;
    let wrong = url(&server, "hythe_wrong", "shop");
    let wrong = git(clone.path(), &["push", &wrong, "main"]).await;
    assert!(!wrong.status.success() && said(&wrong).contains("Authentication failed"), "{wrong:?}");
    server.get("/api/v1/apps/shop").await.is_problem(404, "not-found");

    let told = clone.pushes(&server, "main").await;
    assert!(told.contains("remote: -----> shop is a new app"), "{told}");
    assert!(told.contains("\u{201c}a change\u{201d}"), "{told}");
    let app = server.get("/api/v1/apps/shop").await.is(200).json;
    let settings = &app["settings"];
    assert_eq!((&settings["commit"], &settings["branch"]), (&json!(first), &json!("main")));
    assert_eq!(settings["repository"], Value::Null);
    let deployed = deployments(&server).await;
    assert_eq!(deployed.len(), 1);
    assert_eq!(deployed[0]["commit"], first.as_str());
    let upload = settings["upload"].as_str().unwrap();
    assert_eq!(files(&server, upload), [".gitattributes", "a.md", "app"]);

    // The same again is nothing, also for another server on the same data.
    assert!(clone.pushes(&server, "main").await.contains("Everything up-to-date"));
    let server = server.again().await;
    assert!(clone.pushes(&server, "main").await.contains("Everything up-to-date"));
    assert_eq!(deployments(&server).await.len(), 1);

    let second = clone.commit(&[("app", "two")]).await;
    clone.pushes(&server, "HEAD:main").await;
    assert_eq!(deployments(&server).await[0]["commit"], second.as_str());
    let back = tempfile::tempdir().unwrap();
    for version in ["protocol.version=2", "protocol.version=0"] {
        let place = back.path().join(version);
        let place = place.to_str().unwrap();
        let url = url(&server, &server.token, "shop");
        must(back.path(), &["-c", version, "clone", "-q", &url, place]).await;
        assert_eq!(must(Path::new(place), &["rev-parse", "HEAD"]).await, second);
        assert_eq!(must(Path::new(place), &["for-each-ref", "refs/hythe"]).await, "");
    }
    // Back to what was before, as `hythe rollback` would go, and from a clone without a history.
    clone.pushes(&server, &format!("+{first}:main")).await;
    assert_eq!(deployments(&server).await[0]["commit"], first.as_str());
    let shallow = back.path().join("shallow");
    let origin = format!("file://{}", clone.path().display());
    let shallow = shallow.to_str().unwrap();
    must(back.path(), &["clone", "-q", "--depth", "1", &origin, shallow]).await;
    let shallow = PathBuf::from(shallow);
    let third = ["commit", "-q", "--allow-empty", "-m", "without a history"];
    must(&shallow, &third).await;
    let third = must(&shallow, &["rev-parse", "HEAD"]).await;
    let to = url(&server, &server.token, "shop");
    must(&shallow, &["push", "-q", "-f", "-o", "detach", &to, "HEAD:main"]).await;
    assert_eq!(deployments(&server).await[0]["commit"], third.as_str());

    // The repository is not what counts.
    std::fs::remove_dir_all(server.dir.path().join("git")).unwrap();
    std::fs::create_dir(server.dir.path().join("git")).unwrap();
    clone.pushes(&server, "main").await;
    assert_eq!(deployments(&server).await[0]["commit"], second.as_str());
}

#[tokio::test]
async fn what_is_not_deployed_says_so_and_changes_nothing() {
    let server = Server::start().await;
    let clone = Clone::new().await;
    clone.commit(&[("app", "one")]).await;
    clone.refused(&server, &["main:trunk"], "main is deployed, not trunk: push HEAD:main").await;
    server.get("/api/v1/apps/shop").await.is_problem(404, "not-found");
    clone.pushes(&server, "main").await;
    clone.commit(&[("app", "two")]).await;
    must(clone.path(), &["tag", "-a", "v1", "-m", "one"]).await;
    for (args, why) in [
        (&["main:feature"][..], "to deploy another branch from now on: hythe app set shop"),
        (&["v1"], "only branches are deployed"),
        (&["main:refs/hythe/incoming"], "only branches are deployed"),
        (&[":main"], "hythe app rm shop"),
        (&["-o", "ci.skip", "main"], "no push option \"ci.skip\""),
        (&["HEAD:refs/heads/main/x"], "main is deployed"),
    ] {
        clone.refused(&server, args, why).await;
        assert_eq!(deployments(&server).await.len(), 1, "{args:?}");
    }
    // What goes along is told, and does not hold the branch up.
    clone.refused(&server, &["-o", "detach", "main", "v1"], "only branches are deployed").await;
    assert_eq!(deployments(&server).await.len(), 2);
    server.patch("/api/v1/apps/shop", json!({ "branch": "release" })).await.is(200);
    clone.commit(&[("app", "three")]).await;
    clone.refused(&server, &["main"], "release is deployed, not main: push HEAD:release").await;
    clone.pushes(&server, "main:release").await;
    assert_eq!(server.get("/api/v1/apps/shop").await.json["settings"]["branch"], "release");
    let wrong = server.post("/api/v1/apps/shop/deployments", json!({ "branch": "main" })).await;
    wrong.is_problem(422, "invalid-field");
    server.post("/api/v1/apps/shop/deployments", json!({})).await.is(202);
    // From a repository again, the branch of the pushes stands nowhere.
    let other = json!({ "repository": "https://git.example/shop.git", "branch": "main" });
    server.patch("/api/v1/apps/shop", other).await.is(200);
    let told = clone.pushes(&server, "main").await;
    assert!(told.contains("it was deployed from https://git.example/shop.git"), "{told}");

    // The repository goes with its app, and not before that is gone for good.
    let repositories = async || {
        server.post("/api/v1/housekeeping", json!({})).await.is(200);
        std::fs::read_dir(server.dir.path().join("git")).unwrap().count()
    };
    let id = server.get("/api/v1/apps/shop").await.json["id"].as_str().unwrap().to_owned();
    server.delete("/api/v1/apps/shop").await.is(204);
    assert_eq!(repositories().await, 1);
    // The name is free meanwhile, and the one who has it pushes to a repository of its own.
    let told = clone.pushes(&server, "main").await;
    assert!(told.contains("shop is a new app"), "{told}");
    assert_eq!(repositories().await, 2);
    server.delete(&format!("/api/v1/apps/{id}?now=true")).await.is(204);
    assert_eq!(repositories().await, 1);
}

#[tokio::test]
async fn a_pusher_hears_how_it_ends_and_can_push_again() {
    let server = Server::start().await;
    let clone = Clone::new().await;
    clone.commit(&[("app", "one")]).await;
    let cancel = async {
        let deployed = loop {
            let seen = server.control.seen();
            let apps = server.get("/api/v1/apps/shop/deployments").await;
            match apps.json["items"].as_array().and_then(|items| items.first().cloned()) {
                Some(deployed) => break deployed,
                None => {
                    let mut seen = seen;
                    let moved = std::time::Duration::from_millis(200);
                    let _looked_again = tokio::time::timeout(moved, seen.changed()).await;
                }
            }
        };
        let path = format!("/api/v1/deployments/{}/cancel", deployed["id"].as_str().unwrap());
        server.post(&path, json!({})).await.is(200);
    };
    let ((fine, said), ()) = tokio::join!(clone.push(&server, &["main"]), cancel);
    assert!(!fine && said.contains("remote: =====! shop #1 was cancelled"), "{said}");
    assert!(
        said.contains("[remote rejected] main -> main (the deployment was cancelled)"),
        "{said}"
    );
    clone.pushes(&server, "main").await;
    assert_eq!(deployments(&server).await.len(), 2, "so the same could be pushed again");

    // Whoever goes meanwhile has pushed all the same.
    let next = clone.commit(&[("app", "two")]).await;
    let to = url(&server, &server.token, "shop");
    let mut child = command(clone.path(), &["push", "-q", &to, "main"]).spawn().unwrap();
    let mut seen = server.control.seen();
    while deployments(&server).await[0]["commit"] != next.as_str() {
        seen.changed().await.unwrap();
    }
    child.kill().await.unwrap();
    assert!(clone.pushes(&server, "main").await.contains("Everything up-to-date"));
    // And one that the server leaves is told that it goes on.
    clone.commit(&[("app", "three")]).await;
    let stop = async {
        while deployments(&server).await.len() < 4 {
            seen.changed().await.unwrap();
        }
        server.stop();
    };
    let ((fine, said), ()) = tokio::join!(clone.push(&server, &["main"]), stop);
    assert!(fine && said.contains("the server stops; the deployment goes on"), "{said}");
}

/// What git would send to make a commit the branch's, but for the pack; nobody waits for the deployment.
fn push_head(old: &str, new: &str) -> Vec<u8> {
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let update = line(&format!("{old} {new} refs/heads/main\0 report-status push-options"));
    format!("{update}0000{}0000", line("detach")).into_bytes()
}

async fn pack_of(folder: &Path, old: &str, new: &str) -> Vec<u8> {
    let mut command = command(folder, &["pack-objects", "--revs", "--stdout", "-q"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{new}\n^{old}\n").as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn of_two_who_push_at_once_the_later_one_hears_that_the_branch_moved() {
    let server = Server::start().await;
    let clone = Clone::new().await;
    let base = clone.commit(&[("app", "one")]).await;
    clone.pushes(&server, "main").await;
    let mine = clone.commit(&[("app", "mine")]).await;
    must(clone.path(), &["reset", "-q", "--hard", &base]).await;
    let theirs = clone.commit(&[("app", "theirs")]).await;
    let pack = pack_of(clone.path(), &base, &mine).await;
    let whole = [push_head(&base, &theirs), pack_of(clone.path(), &base, &theirs).await].concat();
    let app = server.get("/api/v1/apps/shop").await.json["id"].as_str().unwrap().parse().unwrap();

    let push = async |body: reqwest::Body| {
        let request = server.asks(Method::POST, "/git/shop.git/git-receive-pack");
        let media = "application/x-git-receive-pack-request";
        Answer::of(request.header("content-type", media).body(body)).await.is(200).text
    };
    // The first one has begun, and sends the rest once the second one is there.
    let (second_is_there, there) = tokio::sync::oneshot::channel();
    let rest = stream::once(async move {
        there.await.unwrap();
        Ok::<_, std::io::Error>(pack)
    });
    let first = stream::iter([Ok(push_head(&base, &mine))]).chain(rest);
    let second = async {
        while server.control.pushes().hold(app).is_some() {
            tokio::task::yield_now().await;
        }
        let end = stream::once(async move {
            second_is_there.send(()).unwrap();
            Ok(Vec::new())
        });
        let body = stream::iter([Ok::<_, std::io::Error>(whole)]).chain(end);
        push(reqwest::Body::wrap_stream(body)).await
    };
    let (first, second) = tokio::join!(push(reqwest::Body::wrap_stream(first)), second);
    assert!(first.contains("ok refs/heads/main"), "{first}");
    assert!(second.contains("ng refs/heads/main it moved meanwhile"), "{second}");
    let deployed = deployments(&server).await;
    assert_eq!((deployed.len(), &deployed[0]["commit"]), (2, &json!(mine)));
}

#[tokio::test]
async fn git_is_let_in_by_the_token_alone() {
    let server = Server::start().await;
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let paths = [
        (Method::GET, "/git/shop.git/info/refs?service=git-receive-pack"),
        (Method::GET, "/git/shop.git/info/refs?service=git-upload-pack"),
        (Method::POST, "/git/shop.git/git-receive-pack"),
        (Method::POST, "/git/shop.git/git-upload-pack"),
        (Method::POST, "/git/shop.git/info/lfs/objects/batch"),
    ];
    for (method, path) in paths {
        let ask = || server.bare(method.clone(), path);
        for request in [
            ask(),
            ask().header("authorization", basic("x:hythe_wrong")),
            ask().header("authorization", basic(&format!("{}:", server.token))),
            ask().header("authorization", basic(&server.token)),
            ask().header("authorization", "Basic ???"),
            ask().bearer_auth("hythe_wrong"),
            ask().header("cookie", "hythe_session=AAAA"),
        ] {
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.text);
            let wanted = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(wanted.starts_with("Basic realm=\"hythe\""), "{wanted}");
            assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        }
        let right = || ask().header("authorization", basic(&format!("me:{}", server.token)));
        let answer = Answer::of(right()).await;
        assert!(![401, 403, 429, 500].contains(&answer.status.as_u16()), "{path}: {}", answer.text);
        for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
            let answer = Answer::of(right().header(name, value)).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text);
        }
        let answer = Answer::of(right().header("host", "evil.example")).await;
        assert_eq!(answer.status, 421, "{path}: {}", answer.text);
    }
    let wrong = || {
        let request = server.bare(Method::GET, paths_of_refs());
        Answer::of(request.header("authorization", basic("x:wrong")))
    };
    let mut refused = 0;
    while wrong().await.status == 401 {
        refused += 1;
        assert!(refused < 1_000);
    }
    assert!(wrong().await.headers.contains_key("retry-after"));
}

const fn paths_of_refs() -> &'static str {
    "/git/shop.git/info/refs?service=git-receive-pack"
}

#[tokio::test]
async fn what_git_would_not_send_is_refused() {
    let server = Server::start().await;
    let get = async |path: &str| Answer::of(server.asks(Method::GET, path)).await;
    for (path, status) in [
        ("/git/Not_An_App.git/info/refs?service=git-receive-pack", 404),
        ("/git/..%2F..%2Fx.git/info/refs?service=git-receive-pack", 404),
        ("/git/none.git/info/refs?service=git-upload-pack", 404),
        ("/git/shop.git/info/refs?service=git-shell", 400),
        ("/git/shop.git/info/refs", 400),
        ("/git/shop.git/HEAD", 404),
        ("/git/shop.git/config", 404),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    let media = "application/x-git-receive-pack-request";
    let push = async |media: &str, body: Vec<u8>| {
        let request = server.asks(Method::POST, "/git/shop.git/git-receive-pack");
        Answer::of(request.header("content-type", media).body(body)).await
    };
    assert_eq!(push("text/plain", b"0000".to_vec()).await.status, 415);
    assert_eq!(push(media, b"0000".to_vec()).await.is(200).text, "", "it may push");
    for body in [&b"00"[..], b"PACK", b"ffffx", b"0004", &[b'0'; 3]] {
        assert_eq!(push(media, body.to_vec()).await.status, 400, "{body:?}");
    }
    // A commit that never came, and something else in its place.
    let (none, some) = ("0".repeat(40), "1".repeat(40));
    let text = format!("{none} {some} refs/heads/main\0 report-status");
    let head = format!("{:04x}{text}0000", text.len() + 4).into_bytes();
    let empty_pack = [&b"PACK\0\0\0\x02\0\0\0\0"[..], &hex_of_empty()].concat();
    for pack in [&b""[..], b"nonsense", &empty_pack] {
        let answer = push(media, [&head[..], pack].concat()).await.is(200);
        assert!(answer.text.contains("ng refs/heads/main"), "{}", answer.text);
    }
    server.get("/api/v1/apps/shop").await.is_problem(404, "not-found");
    let lfs = server.asks(Method::POST, "/git/shop.git/info/lfs/objects/batch");
    let lfs = Answer::of(lfs.json(&json!({}))).await;
    assert_eq!(lfs.status, 501);
    assert!(lfs.json["message"].as_str().unwrap().contains("git push --no-verify"), "{}", lfs.text);
}

/// The SHA-1 of the head of a pack without objects.
fn hex_of_empty() -> Vec<u8> {
    let digits = "029d08823bd8a8eab510ad6ac75c823cfd3ed31e";
    (0..20).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}
