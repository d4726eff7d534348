//! Actions against run states: to which states an action applies, and which state it asks for.

use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum, plan::ReasonCode};

use crate::Form;

/// What an action means for a container in some state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateEffect {
    /// It has something to do.
    Act,
    /// The asked state is there already.
    Already,
    /// The Engine could not do it, or a bulk operation does not mean it.
    NotApplicable,
}

impl StateEffect {
    /// The reason to skip, if it is one.
    pub const fn reason(self) -> Option<ReasonCode> {
        match self {
            StateEffect::Act => None,
            StateEffect::Already => Some(ReasonCode::Already),
            StateEffect::NotApplicable => Some(ReasonCode::NotApplicable),
        }
    }
}

/// What an action means for a container in some state, as the Engine sees it:
///
/// - a paused container can be stopped and restarted (the Engine thaws it first), not started; in bulk, Restart
///   leaves it paused, since it does not run;
/// - a container in a restart loop counts as running, but cannot be paused;
/// - a dead one, or one being removed, can only be removed;
/// - Restart by name also starts what is stopped, as `docker restart` does; in bulk it restarts only what runs.
pub const fn state_effect(
    action: ContainerAction,
    state: ContainerStateStatusEnum,
    form: Form,
) -> StateEffect {
    use ContainerAction as A;
    use ContainerStateStatusEnum::*;
    use StateEffect::*;
    match (action, state) {
        (A::Start, Created | Exited) => Act,
        (A::Start, Running | Restarting) => Already,
        (A::Start, Paused | Stopping | Removing | Dead | Empty) => NotApplicable,

        (A::Restart, Running | Restarting) => Act,
        (A::Restart, Paused | Exited | Created | Stopping) => match form {
            Form::Named => Act,
            Form::Bulk | Form::Listed => NotApplicable,
        },
        (A::Restart, Removing | Dead | Empty) => NotApplicable,

        (A::Pause, Running) => Act,
        (A::Pause, Paused) => Already,
        (A::Pause, Created | Restarting | Stopping | Removing | Exited | Dead | Empty) => {
            NotApplicable
        }

        (A::Unpause, Paused) => Act,
        (A::Unpause, Running) => Already,
        (A::Unpause, Created | Restarting | Stopping | Removing | Exited | Dead | Empty) => {
            NotApplicable
        }

        // Stopping what is not known to run does no harm: the Engine answers that it is stopped.
        (A::Stop, Running | Restarting | Paused | Stopping | Empty) => Act,
        (A::Stop, Created | Exited | Dead) => Already,
        (A::Stop, Removing) => NotApplicable,

        (A::Destroy, _) => Act,

        (A::Prune, Created | Exited | Dead) => Act,
        (A::Prune, Running | Restarting | Paused | Stopping | Removing | Empty) => NotApplicable,
    }
}

/// Whether a container that is still there is in the state that an action asks for.
pub const fn reached(action: ContainerAction, state: ContainerStateStatusEnum) -> bool {
    use ContainerAction as A;
    use ContainerStateStatusEnum::*;
    match action {
        A::Start | A::Restart | A::Unpause => matches!(state, Running | Restarting),
        A::Pause => matches!(state, Paused),
        A::Stop => matches!(state, Created | Exited | Dead),
        A::Destroy | A::Prune => false,
    }
}
