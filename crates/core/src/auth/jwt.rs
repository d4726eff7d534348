//! Tokens of signed-in users: HS256, `sub` the user's id, `iat` and `exp` in milliseconds as clients expect.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use komodo_api::{UnixMs, id::Id};
use serde::{Deserialize, Serialize};

/// How far clocks may differ, in milliseconds.
const SKEW_MS: UnixMs = 10_000;
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: Id,
    iat: UnixMs,
    exp: UnixMs,
}

/// Why a token is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// Not signed by this Core.
    Invalid,
    /// Signed by this Core, but over.
    Expired,
}

/// Makes and reads tokens.
pub struct Tokens {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
    lifetime_ms: UnixMs,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("lifetime_ms", &self.lifetime_ms)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// With a secret, and how long a token is good.
    pub fn new(secret: &[u8], lifetime_ms: u64) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library counts in seconds; `user_of` looks at the times itself, by Core's own clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Tokens {
            sign: EncodingKey::from_secret(secret),
            verify: DecodingKey::from_secret(secret),
            validation,
            lifetime_ms: UnixMs::try_from(lifetime_ms).unwrap_or(UnixMs::MAX),
        }
    }

    /// A new token of a user.
    pub fn issue(&self, user: Id, now: UnixMs) -> String {
        let claims = Claims {
            sub: user,
            iat: now,
            exp: now.saturating_add(self.lifetime_ms),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .expect("signing with HMAC and writing three plain values cannot fail")
    }

    /// The user whom a token was issued to.
    pub fn user_of(&self, token: &str, now: UnixMs) -> Result<Id, BadToken> {
        self.read(token, now).map(|claims| claims.sub)
    }

    /// Until when a token is accepted that is good now.
    pub fn good_until(&self, token: &str, now: UnixMs) -> Result<UnixMs, BadToken> {
        Ok(self.read(token, now)?.exp.saturating_add(SKEW_MS))
    }

    fn read(&self, token: &str, now: UnixMs) -> Result<Claims, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verify, &self.validation)
            .map_err(|_| BadToken::Invalid)?
            .claims;
        match now > claims.exp.saturating_add(SKEW_MS) || now < claims.iat.saturating_sub(SKEW_MS) {
            true => Err(BadToken::Expired),
            false => Ok(claims),
        }
    }
}

/// The secret in a file, made with mode 0600 where it is missing.
pub fn load_or_create_secret(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(secret) if secret.len() >= 32 => return Ok(secret),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let secret = crate::id::random_hex::<32>().into_bytes();
    // Whole or not at all: a start that is cut off here leaves no half of a secret.
    let staged = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    Ok(secret)
}
