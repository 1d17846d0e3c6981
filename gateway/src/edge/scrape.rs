//! Where Prometheus reads what the edge counts.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::figures::{self, MEDIA_TYPE};
use super::table::Live;
use super::tls::Tls;

/// All figures as text.
pub(crate) fn text(live: &Live, tls: &Tls) -> String {
    let (routes, lines) = live.figures();
    figures::write(live.revision(), routes, &lines) + &tls.figures()
}

/// Answers for ever.
pub(crate) async fn serve(socket: TcpListener, live: Arc<Live>, tls: Arc<Tls>) {
    let shown = |State((live, tls)): State<(Arc<Live>, Arc<Tls>)>| async move {
        ([(CONTENT_TYPE, MEDIA_TYPE)], text(&live, &tls)).into_response()
    };
    let router = Router::new().route("/metrics", get(shown)).with_state((live, tls));
    if let Err(error) = axum::serve(socket, router).await {
        tracing::error!(%error, "the figures can be read no more");
        // The edge serves on.
        std::future::pending::<()>().await;
    }
}
