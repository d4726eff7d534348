//! Single operations: on the agent they are refused with the reason and the way, on a labelled container they act, on
//! one of the control path they need an override that is written down.

use komodo_api::{
    Code, Error,
    container::{
        DestroyContainer, ExecuteContainers, PauseContainer, StartContainer, StopContainer,
    },
    plan::ReasonCode,
    resource::{ContainerRef, ServerRef},
    server::ServerState,
    update::{ListUpdates, OperationKind},
};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{AgentContainer, Core, Failure},
};

const SERVER: &str = "host-1";

fn stop(container: &str, override_reason: Option<&str>) -> StopContainer {
    StopContainer {
        override_reason: override_reason.map(str::to_owned),
        ..StopContainer::of(SERVER, container)
    }
}

async fn refused<O: ExecuteContainers>(core: &Core, operation: &O) -> Result<Error, Failure> {
    match core.client.call(operation).await {
        Ok(update) => Err(format!("{} was accepted: {update:?}", O::NAME).into()),
        Err(error) => Ok(error
            .api()
            .ok_or_else(|| format!("no answer of the API: {error}"))?
            .clone()),
    }
}

#[tokio::test]
async fn the_agent_refuses_to_be_stopped_paused_or_destroyed_by_name() -> Result<(), Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    let AgentContainer {
        container,
        state: _state,
    } = core.agent_container(&engine, "periphery", SERVER).await?;
    let id = engine.run(container).await?;
    core.wait_server(SERVER, ServerState::Ok).await?;
    core.wait_containers(SERVER, "the agent to be marked", |list| {
        list.iter().any(|item| !item.protected.is_empty())
    })
    .await?;
    let started = engine
        .inspect("periphery")
        .await?
        .state
        .and_then(|state| state.started_at);

    let server = || ServerRef(SERVER.into());
    // By name, by id, by a short id, and with an override, which never lifts the protection of an agent.
    for reference in ["periphery", "/periphery", &id, &id[..12]] {
        let container = || ContainerRef(reference.into());
        let answers = [
            refused(&core, &stop(reference, None)).await?,
            refused(&core, &stop(reference, Some("I know what I do"))).await?,
            refused(&core, &PauseContainer::of(server(), container())).await?,
            refused(&core, &DestroyContainer::of(server(), container())).await?,
        ];
        for error in answers {
            assert_eq!(error.code, Code::Protected, "{error:?}");
            assert_eq!(error.params["container"], "periphery", "{error:?}");
            assert_eq!(
                error.params["reason"],
                serde_json::json!(ReasonCode::Agent),
                "{error:?}"
            );
            assert!(
                error.error.contains("periphery") && error.error.contains("detach"),
                "the text names the container and the way: {error:?}"
            );
        }
    }
    let state = engine.inspect("periphery").await?.state.ok_or("no state")?;
    assert_eq!((state.running, state.started_at), (Some(true), started));
    // A refusal opens no task, and is audited.
    let updates = core.client.call(&ListUpdates::default()).await?.updates;
    assert!(
        updates.iter().all(|update| update.end_ts.is_some()),
        "{updates:?}"
    );
    assert!(
        updates
            .iter()
            .any(|update| update.operation == OperationKind::StopContainer && !update.success),
        "{updates:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_labelled_container_acts_by_name_and_a_declared_one_needs_an_override()
-> Result<(), Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    engine
        .run(Container::idle("labelled").label("komodo.skip", "true"))
        .await?;
    engine
        .run(Container::idle("dns").label("komodo.protect", "true"))
        .await?;
    engine
        .run(
            Container::idle("both")
                .label("komodo.protect", "true")
                .label("komodo.skip", "false"),
        )
        .await?;
    let _agent = core.agent_process(&engine, SERVER).await?;

    let update = core
        .client
        .execute_and_wait(&stop("labelled", None), |_| ())
        .await?;
    assert!(update.success, "{update:?}");
    assert_eq!(engine.state("labelled").await?, State::Exited);

    for name in ["dns", "both"] {
        let error = refused(&core, &stop(name, None)).await?;
        assert_eq!(
            (error.code, &error.params["reason"]),
            (Code::Protected, &serde_json::json!(ReasonCode::Declared))
        );
        assert!(
            error.error.contains("override"),
            "the text names the way: {error:?}"
        );
        assert_eq!(engine.state(name).await?, State::Running);
    }

    let update = core
        .client
        .execute_and_wait(&stop("dns", Some("moving the resolver to host-2")), |_| ())
        .await?;
    assert!(update.success, "{update:?}");
    assert_eq!(engine.state("dns").await?, State::Exited);
    let told = serde_json::to_string(&update)?;
    assert!(
        told.contains("moving the resolver to host-2"),
        "the reason is written down: {told}"
    );

    let start = StartContainer::of(ServerRef(SERVER.into()), ContainerRef("dns".into()));
    assert!(
        core.client.execute_and_wait(&start, |_| ()).await?.success,
        "to start a protected container does no harm"
    );
    Ok(())
}
