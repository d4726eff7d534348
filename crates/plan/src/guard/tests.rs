use expect_test::{Expect, expect};
use komodo_api::plan::ReasonCode;

use super::*;
use crate::table::{ACTIONS, PROTECTING};

const FORMS: [Form; 3] = [Form::Bulk, Form::Listed, Form::Named];

/// Asked without `detach`.
fn guard(reasons: &[Reason], action: ContainerAction, form: Form, overridden: bool) -> Decision {
    let lift = Lift {
        overridden,
        detach: false,
    };
    super::guard(reasons, action, form, lift)
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Act => "act",
        Decision::Skip(_) => "skip",
        Decision::Refuse(_) => "refuse",
        Decision::HandOver(_) => "hand over",
        Decision::Detach(_) => "detach",
    }
}

/// The whole table for one form: a row per reason, a column per action.
fn check(form: Form, overridden: bool, expect: Expect) {
    let mut printed = format!("{:18}", "");
    for action in ACTIONS {
        printed += &format!("{:9}", verb(action));
    }
    printed = printed.trim_end().to_owned() + "\n";
    for code in PROTECTING {
        let mut line = format!(
            "{:18}",
            serde_json::to_value(code).unwrap().as_str().unwrap()
        );
        for action in ACTIONS {
            line += &format!(
                "{:9}",
                word(&guard(&[Reason::new(code)], action, form, overridden))
            );
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
        false,
        expect![[r#"
                          start    restart  pause    unpause  stop     destroy  prune
        agent             skip     skip     skip     skip     skip     skip     skip
        core              skip     skip     skip     skip     skip     skip     skip
        agent-dependency  skip     skip     skip     skip     skip     skip     skip
        core-dependency   skip     skip     skip     skip     skip     skip     skip
        declared          skip     skip     skip     skip     skip     skip     skip
        label             skip     skip     skip     skip     skip     skip     skip
    "#]],
    );
}

#[test]
fn an_override_means_nothing_in_bulk() {
    check(
        Form::Bulk,
        true,
        expect![[r#"
                          start    restart  pause    unpause  stop     destroy  prune
        agent             skip     skip     skip     skip     skip     skip     skip
        core              skip     skip     skip     skip     skip     skip     skip
        agent-dependency  skip     skip     skip     skip     skip     skip     skip
        core-dependency   skip     skip     skip     skip     skip     skip     skip
        declared          skip     skip     skip     skip     skip     skip     skip
        label             skip     skip     skip     skip     skip     skip     skip
    "#]],
    );
}

#[test]
fn a_list_of_names_acts_on_those_that_only_carry_the_label() {
    check(
        Form::Listed,
        false,
        expect![[r#"
                          start    restart  pause    unpause  stop     destroy  prune
        agent             skip     skip     skip     skip     skip     skip     skip
        core              skip     skip     skip     skip     skip     skip     skip
        agent-dependency  skip     skip     skip     skip     skip     skip     skip
        core-dependency   skip     skip     skip     skip     skip     skip     skip
        declared          skip     skip     skip     skip     skip     skip     skip
        label             act      act      act      act      act      act      skip
    "#]],
    );
}

#[test]
fn by_name_the_control_path_is_refused() {
    check(
        Form::Named,
        false,
        expect![[r#"
                          start    restart  pause    unpause  stop     destroy  prune
        agent             act      refuse   refuse   act      refuse   refuse   skip
        core              act      refuse   refuse   act      refuse   refuse   skip
        agent-dependency  act      refuse   refuse   act      refuse   refuse   skip
        core-dependency   act      refuse   refuse   act      refuse   refuse   skip
        declared          act      refuse   refuse   act      refuse   refuse   skip
        label             act      act      act      act      act      act      skip
    "#]],
    );
}

#[test]
fn an_override_never_lifts_agent_and_core() {
    check(
        Form::Named,
        true,
        expect![[r#"
                          start    restart  pause    unpause  stop     destroy  prune
        agent             act      refuse   refuse   act      refuse   refuse   skip
        core              act      refuse   refuse   act      refuse   refuse   skip
        agent-dependency  act      act      act      act      act      act      skip
        core-dependency   act      act      act      act      act      act      skip
        declared          act      act      act      act      act      act      skip
        label             act      act      act      act      act      act      skip
    "#]],
    );
}

#[test]
fn what_no_reason_protects_is_acted_on_always() {
    for (action, form, overridden) in all() {
        assert_eq!(guard(&[], action, form, overridden), Decision::Act);
        for code in [
            ReasonCode::Already,
            ReasonCode::NotApplicable,
            ReasonCode::Excluded,
            ReasonCode::Gone,
        ] {
            assert_eq!(
                guard(&[Reason::new(code)], action, form, overridden),
                Decision::Act
            );
        }
    }
}

/// Nothing that takes away may reach the agent or Core, however it is asked for and whatever else is said of them.
#[test]
fn no_cell_saws_off_the_branch() {
    for (action, form, overridden) in all() {
        if matches!(action, ContainerAction::Start | ContainerAction::Unpause) {
            continue;
        }
        for branch in [ReasonCode::Agent, ReasonCode::Core] {
            for other in PROTECTING {
                for reasons in [[branch, other], [other, branch]] {
                    let decision = guard(&reasons.map(Reason::new), action, form, overridden);
                    assert_ne!(
                        decision,
                        Decision::Act,
                        "{reasons:?} {action:?} {form:?} {overridden}"
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
            guard(&reasons(codes), ContainerAction::Stop, form, overridden),
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
    ] {
        printed += &refusal("box", action, &reason);
        printed.push('\n');
    }
    expect![[r#"
        'box' is protected: it runs the agent; without it the server could not be controlled. If you mean it, run `docker stop box` on the host.
        'box' is protected: it runs the agent; without it the server could not be controlled (of another server on this Engine). If you mean it, run `docker restart box` on the host.
        'box' is protected: it runs Komodo Core. If you mean it, run `docker rm -f box` on the host.
        'box' is protected: its owner declared it part of the control path (komodo.protect=true). If you mean it, send the request again with `override` and your reason (needs Write).
        'box' is protected: the agent depends on it (periphery uses its network). If you mean it, send the request again with `override` and your reason (needs Write).
    "#]].assert_eq(&printed);
}

fn all() -> impl Iterator<Item = (ContainerAction, Form, bool)> {
    ACTIONS.into_iter().flat_map(|action| {
        FORMS
            .into_iter()
            .flat_map(move |form| [false, true].map(|overridden| (action, form, overridden)))
    })
}
