//! The Rust client of Core: typed operations over HTTP, and the live feed over a websocket.
//!
//! Belongs here: how Core is spoken to (addresses, credentials, deadlines, errors). Does not: what is done with the
//! answers, printing, and configuration files.
//!
//! ```no_run
//! # async fn example() -> Result<(), komodo_client::ClientError> {
//! use komodo_api::{container::StopAllContainers, resource::ServerRef};
//! use komodo_client::{Client, Credentials};
//!
//! let credentials = Credentials::ApiKey { key: "K_…_K".into(), secret: "S_…_S".into() };
//! let client = Client::new("http://localhost:9120", credentials)?;
//! let stop = StopAllContainers::of(ServerRef("host-1".into()));
//! let update = client.execute_and_wait(&stop, |so_far| println!("{} settled", so_far.verdicts.len())).await?;
//! assert!(update.success);
//! # Ok(()) }
//! ```

mod client;
mod credentials;
mod error;
mod http;
mod live;
mod watch;

#[cfg(test)]
mod tests;

pub use client::{Answer, CALL_MS_MAX, Client};
pub use credentials::Credentials;
pub use error::ClientError;
pub use http::{CONNECT_MS_MAX, RESPONSE_BYTES_MAX};
pub use live::{FRAME_BYTES_MAX, LOGIN_MS_MAX, Live, SILENCE_MS_MAX};
pub use watch::{OUTAGE_MS_MAX, POLL_MS, UpdateWatch};
