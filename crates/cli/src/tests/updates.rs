//! Undo, cancel, waiting for a server, what an operation is at, alerts: against a scripted server.

use serde_json::{Value, json};

use super::double::{STOP, There, core, km, plan, update, verdicts, with};

fn undo_plan() -> Value {
    let mut plan = plan("h1", &["web"]);
    plan["operation"] = json!("UndoUpdate");
    plan["items"][0]["state"] = json!("exited");
    plan["items"][0]["back_to"] = json!("running");
    let changed = json!({
        "container": "db", "id": "db", "state": "running", "effect": "skip",
        "reason": { "reason": "changed-since", "detail": "it is running" },
    });
    plan["items"].as_array_mut().unwrap().push(changed);
    plan["counts"]["unchanged"] = json!(1);
    plan
}

#[tokio::test]
async fn an_undo_shows_what_comes_back_and_asks() {
    let undone = with(
        update(
            "Complete",
            true,
            &json!([{ "container": "web", "id": "1", "verdict": "done", "at": 1 }]),
        ),
        json!({ "operation": "None", "request": "UndoUpdate", "undoes": "65aa00000000000000000009", "undoable": true }),
    );
    let core = core(&[
        ("PlanOperation", 200, undo_plan()),
        ("UndoUpdate", 200, undone),
    ])
    .await;
    let ended = km(&core, "km undo 65aa00000000000000000009", There::Pipe("")).await;
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert_eq!(core.asked("UndoUpdate"), Vec::<Value>::new());

    let ended = km(
        &core,
        "km undo 65aa00000000000000000009",
        There::Person("y\n"),
    )
    .await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.err,
        "Bring back 1 container on alpha? [y/N] `km undo 65aa00000000000000000001` brings back what it changed\n"
    );
    expect_test::expect![[r#"
        UndoUpdate on alpha (as seen 0 s ago)

        Will be brought back (1)
          web  exited  back to running

        Changed since, left alone (1)
          db  running  it was changed by somebody else since (it is running)

          done       web
        succeeded: 1 brought back in 2.4 s  (update 65aa00000000000000000001)
    "#]]
    .assert_eq(&ended.out);
    assert_eq!(
        core.asked("PlanOperation"),
        [json!({ "type": "UndoUpdate", "params": { "id": "65aa00000000000000000009" } })]
    );
    assert_eq!(
        core.asked("UndoUpdate"),
        [json!({ "id": "65aa00000000000000000009", "plan": "h1" })]
    );
}

#[tokio::test]
async fn a_cancel_succeeds_when_the_operation_has_ended_by_it() {
    let verdicts = json!([
        { "container": "web", "id": "1", "verdict": "done", "at": 1 },
        { "container": "db", "id": "2", "verdict": "skipped", "reason": { "reason": "canceled" }, "at": 1 },
    ]);
    let canceling = json!({ "stage": "canceling", "canceled_by": "bob" });
    let core = core(&[
        (
            "CancelUpdate",
            200,
            with(update("InProgress", true, &json!([])), canceling),
        ),
        (
            "GetUpdate",
            200,
            with(
                update("Complete", false, &verdicts),
                json!({ "canceled_by": "bob", "undoable": true }),
            ),
        ),
    ])
    .await;
    let ended = km(&core, "km cancel 65aa00000000000000000001", There::Pipe("")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    expect_test::expect![[r#"
        canceled by bob: no further container is begun with; waiting for those under way
        `km undo 65aa00000000000000000001` brings back what it changed
          done       web
          skipped    db  the operation was canceled before its turn came
        canceled by bob: 1 stopped, 1 not tried in 2.4 s  (update 65aa00000000000000000001)
    "#]]
    .assert_eq(&format!("{}{}", ended.err, ended.out));
    assert_eq!(
        core.asked("CancelUpdate"),
        [json!({ "id": "65aa00000000000000000001" })]
    );
    // Whoever waits for the operation itself learns that it did not do what was asked.
    let ended = km(
        &core,
        "km update watch 65aa00000000000000000001",
        There::Pipe(""),
    )
    .await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    let whole = km(
        &core,
        "km update get 65aa00000000000000000001",
        There::Pipe(""),
    )
    .await;
    assert!(
        whole.out.contains("\ncanceled by bob\n") && whole.err.contains("km undo 65aa"),
        "{}{}",
        whole.out,
        whole.err
    );
}

#[tokio::test]
async fn a_watch_says_what_an_operation_is_at() {
    let waiting = json!({ "server": "alpha", "last_contact": 1_769_860_740_000_i64, "why": "connection lost" });
    let at = |fields: Value| {
        (
            "GetUpdate",
            200,
            with(update("InProgress", true, &json!([])), fields),
        )
    };
    let core = core(&[
        at(json!({ "stage": "queued", "waiting_for": waiting, "expires": 1_769_864_400_000_i64, "cancelable": true })),
        at(json!({ "stage": "asking" })),
        at(json!({ "stage": "acting" })),
        at(json!({ "stage": "waiting", "waiting_for": waiting })),
        at(json!({ "stage": "handed_over", "waiting_for": {
            "server": "alpha", "why": "handed over to komodo-hand-over-1 on its host, which brings it back",
        } })),
        at(json!({ "stage": "probation", "probation_until": 1_769_860_830_000_i64 })),
        at(json!({ "stage": "settling" })),
        ("GetUpdate", 200, update("Complete", true, &verdicts())),
    ])
    .await;
    let ended = km(
        &core,
        "km update watch 65aa00000000000000000001",
        There::Pipe(""),
    )
    .await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    expect_test::expect![[r#"
        queued until alpha is back (last contact 1 min ago: connection lost); given up in 1 h
        it goes on
        waiting for alpha (last contact 1 min ago: connection lost)
        handed over to komodo-hand-over-1 on its host, which brings it back
        back, and watched; confirmed in 30 s
        looking at what has become of the rest
    "#]]
    .assert_eq(&ended.err);
}

#[tokio::test]
async fn an_operation_may_wait_for_a_server_that_is_away() {
    let away = json!({ "error": "server 'alpha' is unreachable", "trace": [], "code": "server_unreachable" });
    let queued = with(
        update("Queued", true, &json!([])),
        json!({ "stage": "queued", "waiting_for": { "server": "alpha" } }),
    );
    let core = core(&[
        ("PlanOperation", 503, away.clone()),
        ("StopAllContainers", 200, queued),
        ("StopContainer", 503, away),
    ])
    .await;
    let line = format!("{STOP} --when-back --expires 1h --no-wait");
    let ended = km(&core, &line, There::Person("y\n")).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "65aa00000000000000000001\n")
    );
    expect_test::expect![[r#"
        server 'alpha' is unreachable
        It will be planned when the server is back, and carried out once.
        Stop the containers on alpha when it is back? [y/N] accepted; `km update watch 65aa00000000000000000001` waits for its end
    "#]]
    .assert_eq(&ended.err);
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha", "when_back": true, "expires_s": 3600 })]
    );
    for line in [STOP, "km x stop-container alpha web"] {
        let ended = km(&core, line, There::Person("y\n")).await;
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (
                3,
                "error: server 'alpha' is unreachable [server_unreachable]\n\
                 hint: --when-back keeps the operation and carries it out once when the server is back\n"
            ),
            "{line}"
        );
    }
}

#[tokio::test]
async fn alerts_that_are_open_are_listed_with_what_they_are_about() {
    let target = json!({ "type": "Server", "id": "a" });
    let alerts = json!({ "alerts": [
        {
            "_id": { "$oid": "65aa00000000000000000005" }, "ts": 1_769_860_740_000_i64, "resolved": false,
            "level": "WARNING", "target": target, "resolved_ts": null, "update": "65aa00000000000000000001",
            "data": { "type": "Custom", "data": { "message": "StopAllContainers on alpha is overdue", "details": "" } },
        },
        {
            "_id": { "$oid": "65aa00000000000000000006" }, "ts": 1_769_857_200_000_i64, "resolved": true,
            "level": "CRITICAL", "target": target, "resolved_ts": 1_769_857_300_000_i64,
            "data": { "type": "ServerDisk", "data": { "id": "a", "name": "alpha", "region": null, "path": "/", "used_gb": 9.5, "total_gb": 10.0 } },
        },
    ], "next_page": null });
    let core = core(&[("ListAlerts", 200, alerts), ("ListServers", 200, json!([]))]).await;
    let ended = km(&core, "km alerts", There::Pipe("")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    expect_test::expect![[r#"
        LEVEL     TARGET    WHAT                                            RAISED     UPDATE
        warning   Server a  StopAllContainers on alpha is overdue           1 min ago  65aa00000000000000000001
        resolved  Server a  ServerDisk: path /, total_gb 10.0, used_gb 9.5  1 h ago    -
    "#]]
    .assert_eq(&ended.out);
    km(&core, "km alerts -a --page 1", There::Pipe("")).await;
    assert_eq!(
        core.asked("ListAlerts"),
        [
            json!({ "query": { "resolved": false }, "page": 0 }),
            json!({ "query": null, "page": 1 })
        ]
    );
}
