//! The agent's own container taken away on purpose. The Engine may never answer whoever runs in what it takes away, so
//! all that is to be known is on disk, and told, before it is asked.

use std::time::Duration;

use komodo_agent_api::{AgentOperation, GoodbyeReason, OperationEventBody};
use komodo_api::{
    container::ContainerAction,
    plan::PlanItem,
    update::{Verdict, VerdictKind},
};
use komodo_docker::{ActOptions, Outcome};
use komodo_failpoint::failpoint;
use komodo_journal::JournalError;
use komodo_plan::Settled;
use tokio::time::Instant;

use super::{
    look::{Ask, Seen, settle_by_look, verdict},
    target::{Cx, Kept, Permit, Step, failed},
};
use crate::{clock, hand_over::kept::Detached, redact::redact};

/// Time beyond its deadline by which a call is late only for one who was paused.
const FROZEN_MIN: Duration = Duration::from_secs(2);

impl Cx<'_> {
    /// Lets the agent's own container be taken away; the verdict where the agent is still there, or there again.
    pub(super) async fn detach(&self, item: &PlanItem, within: Duration) -> Verdict {
        let action = self.operation.action;
        let Permit {
            before,
            run,
            granted,
        } = match self.permit(item, action, Step::First).await {
            Ok(permit) => permit,
            Err(Kept::Settled(settled, now)) => {
                return verdict(item, item.state, settled, now.as_deref());
            }
            Err(Kept::HandOver(now, _)) => {
                let why = "only a helper may do that".to_owned();
                return verdict(item, item.state, failed(why), Some(&now));
            }
            Err(Kept::Away(why)) => {
                let settled = failed(format!("the Engine could not be asked: {why}"));
                return verdict(item, item.state, settled, None);
            }
        };
        let not_asked = |why: String| verdict(item, before.state, failed(why), Some(&before));
        failpoint!("detach.starting");
        let Some(durable) = self.log.begin(&self.means.journal, &item.id, run) else {
            return self.canceled(item);
        };
        if let Err(error) = durable.await.unwrap_or(Err(JournalError::Busy)) {
            return not_asked(error.to_string());
        }
        let by = self.operation.operator.clone();
        let bring_back = item.bring_back.clone().unwrap_or_default();
        let mark = Detached {
            by: by.clone(),
            action,
            at: clock::now_ms(),
            bring_back: bring_back.clone(),
        };
        let kept = &self.means.kept;
        if let Err(error) = kept.mark_detached(&mark).await {
            let why = format!("it cannot be marked as detached: {error}");
            self.acted(item, Some(why.clone()));
            return not_asked(why);
        }
        let telling = OperationEventBody::Detaching {
            bring_back: bring_back.clone(),
        };
        let durable = self.log.append(&self.means.journal, [telling]);
        if let Err(error) = durable.await.unwrap_or(Err(JournalError::Busy)) {
            kept.unmark_detached().await;
            self.acted(item, Some(error.to_string()));
            return not_asked(error.to_string());
        }
        failpoint!("detach.announced");
        let reason = GoodbyeReason::Detached { by, bring_back };
        self.means.leave(reason).await;
        failpoint!("detach.asking");
        tracing::info!(
            operation.id = self.operation.id,
            ?action,
            "the agent goes on purpose"
        );
        // An older Engine sends a signal, waits and stops in three steps, of which we would not live to ask for the last.
        let options = ActOptions {
            signal: None,
            time_s: self.operation.time,
            from_within: true,
        };
        let asked = Instant::now();
        let result = self.means.engine.act(granted, options, within).await;
        // Whoever comes to here was refused, or is back.
        kept.unmark_detached().await;
        self.means.stay();
        let unanswered = clock::now_ms() - i64::try_from(asked.elapsed().as_millis()).unwrap_or(0);
        let (acted, unanswered_since, error) = match result {
            Ok(Outcome::Acted) => (true, None, None),
            Ok(Outcome::NotModified) => (false, None, None),
            Err(error) if error.never_sent() => (false, None, Some(redact(&error.chain()))),
            Err(error) => {
                let unanswered = error.is_unreachable().then_some(unanswered);
                (true, unanswered, Some(redact(&error.chain())))
            }
        };
        self.acted(item, error.clone());
        // The answer reaches one who was paused when he is thawed, his own deadline long over maybe.
        let frozen = asked.elapsed() > within + FROZEN_MIN;
        if action == ContainerAction::Pause && acted && (error.is_none() || frozen) {
            let now = self.now(item);
            let done: Settled = (VerdictKind::Done, None, None);
            return verdict(item, before.state, done, now.as_ref().or(Some(&before)));
        }
        let ask = Ask {
            before: before.state,
            acted,
            unanswered_since,
            error: error.as_deref(),
            run,
        };
        settle_by_look(self.means, self.operation, item, ask, &mut None)
            .await
            .0
    }
}

/// The verdict of an agent that is there again, on its own container that it announced to be taken away: it was, where
/// it is in another run since. `None` where that is to be told as of any other container.
pub(super) fn settle_return(
    operation: &AgentOperation,
    item: &PlanItem,
    run: Option<komodo_api::update::Run>,
    seen: &Seen,
) -> Option<Verdict> {
    let Seen::There(now) = seen else { return None };
    let another = komodo_plan::restarted(run, now) == Some(true);
    let takes_away = !matches!(
        operation.action,
        ContainerAction::Start | ContainerAction::Unpause
    );
    (another && takes_away).then(|| {
        let done: Settled = (VerdictKind::Done, None, None);
        verdict(item, item.state, done, Some(now))
    })
}
