//! The HTTP API: what people and programs ask Hythe for.
//!
//! Invariants: everything but health, signing in and the page's files needs the owner token;
//! every answer of 400 and above is a problem document; every write is on disk, and seen by every
//! read that follows, before it is answered; everything is bounded.

mod auth;
mod doc;
pub mod dto;
mod extract;
pub mod problem;
mod routes;
mod state;

pub use state::ApiState;

/// The OpenAPI document, without a server.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::open().merge(routes::guarded()).split_for_parts().1
}
