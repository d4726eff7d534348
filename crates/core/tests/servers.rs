//! Servers: lists and their filters, changes and their records.

use komodo_api::{
    permission::{PermissionLevel, PermissionLevelAndSpecifics, SpecificPermission},
    resource::{ResourceTarget, ResourceTargetVariant},
};
use serde_json::{Value, json};

use crate::harness::Core;

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|item| item["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn from_creation_to_deletion() {
    let core = Core::start().await;
    let created = core
        .ask(
            "/write/CreateServer",
            json!({ "name": " web\n1 ", "config": { "region": "here" } }),
        )
        .await
        .ok();
    assert_eq!(created["name"], json!("web_1"));
    assert_eq!(
        (&created["config"]["region"], &created["config"]["enabled"]),
        (&json!("here"), &json!(false))
    );
    let id = created["_id"]["$oid"].as_str().expect("an id").to_owned();
    assert_eq!(
        core.ask("/read/GetServer", json!({ "server": "web_1" }))
            .await
            .ok(),
        created
    );

    // A change is stored, recorded with what was before and after, and read back.
    let change = json!({ "id": "web_1", "config": { "enabled": true, "cpu_warning": 80.0, "region": null } });
    let changed = core.ask("/write/UpdateServer", change.clone()).await.ok();
    assert_eq!(
        (&changed["config"]["enabled"], &changed["config"]["region"]),
        (&json!(true), &json!("here"))
    );
    let updates = core
        .ask(
            "/read/ListUpdates",
            json!({ "query": { "operation": "UpdateServer" } }),
        )
        .await
        .ok();
    let update = core
        .ask(
            "/read/GetUpdate",
            json!({ "id": updates["updates"][0]["id"] }),
        )
        .await
        .ok();
    assert!(
        update["prev_toml"]
            .as_str()
            .expect("TOML")
            .contains("region = \"here\""),
        "{update}"
    );
    assert!(
        !update["prev_toml"]
            .as_str()
            .expect("TOML")
            .contains("enabled"),
        "{update}"
    );
    assert!(
        update["current_toml"]
            .as_str()
            .expect("TOML")
            .contains("cpu_warning = 80.0"),
        "{update}"
    );
    assert_eq!(update["target"], json!({ "type": "Server", "id": id }));
    assert_eq!(update["operator"], json!(core.admin));
    // The same again changes nothing and leaves no record.
    assert_eq!(core.ask("/write/UpdateServer", change).await.ok(), changed);
    let again = core
        .ask(
            "/read/ListUpdates",
            json!({ "query": { "operation": "UpdateServer" } }),
        )
        .await
        .ok();
    assert_eq!(again, updates);

    let renamed = core
        .ask("/write/RenameServer", json!({ "id": id, "name": "web-2" }))
        .await
        .ok();
    assert_eq!(
        (&renamed["operation"], &renamed["status"]),
        (&json!("RenameServer"), &json!("Complete"))
    );
    core.ask("/read/GetServer", json!({ "server": "web_1" }))
        .await
        .refused(404, "not_found");
    core.ask("/write/CreateServer", json!({ "name": "other" }))
        .await
        .ok();
    core.ask("/write/RenameServer", json!({ "id": id, "name": "other" }))
        .await
        .refused(409, "conflict");

    let deleted = core
        .ask("/write/DeleteServer", json!({ "id": "web-2" }))
        .await
        .ok();
    assert_eq!(deleted["_id"]["$oid"], json!(id));
    core.ask("/read/GetServer", json!({ "server": id }))
        .await
        .refused(404, "not_found");
    assert_eq!(
        names(&core.ask("/read/ListServers", json!({})).await.ok()),
        ["other"]
    );
    let records = core
        .ask("/read/ListUpdates", json!({ "query": { "target.id": id } }))
        .await
        .ok();
    let operations: Vec<_> = records["updates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|update| update["operation"].clone())
        .collect();
    assert_eq!(
        operations,
        [
            "DeleteServer",
            "RenameServer",
            "UpdateServer",
            "CreateServer"
        ]
    );
}

#[tokio::test]
async fn names_have_rules() {
    let core = Core::start().await;
    for bad in [
        "",
        "  ",
        "6b03cee55639f5296c6951f9",
        "bell\u{7}",
        &"x".repeat(201),
    ] {
        core.ask("/write/CreateServer", json!({ "name": bad }))
            .await
            .refused(400, "invalid");
    }
    core.ask("/write/CreateServer", json!({ "name": "web" }))
        .await
        .ok();
    let taken = core
        .ask("/write/CreateServer", json!({ "name": " web" }))
        .await;
    taken.refused(409, "conflict");
    assert_eq!(taken.body["params"]["name"], json!("web"));
    core.ask(
        "/write/CreateServer",
        json!({ "name": "odd ' \" ; -- 名前 👍" }),
    )
    .await
    .ok();
    core.ask(
        "/read/GetServer",
        json!({ "server": "odd ' \" ; -- 名前 👍" }),
    )
    .await
    .ok();
    core.ask(
        "/write/CreateServer",
        json!({ "name": "x", "public_key": "no key" }),
    )
    .await
    .refused(400, "invalid");
}

#[tokio::test]
async fn of_two_at_once_one_gets_the_name() {
    let core = Core::start().await;
    let create = || core.ask("/write/CreateServer", json!({ "name": "web" }));
    let (a, b, c) = tokio::join!(create(), create(), create());
    let mut codes = [a.status.as_u16(), b.status.as_u16(), c.status.as_u16()];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409, 409]);
}

#[tokio::test]
async fn lists_filter_sort_and_page() {
    let core = Core::start_with(|config| config.default_pagination_limit = 3).await;
    for name in ["delta", "Alpha", "charlie", "bravo"] {
        core.server(name).await;
    }
    let id = core.app.desired.snapshot().servers_by_name["bravo"].to_string();
    core.ask(
        "/write/UpdateServer",
        json!({ "id": "delta", "config": { "enabled": false } }),
    )
    .await
    .ok();
    let list = async |params: Value| core.ask("/read/ListServers", params).await;
    let first = list(json!({})).await;
    assert_eq!(first.headers["x-total-count"], "4");
    assert!(first.headers.contains_key("x-as-of"));
    assert_eq!(names(&first.ok()), ["Alpha", "bravo", "charlie"]);
    let cases = [
        (json!({ "page": 1 }), vec!["delta"]),
        (json!({ "page": 9 }), vec![]),
        (
            json!({ "limit": 0 }),
            vec!["Alpha", "bravo", "charlie", "delta"],
        ),
        (
            json!({ "limit": 2, "sort_desc": true }),
            vec!["delta", "charlie"],
        ),
        (
            json!({ "query": { "terms": ["A", "l"] } }),
            vec!["Alpha", "charlie", "delta"],
        ),
        (json!({ "query": { "terms": "al, ph" } }), vec!["Alpha"]),
        (
            json!({ "query": { "names": ["bravo", "delta"] } }),
            vec!["bravo", "delta"],
        ),
        (json!({ "query": { "names": [id] } }), vec!["bravo"]),
        (
            json!({ "query": { "names": [id, "bravo"] } }),
            vec!["bravo"],
        ),
        (json!({ "query": { "names": [id, "delta"] } }), vec![]),
        (
            json!({ "query": { "specific": { "states": ["Disabled"] } } }),
            vec!["delta"],
        ),
        (json!({ "query": { "templates": "Only" } }), vec![]),
        (
            json!({ "sort_by": "State", "limit": 4 }),
            vec!["Alpha", "bravo", "charlie", "delta"],
        ),
    ];
    for (params, expected) in cases {
        let answer = list(params.clone()).await.ok();
        assert_eq!(names(&answer), expected, "{params}");
        if params.get("sort_by").is_none() && params.get("sort_desc").is_none() {
            let full = core.ask("/read/ListFullServers", params.clone()).await.ok();
            assert_eq!(names(&full), expected, "{params}");
        }
    }
    list(json!({ "query": { "tags": ["no such tag"] } }))
        .await
        .refused(404, "not_found");
    let summary = core.ask("/read/GetServersSummary", json!({})).await.ok();
    assert_eq!(
        summary,
        json!({ "total": 4, "healthy": 0, "warning": 0, "unhealthy": 3, "disabled": 1 })
    );
}

#[tokio::test]
async fn everybody_sees_what_he_may_read() {
    let core = Core::start().await;
    let (a, b, _c) = (
        core.server("a").await,
        core.server("b").await,
        core.server("c").await,
    );
    let user = core.user("ada", |_| {}).await;
    let list = async || {
        let answer = core
            .post("/read/ListServers", &core.token(user), &json!({}))
            .await
            .ok();
        names(&answer).join(" ")
    };
    assert_eq!(list().await, "");
    core.grant(user, b, PermissionLevel::Read, &[]).await;
    assert_eq!(list().await, "b");
    let summary = core
        .post("/read/GetServersSummary", &core.token(user), &json!({}))
        .await
        .ok();
    assert_eq!(summary["total"], json!(1));
    core.update(ResourceTarget::Server(a.to_string())).await;
    let seen = core.update(ResourceTarget::Server(b.to_string())).await;
    let updates = core
        .post("/read/ListUpdates", &core.token(user), &json!({}))
        .await
        .ok();
    let ids: Vec<_> = updates["updates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|update| update["id"].clone())
        .collect();
    assert_eq!(ids, [json!(seen)]);
    let user = core
        .user("all", |account| {
            account
                .user
                .all
                .insert(ResourceTargetVariant::Server, PermissionLevel::Read.into());
        })
        .await;
    let answer = core
        .post("/read/ListServers", &core.token(user), &json!({}))
        .await
        .ok();
    assert_eq!(names(&answer), ["a", "b", "c"]);
}

#[tokio::test]
async fn who_creates_a_server_may_do_everything_with_it() {
    let core = Core::start().await;
    let user = core
        .user("ada", |account| {
            account.user.create_server_permissions = true
        })
        .await;
    let ask = async |path: &str, params: Value| core.post(path, &core.token(user), &params).await;
    let created = ask("/write/CreateServer", json!({ "name": "mine" }))
        .await
        .ok();
    core.server("not mine").await;
    ask(
        "/write/UpdateServer",
        json!({ "id": "mine", "config": { "region": "x" } }),
    )
    .await
    .ok();
    ask(
        "/write/UpdateServer",
        json!({ "id": "not mine", "config": {} }),
    )
    .await
    .refused(404, "not_found");
    let state = core.app.desired.snapshot();
    let target = ResourceTarget::Server(created["_id"]["$oid"].as_str().expect("an id").into());
    let held = komodo_core::auth::access(&state, &state.accounts[&user], &target);
    let all: PermissionLevelAndSpecifics = serde_json::from_value(
        json!({ "level": "Write", "specific": ["Terminal", "Attach", "Inspect", "Logs", "Processes"] }),
    )
    .expect("a permission");
    assert_eq!(held, all);
    assert!(held.specific.contains(&SpecificPermission::Logs));
    // Deleting it takes the grants along.
    ask("/write/DeleteServer", json!({ "id": "mine" }))
        .await
        .ok();
    assert!(core.app.desired.snapshot().permissions.is_empty());
    let core = Core::start_with(|config| config.disable_non_admin_create = true).await;
    let user = core
        .user("ada", |account| {
            account.user.create_server_permissions = true
        })
        .await;
    core.post(
        "/write/CreateServer",
        &core.token(user),
        &json!({ "name": "x" }),
    )
    .await
    .refused(403, "forbidden");
}

#[tokio::test]
async fn everybody_may_ask_what_he_may_do_with_a_server() {
    let core = Core::start().await;
    let (mine, other) = (core.server("mine").await, core.server("other").await);
    let user = core.user("ada", |_| {}).await;
    core.grant(
        user,
        mine,
        PermissionLevel::Execute,
        &[SpecificPermission::Logs],
    )
    .await;
    for (who, server, level, specific) in [
        (user, mine, "Execute", json!(["Logs"])),
        (user, other, "None", json!([])),
        (
            core.admin,
            other,
            "Write",
            json!(["Terminal", "Attach", "Inspect", "Logs", "Processes"]),
        ),
    ] {
        let target = json!({ "target": { "type": "Server", "id": server } });
        let held = core
            .post("/read/GetPermission", &core.token(who), &target)
            .await
            .ok();
        assert_eq!(held, json!({ "level": level, "specific": specific }));
    }
}

#[tokio::test]
async fn a_server_without_an_agent_says_so() {
    let core = Core::start().await;
    core.server("web").await;
    let state = core
        .ask("/read/GetServerState", json!({ "server": "web" }))
        .await
        .ok();
    assert_eq!(
        (&state["status"], &state["reason"]["code"]),
        (&json!("NotOk"), &json!("never_connected"))
    );
    for request in [
        "GetPeripheryInformation",
        "GetSystemInformation",
        "GetSystemStats",
    ] {
        let answer = core
            .ask(&format!("/read/{request}"), json!({ "server": "web" }))
            .await;
        answer.refused(503, "server_unreachable");
        assert!(
            answer.error().contains("no agent ever connected"),
            "{request}: {}",
            answer.error()
        );
    }
    core.ask("/execute/StopAllContainers", json!({ "server": "web" }))
        .await
        .refused(503, "server_unreachable");
    core.ask(
        "/write/UpdateServer",
        json!({ "id": "web", "config": { "enabled": false } }),
    )
    .await
    .ok();
    core.ask("/execute/StopAllContainers", json!({ "server": "web" }))
        .await
        .refused(409, "server_disabled");
}

#[tokio::test]
async fn queries_of_updates_are_those_of_mongodb() {
    let core = Core::start().await;
    let server = core.server("web").await.to_string();
    core.ask(
        "/write/UpdateServer",
        json!({ "id": "web", "config": { "region": "x" } }),
    )
    .await
    .ok();
    core.ask(
        "/write/RenameServer",
        json!({ "id": "web", "name": "web2" }),
    )
    .await
    .ok();
    let count = async |query: Value| {
        let answer = core
            .ask("/read/ListUpdates", json!({ "query": query }))
            .await
            .ok();
        answer["updates"].as_array().expect("a list").len()
    };
    for (query, expected) in [
        (json!(null), 2),
        (json!({}), 2),
        (json!({ "target.type": "Server", "target.id": server }), 2),
        (json!({ "target.type": "Stack" }), 0),
        (
            json!({ "operation": { "$in": ["RenameServer", "DeleteServer"] } }),
            1,
        ),
        (json!({ "operation": { "$nin": ["RenameServer"] } }), 1),
        (
            json!({ "$or": [{ "operation": "RenameServer" }, { "operation": "UpdateServer" }] }),
            2,
        ),
        (
            json!({ "$and": [{ "success": true }, { "operation": { "$ne": "RenameServer" } }] }),
            1,
        ),
        (
            json!({ "start_ts": { "$gt": 0, "$lte": 9_999_999_999_999_i64 } }),
            2,
        ),
        (json!({ "prev_toml": { "$exists": true } }), 1),
        (
            json!({ "operation": { "$regex": "^rename", "$options": "i" } }),
            1,
        ),
        (json!({ "logs.stage": "Rename Server" }), 1),
    ] {
        assert_eq!(count(query.clone()).await, expected, "{query}");
    }
    let list = core.ask("/read/ListUpdates", json!({})).await.ok();
    assert_eq!(
        count(json!({ "_id": { "$oid": list["updates"][0]["id"] } })).await,
        1
    );
    let odd = core
        .ask(
            "/read/ListUpdates",
            json!({ "query": { "a": { "$where": "1" } } }),
        )
        .await;
    odd.refused(400, "invalid");
    assert!(odd.error().contains("$where"), "{}", odd.error());
}
