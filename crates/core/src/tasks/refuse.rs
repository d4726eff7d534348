//! What is refused before anything begins: what does not go together, what its asker may not, what its agent cannot.

use komodo_agent_api::AgentOperation;
use komodo_api::{
    Code, Error,
    container::{ContainerAction, ContainerOperation, EXPIRES_S_MAX, Scope, WhenAway},
    plan::{Effect, PlanItem},
    resource::ContainerRef,
};

use super::{By, order::Ready};

/// Level that an agent must speak to be handed over or detached.
const LEVEL_OF_HAND_OVER: u32 = 3;
/// Names in one request at most.
const NAMES_MAX: usize = 10_000;
/// Longest override reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Whether something needs Write on its server, where the ordinary needs Execute.
pub(super) fn needs_write(operation: &AgentOperation, items: &[PlanItem]) -> bool {
    lifts(operation).is_some() || items.iter().any(is_own)
}

/// The field of a request that needs Write.
fn lifts(operation: &AgentOperation) -> Option<&'static str> {
    match operation {
        operation if operation.override_reason.is_some() => Some("override"),
        operation if operation.detach => Some("detach"),
        operation if operation.recreate.is_some() => Some("recreate"),
        _ => None,
    }
}

/// Whether a container runs the agent or Core, and is taken away or replaced.
fn is_own(item: &PlanItem) -> bool {
    matches!(item.effect, Effect::HandOver | Effect::Detach)
}

/// Refuses a field whose asker does not hold what it needs. `server` names the server.
pub(super) fn by_fields(
    operation: &AgentOperation,
    by: &By,
    server: impl Fn() -> String,
) -> Result<(), Error> {
    let Some(field) = lifts(operation).filter(|_| !by.may_write) else {
        return Ok(());
    };
    let what = match field {
        "override" => "an override".to_owned(),
        field => format!("`{field}`"),
    };
    let text = format!("{what} needs Write on server '{}'", server());
    Err(Error::new(Code::Forbidden, text)
        .param("needs", ["Write"])
        .param("field", field))
}

/// Refuses what is done to the agent or Core by somebody who does not hold what that needs.
pub(super) fn by_plan(server: &str, by: &By, items: &[PlanItem]) -> Result<(), Error> {
    let Some(item) = items.iter().find(|item| is_own(item) && !by.may_write) else {
        return Ok(());
    };
    let text = format!(
        "'{}' runs the agent or Core: what is done to it needs Write on server '{server}'",
        item.container
    );
    Err(Error::new(Code::Forbidden, text)
        .param("needs", ["Write"])
        .param("container", &item.container))
}

/// Refuses an agent that is too old to be handed over or detached.
pub(super) fn knows_hand_over(ready: &Ready) -> Result<(), Error> {
    if ready.level >= LEVEL_OF_HAND_OVER {
        return Ok(());
    }
    let text = format!(
        "update Periphery on '{}' first, on its host: it speaks level {}, and hand over and detach need level \
         {LEVEL_OF_HAND_OVER}",
        ready.name, ready.level
    );
    Err(Error::new(Code::Unprocessable, text)
        .param("server", &ready.name)
        .param("level", ready.level)
        .param("needs_level", LEVEL_OF_HAND_OVER))
}

/// Refuses what a plan shows not to fit the request, or to be more than the agent knows how to do.
pub(super) fn fits(
    ready: &Ready,
    operation: &AgentOperation,
    items: &[PlanItem],
) -> Result<(), Error> {
    if items.iter().any(is_own) {
        knows_hand_over(ready)?;
    }
    match (&operation.recreate, items) {
        (Some(_), [item]) if !matches!(item.effect, Effect::HandOver | Effect::Refuse) => Err(Error::new(
            Code::Unprocessable,
            format!(
                "'{}' runs neither the agent nor Core, and only those are made anew by `recreate`: leave it out",
                item.container
            ),
        )
        .param("path", "recreate")),
        _ => Ok(()),
    }
}

/// What an Update says for good of what was asked beyond the ordinary.
pub(super) fn audited(operation: &AgentOperation) -> String {
    if let Some(reason) = &operation.override_reason {
        return format!("override: {reason}");
    }
    match &operation.recreate {
        _ if operation.detach => "detach".to_owned(),
        Some(recreate) => match &recreate.image {
            Some(image) => format!("recreate: {image}"),
            None => "recreate".to_owned(),
        },
        None => match &operation.scope {
            Scope::Agent(service) => service
                .program
                .as_ref()
                .map_or_else(String::new, |program| {
                    format!("version: {}", program.version)
                }),
            Scope::One(_) | Scope::Listed(_) | Scope::Matching(_) | Scope::All => String::new(),
        },
    }
}

pub(super) fn check_expiry(when_away: WhenAway) -> Result<(), Error> {
    match when_away {
        WhenAway::Queue { expires_s } if !(1..=EXPIRES_S_MAX).contains(&expires_s) => {
            Err(Error::new(
                Code::Unprocessable,
                format!("`expires_s` is between 1 and {EXPIRES_S_MAX} (seven days)"),
            )
            .param("path", "expires_s"))
        }
        WhenAway::Queue { .. } | WhenAway::Refuse => Ok(()),
    }
}

pub(super) fn check(operation: &ContainerOperation) -> Result<(), Error> {
    let named = match &operation.scope {
        Scope::Listed(names) => names.len(),
        Scope::One(ContainerRef(name)) if name.is_empty() => {
            return Err(Error::invalid("the container has no name"));
        }
        Scope::One(_) | Scope::Agent(_) | Scope::Matching(_) | Scope::All => 1,
    };
    if named > NAMES_MAX || operation.exclude.len() > NAMES_MAX {
        return Err(Error::invalid(format!(
            "at most {NAMES_MAX} containers can be named in one request"
        )));
    }
    match &operation.override_reason {
        Some(reason) if reason.trim().is_empty() => {
            Err(Error::invalid("an override needs a reason"))
        }
        Some(reason) if reason.chars().count() > REASON_CHARS_MAX => Err(Error::invalid(format!(
            "the reason of an override has at most {REASON_CHARS_MAX} characters"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn protected(item: &PlanItem, action: ContainerAction) -> Error {
    let Some(reason) = &item.reason else {
        return Error::new(
            Code::Protected,
            format!("'{}' is protected", item.container),
        );
    };
    Error::new(
        Code::Protected,
        komodo_plan::refusal(&item.container, action, reason),
    )
    .param("container", &item.container)
    .param("id", &item.id)
    .param("reason", reason.code)
    .param("detail", &reason.detail)
}
