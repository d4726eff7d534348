//! What is asked of systemd, by its own programs, each with its deadline.

use std::{collections::BTreeMap, ffi::OsStr, path::PathBuf, time::Duration};

use komodo_docker::{Command, CommandError, OutputStream};
use tokio_util::sync::CancellationToken;

use crate::redact::redact;

/// Time for a question to systemd.
pub(crate) const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of what a program says that are kept.
const SAID_BYTES_MAX: usize = 16 * 1024;
/// Variables by which the user's systemd is found.
const USER_VARIABLES: [&str; 2] = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// Where systemd's programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemdPrograms {
    /// `systemctl`.
    pub systemctl: PathBuf,
    /// `systemd-run`.
    pub systemd_run: PathBuf,
}

impl Default for SystemdPrograms {
    /// By their names, found by the `PATH`.
    fn default() -> Self {
        SystemdPrograms {
            systemctl: "systemctl".into(),
            systemd_run: "systemd-run".into(),
        }
    }
}

/// One systemd: the system's, or the user's.
#[derive(Debug, Clone)]
pub(crate) struct Systemd {
    programs: SystemdPrograms,
    user: bool,
}

/// Why systemd did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemdError {
    /// It could not be asked.
    #[error("systemd cannot be asked")]
    Ask(#[source] CommandError),
    /// It refuses.
    #[error("systemd: {0}")]
    Refused(String),
}

impl SystemdError {
    /// Whether the program's file is open for writing somewhere at the moment.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            SystemdError::Ask(CommandError::Start { source, .. }) => {
                source.kind() == std::io::ErrorKind::ExecutableFileBusy
            }
            SystemdError::Ask(_) | SystemdError::Refused(_) => false,
        }
    }

    /// With its causes, for people.
    pub(crate) fn chain(&self) -> String {
        match self {
            SystemdError::Ask(error) => {
                let mut text = format!("{self}: {error}");
                let mut cause = std::error::Error::source(error);
                while let Some(error) = cause {
                    text.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                text
            }
            SystemdError::Refused(_) => self.to_string(),
        }
    }
}

impl Systemd {
    pub(crate) fn new(programs: SystemdPrograms, user: bool) -> Self {
        Systemd { programs, user }
    }

    /// What it says of a unit, by property. One that it does not know has `LoadState=not-found`.
    pub(crate) async fn show(
        &self,
        unit: &str,
        properties: &str,
    ) -> Result<BTreeMap<String, String>, SystemdError> {
        let properties = format!("--property={properties}");
        let shown = self
            .systemctl(["show", &properties, "--", unit], ASK_DEADLINE)
            .await?;
        let lines = shown.lines().filter_map(|line| line.split_once('='));
        Ok(lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// `systemctl` with these arguments; what it writes.
    pub(crate) async fn systemctl<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        within: Duration,
    ) -> Result<String, SystemdError> {
        let command = Command::new(&self.programs.systemctl, within);
        self.run(command, arguments).await
    }

    /// `systemd-run` with these arguments; what it writes.
    pub(crate) async fn systemd_run<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        within: Duration,
    ) -> Result<String, SystemdError> {
        let command = Command::new(&self.programs.systemd_run, within);
        self.run(command, arguments).await
    }

    async fn run<S: AsRef<OsStr>>(
        &self,
        command: Command,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, SystemdError> {
        let mut command = command.arguments(self.user.then_some("--user"));
        if self.user {
            for name in USER_VARIABLES {
                if let Some(value) = std::env::var_os(name) {
                    command = command.variable(name, value);
                }
            }
        }
        said(command.arguments(arguments)).await
    }
}

/// Runs a program; what it writes, or why it failed.
pub(super) async fn said(command: Command) -> Result<String, SystemdError> {
    let (mut output, mut complaint) = (String::new(), String::new());
    let ended = command
        .run(&CancellationToken::new(), |line| {
            let into = match line.stream {
                OutputStream::Stdout => &mut output,
                OutputStream::Stderr => &mut complaint,
            };
            if into.len() + line.text.len() < SAID_BYTES_MAX {
                into.push_str(&line.text);
                into.push('\n');
            }
        })
        .await
        .map_err(SystemdError::Ask)?;
    if ended.success() {
        return Ok(output);
    }
    let complaint = match complaint.trim() {
        "" => ended.status.to_string(),
        complaint => complaint.replace('\n', "; "),
    };
    Err(SystemdError::Refused(redact(&complaint)))
}
