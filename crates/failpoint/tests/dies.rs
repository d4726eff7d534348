//! A process dies by `SIGKILL` at the point and at the time that is asked for, and a release build knows no points.

use std::{
    error::Error,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

type Failure = Box<dyn Error>;

const KILL: i32 = 9;

/// Builds the example into `target` and returns its path.
fn build(target: &Path, arguments: &[&str], profile: &str) -> Result<PathBuf, Failure> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--example", "dies"])
        .args(["-p", env!("CARGO_PKG_NAME")])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !status.success() {
        return Err("the example does not build".into());
    }
    Ok(target.join(profile).join("examples/dies"))
}

/// What it printed, and the signal that ended it.
fn run(program: &Path, point: Option<&str>) -> Result<(String, Option<i32>), Failure> {
    let mut command = Command::new(program);
    command.env_remove(komodo_failpoint::VARIABLE);
    if let Some(point) = point {
        command.env(komodo_failpoint::VARIABLE, point);
    }
    let output = command.output()?;
    Ok((
        String::from_utf8(output.stdout)?.replace('\n', " "),
        output.status.signal(),
    ))
}

fn names_the_point(program: &Path) -> Result<bool, Failure> {
    let name = b"example.step";
    Ok(std::fs::read(program)?
        .windows(name.len())
        .any(|window| window == name))
}

#[test]
fn a_process_dies_at_the_point_and_a_release_build_has_none() -> Result<(), Failure> {
    let target = tempfile::TempDir::new()?;
    let debug = build(target.path(), &[], "debug")?;
    assert_eq!(run(&debug, None)?, ("1 2 3 ".into(), None));
    assert_eq!(
        run(&debug, Some("example.step"))?,
        ("1 ".into(), Some(KILL))
    );
    assert_eq!(
        run(&debug, Some("example.step:3"))?,
        ("1 2 3 ".into(), Some(KILL))
    );
    assert_eq!(
        run(&debug, Some("example.step:4"))?,
        ("1 2 3 ".into(), None)
    );
    assert_eq!(run(&debug, Some("another"))?, ("1 2 3 ".into(), None));
    assert!(names_the_point(&debug)?);

    // The release profile, but built quickly.
    let quickly = [
        "--release",
        "--config=profile.release.lto=false",
        "--config=profile.release.opt-level=0",
    ];
    let release = build(target.path(), &quickly, "release")?;
    assert_eq!(
        run(&release, Some("example.step:2"))?,
        ("1 2 3 ".into(), None)
    );
    assert!(!names_the_point(&release)?);
    Ok(())
}
