//! Who may ask.
pub(crate) const COOKIE: &str = "hythe_session";
