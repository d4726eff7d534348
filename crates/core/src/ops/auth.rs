//! Signing in and API keys.

use std::sync::Arc;

use komodo_api::{
    Code, Error, NoData,
    auth::{
        ApiKey, CreateApiKey, CreateApiKeyResponse, DeleteApiKey, GetLoginOptions,
        GetLoginOptionsResponse, JwtOrTwoFactor, JwtResponse, ListApiKeys, LoginLocalUser,
        SignUpLocalUser,
    },
    id::Oid,
};

use crate::{
    App,
    app::{first_administrator, local_user},
    auth::password::check_rules,
    desired::{Account, StoredApiKey},
    dispatch::{Cx, Granted, Handle, Reply},
    store::Change,
};

/// Longest name of a user, in characters.
const USERNAME_CHARS_MAX: usize = 100;
/// Longest name of an API key, in characters.
const API_KEY_NAME_CHARS_MAX: usize = 200;
/// API keys that one user may have.
const API_KEYS_PER_USER_MAX: usize = 1000;
/// Random characters of an API key and of its secret.
const API_KEY_CHARS: usize = 40;

impl Handle<GetLoginOptions> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetLoginOptions>,
        cx: &Cx,
    ) -> Result<Reply<GetLoginOptionsResponse>, Error> {
        let fresh = cx.state.accounts.is_empty();
        Ok(GetLoginOptionsResponse {
            local: self.config.local_auth,
            registration_disabled: self.config.disable_user_registration && !fresh,
            ..GetLoginOptionsResponse::default()
        }
        .into())
    }
}

impl Handle<LoginLocalUser> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<LoginLocalUser>,
        cx: &Cx,
    ) -> Result<Reply<JwtOrTwoFactor>, Error> {
        let LoginLocalUser { username, password } = granted.op;
        let now = self.clock.now();
        self.auth.limiter.check(cx.peer, now)?;
        require_local_auth(self)?;
        let account = cx
            .state
            .accounts_by_name
            .get(&username)
            .and_then(|id| cx.state.accounts.get(id))
            .cloned();
        let hash = account
            .as_ref()
            .and_then(|account| account.password_hash.clone());
        let fits = self.auth.passwords.verify(password, hash).await?;
        // Guesses that were made at the same time: those beyond the limit are told nothing.
        self.auth.limiter.check(cx.peer, self.clock.now())?;
        match account.filter(|_| fits) {
            Some(account) => {
                let jwt = self.auth.tokens.issue(account.id, self.clock.now());
                Ok(JwtOrTwoFactor::Jwt(JwtResponse { jwt }).into())
            }
            None => {
                let refused = Error::new(Code::Unauthenticated, "Invalid login credentials");
                Err(self.auth.limiter.failed(cx.peer, now, refused))
            }
        }
    }
}

impl Handle<SignUpLocalUser> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<SignUpLocalUser>,
        cx: &Cx,
    ) -> Result<Reply<JwtResponse>, Error> {
        let SignUpLocalUser {
            username,
            password,
            setup_token,
        } = granted.op;
        let now = self.clock.now();
        self.auth.limiter.check(cx.peer, now)?;
        require_local_auth(self)?;
        let first = cx.state.accounts.is_empty();
        if first && !setup_token.is_some_and(|token| self.auth.is_setup_token(&token)) {
            let refused = Error::new(
                Code::Forbidden,
                "the first user needs the setup token, which Core printed to its log when it started",
            );
            return Err(self.auth.limiter.failed(cx.peer, now, refused));
        }
        if !first && self.config.disable_user_registration {
            let refused = Error::new(Code::Unauthenticated, "User registration is disabled");
            return Err(self.auth.limiter.failed(cx.peer, now, refused));
        }
        check_username(&username)?;
        check_rules(&password, self.config.min_password_length)?;
        let hash = self.auth.passwords.hash(password).await?;
        let id = self.new_id();
        let mut account = Account {
            id,
            user: local_user(&username),
            password_hash: Some(hash),
        };
        account.user.id = Some(Oid(id));
        account.user.enabled = self.config.enable_new_users;
        account.user.updated_at = now;
        self.desired
            .commit(move |state| {
                if state.accounts_by_name.contains_key(&account.user.username) {
                    return Err(Error::new(Code::Conflict, "the username is taken"));
                }
                let account = match (first, state.accounts.is_empty()) {
                    (true, true) => first_administrator(account, now),
                    (true, false) => {
                        return Err(Error::new(
                            Code::Conflict,
                            "somebody else was first; sign up again",
                        ));
                    }
                    (false, _) => account,
                };
                Ok((vec![Change::PutAccount(Arc::new(account))], ()))
            })
            .await?;
        if first {
            self.auth.end_setup();
        }
        Ok(JwtResponse {
            jwt: self.auth.tokens.issue(id, self.clock.now()),
        }
        .into())
    }
}

fn require_local_auth(app: &App) -> Result<(), Error> {
    match app.config.local_auth {
        true => Ok(()),
        false => Err(Error::new(
            Code::Unauthenticated,
            "signing in with name and password is switched off",
        )),
    }
}

/// Checks a new username against the rules.
fn check_username(username: &str) -> Result<(), Error> {
    let fits = !username.is_empty()
        && username.len() <= USERNAME_CHARS_MAX
        && username
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
    match (fits, komodo_api::id::Id::is_id(username)) {
        (true, false) => Ok(()),
        (true, true) => Err(Error::invalid(
            "a username must not look like an id (24 hex digits)",
        )),
        (false, _) => Err(Error::invalid(format!(
            "a username has 1 to {USERNAME_CHARS_MAX} characters out of a-z, A-Z, 0-9 and . _ @ -"
        ))),
    }
}

impl Handle<CreateApiKey> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<CreateApiKey>,
        cx: &Cx,
    ) -> Result<Reply<CreateApiKeyResponse>, Error> {
        let CreateApiKey { name, expires } = granted.op;
        let caller = cx.caller()?;
        if name.is_empty()
            || name.chars().count() > API_KEY_NAME_CHARS_MAX
            || name.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!(
                "the name of an API key has 1 to {API_KEY_NAME_CHARS_MAX} characters, none of them a control character"
            )));
        }
        let expires = i64::try_from(expires)
            .map_err(|_| Error::invalid("expires is too far in the future"))?;
        let key = format!("K_{}_K", crate::id::random_alphanumeric(API_KEY_CHARS));
        let secret = format!("S_{}_S", crate::id::random_alphanumeric(API_KEY_CHARS));
        let account = caller.id;
        let stored = Arc::new(StoredApiKey {
            account,
            secret_hash: self.auth.secrets.hash(&secret),
            public: ApiKey {
                key: key.clone(),
                secret: "########".into(),
                user_id: account.to_string(),
                name,
                created_at: self.clock.now(),
                expires,
            },
        });
        self.desired
            .commit(move |state| {
                let held = state
                    .api_keys
                    .values()
                    .filter(|held| held.account == account)
                    .count();
                match held >= API_KEYS_PER_USER_MAX {
                    true => Err(Error::invalid(format!(
                        "you have {held} API keys already; delete some first"
                    ))),
                    false => Ok((vec![Change::PutApiKey(stored)], ())),
                }
            })
            .await?;
        Ok(CreateApiKeyResponse { key, secret }.into())
    }
}

impl Handle<DeleteApiKey> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<DeleteApiKey>,
        cx: &Cx,
    ) -> Result<Reply<NoData>, Error> {
        let key = granted.op.key;
        let account = cx.caller()?.id;
        self.desired
            .commit(move |state| match state.api_keys.get(&key) {
                // That of another user is as unknown as none.
                Some(held) if held.account == account => Ok((vec![Change::DeleteApiKey(key)], ())),
                _ => Err(Error::new(Code::NotFound, "you have no such API key")),
            })
            .await?;
        Ok(NoData {}.into())
    }
}

impl Handle<ListApiKeys> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<ListApiKeys>,
        cx: &Cx,
    ) -> Result<Reply<Vec<ApiKey>>, Error> {
        let account = cx.caller()?.id;
        let mut keys: Vec<ApiKey> = cx
            .state
            .api_keys
            .values()
            .filter(|key| key.account == account)
            .map(|key| key.public.clone())
            .collect();
        keys.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
        Ok(keys.into())
    }
}
