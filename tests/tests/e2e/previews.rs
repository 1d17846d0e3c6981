//! Previews with real parts: from a pull request to a page at a host name of its own, and back to
//! nothing; with the server killed wherever it may be.

use hythe_tests::repository::{Repository, apps};
use serde_json::{Value, json};

use crate::scene::Scene;

const CANARY: &str = "canary-b30a51ef62784d0c";

/// An app with previews, its webhook, and a repository to open pull requests from.
struct Shop {
    scene: Scene,
    repository: Repository,
    path: String,
    secret: String,
    told: u32,
}

impl Shop {
    fn new(args: &[&str]) -> Self {
        let scene = Scene::new();
        let repository = scene.repository("shop", &apps::page("main"));
        scene.deploy_live("shop");
        let said = scene.hythe.run(&["env", "set", "shop", &format!("SECRET={CANARY}")]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let hook = scene.hythe.json(&["hook", "add", "shop", "--provider", "gitlab"]);
        let text = |at: &str| hook.pointer(at).unwrap().as_str().unwrap().to_owned();
        let (path, secret) = (text("/hook/setup/path"), text("/secret"));
        let shop = Self { scene, repository, path, secret, told: 0 };
        let said = shop.scene.hythe.run(&[&["preview", "on", "shop"], args].concat());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        shop
    }

    /// A merge request, as GitLab tells of it.
    fn request(&self, number: u64, commit: &str, from: &str, action: &str) -> Value {
        let project = |name: &str| json!({"git_http_url": self.scene.url(name)});
        let mut target = project("shop");
        target["default_branch"] = "main".into();
        json!({
            "object_kind": "merge_request",
            "user": {"username": "root"},
            "project": target,
            "object_attributes": {
                "iid": number, "title": "](https://evil.example) <b>x</b>", "action": action,
                "source_branch": "changes", "target_branch": "main", "draft": false,
                "url": "https://gitlab.example/team/shop/-/merge_requests/4",
                "updated_at": format!("2024-05-15 15:20:{:02} UTC", self.told),
                "last_commit": {"id": commit}, "source": project(from),
                "oldrev": commit,
            },
            "changes": {},
        })
    }

    fn tell(&self, id: &str, body: &Value) -> (u16, Value) {
        let headers = [
            "X-Gitlab-Event: Merge Request Hook".to_owned(),
            format!("X-Gitlab-Token: {}", self.secret),
            format!("X-Gitlab-Event-UUID: {id}"),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        self.scene.hythe.tell(&self.path, &headers, body)
    }

    /// Tells of a merge request, which must be taken.
    fn takes(&mut self, number: u64, commit: &str, from: &str, action: &str) {
        self.told += 1;
        let body = self.request(number, commit, from, action);
        let (status, told) = self.tell(&format!("d-{}", self.told), &body);
        assert_eq!(status, 202, "{told}");
    }

    /// Waits until it serves and is live: a version has the traffic a little before that.
    fn serves(&self, name: &str, content: &str) {
        let hythe = &self.scene.hythe;
        hythe.wait_until(&format!("{name} serves {content}"), || {
            hythe.get(name, "/") == (200, content.to_owned())
        });
        hythe.wait_until(&format!("{name} is live"), || {
            let (status, app) = hythe.api("GET", &format!("/api/v1/apps/{name}"), None);
            status == 200 && app["live"]["status"] == "live" && app["rolling"].is_null()
        });
    }

    fn gone(&self, name: &str) {
        let hythe = &self.scene.hythe;
        hythe.wait_until(&format!("{name} is gone"), || {
            hythe.api("GET", &format!("/api/v1/apps/{name}"), None).0 == 404
                && hythe.get(name, "/").0 != 200
        });
    }

    fn previews(&self) -> Value {
        self.scene.hythe.json(&["preview", "ls", "shop"])
    }
}

#[test]
fn a_pull_request_is_seen_at_a_host_of_its_own_until_it_is_closed() {
    let mut shop = Shop::new(&["--env", "all"]);
    let before = shop.scene.hythe.containers().len();
    shop.scene.hythe.json(&["traffic", "set", "shop", "--sleep-after", "30m"]);
    shop.repository.branch("changes");
    let first = shop.repository.commit(&apps::files(&apps::page("first")));
    shop.takes(4, &first, "shop", "open");
    let body = shop.request(4, &first, "shop", "open");
    let (status, again) = shop.tell("d-1", &body);
    assert_eq!((status, &again["outcome"]), (202, &json!("repeated")), "{again}");
    shop.serves("shop-pr-4", "first");
    shop.serves("shop", "main");
    let traffic = shop.scene.hythe.json(&["traffic", "show", "shop-pr-4"]);
    assert_eq!(traffic["sleep_after_ms"], 1_800_000, "as its app: {traffic}");
    let listed = shop.previews();
    assert_eq!((&listed[0]["status"], &listed[0]["commit"]), (&json!("live"), &json!(first)));
    let shown = shop.scene.hythe.run(&["preview", "ls", "shop"]);
    for part in ["#4", "shop-pr-4.localhost", &first[..10], "live"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let apps = shop.scene.hythe.run(&["app", "ls"]);
    assert!(apps.out.contains("shop-pr-4 (#4 of shop)"), "{}", apps.out);
    let env = shop.scene.hythe.run(&["run", "shop-pr-4", "--", "env"]);
    assert!(env.out.contains(CANARY), "{}{}", env.out, env.err);

    // A commit is deployed at the same host, also where the server dies before it can make it so.
    let second = shop.repository.commit(&apps::files(&apps::page("second")));
    shop.takes(4, &second, "shop", "update");
    shop.scene.hythe.kill("server");
    shop.serves("shop-pr-4", "second");
    assert_eq!(shop.previews().as_array().unwrap().len(), 1);
    let preview = shop.scene.hythe.json(&["app", "show", "shop-pr-4"]);
    assert_eq!(preview["deployments"], 2, "one for each commit: {preview}");

    shop.takes(4, &second, "shop", "merge");
    shop.scene.hythe.kill("server");
    shop.gone("shop-pr-4");
    shop.serves("shop", "main");
    let hythe = &shop.scene.hythe;
    hythe.wait_until("its containers are gone", || hythe.containers().len() == before);
    assert_eq!(shop.previews(), json!([]));
    for text in [CANARY, shop.secret.as_str()] {
        let found = super::deploys::files_with(hythe.data(), text);
        assert!(found.is_empty(), "{text:?} lies in {found:?}");
    }
    shop.scene.finish();
}

#[test]
fn a_fork_is_built_where_that_is_allowed_and_sees_nothing_secret() {
    let mut shop = Shop::new(&["--env", "all", "--set", &format!("ONLY={CANARY}"), "--most", "1"]);
    let fork = shop.scene.repository("fork", &apps::page("strange"));
    fork.branch("changes");
    let commit = fork.commit(&apps::files(&apps::page("from a fork")));
    let (status, told) = shop.tell("d-0", &shop.request(7, &commit, "fork", "open"));
    assert_eq!((status, &told["outcome"]), (200, &json!("skipped")), "{told}");
    assert_eq!(shop.previews(), json!([]));

    let said = shop.scene.hythe.run(&["preview", "on", "shop", "--forks", "allowed"]);
    assert!(said.out.contains("without anything secret"), "{}{}", said.out, said.err);
    shop.takes(7, &commit, "fork", "open");
    shop.scene.hythe.kill("server");
    shop.serves("shop-pr-7", "from a fork");
    let env = shop.scene.hythe.run(&["run", "shop-pr-7", "--", "env"]);
    assert_eq!(env.code, 0, "{}{}", env.out, env.err);
    let named = env.out.lines().any(|line| line.starts_with("SECRET"));
    assert!(!env.out.contains("canary") && !named, "{}", env.out);

    // One more than there may be is refused, and seen to be.
    shop.repository.branch("changes");
    let own = shop.repository.commit(&apps::files(&apps::page("own")));
    let (status, told) = shop.tell("d-9", &shop.request(8, &own, "shop", "open"));
    assert_eq!((status, &told["outcome"]), (200, &json!("refused")), "{told}");
    let seen = shop.scene.hythe.run(&["hook", "deliveries", "shop"]);
    assert!(seen.out.contains("#8") && seen.out.contains("--most"), "{}", seen.out);

    let removed = shop.scene.hythe.run(&["preview", "rm", "shop", "7"]);
    assert_eq!(removed.code, 0, "{}{}", removed.out, removed.err);
    shop.gone("shop-pr-7");
    // With the app go its previews.
    shop.takes(8, &own, "shop", "update");
    shop.serves("shop-pr-8", "own");
    let said = shop.scene.hythe.run(&["app", "rm", "shop", "--yes"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    shop.gone("shop-pr-8");
    let hythe = &shop.scene.hythe;
    hythe.wait_until("nothing runs", || hythe.containers().is_empty());
    shop.scene.finish();
}
