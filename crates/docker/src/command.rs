//! Programs that the agent starts: `docker compose`, builds, hooks. Arguments and never a shell's text; an environment
//! that holds what is named here and nothing else of the agent's; a process group of their own, so that a cancel ends
//! all that they started too; output line by line, bounded.
//!
//! The only way to the Engine that a program is given is the socket that the caller names, which is the guarded one.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Child,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// Bytes of one line; a longer one is told in pieces.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of output that are told; the rest is read and counted.
pub const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes that are written to a program.
const STDIN_BYTES_MAX: usize = 1024 * 1024;
/// Time between the request to end and the kill.
const TERMINATE_GRACE: Duration = Duration::from_secs(3);
/// Time that output may take to end after the program has, before what it left behind is killed.
const LEFTOVER_GRACE: Duration = Duration::from_secs(1);
/// Variables of the agent that programs get: where programs, files and proxies are, and the language.
const KEPT_VARIABLES: [&str; 17] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "DOCKER_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// A program to be run once.
#[derive(Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    input: Vec<u8>,
    deadline: Duration,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// A line of output, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Where it came from.
    pub stream: OutputStream,
    /// The line; what is not text is replaced.
    pub text: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Bytes of output beyond what is told.
    pub untold_bytes: u64,
}

impl Ended {
    /// Whether it says that it succeeded.
    pub fn success(&self) -> bool {
        self.status.success()
    }
}

/// Why a program did not come to its end by itself.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot start '{program}'")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be waited for.
    #[error("cannot tell how the program ended")]
    Wait(#[source] io::Error),
    /// What is written to it is longer than what may be.
    #[error("more than {STDIN_BYTES_MAX} bytes for the standard input of a program")]
    Input,
    /// It took too long and was killed with all that it started.
    #[error("killed after {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// It was canceled and killed with all that it started.
    #[error("canceled")]
    Canceled,
}

impl Command {
    /// A program with its deadline; found by the agent's `PATH`.
    pub fn new(program: impl AsRef<OsStr>, deadline: Duration) -> Self {
        Command {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            folder: None,
            input: Vec::new(),
            deadline,
        }
    }

    /// Adds arguments.
    pub fn arguments<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter();
        self.arguments
            .extend(arguments.map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Lets it reach the Engine by a Unix socket.
    pub fn engine_socket(self, socket: &Path) -> Self {
        let mut address = OsString::from("unix://");
        address.push(socket);
        self.variable("DOCKER_HOST", address)
    }

    /// Runs it in a folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Gives it a standard input; without, that is empty.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it and tells its lines as they come. Dropping the future kills it with all that it started.
    ///
    /// # Errors
    /// [`CommandError`]; an exit status other than 0 is none.
    pub async fn run(
        self,
        cancel: &CancellationToken,
        mut tell: impl FnMut(OutputLine),
    ) -> Result<Ended, CommandError> {
        if self.input.len() > STDIN_BYTES_MAX {
            return Err(CommandError::Input);
        }
        let deadline = self.deadline;
        let (mut group, input) = self.start()?;
        let stdout = group.child.stdout.take();
        let stderr = group.child.stderr.take();
        let stdin = group.child.stdin.take();
        let mut told = Told::default();
        let outcome = {
            let mut lines = (
                Lines::new(stdout, OutputStream::Stdout),
                Lines::new(stderr, OutputStream::Stderr),
            );
            let feeding = async move {
                if let Some(mut stdin) = stdin {
                    // One that does not read its input is its own affair.
                    let _ = stdin.write_all(&input).await;
                }
            };
            tokio::pin!(feeding);
            let mut fed = false;
            let limit = sleep(deadline);
            tokio::pin!(limit);
            let mut ended: Option<io::Result<ExitStatus>> = None;
            let leftover = sleep(Duration::MAX);
            tokio::pin!(leftover);
            loop {
                if lines.0.ended
                    && lines.1.ended
                    && let Some(status) = ended
                {
                    break Outcome::Ended(status);
                }
                tokio::select! {
                    () = cancel.cancelled() => break Outcome::Canceled,
                    () = &mut limit => break Outcome::Deadline,
                    line = lines.0.next(), if !lines.0.ended => told.tell(line, &mut tell),
                    line = lines.1.next(), if !lines.1.ended => told.tell(line, &mut tell),
                    () = &mut feeding, if !fed => fed = true,
                    status = group.child.wait(), if ended.is_none() => {
                        ended = Some(status);
                        leftover.as_mut().reset(tokio::time::Instant::now() + LEFTOVER_GRACE);
                    }
                    () = &mut leftover, if ended.is_some() => {
                        lines.0.ended = true;
                        lines.1.ended = true;
                    }
                }
            }
        };
        match outcome {
            Outcome::Ended(status) => {
                // What it left behind would hold its output open for ever.
                group.kill(Signal::KILL);
                Ok(Ended {
                    status: status.map_err(CommandError::Wait)?,
                    untold_bytes: told.untold_bytes,
                })
            }
            Outcome::Canceled => {
                group.end().await;
                Err(CommandError::Canceled)
            }
            Outcome::Deadline => {
                group.end().await;
                Err(CommandError::Deadline(deadline))
            }
        }
    }

    fn start(self) -> Result<(Group, Vec<u8>), CommandError> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        for name in KEPT_VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.variables);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let stdin = match self.input.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        };
        let child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CommandError::Start {
                program: self.program.to_string_lossy().into_owned(),
                source,
            })?;
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok((Group { child, id }, self.input))
    }
}

enum Outcome {
    Ended(io::Result<ExitStatus>),
    Canceled,
    Deadline,
}

/// A program and all that it started and did not put into a group of their own.
struct Group {
    child: Child,
    /// The number of the group; it is nobody else's while one of the group lives.
    id: Option<Pid>,
}

impl Group {
    fn kill(&self, signal: Signal) {
        if let Some(id) = self.id {
            // Nobody left to get it is as good.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Asks it to end, and then ends it.
    async fn end(&mut self) {
        self.kill(Signal::TERM);
        let ended = timeout(TERMINATE_GRACE, self.child.wait()).await;
        self.kill(Signal::KILL);
        if ended.is_err() {
            let _ = timeout(TERMINATE_GRACE, self.child.wait()).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once it was waited for, those that are left were killed.
        if self.child.id().is_some() {
            self.kill(Signal::KILL);
        }
    }
}

#[derive(Default)]
struct Told {
    bytes: u64,
    untold_bytes: u64,
}

impl Told {
    fn tell(&mut self, line: Option<OutputLine>, tell: &mut impl FnMut(OutputLine)) {
        let Some(line) = line else { return };
        let bytes = line.text.len() as u64 + 1;
        if self.bytes + bytes > OUTPUT_BYTES_MAX {
            self.untold_bytes += bytes;
            return;
        }
        self.bytes += bytes;
        tell(line);
    }
}

/// Lines of one stream. Nothing is lost when a wait for the next one is given up.
struct Lines<R> {
    reader: Option<BufReader<R>>,
    stream: OutputStream,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(reader: Option<R>, stream: OutputStream) -> Self {
        Lines {
            ended: reader.is_none(),
            reader: reader.map(BufReader::new),
            stream,
            line: Vec::new(),
        }
    }

    /// The next line, or what there is of it once it is too long; `None` at the end.
    async fn next(&mut self) -> Option<OutputLine> {
        let reader = self.reader.as_mut()?;
        let room = (LINE_BYTES_MAX - self.line.len()) as u64;
        let read = reader.take(room).read_until(b'\n', &mut self.line).await;
        let whole = self.line.last() == Some(&b'\n') || self.line.len() >= LINE_BYTES_MAX;
        if !whole || read.is_err() {
            self.ended = true;
            if self.line.is_empty() {
                return None;
            }
        }
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(OutputLine {
            stream: self.stream,
            text: String::from_utf8_lossy(&line).into_owned(),
        })
    }
}
