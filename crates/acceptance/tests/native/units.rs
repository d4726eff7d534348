//! The units of `deploy/systemd` under a real systemd.

use komodo_acceptance::native::{SERVER, Site};
use komodo_api::server::ServerState;
use komodo_testkit::installation::{AGENT_UNIT, Failure, wait_for};

const WATCHDOG: &str = "komodo-periphery-watchdog.service";
const TIMER: &str = "komodo-periphery-watchdog.timer";

#[tokio::test]
async fn the_agents_unit_runs_as_it_is_and_comes_back_by_itself() -> Result<(), Failure> {
    let site = Site::start().await?;
    let machine = &site.machine;
    // Systemd itself works in there, without the system's bus, which not every machine has.
    let begun = machine
        .run(&["systemd-run", "--unit=probe", "sh", "-c", "exit 7"])
        .await?;
    assert_eq!(begun.code, 0, "{}", begun.output);
    wait_for("systemd to have run a unit of its own", || async {
        let code = machine.property("probe", "ExecMainStatus").await.ok()?;
        (code == "7").then_some(())
    })
    .await?;

    let pid = machine.property(AGENT_UNIT, "MainPID").await?;
    machine
        .systemctl(&["kill", "--signal=KILL", AGENT_UNIT])
        .await?;
    wait_for("systemd to start it again", || async {
        let now = machine.property(AGENT_UNIT, "MainPID").await.ok()?;
        (now != pid && now != "0").then_some(())
    })
    .await?;
    site.is_up().await?;

    machine.reboot().await?;
    site.is_up().await?;
    machine.crash().await?;
    site.is_up().await
}

/// Runs the watchdog once, to its end.
async fn look(site: &Site) -> Result<(), Failure> {
    site.machine.systemctl(&["start", WATCHDOG]).await.map(drop)
}

async fn stands_still(site: &Site) -> Result<(), Failure> {
    look(site).await?;
    let state = site.machine.property(AGENT_UNIT, "ActiveState").await?;
    let journal = site.machine.journal(WATCHDOG).await;
    match state.as_str() {
        "inactive" => Ok(()),
        _ => Err(format!("it is {state}\n{journal}").into()),
    }
}

#[tokio::test]
async fn the_watchdogs_units_bring_back_what_nobody_meant_to_stop() -> Result<(), Failure> {
    let site = Site::start().await?;
    let machine = &site.machine;
    machine.systemctl(&["stop", AGENT_UNIT]).await?;
    site.core.wait_server(SERVER, ServerState::NotOk).await?;
    look(&site).await?;
    site.is_up().await?;
    let journal = machine.journal(WATCHDOG).await;
    assert!(journal.contains("brought back"), "{journal}");

    // Whoever disables it means it.
    machine.systemctl(&["disable", "--now", AGENT_UNIT]).await?;
    stands_still(&site).await?;
    machine.systemctl(&["enable", AGENT_UNIT]).await?;
    // And whoever detached it through Core, until it has run again.
    let mark =
        r#"{"by":"ann","action":"stop","at":9000000000000,"bring_back":"systemctl start x"}"#;
    let path = machine.komodo().join("detached.json");
    std::fs::write(&path, mark)?;
    stands_still(&site).await?;
    std::fs::remove_file(&path)?;
    look(&site).await?;
    site.is_up().await
}

#[tokio::test]
async fn the_watchdogs_timer_looks_again_and_again() -> Result<(), Failure> {
    let site = Site::start().await?;
    let machine = &site.machine;
    // As it is shipped but for the times.
    let shipped = std::fs::read_to_string(machine.units().join(TIMER))?;
    let [boot, again, accuracy] = ["OnBootSec=1min", "OnUnitInactiveSec=20s", "AccuracySec=5s"];
    assert!(
        [boot, again, accuracy]
            .iter()
            .all(|line| shipped.contains(line)),
        "{shipped}"
    );
    let quick = shipped
        .replace(boot, "OnBootSec=1s")
        .replace(again, "OnUnitInactiveSec=1s")
        .replace(accuracy, "AccuracySec=100ms");
    std::fs::write(machine.units().join(TIMER), quick)?;
    machine.systemctl(&["daemon-reload"]).await?;
    machine.systemctl(&["enable", "--now", TIMER]).await?;
    for _ in 0..2 {
        let run = machine.property(AGENT_UNIT, "InvocationID").await?;
        machine.systemctl(&["stop", AGENT_UNIT]).await?;
        site.is_up().await?;
        assert_ne!(run, machine.property(AGENT_UNIT, "InvocationID").await?);
    }
    // It is there after a boot too.
    machine.reboot().await?;
    machine.systemctl(&["stop", AGENT_UNIT]).await?;
    site.is_up().await
}
