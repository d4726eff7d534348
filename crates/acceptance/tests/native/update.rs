//! The program of an agent that is a service is replaced by one that Core serves: a good one is confirmed, and with one
//! that fails, in whatever way, the old one is back by itself.

use komodo_acceptance::{
    native::Site,
    told::{story, tells_confirmed, tells_rolled_back},
};
use komodo_api::{
    periphery::ListPeripheryPrograms,
    update::{Stage, Update, VerdictKind},
};
use komodo_testkit::installation::{AGENT_UNIT, AgentProgram, Failure};

fn one_verdict(update: &Update, kind: VerdictKind) {
    let verdicts: Vec<_> = update.verdicts.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [kind], "{update:#?}");
}

#[tokio::test]
async fn a_good_program_is_confirmed() -> Result<(), Failure> {
    let site = Site::start().await?;
    assert!(site.ask_update(None).await.is_err(), "there is none yet");
    site.core.add_program(AgentProgram::Good)?;
    site.core.add_program(AgentProgram::Better)?;
    let served = site.core.client.call(&ListPeripheryPrograms {}).await?;
    let versions: Vec<_> = served.iter().map(|one| one.version.clone()).collect();
    let [good, better] = [AgentProgram::Good, AgentProgram::Better].map(AgentProgram::version);
    assert_eq!(versions, [better.clone(), good.clone()]);

    let mut before = site.run().await?;
    // By its name, the newest, and that once more, which is a plain restart.
    for (ask, is, changes) in [
        (Some(good.as_str()), &good, true),
        (None, &better, true),
        (None, &better, false),
    ] {
        let update = site.settled(&site.ask_update(ask).await?).await?;
        tells_confirmed(&update)?;
        one_verdict(&update, VerdictKind::Done);
        let after = site.run().await?;
        assert_ne!(before.invocation, after.invocation, "not restarted");
        assert_eq!(before.program != after.program, changes, "{is}");
        let says = site.machine.run(&["komodo-periphery", "--version"]).await?;
        assert!(says.output.trim().ends_with(is.as_str()), "{}", says.output);
        before = after;
    }
    // And it is what runs after the machine was down.
    site.machine.reboot().await?;
    site.is_up().await?;
    assert!(site.run().await?.is_what_runs);
    Ok(())
}

/// Everything is as it was before, but for another run.
async fn rolled_back(site: &Site, bad: AgentProgram, why: &str) -> Result<(), Failure> {
    let before = site.run().await?;
    let update = site.settled(&site.ask_program(bad).await?).await?;
    println!("{bad:?}: {}", story(&update));
    tells_rolled_back(&update, why)?;
    one_verdict(&update, VerdictKind::Failed);
    let after = site.run().await?;
    assert!(before.program == after.program, "{bad:?}: another program");
    Ok(())
}

#[tokio::test]
async fn a_program_that_fails_is_rolled_back() -> Result<(), Failure> {
    let site = Site::start().await?;
    rolled_back(&site, AgentProgram::EndsAtOnce, "ended").await?;
    rolled_back(&site, AgentProgram::DiesWhenConfirmed, "ended").await?;
    // A good one afterwards is not held up by what was before.
    let update = site
        .settled(&site.ask_program(AgentProgram::Good).await?)
        .await?;
    tells_confirmed(&update)
}

#[tokio::test]
async fn a_program_that_cannot_reach_core_is_rolled_back() -> Result<(), Failure> {
    let site = Site::start().await?;
    rolled_back(&site, AgentProgram::CannotReachCore, "not confirmed").await
}

#[tokio::test]
async fn a_program_that_dies_while_it_is_watched_is_rolled_back() -> Result<(), Failure> {
    let site = Site::start().await?;
    let before = site.run().await?;
    let id = site.ask_program(AgentProgram::Good).await?;
    site.stage(&id, Stage::Probation).await?;
    let kill = ["kill", "--kill-whom=main", "--signal=KILL", AGENT_UNIT];
    site.machine.systemctl(&kill).await?;
    let update = site.settled(&id).await?;
    tells_rolled_back(&update, "ended")?;
    one_verdict(&update, VerdictKind::Failed);
    assert!(before.program == site.run().await?.program);
    Ok(())
}

/// A rootless Engine's agent has no systemd but its user's, and is no root.
#[tokio::test]
async fn the_agent_of_a_user_is_restarted_replaced_and_put_back() -> Result<(), Failure> {
    let site = Site::start_of_user().await?;
    let began = site.run().await?;
    let update = site.settled(&site.ask_restart().await?).await?;
    tells_confirmed(&update)?;
    let again = site.run().await?;
    assert_ne!(began.invocation, again.invocation, "not restarted");
    rolled_back(&site, AgentProgram::EndsAtOnce, "ended").await?;
    let update = site
        .settled(&site.ask_program(AgentProgram::Good).await?)
        .await?;
    tells_confirmed(&update)?;
    assert!(began.program != site.run().await?.program, "the old one");
    site.machine.reboot().await?;
    site.is_up().await
}
