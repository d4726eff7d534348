//! Levels, specific permissions, and how they are written.

use std::borrow::Cow;

use indexmap::IndexSet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Needs, id::Oid, operation::operation, resource::ResourceTarget};

/// How much a user may do with a resource; each level holds the ones before it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum PermissionLevel {
    /// Cannot know that it exists.
    #[default]
    None,
    /// May see it.
    Read,
    /// May run executions on it.
    Execute,
    /// May change and delete it.
    Write,
}

/// Rights that no level brings by itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SpecificPermission {
    /// Open terminals.
    Terminal,
    /// Attach resources to it.
    Attach,
    /// Inspect containers, images, networks, volumes.
    Inspect,
    /// Read logs.
    Logs,
    /// List processes.
    Processes,
}

/// A level and specific permissions.
///
/// Read from a bare level, an object, or null; always written as an object, the form every known client reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PermissionLevelAndSpecifics {
    /// Level.
    pub level: PermissionLevel,
    /// Specific permissions.
    pub specific: IndexSet<SpecificPermission>,
}

impl From<PermissionLevel> for PermissionLevelAndSpecifics {
    fn from(level: PermissionLevel) -> Self {
        PermissionLevelAndSpecifics {
            level,
            specific: IndexSet::new(),
        }
    }
}

impl<'de> Deserialize<'de> for PermissionLevelAndSpecifics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Level(PermissionLevel),
            Object {
                #[serde(default)]
                level: PermissionLevel,
                #[serde(default)]
                specific: IndexSet<SpecificPermission>,
            },
            Null(()),
        }
        Ok(match Form::deserialize(deserializer).map_err(|_| {
            de::Error::custom("a permission is a level (None, Read, Execute, Write), {level, specific}, or null")
        })? {
            Form::Level(level) => level.into(),
            Form::Object { level, specific } => PermissionLevelAndSpecifics { level, specific },
            Form::Null(()) => Self::default(),
        })
    }
}

impl JsonSchema for PermissionLevelAndSpecifics {
    fn schema_name() -> Cow<'static, str> {
        "PermissionLevelAndSpecifics".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let level = generator.subschema_for::<PermissionLevel>();
        let specific = generator.subschema_for::<SpecificPermission>();
        json_schema!({
            "oneOf": [
                level,
                { "type": "object", "properties": {
                    "level": level,
                    "specific": { "type": "array", "uniqueItems": true, "items": specific },
                } },
            ],
        })
    }
}

/// Who a permission is given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "id")]
pub enum UserTarget {
    /// A user, by id.
    User(String),
    /// A group, by id.
    UserGroup(String),
}

/// A direct grant: a user or group on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// Who.
    pub user_target: UserTarget,
    /// On what.
    pub resource_target: ResourceTarget,
    /// Level.
    #[serde(default)]
    pub level: PermissionLevel,
    /// Specific permissions.
    #[serde(default)]
    pub specific: IndexSet<SpecificPermission>,
}

/// Gets what the caller may do with a resource.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetPermission {
    /// The resource.
    pub target: ResourceTarget,
}
operation!(GetPermission: Read -> PermissionLevelAndSpecifics, needs Needs::User);
