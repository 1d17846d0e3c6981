//! Static sites over real sockets: from the edge's own disk, and fetched over a real nats-server.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures_util::StreamExt as _;
use hythe_core::canary::{Part, PartSite, Weight};
use hythe_core::edge::EdgeSettings;
use hythe_core::ids::DeploymentId;
use hythe_core::mount::{Mounted, SeenPath};
use hythe_core::names::HostName;
use hythe_core::routes::Backend;
use hythe_core::site::{
    Compression, FileHash, MANIFEST_FORMAT, Manifest, SiteFile, SiteId, SitePath, Variant,
    Variants, parse_headers, parse_redirects,
};
use hythe_core::wire::site::{MISSING, QUESTION, SiteAsked, SiteObject, SiteQuestion, TOTAL};
use hythe_core::wire::subjects;

use crate::nats::{Control, Nats};
use crate::support::{
    Answer, App, Running, config, deployment, message, no_nats, nobody, replicas, served, soon,
    table,
};

/// A site, and everything that is kept of it.
#[derive(Default)]
struct Made {
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: Vec<u8>,
    id: String,
}

fn hash(bytes: &[u8]) -> FileHash {
    FileHash::new(blake3::hash(bytes).to_hex().as_str()).unwrap()
}

fn site(files: &[(&str, &[u8])], redirects: &str, headers: &str, single_page: bool) -> Made {
    let mut made = Made::default();
    let mut listed = BTreeMap::new();
    for (path, bytes) in files {
        let mut variants = Variants::default();
        made.blobs.insert(hash(bytes).to_string(), bytes.to_vec());
        if path.ends_with(".js") {
            // What they are is not looked at on the way.
            for compression in [Compression::Brotli, Compression::Gzip] {
                let packed = format!("{} of {path}", compression.name()).into_bytes();
                let variant = Variant { hash: hash(&packed), bytes: packed.len() as u64 };
                variants.put(compression, variant);
                made.blobs.insert(hash(&packed).to_string(), packed);
            }
        }
        let file = SiteFile { hash: hash(bytes), bytes: bytes.len() as u64, variants };
        listed.insert(SitePath::new(*path).unwrap(), file);
    }
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        single_page,
        redirects: parse_redirects(redirects).unwrap(),
        headers: parse_headers(headers).unwrap(),
        files: listed,
    };
    made.manifest = serde_json::to_vec(&manifest).unwrap();
    made.id = hash(&made.manifest).to_string();
    made
}

impl Made {
    /// As an edge keeps it.
    fn lie_in(&self, data: &Path) {
        for (hash, bytes) in &self.blobs {
            let folder = data.join("sites/files").join(&hash[..2]);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(hash), bytes).unwrap();
        }
        std::fs::create_dir_all(data.join("sites/manifests")).unwrap();
        std::fs::write(data.join("sites/manifests").join(&self.id), &self.manifest).unwrap();
    }

    fn backend(&self, deployment: DeploymentId, earlier: &[&Self]) -> Backend {
        let id = |made: &Self| SiteId::new(made.id.clone()).unwrap();
        let earlier = earlier.iter().map(|made| id(made)).collect();
        Backend::Site { deployment, site: id(self), earlier }
    }
}

/// An edge that has these sites on its disk; the first one is the present one.
fn edge(sites: &[&Made], settings: &EdgeSettings) -> (Running, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    sites.iter().for_each(|site| site.lie_in(data.path()));
    let to = sites[0].backend(deployment(), &sites[1..]);
    std::fs::write(data.path().join("routes.json"), message(served(&[("a", to)], settings)))
        .unwrap();
    (Running::start(config(data.path(), no_nats())), data)
}

async fn ask(edge: &Running, method: &str, path: &str, lines: &[&str]) -> Answer {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let mut client = edge.client().await;
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
    if method == "HEAD" { client.answer_to_head().await } else { client.answer().await }
}

#[tokio::test]
async fn pages_have_their_types_tags_and_clean_names() {
    let files: &[(&str, &[u8])] = &[
        ("index.html", b"home"),
        ("about.html", b"about"),
        ("docs/index.html", b"docs"),
        ("404.html", b"lost"),
        ("assets/app-1a2b3c4d.js", b"let x"),
    ];
    let (edge, _data) = edge(&[&site(files, "", "", false)], &EdgeSettings::default());
    let home = edge.get("a", "/").await;
    assert_eq!((home.status, home.body.as_str()), (200, "home"));
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(home.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    assert_eq!(home.header("x-content-type-options"), Some("nosniff"));
    assert!(home.header("x-request-id").is_some());
    for (path, status, body) in [
        ("/about", 200, "about"),
        ("/docs/", 200, "docs"),
        ("/nope", 404, "lost"),
        ("/../../etc/passwd", 404, ""),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, ""),
        ("/a%00b", 404, ""),
    ] {
        let answer = edge.get("a", path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.starts_with(body), "{path}: {answer:?}");
    }
    let moved = edge.get("a", "/docs?q=1").await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("/docs/?q=1")));
    let asset = edge.get("a", "/assets/app-1a2b3c4d.js").await;
    assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(asset.header("vary"), Some("accept-encoding"));

    let tag = home.header("etag").unwrap();
    let same = ask(&edge, "GET", "/", &[&format!("If-None-Match: \"x\", {tag}")]).await;
    assert_eq!((same.status, same.header("etag"), same.body.as_str()), (304, Some(tag), ""));
    for (said, status, body) in [
        (format!("If-Match: \"x\", {tag}"), 200, "home"),
        ("If-Match: *".to_owned(), 200, "home"),
        ("If-Match: \"x\"".to_owned(), 412, ""),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}"), 412, ""),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}"), 304, ""),
        // There is no date to compare it with.
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(), 200, "home"),
    ] {
        let answer = ask(&edge, "GET", "/", &[&said]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{said}");
    }
    assert_eq!(ask(&edge, "GET", "/nope", &["If-Match: \"x\""]).await.status, 404);
    let head = ask(&edge, "HEAD", "/", &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    let post = ask(&edge, "POST", "/", &["Content-Length: 0"]).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    edge.stop().await;
}

#[tokio::test]
async fn the_form_that_a_client_takes_is_sent_and_each_has_its_own_tag() {
    let made = site(&[("app.js", b"plain plain plain plain plain plain")], "", "", false);
    let (edge, _data) = edge(&[&made], &EdgeSettings::default());
    let mut tags = Vec::new();
    for (accepts, coding, body) in [
        ("gzip, br", Some("br"), "br of app.js"),
        ("gzip", Some("gzip"), "gzip of app.js"),
        ("identity", None, "plain plain plain plain plain plain"),
    ] {
        let answer = ask(&edge, "GET", "/app.js", &[&format!("Accept-Encoding: {accepts}")]).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepts}");
        assert_eq!((answer.status, answer.body.as_str()), (200, body));
        tags.push(answer.header("etag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
    // A part is one of the file as it is.
    let part = ask(&edge, "GET", "/app.js", &["Accept-Encoding: br", "Range: bytes=6-10"]).await;
    assert_eq!((part.status, part.body.as_str()), (206, "plain"));
    assert_eq!(part.header("content-range"), Some("bytes 6-10/35"));
    assert_eq!(part.header("content-encoding"), None);
    let beyond = ask(&edge, "GET", "/app.js", &["Range: bytes=99-"]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */35")));
    let other = ask(&edge, "GET", "/app.js", &["Range: bytes=0-0", "If-Range: \"other\""]).await;
    assert_eq!(other.status, 200);
    edge.stop().await;

    let off = EdgeSettings { compress: false, ..EdgeSettings::default() };
    let (edge, _data) = self::edge(&[&made], &off);
    let plain = ask(&edge, "GET", "/app.js", &["Accept-Encoding: br"]).await;
    assert_eq!(plain.header("content-encoding"), None);
    edge.stop().await;
}

#[tokio::test]
async fn large_files_come_whole_and_in_parts() {
    let large: Vec<u8> = (0..700_000_u32).map(|n| b'a' + u8::try_from(n % 23).unwrap()).collect();
    let made = site(&[("large.txt", &large)], "", "", false);
    let (edge, _data) = edge(&[&made], &EdgeSettings::default());
    let text = String::from_utf8(large).unwrap();
    let whole = edge.get("a", "/large.txt").await;
    assert!(whole.body == text, "{} bytes", whole.body.len());
    let part = ask(&edge, "GET", "/large.txt", &["Range: bytes=100000-500000"]).await;
    assert!(part.status == 206 && part.body == text[100_000..=500_000]);
    edge.stop().await;
}

#[tokio::test]
async fn rules_of_redirects_and_headers_hold() {
    let files: &[(&str, &[u8])] = &[("index.html", b"home"), ("shell.html", b"shell")];
    let redirects =
        "/old/* /new/:splat 302\n/app/* /shell.html 200\n/out https://b.example/x\n/a%20b /new";
    let headers = "/*\n  X-Frame-Options: DENY\n/app/*\n  Cache-Control: no-store\n  Set-Cookie: a=1\n  Set-Cookie: b=2";
    let (edge, _data) = edge(&[&site(files, redirects, headers, false)], &EdgeSettings::default());
    let moved = edge.get("a", "/old/a%20b?c=d").await;
    assert_eq!((moved.status, moved.header("location")), (302, Some("/new/a%20b?c=d")));
    let out = edge.get("a", "/out").await;
    assert_eq!((out.status, out.header("location")), (301, Some("https://b.example/x")));
    let app = edge.get("a", "/app/orders/7").await;
    assert_eq!((app.status, app.body.as_str()), (200, "shell"));
    assert_eq!(app.header("cache-control"), Some("no-store"));
    let cookies = app.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    assert_eq!(cookies.collect::<Vec<_>>(), ["a=1", "b=2"]);
    let spaced = edge.get("a", "/a%20b").await;
    assert_eq!((spaced.status, spaced.header("location")), (301, Some("/new")));
    assert_eq!(edge.get("a", "/").await.header("x-frame-options"), Some("DENY"));
    for hidden in ["/_redirects", "/_headers", "/.env"] {
        assert_eq!(edge.get("a", hidden).await.status, 404, "{hidden}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn old_assets_stay_and_what_holds_for_apps_holds_for_sites() {
    let now = site(&[("index.html", b"two"), ("assets/app-2222aaaa.js", b"2")], "", "", true);
    let before = site(&[("old.html", b"one"), ("assets/app-1111aaaa.js", b"1")], "", "", true);
    let (edge, _data) = edge(&[&now, &before], &EdgeSettings::default());
    assert_eq!(edge.get("a", "/assets/app-1111aaaa.js").await.body, "1");
    assert_eq!(edge.get("a", "/assets/app-2222aaaa.js").await.body, "2");
    assert_eq!(edge.get("a", "/assets/app-3333aaaa.js").await.status, 404);
    assert_eq!(edge.get("a", "/old").await.body, "two", "a page of its own");
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    assert!(figures.contains("host=\"a\",app=\"shop\""), "{figures}");
    edge.stop().await;

    let settings = EdgeSettings { maintenance: true, ..EdgeSettings::default() };
    let (edge, _data) = self::edge(&[&now], &settings);
    assert_eq!(edge.get("a", "/").await.status, 503);
    edge.stop().await;
}

#[tokio::test]
async fn a_mounted_site_leads_to_itself_and_a_guarded_one_is_in_no_shared_cache() {
    let files: &[(&str, &[u8])] = &[("index.html", b"home"), ("guide/index.html", b"guide")];
    let made = site(files, "/old /guide/", "", false);
    let data = tempfile::tempdir().unwrap();
    made.lie_in(data.path());
    let app = App::echo("app").await;
    let mut all = table(1, &[("a", replicas(deployment(), &[app.at]))]);
    let allow = ["127.0.0.0/8".parse().unwrap()].into();
    let settings = EdgeSettings { allow, ..EdgeSettings::default() };
    let docs = served(&[("docs", made.backend(deployment(), &[]))], &settings);
    let route = docs.routes.values().next().unwrap().clone();
    all.routes.extend(docs.routes);
    let host = all.routes.get_mut(&"a".parse::<HostName>().unwrap()).unwrap();
    host.mounts.insert("/docs".parse().unwrap(), Mounted { seen: SeenPath::Stripped, route });
    std::fs::write(data.path().join("routes.json"), message(all)).unwrap();
    let edge = Running::start(config(data.path(), no_nats()));
    for (path, status, location) in [
        ("/docs", 308, "/docs/"),
        ("/docs?q", 308, "/docs/?q"),
        ("/docs/guide?q", 308, "/docs/guide/?q"),
        ("/docs/old", 301, "/docs/guide/"),
    ] {
        let answer = edge.get("a", path).await;
        assert_eq!((answer.status, answer.header("location")), (status, Some(location)), "{path}");
    }
    for (path, body) in [("/docs/", "home"), ("/docs/guide/", "guide")] {
        let answer = edge.get("a", path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(kept, Some("private, max-age=0, must-revalidate"), "{path}");
    }
    // Of what HEAD asks for there are no parts.
    let head = ask(&edge, "HEAD", "/docs/", &["Range: bytes=0-0"]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    assert!(edge.get("a", "/guide/").await.body.starts_with("app"));
    edge.stop().await;
}

/// An edge that leads to one version, and with a part of the requests to another one.
fn with_part(sites: &[&Made], live: Backend, part: &Part) -> (Running, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    sites.iter().for_each(|site| site.lie_in(data.path()));
    let mut table = served(&[("a", live)], &EdgeSettings::default());
    table.routes.values_mut().for_each(|route| route.canary = Some(Box::new(part.clone())));
    std::fs::write(data.path().join("routes.json"), message(table)).unwrap();
    (Running::start(config(data.path(), no_nats())), data)
}

fn part(made: &Made, percent: u8, earlier: &[&Made]) -> Part {
    let id = |made: &Made| SiteId::new(made.id.clone()).unwrap();
    let earlier = earlier.iter().map(|made| id(made)).collect();
    let site = Some(PartSite { site: id(made), earlier });
    let weight = Weight::new(percent).unwrap();
    Part { deployment: deployment(), targets: Vec::new(), weight, site }
}

/// What a browser sends of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    format!("Cookie: {}", set.split(';').next().unwrap())
}

fn old_and_new() -> (Made, Made) {
    let old: &[(&str, &[u8])] = &[
        ("index.html", b"old page"),
        ("style.css", b"old style"),
        ("assets/app-1111aaaa.js", b"old script"),
    ];
    let new: &[(&str, &[u8])] = &[
        ("index.html", b"new page"),
        ("style.css", b"new style"),
        ("assets/app-2222aaaa.js", b"new script"),
    ];
    (site(old, "", "", false), site(new, "", "", false))
}

#[tokio::test]
async fn while_there_are_two_versions_a_page_and_what_belongs_to_it_are_of_one() {
    let (old, new) = old_and_new();
    let part = part(&new, 50, &[&old]);
    let canary = part.deployment;
    let (edge, _data) = with_part(&[&old, &new], old.backend(deployment(), &[]), &part);
    let mut tags = BTreeMap::new();
    let mut new_ones = 0;
    for _ in 0..10 {
        let page = edge.get("a", "/").await;
        let version = page.body.split(' ').next().unwrap().to_owned();
        new_ones += usize::from(version == "new");
        assert_eq!(page.header("cache-control"), Some("private, max-age=0, must-revalidate"));
        let said = page.header("set-cookie").unwrap();
        assert!(said.starts_with(&format!("hythe-version={canary}.{version}; Path=/; ")), "{said}");
        let stays = cookie(&page);
        for _ in 0..4 {
            for (path, what) in [("/style.css", "style"), ("/", "page")] {
                let answer = ask(&edge, "GET", path, &[&stays]).await;
                assert_eq!(answer.body, format!("{version} {what}"));
                assert_eq!(answer.header("set-cookie"), None);
                let kept = answer.header("cache-control");
                assert_eq!(kept, Some("private, max-age=0, must-revalidate"));
            }
        }
        tags.insert(version, page.header("etag").unwrap().to_owned());
    }
    assert_eq!(new_ones, 5, "of ten pages");
    // A page of before there was a canary belongs to the version that is live.
    for _ in 0..4 {
        assert_eq!(edge.get("a", "/style.css").await.body, "old style");
    }
    // What is named after its content is anybody's.
    let stays = format!("Cookie: hythe-version={canary}.old");
    for lines in [&[stays.as_str()][..], &[]] {
        for (path, body) in
            [("/assets/app-1111aaaa.js", "old script"), ("/assets/app-2222aaaa.js", "new script")]
        {
            let answer = ask(&edge, "GET", path, lines).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, body));
            let kept = answer.header("cache-control");
            assert_eq!(kept, Some("public, max-age=31536000, immutable"));
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    // Whoever has a page already learns whether it is still the one, and of which version it is.
    let has = format!("If-None-Match: {}", tags["old"]);
    let mut states = BTreeMap::new();
    for _ in 0..4 {
        let answer = ask(&edge, "GET", "/", &[&has]).await;
        let side = if answer.status == 304 { ".old" } else { ".new" };
        assert!(cookie(&answer).ends_with(side), "{answer:?}");
        *states.entry(answer.status).or_insert(0) += 1;
    }
    assert_eq!(states, BTreeMap::from([(200, 2), (304, 2)]));
    edge.stop().await;
}

#[tokio::test]
async fn between_a_site_and_replicas_a_client_stays_and_a_site_answers_for_who_is_not_there() {
    let (_, new) = old_and_new();
    let html = App::new(|mut client| async move {
        while client.until_or_end("\r\n\r\n").await.is_ok() {
            let kind = "Content-Type: text/html\r\nContent-Length: 8";
            client.send(&format!("HTTP/1.1 200 OK\r\n{kind}\r\n\r\nold page")).await;
        }
    });
    let html = html.await;
    let live = replicas(deployment(), &[html.at]);
    let (edge, _data) = with_part(&[&new], live, &part(&new, 50, &[]));
    let mut seen = BTreeMap::new();
    for _ in 0..6 {
        let page = edge.get("a", "/").await;
        let stays = cookie(&page);
        for _ in 0..3 {
            let again = ask(&edge, "GET", "/", &[&stays]).await;
            assert_eq!((&again.body, again.header("set-cookie")), (&page.body, None));
        }
        *seen.entry(page.body).or_insert(0) += 1;
    }
    let half = ["new page", "old page"].map(|page| (page.to_owned(), 3));
    assert_eq!(seen, BTreeMap::from(half));
    edge.stop().await;

    // The other way round, and nobody is there.
    let dead = nobody();
    let there = Part { targets: vec![dead.at], site: None, ..part(&new, 99, &[]) };
    let stays = format!("Cookie: hythe-version={}.new", there.deployment);
    let (edge, _data) = with_part(&[&new], new.backend(deployment(), &[]), &there);
    for _ in 0..5 {
        let page = ask(&edge, "GET", "/", &[&stays]).await;
        assert_eq!((page.status, page.body.as_str()), (200, "new page"));
        assert!(cookie(&page).ends_with(".old"), "it is the live one's: {page:?}");
    }
    edge.stop().await;
}

/// The server's side: gives out what it has, while it may.
async fn give_out(control: &Control, sites: &[&Made], may: Arc<AtomicBool>) {
    let client = control.bus.client().clone();
    let mut asked = client.subscribe(subjects::SITES).await.unwrap();
    let blobs: BTreeMap<String, Vec<u8>> =
        sites.iter().flat_map(|site| site.blobs.clone()).collect();
    let lists: BTreeMap<String, Vec<u8>> =
        sites.iter().map(|site| (site.id.clone(), site.manifest.clone())).collect();
    // What is subscribed is known to the server before what comes after it.
    client.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            let Some(reply) = message.reply else { continue };
            let headers = message.headers.unwrap();
            let question: SiteQuestion =
                serde_json::from_str(headers.get(QUESTION).unwrap().as_str()).unwrap();
            let SiteAsked::Get { object, from, most } = question.asked else { continue };
            let found = match &object {
                SiteObject::File(hash) => blobs.get(hash.as_str()),
                SiteObject::Manifest(id) => lists.get(id.as_str()),
                SiteObject::Variants(_) => None,
            };
            let mut headers = HeaderMap::new();
            let mut payload = Bytes::new();
            match found.filter(|_| may.load(Ordering::SeqCst)) {
                Some(bytes) => {
                    headers.insert(TOTAL, bytes.len().to_string());
                    let from = usize::try_from(from).unwrap().min(bytes.len());
                    let to = (from + usize::try_from(most).unwrap()).min(bytes.len());
                    payload = bytes[from..to].to_vec().into();
                }
                None => headers.insert(MISSING, "1"),
            }
            client.publish_with_headers(reply, headers, payload).await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_site_has_the_traffic_once_all_of_it_is_there_and_is_served_without_anybody() {
    let nats = Nats::start().await;
    let control = nats.control().await;
    let large = vec![b'x'; 600_000];
    let made = site(&[("index.html", b"here"), ("large.bin", &large)], "", "", false);
    let may = Arc::new(AtomicBool::new(false));
    give_out(&control, &[&made], Arc::clone(&may)).await;
    let app = App::echo("container").await;
    let data = tempfile::tempdir().unwrap();
    let (before, after) = (deployment(), deployment());
    let mut first = table(1, &[("a", replicas(before, &[app.at]))]);
    control.put(first.clone()).await;
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    reports.revision(1).await;
    for route in first.routes.values_mut() {
        route.backend = made.backend(after, &[]);
    }
    first.revision = 2;
    control.put(first.clone()).await;
    let report = reports.revision(2).await;
    assert_eq!(report.behind, [after].into(), "nothing of it is there");
    assert_eq!(report.busy, []);
    assert!(edge.get("a", "/").await.body.starts_with("container"), "what was there answers");
    may.store(true, Ordering::SeqCst);
    let report = reports.until(|report| report.behind.is_empty()).await;
    assert_eq!(report.revision, 2);
    assert_eq!(edge.get("a", "/").await.body, "here");
    assert_eq!(edge.get("a", "/large.bin").await.body.len(), large.len());
    edge.stop().await;

    // From the disk alone.
    let edge = Running::start(config(data.path(), no_nats()));
    assert_eq!(edge.get("a", "/").await.body, "here");
    edge.stop().await;

    // What is damaged there is not served, and fetched anew.
    let (hash, _) = made.blobs.iter().find(|(_, bytes)| **bytes == large).unwrap();
    let place = data.path().join("sites/files").join(&hash[..2]).join(hash);
    std::fs::write(&place, "cut off").unwrap();
    let edge = Running::start(config(data.path(), nats.settings()));
    let mut reports = control.reports().await;
    // The last word of the edge of before may come first.
    let served = async {
        loop {
            reports.until(|report| report.revision == 2 && report.behind.is_empty()).await;
            if edge.get("a", "/large.bin").await.body.len() == large.len() {
                break;
            }
        }
    };
    soon(served).await;
    edge.stop().await;
}
