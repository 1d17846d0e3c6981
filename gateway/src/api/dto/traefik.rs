//! What Traefik's HTTP provider reads: its dynamic configuration, as far as Hythe says something in it.
//!
//! The names are Traefik's own (<https://doc.traefik.io/traefik/reference/dynamic-configuration/file/>).
//! What is empty is left out: Traefik refuses a section without anything in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikConfig {
    /// What it does with HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<TraefikHttp>,
}

/// Routers and services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikHttp {
    /// Which requests go to which service.
    pub routers: BTreeMap<String, TraefikRouter>,
    /// Where the services answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, TraefikService>,
    /// What is done with requests on their way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub middlewares: BTreeMap<String, TraefikMiddleware>,
}

/// Which requests go to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraefikRouter {
    /// Those for one of these hosts.
    #[schema(example = "Host(`shop.example.com`) || Host(`www.shop.example.com`)")]
    pub rule: String,
    /// The service.
    pub service: String,
    /// Where they come in; everywhere where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// What is done with them on their way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
    /// Which of two that fit goes first: the larger; the longer rule where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// How they are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TraefikTls>,
}

/// What is done with requests on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraefikMiddleware {
    /// They are sent to another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_regex: Option<TraefikRedirect>,
    /// The begin of their path is taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<TraefikStripPrefix>,
}

/// What is taken off a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikStripPrefix {
    /// The first of these that it begins with.
    #[schema(example = json!(["/api"]))]
    pub prefixes: Vec<String>,
}

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikRedirect {
    /// What of their URL is told apart.
    pub regex: String,
    /// What that becomes.
    #[schema(example = "${1}://shop.example.com${2}/${3}")]
    pub replacement: String,
    /// Whether that is for ever.
    pub permanent: bool,
}

/// How requests are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraefikTls {
    /// Who gets the certificates.
    pub cert_resolver: String,
}

/// Where a service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraefikService {
    /// By turns at these.
    pub load_balancer: TraefikLoadBalancer,
}

/// Who takes turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikLoadBalancer {
    /// The replicas.
    pub servers: Vec<TraefikServer>,
}

/// One that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraefikServer {
    /// Where.
    #[schema(example = "http://10.208.0.2:8080")]
    pub url: String,
}

/// Who asks, and how its routers are to be.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TraefikQuery {
    /// Name or id of the worker whose replicas are meant; all where none is given.
    pub worker_id: Option<String>,
    /// The name of this Traefik, where several ask for the same: a switch waits for each of them.
    pub instance: Option<String>,
    /// Entry points of the routers, with commas between them; all where none is given.
    #[param(example = "websecure")]
    pub entrypoints: Option<String>,
    /// The certificate resolver of the routers; no TLS where none is given.
    #[param(example = "letsencrypt")]
    pub cert_resolver: Option<String>,
}
