//! Users and groups.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Needs, UnixMs, id::Oid, operation::operation, permission::PermissionLevelAndSpecifics,
    resource::ResourceTargetVariant,
};

/// How a user signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum UserConfig {
    Local { password: String },
    Google { google_id: String, avatar: String },
    Github { github_id: String, avatar: String },
    Oidc { provider: String, user_id: String },
    Service { description: String },
}

/// One-time passwords of a user; never with secrets in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserTotpConfig {
    /// Always empty.
    pub secret: String,
    /// When it was confirmed; 0 where it is off.
    pub confirmed_at: UnixMs,
    /// Always empty.
    pub recovery_codes: Vec<String>,
}

/// Passkey of a user; never with the credential in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserPasskeyConfig {
    /// Always null.
    pub passkey: Option<Value>,
    /// When it was created; 0 where there is none.
    pub created_at: UnixMs,
}

/// A user, without secrets: the password reads `########`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// Name to sign in with.
    pub username: String,
    /// Whether the account may do anything.
    #[serde(default)]
    pub enabled: bool,
    /// May also change administrators.
    #[serde(default)]
    pub super_admin: bool,
    /// May do everything else.
    #[serde(default)]
    pub admin: bool,
    /// May create servers.
    #[serde(default)]
    pub create_server_permissions: bool,
    /// May create builds.
    #[serde(default)]
    pub create_build_permissions: bool,
    /// How the user signs in.
    pub config: UserConfig,
    /// Further ways to sign in.
    #[serde(default)]
    pub linked_logins: BTreeMap<String, UserConfig>,
    /// One-time passwords.
    #[serde(default)]
    pub totp: UserTotpConfig,
    /// Passkey.
    #[serde(default)]
    pub passkey: UserPasskeyConfig,
    /// Whether a second factor is not asked after an external login.
    #[serde(default)]
    pub external_skip_2fa: bool,
    /// When the user last looked at Updates.
    #[serde(default)]
    pub last_update_view: UnixMs,
    /// Resources used last, by kind.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub recents: BTreeMap<ResourceTargetVariant, Vec<String>>,
    /// What the user may do with all resources of a kind.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, PermissionLevelAndSpecifics>")]
    pub all: IndexMap<ResourceTargetVariant, PermissionLevelAndSpecifics>,
    /// Time of the last change.
    #[serde(default)]
    pub updated_at: UnixMs,
}

/// A group of users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserGroup {
    /// Id.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Oid")]
    pub id: Option<Oid>,
    /// Name.
    pub name: String,
    /// Whether every user is a member.
    #[serde(default)]
    pub everyone: bool,
    /// Ids of the members.
    #[serde(default, deserialize_with = "crate::resource::string_list")]
    pub users: Vec<String>,
    /// What members may do with all resources of a kind.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, PermissionLevelAndSpecifics>")]
    pub all: IndexMap<ResourceTargetVariant, PermissionLevelAndSpecifics>,
    /// Time of the last change.
    #[serde(default)]
    pub updated_at: UnixMs,
}

/// Gets the name of a user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetUsername {
    /// Id of the user.
    pub user_id: String,
}
operation!(GetUsername: Read -> GetUsernameResponse, needs Needs::User);

/// Name and picture of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetUsernameResponse {
    /// Name.
    pub username: String,
    /// Address of a picture.
    pub avatar: Option<String>,
}
