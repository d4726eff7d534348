//! `komodo-core healthcheck`: what a container's health check and a service manager ask, without any other program.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long each step may take: connecting, asking, each read of the answer.
const STEP: Duration = Duration::from_secs(3);
/// How much of an answer is looked at, in bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Asks the Core that listens there whether it can do its work, and returns the first line of its answer where it can.
///
/// # Errors
/// Why it does not answer; [`io::ErrorKind::Other`] with the first line of the answer where it says that it cannot.
pub fn healthy(listen: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&reachable(listen), STEP)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let first = answer.lines().next().unwrap_or_default().to_owned();
    match first.split_whitespace().nth(1) {
        Some("200") => Ok(first),
        _ => Err(io::Error::other(first)),
    }
}

/// An address that a program on the same machine reaches what listens there by.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        // Core listens on both families there, and IPv4 is the one that every container has.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) | IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
