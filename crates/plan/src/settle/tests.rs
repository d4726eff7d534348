use expect_test::{Expect, expect};
use komodo_agent_api::Container;

use super::*;
use crate::table::{ACTIONS, STATES, action, state};

fn word(state: ContainerStateStatusEnum) -> &'static str {
    if state == ContainerStateStatusEnum::Empty {
        "?"
    } else {
        state.as_str()
    }
}

fn print((verdict, reason, error): &Settled) -> String {
    let mut text = serde_json::to_value(verdict)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    if let Some(reason) = reason {
        text += &format!(
            " ({})",
            serde_json::to_value(reason.code).unwrap().as_str().unwrap()
        );
    }
    if let Some(error) = error {
        text += &format!(": {error}");
    }
    text
}

/// Every action against every state that may be observed after it, under one way in which the call ended.
fn check(acted: bool, error: Option<&str>, expect: Expect) {
    let mut printed = String::new();
    for action in ACTIONS {
        printed += verb(action);
        printed.push('\n');
        for observed in STATES.map(Some).into_iter().chain([None]) {
            let container = observed.map(|state| Container {
                state,
                ..Container::default()
            });
            let settled = settle(
                action,
                ContainerStateStatusEnum::Running,
                container.as_ref(),
                acted,
                error,
                None,
            );
            printed += &format!(
                "  {:11}{}\n",
                observed.map_or("gone", word),
                print(&settled)
            );
        }
    }
    expect.assert_eq(&printed);
}

#[test]
fn the_engine_said_yes() {
    check(
        true,
        None,
        expect![[r#"
        start
          running    done
          created    failed: the Engine was asked to start it, but it is created
          restarting done
          stopping   failed: the Engine was asked to start it, but it is stopping
          removing   failed: the Engine was asked to start it, but it is removing
          paused     failed: the Engine was asked to start it, but it is paused
          exited     failed: the Engine was asked to start it, but it is exited
          dead       failed: the Engine was asked to start it, but it is dead
          ?          unknown: its state is not known
          gone       skipped (gone)
        restart
          running    done
          created    failed: the Engine was asked to restart it, but it is created
          restarting done
          stopping   failed: the Engine was asked to restart it, but it is stopping
          removing   failed: the Engine was asked to restart it, but it is removing
          paused     failed: the Engine was asked to restart it, but it is paused
          exited     failed: the Engine was asked to restart it, but it is exited
          dead       failed: the Engine was asked to restart it, but it is dead
          ?          unknown: its state is not known
          gone       skipped (gone)
        pause
          running    failed: the Engine was asked to pause it, but it is running
          created    failed: the Engine was asked to pause it, but it is created
          restarting failed: the Engine was asked to pause it, but it is restarting
          stopping   failed: the Engine was asked to pause it, but it is stopping
          removing   failed: the Engine was asked to pause it, but it is removing
          paused     done
          exited     failed: the Engine was asked to pause it, but it is exited
          dead       failed: the Engine was asked to pause it, but it is dead
          ?          unknown: its state is not known
          gone       skipped (gone)
        unpause
          running    done
          created    failed: the Engine was asked to unpause it, but it is created
          restarting done
          stopping   failed: the Engine was asked to unpause it, but it is stopping
          removing   failed: the Engine was asked to unpause it, but it is removing
          paused     failed: the Engine was asked to unpause it, but it is paused
          exited     failed: the Engine was asked to unpause it, but it is exited
          dead       failed: the Engine was asked to unpause it, but it is dead
          ?          unknown: its state is not known
          gone       skipped (gone)
        stop
          running    failed: the Engine was asked to stop it, but it is running
          created    done
          restarting failed: the Engine was asked to stop it, but it is restarting
          stopping   failed: the Engine was asked to stop it, but it is stopping
          removing   done
          paused     failed: the Engine was asked to stop it, but it is paused
          exited     done
          dead       done
          ?          unknown: its state is not known
          gone       done
        destroy
          running    failed: the Engine was asked to destroy it, but it is running
          created    failed: the Engine was asked to destroy it, but it is created
          restarting failed: the Engine was asked to destroy it, but it is restarting
          stopping   failed: the Engine was asked to destroy it, but it is stopping
          removing   failed: the Engine was asked to destroy it, but it is removing
          paused     failed: the Engine was asked to destroy it, but it is paused
          exited     failed: the Engine was asked to destroy it, but it is exited
          dead       failed: the Engine was asked to destroy it, but it is dead
          ?          unknown: its state is not known
          gone       done
        prune
          running    failed: the Engine was asked to prune it, but it is running
          created    failed: the Engine was asked to prune it, but it is created
          restarting failed: the Engine was asked to prune it, but it is restarting
          stopping   failed: the Engine was asked to prune it, but it is stopping
          removing   failed: the Engine was asked to prune it, but it is removing
          paused     failed: the Engine was asked to prune it, but it is paused
          exited     failed: the Engine was asked to prune it, but it is exited
          dead       failed: the Engine was asked to prune it, but it is dead
          ?          unknown: its state is not known
          gone       done
    "#]],
    );
}

#[test]
fn the_engine_said_no_or_its_answer_was_lost() {
    check(
        true,
        Some("E"),
        expect![[r#"
        start
          running    done
          created    failed: E
          restarting done
          stopping   failed: E
          removing   failed: E
          paused     failed: E
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       skipped (gone)
        restart
          running    unknown: E
          created    failed: E
          restarting unknown: E
          stopping   failed: E
          removing   failed: E
          paused     failed: E
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       skipped (gone)
        pause
          running    failed: E
          created    failed: E
          restarting failed: E
          stopping   failed: E
          removing   failed: E
          paused     done
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       skipped (gone)
        unpause
          running    done
          created    failed: E
          restarting done
          stopping   failed: E
          removing   failed: E
          paused     failed: E
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       skipped (gone)
        stop
          running    failed: E
          created    done
          restarting failed: E
          stopping   failed: E
          removing   done
          paused     failed: E
          exited     done
          dead       done
          ?          unknown: E
          gone       done
        destroy
          running    failed: E
          created    failed: E
          restarting failed: E
          stopping   failed: E
          removing   failed: E
          paused     failed: E
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       done
        prune
          running    failed: E
          created    failed: E
          restarting failed: E
          stopping   failed: E
          removing   failed: E
          paused     failed: E
          exited     failed: E
          dead       failed: E
          ?          unknown: E
          gone       done
    "#]],
    );
}

#[test]
fn the_engine_was_not_asked() {
    check(
        false,
        Some("the deadline passed"),
        expect![[r#"
        start
          running    unchanged (already)
          created    failed: the deadline passed
          restarting unchanged (already)
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
        restart
          running    failed: the deadline passed
          created    failed: the deadline passed
          restarting failed: the deadline passed
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
        pause
          running    failed: the deadline passed
          created    failed: the deadline passed
          restarting failed: the deadline passed
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     unchanged (already)
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
        unpause
          running    unchanged (already)
          created    failed: the deadline passed
          restarting unchanged (already)
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
        stop
          running    failed: the deadline passed
          created    unchanged (already)
          restarting failed: the deadline passed
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     unchanged (already)
          dead       unchanged (already)
          ?          unknown: the deadline passed
          gone       skipped (gone)
        destroy
          running    failed: the deadline passed
          created    failed: the deadline passed
          restarting failed: the deadline passed
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
        prune
          running    failed: the deadline passed
          created    failed: the deadline passed
          restarting failed: the deadline passed
          stopping   failed: the deadline passed
          removing   failed: the deadline passed
          paused     failed: the deadline passed
          exited     failed: the deadline passed
          dead       failed: the deadline passed
          ?          unknown: the deadline passed
          gone       skipped (gone)
    "#]],
    );
}

/// `action before -> after [code=N]`, each way in which the run may have changed.
fn check_run(case: &str, expect: Expect) {
    let words: Vec<&str> = case.split_whitespace().collect();
    let code = words
        .get(4)
        .and_then(|word| word.strip_prefix("code="))
        .map(|code| code.parse().unwrap());
    let observed = Container {
        state: state(words[3]),
        exit_code: code,
        ..Container::default()
    };
    let mut printed = String::new();
    for restarted in [Some(true), Some(false), None] {
        for error in [None, Some("E")] {
            let settled = settle(
                action(words[0]),
                state(words[1]),
                Some(&observed),
                true,
                error,
                restarted,
            );
            let run = match restarted {
                Some(true) => "another run",
                Some(false) => "the same run",
                None => "unknown run",
            };
            printed += &format!(
                "{run}, {}: {}\n",
                error.map_or("ok", |_| "error"),
                print(&settled)
            );
        }
    }
    expect.assert_eq(&printed);
}

#[test]
fn a_restart_is_known_by_its_run() {
    check_run(
        "restart running -> running",
        expect![[r#"
        another run, ok: done
        another run, error: done
        the same run, ok: failed: it still runs as before
        the same run, error: failed: E
        unknown run, ok: done
        unknown run, error: unknown: E
    "#]],
    );
    check_run(
        "restart running -> exited code=1",
        expect![[r#"
        another run, ok: failed: it started and ended with exit code 1
        another run, error: failed: it started and ended with exit code 1
        the same run, ok: failed: the Engine was asked to restart it, but it is exited
        the same run, error: failed: E
        unknown run, ok: failed: the Engine was asked to restart it, but it is exited
        unknown run, error: failed: E
    "#]],
    );
    check_run(
        "restart exited -> exited code=0",
        expect![[r#"
        another run, ok: done
        another run, error: done
        the same run, ok: failed: the Engine was asked to restart it, but it is exited
        the same run, error: failed: E
        unknown run, ok: failed: the Engine was asked to restart it, but it is exited
        unknown run, error: failed: E
    "#]],
    );
}

#[test]
fn a_short_job_may_have_ended_before_anybody_looked() {
    check_run(
        "start exited -> exited code=0",
        expect![[r#"
        another run, ok: done
        another run, error: done
        the same run, ok: failed: the Engine was asked to start it, but it is exited
        the same run, error: failed: E
        unknown run, ok: failed: the Engine was asked to start it, but it is exited
        unknown run, error: failed: E
    "#]],
    );
    check_run(
        "start created -> exited code=0",
        expect![[r#"
        another run, ok: done
        another run, error: done
        the same run, ok: done
        the same run, error: done
        unknown run, ok: done
        unknown run, error: done
    "#]],
    );
    check_run(
        "start created -> exited code=127",
        expect![[r#"
        another run, ok: failed: it started and ended with exit code 127
        another run, error: failed: it started and ended with exit code 127
        the same run, ok: failed: it started and ended with exit code 127
        the same run, error: failed: it started and ended with exit code 127
        unknown run, ok: failed: it started and ended with exit code 127
        unknown run, error: failed: it started and ended with exit code 127
    "#]],
    );
}

#[test]
fn a_container_that_vanished_before_the_engine_looked_is_gone_and_not_removed() {
    for action in ACTIONS {
        let settled = settle(
            action,
            ContainerStateStatusEnum::Exited,
            None,
            true,
            Some("No such container: web"),
            None,
        );
        assert_eq!(print(&settled), "skipped (gone)", "{action:?}");
    }
}

fn skipped(effect: Effect, code: ReasonCode, state: ContainerStateStatusEnum) -> PlanItem {
    let observed = Container {
        name: "web".into(),
        state,
        ..Container::default()
    };
    let json = serde_json::json!({ "container": observed.name, "id": "1", "state": state, "effect": effect,
        "reason": { "reason": code } });
    serde_json::from_value(json).unwrap()
}

#[test]
fn what_the_plan_leaves_alone() {
    use ContainerStateStatusEnum::Exited;
    let mut printed = String::new();
    for (effect, code) in [
        (Effect::Skip, ReasonCode::Agent),
        (Effect::Skip, ReasonCode::Label),
        (Effect::Skip, ReasonCode::Excluded),
        (Effect::Skip, ReasonCode::Already),
        (Effect::Skip, ReasonCode::NotApplicable),
        (Effect::Skip, ReasonCode::Gone),
        (Effect::Refuse, ReasonCode::Declared),
    ] {
        for form in [Form::Bulk, Form::Named] {
            let settled = settle_skip(&skipped(effect, code, Exited), ContainerAction::Pause, form);
            printed += &format!("{code:?} {form:?}: {}\n", print(&settled));
        }
    }
    expect![[r#"
        Agent Bulk: skipped (agent)
        Agent Named: skipped (agent)
        Label Bulk: skipped (label)
        Label Named: skipped (label)
        Excluded Bulk: skipped (excluded)
        Excluded Named: skipped (excluded)
        Already Bulk: unchanged (already)
        Already Named: unchanged (already)
        NotApplicable Bulk: unchanged (not-applicable)
        NotApplicable Named: failed (not-applicable): cannot pause it: it is exited
        Gone Bulk: skipped (gone)
        Gone Named: skipped (gone)
        Declared Bulk: failed (declared): 'web' is protected: its owner declared it part of the control path. If you mean it, send the request again with `override` and your reason (needs Write).
        Declared Named: failed (declared): 'web' is protected: its owner declared it part of the control path. If you mean it, send the request again with `override` and your reason (needs Write).
    "#]].assert_eq(&printed);
}

#[test]
fn deadlines_follow_the_stop_timeout() {
    let mut printed = String::new();
    for action in ACTIONS {
        let of = |own, asked| target_deadline_ms(action, own, asked) / 1000;
        printed += &format!(
            "{}: default {}, own 30 s {}, asked 5 s {}, forever {}, beyond all {}\n",
            verb(action),
            of(None, None),
            of(Some(30), None),
            of(Some(30), Some(5)),
            of(Some(-1), None),
            of(Some(i64::MAX), None),
        );
    }
    expect![[r#"
        start: default 60, own 30 s 60, asked 5 s 60, forever 60, beyond all 60
        restart: default 90, own 30 s 110, asked 5 s 85, forever 3680, beyond all 3680
        pause: default 20, own 30 s 20, asked 5 s 20, forever 20, beyond all 20
        unpause: default 20, own 30 s 20, asked 5 s 20, forever 20, beyond all 20
        stop: default 30, own 30 s 50, asked 5 s 25, forever 3620, beyond all 3620
        destroy: default 150, own 30 s 170, asked 5 s 145, forever 3740, beyond all 3740
        prune: default 120, own 30 s 120, asked 5 s 120, forever 120, beyond all 120
    "#]]
    .assert_eq(&printed);
}

#[test]
fn an_operation_has_time_for_its_longest_chain_and_for_the_rest() {
    let plan = |count: usize, chained: bool| {
        let items = (0..count).map(|at| PlanItem {
            id: at.to_string(),
            after: if chained && at > 0 {
                vec![(at - 1).to_string()]
            } else {
                Vec::new()
            },
            reason: None,
            ..skipped(
                Effect::Act,
                ReasonCode::Gone,
                ContainerStateStatusEnum::Running,
            )
        });
        ContainersPlan {
            items: items.collect(),
            deadlines_ms: vec![30_000; count],
            ..ContainersPlan::default()
        }
    };
    for (count, chained, concurrency, seconds) in [
        (0, false, 16, 10),
        (1, false, 16, 30 + 30 / 16 + 10),
        (32, false, 16, 30 * 2 + 30 + 10),
        (32, false, 1, 30 * 32 + 30 + 10),
        (32, true, 16, 30 * 2 + 30 * 32 + 10),
        (32, true, 0, 30 * 32 + 30 * 32 + 10),
    ] {
        let deadline = operation_deadline_ms(&plan(count, chained), concurrency);
        assert_eq!(deadline / 1000, seconds, "{count} {chained} {concurrency}");
    }
}
