//! Who is at the other end of a socket, and what he may see, looked at again before each message.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use komodo_api::{
    Code, Error, UnixMs,
    id::Id,
    live::WsLoginMessage,
    permission::{PermissionLevel, SpecificPermission},
    resource::{ResourceTarget, ResourceTargetVariant},
};

use crate::{
    App,
    auth::{access, may_read},
    desired::{Account, DesiredState},
};

/// An account that signed in on a socket.
#[derive(Debug, Clone)]
pub(super) struct Login {
    account: Id,
    /// The API key it signed in with, where it was one.
    key: Option<Arc<str>>,
    /// Until when its token is good, where it signed in with one.
    until: Option<UnixMs>,
}

impl Login {
    /// Checks the first frame.
    pub(super) fn check(app: &App, message: &WsLoginMessage, peer: IpAddr) -> Result<Self, Error> {
        let state = app.desired.snapshot();
        let now = app.clock.now();
        let account = app.auth.authenticate_login(&state, message, peer, now)?;
        let (key, until) = match message {
            WsLoginMessage::ApiKeys { key, .. } => (Some(key.as_str().into()), None),
            WsLoginMessage::Jwt { jwt } => {
                let jwt = jwt.strip_prefix("Bearer ").unwrap_or(jwt);
                let until = app.auth.tokens.good_until(jwt, now).unwrap_or(now);
                (None, Some(until))
            }
        };
        Ok(Login {
            account: account.id,
            key,
            until,
        })
    }

    #[cfg(test)]
    pub(super) fn of(account: Id) -> Self {
        Login {
            account,
            key: None,
            until: None,
        }
    }

    /// As [`Login::of`], with a token.
    #[cfg(test)]
    pub(super) fn until(account: Id, until: UnixMs) -> Self {
        Login {
            until: Some(until),
            ..Login::of(account)
        }
    }

    /// The account as it is now, where it still may be here.
    pub(super) fn account(&self, app: &App, state: &DesiredState) -> Result<Arc<Account>, Error> {
        let gone = |text: &'static str| Error::new(Code::Unauthenticated, text);
        let account = state
            .accounts
            .get(&self.account)
            .ok_or_else(|| gone("this account was deleted"))?;
        if !account.user.enabled {
            return Err(Error::new(
                Code::AccountDisabled,
                "this account was disabled",
            ));
        }
        if self.until.is_some_and(|until| app.clock.now() > until) {
            return Err(gone("this token has expired; sign in again"));
        }
        if let Some(key) = &self.key {
            let held = state
                .api_keys
                .get(&**key)
                .ok_or_else(|| gone("this API key was deleted"))?;
            if held.public.expires != 0 && held.public.expires < app.clock.now() {
                return Err(gone("this API key has expired"));
            }
        }
        Ok(Arc::clone(account))
    }
}

/// What an account may see at one revision of what is desired.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rights {
    admin: bool,
    servers: BTreeSet<Id>,
}

impl Rights {
    pub(super) fn of(state: &DesiredState, account: &Account) -> Self {
        let servers = state
            .servers
            .keys()
            .filter(|id| may_read(state, account, &ResourceTarget::Server(id.to_string())))
            .copied()
            .collect();
        Rights {
            admin: account.user.admin || account.user.super_admin,
            servers,
        }
    }

    /// Whether a server may be seen.
    pub(super) fn server(&self, id: Id) -> bool {
        self.servers.contains(&id)
    }
}

/// Whether an account holds Read, and a specific permission, on a server. The error is the same for what does not exist.
pub(super) fn require(
    state: &DesiredState,
    account: &Account,
    server: Id,
    specific: Option<SpecificPermission>,
) -> Result<(), Error> {
    let target = ResourceTarget::Server(server.to_string());
    let held = access(state, account, &target);
    if !state.servers.contains_key(&server) || held.level < PermissionLevel::Read {
        return Err(Error::not_found("server", server.as_str()));
    }
    match specific {
        Some(specific) if !held.specific.contains(&specific) => Err(Error::new(
            Code::Forbidden,
            format!("this needs the permission {specific:?} on the server, which you do not have"),
        )),
        _ => Ok(()),
    }
}

/// Whether an account may see an Update on a target.
pub(super) fn may_see(state: &DesiredState, account: &Account, target: &ResourceTarget) -> bool {
    match target.parts() {
        (ResourceTargetVariant::System, _) => account.user.admin || account.user.super_admin,
        _ => may_read(state, account, target),
    }
}
