//! The command line over https: through a proxy that ends TLS, as a server on the internet has one.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

use crate::support::Server;

/// How long an event may take to come over.
const WITHIN: Duration = Duration::from_secs(20);

/// Ends TLS for `localhost` in front of `to`. Gives its address and its certificate as PEM.
async fn tls_in_front_of(to: SocketAddr) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let chain = vec![CertificateDer::from(cert.der().to_vec())];
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // One who does not trust us goes away.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(to).await.unwrap();
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok();
            });
        }
    });
    (address, cert.pem())
}

async fn hythe(server: &Server, url: &str, ca: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.args(arguments).args(["--json", "--url", url]).env("HYTHE_TOKEN", &server.token);
    if let Some(ca) = ca {
        command.arg("--ca-file").arg(ca);
    }
    command.output().await.unwrap()
}

#[tokio::test]
async fn the_command_line_speaks_https() {
    let server = Server::start().await;
    server.post("/api/v1/apps", json!({"name": "shop"})).await.is(201);
    let (address, certificate) = tls_in_front_of(server.address).await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let url = format!("https://localhost:{}", address.port());

    let output = hythe(&server, &url, Some(&ca), &["app", "ls"]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let apps: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(apps[0]["name"], "shop");
    // Streams go over WebSockets.
    let mut following = Command::new(env!("CARGO_BIN_EXE_hythe"))
        .args(["events", "--follow", "--from", "1", "--json", "--url", &url, "--ca-file"])
        .arg(&ca)
        .env("HYTHE_TOKEN", &server.token)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("app.created"), "{line}");

    // A certificate of nobody's that is known is not trusted, and the token stays here.
    let output = hythe(&server, &url, None, &["app", "ls"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("certificate") && said.contains("--ca-file"), "{said}");
    let missing = hythe(&server, &url, Some(Path::new("/nowhere/ca.pem")), &["app", "ls"]).await;
    assert_eq!(missing.status.code(), Some(2));
}
