//! From what is (the view) and what was seen to what people are shown. Pure.

mod app;
mod backup;
mod canary;
mod certificate;
mod cron;
mod deployment;
mod domain;
mod edge;
mod event;
mod hook;
mod log;
mod preview;
mod project;
mod route;
mod traefik;
mod worker;

pub(crate) use app::app;
pub(crate) use backup::{failed, made, mirror, schedule};
pub(crate) use canary::canary;
pub(crate) use certificate::{certificate_of, certificates};
pub(crate) use cron::{cron, minted_at};
pub(crate) use deployment::{deployment, deployment_in, reference_to};
pub(crate) use domain::domain;
pub(crate) use edge::edge;
pub(crate) use event::event;
pub(crate) use hook::{deliveries, hook, hooks, triggers};
pub(crate) use log::item;
pub(crate) use preview::previews;
pub(crate) use project::{project, project_of, projects};
pub(crate) use route::{in_force, then as routes_then};
pub(crate) use traefik::{
    Routers as TraefikRouters, of_proxy as traefik_of_proxy, of_worker as traefik_of_worker,
};
pub(crate) use worker::{engine_disks, process_of, replicas, worker, workers};

use hythe_core::observed::Observed;
use hythe_core::view::View;

use super::config::ApiConfig;
use super::dto::AsOf;

/// Everything that an answer is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// What is.
    pub(crate) view: &'a View,
    /// What was seen; of the past, nothing.
    pub(crate) observed: &'a Observed,
    /// What this installation is like.
    pub(crate) config: &'a ApiConfig,
    /// As of when, where it is the past.
    pub(crate) as_of: Option<AsOf>,
}
