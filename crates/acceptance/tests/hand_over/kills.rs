//! Kills in the middle of a hand over: of the helper at each of its steps, of the old agent, of the new one, of Core, of
//! the Engine. Whatever dies, one agent runs in the end, it is connected, and the Update is true.

use komodo_acceptance::{
    each,
    hand_over::{AGENT, Body, Site, helper, same},
    told::{End, tells},
};
use komodo_api::update::Update;
use komodo_testkit::{
    engine::{Restart, State},
    installation::{
        Failure,
        images::{BadAgent, bad_agent},
        wait_for,
    },
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ask {
    Restart,
    Recreate,
    /// A new container that connects and dies.
    Bad,
}

/// Points of the helper in a restart.
const RESTART: [&str; 6] = [
    "hand-over.stop",
    "hand-over.stop.done",
    "hand-over.start",
    "hand-over.start.done",
    "hand-over.finish",
    "hand-over.finish.done",
];

/// Points of the helper while a new container takes over.
const RECREATE: [&str; 13] = [
    "hand-over.create",
    "hand-over.create.done",
    "hand-over.hold.done",
    "hand-over.stop",
    "hand-over.stop.done",
    "hand-over.rename.done:1",
    "hand-over.rename.done:2",
    "hand-over.begin",
    "hand-over.carried",
    "hand-over.begin.done",
    "hand-over.remove",
    "hand-over.remove.done",
    "hand-over.finish.done",
];

/// Points of the helper while it puts the old container back.
const ROLL_BACK: [&str; 7] = [
    "hand-over.start",
    "hand-over.start.done",
    "hand-over.release.done",
    "hand-over.rename.done:3",
    "hand-over.rename.done:4",
    "hand-over.remove",
    "hand-over.finish",
];

/// Points of the old agent before it is stopped.
const OLD: [&str; 6] = [
    "hand-over.preparing",
    "hand-over.prepared",
    "hand-over.made",
    "hand-over.handed",
    "journal.written:1",
    "journal.durable:2",
];

/// Points of the agent that comes after.
const NEW: [&str; 3] = [
    "hand-over.confirming",
    "hand-over.confirmed",
    "hand-over.ended",
];

/// Points of Core.
const CORE: [&str; 6] = [
    "agent.accepted",
    "event.taken:3",
    "agent.confirming",
    "agent.confirmed",
    "end.storing",
    "end.acknowledging",
];

async fn site() -> Result<Site, Failure> {
    Site::start_obedient(|container| container.restart(Restart::UnlessStopped)).await
}

async fn ask(site: &Site, what: Ask) -> Result<String, Failure> {
    match what {
        Ask::Restart => site.ask_restart().await,
        Ask::Recreate => site.ask_recreate(None).await,
        Ask::Bad => {
            let image = bad_agent(&site.engine, BadAgent::DiesAfter(1)).await?;
            site.ask_recreate(Some(&image)).await
        }
    }
}

/// Whether it ended as it must, and the Update says what is.
async fn ended(
    site: &Site,
    what: Ask,
    before: &Body,
    update: &Update,
    end: End,
) -> Result<(), Failure> {
    let after = site.body().await?;
    let again = after.started_at() != before.started_at();
    let is_old = after.id() == before.id();
    // Whatever was expected: success is another run, or another container, and else it is as before.
    let done = match what {
        Ask::Restart => is_old && again,
        Ask::Recreate | Ask::Bad => !is_old,
    };
    let seen = format!("old: {is_old}, again: {again}");
    tells(update, end, done, &seen)?;
    match is_old {
        true => same(&before.identity(), &after.identity()),
        false => same(&before.configuration(), &after.configuration()),
    }
}

async fn helper_killed(site: &Site, what: Ask, point: &str) -> Result<(), Failure> {
    let before = site.body().await?;
    site.arm("helper", point)?;
    let update = site.settled(&ask(site, what).await?).await?;
    site.disarmed(point)?;
    let end = match what {
        Ask::Bad => End::RolledBack,
        Ask::Restart | Ask::Recreate => End::Confirmed,
    };
    ended(site, what, &before, &update, end).await
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_restart() -> Result<(), Failure> {
    let site = site().await?;
    each!(RESTART, |point| helper_killed(&site, Ask::Restart, point))
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_replacement() -> Result<(), Failure> {
    let site = site().await?;
    each!(RECREATE, |point| helper_killed(&site, Ask::Recreate, point))
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_roll_back() -> Result<(), Failure> {
    let site = site().await?;
    each!(ROLL_BACK, |point| helper_killed(&site, Ask::Bad, point))
}

/// It dies before, or just as, it hands over.
async fn old_agent_killed(site: &Site, point: &str) -> Result<(), Failure> {
    site.arm("agent", point)?;
    site.engine.restart_container(AGENT).await?;
    site.is_up().await?;
    let before = site.body().await?;
    let update = site.settled(&ask(site, Ask::Recreate).await?).await?;
    site.disarmed(point)?;
    ended(site, Ask::Recreate, &before, &update, End::Told).await
}

#[tokio::test]
async fn the_old_agent_is_killed_before_it_has_handed_over() -> Result<(), Failure> {
    let site = site().await?;
    each!(OLD, |point| old_agent_killed(&site, point))
}

/// The same container comes back again; another one is given up.
async fn new_agent_killed(site: &Site, (what, point): (Ask, &str)) -> Result<(), Failure> {
    let before = site.body().await?;
    site.arm("agent", point)?;
    let update = site.settled(&ask(site, what).await?).await?;
    site.disarmed(point)?;
    let end = match what {
        Ask::Restart => End::Confirmed,
        Ask::Recreate | Ask::Bad => End::Told,
    };
    ended(site, what, &before, &update, end).await
}

#[tokio::test]
async fn the_new_agent_is_killed() -> Result<(), Failure> {
    let site = site().await?;
    let cases = [Ask::Restart, Ask::Recreate]
        .into_iter()
        .flat_map(|what| NEW.map(|point| (what, point)));
    each!(cases, |case| new_agent_killed(&site, case))
}

async fn core_killed(site: &mut Site, what: Ask, point: &str) -> Result<(), Failure> {
    site.core.program.kill();
    site.core.start_again_at(Some(point)).await?;
    // One that has found no Core several times in a row would take its time.
    site.engine.restart_container(AGENT).await?;
    site.is_up().await?;
    let before = site.body().await?;
    let asked = ask(site, what).await;
    site.core.program.wait_killed().await?;
    site.core.start_again().await?;
    let id = match asked {
        Ok(id) => id,
        // It died before it could answer.
        Err(_) => site.last_update().await?,
    };
    let update = site.settled(&id).await?;
    ended(site, what, &before, &update, End::Confirmed).await
}

#[tokio::test]
async fn core_is_killed_at_each_step() -> Result<(), Failure> {
    let mut site = site().await?;
    each!(CORE, |point| core_killed(&mut site, Ask::Recreate, point))
}

/// The Engine dies with everything in it while the old container is stopped, and nothing that it starts by itself is
/// the agent.
#[tokio::test]
async fn the_engine_is_killed_while_no_agent_runs() -> Result<(), Failure> {
    let mut site = site().await?;
    for what in [Ask::Restart, Ask::Recreate] {
        let before = site.body().await?;
        site.arm("helper", "hand-over.stop.done:1:stop")?;
        let id = ask(&site, what).await?;
        let helper = helper(&site.engine).await?;
        wait_for("the agent to be stopped", || async {
            let old = site.engine.state(before.id()).await.ok()?;
            (old == State::Exited).then_some(())
        })
        .await?;
        println!("{what:?}: {helper} stands still, the Engine dies");
        site.engine.kill().await?;
        site.engine.start_again().await?;
        let update = site.settled(&id).await?;
        ended(&site, what, &before, &update, End::Confirmed).await?;
    }
    Ok(())
}
