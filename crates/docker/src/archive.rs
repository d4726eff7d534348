//! Files in a container, whether it runs or not, by the Engine's archive call.

use std::io::Read;

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{CALL_DEADLINE, Engine, EngineError, client::Deadline, engine::reference};

/// Bytes of an archive around its one file: a header that may be extended, and what fills up to whole records.
const FRAME_BYTES_MAX: usize = 64 * 1024;

impl Engine {
    /// Reads a file of at most `bytes_max` bytes out of a container. `None` where there is no such file, or no such
    /// container.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] for a longer file, [`EngineError::Archive`] where the path is no file.
    pub async fn read_file(
        &self,
        container: &str,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, EngineError> {
        let deadline = Deadline::after(CALL_DEADLINE);
        let path = self.path(&format!(
            "/containers/{}/archive?path={}",
            reference(container)?,
            utf8_percent_encode(path, NON_ALPHANUMERIC)
        ));
        let answer = match self.client.send(Method::GET, &path, deadline).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let archive = answer.bytes(bytes_max + FRAME_BYTES_MAX, deadline).await;
        only_file(&archive?, bytes_max).map(Some)
    }
}

/// The content of the only file in an archive.
fn only_file(archive: &[u8], bytes_max: usize) -> Result<Bytes, EngineError> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().map_err(EngineError::Archive)?;
    let Some(entry) = entries.next() else {
        return Err(EngineError::Archive(
            std::io::ErrorKind::UnexpectedEof.into(),
        ));
    };
    let mut entry = entry.map_err(EngineError::Archive)?;
    if !entry.header().entry_type().is_file() {
        let why = "it is no file";
        return Err(EngineError::Archive(std::io::Error::other(why)));
    }
    if entry.size() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(EngineError::TooLarge(bytes_max));
    }
    let size = entry.size();
    let mut content = Vec::new();
    entry
        .read_to_end(&mut content)
        .map_err(EngineError::Archive)?;
    if content.len() as u64 != size {
        return Err(EngineError::Archive(
            std::io::ErrorKind::UnexpectedEof.into(),
        ));
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(u64::try_from(content.len()).expect("small"));
        header.set_mode(0o600);
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_data(&mut header, "mark.json", content)
            .expect("it is written");
        builder.into_inner().expect("it is written")
    }

    #[test]
    fn the_only_file_is_read_and_nothing_else_is() {
        let file = archive(tar::EntryType::Regular, b"{}");
        assert_eq!(only_file(&file, 2).expect("a file"), "{}");
        assert!(matches!(only_file(&file, 1), Err(EngineError::TooLarge(1))));
        let folder = archive(tar::EntryType::Directory, b"");
        assert!(matches!(
            only_file(&folder, 9),
            Err(EngineError::Archive(_))
        ));
        for damaged in [&file[..100], &file[..513], b""] {
            assert!(
                matches!(only_file(damaged, 9), Err(EngineError::Archive(_))),
                "{}",
                damaged.len()
            );
        }
    }
}
