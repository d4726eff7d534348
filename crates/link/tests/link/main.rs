//! Links between a real `Acceptor` and a real `agent::run`, over loopback sockets and in memory.

mod establish;
mod harness;
mod liveness;
mod pitfalls;
mod streams;
