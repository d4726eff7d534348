//! One target: its turn, the Engine asked for it step by step, each journaled before and after.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use komodo_agent_api::{AgentOperation, Container, OperationEventBody};
use komodo_api::{
    container::ContainerAction,
    plan::{Effect, PlanItem, Reason},
    update::{Run, Verdict, VerdictKind},
};
use komodo_docker::{ActOptions, EngineError, Granted, Outcome, Refused, grant};
use komodo_failpoint::failpoint;
use komodo_journal::JournalError;
use komodo_plan::{
    Form, Lift, Settled, changed_since, is_undone, reached, second_step, settle, settle_skip,
    state_effect,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    hand_over::tidy,
    log::OperationLog,
    look::{
        Ask, EVENT_PATIENCE, LOOK_PAUSE, Seen, canceled, judge, settle_by_look, told_by_events,
        verdict,
    },
    run::Means,
    service::{self, is_unit},
};
use crate::{clock, observe::View, redact::redact};

/// What the targets of an operation share.
pub(super) struct Cx<'a> {
    pub(super) means: &'a Means,
    pub(super) operation: &'a AgentOperation,
    pub(super) form: Form,
    pub(super) deadline: Instant,
    pub(super) log: &'a Arc<OperationLog>,
    /// By target: cancelled when those that wait for it may go on.
    pub(super) released: BTreeMap<&'a str, CancellationToken>,
    pub(super) turns: Arc<Semaphore>,
}

/// A target's turn: while it is held, one fewer can be acted on, and those that wait for it wait.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    released: Option<CancellationToken>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(released) = &self.released {
            released.cancel();
        }
    }
}

/// What is done to a target, of which an undo may take two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What the operation is.
    First,
    /// What brings it back to the state that an undo found before.
    Second,
}

/// Time that asking for a target may take.
#[derive(Clone, Copy)]
struct Time {
    within: Duration,
    until: Instant,
}

/// That the Engine was asked, and how that ended.
struct Asked {
    /// The container as it was right before.
    before: Container,
    /// Its run then, where the Engine has dated it.
    run: Option<Run>,
    acted: bool,
    unanswered_since: Option<i64>,
    error: Option<String>,
}

/// That the Engine may be asked.
pub(super) struct Permit {
    /// The container as it is.
    pub(super) before: Container,
    /// Its run, where the Engine has dated it.
    pub(super) run: Option<Run>,
    pub(super) granted: Granted,
}

/// Why the Engine is not asked.
pub(super) enum Kept {
    /// Because of how things are.
    Settled(Settled, Option<Box<Container>>),
    /// Only a helper may do it; the container as it is, and its run, where the Engine has dated it.
    HandOver(Box<Container>, Option<Run>),
    /// It cannot be asked now.
    Away(String),
}

impl Cx<'_> {
    /// Takes a target to its verdict.
    pub(super) async fn target(&self, item: &PlanItem, within: Duration) {
        let mut turn = None;
        let verdict = self.act(item, within, &mut turn).await;
        // Those that wait for it begin after its verdict.
        // It is durable before the end of the operation is, which is written behind it.
        let durable = self
            .log
            .append(&self.means.journal, [OperationEventBody::Verdict(verdict)]);
        if is_unit(item) {
            if let Some(plan) = self.means.kept.unit_plan(&self.operation.id) {
                let _ = durable.await;
                service::tidy(self.means, &plan).await;
            }
        } else if item.effect == Effect::HandOver
            && let Some(plan) = self.means.kept.plan(&self.operation.id)
        {
            // What tells how it ended goes after that is on disk.
            let _ = durable.await;
            tidy(self.means, &plan).await;
        }
        drop(turn);
        if let Some(released) = self.released.get(item.id.as_str()) {
            released.cancel();
        }
        failpoint!("target.settled");
    }

    async fn act(&self, item: &PlanItem, within: Duration, turn: &mut Option<Turn>) -> Verdict {
        match self.turn(item).await {
            Ok(its) => *turn = Some(its),
            Err(verdict) => return *verdict,
        }
        if is_unit(item) {
            return self.hand_over_service(item).await;
        }
        if item.effect == Effect::HandOver {
            return self.hand_over(item).await;
        }
        if item.effect == Effect::Detach && self.is_own(&item.id) {
            return self.detach(item, within).await;
        }
        let time = Time {
            within,
            until: Instant::now() + within,
        };
        let action = self.operation.action;
        let asked = match self.ask(item, action, Step::First, time).await {
            Ok(asked) => asked,
            Err(verdict) => return *verdict,
        };
        let ask = Ask {
            before: asked.before.state,
            acted: asked.acted,
            unanswered_since: asked.unanswered_since,
            error: asked.error.as_deref(),
            run: asked.run,
        };
        let second = second_step(action, item.back_to);
        let observatory = &self.means.observatory;
        if second.is_none()
            && asked.error.is_none()
            && asked.acted
            && let Some(seen) =
                told_by_events(observatory, action, &asked.before, EVENT_PATIENCE).await
        {
            failpoint!("target.observed");
            return judge(item, action, ask, &seen);
        }
        // Of one that is brought back in two steps the first is looked at by itself.
        let alone = PlanItem {
            back_to: None,
            ..item.clone()
        };
        let (verdict, seen) = settle_by_look(self.means, self.operation, &alone, ask, turn).await;
        failpoint!("target.observed");
        match (second, &seen) {
            (Some(second), Seen::There(now)) if ask.acted && reached(action, now.state) => {
                self.second(item, second, ask, time, turn).await
            }
            (Some(_), _) => judge(item, action, ask, &seen),
            (None, _) => verdict,
        }
    }

    async fn second(
        &self,
        item: &PlanItem,
        action: ContainerAction,
        first: Ask<'_>,
        time: Time,
        turn: &mut Option<Turn>,
    ) -> Verdict {
        let asked = self.ask(item, action, Step::Second, time).await;
        let (unanswered_since, error) = match &asked {
            Ok(asked) => (asked.unanswered_since, asked.error.clone()),
            Err(verdict) => {
                let reason = verdict.reason.as_ref().map(Reason::sentence);
                (None, verdict.error.clone().or(reason))
            }
        };
        let ask = Ask {
            unanswered_since,
            error: error.as_deref(),
            ..first
        };
        settle_by_look(self.means, self.operation, item, ask, turn)
            .await
            .0
    }

    /// Waits for its turn; the verdict where none comes.
    async fn turn(&self, item: &PlanItem) -> Result<Turn, Box<Verdict>> {
        // Each of these has a deadline of its own, and lets go at that at the latest.
        let permit = timeout_at(self.deadline, async {
            for other in item
                .after
                .iter()
                .filter_map(|id| self.released.get(id.as_str()))
            {
                other.cancelled().await;
            }
            Arc::clone(&self.turns).acquire_owned().await
        });
        let permit = tokio::select! {
            biased;
            () = self.log.canceled() => return Err(Box::new(self.canceled(item))),
            permit = permit => permit,
        };
        if let Ok(Ok(permit)) = permit {
            return Ok(Turn {
                _permit: permit,
                released: self.released.get(item.id.as_str()).cloned(),
            });
        }
        let seen = self.now(item);
        let error = "the time for the whole operation was over before its turn came";
        let settled = settle(
            self.operation.action,
            item.state,
            seen.as_ref(),
            false,
            Some(error),
            None,
        );
        Err(Box::new(verdict(item, item.state, settled, seen.as_ref())))
    }

    /// Asks the Engine for one step of a target; the verdict where it is not asked. The facts are looked at before the
    /// step is journaled, and again right before the Engine is asked: the disk, and an Engine that is away and waited
    /// for, take their time.
    async fn ask(
        &self,
        item: &PlanItem,
        action: ContainerAction,
        step: Step,
        time: Time,
    ) -> Result<Asked, Box<Verdict>> {
        let mut begun = false;
        loop {
            let why = match self.permit(item, action, step).await {
                Ok(Permit {
                    before,
                    run,
                    granted,
                }) if begun => {
                    let within = time.until.saturating_duration_since(Instant::now());
                    if within.is_zero() {
                        let why = "its time was over before the Engine was asked".to_owned();
                        return Err(self.not_asked(item, begun, failed(why), Some(&before)));
                    }
                    match self.call(before, run, granted, within).await {
                        Ok(asked) => {
                            self.acted(item, asked.error.clone());
                            return Ok(asked);
                        }
                        Err(error) if error.is_unreachable() => redact(&error.chain()),
                        Err(error) => {
                            let why = redact(&error.chain());
                            return Err(self.not_asked(item, begun, failed(why), None));
                        }
                    }
                }
                Ok(Permit { before, run, .. }) => {
                    failpoint!("target.starting");
                    let durable = match step {
                        Step::First => self.log.begin(&self.means.journal, &item.id, run),
                        Step::Second => {
                            let id = item.id.clone();
                            let body = OperationEventBody::Started { id, run };
                            Some(self.log.append(&self.means.journal, [body]))
                        }
                    };
                    let Some(durable) = durable else {
                        return Err(Box::new(self.canceled(item)));
                    };
                    if let Err(error) = durable.await.unwrap_or(Err(JournalError::Busy)) {
                        let settled = failed(error.to_string());
                        return Err(Box::new(verdict(
                            item,
                            before.state,
                            settled,
                            Some(&before),
                        )));
                    }
                    failpoint!("target.started");
                    begun = true;
                    continue;
                }
                Err(Kept::Settled(settled, now)) => {
                    return Err(self.not_asked(item, begun, settled, now.as_deref()));
                }
                Err(Kept::HandOver(now, _)) => {
                    let why = "only a helper may do that".to_owned();
                    return Err(self.not_asked(item, begun, failed(why), Some(&now)));
                }
                Err(Kept::Away(why)) => why,
            };
            // It was certainly not asked, and waits for its Engine. One that has begun is under way for a cancel only
            // while the Engine is asked.
            let back = timeout_at(time.until, async {
                sleep(LOOK_PAUSE).await;
                self.means.observatory.ready().await;
            });
            tokio::select! {
                biased;
                () = self.log.canceled(), if step == Step::First => {
                    if begun {
                        self.acted(item, Some(why));
                    }
                    return Err(Box::new(self.canceled(item)));
                }
                back = back => if back.is_err() {
                    let seconds = time.within.as_secs();
                    let why = format!("the Engine could not be asked within {seconds} s: {why}");
                    return Err(self.not_asked(item, begun, failed(why), None));
                }
            }
        }
    }

    /// Asks the Engine.
    ///
    /// # Errors
    /// [`EngineError`] where it is certain that it was not asked.
    async fn call(
        &self,
        before: Container,
        run: Option<Run>,
        granted: Granted,
        within: Duration,
    ) -> Result<Asked, EngineError> {
        let options = ActOptions {
            signal: self.operation.signal,
            time_s: self.operation.time,
            from_within: false,
        };
        let since = clock::now_ms();
        let result = self.means.engine.act(granted, options, within).await;
        failpoint!("target.answered");
        let (acted, unanswered, error) = match result {
            Ok(Outcome::Acted) => (true, false, None),
            Ok(Outcome::NotModified) => (false, false, None),
            Err(error) if error.never_sent() => return Err(error),
            Err(error) => (true, error.is_unreachable(), Some(redact(&error.chain()))),
        };
        Ok(Asked {
            before,
            run,
            acted,
            unanswered_since: unanswered.then_some(since),
            error,
        })
    }

    /// What is the case now, and not when it was planned, and the permission to act on it.
    pub(super) async fn permit(
        &self,
        item: &PlanItem,
        action: ContainerAction,
        step: Step,
    ) -> Result<Permit, Kept> {
        let Means {
            engine,
            observatory,
            ..
        } = self.means;
        let expected = self.operation.expected.get(&item.id);
        // Only the Engine itself dates a run so exactly that it can be told from another.
        let by_run = matches!(action, ContainerAction::Start | ContainerAction::Restart)
            || self.operation.detach;
        let dated = observatory.read(|view| view.is_dated(&item.id));
        let undone = expected.is_some_and(is_undone);
        let looked = match undone || (by_run && !dated) {
            true => match observatory.look(engine, &item.id).await {
                Ok(now) => Some(now),
                Err(error) if error.is_unreachable() => {
                    return Err(Kept::Away(redact(&error.chain())));
                }
                Err(error) => {
                    let why = format!("it cannot be looked at: {}", redact(&error.chain()));
                    return Err(Kept::Settled(failed(why), None));
                }
            },
            false => None,
        };
        let dated = dated || looked.is_some();
        let (now, protected) = observatory.read(|view: &View| {
            if !view.is_ready() {
                let why = match &view.engine {
                    komodo_agent_api::EngineState::Unreachable { why, .. } => why.clone(),
                    komodo_agent_api::EngineState::Connected { .. } => {
                        "its containers are not known yet".to_owned()
                    }
                };
                return Err(Kept::Away(why));
            }
            let of_view = || view.by_id(&item.id).map(|now| (**now).clone());
            let protected = view.protected().iter().find(|entry| entry.id == item.id);
            Ok((
                looked.unwrap_or_else(of_view),
                protected.map_or_else(Vec::new, |entry| entry.reasons.clone()),
            ))
        })?;
        let Some(now) = now else {
            let gone = settle(action, item.state, None, false, None, None);
            return Err(Kept::Settled(gone, None));
        };
        let left = |effect, reason, now: Container| {
            let item = PlanItem {
                effect,
                reason: Some(reason),
                state: now.state,
                ..item.clone()
            };
            Kept::Settled(settle_skip(&item, action, self.form), Some(Box::new(now)))
        };
        let lift = Lift {
            overridden: self.operation.override_reason.is_some(),
            detach: self.operation.detach,
        };
        let granted = match grant(&item.id, action, self.form, lift, &protected) {
            Ok(granted) => Some(granted),
            Err(Refused::HandOver(_)) if item.effect == Effect::HandOver => None,
            Err(Refused::Skip(reason)) => return Err(left(Effect::Skip, reason, now)),
            Err(Refused::Refuse(reason) | Refused::HandOver(reason)) => {
                return Err(left(Effect::Refuse, reason, now));
            }
        };
        let changed = match (step, expected) {
            (Step::First, Some(expected)) => changed_since(expected, &now),
            _ => None,
        };
        let state = || state_effect(action, now.state, self.form).reason();
        let run = dated.then(|| now.run());
        match (changed.or_else(|| state().map(Reason::new)), granted) {
            (Some(reason), _) => Err(left(Effect::Skip, reason, now)),
            (None, None) => Err(Kept::HandOver(Box::new(now), run)),
            (None, Some(granted)) => Ok(Permit {
                run,
                before: now,
                granted,
            }),
        }
    }

    /// The verdict on one that the Engine is not asked for; that is journaled where it had begun.
    fn not_asked(
        &self,
        item: &PlanItem,
        begun: bool,
        settled: Settled,
        now: Option<&Container>,
    ) -> Box<Verdict> {
        if begun {
            let reason = settled.1.as_ref().map(Reason::sentence);
            let why = settled.2.clone().or(reason).unwrap_or_default();
            self.acted(item, Some(format!("it was not asked: {why}")));
        }
        let before = now.map_or(item.state, |now| now.state);
        Box::new(verdict(item, before, settled, now))
    }

    pub(super) fn acted(&self, item: &PlanItem, error: Option<String>) {
        let id = item.id.clone();
        let body = OperationEventBody::Acted { id, error };
        // The verdict is written after it, and waits for the disk.
        drop(self.log.append(&self.means.journal, [body]));
    }

    pub(super) fn canceled(&self, item: &PlanItem) -> Verdict {
        canceled(item, self.now(item).as_ref())
    }

    pub(super) fn now(&self, item: &PlanItem) -> Option<Container> {
        self.means
            .observatory
            .read(|view| view.by_id(&item.id).map(|now| (**now).clone()))
    }

    /// Whether the agent itself runs in it.
    fn is_own(&self, id: &str) -> bool {
        let own = |view: &View| view.control_path().own_container.as_deref() == Some(id);
        self.means.observatory.read(own)
    }
}

pub(super) fn failed(why: String) -> Settled {
    (VerdictKind::Failed, None, Some(why))
}
