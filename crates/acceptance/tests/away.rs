//! The agent is stopped, killed and paused from outside, while an operation runs and before one is asked: no misleading
//! error, the last view with its age, and afterwards the observed truth.

use komodo_api::{
    Code,
    container::{
        ContainerListItem, InspectContainer, ListContainers, StartAllContainers, StopAllContainers,
    },
    engine::ContainerStateStatusEnum,
    plan::ReasonCode,
    resource::{ContainerRef, ServerRef},
    server::{GetServerState, ServerReasonCode, ServerState},
    update::{GetUpdate, Update, UpdateStatus, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{AgentContainer, Core, Failure, wait_for},
};

const SERVER: &str = "host-1";
const OTHERS: [&str; 4] = ["one", "two", "three", "four"];
/// Ends 3 s after it was asked to, so that there is time to hit the agent meanwhile.
const SLOW: [&str; 3] = [
    "sh",
    "-c",
    "trap 'sleep 3; exit 0' TERM; while :; do sleep 3600 & wait $!; done",
];

struct Installation {
    engine: Engine,
    core: Core,
    _state: AgentContainer,
}

async fn installation(command: [&str; 3]) -> Result<Installation, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    for name in OTHERS {
        engine.run(Container::new(name, command)).await?;
    }
    let agent = core.agent_container(&engine, "periphery", SERVER).await?;
    engine.run(agent.container.clone()).await?;
    core.wait_server(SERVER, ServerState::Ok).await?;
    core.wait_containers(SERVER, "all containers in view", |list| {
        list.len() == OTHERS.len() + 1
    })
    .await?;
    Ok(Installation {
        engine,
        core,
        _state: agent,
    })
}

fn server() -> ServerRef {
    ServerRef(SERVER.into())
}

/// How the agent is hit from outside, and how it is brought back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hit {
    Stop,
    Kill,
    Pause,
}

impl Hit {
    async fn strike(self, engine: &Engine) -> Result<(), Failure> {
        match self {
            Hit::Stop => engine.stop("periphery").await?,
            Hit::Kill => engine.signal("periphery", "SIGKILL").await?,
            Hit::Pause => engine.pause("periphery").await?,
        }
        Ok(())
    }

    async fn undo(self, engine: &Engine) -> Result<(), Failure> {
        match self {
            Hit::Stop | Hit::Kill => engine.start_container("periphery").await?,
            Hit::Pause => engine.unpause("periphery").await?,
        }
        Ok(())
    }
}

async fn before_an_operation(hit: Hit) -> Result<(), Failure> {
    let Installation {
        engine,
        core,
        _state,
    } = installation(komodo_testkit::engine::IDLE_COMMAND).await?;
    hit.strike(&engine).await?;
    core.wait_server(SERVER, ServerState::NotOk).await?;
    let state = core
        .client
        .call(&GetServerState { server: server() })
        .await?;
    let reason = state.reason.ok_or("a server that is not Ok has a reason")?;
    assert!(reason.since.is_some(), "{reason:?}");
    match hit {
        Hit::Stop => assert_eq!(
            reason.code,
            ServerReasonCode::AgentStopped,
            "{reason:?}\n{}\n{}",
            core.program.log(),
            engine.logs("periphery").await?
        ),
        Hit::Kill | Hit::Pause => assert!(
            matches!(
                reason.code,
                ServerReasonCode::Unreachable | ServerReasonCode::AgentStopped
            ),
            "{reason:?}"
        ),
    }
    // Lists and inspect answer with the last view and its age.
    let list: Vec<ContainerListItem> = core
        .client
        .call(&ListContainers { server: server() })
        .await?;
    assert_eq!(list.len(), OTHERS.len() + 1);
    assert!(
        list.iter().all(|item| item.stale_since.is_some()),
        "{list:?}"
    );
    let inspected = core
        .client
        .call(&InspectContainer {
            server: server(),
            container: ContainerRef("one".into()),
        })
        .await?;
    assert!(serde_json::to_string(&inspected)?.contains("one"));
    // An operation is refused at once, with the fact.
    let refused = core.client.call(&StopAllContainers::of(server())).await;
    let error = refused
        .expect_err("the server is away")
        .api()
        .cloned()
        .ok_or("no answer of the API")?;
    assert_eq!(error.code, Code::ServerUnreachable, "{error:?}");
    assert!(error.params.contains_key("since"), "{error:?}");

    hit.undo(&engine).await?;
    core.wait_server(SERVER, ServerState::Ok).await?;
    let stop = core
        .client
        .execute_and_wait(&StopAllContainers::of(server()), |_| ())
        .await?;
    assert!(stop.success, "{stop:?}");
    equals_inspect(&engine, &stop).await
}

async fn during_an_operation(hit: Hit) -> Result<(), Failure> {
    let Installation {
        engine,
        core,
        _state,
    } = installation(SLOW).await?;
    let update = core.client.call(&StopAllContainers::of(server())).await?;
    let id = update.id.ok_or("an Update has an id")?.0;
    let get = GetUpdate { id: id.to_string() };
    // The orders are at the Engine when it tells of the first kill signal; the agent's journal is then ahead of it.
    core.wait_containers(SERVER, "the operation to be under way", |list| {
        list.len() == OTHERS.len() + 1
    })
    .await?;
    hit.strike(&engine).await?;
    core.wait_server(SERVER, ServerState::NotOk).await?;

    let open = core.client.call(&get).await?;
    if open.status == UpdateStatus::InProgress {
        let waiting = open
            .waiting_for
            .clone()
            .ok_or("an open Update of a server that is away says what it waits for")?;
        assert_eq!(waiting.server, SERVER);
        assert!(waiting.last_contact.is_some(), "{waiting:?}");
        assert!(
            open.logs.iter().all(|log| log.success),
            "no misleading error meanwhile: {open:?}"
        );
    }
    hit.undo(&engine).await?;
    core.wait_server(SERVER, ServerState::Ok).await?;
    let closed = wait_for("the Update to close", || async {
        core.client
            .call(&get)
            .await
            .ok()
            .filter(|update| update.status == UpdateStatus::Complete)
    })
    .await?;
    assert!(closed.waiting_for.is_none(), "{closed:?}");
    equals_inspect(&engine, &closed).await?;
    // Whatever it came to, nothing is stuck: the next operation runs.
    let start = core
        .client
        .execute_and_wait(&StartAllContainers::of(server()), |_| ())
        .await?;
    assert!(start.success, "{start:?}");
    for name in OTHERS {
        assert_eq!(engine.state(name).await?, State::Running);
    }
    Ok(())
}

/// Every verdict is what the Engine says.
async fn equals_inspect(engine: &Engine, update: &Update) -> Result<(), Failure> {
    for name in OTHERS {
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == name)
            .ok_or("a target without verdict")?;
        let stopped = engine.state(name).await? == State::Exited;
        match verdict.verdict {
            VerdictKind::Done | VerdictKind::Unchanged => assert!(stopped, "{verdict:?}"),
            VerdictKind::Failed => assert!(!stopped, "{verdict:?}"),
            VerdictKind::Skipped => panic!("{verdict:?}"),
            VerdictKind::Unknown => panic!("the host can be observed: {verdict:?}"),
        }
        if stopped {
            assert_eq!(
                verdict.after,
                Some(ContainerStateStatusEnum::Exited),
                "{verdict:?}"
            );
        }
    }
    let agent = update
        .verdicts
        .iter()
        .find(|verdict| verdict.container == "periphery")
        .ok_or("the agent is not listed")?;
    assert_eq!(agent.verdict, VerdictKind::Skipped);
    assert_eq!(
        agent.reason.as_ref().map(|reason| reason.code),
        Some(ReasonCode::Agent)
    );
    Ok(())
}

macro_rules! cases {
    ($($name:ident = $check:ident($hit:ident)),* $(,)?) => { $(
        #[tokio::test]
        async fn $name() -> Result<(), Failure> {
            $check(Hit::$hit).await
        }
    )* };
}
cases! {
    an_agent_stopped_before_an_operation = before_an_operation(Stop),
    an_agent_killed_before_an_operation = before_an_operation(Kill),
    an_agent_paused_before_an_operation = before_an_operation(Pause),
    an_agent_stopped_during_an_operation = during_an_operation(Stop),
    an_agent_killed_during_an_operation = during_an_operation(Kill),
    an_agent_paused_during_an_operation = during_an_operation(Pause),
}
