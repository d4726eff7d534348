//! The run of one operation: follows the agent until every target has a verdict, however often the link is lost.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::{AgentStream, OperationEvent, OperationEventBody};
use komodo_api::{
    UnixMs,
    id::Id,
    update::{Log, Update, Verdict, VerdictKind},
};
use komodo_failpoint::failpoint;
use komodo_plan::update_success;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    ask::{Asked, Known, ask},
    detach::Announced,
    hand_over::{HandOver, Probation},
    lease::{Held, key, leased},
    open::{Open, Wanted},
    order::Ordered,
    overdue::Overdue,
    send::OnItsWay,
    stage::{At, mark},
    tell::Tell,
    until::{changed, due, expired, expiry},
};
use crate::fleet::{Agent, lost};

/// Time between two changes that followers of an Update see.
const SHOW_EVERY: Duration = Duration::from_millis(50);
/// Time between two saves of an Update that changes.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Silence beyond the deadline of an operation after which its agent is asked again.
const SILENCE_BEYOND_DEADLINE: Duration = Duration::from_secs(30);
/// Longest pause before an agent that did not answer is asked again.
pub(super) const RETRY_MAX: Duration = Duration::from_secs(10);

pub(super) struct Run {
    pub(super) tasks: Arc<Inner>,
    pub(super) id: Id,
    pub(super) server: Id,
    pub(super) update: Update,
    pub(super) ordered: Ordered,
    pub(super) held: Option<Held>,
    pub(super) open: Arc<Open>,
    /// Where it is, apart from what it waits for.
    pub(super) at: At,
    /// Place of the last event in the agent's journal.
    pub(super) seq: u64,
    /// Place after which the agent was asked to tell.
    pub(super) from: u64,
    /// Whether the agent is known to have, or have had, the operation.
    pub(super) accepted: bool,
    /// Whether it may be asked again of an agent that knows nothing of it.
    pub(super) orderable: bool,
    /// Whether the agent may have been asked, in this start of Core or an earlier one.
    pub(super) asked: bool,
    /// Whether it is of an earlier start of Core, whose agent may have begun it.
    pub(super) earlier: bool,
    /// Targets that the agent has begun to act on.
    pub(super) begun: BTreeSet<String>,
    /// How often it was wanted to be canceled, as far as that was seen.
    pub(super) wanted: u32,
    /// Whether the agent has told that it cancels.
    pub(super) cancels: bool,
    /// What is known of a hand over, where it is one.
    pub(super) hand_over: Option<HandOver>,
    /// The link that is watched before that is confirmed, and since when.
    pub(super) watched: Option<(Arc<Agent>, Instant)>,
    /// Until when the program that it takes has to be sent, where that was begun.
    pub(super) sent_until: Option<Instant>,
    /// Whether the agent tells on the link on which it was asked to begin.
    pub(super) first_stream: bool,
    /// What an agent that goes on purpose announced.
    pub(super) announced: Option<Announced>,
    /// The agent that was followed last.
    pub(super) agent: Option<Arc<Agent>>,
    pub(super) overdue: Overdue,
    pub(super) show_at: Option<Instant>,
    pub(super) save_at: Option<Instant>,
    /// Whether the Update says already that a save failed.
    pub(super) unsaved: bool,
}

/// Why a run stops following.
pub(super) enum Stop {
    /// All targets are settled; why it ended as a whole before they were tried, where it did.
    Ended(Option<String>),
    /// The agent does not know the operation, and must not be asked again.
    Forgotten,
    /// The agent is away, or does not answer.
    Away(String),
    /// The agent went on purpose, as it was asked to.
    Detached,
    /// Nobody will ever tell.
    Never(String),
    /// Somebody does not want to wait for an agent that is away.
    Canceled,
    /// Core ends.
    Core,
}

impl Run {
    pub(super) async fn run(mut self) {
        let mut pause = self.tasks.settings.retry;
        loop {
            let stop = match self.agent().await {
                Ok((agent, deleted)) => {
                    let seq = self.seq;
                    self.agent = Some(Arc::clone(&agent));
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
                            self.is_at(At::Settling);
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
                Stop::Detached => {
                    self.settle_as_detached();
                    self.close(None).await;
                    return self.store_end(None).await;
                }
                Stop::Canceled => return self.end_canceled().await,
                Stop::Away(why) => {
                    self.wait_for(Some(why));
                    let until = Instant::now() + pause.mul_f64(0.75 + 0.5 * fastrand::f64());
                    pause = (pause * 2).min(RETRY_MAX);
                    let (tasks, since) = (Arc::clone(&self.tasks), self.since());
                    loop {
                        tokio::select! {
                            biased;
                            () = tasks.end.cancelled() => return self.leave_open().await,
                            wanted = self.open.canceled(self.wanted) => {
                                self.want_canceled(wanted).await;
                                return self.end_canceled().await;
                            }
                            // An agent that is there and never tells must not keep it open for ever.
                            () = expired(&tasks, since) => {
                                self.settle_as_unknown(&expiry(&tasks));
                                self.close(None).await;
                                return self.store_end(None).await;
                            }
                            () = due(self.due_at()) => self.flush().await,
                            () = sleep_until(until) => break,
                        }
                    }
                }
                Stop::Ended(_) | Stop::Forgotten => {}
            }
        }
    }

    /// Ends it although its agent is away: what is not known stays so. The agent ends it when it is back.
    async fn end_canceled(mut self) {
        let by = self.update.canceled_by.clone().unwrap_or_default();
        self.settle_as_canceled();
        let held = self.held.take();
        self.close(None).await;
        let (tasks, server) = (Arc::clone(&self.tasks), self.server);
        if self.asked {
            let operation = self.ordered.operation.id.clone();
            tasks
                .running
                .spawn(Arc::clone(&tasks).reap(server, operation, by, held));
        }
        self.store_end(None).await;
    }

    /// Waits for the agent of the server.
    async fn agent(&mut self) -> Result<(Arc<Agent>, CancellationToken), Stop> {
        let Some((mut agents, deleted)) = self.tasks.fleet.watch_agent(self.server) else {
            return Err(Stop::Never("its server was deleted".into()));
        };
        let (tasks, since) = (Arc::clone(&self.tasks), self.since());
        let mut views = tasks
            .fleet
            .containers(self.server)
            .map(|one| one.ring().watch());
        loop {
            if let Some(agent) = agents.borrow_and_update().clone() {
                return Ok((agent, deleted));
            }
            // Before it is looked, so that no change is missed.
            if let Some(views) = &mut views {
                views.borrow_and_update();
            }
            if self.has_gone() {
                return Err(Stop::Detached);
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
                    wanted = self.open.canceled(self.wanted) => {
                        self.want_canceled(wanted).await;
                        return Err(Stop::Canceled);
                    }
                    () = expired(&tasks, since) => return Err(Stop::Never(expiry(&tasks))),
                    changed = agents.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Err(Stop::Never("its server was deleted".into())),
                    },
                    () = changed(&mut views) => break,
                    () = due(self.due_at()) => self.flush().await,
                }
            }
        }
    }

    /// Asks the agent, and follows what it does.
    async fn follow(&mut self, agent: &Arc<Agent>, deleted: &CancellationToken) -> Stop {
        let mut events = match self.ask(agent, deleted).await {
            Ok(events) => events,
            Err(stop) => return stop,
        };
        self.at = self.at_with_agent();
        if !self.wait_for(None) {
            self.is_at(self.at);
        }
        let (tasks, since) = (Arc::clone(&self.tasks), self.since());
        let mut tell = Tell::new(self.update.canceled_by.is_some());
        let mut probation = Probation::default();
        loop {
            self.watch_link(agent, &mut probation);
            let silent = self.silent_until();
            tokio::select! {
                biased;
                () = tasks.end.cancelled() => return Stop::Core,
                () = deleted.cancelled() => return Stop::Never("its server was deleted".into()),
                wanted = self.open.canceled(self.wanted) => {
                    self.want_canceled(wanted).await;
                    tell.again();
                }
                () = tell.told(agent, &self.ordered.operation.id, self.update.canceled_by.as_deref()) => {}
                () = due(self.due_at()) => self.flush().await,
                answer = probation.next() => match answer {
                    None => self.confirm(agent, &mut probation).await,
                    Some(answer) => self.confirm_answered(answer, &mut probation),
                },
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
                () = expired(&tasks, since) => return Stop::Never(expiry(&tasks)),
            }
        }
    }

    async fn ask(
        &mut self,
        agent: &Arc<Agent>,
        deleted: &CancellationToken,
    ) -> Result<AgentStream<OperationEvent>, Stop> {
        if self.update.canceled_by.is_some() && !self.asked {
            return Err(Stop::Canceled);
        }
        let orderable = self.orderable
            && !self.accepted
            // Who canceled wants nothing to begin any more.
            && self.update.canceled_by.is_none()
            && self
                .update
                .deadline
                .is_none_or(|deadline| self.tasks.clock.now() < deadline);
        let orderable = orderable && self.snapshot().await?;
        let known = Known {
            seq: self.seq,
            orderable,
            first: orderable && !self.asked,
            agent_started_at: self.ordered.agent_started_at,
        };
        self.from = self.seq;
        self.asked |= orderable;
        self.first_stream = known.first;
        let tasks = Arc::clone(&self.tasks);
        let (sending, mut sent) = self.sending();
        let mut asked = pin!(ask(
            Arc::clone(agent),
            self.ordered.operation.clone(),
            known,
            sending
        ));
        let asked = loop {
            tokio::select! {
                biased;
                () = tasks.end.cancelled() => return Err(Stop::Core),
                () = deleted.cancelled() => return Err(Stop::Never("its server was deleted".into())),
                wanted = self.open.canceled(self.wanted) => {
                    let waits = self.update.waiting_for.is_some();
                    self.want_canceled(wanted).await;
                    // It does not know the operation as long as its program is on the way.
                    self.asked &= *sent.borrow() == OnItsWay::No;
                    if waits || !self.asked {
                        return Err(Stop::Canceled);
                    }
                }
                () = due(self.due_at()) => self.flush().await,
                asked = &mut asked => break asked,
                Ok(()) = sent.changed() => {
                    let now = *sent.borrow_and_update();
                    self.sent(now);
                }
            }
        };
        self.asked &= *sent.borrow() == OnItsWay::No;
        match asked {
            Asked::Accepted(events) => {
                self.accepted = true;
                Ok(events)
            }
            Asked::Forgotten => Err(Stop::Forgotten),
            Asked::Refused(why) => Err(Stop::Ended(Some(why))),
            Asked::Away(why) => Err(Stop::Away(why)),
        }
    }

    /// Somebody wants it canceled: on disk before anybody is told, so that a restart does not forget it.
    async fn want_canceled(&mut self, wanted: Wanted) {
        self.wanted = wanted.times;
        self.update.canceled_by.get_or_insert(wanted.by);
        mark(&mut self.update, &self.ordered.operation, self.at);
        failpoint!("cancel.saving");
        let saved = self.tasks.store.updates().save(&self.update).await;
        self.is_at(self.at);
        if let Err(error) = saved {
            tracing::warn!(update.id = %self.id, %error, "a cancel could not be saved; it is told all the same");
            self.tell_unsaved(error);
        }
    }

    /// Since when it may act or be settled.
    pub(super) fn since(&self) -> UnixMs {
        self.ordered.ordered_at.unwrap_or(self.update.start_ts)
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
            OperationEventBody::Started { id, .. } | OperationEventBody::Acted { id, .. } => {
                self.begun.insert(id);
                return None;
            }
            OperationEventBody::HandedOver {
                id,
                helper,
                until,
                probation_s,
            } => {
                self.begun.insert(id);
                self.handed_over(helper, until, probation_s, event.at);
            }
            OperationEventBody::Confirmed => self.confirmed(event.at),
            OperationEventBody::Detaching { bring_back } => {
                self.detaching(bring_back);
                return None;
            }
            OperationEventBody::Verdict(verdict) => {
                self.story_of(&verdict);
                self.put(verdict);
            }
            OperationEventBody::Canceled { by } => {
                self.cancels = true;
                self.update.canceled_by.get_or_insert(by);
                self.is_at(self.at);
            }
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
        if !self.cancels
            && let Some(by) = self.update.canceled_by.take()
        {
            let text = format!("{by} canceled it, but it had ended by then");
            self.update
                .logs
                .push(note("Cancel", &text, self.tasks.clock.now()));
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

    /// Shows what is waited for, or that nothing is; whether that is new.
    pub(super) fn wait_for(&mut self, why: Option<String>) -> bool {
        let why = why.map(|why| self.away(why));
        let same = match (&self.update.waiting_for, &why) {
            (None, None) => true,
            (Some(before), Some(why)) => before.why.as_ref() == Some(why),
            _ => false,
        };
        if same {
            return false;
        }
        self.update.waiting_for = why.map(|why| self.tasks.waiting_for(self.server, why));
        self.is_at(self.at);
        true
    }

    /// Shows at once where it is.
    pub(super) fn is_at(&mut self, at: At) {
        self.at = at;
        mark(&mut self.update, &self.ordered.operation, at);
        self.changed();
        self.show_now();
        self.tasks.publish(&self.update);
    }

    pub(super) fn changed(&mut self) {
        let now = Instant::now();
        self.show_at.get_or_insert(now + SHOW_EVERY);
        self.save_at.get_or_insert(now + SAVE_EVERY);
    }

    pub(super) fn show_now(&mut self) {
        self.show_at = None;
        self.open.show(&self.update);
    }

    fn due_at(&self) -> Option<Instant> {
        let overdue = self.overdue.at(&self.update, self.tasks.clock.now());
        [self.show_at, self.save_at, overdue, self.lapses_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Shows and saves what changed, as far as that is due.
    async fn flush(&mut self) {
        let now = Instant::now();
        if self.show_at.is_some_and(|at| at <= now) {
            self.show_now();
        }
        if self.lapses_at().is_some_and(|at| at <= now) {
            let why = self.tasks.fleet.view(self.server).map(|view| lost(&view).0);
            self.wait_for(why);
        }
        self.warn_if_overdue().await;
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
