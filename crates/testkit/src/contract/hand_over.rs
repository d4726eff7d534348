//! Hand over and detach, as far as any agent can play them, also one that runs in no container: what is not handed over
//! cannot be confirmed, and what does not run the agent is not made anew, and goes as it always went.

use komodo_agent_api::{AgentErrorCode, ProgramPart};
use komodo_api::{
    container::{ContainerAction, Recreate},
    engine::ContainerStateStatusEnum::*,
    periphery::{AgentService, Program},
    plan::Effect,
};

use super::*;

async fn confirm(talk: &Talk, id: &str) -> Result<(), AgentErrorCode> {
    let confirmed = talk.agent.confirm(id.to_owned());
    let confirmed = soon("the answer to a confirmation", confirmed).await;
    confirmed.map_err(|error| error.code)
}

/// An operation that is not known, one that hands nothing over, and one that has ended.
pub async fn confirmed_is_only_what_was_handed_over(world: &dyn ContractWorld) {
    world.create(spec("slow", Running).slow()).await;
    world.create(spec("other", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    assert_eq!(confirm(&talk, "op").await, Err(AgentErrorCode::NotFound));
    let order = AgentOperation {
        concurrency: 1,
        ..operation("op", ContainerAction::Stop, Scope::All)
    };
    let mut events = soon("operate", talk.agent.operate(order))
        .await
        .expect("accepted");
    let mut told = Vec::new();
    loop {
        let event = soon("the first begin", events.next()).await;
        let event = event.expect("it goes on").expect("it is told");
        let begun = matches!(event.body, OperationEventBody::Started { .. });
        told.push(event);
        if begun {
            break;
        }
    }
    assert_eq!(confirm(&talk, "op").await, Err(AgentErrorCode::Invalid));
    let rest = Told::to_the_end(events).await;
    assert_eq!(confirm(&talk, "op").await, Ok(()));
    told.extend(rest.events);
    let told = Told { events: told };
    told.assert_whole(1);
    let confirmed = |event: &OperationEvent| matches!(event.body, OperationEventBody::Confirmed);
    assert!(!told.events.iter().any(confirmed), "{:?}", told.events);
    let kept = talk.follow("op", 0).await.expect("it is kept");
    assert_eq!(kept.events, told.events, "what has ended is left as it is");
}

/// A container that runs neither the agent nor Core is not made anew: nothing is begun.
pub async fn recreated_is_only_the_branch(world: &dyn ContractWorld) {
    let id = world.create(spec("web", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    for (at, image) in [None, Some("busybox:1".to_owned())].into_iter().enumerate() {
        let name = format!("op{at}");
        let order = AgentOperation {
            recreate: Some(Recreate { image }),
            ..operation(&name, ContainerAction::Restart, one("web"))
        };
        let refused = soon("operate", talk.agent.operate(order)).await;
        let code = refused.err().map(|error| error.code);
        assert_eq!(code, Some(AgentErrorCode::Invalid));
        let unknown = talk.follow(&name, 0).await;
        let code = unknown.err().map(|error| error.code);
        assert_eq!(code, Some(AgentErrorCode::NotFound), "it is not kept");
    }
    let watch = talk.watch().await;
    let web = watch.view.container("web").expect("it is there");
    assert_eq!((&web.id, web.state), (&id, Running));
}

/// `detach` says nothing about a container that does not run the agent.
pub async fn detach_of_an_ordinary_container(world: &dyn ContractWorld) {
    for (action, after) in [
        (ContainerAction::Pause, Some(Paused)),
        (ContainerAction::Stop, Some(Exited)),
        (ContainerAction::Destroy, None),
    ] {
        world.create(spec("web", Running)).await;
        world
            .create(spec("dns", Running).label("komodo.protect", "true"))
            .await;
        let talk = Talk::begin(world, &[]).await;
        let detach = |name: &str| AgentOperation {
            detach: true,
            ..operation(&format!("{name}-{action:?}"), action, one(name))
        };
        let told = talk.operate(detach("web")).await.expect("accepted");
        told.assert_whole(1);
        assert_eq!(told.summary(), "web done", "{action:?}");
        assert_eq!(told.items()[0].effect, Effect::Act);
        assert_eq!(told.items()[0].bring_back, None);
        assert_eq!(world.state_of("web").await, after, "{action:?}");
        let leaves =
            |event: &OperationEvent| matches!(event.body, OperationEventBody::Detaching { .. });
        assert!(!told.events.iter().any(leaves), "{:?}", told.events);
        // It lifts no other protection.
        let told = talk.operate(detach("dns")).await.expect("accepted");
        assert_eq!(told.summary(), "dns failed declared", "{action:?}");
        assert_eq!(world.state_of("dns").await, Some(Running), "{action:?}");
        for name in ["web", "dns"] {
            if world.state_of(name).await.is_some() {
                world.docker(ContainerAction::Destroy, name).await;
            }
        }
    }
}

/// A service that the agent does not run as is not touched, and a program that no Core has signed is not taken.
pub async fn only_its_own_service_is_handed_over(world: &dyn ContractWorld) {
    let id = world.create(spec("komodo-other.service", Running)).await;
    let talk = Talk::begin(world, &[]).await;
    let program = Program {
        version: "99.0.0".to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        bytes: 3,
        sha256: "ab".repeat(32),
        signature: "bm9uZQ==".to_owned(),
    };
    for (offset, part) in [(0, ""), (0, "YWJj"), (3, "YWJj")] {
        let part = ProgramPart {
            program: program.clone(),
            offset,
            part: part.to_owned(),
        };
        let refused = soon("an answer", talk.agent.receive_program(part)).await;
        let code = refused.err().map(|error| error.code);
        assert_eq!(code, Some(AgentErrorCode::Invalid));
    }
    for (name, program) in [("restart", None), ("update", Some(program))] {
        let unit = "komodo-other.service".to_owned();
        let scope = Scope::Agent(AgentService { unit, program });
        let order = operation(name, ContainerAction::Restart, scope);
        let told = talk.operate(order).await.expect("accepted");
        told.assert_whole(1);
        assert_eq!(told.summary(), "komodo-other.service failed", "{name}");
        let verdict = told.verdict("komodo-other.service");
        assert_eq!(verdict.id, "unit:komodo-other.service");
        let handed_over =
            |event: &OperationEvent| matches!(event.body, OperationEventBody::HandedOver { .. });
        assert!(!told.events.iter().any(handed_over), "{:?}", told.events);
        assert_eq!(confirm(&talk, name).await, Ok(()), "it has ended");
    }
    let watch = talk.watch().await;
    let other = watch.view.container("komodo-other.service");
    let other = other.expect("a container of that name has no part in it");
    assert_eq!((&other.id, other.state), (&id, Running));
}

/// What runs Core, while the agent runs elsewhere: alone and by name it is planned to be handed over, or to go; in every
/// other form it is left alone, whatever is said.
pub async fn hand_over_and_detach_are_planned_by_name_only(world: &dyn ContractWorld) {
    let core = world.create(spec("core", Running)).await;
    world.create(spec("web", Running)).await;
    let talk = Talk {
        agent: world.agent(),
    };
    let hello = CoreHello {
        core_container: Some(core),
        ..core_hello(&[])
    };
    talk.hello(hello).await.expect("hello");
    let mut watch = talk.watch().await;
    watch
        .until("Core in its container", |view| {
            view.protected.iter().any(|entry| entry.name == "core")
        })
        .await;
    let asked = |id: &str, action, scope| AgentOperation {
        detach: true,
        ..operation(id, action, scope)
    };
    for (at, action) in [ContainerAction::Stop, ContainerAction::Restart]
        .into_iter()
        .enumerate()
    {
        for (form, scope) in [("all", Scope::All), ("listed", listed(&["core"]))] {
            let order = asked(&format!("{form}{at}"), action, scope);
            let told = talk.operate(order).await.expect("accepted");
            let skipped = told.verdict("core");
            assert_eq!(short(skipped), "core skipped core", "{action:?} {form}");
        }
        assert_eq!(world.state_of("core").await, Some(Running), "{action:?}");
    }
    let told = talk
        .operate(asked("gone", ContainerAction::Stop, one("core")))
        .await
        .expect("accepted");
    let item = &told.items()[0];
    assert_eq!(item.effect, Effect::Detach);
    assert_eq!(item.bring_back.as_deref(), Some("docker start core"));
    assert_eq!(told.summary(), "core done");
    assert_eq!(world.state_of("core").await, Some(Exited));
}
