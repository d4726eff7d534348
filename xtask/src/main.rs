//! Code generation and tidy checks of the workspace: `cargo xtask --help`.
fn main() {}
