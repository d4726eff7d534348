use super::*;
use crate::table::container;

/// `running started=1000`; the old container, unless it is the `new` one.
fn named(line: &str) -> Option<komodo_agent_api::Container> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (line, id) = match line.strip_prefix("new ") {
        Some(line) => (line, "n"),
        None => (line, "o"),
    };
    let mut named = container(&format!("agent {line}"));
    named.id = id.into();
    Some(named)
}

#[test]
fn only_what_was_asked_for_and_runs_is_confirmed() {
    for (kind, line, now, may) in [
        ("restart", "running started=2000", 5_000, true),
        ("restart", "running started=2000", UNTIL - 3_001, true),
        ("restart", "running started=2000", UNTIL - 3_000, false),
        ("restart", "running started=1000", 5_000, false),
        ("restart", "running", 5_000, false),
        ("restart", "paused started=2000", 5_000, false),
        ("restart", "exited started=2000", 5_000, false),
        ("restart", "new running started=2000", 5_000, false),
        ("restart", "", 5_000, false),
        ("replace", "new running started=2000", 5_000, true),
        ("replace", "new running", 5_000, true),
        ("replace", "new restarting started=2000", 5_000, false),
        ("replace", "running started=1000", 5_000, false),
        // Put back.
        ("replace", "running started=2000", 5_000, false),
        ("replace", "new running started=2000", UNTIL, false),
    ] {
        let found = may_confirm(&plan(kind), named(line).as_ref(), now);
        assert_eq!(found, may, "{kind} {line} at {now}");
    }
    let mut other = named("new running started=2000").unwrap();
    other.name = "agent.komodo-new".into();
    assert!(!may_confirm(&plan("replace"), Some(&other), 5_000));
}

#[test]
fn the_verdict_is_what_the_helper_told_or_else_what_is_observed() {
    let why = || "because".to_owned();
    let told = |outcome: &Outcome, kind: &str, line: &str| {
        verdict(&plan(kind), Some(outcome), false, named(line).as_ref())
    };
    let mut printed = String::new();
    let mut print = |what: &str, (kind, reason, error): crate::settle::Settled| {
        assert!(reason.is_none());
        printed += &format!("{what}: {kind:?} {}\n", error.unwrap_or_default());
    };
    for (outcome, line) in [
        (Outcome::Confirmed, "running started=2000"),
        (Outcome::RolledBack { why: why() }, "running started=2000"),
        (Outcome::Untouched { why: why() }, "running started=1000"),
        (Outcome::Stuck { why: why() }, "exited"),
        (Outcome::Unconfirmed { why: why() }, "running started=2000"),
        (Outcome::Unconfirmed { why: why() }, "exited started=2000"),
    ] {
        print(
            &format!("exit code {}, {line}", outcome.exit_code()),
            told(&outcome, "restart", line),
        );
    }
    for (kind, confirmed, line) in [
        ("restart", true, "running started=2000"),
        ("restart", false, "running started=2000"),
        ("restart", false, "running started=1000"),
        ("restart", true, "exited started=2000 code=1"),
        ("restart", false, "restarting started=2000 code=3"),
        ("restart", false, ""),
        ("replace", true, "new running started=2000"),
        ("replace", false, "new running started=2000"),
        ("replace", true, "running started=2000"),
        ("replace", false, "running started=1000"),
    ] {
        let settled = verdict(&plan(kind), None, confirmed, named(line).as_ref());
        let mark = if confirmed { ", confirmed" } else { "" };
        print(&format!("{kind}{mark}, {line}"), settled);
    }
    expect_test::expect![[r#"
        exit code 0, running started=2000: Done 
        exit code 10, running started=2000: Failed rolled back: because
        exit code 11, running started=1000: Failed nothing was changed: because
        exit code 12, exited: Failed the hand over could not be finished: because
        exit code 13, running started=2000: Done because
        exit code 13, exited started=2000: Failed because
        restart, confirmed, running started=2000: Done 
        restart, running started=2000: Done the helper is gone without having told; it runs again, but was not confirmed
        restart, running started=1000: Failed the helper is gone without having told: the container still runs as before
        restart, confirmed, exited started=2000 code=1: Failed the helper is gone without having told: the container is exited (exit code 1)
        restart, restarting started=2000 code=3: Failed the helper is gone without having told: the container is restarting (exit code 3)
        restart, : Failed the helper is gone without having told: there is no container of that name
        replace, confirmed, new running started=2000: Done 
        replace, new running started=2000: Done the helper is gone without having told; the new container runs, but was not confirmed
        replace, confirmed, running started=2000: Failed the helper is gone without having told: the old container was put back
        replace, running started=1000: Failed the helper is gone without having told: the container still runs as before
    "#]].assert_eq(&printed);
}

#[test]
fn an_outcome_is_read_back_from_what_a_helper_leaves() {
    let rolled_back = Outcome::RolledBack {
        why: "it ended with exit code 1".into(),
    };
    for outcome in [Outcome::Confirmed, rolled_back.clone()] {
        let line = serde_json::to_string(&outcome).unwrap();
        assert_eq!(
            Outcome::told(outcome.exit_code().into(), Some(&line)),
            Some(outcome)
        );
    }
    // The code counts where the line is of something else.
    let line = serde_json::to_string(&rolled_back).unwrap();
    assert_eq!(Outcome::told(0, Some(&line)), Some(Outcome::Confirmed));
    for line in [
        None,
        Some("panicked at"),
        Some("{\"outcome\":\"confirmed\"}"),
    ] {
        let told = Outcome::told(10, line);
        assert!(matches!(told, Some(Outcome::RolledBack { .. })), "{line:?}");
    }
    for code in [1, 101, 137, 143] {
        assert_eq!(Outcome::told(code, Some(&line)), None, "{code}");
    }
}
