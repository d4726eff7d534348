//! The network between the agent and Core is cut, or Core is killed, in the middle of a hand over of a service.

use komodo_acceptance::{
    cut::{Cut, heal},
    each,
    hand_over::{tells_confirmed, tells_rolled_back},
    native::{Run, Site},
};
use komodo_api::update::Stage;
use komodo_testkit::installation::{AgentProgram, Failure, wait_for};

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
