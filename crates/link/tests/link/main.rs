//! Links between a real `Acceptor` and a real `agent::run`, over loopback sockets and in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod carrier;
mod establish;
mod harness;
mod liveness;
mod relay;
mod strangers;
mod streams;
