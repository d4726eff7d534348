//! Commands within a container that runs.

use std::time::Duration;

use bollard::{
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{EngineError, Observer};

/// Longest that a command may take.
const EXEC_DEADLINE: Duration = Duration::from_secs(60);
/// Most that is kept of what one prints.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// What it printed, both streams in order.
    pub output: String,
}

impl Observer {
    /// Runs a command in a container to its end.
    pub async fn exec<S: Into<String>>(
        &self,
        name: &str,
        command: impl IntoIterator<Item = S>,
    ) -> Result<Ended, EngineError> {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        let what = command.join(" ");
        match timeout(EXEC_DEADLINE, self.exec_to_its_end(name, command)).await {
            Ok(ended) => ended,
            Err(_) => Err(EngineError::Deadline {
                what: format!("the end of '{what}' in {name}"),
                after: EXEC_DEADLINE,
                seen: "that it runs".to_owned(),
            }),
        }
    }

    async fn exec_to_its_end(
        &self,
        name: &str,
        command: Vec<String>,
    ) -> Result<Ended, EngineError> {
        let config = ExecConfig {
            cmd: Some(command),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let id = self.docker().create_exec(name, config).await?.id;
        let options = StartExecOptions::default();
        let mut printed = Vec::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.docker().start_exec(&id, Some(options)).await?
        {
            while let Some(piece) = output.next().await {
                let piece = piece?.into_bytes();
                if printed.len() + piece.len() <= OUTPUT_BYTES_MAX {
                    printed.extend_from_slice(&piece);
                }
            }
        }
        let ended = self.docker().inspect_exec(&id).await?;
        Ok(Ended {
            code: ended.exit_code.unwrap_or(-1),
            output: String::from_utf8_lossy(&printed).into_owned(),
        })
    }
}
