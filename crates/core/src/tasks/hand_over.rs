//! An operation that a helper on the host carries out: the agent, or Core itself, goes and comes back. It is watched for
//! a time before it is confirmed, and everything that happens meanwhile is part of the story of its Update.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use komodo_agent_api::{AgentError, AgentErrorCode, EngineState, GoodbyeReason};
use komodo_api::{
    Error, UnixMs,
    plan::{Effect, PlanItem, ReasonCode},
    update::{Log, Stage, Update, Verdict, VerdictKind},
};
use komodo_failpoint::failpoint;
use tokio::time::Instant;

use super::{
    run::{Run, Stop, note},
    stage::At,
    until::due,
};
use crate::{fleet::Agent, store::Restored};

/// Time after the end of a hand over within which a helper puts everything back, in milliseconds.
const ROLL_BACK_MS: UnixMs = 60_000;
/// First pause before an agent that could not confirm is asked again; doubles.
const RETRY: Duration = Duration::from_millis(500);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Steps in the story of an Update.
const HAND_OVER: &str = "Hand over";
const CONFIRM: &str = "Confirm";
const ROLL_BACK: &str = "Roll back";
const DATABASE: &str = "Database";

/// What is known of a hand over.
#[derive(Debug, Clone)]
pub(super) struct HandOver {
    /// Name of the helper; empty where only an earlier start of Core heard it.
    helper: String,
    /// Until when it must be confirmed, then it is rolled back.
    until: UnixMs,
    /// How long it is watched before.
    probation: Duration,
    /// Whether the agent has written down that it is confirmed.
    confirmed: bool,
}

impl HandOver {
    /// One that an earlier start of Core followed: the agent tells the rest once more.
    pub(super) fn resumed(update: &Update) -> Option<Self> {
        let handed_over = matches!(update.stage, Some(Stage::HandedOver | Stage::Probation));
        handed_over.then(|| HandOver {
            helper: String::new(),
            until: update.deadline.unwrap_or(0).saturating_sub(ROLL_BACK_MS),
            probation: Duration::from_secs(komodo_agent_api::PROBATION_S_DEFAULT.into()),
            confirmed: false,
        })
    }

    /// Until when its server may be away without anything being wrong.
    fn lapses(&self) -> UnixMs {
        self.until.saturating_add(ROLL_BACK_MS)
    }

    fn why(&self) -> String {
        match self.helper.as_str() {
            "" => "handed over to a helper on its host, which brings it back".to_owned(),
            helper => format!("handed over to {helper} on its host, which brings it back"),
        }
    }
}

/// That one link is watched, and then the agent told so.
#[derive(Default)]
pub(super) struct Probation {
    /// When it is over.
    at: Option<Instant>,
    /// When the agent may be asked again, and the pause before.
    again: Option<(Instant, Duration)>,
    call: Option<BoxFuture<'static, Result<(), AgentError>>>,
}

impl Probation {
    /// Returns what the agent answered, or nothing when the time is over and it has to be told; never where neither comes.
    /// Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Result<(), AgentError>> {
        let Some(call) = &mut self.call else {
            due(self.at).await;
            return None;
        };
        let answer = call.await;
        self.call = None;
        Some(answer)
    }
}

impl Run {
    /// The agent says that a helper acts from here on.
    pub(super) fn handed_over(
        &mut self,
        helper: String,
        until: UnixMs,
        probation_s: u32,
        at: UnixMs,
    ) {
        let text = format!("handed over to {helper}, which must have it confirmed in time");
        self.tell_once(note(HAND_OVER, &text, at));
        let confirmed = self.hand_over.as_ref().is_some_and(|known| known.confirmed);
        // The clock of the host may be set otherwise than ours: what counts is how long it has from when that was told.
        let until = match &self.hand_over {
            Some(known) => known.until,
            None => self
                .tasks
                .clock
                .now()
                .saturating_add(until.saturating_sub(at).max(0)),
        };
        let hand_over = HandOver {
            helper,
            until,
            probation: Duration::from_secs(probation_s.into()),
            confirmed,
        };
        let deadline = self.update.deadline.get_or_insert(until);
        *deadline = hand_over.lapses().max(*deadline);
        self.hand_over = Some(hand_over);
        // Core itself may be stopped any moment.
        self.save_at = Some(Instant::now());
        // What is told after the link was lost is told by who came after.
        match self.first_stream {
            true => self.is_at(At::HandedOver),
            false => self.is_at(At::Probation),
        }
    }

    /// The agent has written down that it is confirmed.
    pub(super) fn confirmed(&mut self, at: UnixMs) {
        let Some(hand_over) = &mut self.hand_over else {
            return;
        };
        hand_over.confirmed = true;
        let seconds = hand_over.probation.as_secs();
        let text = format!("confirmed: its link was up for {seconds} s without a break");
        self.tell_once(note(CONFIRM, &text, at));
        self.save_at = Some(Instant::now());
    }

    /// Where it is while its agent tells.
    pub(super) fn at_with_agent(&self) -> At {
        match self.hand_over {
            Some(_) if self.first_stream => At::HandedOver,
            Some(_) => At::Probation,
            None => At::Acting,
        }
    }

    /// What it waits for while its agent is away; that is as it should be while a helper acts.
    pub(super) fn away(&mut self, why: String) -> String {
        let now = self.tasks.clock.now();
        match &self.hand_over {
            Some(hand_over) if now < hand_over.lapses() => {
                let why = hand_over.why();
                self.at = At::HandedOver;
                // One that was killed had no time to say so. Where it is Core that goes, the agent has no part in it.
                if !self.ordered.items.iter().any(is_core) {
                    let operation = self.ordered.operation.id.clone();
                    let reason = GoodbyeReason::HandedOver { operation };
                    self.tasks.fleet.detached(self.server, reason);
                }
                why
            }
            Some(_) => {
                self.at = At::Acting;
                why
            }
            None => why,
        }
    }

    /// When an agent that is away because of a helper has been away for too long.
    pub(super) fn lapses_at(&self) -> Option<Instant> {
        let hand_over = self.hand_over.as_ref()?;
        if self.at != At::HandedOver || self.update.waiting_for.is_none() {
            return None;
        }
        let left = hand_over.lapses().saturating_sub(self.tasks.clock.now());
        Some(Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// Watches the link, where that is what comes next. A link that was watched before is, by what is left of its time.
    pub(super) fn watch_link(&mut self, agent: &Arc<Agent>, probation: &mut Probation) {
        probation.at = None;
        let Some(hand_over) = &self.hand_over else {
            return;
        };
        let in_time = self.tasks.clock.now() < hand_over.until;
        if hand_over.confirmed || !in_time || self.at != At::Probation || probation.call.is_some() {
            return;
        }
        let length = hand_over.probation;
        let since = match &self.watched {
            Some((same, since)) if Arc::ptr_eq(same, agent) => *since,
            _ => self.watch_from_now(agent, length),
        };
        let over = since + length;
        probation.at = Some(probation.again.map_or(over, |(again, _)| again.max(over)));
    }

    /// Begins to watch a link, and shows until when.
    fn watch_from_now(&mut self, agent: &Arc<Agent>, length: Duration) -> Instant {
        let since = Instant::now();
        self.watched = Some((Arc::clone(agent), since));
        let length_ms = UnixMs::try_from(length.as_millis()).unwrap_or(UnixMs::MAX);
        self.update.probation_until = Some(self.tasks.clock.now().saturating_add(length_ms));
        self.is_at(At::Probation);
        since
    }

    /// The time is over: the agent is told, where everything is as it should be, and else watched once more.
    pub(super) async fn confirm(&mut self, agent: &Arc<Agent>, probation: &mut Probation) {
        let late = |hand_over: &HandOver| self.tasks.clock.now() >= hand_over.until;
        let Some(hand_over) = self.hand_over.as_ref().filter(|known| !late(known)) else {
            return;
        };
        let length = hand_over.probation;
        if !self.is_well(agent).await {
            self.watch_from_now(agent, length);
            return;
        }
        failpoint!("agent.confirming");
        let (agent, operation) = (Arc::clone(agent), self.ordered.operation.id.clone());
        probation.call = Some(async move { agent.confirm(&operation).await }.boxed());
    }

    /// Keeps a copy of the database before Core itself is replaced by another one, which may change it. Whether the
    /// operation may be begun now: where there is no copy, one that its agent may have already is only not begun anew.
    ///
    /// # Errors
    /// Its end, where nobody has asked for it yet.
    pub(super) async fn snapshot(&self) -> Result<bool, Stop> {
        if self.ordered.operation.recreate.is_none() || !self.ordered.items.iter().any(is_core) {
            return Ok(true);
        }
        let operation = &self.ordered.operation.id;
        let Err(error) = self.tasks.store.snapshot(operation).await else {
            return Ok(true);
        };
        tracing::warn!(update.id = %self.id, error = &error as &dyn std::error::Error, "no snapshot of the database");
        if self.asked {
            return Ok(false);
        }
        let why = Error::from(error).error;
        Err(Stop::Ended(Some(format!(
            "the database could not be copied before Core is replaced, so nothing was begun: {why}"
        ))))
    }

    /// It is over: no copy of the database is put back any more because of it.
    pub(super) async fn settle_snapshot(&self) {
        if !self.ordered.items.iter().any(is_core) {
            return;
        }
        let tasks = Arc::clone(&self.tasks);
        let open = move |operation: &str| operation.parse().is_ok_and(|id| tasks.open.contains(id));
        if let Err(error) = self.tasks.store.settle_snapshots(open).await {
            tracing::warn!(update.id = %self.id, %error, "a snapshot of the database could not be settled");
        }
    }

    /// Whether the agent is there and sees its Engine; where Core itself was handed over, whether it can write.
    async fn is_well(&mut self, agent: &Arc<Agent>) -> bool {
        let fleet = &self.tasks.fleet;
        let there = fleet
            .agent(self.server)
            .is_some_and(|now| Arc::ptr_eq(&now, agent));
        let sees = fleet
            .view(self.server)
            .is_some_and(|view| matches!(view.engine, EngineState::Connected { .. }));
        if !there || !sees {
            return false;
        }
        if !self.ordered.items.iter().any(is_core) {
            return true;
        }
        match self.tasks.store.updates().save(&self.update).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(update.id = %self.id, %error, "Core cannot write, and is not confirmed yet");
                false
            }
        }
    }

    /// What came of it.
    pub(super) fn confirm_answered(
        &mut self,
        answer: Result<(), AgentError>,
        probation: &mut Probation,
    ) {
        match answer {
            Ok(()) => {
                failpoint!("agent.confirmed");
                self.confirmed(self.tasks.clock.now());
                self.is_at(At::Probation);
            }
            // It has ended; the agent tells so.
            Err(error) if error.code == AgentErrorCode::NotFound => {
                if let Some(hand_over) = &mut self.hand_over {
                    hand_over.confirmed = true;
                }
            }
            Err(error) => {
                tracing::info!(update.id = %self.id, %error, "what was handed over cannot be confirmed yet");
                let pause = probation
                    .again
                    .map_or(RETRY, |(_, pause)| (pause * 2).min(RETRY_MAX));
                probation.again = Some((Instant::now() + pause, pause));
            }
        }
    }

    /// Tells in the Update what became of a hand over.
    pub(super) fn story_of(&mut self, verdict: &Verdict) {
        if self.hand_over.is_none() || verdict.verdict != VerdictKind::Failed {
            return;
        }
        let Some(error) = &verdict.error else { return };
        self.tell_once(Log {
            stderr: error.clone(),
            success: false,
            stdout: String::new(),
            ..note(ROLL_BACK, "", verdict.at)
        });
    }

    /// Adds a step to the story, once: after a restart of Core the agent tells everything again.
    pub(super) fn tell_once(&mut self, log: Log) {
        let logs = &mut self.update.logs;
        if !logs.iter().any(|told| told.stage == log.stage) {
            logs.push(log);
        }
    }
}

/// What an Update says where the old Core had to put its database back.
pub(super) fn database_put_back(restored: &Restored, at: UnixMs) -> Log {
    let text = format!(
        "the new Core had changed the database beyond what this one knows, and was not confirmed: the snapshot from \
         before was put back; what the new one wrote is kept as {}",
        restored.kept.join(", ")
    );
    note(DATABASE, &text, at)
}

/// Whether an item is Core's own container, handed over.
pub(super) fn is_core(item: &PlanItem) -> bool {
    item.effect == Effect::HandOver && runs_core(item)
}

/// Whether an item is Core's own container.
pub(super) fn runs_core(item: &PlanItem) -> bool {
    let mut reasons = item.protected.iter();
    reasons.any(|reason| reason.code == ReasonCode::Core)
}
