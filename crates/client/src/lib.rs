//! The Rust client of Core.
