//! One HTTP request over a connection of its own: for whoever asks often, where curl would use up
//! the machine, and for whoever must tell an answer from a broken connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
    let mut connection = TcpStream::connect_timeout(&address, WITHIN).ok()?;
    connection.set_read_timeout(Some(WITHIN)).ok()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {address}\r\n");
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
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length.and_then(|length| length.trim().parse::<usize>().ok())
        && body.len() < length
    {
        return None;
    }
    if !head.contains("transfer-encoding: chunked") {
        return Some((status, body.to_owned()));
    }
    let (mut whole, mut rest) = (String::new(), body);
    loop {
        let (size, tail) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some((status, whole));
        }
        whole += tail.get(..size)?;
        rest = tail.get(size..)?.strip_prefix("\r\n")?;
    }
}
