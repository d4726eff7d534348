//! The task that follows the Engine: subscribe, list, then deltas; forward first, inspect after.

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use komodo_agent_api::{EngineState, EventBody, GoodbyeReason};
use komodo_docker::{Engine, EngineError, EngineEvent, EngineInfo, EventStream, Inspected, Listed};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Observatory, View,
    own::{OwnProcess, own_container},
    view::Mark,
};
use crate::clock;

/// Inspects at the same time.
const INSPECTS_CONCURRENT: usize = 4;
/// Before a container whose inspect was not answered is inspected again.
const INSPECT_RETRY: Duration = Duration::from_secs(30);
/// Time an Engine has to answer a ping before it counts as hung.
const PING_DEADLINE: Duration = Duration::from_secs(10);

/// How often the watch does what it does by itself. Tests shorten them.
#[derive(Debug, Clone)]
pub struct Timings {
    /// Between an event and the inspect after it, in which further events add nothing.
    pub coalesce: Duration,
    /// Between two lists that find what no event told; half of it at least, jittered.
    pub reconcile: Duration,
    /// Between two pings that find an Engine which hangs with its connections open; half of it at least, jittered.
    pub ping: Duration,
    /// The first wait before the Engine is tried again; doubles up to `retry_max`, jittered.
    pub retry: Duration,
    /// See `retry`.
    pub retry_max: Duration,
    /// Where the kernel says what this process is: `/proc`.
    pub proc: PathBuf,
}

impl Default for Timings {
    fn default() -> Self {
        Timings {
            coalesce: Duration::from_millis(25),
            reconcile: Duration::from_secs(300),
            ping: Duration::from_secs(60),
            retry: Duration::from_millis(200),
            retry_max: Duration::from_secs(3),
            proc: "/proc".into(),
        }
    }
}

/// Follows the Engine for ever. Whatever happens to the Engine is a state of the view, never an end.
pub async fn watch(engine: Engine, observatory: Observatory, timings: Timings) {
    let own = OwnProcess::read(&timings.proc);
    let mut wait = timings.retry;
    loop {
        let mut connected_at = None;
        let error = match follow(&engine, &observatory, &timings, &own, &mut connected_at).await {
            Ok(()) => "the Engine ended the stream of its events".to_owned(),
            Err(error) => error.chain(),
        };
        if connected_at.is_some_and(|at: Instant| at.elapsed() >= timings.retry_max) {
            wait = timings.retry;
        }
        tracing::debug!(error, "the Engine cannot be followed");
        let unreachable = |why| EngineState::Unreachable {
            why,
            since: clock::now_ms(),
        };
        let before = observatory.engine();
        if !matches!(&before, EngineState::Unreachable { why, .. } if *why == error) {
            tracing::warn!(error, endpoint = %engine.endpoint(), "the Engine is unreachable; trying again and again");
        }
        observatory.update(|view| view.set_engine(unreachable(error)));
        sleep(jitter(wait)).await;
        wait = (wait * 2).min(timings.retry_max);
    }
}

/// A time between half of it and all of it.
pub(crate) fn jitter(length: Duration) -> Duration {
    length.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// What came of a call.
enum Answer {
    Inspect(String, Mark, Result<Option<Box<Inspected>>, EngineError>),
    List(Mark, Result<Vec<Listed>, EngineError>),
    Ping(Result<(), EngineError>),
}

/// Inspects that are due: one for each container, however many events ask for it.
#[derive(Default)]
struct Due {
    order: VecDeque<(Instant, String)>,
    waiting: BTreeSet<String>,
    running: BTreeSet<String>,
}

impl Due {
    fn add(&mut self, id: String, at: Instant) {
        if self.waiting.insert(id.clone()) {
            self.order.push_back((at, id));
        }
    }

    /// When the next one can begin.
    fn next_at(&self) -> Option<Instant> {
        if self.running.len() >= INSPECTS_CONCURRENT {
            return None;
        }
        self.order
            .iter()
            .find(|(_, id)| !self.running.contains(id))
            .map(|(at, _)| *at)
    }

    fn take(&mut self, now: Instant) -> Option<String> {
        if self.running.len() >= INSPECTS_CONCURRENT {
            return None;
        }
        let at = self
            .order
            .iter()
            .position(|(at, id)| *at <= now && !self.running.contains(id))?;
        let (_, id) = self.order.remove(at)?;
        self.waiting.remove(&id);
        self.running.insert(id.clone());
        Some(id)
    }
}

async fn follow(
    engine: &Engine,
    observatory: &Observatory,
    timings: &Timings,
    own: &OwnProcess,
    connected_at: &mut Option<Instant>,
) -> Result<(), EngineError> {
    let version = engine.negotiate().await?;
    let mut events = engine.events().await?;
    // A socket proxy may not let that through; nothing depends on it.
    let info = match engine.info().await {
        Err(EngineError::Status { .. }) => EngineInfo::default(),
        other => other?,
    };
    let asked = observatory.read(View::mark);
    let list = engine.containers().await?;
    let found = own_container(engine, &list, own).await?;
    tracing::info!(
        engine.version = version.version,
        engine.api = version.api_version,
        containers = list.len(),
        own_container = found.id.as_deref().unwrap_or("none"),
        "the Engine is connected"
    );
    *connected_at = Some(Instant::now());
    // With what the list does not tell of it, so that the protected set is whole from the beginning.
    if let Some(own) = &found.id {
        observatory.look(engine, own).await?;
    }
    observatory.update(|view| view.set_own_container(found.id, found.perhaps));
    if let Some(peer) = engine.peer() {
        observatory.update(|view| view.set_control_path(|path| path.engine_peer = Some(peer)));
        observatory.look_for_host(peer, &timings.proc).await;
    }
    // In one step: nobody sees an Engine that is there and has no containers.
    observatory.update(|view| {
        name_host(view, &info);
        let mut change = view.apply_list(asked, list);
        let connected = view.set_engine(EngineState::Connected {
            engine_id: info.id.clone(),
            version: version.version,
            api_version: version.api_version,
            since: clock::now_ms(),
        });
        change.events.extend(connected.events);
        change
    });
    follow_events(engine, observatory, timings, &mut events).await
}

async fn follow_events(
    engine: &Engine,
    observatory: &Observatory,
    timings: &Timings,
    events: &mut EventStream,
) -> Result<(), EngineError> {
    let mut due = Due::default();
    let mut calls: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
    let mut reconcile_at = Instant::now() + jitter(timings.reconcile);
    let mut ping_at = Instant::now() + jitter(timings.ping);
    loop {
        let now = Instant::now();
        for id in observatory.take_wanted() {
            due.add(id, now + timings.coalesce);
        }
        while let Some(id) = due.take(now) {
            let (engine, asked) = (engine.clone(), observatory.read(View::mark));
            calls.push(Box::pin(async move {
                let answer = match engine.inspect(&id).await {
                    Ok(answer) => Ok(Some(Box::new(answer))),
                    Err(error) if error.is_not_found() => Ok(None),
                    Err(error) => Err(error),
                };
                Answer::Inspect(id, asked, answer)
            }));
        }
        let next_inspect = due.next_at();
        tokio::select! {
            biased;
            event = events.next() => {
                let Some(event) = event? else { return Ok(()) };
                observatory.update(|view| {
                    let goodbye = own_end(view, &event);
                    let mut change = view.apply_event(&event);
                    change.events.extend(goodbye.map(EventBody::Goodbye));
                    change
                });
            }
            Some(answer) = calls.next() => match answer {
                Answer::Inspect(id, asked, answer) => {
                    due.running.remove(&id);
                    match answer {
                        Ok(answer) => observatory.update(|view| view.apply_inspect(asked, &id, answer.map(|answer| *answer))),
                        // One container that hangs is not an Engine that hangs: ask that one.
                        Err(error) => {
                            tracing::warn!(
                                container.id = id, error = error.chain(), "a container cannot be inspected"
                            );
                            if error.is_unreachable() {
                                due.add(id, Instant::now() + INSPECT_RETRY);
                                ping_at = Instant::now();
                            }
                        }
                    }
                }
                Answer::List(asked, list) => {
                    let list = list?;
                    observatory.update(|view| view.apply_list(asked, list));
                }
                Answer::Ping(answer) => answer?,
            },
            () = observatory.shared.wanted.notified() => {}
            () = sleep_until(next_inspect.unwrap_or(now)), if next_inspect.is_some() => {}
            () = sleep_until(reconcile_at) => {
                reconcile_at = Instant::now() + jitter(timings.reconcile);
                let (engine, asked) = (engine.clone(), observatory.read(View::mark));
                calls.push(Box::pin(async move { Answer::List(asked, engine.containers().await) }));
            }
            () = sleep_until(ping_at) => {
                ping_at = Instant::now() + jitter(timings.ping);
                let engine = engine.clone();
                calls.push(Box::pin(async move { Answer::Ping(engine.ping(PING_DEADLINE).await) }));
            }
        }
    }
}

/// Whether an event tells that the agent's own container is about to end.
fn own_end(view: &View, event: &EngineEvent) -> Option<GoodbyeReason> {
    let own = view.control_path().own_container.as_deref()?;
    if event.kind != "container" || event.actor.id != own {
        return None;
    }
    // Its death comes too late to be told, and of a pause it hears only after it. Where an operation takes it away
    // that is told by whoever goes.
    let ends = view.going.is_none()
        && event.action == "kill"
        && matches!(event.attribute("signal"), Some("2" | "3" | "9" | "15"));
    ends.then(|| GoodbyeReason::EngineEvent {
        action: event.action.clone(),
    })
}

/// In a container the kernel's files say less of the host than the Engine does.
fn name_host(view: &mut View, info: &EngineInfo) {
    if view.control_path().own_container.is_none() {
        return;
    }
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if let Some(name) = known(&info.name) {
        view.host.host_name = Some(name);
    }
    if let Some(system) = known(&info.operating_system) {
        view.host.os = Some(system.clone());
        view.host.name = Some(system);
    }
}
