//! What the journal holds of an operation, as whoever carries it out, or settles it, needs it.

use std::{collections::BTreeMap, time::Duration};

use komodo_agent_api::{OperationEventBody, PROBATION_S_DEFAULT};
use komodo_api::{container::Scope, plan::PlanItem};
use komodo_plan::{Form, Lift};

use super::{Begun, DEADLINE_MS_DEFAULT, Operation, Target};
use crate::process::Process;

/// What the journal holds of an operation and what of it is still to be done.
pub(super) fn read(
    process: &Process,
    id: &str,
) -> Option<(Operation, u32, Vec<PlanItem>, Vec<Target>)> {
    process.disk.with(id, |record| {
        let mut begun: BTreeMap<&str, Begun> = BTreeMap::new();
        let mut settled: Vec<(&str, &str)> = Vec::new();
        for event in &record.events {
            match &event.body {
                OperationEventBody::Started { id, run } => {
                    let first = begun.get(id.as_str());
                    let last = Begun {
                        at: event.at,
                        run: first.map_or(*run, |first| first.run),
                        times: first.map_or(0, |first| first.times) + 1,
                        ..Begun::default()
                    };
                    begun.insert(id, last);
                }
                OperationEventBody::Acted { id, error } => {
                    let begun = begun.entry(id).or_default();
                    begun.answered = true;
                    begun.error.clone_from(error);
                }
                OperationEventBody::HandedOver { id, .. } => {
                    begun.entry(id).or_default().handed_over = true;
                }
                OperationEventBody::Verdict(verdict) => {
                    settled.push((&verdict.id, &verdict.container))
                }
                OperationEventBody::Planned { .. }
                | OperationEventBody::Confirmed
                | OperationEventBody::Detaching { .. }
                | OperationEventBody::Canceled { .. }
                | OperationEventBody::Ended { .. } => {}
            }
        }
        settled.sort_unstable();
        let open = |item: &PlanItem| {
            settled
                .binary_search(&(item.id.as_str(), item.container.as_str()))
                .is_err()
        };
        let items = record.items();
        let skips = items
            .iter()
            .filter(|item| !item.effect.acts() && open(item))
            .cloned();
        let deadlines_ms = record.deadlines_ms.iter().copied().map(Some);
        let targets = items
            .iter()
            .zip(deadlines_ms.chain(std::iter::repeat(None)))
            .filter(|(item, _)| item.effect.acts() && open(item))
            .map(|(item, deadline_ms)| Target {
                item: item.clone(),
                deadline: Duration::from_millis(deadline_ms.unwrap_or(DEADLINE_MS_DEFAULT)),
                expected: record.operation.expected.get(&item.id).cloned(),
                begun: begun.remove(item.id.as_str()),
            });
        let asked = &record.operation;
        let operation = Operation {
            id: asked.id.clone(),
            action: asked.action,
            form: Form::from(&asked.scope),
            lift: Lift {
                overridden: asked.override_reason.is_some(),
                detach: asked.detach,
            },
            time: asked.time,
            recreate: asked.recreate.clone(),
            service: match &asked.scope {
                Scope::Agent(service) => Some(service.clone()),
                Scope::One(_) | Scope::Listed(_) | Scope::Matching(_) | Scope::All => None,
            },
            probation_s: asked.probation_s.unwrap_or(PROBATION_S_DEFAULT),
            operator: asked.operator.clone(),
            canceled: record.canceled.clone(),
        };
        (
            operation,
            asked.concurrency,
            skips.collect(),
            targets.collect(),
        )
    })
}
