//! Detach: an agent that goes because it was asked to is no failure.

use std::time::Duration;

use komodo_agent_api::{GoodbyeReason, OperationEventBody};
use komodo_api::{
    Code,
    update::{Update, VerdictKind},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    harness::{Core, Host, pass, verdicts, wait},
    script::Script,
};

const BRING_BACK: &str = "docker start periphery";

async fn begun(core: &mut Core) -> (Host, Script, Update) {
    let mut host = core.host("alpha", &["periphery", "web"]).await;
    let script = Script::of(core, &mut host).await;
    let update = core
        .execute(
            "StopContainer",
            json!({ "server": "alpha", "container": "periphery", "detach": true }),
        )
        .await
        .expect("it begins");
    wait("the agent has planned it", || {
        !script.kept().events.is_empty()
    })
    .await;
    (host, script, update)
}

fn detaching() -> OperationEventBody {
    OperationEventBody::Detaching {
        bring_back: BRING_BACK.into(),
    }
}

fn goodbye() -> GoodbyeReason {
    GoodbyeReason::Detached {
        by: "admin".into(),
        bring_back: BRING_BACK.into(),
    }
}

fn logged<'a>(update: &'a Update, stage: &str) -> Vec<&'a str> {
    let logs = update.logs.iter().filter(|log| log.stage == stage);
    logs.map(|log| log.stdout.as_str()).collect()
}

async fn state(core: &Core) -> Value {
    core.read("GetServerState", json!({ "server": "alpha" }))
        .await
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_link_after_the_announcement_is_the_success() {
    // Announced by the operation, by a goodbye, by both.
    for (tells, says) in [(true, false), (false, true), (true, true)] {
        let mut core = Core::start().await;
        let (mut host, script, update) = begun(&mut core).await;
        if tells {
            script.tell(core.now(), detaching());
        }
        if says {
            host.agent.goodbye(goodbye());
        }
        pass(Duration::from_secs(1)).await;
        assert!(
            core.update(&update).await.end_ts.is_none(),
            "its link is up"
        );
        script.cut(&mut core, &host).await;
        let ended = core.end(&update).await;
        assert!(ended.success, "{tells} {says} {ended:#?}");
        assert_eq!(verdicts(&ended), "periphery done");
        assert!(!ended.undoable, "nobody is there to undo it");
        assert_eq!(
            logged(&ended, "Detach"),
            ["detached by admin; bring back with `docker start periphery`"]
        );
        wait("the server is detached", || {
            let view = core.view(&host);
            matches!(
                &view.link,
                komodo_plan::LinkState::Lost {
                    goodbye: Some(GoodbyeReason::Detached { .. }),
                    ..
                }
            )
        })
        .await;
        assert_eq!(state(&core).await["reason"]["code"], "detached");
        assert_eq!(state(&core).await["status"], "NotOk");
        pass(Duration::from_secs(3_600)).await;
        let alerts = core.read("ListAlerts", json!({})).await;
        assert_eq!(alerts["alerts"], json!([]), "nothing is wrong");

        // A restart of Core forgets nothing of it.
        let mut core = core.restart().await;
        let said = state(&core).await;
        assert_eq!(said["reason"]["code"], "detached", "{said}");
        let why = said["reason"]["why"].as_str().unwrap_or_default();
        assert!(
            why.contains("detached by admin") && why.contains(BRING_BACK),
            "{why}"
        );
        let error = core
            .execute("StopAllContainers", json!({ "server": "alpha" }))
            .await
            .expect_err("nobody is there");
        assert_eq!(error.code, Code::ServerUnreachable);
        assert!(error.error.contains("detached by admin"), "{}", error.error);

        // It is back, and has settled by itself what it found.
        script.settle(core.now(), VerdictKind::Failed, Some("it runs"));
        let script = script.back(&mut core, &mut host).await;
        assert_eq!(state(&core).await["status"], "Ok");
        wait("it may forget it", || script.kept().acknowledged).await;
        assert_eq!(script.kept().canceled, 0, "nobody cancels it");
        let now = core
            .until_update(&update, "it says that it is back", |update| {
                !logged(update, "Back").is_empty()
            })
            .await;
        assert!(now.success, "what it found later changes nothing");
        assert!(logged(&now, "Back")[0].starts_with("back since 2026-11-23"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_announces_it_and_stays_is_judged_by_what_it_sees() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    script.tell(core.now(), detaching());
    pass(Duration::from_secs(61)).await;
    script.cut(&mut core, &host).await;
    let shown = core
        .until_update(&update, "it waits", |update| update.waiting_for.is_some())
        .await;
    assert!(shown.verdicts.is_empty(), "that was too late to be it");
    let script = script.back(&mut core, &mut host).await;
    script.settle(core.now(), VerdictKind::Failed, Some("it is still running"));
    let ended = core.end(&update).await;
    assert_eq!(
        (ended.success, verdicts(&ended).as_str()),
        (false, "periphery failed")
    );
    assert_eq!(logged(&ended, "Detach"), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_ends_without_an_announcement_is_no_detach() {
    let mut core = Core::start().await;
    let (mut host, script, update) = begun(&mut core).await;
    script.cut(&mut core, &host).await;
    let shown = core
        .until_update(&update, "it waits", |update| update.waiting_for.is_some())
        .await;
    assert!(shown.verdicts.is_empty());
    assert_eq!(state(&core).await["reason"]["code"], "unreachable");
    let script = script.back(&mut core, &mut host).await;
    script.tell(core.now(), detaching());
    let begun = Instant::now();
    pass(Duration::from_secs(1)).await;
    script.cut(&mut core, &host).await;
    let ended = core.end(&update).await;
    assert!(ended.success && begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_core_that_ends_between_the_announcement_and_the_end_of_the_link_knows_it_all_the_same() {
    let mut core = Core::start().await;
    let (host, script, update) = begun(&mut core).await;
    host.agent.goodbye(goodbye());
    core.until(&host, "it goes", |view| !view.is_live()).await;
    let core = core.restart().await;
    drop(script);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(verdicts(&ended), "periphery done");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_handed_over_says_so_and_not_for_ever() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["periphery"]).await;
    host.agent.goodbye(GoodbyeReason::HandedOver {
        operation: "1".into(),
    });
    // What follows from it is no other reason.
    host.agent.terminate();
    core.until(&host, "it is lost", |view| !view.is_live())
        .await;
    core.cut(&host).await;
    assert_eq!(state(&core).await["reason"]["code"], "handed_over");
    let core = core.restart().await;
    assert_eq!(state(&core).await["reason"]["code"], "handed_over");
    pass(Duration::from_secs(16 * 60)).await;
    assert_eq!(state(&core).await["reason"]["code"], "unreachable");
}
