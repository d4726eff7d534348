//! HTTP: connections with limits, headers on every answer, and the routes. What requests mean is for [`crate::dispatch`].

mod api;
mod connection;
mod page;
pub mod probe;
pub(crate) mod respond;
mod routes;

use std::{net::IpAddr, sync::Arc};

pub(crate) use connection::PeerAddress;
pub(crate) use connection::Seen;
pub use connection::serve;

/// Largest body of a request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The address a request comes from: the socket's, or, where that is a trusted proxy, the last one in `X-Forwarded-For`
/// that is none.
fn client_address(socket: IpAddr, trusted: &[IpAddr], headers: &http::HeaderMap) -> IpAddr {
    let socket = socket.to_canonical();
    if !trusted.contains(&socket) {
        return socket;
    }
    // From the last hop back: what stands before one that cannot be read was written by anybody.
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|list| list.split(','))
        .collect();
    for item in forwarded.into_iter().rev() {
        match item.trim().parse::<IpAddr>() {
            Ok(address) if trusted.contains(&address.to_canonical()) => {}
            Ok(address) => return address.to_canonical(),
            Err(_) => break,
        }
    }
    socket
}

/// Id of a request: the start of Core it belongs to, and its number since.
fn request_id(epoch: u64, number: u64) -> Arc<str> {
    format!("{epoch:x}-{number:x}").into()
}
