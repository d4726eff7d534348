//! What `scripts/test` says at its end must be what the test runners reported.

use std::{path::Path, process::Command};

/// Feeds a runner's output to one of the counting functions: `passed failed skipped`.
fn check(function: &str, output: &str, expected: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    std::fs::write(&log, output).expect("a file in it");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = format!(
        "set -euo pipefail; . scripts/lib/common.sh; . scripts/lib/stages.sh; \
         LOGS='{0}' STAGE=x; {function}; cat '{0}/x.counts'",
        folder.path().display()
    );
    let output = Command::new("bash")
        .current_dir(root)
        .args(["-c", &script])
        .env("LOG", &log)
        .output()
        .expect("bash runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        expected,
        "{function}: {words}"
    );
}

#[test]
fn cargo_test_is_counted_over_all_binaries() {
    let output = "
test result: ok. 13 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 10.14s
test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.32s
";
    check("count_cargo $LOG", output, "14 3 2");
    check("count_cargo $LOG", "error: could not compile", "0 0 0");
}

#[test]
fn nextest_is_counted_with_what_timed_out_or_did_not_run() {
    let summary = |text: &str| {
        format!("────\n     Summary [  28.015s] {text}\n        FAIL [ 1 passed ] x\n")
    };
    check(
        "count_nextest $LOG",
        &summary("13 tests run: 13 passed, 0 skipped"),
        "13 0 0",
    );
    check(
        "count_nextest $LOG",
        &summary("13 tests run: 10 passed (2 slow, 1 flaky), 3 failed, 1 skipped"),
        "10 3 1",
    );
    let all = "9 tests run: 5 passed, 1 failed, 2 timed out, 1 exec failed, 4 skipped";
    check("count_nextest $LOG", &summary(all), "5 4 4");
    check(
        "count_nextest $LOG",
        &summary("7/9 tests run: 5 passed, 2 failed, 0 skipped"),
        "5 2 0",
    );
    check("count_nextest $LOG", "error: could not compile", "0 0 0");
}

#[test]
fn reports_of_javascript_tests_are_counted() {
    let report = r#"{"stats": {"expected": 4, "skipped": 1, "unexpected": 2, "flaky": 1}}"#;
    check(
        "count_json $LOG r.stats.expected 'r.stats.unexpected + r.stats.flaky' r.stats.skipped",
        report,
        "4 3 1",
    );
}
