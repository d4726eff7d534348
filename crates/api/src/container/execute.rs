//! The execute requests on containers, all of which come to one [`ContainerOperation`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ContainerAction, ContainerOperation, ContainerQuery, Recreate, Scope, TerminationSignal,
    WhenAway,
};
use crate::{
    Guard, Needs, Target,
    operation::operation,
    permission::PermissionLevel,
    resource::{ContainerRef, ServerRef},
    update::Update,
};

/// An execute request that is a [`ContainerOperation`] on a server.
pub trait ExecuteContainers: crate::Operation<Output = Update> {
    /// The server.
    fn server(&self) -> &ServerRef;
    /// The request in the common form.
    fn containers(&self) -> ContainerOperation;
}

fn on(action: ContainerAction, scope: Scope) -> ContainerOperation {
    ContainerOperation {
        action,
        scope,
        exclude: Vec::new(),
        signal: None,
        time: None,
        plan: None,
        override_reason: None,
        detach: false,
        recreate: None,
        when_away: WhenAway::Refuse,
    }
}

macro_rules! one {
    ($(#[doc = $doc:literal] $name:ident = $action:ident {
        $($(#[$meta:meta])* $field:ident: $type:ty = $absent:expr),* $(,)?
    })*) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Server, by id or name.
            pub server: ServerRef,
            /// Container, by name or id.
            pub container: ContainerRef,
            $($(#[$meta])* pub $field: $type,)*
            /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub plan: Option<String>,
            /// Why a container that is part of the control path is acted on all the same; needs Write, is audited.
            #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
            pub override_reason: Option<String>,
            /// Where the server is away: keeps the operation, and carries it out once when the server is back.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            pub when_back: bool,
            /// Seconds after which an operation that waits for its server is given up; a day where it is not said.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub expires_s: Option<u32>,
        }
        operation!($name: Execute -> Update, needs Needs::Target(PermissionLevel::Execute, &[]),
            guard Guard::Containers, target |op| Target::Server(op.server.0.clone()));
        impl $name {
            /// The plain request, with nothing asked for besides.
            pub fn of(server: impl Into<ServerRef>, container: impl Into<ContainerRef>) -> Self {
                $name {
                    server: server.into(),
                    container: container.into(),
                    $($field: $absent,)*
                    plan: None,
                    override_reason: None,
                    when_back: false,
                    expires_s: None,
                }
            }
        }
        impl ExecuteContainers for $name {
            fn server(&self) -> &ServerRef { &self.server }
            fn containers(&self) -> ContainerOperation {
                ContainerOperation {
                    $($field: self.$field.clone(),)*
                    plan: self.plan.clone(),
                    when_away: WhenAway::new(self.when_back, self.expires_s),
                    override_reason: self.override_reason.clone(),
                    ..on(ContainerAction::$action, Scope::One(self.container.clone()))
                }
            }
        }
    )* };
}
one! {
    /// Starts a container.
    StartContainer = Start {}
    /// Restarts a container. One that runs the agent or Core is handed over to a helper.
    RestartContainer = Restart {
        /// Makes a new container of it, with the same configuration; for what runs the agent or Core. Needs Write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recreate: Option<Recreate> = None,
    }
    /// Pauses a container.
    PauseContainer = Pause {
        /// Where it runs the agent: the agent goes on purpose. Needs Write.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        detach: bool = false,
    }
    /// Resumes a paused container.
    UnpauseContainer = Unpause {}
    /// Stops a container.
    StopContainer = Stop {
        /// Signal to stop it with.
        #[serde(default)]
        signal: Option<TerminationSignal> = None,
        /// Seconds to wait for its end before it is killed.
        #[serde(default)]
        time: Option<i32> = None,
        /// Where it runs the agent: the agent goes on purpose. Needs Write.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        detach: bool = false,
    }
    /// Stops and removes a container.
    DestroyContainer = Destroy {
        /// Signal to stop it with.
        #[serde(default)]
        signal: Option<TerminationSignal> = None,
        /// Seconds to wait for its end before it is killed.
        #[serde(default)]
        time: Option<i32> = None,
        /// Where it runs the agent: the agent goes on purpose. Needs Write.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        detach: bool = false,
    }
}

macro_rules! all {
    ($(#[doc = $doc:literal] $name:ident = $action:ident),* $(,)?) => { $(
        #[doc = $doc]
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Server, by id or name.
            pub server: ServerRef,
            /// Containers that are left alone, by name or id.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub exclude: Vec<ContainerRef>,
            /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub plan: Option<String>,
            /// Where the server is away: keeps the operation, and carries it out once when the server is back.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            pub when_back: bool,
            /// Seconds after which an operation that waits for its server is given up; a day where it is not said.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub expires_s: Option<u32>,
        }
        operation!($name: Execute -> Update, needs Needs::Target(PermissionLevel::Execute, &[]),
            guard Guard::Containers, target |op| Target::Server(op.server.0.clone()));
        impl $name {
            /// The plain request, with nothing asked for besides.
            pub fn of(server: impl Into<ServerRef>) -> Self {
                $name {
                    server: server.into(),
                    exclude: Vec::new(),
                    plan: None,
                    when_back: false,
                    expires_s: None,
                }
            }
        }
        impl ExecuteContainers for $name {
            fn server(&self) -> &ServerRef { &self.server }
            fn containers(&self) -> ContainerOperation {
                ContainerOperation {
                    exclude: self.exclude.clone(),
                    plan: self.plan.clone(),
                    when_away: WhenAway::new(self.when_back, self.expires_s),
                    ..on(ContainerAction::$action, Scope::All)
                }
            }
        }
    )* };
}
all! {
    /// Starts every stopped container on a server, save the protected ones.
    StartAllContainers = Start,
    /// Restarts every running container on a server, save the protected ones.
    RestartAllContainers = Restart,
    /// Pauses every running container on a server, save the protected ones.
    PauseAllContainers = Pause,
    /// Resumes every paused container on a server, save the protected ones.
    UnpauseAllContainers = Unpause,
    /// Stops every running container on a server, save the protected ones.
    StopAllContainers = Stop,
    /// Removes every stopped container on a server, save the protected ones.
    PruneContainers = Prune,
}

/// Does one thing to several containers of a server: those named, or those that match a query.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BatchContainers {
    /// Server, by id or name.
    pub server: ServerRef,
    /// Containers, by name or id. Either this or `query`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerRef>,
    /// Which containers are meant. Either this or `containers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<ContainerQuery>,
    /// What is done.
    pub action: ContainerAction,
    /// Containers that are left alone, by name or id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ContainerRef>,
    /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Where the server is away: keeps the operation, and carries it out once when the server is back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub when_back: bool,
    /// Seconds after which an operation that waits for its server is given up; a day where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u32>,
}
operation!(BatchContainers: Execute -> Update, needs Needs::Target(PermissionLevel::Execute, &[]),
    guard Guard::Containers, target |op| Target::Server(op.server.0.clone()));
impl ExecuteContainers for BatchContainers {
    fn server(&self) -> &ServerRef {
        &self.server
    }
    fn containers(&self) -> ContainerOperation {
        let scope = match &self.query {
            Some(query) => Scope::Matching(query.clone()),
            None => Scope::Listed(self.containers.clone()),
        };
        ContainerOperation {
            exclude: self.exclude.clone(),
            plan: self.plan.clone(),
            when_away: WhenAway::new(self.when_back, self.expires_s),
            ..on(self.action, scope)
        }
    }
}
