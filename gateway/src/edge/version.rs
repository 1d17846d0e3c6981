//! On which side of a canary a client is, where that must not change: where a version is a site.
//!
//! The page and what belongs to it are asked for one by one, and under the same names in both versions: a page
//! of one with a style of the other is broken. So a client that got a page is told by a cookie which version it
//! is of, and gets that one until the canary is over.
//!
//! Invariants: turns are taken by pages alone; whoever asks for something else and does not say on which side it
//! is has a page of before the canary began, or takes no cookies, and gets the version that is live. What a
//! cookie says counts for the canary that it was written for. What differs by version is in no cache that
//! several people share.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use hythe_core::ids::DeploymentId;

use super::headers;
use super::pages::Form;
use super::site;

/// The cookie.
const COOKIE_NAME: &str = "hythe-version";
/// What it says of the version that is live.
const OLD: &str = "old";
/// What it says of the canary.
const NEW: &str = "new";

/// What is known of a request's client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    canary: DeploymentId,
    /// Whether a page is asked for.
    page: bool,
    /// Whether the client says that it is on the canary's side, where it says on which it is.
    said: Option<bool>,
}

impl Keep {
    pub(crate) fn of(canary: DeploymentId, headers: &HeaderMap, path: &str) -> Self {
        Self { canary, page: asks_for_page(headers, path), said: said(canary, headers) }
    }

    /// Whether the canary is to answer; none where it is anybody's turn.
    pub(crate) fn side(self) -> Option<bool> {
        if self.page { self.said } else { Some(self.said.unwrap_or(false)) }
    }

    /// Has the client stay with the version that answered with a page. `below`: the path of the app at its host.
    pub(crate) fn note<B>(
        self,
        answer: &mut Response<B>,
        version: Option<DeploymentId>,
        https: bool,
        below: &str,
    ) {
        let new = version == Some(self.canary);
        // That a page is still the same says its version, too; its kind is not said again.
        let page = answer.status() == StatusCode::NOT_MODIFIED || is_page(answer.headers());
        if !self.page || !page || self.said == Some(new) {
            return;
        }
        let side = if new { NEW } else { OLD };
        let secure = if https { "; Secure" } else { "" };
        let text = format!(
            "{COOKIE_NAME}={}.{side}; Path={below}; HttpOnly; SameSite=Lax{secure}",
            self.canary
        );
        if let Ok(cookie) = HeaderValue::try_from(text) {
            answer.headers_mut().append(SET_COOKIE, cookie);
            site::keep_private(answer.headers_mut());
        }
    }
}

/// Whether an answer of a site is the same whichever version gives it: it is named after its content, and not
/// what a client is told its version with.
pub(crate) fn is_of_both(headers: &HeaderMap) -> bool {
    let said = headers.get(CACHE_CONTROL).and_then(|said| said.to_str().ok());
    said.is_some_and(|said| said.contains("immutable")) && !is_page(headers)
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
}

/// Whether a client is about to show what it asks for. Browsers say so; of others the path has to.
fn asks_for_page(headers: &HeaderMap, path: &str) -> bool {
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    match headers::preferred(headers) {
        Form::Html => true,
        Form::Json | Form::Text => {
            let name = path.rsplit('/').next().unwrap_or_default();
            name.rsplit_once('.').is_none_or(|(_, ending)| {
                ["html", "htm"].iter().any(|page| ending.eq_ignore_ascii_case(page))
            })
        }
    }
}

fn said(canary: DeploymentId, headers: &HeaderMap) -> Option<bool> {
    let mut values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.find_map(|value| {
        // Apps at paths of one host have cookies of the same name.
        value.split(';').map(str::trim).find_map(|pair| {
            let (of, side) = pair.strip_prefix(COOKIE_NAME)?.strip_prefix('=')?.rsplit_once('.')?;
            let known = side == NEW || side == OLD;
            let meant = known && of.parse::<DeploymentId>().is_ok_and(|of| of == canary);
            meant.then_some(side == NEW)
        })
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Headers of a request or an answer.
    type Lines<'a> = &'a [(&'static str, &'a str)];

    fn canary(number: u128) -> DeploymentId {
        DeploymentId::new(Uuid::from_u128(number))
    }

    fn with(lines: Lines<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn pages_take_turns_and_what_belongs_to_one_follows_it() {
        let cookie =
            |number, side: &str| format!("a=b; hythe-version={}.{side}; c", canary(number));
        let (new, old, before) = (cookie(1, "new"), cookie(1, "old"), cookie(2, "new"));
        let both = format!("{before}; hythe-version={}.new", canary(1));
        let rows: [(&str, Lines<'_>, Option<bool>); 16] = [
            ("/", &[], None),
            ("/docs/guide", &[], None),
            ("/about.HTML", &[], None),
            ("/style.css", &[], Some(false)),
            ("/feed.xml", &[("accept", "text/html,*/*;q=0.8")], None),
            ("/data", &[("sec-fetch-mode", "cors")], Some(false)),
            ("/data", &[("sec-fetch-mode", "cors"), ("accept", "text/html")], Some(false)),
            ("/a.pdf", &[("sec-fetch-mode", "navigate")], None),
            ("/", &[("cookie", &new)], Some(true)),
            ("/", &[("cookie", &old)], Some(false)),
            ("/style.css", &[("cookie", &new)], Some(true)),
            ("/style.css", &[("cookie", &both)], Some(true)),
            // What another canary said is no say.
            ("/", &[("cookie", &before)], None),
            ("/style.css", &[("cookie", &before)], Some(false)),
            ("/", &[("cookie", "hythe-version=new")], None),
            ("/", &[("cookie", "hythe-version=x.new"), ("cookie", &new)], Some(true)),
        ];
        for (path, lines, side) in rows {
            assert_eq!(Keep::of(canary(1), &with(lines), path).side(), side, "{path} {lines:?}");
        }
    }

    #[test]
    fn whoever_got_a_page_is_told_its_version_once_and_nobody_else_is() {
        let answer = |status: u16, kind: &str| {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            *answer.headers_mut() = with(&[("cache-control", "public, max-age=0")]);
            if !kind.is_empty() {
                answer.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            answer
        };
        let told = |path: &str, lines: Lines<'_>, mut answer: Response<()>, new| {
            let keep = Keep::of(canary(1), &with(lines), path);
            keep.note(&mut answer, Some(canary(if new { 1 } else { 2 })), true, "/docs");
            let cookie = answer.headers().get(SET_COOKIE).map(|it| it.to_str().unwrap().to_owned());
            let private = answer.headers()[CACHE_CONTROL] == "private, max-age=0";
            assert_eq!(cookie.is_some(), private);
            cookie
        };
        let html = || answer(200, "text/html; charset=utf-8");
        let said = told("/docs/", &[], html(), true).unwrap();
        let cookie = format!("hythe-version={}.new", canary(1));
        assert_eq!(said, format!("{cookie}; Path=/docs; HttpOnly; SameSite=Lax; Secure"));
        assert!(told("/docs/", &[], html(), false).unwrap().contains(".old;"));
        assert!(told("/docs/nope", &[], answer(404, "Text/HTML"), false).is_some());
        assert!(told("/docs/", &[], answer(304, ""), false).is_some());
        let lines: Lines<'_> = &[("cookie", &cookie)];
        assert_eq!(told("/docs/", lines, html(), true), None, "it says so already");
        assert!(told("/docs/", lines, html(), false).is_some(), "its side could not answer");
        for (path, other) in [
            ("/docs/a.css", answer(200, "text/css")),
            ("/docs/a.css", answer(304, "")),
            ("/docs/a.js", html()),
            ("/docs/list", answer(200, "application/json")),
            ("/docs", answer(308, "text/plain; charset=utf-8")),
        ] {
            assert_eq!(told(path, &[], other, true), None, "{path}");
        }
    }

    #[test]
    fn what_is_named_after_its_content_is_anybodys() {
        for (said, kind, shared) in [
            ("public, max-age=31536000, immutable", "text/css", true),
            ("public, max-age=31536000, immutable", "text/html; charset=utf-8", false),
            ("public, max-age=0, must-revalidate", "text/css", false),
        ] {
            let headers = with(&[("cache-control", said), ("content-type", kind)]);
            assert_eq!(is_of_both(&headers), shared, "{said} {kind}");
        }
    }
}
