use std::sync::mpsc::channel;

use komodo_agent_api::OperationEventBody;
use komodo_api::container::{ContainerAction, Scope};

use super::*;

fn operation(id: &str) -> AgentOperation {
    AgentOperation {
        id: id.into(),
        epoch: 1,
        action: ContainerAction::Stop,
        scope: Scope::All,
        exclude: Vec::new(),
        signal: None,
        time: None,
        override_reason: None,
        core_id: None,
        expected: Default::default(),
        bound: false,
        concurrency: 16,
        operator: "admin".into(),
    }
}

fn event(seq: u64) -> OperationEvent {
    let body = match seq {
        1 => OperationEventBody::Planned {
            items: Vec::new(),
            deadline: 9,
        },
        _ => OperationEventBody::Started {
            id: format!("c{seq}"),
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
    let directory = crate::test_directory::TestDirectory::new();
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
    let directory = crate::test_directory::TestDirectory::new();
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
    let directory = crate::test_directory::TestDirectory::new();
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
    let directory = crate::test_directory::TestDirectory::new();
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
    let directory = crate::test_directory::TestDirectory::new();
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

#[test]
fn secrets_in_addresses_are_left_out() {
    let cases = [
        (
            "pull https://user:secret@host/x failed",
            "pull https://***@host/x failed",
        ),
        ("a://b c://d:e@f", "a://b c://***@f"),
        ("mail me@host", "mail me@host"),
        ("http://host/a@b", "http://host/a@b"),
        ("x://", "x://"),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text), expected);
    }
    assert_eq!(redact(&"ä".repeat(5000)).chars().count(), 1000);
}
