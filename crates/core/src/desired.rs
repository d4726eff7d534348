//! Desired state in memory: what users configured, whole, as snapshots that readers never wait for.
//!
//! [`Desired::commit`] is the only way to change it: decide on the newest state, store, swap. All three happen on the
//! one thread that writes the database, so decisions never race, and a caller that goes away leaves nothing half done.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use arc_swap::ArcSwap;
use komodo_api::{
    Error,
    auth::ApiKey,
    id::Id,
    onboarding_key::OnboardingKey,
    permission::{Permission, UserTarget},
    resource::ResourceTarget,
    server::Server,
    user::{User, UserGroup},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::store::{Change, Store, StoreError};

/// A user with what only Core may know of him.
#[derive(Clone)]
pub struct Account {
    /// Id.
    pub id: Id,
    /// The user as the API shows him, without secrets.
    pub user: User,
    /// Password, hashed with Argon2; absent where the account has none.
    pub password_hash: Option<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("username", &self.user.username)
            .finish_non_exhaustive()
    }
}

/// An API key with the hash of its secret.
#[derive(Clone)]
pub struct StoredApiKey {
    /// Id of its user.
    pub account: Id,
    /// Keyed hash of the secret.
    pub secret_hash: [u8; 32],
    /// The key as the API shows it.
    pub public: ApiKey,
}

impl fmt::Debug for StoredApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredApiKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// An onboarding key with the hash of its secret.
#[derive(Clone)]
pub struct OnboardingSecret {
    /// Keyed hash of the secret.
    pub secret_hash: [u8; 32],
    /// The key as the API shows it.
    pub key: OnboardingKey,
}

impl fmt::Debug for OnboardingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnboardingSecret")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A tag. Its requests are not built yet; servers that join may carry tags already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// Name.
    pub name: String,
    /// Id of the user who made it.
    pub owner: String,
    /// Colour.
    pub color: String,
}

/// Everything that is desired, at one revision.
#[derive(Debug, Clone, Default)]
pub struct DesiredState {
    /// Grows by one with each commit, from 0 at the start of Core.
    pub revision: u64,
    /// Whether every user may read everything.
    pub transparent_mode: bool,
    /// Users.
    pub accounts: HashMap<Id, Arc<Account>>,
    /// Ids of users by name.
    pub accounts_by_name: HashMap<String, Id>,
    /// Groups.
    pub groups: BTreeMap<Id, Arc<UserGroup>>,
    /// Direct grants.
    pub permissions: BTreeMap<Id, Arc<Permission>>,
    /// Ids of direct grants by who holds them, then by what on.
    pub permissions_by_holder: HashMap<UserTarget, HashMap<ResourceTarget, Id>>,
    /// API keys by their public part.
    pub api_keys: HashMap<String, Arc<StoredApiKey>>,
    /// Tags.
    pub tags: BTreeMap<Id, Arc<Tag>>,
    /// Servers.
    pub servers: BTreeMap<Id, Arc<Server>>,
    /// Ids of servers by name; in the order of names.
    pub servers_by_name: BTreeMap<String, Id>,
    /// Onboarding keys by their public part.
    pub onboarding_keys: BTreeMap<String, Arc<OnboardingSecret>>,
}

impl DesiredState {
    /// The server that an id or a name means.
    pub fn server(&self, reference: &str) -> Option<(Id, &Arc<Server>)> {
        let id = match reference.parse() {
            Ok(id) => id,
            Err(_) => *self.servers_by_name.get(reference)?,
        };
        Some((id, self.servers.get(&id)?))
    }

    /// The user that an id or a name means.
    pub fn account(&self, reference: &str) -> Option<&Arc<Account>> {
        let id = match reference.parse() {
            Ok(id) => id,
            Err(_) => *self.accounts_by_name.get(reference)?,
        };
        self.accounts.get(&id)
    }

    /// The id of the tag that an id or a name means.
    pub fn tag(&self, reference: &str) -> Option<Id> {
        match reference.parse() {
            Ok(id) => self.tags.contains_key(&id).then_some(id),
            Err(_) => self
                .tags
                .iter()
                .find(|(_, tag)| tag.name == reference)
                .map(|(id, _)| *id),
        }
    }

    /// Name of a user by id, as records show it: system operators keep their id, which clients know.
    pub fn username(&self, operator: &str) -> String {
        match operator
            .parse()
            .ok()
            .and_then(|id: Id| self.accounts.get(&id))
        {
            Some(account) => account.user.username.clone(),
            None => operator.to_owned(),
        }
    }

    /// The state after a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::PutAccount(account) => {
                if let Some(before) = self.accounts.insert(account.id, Arc::clone(account)) {
                    self.accounts_by_name.remove(&before.user.username);
                }
                self.accounts_by_name
                    .insert(account.user.username.clone(), account.id);
            }
            Change::PutGroup(id, group) => {
                self.groups.insert(*id, Arc::clone(group));
            }
            Change::PutPermission(id, permission) => {
                self.delete_permission(*id);
                self.permissions_by_holder
                    .entry(permission.user_target.clone())
                    .or_default()
                    .insert(permission.resource_target.clone(), *id);
                self.permissions.insert(*id, Arc::clone(permission));
            }
            Change::DeletePermission(id) => self.delete_permission(*id),
            Change::PutApiKey(key) => {
                self.api_keys
                    .insert(key.public.key.clone(), Arc::clone(key));
            }
            Change::DeleteApiKey(key) => {
                self.api_keys.remove(key);
            }
            Change::PutTag(id, tag) => {
                self.tags.insert(*id, Arc::clone(tag));
            }
            Change::PutServer(id, server) => {
                if let Some(before) = self.servers.insert(*id, Arc::clone(server)) {
                    self.servers_by_name.remove(&before.name);
                }
                self.servers_by_name.insert(server.name.clone(), *id);
            }
            Change::DeleteServer(id) => {
                if let Some(before) = self.servers.remove(id) {
                    self.servers_by_name.remove(&before.name);
                }
            }
            Change::PutOnboardingKey(key) => {
                self.onboarding_keys
                    .insert(key.key.public_key.clone(), Arc::clone(key));
            }
            Change::DeleteOnboardingKey(public_key) => {
                self.onboarding_keys.remove(public_key);
            }
        }
    }

    fn delete_permission(&mut self, id: Id) {
        let Some(permission) = self.permissions.remove(&id) else {
            return;
        };
        if let Some(held) = self.permissions_by_holder.get_mut(&permission.user_target) {
            held.remove(&permission.resource_target);
        }
    }

    /// The direct grants on a resource.
    pub fn permissions_on(&self, target: &ResourceTarget) -> impl Iterator<Item = Id> {
        self.permissions
            .iter()
            .filter(move |(_, permission)| permission.resource_target == *target)
            .map(|(id, _)| *id)
    }
}

/// Desired state and the way to change it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desired {
    store: Store,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: ArcSwap<DesiredState>,
    revision: watch::Sender<u64>,
}

impl Desired {
    /// Reads everything from the database.
    pub async fn load(store: Store, transparent_mode: bool) -> Result<Self, StoreError> {
        let state = DesiredState {
            transparent_mode,
            ..store.desired_load().await?
        };
        let shared = Arc::new(Shared {
            state: ArcSwap::from_pointee(state),
            revision: watch::Sender::new(0),
        });
        Ok(Desired { store, shared })
    }

    /// The newest state. Never waits.
    pub fn snapshot(&self) -> Arc<DesiredState> {
        self.shared.state.load_full()
    }

    /// Tells of each new revision.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// Decides on the newest state, then stores and shows the changes. `decide` must be quick and pure: every other
    /// writer waits for it. Without changes nothing is written and the revision stays.
    pub async fn commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&DesiredState) -> Result<(Vec<Change>, T), Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        self.store
            .desired_commit(move || {
                let before = shared.state.load_full();
                let (changes, value) = decide(&before)?;
                let mut state = DesiredState::clone(&before);
                drop(before);
                changes.iter().for_each(|change| state.apply(change));
                let changed = !changes.is_empty();
                let show = move || {
                    if changed {
                        state.revision += 1;
                        let revision = state.revision;
                        shared.state.store(Arc::new(state));
                        shared.revision.send_replace(revision);
                    }
                };
                Ok((changes, value, Box::new(show)))
            })
            .await
    }
}
