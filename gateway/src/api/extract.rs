//! What comes in, read so that everything that cannot be read is a problem that names the field.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};

/// Bytes of a body.
pub(crate) const MOST_BODY: usize = 1024 * 1024;
/// Bytes of a body with environment variables: their values, in the longest way to write JSON.
pub(crate) const MOST_ENV_BODY: usize = 2 * 1024 * 1024;
/// Bytes of a body that is too large which are taken and thrown away.
const MOST_LET_GO: usize = 16 * 1024 * 1024;
/// For how long that is done.
const LET_GO_WITHIN: Duration = Duration::from_secs(2);
/// Characters of somebody else's message that go into a problem.
const MOST_MESSAGE: usize = 300;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// What tells this body from another.
    pub(crate) hash: blake3::Hash,
}

/// A JSON body that may also be left out.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) Json<T>);

/// A JSON body with secrets in it: what cannot be read is not repeated.
#[derive(Debug)]
pub(crate) struct SecretJson<T>(pub(crate) Json<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, MOST_BODY).await?;
        expect_json(&parts.headers)?;
        Ok(Self { value: parse(&bytes, Echo::Yes)?, hash: blake3::hash(&bytes) })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, MOST_BODY).await?;
        let hash = blake3::hash(&bytes);
        if bytes.is_empty() {
            return Ok(Self(Json { value: T::default(), hash }));
        }
        expect_json(&parts.headers)?;
        Ok(Self(Json { value: parse(&bytes, Echo::Yes)?, hash }))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for SecretJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, MOST_ENV_BODY).await?;
        expect_json(&parts.headers)?;
        let value = parse(&bytes, Echo::No)?;
        Ok(Self(Json { value, hash: blake3::hash(&bytes) }))
    }
}

/// Whether a problem may repeat what was sent.
#[derive(Clone, Copy)]
enum Echo {
    Yes,
    No,
}

async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<bytes::Bytes, Problem> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let too_large =
        || Problem::new(Kind::TooLarge, format!("a body here has at most {} KiB", most / 1024));
    if said
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > most))
    {
        // Whoever was told to go on first has sent nothing yet.
        if !headers.contains_key(header::EXPECT) {
            let_go(body).await;
        }
        return Err(too_large());
    }
    to_bytes(body, most).await.map_err(|error| {
        if std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
        {
            too_large()
        } else {
            Problem::new(Kind::Malformed, "the body broke off; send it again")
        }
    })
}

/// Takes what still comes, within bounds: a connection that is closed while its client sends is reset, and the
/// client may lose the answer.
async fn let_go(body: Body) {
    let taking = async {
        let (mut pieces, mut taken) = (body.into_data_stream(), 0_usize);
        while let Some(Ok(piece)) = pieces.next().await {
            taken = taken.saturating_add(piece.len());
            if taken > MOST_LET_GO {
                break;
            }
        }
    };
    // A client that takes longer is answered all the same.
    let _late = tokio::time::timeout(LET_GO_WITHIN, taking).await;
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send JSON, with the header content-type: application/json",
        ))
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8], echo: Echo) -> Result<T, Problem> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        unreadable(&path, error.inner(), echo)
    })?;
    input.end().map_err(|error| unreadable(".", &error, echo))?;
    Ok(value)
}

fn unreadable(path: &str, error: &serde_json::Error, echo: Echo) -> Problem {
    let place = format!("line {} column {}", error.line(), error.column());
    if !error.is_data() {
        return Problem::new(
            Kind::Malformed,
            format!("the body is not valid JSON; it goes wrong at {place}"),
        );
    }
    let why = match echo {
        Echo::Yes => {
            let message = error.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            cut(message.get(..end).unwrap_or_default())
        }
        Echo::No => format!("is not of the right type, or nobody knows it (at {place})"),
    };
    let path = cut(path);
    if path == "." {
        Problem::new(Kind::InvalidField, format!("the body: {why}"))
    } else {
        Problem::field(path.clone(), format!("\"{path}\": {why}"))
    }
}

/// A text of bounded length without control characters.
fn cut(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).take(MOST_MESSAGE).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

/// Query parameters.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|error| {
            let text = error.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            match text.split_once(": ") {
                Some((field, why)) if field.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                    Problem::field(field, format!("\"{field}\": {}", cut(why)))
                }
                Some(_) | None => {
                    Problem::new(Kind::InvalidField, format!("the query: {}", cut(text)))
                }
            }
        })
    }
}

/// The part of the path that says which thing is meant; a pair of two, where one lies in the other.
#[derive(Debug)]
pub(crate) struct Which<T = String>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Which<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_not_text) => {
                Err(Problem::not_found("there is nothing at this address: it is not valid UTF-8"))
            }
        }
    }
}

/// A number between bounds.
pub(crate) fn bounded(
    field: &'static str,
    given: Option<u32>,
    usual: u32,
    most: u32,
) -> Result<usize, Problem> {
    let number = given.unwrap_or(usual);
    if number == 0 || number > most {
        return Err(Problem::field(field, format!("\"{field}\" is 1 to {most}; got {number}")));
    }
    usize::try_from(number).map_err(|_| Problem::field(field, "too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::dto::{ChangeEnv, CreateApp};

    #[test]
    fn a_wrong_field_is_named() {
        for (body, field, word) in [
            (r#"{"name":"a","port":"x"}"#, Some("port"), "invalid type"),
            (r#"{"name":"a","port":70000}"#, Some("port"), "70000"),
            (r#"{"name":"a","nope":1}"#, Some("nope"), "unknown field"),
            (r#"{"port":1}"#, None, "missing field"),
            (r#"{"name":"a","domains":["x",3]}"#, Some("domains[1]"), "invalid type"),
        ] {
            let problem = parse::<CreateApp>(body.as_bytes(), Echo::Yes).unwrap_err();
            assert_eq!((problem.status, problem.field.as_deref()), (422, field), "{body}");
            assert!(problem.detail.contains(word), "{}", problem.detail);
        }
        for body in ["", "{", "{}x", "nul", "\u{0}", "{} {"] {
            assert_eq!(parse::<ChangeEnv>(body.as_bytes(), Echo::No).unwrap_err().status, 400);
        }
    }

    #[test]
    fn what_is_secret_is_not_repeated() {
        for body in [
            r#"{"set":{"A":["hush-hush"]}}"#,
            r#"{"set":"hush-hush"}"#,
            r#"{"remove":{"hush-hush":1}}"#,
        ] {
            let problem = parse::<ChangeEnv>(body.as_bytes(), Echo::No).unwrap_err();
            assert!(!format!("{problem:?}").contains("hush-hush"), "{problem:?}");
        }
    }
}
