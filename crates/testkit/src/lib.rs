//! Real Engines, fleets, clients by role and scenarios for tests.

pub mod contract;
pub mod engine;
pub mod installation;
