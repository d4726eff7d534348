//! Komodo Core: the control plane.
//!
//! Requests take one road ([`dispatch`]): authenticate, resolve names, authorize, run, record, publish. Desired state
//! lives in [`store`], observed state in [`fleet`], work in progress in [`tasks`]. [`App`] owns everything: there are no
//! statics, and two Cores fit into one process.

pub mod alerts;
pub mod app;
pub mod auth;
pub mod background;
pub mod bootstrap;
pub mod clock;
pub mod config;
pub mod desired;
pub mod dispatch;
pub mod fleet;
pub mod http;
pub mod id;
pub mod live;
pub mod openapi;
mod ops;
pub mod programs;
pub mod store;
pub mod tasks;

#[cfg(test)]
mod tests;

pub use app::App;
