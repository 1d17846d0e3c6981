//! What the API has to know about this installation.

use hythe_core::hook::AppsAddress;
use hythe_core::names::HostName;

/// What the API has to know about this installation.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Apps answer at `<app>.<base domain>`.
    pub base_domain: HostName,
    /// The port on which people reach the edge.
    pub edge_port: u16,
    /// Whether people reach the edge by https.
    pub edge_https: bool,
    /// Names by which this server may be called besides `localhost` and loopback addresses.
    pub hosts: Vec<HostName>,
    /// Whether the server listens on loopback only: then any other name in a request is a web
    /// page that had its own name point here.
    pub loopback: bool,
    /// Whether browsers reach this server by https only, so that the session's cookie may say so.
    pub secure_cookie: bool,
    /// Whether repositories may be folders of this machine (`file://`).
    pub local_repositories: bool,
}

impl ApiConfig {
    /// Where an app answers.
    #[must_use]
    pub fn url(&self, app: &str) -> String {
        self.apps().of(app)
    }

    /// Where apps answer.
    #[must_use]
    pub fn apps(&self) -> AppsAddress {
        let domain = self.base_domain.clone();
        AppsAddress { domain, port: self.edge_port, https: self.edge_https }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_left_out() {
        let url = |edge_port, edge_https| {
            let base_domain = HostName::new("example.com").unwrap();
            let config = ApiConfig {
                base_domain,
                edge_port,
                edge_https,
                hosts: Vec::new(),
                loopback: true,
                secure_cookie: false,
                local_repositories: false,
            };
            config.url("shop")
        };
        assert_eq!(url(80, false), "http://shop.example.com");
        assert_eq!(url(443, true), "https://shop.example.com");
        assert_eq!(url(8080, false), "http://shop.example.com:8080");
    }
}
