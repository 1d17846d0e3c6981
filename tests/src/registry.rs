//! A registry on loopback that gives one image, where that is wanted only to who logs in: what of the distribution
//! protocol an engine needs to pull, with basic auth or with tokens of its own.
//!
//! Engines speak plain HTTP to registries on loopback. Gone when it is dropped.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::served::Served;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// How a registry wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    Nobody,
    /// With each request.
    Basic,
    /// Once, for a token that goes with each request then.
    Bearer,
}

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    served: Served,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    auth: Auth,
    /// What the header of a login must be.
    login: String,
    token: String,
    images: Mutex<Images>,
    refused: AtomicUsize,
    served: AtomicUsize,
}

/// What there is; the last of the manifests has the tag.
#[derive(Debug, Default)]
struct Images {
    manifests: Vec<Blob>,
    blobs: Vec<Blob>,
}

/// What an image is made on.
#[derive(Clone, Debug)]
pub struct Below {
    /// Layers, as tar archives.
    pub layers: Vec<Vec<u8>>,
    /// What its configuration says.
    pub config: serde_json::Value,
}

impl Default for Below {
    fn default() -> Self {
        Self { layers: Vec::new(), config: json!({ "ExposedPorts": { "4000/tcp": {} } }) }
    }
}

#[derive(Clone, Debug)]
struct Blob {
    digest: String,
    bytes: Bytes,
}

impl Blob {
    fn of(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest: format!("sha256:{hex}"), bytes: bytes.into() }
    }
}

impl Registry {
    /// Serves an image that holds one file `/from-the-registry` with this text.
    #[must_use]
    pub fn start(auth: Auth, user: &str, password: &str, text: &str) -> Self {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let shared = Arc::new(Shared {
            auth,
            login: format!("Basic {pair}"),
            token: format!("token-{}", Blob::of(text.as_bytes().to_vec()).digest),
            images: Mutex::default(),
            refused: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let served = Served::start(move |address, request| {
            std::future::ready(answer(&serving, address, &request))
        });
        let registry = Self { served, shared };
        registry.push(&Below::default(), text);
        registry
    }

    /// Moves the tag to an image that holds the same file with this text, on these; says its digest.
    pub fn push(&self, below: &Below, text: &str) -> String {
        let (manifest, blobs) = image(below, text);
        let digest = manifest.digest.clone();
        let mut images = self.shared.images.lock().expect("nobody panics with it");
        images.manifests.push(manifest);
        images.blobs.extend(blobs);
        digest
    }

    /// Its name, as images begin with it.
    #[must_use]
    pub fn host(&self) -> String {
        self.served.address.to_string()
    }

    /// The name of its image.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/team/base:1", self.served.address)
    }

    /// How many requests came without a login or token, or with a wrong one.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// How many were answered with something of the image.
    #[must_use]
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::SeqCst)
    }
}

/// An image with one layer more: its manifest, and what that names.
fn image(below: &Below, text: &str) -> (Blob, Vec<Blob>) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "from-the-registry", text.as_bytes()).expect("in memory");
    let mut layers: Vec<Blob> = below.layers.iter().cloned().map(Blob::of).collect();
    layers.push(Blob::of(archive.into_inner().expect("in memory")));
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let history: Vec<_> = layers
        .iter()
        .map(|_| json!({ "created": "2024-01-01T00:00:00Z", "created_by": "a test" }))
        .collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": below.config,
        "rootfs": { "type": "layers", "diff_ids": digests },
        "history": history,
    });
    let config = Blob::of(config.to_string().into_bytes());
    let part = |kind: &str, blob: &Blob| json!({ "mediaType": kind, "size": blob.bytes.len(), "digest": blob.digest });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part(CONFIG, &config),
        "layers": layers.iter().map(|layer| part(LAYER, layer)).collect::<Vec<_>>(),
    });
    layers.push(config);
    (Blob::of(manifest.to_string().into_bytes()), layers)
}

fn answer(
    shared: &Shared,
    address: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let path = request.uri().path();
    let read = [Method::GET, Method::HEAD].contains(request.method());
    if path == "/token" && shared.auth == Auth::Bearer && read {
        if given != Some(&shared.login) {
            return refuse(shared, "Basic realm=\"token\"");
        }
        let token = json!({ "token": shared.token, "expires_in": 300 }).to_string();
        return respond(StatusCode::OK, "application/json", token.into(), None);
    }
    let (wanted, challenge) = match shared.auth {
        Auth::Nobody => (given.unwrap_or_default().to_owned(), String::new()),
        Auth::Basic => (shared.login.clone(), "Basic realm=\"registry\"".to_owned()),
        Auth::Bearer => (
            format!("Bearer {}", shared.token),
            format!(
                "Bearer realm=\"http://{address}/token\",service=\"test\",\
                 scope=\"repository:team/base:pull\""
            ),
        ),
    };
    if !path.starts_with("/v2/") || !read {
        return respond(StatusCode::NOT_FOUND, "application/json", Bytes::from("{}"), None);
    }
    if given.unwrap_or_default() != wanted {
        return refuse(shared, &challenge);
    }
    let images = shared.images.lock().expect("nobody panics with it");
    let of = |all: &[Blob], digest: &str| all.iter().find(|blob| blob.digest == digest).cloned();
    let rest = path.strip_prefix("/v2/team/base/").unwrap_or_default();
    let (found, kind) = match rest.split_once('/') {
        Some(("manifests", "1")) => (images.manifests.last().cloned(), MANIFEST),
        Some(("manifests", digest)) => (of(&images.manifests, digest), MANIFEST),
        Some(("blobs", digest)) => (of(&images.blobs, digest), "application/octet-stream"),
        Some((_, _)) | None if path == "/v2/" => {
            return respond(StatusCode::OK, "application/json", Bytes::from("{}"), None);
        }
        Some((_, _)) | None => (None, ""),
    };
    drop(images);
    match found {
        Some(blob) => {
            shared.served.fetch_add(1, Ordering::SeqCst);
            let digest = Some(blob.digest.as_str());
            respond(StatusCode::OK, kind, blob.bytes.clone(), digest)
        }
        None => {
            let why = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
            respond(StatusCode::NOT_FOUND, "application/json", why.to_string().into(), None)
        }
    }
}

fn refuse(shared: &Shared, challenge: &str) -> Response<Full<Bytes>> {
    shared.refused.fetch_add(1, Ordering::SeqCst);
    let why =
        json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] });
    let mut response =
        respond(StatusCode::UNAUTHORIZED, "application/json", why.to_string().into(), None);
    let challenge = challenge.parse().expect("a header");
    response.headers_mut().insert("www-authenticate", challenge);
    response
}

/// To a `HEAD`, the server sends no more of this than its length.
fn respond(
    status: StatusCode,
    kind: &str,
    body: Bytes,
    digest: Option<&str>,
) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", kind)
        .header("docker-distribution-api-version", "registry/2.0");
    if let Some(digest) = digest {
        response = response.header("docker-content-digest", digest);
    }
    response.body(Full::from(body)).expect("a response")
}
