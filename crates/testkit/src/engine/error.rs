//! Why a private Engine did not do what a test wanted.

use std::{io, path::PathBuf, time::Duration};

/// Why a private Engine could not be started, or did not answer as expected.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Somebody asked for something that is not this test's own.
    #[error("refusing {what}: tests only ever use an engine that they started themselves")]
    NotPrivate {
        /// The offending socket or argument.
        what: String,
    },
    /// `scripts/engine` could not be run or failed; its own words say why and what to do.
    #[error("scripts/engine {arguments} failed: {message}")]
    Script {
        /// What it was asked to do.
        arguments: String,
        /// What it printed.
        message: String,
    },
    /// The Engine, or a state of it, did not come within the time given.
    #[error("{what} did not happen within {after:?}; last seen: {seen}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// What was there instead.
        seen: String,
    },
    /// The daemon ended while it was waited for.
    #[error("the engine's daemon ended: {log}")]
    DaemonEnded {
        /// The end of its log.
        log: String,
    },
    /// A file of the Engine cannot be used.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The Engine refused a request.
    #[error("the engine refused: {0}")]
    Api(#[from] bollard::errors::Error),
}
