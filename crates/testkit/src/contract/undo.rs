//! How an operation is undone: exactly what it changed, and nothing that others changed since.

use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum::{self, *},
    plan::Effect,
};
use komodo_plan::{Undo, undo};

use super::*;

/// The order that undoes what was told.
fn undo_of(told: &Told, id: &str, action: ContainerAction, scope: &Scope) -> AgentOperation {
    let verdicts: Vec<Verdict> = told.verdicts().into_iter().cloned().collect();
    let Undo {
        action,
        scope,
        expected,
    } = undo(action, scope, &verdicts).expect("it changed something");
    AgentOperation {
        expected,
        ..operation(id, action, scope)
    }
}

async fn assert_states(
    world: &dyn ContractWorld,
    states: &[(&str, Option<ContainerStateStatusEnum>)],
) {
    for (name, state) in states {
        assert_eq!(world.state_of(name).await, *state, "{name}");
    }
}

/// A stop is undone: what ran runs, what was paused is paused again, and what others did since stays.
pub async fn undo_of_a_stop(world: &dyn ContractWorld) {
    for (name, state) in [
        ("ice", Paused),
        ("old", Exited),
        ("lost", Running),
        ("ran", Running),
        ("run1", Running),
        ("run2", Running),
        ("up", Running),
    ] {
        world.create(spec(name, state)).await;
    }
    let kept = spec("kept", Running).label("komodo.skip", "true");
    world.create(kept).await;
    let talk = Talk::begin(world, &[]).await;
    let told = talk.run("stop", ContainerAction::Stop, Scope::All).await;
    let mut watch = talk.watch().await;
    for verdict in told.verdicts() {
        if verdict.verdict != VerdictKind::Done {
            continue;
        }
        let run = verdict.run.expect("who has changed it has seen its run");
        assert!(run.started_at.is_some() && run.finished_at.is_some());
        let name = verdict.container.as_str();
        let same = |view: &View| view.container(name).is_some_and(|now| now.run() == run);
        watch.until("the run of the verdict", same).await;
    }
    world.docker(ContainerAction::Start, "up").await;
    world.docker(ContainerAction::Start, "ran").await;
    world.docker(ContainerAction::Stop, "ran").await;
    world.docker(ContainerAction::Destroy, "lost").await;

    let order = undo_of(&told, "undo", ContainerAction::Stop, &Scope::All);
    let told = talk.operate(order).await.expect("accepted");
    told.assert_whole(1);
    assert_eq!(
        told.summary(),
        "ice done, lost skipped gone, ran skipped changed-since, run1 done, run2 done, \
         up skipped changed-since"
    );
    for item in told.items() {
        let back_to = match item.container.as_str() {
            "ice" => Some(Paused),
            "run1" | "run2" => Some(Running),
            _ => None,
        };
        assert_eq!(item.back_to, back_to, "{item:?}");
        assert_eq!(item.effect == Effect::Act, back_to.is_some(), "{item:?}");
    }
    assert_eq!(told.verdict("ice").before, Some(Exited));
    assert_eq!(told.verdict("ice").after, Some(Paused));
    assert_states(
        world,
        &[
            ("ice", Some(Paused)),
            ("kept", Some(Running)),
            ("lost", None),
            ("old", Some(Exited)),
            ("ran", Some(Exited)),
            ("run1", Some(Running)),
            ("run2", Some(Running)),
            ("up", Some(Running)),
        ],
    )
    .await;

    // Undone once, there is nothing of it left.
    let order = AgentOperation {
        id: "again".to_owned(),
        ..undo_of(&told, "again", ContainerAction::Start, &Scope::All)
    };
    let told = talk.operate(order).await.expect("accepted");
    assert_eq!(told.summary(), "ice done, run1 done, run2 done");
    assert_states(world, &[("ice", Some(Exited)), ("run1", Some(Exited))]).await;
}

/// Each action that has an undo, and the state that it found.
pub async fn undo_of_each_verb(world: &dyn ContractWorld) {
    let talk = Talk::begin(world, &[]).await;
    for (action, name, before) in [
        (ContainerAction::Start, "old", Exited),
        (ContainerAction::Stop, "web", Running),
        (ContainerAction::Stop, "ice", Paused),
        (ContainerAction::Pause, "hot", Running),
        (ContainerAction::Unpause, "cold", Paused),
    ] {
        world.create(spec(name, before)).await;
        let did = talk.run(&format!("do-{name}"), action, one(name)).await;
        assert_eq!(did.summary(), format!("{name} done"), "{action:?}");
        assert_ne!(world.state_of(name).await, Some(before));
        let order = undo_of(&did, &format!("undo-{name}"), action, &one(name));
        assert!(matches!(order.scope, Scope::One(_)), "as it was asked");
        let undone = talk.operate(order).await.expect("accepted");
        undone.assert_whole(1);
        assert_eq!(undone.summary(), format!("{name} done"), "{action:?}");
        comes_to_be(world, name, before).await;
        // The same undo a second time finds nothing as it was left.
        let order = undo_of(&did, &format!("late-{name}"), action, &one(name));
        let late = talk.operate(order).await.expect("accepted");
        assert_eq!(late.summary(), format!("{name} skipped changed-since"));
        comes_to_be(world, name, before).await;
    }
}

/// What others change while an undo is under way is left alone as well.
pub async fn changed_while_it_is_undone(world: &dyn ContractWorld) {
    world.create(spec("aa", Exited).slow()).await;
    world.create(spec("bb", Exited)).await;
    let talk = Talk::begin(world, &[]).await;
    let told = talk.run("start", ContainerAction::Start, Scope::All).await;
    assert_eq!(told.summary(), "aa done, bb done");
    let order = AgentOperation {
        concurrency: 1,
        ..undo_of(&told, "undo", ContainerAction::Start, &Scope::All)
    };
    let mut events = soon("operate", talk.agent.operate(order))
        .await
        .expect("accepted");
    loop {
        let event = soon("the first begin", events.next()).await;
        let event = event.expect("it goes on").expect("it is told");
        if matches!(event.body, OperationEventBody::Started { .. }) {
            break;
        }
    }
    world.docker(ContainerAction::Restart, "bb").await;
    let told = talk.follow("undo", 0).await.expect("it is known");
    told.assert_whole(1);
    assert_eq!(told.summary(), "aa done, bb skipped changed-since");
    assert_states(world, &[("aa", Some(Exited)), ("bb", Some(Running))]).await;
    drop(events);
}
