//! `AgentApi` over HTTP: the router an agent serves and the client Core uses.
//!
//! Unary calls are JSON in and out; streams are NDJSON, packed into frames, with errors in band. What the calls mean
//! belongs to `komodo-agent-api`, how they travel to `komodo-link`.

#[cfg(feature = "core")]
mod client;
#[cfg(feature = "core")]
mod drain;
#[cfg(feature = "agent")]
mod pack;
#[cfg(feature = "agent")]
mod router;
mod wire;

#[cfg(feature = "core")]
pub use client::{AgentClient, Deadlines};
#[cfg(feature = "agent")]
pub use router::router;
pub use wire::{FRAME_BYTES_MAX, LINE_BYTES_MAX, REQUEST_BYTES_MAX};
