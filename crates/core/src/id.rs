//! New ids and secrets, from the system's random source.

use aws_lc_rs::rand;
use komodo_api::{UnixMs, id::Id};

use crate::clock::Clock;

/// A new id: seconds of creation, then 64 random bits, so that ids sort roughly by age.
pub fn new_id(now: UnixMs) -> Id {
    let mut bits = [0; 8];
    fill(&mut bits);
    with_bits(now, bits)
}

/// As [`new_id`], with the time and the bits of a clock.
pub fn id_by(clock: &dyn Clock) -> Id {
    with_bits(clock.now(), clock.id_bits())
}

fn with_bits(now: UnixMs, bits: [u8; 8]) -> Id {
    let mut bytes = [0; 12];
    let seconds = u32::try_from(now / 1000).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4..].copy_from_slice(&bits);
    Id::from_bytes(bytes)
}

/// `N` random bytes as lower-case hex.
pub fn random_hex<const N: usize>() -> String {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `length` random characters of `a-zA-Z0-9`, each equally likely.
pub fn random_alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        fill(&mut bytes);
        let fair = bytes
            .iter()
            .filter(|&&byte| byte < 248)
            .map(|&byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(fair.take(length - text.len()));
    }
    text
}

/// Fills a buffer with random bytes.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect(
        "the kernel's random source answers; without it no key of this process could be trusted",
    );
}
