use expect_test::{Expect, expect};
use komodo_agent_api::ProtectedContainer;
use komodo_api::{plan::Effect, update::Run};

use super::*;
use crate::{
    Observed, PlanInput, plan_containers, settle_back,
    table::{ACTIONS, PROTECTING, STATES, action, container, id, scope, world},
};

/// A verdict in a line: `web done running exited` and, where it is known, the times of its run.
fn verdict(line: &str) -> Verdict {
    let words: Vec<&str> = line.split_whitespace().collect();
    let state = |at: usize| match words.get(at) {
        None | Some(&"-") => None,
        Some(word) => Some(crate::table::state(word)),
    };
    let time = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    Verdict {
        container: words[0].into(),
        id: id(words[0]),
        verdict: serde_json::from_value(words[1].into()).unwrap(),
        reason: None,
        error: None,
        before: state(2),
        after: state(3),
        run: (words.len() > 4).then(|| Run {
            started_at: time(4),
            finished_at: time(5),
        }),
        at: 9,
    }
}

fn verdicts(text: &str) -> Vec<Verdict> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(verdict)
        .collect()
}

#[test]
fn only_what_was_changed_is_brought_back() {
    let cases = [
        (
            "stop",
            "web done running exited
             loop done restarting exited
             ice done paused exited
             gone done running -
             twice done stopping exited
             odd done - exited
             old unchanged exited exited
             kept skipped running running
             bad failed running running
             lost unknown running -
             corpse done running dead",
            "start: ice to paused, loop to restarting, web to running",
        ),
        (
            "start",
            "web done exited running
             fresh done created running
             short done created exited
             again done exited exited
             old unchanged running running",
            "stop: fresh to created, web to exited",
        ),
        (
            "pause",
            "web done running paused",
            "unpause: web to running",
        ),
        ("unpause", "web done paused running", "pause: web to paused"),
        ("unpause", "web done paused exited", "nothing"),
        ("restart", "web done running running", "nothing"),
        ("destroy", "web done running -", "nothing"),
        ("prune", "web done exited -", "nothing"),
        ("stop", "", "nothing"),
        ("stop", "web unchanged exited exited", "nothing"),
    ];
    for (verb, list, expected) in cases {
        let list = verdicts(list);
        let printed = match undo(action(verb), &Scope::All, &list) {
            None => "nothing".to_owned(),
            Some(found) => {
                let Scope::Listed(ids) = &found.scope else {
                    panic!("{:?}", found.scope)
                };
                assert!(ids.iter().map(|id| &id.0).eq(found.expected.keys()));
                let mut each: Vec<String> = found
                    .expected
                    .values()
                    .map(|it| format!("{} to {}", it.name, it.back_to.as_str()))
                    .collect();
                each.sort();
                let verb = crate::guard::verb(found.action);
                format!("{verb}: {}", each.join(", "))
            }
        };
        assert_eq!(printed, expected, "{verb}");
    }
}

#[test]
fn an_undo_of_an_undo_brings_back_what_the_first_one_did() {
    for verb in ACTIONS {
        assert_eq!(has_undo(verb), inverse(verb).is_some());
        assert_eq!(inverse(verb).and_then(inverse).unwrap_or(verb), verb);
    }
    let paused = verdicts("ice done exited paused");
    let undone = undo(ContainerAction::Start, &Scope::All, &paused).unwrap();
    assert_eq!(undone.action, ContainerAction::Stop);
}

/// What was done to `ice` and others is undone in a world in which others have been since.
fn check(verb: &str, asked: &str, list: &str, containers: &str, protect: &str, expect: Expect) {
    let undo = undo(action(verb), &scope(asked), &verdicts(list)).unwrap();
    let containers = world(containers);
    let protected: Vec<ProtectedContainer> = containers
        .iter()
        .filter(|container| container.name == protect)
        .map(|container| ProtectedContainer {
            id: container.id.clone(),
            name: container.name.clone(),
            reasons: vec![Reason::new(ReasonCode::Declared)],
        })
        .collect();
    let input = PlanInput {
        action: undo.action,
        scope: &undo.scope,
        exclude: &[],
        time: None,
        lift: crate::Lift {
            overridden: false,
            detach: false,
        },
        expected: &undo.expected,
        bound: false,
        recreate: false,
        probation_s: None,
    };
    let plan = plan_containers(&input, Observed::new(&containers, &protected)).unwrap();
    let mut printed = String::new();
    for (item, deadline_ms) in plan.items.iter().zip(&plan.deadlines_ms) {
        printed += &format!("{} ", item.container);
        match &item.reason {
            Some(reason) => printed += &reason.sentence(),
            None => {
                assert_eq!(item.effect, Effect::Act);
                let back_to = item.back_to.map_or("?", |state| state.as_str());
                printed += &format!("back to {back_to} within {} s", deadline_ms / 1000);
            }
        }
        printed.push('\n');
    }
    expect.assert_eq(&printed);
}

#[test]
fn what_others_changed_since_is_left_alone() {
    let stopped = "
        web done running exited 10 20
        ice done paused exited 10 20
        by-hand done running exited 10 20
        ran done running exited 10 20
        ended done running exited 10 20
        frozen done running exited 10 20
        dns done running exited 10 20
        gone done running exited 10 20
        undated done running exited
        half done running exited - 20";
    let now = "
        web exited started=10 finished=20
        ice exited started=10 finished=20
        by-hand running started=30 finished=20
        ran exited started=30 finished=40
        ended exited started=10 finished=40
        frozen paused started=30 finished=20
        dns exited started=10 finished=20
        undated exited started=10 finished=20
        half exited started=50 finished=20
        other running started=10";
    check(
        "stop",
        "all",
        stopped,
        now,
        "dns",
        expect![[r#"
            dns its owner declared it part of the control path
            half back to running within 60 s
            ice back to paused within 80 s
            undated back to running within 60 s
            web back to running within 60 s
            by-hand it was changed by somebody else since (it is running)
            ended it was changed by somebody else since (it ended again)
            frozen it was changed by somebody else since (it is paused)
            ran it was changed by somebody else since (it was started again)
            gone it is no longer there
        "#]],
    );
    check(
        "start",
        "all",
        "web done exited running 10 5\nagain done exited running 10 5",
        "web running started=10 finished=5\nagain running started=30 finished=25",
        "",
        expect![[r#"
            web back to exited within 30 s
            again it was changed by somebody else since (it was started again)
        "#]],
    );
}

#[test]
fn what_is_bound_to_a_plan_is_as_expected_in_any_run() {
    let expected = Expected {
        name: "web".into(),
        state: ContainerStateStatusEnum::Running,
        run: Run {
            started_at: Some(10),
            finished_at: None,
        },
        back_to: ContainerStateStatusEnum::Empty,
    };
    let same = container("web running started=30 finished=20");
    assert_eq!(changed_since(&expected, &same), None);
    assert!(changed_since(&expected, &container("web paused started=10")).is_some());
    let undone = Expected {
        back_to: ContainerStateStatusEnum::Exited,
        ..expected
    };
    assert!(changed_since(&undone, &same).is_some());
    // An agent that has just started has not dated it yet, which does not mean that it was started again.
    assert_eq!(changed_since(&undone, &container("web running")), None);
}

#[test]
fn one_that_was_named_comes_back_also_where_it_is_protected() {
    // It was stopped with an override. What starts it needs none; what pauses it would.
    let cases = [
        (
            "dns done running exited 10 20",
            expect![[r#"
                dns back to running within 60 s
            "#]],
        ),
        (
            "dns done paused exited 10 20",
            expect![[r#"
                dns back to running within 60 s
            "#]],
        ),
    ];
    let now = "dns exited started=10 finished=20\nweb exited";
    for (list, expect) in cases {
        check("stop", "one dns", list, now, "dns", expect);
    }
    check(
        "stop",
        "one dns",
        "dns done running exited 10 20",
        "web exited",
        "",
        expect![[r#"
            dns it is no longer there
        "#]],
    );
}

#[test]
fn no_undo_acts_on_what_is_not_as_expected() {
    for verb in ACTIONS {
        for before in STATES {
            for after in STATES {
                let line = format!("web done {} {} 1 2", word(before), word(after));
                let Some(undo) = undo(verb, &Scope::All, &[verdict(&line)]) else {
                    continue;
                };
                for found in STATES {
                    for (started, finished) in [(1, 2), (3, 2), (1, 4)] {
                        let mut now = container("web exited");
                        now.state = found;
                        now.started_at = Some(started);
                        now.finished_at = Some(finished);
                        let input = PlanInput {
                            action: undo.action,
                            scope: &undo.scope,
                            exclude: &[],
                            time: None,
                            lift: crate::Lift {
                                overridden: false,
                                detach: false,
                            },
                            expected: &undo.expected,
                            bound: false,
                            recreate: false,
                            probation_s: None,
                        };
                        let plan = plan_containers(&input, Observed::new([&now], &[])).unwrap();
                        let as_left = found == after && (started, finished) == (1, 2);
                        assert_eq!(plan.counts.act == 1, as_left, "{verb:?} {line} {found:?}");
                        assert_eq!(plan.items[0].effect == Effect::Act, as_left);
                    }
                }
            }
        }
    }
    fn word(state: ContainerStateStatusEnum) -> &'static str {
        match state.as_str() {
            "" => "-",
            word => word,
        }
    }
}

#[test]
fn a_protected_container_is_never_brought_down_by_an_undo_of_a_bulk_start() {
    for code in PROTECTING {
        let undo = undo(
            ContainerAction::Start,
            &Scope::All,
            &[verdict("web done exited running 1 2")],
        )
        .unwrap();
        let now = container("web running started=1 finished=2");
        let protected = [ProtectedContainer {
            id: now.id.clone(),
            name: now.name.clone(),
            reasons: vec![Reason::new(code)],
        }];
        let input = PlanInput {
            action: undo.action,
            scope: &undo.scope,
            exclude: &[],
            time: None,
            lift: crate::Lift {
                overridden: false,
                detach: false,
            },
            expected: &undo.expected,
            bound: false,
            recreate: false,
            probation_s: None,
        };
        let plan = plan_containers(&input, Observed::new([&now], &protected)).unwrap();
        // Whoever lists by name what carries only the label means it.
        assert_eq!(plan.counts.act == 1, code == ReasonCode::Label, "{code:?}");
    }
}

#[test]
fn one_that_was_paused_is_back_only_when_it_is_paused() {
    use ContainerStateStatusEnum::{Exited, Paused, Running};
    let mut printed = String::new();
    for (now, acted, error) in [
        ("web paused", true, None),
        ("web running", true, None),
        ("web running", true, Some("cannot freeze")),
        ("web exited code=0", true, None),
        ("web exited code=3", true, None),
        ("web exited", false, Some("was not asked")),
        ("web running", false, None),
        ("", true, None),
    ] {
        let observed = world(now);
        let restarted = Some(acted);
        for back_to in [Paused, Running] {
            let (kind, reason, why) = settle_back(
                Some(back_to),
                ContainerAction::Start,
                Exited,
                observed.first(),
                acted,
                error,
                restarted,
            );
            let reason = reason.map(|reason| reason.sentence()).unwrap_or_default();
            let why = why.unwrap_or_default();
            let line = format!("{now} to {}: {kind:?} {reason}{why}", back_to.as_str());
            printed += line.trim();
            printed.push('\n');
        }
    }
    expect![[r#"
        web paused to paused: Done
        web paused to running: Failed the Engine was asked to start it, but it is paused
        web running to paused: Failed it was started, but it is not paused again
        web running to running: Done
        web running to paused: Failed it was started, but it is not paused again: cannot freeze
        web running to running: Done
        web exited code=0 to paused: Failed it was started, but ended before it was paused
        web exited code=0 to running: Done
        web exited code=3 to paused: Failed it started and ended with exit code 3
        web exited code=3 to running: Failed it started and ended with exit code 3
        web exited to paused: Failed was not asked
        web exited to running: Failed was not asked
        web running to paused: Unchanged it is in that state already
        web running to running: Unchanged it is in that state already
        to paused: Skipped it is no longer there
        to running: Skipped it is no longer there
    "#]]
    .assert_eq(&printed);
}
