//! The guard: reason × form × action → act, skip or refuse. One table; a new reason or verb is a new row or column
//! here and no code elsewhere.

use komodo_api::{
    container::{ContainerAction, Scope},
    plan::{Reason, ReasonCode},
};

#[cfg(test)]
mod tests;

/// How a container came to be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// With others, by a rule: all, a query, a pattern, a schedule.
    Bulk,
    /// In a list of names.
    Listed,
    /// Alone, in its own request.
    Named,
}

impl From<&Scope> for Form {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::One(_) | Scope::Agent(_) => Form::Named,
            Scope::Listed(_) => Form::Listed,
            Scope::Matching(_) | Scope::All => Form::Bulk,
        }
    }
}

/// What a request lifts by saying so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Lift {
    /// The protection of the control path: a reason was given (`override`).
    pub overridden: bool,
    /// That of the agent itself: it may go on purpose (`detach`).
    pub detach: bool,
}

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be acted on.
    Act,
    /// It may be restarted or replaced, by a helper only, since it runs the agent or Core.
    HandOver(Reason),
    /// It may be taken away, since that is meant.
    Detach(Reason),
    /// It is left alone and listed.
    Skip(Reason),
    /// The request is refused.
    Refuse(Reason),
}

/// Rows of the table: kinds of reasons that are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    /// The branch itself: the agent, Core.
    Branch,
    /// The branch of another server: its agent.
    Neighbour,
    /// What the branch hangs on.
    ControlPath,
    /// Left out of bulk operations, nothing more.
    Label,
    /// Protects nothing.
    None,
}

const fn row(code: ReasonCode, own: bool) -> Row {
    match code {
        ReasonCode::Agent if !own => Row::Neighbour,
        ReasonCode::Agent | ReasonCode::Core => Row::Branch,
        ReasonCode::AgentDependency | ReasonCode::CoreDependency | ReasonCode::Declared => {
            Row::ControlPath
        }
        ReasonCode::Label => Row::Label,
        ReasonCode::Already
        | ReasonCode::NotApplicable
        | ReasonCode::Excluded
        | ReasonCode::Gone
        | ReasonCode::Canceled
        | ReasonCode::ChangedSince => Row::None,
    }
}

/// Columns of the table: kinds of actions that are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// Brings something back to life.
    Revives,
    /// Takes it away and brings it back.
    Renews,
    /// Takes it away.
    TakesAway,
    /// Removes by rule, whatever its form.
    Prune,
}

const fn column(action: ContainerAction) -> Column {
    use ContainerAction::*;
    match action {
        Start | Unpause => Column::Revives,
        Restart => Column::Renews,
        Pause | Stop | Destroy => Column::TakesAway,
        Prune => Column::Prune,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Refuse,
    Skip,
    HandOver,
    Detach,
    Act,
}

const fn cell(row: Row, form: Form, column: Column, lift: Lift) -> Cell {
    match (row, form, column, lift) {
        (Row::None, ..) => Cell::Act,
        // Every prune is a bulk operation.
        (_, _, Column::Prune, _) | (_, Form::Bulk, ..) => Cell::Skip,
        (Row::Label, Form::Listed | Form::Named, ..) => Cell::Act,
        (_, Form::Listed, ..) => Cell::Skip,
        (_, Form::Named, Column::Revives, _) => Cell::Act,
        (Row::ControlPath, Form::Named, _, Lift { overridden, .. }) => {
            if overridden {
                Cell::Act
            } else {
                Cell::Refuse
            }
        }
        (Row::Branch, Form::Named, Column::Renews, _) => Cell::HandOver,
        // No override lifts this one: it would leave nobody to undo it.
        (Row::Branch, Form::Named, Column::TakesAway, Lift { detach, .. }) => {
            if detach {
                Cell::Detach
            } else {
                Cell::Refuse
            }
        }
        // Only its own server can hand it over, or let it go.
        (Row::Neighbour, Form::Named, ..) => Cell::Refuse,
    }
}

/// Decides what may be done to a container that is protected for `reasons` (none: it may be acted on).
///
/// Where several reasons speak, the severest answer counts, and of those that give it the strongest reason is named.
pub fn guard(reasons: &[Reason], action: ContainerAction, form: Form, lift: Lift) -> Decision {
    let severest = reasons
        .iter()
        .map(|reason| {
            let row = row(reason.code, reason.detail.is_none());
            let cell = cell(row, form, column(action), lift);
            (cell, strength(reason.code), reason)
        })
        .min_by_key(|(cell, strength, _)| (*cell, *strength));
    match severest {
        None | Some((Cell::Act, ..)) => Decision::Act,
        Some((Cell::HandOver, _, reason)) => Decision::HandOver(reason.clone()),
        Some((Cell::Detach, _, reason)) => Decision::Detach(reason.clone()),
        Some((Cell::Skip, _, reason)) => Decision::Skip(reason.clone()),
        Some((Cell::Refuse, _, reason)) => Decision::Refuse(reason.clone()),
    }
}

/// Order of reasons, the strongest first.
pub(crate) fn strength(code: ReasonCode) -> impl Ord + Copy {
    (row(code, true), code)
}

/// What a refusal says: the container, the reason, and the way to do it all the same.
pub fn refusal(container: &str, action: ContainerAction, reason: &Reason) -> String {
    let verb = verb(action);
    let way = match (row(reason.code, reason.detail.is_none()), reason.code) {
        (Row::Branch, code) => {
            let lost = match code {
                ReasonCode::Core => "Komodo does not answer any more",
                _ => "the server cannot be controlled",
            };
            format!(
                "If you mean it, ask for the {verb} again with `detach` (needs Write): {lost} until somebody brings it \
                 back on the host."
            )
        }
        (Row::Neighbour, _) => "Ask the server that it is the agent of.".to_owned(),
        // It is not protected, but cannot be done.
        (Row::None, _) => {
            let hindrance = reason.detail.clone().unwrap_or_else(|| reason.sentence());
            return format!("cannot {verb} '{container}': {hindrance}");
        }
        (Row::ControlPath | Row::Label, _) => {
            "If you mean it, send the request again with `override` and your reason (needs Write)."
                .to_owned()
        }
    };
    format!("'{container}' is protected: {}. {way}", reason.sentence())
}

/// The Engine's word for an action.
pub(crate) const fn verb(action: ContainerAction) -> &'static str {
    match action {
        ContainerAction::Start => "start",
        ContainerAction::Restart => "restart",
        ContainerAction::Pause => "pause",
        ContainerAction::Unpause => "unpause",
        ContainerAction::Stop => "stop",
        ContainerAction::Destroy => "destroy",
        ContainerAction::Prune => "prune",
    }
}
