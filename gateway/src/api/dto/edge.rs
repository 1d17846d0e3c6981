//! How edges serve an app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SecretText;

/// How edges serve an app. It holds at once, without a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EdgeSettings {
    /// Whether everybody gets a page that says that the app is being worked on.
    pub maintenance: bool,
    /// Whether a client stays with the replica that answered it first, by a cookie.
    pub sticky: bool,
    /// Whether hosts with `www.` lead to those without, or the other way round.
    pub www: EdgeWww,
    /// How many requests one client address may make; nothing where there is no limit.
    pub rate: Option<EdgeRate>,
    /// Who may see it, by a password; everybody where nobody is named.
    #[schema(example = json!(["ada"]))]
    pub users: Vec<String>,
    /// From which addresses it may be seen; from all where none is named.
    #[schema(example = json!(["10.0.0.0/8"]))]
    pub allow: Vec<String>,
    /// For what `users` and `allow` hold.
    pub guards: EdgeGuards,
    /// How long requests wait for an app that is starting, before they get a page that says so.
    pub wait_ms: u64,
    /// The most bytes that a request's body may have; nothing where there is no limit.
    pub body_bytes: Option<u64>,
    /// How long an answer may take to begin; ten minutes where nothing is said.
    pub answer_within_ms: Option<u64>,
    /// Whether answers that the app left as they are get compressed.
    pub compress: bool,
    /// What the app speaks.
    pub protocol: EdgeProtocol,
    /// What becomes of requests that come without TLS.
    pub https: EdgeHttps,
    /// What browsers are told about coming by https from now on; nothing where they are told nothing.
    pub hsts: Option<EdgeHsts>,
    /// Whether what each request came to is told in the app's access log.
    pub access_log: bool,
    /// Where the app is besides its own hosts. It serves there for as long as the host leads to an app of
    /// the same project.
    pub mounts: Vec<EdgeMount>,
    /// After how long without a request at any edge its replicas are stopped, until the next one, which
    /// waits for them; nothing where they are not.
    pub sleep_after_ms: Option<u64>,
}

/// A place at a host of another app, or of the app itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EdgeMount {
    /// Host and path.
    #[schema(example = "shop.example/api")]
    pub at: String,
    /// What the app gets to see of paths there.
    pub seen: EdgeSeenPath,
}

/// What an app gets to see of a path where it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeSeenPath {
    /// All of it.
    Whole,
    /// What comes after the prefix, which `x-forwarded-prefix` tells.
    Stripped,
}

/// What becomes of hosts that differ by `www.` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeWww {
    /// Both serve.
    Both,
    /// The one with it leads to the one without, where the app has both.
    Remove,
    /// The one without it leads to the one with, where the app has both.
    Add,
}

/// How many requests one client address may make at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeRate {
    /// So many a second in the long run.
    #[schema(minimum = 1, maximum = 1_000_000, example = 20)]
    pub per_second: u32,
    /// So many at once.
    #[schema(minimum = 1, maximum = 1_000_000, example = 50)]
    pub burst: u32,
}

/// For what the list of users and the list of addresses hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeGuards {
    /// The app and its previews.
    All,
    /// Its previews only.
    Previews,
}

/// What an app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, as gRPC servers do.
    H2c,
}

/// What becomes of requests that come without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeHttps {
    /// They are sent on to https wherever the edge has a certificate for the host, and served elsewhere.
    Redirect,
    /// They are served as those over TLS are.
    Both,
}

/// What `Strict-Transport-Security` says. Browsers keep to it for as long as it says, whatever is set
/// meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeHsts {
    /// For so many seconds; 0 has browsers forget it.
    #[schema(maximum = 63_072_000, example = 86_400)]
    pub max_age: u32,
    /// For all hosts below this one, too.
    #[serde(default)]
    pub subdomains: bool,
    /// Browsers may have it built in; needs `subdomains` and a year.
    #[serde(default)]
    pub preload: bool,
}

/// A change of how edges serve an app: what is left out stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"sticky": true, "rate": {"per_second": 20, "burst": 50}, "users": {"ada": "a long password"}}))]
pub struct UpdateEdge {
    /// Whether everybody gets the maintenance page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<bool>,
    /// Whether a client stays with a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<bool>,
    /// What becomes of hosts with `www.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub www: Option<EdgeWww>,
    /// How many requests one client address may make; `null` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<EdgeRate>)]
    pub rate: Option<Option<EdgeRate>>,
    /// Users to add, or to give another password, with it; `null` takes one away. A password is 8 to
    /// 256 characters and shown to nobody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub users: BTreeMap<String, Option<SecretText>>,
    /// Addresses and ranges, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// For what `users` and `allow` hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<EdgeGuards>,
    /// How long requests wait for an app that is starting: at most five minutes; 0 for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// The most bytes that a request's body may have; `null` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub body_bytes: Option<Option<u64>>,
    /// How long an answer may take to begin: a second to an hour; `null` for the usual ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub answer_within_ms: Option<Option<u64>>,
    /// Whether answers that the app left as they are get compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// What the app speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<EdgeProtocol>,
    /// What becomes of requests that come without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<EdgeHttps>,
    /// What browsers are told about coming by https; `null` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<EdgeHsts>)]
    pub hsts: Option<Option<EdgeHsts>>,
    /// Whether its requests are told in its access log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<bool>,
    /// Places where the app is to be, as `shop.example/api`, each with what it gets to see of a path
    /// there (`whole` or `stripped`); `null` takes one away. The host has to lead to an app of the same project, and the longest
    /// path that fits has a request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub mounts: BTreeMap<String, Option<EdgeSeenPath>>,
    /// After how long without a request the app's replicas are stopped, until the next one: five seconds to
    /// thirty days; `null` for never. What runs beside web goes on.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub sleep_after_ms: Option<Option<u64>>,
}
