//! Processes beside web: what else runs of an app, without traffic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};

/// A process beside web: it runs from the app's image with its environment, and gets no traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessType {
    /// What runs in each replica: a program and its arguments, run by no shell. The image's
    /// entrypoint stays.
    #[schema(example = json!(["bundle", "exec", "sidekiq"]))]
    pub command: Vec<String>,
    /// How many replicas; 0 is none.
    #[schema(example = 2)]
    pub replicas: u16,
    /// Bytes of memory that one replica may use, where that is not what one of web may.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that one replica may use, where that is not what one of web may.
    pub cpu_millis: Option<u32>,
}

/// A change of a process beside web: what is left out stays as it is; `null` goes back to the default.
/// One that there is not yet needs a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"command": ["bundle", "exec", "sidekiq"], "replicas": 2}))]
pub struct SetProcess {
    /// What runs in each replica: a program and its arguments, at most 64 texts, run by no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 64)]
    pub command: Option<Vec<String>>,
    /// How many replicas; of a new process 1 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 64)]
    pub replicas: Option<u16>,
    /// Bytes of memory that one replica may use: 6 MiB at the least; `null` for as many as one of web.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u64>)]
    pub memory_bytes: Option<Option<u64>>,
    /// Thousandths of a CPU that one replica may use: 10 at the least; `null` for as many as one of
    /// web.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<u32>)]
    pub cpu_millis: Option<Option<u32>>,
}

/// Changes of processes by name, where `null` takes one away: that a value may be nothing cannot be
/// derived.
pub(super) fn changes() -> Object {
    let either = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(Ref::from_schema_name("SetProcess"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some(
            "What runs besides, without traffic, by name: at most 16 processes. Those that are not \
             named stay as they are; `null` takes one away.",
        ))
        .additional_properties(Some(Schema::OneOf(either.build())))
        .build()
}

/// How many replicas of a process beside web there are, of the live deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcessCount {
    /// Its name.
    #[schema(example = "worker")]
    pub name: String,
    /// Those that have stayed up. That is not kept: of the past, 0.
    pub replicas_healthy: u16,
    /// Those that there should be.
    pub replicas_wanted: u16,
}

/// How many replicas an app is to have: of web, of processes beside it, or of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"replicas": 3, "processes": {"worker": 2}}))]
pub struct ScaleApp {
    /// How many of web; to run none, stop the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 64)]
    pub replicas: Option<u16>,
    /// How many of processes beside web: 0 to 64 each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, u16>,
}
