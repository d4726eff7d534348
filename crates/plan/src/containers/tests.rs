use expect_test::{Expect, expect};

use super::*;
use crate::{
    ControlPath, protected_set,
    table::{ACTIONS, PROTECTING, STATES, action, container, id, scope, world},
};

mod branch;
mod order;
mod range;

/// Plans `what` (`stop all`, `restart one web override`, `stop all -x web`) in a world where `periphery` is the agent.
fn plan(containers: &[Container], what: &str) -> Result<ContainersPlan, PlanError> {
    let (what, exclude) = what.split_once(" -x ").unwrap_or((what, ""));
    let exclude: Vec<ContainerRef> = exclude
        .split_whitespace()
        .map(|name| ContainerRef(name.into()))
        .collect();
    let mut what = what;
    let mut said = |word: &str| match what.strip_suffix(word) {
        Some(rest) => {
            what = rest;
            true
        }
        None => false,
    };
    let (recreate, detach, overridden) = (said(" recreate"), said(" detach"), said(" override"));
    let (verb, rest) = what.split_once(' ').unwrap();
    let path = ControlPath {
        own_container: Some(id("periphery")),
        core_container: Some(id("core")),
        core_depends_on: vec!["coredb".into()],
        ..ControlPath::default()
    };
    let protected = protected_set(containers, &path);
    let scope = scope(rest);
    let input = PlanInput {
        action: action(verb),
        scope: &scope,
        exclude: &exclude,
        time: None,
        lift: crate::Lift { overridden, detach },
        expected: NOTHING_EXPECTED,
        bound: false,
        recreate,
        probation_s: None,
    };
    plan_containers(&input, Observed::new(containers, &protected))
}

fn print(plan: &ContainersPlan, containers: &[Container]) -> String {
    let name = |id: &String| {
        containers
            .iter()
            .find(|it| it.id == *id)
            .map_or("?", |it| it.name.as_str())
    };
    let mut printed = String::new();
    for item in &plan.items {
        printed += &format!(
            "{} {}",
            item.container,
            serde_json::to_value(item.effect).unwrap().as_str().unwrap()
        );
        if let Some(reason) = &item.reason {
            printed += &format!(
                " {}",
                serde_json::to_value(reason.code).unwrap().as_str().unwrap()
            );
        }
        if !item.after.is_empty() {
            printed += &format!(
                " after {}",
                item.after.iter().map(name).collect::<Vec<_>>().join(",")
            );
        }
        if !item.dependants.is_empty() {
            printed += &format!(" hits {}", item.dependants.join(","));
        }
        if !item.ports.is_empty() {
            printed += &format!(" dark {}", item.ports.join(","));
        }
        if item.comes_back {
            printed += " comes-back";
        }
        if let Some(bytes) = item.bytes {
            printed += &format!(" {bytes}B");
        }
        if let Some(bring_back) = &item.bring_back {
            printed += &format!(" bring back: {bring_back}");
        }
        if let Some(detail) = item
            .reason
            .as_ref()
            .and_then(|reason| reason.detail.as_ref())
            && item
                .reason
                .as_ref()
                .is_some_and(|reason| !reason.code.protects())
        {
            printed += &format!(" ({detail})");
        }
        printed.push('\n');
    }
    for warning in &plan.warnings {
        printed += &format!("! {warning}\n");
    }
    printed
}

fn check(containers: &str, what: &str, expect: Expect) {
    let mut containers = world(containers);
    let printed = match plan(&containers, what) {
        Ok(plan) => {
            assert_counts(&plan);
            print(&plan, &containers)
        }
        Err(error) => format!("error: {error}\n"),
    };
    expect.assert_eq(&printed);
    let hash =
        |plan: Result<ContainersPlan, PlanError>| plan.map(|plan| plan_hash("x", "s", &plan));
    let forwards = hash(plan(&containers, what));
    containers.reverse();
    assert_eq!(
        forwards,
        hash(plan(&containers, what)),
        "the order of the list must not matter"
    );
}

fn assert_counts(plan: &ContainersPlan) {
    let PlanCounts {
        act,
        protected,
        unchanged,
        excluded,
        refused,
    } = plan.counts;
    assert_eq!(
        (act + protected + unchanged + excluded + refused) as usize,
        plan.items.len()
    );
    assert_eq!(plan.acts().count(), act as usize);
    assert_eq!(plan.deadlines_ms.len(), plan.items.len());
    for (item, deadline) in plan.items.iter().zip(&plan.deadlines_ms) {
        assert_eq!(item.effect.acts(), *deadline > 0);
        assert_eq!(item.effect.acts(), item.reason.is_none());
    }
}

const HOST: &str = "
    periphery running restart=unless-stopped
    web running image=nginx:1.27 ports=8080,::-8080 restart=always
    job exited bytes=100
    fresh created
    ice paused
    loop restarting
    corpse dead bytes=7
    going removing
    labelled running skip=true
    labelled-old exited skip=true
    declared running protect=true
    coredb running
";

#[test]
fn each_verb_on_all() {
    for (what, expected) in [
        (
            "start all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            fresh act
            job act
            corpse skip not-applicable
            going skip not-applicable
            ice skip not-applicable
            loop skip already
            web skip already
        "#]],
        ),
        (
            "restart all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            loop act
            web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp
            corpse skip not-applicable
            fresh skip not-applicable
            going skip not-applicable
            ice skip not-applicable
            job skip not-applicable
        "#]],
        ),
        (
            "pause all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp
            corpse skip not-applicable
            fresh skip not-applicable
            going skip not-applicable
            ice skip already
            job skip not-applicable
            loop skip not-applicable
        "#]],
        ),
        (
            "unpause all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            ice act
            corpse skip not-applicable
            fresh skip not-applicable
            going skip not-applicable
            job skip not-applicable
            loop skip not-applicable
            web skip already
        "#]],
        ),
        (
            "stop all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            ice act
            loop act
            web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp comes-back
            corpse skip already
            fresh skip already
            going skip not-applicable
            job skip already
        "#]],
        ),
        (
            "destroy all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            corpse act
            fresh act
            going act
            ice act
            job act
            loop act
            web act dark 0.0.0.0:8080/tcp,[::]:8080/tcp
        "#]],
        ),
        (
            "prune all",
            expect![[r#"
            coredb skip core-dependency
            declared skip declared
            labelled skip label
            labelled-old skip label
            periphery skip agent
            corpse act 7B
            fresh act
            job act 100B
            going skip not-applicable
            ice skip not-applicable
            loop skip not-applicable
            web skip not-applicable
        "#]],
        ),
    ] {
        check(HOST, what, expected);
    }
}

#[test]
fn each_verb_by_name_in_each_state() {
    let mut printed = format!("{:11}", "");
    for action in ACTIONS {
        printed += &format!("{:15}", crate::guard::verb(action));
    }
    printed = printed.trim_end().to_owned() + "\n";
    for state in STATES {
        let container = Container {
            id: id("web"),
            name: "web".into(),
            state,
            ..Container::default()
        };
        let mut line = format!(
            "{:11}",
            if state.as_str().is_empty() {
                "?"
            } else {
                state.as_str()
            }
        );
        for action in ACTIONS {
            let scope = Scope::One(ContainerRef("web".into()));
            let input = PlanInput {
                action,
                scope: &scope,
                exclude: &[],
                time: None,
                lift: crate::Lift {
                    overridden: false,
                    detach: false,
                },
                expected: NOTHING_EXPECTED,
                bound: false,
                recreate: false,
                probation_s: None,
            };
            let plan = plan_containers(&input, Observed::new([&container], &[])).unwrap();
            let word = match &plan.items[0].reason {
                None => "act".to_owned(),
                Some(reason) => serde_json::to_value(reason.code)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned(),
            };
            line += &format!("{word:15}");
        }
        printed += line.trim_end();
        printed.push('\n');
    }
    expect![[r#"
                   start          restart        pause          unpause        stop           destroy        prune
        running    already        act            act            already        act            act            not-applicable
        created    act            act            not-applicable not-applicable already        act            act
        restarting already        act            not-applicable not-applicable act            act            not-applicable
        stopping   not-applicable act            not-applicable not-applicable act            act            not-applicable
        removing   not-applicable not-applicable not-applicable not-applicable not-applicable act            not-applicable
        paused     not-applicable act            already        act            act            act            not-applicable
        exited     act            act            not-applicable not-applicable already        act            act
        dead       not-applicable not-applicable not-applicable not-applicable already        act            act
        ?          not-applicable not-applicable not-applicable not-applicable act            act            not-applicable
    "#]].assert_eq(&printed);
}

/// Values of `komodo.skip`: five keep a container out of every bulk verb, two do not.
#[test]
fn the_label_by_value_for_every_verb() {
    let cases = [
        ("skip=true", true),
        ("skip=", true),
        ("skip=0", true),
        ("skip=no", true),
        ("skip=False", true),
        ("skip=false", false),
        ("", false),
    ];
    for (label, skipped) in cases {
        for (verb, state) in [
            ("start", "exited"),
            ("restart", "running"),
            ("pause", "running"),
            ("unpause", "paused"),
            ("stop", "running"),
            ("prune", "exited"),
        ] {
            let containers = world(&format!("web {state} {label}"));
            for form in ["all", "match term=web"] {
                let plan = plan(&containers, &format!("{verb} {form}")).unwrap();
                assert_eq!(
                    (plan.counts.protected, plan.counts.act),
                    (u32::from(skipped), u32::from(!skipped))
                );
            }
            // Named, one acts; but a prune is never of one that is named.
            let named = plan(&containers, &format!("{verb} list web")).unwrap();
            assert_eq!(
                named.counts.act == 1,
                !skipped || verb != "prune",
                "{verb} {label}"
            );
        }
    }
}

#[test]
fn a_plan_that_held_no_container_binds_too() {
    let web = container("web running");
    let acts = |expected: &BTreeMap<String, Expected>, bound| {
        let input = PlanInput {
            action: ContainerAction::Stop,
            scope: &Scope::All,
            exclude: &[],
            time: None,
            lift: crate::Lift {
                overridden: false,
                detach: false,
            },
            expected,
            bound,
            recreate: false,
            probation_s: None,
        };
        let plan = plan_containers(&input, Observed::new([&web], &[])).unwrap();
        (
            plan.counts.act,
            plan.items[0].reason.as_ref().map(|it| it.code),
        )
    };
    let other = Expected {
        name: "other".into(),
        state: ContainerStateStatusEnum::Running,
        run: Default::default(),
        back_to: ContainerStateStatusEnum::Empty,
    };
    let left = (0, Some(ReasonCode::ChangedSince));
    assert_eq!(acts(NOTHING_EXPECTED, false), (1, None));
    assert_eq!(acts(NOTHING_EXPECTED, true), left);
    let other = BTreeMap::from([("other".to_owned(), other)]);
    assert_eq!((acts(&other, false), acts(&other, true)), (left, left));
}
