//! What labels mean, and what the guard keeps.

use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum::*, plan::Effect};

use super::*;

/// Values of `komodo.skip` by the name of a container that has it, and whether they keep it out of bulk operations.
const LABELS: [(&str, Option<&str>, bool); 7] = [
    ("l-true", Some("true"), true),
    ("l-empty", Some(""), true),
    ("l-zero", Some("0"), true),
    ("l-no", Some("no"), true),
    ("l-upper", Some("False"), true),
    ("l-false", Some("false"), false),
    ("l-absent", None, false),
];

/// Each verb, the state in which it has something to do, and the state that it brings about.
const VERBS: [(
    ContainerAction,
    ContainerStateStatusEnum,
    Option<ContainerStateStatusEnum>,
); 6] = [
    (ContainerAction::Stop, Running, Some(Exited)),
    (ContainerAction::Start, Exited, Some(Running)),
    (ContainerAction::Pause, Running, Some(Paused)),
    (ContainerAction::Unpause, Paused, Some(Running)),
    (ContainerAction::Restart, Running, Some(Running)),
    (ContainerAction::Prune, Exited, None),
];

/// Five values of the label keep a container out of every verb on all, two do not.
pub async fn labels_in_bulk(world: &dyn ContractWorld) {
    let talk = Talk::begin(world, &[]).await;
    for (at, (action, from, to)) in VERBS.into_iter().enumerate() {
        for (name, value, _) in LABELS {
            let spec = spec(name, from);
            let spec = value
                .map(|value| spec.clone().label("komodo.skip", value))
                .unwrap_or(spec);
            world.create(spec).await;
        }
        let told = talk.run(&format!("bulk{at}"), action, Scope::All).await;
        told.assert_whole(1);
        for (name, _, skipped) in LABELS {
            let verdict = short(told.verdict(name));
            let expected = if skipped {
                format!("{name} skipped label")
            } else {
                format!("{name} done")
            };
            assert_eq!(verdict, expected, "{action:?}");
            let state = world.state_of(name).await;
            assert_eq!(
                state,
                if skipped { Some(from) } else { to },
                "{action:?} {name}"
            );
            if state.is_some() {
                world.docker(ContainerAction::Destroy, name).await;
            }
        }
    }
}

/// Named, alone or in a list, a container with the label is acted on.
pub async fn labels_by_name(world: &dyn ContractWorld) {
    world
        .create(spec("labelled", Running).label("komodo.skip", "true"))
        .await;
    world
        .create(spec("declared", Running).label("komodo.protect", "true"))
        .await;
    let talk = Talk::begin(world, &[]).await;
    let told = talk.run("a", ContainerAction::Stop, one("labelled")).await;
    assert_eq!(told.summary(), "labelled done");
    assert_eq!(world.state_of("labelled").await, Some(Exited));
    let told = talk
        .run(
            "b",
            ContainerAction::Start,
            listed(&["labelled", "declared"]),
        )
        .await;
    assert_eq!(told.summary(), "declared skipped declared, labelled done");
    let told = talk
        .run(
            "c",
            ContainerAction::Stop,
            listed(&["labelled", "declared"]),
        )
        .await;
    assert_eq!(told.summary(), "declared skipped declared, labelled done");
    assert_eq!(world.state_of("declared").await, Some(Running));
}

/// What the control path stands on is refused by name, with the reason and the way; with a reason given it is done,
/// unless it is the branch itself.
pub async fn protected_by_name_is_refused(world: &dyn ContractWorld) {
    world
        .create(spec("dns", Running).label("komodo.protect", "true"))
        .await;
    world.create(spec("db", Running)).await;
    world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &["db"]).await;
    for (at, action) in [
        ContainerAction::Stop,
        ContainerAction::Restart,
        ContainerAction::Pause,
        ContainerAction::Destroy,
    ]
    .into_iter()
    .enumerate()
    {
        for (name, summary) in [
            ("dns", "dns failed declared"),
            ("db", "db failed core-dependency"),
        ] {
            let told = talk
                .run(&format!("refused-{name}{at}"), action, one(name))
                .await;
            assert_eq!(told.summary(), summary, "{action:?}");
            assert_eq!(told.items()[0].effect, Effect::Refuse);
            let why = told.verdict(name).error.clone().unwrap_or_default();
            assert!(
                why.contains(name) && why.contains("override"),
                "it names the container and the way: {why}"
            );
            assert_eq!(world.state_of(name).await, Some(Running), "{action:?}");
        }
    }
    let told = talk.run("bulk", ContainerAction::Stop, Scope::All).await;
    assert_eq!(
        told.summary(),
        "db skipped core-dependency, dns skipped declared, web done"
    );

    let overridden = |id: &str, name: &str| AgentOperation {
        override_reason: Some("maintenance".to_owned()),
        ..operation(id, ContainerAction::Stop, one(name))
    };
    for name in ["dns", "db"] {
        let told = talk
            .operate(overridden(&format!("override-{name}"), name))
            .await
            .expect("accepted");
        assert_eq!(told.summary(), format!("{name} done"));
        assert_eq!(world.state_of(name).await, Some(Exited));
    }
    let core = CoreHello {
        core_container: world_id(&talk, "web").await,
        ..core_hello(&[])
    };
    talk.hello(core).await.expect("hello");
    world.docker(ContainerAction::Start, "web").await;
    let mut watch = talk.watch().await;
    watch
        .until("Core in its container", |view| {
            view.protected.iter().any(|entry| entry.name == "web")
        })
        .await;
    watch
        .until("it runs", |view| {
            view.container("web")
                .is_some_and(|web| web.state == Running)
        })
        .await;
    let told = talk
        .operate(overridden("override-core", "web"))
        .await
        .expect("accepted");
    assert_eq!(told.summary(), "web failed core");
    assert_eq!(world.state_of("web").await, Some(Running));
}

async fn world_id(talk: &Talk, name: &str) -> Option<String> {
    let watch = talk.watch().await;
    watch
        .view
        .container(name)
        .map(|container| container.id.clone())
}

/// A query picks by what containers are, and what the caller excludes is left alone.
pub async fn query_and_exclude(world: &dyn ContractWorld) {
    for name in ["aa", "bb", "cc"] {
        world
            .create(spec(name, Running).label("tier", "front"))
            .await;
    }
    world.create(spec("dd", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let asked = AgentOperation {
        exclude: vec![
            ContainerRef("bb".to_owned()),
            ContainerRef("nobody".to_owned()),
        ],
        ..operation("q", ContainerAction::Stop, with_label("tier=front"))
    };
    let told = talk.operate(asked).await.expect("accepted");
    assert_eq!(told.summary(), "aa done, bb skipped excluded, cc done");
    for (name, state) in [
        ("aa", Exited),
        ("bb", Running),
        ("cc", Exited),
        ("dd", Running),
    ] {
        assert_eq!(world.state_of(name).await, Some(state), "{name}");
    }
}
