//! The simulation at its boundary: faults on demand, and truth in spite of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod detach;
mod faults;
mod hand_over;
mod own_container;
mod recovery;

use std::time::Duration;

use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentOperation, AgentStream, CoreHello,
    EventBody, LEVEL, OperationEvent, OperationEventBody,
};
use komodo_api::{
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum,
    resource::ContainerRef,
    update::{Verdict, VerdictKind},
};
use komodo_sim::{AgentOptions, SimAgent, SimHost, World, parse_container};
use tokio::time::timeout;

/// Far beyond every deadline of the agent: what has not come by then does not come. The clock is paused.
const NEVER: Duration = Duration::from_secs(30 * 24 * 3600);

fn world(lines: &str) -> World {
    let world = World::new(1);
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.create(parse_container(line).unwrap());
    }
    world
}

fn host(lines: &str) -> SimHost {
    SimHost::new(world(lines), AgentOptions::default())
}

fn order(id: &str, action: ContainerAction, scope: Scope) -> AgentOperation {
    AgentOperation {
        id: id.into(),
        epoch: 1,
        action,
        scope,
        exclude: Vec::new(),
        signal: None,
        time: None,
        override_reason: None,
        detach: false,
        recreate: None,
        probation_s: None,
        core_id: None,
        expected: Default::default(),
        bound: false,
        concurrency: 4,
        operator: "tester".into(),
    }
}

fn hello() -> CoreHello {
    CoreHello {
        level: LEVEL,
        version: "0".into(),
        core_id: "core".into(),
        epoch: 1,
        server_id: "s".into(),
        server_name: "s".into(),
        core_container: None,
        core_depends_on: Vec::new(),
        agents_on_engine: Vec::new(),
        depended_on: Vec::new(),
    }
}

fn one(name: &str) -> Scope {
    Scope::One(ContainerRef(name.into()))
}

async fn to_the_end(
    mut events: AgentStream<OperationEvent>,
) -> Result<Vec<OperationEvent>, AgentError> {
    let mut told = Vec::new();
    while let Some(event) = timeout(NEVER, events.next()).await.expect("it ends") {
        told.push(event?);
    }
    Ok(told)
}

async fn run(agent: &SimAgent, order: AgentOperation) -> Vec<OperationEvent> {
    to_the_end(agent.operate(order).await.unwrap())
        .await
        .unwrap()
}

fn verdicts(events: &[OperationEvent]) -> Vec<Verdict> {
    let verdicts = events.iter().filter_map(|event| match &event.body {
        OperationEventBody::Verdict(verdict) => Some(verdict.clone()),
        _ => None,
    });
    verdicts.collect()
}

/// `name verdict reason: error`, by name.
fn print(verdicts: &[Verdict]) -> String {
    let mut lines: Vec<String> = verdicts
        .iter()
        .map(|verdict| {
            let mut line = format!("{} {:?}", verdict.container, verdict.verdict);
            if let Some(reason) = &verdict.reason {
                line += &format!(" {:?}", reason.code);
            }
            if let Some(error) = &verdict.error {
                line += &format!(": {error}");
            }
            line
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// That each verdict is what the Engine says.
fn assert_true(world: &World, action: ContainerAction, verdicts: &[Verdict]) {
    use ContainerStateStatusEnum::{Exited, Paused, Running};
    for verdict in verdicts {
        let state = world.state_of(&verdict.id);
        let asked = match action {
            ContainerAction::Stop => state == Some(Exited),
            ContainerAction::Start | ContainerAction::Restart | ContainerAction::Unpause => {
                state == Some(Running)
            }
            ContainerAction::Pause => state == Some(Paused),
            ContainerAction::Destroy | ContainerAction::Prune => state.is_none(),
        };
        match verdict.verdict {
            VerdictKind::Done => assert!(asked, "{action:?}: {verdict:?}, but it is {state:?}"),
            VerdictKind::Unchanged => assert_eq!(state, verdict.before, "{action:?}: {verdict:?}"),
            // A restart that did not take place leaves it running all the same.
            VerdictKind::Failed if action == ContainerAction::Restart => {}
            VerdictKind::Failed => assert!(!asked, "{action:?}: {verdict:?}, but it is {state:?}"),
            VerdictKind::Skipped => {}
            VerdictKind::Unknown => panic!("{action:?}: {verdict:?}, although the Engine answers"),
        }
    }
}
