//! The verdicts that an agent can no longer give: from what is seen, or that nobody can tell.

use std::collections::{BTreeMap, BTreeSet};

use komodo_agent_api::Container;
use komodo_api::{
    UnixMs,
    plan::{Effect, PlanItem, Reason, ReasonCode},
    update::{Log, Verdict, VerdictKind},
};
use komodo_plan::{Form, Settled, UNIT_PREFIX, settle_back, settle_skip};

use super::run::Run;

impl Run {
    /// What the agent cannot tell any more is told by its containers, as it sees them now.
    pub(super) fn settle_by_observation(&mut self, containers: &[Container]) {
        let by_id: BTreeMap<&str, &Container> = containers
            .iter()
            .map(|container| (container.id.as_str(), container))
            .collect();
        let action = self.ordered.operation.action;
        let form = Form::from(&self.ordered.operation.scope);
        let at = self.tasks.clock.now();
        let untold = self.untold();
        // Where the agent was never known to have it, it may have been the link that lost the answer.
        let may_have_acted = self.accepted || self.earlier;
        for item in untold {
            if item.id.starts_with(UNIT_PREFIX) {
                self.settle_unit(item, may_have_acted, at);
                continue;
            }
            let observed = by_id.get(item.id.as_str()).copied();
            // One that was replaced bears the same name.
            let replaced = || {
                let mut named = containers.iter();
                named.find(|container| container.name == item.container)
            };
            let observed = match item.effect {
                Effect::HandOver => replaced().or(observed),
                _ => observed,
            };
            let settled = match item.effect {
                Effect::Act | Effect::HandOver | Effect::Detach => {
                    let begun = self.begun.contains(&item.id);
                    let acted = may_have_acted || begun;
                    if !acted && self.update.canceled_by.is_some() {
                        self.put_canceled(item, observed, at);
                        continue;
                    }
                    let why = match (begun, may_have_acted) {
                        (true, _) => None,
                        (false, true) => Some(
                            "its agent knows nothing of it, and nobody can tell whether the Engine was asked",
                        ),
                        (false, false) => Some("the server could not be asked in time"),
                    };
                    let restarted = observed
                        .and_then(|container| container.started_at)
                        .zip(self.ordered.runs.get(&item.id))
                        .map(|(now, before)| now != *before);
                    let settled = settle_back(
                        item.back_to,
                        action,
                        item.state,
                        observed,
                        acted,
                        why,
                        restarted,
                    );
                    let same = observed.is_some_and(|now| now.id == item.id);
                    match settled {
                        (VerdictKind::Done, ..) if same && self.makes_anew(&item) => {
                            let why = "it runs again, but it was not made anew";
                            (VerdictKind::Failed, None, Some(why.to_owned()))
                        }
                        settled => settled,
                    }
                }
                Effect::Skip | Effect::Refuse => settle_skip(&item, action, form),
            };
            self.put_settled(item, settled, observed, at);
        }
    }

    /// No container tells what became of a service.
    fn settle_unit(&mut self, item: PlanItem, may_have_acted: bool, at: UnixMs) {
        let acted = may_have_acted || self.asked || self.begun.contains(&item.id);
        let action = self.ordered.operation.action;
        let settled = match item.effect {
            Effect::Skip | Effect::Refuse => settle_skip(&item, action, Form::Named),
            _ if !acted && self.update.canceled_by.is_some() => {
                return self.put_canceled(item, None, at);
            }
            _ if acted => {
                let why = format!(
                    "the agent does not know it any more, and what became of the service is in no container: look at it with \
                     `systemctl status {}` on its host",
                    item.container
                );
                (VerdictKind::Unknown, None, Some(why))
            }
            _ => {
                let why = "nothing was done: the server could not be asked in time";
                (VerdictKind::Failed, None, Some(why.to_owned()))
            }
        };
        self.put_settled(item, settled, None, at);
    }

    /// Whether a new container is to take the place of one.
    fn makes_anew(&self, item: &PlanItem) -> bool {
        item.effect == Effect::HandOver && self.ordered.operation.recreate.is_some()
    }

    /// It was never tried, and will not be.
    fn put_canceled(&mut self, item: PlanItem, observed: Option<&Container>, at: UnixMs) {
        let reason = Some(Reason::new(ReasonCode::Canceled));
        self.put_settled(item, (VerdictKind::Skipped, reason, None), observed, at);
    }

    /// What is said of an item without its agent, and how its container is seen.
    fn put_settled(
        &mut self,
        item: PlanItem,
        (verdict, reason, error): Settled,
        observed: Option<&Container>,
        at: UnixMs,
    ) {
        self.put(Verdict {
            container: item.container,
            id: item.id,
            verdict,
            reason,
            error,
            before: Some(item.state),
            after: observed.map(|container| container.state),
            run: observed.map(Container::run),
            at,
        });
    }

    /// Nobody waits for the agent any more: what it was never asked for was not tried, and of the rest nobody knows.
    pub(super) fn settle_as_canceled(&mut self) {
        let (action, at) = (self.ordered.operation.action, self.tasks.clock.now());
        let form = Form::from(&self.ordered.operation.scope);
        for item in self.untold() {
            let settled = match item.effect {
                Effect::Act | Effect::HandOver | Effect::Detach if !self.asked => {
                    self.put_canceled(item, None, at);
                    continue;
                }
                Effect::Act | Effect::HandOver | Effect::Detach => (
                    VerdictKind::Unknown,
                    None,
                    Some("it was canceled while its server was away".to_owned()),
                ),
                Effect::Skip | Effect::Refuse => settle_skip(&item, action, form),
            };
            self.put_settled(item, settled, None, at);
        }
    }

    pub(super) fn settle_as_unknown(&mut self, why: &str) {
        let at = self.tasks.clock.now();
        for item in self.untold() {
            let error = Some(format!("nobody can tell how it ended: {why}"));
            self.put_settled(item, (VerdictKind::Unknown, None, error), None, at);
        }
        self.update.success = false;
        self.update.logs.push(Log {
            stage: "Settle".into(),
            stderr: format!("it was closed without knowing how it ended: {why}"),
            start_ts: at,
            end_ts: at,
            ..Log::default()
        });
    }

    /// Items without a verdict.
    pub(super) fn untold(&self) -> Vec<PlanItem> {
        let told: BTreeSet<&str> = self
            .update
            .verdicts
            .iter()
            .map(|verdict| verdict.id.as_str())
            .collect();
        // What was handed over may have another id by then.
        let replaced = |item: &PlanItem| {
            let mut verdicts = self.update.verdicts.iter();
            item.effect == Effect::HandOver
                && verdicts.any(|verdict| verdict.container == item.container)
        };
        self.ordered
            .items
            .iter()
            .filter(|item| !told.contains(item.id.as_str()) && !replaced(item))
            .cloned()
            .collect()
    }
}
