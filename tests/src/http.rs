//! One HTTP request over a connection of its own: for whoever asks often, where curl would use up
//! the machine, and for whoever must tell an answer from a broken connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Asks; none where the connection could not be made or broke before the answer was whole.
#[must_use]
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let connection = TcpStream::connect_timeout(&address, WITHIN).ok()?;
    connection.set_read_timeout(Some(WITHIN)).ok()?;
    let host = address.to_string();
    ask_over(connection, &host, method, path, headers, body)
}

/// Asks whoever listens on a socket of this machine's; none as for [`ask`].
#[must_use]
pub fn ask_at(socket: &Path, path: &str) -> Option<(u16, String)> {
    let connection = UnixStream::connect(socket).ok()?;
    connection.set_read_timeout(Some(WITHIN)).ok()?;
    ask_over(connection, "localhost", "GET", path, &[], "")
}

fn ask_over(
    mut connection: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, usual) in [("Host", host), ("Accept", "*/*")] {
        if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            request += &format!("{name}: {usual}\r\n");
        }
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    connection.write_all(format!("{request}\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).ok()?;
    let (head, body) = split(&answer, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length.and_then(|length| length.trim().parse::<usize>().ok())
        && body.len() < length
    {
        return None;
    }
    if !head.contains("transfer-encoding: chunked") {
        return Some((status, text(body)));
    }
    let (mut whole, mut rest) = (Vec::new(), body);
    loop {
        let (size, tail) = split(rest, b"\r\n")?;
        let size = usize::from_str_radix(text(size).trim(), 16).ok()?;
        if size == 0 {
            return Some((status, text(&whole)));
        }
        whole.extend_from_slice(tail.get(..size)?);
        rest = tail.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// What comes before the first mark, and after it.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
