//! The Docker Engine client.
