//! The watchdog of an agent that is a unit of systemd: one look for a timer, by `systemctl`. Where the agent is being
//! handed over and the helper is gone, that is brought back first: it knows what is to run.

use std::{collections::BTreeMap, path::Path, time::Duration};

use komodo_api::UnixMs;
use rustix::time::{ClockId, clock_gettime};

use super::WatchdogError;
use crate::{
    clock,
    hand_over::{DETACHED, Detached, kept::Kept, unit::bring_back},
    service::{Systemd, SystemdError, SystemdPrograms},
};

/// Time to start a unit; systemd's own is 90 s.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// Characters of a unit's name.
const NAME_CHARS_MAX: usize = 255;
/// Bytes of the mark of a detach.
const MARK_BYTES_MAX: u64 = 64 * 1024;
/// What is asked of the unit.
const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,ExecMainStartTimestampMonotonic";

/// Looks once, and starts the unit where that is due.
pub(super) async fn once(unit: &str, user: bool, root: &Path) -> Result<(), WatchdogError> {
    let unit = name(unit)?;
    let systemd = Systemd::new(SystemdPrograms::default(), user);
    let shown = systemd.show(&unit, PROPERTIES).await;
    let shown = shown.map_err(|error| told("show", &unit, error))?;
    let state = UnitState::read(&shown, clock::now_ms(), monotonic_ms());
    let verdict = state.verdict(detached_at(root));
    if verdict.may_be_handed_over() {
        match bring_back(&systemd, &Kept::new(root, &[]), &unit, user).await {
            Ok(true) => {
                tracing::info!(unit, "left alone: it is being handed over");
                return Ok(());
            }
            Ok(false) => {}
            Err(why) => {
                tracing::error!(unit, "the helper of a hand over cannot be started: {why}");
            }
        }
    }
    match verdict {
        UnitVerdict::Unknown => Err(WatchdogError::NoUnit(unit)),
        UnitVerdict::Leave(why) | UnitVerdict::Meant(why) => {
            tracing::info!(unit, "left alone: {why}");
            Ok(())
        }
        UnitVerdict::Start => {
            tracing::warn!(unit, "the agent does not run: starting it");
            let started = systemd.systemctl(["start", "--", &unit], START_DEADLINE);
            let started = started.await;
            started.map_err(|error| told("start", &unit, error))?;
            tracing::info!(unit, "brought back");
            Ok(())
        }
    }
}

fn told(verb: &'static str, unit: &str, error: SystemdError) -> WatchdogError {
    match error {
        SystemdError::Ask(error) => WatchdogError::Systemctl(error),
        SystemdError::Refused(says) => WatchdogError::Unit {
            verb,
            unit: unit.to_owned(),
            says,
        },
    }
}

/// What systemd says of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct UnitState {
    load: String,
    active: String,
    file: String,
    /// When its last run began.
    began: UnixMs,
}

/// What is done about a unit.
#[derive(Debug, PartialEq, Eq)]
enum UnitVerdict {
    Unknown,
    /// There is nothing to do now.
    Leave(&'static str),
    /// Somebody means it to be as it is.
    Meant(&'static str),
    Start,
}

impl UnitVerdict {
    /// Whether a hand over that is under way is still wanted.
    fn may_be_handed_over(&self) -> bool {
        matches!(self, UnitVerdict::Leave(_) | UnitVerdict::Start)
    }
}

impl UnitState {
    /// Reads what `systemctl show` writes. `now` and `monotonic_now` are the same moment by both clocks, ms.
    fn read(shown: &BTreeMap<String, String>, now: UnixMs, monotonic_now: i64) -> Self {
        let says = |name: &str| shown.get(name).cloned().unwrap_or_default();
        let began_us = says("ExecMainStartTimestampMonotonic").parse::<i64>();
        let began_us = began_us.ok().filter(|began_us| *began_us > 0);
        UnitState {
            load: says("LoadState"),
            active: says("ActiveState"),
            file: says("UnitFileState"),
            began: began_us.map_or(0, |began_us| now - (monotonic_now - began_us / 1000)),
        }
    }

    fn verdict(&self, detached_at: Option<UnixMs>) -> UnitVerdict {
        // Masked or disabled by hand: whoever did that does not want it.
        match (&*self.load, &*self.file) {
            ("masked", _) | (_, "masked" | "masked-runtime") => {
                return UnitVerdict::Meant("the unit is masked");
            }
            ("loaded", "disabled") => return UnitVerdict::Meant("the unit is disabled"),
            ("loaded", _) => {}
            _ => return UnitVerdict::Unknown,
        }
        match &*self.active {
            "inactive" | "failed" => {}
            "active" => return UnitVerdict::Leave("it runs"),
            _ => return UnitVerdict::Leave("systemd is at it"),
        }
        match detached_at {
            Some(at) if at >= self.began => UnitVerdict::Meant("detached on purpose"),
            _ => UnitVerdict::Start,
        }
    }
}

/// When the agent was detached, where its mark is there. One that cannot be read or understood is one all the same.
fn detached_at(root: &Path) -> Option<UnixMs> {
    let path = root.join(DETACHED);
    let read = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Ok(file) if file.len() > MARK_BYTES_MAX => Err("it is too long".to_owned()),
        Ok(_) => std::fs::read(&path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let mark = read.and_then(|bytes| {
        serde_json::from_slice::<Detached>(&bytes).map_err(|error| error.to_string())
    });
    match mark {
        Ok(mark) => Some(mark.at),
        Err(error) => {
            tracing::warn!(path = %path.display(), error, "the mark of a detach cannot be read; it counts all the same");
            Some(UnixMs::MAX)
        }
    }
}

fn monotonic_ms() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// A name as systemd writes them, a service where it says nothing else.
fn name(text: &str) -> Result<String, WatchdogError> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b':' | b'\\')
    };
    if text.is_empty()
        || text.len() > NAME_CHARS_MAX
        || text.starts_with('-')
        || !text.bytes().all(plain)
    {
        return Err(WatchdogError::UnitName(text.chars().take(80).collect()));
    }
    Ok(match text.contains('.') {
        true => text.to_owned(),
        false => format!("{text}.service"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADED: &str = "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n";

    fn verdict(shown: &str, detached_at: Option<UnixMs>) -> UnitVerdict {
        let lines = shown.lines().filter_map(|line| line.split_once('='));
        let shown = lines.map(|(name, value)| (name.to_owned(), value.to_owned()));
        UnitState::read(&shown.collect(), 1_000_000, 500_000).verdict(detached_at)
    }

    #[test]
    fn a_unit_is_started_where_nobody_meant_it_to_stand_still() {
        let is = |change: &str, expected: &str| {
            let (name, _) = change.split_once('=').expect("a change");
            let lines: Vec<&str> = LOADED
                .lines()
                .map(|line| match line.starts_with(name) {
                    true => change,
                    false => line,
                })
                .collect();
            let found = format!("{:?}", verdict(&lines.join("\n"), None));
            assert_eq!(found, expected, "{change}");
        };
        is("ActiveState=inactive", "Start");
        is("ActiveState=failed", "Start");
        is("ActiveState=active", "Leave(\"it runs\")");
        for state in ["activating", "deactivating", "reloading", "maintenance"] {
            is(
                &format!("ActiveState={state}"),
                "Leave(\"systemd is at it\")",
            );
        }
        for state in ["static", "linked", "transient", "enabled-runtime", ""] {
            is(&format!("UnitFileState={state}"), "Start");
        }
        is("UnitFileState=disabled", "Meant(\"the unit is disabled\")");
        is("UnitFileState=masked", "Meant(\"the unit is masked\")");
        is("LoadState=masked", "Meant(\"the unit is masked\")");
        is("LoadState=not-found", "Unknown");
        assert_eq!(verdict("", None), UnitVerdict::Unknown);
    }

    #[test]
    fn a_mark_counts_until_the_unit_has_run_again() {
        // It began 100 s ago.
        let shown = format!("{LOADED}ExecMainStartTimestampMonotonic=400000000\n");
        let detached = UnitVerdict::Meant("detached on purpose");
        assert_eq!(verdict(&shown, Some(900_000)), detached);
        assert_eq!(verdict(&shown, Some(899_999)), UnitVerdict::Start);
        let never = format!("{LOADED}ExecMainStartTimestampMonotonic=0\n");
        assert_eq!(verdict(&never, Some(1)), detached);
    }

    #[test]
    fn a_mark_that_cannot_be_understood_counts() {
        let directory = crate::test_directory::TestDirectory::new();
        assert_eq!(detached_at(directory.path()), None);
        let path = directory.path().join(DETACHED);
        std::fs::write(&path, "{").expect("it is written");
        assert_eq!(detached_at(directory.path()), Some(UnixMs::MAX));
        let mark = r#"{"by":"ann","action":"stop","at":5,"bring_back":"systemctl start x"}"#;
        std::fs::write(&path, mark).expect("it is written");
        assert_eq!(detached_at(directory.path()), Some(5));
    }

    #[test]
    fn only_what_can_be_a_unit_reaches_systemctl() {
        assert_eq!(
            name("komodo-periphery").expect("good"),
            "komodo-periphery.service"
        );
        assert_eq!(name("a@b.service").expect("good"), "a@b.service");
        for bad in ["", "-H", "a b", "a/b", "a;b", &"f".repeat(300)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
