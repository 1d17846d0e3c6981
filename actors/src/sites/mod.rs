//! The files of static sites: kept by the server under the digests of their bytes, in a folder of its own or
//! in an object store ([`store`]); brought by builders and fetched by edges over NATS ([`serve`], [`client`]).
//!
//! Invariants: what lies under a digest has that digest; a site's list lies there only once all that it names
//! does; what two versions share lies there once. Only the server has the object store's credentials. What lies
//! there goes by one server alone ([`owner`]).

pub mod client;
mod owner;
mod partial;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod tidy;

pub use owner::Claim;
pub(crate) use serve::serve;
pub use store::{SiteStoreError, Sites};
pub use tidy::SiteSweep;
