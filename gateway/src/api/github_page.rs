//! The two pages that a browser sees while a GitHub App is made: one sends the manifest to GitHub, the other
//! is where GitHub sends the browser back to.
//!
//! Without a script. Reading either changes nothing; the second has a form that whoever is signed in here
//! sends, from this page. Whoever is not can finish on the command line.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hythe_core::github::manifest::{RETURN, form, manifest};
use hythe_core::github::{GitHubBegun, ManifestCode};
use hythe_core::ids::HookId;
use serde::Deserialize;

use super::ApiState;
use super::auth::own_origin;
use super::github::{begun, finish};
use super::idempotency::Asked;
use super::layers::OwnBody;
use super::problem::Problem;

/// What the first page is asked with.
#[derive(Deserialize)]
pub(crate) struct Begin {
    state: String,
}

/// What GitHub sends the browser back with.
#[derive(Deserialize)]
pub(crate) struct Returned {
    code: String,
    state: String,
}

/// The page that sends the manifest.
pub(crate) async fn start(
    State(state): State<ApiState>,
    query: Result<axum::extract::Query<Begin>, QueryRejection>,
) -> Response {
    let Ok(axum::extract::Query(Begin { state: given })) = query else { return broken() };
    match begun(&state, &given) {
        Ok((id, begun)) => sends(id, &begun, &given),
        Err(problem) => failed(&problem),
    }
}

fn sends(id: HookId, begun: &GitHubBegun, state: &str) -> Response {
    let GitHubBegun { server, organization, .. } = begun;
    let whose = match organization {
        Some(organization) => format!("the organisation {organization}"),
        None => "your own account".to_owned(),
    };
    let text = format!(
        "<p>A GitHub App will be made for {} at {}. It may read the repositories on which it is then \
         installed, and say there what was deployed. Its name can be changed on the next page.</p>\n\
         <form method=\"post\" action=\"{}?state={}\">\n\
         <input type=\"hidden\" name=\"manifest\" value=\"{}\">\n\
         <button>Go on at GitHub</button>\n</form>\n",
        escaped(&whose),
        escaped(server.as_str()),
        escaped(&form(begun)),
        escaped(state),
        escaped(&manifest(id, begun).to_string()),
    );
    // A browser tells the other side who sent it there, and not with what.
    page(StatusCode::OK, "Make a GitHub App", &text, server.as_str(), "strict-origin")
}

/// The page that GitHub sends the browser back to.
pub(crate) async fn returned(
    State(state): State<ApiState>,
    uri: Uri,
    query: Result<axum::extract::Query<Returned>, QueryRejection>,
) -> Response {
    let Ok(axum::extract::Query(Returned { code, state: given })) = query else { return broken() };
    if ManifestCode::new(code.as_str()).is_err() {
        return broken();
    }
    let (_, begun) = match begun(&state, &given) {
        Ok(found) => found,
        Err(problem) => return failed(&problem),
    };
    let whole = uri.path_and_query().map_or(RETURN, |path| path.as_str());
    let text = format!(
        "<p>GitHub has made the App. One step is left: Hythe takes its key.</p>\n\
         <form method=\"post\" action=\"{RETURN}\">\n\
         <input type=\"hidden\" name=\"code\" value=\"{}\">\n\
         <input type=\"hidden\" name=\"state\" value=\"{}\">\n\
         <button>Finish</button>\n</form>\n\
         <p>Whoever is not signed in here finishes on the command line:</p>\n\
         <pre>hythe source github-app finish '{}{}'</pre>\n",
        escaped(&code),
        escaped(&given),
        escaped(begun.address.as_str()),
        escaped(whole),
    );
    page(StatusCode::OK, "Finish the GitHub App", &text, "'self'", "same-origin")
}

/// Finishes, for whoever is signed in and sends the form of the page above.
pub(crate) async fn finishes(
    State(state): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
    asked: Asked,
    body: Result<Form<Returned>, FormRejection>,
) -> Response {
    let signed_in = state.sessions().of(&headers, state.now()).is_some();
    if !signed_in || own_origin(&headers, &uri) != Some(true) {
        let text = "<p>Nobody is signed in here. Sign in at <a href=\"/login\">the dashboard</a>, go back to \
                    the page that GitHub sent you to, and load it again; or finish on the command line, as \
                    that page says.</p>\n";
        return page(StatusCode::UNAUTHORIZED, "Sign in first", text, "'none'", "same-origin");
    }
    let Ok(Form(Returned { code, state: given })) = body else { return broken() };
    let id = match finish(&state, state.meta(&asked), (&code, &given), None).await {
        Ok(id) => id,
        Err(problem) => return failed(&problem),
    };
    let app = state.control().read(|view| view.installation.state.github_apps.get(&id).cloned());
    let Some(app) = app else { return broken() };
    let text = format!(
        "<p>The GitHub App {} is there. <a href=\"{}\">Install it on repositories</a>: pushes to those deploy \
         their apps from then on.</p>\n",
        escaped(app.made.slug.as_str()),
        escaped(&app.install_page()),
    );
    page(StatusCode::OK, "The GitHub App is there", &text, "'none'", "same-origin")
}

fn broken() -> Response {
    let text = "<p>This address is not whole. Begin again: <code>hythe source github-app create</code></p>\n";
    page(StatusCode::BAD_REQUEST, "This is no GitHub App", text, "'none'", "no-referrer")
}

fn failed(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
    let text = format!("<p>{}</p>\n", escaped(&problem.detail));
    page(status, "The GitHub App was not made", &text, "'none'", "no-referrer")
}

fn page(
    status: StatusCode,
    title: &str,
    text: &str,
    form_action: &str,
    referrer: &'static str,
) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Hythe: {title}</title>\n\
         <h1>{title}</h1>\n{text}</html>\n"
    );
    let policy = format!(
        "default-src 'none'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    );
    let mut response =
        (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    let headers = response.headers_mut();
    // Only checked addresses are in it.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response.extensions_mut().insert(OwnBody);
    response
}

/// Text as it is written between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("<b a='1' c=\"2\">&"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
    }
}
