//! What dies midway: the helper at its steps, and the agent around its own.

use komodo_agent_api::AgentOperation;
use komodo_testkit::engine::State as Real;

use super::*;

/// How often helpers were killed, as the Engine remembers it.
async fn kills(engine: &Engine) -> usize {
    #[expect(clippy::disallowed_methods, reason = "the clock of the Engine's host")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let filters = [
        ("label".to_owned(), vec![HELPER_LABEL.to_owned()]),
        ("event".to_owned(), vec!["die".to_owned()]),
    ];
    let options = bollard::query_parameters::EventsOptions {
        since: Some("0".to_owned()),
        until: Some((now.unwrap().as_secs() + 1).to_string()),
        filters: Some(filters.into_iter().collect()),
    };
    let events = engine.docker().events(Some(options));
    let killed = |event: bollard::models::EventMessage| {
        let attributes = event.actor.and_then(|actor| actor.attributes);
        attributes.is_some_and(|all| all.get("exitCode").is_some_and(|code| code == "137"))
    };
    let events: Vec<_> = timeout(PATIENCE, events.collect()).await.unwrap();
    let events = events.into_iter().map(Result::unwrap);
    events.filter(|event| killed(event.clone())).count()
}

/// The helper dies at a point, and is started again by the Engine: it goes on from what it finds.
async fn dies_at(point: &str, order: AgentOperation, confirm: bool, expected: &str) {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    let container = setting.agent(AGENT).env("KOMODO_FAILPOINT", point);
    let (linked, before) = agent(&mut setting, container).await;
    let recreates = order.recreate.is_some();
    let heard = heard(&linked, order).await;
    let (_, events) = ended(&mut setting.core, &heard.id, confirm).await;
    assert_eq!(shown(&events), [expected], "{point}: {events:#?}");
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(
        kills(&setting.engine).await,
        1,
        "{point}: it was killed once"
    );
    assert_eq!(after.id != before.id, recreates && confirm, "{point}");
    assert_eq!(configuration(&after), configuration(&before), "{point}");
    tidy(&setting.engine).await;
}

#[tokio::test]
async fn a_helper_that_dies_before_a_stop_goes_on() {
    dies_at("hand-over.stop", restart(), true, "periphery: done").await;
}

#[tokio::test]
async fn a_helper_that_dies_after_a_stop_goes_on() {
    dies_at("hand-over.stop.done", restart(), true, "periphery: done").await;
}

#[tokio::test]
async fn a_helper_that_dies_after_a_start_goes_on() {
    dies_at("hand-over.start.done", restart(), true, "periphery: done").await;
}

#[tokio::test]
async fn a_helper_that_dies_after_it_has_made_the_new_one_goes_on() {
    dies_at(
        "hand-over.create.done",
        replace(NEXT),
        true,
        "periphery: done",
    )
    .await;
}

#[tokio::test]
async fn a_helper_that_dies_between_two_names_goes_on() {
    dies_at(
        "hand-over.rename.done",
        replace(NEXT),
        true,
        "periphery: done",
    )
    .await;
}

#[tokio::test]
async fn a_helper_that_dies_before_the_new_one_begins_goes_on() {
    dies_at("hand-over.begin", replace(NEXT), true, "periphery: done").await;
}

#[tokio::test]
async fn a_helper_that_dies_after_the_new_one_has_begun_goes_on() {
    dies_at(
        "hand-over.begin.done",
        replace(NEXT),
        true,
        "periphery: done",
    )
    .await;
}

#[tokio::test]
async fn a_helper_that_dies_before_the_old_one_is_removed_goes_on() {
    dies_at("hand-over.remove", replace(NEXT), true, "periphery: done").await;
}

#[tokio::test]
async fn a_helper_that_dies_in_the_end_goes_on() {
    dies_at(
        "hand-over.finish.done",
        replace(NEXT),
        true,
        "periphery: done",
    )
    .await;
}

#[tokio::test]
async fn a_helper_that_dies_while_it_rolls_back_goes_on() {
    dies_at(
        "hand-over.release",
        replace(NEXT),
        false,
        "periphery: failed",
    )
    .await;
}

/// The Engine does not start again what somebody kills by hand: the agent that comes does.
#[tokio::test]
async fn a_helper_that_is_killed_by_hand_is_started_again_by_the_agent() {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    let container = setting.agent(AGENT);
    let (linked, before) = agent(&mut setting, container).await;
    let heard = heard(&linked, replace(NEXT)).await;
    let back = setting.core.linked().await;
    setting
        .engine
        .signal(&heard.helper(), "SIGKILL")
        .await
        .unwrap();
    back.client.confirm(heard.id.clone()).await.unwrap();
    let events = back.client.follow(heard.id.clone(), 0).await.unwrap();
    let events: Vec<_> = timeout(PATIENCE, events.map(Result::unwrap).collect())
        .await
        .expect("it ends");
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_ne!(after.id, before.id);
    tidy(&setting.engine).await;
    assert_eq!(setting.engine.state(AGENT).await.unwrap(), Real::Running);
}

/// The agent dies while it hands over; its restart policy brings it back, and it sees to the end.
async fn the_agent_dies_at(point: &str, expected: &str) {
    let mut setting = Setting::new().await;
    next_image(&setting.engine).await;
    // The first process of a container cannot kill itself.
    let container = setting.agent(AGENT).init().env("KOMODO_FAILPOINT", point);
    let (linked, before) = agent(&mut setting, container).await;
    let confirm = expected.ends_with("done");
    let heard = heard(&linked, replace(NEXT)).await;
    assert_eq!(heard.goodbyes, [], "it was killed");
    let (_, events) = ended(&mut setting.core, &heard.id, confirm).await;
    assert_eq!(shown(&events), [expected], "{point}: {events:#?}");
    let after = setting.engine.inspect(AGENT).await.unwrap();
    assert_eq!(after.id != before.id, confirm, "{point}");
    assert_eq!(configuration(&after), configuration(&before), "{point}");
    tidy(&setting.engine).await;
}

#[tokio::test]
async fn an_agent_that_dies_before_it_has_handed_over_changes_nothing() {
    the_agent_dies_at("hand-over.made", "periphery: failed").await;
}

/// It is back in another run than the plan's: what its restart policy did is not to be undone by a helper.
#[tokio::test]
async fn an_agent_that_dies_before_its_helper_starts_stays_as_it_is() {
    the_agent_dies_at("hand-over.handed", "periphery: failed").await;
}

/// What is left where the agent died right after the end.
#[tokio::test]
async fn what_an_agent_left_behind_is_taken_away_by_the_next() {
    let mut setting = Setting::new().await;
    let container = setting
        .agent(AGENT)
        .init()
        .env("KOMODO_FAILPOINT", "hand-over.settled");
    let (linked, _) = agent(&mut setting, container).await;
    let heard = heard(&linked, restart()).await;
    let back = setting.core.linked().await;
    back.client.confirm(heard.id.clone()).await.unwrap();
    let (_, events) = ended(&mut setting.core, &heard.id, false).await;
    assert_eq!(shown(&events), ["periphery: done"], "{events:#?}");
    tidy(&setting.engine).await;
}
