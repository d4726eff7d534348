use expect_test::{Expect, expect};
use komodo_api::plan::ReasonCode;

use super::*;
use crate::table::{ACTIONS, PROTECTING};

const FORMS: [Form; 3] = [Form::Bulk, Form::Listed, Form::Named];

const LIFTS: [Lift; 4] = [
    Lift {
        overridden: false,
        detach: false,
    },
    OVERRIDDEN,
    DETACH,
    Lift {
        overridden: true,
        detach: true,
    },
];
const NOTHING: Lift = LIFTS[0];
const OVERRIDDEN: Lift = Lift {
    overridden: true,
    detach: false,
};
const DETACH: Lift = Lift {
    overridden: false,
    detach: true,
};
/// How the guard is told of the agent of another server.
const NEIGHBOUR: &str = "of another server on this Engine";

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Act => "act",
        Decision::Skip(_) => "skip",
        Decision::Refuse(_) => "refuse",
        Decision::HandOver(_) => "hand-over",
        Decision::Detach(_) => "detach",
    }
}

/// The whole table for one form: a row per reason, a column per action.
fn check(form: Form, lift: Lift, expect: Expect) {
    let mut printed = format!("{:18}", "");
    for action in ACTIONS {
        printed += &format!("{:10}", verb(action));
    }
    printed = printed.trim_end().to_owned() + "\n";
    let mut rows: Vec<(String, Reason)> = PROTECTING
        .into_iter()
        .map(|code| {
            let name = serde_json::to_value(code).unwrap();
            (name.as_str().unwrap().to_owned(), Reason::new(code))
        })
        .collect();
    let neighbour = Reason::with(ReasonCode::Agent, NEIGHBOUR);
    rows.insert(1, ("agent (another's)".to_owned(), neighbour));
    for (name, reason) in rows {
        let mut line = format!("{name:18}");
        for action in ACTIONS {
            let decision = guard(std::slice::from_ref(&reason), action, form, lift);
            line += &format!("{:10}", word(&decision));
        }
        printed += line.trim_end();
        printed.push('\n');
    }
    expect.assert_eq(&printed);
}

#[test]
fn in_bulk_every_protected_container_is_left_alone() {
    check(
        Form::Bulk,
        NOTHING,
        expect![[r#"
                              start     restart   pause     unpause   stop      destroy   prune
            agent             skip      skip      skip      skip      skip      skip      skip
            agent (another's) skip      skip      skip      skip      skip      skip      skip
            core              skip      skip      skip      skip      skip      skip      skip
            agent-dependency  skip      skip      skip      skip      skip      skip      skip
            core-dependency   skip      skip      skip      skip      skip      skip      skip
            declared          skip      skip      skip      skip      skip      skip      skip
            label             skip      skip      skip      skip      skip      skip      skip
        "#]],
    );
}

#[test]
fn an_override_means_nothing_in_bulk() {
    check(
        Form::Bulk,
        OVERRIDDEN,
        expect![[r#"
                              start     restart   pause     unpause   stop      destroy   prune
            agent             skip      skip      skip      skip      skip      skip      skip
            agent (another's) skip      skip      skip      skip      skip      skip      skip
            core              skip      skip      skip      skip      skip      skip      skip
            agent-dependency  skip      skip      skip      skip      skip      skip      skip
            core-dependency   skip      skip      skip      skip      skip      skip      skip
            declared          skip      skip      skip      skip      skip      skip      skip
            label             skip      skip      skip      skip      skip      skip      skip
        "#]],
    );
}

#[test]
fn a_list_of_names_acts_on_those_that_only_carry_the_label() {
    check(
        Form::Listed,
        NOTHING,
        expect![[r#"
                              start     restart   pause     unpause   stop      destroy   prune
            agent             skip      skip      skip      skip      skip      skip      skip
            agent (another's) skip      skip      skip      skip      skip      skip      skip
            core              skip      skip      skip      skip      skip      skip      skip
            agent-dependency  skip      skip      skip      skip      skip      skip      skip
            core-dependency   skip      skip      skip      skip      skip      skip      skip
            declared          skip      skip      skip      skip      skip      skip      skip
            label             act       act       act       act       act       act       skip
        "#]],
    );
}

#[test]
fn by_name_the_control_path_is_refused_and_the_branch_is_handed_over() {
    check(
        Form::Named,
        NOTHING,
        expect![[r#"
                              start     restart   pause     unpause   stop      destroy   prune
            agent             act       hand-over refuse    act       refuse    refuse    skip
            agent (another's) act       refuse    refuse    act       refuse    refuse    skip
            core              act       hand-over refuse    act       refuse    refuse    skip
            agent-dependency  act       refuse    refuse    act       refuse    refuse    skip
            core-dependency   act       refuse    refuse    act       refuse    refuse    skip
            declared          act       refuse    refuse    act       refuse    refuse    skip
            label             act       act       act       act       act       act       skip
        "#]],
    );
}

#[test]
fn an_override_never_lifts_agent_and_core() {
    check(
        Form::Named,
        OVERRIDDEN,
        expect![[r#"
                              start     restart   pause     unpause   stop      destroy   prune
            agent             act       hand-over refuse    act       refuse    refuse    skip
            agent (another's) act       refuse    refuse    act       refuse    refuse    skip
            core              act       hand-over refuse    act       refuse    refuse    skip
            agent-dependency  act       act       act       act       act       act       skip
            core-dependency   act       act       act       act       act       act       skip
            declared          act       act       act       act       act       act       skip
            label             act       act       act       act       act       act       skip
        "#]],
    );
}

#[test]
fn with_detach_the_branch_goes_by_name_and_nothing_else_is_lifted() {
    check(
        Form::Named,
        DETACH,
        expect![[r#"
                          start     restart   pause     unpause   stop      destroy   prune
        agent             act       hand-over detach    act       detach    detach    skip
        agent (another's) act       refuse    refuse    act       refuse    refuse    skip
        core              act       hand-over detach    act       detach    detach    skip
        agent-dependency  act       refuse    refuse    act       refuse    refuse    skip
        core-dependency   act       refuse    refuse    act       refuse    refuse    skip
        declared          act       refuse    refuse    act       refuse    refuse    skip
        label             act       act       act       act       act       act       skip
    "#]],
    );
}

#[test]
fn with_both_each_lifts_its_own() {
    check(
        Form::Named,
        LIFTS[3],
        expect![[r#"
                          start     restart   pause     unpause   stop      destroy   prune
        agent             act       hand-over detach    act       detach    detach    skip
        agent (another's) act       refuse    refuse    act       refuse    refuse    skip
        core              act       hand-over detach    act       detach    detach    skip
        agent-dependency  act       act       act       act       act       act       skip
        core-dependency   act       act       act       act       act       act       skip
        declared          act       act       act       act       act       act       skip
        label             act       act       act       act       act       act       skip
    "#]],
    );
}

#[test]
fn detach_means_nothing_in_bulk_or_in_a_list() {
    for (reason, action) in PROTECTING
        .into_iter()
        .flat_map(|code| ACTIONS.map(|action| (Reason::new(code), action)))
    {
        for form in [Form::Bulk, Form::Listed] {
            let reasons = [reason.clone()];
            assert_eq!(
                guard(&reasons, action, form, DETACH),
                guard(&reasons, action, form, NOTHING),
                "{reason:?} {action:?} {form:?}"
            );
        }
    }
}

/// Only by name, only what ends a run; only a restart is handed over.
#[test]
fn what_is_handed_over_or_detached_is_named_in_its_own_request() {
    use ContainerAction::{Destroy, Pause, Restart, Stop};
    for (action, form, lift) in all() {
        for code in PROTECTING {
            let branch =
                matches!(code, ReasonCode::Agent | ReasonCode::Core) && form == Form::Named;
            let decision = guard(&[Reason::new(code)], action, form, lift);
            assert_eq!(
                matches!(decision, Decision::HandOver(_)),
                branch && action == Restart,
                "{code:?} {action:?} {form:?} {lift:?}"
            );
            assert_eq!(
                matches!(decision, Decision::Detach(_)),
                branch && lift.detach && matches!(action, Pause | Stop | Destroy),
                "{code:?} {action:?} {form:?} {lift:?}"
            );
        }
    }
}

/// What the agent hangs on as well is not lifted with it.
#[test]
fn a_hand_over_or_a_detach_of_what_others_need_too_asks_for_both() {
    for other in [
        ReasonCode::AgentDependency,
        ReasonCode::CoreDependency,
        ReasonCode::Declared,
    ] {
        let reasons = [Reason::new(ReasonCode::Agent), Reason::new(other)];
        let ask = |action, lift| guard(&reasons, action, Form::Named, lift);
        let refused = Decision::Refuse(Reason::new(other));
        let agent = || Reason::new(ReasonCode::Agent);
        assert_eq!(ask(ContainerAction::Restart, NOTHING), refused);
        assert_eq!(ask(ContainerAction::Stop, DETACH), refused);
        assert_eq!(
            ask(ContainerAction::Restart, OVERRIDDEN),
            Decision::HandOver(agent())
        );
        assert_eq!(
            ask(ContainerAction::Stop, LIFTS[3]),
            Decision::Detach(agent())
        );
    }
    let neighbour = Reason::with(ReasonCode::Agent, NEIGHBOUR);
    let reasons = [Reason::new(ReasonCode::Core), neighbour.clone()];
    for lift in LIFTS {
        assert_eq!(
            guard(&reasons, ContainerAction::Restart, Form::Named, lift),
            Decision::Refuse(neighbour.clone())
        );
    }
    // The label alone never stands in the way of one that is named.
    let reasons = [
        Reason::new(ReasonCode::Agent),
        Reason::new(ReasonCode::Label),
    ];
    assert_eq!(
        guard(&reasons, ContainerAction::Restart, Form::Named, NOTHING),
        Decision::HandOver(Reason::new(ReasonCode::Agent))
    );
}

#[test]
fn what_no_reason_protects_is_acted_on_always() {
    for (action, form, lift) in all() {
        assert_eq!(guard(&[], action, form, lift), Decision::Act);
        for code in [
            ReasonCode::Already,
            ReasonCode::NotApplicable,
            ReasonCode::Excluded,
            ReasonCode::Gone,
        ] {
            assert_eq!(
                guard(&[Reason::new(code)], action, form, lift),
                Decision::Act
            );
        }
    }
}

/// Nothing that takes away may reach the agent or Core, however it is asked for and whatever else is said of them.
#[test]
fn no_cell_saws_off_the_branch() {
    for (action, form, lift) in all() {
        if matches!(action, ContainerAction::Start | ContainerAction::Unpause) {
            continue;
        }
        for branch in [ReasonCode::Agent, ReasonCode::Core] {
            for other in PROTECTING {
                for reasons in [[branch, other], [other, branch]] {
                    let decision = guard(&reasons.map(Reason::new), action, form, lift);
                    assert_ne!(
                        decision,
                        Decision::Act,
                        "{reasons:?} {action:?} {form:?} {lift:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn of_several_reasons_the_severest_decides_and_the_strongest_is_named() {
    let reasons = |codes: &[ReasonCode]| {
        codes
            .iter()
            .map(|&code| Reason::new(code))
            .collect::<Vec<_>>()
    };
    use ReasonCode::*;
    for (codes, form, overridden, expected) in [
        (
            &[Label, Declared][..],
            Form::Bulk,
            false,
            Decision::Skip(Reason::new(Declared)),
        ),
        (
            &[Label, Declared],
            Form::Named,
            false,
            Decision::Refuse(Reason::new(Declared)),
        ),
        (&[Label, Declared], Form::Named, true, Decision::Act),
        (
            &[Label, AgentDependency],
            Form::Listed,
            false,
            Decision::Skip(Reason::new(AgentDependency)),
        ),
        (
            &[Declared, Label, Core, Agent],
            Form::Bulk,
            false,
            Decision::Skip(Reason::new(Agent)),
        ),
        // The override lifts the first reason, but not the second.
        (
            &[AgentDependency, Core],
            Form::Named,
            true,
            Decision::Refuse(Reason::new(Core)),
        ),
        (
            &[AgentDependency, Core],
            Form::Named,
            false,
            Decision::Refuse(Reason::new(Core)),
        ),
    ] {
        assert_eq!(
            guard(
                &reasons(codes),
                ContainerAction::Stop,
                form,
                if overridden { OVERRIDDEN } else { NOTHING }
            ),
            expected,
            "{codes:?} {form:?}"
        );
    }
}

#[test]
fn a_refusal_names_the_container_the_reason_and_the_way() {
    let mut printed = String::new();
    for (action, reason) in [
        (ContainerAction::Stop, Reason::new(ReasonCode::Agent)),
        (
            ContainerAction::Restart,
            Reason::with(ReasonCode::Agent, "of another server on this Engine"),
        ),
        (ContainerAction::Destroy, Reason::new(ReasonCode::Core)),
        (
            ContainerAction::Pause,
            Reason::with(ReasonCode::Declared, "komodo.protect=true"),
        ),
        (
            ContainerAction::Stop,
            Reason::with(ReasonCode::AgentDependency, "periphery uses its network"),
        ),
        (
            ContainerAction::Restart,
            Reason::with(ReasonCode::NotApplicable, "it was started with --rm"),
        ),
    ] {
        printed += &refusal("box", action, &reason);
        printed.push('\n');
    }
    expect![[r#"
        'box' is protected: it runs the agent; without it the server could not be controlled. If you mean it, ask for the stop again with `detach` (needs Write): the server cannot be controlled until somebody brings it back on the host.
        'box' is protected: it runs the agent; without it the server could not be controlled (of another server on this Engine). Ask the server that it is the agent of.
        'box' is protected: it runs Komodo Core. If you mean it, ask for the destroy again with `detach` (needs Write): Komodo does not answer any more until somebody brings it back on the host.
        'box' is protected: its owner declared it part of the control path (komodo.protect=true). If you mean it, send the request again with `override` and your reason (needs Write).
        'box' is protected: the agent depends on it (periphery uses its network). If you mean it, send the request again with `override` and your reason (needs Write).
        cannot restart 'box': it was started with --rm
    "#]].assert_eq(&printed);
}

fn all() -> impl Iterator<Item = (ContainerAction, Form, Lift)> {
    ACTIONS.into_iter().flat_map(|action| {
        FORMS
            .into_iter()
            .flat_map(move |form| LIFTS.map(|lift| (action, form, lift)))
    })
}
