use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{Identity, IdentityError, PublicKey};

#[test]
fn public_key_is_the_base64_of_its_spki() {
    let key = Identity::generate().unwrap().public_key();
    let text = key.to_string();
    assert!(
        text.starts_with("MCowBQYDK2VwAyEA") && text.len() == 60,
        "{text}"
    );
    assert_eq!(text.parse::<PublicKey>().unwrap(), key);
    assert_eq!(PublicKey::from_spki(&key.to_spki()).unwrap(), key);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &text[..30],
        &text[30..]
    );
    assert_eq!(pem.parse::<PublicKey>().unwrap(), key);
    assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{text}\""));
    assert_eq!(
        serde_json::from_str::<PublicKey>(&format!("\"{text}\"")).unwrap(),
        key
    );
    // The key of RFC 8410, section 10.3 (as DER, in base64).
    let known = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    assert_eq!(
        known.parse::<PublicKey>().unwrap().as_raw()[..4],
        [0x19, 0xbf, 0x44, 0x09]
    );
}

#[test]
fn what_is_no_ed25519_key_is_refused() {
    for text in [
        "",
        "nonsense",
        "!!!",
        // X25519, which existing agents use.
        "MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        // Cut short.
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAx",
    ] {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
    }
}

#[test]
fn private_key_of_openssl_is_read_as_pem_and_der() {
    // RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let identity = Identity::parse(pem.as_bytes()).unwrap();
    assert_eq!(identity.public_key().to_string(), public);
    assert_eq!(identity.to_pem(), pem);
    let der = identity.pkcs8.secret_pkcs8_der();
    assert_eq!(
        Identity::parse(der).unwrap().public_key().to_string(),
        public
    );
    for garbage in [
        b"".as_slice(),
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert!(matches!(
            Identity::parse(garbage),
            Err(IdentityError::NotAKey)
        ));
    }
}

#[test]
fn debug_shows_nothing_private() {
    let identity = Identity::generate().unwrap();
    let pem = identity.to_pem();
    let secret = pem.lines().nth(1).unwrap();
    let shown = format!("{identity:?}");
    assert!(
        shown.contains(&identity.public_key().to_string()),
        "{shown}"
    );
    assert!(
        !shown.contains(&secret[20..]) && shown.len() < 120,
        "{shown}"
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn key_is_made_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.key");
    let made = Identity::load_or_create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let again = Identity::load_or_create(&path).unwrap();
    assert_eq!(made.public_key(), again.public_key());
    assert_eq!(
        Identity::load(&path).unwrap().public_key(),
        made.public_key()
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "temporary files are left"
    );
}

#[test]
fn starters_at_the_same_time_end_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.key");
    let barrier = std::sync::Barrier::new(8);
    let keys: Vec<PublicKey> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    Identity::load_or_create(&path).unwrap().public_key()
                })
            })
            .collect();
        starters
            .into_iter()
            .map(|starter| starter.join().unwrap())
            .collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn key_that_others_can_read_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.key");
    Identity::load_or_create(&path).unwrap();
    for open in [0o640, 0o604, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err().to_string();
        assert!(
            error.contains("chmod 600") && error.contains(&format!("{open:04o}")),
            "{error}"
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(Identity::load(&path).is_ok());
}

#[test]
fn damaged_key_is_an_error_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.key");
    for damaged in ["", "half a k"] {
        fs::write(&path, damaged).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            Identity::load_or_create(&path),
            Err(IdentityError::Damaged { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    let error = Identity::load_or_create(&folder.path().join("no/such/folder/key")).unwrap_err();
    assert!(matches!(error, IdentityError::Write { .. }), "{error:?}");
}

#[test]
fn what_was_signed_is_known_by_the_key_alone() {
    let identity = Identity::generate().unwrap();
    let signature = identity.sign(b"program 1").unwrap();
    let key = identity.public_key();
    assert!(key.has_signed(b"program 1", &signature));
    assert!(!key.has_signed(b"program 2", &signature));
    let other = Identity::generate().unwrap().public_key();
    assert!(!other.has_signed(b"program 1", &signature));
    for bad in ["", "x", "AAAA", &signature[4..]] {
        assert!(!key.has_signed(b"program 1", bad), "{bad}");
    }
}
