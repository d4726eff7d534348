//! The live feed, `/ws/live`: snapshots and deltas instead of polling.
//!
//! The first frame of a client is the login of `/ws/update`; the answer is the text `LOGGED_IN`. Then the client sends
//! [`LiveRequest`]s and the server [`LiveMessage`]s, each a JSON text frame. Every subscription begins with a snapshot;
//! a reader that is too slow gets `gap` and then a new snapshot. A heartbeat comes every 15 s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Error, UnixMs,
    resource::{ContainerRef, ServerRef},
};

/// Time between heartbeats.
pub const HEARTBEAT_MS: u64 = 15_000;
/// Subscriptions that one socket may hold.
pub const SUBSCRIPTIONS_MAX: usize = 64;

/// The first frame of every websocket.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "params")]
pub enum WsLoginMessage {
    /// With a token.
    Jwt {
        /// JSON Web Token.
        jwt: String,
    },
    /// With an API key.
    ApiKeys {
        /// `K_…_K`.
        key: String,
        /// `S_…_S`.
        secret: String,
    },
}

/// What a client asks of the live feed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveRequest {
    /// Starts a subscription; `id` is chosen by the client and unique among its open ones.
    Subscribe {
        /// Number of the subscription.
        id: u32,
        /// What it is about.
        topic: Topic,
        /// Last revision that the client has of it; where the server still holds what came after, it resumes without a
        /// snapshot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// Number of the subscription.
        id: u32,
    },
}

/// What a subscription is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// The servers that the caller may read: `ServerListItem`s by `id`.
    Servers,
    /// The containers of a server: `ContainerListItem`s by `id`.
    Containers {
        /// Server, by id or name.
        server: ServerRef,
    },
    /// The newest 100 Updates that the caller may read: `UpdateListItem`s by `id`.
    Updates,
    /// One Update, whole, sent again at each change (at most 20 times a second).
    Update {
        /// Id.
        update: String,
    },
    /// The newest 100 alerts that the caller may read: `Alert`s by `_id`.
    Alerts,
    /// The log of a container, followed.
    ContainerLog {
        /// Server, by id or name.
        server: ServerRef,
        /// Container, by name or id.
        container: ContainerRef,
        /// How many lines from before.
        #[serde(default)]
        tail: u64,
        /// Only lines from this time on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<UnixMs>,
    },
}

/// What the live feed sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveMessage {
    /// All there is, in place of all that was sent before.
    Snapshot {
        /// Number of the subscription.
        id: u32,
        /// Revision.
        rev: u64,
        /// A list of items, or the one item.
        data: Box<RawValue>,
    },
    /// What changed since the revision before.
    Delta {
        /// Number of the subscription.
        id: u32,
        /// Revision.
        rev: u64,
        /// Items that are new or changed, whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        upsert: Vec<Box<RawValue>>,
        /// Ids of items that are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
    },
    /// Lines of a log.
    Lines {
        /// Number of the subscription.
        id: u32,
        /// The lines.
        lines: Vec<LogLine>,
    },
    /// Something was left out because the reader was too slow; a snapshot (or the end of a log) follows.
    Gap {
        /// Number of the subscription.
        id: u32,
    },
    /// The subscription cannot be served; it has ended.
    Error {
        /// Number of the subscription; absent where the frame could not be read.
        id: Option<u32>,
        /// Why.
        error: Error,
    },
    /// The subscription has ended, as with the end of a log.
    End {
        /// Number of the subscription.
        id: u32,
    },
    /// Still there.
    Heartbeat {
        /// Time of Core.
        at: UnixMs,
    },
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Time, RFC 3339 with nanoseconds as the Engine gives it; empty where it has none.
    #[serde(rename = "t")]
    pub time: String,
    /// Where it was written.
    #[serde(rename = "s")]
    pub stream: LogStream,
    /// The line, without its end.
    #[serde(rename = "l")]
    pub line: String,
}
