//! The public operations, entities and errors of Komodo. Boundary crate: no tokio, no IO.
