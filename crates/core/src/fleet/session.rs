//! The session of one server: the only writer of its view, for as long as the server is known.
//!
//! It hands an agent that connected to everybody who wants it, follows the agent's events, and keeps the last view when
//! the link goes. It waits for nothing without a deadline, and for no other server at all.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::ReadyChunks};
use komodo_agent_api::{AgentEvent, AgentHello, AgentStream, EventBody, GoodbyeReason, LEVEL_MIN};
use komodo_api::UnixMs;
use komodo_plan::LinkState;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    Agent, Changes, Command, ContainersChange, Inner, NewLink, ServerView, Slot, neighbours::Told,
    without_agent::on_purpose,
};

/// Events that are taken at once where they wait already.
const EVENTS_AT_ONCE_MAX: usize = 64;
/// Streams of events that may end early one after the other before the link is given up.
const STREAMS_LOST_MAX: u32 = 5;
/// How long a goodbye explains the end of the link although a ping was answered after it.
const GOODBYE_HOLDS: Duration = Duration::from_secs(60);

/// Pause before an agent is told once more which other agents share its Engine.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// How long events that had arrived are read after the link has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(super) struct Session {
    pub(super) fleet: Arc<Inner>,
    pub(super) slot: Arc<Slot>,
    /// The view to come; what others see is a copy.
    pub(super) view: ServerView,
    /// When the view has to be saved, where it changed since it was.
    pub(super) save_at: Option<Instant>,
    /// Until when it is believed that a helper brings the agent back.
    pub(super) helper_until: Option<Instant>,
}

/// What ends the time with one link.
enum Ended {
    /// The session.
    Session,
    /// This link.
    Link,
    /// This link, for another one.
    Replaced(Box<NewLink>),
}

impl Session {
    pub(super) fn new(fleet: Arc<Inner>, slot: Arc<Slot>, view: ServerView) -> Self {
        let mut session = Session {
            fleet,
            slot,
            view,
            save_at: None,
            helper_until: None,
        };
        session.believe_helper();
        session
    }

    /// Runs until the server is deleted or Core ends.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next: Option<Box<NewLink>> = None;
        loop {
            if let Some(link) = next.take() {
                match self.linked(*link, &mut commands).await {
                    Ended::Session => break,
                    Ended::Link => {}
                    Ended::Replaced(link) => next = Some(link),
                }
                continue;
            }
            tokio::select! {
                biased;
                () = self.slot.end.cancelled() => break,
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Link(link)) => next = Some(link),
                    Some(Command::Changed) => self.server_changed(),
                    Some(Command::Neighbours) => {}
                    Some(Command::KeyRefused { key, at }) => self.key_refused(key, at),
                    Some(Command::Detached(reason)) => self.detached(reason),
                },
                () = due(self.save_at) => self.save(),
                () = due(self.helper_until) => self.helper_failed(),
            }
        }
        self.slot.agent.send_replace(None);
        if self.fleet.end.is_cancelled() {
            self.save();
        } else {
            self.fleet.views.forget(self.view.server);
            for server in self.fleet.neighbours.forget(self.view.server) {
                self.fleet.tell(server, Command::Neighbours);
            }
        }
    }

    /// The time with one link, from the hello to its end.
    async fn linked(&mut self, new: NewLink, commands: &mut mpsc::Receiver<Command>) -> Ended {
        let NewLink {
            agent: api,
            link,
            hello,
            address,
        } = new;
        if !self.slot.server.load().enabled() {
            link.close();
            return Ended::Link;
        }
        let said = match hello {
            Some(said) => Ok(said),
            None => {
                let core = self.fleet.hello(&self.slot);
                match timeout(self.fleet.timings.hello, api.hello(core.clone())).await {
                    Ok(Ok(hello)) => Ok((core, hello)),
                    Ok(Err(error)) => Err(format!("the agent refused: {}", error.message)),
                    Err(_) => Err("the agent did not answer the hello in time".to_owned()),
                }
            }
        };
        let said = said.and_then(|(core, hello)| match too_old(&hello) {
            None => Ok((core, hello)),
            Some(why) => {
                self.view.level = Some(hello.level);
                self.view.agent = Some(Arc::new(hello.agent));
                self.view.too_old = Some(why.clone());
                Err(why)
            }
        });
        let (core, hello) = match said {
            Ok(said) => said,
            Err(why) => {
                tracing::warn!(
                    server.name = self.slot.server.load().name(),
                    why,
                    "a link was given up"
                );
                link.close();
                self.view.lost_why = Some(why);
                self.publish(Changes::default());
                return Ended::Link;
            }
        };
        let name = self.slot.server.load().name().to_owned();
        let requests = Arc::clone(&self.slot.requests);
        let agent = Arc::new(Agent::new(
            self.view.server,
            &name,
            api,
            link,
            hello,
            requests,
        ));
        let mut time = Time {
            agent,
            told: Some(Told::in_hello(&core)),
            tell_again: None,
            address,
            probe_at: None,
            said_goodbye: None,
            up: false,
            reopened: 0,
            telling: JoinSet::new(),
        };
        let ended = self.follow(&mut time, commands).await;
        let silent = time.agent.link().silent_for();
        time.agent.link().close();
        let why = match &ended {
            Ended::Session => "Core goes".to_owned(),
            Ended::Replaced(_) => "the agent connected anew".to_owned(),
            Ended::Link => timeout(self.fleet.timings.ping, time.agent.closed())
                .await
                .unwrap_or_default(),
        };
        self.lost(&time, silent, why);
        ended
    }

    /// Streams of events, one after the other, for as long as the link lasts.
    async fn follow(&mut self, time: &mut Time, commands: &mut mpsc::Receiver<Command>) -> Ended {
        loop {
            let agent = Arc::clone(&time.agent);
            let opening = timeout(self.fleet.timings.snapshot, agent.api().events());
            let opened = tokio::select! {
                biased;
                ended = self.meanwhile(time, commands) => return ended,
                opened = opening => opened,
            };
            let why = match opened {
                Ok(Ok(stream)) => match self
                    .stream(time, stream.ready_chunks(EVENTS_AT_ONCE_MAX), commands)
                    .await
                {
                    Ok(ended) => return ended,
                    Err(why) => why,
                },
                Ok(Err(error)) => error.message,
                Err(_) => "it did not open in time".to_owned(),
            };
            time.reopened += 1;
            tracing::info!(
                server.name = self.slot.server.load().name(),
                why,
                "the stream of events is opened again"
            );
            if time.reopened >= STREAMS_LOST_MAX {
                return Ended::Link;
            }
            let pause = self.fleet.timings.reopen * 2_u32.pow(time.reopened - 1);
            // One that said goodbye has nothing to tell until it is seen to stay.
            let pause = time
                .probe_at
                .unwrap_or_else(|| Instant::now() + pause.mul_f64(0.5 + fastrand::f64()));
            tokio::select! {
                biased;
                ended = self.meanwhile(time, commands) => return ended,
                () = sleep_until(pause) => {}
            }
        }
    }

    /// One stream of events. Fails with why another one is needed.
    async fn stream(
        &mut self,
        time: &mut Time,
        mut events: ReadyChunks<AgentStream<AgentEvent>>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<Ended, String> {
        let mut seq = 0;
        let mut snapshot_by = Some(Instant::now() + self.fleet.timings.snapshot);
        loop {
            let chunk = tokio::select! {
                biased;
                ended = self.meanwhile(time, commands) => {
                    if matches!(ended, Ended::Link) {
                        self.last_words(time, &mut events).await;
                    }
                    return Ok(ended);
                }
                () = due(snapshot_by) => return Err("no snapshot came in time".to_owned()),
                chunk = events.next() => chunk.ok_or("the agent ended it")?,
            };
            let mut run = Vec::with_capacity(chunk.len());
            let mut broken = None;
            for event in chunk {
                match event {
                    Ok(event)
                        if event.seq == seq
                            && (seq == 0) == matches!(event.body, EventBody::Snapshot(_)) =>
                    {
                        seq += 1;
                        run.push(event);
                    }
                    Ok(event) => {
                        broken = Some(format!("event {} came where {seq} was due", event.seq));
                        break;
                    }
                    Err(error) => {
                        broken = Some(error.message);
                        break;
                    }
                }
            }
            if !run.is_empty() {
                snapshot_by = None;
                time.reopened = 0;
                self.take(time, run);
            }
            if let Some(why) = broken {
                return Err(why);
            }
        }
    }

    /// What had arrived before the link ended: most of all, why the agent went.
    async fn last_words(
        &mut self,
        time: &mut Time,
        events: &mut ReadyChunks<AgentStream<AgentEvent>>,
    ) {
        let until = Instant::now() + LAST_WORDS;
        while let Ok(Some(chunk)) = timeout_at(until, events.next()).await {
            let told: Vec<AgentEvent> = chunk.into_iter().map_while(Result::ok).collect();
            if told.is_empty() {
                break;
            }
            self.take(time, told);
        }
    }

    /// Takes events in, and shows what comes of them.
    fn take(&mut self, time: &mut Time, events: Vec<AgentEvent>) {
        let goodbye = events.iter().find_map(|event| match &event.body {
            EventBody::Goodbye(reason) => Some(reason.clone()),
            _ => None,
        });
        let mut changes = self.view.apply(events);
        match goodbye {
            Some(reason) => {
                self.goodbye(time, reason);
                changes.reset = true;
            }
            // One that said goodbye may tell of others that go with it; whether it stays is for the probe to find out.
            None if time.probe_at.is_some() => {}
            None => changes.reset |= self.back(time),
        }
        self.fleet.place(&self.view);
        if changes.lasting && self.save_at.is_none() {
            self.save_at = Some(Instant::now() + self.fleet.timings.save);
        }
        self.publish(changes);
    }

    /// What else happens while a link is up; returns what ends it.
    async fn meanwhile(
        &mut self,
        time: &mut Time,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Ended {
        let agent = Arc::clone(&time.agent);
        loop {
            self.tell_neighbours(time);
            tokio::select! {
                biased;
                () = self.slot.end.cancelled() => return Ended::Session,
                Some(told) = time.telling.join_next() => if matches!(told, Ok(false)) {
                    time.tell_again = Some(Instant::now() + TELL_AGAIN);
                },
                () = due(time.tell_again) => {
                    time.tell_again = None;
                    // As if it had been told of none, so that it is told once more.
                    time.told = None;
                }
                _ = agent.closed() => return Ended::Link,
                command = commands.recv() => match command {
                    None => return Ended::Session,
                    Some(Command::Link(link)) => return Ended::Replaced(link),
                    Some(Command::Changed) => {
                        self.server_changed();
                        if !self.slot.server.load().enabled() {
                            return Ended::Link;
                        }
                    }
                    Some(Command::Neighbours) => {}
                    // A good link is up; who else tries is shown by what is stored.
                    Some(Command::KeyRefused { .. } | Command::Detached(_)) => {}
                },
                () = due(self.save_at) => self.save(),
                () = due(time.probe_at) => {
                    if !agent.link().ping(self.fleet.timings.ping).await {
                        return Ended::Link;
                    }
                    if self.back(time) {
                        self.publish(Changes { reset: true, ..Changes::default() });
                    }
                }
            }
        }
    }

    /// Says hello again where the agents on the Engine, or what they depend on, are others than the agent was told.
    fn tell_neighbours(&mut self, time: &mut Time) {
        if !time.up {
            return;
        }
        let core = self.fleet.hello(&self.slot);
        let told = Some(Told::in_hello(&core));
        if time.told == told {
            return;
        }
        time.told = told;
        time.tell_again = None;
        let (agent, deadline) = (Arc::clone(&time.agent), self.fleet.timings.hello);
        // An older list must not arrive after a newer one.
        time.telling.abort_all();
        time.telling.spawn(async move {
            let name = core.server_name.clone();
            let why = match timeout(deadline, agent.api().hello(core)).await {
                Ok(Ok(_)) => return true,
                Ok(Err(error)) => error.message,
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(
                server.name = name,
                why,
                "an agent could not be told of the other agents on its Engine; it is told again"
            );
            false
        });
    }

    /// The agent says that it goes. Until it is seen to be there all the same, nothing is asked of it.
    fn goodbye(&mut self, time: &mut Time, reason: GoodbyeReason) {
        let now = self.fleet.clock.now();
        tracing::info!(
            server.name = self.slot.server.load().name(),
            ?reason,
            "an agent says that it goes"
        );
        time.probe_at = Some(Instant::now() + self.fleet.timings.goodbye);
        time.up = false;
        // What follows from what it said before is no other reason.
        let reason = match &time.said_goodbye {
            Some((at, said))
                if on_purpose(said) && !on_purpose(&reason) && at.elapsed() < GOODBYE_HOLDS =>
            {
                said.clone()
            }
            _ => reason,
        };
        time.said_goodbye = Some((Instant::now(), reason.clone()));
        self.view.link = LinkState::Lost {
            since: now,
            goodbye: Some(reason),
        };
        self.view.last_contact = Some(now);
        self.view.stale_since = Some(now);
        self.slot.agent.send_replace(None);
        self.believe_helper();
        self.save_at = Some(Instant::now());
    }

    /// The agent is there: with its first snapshot, or although it said goodbye. Whether that is new.
    fn back(&mut self, time: &mut Time) -> bool {
        time.probe_at = None;
        if std::mem::replace(&mut time.up, true) {
            return false;
        }
        let now = self.fleet.clock.now();
        self.view.agent = Some(Arc::new(time.agent.hello().agent.clone()));
        self.view.level = Some(time.agent.hello().level);
        self.view.too_old = None;
        self.view.link = LinkState::Up { since: now };
        self.view.lost_why = None;
        self.helper_until = None;
        self.view.last_contact = None;
        self.view.stale_since = None;
        tracing::info!(
            server.name = self.slot.server.load().name(),
            address = time.address.map(|address| address.to_string()),
            version = time.agent.hello().agent.version,
            "connected"
        );
        self.slot.agent.send_replace(Some(Arc::clone(&time.agent)));
        // Who misses it finds out by himself, later.
        let _ = self.fleet.connected.try_send(Arc::clone(&time.agent));
        true
    }

    /// The link is gone: the view stays, and grows old.
    fn lost(&mut self, time: &Time, silent: Duration, why: String) {
        self.slot.agent.send_replace(None);
        if !time.up && time.probe_at.is_none() {
            // It never came up; what was true before is true now.
            return;
        }
        let now = self.fleet.clock.now();
        let since = now.saturating_sub(UnixMs::try_from(silent.as_millis()).unwrap_or(0));
        tracing::info!(
            server.name = self.slot.server.load().name(),
            why,
            "no longer connected"
        );
        self.view.lost_why = Some(why).filter(|why| !why.is_empty());
        // An agent that said goodbye went when it said so, or soon after.
        if time.probe_at.is_none() {
            let goodbye = time
                .said_goodbye
                .as_ref()
                .filter(|(at, _)| at.elapsed() < GOODBYE_HOLDS);
            self.view.link = LinkState::Lost {
                since,
                goodbye: goodbye.map(|(_, reason)| reason.clone()),
            };
            self.view.last_contact = Some(since);
            self.view.stale_since = Some(since);
            self.believe_helper();
        }
        self.publish(Changes {
            reset: true,
            ..Changes::default()
        });
        self.save();
    }

    /// Swaps the view in, and tells whoever looks at it.
    pub(super) fn publish(&mut self, changes: Changes) {
        self.view.rev += 1;
        self.slot.view.store(Arc::new(self.view.clone()));
        if changes.touches_containers() {
            let items = changes.upsert.len() + changes.remove.len();
            let change = match changes.reset {
                true => ContainersChange::Reset,
                false => ContainersChange::Delta {
                    upsert: changes.upsert,
                    remove: changes.remove,
                },
            };
            self.slot
                .containers
                .push_at(self.view.rev, change, items.max(1));
        }
        self.fleet.dirty.mark(self.view.server);
    }

    pub(super) fn save(&mut self) {
        self.save_at = None;
        let Some(saved) = self.view.to_save(self.fleet.clock.now()) else {
            return;
        };
        match serde_json::to_vec(&saved) {
            Ok(json) => self.fleet.views.save(self.view.server, json),
            Err(error) => tracing::error!(%error, "a view cannot be written"),
        }
    }
}

/// Why an agent is not spoken with, where it is too old for that.
fn too_old(hello: &AgentHello) -> Option<String> {
    (hello.level < LEVEL_MIN).then(|| {
        format!(
            "Periphery {} asks to connect, and is too old for this Core: it speaks level {}, at least {LEVEL_MIN} is \
             needed. Update Periphery on the host",
            hello.agent.version, hello.level
        )
    })
}

/// What is true for the time with one link.
struct Time {
    agent: Arc<Agent>,
    /// What the agent was told of others on its Engine; `None` where it did not take that in.
    told: Option<Told>,
    /// When it is told once more.
    tell_again: Option<Instant>,
    address: Option<std::net::SocketAddr>,
    /// When to look whether an agent that said goodbye is there all the same.
    probe_at: Option<Instant>,
    /// What it said before it went, and when.
    said_goodbye: Option<(Instant, GoodbyeReason)>,
    /// Whether the agent is given out.
    up: bool,
    /// Streams that ended early since the last event.
    reopened: u32,
    /// The hello that is being said again.
    telling: JoinSet<bool>,
}

/// Waits for a time, or for ever where there is none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Inner {
    pub(super) fn tell(&self, server: komodo_api::id::Id, command: Command) {
        if let Some(slot) = self.slots.load().get(&server) {
            slot.tell(command);
        }
    }
}
