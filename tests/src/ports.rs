//! Ports on loopback for what a test starts, ends and starts again.

use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as Name, UnixListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that the system gives to whoever connects somewhere, or one of those could be taken
/// while nobody listens on it.
const FIRST: u32 = 10_000;
const PORTS: u32 = 22_000;

/// The claims of this process, which end with it.
static CLAIMED: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Addresses on which nobody listens, and which no other test is given as long as this process runs.
#[must_use]
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    [(); N].map(|()| {
        loop {
            let tried = TRIED.fetch_add(1, Ordering::Relaxed);
            assert!(tried < 2 * PORTS, "no port is free");
            // Tests are processes: each begins elsewhere.
            let port = FIRST + (std::process::id().wrapping_mul(97).wrapping_add(tried)) % PORTS;
            let port = u16::try_from(port).expect("a port");
            let Some(claim) = claim(port) else { continue };
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                CLAIMED.lock().expect("no test ends in here").push(claim);
                break listener.local_addr().expect("an address");
            }
        }
    })
}

/// An abstract name is one process's at a time, whatever becomes of it, and lies on no disk.
fn claim(port: u16) -> Option<UnixListener> {
    let name = Name::from_abstract_name(format!("hythe-tests-port-{port}")).expect("a name");
    UnixListener::bind_addr(&name).ok()
}
