//! What comes before a hand over of the agent's own service: its plan, and whether it can work, while nothing has been
//! touched.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use komodo_agent_api::AgentOperation;
use komodo_api::{
    container::ContainerAction,
    periphery::{AgentService, Program},
};
use komodo_docker::Command;
use komodo_plan::unit_hand_over::UnitPlan;
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    OwnService, Service, Systemd, SystemdError,
    programs::{FREE_BYTES_MIN, has_room},
    sha256,
    systemd::said,
};
use crate::{
    clock,
    hand_over::{kept::Kept, unit::can_exchange},
};

/// What a service is given to stop where systemd does not tell, ms: its own default.
const STOP_MS_DEFAULT: i64 = 90_000;
/// What it is given to stop at most, ms.
const STOP_MS_MAX: i64 = 600_000;
/// Time to start, and to reach Core, at least and at most, ms; in between it is twice the probation.
const START_MS: (i64, i64) = (15_000, 60_000);
/// Time that a program has to tell its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(15);
/// Times that it is tried, where a child that was just started holds the file open for a moment.
const VERSION_TRIES_MAX: u32 = 5;
/// Pause between them.
const VERSION_PAUSE: Duration = Duration::from_millis(200);
/// Time that `systemd-run` has to say that it is there.
const RUN_DEADLINE: Duration = Duration::from_secs(10);
/// What is asked about the own unit.
const PROPERTIES: &str = "MainPID,InvocationID,TimeoutStopUSec,RefuseManualStart,RefuseManualStop";

/// What is to be handed over.
pub(crate) struct Order<'a> {
    pub(crate) operation: &'a AgentOperation,
    /// The service, and the program that it is to run.
    pub(crate) asked: &'a AgentService,
    /// Seconds that it is watched before it is confirmed.
    pub(crate) probation_s: u32,
}

/// What can begin.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: UnitPlan,
    /// The new program, where there is one.
    pub(crate) program: Option<PathBuf>,
    pub(crate) own: Arc<OwnService>,
}

/// Prepares a hand over; nothing is changed.
///
/// # Errors
/// Why it cannot work, and what to do about it, for people.
pub(crate) async fn prepare(
    service: &Service,
    kept: &Kept,
    order: Order<'_>,
) -> Result<Prepared, String> {
    let Order {
        operation,
        asked,
        probation_s,
    } = order;
    let AgentService { unit, program } = asked;
    let own = service.own().await.ok_or_else(|| {
        format!(
            "this agent runs as no service of systemd that it knows; run `systemctl restart {unit}` on the host"
        )
    })?;
    let name = &own.unit.name;
    if name != unit {
        return Err(format!("this agent runs as '{name}', and not as '{unit}'"));
    }
    if operation.action != ContainerAction::Restart {
        return Err("a service is only restarted, or updated".to_owned());
    }
    if let Some(other) = kept.other_plan(&operation.id) {
        return Err(format!(
            "another hand over is under way on this server (operation {other}); wait for its end"
        ));
    }
    if let Some(why) = own.out_of_reach() {
        return Err(why);
    }
    let systemd = service.systemd(own.unit.user);
    let stop_ms = answers(&systemd, &own).await?;
    let program = program
        .as_ref()
        .filter(|program| program.sha256 != own.unit.sha256);
    let path = match program {
        Some(program) => Some(replaceable(service, &own, program).await?),
        None => None,
    };
    let (root, running) = (kept.root().to_owned(), own.running.clone());
    let room = spawn_blocking(move || {
        let helper = fs::metadata(running)?.len();
        has_room(&root, helper.saturating_add(FREE_BYTES_MIN))
    });
    let room = room.await.map_err(|error| error.to_string())?;
    room.map_err(|error| format!("there is no room for the helper: {error}"))?;
    let journal = kept
        .root()
        .join("journal")
        .join(format!("{}.jsonl", operation.id));
    let probation_ms = i64::from(probation_s) * 1000;
    let start_ms = (probation_ms * 2).clamp(START_MS.0, START_MS.1);
    let plan = UnitPlan {
        operation: operation.id.clone(),
        unit: name.clone(),
        user: own.unit.user,
        program: own.unit.program.clone(),
        old_sha256: own.unit.sha256.clone(),
        new_sha256: program.map(|program| program.sha256.clone()),
        invocation: own.invocation.clone(),
        journal: journal.to_string_lossy().into_owned(),
        until: clock::now_ms() + stop_ms + start_ms + probation_ms,
    };
    Ok(Prepared {
        plan,
        program: path,
        own,
    })
}

/// Whether systemd can do what will be asked of it; the time that it gives the service to stop, ms.
async fn answers(systemd: &Systemd, own: &OwnService) -> Result<i64, String> {
    let told = |error: SystemdError| error.chain();
    let name = &own.unit.name;
    let shown = systemd.show(name, PROPERTIES).await.map_err(told)?;
    let says = |name: &str| shown.get(name).map_or("", String::as_str);
    if says("MainPID") != std::process::id().to_string() || says("InvocationID") != own.invocation {
        return Err(format!(
            "'{name}' does not run this agent any more; ask again"
        ));
    }
    if says("RefuseManualStart") == "yes" || says("RefuseManualStop") == "yes" {
        return Err(format!(
            "'{name}' refuses to be restarted by hand (RefuseManualStart= or RefuseManualStop=)"
        ));
    }
    let there = systemd.systemd_run(["--version"], RUN_DEADLINE).await;
    there.map_err(|error| format!("no helper can be started: {}", error.chain()))?;
    Ok(span_ms(says("TimeoutStopUSec")).map_or(STOP_MS_DEFAULT, |span| span.min(STOP_MS_MAX)))
}

/// The path of a program that can take the place of the own one.
async fn replaceable(
    service: &Service,
    own: &Arc<OwnService>,
    program: &Program,
) -> Result<PathBuf, String> {
    let path = service.programs().checked(program).await?;
    let (bytes, own) = (program.bytes, Arc::clone(own));
    let looked = spawn_blocking(move || {
        if let Some(why) = own.fixed() {
            return Err(format!("its program cannot be replaced: {why}"));
        }
        let place = Path::new(&own.unit.program);
        let of = |error: std::io::Error| format!("{}: {error}", place.display());
        if sha256(place).map_err(of)? != own.unit.sha256 {
            return Err(format!(
                "{} is not the program that this agent runs: somebody has replaced it; restart the agent first",
                place.display()
            ));
        }
        let folder = place.parent().unwrap_or(Path::new("/"));
        has_room(folder, bytes.saturating_add(FREE_BYTES_MIN))
            .map_err(|error| error.to_string())?;
        can_exchange(place).map_err(|error| {
            format!(
                "two files in {} cannot be exchanged at once: {error}",
                folder.display()
            )
        })
    });
    looked.await.map_err(|error| error.to_string())??;
    let told = version(&path).await;
    let told = told.map_err(|why| format!("the new program {why}"))?;
    match told == program.version {
        true => Ok(path),
        false => Err(format!(
            "the new program says that it is version {told}, and was sent as {}",
            program.version
        )),
    }
}

/// The version that a program of the agent tells.
///
/// # Errors
/// What it does not do, for people: `cannot be run: …`.
pub(crate) async fn version(program: &Path) -> Result<String, String> {
    let mut tries = 1;
    loop {
        let command = Command::new(program, VERSION_DEADLINE).arguments(["--version"]);
        match said(command).await {
            Ok(output) => {
                let line = output.lines().next().unwrap_or_default();
                let version = line.strip_prefix("komodo-periphery ");
                return version
                    .map(str::to_owned)
                    .ok_or_else(|| "does not say that it is komodo-periphery".to_owned());
            }
            Err(error) if tries >= VERSION_TRIES_MAX || !error.is_busy() => {
                return Err(format!("cannot be run: {}", error.chain()));
            }
            Err(_) => {
                tries += 1;
                sleep(VERSION_PAUSE).await;
            }
        }
    }
}

/// A time as systemd writes it: `1min 30s`; `None` where it is none, or endless.
fn span_ms(text: &str) -> Option<i64> {
    let mut sum = 0_i64;
    let mut parts = text.split_whitespace().peekable();
    parts.peek()?;
    for part in parts {
        let digits = part.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))?;
        let (number, measure) = part.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let ms = match measure {
            "us" => 0.001,
            "ms" => 1.0,
            "s" => 1_000.0,
            "min" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        // What is longer than the longest that counts is cut off afterwards.
        sum = sum.saturating_add((number * ms) as i64);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_systemd_are_read() {
        for (text, expected) in [
            ("15s", Some(15_000)),
            ("1min 30s", Some(90_000)),
            ("2h", Some(7_200_000)),
            ("1.5s", Some(1_500)),
            ("500ms", Some(500)),
            ("infinity", None),
            ("", None),
            ("1y", None),
            ("s", None),
        ] {
            assert_eq!(span_ms(text), expected, "{text}");
        }
    }
}
