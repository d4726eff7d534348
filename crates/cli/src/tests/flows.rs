//! Whole commands against a scripted server: what is asked of Core, what is printed, and the exit code.

use clap::Parser;
use serde_json::{Value, json};

use super::{
    double::{STOP, There, core, km, plan, update, verdicts},
    terminal,
};
use crate::{args::Km, config::Environment, run};

#[tokio::test]
async fn without_anybody_to_ask_nothing_is_sent() {
    let core = core(&[]).await;
    let ended = km(&core, STOP, There::Pipe("y\n")).await;
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(
        ended.err.contains("there is nobody to ask") && ended.err.contains("-y says yes"),
        "{}",
        ended.err
    );
    assert!(core.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_yes_is_bound_to_the_plan_that_was_shown() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web", "api"])),
        (
            "StopAllContainers",
            200,
            update("InProgress", true, &json!([])),
        ),
        ("GetUpdate", 200, update("Complete", true, &verdicts())),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("y\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.err, "Stop 2 containers on alpha? [y/N] ");
    expect_test::expect![[r#"
        StopAllContainers on alpha (as seen 0 s ago)

        Will be stopped (2)
          web  running
          api  running

          done       web
          skipped    periphery  it runs the agent; without it the server could not be controlled
        succeeded: 1 stopped, 1 unchanged, 1 left alone in 2.4 s  (update 65aa00000000000000000001)
    "#]]
    .assert_eq(&ended.out);
    assert_eq!(
        core.asked("PlanOperation"),
        [json!({ "type": "StopAllContainers", "params": { "server": "alpha" } })]
    );
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha", "plan": "h1" })]
    );
}

#[tokio::test]
async fn anything_but_yes_does_nothing() {
    for answer in ["n\n", "\n", "", "yesterday\n"] {
        let core = core(&[("PlanOperation", 200, plan("h1", &["web"]))]).await;
        let ended = km(&core, STOP, There::Person(answer)).await;
        assert_eq!(ended.code, 1);
        assert!(ended.err.ends_with("nothing was done\n"), "{}", ended.err);
        assert_eq!(core.asked("StopAllContainers"), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn when_the_server_changed_the_new_plan_is_shown_and_asked_for_again() {
    let drifted = json!({ "error": "the world changed", "trace": [], "code": "plan_drifted" });
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        ("PlanOperation", 200, plan("h2", &["web", "new"])),
        ("StopAllContainers", 409, drifted),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &verdicts()),
        ),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("y\ny\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("The server has changed since this plan was made."),
        "{}",
        ended.err
    );
    let asked = core.asked("StopAllContainers");
    assert_eq!(
        asked,
        [
            json!({ "server": "alpha", "plan": "h1" }),
            json!({ "server": "alpha", "plan": "h2" })
        ]
    );
}

#[tokio::test]
async fn yes_beforehand_shows_the_plan_and_is_not_bound_to_it() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &verdicts()),
        ),
    ])
    .await;
    let ended = km(
        &core,
        "km x stop-all-containers alpha --exclude a,b -y",
        There::Pipe(""),
    )
    .await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("Will be stopped (1)"), "{}", ended.out);
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha", "exclude": ["a", "b"] })]
    );
}

#[tokio::test]
async fn the_exit_code_is_the_result_of_the_operation() {
    let failed = json!([{ "container": "web", "id": "1", "verdict": "failed", "error": "it did not stop", "at": 1 }]);
    let core = core(&[("StopContainer", 200, update("Complete", false, &failed))]).await;
    let ended = km(&core, "km x stop-container alpha web", There::Pipe("")).await;
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .out
            .contains("  failed     web  it did not stop\nfailed: 1 failed"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn a_refusal_says_why_with_its_code() {
    let protected = json!({ "error": "periphery is protected: it runs the agent", "trace": [], "code": "protected", "request_id": "r7" });
    let core = core(&[("StopContainer", 409, protected)]).await;
    let ended = km(
        &core,
        "km x stop-container alpha periphery",
        There::Pipe(""),
    )
    .await;
    assert_eq!((ended.code, ended.out.as_str()), (3, ""));
    assert_eq!(
        ended.err,
        "error: periphery is protected: it runs the agent [protected]\nrequest id: r7\n"
    );
}

#[tokio::test]
async fn without_waiting_the_id_is_all_there_is() {
    let core = core(&[("StopContainer", 200, update("InProgress", true, &json!([])))]).await;
    let ended = km(
        &core,
        "km x stop-container alpha web --no-wait",
        There::Pipe(""),
    )
    .await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "65aa00000000000000000001\n")
    );
    assert_eq!(core.asked("GetUpdate"), Vec::<Value>::new());
}

#[tokio::test]
async fn json_is_all_there_is_on_standard_output() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        (
            "StopAllContainers",
            200,
            update("InProgress", true, &json!([])),
        ),
        ("GetUpdate", 200, update("Complete", true, &verdicts())),
    ])
    .await;
    let ended = km(
        &core,
        "km x -f json -y stop-all-containers alpha",
        There::Pipe(""),
    )
    .await;
    let printed: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(printed["verdicts"].as_array().unwrap().len(), 3);
    assert!(ended.err.contains("Will be stopped (1)"), "{}", ended.err);
}

#[tokio::test]
async fn a_core_without_plans_is_asked_about_all_the_same() {
    let unknown = json!({ "error": "unknown variant `PlanOperation`", "trace": [] });
    let core = core(&[
        ("PlanOperation", 500, unknown),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &json!([])),
        ),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("yes\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("cannot say beforehand")
            && ended.err.contains("Stop all containers on alpha?"),
        "{}",
        ended.err
    );
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha" })]
    );
}

#[tokio::test]
async fn what_is_shown_once_stands_alone() {
    let created = json!({ "private_key": "join-string", "created": { "name": "racks" } });
    let core = core(&[("CreateOnboardingKey", 200, created)]).await;
    let ended = km(&core, "km create onboarding-key racks", There::Pipe("")).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "join-string\n"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("join-string"));
}

#[tokio::test]
async fn a_container_on_two_servers_has_to_be_named_with_its_server() {
    let containers = json!([
        { "server_id": "a", "server_name": "alpha", "name": "web", "id": "1", "state": "running" },
        { "server_id": "b", "server_name": "beta", "name": "web", "id": "2", "state": "running" },
        { "server_id": "b", "server_name": "beta", "name": "db", "id": "0123456789abcdef", "state": "running" },
    ]);
    let log = json!({
        "stage": "", "command": "", "stdout": "2026-01-01T00:00:02Z out\n", "stderr": "2026-01-01T00:00:01Z err\n",
        "success": true, "start_ts": 0, "end_ts": 0,
    });
    let core = core(&[
        ("ListAllContainers", 200, containers),
        ("GetContainerLog", 200, log),
    ])
    .await;
    let ended = km(&core, "km logs web", There::Pipe("")).await;
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.err,
        "error: there are 2 containers 'web', on alpha, beta\nhint: name the server, too\n"
    );
    for line in ["km logs db", "km logs 0123456789ab", "km logs beta db"] {
        let ended = km(&core, line, There::Pipe("")).await;
        assert_eq!(
            (ended.code, ended.out.as_str(), ended.err.as_str()),
            (0, "out\n", "err\n"),
            "{line}"
        );
    }
    assert_eq!(core.asked("GetContainerLog").len(), 3);
    let ended = km(&core, "km logs nothing", There::Pipe("")).await;
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .err
            .starts_with("error: there is no container 'nothing'"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn signing_in_stores_a_key_and_no_password() {
    let core = core(&[
        (
            "LoginLocalUser",
            200,
            json!({ "type": "Jwt", "data": { "jwt": "token" } }),
        ),
        (
            "CreateApiKey",
            200,
            json!({ "key": "K_new_K", "secret": "S_new_S" }),
        ),
    ])
    .await;
    let folder = std::env::temp_dir().join(format!("km-login-{}", std::process::id()));
    let file = folder.join("new/komodo.cli.toml");
    let (terminal, out, err) = terminal("admin\nhunter2\n");
    let environment: Environment = [(
        "KOMODO_CLI_CONFIG_PATHS".to_owned(),
        folder.join("new").display().to_string(),
    )]
    .into();
    let km = Km::try_parse_from(["km", "login", &core.address, "-p", "home"]).unwrap();
    let ended = run(km, &environment, terminal).await;
    assert!(
        ended.is_ok(),
        "{:?}",
        ended.err().map(|(failure, _)| failure)
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        text.contains("K_new_K") && text.contains("S_new_S") && text.contains("home"),
        "{text}"
    );
    assert!(
        text.contains(&core.address) && !text.contains("hunter2") && !text.contains("token"),
        "{text}"
    );
    let printed = format!("{}{}", out.text(), err.text());
    assert!(
        !printed.contains("S_new_S") && !printed.contains("hunter2"),
        "{printed}"
    );
    assert_eq!(
        core.asked("LoginLocalUser"),
        [json!({ "username": "admin", "password": "hunter2" })]
    );
}

#[tokio::test]
async fn containers_that_do_not_run_are_counted_and_not_shown() {
    let containers = json!([
        { "server_name": "alpha", "name": "web", "state": "running" },
        { "server_name": "alpha", "name": "old", "state": "exited" },
    ]);
    let core = core(&[("ListAllContainers", 200, containers)]).await;
    let ended = km(&core, "km ps", There::Pipe("")).await;
    assert!(
        ended.out.contains("web") && !ended.out.contains("old"),
        "{}",
        ended.out
    );
    assert_eq!(ended.err, "1 container not running; -a shows all\n");
    let ended = km(&core, "km ps -a", There::Pipe("")).await;
    assert!(ended.out.contains("old"), "{}", ended.out);
}

#[tokio::test]
async fn a_server_or_container_that_is_unknown_is_an_error_and_no_empty_list() {
    let servers = |names: &[&str]| {
        let info = json!({
            "state": "Ok", "err": null, "stats": null, "alerting_thresholds": {}, "core_count": 2,
            "logical_core_count": 4, "region": "", "address": null, "external_address": null, "public_ip": null,
            "send_unreachable_alerts": true, "send_cpu_alerts": true, "send_mem_alerts": true,
            "send_disk_alerts": true, "send_version_mismatch_alerts": true, "version": "0.1.0", "public_key": null,
            "attempted_public_key": null, "terminals_disabled": false, "container_terminals_disabled": false,
        });
        let server = |name: &&str| {
            json!({
                "id": format!("id-of-{name}"), "type": "Server", "name": name, "template": false, "tags": [],
                "info": info,
            })
        };
        Value::Array(names.iter().map(server).collect())
    };
    let core = core(&[
        ("ListAllContainers", 200, json!([])),
        ("ListServers", 200, servers(&["alpha"])),
    ])
    .await;
    for (line, code, out) in [
        (
            "km ps -s nosuch",
            3,
            "error: there is no server 'nosuch' that you may read [not_found]\nhint: `km ls` lists the servers\n",
        ),
        (
            "km ps nosuch",
            3,
            "error: there is no container 'nosuch' that you may read [not_found]\nhint: `km ps -a` lists all containers, `km ls` the servers\n",
        ),
        (
            "km ps alpha",
            3,
            "error: there is no container 'alpha' that you may read [not_found]\nhint: that is the name of a server; `km ps -s SERVER` lists its containers\n",
        ),
        (
            "km inspect -s nosuch web",
            3,
            "error: there is no server 'nosuch' that you may read [not_found]\nhint: `km ls` lists the servers\n",
        ),
        ("km ps -s alpha", 0, "no containers\n"),
        ("km ps -s ID-of-alpha", 0, "no containers\n"),
        ("km ps", 0, "no containers\n"),
    ] {
        let ended = km(&core, line, There::Pipe("")).await;
        assert_eq!((ended.code, ended.err.as_str()), (code, out), "{line}");
    }
}
