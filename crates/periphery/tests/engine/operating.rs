//! Every verb on real containers: what is done, what is spared, and that the verdict is what the Engine says.

use std::time::{Duration, Instant};

use komodo_agent_api::{AgentApi, AgentErrorCode, OperationEventBody};
use komodo_api::{
    container::{ContainerAction, Scope, TerminationSignal},
    engine::ContainerStateStatusEnum as State,
    update::VerdictKind,
};
use komodo_testkit::engine::{Container, State as Real};

use crate::harness::{Harness, one, operate, operation, reference, shown, verdicts};

#[tokio::test]
async fn each_verb_on_one_container() {
    let harness = Harness::start().await;
    let engine = &harness.engine;
    engine.create(Container::idle("web")).await.unwrap();
    harness.wait_state("web", State::Created).await;
    for (action, state) in [
        (ContainerAction::Start, Real::Running),
        (ContainerAction::Pause, Real::Paused),
        (ContainerAction::Unpause, Real::Running),
        (ContainerAction::Restart, Real::Running),
        (ContainerAction::Stop, Real::Exited),
        (ContainerAction::Restart, Real::Running),
        (ContainerAction::Destroy, Real::Absent),
    ] {
        let events = harness.operate(action, one("web")).await;
        assert_eq!(
            shown(&events),
            ["web: done"],
            "{action:?}: {:?}",
            verdicts(&events)
        );
        assert_eq!(engine.state("web").await.unwrap(), state, "{action:?}");
    }
    let gone = operate(
        &*harness.agent,
        operation(ContainerAction::Start, one("web")),
    )
    .await
    .unwrap_err();
    assert_eq!(gone.code, AgentErrorCode::NotFound);
}

#[tokio::test]
async fn each_verb_on_all_and_what_it_leaves_alone() {
    let harness = Harness::start().await;
    let engine = &harness.engine;
    for name in ["aa", "bb", "cc"] {
        engine.run(Container::idle(name)).await.unwrap();
    }
    engine.create(Container::idle("fresh")).await.unwrap();
    engine
        .run(Container::idle("protected").label("komodo.protect", "true"))
        .await
        .unwrap();
    harness
        .mirror
        .wait(|view| view.containers.len() == 5 && view.protected.len() == 1)
        .await;
    let all = async |action| harness.verdicts(action, Scope::All).await;
    let spared = "protected: skipped (declared)";
    let three = |verdict: &str| ["aa", "bb", "cc"].map(|name| format!("{name}: {verdict}"));
    let expect = |three: [String; 3], fresh: &str| {
        let mut lines = three.to_vec();
        lines.extend([format!("fresh: {fresh}"), spared.to_owned()]);
        lines
    };
    assert_eq!(
        all(ContainerAction::Pause).await,
        expect(three("done"), "unchanged (notapplicable)")
    );
    assert_eq!(
        all(ContainerAction::Unpause).await,
        expect(three("done"), "unchanged (notapplicable)")
    );
    assert_eq!(
        all(ContainerAction::Restart).await,
        expect(three("done"), "unchanged (notapplicable)")
    );
    assert_eq!(
        all(ContainerAction::Stop).await,
        expect(three("done"), "unchanged (already)")
    );
    assert_eq!(
        all(ContainerAction::Start).await,
        expect(three("done"), "done")
    );
    assert_eq!(
        all(ContainerAction::Stop).await,
        expect(three("done"), "done")
    );
    assert_eq!(
        all(ContainerAction::Prune).await,
        expect(three("done"), "done")
    );
    assert_eq!(engine.running().await.unwrap(), ["protected"]);
    assert_eq!(engine.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_label_with_each_of_its_values() {
    let harness = Harness::start().await;
    let labels = [
        ("true", true),
        ("", true),
        ("0", true),
        ("no", true),
        ("False", true),
        ("false", false),
    ];
    for (number, (value, _)) in labels.iter().enumerate() {
        harness
            .engine
            .run(Container::idle(format!("c{number}")).label("komodo.skip", *value))
            .await
            .unwrap();
    }
    harness.engine.run(Container::idle("c6")).await.unwrap();
    harness
        .mirror
        .wait(|view| view.containers.len() == 7 && view.protected.len() == 5)
        .await;
    let skipped = |verdicts: &[String]| {
        verdicts
            .iter()
            .filter(|line| line.ends_with("skipped (label)"))
            .count()
    };
    for action in [
        ContainerAction::Pause,
        ContainerAction::Unpause,
        ContainerAction::Restart,
        ContainerAction::Stop,
        ContainerAction::Start,
    ] {
        let verdicts = harness.verdicts(action, Scope::All).await;
        assert_eq!(
            (skipped(&verdicts), verdicts.len()),
            (5, 7),
            "{action:?} {verdicts:?}"
        );
        assert_eq!(
            verdicts
                .iter()
                .filter(|line| line.ends_with("done"))
                .count(),
            2,
            "{action:?} {verdicts:?}"
        );
    }
    // Named alone, the label does not matter; and prune spares what it names.
    assert_eq!(
        harness.verdicts(ContainerAction::Stop, one("c0")).await,
        ["c0: done"]
    );
    harness.verdicts(ContainerAction::Stop, Scope::All).await;
    let verdicts = harness.verdicts(ContainerAction::Prune, Scope::All).await;
    assert_eq!(skipped(&verdicts), 5, "{verdicts:?}");
    assert_eq!(harness.engine.list().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_declared_container_is_refused_by_name_unless_overridden() {
    let harness = Harness::start().await;
    harness
        .engine
        .run(Container::idle("vpn").label("komodo.protect", "true"))
        .await
        .unwrap();
    harness.mirror.wait(|view| view.protected.len() == 1).await;
    let events = harness.operate(ContainerAction::Stop, one("vpn")).await;
    assert_eq!(shown(&events), ["vpn: failed (declared)"]);
    assert!(
        verdicts(&events)[0]
            .error
            .as_ref()
            .unwrap()
            .contains("override")
    );
    assert_eq!(harness.engine.state("vpn").await.unwrap(), Real::Running);
    let mut overridden = operation(ContainerAction::Stop, one("vpn"));
    overridden.override_reason = Some("maintenance".into());
    assert_eq!(
        shown(&operate(&*harness.agent, overridden).await.unwrap()),
        ["vpn: done"]
    );
    assert_eq!(harness.engine.state("vpn").await.unwrap(), Real::Exited);
}

#[tokio::test]
async fn one_that_ignores_its_signal_is_killed_in_time_and_holds_up_nobody() {
    let harness = Harness::start().await;
    let stubborn = ["sh", "-c", "trap '' TERM INT; while :; do sleep 1; done"];
    harness
        .engine
        .run(Container::new("stubborn", stubborn))
        .await
        .unwrap();
    harness.engine.run(Container::idle("polite")).await.unwrap();
    harness.mirror.wait(|view| view.containers.len() == 2).await;
    let mut stop = operation(ContainerAction::Stop, Scope::All);
    stop.time = Some(3);
    let began = Instant::now();
    let events = operate(&*harness.agent, stop).await.unwrap();
    assert_eq!(shown(&events), ["polite: done", "stubborn: done"]);
    assert!(began.elapsed() >= Duration::from_secs(3));
    let all = verdicts(&events);
    assert!(
        all[0].at + 1500 < all[1].at,
        "the polite one did not wait: {all:?}"
    );
    let exit = harness
        .engine
        .inspect("stubborn")
        .await
        .unwrap()
        .state
        .unwrap()
        .exit_code;
    assert_eq!(exit, Some(137));
}

#[tokio::test]
async fn a_stop_with_a_signal_sends_that_signal() {
    let harness = Harness::start().await;
    let script = "trap 'exit 7' INT; trap 'exit 8' TERM; while :; do sleep 3600 & wait $!; done";
    harness
        .engine
        .run(
            Container::new("web", ["sh", "-c", script])
                .restart(komodo_testkit::engine::Restart::Always),
        )
        .await
        .unwrap();
    harness.wait_state("web", State::Running).await;
    let mut stop = operation(ContainerAction::Stop, one("web"));
    stop.signal = Some(TerminationSignal::SigInt);
    assert_eq!(
        shown(&operate(&*harness.agent, stop).await.unwrap()),
        ["web: done"]
    );
    let state = harness.engine.inspect("web").await.unwrap().state.unwrap();
    assert_eq!(
        (state.running, state.restarting),
        (Some(false), Some(false)),
        "stopped by hand stays stopped"
    );
    harness
        .mirror
        .container("web", |container| container.state == State::Exited)
        .await;
}

#[tokio::test]
async fn a_container_that_vanished_is_skipped_and_one_that_fails_to_start_has_failed() {
    let harness = Harness::start().await;
    harness.engine.run(Container::idle("here")).await.unwrap();
    harness
        .engine
        .create(Container::new("broken", ["/no/such/program"]))
        .await
        .unwrap();
    harness
        .engine
        .create(Container::new("short", ["true"]))
        .await
        .unwrap();
    harness
        .engine
        .create(Container::new("wrong", ["sh", "-c", "exit 3"]))
        .await
        .unwrap();
    harness.mirror.wait(|view| view.containers.len() == 4).await;
    let listed = Scope::Listed(vec![reference("here"), reference("never")]);
    assert_eq!(
        harness.verdicts(ContainerAction::Stop, listed).await,
        ["here: done", "never: skipped (gone)"]
    );
    let events = harness.operate(ContainerAction::Start, one("broken")).await;
    assert_eq!(shown(&events), ["broken: failed"]);
    assert!(
        verdicts(&events)[0]
            .error
            .as_ref()
            .unwrap()
            .contains("no such file"),
        "{events:?}"
    );
    assert_eq!(
        harness.verdicts(ContainerAction::Start, one("short")).await,
        ["short: done"]
    );
}

#[tokio::test]
async fn dependants_stop_before_and_start_after_what_they_depend_on() {
    let harness = Harness::start().await;
    let service = |name: &str| {
        Container::idle(name)
            .label("com.docker.compose.project", "shop")
            .label("com.docker.compose.service", name)
    };
    harness.engine.run(service("a-db")).await.unwrap();
    harness
        .engine
        .run(service("b-app").label(
            "com.docker.compose.depends_on",
            "a-db:service_started:false",
        ))
        .await
        .unwrap();
    harness.mirror.wait(|view| view.containers.len() == 2).await;
    let order = |events: &[komodo_agent_api::OperationEvent]| {
        let name_of: std::collections::BTreeMap<_, _> = verdicts(events)
            .into_iter()
            .map(|verdict| (verdict.id, verdict.container))
            .collect();
        events
            .iter()
            .filter_map(|event| match &event.body {
                OperationEventBody::Started { id, .. } => Some(format!("begin {}", name_of[id])),
                OperationEventBody::Acted { id, .. } => Some(format!("end {}", name_of[id])),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let stop = harness.operate(ContainerAction::Stop, Scope::All).await;
    assert_eq!(
        order(&stop),
        ["begin b-app", "end b-app", "begin a-db", "end a-db"]
    );
    let start = harness.operate(ContainerAction::Start, Scope::All).await;
    assert_eq!(
        order(&start),
        ["begin a-db", "end a-db", "begin b-app", "end b-app"]
    );
}

#[tokio::test]
async fn an_operation_is_done_once_whoever_asks_again_and_kept_until_acknowledged() {
    let harness = Harness::start().await;
    harness.engine.run(Container::idle("web")).await.unwrap();
    harness.wait_state("web", State::Running).await;
    let restart = operation(ContainerAction::Restart, one("web"));
    // The one who asks goes away at once.
    drop(harness.agent.operate(restart.clone()).await.unwrap());
    let events = operate(&*harness.agent, restart.clone()).await.unwrap();
    assert_eq!(shown(&events), ["web: done"]);
    let again = operate(&*harness.agent, restart.clone()).await.unwrap();
    assert_eq!(again, events, "the same operation, not another one");
    let rest: Vec<_> = {
        use futures_util::StreamExt;
        harness
            .agent
            .follow(restart.id.clone(), 2)
            .await
            .unwrap()
            .map(Result::unwrap)
            .collect()
            .await
    };
    assert_eq!(rest, events[2..]);
    harness.agent.acknowledge(restart.id.clone()).await.unwrap();
    harness.agent.acknowledge(restart.id.clone()).await.unwrap();
    let forgotten = harness.agent.follow(restart.id, 0).await.err().unwrap();
    assert_eq!(forgotten.code, AgentErrorCode::NotFound);
}

#[tokio::test]
async fn a_core_that_was_replaced_cannot_command() {
    let harness = Harness::start().await;
    harness.engine.run(Container::idle("web")).await.unwrap();
    harness.wait_state("web", State::Running).await;
    let with_epoch = |epoch| {
        let mut stop = operation(ContainerAction::Stop, one("web"));
        stop.epoch = epoch;
        stop
    };
    let mut newer = with_epoch(2);
    newer.action = ContainerAction::Pause;
    assert_eq!(
        shown(&operate(&*harness.agent, newer).await.unwrap()),
        ["web: done"]
    );
    let refused = operate(&*harness.agent, with_epoch(1)).await.unwrap_err();
    assert_eq!(refused.code, AgentErrorCode::StaleEpoch);
    assert_eq!(harness.engine.state("web").await.unwrap(), Real::Paused);
}

#[tokio::test]
async fn fifty_containers_are_acted_on_together() {
    let harness = Harness::start().await;
    for number in 0..50 {
        harness
            .engine
            .run(Container::idle(format!("c{number:02}")))
            .await
            .unwrap();
    }
    harness
        .mirror
        .wait(|view| view.containers.len() == 50)
        .await;
    for action in [
        ContainerAction::Pause,
        ContainerAction::Unpause,
        ContainerAction::Stop,
    ] {
        let events = harness.operate(action, Scope::All).await;
        assert!(
            verdicts(&events)
                .iter()
                .all(|verdict| verdict.verdict == VerdictKind::Done),
            "{:?}",
            shown(&events)
        );
    }
    assert!(harness.engine.running().await.unwrap().is_empty());
    // What the operation says is what its readers see at that moment, and not some time later.
    assert!(
        harness
            .mirror
            .now()
            .containers
            .values()
            .all(|container| container.state == State::Exited)
    );
}
