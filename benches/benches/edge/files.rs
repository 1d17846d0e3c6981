//! A file of 10 kB out of a static site beside nginx's.

use std::path::Path;

use hythe_benches::row;
use hythe_benches::server::Nats;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::routes::{Backend, Route, RouteTable};
use hythe_core::site::{FileHash, MANIFEST_FORMAT, Manifest, SiteFile, SiteId, SitePath, Variants};
use uuid::Uuid;

use super::peers::Peer;
use super::{Edge, HOST, ROUNDS, Seen, ask, free_address};

/// A file of 10 kB that the edge serves out of a static site, beside nginx that serves it from its disk.
pub(super) fn beside(folder: &Path, nats: &Nats) {
    let files = folder.join("files");
    std::fs::create_dir_all(&files).expect("a folder");
    let page = "<p>ten kilobytes of a page</p>\n".repeat(330);
    std::fs::write(files.join("index.html"), &page).expect("a file");
    let theirs = free_address();
    let root = format!("root {}; location / {{ }}", files.display());
    let opened = "sendfile on; tcp_nopush on; open_file_cache max=100 inactive=60s;";
    let _nginx = Peer::nginx(&folder.join("nginx-files"), theirs, opened, &root);
    let ours = Edge::start(&folder.join("site"), nats, &site(&folder.join("site/edge"), &page));
    let mut seen: [Vec<Seen>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (side, seen) in [theirs, ours.at].iter().zip(&mut seen) {
            seen.push(ask(*side));
        }
    }
    let [theirs, ours] = seen.map(|seen| Seen::middle(&seen));
    row("a static file of 10 kB beside nginx", ours.rate, theirs.rate, "1/s");
    row("p99, a static file of 10 kB beside nginx", ours.p99, theirs.p99, "ms");
}

/// Puts a site of one page where an edge keeps them; gives the table that leads there.
fn site(data: &Path, page: &str) -> RouteTable {
    let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let hash = FileHash::new(digest(page.as_bytes())).expect("a digest");
    let file =
        SiteFile { hash: hash.clone(), bytes: page.len() as u64, variants: Variants::default() };
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        single_page: false,
        redirects: Vec::new(),
        headers: Vec::new(),
        files: [(SitePath::new("index.html").expect("a path"), file)].into(),
    };
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    let id = SiteId::new(digest(&manifest)).expect("a digest");
    let (lists, files) = (data.join("sites/manifests"), data.join("sites/files"));
    let folder = files.join(hash.as_str().get(..2).expect("two digits"));
    for folder in [&lists, &folder] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(lists.join(id.as_str()), manifest).expect("a file");
    std::fs::write(folder.join(hash.as_str()), page).expect("a file");
    let deployment = DeploymentId::new(Uuid::from_u128(1));
    let backend = Backend::Site { deployment, site: id, earlier: Vec::new() };
    let route =
        Route::new(AppId::new(Uuid::from_u128(1)), "site".parse().expect("a name"), backend);
    RouteTable { revision: 1, routes: [(HOST.parse().expect("a host"), route)].into() }
}
