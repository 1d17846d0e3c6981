//! How an app's containers are within, where not as its image says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an app's containers are within, where not as its image says: replicas, processes, release commands
/// and commands that are run once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"user": "1000:1000", "read_only": true, "tmpfs": {"/tmp": {}}}))]
pub struct ContainerInside {
    /// Who runs in them: `USER` or `USER:GROUP`, names or numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65)]
    pub user: Option<String>,
    /// The folder that programs start in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub working_dir: Option<String>,
    /// Whether nothing can be written but to volumes and folders in memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Folders that lie in memory, and go with their container: at most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, MemoryFolder>,
    /// What asks them to end: `SIGTERM`, `SIGINT`, `SIGQUIT`, `SIGHUP`, `SIGUSR1`, `SIGUSR2`, `SIGWINCH` or
    /// `SIGRTMIN+3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16)]
    pub stop_signal: Option<String>,
    /// How large `/dev/shm` is: 4 KiB to 64 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 4096)]
    pub shm_bytes: Option<u64>,
    /// What one process may take: `core`, `cpu`, `data`, `fsize`, `memlock`, `nofile` (at most 1,048,576),
    /// `nproc`, `stack`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, ProcessLimit>,
    /// What replicas call themselves: one DNS label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 63)]
    pub hostname: Option<String>,
    /// Names that stand for addresses in them: at most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, String>,
    /// Files that hold values of the app's variables, by their path: at most 64. Such a variable is in the
    /// environment no more. Not together with `read_only`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ValueFile>,
}

/// A file that holds the value of one of the app's variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueFile {
    /// Which.
    #[schema(max_length = 128, example = "TLS_KEY")]
    pub variable: String,
    /// The rights to it in octal digits, its owner's to read among them; `444` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4, example = "400")]
    pub mode: Option<String>,
    /// The number of the user whose it is.
    #[serde(default)]
    pub uid: u32,
    /// The number of its group.
    #[serde(default)]
    pub gid: u32,
}

/// A folder in memory. What is in it counts as memory of its container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryFolder {
    /// How large it grows: 4 KiB to 64 GiB; as much as the container has memory where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 4096)]
    pub size_bytes: Option<u64>,
    /// The rights to it in octal digits, all of them for its owner; `1777` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 5, example = "1777")]
    pub mode: Option<String>,
}

/// How much a process may take; `null` is without a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessLimit {
    /// What it begins with.
    pub soft: Option<u64>,
    /// What it may raise that to.
    pub hard: Option<u64>,
}
