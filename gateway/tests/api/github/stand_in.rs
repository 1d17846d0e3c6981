//! A stand-in for GitHub that takes nothing but what GitHub documents: each header, each field, and what an
//! App says of itself, signed with the key that was given to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(super) const APP: u64 = 4_711;
pub(super) const INSTALLATION: u64 = 815;
pub(super) const SECRET: &str = "canary-of-the-webhook-9c11";
const CLIENT_SECRET: &str = "canary-of-the-client-77ab";
const WITHIN: Duration = Duration::from_secs(20);

/// What it was asked, and by whom.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    /// The token, where it was not the App itself.
    pub(super) token: Option<String>,
}

/// A running one.
pub(super) struct GitHub {
    pub(super) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    tell: mpsc::UnboundedSender<Asked>,
    /// The App's private key, and others that may take its place.
    pub(super) key: Mutex<String>,
    /// Where it is installed: owner and name, in lower case.
    pub(super) installed: Mutex<BTreeSet<String>>,
    lent: AtomicU64,
    /// The last token counts no more.
    pub(super) revoked: AtomicBool,
    /// It does not take what it is told of a webhook.
    pub(super) broken: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

/// A key as GitHub gives one.
pub(super) fn new_key() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"])
        .arg(&path)
        .status()
        .expect("ssh-keygen on PATH");
    assert!(made.success());
    std::fs::read_to_string(path).unwrap()
}

fn public(pem: &str) -> Vec<u8> {
    let PrivateKeyDer::Pkcs1(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap() else {
        panic!("GitHub gives keys in PKCS #1");
    };
    let pair = RsaKeyPair::from_der(key.secret_pkcs1_der()).unwrap();
    pair.public_key().as_ref().to_vec()
}

impl GitHub {
    pub(super) async fn start() -> Self {
        let (tell, asked) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            tell,
            key: Mutex::new(new_key()),
            installed: Mutex::default(),
            lent: AtomicU64::new(0),
            revoked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            wrong: Mutex::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn install(&self, repository: &str) {
        self.shared.installed.lock().unwrap().insert(repository.to_owned());
    }

    /// The next question.
    pub(super) async fn next(&mut self) -> Asked {
        let asked = tokio::time::timeout(WITHIN, self.asked.recv()).await;
        self.nothing_is_wrong();
        asked.expect("something is asked").unwrap()
    }

    /// The next question that fits; what does not is left out.
    pub(super) async fn asked(&mut self, method: &Method, path: &str) -> Asked {
        loop {
            let asked = tokio::time::timeout(WITHIN, self.asked.recv()).await;
            self.nothing_is_wrong();
            let asked = asked.unwrap_or_else(|_| panic!("nobody asks {method} {path}")).unwrap();
            if asked.method == *method && asked.path == path {
                return asked;
            }
        }
    }

    /// Everything that was asked by now.
    pub(super) fn all(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    #[track_caller]
    pub(super) fn nothing_is_wrong(&self) {
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What is wrong with an App's own words, where anything is.
fn assertion(shared: &Shared, given: &str) -> Result<(), String> {
    let key =
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public(&shared.key.lock().unwrap()));
    let (signed, signature) = given.rsplit_once('.').ok_or("no signature")?;
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|error| error.to_string());
    key.verify(signed.as_bytes(), &decoded(signature)?).map_err(|_| "signed by another key")?;
    let (head, claims) = signed.split_once('.').ok_or("no claims")?;
    let head: Value = serde_json::from_slice(&decoded(head)?).unwrap();
    let claims: Value = serde_json::from_slice(&decoded(claims)?).unwrap();
    let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    let fine = head == json!({"alg": "RS256", "typ": "JWT"})
        && claims["iss"].as_str() == Some(APP.to_string().as_str())
        && claims.as_object().unwrap().len() == 3
        && iat <= now() - 50
        && iat + 120 >= now()
        && exp > now()
        && exp - iat <= 600;
    if fine { Ok(()) } else { Err(format!("{head} {claims}")) }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let wrong = |why: String| {
        shared.wrong.lock().unwrap().push(format!("{method} {uri}: {why}"));
    };
    for (name, value) in
        [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")]
    {
        if header(name) != Some(value) {
            wrong(format!("{name}: {:?}", header(name)));
        }
    }
    if !header("user-agent").is_some_and(|agent| agent.starts_with("hythe/")) {
        wrong("it does not say who it is".into());
    }
    if !body.is_empty() && header("content-type") != Some("application/json") {
        wrong("its body is no JSON".into());
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let path = uri.path_and_query().unwrap().as_str().to_owned();
    let path = path.strip_prefix("/api/v3").unwrap_or("elsewhere").to_owned();
    let bearer = header("authorization").and_then(|given| given.strip_prefix("Bearer "));
    let token = bearer.filter(|given| given.starts_with("ghs_")).map(ToOwned::to_owned);
    let conversion = path.starts_with("/app-manifests/");
    let asked = Asked { method: method.clone(), path: path.clone(), body, token: token.clone() };
    let answer = if conversion {
        if header("authorization").is_some() {
            wrong("a code needs nobody's word".into());
        }
        converted(&shared, &path)
    } else if let Some(token) = &token {
        by_token(&shared, &asked, token)
    } else {
        match bearer.ok_or("nobody asks".to_owned()).and_then(|word| assertion(&shared, word)) {
            Ok(()) => by_app(&shared, &asked),
            Err(why) => {
                (StatusCode::UNAUTHORIZED, axum::Json(json!({"message": why}))).into_response()
            }
        }
    };
    let _nobody_listens = shared.tell.send(asked);
    answer
}

fn said(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

fn converted(shared: &Shared, path: &str) -> Response {
    let code = path.trim_start_matches("/app-manifests/").trim_end_matches("/conversions");
    let app = json!({
        "id": APP, "slug": "hythe-one", "node_id": "A_1", "client_id": "Iv1.0123456789abcdef",
        "owner": {"login": "Octo", "id": 1}, "name": "Hythe One", "client_secret": CLIENT_SECRET,
        "webhook_secret": SECRET, "pem": *shared.key.lock().unwrap(),
        "html_url": "https://evil.example/apps/hythe-one",
    });
    let with = |field: &str, value: Value| {
        let mut app = app.clone();
        app[field] = value;
        app
    };
    match code {
        "good" => said(201, app),
        "refused" => said(404, json!({"message": "Not Found"})),
        "busy" => said(503, json!({"message": "later"})),
        "large" => said(201, with("description", "x".repeat(300 * 1024).into())),
        "nojson" => (StatusCode::CREATED, "<html>").into_response(),
        "nopem" => said(201, with("pem", "hush".into())),
        "evil" => said(201, with("slug", "../../x".into())),
        "nosecret" => said(201, with("webhook_secret", Value::Null)),
        "moved" => {
            let to = [("location", "http://127.0.0.1:1/elsewhere")];
            (StatusCode::FOUND, to, "").into_response()
        }
        other => panic!("{other}"),
    }
}

fn by_app(shared: &Shared, asked: &Asked) -> Response {
    let installation = json!({
        "id": INSTALLATION, "account": {"login": "Octo"}, "repository_selection": "selected",
        "suspended_at": null, "app_id": APP,
    });
    let whole = format!("/app/installations/{INSTALLATION}/access_tokens");
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/app") => said(200, json!({"id": APP, "slug": "hythe-one"})),
        ("GET", "/app/installations?per_page=100&page=1") => said(200, json!([installation])),
        ("POST", path) if path == whole => {
            shared.revoked.store(false, Ordering::SeqCst);
            let n = shared.lent.fetch_add(1, Ordering::SeqCst) + 1;
            let until = "2099-01-01T00:00:00Z";
            let token = json!({"token": format!("ghs_{n}"), "expires_at": until,
                               "permissions": asked.body["permissions"]});
            said(201, token)
        }
        ("PATCH", "/app/hook/config") if shared.broken.load(Ordering::SeqCst) => {
            said(422, json!({"message": "Validation Failed"}))
        }
        ("PATCH", "/app/hook/config") => said(200, json!({"content_type": "json"})),
        ("GET", path) => {
            let name = path.trim_start_matches("/repos/").trim_end_matches("/installation");
            if name == "octo/moved" {
                let to = "https://api.github.com/repositories/1/installation";
                said(301, json!({"message": "Moved Permanently", "url": to}))
            } else if shared.installed.lock().unwrap().contains(&name.to_lowercase()) {
                said(200, installation)
            } else {
                said(404, json!({"message": "Not Found"}))
            }
        }
        other => panic!("{other:?}"),
    }
}

fn by_token(shared: &Shared, asked: &Asked, token: &str) -> Response {
    let newest = format!("ghs_{}", shared.lent.load(Ordering::SeqCst));
    // Each purpose has a token of its own; one that is newer does not end the others.
    if shared.revoked.load(Ordering::SeqCst) && *token == newest {
        return said(401, json!({"message": "Bad credentials"}));
    }
    match (asked.method.as_str(), asked.path.split('?').next().unwrap()) {
        ("GET", "/installation/repositories") => said(
            200,
            json!({"total_count": 1, "repositories": [{
                "clone_url": "http://127.0.0.1:1/Octo/Shop.git", "default_branch": "main", "private": true,
            }]}),
        ),
        ("GET", path) if path.ends_with("/branches") => said(
            200,
            json!([{"name": "main", "commit": {"sha": "1481a2de7b2a7d02428ad93446ab166be7793fbb"}}]),
        ),
        ("GET", _) => said(200, json!([])),
        ("POST", path) if path.ends_with("/deployments") => said(201, json!({"id": 9})),
        ("POST" | "PATCH", _) => said(201, json!({"id": 1})),
        other => panic!("{other:?}"),
    }
}
