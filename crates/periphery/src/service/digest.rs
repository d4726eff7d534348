//! The SHA-256 by which programs are told apart.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};

/// Bytes that are read at a time.
const READ_BYTES: usize = 128 * 1024;

/// The SHA-256 of a file, in lower case hex. Blocks while it is read.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut bytes = vec![0; READ_BYTES];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => context.update(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let digest = context.finish();
    let mut text = String::new();
    for byte in digest.as_ref() {
        // It only fails where a text takes no more.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    #[test]
    fn it_is_the_hash_that_others_find() {
        let folder = TestDirectory::new();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), abc);
        let long = vec![7; READ_BYTES * 2 + 1];
        std::fs::write(&path, &long).unwrap();
        let of_another = sha256(&path).unwrap();
        std::fs::write(&path, &long[1..]).unwrap();
        assert_ne!(sha256(&path).unwrap(), of_another);
        assert!(sha256(&folder.path().join("none")).is_err());
    }
}
