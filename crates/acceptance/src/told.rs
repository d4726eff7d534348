//! What the Update of a hand over tells, and whether that is so. What is on the host is looked at by whoever asks.

use komodo_api::update::Update;
use komodo_testkit::installation::Failure;

/// Everything that an Update tells, in one text.
pub fn story(update: &Update) -> String {
    let lines = update.logs.iter().map(|log| {
        let (out, err) = (&log.stdout, &log.stderr);
        format!("{}: {out} {err}", log.stage)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether an Update tells of a hand over that was confirmed.
///
/// # Errors
/// What it tells instead.
pub fn tells_confirmed(update: &Update) -> Result<(), Failure> {
    let told = story(update);
    let stages = ["Hand over", "Confirm"];
    let all = stages.iter().all(|stage| {
        update
            .logs
            .iter()
            .any(|log| log.stage == *stage && log.success)
    });
    match update.success && all {
        true => Ok(()),
        false => Err(format!("not told as confirmed: {told}\n{update:#?}").into()),
    }
}

/// Whether an Update tells of a hand over that was undone, and why.
///
/// # Errors
/// What it tells instead.
pub fn tells_rolled_back(update: &Update, why: &str) -> Result<(), Failure> {
    let told = story(update);
    let undone = told.to_lowercase().contains("rolled back");
    match !update.success && undone && told.contains(why) {
        true => Ok(()),
        false => {
            Err(format!("not told as rolled back because of '{why}': {told}\n{update:#?}").into())
        }
    }
}

/// How a hand over must end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The new one stays.
    Confirmed,
    /// The old one is back.
    RolledBack,
    /// One or the other; the Update tells which.
    Told,
}

/// Whether an Update tells of that end, and says success where what was asked for is `done`, and else why not; `seen` is
/// what that was judged by.
///
/// # Errors
/// What it tells instead.
pub fn tells(update: &Update, end: End, done: bool, seen: &str) -> Result<(), Failure> {
    match end {
        End::Confirmed => tells_confirmed(update)?,
        End::RolledBack => tells_rolled_back(update, "")?,
        End::Told => {}
    }
    let told = format!("{}\n{update:#?}", story(update));
    if update.success != done {
        return Err(format!("a lie ({seen}): {told}").into());
    }
    if !update.success && update.verdicts.iter().all(|one| one.error.is_none()) {
        return Err(format!("nobody says why: {told}").into());
    }
    Ok(())
}
