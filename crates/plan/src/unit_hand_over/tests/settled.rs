//! What the agent that runs now says of it.

use komodo_api::update::VerdictKind;

use super::*;

fn run(text: &str) -> Running<'_> {
    let (invocation, sha256) = text.split_once(' ').expect("a run");
    Running { invocation, sha256 }
}

#[test]
fn only_what_was_asked_for_is_confirmed() {
    let may = |kind: &str, running: &str, now: UnixMs| may_confirm(&plan(kind), run(running), now);
    assert!(may("replace", "second 1", UNTIL - 3_001));
    assert!(!may("replace", "second 1", UNTIL - 3_000), "too late");
    assert!(!may("replace", "second 0", 0), "the old one was put back");
    assert!(!may("replace", "first 1", 0), "the same run");
    assert!(!may("replace", "second 2", 0), "another program");
    assert!(may("restart", "second 0", 0));
    assert!(may("restart", "second 2", 0), "whatever it runs");
    assert!(!may("restart", "first 0", 0));
    assert!(may("same", "second 0", 0));
}

#[test]
fn the_verdict_says_what_is_the_case() {
    let why = || "because".to_owned();
    let told = |kind: &str, outcome: Option<Outcome>, confirmed: bool, running: &str| {
        let (verdict, _, why) = verdict(&plan(kind), outcome.as_ref(), confirmed, run(running));
        let why = why.unwrap_or_default();
        match verdict {
            VerdictKind::Done => format!("done {why}"),
            VerdictKind::Failed => format!("failed {why}"),
            other => panic!("{other:?}"),
        }
    };
    let confirmed = Some(Outcome::Confirmed);
    assert_eq!(told("replace", confirmed, true, "second 1"), "done ");
    let back = Some(Outcome::RolledBack { why: why() });
    assert_eq!(
        told("replace", back, false, "second 0"),
        "failed rolled back: because"
    );
    let untouched = Some(Outcome::Untouched { why: why() });
    assert_eq!(
        told("replace", untouched, false, "first 0"),
        "failed nothing was changed: because"
    );
    let stuck = Some(Outcome::Stuck { why: why() });
    assert_eq!(
        told("replace", stuck, false, "second 2"),
        "failed the hand over could not be finished: because"
    );
    let unconfirmed = || Some(Outcome::Unconfirmed { why: why() });
    assert_eq!(
        told("restart", unconfirmed(), false, "second 0"),
        "done because"
    );
    assert_eq!(
        told("restart", unconfirmed(), false, "first 0"),
        "failed because"
    );
}

#[test]
fn without_a_word_of_the_helper_it_is_what_runs() {
    let told = |kind: &str, confirmed: bool, running: &str| {
        let (verdict, _, why) = verdict(&plan(kind), None, confirmed, run(running));
        let why = why.unwrap_or_default();
        let why = why.trim_start_matches("the helper is gone without having told");
        format!("{verdict:?}{why}")
    };
    assert_eq!(told("replace", true, "second 1"), "Done");
    assert_eq!(
        told("replace", false, "second 1"),
        "Failed: the new program runs, but was not confirmed"
    );
    assert_eq!(
        told("replace", true, "second 0"),
        "Failed: the old program runs again"
    );
    assert_eq!(
        told("replace", true, "second 2"),
        "Failed: neither the old nor the new program runs"
    );
    assert_eq!(
        told("replace", false, "first 0"),
        "Failed: the service still runs as before"
    );
    assert_eq!(told("restart", true, "second 0"), "Done");
    assert_eq!(
        told("restart", false, "second 0"),
        "Done; it runs again, but was not confirmed"
    );
}
