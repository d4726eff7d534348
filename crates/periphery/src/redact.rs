//! What of an error text may be kept and told. Pure.

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 1000;

/// An error text as it may be kept and told: bounded, and without what stands before the `@` of an address.
pub fn redact(text: &str) -> String {
    let text: String = text.chars().take(ERROR_CHARS_MAX).collect();
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        redacted.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                redacted.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    redacted.push_str(rest);
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses_are_left_out() {
        let cases = [
            (
                "pull https://user:secret@host/x failed",
                "pull https://***@host/x failed",
            ),
            ("a://b c://d:e@f", "a://b c://***@f"),
            ("mail me@host", "mail me@host"),
            ("http://host/a@b", "http://host/a@b"),
            ("x://", "x://"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
        assert_eq!(redact(&"ä".repeat(5000)).chars().count(), 1000);
    }
}
