//! How authorities are reached: by https, with bounds on time and on what they answer.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to come about, and a whole request.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of an answer; the longest are chains.
const MOST_ANSWER: usize = 256 * 1024;
/// Bytes of a file of roots.
const MOST_ROOTS: u64 = 4 * 1024 * 1024;

/// What the server was told when it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// A file in PEM with roots that are trusted besides the machine's: of an authority of one's own.
    pub roots: Option<PathBuf>,
    /// The program that sets DNS records, in place of a server that does.
    pub dns_program: Option<PathBuf>,
    /// How long resolvers are not asked for a DNS record after it was set.
    pub dns_wait: Duration,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self { roots: None, dns_program: None, dns_wait: Duration::from_secs(10) }
    }
}

/// Reaches authorities. Clones share their connections.
#[derive(Clone)]
pub(super) struct Client(HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Client {
    /// Trusts the machine's roots, and those of a file.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, String> {
        let roots = match roots {
            Some(path) => {
                let text = read(path)?;
                certificates(&text)
                    .map_err(|why| format!("read the roots in {}: {why}", path.display()))?
            }
            None => Vec::new(),
        };
        Self::trusting(roots)
    }

    /// Trusts the machine's roots, and these.
    pub(super) fn trusting(roots: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        // Those that cannot be read are not trusted; that is seen by whoever needs them.
        store.add_parsable_certificates(native.certs);
        for root in roots {
            store.add(root).map_err(|error| format!("a root that is trusted besides: {error}"))?;
        }
        let tls =
            ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .map_err(|error| format!("TLS cannot be used here: {error}"))?
                .with_root_certificates(store)
                .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self(HyperClient::builder(TokioExecutor::new()).build(https)))
    }
}

/// The bytes of a file of roots.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let doing = |error: std::io::Error| format!("read the roots in {}: {error}", path.display());
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(doing)?;
    file.take(MOST_ROOTS).read_to_end(&mut text).map_err(doing)?;
    Ok(text)
}

/// The certificates of a text in PEM.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(found)
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let sent = self.0.request(request);
        Box::pin(async move {
            let answered = async {
                let response = sent.await.map_err(|error| Error::Other(Box::new(error)))?;
                let (parts, body) = response.into_parts();
                let body = Limited::new(body, MOST_ANSWER).collect().await.map_err(Error::Other)?;
                Ok(BytesResponse { parts, body: Box::new(body.to_bytes()) })
            };
            let late = || Error::Other("it did not answer in time".into());
            tokio::time::timeout(ANSWER_WITHIN, answered).await.unwrap_or_else(|_| Err(late()))
        })
    }
}

/// A client for somebody's own server: its certificate is looked at as those of authorities are.
pub(super) fn plain(connect_within: Duration) -> Result<reqwest::Client, String> {
    let failed = |error: &dyn std::fmt::Display| format!("TLS cannot be used here: {error}");
    let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_native_roots()
        .map_err(|error| failed(&error))?
        .with_no_client_auth();
    reqwest::Client::builder()
        .user_agent(concat!("hythe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_within)
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(&error))
}
