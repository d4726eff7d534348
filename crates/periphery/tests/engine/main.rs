//! The agent on a real Docker Engine of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod children;
mod contract;
mod core;
mod detach;
mod hand_over;
mod harness;
mod logs;
mod observing;
mod operating;
mod own_container;
mod recovery;
mod recreate;
mod trouble;
mod watchdog;

use komodo_testkit::engine::proxy;
