use std::sync::mpsc::channel;

use komodo_agent_api::OperationEventBody;
use komodo_api::container::{ContainerAction, Scope};

use super::*;

fn operation(id: &str) -> AgentOperation {
    let order = serde_json::json!({
        "id": id,
        "epoch": 1,
        "action": ContainerAction::Stop,
        "scope": Scope::All,
        "concurrency": 16,
        "operator": "admin",
    });
    serde_json::from_value(order).unwrap()
}

fn event(seq: u64) -> OperationEvent {
    let body = match seq {
        1 => OperationEventBody::Planned {
            items: Vec::new(),
            deadline: 9,
        },
        _ => OperationEventBody::Started {
            id: format!("c{seq}"),
            run: None,
        },
    };
    OperationEvent {
        seq,
        at: 1000,
        body,
    }
}

async fn append(
    journal: &Journal,
    file: &JournalFile,
    events: &[OperationEvent],
) -> Result<(), JournalError> {
    let (done, result) = oneshot::channel();
    journal.append(file, events, move |result| {
        let _ = done.send(result);
    });
    result.await.unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_and_goes_when_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, found) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(found, []);
    let file = journal
        .create(&operation("a1"), &event(1), 2)
        .await
        .unwrap();
    append(&journal, &file, &[event(2), event(3)])
        .await
        .unwrap();
    drop((journal, file));

    let (journal, found) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].operation, operation("a1"));
    assert_eq!(found[0].events, [event(1), event(2), event(3)]);
    let file = journal.reopen(&found[0]).await.unwrap();
    append(&journal, &file, &[event(4)]).await.unwrap();
    assert_eq!(journal.read("a1").await.unwrap().unwrap().events.len(), 4);
    journal.remove("a1").await.unwrap();
    drop((journal, file));
    assert_eq!(
        Journal::open(directory.path(), JOURNAL_BYTES_MAX)
            .unwrap()
            .1,
        []
    );
}

#[tokio::test]
async fn a_file_cut_anywhere_is_read_as_far_as_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    let file = journal
        .create(&operation("a1"), &event(1), 2)
        .await
        .unwrap();
    append(&journal, &file, &[event(2), event(3)])
        .await
        .unwrap();
    drop((journal, file));
    let whole = std::fs::read(directory.path().join("a1.jsonl")).unwrap();
    let ends: Vec<usize> = (1..=whole.len())
        .filter(|end| whole[end - 1] == b'\n')
        .collect();
    for cut in 0..=whole.len() {
        let lines = ends.iter().filter(|end| **end <= cut).count();
        let read = record::read(&whole[..cut]);
        assert_eq!(
            read.as_ref().map(|file| file.events.len() + 1),
            (lines > 0).then_some(lines),
            "cut at {cut}"
        );
        if let Some(read) = read {
            assert_eq!(read.bytes as usize, ends[lines - 1]);
        }
    }
    let mut damaged = whole.clone();
    damaged[ends[1] + 30] ^= 1;
    assert_eq!(
        record::read(&damaged).unwrap().events.len(),
        1,
        "nothing after a damaged line is believed"
    );
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x.jsonl"), "nonsense").unwrap();
    assert_eq!(
        Journal::open(directory.path(), JOURNAL_BYTES_MAX)
            .unwrap()
            .1,
        []
    );
    assert!(directory.path().join("x.damaged").exists());
}

#[tokio::test]
async fn a_full_journal_takes_no_new_operation_and_keeps_the_old() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path(), 12_000).unwrap();
    journal
        .create(&operation("a1"), &event(1), 1)
        .await
        .unwrap();
    journal
        .create(&operation("a2"), &event(1), 1)
        .await
        .unwrap();
    let full = journal
        .create(&operation("a3"), &event(1), 1)
        .await
        .unwrap_err();
    assert!(
        matches!(full, JournalError::Full { operations: 2, .. }),
        "{full}"
    );
    journal.remove("a1").await.unwrap();
    journal
        .create(&operation("a3"), &event(1), 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn many_writers_wait_for_the_disk_together() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    let file = journal
        .create(&operation("a1"), &event(1), 100)
        .await
        .unwrap();
    let (done, results) = channel();
    for seq in 2..=200 {
        let done = done.clone();
        journal.append(&file, &[event(seq)], move |result| {
            done.send((seq, result.is_ok())).unwrap()
        });
    }
    drop((done, journal));
    let results: Vec<_> = results.iter().collect();
    assert_eq!(
        results,
        (2..=200).map(|seq| (seq, true)).collect::<Vec<_>>(),
        "in order, all of them"
    );
}

#[tokio::test]
async fn what_nobody_waits_for_becomes_durable_without_company_too() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    let file = journal
        .create(&operation("a1"), &event(1), 1)
        .await
        .unwrap();
    let acted = OperationEvent {
        body: OperationEventBody::Acted {
            id: "c2".into(),
            error: None,
        },
        ..event(2)
    };
    append(&journal, &file, std::slice::from_ref(&acted))
        .await
        .unwrap();
    let recorded = journal.read("a1").await.unwrap().unwrap();
    assert_eq!(recorded.events, [event(1), acted]);
}

#[test]
fn what_was_written_inline_is_what_a_thread_would_have_written() {
    let directory = tempfile::tempdir().unwrap();
    let (inline, _) = InlineJournal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    let file = inline.create(&operation("a1"), &event(1), 2).unwrap();
    inline.append(&file, &[event(2)]).unwrap();
    inline.append(&file, &[event(3)]).unwrap();
    let again = inline.create(&operation("a1"), &event(1), 2);
    assert!(matches!(again, Err(JournalError::Disk(_))), "{again:?}");
    let bytes = std::fs::read(directory.path().join("a1.jsonl")).unwrap();
    // The process dies within the next write; another one reads the file, and goes on where it is whole.
    let torn = [&bytes[..], b"0123456789abcdef {\"event\""].concat();
    std::fs::write(directory.path().join("a1.jsonl"), torn).unwrap();
    drop((inline, file));

    let (journal, found) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(found[0].operation, operation("a1"));
    assert_eq!(found[0].events, [event(1), event(2), event(3)]);
    drop(journal);
    let (inline, found) = InlineJournal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    let file = inline.reopen(&found[0]).unwrap();
    inline.append(&file, &[event(4)]).unwrap();
    let (_, found) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(found[0].events.len(), 4);
    inline.remove("a1").unwrap();
    let (_, found) = Journal::open(directory.path(), JOURNAL_BYTES_MAX).unwrap();
    assert_eq!(found, []);
}

#[test]
fn an_inline_journal_has_the_same_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = InlineJournal::open(directory.path(), 12_000).unwrap();
    for id in ["a1", "a2"] {
        journal.create(&operation(id), &event(1), 1).unwrap();
    }
    let full = journal.create(&operation("a3"), &event(1), 1).unwrap_err();
    assert!(
        matches!(full, JournalError::Full { operations: 2, .. }),
        "{full}"
    );
    journal.remove("a1").unwrap();
    journal.create(&operation("a3"), &event(1), 1).unwrap();
}
