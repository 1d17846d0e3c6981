//! The answer of a site to a request.
//!
//! Invariants: a part is a part of the file as it is; each form of a file has a tag of its own; nothing of a
//! request but its path and query gets into an answer, and those escaped.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode, Uri};
use hythe_core::site::Served as Found;
use hythe_core::site::{Answer, FileHash, HeaderRules, Rules, Target};

use super::accept::{self, Form, Wants};
use super::disk;
use super::file::FileBody;
use super::shelf::{MOST_KEPT_BYTES, Served, Site};

/// What is kept for as long as there is room: its name says what is in it.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What is kept and asked for again each time, so that a new version is seen at once.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// What an answer's body is.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// A file that comes from the disk.
    File(FileBody),
}

/// Answers. `compress`: whether compressed forms may be sent.
pub(crate) async fn answer(
    served: &Served,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    compress: bool,
) -> Response<Body> {
    if *method != Method::GET && *method != Method::HEAD {
        let mut answer =
            plain(StatusCode::METHOD_NOT_ALLOWED, "A static site answers GET and HEAD.\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let head = *method == Method::HEAD;
    let rules = Rules { site: &served.site.manifest, earlier: &served.earlier };
    let nothing = || plain(StatusCode::NOT_FOUND, "There is nothing at this address.\n");
    let Some(target) = Target::parse(uri.path()) else { return without(head, nothing()) };
    let mut answer = match rules.answer(&target) {
        Answer::File(found) => match file(served, &found, headers, compress, head).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, path = found.path, "a file of a site cannot be read");
                without(
                    head,
                    plain(StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read.\n"),
                )
            }
        },
        Answer::Elsewhere { to, status } => without(head, elsewhere(&to, status, uri)),
        Answer::Nothing => without(head, nothing()),
    };
    said(&served.site, &target, answer.headers_mut());
    answer
}

/// What `_headers` says goes before what is usual.
fn said(site: &Site, target: &Target, headers: &mut HeaderMap) {
    if site.manifest.headers.is_empty() {
        return;
    }
    let HeaderRules { set, removed } = HeaderRules::of(&site.manifest.headers, &target.path);
    for name in removed.iter().chain(set.iter().map(|(name, _)| name)) {
        headers.remove(name);
    }
    for (name, value) in set {
        // They were checked when the site was made.
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair {
            headers.append(name, value);
        }
    }
}

/// Keeps an answer from caches that several people share (RFC 9111, 5.2.2.7): it is for those alone who may see
/// the site. What `public` and `must-revalidate` allow they would hand to anybody (3.5 there).
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let said: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    let shared = |directive: &str| {
        let name = directive.split('=').next().unwrap_or_default().trim();
        ["public", "private", "s-maxage"].iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    // A comma within quotes is not told from others.
    let plain = said.iter().all(|directive| !directive.contains('"'));
    let kept = said.into_iter().filter(|one| plain && !one.is_empty() && !shared(one));
    let text = std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", ");
    let private = HeaderValue::from_static("private");
    headers.insert(CACHE_CONTROL, HeaderValue::try_from(text).unwrap_or(private));
}

/// Where a site sends clients on to counts from where it is mounted.
pub(crate) fn lead_below(prefix: &str, headers: &mut HeaderMap) {
    let Some(to) = headers.get(LOCATION).and_then(|to| to.to_str().ok()) else { return };
    if !to.starts_with('/') || to.starts_with("//") {
        return;
    }
    if let Ok(to) = HeaderValue::try_from(format!("{prefix}{to}")) {
        headers.insert(LOCATION, to);
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::Whole(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, ASK_AGAIN);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    answer
}

/// An answer to HEAD says what one to GET would, and has no body.
fn without(head: bool, answer: Response<Body>) -> Response<Body> {
    if head { answer.map(|_| Body::Whole(Bytes::new())) } else { answer }
}

/// The query goes along, unless where it leads has one of its own.
fn elsewhere(to: &str, status: u16, uri: &Uri) -> Response<Body> {
    let mut answer = plain(
        StatusCode::from_u16(status).unwrap_or(StatusCode::PERMANENT_REDIRECT),
        "It is where Location says.\n",
    );
    let location = match uri.query() {
        Some(query) if !to.contains(['?', '#']) => Cow::Owned(format!("{to}?{query}")),
        Some(_) | None => Cow::Borrowed(to),
    };
    match HeaderValue::from_str(&location) {
        Ok(location) => drop(answer.headers_mut().insert(LOCATION, location)),
        // Neither a rule nor a parsed URI has such characters.
        Err(_) => *answer.status_mut() = StatusCode::NOT_FOUND,
    }
    answer
}

async fn file(
    served: &Served,
    found: &Found<'_>,
    headers: &HeaderMap,
    compress: bool,
    head: bool,
) -> io::Result<Response<Body>> {
    let fine = found.status == 200;
    // Of what HEAD asks for there are no parts (RFC 9110, 14.2).
    let part = fine && !head && accept::wants_a_part(headers);
    let form = if compress && !part {
        Form::preferred(found.file, headers)
    } else {
        Form::plain(found.file)
    };
    let mut answer = Response::new(Body::Whole(Bytes::new()));
    let fields = answer.headers_mut();
    let site = served.with(found.file);
    let named = site.named(found.path);
    fields.insert(CONTENT_TYPE, named.kind);
    fields.insert(CACHE_CONTROL, if fine && named.for_ever { FOR_EVER } else { ASK_AGAIN });
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !found.file.variants.is_empty() {
        fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Ok(tag) = HeaderValue::from_str(&form.tag) {
        fields.insert(ETAG, tag);
    }
    // Of an answer that is none to begin with nothing is asked (RFC 9110, 13.2.1).
    if fine && !accept::means(headers, &form.tag) {
        fields.remove(CONTENT_TYPE);
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(CONTENT_LENGTH, HeaderValue::from(0));
        *answer.status_mut() = StatusCode::PRECONDITION_FAILED;
        return Ok(answer);
    }
    if fine && accept::has(headers, &form.tag) {
        fields.remove(CONTENT_TYPE);
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    if fine {
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if let Some(compression) = form.compression {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static(compression.name()));
    }
    let wants = if part { accept::range(headers, &form.tag, form.bytes) } else { Wants::All };
    let (from, bytes, status) = match wants {
        Wants::All => (0, form.bytes, StatusCode::from_u16(found.status).unwrap_or_default()),
        Wants::Some(first, last) => {
            let said = format!("bytes {first}-{last}/{}", form.bytes);
            fields.insert(CONTENT_RANGE, HeaderValue::try_from(said).map_err(io::Error::other)?);
            (first, last - first + 1, StatusCode::PARTIAL_CONTENT)
        }
        Wants::Beyond => {
            let said = format!("bytes */{}", form.bytes);
            fields.insert(CONTENT_RANGE, HeaderValue::try_from(said).map_err(io::Error::other)?);
            fields.remove(CONTENT_TYPE);
            // It says nothing of the file that would be worth keeping.
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            (0, 0, StatusCode::RANGE_NOT_SATISFIABLE)
        }
    };
    fields.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    *answer.status_mut() = status;
    if head || bytes == 0 {
        return Ok(answer);
    }
    let body = body(site, form.hash, form.bytes, (from, bytes)).await?;
    Ok(answer.map(|_| body))
}

/// Some bytes of a file: small ones stay in memory.
async fn body(
    site: &Site,
    hash: &FileHash,
    whole: u64,
    (from, bytes): (u64, u64),
) -> io::Result<Body> {
    let place = || site.place(hash);
    if whole > MOST_KEPT_BYTES {
        let place = place();
        let file = tokio::task::spawn_blocking(move || disk::open(&place));
        let file = file.await.map_err(io::Error::other)??;
        return Ok(Body::File(FileBody::new(file, from, bytes)));
    }
    let all = match site.body(hash) {
        Some(all) => all,
        None => {
            let place = place();
            let read = tokio::task::spawn_blocking(move || std::fs::read(place));
            let all = Bytes::from(read.await.map_err(io::Error::other)??);
            if all.len() as u64 != whole {
                return Err(io::Error::other("it has another length than its site says"));
            }
            site.keep(hash, &all);
            all
        }
    };
    let end = usize::try_from(from.saturating_add(bytes)).unwrap_or(usize::MAX).min(all.len());
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(end);
    Ok(Body::Whole(all.slice(from..end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guarded_is_in_no_cache_that_others_share() {
        for (said, kept) in [
            (&["public, max-age=0, must-revalidate"][..], "private, max-age=0, must-revalidate"),
            (&["Public,max-age=60, s-maxage=600"], "private, max-age=60"),
            (&["no-store"], "private, no-store"),
            (&["private"], "private"),
            (&["private=\"a, b\", max-age=60"], "private"),
            (&["max-age=60", "public"], "private, max-age=60"),
            (&[], "private"),
        ] {
            let mut headers = HeaderMap::new();
            for value in said.iter().copied() {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            keep_private(&mut headers);
            let found: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
            assert_eq!(found, [kept], "{said:?}");
        }
    }

    #[test]
    fn a_mounted_site_leads_to_itself() {
        for (to, found) in [
            ("/guide/?q", "/docs/guide/?q"),
            ("/", "/docs/"),
            ("https://b.example/x", "https://b.example/x"),
            ("//b.example/x", "//b.example/x"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(to));
            lead_below("/docs", &mut headers);
            assert_eq!(headers[LOCATION], found);
        }
    }
}
