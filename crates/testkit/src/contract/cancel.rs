//! How an operation is canceled: what is under way ends as it ends, and nothing else begins.

use komodo_agent_api::AgentErrorCode;
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum::*};

use super::*;

/// A stop of `aa`, which takes its time, and then of `bb` and `cc`.
async fn begun(world: &dyn ContractWorld, id: &str) -> (Talk, AgentStream<OperationEvent>) {
    world.create(spec("aa", Running).slow()).await;
    for name in ["bb", "cc"] {
        world.create(spec(name, Running)).await;
    }
    let talk = Talk::begin(world, &[]).await;
    let order = AgentOperation {
        concurrency: 1,
        ..operation(id, ContainerAction::Stop, Scope::All)
    };
    let mut events = soon("operate", talk.agent.operate(order))
        .await
        .expect("accepted");
    loop {
        let event = soon("the first begin", events.next()).await;
        let event = event.expect("it goes on").expect("it is told");
        if matches!(event.body, OperationEventBody::Started { .. }) {
            return (talk, events);
        }
    }
}

async fn cancel(talk: &Talk, id: &str, by: &str) -> Result<(), AgentError> {
    let canceled = talk.agent.cancel(id.to_owned(), by.to_owned());
    soon("the answer to a cancel", canceled).await
}

/// Who canceled, once; and that no target began after that.
fn assert_canceled_by(told: &Told, by: &str) {
    let place = |event: &OperationEvent| matches!(&event.body, OperationEventBody::Canceled { by: name } if name == by);
    let at = told.events.iter().position(place).expect("it is told");
    let after = &told.events[at + 1..];
    let again = |event: &OperationEvent| {
        matches!(
            event.body,
            OperationEventBody::Canceled { .. } | OperationEventBody::Started { .. }
        )
    };
    assert!(!after.iter().any(again), "{:?}", told.events);
}

/// Canceled while a target is under way: that one is awaited and observed, the others are not tried.
pub async fn canceled_while_it_runs(world: &dyn ContractWorld) {
    let (talk, events) = begun(world, "op").await;
    cancel(&talk, "op", "alice").await.expect("it is known");
    cancel(&talk, "op", "bob").await.expect("it is canceled");
    let rest = Told::to_the_end(events).await;
    let told = talk.follow("op", 0).await.expect("it is kept");
    assert!(told.events.ends_with(&rest.events));
    told.assert_whole(1);
    assert_eq!(
        told.summary(),
        "aa done, bb skipped canceled, cc skipped canceled"
    );
    assert_canceled_by(&told, "alice");
    for (name, state) in [("aa", Exited), ("bb", Running), ("cc", Running)] {
        assert_eq!(world.state_of(name).await, Some(state), "{name}");
        assert_eq!(told.verdict(name).after, Some(state), "{name}");
    }
    cancel(&talk, "op", "carol").await.expect("it has ended");
    let again = talk.follow("op", 0).await.expect("it is kept");
    assert_eq!(again.events, told.events, "what has ended stays as it is");
    soon("the acknowledgement", talk.agent.acknowledge("op".into()))
        .await
        .expect("it has ended");
}

/// What is not known cannot be canceled, and is carried out when it is ordered; what has ended stays as it is.
pub async fn canceled_before_and_after(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let unknown = cancel(&talk, "op", "alice").await.expect_err("not known");
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
    let told = talk.run("op", ContainerAction::Stop, Scope::All).await;
    assert_eq!(told.summary(), "web done");
    cancel(&talk, "op", "alice").await.expect("it has ended");
    let again = talk.follow("op", 0).await.expect("it is kept");
    assert_eq!(again.events, told.events);
}

/// What was canceled when the agent was killed stays so: the next one tells who did it, and what was not tried.
pub async fn canceled_stays_canceled_after_a_restart(world: &dyn ContractWorld) {
    let (talk, events) = begun(world, "op").await;
    cancel(&talk, "op", "alice").await.expect("it is known");
    world.restart().await;
    drop(events);
    let talk = Talk::begin(world, &[]).await;
    let told = talk.follow("op", 0).await.expect("the journal has it");
    let last = told.events.last().map(|event| &event.body);
    assert!(matches!(last, Some(OperationEventBody::Ended { .. })));
    assert_canceled_by(&told, "alice");
    for name in ["bb", "cc"] {
        assert_eq!(
            short(told.verdict(name)),
            format!("{name} skipped canceled")
        );
        assert_eq!(world.state_of(name).await, Some(Running), "{name}");
    }
    let done = told.verdict("aa").verdict == VerdictKind::Done;
    assert_eq!(done, world.state_of("aa").await == Some(Exited));
    cancel(&talk, "op", "bob").await.expect("it has ended");
    let again = talk.follow("op", 0).await.expect("it is kept");
    assert_eq!(again.events, told.events);
}
