//! Who is there, and what he may do.

pub mod permission;

pub use permission::{access, may_read};
