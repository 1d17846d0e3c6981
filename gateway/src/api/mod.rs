//! The HTTP API: what people and programs ask Hythe for.
//!
//! Invariants: everything but health, signing in and the page's files needs the owner token;
//! every answer of 400 and above is a problem document, but for git, which shows text; every write is on disk, and seen by every
//! read that follows, before it is answered; everything is bounded.

mod auth;
mod config;
mod diff;
mod doc;
pub mod dto;
mod errands;
mod export;
mod extract;
mod filter;
mod follow;
mod github;
mod github_page;
mod idempotency;
mod layers;
mod lines;
mod metrics;
mod page;
mod past;
mod plane;
mod pollers;
mod present;
pub mod problem;
mod push;
mod receive;
mod relay;
mod routes;
mod serve;
mod settings;
mod socket;
mod state;
mod verification;
mod why;
mod writing;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use hythe_core::github::manifest;

pub use auth::{OwnerToken, TokenError};
pub use config::ApiConfig;
pub use serve::serve;
pub use state::ApiState;

/// Bytes of a form that a browser sends.
const MOST_FORM: usize = 4 * 1024;

/// Everything that the server answers to.
pub fn router(state: ApiState) -> Router {
    let guarded =
        Router::from(routes::guarded()).route_layer(from_fn_with_state(state.clone(), auth::guard));
    let finishing = get(github_page::returned).post(github_page::finishes);
    Router::from(routes::open())
        .merge(guarded)
        .route(manifest::START, get(github_page::start))
        .route(manifest::RETURN, finishing.layer(DefaultBodyLimit::max(MOST_FORM)))
        .merge(push::routes(&state))
        .fallback(page::serve)
        .layer(from_fn_with_state(state.clone(), layers::outermost))
        .with_state(state)
}

/// The OpenAPI document, without a server.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::open().merge(routes::guarded()).split_for_parts().1
}
