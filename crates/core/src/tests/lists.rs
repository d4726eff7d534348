//! Lists, summaries and logs.

use komodo_api::{
    Code, Module,
    live::LogStream,
    permission::{PermissionLevel, SpecificPermission},
};
use serde_json::{Value, json};

use super::harness::Core;

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn all_containers_are_filtered_sorted_and_paged() {
    let mut core = Core::start().await;
    let alpha = core
        .host(
            "alpha",
            &[
                "web image=nginx:2",
                "db image=postgres exited",
                "kept skip=true",
            ],
        )
        .await;
    core.host("beta", &["web image=nginx:1", "cache paused image=redis"])
        .await;
    let list = async |params: Value| core.read("ListAllContainers", params).await;
    assert_eq!(
        names(&list(json!({})).await),
        ["cache", "db", "kept", "web", "web"]
    );
    assert_eq!(
        names(&list(json!({ "servers": ["alpha"] })).await),
        ["db", "kept", "web"]
    );
    assert_eq!(
        names(&list(json!({ "servers": [alpha.id] })).await),
        ["db", "kept", "web"]
    );
    assert_eq!(
        names(&list(json!({ "terms": ["E", "B"] })).await),
        ["web", "web"]
    );
    assert_eq!(
        names(&list(json!({ "state": ["exited", "paused"] })).await),
        ["cache", "db"]
    );
    assert_eq!(
        names(&list(json!({ "sort_by": "Image", "state": ["running"] })).await),
        ["kept", "web", "web"]
    );
    let by_server = list(json!({ "sort_by": "Server", "sort_desc": true })).await;
    assert_eq!(by_server[0]["server_name"], "beta");
    assert_eq!(
        names(&list(json!({ "limit": 2, "page": 1 })).await),
        ["kept", "web"]
    );
    assert_eq!(
        names(&list(json!({ "limit": 2, "page": 9 })).await),
        Vec::<&str>::new()
    );
    let ask = core
        .ask(
            core.admin,
            Module::Read,
            "ListAllContainers",
            json!({ "limit": 1 }),
        )
        .await
        .expect("it lists");
    assert_eq!(ask.1["x-total-count"], "5");
    assert_eq!(
        core.read("GetContainersSummary", json!({})).await,
        json!({ "total": 5, "running": 3, "stopped": 2, "unhealthy": 0, "unknown": 0 })
    );
    let unknown = core
        .ask(
            core.admin,
            Module::Read,
            "ListAllContainers",
            json!({ "tags": ["nope"] }),
        )
        .await;
    assert_eq!(unknown.expect_err("no such tag").code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn lists_hold_only_what_may_be_read() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["a"]).await;
    core.host("beta", &["b"]).await;
    let reader = core
        .user("reader", alpha.id, PermissionLevel::Read, &[])
        .await;
    let (list, _) = core
        .ask(reader, Module::Read, "ListAllContainers", json!({}))
        .await
        .expect("it lists");
    assert_eq!(names(&list), ["a"]);
    let (summary, _) = core
        .ask(reader, Module::Read, "GetContainersSummary", json!({}))
        .await
        .expect("it counts");
    assert_eq!(summary["total"], 1);
    for (request, module) in [
        ("ListContainers", Module::Read),
        ("ListProtected", Module::Read),
    ] {
        let error = core
            .ask(reader, module, request, json!({ "server": "beta" }))
            .await
            .expect_err("may not know");
        assert_eq!(error.code, Code::NotFound);
    }
    let inspect = json!({ "server": "alpha", "container": "a" });
    let error = core
        .ask(reader, Module::Read, "InspectContainer", inspect.clone())
        .await
        .expect_err("needs Inspect");
    assert_eq!(error.code, Code::Forbidden);
    let error = core
        .ask(reader, Module::Read, "GetContainerLog", inspect)
        .await
        .expect_err("needs Logs");
    assert_eq!(error.code, Code::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn logs_are_read_and_searched() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    for n in 0..60 {
        host.world
            .log("web", LogStream::Stdout, &format!("GET /{n}"));
    }
    host.world.log("web", LogStream::Stderr, "it broke");
    let reader = core
        .user(
            "reader",
            host.id,
            PermissionLevel::Read,
            &[SpecificPermission::Logs],
        )
        .await;
    let ask = async |request: &str, params: Value| {
        core.ask(reader, Module::Read, request, params)
            .await
            .expect("it is read")
            .0
    };
    let log = ask(
        "GetContainerLog",
        json!({ "server": "alpha", "container": "web", "tail": 3 }),
    )
    .await;
    assert_eq!(
        (&log["stdout"], &log["stderr"]),
        (&json!("GET /58\nGET /59\n"), &json!("it broke\n"))
    );
    assert_eq!(log["stage"], "Get container log");
    assert_eq!(log["command"], "docker logs --tail 3 -- web");
    let log = ask(
        "GetContainerLog",
        json!({ "server": "alpha", "container": "web" }),
    )
    .await;
    assert_eq!(
        log["stdout"].as_str().expect("text").lines().count(),
        49,
        "50 lines, one of them an error"
    );
    let search = json!({ "server": "alpha", "container": "web", "terms": ["/5", "GET"], "combinator": "And" });
    let log = ask("SearchContainerLog", search).await;
    assert_eq!(
        log["stdout"].as_str().expect("text").lines().count(),
        11,
        "5 and 50 to 59"
    );
    assert_eq!(host.world.log_readers("web"), 0, "no request is left open");
    let gone = core
        .ask(
            reader,
            Module::Read,
            "GetContainerLog",
            json!({ "server": "alpha", "container": "nope" }),
        )
        .await;
    assert_eq!(gone.expect_err("no such container").code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn protected_containers_are_listed_with_all_reasons() {
    let mut core = Core::start().await;
    core.host("alpha", &["periphery skip=true", "dns protect=true", "web"])
        .await;
    let listed = core
        .read("ListProtected", json!({ "server": "alpha" }))
        .await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (
            &listed[0]["container"],
            &listed[0]["protected"][0]["reason"]
        ),
        (&json!("dns"), &json!("declared"))
    );
    let reasons: Vec<_> = listed[1]["protected"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|one| &one["reason"])
        .collect();
    assert_eq!(reasons, [&json!("agent"), &json!("label")]);
}
