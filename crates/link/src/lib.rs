//! Identity keys, handshake, HTTP/2 over one connection, reconnect, liveness. Knows nothing of Docker.
//!
//! ```text
//! TCP → [outer TLS, ended by Core or any proxy] → HTTP/1.1 upgrade, GET /link → WebSocket as a byte stream
//!     → inner TLS 1.3, Ed25519 raw public keys both ways, ALPN komodo-link/1 → HTTP/2
//! ```
//! Core is always the inner TLS client and the HTTP/2 client, the agent always both servers, whoever dialled.
//!
//! * Core: [`Acceptor::accept`] answers the upgrade, [`PendingLink::establish`] asks the [`Policy`] and says hello, and
//!   what comes out is a [`Link`] with a [`LinkClient`].
//! * Agent: [`agent::run`] keeps a link for ever and serves any `tower` service over it.
//!
//! What requests mean does not belong here, and neither does anything that knows of servers or containers.

#[cfg(feature = "core")]
mod accept;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "core")]
mod client;
mod identity;
mod join;
mod tls;
mod wire;
mod wsio;

#[cfg(feature = "core")]
pub use accept::{
    Acceptor, Answer, CoreTimings, ESTABLISHING_MAX, ESTABLISHING_PER_ADDRESS_MAX, EstablishError,
    Link, Origin, PendingLink, Policy, Recognition, WAITING_MAX, websocket_accept,
};
#[cfg(feature = "core")]
pub use client::{
    BodyError, Closed, LinkBody, LinkClient, Peer, REQUESTS_IN_FLIGHT_MAX, RequestError,
};
pub use identity::{Identity, IdentityError, PublicKey, PublicKeyError};
pub use join::{JOIN_TOKEN_BYTES_MAX, JoinError, JoinString, JoinToken};
pub use wire::{
    ALPN, CONNECT_AS_BYTES_MAX, FRAME_BYTES_MAX, HELLO_BYTES_MAX, HELLO_PATH, Refusal, Stage,
    UPGRADE_PATH,
};
pub use wsio::WsIo;
