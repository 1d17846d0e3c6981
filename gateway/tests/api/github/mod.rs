//! GitHub Apps: made by way of a browser, told of pushes, and lent tokens for one thing each.

mod stand_in;

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use self::stand_in::{GitHub, INSTALLATION, SECRET, new_key};
use crate::hooks::{COMMIT, Hook, app};
use crate::support::{Answer, Server};

const APPS: &str = "/api/v1/sources/github-apps";
const PUBLIC: &str = "https://hythe.example";

/// Begins one there; says its id and what the browser has to bring back.
async fn begin(server: &Server, github: &GitHub) -> (String, String) {
    let body = json!({"server": github.url(), "address": PUBLIC, "organization": "Octo"});
    let begun = server.post(APPS, body).await.is(201);
    let page = begun.json["page"].as_str().unwrap();
    let state = page.strip_prefix(&format!("{PUBLIC}/github-app/new?state=")).unwrap();
    (begun.json["id"].as_str().unwrap().to_owned(), state.to_owned())
}

async fn finish(server: &Server, code: &str, state: &str) -> Answer {
    server.post(&format!("{APPS}/finish"), json!({"code": code, "state": state})).await
}

/// One that is made.
async fn made(server: &Server, github: &GitHub) -> String {
    let (id, state) = begin(server, github).await;
    let app = finish(server, "good", &state).await.is(200);
    assert_eq!(app.json["id"], id);
    id
}

fn push(github: &GitHub, repository: &str) -> Value {
    let at = format!("{}/{repository}", github.url());
    let mut push: Value =
        serde_json::from_str(include_str!("../../payloads/github_push.json")).unwrap();
    push["repository"]["clone_url"] = format!("{at}.git").into();
    push["repository"]["html_url"] = at.into();
    push["repository"]["ssh_url"] = "git@127.0.0.1:x/y.git".into();
    push
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_makes_an_app_and_nobody_else_does() {
    let (server, mut github) = (Server::start().await, GitHub::start().await);
    let (id, state) = begin(&server, &github).await;
    let start = format!("/github-app/new?state={state}");
    let page = Answer::of(server.bare(Method::GET, &start)).await.is(200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let own = format!(
        "default-src 'none'; base-uri 'none'; form-action {}; frame-ancestors 'none'",
        github.url()
    );
    assert_eq!(policy, own, "the form goes there and nowhere else");
    assert_eq!(page.headers["referrer-policy"], "strict-origin");
    let action = format!("{}/organizations/Octo/settings/apps/new?state={state}", github.url());
    assert!(page.text.contains(&format!("action=\"{action}\"")), "{}", page.text);
    let manifest = page.text.split("name=\"manifest\" value=\"").nth(1).unwrap();
    let manifest = manifest.split("\">").next().unwrap().replace("&quot;", "\"");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["hook_attributes"]["url"], format!("{PUBLIC}/hooks/github/{id}"));
    assert_eq!(manifest["redirect_url"], format!("{PUBLIC}/github-app/created"));
    assert_eq!(manifest["default_events"], json!(["pull_request", "push"]));
    assert_eq!(manifest["default_permissions"]["statuses"], "write");

    let back = format!("/github-app/created?code=good&state={state}");
    let returned = Answer::of(server.bare(Method::GET, &back)).await.is(200);
    assert!(returned.text.contains("hythe source github-app finish"), "{}", returned.text);
    let form = || {
        let sent = server.bare(Method::POST, "/github-app/created");
        let kind = "application/x-www-form-urlencoded";
        sent.header("content-type", kind).body(format!("code=good&state={state}"))
    };
    let own = server.url("");
    let signed_in = server.bare(Method::POST, "/api/v1/session");
    let signed_in = signed_in.json(&json!({"token": server.token})).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    for refused in [
        form().header("origin", &own),
        form().header("cookie", &cookie),
        form().header("cookie", &cookie).header("origin", "https://evil.example"),
        form().header("cookie", "hythe_session=AAAA").header("origin", &own),
    ] {
        Answer::of(refused).await.is(401);
    }
    // A signed-in browser with what is not right changes nothing, either.
    for (path, status) in [
        ("/github-app/new?state=", 409),
        ("/github-app/new?state=AAAA", 409),
        ("/github-app/new", 400),
        ("/github-app/created?code=good&state=AAAA", 409),
        ("/github-app/created?code=%3Cb%3E&state=AAAA", 400),
        ("/github-app/created?code=good", 400),
    ] {
        let answer = Answer::of(server.bare(Method::GET, path)).await.is(status);
        assert!(!answer.text.contains("<b>"), "{}", answer.text);
    }
    assert!(github.all().is_empty(), "nothing was asked of GitHub so far");

    let done = Answer::of(form().header("cookie", &cookie).header("origin", &own)).await.is(200);
    let install = format!("{}/github-apps/hythe-one/installations/new", github.url());
    assert!(done.text.contains(&install), "{}", done.text);
    let asked = github.asked(&Method::POST, "/app-manifests/good/conversions").await;
    assert_eq!(asked.body, Value::Null);
    // What was brought back serves once, by whichever way.
    finish(&server, "good", &state).await.is_problem(409, "conflict");
    Answer::of(form().header("cookie", &cookie).header("origin", &own)).await.is(409);
    Answer::of(server.bare(Method::GET, &start)).await.is(409);
    assert!(github.all().is_empty());

    let key = github.shared.key.lock().unwrap().clone();
    let secret_line = key.lines().nth(3).unwrap().to_owned();
    let seen = server.get(&format!("{APPS}/{id}")).await.is(200);
    assert_eq!(seen.json["app"]["owner"], "Octo");
    assert_eq!(seen.json["app"]["app_id"], "4711");
    assert_eq!(seen.json["installations"][0]["id"], INSTALLATION.to_string());
    assert_eq!(seen.json["refused"], Value::Null);
    let settings = format!("{}/organizations/Octo/settings/apps/hythe-one", github.url());
    assert_eq!(seen.json["app"]["settings_page"], settings);
    let list = server.get(APPS).await.is(200);
    let events = server.get("/api/v1/events?limit=100").await.is(200);
    for text in [&seen.text, &list.text, &events.text, &done.text] {
        assert!(!text.contains(SECRET) && !text.contains(&secret_line) && !text.contains(&state));
        assert!(!text.contains("canary"), "{text}");
    }
    for canary in [SECRET, &secret_line, &state, "canary-of-the-client-77ab"] {
        assert!(!server.on_disk(canary.as_bytes()), "{canary}");
    }
    github.nothing_is_wrong();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_twice_under_one_key_is_made_once() {
    let (server, github) = (Server::start().await, GitHub::start().await);
    let (id, state) = begin(&server, &github).await;
    let ask = |code: &str| {
        let request = server.asks(Method::POST, &format!("{APPS}/finish"));
        let request = request.header("idempotency-key", "finish");
        Answer::of(request.json(&json!({"code": code, "state": state})))
    };
    let (one, two) = tokio::join!(ask("good"), ask("good"));
    for answer in [one.is(200), two.is(200), ask("good").await.is(200)] {
        assert_eq!(answer.json["id"], id);
    }
    assert_eq!(ask("good").await.headers["idempotent-replayed"], "true");
    ask("other").await.is_problem(422, "idempotency-key-reused");
    // Without its key it is as used as ever.
    finish(&server, "good", &state).await.is_problem(409, "conflict");
    github.nothing_is_wrong();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_does_not_document_makes_no_app() {
    let (server, mut github) = (Server::start().await, GitHub::start().await);
    for (code, words) in [
        ("refused", "404"),
        ("large", "more than 256 KiB"),
        ("nojson", "no JSON"),
        ("nopem", "of its key"),
        ("evil", "slug"),
        ("nosecret", "webhook_secret"),
        ("moved", "302"),
    ] {
        let (_, state) = begin(&server, &github).await;
        let refused = finish(&server, code, &state).await;
        refused.is_problem(409, "conflict");
        assert!(refused.text.contains(words), "{code}: {}", refused.text);
        assert!(refused.text.contains("/organizations/Octo/settings/apps"), "{}", refused.text);
        assert!(!refused.text.contains("hush"), "{}", refused.text);
        // It was used by that.
        finish(&server, "good", &state).await.is_problem(409, "conflict");
    }
    let asked = github.all();
    assert!(asked.iter().all(|asked| !asked.path.contains("good")), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.path != "elsewhere"), "it follows nobody: {asked:?}");
    // Where it did not answer, the same is good again.
    let (id, state) = begin(&server, &github).await;
    finish(&server, "busy", &state).await.is_problem(503, "unavailable");
    for (code, field) in [("a/../b", "code"), ("", "code"), ("a b", "code")] {
        assert_eq!(finish(&server, code, &state).await.is(422).json["field"], field);
    }
    for wrong in ["", "x", &state[1..], &format!("{state}A"), &state.to_lowercase()] {
        finish(&server, "good", wrong).await.is_problem(409, "conflict");
    }
    let list = server.get(APPS).await.is(200);
    assert_eq!(list.json["items"], json!([]));
    assert_eq!(list.json["begun"][0]["page"], Value::Null, "it was shown once");
    finish(&server, "good", &state).await.is(200);
    server.delete(&format!("{APPS}/{id}")).await.is(204);
    for (server_at, words) in [
        ("https://169.254.169.254", "no address that a GitHub can have"),
        ("https://[fe80::1]", "no address that a GitHub can have"),
        ("http://git.example", "a private key comes from there"),
        ("https://u:p@git.example", "without a user"),
        ("https://git.example/x?y", "without a path"),
        ("file:///etc/passwd", "https://"),
    ] {
        let refused = server.post(APPS, json!({"server": server_at, "address": PUBLIC})).await;
        refused.is_problem(422, "invalid-field");
        assert!(
            refused.json["field"] == "server" && refused.text.contains(words),
            "{}",
            refused.text
        );
    }
    let nowhere = server.post(APPS, json!({"server": github.url()})).await;
    nowhere.is_problem(409, "conflict");
    assert!(nowhere.text.contains("hythe address set"), "{}", nowhere.text);
    for _ in 0..8 {
        begin(&server, &github).await;
    }
    let full = json!({"server": github.url(), "address": PUBLIC});
    server.post(APPS, full).await.is_problem(409, "conflict");
    github.nothing_is_wrong();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_of_pushes_and_is_told_what_became_of_them() {
    let (server, mut github) = (Server::start().await, GitHub::start().await);
    let id = made(&server, &github).await;
    github.install("octo/shop");
    app(&server, "shop", &format!("{}/octo/shop.git", github.url())).await;
    app(&server, "other", &format!("{}/octo/other", github.url())).await;
    let hook = Hook::of_app(&id, SECRET);
    let changed = json!({"action": "added", "installation": {"id": INSTALLATION}});
    let noted = hook.tells(&server, "installation_repositories", "d-0", &changed).await.is(200);
    assert_eq!(noted.json["outcome"], "ignored");
    let told = hook.tells(&server, "push", "d-1", &push(&github, "Octo/Shop")).await.is(202);
    assert_eq!(told.json["apps"][0]["name"], "shop", "{}", told.text);
    let again = hook.tells(&server, "push", "d-1", &push(&github, "Octo/Shop")).await.is(202);
    assert_eq!(again.json["outcome"], "repeated");
    let unsigned = Hook::of_app(&id, "another secret");
    let refused = unsigned.tells(&server, "push", "d-2", &push(&github, "Octo/Shop")).await;
    refused.is_problem(401, "unauthorized");
    // Whoever has its secret speaks for its own repositories and for no others.
    let mut foreign = push(&github, "Octo/Shop");
    foreign["repository"]["clone_url"] = "https://github.com/octo/shop.git".into();
    foreign["repository"]["html_url"] = "https://github.com/octo/shop".into();
    let elsewhere = hook.tells(&server, "push", "d-3", &foreign).await.is(200);
    assert!(elsewhere.text.contains("of a repository elsewhere"), "{}", elsewhere.text);

    let status = format!("/repos/octo/shop/statuses/{COMMIT}");
    let (mut tokens, mut statuses, mut deployments) = (Vec::new(), None, None);
    while statuses.is_none() || deployments.is_none() {
        let asked = github.next().await;
        match asked.path.as_str() {
            path if path == status => statuses = Some(asked),
            "/repos/octo/shop/deployments" => deployments = Some(asked),
            path if path.ends_with("/access_tokens") => tokens.push(asked.body),
            _ => {}
        }
    }
    let (statuses, deployments) = (statuses.unwrap(), deployments.unwrap());
    assert_eq!(
        (&statuses.body["state"], &statuses.body["context"]),
        (&json!("pending"), &json!("hythe/shop"))
    );
    assert_eq!(deployments.body["environment"], "shop");
    assert!(statuses.token.is_some() && deployments.token.is_some());
    assert_ne!(statuses.token, deployments.token, "one for each");
    for may in ["statuses", "deployments"] {
        let wanted = json!({"permissions": {may: "write"}, "repositories": ["shop"]});
        assert!(tokens.contains(&wanted), "{tokens:?}");
    }
    // Another one of the same owner, on which it is not installed, is not told of, and nobody complains.
    let deploy = json!({"commit": COMMIT});
    server.post("/api/v1/apps/other/deployments", deploy.clone()).await.is(202);
    github.asked(&Method::GET, "/repos/octo/other/installation").await;
    // Of one that is called otherwise by now that is said.
    app(&server, "moved", &format!("{}/octo/moved", github.url())).await;
    server.post("/api/v1/apps/moved/deployments", deploy).await.is(202);
    github.asked(&Method::GET, "/repos/octo/moved/installation").await;
    let refused = not_taken(&server, &id).await;
    assert!(refused.contains("octo/moved is called otherwise"), "{refused}");
    // A webhook of the repository's own goes first.
    let own = Hook::new(&server, "shop", "github").await;
    let left = hook.tells(&server, "push", "d-4", &push(&github, "Octo/Shop")).await.is(200);
    assert!(left.text.contains(&format!("hythe hook rm {}", own.id)), "{}", left.text);
    assert!(hook.deliveries(&server).await.len() >= 4);
    server.delete(&format!("{APPS}/{id}")).await.is(204);
    let gone = hook.tells(&server, "push", "d-5", &push(&github, "Octo/Shop")).await;
    gone.is_problem(404, "not-found");
    github.nothing_is_wrong();
}

/// Why a status was not taken that was told by way of this App.
async fn not_taken(server: &Server, id: &str) -> String {
    let id = id.parse().unwrap();
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        looks.tick().await;
        let mut told = server.control.statuses().of(id).into_iter();
        if let Some(why) = told.find_map(|told| told.refused) {
            return why;
        }
    }
    panic!("all of it was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lists_and_gets_other_secrets_and_keys() {
    let (server, mut github) = (Server::start().await, GitHub::start().await);
    let id = made(&server, &github).await;
    github.install("octo/shop");
    let at = encoded(&format!("{}/octo", github.url()));
    let listed = server.get(&format!("/api/v1/sources/repositories?at={at}")).await.is(200);
    assert_eq!(listed.json["items"], json!([]), "what lies elsewhere is left out");
    let lent = format!("/app/installations/{INSTALLATION}/access_tokens");
    let asked = github.asked(&Method::POST, &lent).await;
    let may = json!({"permissions": {"contents": "read", "metadata": "read"}});
    assert_eq!(asked.body, may);
    let shop = encoded(&format!("{}/octo/shop", github.url()));
    let branches = format!("/api/v1/sources/branches?repository={shop}");
    let listed = server.get(&branches).await.is(200);
    assert_eq!(listed.json["items"][0]["name"], "main");
    // Kept for the next time; and one that GitHub took back is another one then.
    github.all();
    server.get(&branches).await.is(200);
    assert_eq!(github.all().len(), 1, "neither the App nor the token is asked for again");
    github.shared.revoked.store(true, Ordering::SeqCst);
    server.get(&branches).await.is(200);
    let asked: Vec<String> = github.all().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked.iter().filter(|path| **path == lent).count(), 1, "{asked:?}");
    // Where it is not installed, that is said, and a token serves as before.
    let other = encoded(&format!("{}/octo/other", github.url()));
    let none = server.get(&format!("/api/v1/sources/branches?repository={other}")).await;
    none.is_problem(409, "conflict");
    let install = format!("{}/github-apps/hythe-one/installations/new", github.url());
    assert!(none.text.contains(&install), "{}", none.text);
    let token = json!({"username": "me", "password": "ghs_by-hand"});
    let prefix = encoded(&format!("{}/octo/other", github.url()));
    server.put(&format!("/api/v1/sources/tokens/{prefix}"), token).await.is(200);
    server.get(&format!("/api/v1/sources/branches?repository={other}")).await.is(200);
    let by_hand = github.asked(&Method::GET, "/repos/octo/other/branches?per_page=50&page=1").await;
    assert_eq!(by_hand.token.as_deref(), Some("ghs_by-hand"));

    // Until GitHub knows the new secret, the one before counts.
    github.shared.broken.store(true, Ordering::SeqCst);
    let rotate = format!("{APPS}/{id}/rotate-secret");
    server.post(&rotate, json!({})).await.is_problem(503, "unavailable");
    let asked = github.asked(&Method::PATCH, "/app/hook/config").await;
    let secret = asked.body["secret"].as_str().unwrap().to_owned();
    let url = format!("{PUBLIC}/hooks/github/{id}");
    let told = json!({"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret});
    assert_eq!(asked.body, told);
    let ping = json!({"zen": "x"});
    let before = Hook::of_app(&id, SECRET);
    let after = Hook::of_app(&id, &secret);
    before.tells(&server, "ping", "p-1", &ping).await.is(200);
    after.tells(&server, "ping", "p-2", &ping).await.is(200);
    github.shared.broken.store(false, Ordering::SeqCst);
    let rotated = server.post(&rotate, json!({})).await.is(200);
    assert_eq!(rotated.json["secret_told"], true);
    let asked = github.asked(&Method::PATCH, "/app/hook/config").await;
    assert_eq!(asked.body["secret"], secret, "the same is told until it is known");
    before.tells(&server, "ping", "p-3", &ping).await.is_problem(401, "unauthorized");
    after.tells(&server, "ping", "p-4", &ping).await.is(200);

    // Under its key, another one is minted once, and told until GitHub knows it.
    let keyed = || {
        let request = server.asks(Method::POST, &rotate).header("idempotency-key", "rotate");
        Answer::of(request.json(&json!({})))
    };
    github.all();
    github.shared.broken.store(true, Ordering::SeqCst);
    keyed().await.is_problem(503, "unavailable");
    github.shared.broken.store(false, Ordering::SeqCst);
    keyed().await.is(200);
    let asked = github.all().into_iter().filter(|asked| asked.path == "/app/hook/config");
    let told: Vec<_> = asked.map(|asked| asked.body["secret"].clone()).collect();
    let secret = told[0].as_str().unwrap().to_owned();
    assert!(told.iter().all(|one| *one == told[0]), "one was minted");
    let again = keyed().await.is(200);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert!(github.all().iter().all(|asked| asked.path != "/app/hook/config"), "it was told");
    let after = Hook::of_app(&id, &secret);
    after.tells(&server, "ping", "p-6", &ping).await.is(200);

    // A key that GitHub does not take changes nothing.
    let (key, path) = (new_key(), format!("{APPS}/{id}/key"));
    for wrong in ["", "hush", &key] {
        let refused = server.put(&path, json!({"private_key": wrong})).await;
        refused.is_problem(422, "invalid-field");
        assert!(!refused.text.contains("hush"), "{}", refused.text);
    }
    *github.shared.key.lock().unwrap() = key.clone();
    let seen = server.get(&format!("{APPS}/{id}")).await.is(200);
    let refused = seen.json["refused"].as_str().unwrap();
    assert!(refused.contains("hythe source github-app key"), "{refused}");
    server.put(&path, json!({"private_key": key})).await.is(200);
    let seen = server.get(&format!("{APPS}/{id}")).await.is(200);
    assert_eq!(seen.json["installations"][0]["account"], "Octo");
    assert!(!server.on_disk(secret.as_bytes()));
    // All of it is there after a restart.
    let server = server.again().await;
    after.tells(&server, "ping", "p-5", &ping).await.is(200);
    let seen = server.get(&format!("{APPS}/{id}")).await.is(200);
    assert_eq!(seen.json["installations"][0]["account"], "Octo");
    github.nothing_is_wrong();
}
