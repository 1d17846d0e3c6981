//! The operations, one file per resource, and the router that they make up.

mod address;
mod apps;
mod backups;
mod canaries;
mod certificates;
mod compose;
mod crons;
mod deleted;
mod deliver;
mod deployments;
mod domains;
mod edge;
mod env;
mod events;
mod github_apps;
mod health;
mod hooks;
mod housekeeping;
mod journal;
mod listing;
mod logs;
mod previews;
mod projects;
mod registries;
mod running;
mod runs;
mod session;
mod source_key;
mod sources;
mod status;
mod statuses;
mod table;
mod told;
mod traefik;
mod triggers;
mod uploads;
mod versions;
mod workers;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::doc::{Document, ReadProblems};

/// Operations that need no token.
pub(crate) fn open() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(session::create))
        .routes(routes!(deliver::deliver))
}

/// Operations that need the owner token.
pub(crate) fn guarded() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(utoipa::openapi::OpenApi::default())
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, apps::update, deleted::delete))
        .routes(routes!(deleted::restore))
        .routes(routes!(deleted::list))
        .routes(routes!(apps::diff))
        .routes(routes!(deployments::list, deployments::create))
        .routes(routes!(deployments::show))
        .routes(routes!(deployments::cancel))
        .routes(routes!(canaries::show, canaries::set))
        .routes(routes!(canaries::promote))
        .routes(routes!(canaries::abort))
        .routes(routes!(uploads::show, uploads::put))
        .routes(routes!(running::stop))
        .routes(routes!(running::start))
        .routes(routes!(running::scale))
        .routes(routes!(runs::list, runs::create))
        .routes(routes!(runs::attach))
        .routes(routes!(runs::logs))
        .routes(routes!(runs::stop))
        .routes(routes!(crons::list))
        .routes(routes!(crons::show, crons::set, crons::remove))
        .routes(routes!(crons::pause))
        .routes(routes!(crons::resume))
        .routes(routes!(crons::run))
        .routes(routes!(domains::list, domains::add))
        .routes(routes!(domains::show, domains::update, domains::remove))
        .routes(routes!(domains::check))
        .routes(routes!(domains::settings, domains::update_settings))
        .routes(routes!(certificates::list, certificates::add))
        .routes(routes!(certificates::settings, certificates::update_settings))
        .routes(routes!(certificates::authority))
        .routes(routes!(certificates::rotate))
        .routes(routes!(certificates::show, certificates::remove))
        .routes(routes!(certificates::renew))
        .routes(routes!(versions::rollback))
        .routes(routes!(versions::redeploy))
        .routes(routes!(versions::restart))
        .routes(routes!(env::list, env::change))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::show, projects::delete))
        .routes(routes!(compose::plan))
        .routes(routes!(registries::list))
        .routes(routes!(registries::set, registries::remove))
        .routes(routes!(triggers::show, triggers::update))
        .routes(routes!(edge::show, edge::update))
        .routes(routes!(previews::list, previews::update))
        .routes(routes!(previews::remove))
        .routes(routes!(hooks::list, hooks::create))
        .routes(routes!(hooks::show, hooks::remove))
        .routes(routes!(hooks::rotate))
        .routes(routes!(hooks::deliveries))
        .routes(routes!(statuses::show, statuses::set, statuses::remove))
        .routes(routes!(told::comment, told::uncomment))
        .routes(routes!(told::deploy, told::undeploy))
        .routes(routes!(address::show, address::set, address::remove))
        .routes(routes!(listing::repositories))
        .routes(routes!(listing::branches))
        .routes(routes!(sources::tokens))
        .routes(routes!(sources::set_token, sources::remove_token))
        .routes(routes!(github_apps::list, github_apps::begin))
        .routes(routes!(github_apps::finish))
        .routes(routes!(github_apps::show, github_apps::remove))
        .routes(routes!(github_apps::rotate))
        .routes(routes!(github_apps::set_key))
        .routes(routes!(sources::hosts))
        .routes(routes!(sources::set_host, sources::remove_host))
        .routes(routes!(source_key::show, source_key::make))
        .routes(routes!(workers::replicas))
        .routes(routes!(workers::list))
        .routes(routes!(workers::show))
        .routes(routes!(table::list))
        .routes(routes!(traefik::of_worker))
        .routes(routes!(traefik::of_proxy))
        .routes(routes!(events::list))
        .routes(routes!(events::why))
        .routes(routes!(logs::of_app))
        .routes(routes!(logs::of_deployment))
        .routes(routes!(backups::show, backups::create))
        .routes(routes!(backups::download))
        .routes(routes!(backups::schedule, backups::unschedule))
        .routes(routes!(backups::mirror, backups::unmirror))
        .routes(routes!(status::show))
        .routes(routes!(housekeeping::show, housekeeping::run))
        .routes(routes!(session::show, session::delete))
        .routes(routes!(health::metrics))
        .routes(routes!(journal::last, journal::verify))
        .routes(routes!(journal::export))
        .routes(routes!(document))
}

/// The OpenAPI document as bytes: it never changes while the server runs.
static DOCUMENT: LazyLock<bytes::Bytes> =
    LazyLock::new(|| serde_json::to_vec(&super::openapi()).unwrap_or_default().into());

/// Shows this document
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "get_openapi", tag = "server",
    responses((status = 200, description = "OpenAPI 3.1", body = Object), ReadProblems)
)]
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}
