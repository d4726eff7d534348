//! The alert about an operation that stays open beyond its deadline.

use std::time::Duration;

use komodo_api::{UnixMs, update::Update};
use tokio::time::Instant;

use super::{begin::request_of, run::Run};

/// Time after the deadline within which an operation usually ends.
const GRACE_MS: UnixMs = 10_000;
/// Pause before an alert that could not be stored is stored again.
const RETRY: Duration = Duration::from_secs(10);

/// Whether it has been said.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    raised: bool,
    again: Option<Instant>,
}

impl Overdue {
    /// When it has to be said; `None` where it was.
    pub(super) fn at(&self, update: &Update, now: UnixMs) -> Option<Instant> {
        if self.raised {
            return None;
        }
        let left = update
            .deadline?
            .saturating_add(GRACE_MS)
            .saturating_sub(now);
        let due = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Some(self.again.map_or(due, |again| again.max(due)))
    }
}

impl Run {
    /// Raises the alert, once, where it is time for it.
    pub(super) async fn warn_if_overdue(&mut self) {
        let now = self.tasks.clock.now();
        let due = self.overdue.at(&self.update, now);
        if due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        let update = &self.update;
        let desired = self.tasks.desired.snapshot();
        let server = desired
            .servers
            .get(&self.server)
            .map_or_else(|| self.server.to_string(), |server| server.name.clone());
        let request = request_of(update);
        let settled = update.verdicts.len();
        let targets = update.targets.unwrap_or(0);
        let waits = match &update.waiting_for {
            Some(waiting) => format!(
                "It waits for {}: {}.",
                waiting.server,
                waiting.why.as_deref().unwrap_or("its agent is away")
            ),
            None => "Its agent is connected and has not told its end.".to_owned(),
        };
        let raised = self
            .tasks
            .alerts
            .warn_of_update(
                self.id.as_str(),
                update.target.clone(),
                format!("{request} on {server} is still open after its deadline"),
                format!(
                    "Started by {}; {settled} of {targets} targets are settled. {waits} Update {}",
                    self.ordered.operation.operator, self.id
                ),
            )
            .await;
        match raised {
            Ok(_) => self.overdue.raised = true,
            Err(error) => {
                tracing::warn!(update.id = %self.id, %error, "an alert could not be raised; it is tried again");
                self.overdue.again = Some(Instant::now() + RETRY);
            }
        }
    }

    /// It is over; one that cannot be stored as resolved is at the next start of Core.
    pub(super) async fn resolve_overdue(&self) {
        // Also one that an earlier start of Core raised.
        let in_time = |deadline| self.tasks.clock.now() <= deadline;
        if !self.overdue.raised && self.update.deadline.is_none_or(in_time) {
            return;
        }
        if let Err(error) = self.tasks.alerts.resolve_of_update(self.id.as_str()).await {
            tracing::warn!(update.id = %self.id, %error, "an alert could not be resolved");
        }
    }
}
