//! km, the command line.
