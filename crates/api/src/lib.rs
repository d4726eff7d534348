//! The public operations of Komodo, the entities they speak of, and the error they end in.
//!
//! Everything that crosses the public API is declared here and nowhere else: routes, OpenAPI,
//! TypeScript types, the command line, procedures and the permission tests derive from
//! [`for_each_operation!`]. Boundary crate: no tokio, no IO, no knowledge of a database or an agent.

mod operation;

pub mod alert;
pub mod auth;
pub mod container;
pub mod core;
pub mod engine;
pub mod error;
pub mod id;
pub mod inspect;
pub mod live;
pub mod onboarding_key;
pub mod periphery;
pub mod permission;
pub mod plan;
pub mod resource;
pub mod server;
pub mod stats;
pub mod update;
pub mod user;

pub use error::{Code, Error};
pub use operation::{Guard, Module, Needs, Operation, OperationSpec, Target, operations};

/// What an operation with nothing to answer returns: `{}`.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct NoData {}

/// Unix time in milliseconds.
pub type UnixMs = i64;
