//! HTTP: connections with limits, headers on every answer, and the routes. What requests mean is for [`crate::dispatch`].

mod api;
mod connection;
mod page;
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
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let addresses: Vec<IpAddr> = forwarded
        .flat_map(|list| list.split(','))
        .map_while(|item| item.trim().parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
        .collect();
    addresses
        .iter()
        .rev()
        .find(|address| !trusted.contains(address))
        .copied()
        .unwrap_or(socket)
}

/// Id of a request: the start of Core it belongs to, and its number since.
fn request_id(epoch: u64, number: u64) -> Arc<str> {
    format!("{epoch:x}-{number:x}").into()
}
