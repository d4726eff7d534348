//! Programs that the agent starts, and their way to the Engine.
//!
//! A child process must not be a way around the guard: whatever it is (`docker compose`, a build, a hook, a script), it
//! reaches the Engine only through the socket here. Nothing here opens the Engine's own socket; that is `komodo-docker`.

mod compose;
mod socket;

pub use compose::{Compose, ComposeError, PROJECT_LABEL, Project, ProjectNameError};
pub use socket::{ChildrenSocket, SocketError};
