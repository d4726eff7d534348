//! The Docker Engine client: the one crate that speaks to the Engine.
//!
//! It speaks HTTP to the Engine's socket and to nothing else, starts no program, and keeps no state but the API
//! version. Reads are plain methods of [`Engine`]; the only mutation is [`Engine::act`], which demands a [`Granted`]
//! that nothing but an evaluation of `plan::guard` can make.
//!
//! It is written on hyper and not on a typed Engine client, because what such clients do with the answers does not
//! hold here: one value of an enum that a newer Engine adds fails a whole list, an inspect loses the fields that the
//! client does not know, a log line without an end is kept in memory whole, and a connection that went stale over a
//! restart of the Engine fails a mutation that was never sent.

mod client;
mod endpoint;
mod engine;
mod error;
mod event;
mod grant;
mod log;
mod types;

pub use endpoint::{DEFAULT_SOCKET, Endpoint, EndpointError};
pub use engine::{ActOptions, CALL_DEADLINE, Engine, EngineInfo, EngineVersion, Outcome};
pub use error::{EngineError, UnreachableWhy};
pub use event::{EngineEvent, EventStream};
pub use grant::{Granted, Refused, grant};
pub use log::{LOG_LINE_BYTES_MAX, LogOptions, LogReader};
pub use types::{Inspected, Listed, Mount, NetworkEndpoint, PortBinding};
