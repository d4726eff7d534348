//! Updates of agents through the agents themselves, one or many.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Guard, Needs, Target, operation::operation, permission::PermissionLevel, resource::ServerRef,
    update::Update,
};

/// Servers that one request rolls over at most.
pub const ROLL_SERVERS_MAX: usize = 1_000;
/// Servers of a wave where nothing is said.
pub const WAVE_SIZE_DEFAULT: u32 = 5;
/// Longest pause between two waves, in seconds.
pub const WAVE_PAUSE_S_MAX: u32 = 24 * 60 * 60;
/// Longest name of an image, in characters.
pub const IMAGE_CHARS_MAX: usize = 500;

/// A program of the agent that Core serves, or is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Version of the agent.
    pub version: String,
    /// Architecture, as Rust names it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Ed25519 signature of the Core that serves it over all of the above, base64.
    pub signature: String,
}

/// An agent as a service of systemd.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AgentService {
    /// Name of its unit: `komodo-periphery.service`.
    pub unit: String,
    /// The program that it is to run from then on; absent is the one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
}

/// Lists the programs of the agent that this Core serves to agents that run as services of systemd, the newest first.
/// They are put there with `komodo-core agents add`; what is damaged, or signed by another key, is not served.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListPeripheryPrograms {}
operation!(ListPeripheryPrograms: Read -> Vec<Program>, needs Needs::User);

/// Restarts the agent of a server: a helper on its host restarts its service, or its container, and Core watches that it
/// comes back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RestartPeriphery {
    /// Server, by id or name.
    pub server: ServerRef,
    /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}
operation!(RestartPeriphery: Execute -> Update, needs Needs::Target(PermissionLevel::Write, &[]),
    guard Guard::Containers, target |op| Target::Server(op.server.0.clone()));

/// Updates the agent of a server: a helper on its host replaces its container by one with the same configuration and
/// another image, or the program of its service by another one that Core serves, and puts the old one back where the new
/// one is not confirmed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdatePeriphery {
    /// Server, by id or name.
    pub server: ServerRef,
    /// For an agent in a container: image of the new one; absent is the name that the old one has, looked up anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// For an agent that is a service of systemd: version of a program that Core serves (`ListPeripheryPrograms`); absent
    /// is the newest for its architecture. The one that it runs already is a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}
operation!(UpdatePeriphery: Execute -> Update, needs Needs::Target(PermissionLevel::Write, &[]),
    guard Guard::Containers, target |op| Target::Server(op.server.0.clone()));

/// Updates the agents of many servers: one at first, then in waves, each only when all of the one before are confirmed.
/// Halts at the first that is not. Servers that are away, or that neither `image` nor `version` is for, are left out, with
/// the reason. For administrators.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RollPeriphery {
    /// Servers, by id or name; the first that is there goes first and alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerRef>,
    /// Also the servers with one of these tags, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// For agents in containers: image of the new ones. One of `image` and `version` is needed, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// For agents that are services of systemd: version of the programs that they are to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Servers of a wave; 5 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave_size: Option<u32>,
    /// Seconds between two waves; none where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_s: Option<u32>,
}
operation!(RollPeriphery: Execute -> Update, needs Needs::Admin, guard Guard::Orders);
