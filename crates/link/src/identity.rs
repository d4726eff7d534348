//! Ed25519 keys: who an agent or a Core is, and how that is kept on disk.
//!
//! The private part never leaves this module except into rustls and into its own file.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Length of an Ed25519 public key, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// Largest key file that is read, in bytes; a real one has about 120.
const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// An Ed25519 public key. Its text form is the base64 of its SubjectPublicKeyInfo in DER (`MCowBQYDK2Vw…`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// The key with these raw bytes.
    pub fn from_raw(raw: [u8; KEY_BYTES]) -> Self {
        Self(raw)
    }

    /// The raw 32 bytes.
    pub fn as_raw(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Reads a SubjectPublicKeyInfo in DER. Fails for any other key type.
    pub fn from_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        let raw = der
            .strip_prefix(&SPKI_PREFIX)
            .ok_or(PublicKeyError::NotEd25519)?;
        Ok(Self(
            raw.try_into().map_err(|_| PublicKeyError::NotEd25519)?,
        ))
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn to_spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }

    /// Whether the owner of the key has signed a text; `signature` is base64.
    pub fn has_signed(&self, text: &[u8], signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| key.verify(text, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(self.to_spki()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    /// Reads the base64 form; a PEM block around it and whitespace are tolerated.
    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let base64: String = text
            .trim()
            .trim_start_matches("-----BEGIN PUBLIC KEY-----")
            .trim_end_matches("-----END PUBLIC KEY-----")
            .split_whitespace()
            .collect();
        let der = STANDARD
            .decode(base64)
            .map_err(|source| PublicKeyError::NotBase64 { source })?;
        Self::from_spki(&der)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Why a text or DER is not a usable public key.
#[derive(Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// The text is not base64.
    #[error("public key is not base64")]
    NotBase64 {
        /// What the decoder found.
        #[source]
        source: base64::DecodeError,
    },
    /// Well formed or not, it is no Ed25519 key.
    #[error(
        "public key is not an Ed25519 key (its text starts with MCowBQYDK2VwAyEA and has 60 characters)"
    )]
    NotEd25519,
}

/// An own key pair. Cheap to clone; `Debug` shows the public part only.
#[derive(Clone)]
pub struct Identity {
    public: PublicKey,
    certified: Arc<CertifiedKey>,
    pkcs8: Arc<PrivatePkcs8KeyDer<'static>>,
}

impl Identity {
    /// A new key from the system's random source.
    pub fn generate() -> Result<Self, IdentityError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| IdentityError::Generate)?;
        let document = pair.to_pkcs8v1().map_err(|_| IdentityError::Generate)?;
        Self::from_pkcs8(PrivatePkcs8KeyDer::from(document.as_ref().to_vec()))
    }

    /// Reads a private key in PKCS#8, as PEM text or DER bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let der = match bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            true => {
                PrivatePkcs8KeyDer::from_pem_slice(bytes).map_err(|_| IdentityError::NotAKey)?
            }
            false => PrivatePkcs8KeyDer::from(bytes.to_vec()),
        };
        Self::from_pkcs8(der)
    }

    fn from_pkcs8(der: PrivatePkcs8KeyDer<'static>) -> Result<Self, IdentityError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|_| IdentityError::NotAKey)?;
        let public = PublicKey(
            pair.public_key()
                .as_ref()
                .try_into()
                .map_err(|_| IdentityError::NotAKey)?,
        );
        let key = PrivateKeyDer::Pkcs8(der.clone_key());
        let signer = rustls::crypto::aws_lc_rs::sign::any_eddsa_type(match &key {
            PrivateKeyDer::Pkcs8(pkcs8) => pkcs8,
            _ => return Err(IdentityError::NotAKey),
        })
        .map_err(|_| IdentityError::NotAKey)?;
        let certified = CertifiedKey::new(vec![CertificateDer::from(public.to_spki())], signer);
        Ok(Self {
            public,
            certified: Arc::new(certified),
            pkcs8: Arc::new(der),
        })
    }

    /// The public part.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs a text that cannot be taken for one of the link's: it begins with what it is for. Base64.
    ///
    /// # Errors
    /// [`IdentityError::NotAKey`], which cannot be: the key was read before.
    pub fn sign(&self, text: &[u8]) -> Result<String, IdentityError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(self.pkcs8.secret_pkcs8_der())
            .map_err(|_| IdentityError::NotAKey)?;
        Ok(STANDARD.encode(pair.sign(text)))
    }

    /// Reads the key file at `path`.
    ///
    /// Refuses a file that others may read: a key that leaked is not an identity any more.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let read = |source| IdentityError::Read {
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(read)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::TooOpen {
                path: path.to_owned(),
                mode,
            });
        }
        if metadata.len() > KEY_FILE_BYTES_MAX {
            return Err(IdentityError::Damaged {
                path: path.to_owned(),
            });
        }
        let bytes = fs::read(path).map_err(read)?;
        Self::parse(&bytes).map_err(|_| IdentityError::Damaged {
            path: path.to_owned(),
        })
    }

    /// Reads the key file at `path`, or makes a key and keeps it there with mode 0600.
    ///
    /// The file appears whole or not at all; of several processes that start at once all end with the same key.
    /// A file that is there but damaged is an error, never replaced.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        match Self::load(path) {
            Err(IdentityError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            }
            other => return other,
        }
        let identity = Self::generate()?;
        match identity.save_new(path) {
            Ok(()) => Ok(identity),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(source) => Err(IdentityError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn save_new(&self, path: &Path) -> io::Result<()> {
        let staged = stage(path, self.to_pem().as_bytes())?;
        // A hard link fails when the target exists, which a rename would overwrite.
        let linked = fs::hard_link(&staged, path);
        let removed = fs::remove_file(&staged);
        linked.and(removed)?;
        sync_folder(path)
    }

    fn to_pem(&self) -> String {
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(self.pkcs8.secret_pkcs8_der())
        )
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Why there is no usable own key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system gave no randomness.
    #[error("cannot generate a key")]
    Generate,
    /// Not an Ed25519 private key in PKCS#8.
    #[error("not an Ed25519 private key in PKCS#8 (PEM or DER)")]
    NotAKey,
    /// The file cannot be read.
    #[error("cannot read key file {path}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is readable but holds no key.
    #[error("key file {path} holds no Ed25519 private key in PKCS#8; restore it, or move it away to get a new identity", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// Group or others may read the file.
    #[error("key file {path} is open to others (mode {mode:04o}); run: chmod 600 {path}", path = path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be written.
    #[error("cannot write key file {path}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes `bytes` beside `path` with mode 0600 and returns where; the caller moves the file into place.
pub(crate) fn stage(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let staged = path.with_file_name(format!(
        ".{}.{}-{:016x}",
        name.to_string_lossy(),
        std::process::id(),
        fastrand::u64(..)
    ));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The first error says what is wrong; a leftover is harmless and has a name of its own.
        let _ = fs::remove_file(&staged);
        return Err(error);
    }
    Ok(staged)
}

/// Makes a new name in the folder of `path` survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
