//! The join string that brings an agent in: Core's public key and a secret, checked against typos.
//!
//! Form: `komodo-join-1.<key>.<check>.<secret>`, where key is the raw Ed25519 key in base64url, check is the start of a
//! SHA-256 over the rest (so that a truncated paste says so), and the secret is whatever Core made or was given.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::PublicKey;

const SCHEME: &str = "komodo-join-1";

/// Characters of the check.
const CHECK_CHARS: usize = 6;

/// Longest secret, in bytes.
pub const JOIN_TOKEN_BYTES_MAX: usize = 512;

/// Random bytes of a secret made here.
const TOKEN_RANDOM_BYTES: usize = 32;

/// An onboarding secret. `Debug` does not show it; [`JoinToken::reveal`] does.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JoinToken(String);

impl JoinToken {
    /// A new secret of 256 random bits.
    pub fn generate() -> Result<Self, JoinError> {
        let mut bytes = [0; TOKEN_RANDOM_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| JoinError::Random)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secret itself. Compare it in constant time, or by its hash.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for JoinToken {
    type Err = JoinError;

    fn from_str(text: &str) -> Result<Self, JoinError> {
        match text.len() {
            0 => Err(JoinError::TokenEmpty),
            length if length > JOIN_TOKEN_BYTES_MAX => Err(JoinError::TokenTooLong),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(JoinError::TokenCharacters)
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for JoinToken {
    type Error = JoinError;

    fn try_from(text: String) -> Result<Self, JoinError> {
        text.parse()
    }
}

impl From<JoinToken> for String {
    fn from(token: JoinToken) -> Self {
        token.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinToken(…)")
    }
}

/// What an agent needs to join: whom to trust, and the secret that proves it was invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinString {
    /// Core's key; the agent pins it, so the secret is shown to the real Core only.
    pub core_key: PublicKey,
    /// The secret.
    pub token: JoinToken,
}

impl JoinString {
    /// The text to hand to the agent. It holds the secret, so there is no `Display`.
    pub fn reveal(&self) -> String {
        let key = URL_SAFE_NO_PAD.encode(self.core_key.as_raw());
        let secret = self.token.reveal();
        format!("{SCHEME}.{key}.{}.{secret}", check(&key, secret))
    }

    /// Whether `text` claims to be a join string, as opposed to a bare secret.
    pub fn looks_like(text: &str) -> bool {
        text.trim()
            .strip_prefix(SCHEME)
            .is_some_and(|rest| rest.starts_with('.'))
    }
}

impl FromStr for JoinString {
    type Err = JoinError;

    fn from_str(text: &str) -> Result<Self, JoinError> {
        let mut parts = text.trim().splitn(4, '.');
        let mut next = || parts.next().ok_or(JoinError::Incomplete);
        if next()? != SCHEME {
            return Err(JoinError::NotAJoinString);
        }
        let (key, found, secret) = (next()?, next()?, next()?);
        let token: JoinToken = secret.parse()?;
        if found != check(key, secret) {
            return Err(JoinError::Damaged);
        }
        let raw = URL_SAFE_NO_PAD.decode(key).map_err(|_| JoinError::Key)?;
        let core_key = PublicKey::from_raw(raw.try_into().map_err(|_| JoinError::Key)?);
        Ok(Self { core_key, token })
    }
}

fn check(key: &str, secret: &str) -> String {
    let hash = digest::digest(
        &digest::SHA256,
        format!("{SCHEME}.{key}.{secret}").as_bytes(),
    );
    let mut text = URL_SAFE_NO_PAD.encode(hash);
    text.truncate(CHECK_CHARS);
    text
}

/// Why a text is not a join string or not a usable secret. Never holds the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It does not start as one.
    #[error(
        "not a join string (those start with {SCHEME}.); copy the whole onboarding key that core shows"
    )]
    NotAJoinString,
    /// Parts are missing.
    #[error("join string is incomplete; copy the whole onboarding key that core shows")]
    Incomplete,
    /// The check does not fit.
    #[error("join string is damaged or cut short; copy the whole onboarding key that core shows")]
    Damaged,
    /// The key part is no key.
    #[error("join string holds no valid core key")]
    Key,
    /// No secret.
    #[error("onboarding secret is empty")]
    TokenEmpty,
    /// Secret over [`JOIN_TOKEN_BYTES_MAX`].
    #[error("onboarding secret is longer than {JOIN_TOKEN_BYTES_MAX} bytes")]
    TokenTooLong,
    /// Secret with blanks, control characters or characters outside ASCII.
    #[error("onboarding secret may only hold printable ASCII characters without blanks")]
    TokenCharacters,
    /// The system gave no randomness.
    #[error("cannot generate an onboarding secret")]
    Random,
}

#[cfg(test)]
mod tests;
