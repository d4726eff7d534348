//! The end of an operation: its Update complete, shown, on disk, and forgotten by the agent.

use std::{sync::PoisonError, time::Duration};

use komodo_agent_api::AgentErrorCode;
use komodo_api::update::{Log, UpdateStatus, VerdictKind};
use komodo_failpoint::failpoint;
use komodo_plan::{update_logs, update_success};
use tokio::time::{Instant, sleep_until};

use super::run::{Run, note};
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
        let now = self.tasks.clock.now();
        let update = &mut self.update;
        let notes = std::mem::take(&mut update.logs);
        update.success = error.is_none()
            && update_success(&update.verdicts)
            && notes.iter().all(|log| log.success);
        let action = self.ordered.operation.action;
        if error.is_none() || !update.verdicts.is_empty() {
            update.logs = update_logs(action, &update.verdicts, update.start_ts, now);
        }
        update.logs.extend(notes);
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
        update.status = UpdateStatus::Complete;
        // Who sees the end may begin the next operation at once.
        self.held = None;
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
        loop {
            let error = match self.tasks.store.updates().save(&self.update).await {
                Ok(()) => break,
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
        }
        failpoint!("end.stored");
        self.tasks
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
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
