//! Images, networks and volumes that the control path stands on.

use std::collections::BTreeMap;

use komodo_agent_api::{Container, ProtectedContainer};
use komodo_api::plan::{Reason, ReasonCode};

use crate::engine_request::ObjectKind;

#[cfg(test)]
mod tests;

/// Who uses a protected object, and why that one is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUser {
    /// Name of the container.
    pub container: String,
    /// Its strongest reason.
    pub reason: Reason,
}

/// The objects that containers of the control path use. A label alone protects no object: what a labelled container uses
/// is left out of prunes by the Engine itself, and removed by whoever names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtectedObjects {
    users: BTreeMap<(ObjectKind, String), ObjectUser>,
}

impl ProtectedObjects {
    /// Finds them.
    pub fn of(containers: &[&Container], protected: &[ProtectedContainer]) -> Self {
        let mut users = BTreeMap::new();
        for entry in protected {
            let reason = entry
                .reasons
                .iter()
                .find(|reason| reason.code.protects() && reason.code != ReasonCode::Label);
            let container = containers.iter().find(|container| container.id == entry.id);
            let (Some(reason), Some(container)) = (reason, container) else {
                continue;
            };
            let image = [&container.image_id, &container.image];
            let used = image
                .into_iter()
                .map(|id| (ObjectKind::Image, id))
                .chain(
                    container
                        .networks
                        .iter()
                        .map(|name| (ObjectKind::Network, name)),
                )
                .chain(
                    container
                        .volumes
                        .iter()
                        .map(|name| (ObjectKind::Volume, name)),
                );
            for (kind, name) in used.filter(|(_, name)| !name.is_empty()) {
                users
                    .entry((kind, name.clone()))
                    .or_insert_with(|| ObjectUser {
                        container: entry.name.clone(),
                        reason: reason.clone(),
                    });
            }
        }
        ProtectedObjects { users }
    }

    /// Who uses an object, by its name or, for an image, its id or its name.
    pub fn user(&self, kind: ObjectKind, name: &str) -> Option<&ObjectUser> {
        self.users.get(&(kind, name.to_owned()))
    }

    /// All of a kind, by name.
    pub fn all(&self, kind: ObjectKind) -> impl Iterator<Item = (&str, &ObjectUser)> {
        self.users
            .iter()
            .filter(move |((of, _), _)| *of == kind)
            .map(|((_, name), user)| (name.as_str(), user))
    }
}
