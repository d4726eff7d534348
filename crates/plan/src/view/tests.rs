use komodo_agent_api::Snapshot;

use super::*;
use crate::table::{id, world};

fn event(seq: u64, body: EventBody) -> AgentEvent {
    AgentEvent {
        seq,
        at: 100 + seq as i64,
        body,
    }
}

fn snapshot(containers: &str) -> EventBody {
    EventBody::Snapshot(Box::new(Snapshot {
        containers: world(containers),
        ..Snapshot::default()
    }))
}

fn changed(upsert: &str, remove: &[&str]) -> EventBody {
    EventBody::Containers {
        upsert: world(upsert),
        remove: remove.iter().map(|name| id(name)).collect(),
    }
}

fn shown(view: &View) -> String {
    let containers: Vec<String> = view
        .containers
        .values()
        .map(|container| format!("{} {}", container.name, container.state.as_str()))
        .collect();
    containers.join(", ")
}

#[test]
fn deltas_add_up_to_what_is_there() {
    let mut view = View::default();
    view.apply(event(0, snapshot("a running\nb exited")))
        .unwrap();
    view.apply(event(1, changed("b running\nc created", &[])))
        .unwrap();
    view.apply(event(2, changed("", &["a", "never-there"])))
        .unwrap();
    view.apply(event(
        3,
        EventBody::Engine(EngineState::Unreachable {
            why: "x".into(),
            since: 3,
        }),
    ))
    .unwrap();
    view.apply(event(
        4,
        EventBody::Goodbye(GoodbyeReason::Signal {
            signal: "SIGTERM".into(),
        }),
    ))
    .unwrap();
    assert_eq!(shown(&view), "b running, c created");
    assert_eq!((view.seq, view.at), (Some(4), 104));
    assert!(view.goodbye.is_some());
    assert_eq!(view.container("b").unwrap().name, "b");
    assert_eq!(view.container(&id("b")[..12]).unwrap().name, "b");
    assert!(view.container("d").is_none());

    // A new stream begins anew.
    view.apply(event(0, snapshot("z running"))).unwrap();
    assert_eq!(shown(&view), "z running");
    assert_eq!(view.goodbye, None);
}

#[test]
fn a_gap_is_found_and_changes_nothing() {
    let mut view = View::default();
    for (body, seq, expected) in [
        (
            changed("a running", &[]),
            0,
            Gap {
                expected: 0,
                got: 0,
            },
        ),
        (
            changed("a running", &[]),
            1,
            Gap {
                expected: 0,
                got: 1,
            },
        ),
        (
            snapshot("a running"),
            1,
            Gap {
                expected: 0,
                got: 1,
            },
        ),
    ] {
        assert_eq!(view.apply(event(seq, body)), Err(expected));
        assert_eq!(view, View::default());
    }
    view.apply(event(0, snapshot("a running"))).unwrap();
    for seq in [2, 0, 7] {
        let before = view.clone();
        assert_eq!(
            view.apply(event(seq, changed("b running", &[]))),
            Err(Gap {
                expected: 1,
                got: seq
            })
        );
        assert_eq!(view, before);
    }
    view.apply(event(1, changed("b running", &[]))).unwrap();
    assert_eq!(shown(&view), "a running, b running");
}
