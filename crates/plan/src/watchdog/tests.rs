use komodo_api::engine::ContainerStateStatusEnum as State;

use super::*;

const NOW: UnixMs = 1_000_000_000;
const GRACE: i64 = 3_000;

fn agent(state: State) -> Facts {
    Facts {
        agent: Some(AgentContainer {
            state,
            since: NOW - 60_000,
            began: NOW - 3_600_000,
            detached_at: None,
        }),
        helpers: Vec::new(),
        acted: Vec::new(),
        grace_ms: GRACE,
        now: NOW,
    }
}

fn with(facts: Facts, change: impl FnOnce(&mut AgentContainer)) -> Facts {
    let mut agent = facts.agent.clone().expect("there is one");
    change(&mut agent);
    Facts {
        agent: Some(agent),
        ..facts
    }
}

/// Its state, whether it says that it is done, and its deadline.
type HelperIs = (State, bool, Option<UnixMs>);

fn helped(facts: Facts, helpers: &[HelperIs]) -> Facts {
    let helpers = helpers.iter().enumerate();
    Facts {
        helpers: helpers
            .map(|(at, (state, done, until))| Helper {
                id: format!("helper-{at}"),
                state: *state,
                done: *done,
                until: *until,
            })
            .collect(),
        ..facts
    }
}

fn acted(facts: Facts, seconds_ago: &[i64]) -> Facts {
    let acted = seconds_ago.iter().map(|ago| NOW - ago * 1000).collect();
    Facts { acted, ..facts }
}

/// `start`, `leave Runs`, `wait 3000 Grace`.
fn shown(facts: &Facts) -> String {
    match decide(facts) {
        Decide::Leave(why) => format!("leave {why:?}"),
        Decide::Wait { until, why } => format!("wait {} {why:?}", until - facts.now),
        Decide::Start => "start".to_owned(),
        Decide::Unpause => "unpause".to_owned(),
        Decide::Resume { helper, paused } => format!("resume {helper} {paused}"),
    }
}

#[test]
fn it_acts_on_what_was_stopped_or_paused_and_on_nothing_else() {
    let cases = [
        (State::Running, "leave Runs"),
        (State::Restarting, "leave EngineStarts"),
        (State::Created, "leave NeverStarted"),
        (State::Stopping, "leave Stops"),
        (State::Removing, "leave Gone"),
        (State::Dead, "leave Gone"),
        (State::Empty, "leave Gone"),
        (State::Exited, "start"),
        (State::Paused, "unpause"),
    ];
    for (state, expected) in cases {
        assert_eq!(shown(&agent(state)), expected, "{state:?}");
    }
    let gone = Facts {
        agent: None,
        ..agent(State::Running)
    };
    assert_eq!(shown(&gone), "leave Gone");
}

#[test]
fn whoever_stopped_it_may_start_it_again_for_a_moment() {
    let since = |ago: i64| with(agent(State::Exited), |agent| agent.since = NOW - ago);
    assert_eq!(shown(&since(0)), "wait 3000 Grace");
    assert_eq!(shown(&since(2_999)), "wait 1 Grace");
    assert_eq!(shown(&since(3_000)), "start");
    assert_eq!(
        shown(&since(-3_600_000)),
        "wait 3000 Grace",
        "a clock that was set back holds it up no longer than that"
    );
    let none = Facts {
        grace_ms: 0,
        ..since(0)
    };
    assert_eq!(shown(&none), "start");
}

#[test]
fn what_was_detached_on_purpose_stays_so_until_it_has_run_again() {
    for state in [State::Exited, State::Paused] {
        let marked = |at: UnixMs| with(agent(state), |agent| agent.detached_at = Some(at));
        assert_eq!(shown(&marked(NOW - 61_000)), "leave Detached", "{state:?}");
        let began = NOW - 3_600_000;
        assert_eq!(shown(&marked(began)), "leave Detached", "{state:?}");
        assert!(!shown(&marked(began - 1)).starts_with("leave"), "{state:?}");
    }
}

#[test]
fn a_helper_at_work_is_left_to_its_work_and_one_that_was_killed_is_sent_back_to_it() {
    let until = Some(NOW + 1_000);
    let overdue = Some(NOW - HELPER_OVERDUE_MS);
    let cases: [(&[HelperIs], &str); 13] = [
        (&[(State::Running, false, until)], "wait 601000 HandOver"),
        (&[(State::Restarting, false, until)], "wait 601000 HandOver"),
        (&[(State::Running, true, until)], "wait 601000 HandOver"),
        (&[(State::Running, false, None)], "leave HandOver"),
        (&[(State::Exited, true, until)], "start"),
        (&[(State::Created, false, until)], "start"),
        (&[(State::Removing, false, until)], "start"),
        (&[(State::Exited, false, until)], "resume helper-0 false"),
        (&[(State::Paused, false, until)], "resume helper-0 true"),
        (
            &[(State::Exited, false, until), (State::Running, false, None)],
            "leave HandOver",
        ),
        (
            &[(State::Exited, true, until), (State::Exited, false, until)],
            "resume helper-1 false",
        ),
        (&[(State::Running, false, overdue)], "start"),
        (
            &[
                (State::Running, false, overdue),
                (State::Exited, false, overdue),
            ],
            "resume helper-1 false",
        ),
    ];
    for (helpers, expected) in cases {
        let facts = helped(agent(State::Exited), helpers);
        assert_eq!(shown(&facts), expected, "{helpers:?}");
        let runs = helped(agent(State::Running), helpers);
        assert_eq!(shown(&runs), "leave Runs", "{helpers:?}");
    }
    for state in [
        State::Created,
        State::Restarting,
        State::Paused,
        State::Stopping,
        State::Removing,
        State::Dead,
    ] {
        let killed = helped(agent(state), &[(State::Exited, false, until)]);
        assert_eq!(shown(&killed), "resume helper-0 false", "{state:?}");
        let at_work = helped(agent(state), &[(State::Running, false, until)]);
        assert_eq!(shown(&at_work), "wait 601000 HandOver", "{state:?}");
    }
    let fresh = with(agent(State::Exited), |agent| agent.since = NOW);
    let killed = helped(fresh, &[(State::Exited, false, until)]);
    assert_eq!(shown(&killed), "wait 3000 Grace");
}

#[test]
fn one_that_does_not_stay_is_started_ever_later_and_then_given_up_for_a_while() {
    let cases: [(&[i64], &str); 8] = [
        (&[5], "wait 1000 Grace"),
        (&[6], "start"),
        (&[20, 11], "wait 1000 Grace"),
        (&[40, 30, 20], "wait 4000 Grace"),
        (&[100, 80, 60, 40], "wait 8000 Grace"),
        (&[100, 80, 60, 48], "start"),
        (&[500, 400, 300, 200, 100], "wait 100000 GivenUp"),
        (&[600, 400, 300, 200, 100], "start"),
    ];
    for (ago, expected) in cases {
        assert_eq!(
            shown(&acted(agent(State::Exited), ago)),
            expected,
            "{ago:?}"
        );
    }
    let fresh = with(agent(State::Exited), |agent| agent.since = NOW - 1_000);
    assert_eq!(shown(&acted(fresh, &[30])), "wait 5000 Grace");
    let detached = with(acted(agent(State::Exited), &[5, 4, 3, 2, 1]), |agent| {
        agent.detached_at = Some(NOW - 60_500);
    });
    assert_eq!(shown(&detached), "leave Detached");
}

fn candidates(all: &[(&str, &[(&str, &str)])]) -> Vec<Candidate> {
    let all = all.iter().map(|(name, labels)| Candidate {
        id: format!("{name:0<64}"),
        name: (*name).to_owned(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    });
    all.collect()
}

const LABELLED: &[(&str, &str)] = &[(AGENT_LABEL, "")];
const SERVICE: &[(&str, &str)] = &[(COMPOSE_SERVICE_LABEL, AGENT_SERVICE)];

#[test]
fn the_agent_is_found_by_its_name_its_label_or_its_service() {
    let check = |all: &[(&str, &[(&str, &str)])], named: Option<&str>| {
        let all = candidates(all);
        match find(&all, named) {
            Ok(found) => found.name.clone(),
            Err(error) => error.to_string().chars().take(30).collect(),
        }
    };
    let watchdog: &[(&str, &str)] = &[(AGENT_LABEL, ""), (WATCHDOG_LABEL, "")];
    let helper: &[(&str, &str)] = &[(AGENT_LABEL, ""), (HELPER_LABEL, "1")];
    let not: &[(&str, &str)] = &[(AGENT_LABEL, "false")];
    assert_eq!(check(&[("a", &[]), ("b", &[])], Some("/b")), "b");
    assert_eq!(check(&[("a", &[]), ("b", &[])], Some("b00000000000")), "b");
    for unknown in ["c", "", "b0000", "a/../b"] {
        let found = check(&[("a", &[]), ("b", &[])], Some(unknown));
        assert!(found.starts_with("no container has the name"), "{unknown}");
    }
    assert_eq!(check(&[("a", LABELLED), ("b", &[])], None), "a");
    assert_eq!(check(&[("a", LABELLED), ("b", SERVICE)], None), "a");
    assert_eq!(check(&[("a", not), ("b", SERVICE)], None), "b");
    assert_eq!(
        check(&[("w", watchdog), ("h", helper), ("b", LABELLED)], None),
        "b"
    );
    assert_eq!(
        check(&[("w", watchdog)], Some("w")),
        "the container 'w' is not an ag"
    );
    assert_eq!(
        check(&[("a", not), ("b", &[])], None),
        "no container has the label kom"
    );
    assert_eq!(
        check(&[("a", LABELLED), ("b", LABELLED)], None),
        "several containers may be the "
    );
    assert_eq!(
        check(&[("a", SERVICE), ("b", SERVICE)], None),
        "several containers may be the "
    );
}

#[test]
fn in_a_hand_over_one_container_counts() {
    let name = |all: &[(&str, &[(&str, &str)])]| {
        find(&candidates(all), None).map(|found| found.name.clone())
    };
    let again = |all: &[(&str, &[(&str, &str)])]| {
        let id = format!("{:0<64}", "first");
        find_again(&candidates(all), "p", &id).map(|found| found.name.clone())
    };
    let found = |text: &str| Some(text.to_owned());
    for all in [
        &[("p", LABELLED), ("p.komodo-new", LABELLED)][..],
        &[("p.komodo-old", LABELLED), ("p", LABELLED)],
    ] {
        assert_eq!(name(all).ok(), found("p"));
        assert_eq!(again(all), found("p"));
    }
    let between = [("p.komodo-old", LABELLED), ("p.komodo-new", LABELLED)];
    assert_eq!(name(&between).ok(), found("p.komodo-old"));
    assert_eq!(again(&between), found("p.komodo-old"));
    assert_eq!(again(&[("first", LABELLED)]), found("first"), "renamed");
    assert_eq!(again(&[("other", LABELLED)]), None);
    assert_eq!(again(&[("p", &[(WATCHDOG_LABEL, "")])]), None);
}
