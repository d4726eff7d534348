//! Core itself: version and settings that clients need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Needs, operation::operation, stats::Timelength};

/// The version of the public API that Core speaks; clients show and compare it.
pub const API_VERSION: &str = "2.3.2";

/// Gets the version.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetVersion {}
operation!(GetVersion: Read -> GetVersionResponse, needs Needs::User);

/// Versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetVersionResponse {
    /// Version of the public API.
    pub version: String,
    /// Version of this implementation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub implementation: String,
}

/// Gets the settings of Core that clients need.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetCoreInfo {}
operation!(GetCoreInfo: Read -> GetCoreInfoResponse, needs Needs::User);

/// Settings of Core that clients need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetCoreInfoResponse {
    /// Title of the pages.
    pub title: String,
    /// Kept for clients; nothing is polled.
    pub monitoring_interval: Timelength,
    /// Base address of webhooks.
    pub webhook_base_url: String,
    /// Whether every user may read everything.
    pub transparent_mode: bool,
    /// Whether the UI offers no changes.
    pub ui_write_disabled: bool,
    /// Whether only administrators create resources.
    pub disable_non_admin_create: bool,
    /// Whether the UI asks for no confirmation.
    pub disable_confirm_dialog: bool,
    /// Whether the UI does not reconnect its socket.
    pub disable_websocket_reconnect: bool,
    /// Whether TOML is highlighted richly.
    pub enable_fancy_toml: bool,
    /// Time zone of schedules; empty for that of the host.
    pub timezone: String,
    /// Public key of Core, which agents pin.
    pub public_key: String,
    /// Items a page where a list asks for none.
    pub default_pagination_limit: u64,
}
