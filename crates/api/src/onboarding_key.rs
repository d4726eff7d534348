//! Onboarding keys: what lets a new agent join.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Needs, UnixMs, operation::operation, resource::optional_string_list, resource::string_list,
};

/// An onboarding key, without its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnboardingKey {
    /// Public part, by which the key is named.
    pub public_key: String,
    /// Whether it lets anybody in.
    #[serde(default)]
    pub enabled: bool,
    /// When it ends, unix ms; 0 is never.
    #[serde(default)]
    pub expires: UnixMs,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Ids of the servers that joined with it.
    #[serde(default)]
    pub onboarded: Vec<String>,
    /// Time of creation.
    #[serde(default)]
    pub created_at: UnixMs,
    /// Tags of the servers that join.
    #[serde(default, deserialize_with = "string_list")]
    pub tags: Vec<String>,
    /// Whether an agent may take over a server that exists.
    #[serde(default)]
    pub privileged: bool,
    /// Server whose configuration is copied.
    #[serde(default)]
    pub copy_server: String,
    /// Whether a builder is made for each server.
    #[serde(default)]
    pub create_builder: bool,
    /// How many servers may join with it; absent is any number. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
}

/// Lists the onboarding keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListOnboardingKeys {}
operation!(ListOnboardingKeys: Read -> Vec<OnboardingKey>, needs Needs::Admin);

/// Creates an onboarding key. The answer holds the join string, shown this once.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct CreateOnboardingKey {
    /// Name.
    pub name: String,
    /// When it ends, unix ms; 0 is never.
    #[serde(default)]
    pub expires: UnixMs,
    /// The secret, where the caller brings it; the agent then needs `PERIPHERY_CORE_PUBLIC_KEY`.
    #[serde(default)]
    pub private_key: Option<String>,
    /// Tags of the servers that join.
    #[serde(default, deserialize_with = "string_list")]
    pub tags: Vec<String>,
    /// Whether an agent may take over a server that exists.
    #[serde(default)]
    pub privileged: bool,
    /// Server whose configuration is copied.
    #[serde(default)]
    pub copy_server: String,
    /// Whether a builder is made for each server.
    #[serde(default)]
    pub create_builder: bool,
    /// How many servers may join with it; absent is any number. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
}
operation!(CreateOnboardingKey: Write -> CreateOnboardingKeyResponse, needs Needs::Admin);

impl fmt::Debug for CreateOnboardingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateOnboardingKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A new onboarding key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateOnboardingKeyResponse {
    /// The join string, to be given as `PERIPHERY_ONBOARDING_KEY`; shown this once.
    pub private_key: String,
    /// The key.
    pub created: OnboardingKey,
}

impl fmt::Debug for CreateOnboardingKeyResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateOnboardingKeyResponse")
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Changes an onboarding key; what is missing or null stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpdateOnboardingKey {
    /// Public part of the key.
    pub public_key: String,
    /// Whether it lets anybody in.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// When it ends, unix ms; 0 is never.
    #[serde(default)]
    pub expires: Option<UnixMs>,
    /// Tags of the servers that join.
    #[serde(default, deserialize_with = "optional_string_list")]
    pub tags: Option<Vec<String>>,
    /// Whether an agent may take over a server that exists.
    #[serde(default)]
    pub privileged: Option<bool>,
    /// Server whose configuration is copied.
    #[serde(default)]
    pub copy_server: Option<String>,
    /// Whether a builder is made for each server.
    #[serde(default)]
    pub create_builder: Option<bool>,
}
operation!(UpdateOnboardingKey: Write -> OnboardingKey, needs Needs::Admin);

/// Deletes an onboarding key; servers that joined with it stay.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeleteOnboardingKey {
    /// Public part of the key.
    pub public_key: String,
}
operation!(DeleteOnboardingKey: Write -> OnboardingKey, needs Needs::Admin);
