//! The Engine goes and comes back at a step of an operation: in order or by `SIGKILL`, with and without live-restore.

use komodo_acceptance::truth::{Host, Moment};
use komodo_api::container::ContainerAction;
use komodo_testkit::{
    engine::{Engine, EngineOptions},
    installation::Failure,
};

use crate::{Ordered, each, order, recovers};

/// How the Engine goes.
#[derive(Debug, Clone, Copy)]
enum Goes {
    InOrder,
    Killed,
}

async fn engine_goes(host: &mut Host, goes: Goes, point: &str) -> Result<(), Failure> {
    host.all_run().await?;
    host.arm_agent(&format!("{point}:stop")).await?;
    let before = Moment::now();
    order(host, ContainerAction::Stop).await?;
    // Periphery stands still while the Engine goes, and goes on without it.
    host.agent_program()?.wait_stopped().await?;
    match goes {
        Goes::InOrder => host.engine.terminate().await?,
        Goes::Killed => host.engine.kill().await?,
    }
    host.agent_program()?.resume()?;
    host.engine.start_again().await?;
    let ordered = Ordered {
        counted: false,
        ..Ordered::new(ContainerAction::Stop, before)
    };
    recovers(host, ordered).await.map(drop)
}

async fn all_cases(live_restore: bool) -> Result<(), Failure> {
    let options = EngineOptions {
        live_restore,
        ..EngineOptions::default()
    };
    let mut host = Host::start(Engine::start_with(options).await?, false).await?;
    let cases = [
        (Goes::Killed, "target.started:5"),
        (Goes::Killed, "target.answered:10"),
        (Goes::InOrder, "target.started:3"),
        (Goes::InOrder, "target.settled:2"),
    ];
    each!(cases, |case| engine_goes(&mut host, case.0, case.1))
}

#[tokio::test]
async fn the_engine_restarts_during_a_stop() -> Result<(), Failure> {
    all_cases(false).await
}

#[tokio::test]
async fn the_engine_restarts_with_live_restore_during_a_stop() -> Result<(), Failure> {
    all_cases(true).await
}
