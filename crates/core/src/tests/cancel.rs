//! CancelUpdate: what it stops, what it leaves, and that nobody is lied to about either.

use std::time::Duration;

use komodo_api::{
    Code, Module,
    container::ContainerAction,
    permission::PermissionLevel,
    update::{Stage, Update, UpdateStatus, VerdictKind},
};
use komodo_sim::Fault;
use serde_json::json;

use super::harness::{Core, Host, verdicts};

/// More containers than are acted on at the same time.
const COUNT: usize = 20;
const AT_ONCE: usize = 16;

/// A host on which stopping takes 5 s, and a stop of all that has begun there.
async fn stopping() -> (Core, Host, Update) {
    let mut core = Core::start().await;
    let names: Vec<String> = (0..COUNT).map(|n| format!("c{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let host = core.host("alpha", &names).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let update = core
        .until_update(&update, "the agent acts", |update| {
            update.stage == Some(Stage::Acting)
        })
        .await;
    assert!(update.cancelable && !update.undoable);
    tokio::time::advance(Duration::from_secs(1)).await;
    (core, host, update)
}

fn cancel(update: &Update) -> serde_json::Value {
    json!({ "id": update.id.expect("it has an id").0 })
}

fn count(update: &Update, kind: VerdictKind) -> usize {
    let of = |verdict: &&komodo_api::update::Verdict| verdict.verdict == kind;
    update.verdicts.iter().filter(of).count()
}

fn equals_world(host: &Host, update: &Update) {
    for verdict in &update.verdicts {
        let is = host
            .world
            .state_of(&verdict.container)
            .map(|state| state.as_str());
        match verdict.verdict {
            VerdictKind::Done => assert_eq!(is, Some("exited"), "{verdict:?}"),
            VerdictKind::Skipped => assert_eq!(is, Some("running"), "{verdict:?}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let (core, host, update) = stopping().await;
    let canceled = core
        .execute("CancelUpdate", cancel(&update))
        .await
        .expect("it is open");
    assert_eq!(
        (
            canceled.stage,
            canceled.canceled_by.as_deref(),
            canceled.cancelable
        ),
        (Some(Stage::Canceling), Some("admin"), false)
    );
    let ended = core.end(&update).await;
    assert_eq!(
        (ended.success, ended.stage, ended.cancelable),
        (false, None, false)
    );
    assert_eq!(ended.canceled_by.as_deref(), Some("admin"));
    assert_eq!(
        count(&ended, VerdictKind::Done),
        AT_ONCE,
        "{}",
        verdicts(&ended)
    );
    assert_eq!(count(&ended, VerdictKind::Skipped), COUNT - AT_ONCE);
    equals_world(&host, &ended);
    let says = format!(
        "canceled by admin: {AT_ONCE} done, {} not tried",
        COUNT - AT_ONCE
    );
    assert!(
        ended.logs.iter().any(|log| log.stderr.contains(&says)),
        "{:#?}",
        ended.logs
    );
    // What was done can be undone, and the leases are free.
    assert!(ended.undoable);
    let stop = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await;
    assert!(core.end(&stop.expect("nothing is held")).await.success);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_ended_or_never_was_is_refused() {
    let (core, _host, update) = stopping().await;
    core.end(&update).await;
    let error = core
        .execute("CancelUpdate", cancel(&update))
        .await
        .expect_err("it has ended");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::NotCancelable, 409)
    );
    for id in ["0123456789abcdef01234567", "nonsense"] {
        let error = core.execute("CancelUpdate", json!({ "id": id })).await;
        assert_eq!(error.expect_err("unknown").code, Code::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn it_needs_what_the_operation_needed() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["dns protect=true", "web"]).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    let reader = core
        .user("reader", host.id, PermissionLevel::Read, &[])
        .await;
    let other = core.server("other").await;
    let stranger = core
        .user("stranger", other, PermissionLevel::Write, &[])
        .await;
    let stop = json!({ "server": "alpha", "container": "dns", "override": "upgrade" });
    let update = core
        .execute("StopContainer", stop)
        .await
        .expect("overridden");
    for (user, code) in [
        (stranger, Code::NotFound),
        (reader, Code::Forbidden),
        (worker, Code::Forbidden),
    ] {
        let error = core.execute_as(user, "CancelUpdate", cancel(&update)).await;
        assert_eq!(error.expect_err("may not").code, code);
    }
    assert_eq!(core.update(&update).await.canceled_by, None);
    let plain = core
        .execute(
            "StopContainer",
            json!({ "server": "alpha", "container": "web" }),
        )
        .await
        .expect("it begins");
    let canceled = core
        .execute_as(worker, "CancelUpdate", cancel(&plain))
        .await
        .expect("may");
    assert_eq!(canceled.canceled_by.as_deref(), Some("worker"));
}

#[tokio::test(start_paused = true)]
async fn one_whose_server_is_away_ends_at_once_and_the_agent_hears_of_it_when_it_is_back() {
    let (mut core, mut host, update) = stopping().await;
    core.cut(&host).await;
    core.until_update(&update, "it waits", |update| {
        update.stage == Some(Stage::Waiting)
    })
    .await;
    let canceled = core
        .execute("CancelUpdate", cancel(&update))
        .await
        .expect("it is open");
    assert_eq!(
        (
            canceled.status,
            canceled.success,
            canceled.canceled_by.as_deref()
        ),
        (UpdateStatus::Complete, false, Some("admin"))
    );
    assert_eq!(
        count(&canceled, VerdictKind::Unknown),
        COUNT,
        "{}",
        verdicts(&canceled)
    );
    core.reconnect(&mut host).await;
    core.until_forgotten(&host).await;
    let running = host.states().matches("running").count();
    assert_eq!(
        running,
        COUNT - AT_ONCE,
        "no new target was begun: {}",
        host.states()
    );
    let start = core
        .execute("StartAllContainers", json!({ "server": "alpha" }))
        .await;
    assert!(core.end(&start.expect("nothing is held")).await.success);
}

#[tokio::test(start_paused = true)]
async fn one_closed_while_its_server_was_away_is_ended_there_after_a_restart_of_core_too() {
    let (mut core, mut host, update) = stopping().await;
    core.cut(&host).await;
    core.until_update(&update, "it waits", |update| {
        update.stage == Some(Stage::Waiting)
    })
    .await;
    core.execute("CancelUpdate", cancel(&update))
        .await
        .expect("it is open");
    core.end(&update).await;
    let mut core = core.restart().await;
    core.reconnect(&mut host).await;
    core.until_forgotten(&host).await;
    assert_eq!(
        host.states().matches("running").count(),
        COUNT - AT_ONCE,
        "{}",
        host.states()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_not_forgotten_when_core_is_restarted_before_the_agent_heard() {
    let (core, mut host, update) = stopping().await;
    host.agent.set_fault(Fault::Hang);
    let canceled = core
        .execute("CancelUpdate", cancel(&update))
        .await
        .expect("it is open");
    assert_eq!(canceled.canceled_by.as_deref(), Some("admin"));
    let mut core = core.restart().await;
    let open = core.update(&update).await;
    assert_eq!(
        (open.canceled_by.as_deref(), open.stage),
        (Some("admin"), Some(Stage::Waiting))
    );
    host.agent.set_fault(Fault::None);
    host.agent.cut();
    core.reconnect(&mut host).await;
    let ended = core.end(&update).await;
    assert_eq!(
        (ended.success, ended.canceled_by.as_deref()),
        (false, Some("admin"))
    );
    equals_world(&host, &ended);
    assert_eq!(
        count(&ended, VerdictKind::Skipped),
        COUNT - AT_ONCE,
        "{}",
        verdicts(&ended)
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hangs_can_be_given_up() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    host.agent.set_fault(Fault::Hang);
    let update = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    core.until_update(&update, "it waits", |update| {
        update.stage == Some(Stage::Waiting)
    })
    .await;
    let canceled = core
        .execute("CancelUpdate", cancel(&update))
        .await
        .expect("it is open");
    assert_eq!(canceled.status, UpdateStatus::Complete, "{canceled:#?}");
    assert_eq!(verdicts(&canceled), "web unknown");
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_plan_about_it() {
    let (core, _host, update) = stopping().await;
    let plan = json!({ "type": "CancelUpdate", "params": cancel(&update) });
    let error = core
        .ask(core.admin, Module::Read, "PlanOperation", plan)
        .await;
    let error = error.expect_err("nothing is planned");
    assert_eq!(error.code, Code::Unprocessable);
    assert!(error.error.contains("nothing to plan"), "{}", error.error);
}
