//! What Core may ask of an agent, and what an agent tells. Boundary crate: no tokio, no IO.
