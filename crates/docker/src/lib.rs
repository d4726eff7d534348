//! The Docker Engine client: the one crate that speaks to the Engine.
//!
//! It speaks HTTP to the Engine's socket and to nothing else, and keeps no state but the API version. Reads are plain
//! methods of [`Engine`]. What changes something demands a permission: [`Engine::act`] a [`Granted`] that nothing but an
//! evaluation of `plan::guard` can make; [`Engine::relay`], which sends what a child process wrote, a [`Passage`] that
//! nothing but `plan::judge` can make; the calls of a hand over a [`HandOverGrant`], which is for the containers of one
//! plan. Programs are started by [`Command`], which names the socket that they may use.
//!
//! It is written on hyper and not on a typed Engine client, because what such clients do with the answers does not
//! hold here: one value of an enum that a newer Engine adds fails a whole list, an inspect loses the fields that the
//! client does not know, a log line without an end is kept in memory whole, and a connection that went stale over a
//! restart of the Engine fails a mutation that was never sent.

mod archive;
mod client;
mod command;
mod endpoint;
mod engine;
mod error;
mod event;
mod grant;
mod hand_over;
mod log;
mod objects;
mod relay;
mod types;

pub use command::{
    Command, CommandError, Ended, LINE_BYTES_MAX, OUTPUT_BYTES_MAX, OutputLine, OutputStream,
};
pub use endpoint::{DEFAULT_SOCKET, Endpoint, EndpointError};
pub use engine::{ActOptions, CALL_DEADLINE, Engine, EngineInfo, EngineVersion, Outcome};
pub use error::{EngineError, UnreachableWhy};
pub use event::{EngineEvent, EventStream};
pub use grant::{Granted, Refused, grant};
pub use hand_over::{
    ARCHIVE_BYTES_MAX, HandOverGrant, HandOverRole, HandOverTarget, NotOfHandOver, grant_hand_over,
};
pub use log::{LOG_LINE_BYTES_MAX, LogOptions, LogReader};
pub use relay::{Passage, Relayed, RelayedBody, passage};
pub use types::{Inspected, Listed, Mount, NetworkEndpoint, PortBinding};
