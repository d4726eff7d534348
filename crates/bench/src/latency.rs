//! From the Engine's own event to a client of the live feed.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use komodo_api::{
    container::ContainerListItem,
    engine::ContainerStateStatusEnum,
    live::{LiveMessage, Topic},
    resource::ServerRef,
};
use komodo_testkit::{
    engine::{Container, Engine},
    installation::{Core, Failure},
};

use crate::report::{Figure, quantile};

const CONTAINERS: usize = 50;
const CHANGES: usize = 200;
const SERVER: &str = "bench";
/// Longest wait for one change to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Measures the figures of this group.
pub async fn measure() -> Result<Vec<Figure>, Failure> {
    let engine = Engine::start().await?;
    let core = Core::start(engine.host_address().into()).await?;
    for number in 0..CONTAINERS {
        engine.run(Container::idle(format!("c{number}"))).await?;
    }
    let _agent = core.agent_process(&engine, SERVER).await?;
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS).await?;
    let mut live = core.client.live().await?;
    live.subscribe(Topic::Containers { server: ServerRef(SERVER.into()) }).await?;
    let mut events = engine.docker().events(None::<EventsOptions>);

    let mut latencies_ms = Vec::with_capacity(CHANGES);
    let mut missed = 0;
    for change in 0..CHANGES {
        let name = format!("c{}", change % CONTAINERS);
        let pausing = (change / CONTAINERS).is_multiple_of(2);
        let (act, state) = if pausing {
            (engine.pause(&name).await, ContainerStateStatusEnum::Paused)
        } else {
            (engine.unpause(&name).await, ContainerStateStatusEnum::Running)
        };
        act?;
        match tokio::time::timeout(ARRIVAL, arrival(&mut live, &name, state)).await {
            Ok(arrived) => {
                let action = if pausing { "pause" } else { "unpause" };
                let told = tokio::time::timeout(ARRIVAL, event_time(&mut events, &name, action)).await??;
                latencies_ms.push((arrived? - told) / 1e6);
            }
            Err(_) => missed += 1,
        }
    }
    if missed > 0 {
        return Err(format!("{missed} of {CHANGES} changes never arrived").into());
    }
    let note = format!("{CHANGES} changes made outside of Komodo, {CONTAINERS} containers; from the event's own time stamp");
    Ok(vec![
        Figure::at_most("Engine's event → client of the live feed, p50", quantile(&latencies_ms, 0.5), "ms", 10.0, latencies_ms.clone())
            .note(note),
        Figure::at_most("Engine's event → client of the live feed, p99", quantile(&latencies_ms, 0.99), "ms", 60.0, vec![]),
    ])
}

/// Time at which the feed shows a container in a state, unix nanoseconds.
async fn arrival(live: &mut komodo_client::Live, name: &str, state: ContainerStateStatusEnum) -> Result<f64, Failure> {
    loop {
        let message = live.next().await?;
        let at = now_ns();
        let items: Vec<ContainerListItem> = match &message {
            LiveMessage::Snapshot { data, .. } => serde_json::from_str(data.get())?,
            LiveMessage::Delta { upsert, .. } => {
                upsert.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>()?
            }
            LiveMessage::Error { error, .. } => return Err(error.error.clone().into()),
            _ => continue,
        };
        if items.iter().any(|item| item.name == name && item.state == state) {
            return Ok(at);
        }
    }
}

async fn event_time(
    events: &mut (impl futures_util::Stream<Item = Result<bollard::models::EventMessage, bollard::errors::Error>> + Unpin),
    name: &str,
    action: &str,
) -> Result<f64, Failure> {
    while let Some(event) = events.next().await {
        let event = event?;
        let attributes: HashMap<String, String> = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
        if event.action.as_deref() == Some(action) && attributes.get("name").map(String::as_str) == Some(name) {
            return event.time_nano.map(|ns| ns as f64).ok_or_else(|| "an event without a time".into());
        }
    }
    Err("the Engine's event stream ended".into())
}

fn now_ns() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_nanos() as f64)
}
