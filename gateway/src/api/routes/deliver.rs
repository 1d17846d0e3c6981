//! Where providers tell of pushes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};

use crate::api::ApiState;
use crate::api::doc::WriteProblems;
use crate::api::dto::Delivery;
use crate::api::layers::RequestId;
use crate::api::problem::Problem;
use crate::api::receive::{Came, receive};

/// Takes what a provider tells
///
/// Signed with the webhook's secret, as GitHub, GitLab, Bitbucket Cloud, Gitea and Forgejo do. A push
/// deploys, of every app of the repository that it concerns, the commit that was pushed; the answer
/// goes out once that is on disk. Sent again with the same id, it takes effect once, without an
/// `Idempotency-Key`, which no provider sends. At most 25 MiB.
#[utoipa::path(
    post, path = "/hooks/{provider}/{id}", operation_id = "deliver", tag = "hooks", security(()),
    params(
        ("provider" = String, Path, description = "Who sends", example = "github"),
        ("id" = uuid::Uuid, Path, description = "The webhook's id"),
    ),
    responses(
        (status = 200, description = "It deploys nothing, and why", body = Delivery),
        (status = 202, description = "Deployments were asked for", body = Delivery),
        WriteProblems
    )
)]
pub(crate) async fn deliver(
    State(state): State<ApiState>,
    Path((provider, hook)): Path<(String, String)>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, axum::Json<Delivery>), Problem> {
    let nobody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let peer = peer.map_or(nobody, |Extension(ConnectInfo(peer))| peer.ip().to_canonical());
    let came = Came { provider, hook, headers, peer, request: request.0 };
    let (status, delivery) = receive(&state, came, body).await?;
    Ok((status, axum::Json(delivery)))
}
