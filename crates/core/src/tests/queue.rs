//! Operations that wait for their server (`when_back`).

use std::{sync::Arc, time::Duration};

use komodo_api::{
    Code,
    container::ContainerAction,
    id::Id,
    permission::PermissionLevel,
    server::Server,
    update::{Stage, Update, UpdateStatus},
};
use serde_json::{Value, json};

use super::harness::{Core, Host, verdicts};
use crate::store::Change;

const HOST: &[&str] = &["periphery", "web", "db", "dns protect=true"];

/// A host that is away.
async fn away() -> (Core, Host) {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    core.cut(&host).await;
    (core, host)
}

fn stop_all() -> Value {
    json!({ "server": "alpha", "when_back": true })
}

fn id_of(update: &Update) -> Id {
    update.id.expect("it has an id").0
}

async fn queued(core: &Core, request: &str, params: Value) -> Update {
    let update = core.execute(request, params).await.expect("it may wait");
    assert_eq!(
        (update.status, update.stage, update.cancelable),
        (UpdateStatus::Queued, Some(Stage::Queued), true)
    );
    assert!(update.expires.is_some() && update.deadline.is_none() && update.waiting_for.is_some());
    update
}

fn says(update: &Update, text: &str) {
    assert!(!update.success);
    let told = update.logs.iter().any(|log| log.stderr.contains(text));
    assert!(told, "{text}: {:#?}", update.logs);
}

#[tokio::test(start_paused = true)]
async fn without_it_a_server_that_is_away_refuses_at_once_and_says_since_when() {
    let (core, _host) = away().await;
    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("it is away");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::ServerUnreachable, 503)
    );
    assert!(
        error.params["since"].is_i64() && error.params["why"].is_string(),
        "{error:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_planned_afresh_and_carried_out_once_when_the_server_is_back() {
    let (mut core, mut host) = away().await;
    let update = queued(&core, "StopAllContainers", stop_all()).await;
    let listed = core.read("ListUpdates", json!({})).await["updates"][0].clone();
    assert_eq!(
        (&listed["status"], &listed["stage"]),
        (&json!("Queued"), &json!("queued"))
    );
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(core.update(&update).await.status, UpdateStatus::Queued);
    // While it waited there came one more.
    let late = komodo_sim::parse_container("late").expect("a container");
    host.world.create(late);
    let seen = host.world.acts_since(0).len();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(
        verdicts(&ended),
        "db done, dns skipped (Declared), late done, periphery skipped (Agent), web done"
    );
    assert_eq!((ended.expires, ended.stage), (None, None));
    assert_eq!(host.world.acts_since(seen).len(), 3);
    core.cut(&host).await;
    core.reconnect(&mut host).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(host.world.acts_since(seen).len(), 3, "once");
}

#[tokio::test(start_paused = true)]
async fn it_survives_restarts_of_core() {
    let (core, mut host) = away().await;
    let update = queued(&core, "StopAllContainers", stop_all()).await;
    let core = core.restart().await;
    let waiting = core.update(&update).await;
    assert_eq!(
        (waiting.status, waiting.stage),
        (UpdateStatus::Queued, Some(Stage::Queued))
    );
    assert_eq!(waiting.expires, update.expires);
    let mut core = core.restart().await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let seen = host.world.acts_since(0).len();
    host.agent.cut();
    core.reconnect(&mut host).await;
    core.until_update(&update, "it acts", |update| {
        update.stage == Some(Stage::Acting)
    })
    .await;
    tokio::time::advance(Duration::from_secs(1)).await;
    // Once more, in the middle of it.
    let mut core = core.restart().await;
    host.agent.cut();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(
        host.world.acts_since(seen).len(),
        2,
        "web and db, each once"
    );
}

#[tokio::test(start_paused = true)]
async fn it_expires_with_nothing_done_and_says_so() {
    let (mut core, mut host) = away().await;
    let mut params = stop_all();
    params["expires_s"] = json!(60);
    let update = queued(&core, "StopAllContainers", params).await;
    assert_eq!(update.expires, Some(update.start_ts + 60_000));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(core.update(&update).await.status, UpdateStatus::Queued);
    tokio::time::advance(Duration::from_secs(2)).await;
    says(&core.end(&update).await, "nothing was done");
    core.reconnect(&mut host).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(host.states().contains("web running"), "{}", host.states());
}

#[tokio::test(start_paused = true)]
async fn one_that_expired_while_core_was_down_is_not_carried_out() {
    let (core, mut host) = away().await;
    let mut params = stop_all();
    params["expires_s"] = json!(60);
    let update = queued(&core, "StopAllContainers", params).await;
    let mut core = core.restart_after(Duration::from_secs(120)).await;
    host.agent.cut();
    core.reconnect(&mut host).await;
    says(&core.end(&update).await, "nothing was done");
    assert!(host.states().contains("web running"), "{}", host.states());
}

#[tokio::test(start_paused = true)]
async fn it_is_canceled_at_once() {
    let (mut core, mut host) = away().await;
    let update = queued(&core, "StopAllContainers", stop_all()).await;
    let canceled = core
        .execute("CancelUpdate", json!({ "id": id_of(&update) }))
        .await
        .expect("it waits");
    assert_eq!(
        (canceled.status, canceled.canceled_by.as_deref()),
        (UpdateStatus::Complete, Some("admin"))
    );
    says(&canceled, "canceled by admin");
    core.reconnect(&mut host).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(host.states().contains("web running"), "{}", host.states());
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_checked_before_it_waits() {
    let (core, host) = away().await;
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    for (expires_s, fits) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
        let mut params = stop_all();
        params["expires_s"] = json!(expires_s);
        let answer = core.execute("StopAllContainers", params).await;
        let code = answer
            .err()
            .map(|error| (error.code, error.status().as_u16()));
        assert_eq!(
            code,
            (!fits).then_some((Code::Unprocessable, 422)),
            "{expires_s}"
        );
    }
    let mut bound = stop_all();
    bound["plan"] = json!("0123");
    let error = core
        .execute("StopAllContainers", bound)
        .await
        .expect_err("binds nothing");
    assert_eq!(error.code, Code::Unprocessable);
    let dns =
        json!({ "server": "alpha", "container": "dns", "override": "upgrade", "when_back": true });
    let error = core
        .execute_as(worker, "StopContainer", dns)
        .await
        .expect_err("needs Write");
    assert_eq!(error.code, Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_disabled_refuses_all_the_same() {
    let (core, host) = away().await;
    let known = Arc::clone(&core.app.desired.snapshot().servers[&host.id]);
    let mut config = known.config.clone();
    config.enabled = false;
    let disabled = Server {
        config,
        ..Server::clone(&known)
    };
    core.put(Change::PutServer(host.id, Arc::new(disabled)))
        .await;
    let error = core
        .execute("StopAllContainers", stop_all())
        .await
        .expect_err("disabled");
    assert_eq!(error.code, Code::ServerDisabled);
}

#[tokio::test(start_paused = true)]
async fn the_guard_has_the_last_word_when_the_server_is_back() {
    let (mut core, mut host) = away().await;
    let one =
        |container: &str| json!({ "server": "alpha", "container": container, "when_back": true });
    let agent = queued(&core, "StopContainer", one("periphery")).await;
    let missing = queued(&core, "StopContainer", one("nobody")).await;
    let web = queued(&core, "StopContainer", one("web")).await;
    assert_eq!(web.container.as_deref(), Some("web"));
    core.reconnect(&mut host).await;
    says(&core.end(&agent).await, "periphery");
    says(&core.end(&missing).await, "nobody");
    assert_eq!(verdicts(&core.end(&web).await), "web done");
    assert!(
        host.states().contains("periphery running"),
        "{}",
        host.states()
    );
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_right_meanwhile_gets_nothing_done() {
    let (mut core, mut host) = away().await;
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    let update = core
        .execute_as(worker, "StopAllContainers", stop_all())
        .await
        .expect("it may wait");
    let account = Arc::clone(&core.app.desired.snapshot().accounts[&worker]);
    let mut disabled = crate::desired::Account::clone(&account);
    disabled.user.enabled = false;
    core.put(Change::PutAccount(Arc::new(disabled))).await;
    core.reconnect(&mut host).await;
    says(
        &core.end(&update).await,
        "worker, who asked for it, was disabled",
    );
    assert!(host.states().contains("web running"), "{}", host.states());
}

#[tokio::test(start_paused = true)]
async fn several_begin_in_the_order_in_which_they_were_asked() {
    let (mut core, mut host) = away().await;
    let web = json!({ "server": "alpha", "container": "web", "when_back": true });
    let stop = queued(&core, "StopContainer", web.clone()).await;
    tokio::time::advance(Duration::from_millis(5)).await;
    let start = queued(&core, "StartContainer", web).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(3));
    core.reconnect(&mut host).await;
    assert_eq!(verdicts(&core.end(&start).await), "web done");
    assert_eq!(verdicts(&core.end(&stop).await), "web done");
    assert!(host.states().contains("web running"), "{}", host.states());
}

#[tokio::test(start_paused = true)]
async fn they_are_bounded_for_each_server() {
    let (core, _host) = away().await;
    let web = json!({ "server": "alpha", "container": "web", "when_back": true });
    for _ in 0..64 {
        queued(&core, "StopContainer", web.clone()).await;
    }
    let error = core
        .execute("StopContainer", web)
        .await
        .expect_err("too many");
    assert_eq!(error.code, Code::Busy);
    assert_eq!(error.params["operations"], 64);
}

#[tokio::test(start_paused = true)]
async fn one_whose_server_is_deleted_ends() {
    let (core, host) = away().await;
    let update = queued(&core, "StopAllContainers", stop_all()).await;
    core.put(Change::DeleteServer(host.id)).await;
    let id = id_of(&update);
    super::harness::wait("it is closed", || {
        core.app.background.tasks.open(id).is_none()
    })
    .await;
    let ended = core
        .app
        .background
        .tasks
        .get(id)
        .await
        .expect("read")
        .expect("kept");
    assert_eq!(ended.status, UpdateStatus::Complete);
    says(&ended, "its server was deleted");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_there_is_not_waited_for() {
    let mut core = Core::start().await;
    let _host = core.host("alpha", HOST).await;
    let begun = core
        .execute("StopAllContainers", stop_all())
        .await
        .expect("it begins");
    assert_eq!(
        (begun.status, begun.expires),
        (UpdateStatus::InProgress, None)
    );
    assert!(core.end(&begun).await.success);
}
