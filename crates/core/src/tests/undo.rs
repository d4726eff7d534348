//! UndoUpdate: exactly what was changed comes back, and nothing else.

use std::time::Duration;

use komodo_api::{
    Code, Error, Module,
    container::ContainerAction,
    id::Id,
    permission::PermissionLevel,
    plan::Plan,
    update::{OperationKind, Stage, Update, UpdateStatus},
};
use serde_json::{Value, json};

use super::harness::{Core, Host, verdicts};

const HOST: &[&str] = &["periphery", "a", "b", "old exited", "kept skip=true"];

fn id_of(update: &Update) -> Id {
    update.id.expect("it has an id").0
}

async fn done(core: &Core, request: &str, params: Value) -> Update {
    let begun = core.execute(request, params).await.expect("it begins");
    core.end(&begun).await
}

/// A host on which all was stopped.
async fn stopped() -> (Core, Host, Update) {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let ended = done(&core, "StopAllContainers", json!({ "server": "alpha" })).await;
    assert!(ended.success && ended.undoable, "{ended:#?}");
    (core, host, ended)
}

async fn undo(core: &Core, update: &Update) -> Result<Update, Error> {
    core.execute("UndoUpdate", json!({ "id": id_of(update) }))
        .await
}

async fn plan(core: &Core, update: &Update) -> Result<Plan, Error> {
    let params = json!({ "type": "UndoUpdate", "params": { "id": id_of(update) } });
    let (plan, _) = core
        .ask(core.admin, Module::Read, "PlanOperation", params)
        .await?;
    Ok(serde_json::from_value(plan).expect("a plan"))
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_all_is_undone_exactly() {
    let (core, host, stop) = stopped().await;
    assert!(
        host.states().contains("a exited, b exited, kept running"),
        "{}",
        host.states()
    );
    let begun = undo(&core, &stop).await.expect("it begins");
    assert_eq!(
        (
            begun.operation,
            begun.request.as_deref(),
            begun.undoes.as_deref()
        ),
        (
            OperationKind::None,
            Some("UndoUpdate"),
            Some(id_of(&stop).as_str())
        )
    );
    assert_eq!(begun.stage, Some(Stage::Asking));
    let original = core.update(&stop).await;
    assert_eq!(original.undone_by.as_deref(), Some(id_of(&begun).as_str()));
    assert!(!original.undoable);
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), "a done, b done");
    assert_eq!(
        host.states(),
        "a running, b running, kept running, old exited, periphery running"
    );
    // An undo is undone like anything else; what it undid is not undone twice.
    let error = undo(&core, &stop).await.expect_err("undone already");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::NotUndoable, 409)
    );
    assert!(error.error.contains("undone already"), "{}", error.error);
    assert!(ended.undoable);
    let again = undo(&core, &ended).await.expect("it begins");
    assert!(core.end(&again).await.success);
    assert!(
        host.states().contains("a exited, b exited, kept running"),
        "{}",
        host.states()
    );
}

#[tokio::test(start_paused = true)]
async fn what_others_changed_since_is_left_alone_and_said() {
    let (core, host, stop) = stopped().await;
    host.world.start("a").expect("it starts");
    host.world.stop("a").expect("it stops");
    host.world.remove("b").expect("it goes");
    core.until(&host, "it is seen", |view| view.find("b").is_none())
        .await;
    let shown = plan(&core, &stop).await.expect("a plan");
    assert_eq!(shown.counts.act, 0, "{shown:#?}");
    let error = undo(&core, &stop).await.expect_err("nothing is left");
    assert_eq!(error.code, Code::NotUndoable);
    assert!(error.error.contains("nothing is left"), "{}", error.error);
    assert!(
        error.params["plan"]["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty())
    );
    assert!(host.states().contains("a exited"), "{}", host.states());
    assert!(core.update(&stop).await.undone_by.is_none());
}

#[tokio::test(start_paused = true)]
async fn its_plan_binds() {
    let (core, host, stop) = stopped().await;
    let shown = plan(&core, &stop).await.expect("a plan");
    assert_eq!(
        (shown.operation.as_str(), shown.counts.act),
        ("UndoUpdate", 2)
    );
    host.world.start("a").expect("it starts");
    core.until(&host, "it is seen", |view| {
        view.find("a")
            .is_some_and(|a| a.state.as_str() == "running")
    })
    .await;
    let bound = |hash: &str| json!({ "id": id_of(&stop), "plan": hash });
    let error = core
        .execute("UndoUpdate", bound(&shown.hash))
        .await
        .expect_err("the world has changed");
    assert_eq!(error.code, Code::PlanDrifted);
    let new: Plan = serde_json::from_value(error.params["plan"].clone()).expect("the new plan");
    assert_eq!(new.counts.act, 1);
    let begun = core
        .execute("UndoUpdate", bound(&new.hash))
        .await
        .expect("it holds");
    let ended = core.end(&begun).await;
    assert_eq!(verdicts(&ended), "a skipped (ChangedSince), b done");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_way_back_is_refused_and_says_why() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["a", "b exited"]).await;
    let server = json!({ "server": "alpha" });
    for (request, params) in [
        ("RestartAllContainers", server.clone()),
        ("PruneContainers", server.clone()),
        // Nothing is paused.
        ("UnpauseAllContainers", server.clone()),
    ] {
        let ended = done(&core, request, params).await;
        assert!(!ended.undoable, "{request}");
        let error = undo(&core, &ended).await.expect_err(request);
        assert_eq!(error.code, Code::NotUndoable, "{request}");
        assert_eq!(
            plan(&core, &ended).await.expect_err(request).code,
            Code::NotUndoable
        );
    }
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let open = core
        .execute("StopAllContainers", server)
        .await
        .expect("it begins");
    let error = undo(&core, &open).await.expect_err("it is open");
    assert!(error.error.contains("not ended"), "{}", error.error);
    let unknown = json!({ "id": "0123456789abcdef01234567" });
    let error = core
        .execute("UndoUpdate", unknown)
        .await
        .expect_err("unknown");
    assert_eq!(error.code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn it_needs_what_the_operation_needed() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["dns protect=true", "web"]).await;
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    let other = core.server("other").await;
    let stranger = core
        .user("stranger", other, PermissionLevel::Write, &[])
        .await;
    let dns = json!({ "server": "alpha", "container": "dns", "override": "upgrade" });
    let dns = done(&core, "StopContainer", dns).await;
    assert_eq!(dns.container.as_deref(), Some("dns"));
    let id = json!({ "id": id_of(&dns) });
    for (user, code) in [(stranger, Code::NotFound), (worker, Code::Forbidden)] {
        let error = core.execute_as(user, "UndoUpdate", id.clone()).await;
        assert_eq!(error.expect_err("may not").code, code);
    }
    let plan = json!({ "type": "UndoUpdate", "params": id });
    let hidden = core
        .ask(stranger, Module::Read, "PlanOperation", plan)
        .await;
    assert_eq!(hidden.expect_err("may not know").code, Code::NotFound);
    // A container that only an override could stop is started again.
    let begun = undo(&core, &dns).await.expect("an administrator may");
    assert_eq!(verdicts(&core.end(&begun).await), "dns done");
    let web = json!({ "server": "alpha", "container": "web" });
    let web = done(&core, "StopContainer", web).await;
    let begun = core
        .execute_as(worker, "UndoUpdate", json!({ "id": id_of(&web) }))
        .await;
    assert!(core.end(&begun.expect("a worker may")).await.success);
    assert_eq!(host.states(), "dns running, web running");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_was_canceled_can_be_asked_for_again() {
    let mut core = Core::start().await;
    let names: Vec<String> = (0..20).map(|n| format!("c{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let host = core.host("alpha", &names).await;
    let stop = done(&core, "StopAllContainers", json!({ "server": "alpha" })).await;
    host.world
        .set_latency(ContainerAction::Start, Duration::from_secs(5));
    let first = undo(&core, &stop).await.expect("it begins");
    core.until_update(&first, "it acts", |update| {
        update.stage == Some(Stage::Acting)
    })
    .await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = undo(&core, &stop).await.expect_err("it is being undone");
    assert!(error.error.contains("being undone"), "{}", error.error);
    core.execute("CancelUpdate", json!({ "id": id_of(&first) }))
        .await
        .expect("open");
    core.end(&first).await;
    let original = core.update(&stop).await;
    assert!(original.undoable, "{original:#?}");
    let second = undo(&core, &stop).await.expect("the rest");
    let ended = core.end(&second).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(
        host.states().matches("running").count(),
        20,
        "{}",
        host.states()
    );
    assert_eq!(
        core.update(&stop).await.undone_by.as_deref(),
        Some(id_of(&second).as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_restart_of_core_and_acts_once() {
    let (core, mut host, stop) = stopped().await;
    host.world
        .set_latency(ContainerAction::Start, Duration::from_secs(5));
    let seen = host.world.acts_since(0).len();
    let begun = undo(&core, &stop).await.expect("it begins");
    core.until_update(&begun, "it acts", |update| {
        update.stage == Some(Stage::Acting)
    })
    .await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut core = core.restart().await;
    let open = core.update(&begun).await;
    assert_eq!(
        (open.status, open.undoes.is_some()),
        (UpdateStatus::InProgress, true)
    );
    host.agent.cut();
    core.reconnect(&mut host).await;
    let busy = json!({ "server": "alpha", "container": "a" });
    let error = core
        .execute("RestartContainer", busy)
        .await
        .expect_err("it is held");
    assert_eq!(
        (error.code, &error.params["operation"]),
        (Code::Busy, &json!("UndoUpdate"))
    );
    let ended = core.end(&begun).await;
    assert_eq!(verdicts(&ended), "a done, b done");
    assert_eq!(
        host.world.acts_since(seen).len(),
        2,
        "each was started once"
    );
    assert!(!core.update(&stop).await.undoable);
}

#[tokio::test(start_paused = true)]
async fn of_a_server_that_is_away_nothing_is_undone() {
    let (mut core, host, stop) = stopped().await;
    core.cut(&host).await;
    let error = undo(&core, &stop).await.expect_err("it is away");
    assert_eq!(error.code, Code::ServerUnreachable);
    assert!(core.update(&stop).await.undoable);
}
