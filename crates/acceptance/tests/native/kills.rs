//! Kills in the middle of a hand over of a service: of the helper at each of its steps, of the old agent, of the new one.
//! Whatever dies, one agent runs in the end, it is connected, and the Update is true.

use komodo_acceptance::{
    each,
    native::{Run, Site},
    told::{End, tells},
};
use komodo_api::update::Update;
use komodo_testkit::installation::{AgentProgram, Failure};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ask {
    Restart,
    /// The other one of two good programs.
    Replace,
    /// A program that does not stay.
    Bad,
}

/// Points of the helper in a restart.
const RESTART: [&str; 4] = [
    "hand-over.unit.restart",
    "hand-over.unit.restart.done",
    "hand-over.unit.finish",
    "hand-over.unit.finish.done",
];

/// Points of the helper while a new program takes over.
const REPLACE: [&str; 8] = [
    "hand-over.unit.exchange",
    "hand-over.unit.exchange.done",
    "hand-over.unit.restart",
    "hand-over.unit.restart.done",
    "hand-over.unit.remove",
    "hand-over.unit.remove.done",
    "hand-over.unit.finish",
    "hand-over.unit.finish.done",
];

/// Points of the helper while it puts the old program back.
const ROLL_BACK: [&str; 6] = [
    "hand-over.unit.exchange:2",
    "hand-over.unit.exchange.done:2",
    "hand-over.unit.start",
    "hand-over.unit.start.done",
    "hand-over.unit.remove",
    "hand-over.unit.finish",
];

/// Points of the old agent.
const OLD: [&str; 8] = [
    "program.complete",
    "hand-over.preparing",
    "hand-over.prepared",
    "hand-over.kept",
    "hand-over.beside",
    "hand-over.unit.copied",
    "hand-over.handed",
    "hand-over.started",
];

/// Points of the agent that comes after.
const NEW: [&str; 3] = [
    "hand-over.confirming",
    "hand-over.confirmed",
    "hand-over.ended",
];

async fn ask(site: &Site, what: Ask) -> Result<String, Failure> {
    match what {
        Ask::Restart => site.ask_restart().await,
        Ask::Replace => site.ask_program(site.other_good().await?).await,
        Ask::Bad => site.ask_program(AgentProgram::EndsAtOnce).await,
    }
}

/// Whether it ended as it must, and the Update says what is.
async fn ended(
    site: &Site,
    what: Ask,
    before: &Run,
    update: &Update,
    end: End,
) -> Result<(), Failure> {
    let after = site.run().await?;
    let again = after.invocation != before.invocation;
    let is_old = after.program == before.program;
    let done = match what {
        Ask::Restart => is_old && again,
        Ask::Replace | Ask::Bad => !is_old,
    };
    let seen = format!("old: {is_old}, again: {again}");
    tells(update, end, done, &seen)
}

async fn helper_killed(site: &Site, what: Ask, point: &str) -> Result<(), Failure> {
    let before = site.run().await?;
    let kills = site.kills("helper").await;
    site.arm("helper", point)?;
    let id = ask(site, what).await?;
    let update = site.settled(&id).await?;
    site.killed("helper", kills).await?;
    let end = match what {
        Ask::Bad => End::RolledBack,
        Ask::Restart | Ask::Replace => End::Confirmed,
    };
    ended(site, what, &before, &update, end).await
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_restart() -> Result<(), Failure> {
    let site = Site::start().await?;
    each!(RESTART, |point| helper_killed(&site, Ask::Restart, point))
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_replacement() -> Result<(), Failure> {
    let site = Site::start().await?;
    each!(REPLACE, |point| helper_killed(&site, Ask::Replace, point))
}

#[tokio::test]
async fn the_helper_is_killed_at_each_step_of_a_roll_back() -> Result<(), Failure> {
    let site = Site::start().await?;
    each!(ROLL_BACK, |point| helper_killed(&site, Ask::Bad, point))
}

/// It dies before, or just as, it hands over.
async fn old_agent_killed(site: &Site, point: &str) -> Result<(), Failure> {
    site.arm("agent", point)?;
    site.restart().await?;
    let before = site.run().await?;
    let kills = site.kills("agent").await;
    let update = site.settled(&ask(site, Ask::Replace).await?).await?;
    site.killed("agent", kills).await?;
    ended(site, Ask::Replace, &before, &update, End::Told).await
}

#[tokio::test]
async fn the_old_agent_is_killed_before_it_has_handed_over() -> Result<(), Failure> {
    let site = Site::start().await?;
    each!(OLD, |point| old_agent_killed(&site, point))
}

/// The same program comes back again; another one is given up.
async fn new_agent_killed(site: &Site, (what, point): (Ask, &str)) -> Result<(), Failure> {
    let before = site.run().await?;
    // The old one has been started already: this is for the run after it.
    let kills = site.kills("agent").await;
    site.arm("agent", point)?;
    let update = site.settled(&ask(site, what).await?).await?;
    site.killed("agent", kills).await?;
    ended(site, what, &before, &update, End::Told).await
}

#[tokio::test]
async fn the_new_agent_is_killed() -> Result<(), Failure> {
    let site = Site::start().await?;
    let cases = NEW.map(|point| [(Ask::Restart, point), (Ask::Replace, point)]);
    each!(cases.concat(), |case| new_agent_killed(&site, case))
}
