//! Whether a request of a child may pass.

use std::collections::BTreeSet;

use komodo_agent_api::{Container, ProtectedContainer};
use komodo_api::plan::{Reason, ReasonCode};

use super::{ContainerVerb, EngineChange, Filters, ObjectKind, Pruned, prune};
use crate::{Decision, Form, Lift, ProtectedObjects, guard};

/// What is observed when a request comes.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// All containers of the Engine.
    pub containers: &'a [&'a Container],
    /// The protected ones.
    pub protected: &'a [ProtectedContainer],
}

/// The object that the Engine says a reference means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Its id; the name of a volume.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A request that may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRefusal {
    /// Why the container in question is protected; none where a request is refused for what it is.
    pub reason: Option<Reason>,
    /// Name of the container in question.
    pub container: Option<String>,
    /// The sentences for people: what, why, and the way.
    pub message: String,
}

impl Facts<'_> {
    fn by_id(&self, id: &str) -> Option<&ProtectedContainer> {
        self.protected.iter().find(|entry| entry.id == id)
    }

    fn protection<'a>(&'a self, container: &Container) -> Option<&'a ProtectedContainer> {
        self.by_id(&container.id)
    }

    /// A container that the control path stands on, of those that a condition holds for.
    fn on_control_path(
        &self,
        condition: impl Fn(&Container) -> bool,
    ) -> Option<(&ProtectedContainer, &Reason)> {
        self.containers
            .iter()
            .filter(|container| condition(container))
            .filter_map(|container| self.protection(container))
            .find_map(|entry| {
                let reason = entry
                    .reasons
                    .iter()
                    .find(|reason| on_control_path(reason))?;
                Some((entry, reason))
            })
    }
}

fn on_control_path(reason: &Reason) -> bool {
    reason.code.protects() && reason.code != ReasonCode::Label
}

/// Whether nothing at all can refuse a change, so that nobody has to be asked what its reference means.
pub fn never_refused(change: &EngineChange) -> bool {
    match change {
        EngineChange::Nothing | EngineChange::Prune(Pruned::Unused, _) => true,
        EngineChange::Container { verb, .. } => {
            matches!(verb, ContainerVerb::Start | ContainerVerb::Unpause)
        }
        _ => false,
    }
}

/// Decides whether a change may be made. `named` is what its reference means; for a [`EngineChange::Disconnect`] that is
/// the container.
///
/// # Errors
/// [`EngineRefusal`] with the words for the child.
pub fn judge(
    change: &EngineChange,
    named: &Resolved,
    facts: Facts<'_>,
) -> Result<(), EngineRefusal> {
    match change {
        _ if never_refused(change) => Ok(()),
        EngineChange::Nothing => Ok(()),
        EngineChange::Container { verb, .. } => judge_container(*verb, named, facts),
        EngineChange::Disconnect { .. } => {
            judge_container(ContainerVerb::Disconnect, named, facts)
        }
        EngineChange::Remove { kind, .. } => judge_object(*kind, named, facts),
        EngineChange::Prune(pruned, filters) => judge_prune(*pruned, filters, facts),
        EngineChange::Service { reference } => {
            let of_service = |container: &Container| {
                let label = |key: &str| container.labels.get(key).map(String::as_str);
                label("com.docker.swarm.service.name") == Some(reference)
                    || label("com.docker.swarm.service.id")
                        .is_some_and(|id| !reference.is_empty() && id.starts_with(reference))
            };
            match facts.on_control_path(of_service) {
                None => Ok(()),
                Some((entry, reason)) => Err(refused(
                    entry,
                    reason,
                    &format!("the service '{reference}' runs '{}', which", entry.name),
                    "If you mean it, change the service on the host.",
                )),
            }
        }
        EngineChange::Whole(command) => match facts.on_control_path(|_| true) {
            None => Ok(()),
            Some((entry, reason)) => Err(refused(
                entry,
                reason,
                &format!("`{command}` reaches past single containers, and '{}'", entry.name),
                &format!("If you mean it, run `{command}` on the host."),
            )),
        },
        EngineChange::Unknown => Err(EngineRefusal {
            reason: None,
            container: None,
            message: "Komodo Periphery does not know what this request to the Engine changes, and lets children only \
                      send it what it knows. If you mean it, run it on the host."
                .to_owned(),
        }),
    }
}

fn refused(entry: &ProtectedContainer, reason: &Reason, subject: &str, way: &str) -> EngineRefusal {
    let code = code(reason.code);
    EngineRefusal {
        reason: Some(reason.clone()),
        container: Some(entry.name.clone()),
        message: format!(
            "{subject} is protected ({code}): {}. {way}",
            reason.sentence()
        ),
    }
}

/// The stable word of a reason.
fn code(code: ReasonCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => format!("{code:?}"),
    }
}

fn judge_container(
    verb: ContainerVerb,
    named: &Resolved,
    facts: Facts<'_>,
) -> Result<(), EngineRefusal> {
    let Some(entry) = facts.by_id(&named.id) else {
        return Ok(());
    };
    match guard(&entry.reasons, verb.action(), Form::Named, Lift::default()) {
        Decision::Act => Ok(()),
        Decision::Skip(reason)
        | Decision::Refuse(reason)
        | Decision::HandOver(reason)
        | Decision::Detach(reason) => {
            let way = format!(
                "If you mean it, run `docker {} {}` on the host.",
                verb.word(),
                entry.name
            );
            Err(refused(entry, &reason, &format!("'{}'", entry.name), &way))
        }
    }
}

fn judge_object(kind: ObjectKind, named: &Resolved, facts: Facts<'_>) -> Result<(), EngineRefusal> {
    let objects = ProtectedObjects::of(facts.containers, facts.protected);
    let user = objects
        .user(kind, &named.id)
        .or_else(|| objects.user(kind, &named.name));
    match user {
        None => Ok(()),
        Some(user) => {
            let (what, shown) = (
                kind.word(),
                if named.name.is_empty() {
                    &named.id
                } else {
                    &named.name
                },
            );
            Err(EngineRefusal {
                reason: Some(user.reason.clone()),
                container: Some(user.container.clone()),
                message: format!(
                    "{what} '{shown}' is protected ({}): '{}' uses it, and {}. If you mean it, run `docker {what} rm {shown}` on the host.",
                    code(user.reason.code),
                    user.container,
                    user.reason.sentence()
                ),
            })
        }
    }
}

fn judge_prune(pruned: Pruned, filters: &Filters, facts: Facts<'_>) -> Result<(), EngineRefusal> {
    let protected = || {
        facts
            .containers
            .iter()
            .filter_map(|container| Some((container, facts.protection(container)?)))
    };
    let way = "Prune through Komodo, which leaves it out, or with a filter (`--filter label!=komodo.skip`) that does.";
    let strongest = |entry: &ProtectedContainer| entry.reasons.first().cloned();
    match pruned {
        Pruned::Unused => Ok(()),
        Pruned::Containers => {
            for (container, entry) in protected() {
                if let (true, Some(reason)) =
                    (prune::takes_container(container, filters), strongest(entry))
                {
                    let subject = format!("this prune takes '{}', which", entry.name);
                    return Err(refused(entry, &reason, &subject, way));
                }
            }
            Ok(())
        }
        // A label of the network may spare it, but nobody here knows its labels.
        Pruned::Networks => {
            let held: BTreeSet<&str> = facts
                .containers
                .iter()
                .filter(|container| prune::holds_networks(container))
                .flat_map(|container| prune::own_networks(container))
                .collect();
            for (container, entry) in protected() {
                let loses = prune::own_networks(container).find(|network| !held.contains(network));
                if let (Some(network), Some(reason)) = (loses, strongest(entry)) {
                    let subject = format!(
                        "this prune takes network '{network}' of '{}', which",
                        entry.name
                    );
                    let way =
                        "Start the container first, or remove the networks that you mean by name.";
                    return Err(refused(entry, &reason, &subject, way));
                }
            }
            Ok(())
        }
    }
}
