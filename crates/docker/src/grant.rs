//! The choke point: permission to change one container in one way, which only the guard gives.

use komodo_api::{container::ContainerAction, plan::Reason};
use komodo_plan::{Decision, Form, Lift, guard};

/// Permission to do one thing to one container, once.
///
/// It cannot be made but by [`grant`], nor copied:
///
/// ```compile_fail
/// use komodo_api::container::ContainerAction;
/// let forged = komodo_docker::Granted { container: "agent".into(), action: ContainerAction::Stop };
/// ```
/// ```compile_fail
/// fn twice(granted: komodo_docker::Granted) -> (komodo_docker::Granted, komodo_docker::Granted) {
///     (granted.clone(), granted)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permission that is not used changes nothing"]
pub struct Granted {
    container: String,
    action: ContainerAction,
}

impl Granted {
    /// Id of the container.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// What may be done.
    pub fn action(&self) -> ContainerAction {
        self.action
    }
}

/// The guard did not permit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The container is left alone and listed.
    Skip(Reason),
    /// The request is refused.
    Refuse(Reason),
    /// Only a helper may do it.
    HandOver(Reason),
}

/// Asks the guard whether a container, protected for these reasons now, may be acted on.
///
/// # Errors
/// [`Refused`] with the reason.
pub fn grant(
    container: &str,
    action: ContainerAction,
    form: Form,
    lift: Lift,
    protected: &[Reason],
) -> Result<Granted, Refused> {
    match guard(protected, action, form, lift) {
        Decision::Act | Decision::Detach(_) => Ok(Granted {
            container: container.to_owned(),
            action,
        }),
        Decision::Skip(reason) => Err(Refused::Skip(reason)),
        Decision::HandOver(reason) => Err(Refused::HandOver(reason)),
        Decision::Refuse(reason) => Err(Refused::Refuse(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use komodo_api::plan::ReasonCode;

    #[test]
    fn what_the_guard_refuses_is_not_granted() {
        let agent = [Reason::new(ReasonCode::Agent)];
        let label = [Reason::new(ReasonCode::Label)];
        let ask = |form, overridden, reasons: &[Reason]| {
            let detach = false;
            grant(
                "c",
                ContainerAction::Stop,
                form,
                Lift { overridden, detach },
                reasons,
            )
        };
        assert!(ask(Form::Bulk, false, &[]).is_ok());
        assert_eq!(
            ask(Form::Bulk, true, &agent),
            Err(Refused::Skip(agent[0].clone()))
        );
        assert_eq!(
            ask(Form::Named, true, &agent),
            Err(Refused::Refuse(agent[0].clone()))
        );
        assert!(ask(Form::Named, false, &label).is_ok());
        assert_eq!(
            ask(Form::Bulk, false, &label),
            Err(Refused::Skip(label[0].clone()))
        );
    }
}
