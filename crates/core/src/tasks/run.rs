//! The run of one operation: follows the agent until every target has a verdict, however often the link is lost.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentStream, OperationEvent, OperationEventBody,
};
use komodo_api::{
    UnixMs,
    id::Id,
    plan::{Effect, PlanItem},
    resource::ResourceTarget,
    update::{Log, Update, UpdateStatus, Verdict, VerdictKind, WaitingFor},
};
use komodo_failpoint::failpoint;
use komodo_plan::update_success;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    lease::{Held, Holder, Key},
    order::Ordered,
};
use crate::fleet::{Agent, lost};

/// Time between two changes that followers of an Update see.
const SHOW_EVERY: Duration = Duration::from_millis(50);
/// Time between two saves of an Update that changes.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Silence beyond the deadline of an operation after which its agent is asked again.
const SILENCE_BEYOND_DEADLINE: Duration = Duration::from_secs(30);
/// Longest pause before an agent that did not answer is asked again.
const RETRY_MAX: Duration = Duration::from_secs(10);

pub(super) struct Run {
    pub(super) tasks: Arc<Inner>,
    pub(super) id: Id,
    pub(super) server: Id,
    pub(super) update: Update,
    pub(super) ordered: Ordered,
    pub(super) held: Option<Held>,
    show: watch::Sender<Arc<Update>>,
    /// Place of the last event in the agent's journal.
    seq: u64,
    /// Place after which the agent was asked to tell.
    from: u64,
    /// Whether the agent is known to have, or have had, the operation.
    pub(super) accepted: bool,
    /// Whether the agent was asked in this start of Core, so that it may be asked again where it knows nothing.
    pub(super) orderable: bool,
    /// Targets that the agent has begun to act on.
    pub(super) begun: BTreeSet<String>,
    show_at: Option<Instant>,
    save_at: Option<Instant>,
    /// Whether the Update says already that a save failed.
    pub(super) unsaved: bool,
}

/// Why a run stops following.
enum Stop {
    /// All targets are settled; why it ended as a whole before they were tried, where it did.
    Ended(Option<String>),
    /// The agent does not know the operation, and must not be asked again.
    Forgotten,
    /// The agent is away, or does not answer.
    Away(String),
    /// Nobody will ever tell.
    Never(String),
    /// Core ends.
    Core,
}

impl Run {
    /// Follows a new operation, which the agent is still to be asked for.
    pub(super) fn begun(tasks: &Arc<Inner>, id: Id, update: Update, ordered: Ordered, held: Held) {
        Run::start(tasks, id, update, ordered, Some(held), true);
    }

    /// Takes up an operation of an earlier start of Core. Its agent may know it from beginning to end, or not at all.
    pub(super) fn resumed(
        tasks: &Arc<Inner>,
        id: Id,
        mut update: Update,
        ordered: Option<Ordered>,
    ) {
        let Some(ordered) = ordered else {
            let tasks = Arc::clone(tasks);
            tasks.clone().running.spawn(async move {
                let now = tasks.clock.now();
                update.logs.push(note(
                    "Settle",
                    "Core ended while it ran, and kept nothing to settle it by: nobody can tell how it ended",
                    now,
                ));
                (update.success, update.end_ts, update.status) = (false, Some(now), UpdateStatus::Complete);
                if let Err(error) = tasks.store.updates().save(&update).await {
                    tracing::warn!(update.id = %id, %error, "an Update could not be closed");
                }
                tasks.publish(&update);
            });
            return;
        };
        let holder = Holder {
            update: id,
            operation: update
                .request
                .clone()
                .unwrap_or_else(|| format!("{:?}", update.operation)),
            username: ordered.operation.operator.clone(),
            since: update.start_ts,
            action: ordered.operation.action,
        };
        let server = server_of(&update);
        let held = tasks
            .leases
            .take(server.unwrap_or(Id::system(0)), [], holder)
            .ok();
        if let Some(held) = &held {
            let settled: BTreeSet<_> = update
                .verdicts
                .iter()
                .map(|verdict| verdict.id.as_str())
                .collect();
            held.extend(
                leased(&ordered.items)
                    .filter(|item| !settled.contains(item.id.as_str()))
                    .map(key),
            );
        }
        Run::start(tasks, id, update, ordered, held, false);
    }

    fn start(
        tasks: &Arc<Inner>,
        id: Id,
        update: Update,
        ordered: Ordered,
        held: Option<Held>,
        orderable: bool,
    ) {
        let server = server_of(&update);
        let show = watch::Sender::new(Arc::new(update.clone()));
        tasks
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, show.clone());
        let run = Run {
            tasks: Arc::clone(tasks),
            id,
            server: server.unwrap_or(Id::system(0)),
            update,
            ordered,
            held,
            show,
            seq: 0,
            from: 0,
            accepted: false,
            orderable,
            begun: BTreeSet::new(),
            show_at: None,
            save_at: None,
            unsaved: false,
        };
        tasks.running.spawn(run.run());
    }

    async fn run(mut self) {
        let mut pause = self.tasks.settings.retry;
        loop {
            let stop = match self.agent().await {
                Ok((agent, deleted)) => {
                    let seq = self.seq;
                    let stop = self.follow(&agent, &deleted).await;
                    if self.seq > seq {
                        pause = self.tasks.settings.retry;
                    }
                    match stop {
                        Stop::Ended(error) => {
                            self.close(error).await;
                            return self.store_end(Some(&agent)).await;
                        }
                        Stop::Forgotten => {
                            let tasks = Arc::clone(&self.tasks);
                            let seen = tokio::select! {
                                biased;
                                () = tasks.end.cancelled() => return self.leave_open().await,
                                seen = agent.look() => seen,
                            };
                            match seen {
                                Ok(containers) => {
                                    self.settle_by_observation(&containers);
                                    self.close(None).await;
                                    return self.store_end(Some(&agent)).await;
                                }
                                Err(error) => Stop::Away(error.message),
                            }
                        }
                        stop => stop,
                    }
                }
                Err(stop) => stop,
            };
            match stop {
                Stop::Core => return self.leave_open().await,
                Stop::Never(why) => {
                    self.settle_as_unknown(&why);
                    self.close(None).await;
                    return self.store_end(None).await;
                }
                Stop::Away(why) => {
                    self.wait_for(Some(why));
                    let until = Instant::now() + pause.mul_f64(0.75 + 0.5 * fastrand::f64());
                    pause = (pause * 2).min(RETRY_MAX);
                    let (tasks, start_ts) = (Arc::clone(&self.tasks), self.update.start_ts);
                    tokio::select! {
                        biased;
                        () = tasks.end.cancelled() => return self.leave_open().await,
                        // An agent that is there and never tells must not keep it open for ever.
                        () = expired(&tasks, start_ts) => {
                            self.settle_as_unknown(&expiry(&tasks));
                            self.close(None).await;
                            return self.store_end(None).await;
                        }
                        () = sleep_until(until) => {}
                    }
                }
                Stop::Ended(_) | Stop::Forgotten => {}
            }
        }
    }

    /// Waits for the agent of the server.
    async fn agent(&mut self) -> Result<(Arc<Agent>, CancellationToken), Stop> {
        let Some((mut agents, deleted)) = self.tasks.fleet.watch_agent(self.server) else {
            return Err(Stop::Never("its server was deleted".into()));
        };
        let (tasks, start_ts) = (Arc::clone(&self.tasks), self.update.start_ts);
        loop {
            if let Some(agent) = agents.borrow_and_update().clone() {
                return Ok((agent, deleted));
            }
            let why = match tasks.fleet.view(self.server) {
                Some(view) => lost(&view).0,
                None => "its server was deleted".to_owned(),
            };
            self.wait_for(Some(why));
            loop {
                tokio::select! {
                    biased;
                    () = tasks.end.cancelled() => return Err(Stop::Core),
                    () = deleted.cancelled() => return Err(Stop::Never("its server was deleted".into())),
                    () = expired(&tasks, start_ts) => return Err(Stop::Never(expiry(&tasks))),
                    changed = agents.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Err(Stop::Never("its server was deleted".into())),
                    },
                    () = due(self.due_at()) => self.flush().await,
                }
            }
        }
    }

    /// Asks the agent, and follows what it does.
    async fn follow(&mut self, agent: &Agent, deleted: &CancellationToken) -> Stop {
        let (tasks, start_ts) = (Arc::clone(&self.tasks), self.update.start_ts);
        let asked = tokio::select! {
            biased;
            () = tasks.end.cancelled() => return Stop::Core,
            () = deleted.cancelled() => return Stop::Never("its server was deleted".into()),
            asked = self.ask(agent) => asked,
        };
        let mut events = match asked {
            Ok(events) => events,
            Err(stop) => return stop,
        };
        self.wait_for(None);
        loop {
            let silent = self.silent_until();
            tokio::select! {
                biased;
                () = tasks.end.cancelled() => return Stop::Core,
                () = deleted.cancelled() => return Stop::Never("its server was deleted".into()),
                () = due(self.due_at()) => self.flush().await,
                event = events.next() => match event {
                    Some(Ok(event)) => if let Some(stop) = self.take(event) {
                        return stop;
                    },
                    Some(Err(error)) => return Stop::Away(error.message),
                    None => {
                        if self.seq == self.from {
                            // Its journal holds less than it told before: from the beginning, then.
                            self.seq = 0;
                        }
                        return Stop::Away("the agent stopped telling".into());
                    }
                },
                () = sleep_until(silent) => return Stop::Away("the agent tells nothing".into()),
                () = expired(&tasks, start_ts) => return Stop::Never(expiry(&tasks)),
            }
        }
    }

    async fn ask(&mut self, agent: &Agent) -> Result<AgentStream<OperationEvent>, Stop> {
        let id = self.ordered.operation.id.clone();
        // An agent that started after the operation may have lost its journal, and with it the knowledge that it acted.
        let orderable = self.orderable
            && !self.accepted
            && self
                .update
                .deadline
                .is_none_or(|deadline| self.tasks.clock.now() < deadline);
        let first = self.seq == 0 && orderable && self.update.waiting_for.is_none();
        self.from = self.seq;
        if !first {
            match agent.follow(&id, self.seq).await {
                Ok(events) => {
                    self.accepted = true;
                    return Ok(events);
                }
                Err(error) if error.code == AgentErrorCode::NotFound => {
                    if !orderable || agent.hello().agent.started_at > self.update.start_ts {
                        return Err(Stop::Forgotten);
                    }
                }
                Err(error) => return Err(Stop::Away(error.message)),
            }
        }
        failpoint!("agent.asking");
        match agent.operate(self.ordered.operation.clone()).await {
            Ok(events) => {
                failpoint!("agent.accepted");
                self.accepted = true;
                Ok(events)
            }
            Err(error) if is_uncertain(&error) => Err(Stop::Away(error.message)),
            Err(error) => Err(Stop::Ended(Some(error.message))),
        }
    }

    /// Takes an event in; returns why to stop, if that is the last of them.
    fn take(&mut self, event: OperationEvent) -> Option<Stop> {
        if event.seq <= self.seq {
            return None;
        }
        if event.seq > self.seq + 1 {
            return Some(Stop::Away(
                "something of what the agent told is missing".into(),
            ));
        }
        self.seq = event.seq;
        failpoint!("event.taken");
        match event.body {
            OperationEventBody::Planned { items, deadline } => {
                self.update.targets = Some(u32::try_from(items.len()).unwrap_or(u32::MAX));
                self.update.deadline = Some(deadline);
                if let Some(held) = &self.held {
                    held.extend(leased(&items).map(key));
                }
                self.ordered.items = items;
            }
            OperationEventBody::Started { id } | OperationEventBody::Acted { id, .. } => {
                self.begun.insert(id);
                return None;
            }
            OperationEventBody::Verdict(verdict) => self.put(verdict),
            OperationEventBody::Canceled { by } => self.update.canceled_by = Some(by),
            OperationEventBody::Ended { error } => return Some(self.ended(error)),
        }
        self.changed();
        None
    }

    /// The agent says that it is over. What it numbered anew, after it had lost a part of its journal, was not taken
    /// in: then all of it is asked for once more, and what is missing even then is looked at.
    fn ended(&mut self, error: Option<String>) -> Stop {
        if error.is_none() && !self.untold().is_empty() {
            if self.from > 0 {
                self.seq = 0;
                return Stop::Away("something of what the agent told is missing".into());
            }
            return Stop::Forgotten;
        }
        Stop::Ended(error)
    }

    pub(super) fn put(&mut self, verdict: Verdict) {
        failpoint!("verdict.taken");
        if let Some(held) = &self.held {
            held.give_back(&verdict.id);
        }
        let ok = !matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown);
        let same = |other: &Verdict| {
            other.id == verdict.id && (!other.id.is_empty() || other.container == verdict.container)
        };
        // After a restart of Core the agent tells again what is known; the list of a new run is in order.
        let known = match self.update.verdicts.len() {
            0 => None,
            _ => self.update.verdicts.iter().position(same),
        };
        match known {
            Some(at) => {
                self.update.verdicts[at] = verdict;
                self.update.success = update_success(&self.update.verdicts);
            }
            None => {
                self.update.verdicts.push(verdict);
                self.update.success &= ok;
            }
        }
    }

    /// Core ends: what is known goes to disk, and the next start takes it up.
    async fn leave_open(self) {
        if let Err(error) = self.tasks.store.updates().save(&self.update).await {
            tracing::warn!(update.id = %self.id, %error, "progress could not be saved; the agent tells it again");
        }
    }

    /// Shows what is waited for, or that nothing is.
    fn wait_for(&mut self, why: Option<String>) {
        let waiting = why.map(|why| {
            let desired = self.tasks.desired.snapshot();
            let view = self.tasks.fleet.view(self.server);
            WaitingFor {
                server: desired
                    .servers
                    .get(&self.server)
                    .map_or_else(|| self.server.to_string(), |server| server.name.clone()),
                last_contact: view.and_then(|view| match view.is_live() {
                    true => Some(self.tasks.clock.now()),
                    false => view.last_contact,
                }),
                why: Some(why),
            }
        });
        let same = match (&self.update.waiting_for, &waiting) {
            (None, None) => true,
            (Some(before), Some(now)) => before.why == now.why,
            _ => false,
        };
        if same {
            return;
        }
        self.update.waiting_for = waiting;
        self.changed();
        self.show_now();
        self.tasks.publish(&self.update);
    }

    fn changed(&mut self) {
        let now = Instant::now();
        self.show_at.get_or_insert(now + SHOW_EVERY);
        self.save_at.get_or_insert(now + SAVE_EVERY);
    }

    pub(super) fn show_now(&mut self) {
        self.show_at = None;
        self.show.send_replace(Arc::new(self.update.clone()));
    }

    fn due_at(&self) -> Option<Instant> {
        match (self.show_at, self.save_at) {
            (Some(show), Some(save)) => Some(show.min(save)),
            (at, None) | (None, at) => at,
        }
    }

    /// Shows and saves what changed, as far as that is due.
    async fn flush(&mut self) {
        let now = Instant::now();
        if self.show_at.is_some_and(|at| at <= now) {
            self.show_now();
        }
        if self.save_at.is_none_or(|at| at > now) {
            return;
        }
        self.save_at = None;
        failpoint!("progress.saving");
        if let Err(error) = self.tasks.store.updates().save(&self.update).await {
            tracing::warn!(update.id = %self.id, %error, "progress could not be saved; the operation goes on");
            self.tell_unsaved(error);
            self.save_at = Some(Instant::now() + SAVE_EVERY);
        }
    }

    /// Says in the Update itself, once, that it is not on disk as it is shown.
    pub(super) fn tell_unsaved(&mut self, error: crate::store::StoreError) {
        if std::mem::replace(&mut self.unsaved, true) {
            return;
        }
        let why = komodo_api::Error::from(error).error;
        let text = format!("this could not be saved at once, but the operation goes on: {why}");
        self.update
            .logs
            .push(note("Store", &text, self.tasks.clock.now()));
        self.show_now();
    }

    /// When an agent that tells nothing is asked again.
    fn silent_until(&self) -> Instant {
        let left = self
            .update
            .deadline
            .unwrap_or(0)
            .saturating_sub(self.tasks.clock.now());
        Instant::now()
            + Duration::from_millis(u64::try_from(left).unwrap_or(0))
            + SILENCE_BEYOND_DEADLINE
    }
}

fn expiry(tasks: &Inner) -> String {
    let days = tasks.settings.open_max.as_secs() / (24 * 60 * 60);
    format!("its server did not come back within {days} days")
}

/// Waits until an operation has been open for too long.
async fn expired(tasks: &Inner, start_ts: UnixMs) {
    let open_max = UnixMs::try_from(tasks.settings.open_max.as_millis()).unwrap_or(UnixMs::MAX);
    loop {
        let left = start_ts
            .saturating_add(open_max)
            .saturating_sub(tasks.clock.now());
        match u64::try_from(left) {
            Ok(left) if left > 0 => tokio::time::sleep(Duration::from_millis(left)).await,
            _ => return,
        }
    }
}

/// Waits for a time, or for ever where there is none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether an agent may have accepted an operation although it answered this.
fn is_uncertain(error: &AgentError) -> bool {
    matches!(
        error.code,
        AgentErrorCode::Link | AgentErrorCode::DeadlineExceeded
    )
}

fn server_of(update: &Update) -> Option<Id> {
    match &update.target {
        ResourceTarget::Server(id) => id.parse().ok(),
        _ => None,
    }
}

fn leased(items: &[PlanItem]) -> impl Iterator<Item = &PlanItem> {
    items.iter().filter(|item| item.effect == Effect::Act)
}

fn key(item: &PlanItem) -> Key {
    Key::Container(item.id.clone())
}

pub(super) fn note(stage: &str, text: &str, at: UnixMs) -> Log {
    Log {
        stage: stage.to_owned(),
        stdout: text.to_owned(),
        success: true,
        start_ts: at,
        end_ts: at,
        ..Log::default()
    }
}
