//! What of an app changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AppGroup, ContainerInside, HealthProbe, SetProcess, StaticMode, UpdateTriggers, VolumeMount,
};

/// A change of settings: what is left out stays as it is; `null` goes back to the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"replicas": 2, "health_path": "/healthz"}))]
pub struct UpdateApp {
    /// What deploys it by itself. It holds at once, and changes together with the rest or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers: Option<UpdateTriggers>,
    /// Another project, by name or id. It holds at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40)]
    pub project: Option<String>,
    /// The git repository: `https://…`, `ssh://…` or `user@host:path`, with no password inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048)]
    pub repository: Option<String>,
    /// An image of a registry in place of a repository: it is pulled, and nothing is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 460, example = "ghcr.io/team/shop:1.2")]
    pub image: Option<String>,
    /// The branch, or a tag where no branch has that name; `null` for the repository's default
    /// branch. Not together with `tag` or `commit`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub branch: Option<Option<String>>,
    /// A tag; `null` for none any more. Not together with `branch` or `commit`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub tag: Option<Option<String>>,
    /// A whole commit id of 40 or 64 hexadecimal digits; `null` for none any more. Not together with
    /// `branch` or `tag`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub commit: Option<Option<String>>,
    /// The Dockerfile's path in the repository; `null` to find it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub dockerfile: Option<Option<String>>,
    /// The folder of the repository whose files the build sees; `null` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub build_context: Option<Option<String>>,
    /// The stage of the Dockerfile that becomes the image; `null` for its last one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub build_target: Option<Option<String>>,
    /// Build arguments, in place of the ones before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_args: Option<BTreeMap<String, String>>,
    /// Names of environment variables of the app that its build may read, in place of the ones
    /// before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 512)]
    pub build_secrets: Option<Vec<String>>,
    /// How long one build may take once a builder works on it: 10,000 to 14,400,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_within_ms: Option<u64>,
    /// Whether the repository's submodules are fetched, and theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// Whether files that git LFS keeps elsewhere are fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<bool>,
    /// Whether what is built is served by the edges, without a container.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub site: Option<StaticMode>,
    /// The port that the app listens on; `null` to find it from the image.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u16>, minimum = 1)]
    pub port: Option<Option<u16>>,
    /// How many replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 64)]
    pub replicas: Option<u16>,
    /// What is asked of a replica; `null` for the default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<HealthProbe>)]
    pub health: Option<Option<HealthProbe>>,
    /// Short for `health` of type `http` with this path; `null` for the default. Not together with
    /// `health`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>, max_length = 1024)]
    pub health_path: Option<Option<String>>,
    /// From one health check to the next: 100 to 300,000 ms; `null` for the
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub health_interval_ms: Option<Option<u64>>,
    /// How long one health check may take: 100 to 300,000 ms; `null` for the
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub health_timeout_ms: Option<Option<u64>>,
    /// How many failures in a row make a healthy replica unhealthy: 1 to 100; `null` for the
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 100)]
    pub health_retries: Option<Option<u16>>,
    /// How long a replica may take to become healthy: 1,000 to 3,600,000 ms; `null` for the
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub health_start_within_ms: Option<Option<u64>>,
    /// Bytes of memory that one replica may use: 6 MiB at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that one replica may use: 10 at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Processes and threads that one replica may have: 1 at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Host names besides the app's own, in place of the ones before; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 64)]
    pub domains: Option<Vec<String>>,
    /// What runs in each replica in place of the image's command; `null` for the image's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub command: Option<Option<Vec<String>>>,
    /// What runs besides, without traffic, by name: at most 16 processes. Those that are not named
    /// stay as they are; `null` takes one away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = super::process::changes)]
    pub process_types: Option<BTreeMap<String, Option<SetProcess>>>,
    /// What runs in each replica in place of the image's entrypoint; `null` for the image's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub entrypoint: Option<Option<Vec<String>>>,
    /// Volumes of its replicas, by the folder that they see them in, in place of the ones before: at
    /// most 16. Those that go from here keep what is in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, VolumeMount>>,
    /// Whether an address leads to it. It holds at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed: Option<bool>,
    /// The group that it belongs to; `null` for none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<AppGroup>)]
    pub group: Option<Option<AppGroup>>,
    /// How its containers are within, in place of all that was said of it before; `null` for as its image
    /// says.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<ContainerInside>)]
    pub inside: Option<Option<ContainerInside>>,
    /// What runs once for each deployment before its replicas start; `null` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub release_command: Option<Option<Vec<String>>>,
    /// How long that may take: 1,000 to 14,400,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_within_ms: Option<u64>,
    /// What runs once for each deployment after it went live; `null` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub post_deploy_command: Option<Option<Vec<String>>>,
    /// How long that may take: 1,000 to 14,400,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_deploy_within_ms: Option<u64>,
    /// How long requests to a version may go on after the traffic moved to the next one: 0 to
    /// 3,600,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_within_ms: Option<u64>,
    /// How long a replica has from SIGTERM until SIGKILL: 1,000 to 600,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_within_ms: Option<u64>,
}
