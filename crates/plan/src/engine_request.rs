//! A request to the Engine's own API, as a child process writes it: what it changes, and whether it may.
//!
//! Two steps, both pure. [`EngineRequest::read`] says what a request asks for, from its method and its address; whatever
//! it does not know and is not a read is [`EngineChange::Unknown`] and is refused. [`judge`] then decides, once the
//! Engine has told which object a reference means. What is sent on is the address that was judged and no other: the
//! Engine decodes `%2F`, drops doubled slashes and finds containers by several names, so the address is written anew
//! from what was understood.

mod address;
mod judge;
mod prune;
#[cfg(test)]
mod tests;

use komodo_api::container::ContainerAction;

pub use address::BadAddress;
pub use judge::{EngineRefusal, Facts, Resolved, judge, never_refused};
pub use prune::Filters;

use address::Address;

/// A request to the Engine, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRequest {
    /// What it changes.
    pub change: EngineChange,
    version: Option<String>,
    segments: Vec<String>,
    /// Which segment holds the reference that the Engine is asked for.
    named: Option<usize>,
    read: bool,
}

/// What a request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineChange {
    /// Nothing that is guarded: reads, `create`, `build`, `pull`, `exec`, …
    Nothing,
    /// A container.
    Container {
        /// Name or id, as the child wrote it.
        reference: String,
        /// What happens to it.
        verb: ContainerVerb,
    },
    /// A container is taken off a network; which one stands in the body.
    Disconnect {
        /// Name or id of the network.
        network: String,
    },
    /// A network, volume or image is removed.
    Remove {
        /// Which kind.
        kind: ObjectKind,
        /// Name or id.
        reference: String,
    },
    /// A kind of objects is pruned.
    Prune(Pruned, Filters),
    /// The containers of a swarm service are stopped, or made anew.
    Service {
        /// Name or id of the service.
        reference: String,
    },
    /// Something of the whole Engine, which takes containers down by ways of its own.
    Whole(&'static str),
    /// Nobody here knows it, and it is not a read.
    Unknown,
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ContainerVerb {
    Start,
    Stop,
    Kill,
    Restart,
    Pause,
    Unpause,
    Remove,
    Rename,
    Update,
    /// A commit that freezes the container meanwhile.
    Commit,
    /// A checkpoint, which ends the container.
    Checkpoint,
    /// It is taken off a network.
    Disconnect,
}

impl ContainerVerb {
    /// The action by which the guard's table is asked.
    pub const fn action(self) -> ContainerAction {
        use ContainerVerb::*;
        match self {
            Start => ContainerAction::Start,
            Unpause => ContainerAction::Unpause,
            Restart => ContainerAction::Restart,
            Pause | Commit => ContainerAction::Pause,
            Remove => ContainerAction::Destroy,
            // A limit that is too low, another name or no network can take it away as surely as a stop.
            Stop | Kill | Rename | Update | Checkpoint | Disconnect => ContainerAction::Stop,
        }
    }

    /// The word of the Engine's own command line.
    pub const fn word(self) -> &'static str {
        use ContainerVerb::*;
        match self {
            Start => "start",
            Stop => "stop",
            Kill => "kill",
            Restart => "restart",
            Pause => "pause",
            Unpause => "unpause",
            Remove => "rm -f",
            Rename => "rename",
            Update => "update",
            Commit => "commit",
            Checkpoint => "checkpoint create",
            Disconnect => "network disconnect",
        }
    }
}

/// Objects that a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ObjectKind {
    Image,
    Network,
    Volume,
}

impl ObjectKind {
    /// The word for people, and of the Engine's own command line.
    pub const fn word(self) -> &'static str {
        match self {
            ObjectKind::Image => "image",
            ObjectKind::Network => "network",
            ObjectKind::Volume => "volume",
        }
    }
}

/// What a prune takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Containers that do not run.
    Containers,
    /// Networks that no running container uses.
    Networks,
    /// Images, volumes, the cache of builds: of these the Engine itself keeps all that any container uses.
    Unused,
}

impl EngineRequest {
    /// Understands a request from its method and its address, with or without a version before it.
    ///
    /// # Errors
    /// [`BadAddress`] where no Engine would understand it either.
    pub fn read(method: &str, path: &str, query: Option<&str>) -> Result<Self, BadAddress> {
        let Address { version, segments } = Address::read(path)?;
        let read = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (change, named) = if read {
            (EngineChange::Nothing, None)
        } else {
            understand(method, &words, query.unwrap_or_default())
        };
        Ok(EngineRequest {
            change,
            version,
            segments,
            named,
            read,
        })
    }

    /// Whether it only reads, so that its address may be sent as it came.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// The address to send: the one that was understood, with the id in the place of the reference where there is one.
    pub fn path(&self, id: Option<&str>) -> String {
        address::write(self.version.as_deref(), &self.segments, self.named.zip(id))
    }

    /// The query to send: as it came, with the id in the place of the container where it names the one that is judged.
    pub fn query(&self, query: Option<&str>, id: Option<&str>) -> Option<String> {
        let commit = matches!(
            &self.change,
            EngineChange::Container {
                verb: ContainerVerb::Commit,
                ..
            }
        );
        match (query, id) {
            (Some(query), Some(id)) if commit => Some(address::with_value(query, "container", id)),
            (query, _) => query.map(str::to_owned),
        }
    }
}

/// What is asked for, and which segment of the path holds the reference.
fn understand(method: &str, path: &[&str], query: &str) -> (EngineChange, Option<usize>) {
    use EngineChange::{Nothing, Prune, Unknown, Whole};
    let pass = (Nothing, None);
    match (method, path) {
        ("POST", ["containers", "create"])
        | ("POST", ["images", "create" | "load"])
        | ("POST", ["images", .., "push" | "tag"])
        | ("POST", ["build"] | ["build", "cancel"])
        | ("POST", ["session"] | ["grpc"] | ["auth"])
        | (
            "POST",
            [
                "networks" | "volumes" | "secrets" | "configs" | "services",
                "create",
            ],
        )
        | ("POST", ["networks", _, "connect"])
        | ("POST", ["exec", _, "start" | "resize"])
        | (
            "POST",
            [
                "containers",
                _,
                "attach" | "wait" | "resize" | "exec" | "copy",
            ],
        )
        | ("PUT", ["containers", _, "archive"])
        | ("POST", ["secrets" | "configs", _, "update"])
        | ("DELETE", ["secrets" | "configs", _])
        | ("PUT", ["volumes", _])
        | ("POST", ["swarm", "init" | "join" | "update" | "unlock"])
        | ("POST", ["plugins", "pull" | "create"])
        | ("POST", ["plugins", .., "enable" | "push"]) => pass,

        ("POST", ["containers", "prune"]) => {
            (Prune(Pruned::Containers, Filters::read(query)), None)
        }
        ("POST", ["networks", "prune"]) => (Prune(Pruned::Networks, Filters::read(query)), None),
        ("POST", ["images" | "volumes" | "build", "prune"]) => {
            (Prune(Pruned::Unused, Filters::default()), None)
        }

        ("POST", ["containers", reference, word]) => match container_verb(word) {
            Some(verb) => (container(reference, verb), Some(1)),
            None => (Unknown, None),
        },
        ("DELETE", ["containers", reference]) => {
            (container(reference, ContainerVerb::Remove), Some(1))
        }
        ("POST", ["commit"]) => {
            let pauses = address::value(query, "pause").is_none_or(|value| truth(&value));
            match address::value(query, "container") {
                Some(reference) if pauses => (container(&reference, ContainerVerb::Commit), None),
                Some(_) => pass,
                None => (Unknown, None),
            }
        }

        ("POST", ["networks", network, "disconnect"]) => {
            let network = (*network).to_owned();
            (EngineChange::Disconnect { network }, None)
        }
        ("DELETE", ["networks", reference]) => (remove(ObjectKind::Network, reference), Some(1)),
        ("DELETE", ["volumes", reference]) => (remove(ObjectKind::Volume, reference), Some(1)),
        // An image's name has slashes, and what it is called decides what is untagged: it is sent as it is.
        ("DELETE", ["images", reference @ ..]) if !reference.is_empty() => {
            (remove(ObjectKind::Image, &reference.join("/")), None)
        }

        ("DELETE", ["services", reference]) | ("POST", ["services", reference, "update"]) => {
            let reference = (*reference).to_owned();
            (EngineChange::Service { reference }, None)
        }
        ("POST", ["swarm", "leave"]) => (Whole("docker swarm leave"), None),
        ("DELETE", ["nodes", _]) => (Whole("docker node rm"), None),
        ("POST", ["nodes", _, "update"]) => (Whole("docker node update"), None),
        ("DELETE", ["plugins", _, ..]) => (Whole("docker plugin rm"), None),
        ("POST", ["plugins", .., "disable"]) => (Whole("docker plugin disable"), None),
        ("POST", ["plugins", .., "upgrade"]) => (Whole("docker plugin upgrade"), None),
        ("POST", ["plugins", .., "set"]) => (Whole("docker plugin set"), None),

        _ => (Unknown, None),
    }
}

fn container(reference: &str, verb: ContainerVerb) -> EngineChange {
    EngineChange::Container {
        reference: reference.to_owned(),
        verb,
    }
}

fn remove(kind: ObjectKind, reference: &str) -> EngineChange {
    EngineChange::Remove {
        kind,
        reference: reference.to_owned(),
    }
}

fn container_verb(word: &str) -> Option<ContainerVerb> {
    use ContainerVerb::*;
    Some(match word {
        "start" => Start,
        "stop" => Stop,
        "kill" => Kill,
        "restart" => Restart,
        "pause" => Pause,
        "unpause" => Unpause,
        "rename" => Rename,
        "update" => Update,
        "checkpoints" => Checkpoint,
        _ => return None,
    })
}

/// As the Engine reads a truth value.
fn truth(text: &str) -> bool {
    !matches!(
        text.trim().to_lowercase().as_str(),
        "0" | "no" | "false" | "none"
    )
}
