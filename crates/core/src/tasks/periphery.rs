//! `UpdatePeriphery`: a restart of the agent's own container into a new one.

use komodo_agent_api::LEVEL;
use komodo_api::{
    Code, Error,
    container::{ContainerAction, ContainerOperation, Recreate, Scope, WhenAway},
    id::Id,
    periphery::IMAGE_CHARS_MAX,
    plan::Plan,
    resource::ContainerRef,
};

use super::{Ask, By, Inner, Tasks, refuse::knows_hand_over};
use crate::fleet::ServerView;

/// Name of the request.
pub(super) const REQUEST: &str = "UpdatePeriphery";

impl Tasks {
    /// What an update of the agent of a server would do now.
    ///
    /// # Errors
    /// As [`Tasks::update_periphery`].
    pub fn plan_update_periphery(&self, server: Id, image: Option<String>) -> Result<Plan, Error> {
        let operation = self.inner.renewal(server, image)?;
        self.plan(REQUEST, server, operation)
    }

    /// Begins an update of the agent of a server.
    ///
    /// # Errors
    /// 422 where it runs natively, or is too old to be handed over; else as [`Tasks::order`].
    pub async fn update_periphery(
        &self,
        server: Id,
        by: By,
        image: Option<String>,
        plan: Option<String>,
    ) -> Result<komodo_api::update::Update, Error> {
        let operation = self.inner.renewal(server, image)?;
        let ask = Ask {
            request: REQUEST,
            server,
            by,
            operation: ContainerOperation { plan, ..operation },
        };
        self.order(ask).await
    }
}

impl Inner {
    /// What is done to the container of an agent to update it.
    pub(super) fn renewal(
        &self,
        server: Id,
        image: Option<String>,
    ) -> Result<ContainerOperation, Error> {
        check_image(image.as_deref())?;
        let ready = self.ready(server)?;
        let container = own_container(&ready.name, &ready.view)?;
        knows_hand_over(&ready)?;
        Ok(ContainerOperation {
            action: ContainerAction::Restart,
            scope: Scope::One(ContainerRef(container)),
            exclude: Vec::new(),
            signal: None,
            time: None,
            plan: None,
            override_reason: None,
            detach: false,
            recreate: Some(Recreate { image }),
            when_away: WhenAway::Refuse,
        })
    }
}

/// Refuses what cannot be the name of an image.
pub(super) fn check_image(image: Option<&str>) -> Result<(), Error> {
    let wrong = |text: String| Err(Error::new(Code::Unprocessable, text).param("path", "image"));
    match image {
        Some(image) if image.trim().is_empty() => wrong("`image` names no image".into()),
        Some(image) if image.chars().count() > IMAGE_CHARS_MAX => wrong(format!(
            "the name of an image has at most {IMAGE_CHARS_MAX} characters"
        )),
        _ => Ok(()),
    }
}

/// Id of the container that an agent runs in.
fn own_container(server: &str, view: &ServerView) -> Result<String, Error> {
    let container = view.agent.as_ref().and_then(|it| it.container.clone());
    container.ok_or_else(|| {
        Error::new(
            Code::Unprocessable,
            format!(
                "Periphery on '{server}' runs natively, and updating that through Komodo is not built yet: install the \
                 new komodo-periphery on its host and restart its service"
            ),
        )
        .param("server", server)
    })
}

/// How far an agent lies behind this Core, where it does, and what that means.
pub(crate) fn skew(view: &ServerView) -> Option<(komodo_api::server::VersionSkew, String)> {
    use komodo_api::server::VersionSkew::{Outdated, TooOld};
    if let Some(why) = &view.too_old {
        return Some((TooOld, why.clone()));
    }
    let agent = view.agent.as_deref()?;
    let own = env!("CARGO_PKG_VERSION");
    let level = view.level.unwrap_or(LEVEL);
    if level < LEVEL {
        return Some((
            Outdated,
            format!(
                "Periphery {} speaks level {level} and this Core {own} level {LEVEL}: it goes on working, but without \
                 what is newer; update Periphery",
                agent.version
            ),
        ));
    }
    older(&agent.version, own).then(|| {
        (
            Outdated,
            format!(
                "Periphery {} is older than this Core {own}: it goes on working; update Periphery",
                agent.version
            ),
        )
    })
}

/// Whether a version is older than another; what cannot be read is not.
fn older(one: &str, other: &str) -> bool {
    let read = |text: &str| -> Option<Vec<u64>> {
        let core = text.split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    matches!((read(one), read(other)), (Some(one), Some(other)) if one < other)
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(older("2.9.1", "2.10.0") && older("1.0.0-rc1", "2.0.0"));
        assert!(!older("2.10.0", "2.9.1") && !older("2.0.0", "2.0.0"));
        assert!(!older("nonsense", "2.0.0"), "nobody can tell");
    }
}
