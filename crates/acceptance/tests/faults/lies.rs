//! A proxy before the Engine lies about what was done: the verdict is what is seen all the same.

use komodo_acceptance::truth::{Host, Moment, SERVER};
use komodo_api::{container::ContainerAction, server::ServerState, update::VerdictKind};
use komodo_testkit::{
    engine::{
        Engine,
        proxy::{Lie, Proxy},
    },
    installation::Failure,
};

use crate::{Ordered, each, order, recovers};

async fn lied_to(
    host: &Host,
    proxy: &Proxy,
    action: ContainerAction,
    about: &str,
    (lie, expected): (Lie, VerdictKind),
) -> Result<(), Failure> {
    host.all_run().await?;
    proxy.lie(about, lie);
    let before = Moment::now();
    let id = order(host, action).await?.id.ok_or("an Update has an id")?;
    host.closed(&id.0.to_string()).await?;
    proxy.be_honest();
    let update = recovers(host, Ordered::new(action, before))
        .await?
        .ok_or("the Update is lost")?;
    match update
        .verdicts
        .iter()
        .find(|verdict| verdict.verdict != expected)
    {
        None => Ok(()),
        Some(verdict) => Err(format!("{verdict:?} is not {expected:?}").into()),
    }
}

#[tokio::test]
async fn a_proxy_lies_about_a_stop_and_a_restart() -> Result<(), Failure> {
    let mut host = Host::start(Engine::start().await?, false).await?;
    let folder = tempfile::TempDir::new()?;
    let proxy = Proxy::start(&host.engine.socket(), folder.path())?;
    host.agent_program()?.kill();
    host.core.wait_server(SERVER, ServerState::NotOk).await?;
    host.agent.start(&proxy.docker_host())?;
    host.core.wait_server(SERVER, ServerState::Ok).await?;
    let lies = [
        (Lie::SaysDone, VerdictKind::Failed),
        (Lie::DropsAnswer, VerdictKind::Done),
        (Lie::SaysFailed, VerdictKind::Done),
        (Lie::Forbids, VerdictKind::Failed),
    ];
    each!(lies, |lie| lied_to(
        &host,
        &proxy,
        ContainerAction::Stop,
        "/stop",
        lie
    ))?;
    each!(lies, |lie| lied_to(
        &host,
        &proxy,
        ContainerAction::Restart,
        "/restart",
        lie
    ))
}
