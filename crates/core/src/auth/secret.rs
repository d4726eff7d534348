//! Secrets that are long and random, kept as a keyed hash: fast enough for every request, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;

/// Hashes secrets under a key of this Core.
#[derive(Clone)]
pub struct SecretHasher {
    key: [u8; 32],
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHasher(…)")
    }
}

impl SecretHasher {
    /// With key material of this Core.
    pub fn new(material: &str) -> Self {
        SecretHasher {
            key: blake3::derive_key("komodo core 2026-11 stored secrets", material.as_bytes()),
        }
    }

    /// The hash of a secret.
    pub fn hash(&self, secret: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, secret.as_bytes()).as_bytes()
    }

    /// Whether a secret has that hash.
    pub fn verify(&self, secret: &str, hash: &[u8; 32]) -> bool {
        self.hash(secret).ct_eq(hash).into()
    }
}
