//! The begin of a connection over TLS: who it is of, what it asks for, and the handshake.
//!
//! Invariants: a client that asks for a host without a certificate is told so by an alert and gets nothing
//! else; one that offers an authority's protocol gets what proves a host, and no connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::server::{Acceptor, ClientHello};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::figures::Outcome;
use super::{Certificate, HTTP2, Tls, challenge};
use crate::edge::greet::{Told, whose};

/// The alert `unrecognized_name` as it is written before a handshake has keys: fatal (RFC 8446, 5.1 and
/// 6; RFC 6066, 3). The library has no other way to say it.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A connection whose handshake is done.
#[derive(Debug)]
pub(crate) struct Secured<S> {
    pub(crate) stream: TlsStream<Early<S>>,
    /// Client and the address that it connected to, where a trusted peer said so.
    pub(crate) told: Told,
    /// Whether it was agreed to speak HTTP/2.
    pub(crate) http2: bool,
    /// What the client was shown.
    pub(crate) certificate: Arc<Certificate>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no certificate for {0:?}")]
    NoCertificate(String),
    /// There was not to be one.
    #[error("an authority has seen what it asked for")]
    Proven,
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// What is done with a client.
enum Way {
    Serve(Arc<Certificate>),
    Prove(Arc<ServerConfig>),
    Refuse(String),
}

impl Tls {
    /// Counts a handshake that took too long.
    pub(crate) fn late(&self) {
        self.figures.ended(Outcome::Late);
    }

    fn way(&self, hello: &ClientHello<'_>) -> Way {
        let shown = self.shown.load();
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let mut offered = hello.alpn().into_iter().flatten();
        // With anything beside it, it is not an authority that asks.
        if offered.next() == Some(challenge::PROTOCOL) && offered.next().is_none() {
            let proof = shown.proof(&name, super::now());
            return proof.map_or(Way::Refuse(name), Way::Prove);
        }
        match shown.certificate(&name).or_else(|| shown.usual()) {
            Some(certificate) => Way::Serve(Arc::clone(certificate)),
            None => Way::Refuse(name),
        }
    }
}

/// Reads what a client asks for and does the handshake. `proxied` is whether the peer has to say whose
/// connection it is.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    stream: S,
    proxied: bool,
) -> Result<Secured<S>, Refused> {
    let secured = shake(tls, stream, proxied).await;
    tls.figures.ended(match &secured {
        Ok(secured) => {
            let (_, session) = secured.stream.get_ref();
            let version = session.protocol_version().into();
            if session.handshake_kind() == Some(HandshakeKind::Resumed) {
                Outcome::Resumed(version)
            } else {
                Outcome::Full(version)
            }
        }
        Err(Refused::NoCertificate(_)) => Outcome::NoCertificate,
        Err(Refused::Proven) => Outcome::Proven,
        Err(Refused::Broken(_)) => Outcome::Failed,
    });
    secured
}

async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Tls,
    mut stream: S,
    proxied: bool,
) -> Result<Secured<S>, Refused> {
    let mut early = BytesMut::new();
    let told = if proxied { whose(&mut stream, &mut early).await? } else { None };
    let stream = Early { early: early.freeze(), stream };
    let begun: StartHandshake<_> = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let way = tls.way(&begun.client_hello());
    match way {
        Way::Serve(certificate) => {
            let stream = begun.into_stream(Arc::clone(&certificate.config)).await?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
            Ok(Secured { stream, told, http2, certificate })
        }
        Way::Prove(config) => {
            let mut stream = begun.into_stream(config).await?;
            // The authority has what it wants; it may be gone already.
            stream.shutdown().await.ok();
            Err(Refused::Proven)
        }
        Way::Refuse(name) => {
            let StartHandshake { mut io, .. } = begun;
            io.write_all(&UNRECOGNIZED_NAME).await?;
            io.shutdown().await?;
            Err(Refused::NoCertificate(name))
        }
    }
}

/// A connection of which something was read already.
#[derive(Debug)]
pub(crate) struct Early<S> {
    early: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Early<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let some = self.early.len().min(buf.remaining());
        buf.put_slice(self.early.get(..some).unwrap_or_default());
        self.early.advance(some);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Early<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
