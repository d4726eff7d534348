//! What each verb does, in bulk and by name, with verdicts that equal what the Engine says.

use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum::*, plan::Effect};

use super::*;

const HOST: [(&str, ContainerStateStatusEnum); 5] = [
    ("run1", Running),
    ("run2", Running),
    ("ice", Paused),
    ("old", Exited),
    ("new", Created),
];

async fn set_up(world: &dyn ContractWorld) {
    for (name, state) in HOST {
        world.create(spec(name, state)).await;
    }
    world
        .create(spec("kept", Running).label("komodo.skip", "true"))
        .await;
}

async fn clear(world: &dyn ContractWorld) {
    for name in ["run1", "run2", "ice", "old", "new", "kept"] {
        if world.state_of(name).await.is_some() {
            world.docker(ContainerAction::Destroy, name).await;
        }
    }
}

/// States of the host, `-` for gone.
async fn states(world: &dyn ContractWorld) -> String {
    let mut printed = Vec::new();
    for name in ["run1", "run2", "ice", "old", "new", "kept"] {
        let state = world.state_of(name).await;
        printed.push(format!(
            "{name} {}",
            state.map_or("-", |state| state.as_str())
        ));
    }
    printed.join(", ")
}

/// Every verb on all: what it acts on, what it leaves as it is, and what the Engine says after it.
pub async fn every_verb_in_bulk(world: &dyn ContractWorld) {
    let talk = Talk::begin(world, &[]).await;
    for (action, verdicts, after) in [
        (
            ContainerAction::Stop,
            "ice done, kept skipped label, new unchanged already, old unchanged already, run1 done, run2 done",
            "run1 exited, run2 exited, ice exited, old exited, new created, kept running",
        ),
        (
            ContainerAction::Start,
            "ice unchanged not-applicable, kept skipped label, new done, old done, run1 unchanged already, \
             run2 unchanged already",
            "run1 running, run2 running, ice paused, old running, new running, kept running",
        ),
        (
            ContainerAction::Restart,
            "ice unchanged not-applicable, kept skipped label, new unchanged not-applicable, \
             old unchanged not-applicable, run1 done, run2 done",
            "run1 running, run2 running, ice paused, old exited, new created, kept running",
        ),
        (
            ContainerAction::Pause,
            "ice unchanged already, kept skipped label, new unchanged not-applicable, \
             old unchanged not-applicable, run1 done, run2 done",
            "run1 paused, run2 paused, ice paused, old exited, new created, kept running",
        ),
        (
            ContainerAction::Unpause,
            "ice done, kept skipped label, new unchanged not-applicable, old unchanged not-applicable, \
             run1 unchanged already, run2 unchanged already",
            "run1 running, run2 running, ice running, old exited, new created, kept running",
        ),
        (
            ContainerAction::Prune,
            "ice unchanged not-applicable, kept skipped label, new done, old done, \
             run1 unchanged not-applicable, run2 unchanged not-applicable",
            "run1 running, run2 running, ice paused, old -, new -, kept running",
        ),
        (
            ContainerAction::Destroy,
            "ice done, kept skipped label, new done, old done, run1 done, run2 done",
            "run1 -, run2 -, ice -, old -, new -, kept running",
        ),
    ] {
        set_up(world).await;
        let told = talk
            .run(&format!("all-{action:?}"), action, Scope::All)
            .await;
        told.assert_whole(1);
        assert_eq!(told.summary(), verdicts, "{action:?}");
        assert_eq!(states(world).await, after, "{action:?}");
        for verdict in told.verdicts() {
            let item = told
                .items()
                .iter()
                .find(|item| item.id == verdict.id)
                .expect("every verdict was planned");
            assert_eq!(
                item.effect == Effect::Act,
                verdict.verdict == VerdictKind::Done,
                "{action:?} {verdict:?}"
            );
            assert_eq!(verdict.before, Some(item.state));
            let observed = world.state_of(&verdict.container).await;
            assert!(
                verdict.after.is_none() || verdict.after == observed,
                "{action:?} {verdict:?} {observed:?}"
            );
        }
        clear(world).await;
    }
}

/// Every verb by name: done where it can be, `unchanged` where it is so already, and a failure where it cannot be done.
pub async fn every_verb_by_name(world: &dyn ContractWorld) {
    let talk = Talk::begin(world, &[]).await;
    let mut number = 0;
    for (action, name, verdict, after) in [
        (ContainerAction::Stop, "run1", "run1 done", Some(Exited)),
        (ContainerAction::Stop, "ice", "ice done", Some(Exited)),
        (
            ContainerAction::Stop,
            "old",
            "old unchanged already",
            Some(Exited),
        ),
        (ContainerAction::Start, "old", "old done", Some(Running)),
        (ContainerAction::Start, "new", "new done", Some(Running)),
        (
            ContainerAction::Start,
            "run1",
            "run1 unchanged already",
            Some(Running),
        ),
        (
            ContainerAction::Start,
            "ice",
            "ice failed not-applicable",
            Some(Paused),
        ),
        (ContainerAction::Restart, "run1", "run1 done", Some(Running)),
        (ContainerAction::Restart, "old", "old done", Some(Running)),
        (ContainerAction::Restart, "ice", "ice done", Some(Running)),
        (ContainerAction::Pause, "run1", "run1 done", Some(Paused)),
        (
            ContainerAction::Pause,
            "ice",
            "ice unchanged already",
            Some(Paused),
        ),
        (
            ContainerAction::Pause,
            "old",
            "old failed not-applicable",
            Some(Exited),
        ),
        (ContainerAction::Unpause, "ice", "ice done", Some(Running)),
        (
            ContainerAction::Unpause,
            "run1",
            "run1 unchanged already",
            Some(Running),
        ),
        (
            ContainerAction::Unpause,
            "old",
            "old failed not-applicable",
            Some(Exited),
        ),
        (ContainerAction::Destroy, "run1", "run1 done", None),
        (ContainerAction::Destroy, "old", "old done", None),
        (ContainerAction::Destroy, "kept", "kept done", None),
    ] {
        set_up(world).await;
        number += 1;
        let told = talk.run(&format!("one-{number}"), action, one(name)).await;
        told.assert_whole(1);
        assert_eq!(told.summary(), verdict, "{action:?}");
        assert_eq!(world.state_of(name).await, after, "{action:?} {name}");
        let failed = told.verdict(name).verdict == VerdictKind::Failed;
        assert_eq!(
            told.verdict(name).error.is_some(),
            failed,
            "who names a container is told why it cannot be done"
        );
        assert_eq!(told.items().len(), 1);
        clear(world).await;
    }
}

/// Dependants stop before what they depend on, and start after it.
pub async fn dependants_first(world: &dyn ContractWorld) {
    let service = |name: &str, needs: &str| {
        spec(&format!("shop-{name}"), Running)
            .label("com.docker.compose.project", "shop")
            .label("com.docker.compose.service", name)
            .label("com.docker.compose.depends_on", needs)
    };
    world.create(service("db", "")).await;
    world
        .create(service("api", "db:service_started:false"))
        .await;
    world
        .create(service(
            "web",
            "api:service_started:false,db:service_started:false",
        ))
        .await;
    let talk = Talk::begin(world, &[]).await;
    for (id, action, order) in [
        (
            "stop",
            ContainerAction::Stop,
            ["shop-web", "shop-api", "shop-db"],
        ),
        (
            "start",
            ContainerAction::Start,
            ["shop-db", "shop-api", "shop-web"],
        ),
        (
            "restart",
            ContainerAction::Restart,
            ["shop-db", "shop-api", "shop-web"],
        ),
        (
            "pause",
            ContainerAction::Pause,
            ["shop-web", "shop-api", "shop-db"],
        ),
        (
            "unpause",
            ContainerAction::Unpause,
            ["shop-db", "shop-api", "shop-web"],
        ),
    ] {
        let told = talk.run(id, action, Scope::All).await;
        told.assert_whole(1);
        let settled: Vec<&str> = told
            .verdicts()
            .iter()
            .map(|verdict| verdict.container.as_str())
            .collect();
        assert_eq!(settled, order, "{action:?}");
        for pair in order.windows(2) {
            let id = |name: &str| told.verdict(name).id.clone();
            let (first, second) = (id(pair[0]), id(pair[1]));
            let place = |wanted: &dyn Fn(&OperationEventBody) -> bool| {
                told.events
                    .iter()
                    .position(|event| wanted(&event.body))
                    .expect("each has all its steps")
            };
            let settled =
                place(&|body| matches!(body, OperationEventBody::Verdict(it) if it.id == first));
            let begun = place(
                &|body| matches!(body, OperationEventBody::Started { id, .. } if *id == second),
            );
            assert!(
                settled < begun,
                "{action:?}: {} is begun before {} is settled",
                pair[1],
                pair[0]
            );
        }
    }
}
