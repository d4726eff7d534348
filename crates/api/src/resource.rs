//! What all resources share: the envelope, list items, queries, references, and how loose input is read.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{UnixMs, id::Oid, permission::PermissionLevelAndSpecifics};

/// Kinds of resources.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ResourceTargetVariant {
    System,
    Swarm,
    Server,
    Stack,
    Deployment,
    Build,
    Repo,
    Procedure,
    Action,
    Builder,
    Alerter,
    ResourceSync,
}

/// A resource by kind and id; `System` has the id `system`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "id")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ResourceTarget {
    System(String),
    Swarm(String),
    Server(String),
    Stack(String),
    Deployment(String),
    Build(String),
    Repo(String),
    Procedure(String),
    Action(String),
    Builder(String),
    Alerter(String),
    ResourceSync(String),
}

impl ResourceTarget {
    /// Core itself.
    pub fn system() -> Self {
        ResourceTarget::System("system".into())
    }

    /// Kind and id.
    pub fn parts(&self) -> (ResourceTargetVariant, &str) {
        use ResourceTargetVariant as V;
        match self {
            ResourceTarget::System(id) => (V::System, id),
            ResourceTarget::Swarm(id) => (V::Swarm, id),
            ResourceTarget::Server(id) => (V::Server, id),
            ResourceTarget::Stack(id) => (V::Stack, id),
            ResourceTarget::Deployment(id) => (V::Deployment, id),
            ResourceTarget::Build(id) => (V::Build, id),
            ResourceTarget::Repo(id) => (V::Repo, id),
            ResourceTarget::Procedure(id) => (V::Procedure, id),
            ResourceTarget::Action(id) => (V::Action, id),
            ResourceTarget::Builder(id) => (V::Builder, id),
            ResourceTarget::Alerter(id) => (V::Alerter, id),
            ResourceTarget::ResourceSync(id) => (V::ResourceSync, id),
        }
    }
}

/// A resource with everything known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resource<Config: Default, Info: Default> {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// Name, unique among its kind.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Whether others are copied from it.
    #[serde(default)]
    pub template: bool,
    /// Tag ids.
    #[serde(default, deserialize_with = "string_list")]
    pub tags: Vec<String>,
    /// What Core found out.
    #[serde(default)]
    pub info: Info,
    /// What users configured.
    #[serde(default)]
    pub config: Config,
    /// What every user may do with it.
    #[serde(default)]
    pub base_permission: PermissionLevelAndSpecifics,
    /// Time of the last change.
    #[serde(default)]
    pub updated_at: UnixMs,
}

/// A resource in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceListItem<Info> {
    /// Id.
    pub id: String,
    /// Kind.
    #[serde(rename = "type")]
    pub resource_type: ResourceTargetVariant,
    /// Name.
    pub name: String,
    /// Whether others are copied from it.
    pub template: bool,
    /// Tag ids.
    pub tags: Vec<String>,
    /// State and the like.
    pub info: Info,
}

/// How several tags combine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TagQueryBehavior {
    /// The resource has all of them.
    #[default]
    All,
    /// The resource has at least one of them.
    Any,
}

/// Whether templates are among the results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TemplatesQueryBehavior {
    /// With all others.
    #[default]
    Include,
    /// Left out.
    Exclude,
    /// Nothing else.
    Only,
}

/// Which resources of a kind are asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceQuery<T: Default> {
    /// Each must be part of the name, in any case.
    #[serde(default, deserialize_with = "string_list")]
    pub terms: Vec<String>,
    /// Ids or names; where both are given, both must match.
    #[serde(default, deserialize_with = "string_list")]
    pub names: Vec<String>,
    /// Tags, by id or name.
    #[serde(default, deserialize_with = "string_list")]
    pub tags: Vec<String>,
    /// How several tags combine.
    #[serde(default)]
    pub tag_behavior: TagQueryBehavior,
    /// Whether templates are among the results.
    #[serde(default)]
    pub templates: TemplatesQueryBehavior,
    /// What only this kind has.
    #[serde(default)]
    pub specific: T,
}

/// A server by id or name, as the caller wrote it.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ServerRef(pub String);

/// A container by name or id (or a unique prefix of at least 12 digits of it), as the caller wrote it.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ContainerRef(pub String);

impl<T: Into<String>> From<T> for ServerRef {
    fn from(reference: T) -> Self {
        ServerRef(reference.into())
    }
}

impl<T: Into<String>> From<T> for ContainerRef {
    fn from(reference: T) -> Self {
        ContainerRef(reference.into())
    }
}

impl fmt::Display for ServerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a list of texts, or one text with an item per line or comma, in which `#` starts a comment.
pub fn string_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::List(list) => list,
        Form::Text(text) => split_list(&text),
    })
}

/// As [`string_list`], for a field that may be missing or null.
pub fn optional_string_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct List(#[serde(deserialize_with = "string_list")] Vec<String>);
    Ok(Option::<List>::deserialize(deserializer)?.map(|list| list.0))
}

fn split_list(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Declares a configuration, its defaults, and the partial form in which a missing or null field means *unchanged*.
macro_rules! config {
    (
        $(#[$meta:meta])* pub struct $name:ident / $partial:ident {
            $( $(#[doc = $doc:literal])+ $(#[list $list:tt])? $field:ident: $type:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default)]
        pub struct $name {
            $( $(#[doc = $doc])+ $(#[serde(deserialize_with = $list)])? pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )* }
            }
        }

        #[doc = concat!("A change to a [`", stringify!($name), "`]: what is missing or null stays as it is.")]
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default)]
        pub struct $partial {
            $( $(#[doc = $doc])+ #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>, )*
        }

        impl $name {
            /// The configuration after a change.
            #[must_use]
            pub fn merged(mut self, change: $partial) -> Self {
                $( if let Some(value) = change.$field { self.$field = value; } )*
                self
            }
        }
    };
}
pub(crate) use config;
