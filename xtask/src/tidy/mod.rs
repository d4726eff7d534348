//! Rules of the house that no compiler checks. Each complaint names the place, the rule and the way out.

mod edges;
mod guide;
mod labels;
mod text;

#[cfg(test)]
mod tests;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// A text file of the repository.
pub struct File {
    /// Path from the root of the workspace.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// All complaints.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let mut complaints = edges::check(&metadata(root)?)?;
    complaints.extend(text::check(root, &files));
    complaints.extend(labels::check(&files));
    complaints.extend(guide::check(&files));
    Ok(complaints)
}

/// The text files that are in the repository or about to be: not what is ignored.
pub fn files(root: &Path) -> Result<Vec<File>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git cannot list the files of {}",
        root.display()
    );
    let list = String::from_utf8(output.stdout).context("a file has a name that is not UTF-8")?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // Deleted and not yet committed, or no text: neither is for these checks.
        let Ok(bytes) = fs::read(root.join(path)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

/// What cargo knows of the workspace and its dependencies.
pub fn metadata(root: &Path) -> Result<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata answers")
}
