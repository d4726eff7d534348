//! How operations are accepted, followed and forgotten.

use komodo_agent_api::{AgentErrorCode, OperationState};
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum::*};

use super::*;

/// The same id is carried out once, however often it is ordered; everybody is told the same.
pub async fn one_id_is_carried_out_once(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let order = || operation("once", ContainerAction::Restart, one("web"));
    let (first, second) = tokio::join!(talk.operate(order()), talk.operate(order()));
    let (first, second) = (first.expect("accepted"), second.expect("the same"));
    first.assert_whole(1);
    assert_eq!(first.events, second.events);
    let started = started_at(&talk, "web").await;
    let third = talk.operate(order()).await.expect("still known");
    assert_eq!(first.events, third.events);
    assert_eq!(
        started_at(&talk, "web").await,
        started,
        "it was not restarted again"
    );
    // Not even another order under the same id is carried out.
    let other = talk
        .operate(operation("once", ContainerAction::Destroy, Scope::All))
        .await
        .expect("known");
    assert_eq!(first.events, other.events);
    assert_eq!(world.state_of("web").await, Some(Running));
}

async fn started_at(talk: &Talk, name: &str) -> Option<String> {
    let inspected = soon(
        "inspect",
        talk.agent.inspect_container(ContainerRef(name.to_owned())),
    )
    .await;
    let inspected = inspected.expect("it is there");
    inspected["State"]["StartedAt"].as_str().map(str::to_owned)
}

/// An operation is told from any place on, also after its end; hello names it until it is acknowledged.
pub async fn followed_from_any_place(world: &dyn ContractWorld) {
    world.create(spec("aa", Running)).await;
    world.create(spec("bb", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let told = talk.run("op", ContainerAction::Stop, Scope::All).await;
    told.assert_whole(1);
    let last = told.events.len() as u64;
    for seq in 0..=last {
        let rest = talk.follow("op", seq).await.expect("it is known");
        assert_eq!(
            rest.events,
            told.events[usize::try_from(seq).expect("small")..],
            "from after {seq}"
        );
    }
    let beyond = talk.follow("op", last + 100).await.expect("it is known");
    assert_eq!(beyond.events, []);
    let hello = talk.hello(core_hello(&[])).await.expect("hello");
    assert_eq!(
        hello.open_operations,
        [OperationState {
            id: "op".to_owned(),
            seq: last,
            ended: true
        }]
    );
    let unknown = talk
        .follow("nothing", 0)
        .await
        .map(|told| told.events)
        .expect_err("not known");
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
}

/// What is acknowledged is forgotten, and may be acknowledged again.
pub async fn acknowledged_is_forgotten(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    talk.run("op", ContainerAction::Pause, one("web")).await;
    for _ in 0..2 {
        soon("acknowledge", talk.agent.acknowledge("op".to_owned()))
            .await
            .expect("it has ended");
    }
    let hello = talk.hello(core_hello(&[])).await.expect("hello");
    assert_eq!(hello.open_operations, []);
    let unknown = talk
        .follow("op", 0)
        .await
        .map(|told| told.events)
        .expect_err("forgotten");
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
}

/// A Core that has been replaced orders nothing; what was ordered before may still be asked for.
pub async fn stale_epoch_does_nothing(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    talk.run("before", ContainerAction::Pause, one("web")).await;
    talk.hello(CoreHello {
        epoch: EPOCH + 1,
        ..core_hello(&[])
    })
    .await
    .expect("hello");
    let refused = talk
        .operate(operation("stale", ContainerAction::Unpause, one("web")))
        .await;
    let refused = refused.map(|told| told.events).expect_err("an older epoch");
    assert_eq!(refused.code, AgentErrorCode::StaleEpoch);
    assert_eq!(world.state_of("web").await, Some(Paused));
    let unknown = talk
        .follow("stale", 0)
        .await
        .map(|told| told.events)
        .expect_err("never accepted");
    assert_eq!(unknown.code, AgentErrorCode::NotFound);
    talk.follow("before", 0)
        .await
        .expect("what was begun before is still told");
    let newer = AgentOperation {
        epoch: EPOCH + 1,
        ..operation("newer", ContainerAction::Unpause, one("web"))
    };
    assert_eq!(
        talk.operate(newer).await.expect("accepted").summary(),
        "web done"
    );
}

/// An order of a Core that another one has replaced since is refused; one that does not say whose it is is not.
pub async fn another_core_does_nothing(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    talk.hello(CoreHello {
        core_id: "another".to_owned(),
        epoch: 1,
        ..core_hello(&[])
    })
    .await
    .expect("another database counts from its own beginning");
    let of = |id: &str, core_id: Option<&str>| AgentOperation {
        core_id: core_id.map(str::to_owned),
        ..operation(id, ContainerAction::Pause, one("web"))
    };
    let refused = talk.operate(of("old", Some("contract"))).await;
    let refused = refused.map(|told| told.events).expect_err("it is replaced");
    assert_eq!(refused.code, AgentErrorCode::StaleEpoch);
    assert_eq!(world.state_of("web").await, Some(Running));
    let told = talk.operate(of("new", Some("another"))).await;
    assert_eq!(told.expect("accepted").summary(), "web done");
    let told = talk.operate(of("nameless", None)).await;
    assert_eq!(told.expect("accepted").summary(), "web unchanged already");
}

/// One that is not there is an error, and nothing is done; in a list it is told as gone.
pub async fn unknown_and_gone(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let missing = talk
        .operate(operation("a", ContainerAction::Stop, one("nobody")))
        .await;
    assert_eq!(
        missing.map(|told| told.events).expect_err("not there").code,
        AgentErrorCode::NotFound
    );
    let empty = talk
        .operate(operation("b", ContainerAction::Stop, listed(&[])))
        .await;
    assert_eq!(
        empty
            .map(|told| told.events)
            .expect_err("nothing named")
            .code,
        AgentErrorCode::Invalid
    );
    let nameless = talk
        .operate(operation("", ContainerAction::Stop, one("web")))
        .await;
    assert_eq!(
        nameless.map(|told| told.events).expect_err("no id").code,
        AgentErrorCode::Invalid
    );
    assert_eq!(world.state_of("web").await, Some(Running));
    let hello = talk.hello(core_hello(&[])).await.expect("hello");
    assert_eq!(
        hello.open_operations,
        [],
        "what was not accepted leaves nothing behind"
    );

    let told = talk
        .run("c", ContainerAction::Stop, listed(&["nobody", "web"]))
        .await;
    assert_eq!(told.summary(), "nobody skipped gone, web done");
    assert_eq!(told.verdict("nobody").id, "");
    let nothing = talk
        .run("d", ContainerAction::Stop, with_label("no=such"))
        .await;
    assert_eq!(nothing.summary(), "");
    nothing.assert_whole(1);
}

/// Whoever ordered an operation may go away; it is carried out to its end all the same.
pub async fn goes_on_without_a_reader(world: &dyn ContractWorld) {
    for name in ["aa", "bb", "cc", "dd"] {
        world.create(spec(name, Running)).await;
    }
    let talk = Talk::begin(world, &[]).await;
    let order = AgentOperation {
        core_id: None,
        expected: Default::default(),
        concurrency: 1,
        ..operation("alone", ContainerAction::Stop, Scope::All)
    };
    drop(
        soon("operate", talk.agent.operate(order))
            .await
            .expect("accepted"),
    );
    let told = talk.follow("alone", 0).await.expect("it goes on");
    told.assert_whole(1);
    assert_eq!(told.summary(), "aa done, bb done, cc done, dd done");
    for name in ["aa", "bb", "cc", "dd"] {
        assert_eq!(world.state_of(name).await, Some(Exited), "{name}");
    }
}
