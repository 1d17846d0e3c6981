//! Docker Compose files, and what an app has besides its image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SecretText, UpdateApp};

/// A volume of an app. It lies on the worker that runs the app, and stays when the app goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"volume": "data"}))]
pub struct VolumeMount {
    /// Its name: letters, digits, `.`, `_` and `-`; at most 63 characters.
    #[schema(max_length = 63)]
    pub volume: String,
    /// Whether the app can only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// An app's place in the group of a project: apps that share a network and volumes, and reach one
/// another by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppGroup {
    /// The project, by name or id; shown as its id.
    #[schema(max_length = 40)]
    pub project: String,
    /// The name that others of the group reach it by.
    #[schema(max_length = 63, example = "db")]
    pub service: String,
    /// What the files were that it was made from last: an id of 40 or 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub content: Option<String>,
    /// Further names that others of the group reach it by; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub names: Vec<String>,
    /// Whether it is to end by itself: its deployment is live once each replica has ended with code 0, for which
    /// it has `health_start_within_ms`, and nothing starts it again. No address leads to such an app.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// A Compose file, and what goes with it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"file": "services: {web: {image: 'nginx:${TAG}', ports: ['80']}}", "variables": {"TAG": "1.27"}}))]
pub struct PlanCompose {
    /// The file's text; at most 512 KiB.
    pub file: SecretText,
    /// The folder that it is in, from the root of the source; empty for the root.
    #[serde(default)]
    pub folder: String,
    /// What `${VARIABLES}` stand for, and variables that services name without a value.
    #[serde(default)]
    pub variables: BTreeMap<String, SecretText>,
    /// The texts of the files that `env_file`, `extends`, `include`, `configs` and `secrets` name, and of
    /// those that these name, by their path from the root of the source; at most 64. And those of files that
    /// services mount from there; at most 128.
    #[serde(default)]
    pub files: BTreeMap<String, SecretText>,
    /// What lies where services mount something from beside the file, by its path from the root of the source; at
    /// most 256. What is not named here, and has no text under `files`, is not taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mounted: BTreeMap<String, ComposeMounted>,
    /// Profiles that are wanted; `*` for all.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// What services that are built are built from, by service, as far as that is known.
    #[serde(default)]
    pub sources: BTreeMap<String, ComposeSource>,
}

/// What lies at a path that a service mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "folder", "files": ["default.conf", "snippets/tls.conf"]}))]
pub struct ComposeMounted {
    /// What it is.
    pub kind: ComposeMountedKind,
    /// The files of a folder, through all folders in it, by their path from there; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// What lies at a path that a service mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComposeMountedKind {
    /// Nothing.
    Nothing,
    /// A file. Its text is under `files`, where it is one of at most 64 KiB.
    File,
    /// A folder. The texts of its files are there, too, as far as they are wanted.
    Folder,
    /// A folder with more files, or one that cannot be looked through.
    LargeFolder,
}

/// What a service is built from: an upload of its folder, or a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComposeSource {
    /// What was sent, or is to be, with `PUT /api/v1/uploads/{digest}`: the service's folder alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 71)]
    pub upload: Option<String>,
    /// A git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2048)]
    pub repository: Option<String>,
    /// Its branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub branch: Option<String>,
    /// What git calls the content of the service's folder: another one is another version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub content: Option<String>,
}

/// What a file comes to, compared with what is there. Nothing is changed by that.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ComposePlan {
    /// The project's name.
    pub project: String,
    /// Its id, where it exists.
    pub project_id: Option<String>,
    /// The services, in the order in which they go live.
    pub services: Vec<ComposeService>,
    /// Apps of the group whose services are in the file no more.
    pub orphans: Vec<ComposeOrphan>,
    /// What of the file is not taken.
    pub left: Vec<ComposeLeft>,
}

/// A service, and what is to be done about it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ComposeService {
    /// Its name.
    pub service: String,
    /// Its app.
    pub app: String,
    /// What is to be done.
    pub action: ComposeAction,
    /// Why, where its app is to be deployed anew.
    pub because: Vec<String>,
    /// How many services come before it in the longest row of those that it depends on.
    pub wave: u32,
    /// The services that have to be live before it is deployed.
    pub after: Vec<String>,
    /// Where it answers, where an address leads to it.
    pub url: Option<String>,
    /// The folder that it is built from, where it is built; `.` for the root.
    pub context: Option<String>,
    /// Whether `sources` has to say what that holds before it is known whether it changed.
    pub needs_source: bool,
    /// Its settings, as `PATCH /api/v1/apps/{app}` takes them; without what it is made from.
    pub settings: UpdateApp,
    /// The image that it runs, where it is not built.
    pub image: Option<String>,
    /// Its variables, as they are to be set.
    #[schema(value_type = BTreeMap<String, String>)]
    pub variables: BTreeMap<String, SecretText>,
    /// How often it is deployed again where it is to end by itself and did not do so well; for one that waits for
    /// what is not ready yet.
    #[serde(default)]
    pub retries: u16,
    /// Variables that the app has and the file does not: they stay.
    pub kept: Vec<String>,
    /// Variables that are to be removed before the settings are changed: they only stood in files that the
    /// containers have no more, and would be in their environment then.
    pub removed: Vec<String>,
}

/// What is to be done about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComposeAction {
    /// It becomes an app.
    Create,
    /// Its app is deployed anew.
    Update,
    /// Its app is as it should be.
    Unchanged,
}

impl ComposeAction {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
        }
    }
}

/// An app whose service is in the file no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComposeOrphan {
    /// The service.
    pub service: String,
    /// The app.
    pub app: String,
}

/// A value that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComposeLeft {
    /// The file that it stands in, where that is another one than the given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line there.
    pub line: u64,
    /// Its key.
    pub key: String,
    /// Why, and what to do instead where there is something.
    pub why: String,
}
