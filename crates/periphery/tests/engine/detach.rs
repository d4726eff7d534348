//! The agent's own container taken away on purpose: told before, done, and known when the agent is back.

use futures_util::StreamExt;
use komodo_agent_api::{AgentApi, EventBody, GoodbyeReason, OperationEvent, OperationEventBody};
use komodo_api::{container::ContainerAction, update::VerdictKind};
use komodo_testkit::engine::State as Real;
use tokio::time::timeout;

use crate::{
    core::Linked,
    hand_over::{Heard, heard},
    harness::{PATIENCE, one, operation, shown, verdicts},
    own_container::Setting,
};

const AGENT: &str = "periphery";

/// The command that the agent told with its operation.
fn bring_back(heard: &Heard) -> String {
    let announced = heard.events.iter().find_map(|event| match &event.body {
        OperationEventBody::Detaching { bring_back } => Some(bring_back.clone()),
        _ => None,
    });
    announced.expect("it is announced in the operation")
}

async fn detach(linked: &Linked, action: ContainerAction) -> Heard {
    let mut order = operation(action, one(AGENT));
    order.detach = true;
    heard(linked, order).await
}

async fn ended(linked: &Linked, id: &str) -> Vec<OperationEvent> {
    let open = &linked.hello.open_operations;
    assert_eq!(open.iter().map(|open| &open.id).collect::<Vec<_>>(), [id]);
    let events = linked.client.follow(id.to_owned(), 0).await.unwrap();
    timeout(PATIENCE, events.map(Result::unwrap).collect())
        .await
        .expect("it ends")
}

async fn agent() -> (Setting, Linked) {
    let mut setting = Setting::new().await;
    setting.engine.run(setting.agent(AGENT)).await.unwrap();
    let linked = setting.core.linked().await;
    (setting, linked)
}

fn goodbye(bring_back: &str) -> Vec<GoodbyeReason> {
    vec![GoodbyeReason::Detached {
        by: "test".into(),
        bring_back: bring_back.into(),
    }]
}

#[tokio::test]
async fn by_a_stop() {
    let (mut setting, linked) = agent().await;
    let mark = setting.state.join(komodo_periphery::hand_over::DETACHED);
    let heard = detach(&linked, ContainerAction::Stop).await;
    assert_eq!(bring_back(&heard), "docker start periphery");
    assert_eq!(heard.goodbyes, goodbye("docker start periphery"));
    setting
        .engine
        .wait_state(AGENT, Real::Exited)
        .await
        .unwrap();
    let marked: serde_json::Value = serde_json::from_slice(&std::fs::read(&mark).unwrap()).unwrap();
    assert_eq!(marked["by"], "test");
    assert_eq!(marked["bring_back"], "docker start periphery");

    setting.engine.start_container(AGENT).await.unwrap();
    let back = setting.core.linked().await;
    assert!(!mark.exists(), "it is back");
    let events = ended(&back, &heard.id).await;
    assert_eq!(shown(&events), ["periphery: done"]);
}

#[tokio::test]
async fn by_a_pause() {
    let (mut setting, linked) = agent().await;
    let mark = setting.state.join(komodo_periphery::hand_over::DETACHED);
    let heard = detach(&linked, ContainerAction::Pause).await;
    assert_eq!(bring_back(&heard), "docker unpause periphery");
    assert_eq!(heard.goodbyes, goodbye("docker unpause periphery"));
    setting
        .engine
        .wait_state(AGENT, Real::Paused)
        .await
        .unwrap();
    assert!(mark.exists());

    setting.engine.unpause(AGENT).await.unwrap();
    let back = setting.core.linked().await;
    assert_eq!(
        shown(&ended(&back, &heard.id).await),
        ["periphery: done"],
        "it was paused, as was asked"
    );
    assert!(!mark.exists(), "it is back");
    // It is itself again: it tells what happens, and says goodbye as ever.
    let mut told = back.client.events().await.unwrap();
    told.next().await.unwrap().unwrap();
    setting.engine.stop(AGENT).await.unwrap();
    let mut last = None;
    while let Ok(Some(Ok(event))) = timeout(PATIENCE, told.next()).await {
        if let EventBody::Goodbye(reason) = event.body {
            last = Some(reason);
        }
    }
    let signal = "SIGTERM".to_owned();
    assert_eq!(last, Some(GoodbyeReason::Signal { signal }));
}

#[tokio::test]
async fn by_a_removal() {
    let (mut setting, linked) = agent().await;
    let heard = detach(&linked, ContainerAction::Destroy).await;
    assert_eq!(heard.goodbyes, goodbye(&bring_back(&heard)));
    setting
        .engine
        .wait_state(AGENT, Real::Absent)
        .await
        .unwrap();

    setting.engine.run(setting.agent(AGENT)).await.unwrap();
    let back = setting.core.linked().await;
    assert_eq!(shown(&ended(&back, &heard.id).await), ["periphery: done"]);
}

/// It has announced that it goes, and dies before the Engine is asked: its restart policy brings it back.
#[tokio::test]
async fn what_was_announced_and_never_asked_is_not_called_done() {
    let mut setting = Setting::new().await;
    // The first process of a container cannot kill itself.
    let container = setting.agent(AGENT).init();
    let container = container.env("KOMODO_FAILPOINT", "detach.asking");
    setting.engine.run(container).await.unwrap();
    let linked = setting.core.linked().await;
    let heard = detach(&linked, ContainerAction::Stop).await;
    assert_eq!(heard.goodbyes, goodbye("docker start periphery"));
    let back = setting.core.linked().await;
    let events = ended(&back, &heard.id).await;
    assert_eq!(shown(&events), ["periphery: failed"]);
    let mark = setting.state.join(komodo_periphery::hand_over::DETACHED);
    assert!(!mark.exists(), "it is there");
}

/// A disk on which no mark can be left: nobody would know that it went on purpose.
#[tokio::test]
async fn what_cannot_be_marked_is_not_done() {
    let mut setting = Setting::new().await;
    setting.engine.run(setting.agent(AGENT)).await.unwrap();
    let linked = setting.core.linked().await;
    let started = setting.engine.inspect(AGENT).await.unwrap().state.unwrap();
    let heard = {
        let mark = setting.state.join(komodo_periphery::hand_over::DETACHED);
        std::fs::create_dir(mark.with_extension("new")).unwrap();
        detach_refused(&linked).await
    };
    let told = verdicts(&heard);
    assert_eq!(told[0].verdict, VerdictKind::Failed, "{told:?}");
    let why = told[0].error.clone().unwrap();
    assert!(why.contains("cannot be marked"), "{why}");
    assert!(linked.client.link().is_closed().is_none(), "it stays");
    let now = setting.engine.inspect(AGENT).await.unwrap().state.unwrap();
    assert_eq!(now.started_at, started.started_at);
}

async fn detach_refused(linked: &Linked) -> Vec<OperationEvent> {
    let mut order = operation(ContainerAction::Stop, one(AGENT));
    order.detach = true;
    crate::harness::operate(&linked.client, order)
        .await
        .unwrap()
}
