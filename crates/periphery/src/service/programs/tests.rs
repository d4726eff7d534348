use komodo_link::Identity;

use super::*;
use crate::test_directory::TestDirectory;

const BYTES: usize = PART_BYTES_MAX * 2 + 5;

struct Host {
    folder: TestDirectory,
    core: Identity,
    programs: Programs,
}

fn host() -> Host {
    let folder = TestDirectory::new();
    let core = Identity::generate().unwrap();
    Host {
        programs: Programs::new(folder.path(), vec![core.public_key()]),
        folder,
        core,
    }
}

fn bytes(first: u8) -> Vec<u8> {
    let mut all: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    all[0] = first;
    all
}

impl Host {
    fn program(&self, bytes: &[u8]) -> Program {
        let path = self.folder.path().join("original");
        fs::write(&path, bytes).unwrap();
        let program = Program {
            version: "9.9.9".into(),
            architecture: std::env::consts::ARCH.into(),
            bytes: bytes.len() as u64,
            sha256: sha256(&path).unwrap(),
            signature: String::new(),
        };
        self.signed(program)
    }

    fn signed(&self, program: Program) -> Program {
        let text = signed_text(&program);
        Program {
            signature: self.core.sign(text.as_bytes()).unwrap(),
            ..program
        }
    }

    async fn send(&self, program: &Program, offset: u64, part: &[u8]) -> Result<u64, AgentError> {
        let part = ProgramPart {
            program: program.clone(),
            offset,
            part: STANDARD.encode(part),
        };
        self.programs
            .receive(part)
            .await
            .map(|received| received.bytes)
    }

    async fn send_all(&self, program: &Program, bytes: &[u8]) -> Result<u64, AgentError> {
        let mut at = 0;
        for part in bytes.chunks(PART_BYTES_MAX) {
            at = self.send(program, at, part).await?;
        }
        Ok(at)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join(FOLDER));
        let names = entries.into_iter().flatten();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn why(result: Result<u64, AgentError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code, AgentErrorCode::Invalid, "{error:?}");
    error.message
}

#[tokio::test]
async fn it_comes_in_parts_and_is_whole_at_the_end() {
    let host = host();
    let bytes = bytes(1);
    let program = host.program(&bytes);
    assert_eq!(host.send(&program, 0, &[]).await.unwrap(), 0);
    assert!(host.files().is_empty());
    let (first, rest) = bytes.split_at(PART_BYTES_MAX);
    let had = PART_BYTES_MAX as u64;
    assert_eq!(host.send(&program, 0, first).await.unwrap(), had);
    // Once more, or too far: the answer says where to go on.
    assert_eq!(host.send(&program, 0, first).await.unwrap(), had);
    let far = had + 1;
    assert_eq!(host.send(&program, far, &rest[..9]).await.unwrap(), had);
    assert!(host.programs.checked(&program).await.is_err());
    // Another agent on the same folder goes on.
    let again = Host {
        programs: Programs::new(host.folder.path(), vec![host.core.public_key()]),
        ..host
    };
    assert_eq!(again.send(&program, 0, &[]).await.unwrap(), had);
    let (second, third) = rest.split_at(PART_BYTES_MAX);
    let had = again.send(&program, had, second).await.unwrap();
    assert_eq!(
        again.send(&program, had, third).await.unwrap(),
        program.bytes
    );
    let path = again.programs.checked(&program).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        MODE
    );
    assert_eq!(again.send(&program, 0, first).await.unwrap(), program.bytes);
    assert_eq!(again.files(), std::slice::from_ref(&program.sha256));
}

#[tokio::test]
async fn another_takes_its_place() {
    let host = host();
    let (one, two) = (bytes(1), bytes(2));
    let first = host.program(&one);
    host.send_all(&first, &one).await.unwrap();
    let second = host.program(&two);
    // To ask is not to begin.
    assert_eq!(host.send(&second, 0, &[]).await.unwrap(), 0);
    assert!(host.programs.checked(&first).await.is_ok());
    host.send(&second, 0, &two[..10]).await.unwrap();
    assert_eq!(host.files(), [format!("{}.part", second.sha256)]);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_gone() {
    let host = host();
    let bytes = bytes(1);
    let good = host.program(&bytes);
    let other_hash = host.signed(Program {
        sha256: "ab".repeat(32),
        ..good.clone()
    });
    assert!(why(host.send_all(&other_hash, &bytes).await).contains("SHA-256"));
    assert!(host.files().is_empty());

    host.send(&good, 0, &bytes[..10]).await.unwrap();
    let forged = Program {
        version: "9.9.10".into(),
        ..good.clone()
    };
    assert!(why(host.send(&forged, 10, &bytes[10..20]).await).contains("signature"));
    assert!(host.files().is_empty());

    let elsewhere = host.signed(Program {
        architecture: "riscv64".into(),
        ..good.clone()
    });
    assert!(why(host.send(&elsewhere, 0, &bytes[..10]).await).contains("riscv64"));
    let huge = host.signed(Program {
        bytes: komodo_agent_api::PROGRAM_BYTES_MAX + 1,
        ..good.clone()
    });
    assert!(why(host.send(&huge, 0, &[]).await).contains("bytes"));
    let wide = host.send(&good, 0, &bytes[..=PART_BYTES_MAX]).await;
    assert!(why(wide).contains("262144"));
    let short = host.signed(Program {
        bytes: 10,
        ..good.clone()
    });
    assert!(why(host.send(&short, 0, &bytes[..11]).await).contains("more"));
    let part = ProgramPart {
        program: good,
        offset: 0,
        part: "no base64".into(),
    };
    let result = host.programs.receive(part).await;
    assert!(why(result.map(|received| received.bytes)).contains("base64"));
    assert!(host.files().is_empty());
}

#[tokio::test]
async fn it_is_checked_again_before_it_is_used() {
    let host = host();
    let bytes = bytes(1);
    let program = host.program(&bytes);
    host.send_all(&program, &bytes).await.unwrap();
    let path = host.programs.checked(&program).await.unwrap();
    let mut changed = bytes;
    changed[9] ^= 1;
    fs::write(&path, changed).unwrap();
    let why = host.programs.checked(&program).await.unwrap_err();
    assert!(why.contains("SHA-256"), "{why}");
    assert!(host.files().is_empty());
}

#[tokio::test]
async fn one_that_was_written_when_the_agent_ended_is_checked_by_the_next() {
    let host = host();
    let bytes = bytes(1);
    let program = host.program(&bytes);
    host.send(&program, 0, &bytes[..10]).await.unwrap();
    let staged = host.folder.path().join(FOLDER).join(&program.sha256);
    let staged = staged.with_extension(PART);
    fs::write(&staged, &bytes).unwrap();
    assert_eq!(host.send(&program, 0, &[]).await.unwrap(), program.bytes);
    assert!(host.programs.checked(&program).await.is_ok());
}
