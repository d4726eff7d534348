//! Detach: the agent is stopped, paused or removed through itself, on purpose. The Update is a success, the server is
//! shown as detached and not as broken, and who brings the agent back finds everything observed and recorded.

use std::path::Path;

use komodo_acceptance::{
    hand_over::{AGENT, SERVER, Site, closed, id_of, is_up},
    told::story,
};
use komodo_api::{
    Code,
    alert::ListAlerts,
    container::{DestroyContainer, ListContainers, PauseContainer, StopContainer},
    engine::ContainerStateStatusEnum,
    plan::{Effect, PlanOperation, ReasonCode},
    resource::{ContainerRef, ServerRef},
    server::{GetServerState, GetServerStateResponse, ServerReasonCode, ServerState},
    update::{Update, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Restart, State},
    installation::{Failure, wait_for},
};

const OTHER: &str = "web";

/// How the agent is let go.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Stop,
    Pause,
    Destroy,
}

impl Way {
    async fn ask(self, site: &Site, detach: bool) -> Result<Update, komodo_client::ClientError> {
        let on = || (ServerRef(SERVER.into()), ContainerRef(AGENT.into()));
        let client = &site.core.client;
        macro_rules! ask {
            ($request:ident) => {{
                let (server, container) = on();
                let ask = $request {
                    detach,
                    ..$request::of(server, container)
                };
                client.call(&ask).await
            }};
        }
        match self {
            Way::Stop => ask!(StopContainer),
            Way::Pause => ask!(PauseContainer),
            Way::Destroy => ask!(DestroyContainer),
        }
    }

    /// The command that brings it back, as Komodo tells it.
    const fn bring_back(self) -> &'static str {
        match self {
            Way::Stop => "docker start periphery",
            Way::Pause => "docker unpause periphery",
            Way::Destroy => "made periphery, once more",
        }
    }

    const fn state(self) -> State {
        match self {
            Way::Stop => State::Exited,
            Way::Pause => State::Paused,
            Way::Destroy => State::Absent,
        }
    }
}

async fn state(site: &Site) -> Result<GetServerStateResponse, Failure> {
    let ask = GetServerState {
        server: ServerRef(SERVER.into()),
    };
    Ok(site.core.client.call(&ask).await?)
}

async fn open_alerts(site: &Site) -> Result<usize, Failure> {
    let ask = ListAlerts {
        query: None,
        page: 0,
    };
    let alerts = site.core.client.call(&ask).await?.alerts;
    Ok(alerts.iter().filter(|alert| !alert.resolved).count())
}

/// The container of the agent, as it can be made anew after it was removed.
fn agent(container: Container) -> Container {
    container.restart(Restart::Always)
}

async fn detach(way: Way) -> Result<(), Failure> {
    let mut made = None;
    let site = Site::start(|container| {
        let container = agent(container);
        made = Some(container.clone());
        container
    })
    .await?;
    site.engine.run(Container::idle(OTHER)).await?;
    site.core
        .wait_containers(SERVER, "both containers", |list| {
            list.iter()
                .any(|item| item.name == OTHER && item.state == ContainerStateStatusEnum::Running)
        })
        .await?;

    refused_without(&site, way).await?;
    planned(&site, way).await?;

    let asked = way.ask(&site, true).await?;
    let update = closed(&site.core, &id_of(&asked)?).await?;
    let told = story(&update);
    assert!(update.success, "{told}\n{update:#?}");
    assert!(
        told.contains("etached by") && told.contains(way.bring_back()),
        "{told}"
    );
    let verdicts: Vec<_> = update.verdicts.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [VerdictKind::Done], "{update:#?}");
    site.engine.wait_state(AGENT, way.state()).await?;

    let now = state(&site).await?;
    assert_eq!(now.status, ServerState::NotOk, "{now:?}");
    let reason = now.reason.ok_or("a detached server has a reason")?;
    assert_eq!(reason.code, ServerReasonCode::Detached, "{reason:?}");
    assert!(reason.since.is_some(), "{reason:?}");
    let list = ListContainers {
        server: ServerRef(SERVER.into()),
    };
    let list = site.core.client.call(&list).await?;
    let other = list.iter().find(|item| item.name == OTHER);
    assert!(
        other
            .is_some_and(|item| item.stale_since.is_some()
                && item.state == ContainerStateStatusEnum::Running),
        "the last view: {list:?}"
    );
    assert_eq!(open_alerts(&site).await?, 0, "it is not unreachable");

    // What happens meanwhile is found out when it is back.
    site.engine.stop(OTHER).await?;
    match way {
        Way::Stop => site.engine.start_container(AGENT).await?,
        Way::Pause => site.engine.unpause(AGENT).await?,
        Way::Destroy => {
            site.engine.run(made.ok_or("it was made")?).await?;
        }
    }
    is_up(&site.core, &site.engine).await?;
    assert_eq!(state(&site).await?.reason, None);
    site.core
        .wait_containers(SERVER, "what happened meanwhile to be seen", |list| {
            list.iter().any(|item| {
                item.name == OTHER
                    && item.state == ContainerStateStatusEnum::Exited
                    && item.stale_since.is_none()
            })
        })
        .await?;
    assert_eq!(open_alerts(&site).await?, 0);
    no_mark(site.state.as_ref().map(tempfile::TempDir::path)).await?;

    // It is an agent like any other again: who stops it past Komodo has not detached it.
    site.engine.stop(AGENT).await?;
    site.core.wait_server(SERVER, ServerState::NotOk).await?;
    let reason = state(&site).await?.reason.ok_or("it has a reason")?;
    assert_eq!(reason.code, ServerReasonCode::AgentStopped, "{reason:?}");
    Ok(())
}

/// Without `detach` nothing happens, and the answer tells the way.
async fn refused_without(site: &Site, way: Way) -> Result<(), Failure> {
    let Err(error) = way.ask(site, false).await else {
        return Err(format!("{way:?} was accepted without `detach`").into());
    };
    let error = error.api().ok_or("no answer of the API")?;
    assert_eq!(error.code, Code::Protected, "{error:?}");
    assert!(error.error.contains("detach"), "the way: {error:?}");
    assert_eq!(site.engine.state(AGENT).await?, State::Running);
    Ok(())
}

/// The plan says it beforehand, with what brings it back.
async fn planned(site: &Site, way: Way) -> Result<(), Failure> {
    let plan = PlanOperation {
        operation: format!("{way:?}Container"),
        params: serde_json::from_value(
            serde_json::json!({ "server": SERVER, "container": AGENT, "detach": true }),
        )?,
    };
    let plan = site.core.client.call(&plan).await?;
    let [item] = plan.items.as_slice() else {
        return Err(format!("one item: {plan:?}").into());
    };
    assert_eq!(
        (
            item.effect,
            item.protected.first().map(|reason| reason.code)
        ),
        (Effect::Detach, Some(ReasonCode::Agent)),
        "{item:?}"
    );
    let bring_back = item.bring_back.as_deref().unwrap_or_default();
    assert!(bring_back.contains(way.bring_back()), "{item:?}");
    Ok(())
}

/// A watchdog would not bring back an agent that bears the mark.
async fn no_mark(state: Option<&Path>) -> Result<(), Failure> {
    let mark = state.ok_or("it has a volume")?.join("detached.json");
    wait_for("the mark to be taken away", || async {
        (!mark.exists()).then_some(())
    })
    .await
}

#[tokio::test]
async fn an_agent_is_stopped_on_purpose_and_started_again() -> Result<(), Failure> {
    detach(Way::Stop).await
}

#[tokio::test]
async fn an_agent_is_paused_on_purpose_and_resumed() -> Result<(), Failure> {
    detach(Way::Pause).await
}

#[tokio::test]
async fn an_agent_is_removed_on_purpose_and_made_anew() -> Result<(), Failure> {
    detach(Way::Destroy).await
}
