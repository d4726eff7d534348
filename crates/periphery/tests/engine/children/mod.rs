//! Child processes on the guarded socket: real clients (`docker`, Compose, raw HTTP) on a real Engine.

mod compose;
mod refused;
mod streams;

use std::{path::Path, process::Stdio};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::harness::{Harness, PATIENCE};

/// What a client said and how it ended.
struct Said {
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).trim().to_owned()
    }

    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.text(), self.err);
        self
    }
}

fn client(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        // The reference machine has no buildx.
        .env("DOCKER_BUILDKIT", "0")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn docker(socket: &Path, arguments: &[&str]) -> Said {
    docker_with(socket, arguments, Vec::new()).await
}

async fn docker_with(socket: &Path, arguments: &[&str], input: Vec<u8>) -> Said {
    let mut command = client(socket, arguments);
    let running = async {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeding = async move {
            let _ = stdin.write_all(&input).await;
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feeding);
        output.unwrap()
    };
    let output = timeout(PATIENCE, running)
        .await
        .unwrap_or_else(|_| panic!("docker {arguments:?} does not end"));
    Said {
        code: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn socket(harness: &Harness) -> &Path {
    harness.agent.children().unwrap().path()
}
