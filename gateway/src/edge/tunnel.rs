//! Upgraded connections (WebSocket and the like): bytes both ways until both sides have closed.
//!
//! Invariant: a connection of which one side has closed ends within a bound, even if the other
//! side never notices.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Bytes copied at once, each way.
const BUFFER: usize = 8 * 1024;

/// Joins both sides once they have switched, and drops what is `held` (counts, the place among the
/// connections) when they have ended. `to` is the replica; `half_open` is how long one side may go
/// on after the other has closed.
pub(crate) fn join(
    client: OnUpgrade,
    app: OnUpgrade,
    to: SocketAddr,
    half_open: Duration,
    held: impl Send + 'static,
) {
    tokio::spawn(async move {
        let joined = async {
            let (client, app) = tokio::try_join!(client, app).map_err(io::Error::other)?;
            let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
            let (from_app, to_app) = tokio::io::split(TokioIo::new(app));
            let (up, down) = (pin!(pump(from_client, to_app)), pin!(pump(from_app, to_client)));
            let (ended, other) = select(up, down).await.factor_first();
            ended?;
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            match other {
                Either::Left(other) => tokio::time::timeout(half_open, other).await,
                Either::Right(other) => tokio::time::timeout(half_open, other).await,
            }
            .map_err(late)?
        };
        if let Err(error) = joined.await {
            tracing::debug!(%to, %error, "upgraded connection ended");
        }
        drop(held);
    });
}

/// Copies one way until that side has closed, and passes the closing on.
async fn pump(from: impl AsyncRead, to: impl AsyncWrite) -> io::Result<()> {
    let (mut from, mut to) = (pin!(BufReader::with_capacity(BUFFER, from)), pin!(to));
    tokio::io::copy_buf(&mut from, &mut to).await?;
    to.shutdown().await
}
