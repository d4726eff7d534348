//! Addresses of the Engine's API, read as the Engine reads them and written anew.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4096;
/// What stands in a segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'@');

/// An address that cannot be understood in only one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is too long.
    #[error("the address is longer than {PATH_BYTES_MAX} bytes")]
    Long,
    /// It is not a path, or what it encodes is no text.
    #[error("the address is not a path of plain text")]
    Malformed,
    /// It goes up and down, or holds what only misleads.
    #[error("the address holds '.', '..' or control characters")]
    Misleading,
}

/// A path in its parts.
pub(super) struct Address {
    /// `v1.41`, where there is one.
    pub(super) version: Option<String>,
    /// The rest, decoded; none is empty or holds a slash.
    pub(super) segments: Vec<String>,
}

impl Address {
    /// Decodes the whole path first and divides it then, as the Engine does: `%2F` divides too, and doubled slashes
    /// count once.
    pub(super) fn read(path: &str) -> Result<Self, BadAddress> {
        if path.len() > PATH_BYTES_MAX {
            return Err(BadAddress::Long);
        }
        if !path.starts_with('/') || has_bad_escape(path) {
            return Err(BadAddress::Malformed);
        }
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| BadAddress::Malformed)?;
        if decoded.chars().any(char::is_control) {
            return Err(BadAddress::Misleading);
        }
        let mut segments: Vec<String> = decoded
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect();
        if segments
            .iter()
            .any(|segment| segment == "." || segment == "..")
        {
            return Err(BadAddress::Misleading);
        }
        let versioned = segments.first().is_some_and(|first| is_version(first));
        let version = versioned.then(|| segments.remove(0));
        Ok(Address { version, segments })
    }
}

/// `v` and digits and dots, as the Engine's router has it.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty()
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

fn has_bad_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%'
            && !(at + 2 < bytes.len()
                && bytes[at + 1].is_ascii_hexdigit()
                && bytes[at + 2].is_ascii_hexdigit())
    })
}

/// Writes a path, with something else in one place where that is wanted.
pub(super) fn write(
    version: Option<&str>,
    segments: &[String],
    instead: Option<(usize, &str)>,
) -> String {
    let mut path = String::new();
    if let Some(version) = version {
        path.push('/');
        path.push_str(version);
    }
    for (at, segment) in segments.iter().enumerate() {
        let segment = match instead {
            Some((place, other)) if place == at => other,
            _ => segment,
        };
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

/// The first value of a key in a query, as the Engine takes it.
pub(super) fn value(query: &str, key: &str) -> Option<String> {
    pairs(query)
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

/// The query with one value for a key, whatever it had.
pub(super) fn with_value(query: &str, key: &str, value: &str) -> String {
    let mut written = String::new();
    let others = pairs(query).filter(|(name, _)| name != key);
    for (name, value) in others.chain([(key.to_owned(), value.to_owned())]) {
        if !written.is_empty() {
            written.push('&');
        }
        written.extend(utf8_percent_encode(&name, NON_ALPHANUMERIC));
        written.push('=');
        written.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC));
    }
    written
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
}
