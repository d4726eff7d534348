//! An agent that is killed at any write of its journal, and the one after it that tells the truth.

use komodo_plan::undo;
use komodo_sim::KillAt;

use super::*;

const HOST: &str = "
    a running
    b running
    c running project=p service=c needs=d
    d running project=p service=d
    old exited
    ice paused
    labelled running skip=true
";

/// Kills the agent at a write of an operation, starts another, and checks what it tells. Answers whether the write
/// was reached.
async fn killed(action: ContainerAction, concurrency: u32, kill: KillAt) -> bool {
    let host = host(HOST);
    host.world.set_latency(action, Duration::from_millis(700));
    let first = host.start();
    first.hello(hello()).await.unwrap();
    host.kill_at(Some(kill));
    let order = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency,
        ..order("op", action, Scope::All)
    };
    let events = first.operate(order.clone()).await.unwrap();
    // Killed after the very last write, it has told everything.
    let _ended = to_the_end(events).await;
    if first.is_alive() {
        return false;
    }
    host.kill_at(None);

    let second = host.start();
    let open = second.hello(hello()).await.unwrap().open_operations;
    assert_eq!(open.len(), 1, "{action:?} {kill:?}");
    let told = to_the_end(second.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    let seqs: Vec<u64> = told.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=told.len() as u64).collect::<Vec<_>>());
    assert!(matches!(
        told.last().unwrap().body,
        OperationEventBody::Ended { error: None }
    ));
    let verdicts = verdicts(&told);
    assert_eq!(
        verdicts.len(),
        7,
        "{action:?} {kill:?}: {}",
        print(&verdicts)
    );
    // The Engine went on without the agent; the truth is what it says when all is quiet.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_true(&host.world, action, &verdicts);
    // The same order again changes nothing.
    let again = run(&second, order).await;
    assert_eq!(again, told);
    second.acknowledge("op".into()).await.unwrap();
    assert_eq!(second.hello(hello()).await.unwrap().open_operations, []);
    true
}

/// Each write in turn, until one comes that the operation does not get to.
async fn at_every_write(action: ContainerAction, concurrency: u32) -> usize {
    let mut writes = 0;
    for at in 1.. {
        let before = killed(action, concurrency, KillAt::Before(at)).await;
        let after = killed(action, concurrency, KillAt::After(at)).await;
        assert_eq!(before, after);
        if !before {
            break;
        }
        writes = at;
    }
    writes
}

#[tokio::test(start_paused = true)]
async fn killed_at_every_write_of_a_stop() {
    // Two that are left alone, five of three steps each, and the end.
    assert_eq!(
        at_every_write(ContainerAction::Stop, 1).await,
        2 + 5 * 3 + 1
    );
    assert_eq!(
        at_every_write(ContainerAction::Stop, 8).await,
        2 + 5 * 3 + 1
    );
}

#[tokio::test(start_paused = true)]
async fn killed_at_every_write_of_the_other_verbs() {
    for action in [
        ContainerAction::Start,
        ContainerAction::Restart,
        ContainerAction::Pause,
        ContainerAction::Unpause,
        ContainerAction::Destroy,
        ContainerAction::Prune,
    ] {
        assert!(at_every_write(action, 3).await > 7, "{action:?}");
    }
}

/// Two that were paused and then stopped, and one that ran: brought back by an agent that is killed at a write.
async fn killed_in_an_undo(kill: KillAt) -> bool {
    let host = host("ice paused\ncold paused\nweb running");
    let first = host.start();
    first.hello(hello()).await.unwrap();
    let stopped = verdicts(&run(&first, order("stop", ContainerAction::Stop, Scope::All)).await);
    for action in [ContainerAction::Start, ContainerAction::Pause] {
        host.world.set_latency(action, Duration::from_millis(700));
    }
    host.kill_at(Some(kill));
    let undo = undo(ContainerAction::Stop, &Scope::All, &stopped).unwrap();
    let undo = AgentOperation {
        expected: undo.expected,
        concurrency: 2,
        ..order("undo", undo.action, undo.scope)
    };
    let _ended = to_the_end(first.operate(undo).await.unwrap()).await;
    if first.is_alive() {
        return false;
    }
    host.kill_at(None);
    let second = host.start();
    let told = to_the_end(second.follow("undo".into(), 0).await.unwrap());
    let told = verdicts(&told.await.unwrap());
    assert_eq!(told.len(), 3, "{kill:?}: {}", print(&told));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    for verdict in &told {
        use ContainerStateStatusEnum::{Paused, Running};
        let wanted = match verdict.container.as_str() {
            "web" => Running,
            _ => Paused,
        };
        let now = host.world.state_of(&verdict.container);
        let back = match verdict.verdict {
            VerdictKind::Done => true,
            VerdictKind::Failed => false,
            other => panic!("{other:?}: {kill:?} {verdict:?}"),
        };
        assert_eq!(now == Some(wanted), back, "{kill:?} {verdict:?} {now:?}");
        assert_eq!(verdict.after, now, "{kill:?}");
    }
    true
}

#[tokio::test(start_paused = true)]
async fn killed_at_every_write_of_an_undo_in_two_steps() {
    let mut writes = 0;
    for at in 1.. {
        let before = killed_in_an_undo(KillAt::Before(at)).await;
        assert_eq!(before, killed_in_an_undo(KillAt::After(at)).await);
        if !before {
            break;
        }
        writes = at;
    }
    // Two begins and two answers of those that are paused again, and the verdicts; and the end.
    assert_eq!(writes, 2 * 5 + 3 + 1);
}

/// What was not begun is not begun by the next agent either: nobody asked it to.
#[tokio::test(start_paused = true)]
async fn what_was_not_begun_is_told_so() {
    let host = host("a running\nb running");
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(1));
    let first = host.start();
    // The first target's own begin is on the disk, nothing else.
    host.kill_at(Some(KillAt::After(1)));
    let order = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency: 1,
        ..order("op", ContainerAction::Stop, Scope::All)
    };
    let _ended = to_the_end(first.operate(order).await.unwrap()).await;
    host.kill_at(None);
    let second = host.start();
    let told = to_the_end(second.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(
        print(&verdicts(&told)),
        "a Failed: the agent was stopped before the Engine had answered\n\
         b Failed: the agent was stopped before it was tried"
    );
    assert_eq!(
        host.world.state_of("b"),
        Some(ContainerStateStatusEnum::Running)
    );
}

/// While no agent was there somebody else finished the work: nothing is left to do, and that is told.
#[tokio::test(start_paused = true)]
async fn what_others_did_meanwhile_is_not_claimed() {
    let host = host("a running\nb running");
    let first = host.start();
    host.kill_at(Some(KillAt::Before(1)));
    let order = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency: 1,
        ..order("op", ContainerAction::Stop, Scope::All)
    };
    let _ended = to_the_end(first.operate(order).await.unwrap()).await;
    host.kill_at(None);
    host.world.stop("a").unwrap();
    host.world.remove("b").unwrap();
    let second = host.start();
    let told = to_the_end(second.follow("op".into(), 0).await.unwrap())
        .await
        .unwrap();
    assert_eq!(
        print(&verdicts(&told)),
        "a Unchanged Already\nb Skipped Gone"
    );
}
