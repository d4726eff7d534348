//! The end of an operation: its Update complete, shown, on disk, and forgotten by the agent.

use std::time::Duration;

use komodo_agent_api::AgentErrorCode;
use komodo_api::{
    id::Id,
    plan::ReasonCode,
    update::{Log, Update, VerdictKind},
};
use komodo_failpoint::failpoint;
use komodo_plan::{UNIT_PREFIX, update_logs, update_success};
use tokio::time::{Instant, sleep_until};

use super::{
    run::{Run, note},
    stage::{At, mark},
};
use crate::fleet::Agent;

/// How long an end waits until the view of the server shows what the verdicts say.
const VIEW_AGREES: Duration = Duration::from_millis(250);
/// Longest pause before an end that could not be stored is stored again.
const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

impl Run {
    /// Completes the Update and shows it.
    pub(super) async fn close(&mut self, error: Option<String>) {
        if error.is_none() {
            self.view_agrees().await;
        }
        self.tell_detached();
        let now = self.tasks.clock.now();
        let update = &mut self.update;
        let notes = std::mem::take(&mut update.logs);
        update.success = error.is_none()
            && update_success(&update.verdicts)
            && update.canceled_by.is_none()
            && notes.iter().all(|log| log.success);
        let canceled = cancel_log(update, now);
        let action = self.ordered.operation.action;
        if error.is_none() || !update.verdicts.is_empty() {
            update.logs = update_logs(action, &update.verdicts, update.start_ts, now);
        }
        update.logs.extend(notes);
        update.logs.extend(canceled);
        if let Some(error) = error {
            update.logs.push(Log {
                stage: "Order".into(),
                stderr: error,
                start_ts: update.start_ts,
                end_ts: now,
                ..Log::default()
            });
        }
        if let Some(reason) = &self.ordered.operation.override_reason {
            let text = format!(
                "protection was overridden by {}: {reason}",
                self.ordered.operation.operator
            );
            update.logs.push(note("Override", &text, update.start_ts));
        }
        update.waiting_for = None;
        update.end_ts = Some(now);
        mark(update, &self.ordered.operation, At::End);
        // Who sees the end may begin the next operation at once.
        self.held = None;
    }

    /// The Update that this one undid, and whether that can be undone once more.
    fn undone(&self) -> Option<(Id, bool)> {
        let original = self.update.undoes.as_ref()?.parse().ok()?;
        Some((original, !self.update.success))
    }

    /// Waits a moment until the view shows what the verdicts say, so that who sees the end reads it there too.
    async fn view_agrees(&self) {
        let Some(containers) = self.tasks.fleet.containers(self.server) else {
            return;
        };
        let mut revisions = containers.ring().watch();
        let until = Instant::now() + VIEW_AGREES;
        loop {
            let view = containers.view();
            let agrees = !view.is_live()
                || self
                    .update
                    .verdicts
                    .iter()
                    .filter(|verdict| verdict.verdict == VerdictKind::Done)
                    // No view shows a service.
                    .filter(|verdict| !verdict.id.starts_with(UNIT_PREFIX))
                    .all(|verdict| {
                        view.container(&verdict.id).map(|container| container.state)
                            == verdict.after
                    });
            if agrees {
                return;
            }
            tokio::select! {
                biased;
                changed = revisions.changed() => if changed.is_err() { return },
                () = sleep_until(until) => return,
            }
        }
    }

    /// Shows the end, stores it for as long as that takes, and lets the agent forget.
    pub(super) async fn store_end(mut self, agent: Option<&Agent>) {
        self.show_now();
        self.tasks.publish(&self.update);
        failpoint!("end.storing");
        let mut pause = self.tasks.settings.retry;
        let undone = self.undone();
        let original = loop {
            let saved = self
                .tasks
                .store
                .updates()
                .save_end(&self.update, undone)
                .await;
            let error = match saved {
                Ok(original) => break original,
                Err(error) => error,
            };
            tracing::error!(update.id = %self.id, %error, "the end of an operation could not be stored; it is tried again");
            self.tell_unsaved(error);
            tokio::select! {
                biased;
                // It stays open on disk; the agent keeps the truth until the next start.
                () = self.tasks.end.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(STORE_RETRY_MAX);
        };
        failpoint!("end.stored");
        if let Some(original) = original {
            self.tasks.publish(&original);
        }
        self.tasks.open.remove(self.id);
        // Who waits for it to be stored looks again.
        self.show_now();
        self.resolve_overdue().await;
        self.settle_snapshot().await;
        failpoint!("end.acknowledging");
        if let Some(agent) = agent
            && let Err(error) = agent.acknowledge(&self.ordered.operation.id).await
            && error.code != AgentErrorCode::NotFound
        {
            // It is told again when it connects the next time.
            tracing::info!(update.id = %self.id, %error, "the agent could not be told to forget an operation");
        }
    }
}

/// How far a canceled operation came.
fn cancel_log(update: &Update, now: komodo_api::UnixMs) -> Option<Log> {
    let by = update.canceled_by.as_ref()?;
    let count = |fits: &dyn Fn(&komodo_api::update::Verdict) -> bool| {
        update
            .verdicts
            .iter()
            .filter(|verdict| fits(verdict))
            .count()
    };
    let done = count(&|verdict| verdict.verdict == VerdictKind::Done);
    let untried = count(&|verdict| {
        verdict
            .reason
            .as_ref()
            .is_some_and(|reason| reason.code == ReasonCode::Canceled)
    });
    let unknown = count(&|verdict| verdict.verdict == VerdictKind::Unknown);
    let mut text = format!("canceled by {by}: {done} done, {untried} not tried");
    if unknown > 0 {
        text.push_str(&format!(", {unknown} unknown, since its server was away"));
    }
    Some(Log {
        stage: "Cancel".into(),
        stderr: text,
        start_ts: now,
        end_ts: now,
        ..Log::default()
    })
}
