use futures_util::poll;
use komodo_docker::{EngineEvent, Listed};
use std::pin::pin;

use super::*;

fn container(state: ContainerStateStatusEnum, state_at_ns: i64) -> Container {
    Container {
        id: "aa".into(),
        state,
        state_at_ns,
        ..Container::default()
    }
}

#[test]
fn events_tell_no_more_than_they_say() {
    use ContainerAction::{Destroy, Pause, Prune, Restart, Start, Stop, Unpause};
    use ContainerStateStatusEnum::{Exited, Paused, Running};
    use Told::{Never, NotYet, Reached};
    let before = container(Running, 5);
    for (action, now, dated, wanted) in [
        (Pause, Some((Paused, 6)), true, Reached),
        (Pause, Some((Running, 5)), true, NotYet),
        // Seen so, but not told so since.
        (Pause, Some((Paused, 5)), true, NotYet),
        // Somebody has resumed it already: who has waited looks.
        (Pause, Some((Running, 7)), true, NotYet),
        (Pause, Some((Paused, 6)), false, Never),
        (Pause, None, false, Never),
        (Unpause, Some((Running, 6)), true, Reached),
        (Stop, Some((Exited, 6)), true, Reached),
        (Stop, Some((Exited, 6)), false, Never),
        (Stop, None, false, Never),
        (Destroy, None, false, Reached),
        (Destroy, Some((Exited, 6)), true, NotYet),
        (Prune, None, false, Reached),
        (Start, Some((Running, 6)), true, Never),
        (Restart, Some((Running, 6)), true, Never),
    ] {
        let now = now.map(|(state, at)| container(state, at));
        let told = event_tells(action, &before, now.as_ref(), dated);
        assert_eq!(told, wanted, "{action:?} {now:?} dated: {dated}");
    }
}

#[tokio::test]
async fn an_event_right_behind_the_answer_is_waited_for() {
    let observatory = Observatory::new(16);
    let json = r#"[{ "Id": "aa", "Names": ["/aa"], "State": "running" }]"#;
    let list: Vec<Listed> = serde_json::from_str(json).unwrap();
    let inspected = r#"{ "Id": "aa", "Name": "/aa",
        "State": { "Status": "running", "StartedAt": "2026-11-23T12:00:00Z" } }"#;
    let inspected = serde_json::from_str(inspected).unwrap();
    observatory.update(|view| view.apply_list(view.mark(), list));
    observatory.update(|view| view.apply_inspect(view.mark(), "aa", Some(inspected)));
    let before = observatory.read(|view| (**view.by_id("aa").unwrap()).clone());

    let pause = ContainerAction::Pause;
    let told = told_by_events(&observatory, pause, &before, Duration::from_secs(60));
    let mut told = pin!(told);
    assert!(poll!(&mut told).is_pending());
    let mut event = EngineEvent {
        kind: "container".into(),
        action: "pause".into(),
        time_ns: before.state_at_ns + 1,
        ..EngineEvent::default()
    };
    event.actor.id = "aa".into();
    observatory.update(|view| view.apply_event(&event));
    assert!(
        matches!(told.await, Some(Seen::There(now)) if now.state == ContainerStateStatusEnum::Paused)
    );

    let unpause = told_by_events(
        &observatory,
        ContainerAction::Unpause,
        &before,
        Duration::ZERO,
    );
    assert!(unpause.await.is_none(), "it is not waited for without end");
}
