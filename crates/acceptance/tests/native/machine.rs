//! The whole machine goes down in the middle of a hand over.

use komodo_acceptance::{
    each,
    native::Site,
    told::{tells_confirmed, tells_rolled_back},
};
use komodo_api::update::Stage;
use komodo_testkit::installation::{AGENT_UNIT, AgentProgram, Failure, wait_for};

/// Waits until the helper stands still where it was told to.
async fn helper_stops(site: &Site, id: &str, point: &str) -> Result<(), Failure> {
    site.stage(id, Stage::HandedOver).await?;
    wait_for(&format!("the helper to stop at {point}"), || async {
        let stopped = ["sh", "-c", "grep -l '^State:.T' /proc/[0-9]*/status"];
        let found = site.machine.run(&stopped).await.ok()?;
        (found.code == 0).then_some(())
    })
    .await
}

/// Points at which the machine goes, and whether the new program runs in the end.
const POINTS: [&str; 4] = [
    "hand-over.unit.exchange:1:stop",
    "hand-over.unit.exchange.done:1:stop",
    "hand-over.unit.restart:1:stop",
    "hand-over.unit.restart.done:1:stop",
];

/// Nothing was confirmed before, so either end is right; the Update says which it is.
async fn crashes(site: &Site, point: &str) -> Result<(), Failure> {
    let before = site.run().await?;
    site.arm("helper", point)?;
    let id = site.ask_program(site.other_good().await?).await?;
    helper_stops(site, &id, point).await?;
    site.machine.crash().await?;
    let update = site.settled(&id).await?;
    site.disarmed("helper")?;
    let after = site.run().await?;
    match update.success {
        true => tells_confirmed(&update)?,
        false => tells_rolled_back(&update, "")?,
    }
    match update.success == (before.program != after.program) {
        true => Ok(()),
        false => Err(format!("a lie: {update:#?}").into()),
    }
}

#[tokio::test]
async fn the_machine_loses_its_power_in_the_middle() -> Result<(), Failure> {
    let site = Site::start().await?;
    each!(POINTS, |point| crashes(&site, point))
}

#[tokio::test]
async fn the_machine_is_restarted_in_the_middle() -> Result<(), Failure> {
    let site = Site::start().await?;
    let before = site.run().await?;
    let id = site.ask_program(AgentProgram::Good).await?;
    site.stage(&id, Stage::Probation).await?;
    site.machine.reboot().await?;
    let update = site.settled(&id).await?;
    assert_eq!(update.success, before.program != site.run().await?.program);
    Ok(())
}

/// Nobody is there to go on but the watchdog: the new program cannot even start, and its helper went with the machine.
#[tokio::test]
async fn the_watchdog_goes_on_where_no_agent_can() -> Result<(), Failure> {
    let site = Site::start().await?;
    let before = site.run().await?;
    site.arm("helper", "hand-over.unit.exchange.done:1:stop")?;
    let id = site.ask_program(AgentProgram::EndsAtOnce).await?;
    helper_stops(&site, &id, "the exchange").await?;
    site.machine.crash().await?;
    wait_for("the new program to be given up by systemd", || async {
        let state = site
            .machine
            .property(AGENT_UNIT, "ActiveState")
            .await
            .ok()?;
        (state == "failed").then_some(())
    })
    .await?;
    site.machine
        .systemctl(&["start", "komodo-periphery-watchdog.service"])
        .await?;
    let update = site.settled(&id).await?;
    site.disarmed("helper")?;
    tells_rolled_back(&update, "")?;
    assert!(before.program == site.run().await?.program);
    Ok(())
}
