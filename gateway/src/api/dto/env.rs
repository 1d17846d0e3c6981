//! Environment variables: written, never read back.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{AsOf, Time};

/// An environment variable. Its value is shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvVariable {
    /// Its name.
    #[schema(example = "DATABASE_URL")]
    pub name: String,
    /// Which value of the app's it has: another value has another version.
    #[schema(example = 7)]
    pub version: u64,
    /// When it was set.
    pub set_at: Option<Time>,
}

/// All environment variables of an app, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvList {
    /// The variables.
    pub items: Vec<EnvVariable>,
    /// As of when, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

/// What changes. It holds from the next deployment on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"set": {"DATABASE_URL": "postgres://…"}, "remove": ["OLD_FLAG"]}))]
pub struct ChangeEnv {
    /// Variables to set, by name: letters, digits and `_`, not beginning with a digit.
    #[serde(default)]
    pub set: BTreeMap<String, SecretText>,
    /// Names to remove.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A value on its way in: never printed, wiped when dropped.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

// For clients, which have to send it.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(self.reveal())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input).map(Self::new)
    }
}
