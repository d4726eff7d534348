//! `docker compose up` and `down` of a project, as a child on the guarded socket. Planned from the project's containers
//! before the child starts, so that a refusal comes first and not halfway; the socket refuses what the plan could not
//! see.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use komodo_agent_api::Container;
use komodo_docker::{Command, CommandError, Ended, Engine, EngineError, OutputLine};
use komodo_plan::{ContainerVerb, EngineChange, EngineRefusal, Facts, ObjectKind, Resolved, judge};
use tokio_util::sync::CancellationToken;

use super::ChildrenSocket;
use crate::observe::Observatory;

/// Label by which Compose knows the containers and networks of a project.
pub const PROJECT_LABEL: &str = "com.docker.compose.project";
/// Time for an `up` or a `down`: images may have to be pulled.
const COMPOSE_DEADLINE: Duration = Duration::from_secs(3600);
/// Characters of a project's name.
const NAME_CHARS_MAX: usize = 128;

/// A Compose project: its name, and the folder of its compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    name: String,
    folder: PathBuf,
}

/// No project can be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no name for a project: small letters, digits, '-' and '_', a letter or digit first"
)]
pub struct ProjectNameError(String);

impl Project {
    /// A project.
    ///
    /// # Errors
    /// [`ProjectNameError`] where Compose would refuse the name, too.
    pub fn new(name: &str, folder: &Path) -> Result<Self, ProjectNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = name.len() <= NAME_CHARS_MAX
            && name.bytes().next().is_some_and(plain)
            && name
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b'-' | b'_'));
        match valid {
            true => Ok(Project {
                name: name.to_owned(),
                folder: folder.to_owned(),
            }),
            false => Err(ProjectNameError(name.chars().take(80).collect())),
        }
    }
}

/// Why a project was not brought up or down.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// It would take away what is protected; nothing was done.
    #[error("{}", .0.message)]
    Protected(EngineRefusal),
    /// The Engine could not be asked; nothing was done.
    #[error("the Engine could not be asked what the project consists of")]
    Engine(#[from] EngineError),
    /// Compose did not come to its end.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Compose says that it failed.
    #[error("docker compose failed ({status}): {last}")]
    Failed {
        /// Its exit status.
        status: String,
        /// The last line that it wrote to standard error.
        last: String,
    },
}

/// Runs Compose.
#[derive(Debug)]
pub struct Compose<'a> {
    engine: &'a Engine,
    observatory: &'a Observatory,
    socket: &'a ChildrenSocket,
}

/// What Compose is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Up,
    Down,
}

impl<'a> Compose<'a> {
    /// Compose on an agent's Engine.
    pub fn new(
        engine: &'a Engine,
        observatory: &'a Observatory,
        socket: &'a ChildrenSocket,
    ) -> Self {
        Compose {
            engine,
            observatory,
            socket,
        }
    }

    /// Makes and starts what the project lacks, and makes anew what has changed.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn up(
        &self,
        project: &Project,
        cancel: &CancellationToken,
        tell: impl FnMut(OutputLine),
    ) -> Result<(), ComposeError> {
        self.run(project, Verb::Up, cancel, tell).await
    }

    /// Stops and removes the project's containers and its networks.
    ///
    /// # Errors
    /// [`ComposeError`]; [`ComposeError::Protected`] before anything was done.
    pub async fn down(
        &self,
        project: &Project,
        cancel: &CancellationToken,
        tell: impl FnMut(OutputLine),
    ) -> Result<(), ComposeError> {
        self.run(project, Verb::Down, cancel, tell).await
    }

    async fn run(
        &self,
        project: &Project,
        verb: Verb,
        cancel: &CancellationToken,
        mut tell: impl FnMut(OutputLine),
    ) -> Result<(), ComposeError> {
        match verb {
            Verb::Up => self.plan_up(project, cancel).await?,
            Verb::Down => self.plan_down(project).await?,
        }
        let arguments: &[&str] = match verb {
            Verb::Up => &["up", "--detach"],
            Verb::Down => &["down"],
        };
        let mut last = String::new();
        let ended = self
            .command(project)
            .arguments(["--progress", "plain"])
            .arguments(arguments)
            .run(cancel, |line| {
                if line.stream == komodo_docker::OutputStream::Stderr {
                    last.clone_from(&line.text);
                }
                tell(line);
            })
            .await?;
        succeeded(ended, last)
    }

    fn command(&self, project: &Project) -> Command {
        Command::new("docker", COMPOSE_DEADLINE)
            .engine_socket(self.socket.path())
            .folder(&project.folder)
            .arguments([
                "compose",
                "--ansi",
                "never",
                "--project-name",
                &project.name,
            ])
    }

    /// Whether all that a `down` takes away may be taken.
    async fn plan_down(&self, project: &Project) -> Result<(), ComposeError> {
        self.observatory.refresh(self.engine).await?;
        let networks = self
            .engine
            .networks_labelled(PROJECT_LABEL, &project.name)
            .await?;
        self.judge(|containers| {
            let own = containers
                .iter()
                .filter(|container| container.project() == Some(&project.name));
            let removals = own.map(|container| removal_of(container));
            let networks = networks.iter().map(|name| {
                let kind = ObjectKind::Network;
                let reference = name.clone();
                let id = name.clone();
                (
                    EngineChange::Remove { kind, reference },
                    Resolved {
                        id,
                        name: name.clone(),
                    },
                )
            });
            removals.chain(networks).collect()
        })
    }

    /// Whether all that an `up` makes anew may be taken away meanwhile. Compose itself says what that is: only it
    /// knows what has changed.
    async fn plan_up(
        &self,
        project: &Project,
        cancel: &CancellationToken,
    ) -> Result<(), ComposeError> {
        self.observatory.refresh(self.engine).await?;
        let concerned = self.observatory.read(|view| {
            view.protected().iter().any(|entry| {
                let container = view.by_id(&entry.id);
                container.is_some_and(|container| container.project() == Some(&project.name))
            })
        });
        if !concerned {
            return Ok(());
        }
        let (mut replaced, mut last) = (Vec::new(), String::new());
        let ended = self
            .command(project)
            .arguments(["--dry-run", "--progress", "json", "up", "--detach"])
            .run(cancel, |line| {
                replaced.extend(replaced_container(&line.text));
                last = line.text;
            })
            .await?;
        succeeded(ended, last)?;
        self.judge(|containers| {
            containers
                .iter()
                .filter(|container| replaced.contains(&container.name))
                .map(|container| removal_of(container))
                .collect()
        })
    }

    /// Asks the guard about each of several changes.
    fn judge(
        &self,
        changes: impl FnOnce(&[&Container]) -> Vec<(EngineChange, Resolved)>,
    ) -> Result<(), ComposeError> {
        self.observatory.read(|view| {
            let containers: Vec<&Container> =
                view.containers().map(|container| &**container).collect();
            let facts = Facts {
                containers: &containers,
                protected: view.protected(),
            };
            for (change, named) in changes(&containers) {
                judge(&change, &named, facts).map_err(ComposeError::Protected)?;
            }
            Ok(())
        })
    }
}

fn removal_of(container: &Container) -> (EngineChange, Resolved) {
    let change = EngineChange::Container {
        reference: container.id.clone(),
        verb: ContainerVerb::Remove,
    };
    let named = Resolved {
        id: container.id.clone(),
        name: container.name.clone(),
    };
    (change, named)
}

fn succeeded(ended: Ended, last: String) -> Result<(), ComposeError> {
    match ended.success() {
        true => Ok(()),
        false => Err(ComposeError::Failed {
            status: ended.status.to_string(),
            last,
        }),
    }
}

/// The container that a line of Compose's progress says is replaced or taken away.
fn replaced_container(line: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Progress {
        id: String,
        text: String,
    }
    let Progress { id, text } = serde_json::from_str(line).ok()?;
    let takes_away = ["Recreate", "Stop", "Remov", "Kill", "Restart"];
    let name = id.strip_prefix("Container ")?;
    takes_away
        .iter()
        .any(|word| text.starts_with(word))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_compose_would_refuse_is_no_name() {
        for good in ["komodo", "0", "my-app_2"] {
            assert!(Project::new(good, Path::new("/")).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "_x",
            "Komodo",
            "a b",
            "a/b",
            "--help",
            &"a".repeat(200),
        ] {
            assert!(Project::new(bad, Path::new("/")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_up_replaces_is_read_from_the_progress_of_a_dry_run() {
        let replaced = |line: &str| replaced_container(line);
        for (line, expected) in [
            (
                r#"{"id":"Container p-db-1","status":"Working","text":"Recreate"}"#,
                Some("p-db-1"),
            ),
            (
                r#"{"dry-run":true,"id":"Container p-old-1","text":"Stopping"}"#,
                Some("p-old-1"),
            ),
            (
                r#"{"id":"Container p-web-1","status":"Done","text":"Running"}"#,
                None,
            ),
            (
                r#"{"id":"Container p-web-1","status":"Working","text":"Starting"}"#,
                None,
            ),
            (r#"{"id":"Network p_default","text":"Removing"}"#, None),
            ("not json", None),
        ] {
            assert_eq!(replaced(line).as_deref(), expected, "{line}");
        }
    }
}
