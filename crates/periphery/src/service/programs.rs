//! Programs that Core has sent, each under its hash: one in parts, and one that is complete. What is complete was
//! checked when it became so, and is checked again before it is used.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use komodo_agent_api::{AgentError, AgentErrorCode, PART_BYTES_MAX, ProgramPart, ProgramReceived};
use komodo_api::periphery::Program;
use komodo_failpoint::failpoint;
use komodo_link::PublicKey;
use komodo_plan::program::{check, signed_text};
use rustix::fs::statvfs;
use tokio::{sync::Mutex, task::spawn_blocking, time::timeout};

use super::digest::sha256;

/// The folder of the programs.
const FOLDER: &str = "programs";
/// Ends the name of one that is not complete.
const PART: &str = "part";
/// Who may do what with a program.
const MODE: u32 = 0o755;
/// Bytes that are left free on a disk.
pub(super) const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Characters of a part in base64.
const PART_CHARS_MAX: usize = PART_BYTES_MAX.div_ceil(3) * 4;
/// Time that one waits for another to be taken.
const TURN_DEADLINE: Duration = Duration::from_secs(5);

/// The programs of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    core_keys: Vec<PublicKey>,
    /// One is written, or read, at a time.
    turn: Arc<Mutex<()>>,
}

impl Programs {
    /// Those in an agent's folder; whose signature counts.
    pub(crate) fn new(root: &Path, core_keys: Vec<PublicKey>) -> Self {
        Programs {
            shared: Arc::new(Shared {
                folder: root.join(FOLDER),
                core_keys,
                turn: Arc::default(),
            }),
        }
    }

    /// Takes a part.
    ///
    /// # Errors
    /// As [`komodo_agent_api::AgentApi::receive_program`].
    pub(crate) async fn receive(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        let bytes = self.apart(move |shared| shared.receive(&part)).await??;
        Ok(ProgramReceived { bytes })
    }

    /// The path of a complete program, checked anew. One that is wrong is taken away.
    ///
    /// # Errors
    /// Why it cannot be used, for people.
    pub(crate) async fn checked(&self, program: &Program) -> Result<PathBuf, String> {
        let program = program.clone();
        let checked = self.apart(move |shared| shared.checked(&program)).await;
        let checked = checked.and_then(|checked| checked);
        checked.map_err(|error| error.message)
    }

    /// Takes all away.
    pub(crate) async fn clear(&self) {
        let cleared = self.apart(|shared| shared.clear()).await;
        if let Err(error) | Ok(Err(error)) = cleared {
            tracing::warn!(
                error = error.message,
                "programs that Core has sent cannot be removed"
            );
        }
    }

    /// Does something with the disk, one at a time; it is not broken off where whoever asked goes away.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let turn = Arc::clone(&self.shared.turn).lock_owned();
        let turn = timeout(TURN_DEADLINE, turn).await.map_err(|_| {
            let why = "another program is being taken; try again";
            AgentError::new(AgentErrorCode::DeadlineExceeded, why)
        })?;
        let shared = Arc::clone(&self.shared);
        let done = spawn_blocking(move || {
            let done = work(&shared);
            drop(turn);
            done
        });
        done.await
            .map_err(|error| AgentError::new(AgentErrorCode::Internal, error.to_string()))
    }
}

fn invalid(why: impl Into<String>) -> AgentError {
    AgentError::new(AgentErrorCode::Invalid, why)
}

impl Shared {
    fn receive(&self, part: &ProgramPart) -> Result<u64, AgentError> {
        let ProgramPart {
            program,
            offset,
            part,
        } = part;
        self.check(program)?;
        let (whole, staged) = self.paths(program);
        if length(&whole)? == Some(program.bytes) {
            return Ok(program.bytes);
        }
        let had = length(&staged)?.unwrap_or(0);
        if had >= program.bytes {
            // It was written, and the agent ended before it was checked.
            self.complete(program, &staged, &whole)?;
            return Ok(program.bytes);
        }
        if part.is_empty() || *offset != had {
            return Ok(had);
        }
        let too_long = || invalid(format!("a part has {PART_BYTES_MAX} bytes at most"));
        if part.len() > PART_CHARS_MAX {
            return Err(too_long());
        }
        let bytes = STANDARD
            .decode(part)
            .map_err(|error| invalid(format!("the part is no base64: {error}")))?;
        if bytes.len() > PART_BYTES_MAX {
            return Err(too_long());
        }
        let received = had.saturating_add(bytes.len() as u64);
        if received > program.bytes {
            self.remove(&staged)?;
            return Err(invalid("there is more of it than was said"));
        }
        self.write(program, &staged, had, &bytes)
            .map_err(|error| self.of_disk(&error))?;
        failpoint!("program.part");
        if received == program.bytes {
            self.complete(program, &staged, &whole)?;
        }
        Ok(received)
    }

    /// What can be known without the bytes.
    fn check(&self, program: &Program) -> Result<(), AgentError> {
        check(program).map_err(invalid)?;
        let own = std::env::consts::ARCH;
        if program.architecture != own {
            return Err(invalid(format!(
                "the program is for {}, and this host is {own}",
                program.architecture
            )));
        }
        let text = signed_text(program);
        let mut keys = self.core_keys.iter();
        if !keys.any(|key| key.has_signed(text.as_bytes(), &program.signature)) {
            for path in <[PathBuf; 2]>::from(self.paths(program)) {
                self.remove(&path)?;
            }
            return Err(invalid(
                "the signature of the program is wrong: no Core that this agent knows has signed it",
            ));
        }
        Ok(())
    }

    fn write(&self, program: &Program, staged: &Path, had: u64, bytes: &[u8]) -> io::Result<()> {
        if had == 0 {
            fs::create_dir_all(&self.folder)?;
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
            self.clear()
                .map_err(|error| io::Error::other(error.message))?;
            let needed = program.bytes.saturating_add(FREE_BYTES_MIN);
            has_room(&self.folder, needed)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(staged)?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn complete(&self, program: &Program, staged: &Path, whole: &Path) -> Result<(), AgentError> {
        let found = sha256(staged).map_err(|error| self.of_disk(&error))?;
        if found != program.sha256 {
            self.remove(staged)?;
            return Err(wrong_hash(program, &found));
        }
        let name = || {
            fs::set_permissions(staged, fs::Permissions::from_mode(MODE))?;
            File::open(staged)?.sync_all()?;
            fs::rename(staged, whole)?;
            File::open(&self.folder)?.sync_all()
        };
        name().map_err(|error| self.of_disk(&error))?;
        tracing::info!(version = program.version, "a program of Core's is here");
        failpoint!("program.complete");
        Ok(())
    }

    fn checked(&self, program: &Program) -> Result<PathBuf, AgentError> {
        self.check(program)?;
        let (whole, _) = self.paths(program);
        if length(&whole)? != Some(program.bytes) {
            return Err(invalid(format!(
                "the program of version {} has not come over completely; try again",
                program.version
            )));
        }
        let found = sha256(&whole).map_err(|error| self.of_disk(&error))?;
        if found != program.sha256 {
            self.remove(&whole)?;
            return Err(wrong_hash(program, &found));
        }
        Ok(whole)
    }

    /// Where a program is when it is complete, and before.
    fn paths(&self, program: &Program) -> (PathBuf, PathBuf) {
        let whole = self.folder.join(&program.sha256);
        let staged = whole.with_extension(PART);
        (whole, staged)
    }

    fn clear(&self) -> Result<(), AgentError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.of_disk(&error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| self.of_disk(&error))?.path();
            self.remove(&path)?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), AgentError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.of_disk(&error)),
            _ => Ok(()),
        }
    }

    fn of_disk(&self, error: &io::Error) -> AgentError {
        let folder = self.folder.display();
        let why = format!("the program cannot be kept in {folder}: {error}");
        AgentError::new(AgentErrorCode::StorageFull, why)
    }
}

fn wrong_hash(program: &Program, found: &str) -> AgentError {
    invalid(format!(
        "the SHA-256 of the program is wrong: it is {found}, and was said to be {}",
        program.sha256
    ))
}

fn length(path: &Path) -> Result<Option<u64>, AgentError> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(file.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let why = format!("{} cannot be read: {error}", path.display());
            Err(AgentError::new(AgentErrorCode::Internal, why))
        }
    }
}

/// Whether the disk of a folder takes so many bytes more.
///
/// # Errors
/// Where it does not, or does not tell.
pub(super) fn has_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let disk = statvfs(folder)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    match free >= bytes {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "the disk of {} has {free} bytes free, and {bytes} are needed",
            folder.display()
        ))),
    }
}

#[cfg(test)]
mod tests;
