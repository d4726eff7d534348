//! An agent that goes on purpose: what it announced and the end of its link are the success of the operation.

use std::time::Duration;

use futures_util::FutureExt;
use komodo_agent_api::GoodbyeReason;
use komodo_api::{
    plan::{Effect, PlanItem},
    update::{Verdict, VerdictKind},
};
use komodo_plan::LinkState;
use tokio::time::Instant;

use super::{
    hand_over::runs_core,
    run::{Run, note},
};

/// Time after the announcement within which the link has to end for that to be the success.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// Step in the story of the Update.
pub(super) const DETACH: &str = "Detach";
/// Step that tells that the agent is back.
pub(super) const BACK: &str = "Back";

/// What the agent announced.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    bring_back: String,
    at: Instant,
}

impl Run {
    /// The agent announces that it goes.
    pub(super) fn detaching(&mut self, bring_back: String) {
        let at = Instant::now();
        self.announced = Some(Announced { bring_back, at });
    }

    /// Whether an agent that goes is among the targets, and has no verdict yet. Where it is Core that goes, the agent stays
    /// and tells.
    fn detaches(&self) -> bool {
        let untold = self.untold();
        let mut goes = untold.iter().filter(|item| item.effect == Effect::Detach);
        goes.any(|item| !runs_core(item))
    }

    /// Whether the agent has gone as it said: it announced that, and the link has ended soon after.
    pub(super) fn has_gone(&self) -> bool {
        let Some(view) = self.tasks.fleet.view(self.server) else {
            return false;
        };
        let same_link = self.agent.as_ref();
        let ended = same_link.is_none_or(|agent| agent.closed().now_or_never().is_some());
        if view.is_live() || !ended || !self.detaches() {
            return false;
        }
        match (&self.announced, &view.link) {
            (Some(announced), _) => announced.at.elapsed() < GONE_WITHIN,
            (None, LinkState::Lost { since, goodbye }) => {
                matches!(goodbye, Some(GoodbyeReason::Detached { .. })) && *since >= self.since()
            }
            (None, _) => false,
        }
    }

    /// Settles what that was.
    pub(super) fn settle_as_detached(&mut self) {
        let at = self.tasks.clock.now();
        let bring_back = self.bring_back();
        self.tasks.fleet.detached(
            self.server,
            GoodbyeReason::Detached {
                by: self.ordered.operation.operator.clone(),
                bring_back,
            },
        );
        let gone = |item: &PlanItem| item.effect == Effect::Detach;
        for item in self.untold().into_iter().filter(gone) {
            self.put(Verdict {
                container: item.container,
                id: item.id,
                verdict: VerdictKind::Done,
                reason: None,
                error: None,
                before: Some(item.state),
                after: None,
                run: None,
                at,
            });
        }
    }

    /// Says in the Update by whom the agent was detached, and how it comes back.
    pub(super) fn tell_detached(&mut self) {
        let done = |item: &PlanItem| {
            let verdicts = &self.update.verdicts;
            item.effect == Effect::Detach
                && verdicts
                    .iter()
                    .any(|one| one.id == item.id && one.verdict == VerdictKind::Done)
        };
        if !self.ordered.items.iter().any(done) {
            return;
        }
        let text = format!(
            "detached by {}; bring back with `{}`",
            self.ordered.operation.operator,
            self.bring_back()
        );
        self.tell_once(note(DETACH, &text, self.tasks.clock.now()));
    }

    fn bring_back(&self) -> String {
        let announced = self.announced.as_ref().map(|one| one.bring_back.clone());
        let planned = || {
            let mut items = self.ordered.items.iter();
            items.find_map(|item| item.bring_back.clone())
        };
        announced.or_else(planned).unwrap_or_default()
    }
}
