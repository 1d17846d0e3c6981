//! What a client's connection begins with: who it is of, and what it speaks.
//!
//! Invariants: only peers that are trusted are believed when they say whose connection it is, and
//! those have to say it; what is read here is handed on whole.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What HTTP/2 begins with where nobody agreed upon it before (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest header of the PROXY protocol that is read: with all that may be told besides.
const MOST_BYTES: usize = 4 * 1024;
/// What its text form begins with, and how long that can be.
const TEXT: &[u8] = b"PROXY ";
const MOST_TEXT_BYTES: usize = 107;

/// How a connection begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Client and the address that it connected to, where a trusted peer said so.
    pub(crate) told: Option<(SocketAddr, SocketAddr)>,
    /// Whether it speaks HTTP/2.
    pub(crate) http2: bool,
    /// What was read.
    pub(crate) early: Bytes,
}

/// Reads as much as is needed to know. `proxied` is whether the peer has to say whose it is.
pub(crate) async fn greet(
    stream: &mut (impl AsyncRead + Unpin),
    proxied: bool,
) -> io::Result<Greeting> {
    let mut early = BytesMut::new();
    let told = if proxied { whose(stream, &mut early).await? } else { None };
    // The first byte mostly tells; the rest of the preface may be on its way.
    while early.len() < PREFACE.len() && PREFACE.starts_with(&early) {
        if stream.read_buf(&mut early).await? == 0 {
            break;
        }
    }
    let http2 = early.starts_with(PREFACE);
    Ok(Greeting { told, http2, early: early.freeze() })
}

/// Client and the address that it connected to, where that was said.
pub(crate) type Told = Option<(SocketAddr, SocketAddr)>;

/// Reads the header of the PROXY protocol. What came after it is left in `early`.
pub(crate) async fn whose(
    stream: &mut (impl AsyncRead + Unpin),
    early: &mut BytesMut,
) -> io::Result<Told> {
    loop {
        if stream.read_buf(early).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The text form is looked at once its line is whole: pieces of it can look wrong.
        let text = early.starts_with(TEXT) || TEXT.starts_with(early);
        let whole = early.len() >= MOST_TEXT_BYTES || early.windows(2).any(|two| two == b"\r\n");
        if text && !whole {
            continue;
        }
        let header = HeaderResult::parse(early);
        if !text && header.is_incomplete() && early.len() < MOST_BYTES {
            continue;
        }
        let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let (length, told) = match header {
            HeaderResult::V1(Ok(header)) => (header.header.len(), of_text(&header.addresses)),
            HeaderResult::V2(Ok(header)) => (header.len(), of_binary(&header)),
            HeaderResult::V1(Err(error)) => return Err(bad(error.to_string())),
            HeaderResult::V2(Err(error)) => return Err(bad(error.to_string())),
        };
        early.advance(length);
        return Ok(told);
    }
}

fn of_text(addresses: &v1::Addresses) -> Told {
    match addresses {
        // A check of the peer's own: it is of the peer itself.
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(a) => both(
            (a.source_address.into(), a.source_port),
            (a.destination_address.into(), a.destination_port),
        ),
        v1::Addresses::Tcp6(a) => both(
            (a.source_address.into(), a.source_port),
            (a.destination_address.into(), a.destination_port),
        ),
    }
}

fn of_binary(header: &v2::Header<'_>) -> Told {
    match (header.command, &header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(a)) => both(
            (a.source_address.into(), a.source_port),
            (a.destination_address.into(), a.destination_port),
        ),
        (v2::Command::Proxy, v2::Addresses::IPv6(a)) => both(
            (a.source_address.into(), a.source_port),
            (a.destination_address.into(), a.destination_port),
        ),
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_))
        | (v2::Command::Local, _) => None,
    }
}

fn both(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Told {
    Some((source.into(), destination.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Sent byte by byte.
    async fn greeted(bytes: &[u8], proxied: bool) -> io::Result<Greeting> {
        let (mut client, mut edge) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        let sending = tokio::spawn(async move {
            let _ = client.write_all(&bytes).await;
        });
        let greeting = greet(&mut edge, proxied).await;
        sending.abort();
        greeting
    }

    fn addresses(client: &str, local: &str) -> Told {
        Some((client.parse().unwrap(), local.parse().unwrap()))
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
        header.extend(addresses);
        header
    }

    #[tokio::test]
    async fn what_it_speaks_is_seen_and_what_was_read_is_handed_on() {
        for (text, http2) in [
            ("GET / HTTP/1.1\r\n", false),
            ("PUT / HTTP/1.1\r\n", false),
            ("PRIM / HTTP/1.1\r\n", false),
            ("PRI * HTTP/1.1\r\n", false),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest", true),
            ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", false),
            ("P", false),
            ("", false),
        ] {
            let greeting = greeted(text.as_bytes(), false).await.unwrap();
            assert_eq!((greeting.http2, greeting.told), (http2, None), "{text:?}");
            assert!(text.as_bytes().starts_with(&greeting.early), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_trusted_peer_says_whose_connection_it_is() {
        let rest = b"GET / HTTP/1.1\r\n";
        let four = [[192, 0, 2, 1], [198, 51, 100, 2]].concat();
        let ports = [0x15, 0xb3, 0, 80];
        let six = ["2001:db8::1", "2001:db8::2"]
            .map(|text| text.parse::<std::net::Ipv6Addr>().unwrap().octets())
            .concat();
        for (what, header, told) in [
            (
                "text",
                b"PROXY TCP4 192.0.2.1 198.51.100.2 5555 80\r\n".to_vec(),
                addresses("192.0.2.1:5555", "198.51.100.2:80"),
            ),
            (
                "text over IPv6",
                b"PROXY TCP6 2001:db8::1 2001:db8::2 5555 80\r\n".to_vec(),
                addresses("[2001:db8::1]:5555", "[2001:db8::2]:80"),
            ),
            ("text that does not know", b"PROXY UNKNOWN\r\n".to_vec(), None),
            (
                "binary",
                binary(1, 0x11, &[&four[..], &ports].concat()),
                addresses("192.0.2.1:5555", "198.51.100.2:80"),
            ),
            (
                "binary with more",
                binary(1, 0x11, &[&four[..], &ports, &[4, 0, 1, 0]].concat()),
                addresses("192.0.2.1:5555", "198.51.100.2:80"),
            ),
            (
                "binary over IPv6",
                binary(1, 0x21, &[&six[..], &ports].concat()),
                addresses("[2001:db8::1]:5555", "[2001:db8::2]:80"),
            ),
            ("binary of the peer's own", binary(0, 0, &[]), None),
        ] {
            let bytes = [&header[..], rest].concat();
            let greeting = greeted(&bytes, true).await.unwrap();
            assert_eq!(greeting.told, told, "{what}");
            assert!(rest.starts_with(&greeting.early), "{what}: {:?}", greeting.early);
        }
    }

    #[tokio::test]
    async fn one_that_has_to_say_it_and_does_not_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 10_000]].concat();
        let huge = binary(1, 0x11, &[0; 60_000]);
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.1\r\nGET / HTTP/1.1\r\n",
            b"PROXY TCP4 a b 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 70000 80\r\n",
            b"\r\n\r\n\0\r\nQUIX\n",
            &long,
            &huge,
            b"",
        ] {
            assert!(greeted(bytes, true).await.is_err(), "{:?}", &bytes[..bytes.len().min(40)]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// However it begins: an answer or an error, and what was read is a piece of what was sent.
        #[test]
        fn whatever_a_connection_begins_with(
            begins in prop_oneof![
                Just(b"PROXY TCP4 ".to_vec()),
                Just(b"\r\n\r\n\0\r\nQUIT\n".to_vec()),
                Just(b"PRI * HTTP/2.0\r\n\r\n".to_vec()),
                Just(Vec::new()),
            ],
            rest in prop::collection::vec(any::<u8>(), 0..200),
            proxied in any::<bool>(),
        ) {
            let bytes = [begins, rest].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let greeting = runtime.block_on(greeted(&bytes, proxied));
            if let Ok(greeting) = greeting {
                let early = &greeting.early[..];
                let found = early.is_empty() || bytes.windows(early.len()).any(|part| part == early);
                prop_assert!(found);
                prop_assert!(proxied || (greeting.told.is_none() && bytes.starts_with(early)));
            }
        }
    }
}
