//! `UpdatePeriphery` and `RestartPeriphery`: a restart of the agent's own container or service, as it is or into another.

use komodo_agent_api::{AgentProperties, LEVEL, OwnUnit};
use komodo_api::{
    Code, Error, Operation,
    container::{ContainerAction, ContainerOperation, Recreate, Scope, WhenAway},
    id::Id,
    periphery::{AgentService, IMAGE_CHARS_MAX, RestartPeriphery, UpdatePeriphery},
    plan::Plan,
    resource::ContainerRef,
    update::Update,
};

use super::{Ask, By, Inner, Tasks, refuse::knows_hand_over};
use crate::{fleet::ServerView, programs::older};

#[cfg(test)]
mod tests;

/// Longest version, in characters.
const VERSION_CHARS_MAX: usize = 64;

/// What is to become of the agent of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It is restarted.
    Restart,
    /// It is replaced by what was asked for, or by the newest of its kind.
    Update {
        /// Image, for one in a container.
        image: Option<String>,
        /// Version, for one that is a service.
        version: Option<String>,
    },
    /// It is one of many: replaced by what there is for its kind.
    Roll {
        /// Image, for those in containers.
        image: Option<String>,
        /// Version, for those that are services.
        version: Option<String>,
    },
}

impl Renewal {
    /// Name of the request.
    fn request(&self) -> &'static str {
        match self {
            Renewal::Restart => RestartPeriphery::NAME,
            Renewal::Update { .. } | Renewal::Roll { .. } => UpdatePeriphery::NAME,
        }
    }
}

/// What is acted on, and what takes its place.
#[derive(Debug, PartialEq)]
enum How<'a> {
    /// A container, by id; the new one where there is to be one.
    Container(&'a str, Option<Recreate>),
    /// A service as it is.
    Service(&'a OwnUnit),
    /// The program of a service: a version, or the newest.
    Program(&'a OwnUnit, Option<&'a str>),
}

impl Tasks {
    /// What a restart or an update of the agent of a server would do now.
    ///
    /// # Errors
    /// As [`Tasks::renew_periphery`].
    pub(crate) async fn plan_renewal(&self, server: Id, renewal: &Renewal) -> Result<Plan, Error> {
        let operation = self.inner.renewal(server, renewal).await?;
        self.plan(renewal.request(), server, operation)
    }

    /// Begins a restart or an update of the agent of a server.
    ///
    /// # Errors
    /// 422 where what is asked for is not for the kind of its agent, there is no such program, or the agent is too old to
    /// be handed over; else as [`Tasks::order`].
    pub(crate) async fn renew_periphery(
        &self,
        server: Id,
        by: By,
        renewal: &Renewal,
        plan: Option<String>,
    ) -> Result<Update, Error> {
        let operation = self.inner.renewal(server, renewal).await?;
        let ask = Ask {
            request: renewal.request(),
            server,
            by,
            operation: ContainerOperation { plan, ..operation },
        };
        self.order(ask).await
    }
}

impl Inner {
    /// What is done to the container or the service of an agent.
    pub(super) async fn renewal(
        &self,
        server: Id,
        renewal: &Renewal,
    ) -> Result<ContainerOperation, Error> {
        if let Renewal::Update { image, version } | Renewal::Roll { image, version } = renewal {
            check_image(image.as_deref())?;
            check_version(version.as_deref())?;
        }
        let ready = self.ready(server)?;
        knows_hand_over(&ready)?;
        let agent = ready.view.agent.as_deref();
        let agent = agent.ok_or_else(|| native(&ready.name))?;
        let (scope, recreate) = match how(&ready.name, agent, renewal)? {
            How::Container(id, recreate) => (Scope::One(ContainerRef(id.to_owned())), recreate),
            How::Service(unit) => (service(unit, None), None),
            How::Program(unit, version) => {
                let program = self.programs.find(version, &agent.architecture).await?;
                match (&unit.fixed, program.sha256 == unit.sha256) {
                    (_, true) => (service(unit, None), None),
                    (None, false) => (service(unit, Some(program)), None),
                    (Some(why), false) => return Err(fixed(&ready.name, unit, why)),
                }
            }
        };
        Ok(ContainerOperation {
            action: ContainerAction::Restart,
            scope,
            exclude: Vec::new(),
            signal: None,
            time: None,
            plan: None,
            override_reason: None,
            detach: false,
            recreate,
            when_away: WhenAway::Refuse,
        })
    }
}

fn service(unit: &OwnUnit, program: Option<komodo_api::periphery::Program>) -> Scope {
    Scope::Agent(AgentService {
        unit: unit.name.clone(),
        program,
    })
}

/// What a renewal means for an agent; `server` names its server.
fn how<'a>(
    server: &str,
    agent: &'a AgentProperties,
    renewal: &'a Renewal,
) -> Result<How<'a>, Error> {
    let (container, unit) = (agent.container.as_deref(), agent.unit.as_ref());
    let made_of = |image: &Option<String>| {
        Some(Recreate {
            image: image.clone(),
        })
    };
    let (image, version) = match renewal {
        Renewal::Restart => {
            return match (unit, container) {
                (Some(unit), _) => Ok(How::Service(unit)),
                (None, Some(id)) => Ok(How::Container(id, None)),
                (None, None) => Err(native(server)),
            };
        }
        Renewal::Update {
            image: Some(_),
            version: Some(_),
        } => {
            return Err(unfit(
                "version",
                "an agent is updated either to an image or to a version: leave one of them out"
                    .into(),
            ));
        }
        Renewal::Update {
            image: None,
            version: None,
        } => {
            return match (unit, container) {
                (Some(unit), _) => Ok(How::Program(unit, None)),
                (None, Some(id)) => Ok(How::Container(id, made_of(&None))),
                (None, None) => Err(native(server)),
            };
        }
        Renewal::Update { image, version } | Renewal::Roll { image, version } => (image, version),
    };
    match (unit, container, version, image) {
        (Some(unit), _, Some(version), _) => Ok(How::Program(unit, Some(version))),
        (_, Some(id), _, Some(_)) => Ok(How::Container(id, made_of(image))),
        (Some(unit), None, None, _) => Err(unfit(
            "image",
            format!(
                "Periphery on '{server}' runs as the service {} and not in a container: give `version`, one of those that \
                 `ListPeripheryPrograms` shows",
                unit.name
            ),
        )
        .param("server", server)),
        (None, Some(_), ..) => Err(unfit(
            "version",
            format!(
                "Periphery on '{server}' runs in a container, and not as a service of systemd: give `image`"
            ),
        )
        .param("server", server)),
        (None, None, ..) => Err(native(server)),
        (Some(_), Some(_), None, None) => Err(unfit(
            "version",
            "neither `image` nor `version` is given".into(),
        )),
    }
}

/// Refuses what cannot be the name of an image.
pub(super) fn check_image(image: Option<&str>) -> Result<(), Error> {
    check("image", "the name of an image", IMAGE_CHARS_MAX, image)
}

/// Refuses what cannot be a version.
pub(super) fn check_version(version: Option<&str>) -> Result<(), Error> {
    check("version", "a version", VERSION_CHARS_MAX, version)
}

fn check(path: &str, what: &str, max: usize, value: Option<&str>) -> Result<(), Error> {
    let wrong = match value {
        Some(value) if value.trim().is_empty() => format!("`{path}` is empty"),
        Some(value) if value.chars().count() > max => {
            format!("{what} has at most {max} characters")
        }
        _ => return Ok(()),
    };
    Err(unfit(path, wrong))
}

fn unfit(path: &str, text: String) -> Error {
    Error::new(Code::Unprocessable, text).param("path", path)
}

/// An agent of which it is not known how it is started.
fn native(server: &str) -> Error {
    let text = format!(
        "Periphery on '{server}' runs neither in a container nor as a service of systemd, so that it can be updated and \
         restarted only on its host: install the new komodo-periphery there and restart it, or run it as a service"
    );
    Error::new(Code::Unprocessable, text).param("server", server)
}

/// The program of a service that its agent may not replace.
fn fixed(server: &str, unit: &OwnUnit, why: &str) -> Error {
    let text = format!(
        "the program of {} on '{server}' cannot be replaced: {why}; it can be restarted (`RestartPeriphery`), and updated \
         on its host",
        unit.name
    );
    Error::new(Code::Unprocessable, text).param("server", server)
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
