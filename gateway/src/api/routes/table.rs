//! The route table: which host leads where.

use std::ops::Bound;

use axum::extract::State;
use hythe_core::names::AppName;

use crate::api::ApiState;
use crate::api::doc::ReadProblems;
use crate::api::dto::{PageQuery, RoutePage};
use crate::api::extract::{Params, bounded};
use crate::api::past;
use crate::api::present;
use crate::api::problem::Problem;
use crate::api::settings;

/// Lists routes
///
/// Which host leads to which replicas: the table in force. Of the past, what was decided then:
/// which deployment had the traffic.
#[utoipa::path(
    get, path = "/api/v1/routes", operation_id = "list_routes", tag = "routes",
    params(PageQuery),
    responses((status = 200, description = "A page of routes", body = RoutePage), ReadProblems)
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<RoutePage>, Problem> {
    let limit = bounded("limit", query.limit, 50, 200)?;
    let after: Option<AppName> =
        query.cursor.as_deref().map(|cursor| settings::text("cursor", cursor)).transpose()?;
    if let Some(at) = query.at {
        let page = state.look_back("at", &at, move |then| {
            let (ids, next) = then.book.chronicle(|chronicle| {
                let all = chronicle.apps.all(then.at(), after.as_ref());
                past::page(all.map(|(name, life)| (name.clone(), life.id)), limit)
            })?;
            let mut items = Vec::with_capacity(ids.len());
            for id in ids {
                let view = then.book.app_in_brief(id, None, then.at())?;
                items.extend(present::routes_then(then.sight(&view), id).unwrap_or_default());
            }
            Ok(RoutePage { items, next, revision: None, as_of: Some(then.as_of()) })
        });
        return page.await.map(axum::Json);
    }
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let page = state.see(|sight| {
        let names = sight.view.names.range((start, Bound::Unbounded));
        let (ids, next) = past::page(names.map(|(name, id)| (name.clone(), *id)), limit);
        let items = ids.into_iter().filter_map(|id| present::in_force(sight, id)).flatten();
        let revision = Some(sight.observed.table.revision).filter(|revision| *revision > 0);
        RoutePage { items: items.collect(), next, revision, as_of: None }
    });
    Ok(axum::Json(page))
}
