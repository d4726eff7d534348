//! The network between Periphery and Core is cut at a step of an operation, and healed when the containers are through.

use komodo_acceptance::{
    cut::{Cut, heal},
    truth::{Host, Moment, SERVER},
};
use komodo_api::{container::ContainerAction, server::ServerState};
use komodo_testkit::{
    engine::{Engine, State},
    installation::{Failure, wait_for},
};

use crate::{Ordered, each, order, recovers};

/// Where one of the programs stands still while the network is cut.
#[derive(Debug, Clone, Copy)]
enum At {
    Periphery(&'static str),
    Core(&'static str),
}

/// When the network is healed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Until {
    /// As soon as the agent has done what it can do alone.
    Acted,
    /// When Core has noticed, too.
    Noticed,
}

type Case = (At, Cut, Until);

async fn cut(host: &mut Host, (at, cut, until): Case) -> Result<(), Failure> {
    host.all_run().await?;
    match at {
        At::Periphery(point) => host.arm_agent(&format!("{point}:stop")).await?,
        At::Core(point) => host.arm_core(&format!("{point}:stop")).await?,
    }
    host.all_run().await?;
    let before = Moment::now();
    // A Core that stands still may not answer before it goes on.
    let address = host.core.address;
    let ordered = order(host, ContainerAction::Stop);
    let stands = async {
        match at {
            At::Periphery(_) => match &host.agent.program {
                Some(agent) => agent.wait_stopped().await,
                None => Err("the agent is stopped".into()),
            },
            At::Core(_) => host.core.program.wait_stopped().await,
        }?;
        cut.strike(&host.engine, address)?;
        match (at, &host.agent.program) {
            (At::Periphery(_), Some(agent)) => agent.resume(),
            _ => host.core.program.resume(),
        }
    };
    let (ordered, stood) = futures_util::join!(ordered, stands);
    stood?;
    ordered?;
    if until == Until::Noticed {
        host.core.wait_server(SERVER, ServerState::NotOk).await?;
    } else if !matches!(
        at,
        At::Core("agent.asking:1") | At::Periphery("order.planned:1")
    ) {
        wait_for("all containers to be stopped", || async {
            for name in &host.names {
                if host.engine.state(name).await.ok()? != State::Exited {
                    return None;
                }
            }
            Some(())
        })
        .await?;
    }
    heal(&host.engine)?;
    recovers(host, Ordered::new(ContainerAction::Stop, before))
        .await
        .map(drop)
}

async fn host() -> Result<Host, Failure> {
    Host::start(Engine::start().await?, true).await
}

#[tokio::test]
async fn the_network_is_refused_at_steps_of_a_stop() -> Result<(), Failure> {
    let mut host = host().await?;
    let cases = [
        (At::Core("agent.asking:1"), Cut::Reset, Until::Acted),
        (At::Core("agent.accepted:1"), Cut::Reset, Until::Acted),
        (At::Core("event.taken:10"), Cut::Reset, Until::Acted),
        (At::Core("end.acknowledging:1"), Cut::Reset, Until::Acted),
        (At::Periphery("order.accepted:1"), Cut::Reset, Until::Acted),
        (At::Periphery("target.started:3"), Cut::Reset, Until::Acted),
        (
            At::Periphery("acknowledge.asked:1"),
            Cut::Reset,
            Until::Acted,
        ),
    ];
    each!(cases, |case| cut(&mut host, case))
}

#[tokio::test]
async fn packets_are_lost_for_a_moment_at_steps_of_a_stop() -> Result<(), Failure> {
    let mut host = host().await?;
    let cases = [
        (At::Periphery("order.planned:1"), Cut::Lost, Until::Acted),
        (At::Periphery("target.answered:10"), Cut::Lost, Until::Acted),
        (At::Periphery("operation.ending:1"), Cut::Lost, Until::Acted),
    ];
    each!(cases, |case| cut(&mut host, case))
}

#[tokio::test]
async fn packets_are_lost_until_core_notices() -> Result<(), Failure> {
    let mut host = host().await?;
    let cases = [
        (At::Periphery("target.started:5"), Cut::Lost, Until::Noticed),
        (At::Core("agent.asking:1"), Cut::Lost, Until::Noticed),
    ];
    each!(cases, |case| cut(&mut host, case))
}
