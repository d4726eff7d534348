//! Passwords: hashed with Argon2id, a bounded number at a time, never on a thread that serves requests.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use komodo_api::{Code, Error};
use tokio::sync::Semaphore;

/// Memory of one hash, in KiB; with the passes below one of the settings that OWASP recommends.
const MEMORY_KIB: u32 = 12 * 1024;
const PASSES: u32 = 3;
/// Hashes at the same time.
const PARALLEL_MAX: usize = 2;
/// How long a request waits for its turn, in milliseconds.
const WAIT_MS: u64 = 10_000;
/// Longest password, in characters.
const PASSWORD_CHARS_MAX: usize = 1000;

/// What an unknown name is checked against, so that it takes as long as a known one. No password has this hash.
pub(super) const DECOY: &str = "$argon2id$v=19$m=12288,t=3,p=1$bm9ib2R5IGhhcyB0aGlzIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords {
            turns: Arc::new(Semaphore::new(PARALLEL_MAX)),
        }
    }
}

impl Passwords {
    /// The hash of a password, to be stored.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        self.on_a_blocking_thread(move || hash_now(&password)).await
    }

    /// Whether a password has that hash; never where there is none, but that takes as long.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| DECOY.to_owned());
        let fits = self
            .on_a_blocking_thread(move || verify_now(&password, &hash))
            .await?;
        Ok(fits && known)
    }

    async fn on_a_blocking_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let busy = || {
            Error::new(
                Code::TooManyAttempts,
                "too many people sign in at once; try again in a moment",
            )
        };
        let turn = tokio::time::timeout(
            Duration::from_millis(WAIT_MS),
            Arc::clone(&self.turns).acquire_owned(),
        )
        .await
        .map_err(|_| busy())?
        .map_err(|_| busy())?;
        // The turn goes with the work: a caller that leaves does not let another one in before its thread is free.
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| {
            Error::new(Code::Internal, "the password could not be checked").cause(error)
        })
    }
}

/// Checks a new password against the rules.
pub fn check_rules(password: &str, length_min: usize) -> Result<(), Error> {
    let length = password.chars().count();
    if length < length_min {
        return Err(Error::invalid(format!(
            "the password needs at least {length_min} characters"
        )));
    }
    if length > PASSWORD_CHARS_MAX {
        return Err(Error::invalid(format!(
            "the password may have at most {PASSWORD_CHARS_MAX} characters"
        )));
    }
    match password.chars().any(char::is_control) {
        true => Err(Error::invalid(
            "the password may hold no control characters",
        )),
        false => Ok(()),
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .expect("the settings above are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password, computed here and now; takes tens of milliseconds.
pub fn hash_now(password: &str) -> String {
    let mut salt = [0; 16];
    crate::id::fill(&mut salt);
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt of allowed length");
    argon2()
        .hash_password(password.as_bytes(), &salt)
        .expect("Argon2 with valid settings hashes a password of any length below 4 GiB")
        .to_string()
}

fn verify_now(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}
