//! `hythe routes`: which host leads where.

use super::args::AtArgs;
use super::failure::Outcome;
use super::{Context, format};
use crate::api::dto::{RoutePage, RouteState};

/// How many apps one page has.
const PAGE: u32 = 200;
/// How many pages are read at the most.
const MOST_PAGES: usize = 500;

pub(super) async fn run(context: &Context, at: &AtArgs) -> Outcome {
    let (mut routes, mut as_of, mut cursor) = (Vec::new(), None, None);
    let mut at = at.query();
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        query.extend(at.iter().cloned());
        let page: RoutePage = context.client.get(&["routes"], &query).await?;
        routes.extend(page.items);
        (as_of, cursor) = (page.as_of, page.next);
        if let Some(as_of) = as_of {
            // All pages of one moment, whatever happens meanwhile.
            at = vec![("at", as_of.sequence.to_string())];
        }
        if cursor.is_none() {
            break;
        }
    }
    let output = &context.output;
    if output.json() {
        output.document(&routes);
        return Ok(());
    }
    format::note_as_of(output, as_of);
    if routes.is_empty() {
        output.note("no routes: there is no app");
        return Ok(());
    }
    let rows: Vec<_> = routes
        .iter()
        .map(|route| {
            let deployment = route.deployment.as_ref();
            let targets = match route.state {
                RouteState::Serving if as_of.is_some() => "-".into(),
                RouteState::Serving => route.targets.join(" "),
                RouteState::Starting
                | RouteState::Down
                | RouteState::Stopped
                | RouteState::Asleep => "-".into(),
            };
            vec![
                format!("{}{}", route.host, route.path.as_deref().unwrap_or_default()),
                route.app.name.clone(),
                format::route_state(output, route.state),
                deployment.map_or("-".into(), |deployment| format!("#{}", deployment.number)),
                format::short(deployment.and_then(|deployment| deployment.commit.as_deref())),
                targets,
            ]
        })
        .collect();
    output.table(&["HOST", "APP", "STATE", "DEPLOYMENT", "COMMIT", "ADDRESSES"], &rows);
    Ok(())
}
