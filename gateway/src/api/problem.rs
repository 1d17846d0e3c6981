//! What goes wrong, as RFC 9457 problem documents.
//!
//! Invariants: every answer of 400 and above is one of these, whoever made it; `detail` is for
//! people and says what to do; no problem ever carries the value of a secret.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hythe_core::rejection::Rejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "/problems/invalid-field",
    "title": "A field is not right",
    "status": 422,
    "detail": "An app name has 1 to 40 lower-case letters, digits and dashes.",
    "field": "name",
    "request_id": "019eb2a4-5f00-7c11-9d3c-0a1b2c3d4e5f"
}))]
pub struct Problem {
    /// Which kind of problem: `/problems/` and a name that stays the same.
    #[serde(rename = "type")]
    pub problem_type: Box<str>,
    /// The kind in a few words.
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
    /// The field of the request that is wrong, with dots between its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// The request's id, as in the header `X-Request-Id` and as `correlation` of its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
    /// When it is worth another try, in seconds: the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read.
    Malformed,
    /// No token, or not the right one.
    Unauthorized,
    /// Comes from another web page.
    ForeignOrigin,
    /// There is no such thing.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// It does not fit the present state.
    Conflict,
    /// It exists already.
    Exists,
    /// The body is too large.
    TooLarge,
    /// The body is of another kind than expected.
    UnsupportedMediaType,
    /// The host in the request is not one of this server's.
    ForeignHost,
    /// A field is wrong.
    InvalidField,
    /// An idempotency key was used for another request.
    KeyReused,
    /// A WebSocket was asked for in the wrong way.
    UpgradeFailed,
    /// Too many failed attempts.
    TooMany,
    /// It broke.
    Internal,
    /// Too much is under way.
    Busy,
    /// Something that is needed is not there.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// The disk is full.
    NoRoom,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::ForeignOrigin,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Exists,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::ForeignHost,
        Self::InvalidField,
        Self::KeyReused,
        Self::UpgradeFailed,
        Self::TooMany,
        Self::Internal,
        Self::Busy,
        Self::Unavailable,
        Self::TimedOut,
        Self::NoRoom,
    ];

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "unauthorized", "The owner token is needed")
            }
            Self::ForeignOrigin => {
                (StatusCode::FORBIDDEN, "foreign-origin", "The request comes from another site")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method")
            }
            Self::Conflict => {
                (StatusCode::CONFLICT, "conflict", "It does not fit the present state")
            }
            Self::Exists => (StatusCode::CONFLICT, "exists", "It exists already"),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is not JSON",
            ),
            Self::ForeignHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "foreign-host",
                "The host is not one of this server's",
            ),
            Self::InvalidField => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not right")
            }
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key belongs to another request",
            ),
            Self::UpgradeFailed => {
                (StatusCode::BAD_REQUEST, "upgrade-failed", "Not a proper WebSocket request")
            }
            Self::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many failed attempts")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something in Hythe broke")
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much is under way"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not possible at the moment")
            }
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "timed-out", "It took too long"),
            Self::NoRoom => (StatusCode::INSUFFICIENT_STORAGE, "no-room", "The disk is full"),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The last part of the type.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.parts().1
    }
}

impl Problem {
    /// A problem of a kind. `detail` is made a sentence: a capital first, a full stop last.
    #[must_use]
    pub fn new(kind: Kind, detail: impl AsRef<str>) -> Self {
        let (status, slug, title) = kind.parts();
        Self {
            problem_type: format!("/problems/{slug}").into(),
            title: title.into(),
            status: status.as_u16(),
            detail: sentence(detail.as_ref()),
            field: None,
            request_id: None,
            retry_after: None,
        }
    }

    /// A field is wrong.
    #[must_use]
    pub fn field(field: impl Into<Box<str>>, detail: impl AsRef<str>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::InvalidField, detail) }
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(detail: impl AsRef<str>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// The same, to be tried again after a while; at least a second is said.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(whole.max(1)), ..self }
    }

    /// The problem that an answer without a document of its own stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (kind, detail) = match status {
            StatusCode::NOT_FOUND => (Kind::NotFound, "there is nothing at this address"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (Kind::MethodNotAllowed, "use one of the methods in the header Allow")
            }
            StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLarge, "send a smaller body"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                (Kind::UnsupportedMediaType, "send JSON with content-type: application/json")
            }
            status if status.is_client_error() => {
                (Kind::Malformed, "see the OpenAPI document at /api/v1/openapi.json")
            }
            _ => (Kind::Internal, "see the server's log, under the request's id"),
        };
        Self::new(kind, detail)
    }

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotFound { .. } => Self::not_found(rejection.to_string()),
            Rejection::Exists { .. } => Self::new(Kind::Exists, rejection.to_string()),
            Rejection::Conflict { reason } => Self::new(Kind::Conflict, reason),
            Rejection::Invalid { field, reason } => {
                let field = public_field(&field);
                Self::field(field, format!("\"{field}\" {reason}"))
            }
        }
    }
}

/// What the API calls a field that the core names otherwise.
fn public_field(field: &str) -> &str {
    match field {
        "memory" => "memory_bytes",
        "cpu" => "cpu_millis",
        "health.interval" => "health_interval_ms",
        "health.timeout" => "health_timeout_ms",
        "health.retries" => "health_retries",
        "health.start_within" => "health_start_within_ms",
        "release_within" => "release_within_ms",
        "post_deploy_within" => "post_deploy_within_ms",
        other => other,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"hythe\""),
            );
        }
        // Kept beside the body so that the outermost layer can add the request's id.
        response.extensions_mut().insert(self);
        response
    }
}

/// A text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    };
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_an_error_with_a_name_of_its_own() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
    }

    #[test]
    fn a_rejection_names_the_field_as_the_api_does() {
        let problem = Problem::from(Rejection::invalid("memory", "is 6 MiB at the least"));
        assert_eq!(problem.field.as_deref(), Some("memory_bytes"));
        assert_eq!(problem.detail, "\"memory_bytes\" is 6 MiB at the least.");
        assert_eq!(problem.status, 422);
    }

    #[test]
    fn waiting_is_said_in_whole_seconds_and_never_as_none() {
        let problem = |millis| {
            Problem::new(Kind::Busy, "busy").retry_after(Duration::from_millis(millis)).retry_after
        };
        assert_eq!(problem(0), Some(1));
        assert_eq!(problem(1_200), Some(2));
    }
}
