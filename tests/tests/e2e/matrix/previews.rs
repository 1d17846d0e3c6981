//! A pull request comes and goes, and with it an app.

use hythe_tests::repository::apps;
use serde_json::{Value, json};

use super::world::{APP, World};

/// Switches previews on, opens a pull request, sees its preview live, and closes it.
pub(super) fn come_and_go(world: &mut World, arm: impl Fn(&World)) {
    let hook = Hook::new(world);
    world.version = world.next();
    let commit = world.repository.commit(&apps::files(&apps::page(&world.version.to_string())));
    let number = world.next();
    arm(world);
    switch(world, true);
    hook.tell(world, number, &commit, "open");
    let path = format!("/api/v1/apps/shop-pr-{number}");
    world.until("its preview is live", || {
        let (status, app) = world.hythe().api("GET", &path, None);
        status == 200 && app["live"]["status"] == "live"
    });
    hook.tell(world, number, &commit, "close");
    world.until("it is gone", || world.hythe().api("GET", &path, None).0 == 404);
    world.until("its network is gone", || world.hythe().networks().len() == 1);
    switch(world, false);
    hook.remove(world);
}

fn switch(world: &mut World, on: bool) {
    let path = format!("/api/v1/apps/{APP}/previews");
    let (status, document) = world.insist("PATCH", &path, &json!({ "on": on }));
    assert!(status < 300, "{status} {document}");
}

struct Hook {
    id: String,
    path: String,
    secret: String,
}

impl Hook {
    fn new(world: &mut World) -> Self {
        let body = json!({ "app": APP, "provider": "gitlab" });
        let (status, made) = world.insist("POST", "/api/v1/hooks", &body);
        assert!(status < 300, "{status} {made}");
        let text =
            |at: &str| made.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let hook =
            Self { id: text("/hook/id"), path: text("/hook/setup/path"), secret: text("/secret") };
        assert!(!hook.secret.is_empty() && !hook.path.is_empty(), "{made}");
        hook
    }

    /// Tells of a pull request until that is taken, under one id.
    fn tell(&self, world: &mut World, number: u32, commit: &str, action: &str) {
        let url = world.scene.url(APP);
        let project = json!({ "git_http_url": url, "default_branch": "main" });
        let at = world.next();
        let body = json!({
            "object_kind": "merge_request",
            "user": {"username": "root"},
            "project": project,
            "object_attributes": {
                "iid": number, "title": "x", "action": action, "source_branch": "main",
                "target_branch": "main", "draft": false, "url": "https://gitlab.example/x/1",
                "updated_at": format!("2024-05-15 15:{:02}:{:02} UTC", at / 60 % 60, at % 60),
                "last_commit": {"id": commit}, "source": project, "oldrev": commit,
            },
            "changes": {},
        });
        let headers = [
            "X-Gitlab-Event: Merge Request Hook".to_owned(),
            format!("X-Gitlab-Token: {}", self.secret),
            format!("X-Gitlab-Event-UUID: {number}-{action}"),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let mut told = (0, Value::Null);
        world.until("it is heard", || {
            told = world.hythe().tell(&self.path, &headers, &body);
            (1..500).contains(&told.0)
        });
        assert_eq!(told.0, 202, "{}", told.1);
    }

    fn remove(&self, world: &mut World) {
        let path = format!("/api/v1/hooks/{}", self.id);
        let (status, document) = world.insist("DELETE", &path, &Value::Null);
        // A repeated one may find that the first one was heard.
        assert!(status < 300 || status == 404, "{status} {document}");
    }
}
