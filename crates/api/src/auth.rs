//! Signing in and API keys.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Needs, NoData, UnixMs, operation::operation};

/// Gets the ways to sign in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetLoginOptions {}
operation!(GetLoginOptions: AuthLogin -> GetLoginOptionsResponse, needs Needs::Nothing);

/// Ways to sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetLoginOptionsResponse {
    /// With name and password.
    pub local: bool,
    /// With OpenID Connect.
    pub oidc: bool,
    /// With GitHub.
    pub github: bool,
    /// With Google.
    pub google: bool,
    /// Whether new users cannot sign up.
    pub registration_disabled: bool,
    /// Whether the page goes to the provider by itself.
    pub oidc_auto_redirect: bool,
}

/// Creates an account with name and password.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct SignUpLocalUser {
    /// Name, `^[a-zA-Z0-9._@-]+$`, at most 100 characters.
    pub username: String,
    /// Password, at most 1000 characters.
    pub password: String,
    /// One-time setup token of a fresh installation without a configured administrator. Additive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_token: Option<String>,
}
operation!(SignUpLocalUser: AuthLogin -> JwtResponse, needs Needs::Nothing);

/// Signs in with name and password.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct LoginLocalUser {
    /// Name.
    pub username: String,
    /// Password.
    pub password: String,
}
operation!(LoginLocalUser: AuthLogin -> JwtOrTwoFactor, needs Needs::Nothing);

macro_rules! debug_without_password {
    ($($name:ident),*) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("username", &self.username).finish_non_exhaustive()
            }
        }
    )* };
}
debug_without_password!(SignUpLocalUser, LoginLocalUser);

/// A token to sign requests with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JwtResponse {
    /// JSON Web Token; its `sub` is the id of the user.
    pub jwt: String,
}

/// A token, or the second factor that is still asked for.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum JwtOrTwoFactor {
    /// Signed in.
    Jwt(JwtResponse),
    /// A passkey is asked for.
    Passkey(serde_json::Value),
    /// A one-time password is asked for.
    Totp(NoData),
}

macro_rules! debug_opaque {
    ($($name:ident),*) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )* };
}
debug_opaque!(JwtResponse, JwtOrTwoFactor, CreateApiKeyResponse);

/// Creates an API key of the calling user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateApiKey {
    /// Name, at most 200 characters.
    pub name: String,
    /// When it ends, unix ms; 0 is never.
    #[serde(default)]
    pub expires: u64,
}
operation!(CreateApiKey: AuthManage -> CreateApiKeyResponse, needs Needs::Account);

/// A new API key; the secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateApiKeyResponse {
    /// `K_…_K`.
    pub key: String,
    /// `S_…_S`.
    pub secret: String,
}

/// Deletes an API key of the calling user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeleteApiKey {
    /// `K_…_K`.
    pub key: String,
}
operation!(DeleteApiKey: AuthManage -> NoData, needs Needs::Account);

/// Lists the API keys of the calling user.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListApiKeys {}
operation!(ListApiKeys: Read -> Vec<ApiKey>, needs Needs::User);

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// `K_…_K`.
    pub key: String,
    /// Always `########`.
    pub secret: String,
    /// Id of its user.
    pub user_id: String,
    /// Name.
    pub name: String,
    /// Time of creation.
    pub created_at: UnixMs,
    /// When it ends; 0 is never.
    pub expires: UnixMs,
}
