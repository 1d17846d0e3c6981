//! TLS by real sockets and real clients: what was kept on disk is served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hythe_core::edge::{EdgeSettings, Hsts, Https, RouteEdge};
use hythe_core::names::HostName;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::authority::{Authority, FOREVER, PAST, Sealed};
use crate::support::{
    Answer, App, PATIENCE, Running, config, deployment, header, message, no_nats, nobody, replicas,
    served, soon, table,
};

/// An edge that has these certificates and this table on disk, and listens for TLS.
fn edge_with(
    sealed: &Sealed,
    table: hythe_core::routes::RouteTable,
    tune: impl FnOnce(&mut hythe_gateway::edge::EdgeConfig),
) -> (Running, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("routes.json"), message(table)).unwrap();
    sealed.write(data.path());
    let mut config = config(data.path(), no_nats());
    config.https = vec!["127.0.0.1:0".parse().unwrap()];
    tune(&mut config);
    (Running::start(config), data)
}

pub async fn connect(
    at: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = soon(TcpStream::connect(at)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon(TlsConnector::from(Arc::clone(config)).connect(name, stream)).await
}

/// One request over a connection that stays open.
pub async fn ask(stream: &mut TlsStream<TcpStream>, host: &str) -> Answer {
    let request = format!("GET /x?y HTTP/1.1\r\nHost: {host}\r\n\r\n");
    soon(stream.write_all(request.as_bytes())).await.unwrap();
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |text| text.parse().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Answer { status, head: head.to_owned(), body: body.to_owned() };
            }
        }
        let mut buffer = [0; 4096];
        let count = soon(stream.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the connection ended early: {got:?}");
        got.extend_from_slice(&buffer[..count]);
    }
}

#[tokio::test]
async fn each_host_is_shown_its_certificate_over_both_versions() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["shop.example", "www.shop.example"], FOREVER);
    sealed.add(&authority, &["*.apps.example"], FOREVER);
    let app = App::echo("shop").await;
    let to = || replicas(deployment(), &[app.at]);
    let settings = EdgeSettings { sticky: true, ..EdgeSettings::default() };
    let routes = [("shop.example", to()), ("a.apps.example", to())];
    let (edge, _data) = edge_with(&sealed, served(&routes, &settings), |_| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = authority.client(&[version], &["http/1.1"]);
        for host in ["shop.example", "a.apps.example", "SHOP.example"] {
            let mut stream = connect(edge.tls(), &client, host).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let answer = ask(&mut stream, host).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(header(&answer.body, "x-forwarded-proto"), Some("https"));
            let port = edge.tls().port().to_string();
            assert_eq!(header(&answer.body, "x-forwarded-port"), Some(port.as_str()));
            assert!(header(&answer.body, "forwarded").unwrap().ends_with(";proto=https"));
            assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"), "{answer:?}");
        }
        for stranger in ["a.b.apps.example", "apps.example", "other.example", "127.0.0.1"] {
            let refused = connect(edge.tls(), &client, stranger).await.unwrap_err().to_string();
            assert!(refused.contains("UnrecognisedName"), "{stranger}: {refused}");
        }
    }
    // With nothing to agree on, the client hears of that.
    let client = authority.client(rustls::ALL_VERSIONS, &["spdy/3"]);
    let refused = connect(edge.tls(), &client, "shop.example").await.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    for line in [
        "hythe_edge_tls_handshakes_total{version=\"1.2\",outcome=\"full\"} ",
        "hythe_edge_tls_handshakes_total{version=\"\",outcome=\"no_certificate\"} 8",
        "hythe_edge_tls_handshakes_total{version=\"\",outcome=\"failed\"} 1",
        "hythe_edge_certificates 2",
        "hythe_edge_certificate_expiry_timestamp_seconds ",
    ] {
        assert!(figures.contains(line), "{line}\n{figures}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn of_several_it_is_the_one_that_is_good_for_longest_and_bad_ones_harm_nobody() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    let short = sealed.add(&authority, &["a.base.example"], FOREVER - 2);
    let long = sealed.add(&authority, &["a.base.example", "*.base.example"], FOREVER - 1);
    // Good for longer still, but not for the host itself.
    sealed.add(&authority, &["*.base.example"], FOREVER);
    sealed.add(&authority, &["over.a.example"], PAST);
    let [key, other, strange] = [(); 3].map(|()| authority.issue(&["b.a.example"]));
    sealed.put("b.a.example", &(key.0.clone(), other.1), FOREVER);
    sealed.put("c.a.example", &strange, FOREVER);
    sealed.put("d.a.example", &("no chain".to_owned(), key.1.clone()), FOREVER);
    let broken = sealed.put("b.a.example", &key, FOREVER);
    sealed.damage(broken);
    let app = App::echo("shop").await;
    let routes = [("a.base.example", replicas(deployment(), &[app.at]))];
    let (edge, data) = edge_with(&sealed, table(1, &routes), |config| {
        config.base_domain = Some(HostName::new("base.example").unwrap());
    });
    let folder = data.path().join("certificates");
    assert!(folder.read_dir().unwrap().count() >= 8, "what is bad is left where it is");
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    let mut stream = connect(edge.tls(), &client, "a.base.example").await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert!(shown == long && shown != short);
    assert_eq!(ask(&mut stream, "a.base.example").await.status, 200);
    // The base domain's certificate is shown where there is none: such a client says what is wrong.
    for stranger in ["over.a.example", "b.a.example", "c.a.example", "127.0.0.1"] {
        let refused = connect(edge.tls(), &client, stranger).await.unwrap_err().to_string();
        assert!(refused.contains("not valid for name"), "{stranger}: {refused}");
    }
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    assert!(figures.contains("\nhythe_edge_certificates 3\n"), "{figures}");
    edge.stop().await;
}

#[tokio::test]
async fn over_http2_requests_for_hosts_of_another_certificate_are_misdirected() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["*.apps.example"], FOREVER);
    sealed.add(&authority, &["shop.example"], FOREVER);
    let app = App::echo("shop").await;
    let to = || replicas(deployment(), &[app.at]);
    let routes = [("a.apps.example", to()), ("b.apps.example", to()), ("shop.example", to())];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |_| {});
    let client = authority.client(rustls::ALL_VERSIONS, &["h2", "http/1.1"]);
    let stream = connect(edge.tls(), &client, "a.apps.example").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = soon(http.handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    for (host, status) in [
        ("a.apps.example", 200),
        ("b.apps.example", 200),
        ("shop.example", 421),
        ("apps.example", 421),
        ("hythe-edge.internal", 421),
    ] {
        let request = Request::get(format!("https://{host}/"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
        let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
        let said = String::from_utf8_lossy(&body).into_owned();
        let proto = header(&said, "x-forwarded-proto");
        assert_eq!(proto, (status == 200).then_some("https"), "{said}");
    }
    drop(sender);

    // So are they over HTTP/1.1; and whoever agreed on it cannot speak HTTP/2 all the same.
    let client = authority.client(rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut stream = connect(edge.tls(), &client, "shop.example").await.unwrap();
    assert_eq!(ask(&mut stream, "a.apps.example").await.status, 421);
    assert_eq!(ask(&mut stream, "shop.example").await.status, 200);
    let stream = connect(edge.tls(), &client, "shop.example").await.unwrap();
    let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = soon(http.handshake(TokioIo::new(stream))).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://shop.example/").body(Empty::<Bytes>::new()).unwrap();
    assert!(soon(sender.send_request(request)).await.is_err());
    edge.stop().await;
}

#[tokio::test]
async fn a_later_connection_goes_on_with_a_ticket_on_any_core() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["shop.example"], FOREVER);
    let app = App::echo("shop").await;
    let routes = [("shop.example", replicas(deployment(), &[app.at]))];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |config| {
        config.cores = std::num::NonZeroUsize::new(4);
    });
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = authority.client(&[version], &[]);
        let mut kinds = Vec::new();
        for _ in 0..6 {
            let mut stream = connect(edge.tls(), &client, "shop.example").await.unwrap();
            // Over 1.3 the tickets come with the answer.
            assert_eq!(ask(&mut stream, "shop.example").await.status, 200);
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
    }
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    for version in ["1.2", "1.3"] {
        let line = format!("{{version=\"{version}\",outcome=\"resumed\"}} 5\n");
        assert!(figures.contains(&line), "{figures}");
    }
    edge.stop().await;
}

/// What comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    // One that is reset has ended, too.
    let _ = soon(stream.read_to_end(&mut got)).await;
    got
}

#[tokio::test]
async fn who_stalls_or_speaks_no_tls_is_let_go_and_holds_nobody_up() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["shop.example"], FOREVER);
    let app = App::echo("shop").await;
    let routes = [("shop.example", replicas(deployment(), &[app.at]))];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |config| {
        config.limits.head_within = Duration::from_millis(600);
        config.limits.handshakes = 2;
    });
    let begun = Instant::now();
    let mut silent = TcpStream::connect(edge.tls()).await.unwrap();
    let mut half = TcpStream::connect(edge.tls()).await.unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await.unwrap();
    // All turns are taken, and a third client comes to its own nevertheless; plain ones need none.
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    let mut third = connect(edge.tls(), &client, "shop.example").await.unwrap();
    assert_eq!(ask(&mut third, "shop.example").await.status, 200);
    assert_eq!(rest(&mut silent).await, b"");
    assert_eq!(rest(&mut half).await, b"");
    assert!(begun.elapsed() < PATIENCE);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"[..], &[0xff; 600]] {
        let mut stream = TcpStream::connect(edge.tls()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let said = rest(&mut stream).await;
        // An alert at the most.
        assert!(said.is_empty() || said[0] == 21, "{said:?}");
    }
    // The other way round: TLS where there is none.
    assert!(connect(edge.at, &client, "shop.example").await.is_err());
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    for line in ["{version=\"\",outcome=\"late\"} 2\n", "{version=\"\",outcome=\"failed\"} 2\n"] {
        assert!(figures.contains(line), "{line}\n{figures}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn without_tls_one_is_sent_to_https_where_there_is_a_certificate() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["shop.example", "www.shop.example", "both.example"], FOREVER);
    let app = App::echo("shop").await;
    let to = || replicas(deployment(), &[app.at]);
    let hosts = [
        "shop.example",
        "www.shop.example",
        "both.example",
        "none.example",
        "kept.example",
        "old.example",
    ];
    let hsts = Hsts { max_age: 300, subdomains: true, preload: false };
    let mut table = served(
        &hosts.map(|host| (host, to())),
        &EdgeSettings { hsts: Some(hsts), ..EdgeSettings::default() },
    );
    let mut change = |host: &str, change: &dyn Fn(&mut RouteEdge)| {
        let route = table.routes.get_mut(&host.parse().unwrap()).unwrap();
        change(route.edge.as_mut().unwrap());
    };
    change("www.shop.example", &|edge| edge.redirect = Some("shop.example".parse().unwrap()));
    change("both.example", &|edge| edge.settings.https = Https::Both);
    change("kept.example", &|edge| {
        edge.settings.allow = ["10.0.0.0/8".parse().unwrap()].into();
    });
    change("old.example", &|edge| edge.settings.allow = ["10.0.0.0/8".parse().unwrap()].into());
    let old = table.routes.get_mut(&"old.example".parse().unwrap()).unwrap();
    old.redirect = Some("shop.example".parse().unwrap());
    let (edge, _data) = edge_with(&sealed, table, |config| {
        config.public_https = Some(443);
        config.trusted = vec!["127.0.0.2/32".parse().unwrap()];
    });
    for (host, status, location) in [
        ("shop.example", 308, Some("https://shop.example/a?b=c")),
        ("shop.example:8080", 308, Some("https://shop.example/a?b=c")),
        ("www.shop.example", 308, Some("https://shop.example/a?b=c")),
        ("both.example", 200, None),
        ("none.example", 200, None),
        // Who may not see an app is not told where it leads to.
        ("old.example", 403, None),
        ("kept.example", 403, None),
        ("nobody.example", 404, None),
    ] {
        let answer = edge.get(host, "/a?b=c").await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{host}");
        assert_eq!(answer.header("strict-transport-security"), None, "{host}");
    }
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    let hsts = Some("max-age=300; includeSubDomains");
    for (host, status) in [("shop.example", 200), ("both.example", 200), ("www.shop.example", 308)]
    {
        let mut stream = connect(edge.tls(), &client, host).await.unwrap();
        let answer = ask(&mut stream, host).await;
        assert_eq!((answer.status, answer.header("strict-transport-security")), (status, hsts));
        let to = answer.header("location");
        assert_eq!(to, (status == 308).then_some("https://shop.example/x?y"));
    }
    edge.stop().await;

    // Without a listener for it nobody is sent to https, whatever certificates there are.
    let routes = [("shop.example", to())];
    let (edge, _data) = edge_with(&sealed, self::table(1, &routes), |config| config.https.clear());
    assert_eq!(edge.get("shop.example", "/").await.status, 200);
    edge.stop().await;
}

#[tokio::test]
async fn websockets_pass_over_tls() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["ws.example"], FOREVER);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
            socket.send(message).await.unwrap();
        }
    });
    let routes = [("ws.example", replicas(deployment(), &[at]))];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |_| {});
    let client = authority.client(rustls::ALL_VERSIONS, &["http/1.1"]);
    let stream = connect(edge.tls(), &client, "ws.example").await.unwrap();
    let request = "wss://ws.example/chat".into_client_request().unwrap();
    let (mut socket, answer) =
        soon(Box::pin(tokio_tungstenite::client_async(request, stream))).await.unwrap();
    assert_eq!(answer.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![7; 300_000]), Message::text("")] {
        soon(socket.send(message.clone())).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
    }
    soon(socket.close(None)).await.unwrap();
    soon(app).await.unwrap();
    drop(socket);
    edge.stop().await;
}

#[tokio::test]
async fn a_trusted_peer_says_whose_connection_it_is_before_tls() {
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    sealed.add(&authority, &["shop.example"], FOREVER);
    let app = App::echo("shop").await;
    let to = || replicas(deployment(), &[app.at]);
    let routes = [("shop.example", to()), ("other.example", to())];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |config| {
        config.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.proxy_protocol = true;
    });
    let client = authority.client(rustls::ALL_VERSIONS, &[]);
    for (from, misdirected) in [("192.0.2.7", 421), ("127.0.0.1", 200)] {
        let mut stream = TcpStream::connect(edge.tls()).await.unwrap();
        let line = format!("PROXY TCP4 {from} 198.51.100.2 5555 443\r\n");
        stream.write_all(line.as_bytes()).await.unwrap();
        let name = ServerName::try_from("shop.example").unwrap();
        let connector = TlsConnector::from(Arc::clone(&client));
        let mut stream = soon(connector.connect(name, stream)).await.unwrap();
        let answer = ask(&mut stream, "shop.example").await;
        assert_eq!(header(&answer.body, "x-forwarded-for"), Some(from));
        assert_eq!(header(&answer.body, "x-forwarded-port"), Some("443"));
        // Another proxy that is trusted may ask for several hosts over one connection.
        assert_eq!(ask(&mut stream, "other.example").await.status, misdirected);
    }
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_certificates_are_there_at_once() {
    const MANY: usize = 3_000;
    let authority = Authority::new();
    let mut sealed = Sealed::new();
    for number in 0..MANY {
        sealed.add(&authority, &[&format!("a{number}.example")], FOREVER);
    }
    let host = format!("a{}.example", MANY - 1);
    let app = nobody();
    let routes = [(host.as_str(), replicas(deployment(), &[app.at]))];
    let (edge, _data) = edge_with(&sealed, table(1, &routes), |_| {});
    let begun = Instant::now();
    let client = authority.client(&[&rustls::version::TLS13], &[]);
    let mut stream = connect(edge.tls(), &client, &host).await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    // Nobody is served before all are.
    println!("{MANY} certificates were read in {:?}", begun.elapsed());
    assert_eq!(ask(&mut stream, &host).await.status, 502);
    let figures = edge.get("hythe-edge.internal", "/metrics").await.body;
    assert!(figures.contains(&format!("\nhythe_edge_certificates {MANY}\n")), "{figures}");
    edge.stop().await;
}
