//! Core is killed with operations open on fifty servers: how long after its agents are back until all have ended.

use std::{
    net::Ipv4Addr,
    process::Stdio,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use komodo_api::{
    container::StopAllContainers,
    server::GetServersSummary,
    update::{GetUpdate, Stage, Update, UpdateStatus},
};
use komodo_testkit::installation::{Core, Failure, program, wait_for};
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use crate::report::{Figure, quantile};

const SERVERS: usize = 50;
const CONTAINERS: usize = 5;
const RUNS: usize = 9;
/// How long each container takes to stop, ms.
const ACTION_MS: u64 = 700;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Longest wait for all Updates to end.
const END: Duration = Duration::from_secs(60);

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let mut core = Core::start(Ipv4Addr::LOCALHOST.into()).await?;
    let join = core.join_string().await?;
    let (mut recovered, mut back) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        // Anew each time: agents that lost Core again and again wait longer before they try.
        let agents = agents(&core, &join)?;
        wait_for("all simulated servers", || async {
            (healthy(&core).await == SERVERS).then_some(())
        })
        .await?;
        let updates = order(&core).await?;
        core.program.kill();
        let killed = Instant::now();
        core.start_again().await?;
        let (mut back_at, mut open) = (None, updates);
        while back_at.is_none() || !open.is_empty() {
            if back_at.is_none() && healthy(&core).await == SERVERS {
                back_at = Some(Instant::now());
            }
            let mut still = Vec::new();
            for id in open {
                let update = core.client.call(&GetUpdate { id: id.clone() }).await?;
                if update.status != UpdateStatus::Complete {
                    still.push(id);
                } else if !update.success || update.verdicts.len() != CONTAINERS {
                    return Err(format!("it did not end as it must: {update:?}").into());
                }
            }
            open = still;
            if killed.elapsed() > END {
                return Err(format!("{} operations are still open", open.len()).into());
            }
            sleep(LOOK).await;
        }
        let back_at = back_at.ok_or("the agents are not back")?;
        recovered.push(back_at.elapsed().as_secs_f64());
        back.push((back_at - killed).as_secs_f64());
        drop(agents);
        wait_for("the end of their links", || async {
            (healthy(&core).await == 0).then_some(())
        })
        .await?;
    }
    let about = format!(
        "{SERVERS} open operations on {SERVERS} simulated servers, each container takes {ACTION_MS} ms; {RUNS} kills"
    );
    Ok(vec![
        Figure::at_most(
            "recovery: last agent is back → last operation has ended, worst",
            quantile(&recovered, 1.0),
            "s",
            2.0,
            recovered,
        )
        .note(&about),
        Figure::told(
            "recovery: SIGKILL of Core → all agents are back, median",
            quantile(&back, 0.5),
            "s",
            back,
        )
        .note("the start of Core and the jittered reconnects of its agents"),
    ])
}

fn agents(core: &Core, join: &str) -> Result<Child, Failure> {
    let mut command = Command::new(program("komodo-sim")?);
    command
        .args(["--core", &format!("ws://{}", core.address)])
        .args(["--agents", &SERVERS.to_string(), "--containers", "0"])
        .args(["--latency", &ACTION_MS.to_string()])
        .arg("--keys")
        .arg(core.directory().join("sim-keys"));
    for container in 0..CONTAINERS {
        command.args(["--container", &format!("c{container} running")]);
    }
    Ok(command
        .env("KOMODO_SIM_ONBOARDING_KEY", join)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?)
}

async fn healthy(core: &Core) -> usize {
    let summary = core.client.call(&GetServersSummary {}).await;
    summary.map_or(0, |summary| usize::try_from(summary.healthy).unwrap_or(0))
}

/// Begins one operation on each server, and returns the Updates once all run.
async fn order(core: &Core) -> Result<Vec<String>, Failure> {
    let begun: Vec<Update> = stream::iter(0..SERVERS)
        .map(|at| async move {
            let server = format!("sim-{at:04}");
            core.client.call(&StopAllContainers::of(&*server)).await
        })
        .buffer_unordered(SERVERS)
        .try_collect()
        .await?;
    if let Some(ended) = begun
        .iter()
        .find(|update| update.status == UpdateStatus::Complete)
    {
        return Err(format!("it is over before Core dies: {ended:?}").into());
    }
    let mut ids = Vec::with_capacity(begun.len());
    for update in begun {
        let id = update.id.ok_or("an Update without an id")?.0.to_string();
        // What Core had no time to ask is only begun later: that would measure the simulated Engines.
        wait_for("its agent to have it", || async {
            let update = core.client.call(&GetUpdate { id: id.clone() }).await.ok()?;
            (update.stage == Some(Stage::Acting)).then_some(())
        })
        .await?;
        ids.push(id);
    }
    Ok(ids)
}
