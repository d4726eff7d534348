//! The container that runs the agent or Core, named in its own request.

use super::*;

const BRANCH: &str = "
    periphery running restart=always timeout=30
    sidecar running net=periphery
    core running ports=9120
    web running
    declared running protect=true
";

fn each(containers: &str, whats: &[&str], expect: Expect) {
    let mut printed = String::new();
    for what in whats {
        let containers = world(containers);
        let plan = plan(&containers, what).unwrap();
        assert_counts(&plan);
        printed += &format!("{what}:\n{}", print(&plan, &containers));
    }
    expect.assert_eq(&printed);
}

#[test]
fn a_restart_is_handed_over_and_says_what_that_does() {
    each(
        BRANCH,
        &[
            "restart one periphery",
            "restart one periphery recreate",
            "restart one core",
            "restart one core recreate",
            "restart one periphery -x periphery",
            "restart list periphery",
        ],
        expect![[r#"
            restart one periphery:
            periphery hand-over hits sidecar
            ! 'periphery' runs the agent: a helper restarts it, and nothing can be asked of this server meanwhile
            ! sidecar will be left without network: it shares that of 'periphery'
            restart one periphery recreate:
            periphery hand-over hits sidecar
            ! 'periphery' runs the agent: a helper puts a new container in its place, and nothing can be asked of this server meanwhile; the old one is kept until the new one was watched for 30 s, and put back if that goes wrong
            ! sidecar will be left without network: it shares that of 'periphery'
            restart one core:
            core hand-over dark 0.0.0.0:9120/tcp
            ! 'core' runs Komodo Core: a helper restarts it, and Komodo does not answer meanwhile
            restart one core recreate:
            core hand-over dark 0.0.0.0:9120/tcp
            ! 'core' runs Komodo Core: a helper puts a new container in its place, and Komodo does not answer meanwhile; the old one is kept until the new one was watched for 30 s, and put back if that goes wrong
            restart one periphery -x periphery:
            periphery skip excluded
            restart list periphery:
            periphery skip agent
        "#]],
    );
}

#[test]
fn a_detach_says_what_is_lost_and_what_brings_it_back() {
    each(
        BRANCH,
        &[
            "stop one periphery",
            "stop one periphery detach",
            "pause one periphery detach",
            "destroy one periphery detach",
            "stop one core detach",
            "stop list periphery detach",
            "stop one web detach",
            "stop one declared detach",
        ],
        expect![[r#"
            stop one periphery:
            periphery refuse agent
            stop one periphery detach:
            periphery detach hits sidecar comes-back bring back: docker start periphery
            ! 'periphery' runs the agent: nothing can be asked of this server until somebody brings it back on its host, with: docker start periphery
            ! sidecar will be left without network: it shares that of 'periphery'
            pause one periphery detach:
            periphery detach hits sidecar bring back: docker unpause periphery
            ! 'periphery' runs the agent: nothing can be asked of this server until somebody brings it back on its host, with: docker unpause periphery
            destroy one periphery detach:
            periphery detach hits sidecar bring back: the command or compose file that made periphery, once more
            ! 'periphery' runs the agent: nothing can be asked of this server until somebody brings it back on its host, with: the command or compose file that made periphery, once more
            ! sidecar will be left without network: it shares that of 'periphery'
            stop one core detach:
            core detach dark 0.0.0.0:9120/tcp bring back: docker start core
            ! 'core' runs Komodo Core: Komodo does not answer until somebody brings it back on its host, with: docker start core
            stop list periphery detach:
            periphery skip agent
            stop one web detach:
            web act
            stop one declared detach:
            declared refuse declared
        "#]],
    );
}

#[test]
fn only_the_branch_is_made_anew() {
    each(
        BRANCH,
        &[
            "restart one web recreate",
            "restart one declared override recreate",
        ],
        expect![[r#"
            restart one web recreate:
            web skip not-applicable (only what runs the agent or Core is made anew by `recreate`)
            restart one declared override recreate:
            declared skip not-applicable (only what runs the agent or Core is made anew by `recreate`)
        "#]],
    );
    let containers = world(BRANCH);
    let why = |what: &str, recreate: bool| {
        let operation = AgentOperation {
            id: "op".into(),
            epoch: 1,
            core_id: None,
            action: ContainerAction::Restart,
            scope: Scope::All,
            exclude: Vec::new(),
            signal: None,
            time: None,
            override_reason: None,
            detach: false,
            recreate: recreate.then(Default::default),
            probation_s: None,
            expected: BTreeMap::new(),
            bound: false,
            concurrency: 1,
            operator: "ada".into(),
        };
        plan(&containers, what).unwrap().not_recreated(&operation)
    };
    assert_eq!(why("restart one periphery recreate", true), None);
    assert_eq!(why("restart one web", false), None);
    for what in ["restart one web", "restart one web recreate"] {
        let told = why(what, true).expect("it is refused");
        assert!(told.contains("'web'"), "{told}");
    }
}

/// It could not be put back, and a command that starts it again would be a lie.
#[test]
fn one_that_goes_with_its_end_is_not_handed_over_and_not_told_to_be_started() {
    each(
        "periphery running rm",
        &[
            "restart one periphery",
            "restart one periphery recreate",
            "stop one periphery detach",
            "pause one periphery detach",
        ],
        expect![[r#"
            restart one periphery:
            periphery refuse not-applicable (the Engine removes it as soon as it stops, since it was started with --rm: it could not be put back; start it without --rm)
            restart one periphery recreate:
            periphery refuse not-applicable (the Engine removes it as soon as it stops, since it was started with --rm: it could not be put back; start it without --rm)
            stop one periphery detach:
            periphery detach bring back: the command or compose file that made periphery, once more
            ! 'periphery' runs the agent: nothing can be asked of this server until somebody brings it back on its host, with: the command or compose file that made periphery, once more
            pause one periphery detach:
            periphery detach bring back: docker unpause periphery
            ! 'periphery' runs the agent: nothing can be asked of this server until somebody brings it back on its host, with: docker unpause periphery
        "#]],
    );
    each(
        "web running rm",
        &["restart one web"],
        expect![[r#"
        restart one web:
        web act
    "#]],
    );
}

/// Another one would take the steps of the first for its own, and one who went would be put back.
#[test]
fn nothing_is_begun_with_it_while_a_helper_is_at_work() {
    let whats = &[
        "restart one periphery",
        "restart one periphery recreate",
        "restart one core",
        "stop one periphery detach",
        "restart one web",
    ];
    let helper = |state: &str| {
        format!("{BRANCH}\n komodo-hand-over-7 {state} label=komodo.hand-over:7 skip=true")
    };
    each(
        &helper("running"),
        whats,
        expect![[r#"
            restart one periphery:
            periphery refuse not-applicable (another hand over is under way on this server, by 'komodo-hand-over-7'; wait for its end)
            restart one periphery recreate:
            periphery refuse not-applicable (another hand over is under way on this server, by 'komodo-hand-over-7'; wait for its end)
            restart one core:
            core refuse not-applicable (another hand over is under way on this server, by 'komodo-hand-over-7'; wait for its end)
            stop one periphery detach:
            periphery refuse not-applicable (another hand over is under way on this server, by 'komodo-hand-over-7'; wait for its end)
            restart one web:
            web act
        "#]],
    );
    for what in whats {
        let through = world(&helper("exited code=0"));
        let through = plan(&through, what).unwrap();
        assert!(through.refused().is_none(), "{what}");
    }
}

#[test]
fn a_hand_over_is_given_its_time() {
    let containers = world(BRANCH);
    let ms = |what: &str| plan(&containers, what).unwrap().deadlines_ms[0];
    // Its stop timeout, the probation, and what the Engine needs.
    assert_eq!(ms("restart one periphery"), (30 + 30 + 90) * 1000);
    assert_eq!(ms("restart one core"), (10 + 30 + 90) * 1000);
    // And the time to fetch an image.
    assert_eq!(ms("restart one core recreate"), (10 + 30 + 90 + 600) * 1000);
    assert_eq!(
        ms("stop one periphery detach"),
        target_deadline_ms(ContainerAction::Stop, Some(30), None)
    );
    let whole = hand_over_deadline_ms(None, Some(-1), Some(u32::MAX), false);
    assert_eq!(whole, (3600 + 3600 + 90) * 1000, "it is bounded");
    assert_eq!(
        hand_over_deadline_ms(Some(30), Some(5), Some(60), false),
        (5 + 60 + 90) * 1000
    );
}

#[test]
fn what_is_handed_over_or_goes_on_purpose_has_no_undo() {
    use ContainerAction::{Destroy, Pause, Restart, Stop};
    let containers = world(BRANCH);
    for (what, action, undone) in [
        ("stop one web", Stop, true),
        ("stop all", Stop, true),
        ("pause one web", Pause, true),
        ("stop one periphery detach", Stop, false),
        ("pause one core detach", Pause, false),
        ("destroy one web", Destroy, false),
        ("restart one periphery", Restart, false),
    ] {
        let plan = plan(&containers, what).unwrap();
        assert_eq!(plan.has_undo(action), undone, "{what}");
    }
}
