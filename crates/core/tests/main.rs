//! Core as its clients see it: real HTTP on loopback, a real database in a directory of its own.

mod authorization;
mod contract;
mod first_server;
mod harness;
mod onboarding;
mod requests;
mod servers;
mod sign_in;
mod sockets;
mod start;
