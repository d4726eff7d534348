//! Leases: who works on which container. An operation takes all that it acts on at once, or none, and gives each back
//! as soon as its verdict is there; a prune also takes its kind on the server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use komodo_api::{
    Code, Error, UnixMs, container::ContainerAction, id::Id, plan::PlanItem,
    server::ServerActionState,
};
use tokio::sync::watch;

/// Operations that may hold leases on one server at the same time.
const OPERATIONS_PER_SERVER_MAX: usize = 256;

/// What can be leased on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A container, by id.
    Container(String),
    /// The right to prune containers.
    PruneContainers,
}

/// An operation that holds leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Id of its Update.
    pub(super) update: Id,
    /// Name of the request.
    pub(super) operation: String,
    /// Name of the user who asked.
    pub(super) username: String,
    /// When.
    pub(super) since: UnixMs,
    /// What is done.
    pub(super) action: ContainerAction,
}

/// Who holds what of a server.
type Leased = BTreeMap<Key, Arc<Holder>>;

/// All leases, by server. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: Mutex<BTreeMap<Id, Leased>>,
    freed: watch::Sender<u64>,
}

/// The leases of one operation; gives back what is left when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    leases: Leases,
    server: Id,
    holder: Arc<Holder>,
}

impl Leases {
    /// Takes all keys for an operation, or none. `name` says what a container is called.
    ///
    /// # Errors
    /// 409 `busy`, naming the operation that holds one of them.
    pub(super) fn take<'a>(
        &self,
        server: Id,
        keys: impl IntoIterator<Item = (Key, &'a str)>,
        holder: Holder,
    ) -> Result<Held, Error> {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut all = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        let leased = all.entry(server).or_default();
        if let Some((name, other)) = keys
            .iter()
            .find_map(|(key, name)| Some((name, leased.get(key)?)))
        {
            return Err(busy(name, other));
        }
        let mut operations: Vec<Id> = leased.values().map(|holder| holder.update).collect();
        operations.sort_unstable();
        operations.dedup();
        if operations.len() >= OPERATIONS_PER_SERVER_MAX {
            return Err(Error::new(
                Code::Busy,
                format!("{OPERATIONS_PER_SERVER_MAX} operations run on this server already; wait until some have ended"),
            )
            .param("operations", operations.len()));
        }
        let holder = Arc::new(holder);
        leased.extend(keys.into_iter().map(|(key, _)| (key, Arc::clone(&holder))));
        drop(all);
        Ok(Held {
            leases: self.clone(),
            server,
            holder,
        })
    }

    /// Tells whenever something is given back.
    pub(super) fn freed(&self) -> watch::Receiver<u64> {
        self.0.freed.subscribe()
    }

    /// Lets whoever waits look again.
    pub(super) fn free(&self) {
        self.0.freed.send_modify(|times| *times += 1);
    }

    /// What is being done on a server.
    pub(super) fn action_state(&self, server: Id) -> ServerActionState {
        let all = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = ServerActionState::default();
        for (key, holder) in all.get(&server).into_iter().flatten() {
            let count = match (key, holder.action) {
                (Key::PruneContainers, _) => {
                    state.pruning_containers = true;
                    continue;
                }
                (Key::Container(_), ContainerAction::Start) => &mut state.starting_containers,
                (Key::Container(_), ContainerAction::Restart) => &mut state.restarting_containers,
                (Key::Container(_), ContainerAction::Pause) => &mut state.pausing_containers,
                (Key::Container(_), ContainerAction::Unpause) => &mut state.unpausing_containers,
                (Key::Container(_), ContainerAction::Stop) => &mut state.stopping_containers,
                (Key::Container(_), ContainerAction::Destroy) => &mut state.destroying_containers,
                (Key::Container(_), ContainerAction::Prune) => continue,
            };
            *count += 1;
        }
        state
    }
}

impl Held {
    /// Takes further keys where nobody holds them.
    pub(super) fn extend(&self, keys: impl IntoIterator<Item = Key>) {
        let mut all = self
            .leases
            .0
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let leased = all.entry(self.server).or_default();
        for key in keys {
            leased
                .entry(key)
                .or_insert_with(|| Arc::clone(&self.holder));
        }
    }

    /// Gives a container back.
    pub(super) fn give_back(&self, container: &str) {
        let key = Key::Container(container.to_owned());
        self.retain(|held| *held != key);
    }

    fn retain(&self, keep: impl Fn(&Key) -> bool) {
        let mut all = self
            .leases
            .0
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(leased) = all.get_mut(&self.server) {
            leased.retain(|key, holder| holder.update != self.holder.update || keep(key));
            if leased.is_empty() {
                all.remove(&self.server);
            }
        }
        drop(all);
        self.leases.free();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.retain(|_| false);
    }
}

/// The items of a plan that are leased.
pub(super) fn leased(items: &[PlanItem]) -> impl Iterator<Item = &PlanItem> {
    items.iter().filter(|item| item.effect.acts())
}

/// What an item leases.
pub(super) fn key(item: &PlanItem) -> Key {
    Key::Container(item.id.clone())
}

fn busy(name: &str, other: &Holder) -> Error {
    let Holder {
        update,
        operation,
        username,
        since,
        ..
    } = other;
    let time = jiff::Timestamp::from_millisecond(*since).map_or_else(
        |_| String::new(),
        |at| at.strftime(" since %H:%M:%S UTC").to_string(),
    );
    Error::new(
        Code::Busy,
        format!("'{name}' is busy: {operation}, started by {username}, runs{time}; wait until it has ended"),
    )
    .param("container", name)
    .param("update", update)
    .param("operation", operation)
    .param("username", username)
    .param("since", since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u8 = 9;

    fn take(
        leases: &Leases,
        update: u8,
        action: ContainerAction,
        containers: &[&str],
    ) -> Result<Held, Error> {
        let holder = Holder {
            update: Id::system(update),
            operation: format!("{action:?}Containers"),
            username: "ann".into(),
            since: 43_391_000,
            action,
        };
        let mut keys: Vec<_> = containers
            .iter()
            .map(|id| (Key::Container((*id).to_owned()), *id))
            .collect();
        if action == ContainerAction::Prune {
            keys.push((Key::PruneContainers, "prune"));
        }
        leases.take(Id::system(SERVER), keys, holder)
    }

    #[test]
    fn operations_on_different_containers_never_collide() {
        let leases = Leases::default();
        let a = take(&leases, 1, ContainerAction::Stop, &["a"]);
        let b = take(&leases, 2, ContainerAction::Stop, &["b"]);
        assert!(a.is_ok() && b.is_ok());
    }

    #[test]
    fn a_refusal_names_the_operation_and_who_started_it_and_takes_nothing() {
        let leases = Leases::default();
        let _held = take(&leases, 1, ContainerAction::Stop, &["b"]);
        let error = take(&leases, 2, ContainerAction::Start, &["a", "b"]).expect_err("b is held");
        assert_eq!(error.code, Code::Busy);
        assert_eq!(
            error.error,
            "'b' is busy: StopContainers, started by ann, runs since 12:03:11 UTC; wait until it has ended"
        );
        assert_eq!(error.params["update"], Id::system(1).as_str());
        assert!(
            take(&leases, 3, ContainerAction::Start, &["a"]).is_ok(),
            "a was not taken by the refused one"
        );
    }

    #[test]
    fn a_container_is_free_with_its_verdict_and_all_with_the_end() {
        let leases = Leases::default();
        let held = take(&leases, 1, ContainerAction::Stop, &["a", "b"]).expect("free");
        held.give_back("a");
        let a = take(&leases, 2, ContainerAction::Start, &["a"]);
        assert!(a.is_ok());
        assert!(take(&leases, 3, ContainerAction::Start, &["b"]).is_err());
        let state = leases.action_state(Id::system(SERVER));
        assert_eq!(
            (state.stopping_containers, state.starting_containers),
            (1, 1)
        );
        drop((held, a));
        assert_eq!(
            leases.action_state(Id::system(SERVER)),
            ServerActionState::default()
        );
        assert!(
            leases.0.all.lock().unwrap().is_empty(),
            "nothing is kept of a server without leases"
        );
    }

    #[test]
    fn two_prunes_collide_although_they_act_on_different_containers() {
        let leases = Leases::default();
        let held = take(&leases, 1, ContainerAction::Prune, &["a"]);
        assert!(leases.action_state(Id::system(SERVER)).pruning_containers);
        assert!(take(&leases, 2, ContainerAction::Prune, &["b"]).is_err());
        drop(held);
        assert!(take(&leases, 2, ContainerAction::Prune, &["b"]).is_ok());
    }

    #[test]
    fn operations_on_one_server_are_bounded() {
        let leases = Leases::default();
        let held: Vec<_> = (0..OPERATIONS_PER_SERVER_MAX)
            .map(|n| {
                let mut bytes = [0; 12];
                bytes[..8].copy_from_slice(&n.to_be_bytes());
                let holder = Holder {
                    update: Id::from_bytes(bytes),
                    operation: "StopContainer".into(),
                    username: "ann".into(),
                    since: 0,
                    action: ContainerAction::Stop,
                };
                leases
                    .take(
                        Id::system(SERVER),
                        [(Key::Container(n.to_string()), "c")],
                        holder,
                    )
                    .expect("free")
            })
            .collect();
        assert_eq!(
            take(&leases, 8, ContainerAction::Stop, &["new"])
                .expect_err("too many")
                .code,
            Code::Busy
        );
        drop(held);
        assert!(take(&leases, 8, ContainerAction::Stop, &["new"]).is_ok());
    }
}
