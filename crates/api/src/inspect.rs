//! What the Engine answers to an inspect of a container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A container as the Engine knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The document of the Engine.
    #[serde(flatten)]
    pub document: Map<String, Value>,
}
