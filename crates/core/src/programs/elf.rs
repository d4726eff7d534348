//! What a program is built for, from the first bytes of its file.

/// Bytes that have to be looked at.
pub(super) const HEADER_BYTES: usize = 20;

/// The architecture, as Rust names it; `None` where it is no program for Linux, or for something that nobody knows here.
pub(super) fn architecture(header: &[u8]) -> Option<&'static str> {
    let header: &[u8; HEADER_BYTES] = header.get(..HEADER_BYTES)?.try_into().ok()?;
    if !header.starts_with(b"\x7fELF") {
        return None;
    }
    let machine = [header[18], header[19]];
    let (is_64_bit, is_little) = (header[4] == 2, header[5] == 1);
    let machine = match is_little {
        true => u16::from_le_bytes(machine),
        false => u16::from_be_bytes(machine),
    };
    match (machine, is_64_bit, is_little) {
        (62, true, true) => Some("x86_64"),
        (183, true, true) => Some("aarch64"),
        (3, false, true) => Some("x86"),
        (40, false, true) => Some("arm"),
        (243, true, true) => Some("riscv64"),
        (21, true, _) => Some("powerpc64"),
        (22, true, false) => Some("s390x"),
        _ => None,
    }
}
