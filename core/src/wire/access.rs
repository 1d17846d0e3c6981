//! What an edge tells of one request: the lines of an app's access log.
//!
//! Invariants: no query, no cookie and no credentials are in a line, for they open doors; whatever a
//! client wrote is printable ASCII in it and has a bound, so that a line is one line wherever it is read.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::ids::DeploymentId;

/// One line, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AccessLine {
    /// Requests that were not told, for there were too many.
    LeftOut {
        /// How many.
        left_out: u64,
    },
    /// A request.
    Request(Box<AccessEntry>),
}

/// One request, told at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// How it asks.
    pub method: String,
    /// The host that it asks for, without port.
    pub host: String,
    /// The path, without its query.
    pub path: String,
    /// What it was answered; nothing where the client left before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Who failed, where anybody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<AccessFailed>,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of the answer's body, as sent.
    pub sent: u64,
    /// From its head to the end of its answer, in microseconds.
    pub took_us: u64,
    /// From its head to the head of its answer, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// The replica that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<SocketAddr>,
    /// The deployment that it is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// The id by which the request is found again.
    pub request: String,
    /// The trace that it is part of, as W3C Trace Context names one.
    pub trace: String,
    /// Who asks, as far as trusted peers tell.
    pub client: IpAddr,
    /// What the client says that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Where the client says that it comes from, without query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
    /// What the client speaks, as `HTTP/1.1`.
    pub protocol: String,
    /// How it reached the edge, as `https`.
    pub scheme: String,
}

/// Who failed. New ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFailed {
    /// The request is at fault, or was not let in.
    Request,
    /// The edge itself.
    Edge,
    /// The app: it could not be reached, took too long or broke off.
    App,
    /// Nobody was there.
    Nobody,
    /// The client left before the end.
    Client,
}

impl AccessFailed {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Edge => "edge",
            Self::App => "app",
            Self::Nobody => "nobody",
            Self::Client => "client",
        }
    }
}

/// What a client wrote, as printable ASCII: any other byte is `\xNN`, a backslash is two. At most `most`
/// bytes, the last three of which are dots where there was more.
#[must_use]
pub fn shown(bytes: &[u8], most: usize) -> String {
    let mut text = String::with_capacity(bytes.len().min(most));
    for byte in bytes {
        let width = match byte {
            b'\\' => 2,
            0x20..=0x7e => 1,
            _ => 4,
        };
        // Room for the dots is kept until it is known that none are needed.
        if text.len() + width > most {
            while text.len() + 3 > most && text.pop().is_some() {}
            text.push_str("...");
            break;
        }
        match byte {
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// Where a client says that it comes from, without what may open doors: query, fragment, user and password.
#[must_use]
pub fn referer(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(bytes.len());
    let (plain, _) = bytes.split_at(end);
    let Some(at) = plain.windows(3).position(|part| part == b"://") else { return plain.to_vec() };
    let (scheme, rest) = plain.split_at(at + 3);
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'\\')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let host = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let (_, host) = authority.split_at(host);
    [scheme, host, path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_is_printable_and_bounded() {
        for (given, most, wanted) in [
            (&b"/a/b"[..], 10, "/a/b"),
            (b"/a\r\n\x1b[31m\x7f\xc3\xbc\0", 99, "/a\\x0d\\x0a\\x1b[31m\\x7f\\xc3\\xbc\\x00"),
            (b"\\x0a", 99, "\\\\x0a"),
            (b"0123456789", 10, "0123456789"),
            (b"0123456789a", 10, "0123456..."),
            (b"\n\n\n", 8, "\\x0a\\..."),
            (b"", 10, ""),
        ] {
            assert_eq!(shown(given, most), wanted);
            assert!(shown(given, most).len() <= most);
        }
    }

    #[test]
    fn a_referer_opens_no_door() {
        for (given, wanted) in [
            ("https://a.example/b?token=1", "https://a.example/b"),
            ("https://a.example/#token=1", "https://a.example/"),
            ("https://ada:secret@a.example/b", "https://a.example/b"),
            ("https://ada:se@cret@a.example", "https://a.example"),
            ("https://a.example/@b", "https://a.example/@b"),
            ("/b?c", "/b"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(referer(given.as_bytes())).unwrap(), wanted);
        }
    }

    #[test]
    fn the_two_kinds_of_line_are_told_apart() {
        let left_out = AccessLine::LeftOut { left_out: 7 };
        let text = serde_json::to_string(&left_out).unwrap();
        assert_eq!(text, r#"{"left_out":7}"#);
        assert_eq!(serde_json::from_str::<AccessLine>(&text).unwrap(), left_out);
        let request = r#"{"method":"GET","host":"a","path":"/","received":0,"sent":1,"took_us":2,
            "request":"r","trace":"t","client":"192.0.2.1","protocol":"HTTP/1.1","scheme":"http"}"#;
        match serde_json::from_str(request).unwrap() {
            AccessLine::Request(entry) => assert_eq!((entry.status, entry.sent), (None, 1)),
            other @ AccessLine::LeftOut { .. } => panic!("{other:?}"),
        }
    }
}
