//! The web page, embedded in the binary.
//!
//! Invariants: an address below `/api` and a missing file are 404, never the page; the page itself
//! is asked for anew each time, files whose names change with their content are kept for ever.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::{Kind, Problem};

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <title>Hythe</title>\n<p>This Hythe was built without its web page: build it with \
    <code>npm --prefix web ci &amp;&amp; npm --prefix web run build</code>, then build Hythe \
    again. The command line and the API work without it.</p>\n</html>\n";

/// Everything that is no operation.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if !matches!(method, Method::GET | Method::HEAD) {
        let mut response = Problem::not_found("there is nothing at this address").into_response();
        if is_page(path) {
            response = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).into_response();
            response
                .headers_mut()
                .insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        }
        return response;
    }
    if is_page(path) {
        return file(INDEX, &headers).unwrap_or_else(|| {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response()
        });
    }
    let hidden = path.ends_with(".gz") || path.ends_with(".br") || path == INDEX;
    let found = if hidden { None } else { file(path, &headers) };
    found.unwrap_or_else(|| {
        Problem::new(Kind::NotFound, "there is nothing at this address").into_response()
    })
}

/// Where the pages of the dashboard lie, as its router says.
const ROOTS: [&str; 6] = ["apps", "certificates", "deployments", "events", "projects", "server"];

fn is_page(path: &str) -> bool {
    let below = |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.starts_with('/'));
    path.is_empty() || ROOTS.iter().any(|root| path == *root || below(root))
}

/// A file, in the best form that the browser takes.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes = |coding: &str| {
        accepted.unwrap_or_default().split(',').any(|given| {
            let (name, weight) = given.split_once(';').unwrap_or((given, ""));
            name.trim() == coding
                && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    };
    let coded = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(coding, end)| {
        let file = takes(coding).then(|| Files::get(&format!("{path}{end}"))).flatten()?;
        Some((Some(coding), file))
    });
    let (coding, file) = coded.or_else(|| Some((None, Files::get(path)?)))?;
    Some(answer(path, coding, file, headers))
}

fn answer(
    path: &str,
    coding: Option<&'static str>,
    file: EmbeddedFile,
    asked: &HeaderMap,
) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let kept = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let fresh = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|given| given.trim() == tag));
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = mime_guess::from_path(path).first_or_octet_stream();
        let kind = match kind.type_() {
            mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
            _ => kind.to_string(),
        };
        ([(header::CONTENT_TYPE, kind)], file.data.into_owned()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static(kept));
    headers.insert(header::VARY, header::HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = tag.parse() {
        headers.insert(header::ETAG, tag);
    }
    if let Some(coding) = coding.filter(|_| !fresh) {
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static(coding));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_its_routes_and_no_others() {
        for (path, page) in [
            ("", true),
            ("apps", true),
            ("apps/shop", true),
            ("deployments/1/log", true),
            ("events", true),
            ("projects", true),
            ("server", true),
            ("appsx", false),
            ("api/v1/nothing", false),
            ("assets/x.js", false),
            ("index.html", false),
        ] {
            assert_eq!(is_page(path), page, "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_of_another_version_is_missing_and_nobody_keeps_that() {
        let asked = Uri::from_static("/assets/AppsPage-1a2b3c4d.js");
        let answer = serve(Method::GET, asked, HeaderMap::new()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn every_route_of_the_dashboards_router_is_served() {
        let router = include_str!("../../../web/src/router.tsx");
        let routes =
            router.split("createRoute({").filter(|route| route.contains("() => rootRoute"));
        let paths = routes.filter_map(|route| route.split_once("path: \"/")?.1.split('"').next());
        let paths: Vec<&str> = paths.collect();
        for root in ROOTS {
            assert!(
                paths.iter().any(|path| path.split('/').next() == Some(root)),
                "{root}: {paths:?}"
            );
        }
        for path in &paths {
            assert!(is_page(path), "{path}");
        }
    }
}
