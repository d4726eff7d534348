//! km, the command line.
fn main() {}
