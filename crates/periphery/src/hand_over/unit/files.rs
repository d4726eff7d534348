//! What a hand over does to programs in their folder, each durable before it counts. Blocks.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use komodo_plan::unit_hand_over::{Content, UnitPlan};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::service::sha256;

/// Mode of the helper's own program.
pub(super) const HELPER_MODE: u32 = 0o700;
/// Mode of a program where there is none to tell it.
const PROGRAM_MODE: u32 = 0o755;
/// Ends the name of a file that is not whole yet.
const PART: &str = ".komodo-part";
/// End the names of the two files with which it is tried whether files can be exchanged.
const TRIED: [&str; 2] = [".komodo-try-1", ".komodo-try-2"];

/// Puts a program beside another, with the owner and the mode of that one; the place is [`UnitPlan::other`]. Nothing is
/// there before it is whole.
///
/// # Errors
/// Where it cannot be read or written.
pub(crate) fn beside(program: &Path, other: &Path, new: &Path) -> io::Result<()> {
    let like = fs::metadata(program)?;
    copy_like(new, other, Some(&like))
}

/// Whether two files of the folder of a program can be exchanged at once; tried with two that are nobody's.
///
/// # Errors
/// Why not.
pub(crate) fn can_exchange(program: &Path) -> io::Result<()> {
    let [one, two] = TRIED.map(|ending| with(program, ending));
    let tried = File::create(&one)
        .and_then(|_| File::create(&two))
        .and_then(|_| exchange(&one, &two));
    for path in [&one, &two] {
        // What was not made is not there.
        let _ = fs::remove_file(path);
    }
    tried
}

/// Exchanges two files at once: at both paths there is one throughout.
pub(super) fn exchange(one: &Path, two: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE)?;
    sync_folder(one)
}

/// Puts the old program to its path again: from beside it, or the program of this process.
pub(super) fn restore(plan: &UnitPlan) -> io::Result<()> {
    let (program, other) = (PathBuf::from(&plan.program), PathBuf::from(plan.other()));
    let sources = [other, PathBuf::from("/proc/self/exe")];
    let mut sources = sources.into_iter();
    let source = sources.find(|path| sha256(path).is_ok_and(|found| found == plan.old_sha256));
    let source = source.ok_or_else(|| {
        let text = "the old program is neither beside it nor the one that this helper runs";
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    copy_like(&source, &program, fs::metadata(&program).ok().as_ref())
}

/// Removes a file, where it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

/// Copies a file; there is nothing under the new name before it is whole.
pub(super) fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let staged = part(to);
    let copied = staged_copy(from, &staged, mode);
    named(copied, &staged, to)
}

fn copy_like(from: &Path, to: &Path, like: Option<&fs::Metadata>) -> io::Result<()> {
    let staged = part(to);
    let mode = like.map_or(PROGRAM_MODE, |like| like.permissions().mode() & 0o7777);
    let copied = staged_copy(from, &staged, mode).and_then(|()| match like {
        // Its owner is kept where that is allowed; the mode is set anew, since a change of the owner takes bits away.
        Some(like) => {
            let _ = chown(&staged, Some(like.uid()), Some(like.gid()));
            fs::set_permissions(&staged, Permissions::from_mode(mode))
        }
        None => Ok(()),
    });
    named(copied, &staged, to)
}

fn staged_copy(from: &Path, staged: &Path, mode: u32) -> io::Result<()> {
    let mut source = File::open(from)?;
    // One that is left over may be another's, or run.
    remove(staged)?;
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(staged)?;
    io::copy(&mut source, &mut file)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Gives what was staged its name, or takes it away where it is not whole.
fn named(copied: io::Result<()>, staged: &Path, to: &Path) -> io::Result<()> {
    let named = copied.and_then(|()| fs::rename(staged, to));
    match named {
        Ok(()) => sync_folder(to),
        Err(error) => {
            // The first error says what is wrong.
            let _ = fs::remove_file(staged);
            Err(error)
        }
    }
}

/// What may be left in the folder of the program by whoever died in the middle.
pub(super) fn unfinished(plan: &UnitPlan) -> [PathBuf; 4] {
    let program = Path::new(&plan.program);
    let [one, two] = TRIED.map(|ending| with(program, ending));
    [part(program), part(plan.other().as_ref()), one, two]
}

/// Where a file is until it is whole.
pub(super) fn part(path: &Path) -> PathBuf {
    with(path, PART)
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

/// What is found at paths, without reading a file again that is the same.
#[derive(Debug, Default)]
pub(super) struct Contents {
    known: Vec<(Stamp, String)>,
}

/// Files whose hash is remembered: the two programs, and what else was there for a moment.
const KNOWN_MAX: usize = 8;

/// By what a file is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Contents {
    /// What is at a path.
    ///
    /// # Errors
    /// Where that cannot be told.
    pub(super) fn at(&mut self, plan: &UnitPlan, path: &Path) -> io::Result<Content> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() {
            return Ok(Content::Else);
        }
        let stamp = Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let known = self.known.iter().find(|(known, _)| *known == stamp);
        if let Some((_, sha256)) = known {
            return Ok(plan.which(sha256));
        }
        let sha256 = match sha256(path) {
            Ok(sha256) => sha256,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            Err(error) => return Err(error),
        };
        let found = plan.which(&sha256);
        if self.known.len() >= KNOWN_MAX {
            self.known.remove(0);
        }
        self.known.push((stamp, sha256));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    fn plan(folder: &Path) -> UnitPlan {
        let hash = |content: &str| {
            let path = folder.join("hashed");
            fs::write(&path, content).unwrap();
            sha256(&path).unwrap()
        };
        UnitPlan {
            operation: "op".into(),
            unit: "agent.service".into(),
            user: false,
            program: folder.join("agent").to_string_lossy().into_owned(),
            old_sha256: hash("old"),
            new_sha256: Some(hash("new")),
            invocation: "a".into(),
            journal: String::new(),
            until: 0,
        }
    }

    #[test]
    fn programs_are_told_by_what_is_in_them() {
        let folder = TestDirectory::new();
        let plan = plan(folder.path());
        let (program, other) = (PathBuf::from(&plan.program), PathBuf::from(plan.other()));
        let mut contents = Contents::default();
        let mut at = |path: &Path| contents.at(&plan, path).unwrap();
        assert_eq!(at(&program), Content::Absent);
        fs::write(&program, "old").unwrap();
        fs::write(&other, "new").unwrap();
        assert_eq!((at(&program), at(&other)), (Content::Old, Content::New));
        exchange(&program, &other).unwrap();
        assert_eq!((at(&program), at(&other)), (Content::New, Content::Old));
        fs::write(&other, "any").unwrap();
        assert_eq!((at(&program), at(&other)), (Content::New, Content::Else));
        remove(&other).unwrap();
        remove(&other).unwrap();
        assert_eq!(at(&other), Content::Absent);
        assert_eq!(at(folder.path()), Content::Else);
    }

    #[test]
    fn what_is_put_beside_has_the_mode_of_the_program() {
        let folder = TestDirectory::new();
        let plan = plan(folder.path());
        let (program, other) = (PathBuf::from(&plan.program), PathBuf::from(plan.other()));
        fs::write(&program, "old").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o751)).unwrap();
        let new = folder.path().join("new");
        fs::write(&new, "new").unwrap();
        // A copy that was not finished is in nobody's way.
        fs::write(part(&other), "ne").unwrap();
        beside(&program, &other, &new).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"new");
        let mode = fs::metadata(&other).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o751);
        assert!(!part(&other).exists());
        assert!(beside(&program, &other, &folder.path().join("none")).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"new");
    }

    #[test]
    fn the_old_program_is_put_back_from_beside() {
        let folder = TestDirectory::new();
        let plan = plan(folder.path());
        let (program, other) = (PathBuf::from(&plan.program), PathBuf::from(plan.other()));
        fs::write(&program, "new").unwrap();
        assert!(restore(&plan).is_err(), "there is none");
        fs::write(&other, "old").unwrap();
        restore(&plan).unwrap();
        assert_eq!(fs::read(&program).unwrap(), b"old");
        fs::remove_file(&program).unwrap();
        restore(&plan).unwrap();
        assert_eq!(fs::read(&program).unwrap(), b"old");
    }

    #[test]
    fn whether_files_can_be_exchanged_is_tried_and_leaves_nothing() {
        let folder = TestDirectory::new();
        can_exchange(&folder.path().join("agent")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(can_exchange(&folder.path().join("none").join("agent")).is_err());
    }
}
