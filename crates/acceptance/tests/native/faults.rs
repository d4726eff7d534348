//! The network between the agent and Core is cut, Core is killed, or the agent's disk is full, in the middle of a hand over
//! of a service.

use komodo_acceptance::{
    cut::{Cut, heal},
    each,
    native::{Run, Site},
    told::{tells_confirmed, tells_rolled_back},
};
use komodo_api::update::Stage;
use komodo_testkit::installation::{AGENT_UNIT, AgentProgram, Failure, wait_for};

/// Waits until the unit is in another run than before, with the same program or with another one.
async fn another_run(site: &Site, before: &Run, same: bool, what: &str) -> Result<(), Failure> {
    wait_for(what, || async {
        let now = site.run().await.ok()?;
        let is = now.is_what_runs && (now.program == before.program) == same;
        (is && now.invocation != before.invocation).then_some(())
    })
    .await
}

/// The new program runs while it cannot be seen, and is confirmed when it can.
#[tokio::test]
async fn the_network_is_cut_while_the_program_is_replaced() -> Result<(), Failure> {
    let site = Site::start().await?;
    for (cut, program) in [
        (Cut::Lost, AgentProgram::Good),
        (Cut::Reset, AgentProgram::Better),
    ] {
        let before = site.run().await?;
        let id = site.ask_program(program).await?;
        site.stage(&id, Stage::HandedOver).await?;
        cut.strike(&site.machine.host, site.core.address)?;
        another_run(&site, &before, false, "the new program to run").await?;
        heal(&site.machine.host)?;
        let update = site.settled(&id).await?;
        tells_confirmed(&update)?;
        assert!(before.program != site.run().await?.program, "{program:?}");
    }
    Ok(())
}

/// Nobody but the helper is there to bring the old program back.
#[tokio::test]
async fn a_network_that_stays_cut_brings_the_old_program_back() -> Result<(), Failure> {
    let site = Site::start().await?;
    let before = site.run().await?;
    let id = site.ask_program(AgentProgram::Good).await?;
    site.stage(&id, Stage::HandedOver).await?;
    Cut::Lost.strike(&site.machine.host, site.core.address)?;
    another_run(&site, &before, true, "the old program to be put back").await?;
    heal(&site.machine.host)?;
    let update = site.settled(&id).await?;
    tells_rolled_back(&update, "not confirmed")?;
    assert!(before.program == site.run().await?.program);
    Ok(())
}

/// Points of Core.
const CORE: [&str; 6] = [
    "program.part_sent:20",
    "program.sent",
    "agent.accepted",
    "agent.confirming",
    "agent.confirmed",
    "end.storing",
];

async fn core_killed(site: &mut Site, point: &str) -> Result<(), Failure> {
    site.core.program.kill();
    site.core.start_again_at(Some(point)).await?;
    // One that has found no Core several times in a row would take its time.
    site.restart().await?;
    let before = site.run().await?;
    let id = site.ask_program(site.other_good().await?).await?;
    site.core.program.wait_killed().await?;
    site.core.start_again().await?;
    let update = site.settled(&id).await?;
    tells_confirmed(&update)?;
    match before.program == site.run().await?.program {
        true => Err("the old program runs".into()),
        false => Ok(()),
    }
}

#[tokio::test]
async fn core_is_killed_at_each_step() -> Result<(), Failure> {
    let mut site = Site::start().await?;
    each!(CORE, |point| core_killed(&mut site, point))
}

/// Runs a line of shell on the machine.
async fn sh(site: &Site, line: &str) -> Result<String, Failure> {
    let ended = site.machine.run(&["sh", "-c", line]).await?;
    match ended.code {
        0 => Ok(ended.output),
        code => Err(format!("{line}: exit code {code}: {}", ended.output).into()),
    }
}

/// Fills the agent's disk to the last byte; `dd` ends when there is no room.
const FILL: &str = "dd if=/dev/zero of=/etc/komodo/filler bs=4096; true";
const FREE: &str = "rm /etc/komodo/filler";

#[tokio::test]
async fn the_agents_disk_is_full() -> Result<(), Failure> {
    let site = Site::start().await?;
    site.machine.systemctl(&["stop", AGENT_UNIT]).await?;
    sh(
        &site,
        "mkdir /run/small && mount -t tmpfs -o size=160m tmpfs /run/small && cp -a /etc/komodo/. /run/small \
         && mount --bind /run/small /etc/komodo",
    )
    .await?;
    site.restart().await?;

    // Before: nothing is begun that could not be written down.
    sh(&site, FILL).await?;
    let before = site.run().await?;
    for id in [
        site.ask_restart().await,
        site.ask_program(AgentProgram::Good).await,
    ] {
        if let Ok(id) = id {
            let update = site.settled(&id).await?;
            assert!(!update.success, "{update:#?}");
        }
        assert_eq!(before.invocation, site.run().await?.invocation);
        assert!(before.program == site.run().await?.program);
    }
    sh(&site, FREE).await?;

    // Meanwhile: the confirmation cannot be written down until there is room again.
    for program in [None, Some(AgentProgram::Good)] {
        let before = site.run().await?;
        let id = match program {
            None => site.ask_restart().await?,
            Some(program) => site.ask_program(program).await?,
        };
        site.stage(&id, Stage::HandedOver).await?;
        sh(&site, FILL).await?;
        another_run(&site, &before, program.is_none(), "the new run").await?;
        site.is_up().await?;
        sh(&site, FREE).await?;
        let update = site.settled(&id).await?;
        tells_confirmed(&update)?;
        assert_eq!(sh(&site, "ls -A /etc/komodo/hand-over").await?.trim(), "");
    }
    Ok(())
}
