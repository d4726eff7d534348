use super::{JOIN_TOKEN_BYTES_MAX, JoinError, JoinString, JoinToken};
use crate::Identity;

fn join(secret: &str) -> JoinString {
    let core_key = Identity::generate().unwrap().public_key();
    JoinString {
        core_key,
        token: secret.parse().unwrap(),
    }
}

#[test]
fn what_core_shows_is_what_the_agent_reads() {
    for secret in [
        "s",
        "with.dots.in.it",
        "O-abc_DEF/+=",
        &"x".repeat(JOIN_TOKEN_BYTES_MAX),
    ] {
        let join = join(secret);
        let text = join.reveal();
        assert!(JoinString::looks_like(&text));
        assert_eq!(text.parse(), Ok(join.clone()));
        assert_eq!(format!("  {text}\n").parse(), Ok(join));
    }
    let token = JoinToken::generate().unwrap();
    assert_eq!(token.reveal().len(), 43);
    assert_ne!(token, JoinToken::generate().unwrap());
    assert!(!JoinString::looks_like(token.reveal()));
}

#[test]
fn every_truncation_and_every_changed_character_is_noticed() {
    let text = join("a-secret-of-some-length").reveal();
    for length in 0..text.len() {
        assert!(
            text[..length].parse::<JoinString>().is_err(),
            "{}",
            &text[..length]
        );
    }
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(changed.parse::<JoinString>().is_err(), "{changed}");
    }
}

#[test]
fn garbage_is_refused_with_what_is_wrong() {
    let parse = |text: &str| text.parse::<JoinString>().unwrap_err();
    assert_eq!(parse(""), JoinError::NotAJoinString);
    assert_eq!(parse("just-a-secret"), JoinError::NotAJoinString);
    assert_eq!(parse("komodo-join-2.a.b.c"), JoinError::NotAJoinString);
    assert_eq!(parse("komodo-join-1"), JoinError::Incomplete);
    assert_eq!(parse("komodo-join-1.a.b"), JoinError::Incomplete);
    assert_eq!(parse("komodo-join-1.a.b."), JoinError::TokenEmpty);
    assert_eq!(parse("komodo-join-1.a.b.c"), JoinError::Damaged);
    assert_eq!(parse("komodo-join-1.a.b.c d"), JoinError::TokenCharacters);
    let key = "AAAA";
    let short_key = format!("komodo-join-1.{key}.{}.c", super::check(key, "c"));
    assert_eq!(parse(&short_key), JoinError::Key);
    let token = |text: &str| text.parse::<JoinToken>().unwrap_err();
    assert_eq!(
        token(&"x".repeat(JOIN_TOKEN_BYTES_MAX + 1)),
        JoinError::TokenTooLong
    );
    assert_eq!(token("tab\there"), JoinError::TokenCharacters);
    assert_eq!(token("ümlaut"), JoinError::TokenCharacters);
}

#[test]
fn no_debug_text_and_no_error_holds_the_secret() {
    let join = join("very-secret");
    assert!(!format!("{join:?}").contains("very-secret"));
    let damaged = join.reveal().replace("komodo-join-1.", "komodo-join-1.x");
    let error = damaged.parse::<JoinString>().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("very-secret"));
    let refused = serde_json::from_str::<JoinToken>("\"very secret\"").unwrap_err();
    assert!(!refused.to_string().contains("very secret"), "{refused}");
}
