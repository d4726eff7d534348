//! What both ends must agree on: paths, limits, the form of a stream's lines.

use komodo_agent_api::AgentError;
use serde::{Deserialize, Serialize};

/// Path of each method of `AgentApi`; all are POST, since all but `events` carry a body.
pub(crate) mod path {
    /// Also the first request of a link.
    pub(crate) const HELLO: &str = "/hello";
    pub(crate) const EVENTS: &str = "/events";
    pub(crate) const INSPECT_CONTAINER: &str = "/container/inspect";
    pub(crate) const CONTAINER_LOG: &str = "/container/log";
    pub(crate) const OPERATE: &str = "/operation/operate";
    pub(crate) const FOLLOW: &str = "/operation/follow";
    pub(crate) const CANCEL: &str = "/operation/cancel";
    pub(crate) const RECEIVE_PROGRAM: &str = "/program/receive";
    pub(crate) const CONFIRM: &str = "/operation/confirm";
    pub(crate) const ACKNOWLEDGE: &str = "/operation/acknowledge";
}

/// Largest body of a request, in bytes: an undo names thousands of containers, and as what each is to be found.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Lines that are ready are sent together up to this size, in bytes. Tiny frames cost both ends, and too many unread
/// ones end the connection.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Longest line of a stream, in bytes. The largest is the snapshot of a host with thousands of containers.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One line of a stream.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line<T> {
    /// What the stream carries.
    Item(T),
    /// The stream ends with this.
    Error(AgentError),
}

/// Body of a follow.
#[derive(Serialize, Deserialize)]
pub(crate) struct Follow {
    pub(crate) operation: String,
    pub(crate) seq: u64,
}

/// Body of an inspect.
#[derive(Serialize, Deserialize)]
pub(crate) struct Inspect {
    pub(crate) container: komodo_api::resource::ContainerRef,
}

/// Body of a cancel.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cancel {
    pub(crate) operation: String,
    pub(crate) by: String,
}

/// Body of a confirmation or an acknowledgement.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) operation: String,
}
