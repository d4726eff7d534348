//! Asks a program for its version. It gets nothing of Core's environment.

use std::{io, path::Path, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::FILE;

/// How long a program may take to tell its version.
const TELL: Duration = Duration::from_secs(10);
/// What is read of that, in bytes.
const TOLD_BYTES_MAX: u64 = 4096;

/// The version that a program says it is.
pub(super) async fn tell(program: &Path) -> Result<String, String> {
    let mut child = Command::new(program)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let told = child.stdout.take();
    let read = async {
        let mut text = String::new();
        if let Some(told) = told {
            let mut told = told.take(TOLD_BYTES_MAX);
            told.read_to_string(&mut text).await?;
        }
        Ok::<_, io::Error>((text, child.wait().await?))
    };
    let (text, status) = timeout(TELL, read)
        .await
        .map_err(|_| format!("it did not tell within {} s", TELL.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    // `komodo-periphery 2.4.0`
    match text
        .lines()
        .next()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
    {
        Some(words) if words.len() == 2 && words[0] == FILE => Ok(words[1].to_owned()),
        _ => Err("it does not say that it is komodo-periphery".to_owned()),
    }
}
