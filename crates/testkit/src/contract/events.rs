//! What an agent tells by itself.

use komodo_agent_api::{AgentErrorCode, EngineState};
use komodo_api::{
    container::ContainerAction, engine::ContainerStateStatusEnum::*, plan::ReasonCode,
};

use super::*;

/// A hello is answered with a level; one of an older Core, or of a level that does not fit, is refused.
pub async fn hello_level_and_epoch(world: &dyn ContractWorld) {
    let talk = Talk {
        agent: world.agent(),
    };
    let hello = talk.hello(core_hello(&[])).await.expect("hello");
    assert_eq!(hello.level, LEVEL);
    assert!(!hello.agent.version.is_empty());
    assert_eq!(hello.open_operations, []);

    let refused = talk
        .hello(CoreHello {
            level: 0,
            ..core_hello(&[])
        })
        .await
        .expect_err("level 0");
    assert_eq!(refused.code, AgentErrorCode::Level);
    let refused = talk
        .hello(CoreHello {
            epoch: EPOCH - 1,
            ..core_hello(&[])
        })
        .await
        .expect_err("older epoch");
    assert_eq!(refused.code, AgentErrorCode::StaleEpoch);
    talk.hello(core_hello(&[]))
        .await
        .expect("the same Core may come back");
    talk.hello(CoreHello {
        epoch: EPOCH + 1,
        ..core_hello(&[])
    })
    .await
    .expect("a newer one may come");
    let refused = talk
        .hello(core_hello(&[]))
        .await
        .expect_err("it has been replaced");
    assert_eq!(refused.code, AgentErrorCode::StaleEpoch);
}

/// The stream begins with all there is, and a second one does so too.
pub async fn snapshot_then_deltas_without_a_gap(world: &dyn ContractWorld) {
    let web = world
        .create(spec("web", Running).label("com.docker.compose.project", "shop"))
        .await;
    world.create(spec("old", Exited)).await;
    world.create(spec("ice", Paused)).await;
    world.create(spec("new", Created)).await;
    let talk = Talk::begin(world, &[]).await;
    let mut watch = talk.watch().await;
    watch
        .until("four containers", |view| view.containers.len() == 4)
        .await;
    for (name, state) in [
        ("web", Running),
        ("old", Exited),
        ("ice", Paused),
        ("new", Created),
    ] {
        assert_eq!(watch.state(name), Some(state), "{name}");
    }
    let container = watch.view.container("web").expect("it was just seen");
    assert_eq!(
        (container.id.as_str(), container.project()),
        (web.as_str(), Some("shop"))
    );
    assert!(matches!(watch.view.engine, EngineState::Connected { .. }));

    world.docker(ContainerAction::Stop, "web").await;
    world.docker(ContainerAction::Destroy, "old").await;
    world.create(spec("more", Running)).await;
    let settled = |view: &View| {
        let state = |name| view.container(name).map(|container| container.state);
        state("web") == Some(Exited) && state("old").is_none() && state("more") == Some(Running)
    };
    watch.until("the changes", settled).await;
    let mut second = talk.watch().await;
    second.until("a stream of its own", settled).await;
}

/// What somebody does with `docker` is told, whatever it is.
pub async fn external_changes_are_told(world: &dyn ContractWorld) {
    let talk = Talk::begin(world, &[]).await;
    let mut watch = talk.watch().await;
    let id = world.create(spec("web", Running)).await;
    watch
        .until("the new container", |view| {
            view.container("web").is_some_and(|it| it.state == Running)
        })
        .await;
    assert_eq!(
        watch.view.container("web").map(|it| it.id.clone()),
        Some(id)
    );
    for (action, state) in [
        (ContainerAction::Pause, Paused),
        (ContainerAction::Unpause, Running),
        (ContainerAction::Stop, Exited),
        (ContainerAction::Start, Running),
    ] {
        world.docker(action, "web").await;
        watch
            .until("the change", |view| {
                view.container("web").is_some_and(|it| it.state == state)
            })
            .await;
        comes_to_be(world, "web", state).await;
    }
    let started = watch.view.container("web").and_then(|it| it.started_at);
    world.docker(ContainerAction::Restart, "web").await;
    watch
        .until("another run", |view| {
            view.container("web")
                .is_some_and(|it| it.state == Running && it.started_at > started)
        })
        .await;
    world.docker(ContainerAction::Destroy, "web").await;
    watch
        .until("its end", |view| view.container("web").is_none())
        .await;
}

/// The protected set is in the snapshot, and told when it changes.
pub async fn protected_set_is_told(world: &dyn ContractWorld) {
    world.create(spec("db", Running)).await;
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &["db"]).await;
    let mut watch = talk.watch().await;
    let has = |name: &'static str, code: ReasonCode| {
        move |view: &View| {
            let entry = view.protected.iter().find(|entry| entry.name == name);
            entry.is_some_and(|entry| entry.reasons.iter().any(|reason| reason.code == code))
        }
    };
    watch
        .until(
            "what Core depends on",
            has("db", ReasonCode::CoreDependency),
        )
        .await;
    assert!(!watch.view.protected.iter().any(|entry| entry.name == "web"));
    world
        .create(
            spec("dns", Running)
                .label("komodo.protect", "true")
                .label("komodo.skip", ""),
        )
        .await;
    watch
        .until("what is declared", has("dns", ReasonCode::Declared))
        .await;
    watch
        .until("what is labelled", has("dns", ReasonCode::Label))
        .await;
    let codes: Vec<ReasonCode> = watch
        .view
        .protected
        .iter()
        .filter(|entry| entry.name == "dns")
        .flat_map(|entry| entry.reasons.iter().map(|reason| reason.code))
        .collect();
    assert_eq!(
        codes,
        [ReasonCode::Declared, ReasonCode::Label],
        "the strongest comes first"
    );
    world.docker(ContainerAction::Destroy, "dns").await;
    watch
        .until("its end", |view| {
            !view.protected.iter().any(|entry| entry.name == "dns")
        })
        .await;
}

/// A reader that does not read is cut off; what it has got until then has no gap, and a new stream begins anew.
pub async fn reader_that_lags_is_cut_off(world: &dyn ContractWorld) {
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let mut lagging = talk.watch().await;
    let mut other = talk.watch().await;
    other
        .until("the container", |view| view.container("web").is_some())
        .await;
    world.flood().await;
    // To read on means to come to the end: `next` finds gaps on the way.
    while lagging.next().await.is_some() {}
    let mut anew = talk.watch().await;
    anew.until("the container", |view| view.container("web").is_some())
        .await;
}
