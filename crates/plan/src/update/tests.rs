use expect_test::{Expect, expect};
use komodo_api::plan::{Reason, ReasonCode};

use super::*;

fn verdict(
    name: &str,
    verdict: VerdictKind,
    reason: Option<ReasonCode>,
    error: Option<&str>,
) -> Verdict {
    Verdict {
        container: name.into(),
        id: name.into(),
        verdict,
        reason: reason.map(Reason::new),
        error: error.map(str::to_owned),
        before: None,
        after: None,
        run: None,
        at: 5,
    }
}

fn check(verdicts: &[Verdict], expect: Expect) {
    let logs = update_logs(ContainerAction::Stop, verdicts, 1, 9);
    // Clients that know only logs must come to the same end.
    assert_eq!(logs.iter().all(|log| log.success), update_success(verdicts));
    let mut printed = format!("success: {}\n", update_success(verdicts));
    for log in &logs {
        assert!(log.start_ts <= log.end_ts);
        printed += &format!("[{}] {}{}\n", log.stage, log.stdout, log.stderr);
    }
    expect.assert_eq(&printed);
}

#[test]
fn the_logs_tell_what_the_verdicts_say() {
    use VerdictKind::*;
    check(
        &[],
        expect![[r#"
        success: true
        [Stop Containers] there was nothing to do
    "#]],
    );
    check(
        &[
            verdict("web", Done, None, None),
            verdict("db", Done, None, None),
            verdict("old", Unchanged, Some(ReasonCode::Already), None),
            verdict("periphery", Skipped, Some(ReasonCode::Agent), None),
            verdict("lost", Skipped, Some(ReasonCode::Gone), None),
        ],
        expect![[r#"
            success: true
            [Stop Containers] 2 stopped, 1 unchanged, 2 left alone
            [Stop Container] periphery was left alone: it runs the agent; without it the server could not be controlled
            [Stop Container] lost was left alone: it is no longer there
        "#]],
    );
    check(
        &[
            verdict("periphery", Skipped, Some(ReasonCode::Agent), None),
            verdict("web", Failed, None, Some("cannot kill container")),
            verdict("db", Unknown, None, Some("the Engine went away")),
        ],
        expect![[r#"
            success: false
            [Stop Containers] 1 left alone, 1 failed, 1 unknown
            [Stop Container] web failed: cannot kill container
            [Stop Container] db: nobody can tell how it ended: the Engine went away
            [Stop Container] periphery was left alone: it runs the agent; without it the server could not be controlled
        "#]],
    );
}

#[test]
fn what_was_canceled_is_no_success_and_told_apart_from_what_was_left_alone() {
    use VerdictKind::*;
    check(
        &[
            verdict("web", Done, None, None),
            verdict("db", Skipped, Some(ReasonCode::Canceled), None),
            verdict("dns", Skipped, Some(ReasonCode::Declared), None),
        ],
        expect![[r#"
            success: false
            [Stop Containers] 1 stopped, 1 left alone, 1 not tried (canceled)
            [Stop Container] db was left alone: the operation was canceled before its turn came
            [Stop Container] dns was left alone: its owner declared it part of the control path
        "#]],
    );
    check(
        &[verdict("db", Skipped, Some(ReasonCode::Canceled), None)],
        expect![[r#"
            success: false
            [Stop Containers] 1 not tried (canceled)
            [Stop Container] db was left alone: the operation was canceled before its turn came
        "#]],
    );
}

#[test]
fn ten_thousand_targets_stay_readable() {
    let verdicts =
        |kind, count: usize| (0..count).map(move |at| verdict(&format!("c{at}"), kind, None, None));
    for (skipped, failed, entries, success) in [
        (10_000, 0, LOGS_MAX, true),
        (10_000, 1, LOGS_MAX, false),
        (0, 10_000, LOGS_MAX, false),
        (LOGS_MAX - 1, 0, LOGS_MAX, true),
        (LOGS_MAX - 2, 0, LOGS_MAX - 1, true),
    ] {
        let all: Vec<Verdict> = verdicts(VerdictKind::Skipped, skipped)
            .chain(verdicts(VerdictKind::Failed, failed))
            .collect();
        let logs = update_logs(ContainerAction::Stop, &all, 1, 9);
        assert_eq!(logs.len(), entries, "{skipped} {failed}");
        assert_eq!(
            logs.iter().all(|log| log.success),
            success,
            "{skipped} {failed}"
        );
        if failed > 0 {
            assert!(logs[1].stderr.contains("failed"), "what failed comes first");
        }
    }
}

#[test]
fn a_text_is_cut_between_letters() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    let logs = update_logs(
        ContainerAction::Stop,
        &[verdict("a", VerdictKind::Failed, None, Some(&long))],
        1,
        9,
    );
    assert!(logs[1].stderr.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
    assert!(logs[1].stderr.ends_with("é…"));
}
