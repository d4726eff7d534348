//! Onboarding keys: making them, and letting agents in by them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use komodo_api::{
    Code, Error, UnixMs,
    id::Id,
    onboarding_key::{
        CreateOnboardingKey, CreateOnboardingKeyResponse, DeleteOnboardingKey, ListOnboardingKeys,
        OnboardingKey, UpdateOnboardingKey,
    },
    resource::ResourceTarget,
    server::{Server, ServerInfo},
};
use komodo_link::{JoinString, JoinToken, Refusal};

use super::server::{new_server, server_name, toml_of};
use crate::{
    App,
    desired::{DesiredState, OnboardingSecret},
    dispatch::{Cx, Granted, Handle, Reply},
    fleet::Onboard,
    store::Change,
    tasks::Outcome,
};

/// Longest name of an onboarding key, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Shortest secret that a caller may bring, in characters.
const SECRET_CHARS_MIN: usize = 24;
/// Time within which one refused key is stored for a server.
const REFUSED_ONCE_MS: UnixMs = 60_000;
/// Onboarding keys that there may be.
const KEYS_MAX: usize = 1000;

impl Handle<ListOnboardingKeys> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<ListOnboardingKeys>,
        cx: &Cx,
    ) -> Result<Reply<Vec<OnboardingKey>>, Error> {
        let mut keys: Vec<OnboardingKey> = cx
            .state
            .onboarding_keys
            .values()
            .map(|held| held.key.clone())
            .collect();
        keys.sort_by(|a, b| (&a.name, a.created_at).cmp(&(&b.name, b.created_at)));
        Ok(keys.into())
    }
}

impl Handle<CreateOnboardingKey> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<CreateOnboardingKey>,
        _: &Cx,
    ) -> Result<Reply<CreateOnboardingKeyResponse>, Error> {
        let op = granted.op;
        let name = key_name(&op.name)?;
        if op.max_uses == Some(0) {
            return Err(Error::invalid(
                "max_uses is at least 1; leave it out for any number",
            ));
        }
        let own = op.private_key.filter(|secret| !secret.trim().is_empty());
        let (token, private_key) = match own {
            None => {
                let token = JoinToken::generate().map_err(|error| {
                    Error::new(Code::Internal, "no secret could be made").cause(error)
                })?;
                let join = JoinString {
                    core_key: self.identity.public_key(),
                    token: token.clone(),
                };
                (token, join.reveal())
            }
            Some(secret) => {
                let token: JoinToken = secret
                    .trim()
                    .parse()
                    .map_err(|error| Error::invalid(format!("private_key: {error}")))?;
                if token.reveal().len() < SECRET_CHARS_MIN {
                    return Err(Error::invalid(format!(
                        "private_key needs at least {SECRET_CHARS_MIN} characters"
                    )));
                }
                let text = token.reveal().to_owned();
                (token, text)
            }
        };
        let secret_hash = self.auth.secrets.hash(token.reveal());
        let key = OnboardingKey {
            public_key: public_part(&secret_hash),
            enabled: true,
            expires: op.expires,
            name,
            onboarded: Vec::new(),
            created_at: self.clock.now(),
            tags: op.tags,
            privileged: op.privileged,
            copy_server: op.copy_server,
            create_builder: op.create_builder,
            max_uses: op.max_uses,
        };
        let created = self
            .desired
            .commit(move |state| {
                let key = OnboardingKey {
                    tags: tag_ids(state, &key.tags)?,
                    copy_server: server_id(state, &key.copy_server)?,
                    ..key
                };
                if state.onboarding_keys.contains_key(&key.public_key) {
                    return Err(Error::new(
                        Code::Conflict,
                        "there is an onboarding key with that secret already",
                    ));
                }
                if state.onboarding_keys.len() >= KEYS_MAX {
                    return Err(Error::invalid(format!(
                        "there are {KEYS_MAX} onboarding keys; delete some first"
                    )));
                }
                let stored = OnboardingSecret {
                    secret_hash,
                    key: key.clone(),
                };
                Ok((vec![Change::PutOnboardingKey(Arc::new(stored))], key))
            })
            .await?;
        Ok(CreateOnboardingKeyResponse {
            private_key,
            created,
        }
        .into())
    }
}

impl Handle<UpdateOnboardingKey> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<UpdateOnboardingKey>,
        _: &Cx,
    ) -> Result<Reply<OnboardingKey>, Error> {
        let op = granted.op;
        let name = op.name.as_deref().map(key_name).transpose()?;
        let key = self
            .desired
            .commit(move |state| {
                let held = find(state, &op.public_key)?;
                let mut key = held.key.clone();
                key.enabled = op.enabled.unwrap_or(key.enabled);
                key.name = name.unwrap_or(key.name);
                key.expires = op.expires.unwrap_or(key.expires);
                if let Some(tags) = &op.tags {
                    key.tags = tag_ids(state, tags)?;
                }
                key.privileged = op.privileged.unwrap_or(key.privileged);
                if let Some(server) = &op.copy_server {
                    key.copy_server = server_id(state, server)?;
                }
                key.create_builder = op.create_builder.unwrap_or(key.create_builder);
                let changes = match key == held.key {
                    true => Vec::new(),
                    false => vec![Change::PutOnboardingKey(Arc::new(OnboardingSecret {
                        secret_hash: held.secret_hash,
                        key: key.clone(),
                    }))],
                };
                Ok((changes, key))
            })
            .await?;
        Ok(key.into())
    }
}

impl Handle<DeleteOnboardingKey> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<DeleteOnboardingKey>,
        _: &Cx,
    ) -> Result<Reply<OnboardingKey>, Error> {
        let public_key = granted.op.public_key;
        let key = self
            .desired
            .commit(move |state| {
                let key = find(state, &public_key)?.key.clone();
                Ok((vec![Change::DeleteOnboardingKey(public_key)], key))
            })
            .await?;
        Ok(key.into())
    }
}

fn find<'a>(state: &'a DesiredState, public_key: &str) -> Result<&'a Arc<OnboardingSecret>, Error> {
    let unknown = || {
        Error::not_found(
            "onboarding key",
            &public_key.chars().take(100).collect::<String>(),
        )
    };
    state.onboarding_keys.get(public_key).ok_or_else(unknown)
}

fn key_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    match name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        true => Err(Error::invalid(format!(
            "the name of an onboarding key has at most {NAME_CHARS_MAX} characters, none of them a control character"
        ))),
        false => Ok(name.to_owned()),
    }
}

/// What a key is named by; tells nothing of its secret.
fn public_part(secret_hash: &[u8; 32]) -> String {
    let hash = blake3::hash(secret_hash).to_hex();
    format!("onboarding-{}", &hash[..32])
}

fn tag_ids(state: &DesiredState, tags: &[String]) -> Result<Vec<String>, Error> {
    let id = |tag: &String| {
        state
            .tag(tag)
            .map(|id| id.to_string())
            .ok_or_else(|| Error::not_found("tag", tag))
    };
    tags.iter().map(id).collect()
}

fn server_id(state: &DesiredState, reference: &str) -> Result<String, Error> {
    match reference {
        "" => Ok(String::new()),
        reference => match state.server(reference) {
            Some((id, _)) => Ok(id.to_string()),
            None => Err(Error::not_found("server", reference)),
        },
    }
}

// -- letting agents in -----------------------------------------------------------------------------------------------

/// When a refused key was stored last, by server.
#[derive(Debug, Default)]
pub struct RefusedKeys(Mutex<BTreeMap<Id, UnixMs>>);

impl RefusedKeys {
    /// Whether a refusal of a server may be stored now.
    fn may_store(&self, server: Id, now: UnixMs) -> bool {
        let mut stored = self.lock();
        stored.retain(|_, at| now - *at < REFUSED_ONCE_MS);
        !stored.contains_key(&server)
    }

    fn stored(&self, server: Id, now: UnixMs) {
        self.lock().insert(server, now);
    }

    /// The server has a new agent, and who comes now is news again.
    fn forget(&self, server: Id) {
        self.lock().remove(&server);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, UnixMs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of an agent's wish to join.
enum Joined {
    /// It is let in as a server that is new, or is its own now.
    In {
        server: Id,
        before: Option<Arc<Server>>,
        after: Arc<Server>,
        key_name: String,
    },
    /// It is refused.
    Refused {
        server: Option<Id>,
        refusal: Refusal,
    },
}

#[async_trait]
impl Onboard for App {
    /// Decides and stores what was decided; an onboarding key is used up in the same step.
    async fn onboard(
        &self,
        key: &str,
        token: Option<&JoinToken>,
        connect_as: &str,
    ) -> Result<Id, Refusal> {
        let failed = |error: Error| {
            tracing::error!(%error, "an agent could not be let in");
            Refusal::new(
                "core_failed",
                format!("Core cannot let this agent in now: {}", error.error),
            )
        };
        // What is refused is shown at once, but stored at most once a minute for each server: whoever comes with a new
        // key each time must not make Core write.
        let wanted = self
            .desired
            .snapshot()
            .server(connect_as.trim())
            .map(|(id, _)| id);
        let may_store = wanted.is_none_or(|id| self.refused_keys.may_store(id, self.clock.now()));
        let secret_hash = token.map(|token| self.auth.secrets.hash(token.reveal()));
        let new_id = self.new_id();
        let (attempted, connect_as, now) =
            (key.to_owned(), connect_as.to_owned(), self.clock.now());
        let joined = self
            .desired
            .commit(move |state| {
                let attempt = Attempt {
                    key: &attempted,
                    connect_as: &connect_as,
                    secret_hash,
                    new_id,
                    now,
                    may_store,
                };
                Ok(attempt.decide(state))
            })
            .await
            .map_err(failed)?;
        match joined {
            Joined::Refused { server, refusal } => {
                tracing::warn!(
                    server.id = server.map(|id| id.to_string()),
                    code = refusal.code,
                    "an agent was refused: {}",
                    refusal.reason
                );
                if let Some(server) = server {
                    if may_store {
                        self.refused_keys.stored(server, self.clock.now());
                    }
                    self.background.fleet.key_refused(server, key);
                }
                Err(refusal)
            }
            Joined::In {
                server,
                before,
                after,
                key_name,
            } => {
                self.refused_keys.forget(server);
                self.background.reconcile(&self.desired);
                let (request, verb) = match &before {
                    None => ("CreateServer", "joined"),
                    Some(_) => ("UpdateServerKey", "took over"),
                };
                let outcome = Outcome {
                    prev_toml: before.as_deref().map(toml_of).unwrap_or_default(),
                    current_toml: toml_of(&after),
                    ..Outcome::done(
                        "Onboarding",
                        format!(
                            "an agent {verb} as {} with the onboarding key {key_name}",
                            after.name
                        ),
                    )
                };
                let (operator, target) = (
                    Id::system(0).to_string(),
                    ResourceTarget::Server(server.to_string()),
                );
                if let Err(error) = self
                    .background
                    .tasks
                    .record(&operator, request, target, outcome)
                    .await
                {
                    tracing::error!(server.id = %server, %error, "an agent joined, but that could not be recorded");
                }
                Ok(server)
            }
        }
    }
}

/// An agent that wants to join, as the decision sees it.
struct Attempt<'a> {
    key: &'a str,
    connect_as: &'a str,
    secret_hash: Option<[u8; 32]>,
    new_id: Id,
    now: komodo_api::UnixMs,
    /// Whether a refusal may be stored.
    may_store: bool,
}

impl Attempt<'_> {
    fn decide(&self, state: &DesiredState) -> (Vec<Change>, Joined) {
        let existing = state.server(self.connect_as.trim());
        let held = match self.usable_key(state) {
            Ok(held) => held,
            Err(refusal) => return self.refused(existing, refusal),
        };
        match existing {
            Some((id, server)) => self.take_over(id, server, held),
            None => self.create(state, held),
        }
    }

    fn usable_key<'s>(&self, state: &'s DesiredState) -> Result<&'s OnboardingSecret, Refusal> {
        let Some(hash) = &self.secret_hash else {
            return Err(Refusal::new(
                "unknown_key",
                "this agent's key is not known to Core: join it with an onboarding key (PERIPHERY_ONBOARDING_KEY), which \
                 CreateOnboardingKey makes",
            ));
        };
        let refuse = |code, reason: String| Err(Refusal::new(code, reason));
        // The secret is only ever compared as a keyed hash, about which timing tells nothing.
        let Some(held) = state
            .onboarding_keys
            .values()
            .find(|held| held.secret_hash == *hash)
        else {
            return refuse(
                "unknown_onboarding_key",
                "Core has no such onboarding key; make a new one".into(),
            );
        };
        let key = &held.key;
        if !key.enabled {
            return refuse(
                "onboarding_key_disabled",
                format!("the onboarding key '{}' is disabled", key.name),
            );
        }
        if key.expires != 0 && self.now > key.expires {
            return refuse(
                "onboarding_key_expired",
                format!(
                    "the onboarding key '{}' has expired; make a new one",
                    key.name
                ),
            );
        }
        match key.max_uses {
            Some(uses) if key.onboarded.len() >= usize::try_from(uses).unwrap_or(usize::MAX) => {
                refuse(
                    "onboarding_key_used",
                    format!(
                        "the onboarding key '{}' has been used {uses} times, which is all it allows; make a new one",
                        key.name
                    ),
                )
            }
            _ => Ok(held),
        }
    }

    /// The server waits for its first agent, or the key may put another in the place of one.
    fn take_over(
        &self,
        id: Id,
        server: &Arc<Server>,
        held: &OnboardingSecret,
    ) -> (Vec<Change>, Joined) {
        if !server.info.public_key.is_empty() && !held.key.privileged {
            let refusal = Refusal::new(
                "server_has_an_agent",
                format!(
                    "server '{}' has an agent with another key: delete the server, use another name (PERIPHERY_CONNECT_AS), \
                     or a privileged onboarding key",
                    server.name
                ),
            );
            return self.refused(Some((id, server)), refusal);
        }
        let info = ServerInfo {
            public_key: self.key.to_owned(),
            attempted_public_key: String::new(),
        };
        let after = Arc::new(Server {
            info,
            updated_at: self.now,
            ..Server::clone(server)
        });
        self.let_in(id, Some(Arc::clone(server)), after, held)
    }

    fn create(&self, state: &DesiredState, held: &OnboardingSecret) -> (Vec<Change>, Joined) {
        let name = match server_name(self.connect_as) {
            Ok(name) => name,
            Err(error) => {
                let reason = format!("{}; set PERIPHERY_CONNECT_AS", error.error);
                return self.refused(None, Refusal::new("bad_server_name", reason));
            }
        };
        let mut server = new_server(self.new_id, name, self.now);
        if let Some((_, copied)) = state.server(&held.key.copy_server) {
            server.config = copied.config.clone();
            server.tags.clone_from(&copied.tags);
        }
        server.config.enabled = true;
        // The agent dials; an address would make Core dial.
        server.config.address = String::new();
        for tag in &held.key.tags {
            if !server.tags.contains(tag) {
                server.tags.push(tag.clone());
            }
        }
        server.info.public_key = self.key.to_owned();
        self.let_in(self.new_id, None, Arc::new(server), held)
    }

    fn let_in(
        &self,
        id: Id,
        before: Option<Arc<Server>>,
        after: Arc<Server>,
        held: &OnboardingSecret,
    ) -> (Vec<Change>, Joined) {
        let mut key = held.key.clone();
        key.onboarded.push(id.to_string());
        let changes = vec![
            Change::PutServer(id, Arc::clone(&after)),
            Change::PutOnboardingKey(Arc::new(OnboardingSecret {
                secret_hash: held.secret_hash,
                key: key.clone(),
            })),
        ];
        (
            changes,
            Joined::In {
                server: id,
                before,
                after,
                key_name: key.name,
            },
        )
    }

    /// Remembers at the server which key was refused, so that its owner sees it.
    fn refused(
        &self,
        existing: Option<(Id, &Arc<Server>)>,
        refusal: Refusal,
    ) -> (Vec<Change>, Joined) {
        let changes = match existing {
            Some((id, server))
                if self.may_store && server.info.attempted_public_key != self.key =>
            {
                let info = ServerInfo {
                    attempted_public_key: self.key.to_owned(),
                    ..server.info.clone()
                };
                vec![Change::PutServer(
                    id,
                    Arc::new(Server {
                        info,
                        ..Server::clone(server)
                    }),
                )]
            }
            _ => Vec::new(),
        };
        (
            changes,
            Joined::Refused {
                server: existing.map(|(id, _)| id),
                refusal,
            },
        )
    }
}
