//! Listening: every core has a socket of its own on each address, and the kernel spreads
//! connections among them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use super::EdgeError;

/// Connections that wait in the kernel for one core to accept them.
const BACKLOG: i32 = 1_024;
/// After how long without traffic the kernel asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Plain HTTP, for apps.
    Http,
    /// HTTP over TLS, for apps.
    Https,
    /// Plain HTTP, for the edge's own figures.
    Metrics,
}

/// One address, listened on at least once per core.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) kind: Kind,
    /// The real address: the port is never 0.
    pub(crate) address: SocketAddr,
    pub(crate) sockets: Vec<TcpListener>,
}

/// Listens on an address, once per core. Sockets that were taken over are among them, all of them,
/// since somebody may wait in the queue of each: more than cores where the other process had more.
pub(crate) fn listen(
    kind: Kind,
    address: SocketAddr,
    cores: usize,
    taken: Vec<TcpListener>,
) -> Result<Listening, EdgeError> {
    let failed = |source| EdgeError::Listen { address, source: Explained::new(source) };
    if address.port() != 0 && taken.is_empty() {
        // Sockets with SO_REUSEPORT share an address even between processes of one user: a second
        // edge would quietly take half of the connections. One without it finds out.
        drop(socket(address, false).map_err(failed)?);
    }
    let mut address = address;
    let mut sockets = taken;
    for _ in sockets.len()..cores {
        let socket = socket(address, true).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        let listener = TcpListener::from(socket);
        address = listener.local_addr().map_err(failed)?;
        sockets.push(listener);
    }
    Ok(Listening { kind, address, sockets })
}

/// Second handles of all sockets for apps, spread over the cores.
pub(crate) fn spread(
    listening: &[Listening],
    cores: usize,
) -> io::Result<Vec<Vec<(Kind, TcpListener)>>> {
    let mut each: Vec<Vec<_>> = (0..cores).map(|_| Vec::new()).collect();
    for listening in listening.iter().filter(|listening| listening.kind != Kind::Metrics) {
        for (index, socket) in listening.sockets.iter().enumerate() {
            if let Some(core) = each.get_mut(index % cores.max(1)) {
                core.push((listening.kind, socket.try_clone()?));
            }
        }
    }
    Ok(each)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a predecessor that are still closing are no reason to fail.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if !shared {
        // Two bound sockets may share an address for as long as neither listens.
        socket.listen(1)?;
    }
    Ok(socket)
}

/// Lets this process hold as many sockets as the system allows it to. What it is given at start is
/// commonly 1,024, kept low for the sake of old programs.
pub(crate) fn raise_socket_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "could not raise the number of open files; connections may be few");
    }
}

/// Sets what every connection needs. Failing here means that the other side is gone already, which
/// the first read will tell.
pub(crate) fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    let tuned =
        stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "could not set socket options");
    }
}

/// An I/O error with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{source}{}", hint(.source))]
pub struct Explained {
    source: io::Error,
}

impl Explained {
    pub(crate) fn new(source: io::Error) -> Self {
        Self { source }
    }
}

fn hint(error: &io::Error) -> &'static str {
    // Kinds are not ours: new ones may come with any Rust.
    if error.kind() == io::ErrorKind::AddrInUse {
        "; another process listens there: stop it or choose another port"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        "; no interface of this machine has that address"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_though_cores_share_it() {
        let on = |address, cores| listen(Kind::Http, address, cores, Vec::new());
        let first = on("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_eq!(first.sockets.len(), 3);
        let error = on(first.address, 1).unwrap_err().to_string();
        assert!(error.contains("another process listens there"), "{error}");
        let address = first.address;
        drop(first);
        on(address, 2).unwrap();
    }

    #[test]
    fn sockets_that_were_taken_over_are_all_used_on_however_many_cores() {
        for (before, now, sockets, most) in [(2, 4, 4, 1), (4, 2, 4, 2), (3, 2, 3, 2), (1, 1, 1, 1)]
        {
            let on = "127.0.0.1:0".parse().unwrap();
            let old = listen(Kind::Http, on, before, Vec::new()).unwrap();
            let new = listen(Kind::Http, old.address, now, old.sockets).unwrap();
            assert_eq!(new.sockets.len(), sockets, "{before} {now}");
            let each = spread(&[new], now).unwrap();
            assert_eq!(each.iter().map(Vec::len).sum::<usize>(), sockets);
            assert_eq!(each.iter().map(Vec::len).max(), Some(most));
            assert!(each.iter().all(|core| !core.is_empty()));
        }
    }
}
