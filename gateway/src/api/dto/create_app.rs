//! What a new app is made with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppGroup, ContainerInside, HealthProbe, SetProcess, StaticMode, VolumeMount};

/// A new app. All but the name may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "shop", "repository": "https://git.example/shop.git", "branch": "main"}))]
pub struct CreateApp {
    /// Its name: one DNS label of at most 40 characters, for it becomes a host name.
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
    /// The project that it is in, by name or id; `default` where none is given.
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
    /// The branch, or a tag where no branch has that name; the repository's default branch where
    /// nothing is given. Not together with `tag` or `commit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub branch: Option<String>,
    /// A tag. Not together with `branch` or `commit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub tag: Option<String>,
    /// A whole commit id of 40 or 64 hexadecimal digits. Not together with `branch` or `tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub commit: Option<String>,
    /// The Dockerfile's path in the repository; found by itself where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub dockerfile: Option<String>,
    /// The folder of the repository whose files the build sees, and whose `.dockerignore` holds;
    /// all of it where none is given. The Dockerfile's path still counts from the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub build_context: Option<String>,
    /// The stage of the Dockerfile that becomes the image; its last one where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub build_target: Option<String>,
    /// Build arguments: at most 64, none beginning with `BUILDKIT_`. They can be read in the
    /// image's history: what is secret goes by `build_secrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_args: Option<BTreeMap<String, String>>,
    /// Names of environment variables of the app that its build may read, by
    /// `RUN --mount=type=secret,id=NAME`; they get into no layer, history or log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 512)]
    pub build_secrets: Option<Vec<String>>,
    /// How long one build may take once a builder works on it: 10,000 to 14,400,000 ms; 1,800,000
    /// where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_within_ms: Option<u64>,
    /// Whether the repository's submodules are fetched, and theirs: over https and ssh, each at the
    /// commit that the repository records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// Whether files that git LFS keeps elsewhere are fetched; the builder needs `git-lfs` for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<bool>,
    /// Whether what is built is served by the edges, without a container; `auto` where nothing is said.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub site: Option<StaticMode>,
    /// The port that the app listens on; found from the image where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub port: Option<u16>,
    /// How many replicas; 1 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 64)]
    pub replicas: Option<u16>,
    /// What is asked of a replica; where nothing is said: the image's own `HEALTHCHECK` where it has
    /// one, else `/` over HTTP with any answer below 500, else that whatever listens on the port
    /// answers in another language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthProbe>,
    /// Short for `health` of type `http` with this path. Not together with `health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub health_path: Option<String>,
    /// From one health check to the next: 100 to 300,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_interval_ms: Option<u64>,
    /// How long one health check may take: 100 to 300,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_timeout_ms: Option<u64>,
    /// How many failures in a row make a healthy replica unhealthy: 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub health_retries: Option<u16>,
    /// How long a replica may take to become healthy: 1,000 to 3,600,000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_start_within_ms: Option<u64>,
    /// Bytes of memory that one replica may use: 6 MiB at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that one replica may use: 10 at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Processes and threads that one replica may have: 1 at the least; 512 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Host names besides the app's own; at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 64)]
    pub domains: Option<Vec<String>>,
    /// What runs in each replica in place of the image's command: a program and its arguments, at
    /// most 64 texts, run by no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub command: Option<Vec<String>>,
    /// What runs besides, without traffic, by name: at most 16 processes, such as workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_types: Option<BTreeMap<String, SetProcess>>,
    /// What runs in each replica in place of the image's entrypoint: as `command` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub entrypoint: Option<Vec<String>>,
    /// Volumes of its replicas, by the folder that they see them in: at most 16. They stay when the
    /// app goes. An app that writes to one has one replica, and a new version of it starts once the one
    /// before has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, VolumeMount>>,
    /// Whether an address leads to it; so where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed: Option<bool>,
    /// The group that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<AppGroup>,
    /// How its containers are within, where not as its image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<ContainerInside>,
    /// What runs once for each deployment, in a container of its image, before its replicas start;
    /// where it fails, so does the deployment. A program and its arguments, run by no shell. A
    /// restart does not run it; a rollback does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub release_command: Option<Vec<String>>,
    /// How long that may take: 1,000 to 14,400,000 ms; 600,000 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_within_ms: Option<u64>,
    /// What runs once for each deployment, in a container of its image, after it went live; where it
    /// fails, the version stays. A program and its arguments, run by no shell. A restart does not run
    /// it; a rollback does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub post_deploy_command: Option<Vec<String>>,
    /// How long that may take: 1,000 to 14,400,000 ms; 600,000 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_deploy_within_ms: Option<u64>,
    /// How long requests to a version may go on after the traffic moved to the next one: 0 to
    /// 3,600,000 ms; 30,000 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_within_ms: Option<u64>,
    /// How long a replica has from SIGTERM until SIGKILL: 1,000 to 600,000 ms; 10,000 where nothing
    /// is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_within_ms: Option<u64>,
}
