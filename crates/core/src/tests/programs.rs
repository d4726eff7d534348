//! `komodo-core agents`: programs are put there, shown and removed.

use std::fs;

use komodo_api::periphery::Program;

use super::harness::Core;
use crate::programs;

/// What begins as a program for this machine does, and is none.
pub(super) fn elf(version: &str, bytes: usize) -> Vec<u8> {
    let machine: u16 = match std::env::consts::ARCH {
        "aarch64" => 183,
        _ => 62,
    };
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    elf.extend(machine.to_le_bytes());
    elf.extend(version.bytes().cycle().take(bytes));
    elf
}

#[tokio::test]
async fn programs_are_put_there_shown_and_removed() {
    let core = Core::start().await;
    let config = &core.app.config;
    let directory = tempfile::tempdir().expect("a directory");
    let put = async |name: &str, bytes: &[u8], version: Option<&str>| {
        let file = directory.path().join(name);
        fs::write(&file, bytes).expect("it is written");
        programs::add(config, &file, version.map(str::to_owned)).await
    };
    let said = |error: programs::AddError| error.to_string();
    let error = put("text", b"#!/bin/sh\necho komodo-periphery 1.0.0\n", None).await;
    assert!(said(error.expect_err("no program")).contains("no program for Linux"));
    let error = put("mute", &elf("1.0.0", 10), None).await;
    assert!(said(error.expect_err("it cannot tell")).contains("--version"));
    let error = put("odd", &elf("1.0.0", 10), Some("../1")).await;
    assert!(said(error.expect_err("no version")).contains("cannot be served"));
    let added = put("one", &elf("1.0.0", 10), Some("1.0.0")).await;
    assert!(added.expect("it fits").new);
    let again = put("one", &elf("1.0.0", 10), Some("1.0.0")).await;
    assert!(!again.expect("it is there").new);
    let error = put("other", &elf("1.0.1", 10), Some("1.0.0")).await;
    let error = said(error.expect_err("another one is there"));
    assert!(error.contains("komodo-core agents remove 1.0.0"), "{error}");
    let mut arm = elf("1.0.0", 10);
    arm[18..20].copy_from_slice(&40_u16.to_le_bytes());
    arm[4] = 1;
    let added = put("arm", &arm, Some("1.0.0")).await.expect("it fits");
    assert_eq!(added.program.architecture, "arm");
    put("rc", &elf("1.0.0-rc.1", 10), Some("1.0.0-rc.1"))
        .await
        .expect("it fits");
    let kept = || {
        let kept = programs::list(config).expect("it can be read");
        let kept = kept.into_iter();
        let shown = kept.map(|one| {
            let served = match one.program {
                Ok(program) => program.bytes.to_string(),
                Err(why) => why.to_string(),
            };
            format!("{} {} {served}", one.version, one.architecture)
        });
        shown.collect::<Vec<_>>()
    };
    let arch = std::env::consts::ARCH;
    let all = [
        "1.0.0 arm 30".to_owned(),
        format!("1.0.0 {arch} 30"),
        format!("1.0.0-rc.1 {arch} 30"),
    ];
    assert_eq!(kept(), all);
    let of = |path: &str| config.data_directory.join("agents/1.0.0").join(path);
    fs::remove_file(of("arm/program.json")).expect("it is there");
    assert!(kept()[0].contains("cannot be read"), "{:?}", kept());
    let added = put("arm", &arm, Some("1.0.0")).await;
    assert!(added.expect("it takes its place").new);
    assert_eq!(kept(), all);
    let description = fs::read_to_string(of("arm/program.json")).expect("it is there");
    let foreign = description.replace("1.0.0", "1.0.9");
    fs::write(of("arm/program.json"), foreign).expect("it can be written");
    assert!(kept()[0].contains("it is of 1.0.9"), "{:?}", kept());
    let mut forged: Program = serde_json::from_str(&description).expect("it is one");
    forged.bytes += 1;
    let forged = serde_json::to_vec(&forged).expect("it can be written");
    fs::write(of("arm/program.json"), forged).expect("it can be written");
    assert!(kept()[0].contains("not signed"), "{:?}", kept());
    let gone = programs::remove(config, "1.0.0", Some("arm")).expect("it is there");
    assert_eq!(gone, ["arm"]);
    programs::remove(config, "1.0.0", None).expect("it is there");
    assert_eq!(kept(), all[2..]);
    for (version, architecture) in [("1.0.0", None), ("..", None), ("1.0.0-rc.1", Some(".."))] {
        programs::remove(config, version, architecture).expect_err("there is none");
    }
    let left = fs::read_dir(config.data_directory.join("agents")).expect("it is there");
    assert_eq!(left.count(), 1, "nothing halfway stays");
}
