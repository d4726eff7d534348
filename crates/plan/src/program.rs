//! Programs of the agent: the text that a Core signs and an agent checks, and what can be known of a program without its
//! bytes. Signing and checking are elsewhere.

use komodo_agent_api::PROGRAM_BYTES_MAX;
use komodo_api::periphery::Program;

/// Characters of a version, and of an architecture.
const NAME_CHARS_MAX: usize = 64;
/// Digits of a SHA-256 in hex.
const SHA256_DIGITS: usize = 64;

/// What a Core signs of a program.
pub fn signed_text(program: &Program) -> String {
    let Program {
        version,
        architecture,
        bytes,
        sha256,
        signature: _,
    } = program;
    format!("komodo-periphery\n{version}\n{architecture}\n{bytes}\n{sha256}\n")
}

/// Whether a program can be one at all: names that are good for a path and for [`signed_text`], a length within the
/// bounds, a hash that is one.
///
/// # Errors
/// What is wrong, for people.
pub fn check(program: &Program) -> Result<(), String> {
    let plain = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        (1..=NAME_CHARS_MAX).contains(&text.len())
            && text.bytes().all(plain)
            && !text.starts_with(['.', '-'])
    };
    if !plain(&program.version) {
        return Err(format!(
            "a version has 1 to {NAME_CHARS_MAX} letters, digits, '.', '_', '+' or '-'"
        ));
    }
    if !plain(&program.architecture) {
        return Err("that is no architecture".to_owned());
    }
    if !(1..=PROGRAM_BYTES_MAX).contains(&program.bytes) {
        return Err(format!(
            "a program has 1 to {PROGRAM_BYTES_MAX} bytes, and not {}",
            program.bytes
        ));
    }
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if program.sha256.len() != SHA256_DIGITS || !program.sha256.bytes().all(is_digit) {
        return Err("its SHA-256 is none in lower case hex".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        Program {
            version: "1.2.3-rc.1".into(),
            architecture: "x86_64".into(),
            bytes: 7,
            sha256: "ab".repeat(32),
            signature: "c2ln".into(),
        }
    }

    #[test]
    fn all_but_the_signature_is_signed() {
        let text = format!(
            "komodo-periphery\n1.2.3-rc.1\nx86_64\n7\n{}\n",
            "ab".repeat(32)
        );
        assert_eq!(signed_text(&program()), text);
    }

    #[test]
    fn what_cannot_be_a_program_is_told() {
        assert_eq!(check(&program()), Ok(()));
        let is_wrong = |change: fn(&mut Program)| {
            let mut program = program();
            change(&mut program);
            assert!(check(&program).is_err(), "{program:?}");
        };
        is_wrong(|it| it.version.clear());
        is_wrong(|it| it.version = "../1".into());
        is_wrong(|it| it.version = "1\n2".into());
        is_wrong(|it| it.version = "1".repeat(65));
        is_wrong(|it| it.architecture = "x86/64".into());
        is_wrong(|it| it.bytes = 0);
        is_wrong(|it| it.bytes = PROGRAM_BYTES_MAX + 1);
        is_wrong(|it| it.sha256 = "AB".repeat(32));
        is_wrong(|it| it.sha256 = "ab".repeat(31));
    }
}
