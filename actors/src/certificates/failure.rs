//! What went wrong with an order, in a form that core decides by.

use hythe_core::certificate::FailureKind;
use instant_acme::{Error, Problem};

/// Characters of what an authority says.
const MOST_SHOWN: usize = 600;
/// What every type of an ACME problem begins with (RFC 8555, 6.7).
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What is to be known, and to be done.
    pub why: String,
    /// Whether the authority does not know the account any more.
    pub no_account: bool,
}

impl Failure {
    /// Of a kind.
    #[must_use]
    pub fn new(kind: FailureKind, why: impl Into<String>) -> Self {
        let why: String = why.into();
        let plain = why.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { kind, why: plain.take(MOST_SHOWN).collect(), no_account: false }
    }

    /// Something of our own failed.
    #[must_use]
    pub fn ours(why: impl Into<String>) -> Self {
        Self::new(FailureKind::Unreachable, why)
    }

    /// What an authority answered with.
    pub(super) fn of_problem(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix(PREFIX).unwrap_or(kind);
        let mut texts: Vec<&str> = problem.detail.iter().map(String::as_str).collect();
        texts.extend(problem.subproblems.iter().filter_map(|one| one.detail.as_deref()));
        let said = if texts.is_empty() { "nothing more".to_owned() } else { texts.join("; ") };
        let mut failure = Self::new(FailureKind::of_problem(kind), format!("{kind}: {said}"));
        failure.no_account = kind == "accountDoesNotExist";
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Api(problem) = &error {
            return Self::of_problem(problem);
        }
        let senseless = matches!(error, Error::Json(_) | Error::Unsupported(_) | Error::Str(_));
        let kind = if senseless { FailureKind::Senseless } else { FailureKind::Unreachable };
        let mut why = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(deeper) = source {
            why = format!("{why}: {deeper}");
            source = deeper.source();
        }
        Self::new(kind, why)
    }
}
