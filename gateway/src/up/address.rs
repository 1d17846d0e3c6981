//! Addresses: whether one is free, and whether what should answer there does.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::error::UpError;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(50);
/// How long one look may take.
const TRY_WITHIN: Duration = Duration::from_secs(3);

/// Whether an address can be listened on. What finds it free may still lose it to somebody else:
/// this is for the message, not for safety.
pub(super) fn check_free(
    address: SocketAddr,
    what: &'static str,
    option: &'static str,
) -> Result<(), UpError> {
    // The standard library sets SO_REUSEADDR: closed connections of before do not count.
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            Err(UpError::PortInUse { address, what, option })
        }
        Err(e) => Err(UpError::CannotListen { address, what, why: e.to_string(), option }),
    }
}

/// The address under which this machine itself reaches what listens there.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Waits for gateway and edge, for a while; says what is missing then.
pub(super) async fn ready(
    gateway: SocketAddr,
    edges: &[SocketAddr],
    within: Duration,
) -> Vec<&'static str> {
    let until = Instant::now() + within;
    let mut missing = Vec::new();
    if !repeat(until, || gateway_ready(gateway)).await {
        missing.push("server");
    }
    for edge in edges {
        if !repeat(until, || connects(*edge)).await {
            missing.push("edge");
            break;
        }
    }
    missing
}

async fn repeat<F: Future<Output = bool>>(until: Instant, look: impl Fn() -> F) -> bool {
    loop {
        if timeout(TRY_WITHIN, look()).await.unwrap_or(false) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        sleep(EVERY).await;
    }
}

async fn connects(address: SocketAddr) -> bool {
    TcpStream::connect(reachable(address)).await.is_ok()
}

async fn gateway_ready(address: SocketAddr) -> bool {
    let address = reachable(address);
    // No proxy of the environment stands between a machine and itself.
    let Ok(tls) = crate::tls::unused() else { return false };
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls).build();
    let Ok(client) = client else { return false };
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let message = check_free(address, "apps", "--edge-http").unwrap_err().to_string();
        assert!(message.contains(&address.port().to_string()), "{message}");
        assert!(message.contains("--edge-http"), "{message}");
        drop(taken);
        check_free(address, "apps", "--edge-http").unwrap();
    }

    #[test]
    fn an_address_for_all_is_reached_on_loopback() {
        for (listen, reach) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), reach.parse().unwrap());
        }
    }
}
