//! Handlers of operations, one file per noun; each is short: what is decided is in `komodo_plan`.

mod alert;
mod auth;
mod container;
mod container_document;
mod container_log;
mod core;
mod execute;
mod onboarding_key;
mod periphery;
mod permission;
mod plan;
mod server;
mod server_item;
mod update;
mod user;

pub use onboarding_key::RefusedKeys;
#[cfg(test)]
pub(crate) use server::new_server;
pub(crate) use server_item::server_item_json;
