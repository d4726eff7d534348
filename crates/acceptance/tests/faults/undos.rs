//! `SIGKILL` of Periphery and of Core during an undo: what it did not come to is undone by another one, and each container
//! is started once.

use komodo_acceptance::{
    act_on_all,
    truth::{Host, Moment, SERVER},
};
use komodo_api::{
    container::ContainerAction,
    server::ServerState,
    update::{GetUpdate, UndoUpdate},
};
use komodo_testkit::{
    engine::{Engine, State},
    installation::Failure,
};

use crate::id_of;

/// Who dies where.
#[derive(Debug, Clone, Copy)]
enum Dies {
    Periphery(&'static str),
    Core(&'static str),
}

async fn killed_in_an_undo(host: &mut Host, dies: Dies) -> Result<(), Failure> {
    host.all_run().await?;
    let stopped = act_on_all(&host.core, SERVER, ContainerAction::Stop).await?;
    // Its end is shown before it is on disk: who is to die at that must not find this one.
    host.nothing_is_stuck().await?;
    let undo = UndoUpdate {
        id: id_of(&stopped)?,
        plan: None,
    };
    match dies {
        Dies::Periphery(point) => host.arm_agent(point).await?,
        Dies::Core(point) => host.arm_core(point).await?,
    }
    let before = Moment::now();
    let asked = host.core.client.call(&undo).await;
    match dies {
        Dies::Periphery(_) => {
            asked?;
            host.agent_program()?.wait_killed().await?;
            let docker_host = host.engine.docker_host();
            host.agent.start(&docker_host)?;
        }
        // It may have died before it answered.
        Dies::Core(_) => {
            host.core.program.wait_killed().await?;
            host.core.start_again().await?;
        }
    }
    host.core.wait_server(SERVER, ServerState::Ok).await?;
    let id = host.ordered_since(before).await?.ok_or("it is lost")?;
    let mut undone = host.closed(&id).await?;
    host.tells_the_truth(&undone, ContainerAction::Start, Some(before))
        .await?;
    host.nothing_is_stuck().await?;
    let get = GetUpdate {
        id: undo.id.clone(),
    };
    let original = host.core.client.call(&get).await?;
    if original.undone_by.as_ref() != Some(&id) || original.undoable == undone.success {
        return Err(format!("{original:?}, of which the undo is {undone:?}").into());
    }
    if !undone.success {
        let again = Moment::now();
        undone = host.core.client.execute_and_wait(&undo, |_| ()).await?;
        host.tells_the_truth(&undone, ContainerAction::Start, Some(again))
            .await?;
        host.nothing_is_stuck().await?;
    }
    let starts = host.acts(ContainerAction::Start, before).await?;
    for name in &host.names {
        let (state, times) = (host.engine.state(name).await?, starts.get(name));
        if state != State::Running || times != Some(&1) {
            let undone = &undone;
            return Err(format!("{name} is {state:?}, started {times:?}: {undone:?}").into());
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_undo_is_exact_after_a_kill_in_between() -> Result<(), Failure> {
    let mut host = Host::start(Engine::start().await?, false).await?;
    let cases = [
        Dies::Periphery("order.journaled"),
        Dies::Periphery("target.started:5"),
        Dies::Periphery("target.answered:12"),
        Dies::Core("agent.asking"),
        Dies::Core("verdict.taken:7"),
        Dies::Core("end.stored"),
    ];
    // What fails leaves a program behind that dies in the next one.
    for dies in cases {
        killed_in_an_undo(&mut host, dies)
            .await
            .map_err(|error| format!("{dies:?}: {error}"))?;
    }
    Ok(())
}
