//! Transport: forms of requests, mistakes in them, headers, the page.

use http::Method;
use komodo_api::operations;
use serde_json::json;

use crate::harness::{Core, Credentials};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn both_forms_and_aliases_answer_the_same() {
    let core = Core::start().await;
    let server = core.server("web").await;
    let params = json!({ "server": "web" });
    let named = core.ask("/read/GetServer", params.clone()).await.ok();
    let enveloped = core
        .ask("/read", json!({ "type": "GetServer", "params": params }))
        .await
        .ok();
    assert_eq!(named, enveloped);
    assert_eq!(named["_id"]["$oid"], json!(server));
    for alias in ["id", "name"] {
        assert_eq!(
            core.ask("/read/GetServer", json!({ alias: server }))
                .await
                .ok(),
            named
        );
    }
    // Old names of requests.
    let old = core
        .ask("/read/ListDockerContainers", json!({ "server": "web" }))
        .await;
    assert_eq!(
        old.ok(),
        core.ask(
            "/read",
            json!({ "type": "ListContainers", "params": { "server": "web" } })
        )
        .await
        .ok()
    );
    // One address for both parts of sign-in, which some clients use.
    let options = core
        .post(
            "/auth",
            &Credentials::default(),
            &json!({ "type": "GetLoginOptions", "params": {} }),
        )
        .await;
    assert_eq!(options.ok()["local"], json!(true));
    core.ask(
        "/auth",
        json!({ "type": "CreateApiKey", "params": { "name": "k" } }),
    )
    .await
    .ok();
    core.post(
        "/auth",
        &Credentials::default(),
        &json!({ "type": "CreateApiKey", "params": { "name": "k" } }),
    )
    .await
    .refused(401, "unauthenticated");
}

#[tokio::test]
async fn mistakes_say_where_they_are() {
    let core = Core::start().await;
    let admin = core.token(core.admin);
    let send = async |path: &str, content_type: &str, body: &str| {
        core.send(
            Method::POST,
            path,
            &admin,
            &[("content-type", content_type)],
            body.to_owned(),
        )
        .await
    };
    send("/read", "application/json", "")
        .await
        .refused(400, "bad_json");
    send("/read", "application/json", "{\"type\": ")
        .await
        .refused(400, "bad_json");
    send("/read/ListServers", "application/json", "{} {}")
        .await
        .refused(400, "bad_json");
    send("/read", "text/plain", "{}")
        .await
        .refused(415, "unsupported_media_type");
    send("/read", "application/json", r#"{"type":"GetVersion"}"#)
        .await
        .refused(422, "unprocessable");
    send(
        "/read",
        "application/json",
        r#"{"type":"GetVersion","params":null}"#,
    )
    .await
    .refused(422, "unprocessable");
    send(
        "/read",
        "application/json; charset=utf-8",
        r#"{"type":"GetVersion","params":{}}"#,
    )
    .await
    .ok();
    let missing = send("/read/GetServer", "application/json", "{}").await;
    missing.refused(422, "unprocessable");
    assert!(
        missing.error().contains("missing field `server`"),
        "{}",
        missing.error()
    );
    let deep = send(
        "/read/ListServers",
        "application/json",
        r#"{"query":{"specific":{"states":["Ok","Odd"]}}}"#,
    )
    .await;
    deep.refused(422, "unprocessable");
    assert_eq!(
        deep.body["params"]["path"],
        json!("query.specific.states[1]")
    );
    send("/read/ListServers", "application/json", r#"{"query":null}"#)
        .await
        .refused(422, "unprocessable");
    send(
        "/read/GetServer",
        "application/json",
        r#"{"server":"a","id":"a"}"#,
    )
    .await
    .refused(422, "unprocessable");
    let unknown = send(
        "/read",
        "application/json",
        r#"{"type":"NoSuchRequest","params":{}}"#,
    )
    .await;
    unknown.refused(422, "unprocessable");
    assert!(
        unknown.body["request_id"].is_string() && unknown.body["trace"].is_array(),
        "{}",
        unknown.body
    );
    let later = send("/read/GetStack", "application/json", r#"{"stack":"x"}"#).await;
    later.refused(501, "not_built");
    assert_eq!(later.body["params"]["request"], json!("GetStack"));
}

#[tokio::test]
async fn bodies_have_a_limit_and_the_client_gets_to_see_it() {
    let core = Core::start().await;
    let admin = core.token(core.admin);
    let sized = |bytes: usize| {
        format!(
            r#"{{"type":"GetVersion","params":{{}},"x":"{}"}}"#,
            "x".repeat(bytes)
        )
    };
    core.send(
        Method::POST,
        "/read",
        &admin,
        &[JSON],
        sized(2 * 1024 * 1024 - 200),
    )
    .await
    .ok();
    let large = core
        .send(
            Method::POST,
            "/read",
            &admin,
            &[JSON],
            sized(3 * 1024 * 1024),
        )
        .await;
    large.refused(413, "body_too_large");
    // Also where the request is refused before its body is looked at.
    core.send(
        Method::POST,
        "/read",
        &Credentials::default(),
        &[JSON],
        sized(3 * 1024 * 1024),
    )
    .await
    .refused(401, "unauthenticated");
}

#[tokio::test]
async fn other_methods_and_paths() {
    let core = Core::start().await;
    let nobody = Credentials::default();
    core.get("/read", &[])
        .await
        .refused(405, "method_not_allowed");
    core.get("/read/ListServers", &[])
        .await
        .refused(405, "method_not_allowed");
    core.post("/no/such/path", &nobody, &json!({}))
        .await
        .refused(404, "not_found");
    // Where the page never has anything, nobody gets it.
    for path in ["/api/x", "/ws/x", "/read/a/b", "/auth/x"] {
        let missing = core.get(path, &[]).await;
        missing.refused(404, "not_found");
        assert_eq!(
            missing.headers["content-type"], "application/json",
            "{path}"
        );
    }
    let wrong = core.post("/auth/LoginLocalUser", &nobody, &json!({})).await;
    wrong.refused(404, "not_found");
    assert!(
        wrong.error().contains("POST /auth/login/LoginLocalUser"),
        "{}",
        wrong.error()
    );
    core.get("/assets/missing.js", &[])
        .await
        .refused(404, "not_found");
    let foreign = core
        .get(
            "/ws/periphery?server=a",
            &[("connection", "upgrade"), ("upgrade", "websocket")],
        )
        .await;
    foreign.refused(400, "invalid");
    assert!(foreign.error().contains("replace"), "{}", foreign.error());
}

#[tokio::test]
async fn the_page_is_served_and_finds_its_own_way() {
    let core = Core::start().await;
    let page = core.get("/", &[]).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .expect("text")
            .contains("default-src 'self'")
    );
    let deep = core.get("/servers/6b03cee55639f5296c6951f9", &[]).await;
    assert_eq!((deep.status.as_u16(), &deep.bytes), (200, &page.bytes));
    let etag = page.headers["etag"].to_str().expect("text");
    assert_eq!(core.get("/", &[("if-none-match", etag)]).await.status, 304);
    let plain = page.bytes.len();
    for (accept, encoding) in [
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("br;q=0, gzip", "gzip"),
    ] {
        let packed = core.get("/", &[("accept-encoding", accept)]).await;
        if let Some(found) = packed.headers.get("content-encoding") {
            assert_eq!(found, encoding);
            assert!(packed.bytes.len() < plain);
        } else {
            // Too small to be worth it.
            assert!(plain < 1024, "a page of {plain} bytes goes out as it is");
        }
    }
}

#[tokio::test]
async fn small_things_without_credentials() {
    let core = Core::start().await;
    let version = core.get("/version", &[]).await;
    assert_eq!(version.bytes, "2.3.2");
    assert_eq!(core.get("/health", &[]).await.ok()["database"], json!("ok"));
    let document = core.get("/docs/openapi.json", &[]).await.ok();
    for spec in operations() {
        let path = format!("{}/{}", spec.module.path(), spec.name);
        assert!(
            document["paths"].get(&path).is_some(),
            "{path} is not in the document"
        );
    }
    for path in ["/", "/version", "/read"] {
        let answer = core.get(path, &[]).await;
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(
            answer.headers["referrer-policy"], "strict-origin-when-cross-origin",
            "{path}"
        );
    }
}

#[tokio::test]
async fn other_origins_only_where_settings_say_so() {
    let core = Core::start_with(|config| {
        config.cors_allowed_origins = vec!["https://good.example".into()]
    })
    .await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        core.send(
            Method::OPTIONS,
            "/read",
            &Credentials::default(),
            &headers,
            "",
        )
        .await
    };
    let good = preflight("https://good.example").await;
    assert_eq!(
        good.headers["access-control-allow-origin"],
        "https://good.example"
    );
    assert_eq!(
        good.headers["access-control-allow-headers"],
        "authorization"
    );
    let bad = preflight("https://bad.example").await;
    assert_eq!(bad.status, 200);
    assert!(!bad.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn not_built_names_are_of_the_contract_and_not_in_the_list() {
    for line in komodo_core::dispatch::NOT_BUILT.lines() {
        let (module, name) = line.rsplit_once('/').expect("module/Name");
        let built = operations().into_iter().any(|spec| {
            spec.module.path() == format!("/{module}")
                && (spec.name == name || spec.aliases.contains(&name))
        });
        assert!(!built, "{line} is built: take it out of not_built.txt");
    }
}
