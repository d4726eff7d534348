//! The alert about an operation that stays open beyond its deadline.

use std::time::Duration;

use komodo_api::{
    Code, Module, container::ContainerAction, permission::PermissionLevel, update::Update,
};
use komodo_sim::Fault;
use serde_json::{Value, json};

use super::harness::{Core, Host};

/// A stop that its agent was in the middle of when it went away.
async fn stuck() -> (Core, Host, Update) {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let update = core
        .until_update(&update, "it acts", |update| {
            update.stage == Some(komodo_api::update::Stage::Acting)
        })
        .await;
    tokio::time::advance(Duration::from_secs(1)).await;
    core.cut(&host).await;
    (core, host, update)
}

async fn alerts(core: &Core, query: Value) -> Vec<Value> {
    let alerts = core.read("ListAlerts", json!({ "query": query })).await;
    alerts["alerts"].as_array().cloned().expect("a list")
}

async fn until_alerts(core: &Core, query: Value, count: usize) -> Vec<Value> {
    let end = tokio::time::Instant::now() + Duration::from_secs(600);
    loop {
        let found = alerts(core, query.clone()).await;
        if found.len() == count {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "in vain: {found:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_raised_and_resolved_when_the_operation_ends() {
    let (mut core, mut host, update) = stuck().await;
    assert_eq!(alerts(&core, json!({})).await, Vec::<Value>::new());
    let deadline = update.deadline.expect("it has one");
    let left = u64::try_from(deadline - core.now()).expect("it is to come");
    tokio::time::advance(Duration::from_millis(left + 60_000)).await;
    let raised = until_alerts(&core, json!({ "resolved": false }), 1)
        .await
        .remove(0);
    let id = update.id.expect("an id").0;
    assert_eq!(
        (&raised["level"], &raised["data"]["type"], &raised["target"]),
        (
            &json!("WARNING"),
            &json!("Custom"),
            &json!({ "type": "Server", "id": host.id })
        )
    );
    assert_eq!(raised["update"], json!(id));
    let message = raised["data"]["data"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(message.contains("StopAllContainers on alpha"), "{message}");
    assert!(raised["ts"].as_i64() > Some(deadline));
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(alerts(&core, json!({})).await.len(), 1, "once");
    // It is the same after a restart of Core.
    core = core.restart().await;
    tokio::time::advance(Duration::from_secs(60)).await;
    core.update(&update).await;
    assert_eq!(alerts(&core, json!({})).await.len(), 1, "once");
    core.reconnect(&mut host).await;
    core.end(&update).await;
    let resolved = until_alerts(&core, json!({ "resolved": true }), 1)
        .await
        .remove(0);
    assert_eq!(resolved["_id"], raised["_id"]);
    assert!(resolved["resolved_ts"].is_i64());
    let one = core
        .read("GetAlert", json!({ "id": raised["_id"]["$oid"] }))
        .await;
    assert_eq!(one, resolved);
}

#[tokio::test(start_paused = true)]
async fn one_about_what_ended_before_it_was_resolved_is_resolved_at_the_next_start() {
    let (core, host, update) = stuck().await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    until_alerts(&core, json!({ "resolved": false }), 1).await;
    core.app
        .store
        .journal_set_full(true)
        .await
        .expect("it is full");
    let id = update.id.expect("an id").0;
    core.execute("CancelUpdate", json!({ "id": id }))
        .await
        .expect("it waits");
    core.app
        .store
        .journal_set_full(false)
        .await
        .expect("there is room");
    core.end(&update).await;
    let core = core.restart().await;
    until_alerts(&core, json!({ "resolved": false }), 0).await;
    drop(host);
}

#[tokio::test(start_paused = true)]
async fn only_who_may_read_the_server_reads_its_alerts() {
    let (core, host, _update) = stuck().await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    let raised = until_alerts(&core, json!({}), 1).await.remove(0);
    let reader = core
        .user("reader", host.id, PermissionLevel::Read, &[])
        .await;
    let other = core.server("other").await;
    let stranger = core
        .user("stranger", other, PermissionLevel::Write, &[])
        .await;
    let get = json!({ "id": raised["_id"]["$oid"] });
    for (user, count) in [(reader, 1), (stranger, 0)] {
        let (list, _) = core
            .ask(user, Module::Read, "ListAlerts", json!({}))
            .await
            .expect("everybody may list");
        assert_eq!(list["alerts"].as_array().map(Vec::len), Some(count));
    }
    assert!(
        core.ask(reader, Module::Read, "GetAlert", get.clone())
            .await
            .is_ok()
    );
    let error = core
        .ask(stranger, Module::Read, "GetAlert", get)
        .await
        .expect_err("may not know");
    assert_eq!(error.code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn what_ends_in_time_raises_none() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    host.agent.set_fault(Fault::None);
    let begun = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    core.end(&begun).await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(alerts(&core, json!({})).await, Vec::<Value>::new());
}
