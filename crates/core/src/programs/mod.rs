//! Programs of the agent that Core serves to agents which run as services: kept in files, so that they can be put there
//! while Core runs. When one is sent, and to whom, is in [`crate::tasks`].

mod add;
mod elf;
mod looked;
mod tell;

use std::{
    cmp::Reverse,
    fs,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use komodo_agent_api::PART_BYTES_MAX;
use komodo_api::{Code, Error, periphery::Program};
use komodo_link::PublicKey;
use komodo_plan::program::{check, signed_text};
use semver::Version;

pub use add::{AddError, Added, add, list, remove};
use looked::{Looked, Stamp};

/// Programs that are kept at most.
pub const PROGRAMS_MAX: usize = 200;
/// Folder of them in the data directory.
const FOLDER: &str = "agents";
/// Name of a program's file.
const FILE: &str = "komodo-periphery";
/// Name of the file that describes it.
const DESCRIPTION: &str = "program.json";
/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: u64 = 16 * 1024;
/// What is read of a file at a time, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// A program that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its version, by its folder.
    pub version: String,
    /// Its architecture, by its folder.
    pub architecture: String,
    /// What is served, or why it is not.
    pub program: Result<Program, Unfit>,
}

/// Why a program is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It, or what describes it, cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// What describes it is of another one.
    #[error("its program.json does not describe it: {0}")]
    Undescribed(String),
    /// Not by this Core.
    #[error("it is not signed with the key of this Core; remove it and add it again")]
    Unsigned,
    /// Its bytes are not those that were signed.
    #[error("its file was changed: its SHA-256 is {0}, and not the one that was signed")]
    Changed(String),
}

/// The programs that a Core keeps.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    key: PublicKey,
    looked: Looked,
}

/// A program that was checked, ready to be sent. It stays as it is when its file is removed meanwhile.
#[derive(Debug, Clone)]
pub struct OpenProgram {
    /// What it is.
    pub program: Program,
    file: Arc<fs::File>,
}

impl Programs {
    /// Those in a data directory, signed with the key of its Core.
    pub fn new(data_directory: &Path, key: PublicKey) -> Self {
        Programs {
            folder: data_directory.join(FOLDER),
            key,
            looked: Looked::default(),
        }
    }

    /// All that are kept, the newest first, and which of them are served. Blocks; a file is read only where it changed
    /// since it was read last.
    ///
    /// # Errors
    /// Where their folder cannot be read.
    pub fn kept(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for version in names(&self.folder)? {
            let folder = self.folder.join(&version);
            if !folder.is_dir() {
                continue;
            }
            for architecture in names(&folder)? {
                if kept.len() < PROGRAMS_MAX && folder.join(&architecture).is_dir() {
                    kept.push(self.look(&version, &architecture));
                }
            }
        }
        kept.sort_by(|a, b| {
            let by_version = Reverse(order(&a.version)).cmp(&Reverse(order(&b.version)));
            by_version.then_with(|| a.architecture.cmp(&b.architecture))
        });
        self.looked.keep_only(kept.len());
        Ok(kept)
    }

    /// What is served, the newest first.
    ///
    /// # Errors
    /// 500 where their folder cannot be read.
    pub async fn served(self: &Arc<Self>) -> Result<Vec<Program>, Error> {
        let kept = self.kept_now().await?;
        Ok(kept
            .into_iter()
            .filter_map(|one| one.program.ok())
            .collect())
    }

    /// The program of a version, or the newest, for an architecture.
    ///
    /// # Errors
    /// 422 where there is none, with the command that puts one there.
    pub async fn find(
        self: &Arc<Self>,
        version: Option<&str>,
        architecture: &str,
    ) -> Result<Program, Error> {
        let kept = self.kept_now().await?;
        let fits = |one: &&Kept| {
            one.architecture == architecture && version.is_none_or(|wanted| one.version == wanted)
        };
        let mut unfit = None;
        for one in kept.iter().filter(fits) {
            match &one.program {
                Ok(program) => return Ok(program.clone()),
                Err(why) => {
                    unfit.get_or_insert_with(|| format!("{} is kept, but {why}", one.version));
                }
            }
        }
        let which = version.map_or_else(String::new, |version| format!(" {version}"));
        let why = unfit.map_or_else(String::new, |why| format!(" ({why})"));
        Err(Error::new(
            Code::Unprocessable,
            format!(
                "this Core serves no Periphery{which} for {architecture}{why}: put one there with `komodo-core agents add \
                 FILE`, on its host"
            ),
        )
        .param("path", "version")
        .param("architecture", architecture))
    }

    /// A program, checked as a whole, to be sent.
    ///
    /// # Errors
    /// [`Unfit`].
    pub async fn open(self: &Arc<Self>, program: &Program) -> Result<OpenProgram, Unfit> {
        let (programs, program) = (Arc::clone(self), program.clone());
        blocking(move || {
            programs.is_signed(&program)?;
            let path = programs.path(&program.version, &program.architecture);
            let file = fs::File::open(path.join(FILE)).map_err(unreadable)?;
            let sha256 = sha256(&file, program.bytes).map_err(unreadable)?;
            if sha256 != program.sha256 {
                return Err(Unfit::Changed(sha256));
            }
            let file = Arc::new(file);
            Ok(OpenProgram { program, file })
        })
        .await
        .unwrap_or_else(|error| Err(Unfit::Unreadable(error.to_string())))
    }

    async fn kept_now(self: &Arc<Self>) -> Result<Vec<Kept>, Error> {
        let programs = Arc::clone(self);
        let kept = blocking(move || programs.kept()).await;
        kept.map_err(io::Error::other).flatten().map_err(|error| {
            Error::new(Code::Internal, "the programs of the agent cannot be read").cause(error)
        })
    }

    fn path(&self, version: &str, architecture: &str) -> PathBuf {
        self.folder.join(version).join(architecture)
    }

    fn look(&self, version: &str, architecture: &str) -> Kept {
        let path = self.path(version, architecture);
        let program = self.describes(&path, version, architecture);
        let program = program.and_then(|program| {
            self.is_signed(&program)?;
            let file = fs::File::open(path.join(FILE)).map_err(unreadable)?;
            let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
            let hash = || sha256(&file, program.bytes).map_err(unreadable);
            match self.looked.sha256(&path, stamp, hash)? {
                same if same == program.sha256 => Ok(program),
                other => Err(Unfit::Changed(other)),
            }
        });
        if self.looked.is_news(&path, program.as_ref().err())
            && let Err(why) = &program
        {
            tracing::warn!(path = %path.display(), "a program of the agent is not served: {why}");
        }
        Kept {
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            program,
        }
    }

    fn describes(&self, path: &Path, version: &str, architecture: &str) -> Result<Program, Unfit> {
        let file = fs::File::open(path.join(DESCRIPTION)).map_err(unreadable)?;
        let mut text = Vec::new();
        let mut file = file.take(DESCRIPTION_BYTES_MAX);
        file.read_to_end(&mut text).map_err(unreadable)?;
        let program: Program =
            serde_json::from_slice(&text).map_err(|error| Unfit::Undescribed(error.to_string()))?;
        check(&program).map_err(Unfit::Undescribed)?;
        if program.version != version || program.architecture != architecture {
            let other = format!("it is of {} for {}", program.version, program.architecture);
            return Err(Unfit::Undescribed(other));
        }
        Ok(program)
    }

    fn is_signed(&self, program: &Program) -> Result<(), Unfit> {
        let text = signed_text(program);
        match self.key.has_signed(text.as_bytes(), &program.signature) {
            true => Ok(()),
            false => Err(Unfit::Unsigned),
        }
    }
}

impl OpenProgram {
    /// The part that begins at a place: as much as may be sent at once; empty at the end.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn part(&self, offset: u64) -> io::Result<Vec<u8>> {
        let file = Arc::clone(&self.file);
        let left = usize::try_from(self.program.bytes.saturating_sub(offset));
        let length = left.unwrap_or(usize::MAX).min(PART_BYTES_MAX);
        let read = blocking(move || {
            let mut part = vec![0; length];
            file.read_exact_at(&mut part, offset)?;
            Ok(part)
        });
        read.await.map_err(io::Error::other).flatten()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    tokio::task::spawn_blocking(work).await
}

/// Names in a folder that are good for a path; none where there is no folder. Those that begin with a dot are of a
/// program that is being put there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries.take(PROGRAMS_MAX) {
        match entry?.file_name().into_string() {
            Ok(name) if !name.starts_with('.') => names.push(name),
            _ => {}
        }
    }
    Ok(names)
}

/// SHA-256 of a file from its beginning, in hex, where it has as many bytes; of what is there up to one more, where not.
fn sha256(file: &fs::File, bytes: u64) -> io::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut at, mut chunk) = (0, vec![0; CHUNK_BYTES]);
    while at <= bytes {
        match file.read_at(&mut chunk, at)? {
            0 => break,
            read => {
                context.update(&chunk[..read]);
                at += read as u64;
            }
        }
    }
    Ok(hex(context.finish().as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unreadable(error: io::Error) -> Unfit {
    Unfit::Unreadable(error.to_string())
}

/// What versions are ordered by: one that is none is older than all that are.
fn order(version: &str) -> (Option<Version>, &str) {
    (Version::parse(version).ok(), version)
}

/// Whether a version is older than another; what cannot be read is not.
pub(crate) fn older(one: &str, other: &str) -> bool {
    let (one, other) = (Version::parse(one), Version::parse(other));
    matches!((one, other), (Ok(one), Ok(other)) if one.cmp_precedence(&other).is_lt())
}
