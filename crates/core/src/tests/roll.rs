//! Updates of agents: one, and many in waves, with helpers that replace simulated agents.

use std::sync::Arc;

use komodo_api::{
    Code,
    permission::PermissionLevel,
    resource::ServerRef,
    server::Server,
    update::{Stage, Update, UpdateStatus},
};
use komodo_sim::Image;
use serde_json::{Value, json};

use super::{
    harness::{Core, Host, verdicts, wait},
    script::Script,
};
use crate::store::Change;

const HOST: &[&str] = &["periphery image=periphery:1 restart=unless-stopped", "web"];

/// A server whose agents link one after the other.
async fn kept(core: &mut Core, name: &str) -> Host {
    let host = core.host(name, HOST).await;
    core.keep_linked(&host);
    host
}

fn image(host: &Host) -> String {
    let container = host.world.container("periphery");
    container.expect("it is there").image
}

/// Name, verdict and why, in the order of the servers.
fn told(update: &Update) -> Vec<String> {
    let verdicts = update.verdicts.iter();
    verdicts
        .map(|one| {
            let kind = serde_json::to_value(one.verdict).expect("a word");
            let kind = kind.as_str().unwrap_or_default();
            format!("{} {kind}", one.container)
        })
        .collect()
}

fn error_of(update: &Update, server: &str) -> String {
    let mut verdicts = update.verdicts.iter();
    let verdict = verdicts.find(|one| one.container == server);
    verdict
        .and_then(|one| one.error.clone())
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_updated_to_a_good_image_and_put_back_from_a_bad_one() {
    let mut core = Core::start().await;
    let host = kept(&mut core, "alpha").await;
    host.host.set_image("periphery:dead", Image::CannotStart);
    host.host.set_image("periphery:mute", Image::NeverConnects);
    for bad in ["periphery:dead", "periphery:mute"] {
        let update = core
            .execute(
                "UpdatePeriphery",
                json!({ "server": "alpha", "image": bad }),
            )
            .await
            .expect("it begins");
        assert_eq!(update.request.as_deref(), Some("UpdatePeriphery"));
        let ended = core.end(&update).await;
        assert!(!ended.success, "{ended:#?}");
        assert_eq!(verdicts(&ended), "periphery failed");
        assert!(error_of(&ended, "periphery").contains("rolled back"));
        assert!(
            ended.logs.iter().any(|log| log.stage == "Roll back"),
            "{:#?}",
            ended.logs
        );
        core.until(&host, "the old one is there", |view| view.is_live())
            .await;
        assert_eq!(image(&host), "periphery:1");
    }
    let params = json!({ "server": "alpha", "image": "periphery:2" });
    let plan = core
        .read(
            "PlanOperation",
            json!({ "type": "UpdatePeriphery", "params": params }),
        )
        .await;
    assert_eq!(plan["items"][0]["effect"], "hand-over");
    let mut bound = params.clone();
    bound["plan"] = plan["hash"].clone();
    let update = core.execute("UpdatePeriphery", bound).await;
    let ended = core.end(&update.expect("the plan holds")).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(ended.container.as_deref(), Some("periphery"));
    assert_eq!(image(&host), "periphery:2");
    core.until(&host, "the new one is there", |view| view.is_live())
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_updated_by_image_says_what_to_do() {
    let mut core = Core::start().await;
    let native = core.host("native", &["web"]).await;
    let away = core.host("away", HOST).await;
    core.cut(&away).await;
    core.server("never").await;
    let ask = |server: &str, more: Value| {
        let mut params = json!({ "server": server });
        let more = more.as_object().cloned().unwrap_or_default();
        params.as_object_mut().expect("it is one").extend(more);
        params
    };
    for (params, code, says) in [
        (
            ask("native", json!({ "image": "x" })),
            Code::Unprocessable,
            "neither in a container nor as a service",
        ),
        (
            ask("native", json!({ "version": "2" })),
            Code::Unprocessable,
            "neither in a container nor as a service",
        ),
        (
            ask("native", json!({ "image": " " })),
            Code::Unprocessable,
            "image",
        ),
        (
            ask("away", json!({ "image": "x" })),
            Code::ServerUnreachable,
            "away",
        ),
        (ask("never", json!({})), Code::ServerUnreachable, "never"),
        (ask("nobody", json!({})), Code::NotFound, "nobody"),
    ] {
        let error = core
            .execute("UpdatePeriphery", params.clone())
            .await
            .expect_err("it cannot");
        assert_eq!(error.code, code, "{params}");
        assert!(error.error.contains(says), "{params}: {}", error.error);
    }
    let user = core
        .user("ann", native.id, PermissionLevel::Execute, &[])
        .await;
    let error = core
        .execute_as(user, "UpdatePeriphery", ask("native", json!({})))
        .await
        .expect_err("it needs Write");
    assert_eq!(error.code, Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_roll_goes_from_a_canary_in_waves_and_leaves_out_who_is_away() {
    let mut core = Core::start().await;
    let mut hosts = Vec::new();
    for name in ["a", "bb", "ccc", "dddd"] {
        hosts.push(kept(&mut core, name).await);
    }
    let gone = core.host("gone!", HOST).await;
    core.cut(&gone).await;
    let update = core
        .execute(
            "RollPeriphery",
            json!({
                "servers": ["gone!", "a", "bb", "a", "ccc", "dddd"], "image": "periphery:2", "wave_size": 2, "pause_s": 60,
            }),
        )
        .await
        .expect("it begins");
    assert_eq!((update.targets, update.cancelable), (Some(5), true));
    core.until_update(&update, "the canary is done", |update| {
        told(update) == ["gone! skipped", "a done"]
    })
    .await;
    assert_eq!(image(&hosts[1]), "periphery:1", "not before its turn");
    let waved = core
        .until_update(&update, "a wave is done", |update| told(update).len() > 2)
        .await;
    assert_eq!(told(&waved)[2..], ["bb done", "ccc done"]);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(told(&ended)[4..], ["dddd done"]);
    assert!(error_of(&ended, "gone!").contains("not connected"));
    assert!(hosts.iter().all(|host| image(host) == "periphery:2"));
    let took = ended.end_ts.expect("it ended") - ended.start_ts;
    assert!(took >= 2 * 60_000 + 3 * 30_000, "{took}");
    let stages: Vec<_> = ended.logs.iter().map(|log| log.stage.as_str()).collect();
    assert_eq!(stages, ["Roll Periphery", "Canary", "Wave 2", "Wave 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_roll_halts_at_the_first_that_is_not_done() {
    let mut core = Core::start().await;
    let mut hosts = Vec::new();
    for name in ["a", "bb", "ccc"] {
        hosts.push(kept(&mut core, name).await);
    }
    hosts[1].host.set_image("periphery:2", Image::CannotStart);
    let update = core
        .execute(
            "RollPeriphery",
            json!({ "servers": ["a", "bb", "ccc"], "image": "periphery:2", "wave_size": 1 }),
        )
        .await
        .expect("it begins");
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert_eq!(told(&ended), ["a done", "bb failed", "ccc skipped"]);
    assert!(error_of(&ended, "bb").contains("rolled back"));
    assert!(error_of(&ended, "ccc").contains("'bb' was not done"));
    let images: Vec<_> = hosts.iter().map(image).collect();
    assert_eq!(images, ["periphery:2", "periphery:1", "periphery:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_roll_that_is_canceled_begins_with_no_further_server() {
    let mut core = Core::start().await;
    let a = kept(&mut core, "a").await;
    let b = kept(&mut core, "bb").await;
    let update = core
        .execute(
            "RollPeriphery",
            json!({ "servers": ["a", "bb"], "image": "periphery:2", "pause_s": 3600 }),
        )
        .await
        .expect("it begins");
    wait("the first is handed over", || image(&a) == "periphery:2").await;
    let canceled = core
        .execute(
            "CancelUpdate",
            json!({ "id": update.id.expect("it has one").0 }),
        )
        .await
        .expect("it can be");
    assert_eq!(canceled.canceled_by.as_deref(), Some("admin"));
    assert_eq!(canceled.stage, Some(Stage::Canceling));
    let ended = core.end(&update).await;
    assert!(!ended.success);
    assert_eq!(
        told(&ended),
        ["a done", "bb skipped"],
        "what is under way is awaited"
    );
    assert_eq!(image(&b), "periphery:1");
}

#[tokio::test(start_paused = true)]
async fn a_roll_goes_on_over_restarts_of_core_and_orders_nothing_twice() {
    let mut core = Core::start().await;
    let a = kept(&mut core, "a").await;
    let b = kept(&mut core, "bb").await;
    let update = core
        .execute(
            "RollPeriphery",
            json!({ "servers": ["a", "bb"], "image": "periphery:2", "pause_s": 10 }),
        )
        .await
        .expect("it begins");
    wait("the canary is replaced", || image(&a) == "periphery:2").await;
    let mut core = core.restart().await;
    core.keep_linked(&a);
    core.keep_linked(&b);
    core.until_update(&update, "the canary is done", |update| {
        told(update) == ["a done"]
    })
    .await;
    // In its pause.
    let mut core = core.restart().await;
    core.keep_linked(&a);
    core.keep_linked(&b);
    wait("the second is replaced", || image(&b) == "periphery:2").await;
    let mut core = core.restart().await;
    core.keep_linked(&a);
    core.keep_linked(&b);
    let ended = core.end(&update).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(told(&ended), ["a done", "bb done"]);
    let all = core.read("ListUpdates", json!({})).await;
    let of = |name: &str| {
        let updates = all["updates"].as_array().into_iter().flatten();
        updates.filter(|one| one["request"] == name).count()
    };
    assert_eq!((of("UpdatePeriphery"), of("RollPeriphery")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_meant_by_a_roll_must_be_there_and_its_values_in_their_rules() {
    let mut core = Core::start().await;
    let tagged = kept(&mut core, "tagged").await;
    let mut server = Server::clone(&core.app.desired.snapshot().servers[&tagged.id]);
    server.tags = vec!["edge".into()];
    core.put(Change::PutServer(tagged.id, Arc::new(server)))
        .await;
    for (params, code) in [
        (json!({ "image": "x" }), Code::Unprocessable),
        (
            json!({ "image": "x", "tags": ["nothing"] }),
            Code::Unprocessable,
        ),
        (
            json!({ "image": "", "servers": ["tagged"] }),
            Code::Unprocessable,
        ),
        (
            json!({ "image": "x", "servers": ["tagged"], "wave_size": 0 }),
            Code::Unprocessable,
        ),
        (
            json!({ "image": "x", "servers": ["tagged"], "pause_s": 1_000_000 }),
            Code::Unprocessable,
        ),
        (
            json!({ "image": "x", "servers": ["nobody"] }),
            Code::NotFound,
        ),
    ] {
        let error = core
            .execute("RollPeriphery", params.clone())
            .await
            .expect_err("it does not fit");
        assert_eq!(error.code, code, "{params}");
    }
    let update = core
        .execute(
            "RollPeriphery",
            json!({ "image": "periphery:2", "tags": ["edge"] }),
        )
        .await
        .expect("it begins");
    assert_eq!(update.status, UpdateStatus::InProgress);
    assert_eq!(told(&core.end(&update).await), ["tagged done"]);
    let user = core
        .user("ann", tagged.id, PermissionLevel::Write, &[])
        .await;
    let params = json!({ "image": "periphery:3", "servers": [ServerRef::from("tagged")] });
    let error = core
        .execute_as(user, "RollPeriphery", params)
        .await
        .expect_err("it is for administrators");
    assert_eq!(error.code, Code::Forbidden);
    let error = core
        .ask(
            core.admin,
            komodo_api::Module::Read,
            "PlanOperation",
            json!({ "type": "RollPeriphery", "params": { "server": "tagged" } }),
        )
        .await
        .expect_err("its servers are planned one by one");
    assert!(error.error.contains("UpdatePeriphery"), "{}", error.error);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_lies_behind_is_shown_and_one_too_old_says_so() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", HOST).await;
    let script = Script::of(&mut core, &mut host).await;
    let agent = |listed: &Value| listed[0]["info"]["agent"].clone();
    let listed = core.read("ListServers", json!({})).await;
    assert_eq!(agent(&listed)["skew"], Value::Null, "{listed}");
    assert_eq!(agent(&listed)["in_container"], true);
    script.cut(&mut core, &host).await;
    script.kept().level = Some(2);
    let script = script.back(&mut core, &mut host).await;
    let listed = core.read("ListServers", json!({})).await;
    assert_eq!(agent(&listed)["skew"], "outdated");
    assert_eq!(agent(&listed)["level"], 2);
    assert_eq!(listed[0]["info"]["state"], "Ok", "it goes on working");
    let params = json!({ "servers": ["alpha"], "image": "periphery:2" });
    let update = core.execute("RollPeriphery", params).await;
    let ended = core.end(&update.expect("it begins")).await;
    assert_eq!(told(&ended), ["alpha skipped"]);
    assert!(error_of(&ended, "alpha").contains("update Periphery on 'alpha' first"));
    script.cut(&mut core, &host).await;
    script.kept().level = Some(0);
    script.linked(&mut core, &mut host);
    core.until(&host, "it is refused", |view| view.too_old.is_some())
        .await;
    let listed = core.read("ListServers", json!({})).await;
    assert_eq!(agent(&listed)["skew"], "too_old");
    let state = core
        .read("GetServerState", json!({ "server": "alpha" }))
        .await;
    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("nobody speaks with it");
    for said in [
        state["reason"]["why"].as_str().unwrap_or_default(),
        &error.error,
    ] {
        assert!(
            said.contains("too old for this Core") && said.contains("Update Periphery"),
            "{said}"
        );
    }
}
