//! Static sites, served by the edge itself.
//!
//! Sites that routes name are fetched whole ([`keep`]) and lie on the edge's disk ([`shelf`]); a route leads to
//! one only once all of it is there, and until then whatever it led to before answers. From then on nobody is
//! needed to serve it. What a request comes to is decided in core; here it becomes an answer ([`answer`]).

mod accept;
mod answer;
mod disk;
mod file;
mod keep;
mod shelf;

pub(crate) use answer::{Body, answer, keep_private, lead_below};
pub(crate) use file::FileBody;
pub(crate) use keep::{keep, take_in};
pub(crate) use shelf::{Served, Shelf};
