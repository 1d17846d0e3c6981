//! Who may ask: the owner, by token or by a browser session made from it.
//!
//! Invariants: tokens are compared by their hashes, in constant time; the right token always gets
//! in, however many wrong ones came before; what a browser attaches by itself (a cookie) counts
//! only where the request comes from this server's own page.

mod guard;
mod origin;
mod session;
mod throttle;
mod token;

pub(crate) use guard::{Caller, guard, guard_git, sign_in};
pub(crate) use origin::{check_host, own_origin};
pub(crate) use session::{COOKIE, Sessions, set_cookie};
pub(crate) use throttle::Throttle;
pub use token::{OwnerToken, TokenError};
