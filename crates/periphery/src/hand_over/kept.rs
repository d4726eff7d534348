//! Small documents in the agent's folder that must outlive it: the plans of what is handed over, and the mark of an
//! agent that went on purpose. Durable before they count.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use komodo_api::{UnixMs, container::ContainerAction};
use komodo_plan::{hand_over::HandOverPlan, unit_hand_over::UnitPlan};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The folder of the plans.
const PLANS: &str = "hand-over";
/// The mark of an agent that went on purpose.
pub const DETACHED: &str = "detached.json";
/// Bytes of one document.
const BYTES_MAX: u64 = 1024 * 1024;

/// What an agent that goes on purpose leaves behind, for a watchdog and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// Name of the user who asked.
    pub by: String,
    /// What is done to its container.
    pub action: ContainerAction,
    /// When.
    pub at: UnixMs,
    /// The command that brings it back, to be run on its host.
    pub bring_back: String,
}

/// The agent's folder.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    root: PathBuf,
    elsewhere: Vec<PathBuf>,
}

impl Kept {
    /// The folder, and what of the agent's state is elsewhere.
    pub(crate) fn new(root: &Path, elsewhere: &[PathBuf]) -> Self {
        // As the container shows it, whatever the working directory is.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
        Kept {
            root: real(root),
            elsewhere: elsewhere.iter().map(|path| real(path)).collect(),
        }
    }

    /// All that the next agent needs of this one.
    pub(crate) fn state(&self) -> Vec<String> {
        let all = std::iter::once(&self.root).chain(&self.elsewhere);
        all.map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    /// The agent's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps the plan of an operation, until [`forget_plan`](Self::forget_plan).
    pub(crate) async fn keep_plan(&self, plan: &HandOverPlan) -> io::Result<()> {
        write(self.plan_path(&plan.operation), serde_json::to_vec(plan)?).await
    }

    /// The plan of an operation, where one is kept.
    pub(crate) fn plan(&self, operation: &str) -> Option<HandOverPlan> {
        read(&self.plan_path(operation))
    }

    /// Keeps the plan of an operation on the agent's own service, until [`forget_plan`](Self::forget_plan).
    pub(crate) async fn keep_unit_plan(&self, plan: &UnitPlan) -> io::Result<()> {
        write(self.plan_path(&plan.operation), serde_json::to_vec(plan)?).await
    }

    /// The plan of an operation on the agent's own service, where one is kept.
    pub(crate) fn unit_plan(&self, operation: &str) -> Option<UnitPlan> {
        read(&self.plan_path(operation))
    }

    /// An operation other than this one whose plan is kept.
    pub(crate) fn other_plan(&self, operation: &str) -> Option<String> {
        self.plans().into_iter().find(|other| other != operation)
    }

    /// The operations whose plans are kept.
    pub(crate) fn plans(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(PLANS)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect()
    }

    pub(crate) async fn forget_plan(&self, operation: &str) {
        remove(self.plan_path(operation)).await;
    }

    /// Marks that the agent goes on purpose.
    pub(crate) async fn mark_detached(&self, detached: &Detached) -> io::Result<()> {
        write(self.root.join(DETACHED), serde_json::to_vec(detached)?).await
    }

    /// The agent is there, and not detached.
    pub(crate) async fn unmark_detached(&self) {
        remove(self.root.join(DETACHED)).await;
    }

    /// Where the plan of an operation is kept.
    pub(crate) fn plan_path(&self, operation: &str) -> PathBuf {
        self.root.join(PLANS).join(format!("{operation}.json"))
    }
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let length = fs::metadata(path).ok()?.len();
    let bytes = fs::read(path).ok().filter(|_| length <= BYTES_MAX)?;
    serde_json::from_slice(&bytes).ok()
}

pub(super) async fn write(path: PathBuf, bytes: Vec<u8>) -> io::Result<()> {
    let work = move || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let staged = path.with_extension("new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&staged)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&staged, &path)?;
        File::open(folder)?.sync_all()
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub(super) async fn remove(path: PathBuf) {
    let work = move || match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "it cannot be removed");
        }
        _ => {}
    };
    // It only fails with the runtime.
    let _ = tokio::task::spawn_blocking(work).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    #[tokio::test]
    async fn a_mark_is_there_until_it_is_taken_away() {
        let directory = TestDirectory::new();
        let kept = Kept::new(directory.path(), &[]);
        let detached = Detached {
            by: "ann".into(),
            action: ContainerAction::Pause,
            at: 7,
            bring_back: "docker unpause agent".into(),
        };
        kept.mark_detached(&detached).await.unwrap();
        let path = directory.path().join(DETACHED);
        assert_eq!(read::<Detached>(&path), Some(detached));
        kept.unmark_detached().await;
        kept.unmark_detached().await;
        assert!(!path.exists());
    }
}
