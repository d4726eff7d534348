//! What an Update says of itself besides its verdicts. The one place that decides it.

use komodo_agent_api::AgentOperation;
use komodo_api::update::{Stage, Update, UpdateStatus};
use komodo_plan::undo;

/// Where the run of an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// It has not begun: its server is away.
    Queue,
    /// Its agent is sent the program that it is to run.
    Sending,
    /// Its agent is asked to begin.
    Asking,
    /// Its agent acts.
    Acting,
    /// A helper acts on the agent or on Core.
    HandedOver,
    /// What was handed over is back, and watched.
    Probation,
    /// What its agent cannot tell is looked at.
    Settling,
    /// It is over.
    End,
}

/// Brings the fields that follow from the rest in line with it.
pub(super) fn mark(update: &mut Update, operation: &AgentOperation, at: At) {
    let stage = match at {
        At::End => None,
        At::Queue => Some(Stage::Queued),
        // That the link goes is part of it.
        At::HandedOver => Some(Stage::HandedOver),
        _ if update.waiting_for.is_some() => Some(Stage::Waiting),
        At::Settling => Some(Stage::Settling),
        At::Probation => Some(Stage::Probation),
        _ if update.canceled_by.is_some() => Some(Stage::Canceling),
        At::Sending => Some(Stage::Sending),
        At::Asking => Some(Stage::Asking),
        At::Acting => Some(Stage::Acting),
    };
    update.stage = stage;
    if stage != Some(Stage::Probation) {
        update.probation_until = None;
    }
    if stage != Some(Stage::Sending) {
        update.sent = None;
    }
    update.status = match at {
        At::Queue => UpdateStatus::Queued,
        At::End => UpdateStatus::Complete,
        At::Sending | At::Asking | At::Acting | At::HandedOver | At::Probation | At::Settling => {
            UpdateStatus::InProgress
        }
    };
    update.cancelable = match stage {
        // What waits can be ended at once, canceled already or not.
        Some(Stage::Queued | Stage::Sending | Stage::Asking | Stage::Acting | Stage::Waiting) => {
            true
        }
        Some(Stage::Canceling | Stage::Settling | Stage::HandedOver | Stage::Probation) | None => {
            false
        }
    };
    if at != At::Queue {
        update.expires = None;
    }
    update.undoable = at == At::End
        && update.undone_by.is_none()
        // Who would bring it back is gone.
        && !operation.detach
        && undo(operation.action, &operation.scope, &update.verdicts).is_some();
}

#[cfg(test)]
mod tests {
    use komodo_api::{
        container::{ContainerAction, Scope},
        engine::ContainerStateStatusEnum,
        update::{Verdict, VerdictKind, WaitingFor},
    };

    use super::*;

    fn operation(action: ContainerAction) -> AgentOperation {
        AgentOperation {
            id: "op".into(),
            epoch: 1,
            core_id: None,
            action,
            scope: Scope::All,
            exclude: Vec::new(),
            signal: None,
            time: None,
            override_reason: None,
            detach: false,
            recreate: None,
            probation_s: None,
            expected: Default::default(),
            bound: false,
            concurrency: 1,
            operator: "ann".into(),
        }
    }

    fn update() -> Update {
        serde_json::from_value(serde_json::json!({
            "operation": "StopAllContainers", "start_ts": 1, "success": true, "operator": "u",
            "target": { "type": "Server", "id": "s" }, "logs": [], "end_ts": null, "status": "InProgress",
        }))
        .expect("an Update as an earlier version stored it")
    }

    #[test]
    fn an_open_update_has_a_stage_and_an_ended_one_has_none() {
        let stop = operation(ContainerAction::Stop);
        let mut update = update();
        for (at, stage, cancelable) in [
            (At::Queue, Some(Stage::Queued), true),
            (At::Sending, Some(Stage::Sending), true),
            (At::Asking, Some(Stage::Asking), true),
            (At::Acting, Some(Stage::Acting), true),
            (At::HandedOver, Some(Stage::HandedOver), false),
            (At::Probation, Some(Stage::Probation), false),
            (At::Settling, Some(Stage::Settling), false),
            (At::End, None, false),
        ] {
            update.expires = Some(9);
            mark(&mut update, &stop, at);
            assert_eq!(
                (update.stage, update.cancelable),
                (stage, cancelable),
                "{at:?}"
            );
            assert_eq!(update.expires.is_some(), at == At::Queue, "{at:?}");
        }
        update.canceled_by = Some("ann".into());
        mark(&mut update, &stop, At::Acting);
        assert_eq!(
            (update.stage, update.cancelable),
            (Some(Stage::Canceling), false)
        );
        update.waiting_for = Some(WaitingFor {
            server: "s".into(),
            last_contact: None,
            why: None,
        });
        mark(&mut update, &stop, At::Acting);
        assert_eq!(
            (update.stage, update.cancelable),
            (Some(Stage::Waiting), true)
        );
        mark(&mut update, &stop, At::HandedOver);
        assert_eq!(
            (update.stage, update.cancelable),
            (Some(Stage::HandedOver), false),
            "that the link is gone is no waiting"
        );
    }

    #[test]
    fn only_what_changed_something_and_has_a_way_back_is_undoable_and_only_once() {
        let mut update = update();
        mark(&mut update, &operation(ContainerAction::Stop), At::End);
        assert!(!update.undoable, "it changed nothing");
        update.verdicts.push(Verdict {
            container: "web".into(),
            id: "1".into(),
            verdict: VerdictKind::Done,
            reason: None,
            error: None,
            before: Some(ContainerStateStatusEnum::Running),
            after: Some(ContainerStateStatusEnum::Exited),
            run: None,
            at: 2,
        });
        mark(&mut update, &operation(ContainerAction::Stop), At::Acting);
        assert!(!update.undoable, "it is still open");
        mark(&mut update, &operation(ContainerAction::Stop), At::End);
        assert!(update.undoable);
        mark(&mut update, &operation(ContainerAction::Destroy), At::End);
        assert!(!update.undoable, "nothing brings back what is removed");
        update.undone_by = Some("other".into());
        mark(&mut update, &operation(ContainerAction::Stop), At::End);
        assert!(!update.undoable);
    }
}
