//! Faults of containers, of the Engine, of the line and of the disk.

use komodo_agent_api::{EngineState, GoodbyeReason};
use komodo_plan::View;
use komodo_sim::{EVENTS_BUFFER_MAX, Fault, OPERATIONS_MAX, Quirk};

use super::*;

/// Stops and restarts a container with a quirk, beside one without.
async fn check(quirk: Quirk, action: ContainerAction, state: &str, expected: &str) {
    let host = host(&format!("odd {state}\nsane {state}"));
    host.world.set_quirk("odd", quirk);
    let agent = host.start();
    let told = verdicts(&run(&agent, order("op", action, Scope::All)).await);
    assert_eq!(print(&told), expected, "{quirk:?} {action:?}");
    assert_true(&host.world, action, &told);
}

#[tokio::test(start_paused = true)]
async fn the_verdict_is_what_is_observed_and_not_what_was_answered() {
    use ContainerAction::*;
    for (quirk, action, state, expected) in [
        (Quirk::None, Stop, "running", "odd Done\nsane Done"),
        (Quirk::LosesAnswer, Stop, "running", "odd Done\nsane Done"),
        (
            Quirk::LosesAnswer,
            Restart,
            "running",
            "odd Done\nsane Done",
        ),
        (
            Quirk::LosesAnswer,
            Destroy,
            "running",
            "odd Done\nsane Done",
        ),
        (
            Quirk::Ignores,
            Stop,
            "running",
            "odd Failed: the Engine was asked to stop it, but it is running\nsane Done",
        ),
        (
            Quirk::Ignores,
            Restart,
            "running",
            "odd Failed: it still runs as before\nsane Done",
        ),
        (
            Quirk::Ignores,
            Destroy,
            "exited",
            "odd Failed: the Engine was asked to destroy it, but it is exited\nsane Done",
        ),
        (
            Quirk::Vanishes,
            Stop,
            "running",
            "odd Skipped Gone\nsane Done",
        ),
        (
            Quirk::Vanishes,
            Destroy,
            "running",
            "odd Skipped Gone\nsane Done",
        ),
        (
            Quirk::Hangs,
            Pause,
            "running",
            "odd Failed: the Engine did not answer within 20 s\nsane Done",
        ),
    ] {
        check(quirk, action, state, expected).await;
    }
}

/// An Engine that goes takes nothing with it but what it was doing: the others wait for it, and for no longer than they
/// may.
#[tokio::test(start_paused = true)]
async fn what_was_not_asked_waits_for_its_engine() {
    for (away_s, expected) in [
        (20, "b Done\nc Done"),
        (
            45,
            "b Failed: the Engine could not be asked within 30 s: gone away\nc Done",
        ),
    ] {
        let host = host("a running\nb running\nc running");
        let latency = Duration::from_secs(2);
        host.world.set_latency(ContainerAction::Stop, latency);
        let agent = host.start();
        let order = AgentOperation {
            concurrency: 1,
            ..order("op", ContainerAction::Stop, Scope::All)
        };
        let mut events = agent.operate(order).await.unwrap();
        while let Some(event) = events.next().await {
            if matches!(event.unwrap().body, OperationEventBody::Started { .. }) {
                break;
            }
        }
        host.world.engine_away("gone away");
        let back = async {
            tokio::time::sleep(Duration::from_secs(away_s)).await;
            host.world.engine_back();
        };
        let (told, ()) = tokio::join!(agent.follow("op".into(), 0), back);
        let told = verdicts(&to_the_end(told.unwrap()).await.unwrap());
        // What the Engine was doing when it went came to nothing.
        let printed = print(&told);
        let (first, rest) = printed.split_once('\n').unwrap();
        assert!(first.starts_with("a Failed"), "{printed}");
        assert_eq!(rest, expected);
        assert_true(&host.world, ContainerAction::Stop, &told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_at_once_is_told_by_its_exit_code() {
    for (code, expected) in [
        (0, "job Done"),
        (3, "job Failed: it started and ended with exit code 3"),
    ] {
        let host = host("job exited");
        host.world.set_quirk("job", Quirk::ExitsAtStart(code));
        let agent = host.start();
        let told = verdicts(&run(&agent, order("op", ContainerAction::Start, one("job"))).await);
        assert_eq!(print(&told), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_to_stop_is_told_and_the_others_are_stopped() {
    let host = host("odd running\nsane running");
    host.world.set_quirk("odd", Quirk::FailsToStop);
    let agent = host.start();
    let told = verdicts(&run(&agent, order("op", ContainerAction::Stop, Scope::All)).await);
    let printed = print(&told);
    assert!(
        printed.starts_with("odd Failed: cannot stop container"),
        "{printed}"
    );
    assert!(printed.ends_with("sane Done"), "{printed}");
    assert_true(&host.world, ContainerAction::Stop, &told);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_holds_up_only_what_waits_for_it_and_not_for_ever() {
    let host = host(
        "web running project=p service=web needs=db
         db running project=p service=db
         other running",
    );
    host.world.set_quirk("web", Quirk::Hangs);
    let agent = host.start();
    let order = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency: 1,
        ..order("op", ContainerAction::Stop, Scope::All)
    };
    let began = tokio::time::Instant::now();
    let mut events = agent.operate(order.clone()).await.unwrap();
    let mut deadline = 0;
    while let Some(event) = events.next().await {
        match event.unwrap().body {
            OperationEventBody::Planned {
                deadline: until, ..
            } => deadline = until,
            OperationEventBody::Verdict(verdict) => {
                let passed = began.elapsed().as_secs();
                let expected = match verdict.container.as_str() {
                    "other" => 0,
                    // What it depends on goes on when its own time is over.
                    _ => 30,
                };
                assert_eq!(passed, expected, "{}", verdict.container);
            }
            _ => {}
        }
    }
    assert_eq!(
        host.world.state_of("db"),
        Some(ContainerStateStatusEnum::Exited)
    );
    assert!(
        host.world.now() < deadline,
        "the operation keeps its own deadline"
    );
    // An operation that hangs does not hold up another one.
    host.world.start("db").unwrap();
    drop(
        agent
            .operate(super::order("hangs", ContainerAction::Stop, one("web")))
            .await
            .unwrap(),
    );
    let began = tokio::time::Instant::now();
    let told = run(
        &agent,
        super::order("other", ContainerAction::Pause, one("db")),
    )
    .await;
    assert_eq!(began.elapsed().as_secs(), 0);
    assert_eq!(print(&verdicts(&told)), "db Done");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_agent_never_answers_and_goes_on_when_it_can() {
    let host = host("web running");
    let agent = host.start();
    let mut events = agent.events().await.unwrap();
    events.next().await.unwrap().unwrap();
    agent.set_fault(Fault::Hang);
    assert!(timeout(NEVER, agent.hello(hello())).await.is_err());
    let order = order("op", ContainerAction::Stop, one("web"));
    assert!(timeout(NEVER, agent.operate(order.clone())).await.is_err());
    host.world.stop("web").unwrap();
    assert!(
        timeout(NEVER, events.next()).await.is_err(),
        "streams stand still"
    );
    agent.set_fault(Fault::None);
    assert!(events.next().await.unwrap().is_ok());
    agent.hello(hello()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_takes_a_second_for_each_byte() {
    let host = host("web running");
    let agent = host.start();
    let answer = agent.hello(hello()).await.unwrap();
    let bytes = serde_json::to_vec(&answer).unwrap().len() as u64;
    agent.set_fault(Fault::BYTE_A_SECOND);
    let began = tokio::time::Instant::now();
    agent.hello(hello()).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), bytes);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_by_following() {
    let host = host("web running");
    let agent = host.start();
    agent.set_fault(Fault::LosesAnswers);
    let order = order("op", ContainerAction::Stop, one("web"));
    let lost = agent.operate(order).await.err().unwrap();
    assert_eq!(lost.code, AgentErrorCode::Link);
    let told = to_the_end(agent.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(print(&verdicts(&told)), "web Done");
    assert_eq!(
        host.world.state_of("web"),
        Some(ContainerStateStatusEnum::Exited)
    );
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_ends_streams_and_nothing_else() {
    let host = host("a running\nb running");
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let agent = host.start();
    let closed = agent.clone();
    let closed = async move { closed.closed().await };
    let events = agent.events().await.unwrap();
    let told = agent
        .operate(order("op", ContainerAction::Stop, Scope::All))
        .await
        .unwrap();
    let cut = async {
        tokio::task::yield_now().await;
        agent.cut();
    };
    let (told, events, (), ()) = tokio::join!(to_the_end(told), last_error(events), closed, cut);
    assert_eq!(told.err().unwrap().code, AgentErrorCode::Link);
    assert_eq!(events.code, AgentErrorCode::Link);
    assert!(agent.is_alive());
    let told = to_the_end(agent.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(print(&verdicts(&told)), "a Done\nb Done");
}

async fn last_error(mut events: AgentStream<AgentEvent>) -> AgentError {
    loop {
        if let Err(error) = events.next().await.expect("it ends with an error") {
            return error;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_before_anything_is_done() {
    let host = host("a running\nb running");
    let agent = host.start();
    host.set_disk_full(true);
    let refused = agent
        .operate(order("op", ContainerAction::Stop, Scope::All))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, AgentErrorCode::StorageFull);
    assert_eq!(
        host.world.state_of("a"),
        Some(ContainerStateStatusEnum::Running)
    );
    assert_eq!(agent.hello(hello()).await.unwrap().open_operations, []);
    host.set_disk_full(false);

    // It fills up halfway: what is under way is brought to its end, nothing new is begun.
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let halfway = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency: 1,
        ..order("op", ContainerAction::Stop, Scope::All)
    };
    let mut events = agent.operate(halfway).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        if matches!(event.body, OperationEventBody::Started { .. }) {
            host.set_disk_full(true);
        }
        told.push(event);
    }
    let told = verdicts(&told);
    let printed = print(&told);
    assert_eq!(
        printed,
        "a Done\nb Failed: the journal cannot be written: its disk is full; it was not tried"
    );
    assert_true(&host.world, ContainerAction::Stop, &told);
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_refuses_until_something_is_acknowledged() {
    let host = host("web running");
    let agent = host.start();
    for at in 0..OPERATIONS_MAX {
        run(
            &agent,
            order(&format!("op{at}"), ContainerAction::Unpause, one("web")),
        )
        .await;
    }
    let order = order("more", ContainerAction::Stop, one("web"));
    let refused = agent.operate(order.clone()).await.err().unwrap();
    assert_eq!(refused.code, AgentErrorCode::JournalFull);
    assert_eq!(
        host.world.state_of("web"),
        Some(ContainerStateStatusEnum::Running)
    );
    assert_eq!(
        agent.hello(hello()).await.unwrap().open_operations.len(),
        OPERATIONS_MAX
    );
    agent.acknowledge("op7".into()).await.unwrap();
    assert_eq!(print(&verdicts(&run(&agent, order).await)), "web Done");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_a_state_and_refuses_orders() {
    let host = host("web running");
    let agent = host.start();
    let mut events = agent.events().await.unwrap();
    let mut view = View::default();
    view.apply(events.next().await.unwrap().unwrap()).unwrap();
    host.world.engine_away("no such file");
    view.apply(events.next().await.unwrap().unwrap()).unwrap();
    assert!(matches!(&view.engine, EngineState::Unreachable { why, .. } if why == "no such file"));
    host.world.exit("web", 1);
    for refused in [
        agent
            .operate(order("op", ContainerAction::Stop, one("web")))
            .await
            .err()
            .unwrap(),
        agent
            .inspect_container(ContainerRef("web".into()))
            .await
            .err()
            .unwrap(),
    ] {
        assert_eq!(refused.code, AgentErrorCode::EngineUnreachable);
    }
    let mut anew = agent.events().await.unwrap();
    let Some(Ok(AgentEvent {
        body: EventBody::Snapshot(snapshot),
        ..
    })) = anew.next().await
    else {
        panic!()
    };
    let last_seen = snapshot.containers[0].state;
    assert_eq!(
        last_seen,
        ContainerStateStatusEnum::Running,
        "what nobody could see is not told"
    );
    host.world.engine_back();
    while view.container("web").unwrap().state != ContainerStateStatusEnum::Exited {
        view.apply(events.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(matches!(view.engine, EngineState::Connected { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_halfway_leaves_it_open_until_it_is_back() {
    let host = host("web running");
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let agent = host.start();
    let mut events = agent
        .operate(order("op", ContainerAction::Stop, one("web")))
        .await
        .unwrap();
    for _ in 0..2 {
        events.next().await.unwrap().unwrap();
    }
    host.world.engine_away("restarting");
    let world = host.world.clone();
    let back = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        world.exit("web", 0);
        world.engine_back();
    };
    let (told, ()) = tokio::join!(to_the_end(events), back);
    assert_eq!(print(&verdicts(&told.unwrap())), "web Done");

    // And for good: nobody can tell.
    host.world.start("web").unwrap();
    let mut events = agent
        .operate(order("op2", ContainerAction::Stop, one("web")))
        .await
        .unwrap();
    for _ in 0..2 {
        events.next().await.unwrap().unwrap();
    }
    host.world.engine_away("gone");
    let told = verdicts(&to_the_end(events).await.unwrap());
    assert_eq!(told[0].verdict, VerdictKind::Unknown, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_told_in_few_events_and_cuts_off_who_does_not_read() {
    let host = host("a running\nb running");
    let agent = host.start();
    let mut quick = agent.events().await.unwrap();
    let mut lazy = agent.events().await.unwrap();
    quick.next().await.unwrap().unwrap();
    host.world.flood(EVENTS_BUFFER_MAX);
    let mut events = 0;
    let mut view = agent.events().await.unwrap();
    view.next().await.unwrap().unwrap();
    let last = host.world.container("b").unwrap().state_at_ns;
    loop {
        let AgentEvent {
            body: EventBody::Containers { upsert, .. },
            ..
        } = quick.next().await.unwrap().unwrap()
        else {
            panic!("only containers changed")
        };
        events += 1;
        if upsert
            .iter()
            .any(|container| container.name == "b" && container.state_at_ns == last)
        {
            break;
        }
    }
    assert!(
        events < 20,
        "{events} events for {EVENTS_BUFFER_MAX} changes of two containers"
    );
    host.world.flood(2);
    while lazy.next().await.is_some() {}
    assert!(
        timeout(Duration::from_secs(1), quick.next())
            .await
            .unwrap()
            .is_some(),
        "who reads goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_the_last_that_is_heard() {
    let host = host("web running");
    let agent = host.start();
    let mut events = agent.events().await.unwrap();
    events.next().await.unwrap().unwrap();
    agent.terminate();
    let last = events.next().await.unwrap().unwrap();
    assert_eq!(
        last.body,
        EventBody::Goodbye(GoodbyeReason::Signal {
            signal: "SIGTERM".into()
        })
    );
    assert!(events.next().await.is_none_or(|end| end.is_err()));
    assert!(!agent.is_alive());
    assert_eq!(
        agent.hello(hello()).await.unwrap_err().code,
        AgentErrorCode::Link
    );
}

#[test]
fn everything_follows_from_the_seed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let play = |seed: u64| {
        runtime.block_on(async {
            let world = World::seeded(seed, 60);
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..50 {
                world.stir(&mut rng);
            }
            let agent = SimHost::new(world.clone(), AgentOptions::default()).start();
            let told = run(&agent, order("op", ContainerAction::Stop, Scope::All)).await;
            let states: Vec<_> = world
                .containers()
                .into_iter()
                .map(|it| (it.id, it.name, it.state))
                .collect();
            (print(&verdicts(&told)), states)
        })
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8));
}
