//! An agent that is killed at any write of its journal, and the one after it that tells the truth.

use std::{fs, path::PathBuf};

use komodo_journal::{InlineJournal, JOURNAL_BYTES_MAX};
use komodo_plan::undo;
use komodo_sim::KillAt;
use tempfile::TempDir;

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

/// Where the journal is.
#[derive(Clone, Copy)]
enum Kept {
    InMemory,
    /// The real one.
    InFiles,
}

/// A host, and the directory of its journal.
fn host_that_keeps(lines: &str, kept: Kept) -> (SimHost, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let host = match kept {
        Kept::InMemory => host(lines),
        Kept::InFiles => host(lines).with_journal_in(directory.path()).unwrap(),
    };
    (host, directory)
}

/// Each way in which an agent can be killed at a write.
fn ways(at: usize) -> [(Kept, KillAt); 6] {
    let kills = [KillAt::Before(at), KillAt::Within(at), KillAt::After(at)];
    let [before, within, after] = kills;
    [
        (Kept::InMemory, before),
        (Kept::InMemory, within),
        (Kept::InMemory, after),
        (Kept::InFiles, before),
        (Kept::InFiles, within),
        (Kept::InFiles, after),
    ]
}

/// Kills the agent at a write of an operation, starts another, and checks what it tells. Answers whether the write
/// was reached.
async fn killed(action: ContainerAction, concurrency: u32, kept: Kept, kill: KillAt) -> bool {
    let (host, _directory) = host_that_keeps(HOST, kept);
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
        let mut reached = 0;
        for (kept, kill) in ways(at) {
            reached += usize::from(killed(action, concurrency, kept, kill).await);
        }
        if reached == 0 {
            break;
        }
        assert_eq!(reached, ways(at).len());
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
async fn killed_in_an_undo(kept: Kept, kill: KillAt) -> bool {
    let (host, _directory) = host_that_keeps("ice paused\ncold paused\nweb running", kept);
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
        let mut reached = 0;
        for (kept, kill) in ways(at) {
            reached += usize::from(killed_in_an_undo(kept, kill).await);
        }
        if reached == 0 {
            break;
        }
        assert_eq!(reached, ways(at).len());
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

fn only_file(directory: &TempDir) -> PathBuf {
    let mut files = fs::read_dir(directory.path()).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

/// Killed within a write it leaves half a line, which the next agent takes for none.
#[tokio::test(start_paused = true)]
async fn a_torn_step_is_cut_off_and_written_anew() {
    let (host, directory) = host_that_keeps("a running\nb running", Kept::InFiles);
    let first = host.start();
    host.kill_at(Some(KillAt::Within(2)));
    let order = order("op", ContainerAction::Stop, Scope::All);
    let _ended = to_the_end(first.operate(order).await.unwrap()).await;
    assert!(!first.is_alive());
    let torn = fs::read(only_file(&directory)).unwrap();
    assert!(!torn.ends_with(b"\n"));
    // Neither does a copy of the directory tell more.
    let (_, recorded) = InlineJournal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(recorded[0].events.len(), 2);
    assert!((recorded[0].bytes as usize) < torn.len());

    host.kill_at(None);
    let second = host.start();
    let told = to_the_end(second.follow("op".into(), 0).await.unwrap());
    let told = told.await.unwrap();
    let (_, recorded) = InlineJournal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(recorded[0].events, told);
    assert!(recorded[0].has_ended());
    second.acknowledge("op".into()).await.unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// What it had in memory is gone with it.
#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_knows_what_the_files_say_and_nothing_else() {
    let (host, directory) = host_that_keeps("a running\nb running", Kept::InFiles);
    let first = host.start();
    let told = run(&first, order("op", ContainerAction::Stop, Scope::All)).await;
    first.kill();
    host.lose_journal_after(3).unwrap();
    let second = host.start();
    let again = to_the_end(second.follow("op".into(), 0).await.unwrap());
    let again = again.await.unwrap();
    assert_eq!(again[..3], told[..3]);
    assert_ne!(again, told);
    second.kill();

    fs::remove_file(only_file(&directory)).unwrap();
    let third = host.start();
    assert_eq!(third.hello(hello()).await.unwrap().open_operations, []);
    let refused = third.follow("op".into(), 0).await.err().unwrap();
    assert_eq!(refused.code, AgentErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_cannot_read_its_journal_does_not_live() {
    let (host, directory) = host_that_keeps("a running", Kept::InFiles);
    assert!(host.start().is_alive());
    let path = directory.path().to_owned();
    directory.close().unwrap();
    fs::write(&path, "no directory").unwrap();
    assert!(!host.start().is_alive());
    fs::remove_file(&path).unwrap();
    assert!(host.start().is_alive());
    fs::remove_dir(&path).unwrap();
}
