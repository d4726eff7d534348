//! Plans of operations on containers: what happens to each in range, why not to others, in which order, and what
//! follows from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use komodo_agent_api::{AgentOperation, Container, Expected, ProtectedContainer};
use komodo_api::{
    container::{ContainerAction, ContainerOperation, Scope},
    engine::{ContainerStateStatusEnum, Port, PortTypeEnum},
    plan::{Effect, PlanCounts, PlanItem, Reason, ReasonCode},
    resource::ContainerRef,
};

use crate::{
    Decision, Form,
    graph::{Dependencies, Tie, order},
    guard::{Lift, guard, verb},
    index::{Found, Index},
    settle::{hand_over_deadline_ms, target_deadline_ms},
    state::state_effect,
    undo::{changed_since, has_undo, second_step},
};

mod branch;
mod range;
mod service;
#[cfg(test)]
mod tests;

use range::{Range, excluded, range};
pub use service::UNIT_PREFIX;

/// Warnings that a plan carries at most; what is left out is counted in the last one.
pub const WARNINGS_MAX: usize = 50;
/// Dependants that an item names at most.
const DEPENDANTS_MAX: usize = 50;
/// Names that one warning lists at most.
const WARNING_NAMES_MAX: usize = 10;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// What is done.
    pub action: ContainerAction,
    /// To which containers.
    pub scope: &'a Scope,
    /// To which not.
    pub exclude: &'a [ContainerRef],
    /// Seconds that the request lets a container have to end, if it says.
    pub time: Option<i32>,
    /// What the request lifts.
    pub lift: Lift,
    /// By id: as what a container is to be found; one that is otherwise is left alone. Empty: as it is, unless `bound`.
    pub expected: &'a BTreeMap<String, Expected>,
    /// Whether only what is in `expected` is acted on even where that is empty.
    pub bound: bool,
    /// Whether a restart makes a new container.
    pub recreate: bool,
    /// Seconds that what is handed over is watched, if the request says.
    pub probation_s: Option<u32>,
}

const NOTHING_EXPECTED: &BTreeMap<String, Expected> = &BTreeMap::new();

impl<'a> From<&'a AgentOperation> for PlanInput<'a> {
    fn from(op: &'a AgentOperation) -> Self {
        PlanInput {
            action: op.action,
            scope: &op.scope,
            exclude: &op.exclude,
            time: op.time,
            lift: Lift {
                overridden: op.override_reason.is_some(),
                detach: op.detach,
            },
            expected: &op.expected,
            bound: op.bound,
            recreate: op.recreate.is_some(),
            probation_s: op.probation_s,
        }
    }
}

impl<'a> From<&'a ContainerOperation> for PlanInput<'a> {
    fn from(op: &'a ContainerOperation) -> Self {
        PlanInput {
            action: op.action,
            scope: &op.scope,
            exclude: &op.exclude,
            time: op.time,
            lift: Lift {
                overridden: op.override_reason.is_some(),
                detach: op.detach,
            },
            expected: NOTHING_EXPECTED,
            bound: false,
            recreate: op.recreate.is_some(),
            probation_s: None,
        }
    }
}

/// The facts that a plan rests on.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// All containers of the Engine, in any order.
    pub containers: Vec<&'a Container>,
    /// Those that are protected.
    pub protected: &'a [ProtectedContainer],
}

impl<'a> Observed<'a> {
    /// From any collection of containers.
    pub fn new(
        containers: impl IntoIterator<Item = &'a Container>,
        protected: &'a [ProtectedContainer],
    ) -> Self {
        Observed {
            containers: containers.into_iter().collect(),
            protected,
        }
    }
}

/// What an operation will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainersPlan {
    /// The containers in range: protected ones first, then those acted on in order, then the rest.
    pub items: Vec<PlanItem>,
    /// For each item the time that acting on it may take; 0 where it is not acted on.
    pub deadlines_ms: Vec<u64>,
    /// Totals of the items.
    pub counts: PlanCounts,
    /// What else to know, one sentence each.
    pub warnings: Vec<String>,
}

impl ContainersPlan {
    /// The items that are acted on, in order, each with the time it may take in ms.
    pub fn acts(&self) -> impl Iterator<Item = (&PlanItem, u64)> {
        self.items
            .iter()
            .zip(self.deadlines_ms.iter().copied())
            .filter(|(item, _)| item.effect.acts())
    }

    /// The item because of which the request is refused, if one is.
    pub fn refused(&self) -> Option<&PlanItem> {
        self.items.iter().find(|item| item.effect == Effect::Refuse)
    }

    /// Whether `UndoUpdate` can bring back what the plan does: who is handed over or goes on purpose does not come back
    /// by it.
    pub fn has_undo(&self, action: ContainerAction) -> bool {
        has_undo(action) && self.items.iter().all(|item| !is_branch(item.effect))
    }

    /// Why an order cannot be taken that asks for new containers where only what runs the agent or Core is made anew.
    pub fn not_recreated(&self, operation: &AgentOperation) -> Option<String> {
        operation.recreate.as_ref()?;
        let ordinary = self.items.iter().find(|item| {
            let reason = item.reason.as_ref();
            let detail = reason.and_then(|reason| reason.detail.as_deref());
            item.effect == Effect::Act || detail == Some(branch::ONLY_BRANCH)
        })?;
        Some(format!(
            "'{}' cannot be made anew: {}",
            ordinary.container,
            branch::ONLY_BRANCH
        ))
    }
}

/// Whether it happens to what runs the agent or Core.
const fn is_branch(effect: Effect) -> bool {
    matches!(effect, Effect::HandOver | Effect::Detach)
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The container that was named is not there.
    #[error("there is no container '{reference}' on this server")]
    NotFound {
        /// As the caller wrote it.
        reference: String,
    },
    /// The reference is the beginning of several ids.
    #[error("'{reference}' fits several containers: {}", names.join(", "))]
    Ambiguous {
        /// As the caller wrote it.
        reference: String,
        /// Some of those that it fits.
        names: Vec<String>,
    },
    /// Neither containers nor a query.
    #[error("no containers are named: give `containers` or a `query`")]
    Empty,
}

/// Plans an operation. The order of `observed.containers` does not matter.
///
/// A container that several rules leave out is listed with the first of: protected, excluded, changed since, state. In a
/// list of names one that is not there is listed as gone, and so is one of which it is said as what it is to be found; a
/// single one that is not there is an error.
///
/// # Errors
/// [`PlanError`], when the request names nothing, or one container that is not there or not clear.
pub fn plan_containers(
    op: &PlanInput<'_>,
    observed: Observed<'_>,
) -> Result<ContainersPlan, PlanError> {
    let mut containers = observed.containers;
    containers.sort_unstable_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    containers.dedup_by(|a, b| a.id == b.id);
    if let Scope::Agent(service) = op.scope {
        return Ok(service::plan(op, service, &containers));
    }
    let index = Index::new(&containers);
    let mut warnings = Warnings::default();

    let Range { chosen, gone } = range(op, &containers, &index)?;
    let excluded = excluded(op.exclude, &containers, &index, &mut warnings);
    let mut protected: Vec<&[Reason]> = vec![&[]; containers.len()];
    for entry in observed.protected {
        if let Found::One(at) = index.find(&entry.id) {
            protected[at] = &entry.reasons;
        }
    }

    let form = Form::from(op.scope);
    let mut left_alone = Vec::new();
    let mut acts = Vec::new();
    let mut effects = vec![(Effect::Skip, None); containers.len()];
    let mut rest = Vec::new();
    for &at in &chosen {
        let container = containers[at];
        let does = match guard(protected[at], op.action, form, op.lift) {
            Decision::Refuse(reason) => Err((Effect::Refuse, reason)),
            Decision::Skip(reason) => Err((Effect::Skip, reason)),
            Decision::Act => match branch::ordinary(op) {
                Some(reason) => Err((Effect::Skip, reason)),
                None => Ok((Effect::Act, None)),
            },
            Decision::HandOver(reason) => {
                match branch::under_way(&containers).or_else(|| branch::hindrance(container)) {
                    Some(hindrance) => Err((Effect::Refuse, hindrance)),
                    None => Ok((Effect::HandOver, Some(reason.code))),
                }
            }
            Decision::Detach(reason) => match branch::under_way(&containers) {
                Some(hindrance) => Err((Effect::Refuse, hindrance)),
                None => Ok((Effect::Detach, Some(reason.code))),
            },
        };
        let (effect, reason) = match does {
            Err((effect, reason)) => (effect, Some(reason)),
            Ok(_) if excluded.contains(&at) => {
                (Effect::Skip, Some(Reason::new(ReasonCode::Excluded)))
            }
            Ok(effect) => {
                let changed = match op.expected.get(&container.id) {
                    Some(expected) => changed_since(expected, container),
                    None if op.expected.is_empty() && !op.bound => None,
                    None => Some(Reason::with(
                        ReasonCode::ChangedSince,
                        "it was not among them",
                    )),
                };
                let state = || state_effect(op.action, container.state, form).reason();
                match changed.or_else(|| state().map(Reason::new)) {
                    Some(reason) => (Effect::Skip, Some(reason)),
                    None => {
                        acts.push(at);
                        effects[at] = effect;
                        continue;
                    }
                }
            }
        };
        let guarded = reason.as_ref().is_some_and(|reason| reason.code.protects());
        let item = item(container, effect, reason, protected[at]);
        if guarded {
            left_alone.push(item)
        } else {
            rest.push(item)
        }
    }

    let dependencies = Dependencies::new(&containers, &index);
    let dependants_first = takes_away(op.action) && op.action != ContainerAction::Restart;
    let order = order(&acts, containers.len(), |at| {
        if dependants_first {
            &dependencies.of[at]
        } else {
            &dependencies.on[at]
        }
    });
    for ring in &order.cycles {
        let names = ring.iter().map(|&at| containers[at].name.as_str());
        warnings.push(format!(
            "these depend on each other in a ring, which is broken at the first: {}",
            list(names)
        ));
    }

    let mut plan = ContainersPlan {
        items: left_alone,
        ..ContainersPlan::default()
    };
    plan.deadlines_ms = vec![0; plan.items.len()];
    let acted: BTreeSet<usize> = acts.iter().copied().collect();
    for (&at, after) in order.sequence.iter().zip(&order.after) {
        let container = containers[at];
        let (effect, branch) = effects[at];
        let mut item = item(container, effect, None, protected[at]);
        item.bring_back =
            (effect == Effect::Detach).then(|| branch::bring_back(op.action, container));
        let warning = branch.and_then(|branch| branch::warning(op, container, effect, branch));
        if let Some(warning) = warning {
            warnings.push(warning);
        }
        item.after = after
            .iter()
            .map(|&other| containers[other].id.clone())
            .collect();
        if takes_away(op.action) {
            let feels = |&&(other, _): &&(usize, Tie)| {
                runs(containers[other].state) && !acted.contains(&other) && runs(container.state)
            };
            let felt: Vec<(usize, Tie)> = dependencies.of[at]
                .iter()
                .filter(feels)
                .take(DEPENDANTS_MAX)
                .copied()
                .collect();
            item.dependants = felt
                .iter()
                .map(|&(other, _)| containers[other].name.clone())
                .collect();
            item.ports = if runs(container.state) {
                published(&container.ports)
            } else {
                Vec::new()
            };
            // Undone by nothing but a restart of the dependants, so it is said in a sentence too.
            let cut_off = felt.iter().filter(|(_, tie)| *tie == Tie::Network);
            let cut_off: Vec<&str> = cut_off
                .map(|&(other, _)| containers[other].name.as_str())
                .collect();
            if !cut_off.is_empty() && op.action != ContainerAction::Pause {
                warnings.push(format!(
                    "{} will be left without network: {} that of '{}'",
                    list(cut_off.iter().copied()),
                    if cut_off.len() == 1 {
                        "it shares"
                    } else {
                        "they share"
                    },
                    container.name
                ));
            }
        }
        item.comes_back =
            op.action == ContainerAction::Stop && container.restart_policy == "always";
        if op.action == ContainerAction::Prune {
            item.bytes = container.size_rw;
        }
        if matches!(op.action, ContainerAction::Destroy | ContainerAction::Prune) {
            item.volumes.clone_from(&container.volumes);
            item.volumes.sort();
        }
        item.back_to = back_to(op, form, container, protected[at]);
        let step_ms = |action| match effect {
            Effect::HandOver => hand_over_deadline_ms(
                container.stop_timeout_s,
                op.time,
                op.probation_s,
                op.recreate,
            ),
            _ => target_deadline_ms(action, container.stop_timeout_s, op.time),
        };
        let second_ms = second_step(op.action, item.back_to).map_or(0, step_ms);
        plan.deadlines_ms.push(step_ms(op.action) + second_ms);
        plan.items.push(item);
    }
    plan.items.extend(rest);
    plan.items.extend(gone);
    plan.deadlines_ms.resize(plan.items.len(), 0);
    plan.counts = counts(&plan.items);
    plan.warnings = warnings.finish();
    Ok(plan)
}

/// What an undo brings a container back to. One that is protected from being paused is not: it stays in the run.
fn back_to(
    op: &PlanInput<'_>,
    form: Form,
    container: &Container,
    protected: &[Reason],
) -> Option<ContainerStateStatusEnum> {
    let back_to = op.expected.get(&container.id)?.back_to;
    if back_to == ContainerStateStatusEnum::Empty {
        return None;
    }
    let second = second_step(op.action, Some(back_to));
    let may = second.is_none_or(|second| guard(protected, second, form, op.lift) == Decision::Act);
    Some(if may {
        back_to
    } else {
        ContainerStateStatusEnum::Running
    })
}

/// Hash over every fact that a plan shows, 64 hex digits. Two plans with the same hash do the same to the same.
pub fn plan_hash(operation: &str, server_id: &str, plan: &ContainersPlan) -> String {
    let shown = (
        operation,
        server_id,
        &plan.items,
        &plan.counts,
        &plan.warnings,
    );
    let bytes = serde_json::to_vec(&shown).expect("a plan is plain text, numbers and lists");
    blake3::hash(&bytes).to_hex().to_string()
}

/// Whether an action ends a run, if only for a moment.
const fn takes_away(action: ContainerAction) -> bool {
    use ContainerAction::*;
    match action {
        Restart | Pause | Stop | Destroy | Prune => true,
        Start | Unpause => false,
    }
}

const fn runs(state: ContainerStateStatusEnum) -> bool {
    use ContainerStateStatusEnum::*;
    matches!(state, Running | Restarting | Paused | Stopping)
}

fn item(
    container: &Container,
    effect: Effect,
    reason: Option<Reason>,
    protected: &[Reason],
) -> PlanItem {
    PlanItem {
        container: container.name.clone(),
        id: container.id.clone(),
        state: container.state,
        image: Some(container.image.clone()).filter(|image| !image.is_empty()),
        project: container.project().map(str::to_owned),
        effect,
        reason,
        protected: protected.to_vec(),
        dependants: Vec::new(),
        ports: Vec::new(),
        after: Vec::new(),
        comes_back: false,
        volumes: Vec::new(),
        bytes: None,
        bring_back: None,
        back_to: None,
    }
}

fn counts(items: &[PlanItem]) -> PlanCounts {
    let mut counts = PlanCounts::default();
    for item in items {
        let count = match (item.effect, item.reason.as_ref().map(|reason| reason.code)) {
            (Effect::Act | Effect::HandOver | Effect::Detach, _) => &mut counts.act,
            (Effect::Refuse, _) => &mut counts.refused,
            (Effect::Skip, Some(ReasonCode::Excluded)) => &mut counts.excluded,
            (Effect::Skip, Some(code)) if code.protects() => &mut counts.protected,
            (Effect::Skip, _) => &mut counts.unchanged,
        };
        *count += 1;
    }
    counts
}

/// Published ports as `docker ps` writes their host side, sorted.
fn published(ports: &[Port]) -> Vec<String> {
    let shown = ports.iter().filter_map(|port| {
        let number = port.public_port?;
        let host = port.ip.as_deref().unwrap_or("0.0.0.0");
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.to_owned(),
        };
        let protocol = match port.typ {
            PortTypeEnum::Tcp | PortTypeEnum::Empty => "tcp",
            PortTypeEnum::Udp => "udp",
            PortTypeEnum::Sctp => "sctp",
        };
        Some((number, format!("{host}:{number}/{protocol}")))
    });
    let shown: BTreeSet<(u16, String)> = shown.collect();
    shown.into_iter().map(|(_, text)| text).collect()
}

/// Names, the first few of them.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().checked_sub(WARNING_NAMES_MAX) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..WARNING_NAMES_MAX].join(", ")),
    }
}

#[derive(Default)]
struct Warnings {
    kept: Vec<String>,
    left_out: usize,
}

impl Warnings {
    fn push(&mut self, warning: String) {
        if self.kept.len() < WARNINGS_MAX - 1 {
            self.kept.push(warning);
        } else {
            self.left_out += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.left_out > 0 {
            self.kept
                .push(format!("and {} more warnings", self.left_out));
        }
        self.kept
    }
}

/// `cannot <verb> …`, for states in which an action is not applicable.
pub(crate) fn not_applicable(action: ContainerAction, state: ContainerStateStatusEnum) -> String {
    match state {
        ContainerStateStatusEnum::Empty => {
            format!("cannot {} it: its state is not known", verb(action))
        }
        state => format!("cannot {} it: it is {}", verb(action), state.as_str()),
    }
}
