//! Whether the agent runs and is linked, for those who ask from outside: a lock that it holds while it runs, and a small
//! file that says how the link is.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
};

use anyhow::Context;
use komodo_link::agent::LinkState;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

const LOCK: &str = "agent.lock";
const STATE: &str = "link.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    up: bool,
    /// How the link is, for people.
    text: String,
}

/// A running agent's hold on its folder. No second agent can have the same.
pub(crate) struct Presence {
    _lock: File,
    path: PathBuf,
    written: Mutex<Option<State>>,
}

impl Presence {
    /// Makes the folder, and takes it.
    pub(crate) fn take(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| {
            format!(
                "cannot make the root directory {} (PERIPHERY_ROOT_DIRECTORY)",
                root.display()
            )
        })?;
        let lock = open_lock(root)
            .with_context(|| format!("cannot write to the root directory {}", root.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                anyhow::bail!(
                    "another agent runs with the root directory {} (PERIPHERY_ROOT_DIRECTORY)",
                    root.display()
                )
            }
            Err(error) => return Err(error).context("the root directory cannot be locked"),
        }
        Ok(Presence {
            _lock: lock,
            path: root.join(STATE),
            written: Mutex::new(None),
        })
    }

    /// Notes how the link is.
    pub(crate) fn write(&self, link: &LinkState) {
        let (up, text) = match link {
            LinkState::Up { .. } => (true, "linked with Core".to_owned()),
            LinkState::Connecting => (false, "connecting to Core".to_owned()),
            LinkState::Refused { refusal, .. } => (
                false,
                format!("Core refuses this agent: {}", refusal.reason),
            ),
            LinkState::Waiting { last_error, .. } => {
                (false, format!("not linked with Core: {last_error}"))
            }
            LinkState::Stopped => (false, "stopping".to_owned()),
        };
        let state = State { up, text };
        let mut written = self
            .written
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if written.as_ref() == Some(&state) {
            return;
        }
        let staged = self.path.with_extension("new");
        let kept = serde_json::to_vec(&state)
            .map_err(io::Error::from)
            .and_then(|bytes| {
                fs::write(&staged, bytes)?;
                fs::rename(&staged, &self.path)
            });
        if let Err(error) = kept {
            tracing::warn!(path = %self.path.display(), %error, "the state of the link cannot be written");
        }
        *written = Some(state);
    }
}

fn open_lock(root: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(root.join(LOCK))
}

/// `komodo-periphery healthcheck`.
pub(crate) fn check(root: &Path) -> ExitCode {
    let runs = File::open(root.join(LOCK)).is_ok_and(|lock| {
        flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    });
    if !runs {
        println!("the agent does not run");
        return ExitCode::from(2);
    }
    let state = fs::read(root.join(STATE))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
    let state = state.unwrap_or(State {
        up: false,
        text: "starting".to_owned(),
    });
    println!("{}", state.text);
    if state.up {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
