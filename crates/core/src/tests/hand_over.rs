//! Hand over: the agent, or Core itself, goes and comes back, is watched, confirmed, or put back.

use std::time::Duration;

use komodo_api::{
    Code,
    permission::PermissionLevel,
    server::ServerReasonCode,
    update::{Stage, Update, VerdictKind},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    harness::{Core, Host, pass, verdicts, wait},
    script::Script,
};

const HOST: &[&str] = &["periphery", "web"];

async fn begun(core: &mut Core) -> (Host, Script, Update) {
    let mut host = core.host("alpha", HOST).await;
    let script = Script::of(core, &mut host).await;
    let params = json!({ "server": "alpha", "container": "periphery" });
    let update = script.begun(core, "RestartContainer", params).await;
    (host, script, update)
}

fn story(update: &Update) -> Vec<&str> {
    let logs = update.logs.iter();
    logs.map(|log| log.stage.as_str())
        .filter(|stage| ["Hand over", "Confirm", "Roll back", "Detach", "Back"].contains(stage))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_watched_without_a_break_and_then_confirmed() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    let shown = script.handed_over(&core, &update, 180_000).await;
    assert!(!shown.cancelable, "nobody could undo half of it");
    let error = core
        .execute("CancelUpdate", json!({ "id": update.id }))
        .await
        .err();
    assert!(
        error.is_some_and(|error| matches!(error.code, Code::NotCancelable | Code::Unprocessable))
    );

    script.cut(&mut core, &host).await;
    let shown = core
        .until_update(&update, "it says why the server is away", |update| {
            update.waiting_for.is_some()
        })
        .await;
    assert_eq!(shown.stage, Some(Stage::HandedOver), "that is no waiting");
    let why = shown.waiting_for.and_then(|it| it.why).unwrap_or_default();
    assert!(why.contains("handed over to komodo-hand-over-1"), "{why}");
    let reason = || {
        let view = core.app.background.fleet.view(host.id)?;
        view.state(true).1.map(|reason| reason.code)
    };
    wait("its server says so too, although it said nothing", || {
        reason() == Some(ServerReasonCode::HandedOver)
    })
    .await;

    let script = script.back(&mut core, &mut host).await;
    let shown = core
        .until_update(&update, "it is watched, and says until when", |update| {
            update.stage == Some(Stage::Probation)
                && update.waiting_for.is_none()
                && update.probation_until.is_some()
        })
        .await;
    let left = shown.probation_until.unwrap_or_default() - core.now();
    assert!((29_000..=30_000).contains(&left), "{left} ms");
    pass(Duration::from_secs(20)).await;
    assert!(script.kept().confirms.is_empty());
    // A break begins it anew.
    script.cut(&mut core, &host).await;
    let script = script.back(&mut core, &mut host).await;
    let back = Instant::now();
    wait("it is confirmed", || !script.kept().confirms.is_empty()).await;
    assert!(
        back.elapsed() >= Duration::from_secs(30),
        "{:?}",
        back.elapsed()
    );
    assert!(
        back.elapsed() < Duration::from_secs(31),
        "{:?}",
        back.elapsed()
    );
    script.settle(core.now(), VerdictKind::Done, None);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), "periphery done");
    assert_eq!(story(&ended), ["Hand over", "Confirm"]);
    assert_eq!(script.kept().confirms.len(), 1);
    let logged = ended.logs.iter().find(|log| log.stage == "Hand over");
    assert!(logged.is_some_and(|log| log.stdout.contains("handed over to komodo-hand-over-1")));
    wait("the agent may forget it", || script.kept().acknowledged).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_clock_is_far_from_ours_is_confirmed_too() {
    for behind_ms in [-7_200_000, 7_200_000] {
        let mut core = Core::start().await;
        let (mut host, script, update) = begun(&mut core).await;
        let there = core.now() - behind_ms;
        script.hand_over(there, there + 180_000, 30);
        script.cut(&mut core, &host).await;
        let script = script.back(&mut core, &mut host).await;
        let back = Instant::now();
        wait("it is confirmed", || !script.kept().confirms.is_empty()).await;
        assert!(
            back.elapsed() < Duration::from_secs(31),
            "{:?}",
            back.elapsed()
        );
        script.settle(there, VerdictKind::Done, None);
        assert!(core.end(&update).await.success);
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_comes_too_early_is_given_again_but_not_for_ever() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    script.kept().refuses_confirm = true;
    let until = core.now() + 60_000;
    script.hand_over(core.now(), until, 5);
    script.cut(&mut core, &host).await;
    let script = script.back(&mut core, &mut host).await;
    wait("it was tried more than once", || {
        script.kept().confirms.len() > 1
    })
    .await;
    wait("its time is over", || core.now() > until + 1_000).await;
    let tried = script.kept().confirms.len();
    assert!(tried < 30, "{tried} times in a minute");
    pass(Duration::from_secs(20)).await;
    assert_eq!(script.kept().confirms.len(), tried, "it is over");
    script.settle(
        core.now(),
        VerdictKind::Failed,
        Some("rolled back: it was not confirmed in time"),
    );
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert_eq!(story(&ended), ["Hand over", "Roll back"]);
    let logged = ended.logs.iter().find(|log| log.stage == "Roll back");
    assert!(logged.is_some_and(|log| !log.success && log.stderr.contains("not confirmed in time")));
}

#[tokio::test(start_paused = true)]
async fn a_core_that_restarts_meanwhile_goes_on_with_it() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    script.handed_over(&core, &update, 300_000).await;
    // Core itself is what was handed over, or goes by chance.
    script.cut(&mut core, &host).await;
    let mut core = core.restart_after(Duration::from_secs(5)).await;
    let shown = core.update(&update).await;
    assert_eq!(shown.stage, Some(Stage::HandedOver), "{shown:#?}");
    assert!(!shown.cancelable);
    let script = script.back(&mut core, &mut host).await;
    core.until_update(&update, "it is watched", |update| {
        update.stage == Some(Stage::Probation)
    })
    .await;
    pass(Duration::from_secs(10)).await;
    // And once more, in the middle of the probation.
    script.cut(&mut core, &host).await;
    let mut core = core.restart().await;
    let script = script.back(&mut core, &mut host).await;
    let back = Instant::now();
    wait("it is confirmed", || !script.kept().confirms.is_empty()).await;
    assert!(
        back.elapsed() >= Duration::from_secs(30),
        "{:?}",
        back.elapsed()
    );
    // And before its end is told.
    script.cut(&mut core, &host).await;
    let mut core = core.restart().await;
    let script = script.back(&mut core, &mut host).await;
    script.settle(core.now(), VerdictKind::Done, None);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(story(&ended), ["Hand over", "Confirm"], "each once");
    assert_eq!(script.kept().confirms.len(), 1, "a confirmation holds");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_a_helper_does_not_bring_back_is_waited_for_like_any_other() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    script.handed_over(&core, &update, 120_000).await;
    script.cut(&mut core, &host).await;
    let begun = Instant::now();
    let alerts = || core.read("ListAlerts", json!({}));
    pass(Duration::from_secs(100)).await;
    let shown = core.update(&update).await;
    assert_eq!(shown.stage, Some(Stage::HandedOver), "its time is not over");
    assert_eq!(alerts().await["alerts"], json!([]), "nothing is wrong yet");
    let shown = core
        .until_update(&update, "it waits for the server", |update| {
            update.stage == Some(Stage::Waiting)
        })
        .await;
    assert!(
        begun.elapsed() >= Duration::from_secs(120),
        "{:?}",
        begun.elapsed()
    );
    assert!(shown.cancelable, "nobody has to wait for it for ever");
    let why = shown.waiting_for.and_then(|it| it.why).unwrap_or_default();
    assert!(!why.contains("handed over"), "{why}");
    pass(Duration::from_secs(30)).await;
    assert_eq!(alerts().await["alerts"].as_array().map(Vec::len), Some(1));
    let script = script.back(&mut core, &mut host).await;
    script.settle(core.now(), VerdictKind::Failed, Some("rolled back: late"));
    core.end(&update).await;
}

#[tokio::test(start_paused = true)]
async fn who_may_only_execute_restarts_containers_but_neither_the_agent_nor_what_needs_write() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let user = core
        .user("ann", host.id, PermissionLevel::Execute, &[])
        .await;
    let on = |container: &str, more: serde_json::Value| {
        let mut params = json!({ "server": "alpha", "container": container });
        let more = more.as_object().cloned().unwrap_or_default();
        params.as_object_mut().expect("it is one").extend(more);
        params
    };
    for (request, params, names) in [
        (
            "RestartContainer",
            on("periphery", json!({})),
            "'periphery'",
        ),
        (
            "RestartContainer",
            on("web", json!({ "recreate": {} })),
            "`recreate`",
        ),
        (
            "StopContainer",
            on("periphery", json!({ "detach": true })),
            "`detach`",
        ),
        (
            "PauseContainer",
            on("periphery", json!({ "detach": true })),
            "`detach`",
        ),
        (
            "DestroyContainer",
            on("web", json!({ "detach": true })),
            "`detach`",
        ),
    ] {
        let error = core
            .execute_as(user, request, params.clone())
            .await
            .expect_err(request);
        assert_eq!(error.code, Code::Forbidden, "{request} {params}");
        assert!(error.error.contains(names), "{request}: {}", error.error);
        assert_eq!(error.params["needs"], json!(["Write"]), "{request}");
    }
    assert!(host.states().contains("periphery running"));
    let update = core
        .execute_as(user, "RestartContainer", on("web", json!({})))
        .await
        .expect("an ordinary container needs no more than Execute");
    assert!(core.end(&update).await.success);
    // Plans say what would happen to whoever may look.
    let plan = core
        .read(
            "PlanOperation",
            json!({ "type": "RestartContainer", "params": on("periphery", json!({})) }),
        )
        .await;
    assert_eq!(plan["items"][0]["effect"], "hand-over");
    assert_eq!(plan["probation_s"], 30, "how long it will be watched");
    let plan = core
        .read(
            "PlanOperation",
            json!({ "type": "StopContainer", "params": on("periphery", json!({ "detach": true })) }),
        )
        .await;
    assert_eq!(
        (&plan["items"][0]["effect"], &plan["items"][0]["bring_back"]),
        (&json!("detach"), &json!("docker start periphery"))
    );
    let error = core
        .execute("RestartContainer", on("web", json!({ "recreate": {} })))
        .await
        .expect_err("it is neither the agent nor Core");
    assert_eq!(error.code, Code::Unprocessable);
}

#[tokio::test(start_paused = true)]
async fn what_a_user_without_write_may_not_begin_he_may_not_cancel() {
    let mut core = Core::start().await;
    let (host, _, update) = begun(&mut core).await;
    let user = core
        .user("ann", host.id, PermissionLevel::Execute, &[])
        .await;
    let id = update.id.expect("it has one").0;
    let error = core
        .execute_as(user, "CancelUpdate", json!({ "id": id }))
        .await
        .expect_err("it took Write");
    assert_eq!(error.code, Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_know_hand_over_is_updated_first() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", HOST).await;
    let script = Script::of(&mut core, &mut host).await;
    script.cut(&mut core, &host).await;
    script.kept().level = Some(2);
    script.back(&mut core, &mut host).await;
    for (request, detach) in [("RestartContainer", None), ("StopContainer", Some(true))] {
        let mut params = json!({ "server": "alpha", "container": "periphery" });
        if let Some(detach) = detach {
            params["detach"] = json!(detach);
        }
        let error = core.execute(request, params).await.expect_err(request);
        assert_eq!(error.code, Code::Unprocessable, "{request}");
        assert!(
            error.error.contains("update Periphery on 'alpha' first"),
            "{request}: {}",
            error.error
        );
    }
}

/// Core's own container is about to be made anew.
async fn core_to_be_replaced(core: &mut Core) -> (Host, Script, Update) {
    let mut host = core.host("alpha", &["periphery", "core"]).await;
    let script = Script::of(core, &mut host).await;
    script.kept().core = Some("core".into());
    script.cut(core, &host).await;
    let script = script.back(core, &mut host).await;
    let params =
        json!({ "server": "alpha", "container": "core", "recreate": { "image": "core:2" } });
    let update = script.begun(core, "RestartContainer", params).await;
    (host, script, update)
}

async fn core_replaced(core: &mut Core) -> (Host, Script, Update) {
    let (host, script, update) = core_to_be_replaced(core).await;
    script.handed_over(core, &update, 180_000).await;
    (host, script, update)
}

/// The copy of the database is gone, and there can be no other.
fn no_snapshot(directory: &std::path::Path) {
    let snapshots = directory.join("snapshots");
    let mut taken = std::fs::read_dir(&snapshots).expect("there is one");
    let taken = taken.next().expect("there is one").expect("readable");
    std::fs::remove_dir_all(taken.path()).expect("it goes");
    let name = taken.file_name().into_string().expect("readable");
    std::fs::write(snapshots.join(format!(".{name}")), "in the way").expect("it is written");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_cannot_be_copied_once_more_says_nothing_of_what_the_agent_does() {
    let mut core = Core::start().await;
    let (mut host, script, update) = core_to_be_replaced(&mut core).await;
    script.cut(&mut core, &host).await;
    let mut core = core.restart_over(Duration::from_secs(5), no_snapshot).await;
    let script = script.back(&mut core, &mut host).await;
    script.settle(core.now(), VerdictKind::Done, None);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), "core done");
}

/// A newer Core begins, changes the database, and is put back.
fn newer_core(directory: &std::path::Path) {
    for name in ["komodo.db", "journal.db"] {
        let file = rusqlite::Connection::open(directory.join(name)).expect("it opens");
        file.pragma_update(None, "user_version", 99)
            .expect("it is written");
    }
}

#[tokio::test(start_paused = true)]
async fn a_core_that_is_put_back_puts_its_database_back_and_the_update_tells_the_story() {
    let mut core = Core::start().await;
    let (mut host, script, update) = core_replaced(&mut core).await;
    script.cut(&mut core, &host).await;
    let mut core = core.restart_over(Duration::from_secs(60), newer_core).await;
    let script = script.back(&mut core, &mut host).await;
    script.settle(
        core.now(),
        VerdictKind::Failed,
        Some("rolled back: it was not confirmed in time"),
    );
    let ended = core.end(&update).await;
    assert!(!ended.success, "{ended:#?}");
    assert_eq!(story(&ended), ["Hand over", "Roll back"]);
    let told = ended.logs.iter().find(|log| log.stage == "Database");
    assert!(
        told.is_some_and(|log| log.stdout.contains("komodo.db.newer-")),
        "{ended:#?}"
    );
    assert!(script.kept().confirms.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_core_that_is_confirmed_keeps_what_it_wrote() {
    let mut core = Core::start().await;
    let (mut host, script, update) = core_replaced(&mut core).await;
    script.cut(&mut core, &host).await;
    let mut core = core.restart_after(Duration::from_secs(5)).await;
    let script = script.back(&mut core, &mut host).await;
    wait("it is confirmed", || !script.kept().confirms.is_empty()).await;
    script.settle(core.now(), VerdictKind::Done, None);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(story(&ended), ["Hand over", "Confirm"]);
    core.until_settled().await;
}
