//! Who is there, and what he may do.
//!
//! Credentials are checked here and nowhere else, for HTTP and websockets alike. Whether the account is enabled is for
//! the operation to ask.

pub mod jwt;
pub mod password;
pub mod permission;
pub mod rate_limit;
pub mod secret;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, header::AUTHORIZATION};
use komodo_api::{Code, Error, UnixMs, live::WsLoginMessage};
use subtle::ConstantTimeEq;

pub use permission::{access, may_read};

use crate::desired::{Account, DesiredState};
use jwt::{BadToken, Tokens};
use password::Passwords;
use rate_limit::RateLimiter;
use secret::SecretHasher;

/// How long an API key is accepted after its end, in milliseconds: clocks differ.
const API_KEY_SKEW_MS: UnixMs = 5 * 60 * 1000;

/// Everything that credentials are checked with.
#[derive(Debug)]
pub struct Auth {
    /// Tokens.
    pub tokens: Tokens,
    /// Secrets of API keys and onboarding keys.
    pub secrets: SecretHasher,
    /// Passwords.
    pub passwords: Passwords,
    /// Failed attempts with passwords.
    pub limiter: RateLimiter,
    /// Failed attempts with tokens and API keys. Counted by themselves: a client that goes on with an old token must not
    /// keep the person at the same address from signing in.
    pub keys_limiter: RateLimiter,
    /// What lets the first user in, while there is none.
    setup_token: Mutex<Option<String>>,
}

impl Auth {
    /// With everything that credentials are checked with.
    pub fn new(
        tokens: Tokens,
        secrets: SecretHasher,
        limiter: RateLimiter,
        keys_limiter: RateLimiter,
    ) -> Self {
        Auth {
            tokens,
            secrets,
            passwords: Passwords::default(),
            limiter,
            keys_limiter,
            setup_token: Mutex::new(None),
        }
    }

    /// The account that the headers of a request prove. `Authorization` is tried first; where it is present and bad,
    /// an API key is not tried.
    pub fn authenticate(
        &self,
        state: &DesiredState,
        headers: &HeaderMap,
        peer: IpAddr,
        now: UnixMs,
    ) -> Result<Arc<Account>, Error> {
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            let token = authorization.to_str().unwrap_or_default();
            let token = token.strip_prefix("Bearer ").unwrap_or(token);
            return self.by_token(state, token, peer, now);
        }
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &http::HeaderValue| value.to_str().ok())
        };
        match (text("x-api-key"), text("x-api-secret")) {
            (Some(key), Some(secret)) => self.by_api_key(state, key, secret, peer, now),
            _ => {
                let error = match headers.contains_key("x-api-signature") {
                    true => unauthenticated(
                        "signed requests are not supported; send X-Api-Key and X-Api-Secret",
                    ),
                    false => unauthenticated("Invalid client credentials"),
                };
                Err(error)
            }
        }
    }

    /// The account that the first frame of a websocket proves; it is enabled.
    pub fn authenticate_login(
        &self,
        state: &DesiredState,
        message: &WsLoginMessage,
        peer: IpAddr,
        now: UnixMs,
    ) -> Result<Arc<Account>, Error> {
        let account = match message {
            WsLoginMessage::Jwt { jwt } => self.by_token(state, jwt, peer, now),
            WsLoginMessage::ApiKeys { key, secret } => {
                self.by_api_key(state, key, secret, peer, now)
            }
        }?;
        match account.user.enabled {
            true => Ok(account),
            false => Err(Error::new(
                Code::AccountDisabled,
                "this account is not enabled",
            )),
        }
    }

    fn by_token(
        &self,
        state: &DesiredState,
        token: &str,
        peer: IpAddr,
        now: UnixMs,
    ) -> Result<Arc<Account>, Error> {
        let invalid = || unauthenticated("Invalid user credentials");
        match self.tokens.user_of(token, now) {
            // A user may have been deleted since; his token was no guess.
            Ok(user) => state.accounts.get(&user).cloned().ok_or_else(invalid),
            Err(BadToken::Expired) => {
                Err(unauthenticated("Invalid user credentials").cause("the token has expired"))
            }
            Err(BadToken::Invalid) => Err(self.keys_limiter.failed(peer, now, invalid())),
        }
    }

    fn by_api_key(
        &self,
        state: &DesiredState,
        key: &str,
        secret: &str,
        peer: IpAddr,
        now: UnixMs,
    ) -> Result<Arc<Account>, Error> {
        let bad = || {
            self.keys_limiter
                .failed(peer, now, unauthenticated("Invalid client credentials"))
        };
        let found = state.api_keys.get(key);
        // An unknown key takes as long as a wrong secret.
        let hash = found.map_or(&[0; 32], |found| &found.secret_hash);
        let fits = self.secrets.verify(secret, hash);
        let found = found.filter(|_| fits).ok_or_else(bad)?;
        let expires = found.public.expires;
        if expires != 0 && now > expires.saturating_add(API_KEY_SKEW_MS) {
            return Err(
                unauthenticated("Invalid client credentials").cause("the API key has expired")
            );
        }
        state.accounts.get(&found.account).cloned().ok_or_else(bad)
    }

    /// Makes the token that lets the first user in.
    pub fn make_setup_token(&self) -> String {
        let token = crate::id::random_alphanumeric(24);
        *self
            .setup_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        token
    }

    /// Whether this is the token that lets the first user in.
    pub fn is_setup_token(&self, given: &str) -> bool {
        let token = self
            .setup_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        token
            .as_ref()
            .is_some_and(|token| token.as_bytes().ct_eq(given.as_bytes()).into())
    }

    /// Ends the token that lets the first user in.
    pub fn end_setup(&self) {
        *self
            .setup_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn unauthenticated(text: &'static str) -> Error {
    Error::new(Code::Unauthenticated, text)
}
