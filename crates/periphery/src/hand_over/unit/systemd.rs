//! What a hand over asks of systemd, and what it makes of the answers.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use komodo_plan::unit_hand_over::{Active, Content, Service};

use crate::service::{Systemd, SystemdError};

/// What is asked of the agent's unit.
const PROPERTIES: &str =
    "ActiveState,SubState,Job,InvocationID,NRestarts,MainPID,ExecMainCode,ExecMainStatus";
/// Time to note that a unit is to be started; it is not waited for.
const NOTE_DEADLINE: Duration = Duration::from_secs(15);
/// `SIGCHLD` codes, as `ExecMainCode` has them.
const EXITED: &str = "1";
const KILLED: &str = "2";
const DUMPED: &str = "3";
/// Exit code by which systemd tells that a program cannot be executed.
const EXEC: &str = "203";

/// The unit, and where its process's program is, if it has one; what that is has to be filled in.
pub(super) async fn service(
    systemd: &Systemd,
    unit: &str,
) -> Result<(Service, Option<PathBuf>), SystemdError> {
    let shown = systemd.show(unit, PROPERTIES).await?;
    Ok(read(&shown))
}

/// Has systemd stop a service that runs, and start it, whatever it has tried before.
pub(super) async fn restart(systemd: &Systemd, unit: &str) -> Result<(), SystemdError> {
    // So that it neither refuses for what was before, nor counts that. Where there is nothing to reset it may say so.
    let _ = systemd
        .systemctl(["reset-failed", "--", unit], NOTE_DEADLINE)
        .await;
    let restart = ["restart", "--no-block", "--", unit];
    systemd.systemctl(restart, NOTE_DEADLINE).await.map(drop)
}

/// How often systemd has started a unit again.
pub(super) async fn restarts(systemd: &Systemd, unit: &str) -> Result<u64, SystemdError> {
    let shown = systemd.show(unit, "NRestarts").await?;
    Ok(number(&shown, "NRestarts"))
}

fn read(shown: &BTreeMap<String, String>) -> (Service, Option<PathBuf>) {
    let says = |name: &str| shown.get(name).map_or("", String::as_str);
    let pid = number(shown, "MainPID");
    let service = Service {
        active: Active::read(says("ActiveState")),
        auto_restart: says("SubState").starts_with("auto-restart"),
        job: !matches!(says("Job"), "" | "0"),
        invocation: says("InvocationID").to_owned(),
        restarts: number(shown, "NRestarts"),
        ended: ended(says("ExecMainCode"), says("ExecMainStatus")).filter(|_| pid == 0),
        runs: Content::Absent,
    };
    let program = (pid > 0).then(|| PathBuf::from(format!("/proc/{pid}/exe")));
    (service, program)
}

fn ended(code: &str, status: &str) -> Option<String> {
    match (code, status) {
        (EXITED, EXEC) => Some(format!("exit code {EXEC}: it could not be executed")),
        (EXITED, status) => Some(format!("exit code {status}")),
        (KILLED | DUMPED, signal) => Some(format!("signal {signal}")),
        _ => None,
    }
}

fn number(shown: &BTreeMap<String, String>, name: &str) -> u64 {
    shown.get(name).map_or(0, |text| text.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str) -> (Service, Option<PathBuf>) {
        let lines = lines.split_whitespace();
        let pairs = lines.filter_map(|line| line.split_once('='));
        let shown = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read(&shown.collect())
    }

    #[test]
    fn what_systemd_shows_is_understood() {
        let (service, program) = told(
            "ActiveState=active SubState=running Job= InvocationID=abc NRestarts=2 MainPID=77 ExecMainCode=0 \
             ExecMainStatus=0",
        );
        let expected = Service {
            active: Active::Active,
            auto_restart: false,
            job: false,
            invocation: "abc".into(),
            restarts: 2,
            ended: None,
            runs: Content::Absent,
        };
        assert_eq!(service, expected);
        assert_eq!(program, Some("/proc/77/exe".into()));
        let (service, program) = told(
            "ActiveState=activating SubState=auto-restart Job=12 MainPID=0 ExecMainCode=1 ExecMainStatus=7",
        );
        assert_eq!(service.active, Active::Activating);
        assert!(service.auto_restart && service.job);
        assert_eq!(service.ended.as_deref(), Some("exit code 7"));
        assert_eq!(program, None);
    }

    #[test]
    fn how_it_ended_is_told() {
        for (code, status, expected) in [
            ("0", "0", None),
            ("1", "0", Some("exit code 0")),
            ("1", "203", Some("exit code 203: it could not be executed")),
            ("2", "9", Some("signal 9")),
            ("3", "6", Some("signal 6")),
            ("", "", None),
        ] {
            assert_eq!(ended(code, status).as_deref(), expected);
        }
    }
}
