//! Operations from the request to the verdicts: plans, refusals, leases.

use std::time::Duration;

use komodo_api::{
    Code, Module,
    container::ContainerAction,
    permission::PermissionLevel,
    update::{OperationKind, UpdateStatus},
};
use komodo_sim::{Quirk, parse_container};
use serde_json::json;

use super::harness::{Core, verdicts};

const HOST: &[&str] = &[
    "periphery",
    "db project=shop service=db",
    "web project=shop service=web needs=db",
    "old exited",
    "kept skip=true",
    "dns protect=true",
];

#[tokio::test(start_paused = true)]
async fn stop_all_spares_the_protected_and_says_so() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let begun = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    assert_eq!(
        (begun.status, begun.success, begun.operation),
        (
            UpdateStatus::InProgress,
            true,
            OperationKind::StopAllContainers
        )
    );
    assert!(begun.end_ts.is_none() && begun.logs.is_empty() && begun.deadline.is_some());
    let ended = core.end(&begun).await;
    assert_eq!(
        verdicts(&ended),
        "db done, dns skipped (Declared), kept skipped (Label), old unchanged (Already), periphery skipped (Agent), web done"
    );
    assert_eq!(
        host.states(),
        "db exited, dns running, kept running, old exited, periphery running, web exited"
    );
    assert!(
        ended.success && ended.logs.iter().all(|log| log.success),
        "{:#?}",
        ended.logs
    );
    assert_eq!(ended.targets, Some(6));
    assert!(core.view(&host).is_live(), "the agent is there");
    // Who has seen the end reads it in lists as well.
    let listed = core
        .read("ListContainers", json!({ "server": "alpha" }))
        .await;
    let web = listed
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == "web"))
        .cloned()
        .expect("web");
    assert_eq!(web["state"], "exited");
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_happens_and_binds() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let params = json!({ "server": "alpha", "exclude": ["db"] });
    let plan = core
        .read(
            "PlanOperation",
            json!({ "type": "StopAllContainers", "params": params }),
        )
        .await;
    assert_eq!(
        plan["counts"],
        json!({ "act": 1, "protected": 3, "unchanged": 1, "excluded": 1, "refused": 0 })
    );
    assert_eq!(
        (&plan["undo"], &plan["server_name"]),
        (&json!(true), &json!("alpha"))
    );
    let mut bound = params.clone();
    bound["plan"] = plan["hash"].clone();
    host.world.start("old").expect("it starts");
    core.until(&host, "old runs", |view| {
        view.find("old")
            .is_some_and(|old| old.state.as_str() == "running")
    })
    .await;
    let error = core
        .execute("StopAllContainers", bound.clone())
        .await
        .expect_err("the world changed");
    assert_eq!(error.code, Code::PlanDrifted);
    assert_eq!(
        error.params["plan"]["counts"]["act"], 2,
        "the new plan comes with the refusal"
    );
    assert!(host.states().contains("web running"), "nothing was done");
    bound["plan"] = error.params["plan"]["hash"].clone();
    let ended = core
        .execute("StopAllContainers", bound)
        .await
        .expect("the new plan holds");
    assert!(core.end(&ended).await.success);
    assert!(
        host.states().contains("db running"),
        "what was excluded is left alone: {}",
        host.states()
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_the_agent_away_by_name() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    for request in ["StopContainer", "PauseContainer", "DestroyContainer"] {
        for override_reason in [None, Some("I mean it")] {
            let params =
                json!({ "server": "alpha", "container": "periphery", "override": override_reason });
            let error = core
                .execute(request, params)
                .await
                .expect_err("it is refused");
            assert_eq!(
                (error.code, error.status().as_u16()),
                (Code::Protected, 409),
                "{request}"
            );
            assert_eq!(
                (&error.params["container"], &error.params["reason"]),
                (&json!("periphery"), &json!("agent"))
            );
            assert!(
                error.error.contains("with `detach`"),
                "it says the way: {}",
                error.error
            );
        }
    }
    assert!(core.view(&host).is_live() && host.states().contains("periphery running"));
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_protects_needs_an_override_with_write() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    let stop =
        |reason: Option<&str>| json!({ "server": "alpha", "container": "dns", "override": reason });
    assert_eq!(
        core.execute("StopContainer", stop(None))
            .await
            .expect_err("protected")
            .code,
        Code::Protected
    );
    let error = core
        .execute_as(worker, "StopContainer", stop(Some("upgrade")))
        .await
        .expect_err("needs Write");
    assert_eq!(error.code, Code::Forbidden);
    assert_eq!(
        core.execute("StopContainer", stop(Some("  ")))
            .await
            .expect_err("no reason")
            .code,
        Code::Invalid
    );
    let begun = core
        .execute("StopContainer", stop(Some("upgrade of the resolver")))
        .await
        .expect("overridden");
    let ended = core.end(&begun).await;
    assert_eq!(verdicts(&ended), "dns done");
    let audited = ended
        .logs
        .iter()
        .any(|log| log.stdout.contains("upgrade of the resolver"));
    assert!(audited, "{:#?}", ended.logs);
    // A label alone keeps nothing from being named.
    let begun = core
        .execute_as(
            worker,
            "StopContainer",
            json!({ "server": "alpha", "container": "kept" }),
        )
        .await;
    assert_eq!(
        verdicts(&core.end(&begun.expect("it begins")).await),
        "kept done"
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_recorded_once() {
    let mut core = Core::start().await;
    let _host = core.host("alpha", HOST).await;
    let stop = json!({ "server": "alpha", "container": "periphery" });
    for _ in 0..3 {
        core.execute("StopContainer", stop.clone())
            .await
            .expect_err("protected");
    }
    let updates = core
        .read(
            "ListUpdates",
            json!({ "query": { "operation": "StopContainer" } }),
        )
        .await;
    let updates = updates["updates"].as_array().expect("a list");
    assert_eq!(updates.len(), 1, "{updates:#?}");
    assert_eq!(
        (&updates[0]["status"], &updates[0]["success"]),
        (&json!("Complete"), &json!(false))
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_container_says_what_runs_and_who_started_it() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let worker = core
        .user("worker", host.id, PermissionLevel::Execute, &[])
        .await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_secs(5));
    let first = core
        .execute_as(
            worker,
            "StopContainer",
            json!({ "server": "alpha", "container": "web" }),
        )
        .await;
    let first = first.expect("it begins");
    let error = core
        .execute(
            "RestartContainer",
            json!({ "server": "alpha", "container": "web" }),
        )
        .await
        .expect_err("busy");
    assert_eq!(
        (error.code, &error.params["operation"]),
        (Code::Busy, &json!("StopContainer"))
    );
    assert!(
        error
            .error
            .contains("'web' is busy: StopContainer, started by worker, runs since 12:00:00"),
        "{}",
        error.error
    );
    let state = core
        .read("GetServerActionState", json!({ "server": "alpha" }))
        .await;
    assert_eq!(state["stopping_containers"], 1);
    let other = core
        .execute(
            "RestartContainer",
            json!({ "server": "alpha", "container": "db" }),
        )
        .await
        .expect("db is free");
    assert!(core.end(&other).await.success);
    assert_eq!(
        core.update(&first).await.status,
        UpdateStatus::InProgress,
        "it did not wait for the other"
    );
    core.end(&first).await;
    // Who sees the end may begin the next at once.
    let next = core
        .execute(
            "StartContainer",
            json!({ "server": "alpha", "container": "web" }),
        )
        .await
        .expect("free again");
    assert!(core.end(&next).await.success);
    assert_eq!(
        core.read("GetServerActionState", json!({ "server": "alpha" }))
            .await["stopping_containers"],
        0
    );
}

#[tokio::test(start_paused = true)]
async fn one_failure_makes_the_update_red_and_names_it() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    host.world.set_quirk("db", Quirk::FailsToStop);
    let begun = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let ended = core.end(&begun).await;
    assert!(!ended.success);
    assert!(
        verdicts(&ended).starts_with("db failed, ") && verdicts(&ended).ends_with("web done"),
        "{}",
        verdicts(&ended)
    );
    let failed: Vec<_> = ended.logs.iter().filter(|log| !log.success).collect();
    assert!(
        failed.iter().any(|log| log.stderr.contains("db")),
        "{failed:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_vanishes_between_plan_and_act_is_gone_and_no_failure() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    host.world.set_quirk("web", Quirk::Vanishes);
    let begun = core
        .execute("PauseAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let ended = core.end(&begun).await;
    assert!(
        ended.success && verdicts(&ended).ends_with("web skipped (Gone)"),
        "{}",
        verdicts(&ended)
    );
}

#[tokio::test(start_paused = true)]
async fn names_that_are_odd_are_names() {
    let mut core = Core::start().await;
    let odd = ["-rf", "naïve.test", "a..b", "'; DROP TABLE entry; --"];
    let host = core.host("Größe 2 / 東京", &[]).await;
    for name in odd {
        let mut container = parse_container("x").expect("a container");
        container.name = name.into();
        host.world.create(container);
    }
    core.until(&host, "they are seen", |view| {
        view.containers.len() == odd.len()
    })
    .await;
    for name in odd {
        let begun = core
            .execute(
                "StopContainer",
                json!({ "server": host.name, "container": name }),
            )
            .await;
        assert_eq!(
            verdicts(&core.end(&begun.expect(name)).await),
            format!("{name} done")
        );
    }
    let missing = json!({ "server": host.name, "container": "not there" });
    assert_eq!(
        core.execute("StopContainer", missing)
            .await
            .expect_err("gone")
            .code,
        Code::NotFound
    );
    let nameless = json!({ "server": host.name, "container": "" });
    assert_eq!(
        core.execute("StopContainer", nameless)
            .await
            .expect_err("nameless")
            .code,
        Code::Invalid
    );
    let unknown = json!({ "server": "nowhere", "container": "x" });
    assert_eq!(
        core.execute("StopContainer", unknown)
            .await
            .expect_err("unknown")
            .code,
        Code::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn batches_are_one_update_by_names_or_by_query() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let listed = json!({ "server": "alpha", "action": "stop", "containers": ["web", "kept", "dns", "nobody"] });
    let begun = core
        .execute("BatchContainers", listed)
        .await
        .expect("it begins");
    assert_eq!(
        (begun.operation, begun.request.as_deref()),
        (OperationKind::None, Some("BatchContainers"))
    );
    let ended = core.end(&begun).await;
    assert_eq!(
        verdicts(&ended),
        "dns skipped (Declared), kept done, nobody skipped (Gone), web done"
    );
    let query = json!({ "server": "alpha", "action": "start", "query": { "projects": ["shop"] } });
    let begun = core
        .execute("BatchContainers", query)
        .await
        .expect("it begins");
    assert_eq!(
        verdicts(&core.end(&begun).await),
        "db unchanged (Already), web done"
    );
    assert!(host.states().contains("kept exited"));
    let nothing = json!({ "server": "alpha", "action": "stop" });
    assert_eq!(
        core.execute("BatchContainers", nothing)
            .await
            .expect_err("names nothing")
            .code,
        Code::Invalid
    );
}

#[tokio::test(start_paused = true)]
async fn a_prune_leaves_what_is_protected_and_two_do_not_meet() {
    let mut core = Core::start().await;
    let host = core
        .host("alpha", &["old exited", "kept exited skip=true", "web"])
        .await;
    host.world
        .set_latency(ContainerAction::Prune, Duration::from_secs(2));
    let begun = core
        .execute("PruneContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    assert_eq!(
        core.read("GetServerActionState", json!({ "server": "alpha" }))
            .await["pruning_containers"],
        true
    );
    let error = core
        .execute("PruneContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("busy");
    assert_eq!(error.code, Code::Busy);
    let ended = core.end(&begun).await;
    assert!(ended.success, "{ended:#?}");
    assert_eq!(host.states(), "kept exited, web running");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_execute_is_told_and_nothing_happens() {
    let mut core = Core::start().await;
    let host = core.host("alpha", HOST).await;
    let reader = core
        .user("reader", host.id, PermissionLevel::Read, &[])
        .await;
    let stranger = core
        .user(
            "stranger",
            core.server("other").await,
            PermissionLevel::Write,
            &[],
        )
        .await;
    let stop = json!({ "server": "alpha" });
    let error = core
        .execute_as(reader, "StopAllContainers", stop.clone())
        .await
        .expect_err("may not");
    assert_eq!(error.code, Code::Forbidden);
    let error = core
        .execute_as(stranger, "StopAllContainers", stop.clone())
        .await
        .expect_err("may not know");
    assert_eq!(error.code, Code::NotFound);
    let plan = json!({ "type": "StopAllContainers", "params": stop });
    assert!(
        core.ask(reader, Module::Read, "PlanOperation", plan.clone())
            .await
            .is_ok()
    );
    assert_eq!(
        core.ask(stranger, Module::Read, "PlanOperation", plan)
            .await
            .expect_err("may not know")
            .code,
        Code::NotFound
    );
    assert!(host.states().contains("web running"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_stops_no_operation_that_runs_and_no_read() {
    let mut core = Core::start().await;
    let names: Vec<String> = (0..80).map(|n| format!("container-{n} running")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let host = core.host("alpha", &names).await;
    host.world
        .set_latency(ContainerAction::Stop, Duration::from_millis(300));
    let begun = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    core.app
        .store
        .journal_set_full(true)
        .await
        .expect("it is full");
    let other = json!({ "server": "alpha", "action": "start", "query": {} });
    let ended = core
        .until_update(&begun, "it has ended", |update| {
            update.status == UpdateStatus::Complete
        })
        .await;
    assert!(ended.success, "{:#?}", ended.logs);
    assert_eq!(ended.verdicts.len(), 80);
    assert!(!host.states().contains("running"), "the operation went on");
    let note = ended
        .logs
        .iter()
        .find(|log| log.stage == "Store")
        .expect("the reason is told");
    assert!(note.stdout.contains("disk"), "{}", note.stdout);
    let error = core
        .execute("BatchContainers", other.clone())
        .await
        .expect_err("full");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::StorageFull, 507)
    );
    assert!(
        host.states().contains("exited"),
        "nothing was begun that is not on disk"
    );
    assert_eq!(
        core.read("ListContainers", json!({ "server": "alpha" }))
            .await[0]["state"],
        "exited"
    );
    core.app
        .store
        .journal_set_full(false)
        .await
        .expect("there is room again");
    core.end(&begun).await;
    let stored = core
        .app
        .store
        .updates()
        .get(begun.id.expect("an id").0)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        (stored.status, stored.verdicts.len()),
        (UpdateStatus::Complete, 80)
    );
    let started = core
        .execute("BatchContainers", other)
        .await
        .expect("it begins");
    assert!(core.end(&started).await.success);
}
