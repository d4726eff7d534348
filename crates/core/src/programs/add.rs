//! `komodo-core agents`: puts programs there, shows and removes them. Core may be running meanwhile.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use komodo_agent_api::PROGRAM_BYTES_MAX;
use komodo_api::{UnixMs, periphery::Program};
use komodo_link::IdentityError;
use komodo_plan::program::{check, signed_text};

use super::{
    CHUNK_BYTES, DESCRIPTION, FILE, FOLDER, Kept, PROGRAMS_MAX, Programs,
    elf::{HEADER_BYTES, architecture},
    hex, names,
    tell::tell,
};
use crate::{
    app::{StartError, identity},
    clock::{Clock, SystemClock},
    config::Config,
};

/// Age after which what an `add` left halfway is removed, in milliseconds.
const LEFT_MS: UnixMs = 60 * 60 * 1000;

/// Why a program is not put there, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Core's own key cannot be used.
    #[error(transparent)]
    Key(#[from] StartError),
    /// It cannot be signed.
    #[error("cannot sign it")]
    Sign(#[from] IdentityError),
    /// A file cannot be read or written.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no program.
    #[error("{path} is no program for Linux, or for an architecture that is not known", path = .0.display())]
    NoProgram(PathBuf),
    /// It is too large, or its version is no version.
    #[error("it cannot be served: {0}")]
    Unfit(String),
    /// Its version is not known.
    #[error("{path} cannot be asked for its version here ({why}): say it with --version", path = path.display())]
    Version {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It says another version.
    #[error("{path} says that it is version {says}, and not {given}", path = path.display())]
    OtherVersion {
        /// Which.
        path: PathBuf,
        /// What it says.
        says: String,
        /// What was given.
        given: String,
    },
    /// Another one is there.
    #[error(
        "another program is kept as {version} for {architecture}; to put this one in its place, first: komodo-core agents \
         remove {version} {architecture}"
    )]
    Taken {
        /// Version.
        version: String,
        /// Architecture.
        architecture: String,
    },
    /// There are many.
    #[error(
        "{PROGRAMS_MAX} programs are kept already; remove some that nobody needs: komodo-core agents remove VERSION"
    )]
    Many,
    /// It is not there.
    #[error("no such program is kept; komodo-core agents list shows those that are")]
    Absent,
}

/// What was put there.
#[derive(Debug, Clone)]
pub struct Added {
    /// The program.
    pub program: Program,
    /// Whether it was not there before.
    pub new: bool,
}

/// Puts a program there, signed with Core's own key: durable, and under its name only once it is whole.
///
/// # Errors
/// [`AddError`]; what was there is as before.
pub async fn add(config: &Config, file: &Path, version: Option<String>) -> Result<Added, AddError> {
    let identity = identity(config)?;
    let folder = config.data_directory.join(FOLDER);
    let programs = Programs::new(&config.data_directory, identity.public_key());
    make(&folder)?;
    remove_left(&folder);
    let staged = Staged::new(&folder)?;
    let (bytes, sha256, header) = copy(file, &staged.0.join(FILE))?;
    let architecture = architecture(&header).ok_or_else(|| AddError::NoProgram(file.to_owned()))?;
    let says = match architecture == std::env::consts::ARCH {
        true => tell(&staged.0.join(FILE)).await,
        false => Err(format!("it is for {architecture}")),
    };
    let version = match (says, version) {
        (Ok(says), Some(given)) if says != given => {
            let path = file.to_owned();
            return Err(AddError::OtherVersion { path, says, given });
        }
        (Ok(says), _) => says,
        (Err(_), Some(given)) => given,
        (Err(why), None) => {
            let path = file.to_owned();
            return Err(AddError::Version { path, why });
        }
    };
    let mut program = Program {
        version,
        architecture: architecture.to_owned(),
        bytes,
        sha256,
        signature: String::new(),
    };
    check(&program).map_err(AddError::Unfit)?;
    program.signature = identity.sign(signed_text(&program).as_bytes())?;
    let kept = programs.kept().map_err(at(&folder))?;
    let same =
        |one: &&Kept| one.version == program.version && one.architecture == program.architecture;
    match kept.iter().find(same).map(|one| &one.program) {
        Some(Ok(there)) if there.sha256 == program.sha256 => {
            let program = there.clone();
            return Ok(Added {
                program,
                new: false,
            });
        }
        Some(Ok(_)) => {
            return Err(AddError::Taken {
                version: program.version,
                architecture: program.architecture,
            });
        }
        // Nobody could have been served that one.
        Some(Err(_)) => take_away(&folder, &program.version, &program.architecture)?,
        None if kept.len() >= PROGRAMS_MAX => return Err(AddError::Many),
        None => {}
    }
    let description = serde_json::to_vec_pretty(&program)
        .expect("text and numbers can always be written as JSON");
    write(&staged.0.join(DESCRIPTION), &description)?;
    sync(&staged.0)?;
    let of_version = folder.join(&program.version);
    make(&of_version)?;
    let named = of_version.join(&program.architecture);
    fs::rename(&staged.0, &named).map_err(at(&named))?;
    sync(&of_version)?;
    sync(&folder)?;
    Ok(Added { program, new: true })
}

/// All that are kept, the newest first.
///
/// # Errors
/// [`AddError`].
pub fn list(config: &Config) -> Result<Vec<Kept>, AddError> {
    let identity = identity(config)?;
    let programs = Programs::new(&config.data_directory, identity.public_key());
    let folder = config.data_directory.join(FOLDER);
    programs.kept().map_err(at(&folder))
}

/// Removes the programs of a version, of one architecture or of all; returns of which.
///
/// # Errors
/// [`AddError::Absent`] where there are none.
pub fn remove(
    config: &Config,
    version: &str,
    architecture: Option<&str>,
) -> Result<Vec<String>, AddError> {
    let folder = config.data_directory.join(FOLDER);
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    if !is_name(version) || !architecture.is_none_or(is_name) {
        return Err(AddError::Absent);
    }
    let of_version = folder.join(version);
    let mut there = names(&of_version).map_err(at(&of_version))?;
    there.retain(|one| architecture.is_none_or(|wanted| one == wanted));
    if there.is_empty() {
        return Err(AddError::Absent);
    }
    for one in &there {
        take_away(&folder, version, one)?;
    }
    Ok(there)
}

/// Takes one away at once, and removes it then.
fn take_away(folder: &Path, version: &str, architecture: &str) -> Result<(), AddError> {
    let of_version = folder.join(version);
    let named = of_version.join(architecture);
    let gone = folder.join(format!(".gone-{}", crate::id::random_hex::<8>()));
    fs::rename(&named, &gone).map_err(at(&named))?;
    sync(&of_version)?;
    fs::remove_dir_all(&gone).map_err(at(&gone))?;
    // It goes with the last of its programs.
    match fs::remove_dir(&of_version) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(at(&of_version)(error))
        }
        _ => Ok(()),
    }
}

/// The folder of a program until it is named; removed where it never is.
struct Staged(PathBuf);

impl Staged {
    fn new(folder: &Path) -> Result<Self, AddError> {
        let path = folder.join(format!(".new-{}", crate::id::random_hex::<8>()));
        fs::create_dir(&path).map_err(at(&path))?;
        Ok(Staged(path))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is not there any more where it was named.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what an earlier `add` or `remove` left halfway.
fn remove_left(folder: &Path) {
    let now = SystemClock.now();
    let old = |entry: &fs::DirEntry| {
        let seconds = entry.metadata().map(|metadata| metadata.mtime());
        seconds.is_ok_and(|seconds| now.saturating_sub(seconds.saturating_mul(1000)) > LEFT_MS)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let left = name.starts_with(".gone-") || name.starts_with(".new-");
        if left && old(&entry) {
            // The next one tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies a program durably; returns its length, its SHA-256 and its first bytes.
fn copy(from: &Path, to: &Path) -> Result<(u64, String, Vec<u8>), AddError> {
    let source = fs::File::open(from).map_err(at(from))?;
    if !source.metadata().map_err(at(from))?.is_file() {
        return Err(AddError::NoProgram(from.to_owned()));
    }
    let mut source = source.take(PROGRAM_BYTES_MAX + 1);
    let mut target = create(to, 0o755)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut bytes, mut header, mut chunk) = (0, Vec::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = source.read(&mut chunk).map_err(at(from))?;
        if read == 0 {
            break;
        }
        let part = &chunk[..read];
        header.extend(
            part.iter()
                .take(HEADER_BYTES - header.len().min(HEADER_BYTES)),
        );
        context.update(part);
        target.write_all(part).map_err(at(to))?;
        bytes += read as u64;
    }
    target.sync_all().map_err(at(to))?;
    Ok((bytes, hex(context.finish().as_ref()), header))
}

fn create(path: &Path, mode: u32) -> Result<fs::File, AddError> {
    let mut options = OpenOptions::new();
    let options = options.create_new(true).write(true).mode(mode);
    options.open(path).map_err(at(path))
}

fn write(path: &Path, text: &[u8]) -> Result<(), AddError> {
    let mut file = create(path, 0o644)?;
    file.write_all(text)
        .and_then(|()| file.sync_all())
        .map_err(at(path))
}

fn make(folder: &Path) -> Result<(), AddError> {
    fs::create_dir_all(folder).map_err(at(folder))
}

fn sync(folder: &Path) -> Result<(), AddError> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(at(folder))
}

fn at(path: &Path) -> impl Fn(io::Error) -> AddError {
    move |source| AddError::File {
        path: path.to_owned(),
        source,
    }
}
