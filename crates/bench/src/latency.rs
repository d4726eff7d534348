//! From the Engine's own event to a client of the live feed.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::query_parameters::EventsOptionsBuilder;
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

use tokio::{sync::mpsc, time::timeout};

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
    core.wait_containers(SERVER, "all containers", |list| list.len() == CONTAINERS)
        .await?;
    let mut live = core.client.live().await?;
    live.subscribe(Topic::Containers {
        server: ServerRef(SERVER.into()),
    })
    .await?;
    // Both are read all the time, so that nothing waits in a buffer while a change is being made.
    let (shown, mut arrivals) = mpsc::channel(CHANGES);
    #[expect(
        clippy::disallowed_methods,
        reason = "aborted at the end of the measurement"
    )]
    let reading = tokio::spawn(async move {
        loop {
            for seen in states(&live.next().await?, now_ns())? {
                shown.send(seen).await?;
            }
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<(), Failure>(())
    });
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the times of the Engine"
    )]
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_secs()
        .to_string();
    let options = EventsOptionsBuilder::default().since(&since).build();
    let mut events = engine.docker().events(Some(options));

    let mut latencies_ms = Vec::with_capacity(CHANGES);
    for change in 0..CHANGES {
        let name = format!("c{}", change % CONTAINERS);
        let pausing = (change / CONTAINERS).is_multiple_of(2);
        let (action, state) = if pausing {
            engine.pause(&name).await?;
            ("pause", ContainerStateStatusEnum::Paused)
        } else {
            engine.unpause(&name).await?;
            ("unpause", ContainerStateStatusEnum::Running)
        };
        let arrived = timeout(ARRIVAL, async {
            loop {
                match arrivals.recv().await {
                    Some(seen) if seen.name == name && seen.state == state => {
                        return Some(seen.at_ns);
                    }
                    Some(_) => {}
                    None => return None,
                }
            }
        });
        let arrived = arrived
            .await
            .map_err(|_| format!("the {action} of {name} never arrived"))?;
        let arrived = arrived.ok_or("the live feed ended")?;
        let told = timeout(ARRIVAL, event_time(&mut events, &name, action)).await??;
        latencies_ms.push((arrived - told) / 1e6);
    }
    reading.abort();
    let note = format!(
        "{CHANGES} changes made outside of Komodo, {CONTAINERS} containers; from the event's own time stamp"
    );
    Ok(vec![
        Figure::at_most(
            "Engine's event → client of the live feed, p50",
            quantile(&latencies_ms, 0.5),
            "ms",
            10.0,
            latencies_ms.clone(),
        )
        .note(note),
        Figure::at_most(
            "Engine's event → client of the live feed, p99",
            quantile(&latencies_ms, 0.99),
            "ms",
            60.0,
            vec![],
        ),
    ])
}

/// A container as the feed showed it.
struct Seen {
    name: String,
    state: ContainerStateStatusEnum,
    /// Unix nanoseconds.
    at_ns: f64,
}

fn states(message: &LiveMessage, at_ns: f64) -> Result<Vec<Seen>, Failure> {
    // A snapshot shows what was before the first change.
    let LiveMessage::Delta { upsert, .. } = message else {
        return Ok(Vec::new());
    };
    let items: Vec<ContainerListItem> = upsert
        .iter()
        .map(|item| serde_json::from_str(item.get()))
        .collect::<Result<_, _>>()?;
    Ok(items
        .into_iter()
        .map(|item| Seen {
            name: item.name,
            state: item.state,
            at_ns,
        })
        .collect())
}

async fn event_time(
    events: &mut (
             impl futures_util::Stream<
        Item = Result<bollard::models::EventMessage, bollard::errors::Error>,
    > + Unpin
         ),
    name: &str,
    action: &str,
) -> Result<f64, Failure> {
    while let Some(event) = events.next().await {
        let event = event?;
        let attributes: HashMap<String, String> = event
            .actor
            .and_then(|actor| actor.attributes)
            .unwrap_or_default();
        if event.action.as_deref() == Some(action)
            && attributes.get("name").map(String::as_str) == Some(name)
        {
            return event
                .time_nano
                .map(|ns| ns as f64)
                .ok_or_else(|| "an event without a time".into());
        }
    }
    Err("the Engine's event stream ended".into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of the Engine"
)]
fn now_ns() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |now| now.as_nanos() as f64)
}
