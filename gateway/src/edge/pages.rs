//! What the edge itself says where no app answers.
//!
//! Invariants: whatever came from the client is escaped; a page loads nothing from anywhere, and
//! its policy allows only its own style sheet; no page is ever cached.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For browsers.
    Html,
    /// A problem document (RFC 9457).
    Json,
    /// For everything else.
    Text,
}

/// Why the edge answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The request's host is missing or unusable.
    BadHost,
    /// The request's body broke off or was malformed.
    BadBody,
    /// The request's path could be taken for one of another app at the same host.
    BadPath,
    /// A method that only makes sense towards a forward proxy.
    NoTunnels,
    /// No app has this host.
    NoSuchApp,
    /// The app's first deployment is on its way.
    Starting,
    /// The app sleeps, or was just woken.
    Waking,
    /// The edge itself has no table yet.
    NoTable,
    /// Somebody stopped the app.
    Stopped,
    /// The app has nothing to answer with.
    Down,
    /// No replica could be reached, or one broke off before its answer.
    NotAnswering,
    /// A replica took the request and did not answer in time.
    TimedOut,
    /// Whoever runs the app works on it.
    Maintenance,
    /// The client's address is not among those that may see the app.
    NotFromHere,
    /// A password is asked for, or the one that was given is wrong.
    NoPassword,
    /// The client asks too often; seconds until it may again.
    TooMany(u16),
    /// The request's body has more bytes than the app takes.
    TooLarge,
    /// The edge has too much to do for this.
    Busy,
    /// The connection's certificate is not one for the request's host.
    Misdirected,
}

/// Who it is that failed, where anybody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The request is at fault, or is not let in.
    Request,
    /// The edge itself.
    Edge,
    /// The app.
    App,
    /// Nobody is there.
    Nobody,
}

impl Failed {
    /// For programs; stable.
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Edge => "edge",
            Self::App => "app",
            Self::Nobody => "nobody",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Request => "The request was not passed on.",
            Self::Edge => "The edge failed, not the app.",
            Self::App => "The app failed; the edge in front of it works.",
            Self::Nobody => "Nobody is there; the edge works.",
        }
    }
}

struct Words {
    status: StatusCode,
    /// For programs; stable.
    code: &'static str,
    title: &'static str,
    detail: &'static str,
    /// Seconds after which asking again makes sense.
    again: Option<u16>,
}

impl Page {
    /// Who failed.
    pub(crate) const fn failed(self) -> Failed {
        match self {
            Self::BadHost
            | Self::BadBody
            | Self::BadPath
            | Self::NoTunnels
            | Self::NotFromHere
            | Self::NoPassword
            | Self::TooMany(_)
            | Self::TooLarge
            | Self::Misdirected => Failed::Request,
            Self::NoSuchApp
            | Self::Starting
            | Self::Waking
            | Self::Stopped
            | Self::Down
            | Self::Maintenance => Failed::Nobody,
            Self::NoTable | Self::Busy => Failed::Edge,
            Self::NotAnswering | Self::TimedOut => Failed::App,
        }
    }

    fn words(self) -> Words {
        let words =
            |status, code, title, detail, again| Words { status, code, title, detail, again };
        match self {
            Self::BadHost => words(
                StatusCode::BAD_REQUEST,
                "bad-host",
                "Bad request",
                "The request does not name exactly one valid host.",
                None,
            ),
            Self::BadBody => words(
                StatusCode::BAD_REQUEST,
                "bad-body",
                "Bad request",
                "The body of the request is malformed or broke off.",
                None,
            ),
            Self::BadPath => words(
                StatusCode::BAD_REQUEST,
                "bad-path",
                "Bad request",
                "Several apps share this host, and the path of the request can be read as one of more \
                 than one of them: it has \"..\", an escaped slash or an empty part.",
                None,
            ),
            Self::NoTunnels => words(
                StatusCode::NOT_IMPLEMENTED,
                "no-tunnels",
                "Not a forward proxy",
                "This server answers for its own apps only.",
                None,
            ),
            Self::NoSuchApp => words(
                StatusCode::NOT_FOUND,
                "no-such-app",
                "No such app",
                "Nothing is deployed at this address. Check the spelling, or deploy an app with this \
                 name.",
                None,
            ),
            Self::Starting => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "starting",
                "Starting",
                "The app is being deployed for the first time. This page reloads by itself.",
                Some(3),
            ),
            Self::Waking => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "waking",
                "Waking up",
                "Nobody had asked for the app for long, so it was asleep. It is being started. This page \
                 reloads by itself.",
                Some(3),
            ),
            Self::NoTable => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "edge-starting",
                "Starting",
                "The edge has not been told yet which apps there are. This page reloads by itself.",
                Some(2),
            ),
            Self::Stopped => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopped",
                "Stopped",
                "The app at this address was stopped by whoever runs it.",
                Some(60),
            ),
            Self::Down => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "down",
                "Not running",
                "The app at this address could not be started, or has ended.",
                Some(30),
            ),
            Self::NotAnswering => words(
                StatusCode::BAD_GATEWAY,
                "not-answering",
                "The app is not answering",
                "The app is deployed, but it closed the connection or could not be reached.",
                None,
            ),
            Self::TimedOut => words(
                StatusCode::GATEWAY_TIMEOUT,
                "timed-out",
                "The app took too long",
                "The app took the request but did not answer in time.",
                None,
            ),
            Self::Maintenance => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "maintenance",
                "Back soon",
                "The app is being worked on by whoever runs it.",
                Some(120),
            ),
            Self::NotFromHere => words(
                StatusCode::FORBIDDEN,
                "not-from-here",
                "Not from here",
                "This address may be seen from certain networks only.",
                None,
            ),
            Self::NoPassword => words(
                StatusCode::UNAUTHORIZED,
                "no-password",
                "Who is there?",
                "This address may be seen with a user name and a password only.",
                None,
            ),
            Self::TooMany(seconds) => words(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Too many requests",
                "Too many requests came from your address. Ask again in a moment.",
                Some(seconds),
            ),
            Self::TooLarge => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "Too large",
                "The body of the request is larger than this app takes.",
                None,
            ),
            Self::Busy => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "edge-busy",
                "Too much at once",
                "The edge has too much to do at the moment. Ask again in a moment.",
                Some(5),
            ),
            Self::Misdirected => words(
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected",
                "Not over this connection",
                "The certificate of this connection is not for this host. Connect to the host itself.",
                None,
            ),
        }
    }

    /// Writes the page. `host` is as the client gave it; empty where it gave none that is usable.
    /// `request` is the id by which the request is found again.
    pub(crate) fn write(
        self,
        form: Form,
        host: &str,
        request: &str,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let failed = self.failed();
        let words = self.words();
        let mut headers = HeaderMap::with_capacity(8);
        let fixed = HeaderValue::from_static;
        headers.insert(header::CACHE_CONTROL, fixed("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(header::VARY, fixed("accept"));
        // Where the request itself is doubtful, so is what follows it.
        if matches!(self, Self::BadHost | Self::BadBody | Self::NoTunnels | Self::TooLarge) {
            headers.insert(header::CONNECTION, fixed("close"));
        }
        if let Some(seconds) = words.again {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::NoPassword) {
            let challenge = fixed("Basic realm=\"Hythe\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let (kind, body) = match form {
            Form::Html => {
                headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
                headers.insert(header::REFERRER_POLICY, fixed("no-referrer"));
                let reloads = matches!(self, Self::Starting | Self::Waking | Self::NoTable);
                ("text/html; charset=utf-8", html(&words, host, reloads, failed, request))
            }
            Form::Json => ("application/problem+json", json(&words, host, failed, request)),
            Form::Text => ("text/plain; charset=utf-8", text(&words, host, failed, request)),
        };
        headers.insert(header::CONTENT_TYPE, fixed(kind));
        (words.status, headers, Bytes::from(body))
    }
}

const STYLE: &str = ":root{color-scheme:light dark;--ink:#1c2733;--soft:#5b6b7a;--line:#d5dde4;\
--back:#f5f7f9;--mark:#1f7a8c}@media(prefers-color-scheme:dark){:root{--ink:#e6edf2;--soft:#93a4b3;\
--line:#2c3a46;--back:#11181e;--mark:#56b8c9}}*{box-sizing:border-box}body{margin:0;min-height:100vh;\
display:grid;place-items:center;padding:2rem;background:var(--back);color:var(--ink);\
font:1rem/1.6 system-ui,sans-serif}main{width:100%;max-width:34rem;border-top:3px solid var(--mark);\
padding-top:1.5rem}h1{margin:0 0 .5rem;font-size:1.75rem;line-height:1.2;letter-spacing:-.01em}\
p{margin:.5rem 0}.host{font-family:ui-monospace,monospace;overflow-wrap:anywhere}\
footer{margin-top:2rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--soft);\
font-size:.85rem;display:flex;justify-content:space-between;gap:1rem}";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

fn html(words: &Words, host: &str, reloads: bool, failed: Failed, request: &str) -> String {
    let Words { status, code, title, detail, again } = words;
    let reload = match again {
        Some(seconds) if reloads => format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"),
        Some(_) | None => String::new(),
    };
    let host = if host.is_empty() {
        String::new()
    } else {
        format!("<p class=\"host\">{}</p>", escape(host))
    };
    let status = status.as_u16();
    let (failed, request) = (failed.words(), escape(request));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\">{reload}<title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{host}<p>{detail}</p>\
         <p>{failed}</p><footer><span>{status} {code}</span><span>{request}</span>\
         <span>Hythe edge</span></footer></main></body></html>\n"
    )
}

fn json(words: &Words, host: &str, failed: Failed, request: &str) -> String {
    let document = serde_json::json!({
        "type": "about:blank",
        "title": words.title,
        "status": words.status.as_u16(),
        "detail": words.detail,
        "code": words.code,
        "host": host,
        "failed": failed.name(),
        "request_id": request,
    });
    format!("{document}\n")
}

fn text(words: &Words, host: &str, failed: Failed, request: &str) -> String {
    let host = if host.is_empty() { String::new() } else { format!(" ({host})") };
    let Words { status, title, detail, .. } = words;
    let failed = failed.words();
    format!("{} {title}{host}\n{detail}\n{failed}\nRequest: {request}\n", status.as_u16())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Page; 19] = [
        Page::BadHost,
        Page::BadBody,
        Page::BadPath,
        Page::NoTunnels,
        Page::NoSuchApp,
        Page::Starting,
        Page::Waking,
        Page::NoTable,
        Page::Stopped,
        Page::Down,
        Page::NotAnswering,
        Page::TimedOut,
        Page::Maintenance,
        Page::NotFromHere,
        Page::NoPassword,
        Page::TooMany(3),
        Page::TooLarge,
        Page::Busy,
        Page::Misdirected,
    ];

    #[test]
    fn pages_escape_the_host_and_forbid_everything_but_their_style() {
        for page in ALL {
            let (_, headers, body) =
                page.write(Form::Html, "<img src=x onerror='a'>\"&", "<img src=y>");
            let body = std::str::from_utf8(&body).unwrap();
            assert!(!body.contains("<img") && body.contains("&lt;img"), "{body}");
            assert!(!body.contains("http://") && !body.contains("https://"), "{body}");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            assert!(body.len() < 4_096, "{} bytes", body.len());
        }
    }

    #[test]
    fn programs_get_what_they_can_read() {
        for page in ALL {
            let (status, headers, body) = page.write(Form::Json, "a\"b", "r-1");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["status"], status.as_u16());
            assert_eq!(body["host"], "a\"b");
            assert_eq!(body["failed"], page.failed().name());
            assert_eq!(body["request_id"], "r-1");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            let (_, headers, body) = page.write(Form::Text, "a.example", "r-1");
            assert!(body.starts_with(status.as_str().as_bytes()));
            assert_eq!(headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        }
        let (status, headers, body) = Page::Starting.write(Form::Html, "a", "r-1");
        assert_eq!(
            (status, &headers[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(3))
        );
        assert!(std::str::from_utf8(&body).unwrap().contains("http-equiv=\"refresh\""));
    }
}
