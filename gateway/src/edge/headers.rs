//! What of a message's headers concerns one connection only and stops here, and what the edge says
//! of the client.
//!
//! Invariants: no header that a client wrote can pass for one that the edge wrote, unless the peer
//! is trusted; nothing that frames a message on one side is copied to the other.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use hyper::header::{
    self, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, UPGRADE,
};

use super::config::Network;
use super::host::Host;
use super::pages;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");

/// What every request of one connection has in common.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) trusted: bool,
    /// How it reached the edge.
    pub(crate) scheme: &'static str,
    ip: HeaderValue,
    /// Whether that is an address of IPv6.
    v6: bool,
    port: HeaderValue,
}

impl Peer {
    /// `local` is the address that the client connected to.
    pub(crate) fn new(
        address: SocketAddr,
        local: SocketAddr,
        trusted: bool,
        scheme: &'static str,
    ) -> Self {
        let ip = address.ip().to_canonical();
        let text = |text: String| {
            HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
        };
        let v6 = ip.is_ipv6();
        let (ip, port) = (text(ip.to_string()), HeaderValue::from(local.port()));
        Self { address, trusted, scheme, ip, v6, port }
    }

    /// Whether the client came by https, here or, as a trusted peer says, to that.
    pub(crate) fn came_by_https(&self, headers: &HeaderMap) -> bool {
        let https = |scheme: &HeaderValue| scheme.as_bytes().eq_ignore_ascii_case(b"https");
        let told = || headers.get(X_FORWARDED_PROTO).is_some_and(https);
        self.scheme == "https" || (self.trusted && told())
    }

    /// Who asks, as far as can be told: behind trusted peers, the last address that is none of theirs.
    pub(crate) fn client(&self, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
        let own = self.address.ip().to_canonical();
        if !self.trusted {
            return own;
        }
        let mut client = own;
        for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            // By bytes: what a client sent in front of it may be no text.
            for part in value.as_bytes().rsplit(|byte| *byte == b',') {
                let part = std::str::from_utf8(part).unwrap_or_default().trim();
                let with_port = || part.parse::<SocketAddr>().map(|address| address.ip());
                let Ok(address) = part.parse::<IpAddr>().or_else(|_| with_port()) else {
                    return client;
                };
                client = address.to_canonical();
                if !trusted.iter().any(|network| network.contains(client)) {
                    return client;
                }
            }
        }
        client
    }
}

/// What becomes of a header on its way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// Concerns this connection only.
    Hop,
    /// Says who the client is: believed from trusted peers only.
    Claim,
}

fn fate(name: &str) -> Fate {
    match name {
        // `Proxy` is no real header, but CGI-like servers make `HTTP_PROXY` of it.
        "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" | "proxy"
        | "http2-settings" => Fate::Hop,
        "forwarded" | "x-real-ip" => Fate::Claim,
        _ if name.starts_with("proxy-") => Fate::Hop,
        _ if name.starts_with("x-forwarded-") => Fate::Claim,
        // CGI-like servers read `_` as `-`, so these would be taken for the real ones.
        _ if name.contains('_') => {
            let read = name.replace('_', "-");
            if fate(&read) == Fate::Pass && read != X_REQUEST_ID.as_str() {
                Fate::Pass
            } else {
                Fate::Hop
            }
        }
        _ => Fate::Pass,
    }
}

/// So many headers an app gets besides the client's, at the most.
const MORE: usize = 14;

/// Names that a `Connection` header cannot remove: taking them away would change what the message
/// means or whom it is for.
const KEPT: [HeaderName; 3] = [HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE];

/// What most `Connection` headers say: no names of headers, or of such as go anyway.
const OPTIONS: [&[u8]; 3] = [b"keep-alive", b"close", b"upgrade"];

/// What says of a message whose it is or how long, or who asks, and has no meaning once its body is over.
const FRAMES: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, header::AUTHORIZATION, COOKIE, header::TRAILER, X_REQUEST_ID];

fn drop_hop_by_hop(headers: &mut HeaderMap, claims_too: bool) {
    let mut gone: Vec<HeaderName> = Vec::new();
    let mut names_some = false;
    for name in headers.keys() {
        if *name == CONNECTION {
            names_some = true;
            continue;
        }
        match fate(name.as_str()) {
            Fate::Pass => {}
            Fate::Hop => gone.push(name.clone()),
            Fate::Claim if claims_too => gone.push(name.clone()),
            Fate::Claim => {}
        }
    }
    if names_some {
        for value in headers.get_all(CONNECTION) {
            for named in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if OPTIONS.iter().any(|option| named.eq_ignore_ascii_case(option)) {
                    continue;
                }
                match HeaderName::from_bytes(named) {
                    Ok(name) if !KEPT.contains(&name) => gone.push(name),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        headers.remove(CONNECTION);
    }
    for name in gone {
        headers.remove(name);
    }
}

/// The protocol that a request asks to switch to, if it does so properly. A switch to HTTP/2 is
/// not passed on: it would carry requests past everything that is checked here.
pub(crate) fn asked_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let connection = headers.get_all(CONNECTION).iter().any(|value| has_token(value, b"upgrade"));
    let h2 = protocol.as_bytes().to_ascii_lowercase().starts_with(b"h2c");
    (connection && !h2 && !protocol.is_empty()).then(|| protocol.clone())
}

fn has_token(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().split(|b| *b == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

/// Makes one of a cookie that came in pieces, as HTTP/2 allows: over HTTP/1 there is only one.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let pieces: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// The cookie that says which replica a client stays with.
const REPLICA_COOKIE: &str = "hythe-replica";

/// The replica that a client stays with, where it says so.
pub(crate) fn replica(headers: &HeaderMap) -> Option<u64> {
    headers.get_all(COOKIE).iter().find_map(|value| {
        let mut pairs = value.to_str().ok()?.split(';').map(str::trim);
        let token = pairs.find_map(|pair| pair.strip_prefix(REPLICA_COOKIE)?.strip_prefix('='))?;
        u64::from_str_radix(token, 16).ok()
    })
}

/// Has a client stay with a replica.
pub(crate) fn stay_with(headers: &mut HeaderMap, token: u64, https: bool, path: &str) {
    let secure = if https { "; Secure" } else { "" };
    let cookie =
        format!("{REPLICA_COOKIE}={token:016x}; Path={path}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// The id by which a request is found again: a trusted peer's, where it has a usable one.
pub(crate) fn request_id(
    headers: &HeaderMap,
    peer: &Peer,
    new: impl FnOnce() -> HeaderValue,
) -> HeaderValue {
    let theirs = if peer.trusted { headers.get(X_REQUEST_ID) } else { None };
    let usable =
        |id: &&HeaderValue| id.len() <= 128 && id.as_bytes().iter().all(u8::is_ascii_graphic);
    theirs.filter(usable).cloned().unwrap_or_else(new)
}

/// Notes the id on an answer.
pub(crate) fn note_request_id(headers: &mut HeaderMap, id: HeaderValue) {
    headers.entry(X_REQUEST_ID).or_insert(id);
}

/// Tells a browser to come by https from now on, where the app does not do so itself. It takes that from
/// nobody but over https (RFC 6797, 7.2).
pub(crate) fn note_hsts(headers: &mut HeaderMap, hsts: HeaderValue) {
    headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(hsts);
}

/// Tells the app who it is that the edge let in.
pub(crate) fn note_user(headers: &mut HeaderMap, user: HeaderValue) {
    // It was meant for the edge.
    headers.remove(header::AUTHORIZATION);
    headers.insert(X_FORWARDED_USER, user);
}

/// Makes one length of several that say the same; whether there is none left that says otherwise. Over
/// HTTP/1 such a request does not come this far, over HTTP/2 it does.
pub(crate) fn one_length(headers: &mut HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next().cloned() else { return true };
    if lengths.any(|length| *length != first) {
        return false;
    }
    headers.insert(CONTENT_LENGTH, first);
    true
}

/// Tells the app what was taken off the path, after what a trusted peer took off it before.
pub(crate) fn note_prefix(headers: &mut HeaderMap, prefix: &str) {
    let before = headers.get(X_FORWARDED_PREFIX).map_or(&b""[..], HeaderValue::as_bytes);
    let before = before.strip_suffix(b"/").unwrap_or(before);
    if let Ok(whole) = HeaderValue::from_bytes(&[before, prefix.as_bytes()].concat()) {
        headers.insert(X_FORWARDED_PREFIX, whole);
    }
}

/// Makes a client's headers fit for the app.
pub(crate) fn to_app(
    headers: &mut HeaderMap,
    peer: &Peer,
    host: &Host,
    upgrade: Option<HeaderValue>,
    request_id: HeaderValue,
) {
    // What follows fits at once: it grows by doubling otherwise, and is hashed anew each time.
    headers.reserve(MORE);
    let trailers = headers.get_all(TE).iter().any(|value| has_token(value, b"trailers"));
    drop_hop_by_hop(headers, !peer.trusted);
    // The edge has promised the client to take the body; the app need not promise it again.
    if headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        headers.remove(EXPECT);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    headers.insert(HOST, host.original.clone());
    if peer.trusted {
        append(headers, X_FORWARDED_FOR, peer.ip.clone());
        append(headers, FORWARDED, forwarded(peer, host).clone());
    } else {
        // A stranger's are gone: there is nothing to add to.
        headers.insert(X_FORWARDED_FOR, peer.ip.clone());
        headers.insert(FORWARDED, forwarded(peer, host).clone());
    }
    let proto = HeaderValue::from_static(peer.scheme);
    headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.original.clone());
    headers.entry(X_FORWARDED_PROTO).or_insert(proto);
    headers.entry(X_FORWARDED_PORT).or_insert_with(|| peer.port.clone());
    headers.entry(X_REAL_IP).or_insert_with(|| peer.ip.clone());
    headers.insert(X_REQUEST_ID, request_id);
}

/// Makes what a client sends after its body fit for the app: what frames a message or says who somebody is has
/// no place there (RFC 9110, 6.5.1), and would be taken for the edge's word.
pub(crate) fn trailers_to_app(trailers: &mut HeaderMap) {
    let stays = |name: &HeaderName| fate(name.as_str()) == Fate::Pass && !FRAMES.contains(name);
    let gone: Vec<HeaderName> = trailers.keys().filter(|name| !stays(name)).cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Makes an app's headers fit for the client. `upgraded` keeps what announces the switch.
pub(crate) fn to_client(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = if upgraded { headers.get(UPGRADE).cloned() } else { None };
    drop_hop_by_hop(headers, false);
    if upgraded {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
    }
}

/// Adds to a list that a trusted peer began, as one header.
fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
        return;
    }
    let mut list = Vec::new();
    for part in headers.get_all(&name).iter().chain([&value]) {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(part.as_bytes());
    }
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(name, list);
    }
}

/// The same for all requests of a connection for a host, which are of one peer.
fn forwarded<'a>(peer: &Peer, host: &'a Host) -> &'a HeaderValue {
    host.forwarded.get_or_init(|| forwarded_anew(peer, host))
}

fn forwarded_anew(peer: &Peer, host: &Host) -> HeaderValue {
    let (open, close) = if peer.v6 { ("\"[", "]\"") } else { ("", "") };
    let original = host.original.as_bytes();
    let quote = if original.iter().any(|byte| matches!(byte, b':' | b'[')) { "\"" } else { "" };
    let parts = [
        &b"for="[..],
        open.as_bytes(),
        peer.ip.as_bytes(),
        close.as_bytes(),
        b";host=",
        quote.as_bytes(),
        original,
        quote.as_bytes(),
        b";proto=",
        peer.scheme.as_bytes(),
    ];
    HeaderValue::from_maybe_shared(Bytes::from(parts.concat()))
        .unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// Whether a page should be HTML, JSON or plain text for whoever asks.
pub(crate) fn preferred(headers: &HeaderMap) -> pages::Form {
    let mut form = pages::Form::Text;
    // What programs send that take anything says nothing.
    for value in headers.get_all(header::ACCEPT).iter().filter(|value| *value != "*/*") {
        let value = value.to_str().unwrap_or_default();
        if value.contains("text/html") {
            return pages::Form::Html;
        }
        if value.contains("json") {
            form = pages::Form::Json;
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What frames, routes or says who somebody is.
    const NAMES: [&str; 15] = [
        "host",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "te",
        "upgrade",
        "trailer",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-user",
        "x-real-ip",
        "x-request-id",
        "forwarded",
        "x-other",
    ];

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn sent(lines: &[(&str, &str)], trusted: bool) -> HeaderMap {
        let mut headers = map(lines);
        let address = "192.0.2.7:5555".parse().unwrap();
        let peer = Peer::new(address, "198.51.100.1:80".parse().unwrap(), trusted, "http");
        let host = Host::new("a.example".into(), "A.example:80".parse().unwrap());
        let upgrade = asked_upgrade(&headers);
        let id = request_id(&headers, &peer, || HeaderValue::from_static("id"));
        to_app(&mut headers, &peer, &host, upgrade, id);
        headers
    }

    #[test]
    fn what_would_be_read_as_the_edges_word_does_not_pass() {
        for name in ["x_request_id", "x-request_id", "x_forwarded_for", "x_real-ip", "proxy_a"] {
            assert_eq!(fate(name), Fate::Hop, "{name}");
        }
        for name in ["x_other", "x-request-id", "x_request_ids"] {
            assert_eq!(fate(name), Fate::Pass, "{name}");
        }
    }

    #[test]
    fn what_comes_after_a_body_says_nothing_of_whose_it_is_or_how_long() {
        let mut trailers = map(&[
            ("X-Sum", "7"),
            ("x_forwarded_user", "root"),
            ("Grpc-Status", "0"),
            ("Forwarded", "for=a"),
            ("Proxy-Authorization", "b"),
            ("Content-Length", "3"),
            ("Cookie", "a=1"),
            ("Host", "b"),
            ("X-Request-Id", "c"),
        ]);
        trailers_to_app(&mut trailers);
        let names: BTreeSet<&str> = trailers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, BTreeSet::from(["x-sum", "grpc-status"]));
    }

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_the_app_gets() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], bool, &'a [(&'a str, &'a [&'a str])]);
        let rows: &[Row<'_>] = &[
            (
                "the edge says who the client is",
                &[],
                false,
                &[
                    ("host", &["A.example:80"]),
                    ("x-forwarded-for", &["192.0.2.7"]),
                    ("x-forwarded-host", &["A.example:80"]),
                    ("x-forwarded-proto", &["http"]),
                    ("x-forwarded-port", &["80"]),
                    ("x-real-ip", &["192.0.2.7"]),
                    ("forwarded", &["for=192.0.2.7;host=\"A.example:80\";proto=http"]),
                    ("x-request-id", &["id"]),
                ],
            ),
            (
                "strangers' claims are dropped, however spelt",
                &[
                    ("X-Forwarded-For", "1.1.1.1"),
                    ("X-Forwarded-Proto", "https"),
                    ("X-Forwarded-User", "root"),
                    ("X_Forwarded_For", "1.1.1.1"),
                    ("X_Real-IP", "1.1.1.1"),
                    ("Forwarded", "for=1.1.1.1"),
                    ("X-Real-IP", "1.1.1.1"),
                ],
                false,
                &[
                    ("x-forwarded-for", &["192.0.2.7"]),
                    ("x-forwarded-proto", &["http"]),
                    ("x-forwarded-user", &[]),
                    ("x_forwarded_for", &[]),
                    ("x_real-ip", &[]),
                    ("forwarded", &["for=192.0.2.7;host=\"A.example:80\";proto=http"]),
                    ("x-real-ip", &["192.0.2.7"]),
                ],
            ),
            (
                "a trusted peer's are kept and added to",
                &[
                    ("X-Forwarded-For", "1.1.1.1"),
                    ("X-Forwarded-For", "2.2.2.2"),
                    ("X-Forwarded-Proto", "https"),
                    ("X-Request-Id", "theirs"),
                    ("Forwarded", "for=1.1.1.1"),
                ],
                true,
                &[
                    ("x-forwarded-for", &["1.1.1.1, 2.2.2.2, 192.0.2.7"]),
                    ("x-forwarded-proto", &["https"]),
                    ("x-request-id", &["theirs"]),
                    ("forwarded", &["for=1.1.1.1, for=192.0.2.7;host=\"A.example:80\";proto=http"]),
                ],
            ),
            (
                "hop-by-hop headers and those named by Connection stop here",
                &[
                    ("Connection", "close, X-Drop , Host, Content-Length, Content-Type"),
                    ("Connection", "x-forwarded-for"),
                    ("X-Drop", "1"),
                    ("Keep-Alive", "timeout=5"),
                    ("Proxy-Connection", "keep-alive"),
                    ("Proxy-Authorization", "Basic eDp5"),
                    ("Proxy", "http://evil.example"),
                    ("TE", "gzip"),
                    ("Transfer-Encoding", "chunked"),
                    ("Transfer_Encoding", "chunked"),
                    ("Content-Length", "3"),
                    ("Content-Type", "a/b"),
                    ("Expect", "100-continue"),
                    ("X-Keep", "1"),
                ],
                false,
                &[
                    ("connection", &[]),
                    ("x-drop", &[]),
                    ("keep-alive", &[]),
                    ("proxy-connection", &[]),
                    ("proxy-authorization", &[]),
                    ("proxy", &[]),
                    ("te", &[]),
                    ("transfer-encoding", &[]),
                    ("transfer_encoding", &[]),
                    ("expect", &[]),
                    ("host", &["A.example:80"]),
                    ("content-length", &["3"]),
                    ("content-type", &["a/b"]),
                    ("x-forwarded-for", &["192.0.2.7"]),
                    ("x-keep", &["1"]),
                ],
            ),
            (
                "trailers are announced",
                &[("TE", "gzip, trailers")],
                false,
                &[("te", &["trailers"])],
            ),
            (
                "an upgrade is passed on",
                &[("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket")],
                false,
                &[("connection", &["upgrade"]), ("upgrade", &["websocket"])],
            ),
            (
                "an upgrade that Connection does not name is none",
                &[("Upgrade", "websocket")],
                false,
                &[("connection", &[]), ("upgrade", &[])],
            ),
            (
                "a switch to HTTP/2 is not passed on",
                &[
                    ("Connection", "Upgrade, HTTP2-Settings"),
                    ("Upgrade", "h2c"),
                    ("HTTP2-Settings", "AA"),
                ],
                false,
                &[("connection", &[]), ("upgrade", &[]), ("http2-settings", &[])],
            ),
        ];
        for (what, given, trusted, wanted) in rows {
            let headers = sent(given, *trusted);
            for (name, values) in *wanted {
                assert_eq!(all(&headers, name), *values, "{what}: {name}");
            }
        }
    }

    #[test]
    fn what_the_client_gets() {
        let given = [
            ("Connection", "close, X-Drop"),
            ("X-Drop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2c"),
            ("Proxy-Authenticate", "Basic"),
            ("Transfer-Encoding", "chunked"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ];
        let mut headers = map(&given);
        to_client(&mut headers, false);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["set-cookie"]);
        assert_eq!(all(&headers, "set-cookie"), ["a=1", "b=2"]);

        let mut headers = map(&[("Connection", "Upgrade"), ("Upgrade", "websocket")]);
        to_client(&mut headers, true);
        assert_eq!(all(&headers, "upgrade"), ["websocket"]);
        assert_eq!(all(&headers, "connection"), ["upgrade"]);
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_peer_has() {
        let trusted = ["192.0.2.0/24".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let client = |lines: &[(&str, &str)], from: &str, is_trusted: bool| {
            let local = "198.51.100.1:80".parse().unwrap();
            let peer = Peer::new(from.parse().unwrap(), local, is_trusted, "http");
            peer.client(&map(lines), &trusted).to_string()
        };
        let forwarded = |value| [("X-Forwarded-For", value)];
        for (value, wanted) in [
            ("1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.1.2.3", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1:555, 10.1.2.3", "1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            ("1.1.1.1, unknown", "192.0.2.7"),
            ("1.1.1.1, unknown, 10.0.0.1", "10.0.0.1"),
            ("10.0.0.9", "10.0.0.9"),
            ("", "192.0.2.7"),
        ] {
            assert_eq!(client(&forwarded(value), "192.0.2.7:5", true), wanted, "{value}");
        }
        assert_eq!(client(&forwarded("1.1.1.1"), "203.0.113.1:5", false), "203.0.113.1");
        let two = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.1.1.1, 10.0.0.1")];
        assert_eq!(client(&two, "192.0.2.7:5", true), "1.1.1.1");
    }

    #[test]
    fn a_cookie_says_which_replica_and_pieces_of_one_are_joined() {
        let mut headers = map(&[("Cookie", "a=1"), ("Cookie", "hythe-replica=00ff; b=2")]);
        assert_eq!(replica(&headers), Some(255));
        join_cookies(&mut headers);
        assert_eq!(all(&headers, "cookie"), ["a=1; hythe-replica=00ff; b=2"]);
        assert_eq!(replica(&headers), Some(255));
        for other in ["hythe-replica=", "hythe-replica=xyz", "xhythe-replica=1", "a=1"] {
            assert_eq!(replica(&map(&[("Cookie", other)])), None, "{other}");
        }
        let mut headers = HeaderMap::new();
        stay_with(&mut headers, 255, false, "/");
        let set = "hythe-replica=00000000000000ff; Path=/; HttpOnly; SameSite=Lax";
        stay_with(&mut headers, 255, true, "/");
        let secure = format!("{set}; Secure");
        assert_eq!(all(&headers, "set-cookie"), [set, &secure]);
    }

    #[test]
    fn an_ipv6_client_is_written_as_the_standard_asks() {
        let host = Host::new("a".into(), HeaderValue::from_static("a"));
        let peer = |ip: &str| {
            let at = SocketAddr::new(ip.parse().unwrap(), 80);
            Peer::new(at, at, false, "http")
        };
        let value = forwarded_anew(&peer("2001:db8::1"), &host);
        assert_eq!(value, "for=\"[2001:db8::1]\";host=a;proto=http");
        let value = forwarded_anew(&peer("::ffff:192.0.2.1"), &host);
        assert_eq!(value, "for=192.0.2.1;host=a;proto=http");
    }

    #[test]
    fn a_page_is_written_as_whoever_asks_reads_it() {
        let rows: [(&[&str], pages::Form); 6] = [
            (&[], pages::Form::Text),
            (&["*/*"], pages::Form::Text),
            (&["*/*", "application/problem+json"], pages::Form::Json),
            (&["application/json", "text/html"], pages::Form::Html),
            (&["text/html,application/json;q=0.9,*/*;q=0.8"], pages::Form::Html),
            (&["text/plain"], pages::Form::Text),
        ];
        for (accepts, form) in rows {
            let lines: Vec<_> = accepts.iter().map(|value| ("Accept", *value)).collect();
            assert_eq!(preferred(&map(&lines)), form, "{accepts:?}");
        }
    }

    #[test]
    fn what_is_no_text_in_front_of_an_address_hides_nobody() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let (from, to) = ("10.0.0.1:5".parse().unwrap(), "10.0.0.9:80".parse().unwrap());
        let peer = Peer::new(from, to, true, "http");
        for (said, client) in [
            (&b"203.0.113.6"[..], "203.0.113.6"),
            (b"\xff, 203.0.113.6", "203.0.113.6"),
            (b"203.0.113.6, \xff", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_FOR, HeaderValue::from_bytes(said).unwrap());
            assert_eq!(peer.client(&headers, &trusted), address(client), "{said:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever headers a stranger sends: what frames or routes a request is the edge's own.
        #[test]
        fn no_header_of_a_stranger_passes_for_one_of_the_edge(
            lines in prop::collection::vec((0..NAMES.len(), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &lines {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(HeaderName::from_static(NAMES[*name]), value);
                }
            }
            let address = "192.0.2.7:5555".parse().unwrap();
            let peer = Peer::new(address, "198.51.100.1:80".parse().unwrap(), false, "http");
            let host = Host::new("a".into(), "A:80".parse().unwrap());
            let upgrade = asked_upgrade(&headers);
            let id = request_id(&headers, &peer, || HeaderValue::from_static("id"));
            to_app(&mut headers, &peer, &host, upgrade.clone(), id);
            for (name, value) in [
                ("host", "A:80"),
                ("x-forwarded-for", "192.0.2.7"),
                ("x-real-ip", "192.0.2.7"),
                ("x-forwarded-proto", "http"),
                ("x-request-id", "id"),
            ] {
                prop_assert_eq!(all(&headers, name), vec![value.to_owned()], "{}", name);
            }
            prop_assert!(!headers.contains_key(header::TRANSFER_ENCODING));
            prop_assert!(!headers.contains_key(X_FORWARDED_USER));
            prop_assert_eq!(headers.contains_key(CONNECTION), upgrade.is_some());
            let mut lengths = headers.clone();
            if one_length(&mut lengths) {
                prop_assert!(lengths.get_all(CONTENT_LENGTH).iter().count() <= 1);
            }
        }
    }
}
