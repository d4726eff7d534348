//! Onboarding keys, and the decision about agents that bring one. Links themselves are tested with agents.

use komodo_api::{id::Id, resource::ResourceTarget};
use komodo_core::fleet::Onboard;
use komodo_link::{Identity, JoinString, JoinToken};
use serde_json::{Value, json};

use crate::harness::Core;

async fn make(core: &Core, params: Value) -> (Value, JoinToken) {
    let made = core.ask("/write/CreateOnboardingKey", params).await.ok();
    let join: JoinString = made["private_key"]
        .as_str()
        .expect("text")
        .parse()
        .expect("a join string");
    assert_eq!(join.core_key, core.app.identity.public_key());
    (made["created"].clone(), join.token)
}

fn agent_key() -> String {
    Identity::generate()
        .expect("a key")
        .public_key()
        .to_string()
}

async fn join(
    core: &Core,
    key: &str,
    token: Option<&JoinToken>,
    connect_as: &str,
) -> Result<Id, String> {
    core.app
        .onboard(key, token, connect_as)
        .await
        .map_err(|refusal| refusal.code)
}

#[tokio::test]
async fn an_agent_joins_and_its_key_is_pinned() {
    let core = Core::start().await;
    let (created, token) = make(&core, json!({ "name": "first" })).await;
    assert!(
        !created.to_string().contains(token.reveal()),
        "the key does not show its secret"
    );
    let key = agent_key();
    let id = join(&core, &key, Some(&token), "host-1")
        .await
        .expect("let in");
    let server = core
        .ask("/read/GetServer", json!({ "server": "host-1" }))
        .await
        .ok();
    assert_eq!(server["_id"]["$oid"], json!(id));
    assert_eq!(
        (&server["info"]["public_key"], &server["config"]["enabled"]),
        (&json!(key), &json!(true))
    );
    let keys = core.ask("/read/ListOnboardingKeys", json!({})).await.ok();
    assert_eq!(keys[0]["onboarded"], json!([id]));
    assert!(!keys.to_string().contains(token.reveal()));
    let query = json!({ "query": { "target.id": id } });
    let update = core.ask("/read/ListUpdates", query).await.ok()["updates"][0].clone();
    assert_eq!(
        (&update["operation"], &update["success"]),
        (&json!("CreateServer"), &json!(true))
    );
    // The key is not kept as it is.
    for file in ["komodo.db", "komodo.db-wal"] {
        let bytes = std::fs::read(core.app.config.data_directory.join(file)).unwrap_or_default();
        let found = bytes
            .windows(token.reveal().len())
            .any(|window| window == token.reveal().as_bytes());
        assert!(!found, "{file} holds the secret");
    }
}

#[tokio::test]
async fn who_may_not_join_is_told_why_and_shown() {
    let core = Core::start().await;
    let server = core.server("host").await;
    let (created, token) = make(&core, json!({ "name": "k" })).await;
    let key = agent_key();
    let other: JoinToken = JoinToken::generate().expect("a secret");
    assert_eq!(
        join(&core, &key, None, "host").await,
        Err("unknown_key".into())
    );
    assert_eq!(
        join(&core, &key, Some(&other), "host").await,
        Err("unknown_onboarding_key".into())
    );
    let info = core
        .ask("/read/GetServer", json!({ "server": server }))
        .await
        .ok()["info"]
        .clone();
    assert_eq!(
        info,
        json!({ "attempted_public_key": key, "public_key": "" })
    );
    let change = async |params: Value| {
        let mut params = params;
        params["public_key"] = created["public_key"].clone();
        core.ask("/write/UpdateOnboardingKey", params).await.ok()
    };
    change(json!({ "enabled": false })).await;
    assert_eq!(
        join(&core, &key, Some(&token), "new").await,
        Err("onboarding_key_disabled".into())
    );
    change(json!({ "enabled": true, "expires": 1 })).await;
    assert_eq!(
        join(&core, &key, Some(&token), "new").await,
        Err("onboarding_key_expired".into())
    );
    change(json!({ "expires": 0 })).await;
    assert_eq!(
        join(&core, &key, Some(&token), "6b03cee55639f5296c6951f9").await,
        Err("bad_server_name".into())
    );
    // A server that waits for its first agent is taken; one that has an agent is not.
    assert_eq!(join(&core, &key, Some(&token), "host").await, Ok(server));
    let thief = agent_key();
    assert_eq!(
        join(&core, &thief, Some(&token), "host").await,
        Err("server_has_an_agent".into())
    );
    let info = core
        .ask("/read/GetServer", json!({ "server": server }))
        .await
        .ok()["info"]
        .clone();
    assert_eq!(
        info,
        json!({ "attempted_public_key": thief, "public_key": key })
    );
    change(json!({ "privileged": true })).await;
    assert_eq!(join(&core, &thief, Some(&token), "host").await, Ok(server));
    core.ask(
        "/write/DeleteOnboardingKey",
        json!({ "public_key": created["public_key"] }),
    )
    .await
    .ok();
    assert_eq!(
        join(&core, &key, Some(&token), "late").await,
        Err("unknown_onboarding_key".into())
    );
}

#[tokio::test]
async fn uses_are_counted_also_when_many_come_at_once() {
    let core = Core::start().await;
    let (_, token) = make(&core, json!({ "name": "two", "max_uses": 2 })).await;
    let keys: Vec<String> = (0..6).map(|_| agent_key()).collect();
    let names: Vec<String> = (0..6).map(|number| format!("host-{number}")).collect();
    let attempts = keys
        .iter()
        .zip(&names)
        .map(|(key, name)| join(&core, key, Some(&token), name));
    let outcomes = futures_util::future::join_all(attempts).await;
    let let_in = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(let_in, 2, "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|code| code == "onboarding_key_used")
    );
    assert_eq!(core.app.desired.snapshot().servers.len(), 2);
}

#[tokio::test]
async fn configuration_is_copied_and_names_are_kept_as_ids() {
    let core = Core::start().await;
    let model = core.server("model").await;
    core.ask(
        "/write/UpdateServer",
        json!({ "id": "model", "config": { "region": "north", "enabled": false } }),
    )
    .await
    .ok();
    let (created, token) = make(&core, json!({ "name": "k", "copy_server": "model" })).await;
    assert_eq!(created["copy_server"], json!(model));
    join(&core, &agent_key(), Some(&token), "copy")
        .await
        .expect("let in");
    let copy = core
        .ask("/read/GetServer", json!({ "server": "copy" }))
        .await
        .ok();
    assert_eq!(
        (&copy["config"]["region"], &copy["config"]["enabled"]),
        (&json!("north"), &json!(true))
    );
    let unknown = core
        .ask(
            "/write/CreateOnboardingKey",
            json!({ "name": "k", "copy_server": "none" }),
        )
        .await;
    unknown.refused(404, "not_found");
}

#[tokio::test]
async fn a_secret_of_ones_own_is_taken_as_it_is() {
    let core = Core::start().await;
    let secret = "a secret of my own, long enough".replace(' ', "-");
    let made = core
        .ask(
            "/write/CreateOnboardingKey",
            json!({ "name": "own", "private_key": secret }),
        )
        .await
        .ok();
    assert_eq!(made["private_key"], json!(secret));
    let token: JoinToken = secret.parse().expect("a secret");
    let id = join(&core, &agent_key(), Some(&token), "host")
        .await
        .expect("let in");
    assert!(core.app.desired.snapshot().servers.contains_key(&id));
    let again = core
        .ask(
            "/write/CreateOnboardingKey",
            json!({ "name": "own", "private_key": secret }),
        )
        .await;
    again.refused(409, "conflict");
    let short = core
        .ask(
            "/write/CreateOnboardingKey",
            json!({ "name": "own", "private_key": "short" }),
        )
        .await;
    short.refused(400, "invalid");
    core.ask(
        "/write/CreateOnboardingKey",
        json!({ "name": "own", "max_uses": 0 }),
    )
    .await
    .refused(400, "invalid");
    let nobody_else = core.token(core.user("ada", |_| {}).await);
    for request in ["/read/ListOnboardingKeys", "/write/CreateOnboardingKey"] {
        core.post(request, &nobody_else, &json!({ "name": "x" }))
            .await
            .refused(403, "forbidden");
    }
    let records = core
        .ask(
            "/read/ListUpdates",
            json!({ "query": { "target.id": ResourceTarget::system().parts().1 } }),
        )
        .await;
    assert!(!records.ok().to_string().contains(&secret));
}

#[tokio::test]
async fn whoever_comes_with_a_new_key_each_time_does_not_make_core_write() {
    let core = Core::start().await;
    let server = core.server("host").await;
    let first = agent_key();
    join(&core, &first, None, "host")
        .await
        .expect_err("unknown");
    for _ in 0..20 {
        join(&core, &agent_key(), None, "host")
            .await
            .expect_err("unknown");
    }
    let found = core
        .ask("/read/GetServer", json!({ "server": server }))
        .await
        .ok();
    assert_eq!(
        found["info"]["attempted_public_key"],
        json!(first),
        "the first is shown, and the others are not stored within a minute"
    );
}
