use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const ID: &str = "c1";

fn event(action: &str, at: i64) -> EngineEvent {
    event_with(action, at, &[])
}

fn event_with(action: &str, at: i64, attributes: &[(&str, &str)]) -> EngineEvent {
    let attributes: BTreeMap<_, _> = [("name", "web"), ("image", "busybox")]
        .iter()
        .chain(attributes)
        .map(|(k, v)| (*k, *v))
        .collect();
    serde_json::from_value(json!({
        "Type": "container", "Action": action, "Actor": { "ID": ID, "Attributes": attributes }, "timeNano": at,
    }))
    .unwrap()
}

fn listed(state: &str) -> Listed {
    serde_json::from_value(json!({
        "Id": ID, "Names": ["/web"], "State": state, "Labels": null, "HostConfig": { "NetworkMode": "bridge" },
    }))
    .unwrap()
}

fn inspected(state: &str, started: &str, finished: &str) -> Inspected {
    serde_json::from_value(json!({
        "Id": ID, "Name": "/web", "Config": { "Image": "busybox", "Labels": null, "StopTimeout": 3 },
        "State": { "Status": state, "StartedAt": started, "FinishedAt": finished, "ExitCode": 1 },
        "HostConfig": { "NetworkMode": "bridge", "RestartPolicy": { "Name": "always" } },
    }))
    .unwrap()
}

const NEVER: &str = "0001-01-01T00:00:00Z";
const T10: &str = "1970-01-01T00:00:10Z";
const T20: &str = "1970-01-01T00:00:20Z";
const SECOND: i64 = 1_000_000_000;

fn connected() -> View {
    let mut view = View::default();
    view.set_engine(EngineState::Connected {
        engine_id: "e".into(),
        version: "20.10".into(),
        api_version: "1.41".into(),
        since: 1,
    });
    view
}

fn with(state: &str) -> View {
    let mut view = connected();
    let mark = view.mark();
    view.apply_list(mark, vec![listed(state)]);
    view
}

fn state(view: &View) -> Option<State> {
    view.by_id(ID).map(|container| container.state)
}

#[test]
fn the_life_of_a_container_is_told_by_its_events_alone() {
    let mut view = connected();
    view.apply_list(0, Vec::new());
    let told = view.apply_event(&event_with("create", SECOND, &[("app", "x")]));
    assert!(
        matches!(&told.events[..], [EventBody::Containers { upsert, .. }] if upsert[0].labels["app"] == "x")
    );
    assert_eq!(told.inspect, BTreeSet::from([ID.to_owned()]));
    for (action, expected) in [
        ("start", State::Running),
        ("pause", State::Paused),
        ("unpause", State::Running),
        ("kill", State::Running),
        ("die", State::Exited),
        ("stop", State::Exited),
    ] {
        let at = view.by_id(ID).unwrap().state_at_ns + SECOND;
        view.apply_event(&event(action, at));
        assert_eq!(state(&view), Some(expected), "{action}");
    }
    let told = view.apply_event(&event("destroy", 100 * SECOND));
    assert_eq!(
        told.events,
        [EventBody::Containers {
            upsert: vec![],
            remove: vec![ID.into()]
        }]
    );
    assert_eq!(state(&view), None);
}

#[test]
fn a_death_tells_its_exit_code_and_a_health_check_its_result() {
    let mut view = with("running");
    view.apply_event(&event("health_status: unhealthy", SECOND));
    assert_eq!(
        view.by_id(ID).unwrap().health,
        Some(komodo_agent_api::HealthStatus::Unhealthy)
    );
    view.apply_event(&event_with("die", 2 * SECOND, &[("exitCode", "137")]));
    let container = view.by_id(ID).unwrap();
    assert_eq!(
        (container.exit_code, container.finished_at, container.health),
        (Some(137), Some(2000), None)
    );
}

#[test]
fn an_answer_that_an_event_overtook_does_not_bring_the_old_state_back() {
    let mut view = with("running");
    let asked = view.mark();
    view.apply_event(&event_with("die", 30 * SECOND, &[("exitCode", "0")]));
    let told = view.apply_inspect(asked, ID, Some(inspected("running", T10, NEVER)));
    assert_eq!(state(&view), Some(State::Exited));
    assert!(
        told.inspect.contains(ID),
        "what it missed is looked up again"
    );
    assert_eq!(
        view.by_id(ID).unwrap().restart_policy,
        "always",
        "the rest of the answer counts"
    );
    view.apply_list(asked, vec![listed("running")]);
    assert_eq!(state(&view), Some(State::Exited));
    let mark = view.mark();
    view.apply_inspect(mark, ID, Some(inspected("exited", T10, T20)));
    assert_eq!(view.by_id(ID).unwrap().exit_code, Some(1));
}

#[test]
fn an_event_older_than_what_was_seen_does_not_count() {
    let mut view = with("exited");
    let mark = view.mark();
    view.apply_inspect(mark, ID, Some(inspected("running", T20, T10)));
    view.apply_event(&event("die", 15 * SECOND));
    assert_eq!(
        state(&view),
        Some(State::Running),
        "that death came before the run that was seen"
    );
    view.apply_event(&event("die", 25 * SECOND));
    assert_eq!(state(&view), Some(State::Exited));
}

#[test]
fn what_was_removed_stays_removed_whatever_comes_late() {
    let mut view = with("exited");
    let asked = view.mark();
    view.apply_event(&event("destroy", SECOND));
    view.apply_inspect(asked, ID, Some(inspected("exited", T10, T20)));
    view.apply_list(asked, vec![listed("exited")]);
    assert_eq!(state(&view), None);
}

#[test]
fn a_list_finds_what_no_event_told() {
    let mut view = with("running");
    let mark = view.mark();
    let told = view.apply_list(mark, vec![listed("exited")]);
    assert_eq!((state(&view), told.inspect.len()), (Some(State::Exited), 1));
    view.apply_list(mark, Vec::new());
    assert_eq!(state(&view), None);
    let mut view = with("running");
    let mark = view.mark();
    view.apply_event(&event("pause", SECOND));
    view.apply_list(mark, Vec::new());
    assert_eq!(
        state(&view),
        Some(State::Paused),
        "an event says that it was there after the list was asked for"
    );
}

#[test]
fn a_list_that_finds_nothing_new_tells_nothing_and_asks_nothing() {
    let mut view = with("running");
    let mark = view.mark();
    view.apply_inspect(mark, ID, Some(inspected("running", T10, NEVER)));
    assert_eq!(
        view.apply_list(mark, vec![listed("running")]),
        Change::default()
    );
}

#[test]
fn plans_wait_for_the_list_after_each_loss_of_the_engine() {
    let mut view = View::default();
    assert!(!view.is_ready());
    view = with("running");
    assert!(view.is_ready());
    let gone = |why: &str| EngineState::Unreachable {
        why: why.into(),
        since: 5,
    };
    assert_eq!(view.set_engine(gone("refused")).events.len(), 1);
    assert_eq!(
        view.set_engine(gone("refused")),
        Change::default(),
        "the same news is no news"
    );
    assert!(!view.is_ready());
    assert_eq!(
        state(&view),
        Some(State::Running),
        "what was seen last stays"
    );
    view.apply_event(&event("pause", SECOND));
    view.set_engine(connected().engine);
    assert!(!view.is_ready(), "the containers may be others by now");
    view.apply_list(0, Vec::new());
    assert!(view.is_ready());
}

#[test]
fn the_protected_set_follows_the_containers() {
    let mut view = connected();
    view.set_own_container(Some(ID.into()), Vec::new());
    let told = view.apply_list(0, vec![listed("running")]);
    assert!(
        told.events
            .iter()
            .any(|event| matches!(event, EventBody::Protected(set) if set[0].name == "web"))
    );
    let told = view.apply_event(&event_with(
        "rename",
        SECOND,
        &[("name", "/other"), ("oldName", "/web")],
    ));
    assert!(
        told.events
            .iter()
            .any(|event| matches!(event, EventBody::Protected(set) if set[0].name == "other"))
    );
    let told = view.apply_event(&event("destroy", 2 * SECOND));
    assert!(told.events.contains(&EventBody::Protected(Vec::new())));
}

#[test]
fn a_reference_is_a_name_an_id_or_its_beginning() {
    let mut view = connected();
    let one = |id: &str, name: &str| Listed {
        id: id.into(),
        names: vec![format!("/{name}")],
        ..Listed::default()
    };
    let (a, b) = (
        format!("{}1", "a".repeat(63)),
        format!("{}2", "a".repeat(63)),
    );
    view.apply_list(0, vec![one(&a, "web"), one(&b, &"a".repeat(13))]);
    assert_eq!(view.resolve("/web").len(), 1);
    assert_eq!(view.resolve(&a).len(), 1);
    assert_eq!(view.resolve(&a[..12]).len(), 2);
    assert_eq!(
        view.resolve(&a[..13]).len(),
        1,
        "a name wins over beginnings of ids"
    );
    assert_eq!(view.resolve("aaa").len(), 0);
}
