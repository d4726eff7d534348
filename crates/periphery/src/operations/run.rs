//! An operation carried out: each target in its turn, journaled before and after, its verdict from what is seen.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use komodo_agent_api::{AgentOperation, Container, OperationEventBody};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::{Effect, PlanItem, Reason, ReasonCode},
    update::{Verdict, VerdictKind},
};
use komodo_docker::{ActOptions, Engine, Outcome, Refused, grant};
use komodo_failpoint::failpoint;
use komodo_plan::{ContainersPlan, Form, reached, settle, settle_skip, state_effect};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::log::OperationLog;
use crate::{
    clock,
    journal::{Journal, redact},
    observe::Observatory,
};

/// Containers acted on at the same time, where the operation does not say.
const CONCURRENCY_DEFAULT: u32 = 16;
const CONCURRENCY_MAX: u32 = 128;
/// Time after which nobody waits any more for an Engine that would tell what became of a container.
const OBSERVE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Looks at a container that the Engine does not answer, while it answers otherwise.
const LOOKS_MAX: u32 = 3;
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(300);

/// What an operation needs of the agent.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) engine: Engine,
    pub(super) observatory: Observatory,
    pub(super) journal: Arc<Journal>,
}

/// Containers acted on at the same time.
pub(super) fn concurrency(asked: u32) -> u32 {
    if asked == 0 {
        CONCURRENCY_DEFAULT
    } else {
        asked.min(CONCURRENCY_MAX)
    }
}

/// Carries an operation out whose plan is in the journal.
pub(super) async fn run(
    means: Means,
    operation: AgentOperation,
    plan: ContainersPlan,
    deadline: Instant,
    log: Arc<OperationLog>,
) {
    let form = Form::from(&operation.scope);
    let left_alone = plan.items.iter().filter(|item| item.effect != Effect::Act);
    let verdicts: Vec<_> = left_alone
        .map(|item| {
            let settled = settle_skip(item, operation.action, form);
            OperationEventBody::Verdict(verdict(item, settled, Some(item.state)))
        })
        .collect();
    if !verdicts.is_empty() {
        // The answer tells of the disk, which changes nothing about these.
        drop(log.append(&means.journal, verdicts));
    }
    let released: BTreeMap<&str, CancellationToken> = plan
        .acts()
        .map(|(item, _)| (item.id.as_str(), CancellationToken::new()))
        .collect();
    let turns = Arc::new(Semaphore::new(concurrency(operation.concurrency) as usize));
    let cx = Cx {
        means: &means,
        operation: &operation,
        form,
        deadline,
        log: &log,
        released,
        turns,
    };
    let mut targets: FuturesUnordered<_> = plan
        .acts()
        .map(|(item, deadline_ms)| cx.target(item, Duration::from_millis(deadline_ms)))
        .collect();
    while targets.next().await.is_some() {}
    failpoint!("operation.ending");
    let _ = log
        .append(&means.journal, [OperationEventBody::Ended { error: None }])
        .await;
}

struct Cx<'a> {
    means: &'a Means,
    operation: &'a AgentOperation,
    form: Form,
    deadline: Instant,
    log: &'a Arc<OperationLog>,
    /// By target: cancelled when those that wait for it may go on.
    released: BTreeMap<&'a str, CancellationToken>,
    turns: Arc<Semaphore>,
}

impl Cx<'_> {
    async fn target(&self, item: &PlanItem, within: Duration) {
        let mut turn = None;
        let verdict = self.act(item, within, &mut turn).await;
        // Those that wait for it begin after its verdict.
        let durable = self
            .log
            .append(&self.means.journal, [OperationEventBody::Verdict(verdict)]);
        drop(turn);
        if let Some(released) = self.released.get(item.id.as_str()) {
            released.cancel();
        }
        let _ = durable.await;
        failpoint!("target.settled");
    }

    async fn act(&self, item: &PlanItem, within: Duration, turn: &mut Option<Turn>) -> Verdict {
        let action = self.operation.action;
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
        let Ok(Ok(permit)) = permit.await else {
            let seen = self
                .means
                .observatory
                .read(|view| view.by_id(&item.id).cloned());
            let error = "the time for the whole operation was over before its turn came";
            let settled = settle(
                action,
                item.state,
                seen.as_deref(),
                false,
                Some(error),
                None,
            );
            return verdict(item, settled, seen.map(|seen| seen.state));
        };

        let released = self.released.get(item.id.as_str()).cloned();
        *turn = Some(Turn {
            _permit: permit,
            released,
        });

        // What is now, and not what was when it was planned.
        let (now, protected) = self.means.observatory.read(|view| {
            let protected = view.protected().iter().find(|entry| entry.id == item.id);
            (
                view.by_id(&item.id).cloned(),
                protected
                    .map(|entry| entry.reasons.clone())
                    .unwrap_or_default(),
            )
        });
        let Some(before) = now else {
            return verdict(
                item,
                settle(action, item.state, None, false, None, None),
                None,
            );
        };
        let not_now = |effect, reason| {
            let item = PlanItem {
                effect,
                reason: Some(reason),
                state: before.state,
                ..item.clone()
            };
            verdict(
                &item,
                settle_skip(&item, action, self.form),
                Some(before.state),
            )
        };
        if let Some(code) = state_effect(action, before.state, self.form).reason() {
            return not_now(Effect::Skip, Reason::new(code));
        }
        let overridden = self.operation.override_reason.is_some();
        let granted = match grant(&item.id, action, self.form, overridden, &protected) {
            Ok(granted) => granted,
            Err(Refused::Skip(reason)) => return not_now(Effect::Skip, reason),
            Err(Refused::Refuse(reason)) => return not_now(Effect::Refuse, reason),
        };

        failpoint!("target.starting");
        let started = self.log.append(
            &self.means.journal,
            [OperationEventBody::Started {
                id: item.id.clone(),
            }],
        );
        if let Err(error) = started
            .await
            .unwrap_or(Err(crate::journal::JournalError::Busy))
        {
            let error = error.to_string();
            let settled = settle(
                action,
                before.state,
                Some(&before),
                false,
                Some(&error),
                None,
            );
            return verdict(item, settled, Some(before.state));
        }
        failpoint!("target.started");
        let options = ActOptions {
            signal: self.operation.signal,
            time_s: self.operation.time,
        };
        let result = self.means.engine.act(granted, options, within).await;
        failpoint!("target.answered");
        let (asked, error) = match &result {
            Ok(Outcome::Acted) => (true, None),
            Ok(Outcome::NotModified) => (false, None),
            Err(error) => (!error.never_sent(), Some(redact(&error.chain()))),
        };
        drop(self.log.append(
            &self.means.journal,
            [OperationEventBody::Acted {
                id: item.id.clone(),
                error: error.clone(),
            }],
        ));
        if result
            .as_ref()
            .is_err_and(komodo_docker::EngineError::never_sent)
        {
            let settled = settle(
                action,
                before.state,
                Some(&before),
                false,
                error.as_deref(),
                None,
            );
            return verdict(item, settled, Some(before.state));
        }
        let seen = match result {
            Ok(Outcome::Acted) => self.told(item, &before),
            _ => None,
        };
        let seen = match seen {
            Some(seen) => seen,
            None => observe(self.means, &item.id, turn).await,
        };
        failpoint!("target.observed");
        let restarted = match (&seen, before.started_at) {
            (Seen::There(after), Some(started)) => Some(after.started_at != Some(started)),
            _ => None,
        };
        judge(
            item,
            action,
            before.state,
            &seen,
            asked,
            error.as_deref(),
            restarted,
        )
    }

    /// What the Engine's events have told since, where that is the asked state: they are its own account of what
    /// happened, come from another road than the answer, and mostly before it. What starts is looked at all the same,
    /// since it may have ended already.
    fn told(&self, item: &PlanItem, before: &Container) -> Option<Seen> {
        use ContainerAction::{Destroy, Pause, Prune, Restart, Start, Stop, Unpause};
        let now = self
            .means
            .observatory
            .read(|view| view.by_id(&item.id).cloned());
        match (self.operation.action, now) {
            (Start | Restart, _) => None,
            (Destroy | Prune, None) => Some(Seen::Gone),
            (action @ (Stop | Pause | Unpause), Some(now)) => {
                let told = now.state_at_ns > before.state_at_ns && reached(action, now.state);
                told.then(|| Seen::There(Box::new((*now).clone())))
            }
            (Stop | Pause | Unpause, None) | (Destroy | Prune, Some(_)) => None,
        }
    }
}

/// What is seen of a container.
pub(super) enum Seen {
    There(Box<Container>),
    Gone,
    /// Nobody can tell, and why.
    Nothing(String),
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

/// Looks at a container until the Engine tells. A turn is given back as soon as that takes longer.
pub(super) async fn observe(means: &Means, id: &str, turn: &mut Option<Turn>) -> Seen {
    let until = Instant::now() + OBSERVE_MAX;
    let mut looks = 0;
    loop {
        let error = match means.observatory.look(&means.engine, id).await {
            Ok(Some(container)) => return Seen::There(Box::new(container)),
            Ok(None) => return Seen::Gone,
            Err(error) => error,
        };
        *turn = None;
        // An Engine that is away does not count; it is waited for.
        let away = !means.observatory.read(crate::observe::View::is_ready);
        looks += u32::from(!away);
        if looks >= LOOKS_MAX {
            return Seen::Nothing(redact(&error.chain()));
        }
        sleep(LOOK_PAUSE).await;
        if timeout_at(until, means.observatory.ready()).await.is_err() {
            return Seen::Nothing(redact(&error.chain()));
        }
    }
}

/// The verdict on a target that was to be acted on.
pub(super) fn judge(
    item: &PlanItem,
    action: ContainerAction,
    before: ContainerStateStatusEnum,
    seen: &Seen,
    asked: bool,
    error: Option<&str>,
    restarted: Option<bool>,
) -> Verdict {
    match seen {
        Seen::There(container) => {
            let settled = settle(action, before, Some(container), asked, error, restarted);
            verdict(item, settled, Some(container.state))
        }
        Seen::Gone => verdict(
            item,
            settle(action, before, None, asked, error, restarted),
            None,
        ),
        Seen::Nothing(why) => {
            let error = error.map_or_else(|| why.clone(), |error| format!("{error}; {why}"));
            verdict(item, (VerdictKind::Unknown, None, Some(error)), None)
        }
    }
}

/// A verdict as it is told.
pub(super) fn verdict(
    item: &PlanItem,
    (kind, reason, error): (VerdictKind, Option<Reason>, Option<String>),
    after: Option<ContainerStateStatusEnum>,
) -> Verdict {
    let known = !item.id.is_empty()
        && reason
            .as_ref()
            .is_none_or(|reason| reason.code != ReasonCode::Gone);
    Verdict {
        container: item.container.clone(),
        id: item.id.clone(),
        verdict: kind,
        reason,
        error: error.map(|error| redact(&error)),
        before: known.then_some(item.state),
        after,
        run: None,
        at: clock::now_ms(),
    }
}
