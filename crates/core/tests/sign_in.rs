//! Passwords, tokens, API keys, and who gets in first.

use http::Method;
use komodo_api::user::UserConfig;
use komodo_core::auth::password::hash_now;
use serde_json::json;

use crate::harness::{Core, Credentials};

fn login(username: &str, password: &str) -> serde_json::Value {
    json!({ "username": username, "password": password })
}

#[tokio::test]
async fn password_to_token_to_user() {
    let core = Core::start().await;
    let id = core
        .user("ada", |account| {
            account.password_hash = Some(hash_now("correct horse"))
        })
        .await;
    let nobody = Credentials::default();
    let answer = core
        .post(
            "/auth/login/LoginLocalUser",
            &nobody,
            &login("ada", "correct horse"),
        )
        .await
        .ok();
    assert_eq!(answer["type"], json!("Jwt"));
    let jwt = answer["data"]["jwt"].as_str().expect("a token").to_owned();
    for value in [jwt.clone(), format!("Bearer {jwt}")] {
        let credentials = Credentials(vec![("authorization", value)]);
        let user = core
            .send(Method::GET, "/user", &credentials, &[], "")
            .await
            .ok();
        assert_eq!(
            (user["username"].as_str(), &user["_id"]["$oid"]),
            (Some("ada"), &json!(id))
        );
        assert_eq!(
            user["config"],
            json!({ "type": "Local", "data": { "password": "########" } })
        );
        assert!(!user.to_string().contains("argon2"));
    }
    for (username, password) in [("ada", "wrong"), ("nobody", "correct horse"), ("admin", "")] {
        let refused = core
            .post(
                "/auth/login/LoginLocalUser",
                &nobody,
                &login(username, password),
            )
            .await;
        refused.refused(401, "unauthenticated");
        assert_eq!(refused.error(), "Invalid login credentials");
    }
}

#[tokio::test]
async fn tokens_are_checked() {
    let core = Core::start().await;
    let now = core.app.clock.now();
    let with = |token: String| Credentials(vec![("authorization", token)]);
    let day = 24 * 60 * 60 * 1000;
    let expired = core.app.auth.tokens.issue(core.admin, now - day - 60_000);
    let future = core.app.auth.tokens.issue(core.admin, now + day);
    let good = core.app.auth.tokens.issue(core.admin, now);
    let unsigned = good
        .rsplit_once('.')
        .map(|(start, _)| format!("{start}."))
        .expect("three parts");
    let other_user = core.app.auth.tokens.issue(core.app.new_id(), now);
    for bad in [
        expired,
        future,
        unsigned,
        other_user,
        "garbage".into(),
        String::new(),
    ] {
        let answer = core.send(Method::GET, "/user", &with(bad), &[], "").await;
        answer.refused(401, "unauthenticated");
        assert_eq!(answer.error(), "Invalid user credentials");
    }
    core.send(Method::GET, "/user", &with(good), &[], "")
        .await
        .ok();
    core.get("/user", &[]).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn api_keys_live_from_creation_to_deletion() {
    let core = Core::start().await;
    let created = core
        .ask("/auth/manage/CreateApiKey", json!({ "name": "ci" }))
        .await
        .ok();
    let (key, secret) = (
        created["key"].as_str().expect("a key"),
        created["secret"].as_str().expect("a secret"),
    );
    assert!(
        key.starts_with("K_") && key.ends_with("_K") && key.len() == 44,
        "{key}"
    );
    assert!(
        secret.starts_with("S_") && secret.ends_with("_S") && secret.len() == 44,
        "{secret}"
    );
    let with = |key: &str, secret: &str| {
        Credentials(vec![
            ("x-api-key", key.into()),
            ("x-api-secret", secret.into()),
        ])
    };
    let ask = async |credentials: &Credentials| {
        core.post("/read/GetVersion", credentials, &json!({})).await
    };
    ask(&with(key, secret)).await.ok();
    ask(&with(key, "S_wrong_S"))
        .await
        .refused(401, "unauthenticated");
    ask(&with("K_wrong_K", secret))
        .await
        .refused(401, "unauthenticated");
    ask(&Credentials(vec![("x-api-key", key.into())]))
        .await
        .refused(401, "unauthenticated");
    // Knowing the key without its secret gives nothing anywhere.
    core.post(
        "/auth/manage/CreateApiKey",
        &with(key, "S_wrong_S"),
        &json!({ "name": "x" }),
    )
    .await
    .refused(401, "unauthenticated");
    // A bad token is not made good by a good key.
    let mut both = with(key, secret);
    both.0.push(("authorization", "garbage".into()));
    ask(&both).await.refused(401, "unauthenticated");
    let listed = core.ask("/read/ListApiKeys", json!({})).await.ok();
    assert_eq!(listed[0]["key"], json!(key));
    assert!(!listed.to_string().contains(secret));
    // Only its owner deletes it.
    let other = core.token(core.user("other", |_| {}).await);
    core.post("/auth/manage/DeleteApiKey", &other, &json!({ "key": key }))
        .await
        .refused(404, "not_found");
    core.ask("/auth/manage/DeleteApiKey", json!({ "key": key }))
        .await
        .ok();
    ask(&with(key, secret))
        .await
        .refused(401, "unauthenticated");
    let expired = json!({ "name": "old", "expires": 1000 });
    let old = core.ask("/auth/manage/CreateApiKey", expired).await.ok();
    ask(&with(
        old["key"].as_str().expect("a key"),
        old["secret"].as_str().expect("a secret"),
    ))
    .await
    .refused(401, "unauthenticated");
}

#[tokio::test]
async fn api_keys_survive_a_restart() {
    let core = Core::start().await;
    let created = core
        .ask("/auth/manage/CreateApiKey", json!({ "name": "ci" }))
        .await
        .ok();
    let token = core.token(core.admin);
    let epoch = core.app.store.epoch();
    let directory = core.stop().await;
    let core = Core::start_in(directory, |_| {}).await;
    assert_eq!(core.app.store.epoch(), epoch + 1);
    let text = |name: &str| created[name].as_str().expect("text").to_owned();
    let credentials = Credentials(vec![
        ("x-api-key", text("key")),
        ("x-api-secret", text("secret")),
    ]);
    core.post("/read/GetVersion", &credentials, &json!({}))
        .await
        .ok();
    core.post("/read/GetVersion", &token, &json!({})).await.ok();
}

#[tokio::test]
async fn the_first_user_needs_the_token_from_the_log() {
    let core = Core::start_in(tempfile::tempdir().expect("a directory"), |_| {}).await;
    let nobody = Credentials::default();
    let sign_up = async |username: &str, token: Option<&str>| {
        let body = json!({ "username": username, "password": "long enough", "setup_token": token });
        core.post("/auth/login/SignUpLocalUser", &nobody, &body)
            .await
    };
    sign_up("mallory", None).await.refused(403, "forbidden");
    sign_up("mallory", Some("guess"))
        .await
        .refused(403, "forbidden");
    assert!(core.app.desired.snapshot().accounts.is_empty());
    let token = core.app.auth.make_setup_token();
    let jwt = sign_up("ada", Some(&token)).await.ok()["jwt"]
        .as_str()
        .expect("a token")
        .to_owned();
    let user = core
        .send(
            Method::GET,
            "/user",
            &Credentials(vec![("authorization", jwt)]),
            &[],
            "",
        )
        .await
        .ok();
    for right in ["enabled", "admin", "super_admin"] {
        assert_eq!(user[right], json!(true), "{right}");
    }
    // Good once; who comes later is nobody in particular.
    let jwt = sign_up("eve", Some(&token)).await.ok()["jwt"]
        .as_str()
        .expect("a token")
        .to_owned();
    let user = core
        .send(
            Method::GET,
            "/user",
            &Credentials(vec![("authorization", jwt)]),
            &[],
            "",
        )
        .await
        .ok();
    for right in ["enabled", "admin", "super_admin"] {
        assert_eq!(user[right], json!(false), "{right}");
    }
    sign_up("ada", None).await.refused(409, "conflict");
    for bad in ["", "has space", "6b03cee55639f5296c6951f9", "ümlaut"] {
        sign_up(bad, None).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn a_configured_administrator_is_made_once() {
    let configured = |config: &mut komodo_core::config::Config| {
        config.init_admin_username = Some("root".into());
        config.init_admin_password = Some("chosen".into());
    };
    let core = Core::start_in(tempfile::tempdir().expect("a directory"), configured).await;
    let nobody = Credentials::default();
    core.post(
        "/auth/login/LoginLocalUser",
        &nobody,
        &login("root", "chosen"),
    )
    .await
    .ok();
    let directory = core.stop().await;
    let core = Core::start_in(directory, |config| {
        config.init_admin_username = Some("other".into());
        config.init_admin_password = Some("other".into());
    })
    .await;
    core.post(
        "/auth/login/LoginLocalUser",
        &nobody,
        &login("root", "chosen"),
    )
    .await
    .ok();
    core.post(
        "/auth/login/LoginLocalUser",
        &nobody,
        &login("other", "other"),
    )
    .await
    .refused(401, "unauthenticated");
}

#[tokio::test]
async fn sign_up_can_be_switched_off() {
    let core = Core::start_with(|config| config.disable_user_registration = true).await;
    let nobody = Credentials::default();
    let options = core
        .post("/auth/login/GetLoginOptions", &nobody, &json!({}))
        .await
        .ok();
    assert_eq!(options["registration_disabled"], json!(true));
    core.post(
        "/auth/login/SignUpLocalUser",
        &nobody,
        &login("eve", "long enough"),
    )
    .await
    .refused(401, "unauthenticated");
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let core = Core::start_with(|config| {
        config.auth_rate_limit_disabled = false;
        config.auth_rate_limit_max_attempts = 2;
        config.auth_rate_limit_window_seconds = 3600;
        config.trusted_proxies = vec![[127, 0, 0, 1].into()];
    })
    .await;
    core.user("ada", |account| {
        account.password_hash = Some(hash_now("right"))
    })
    .await;
    let from = |address: &str| Credentials(vec![("x-forwarded-for", address.to_owned())]);
    let attempt = async |address: &str, password: &str| {
        core.post(
            "/auth/login/LoginLocalUser",
            &from(address),
            &login("ada", password),
        )
        .await
    };
    let first = attempt("192.0.2.1", "wrong").await;
    assert_eq!(
        first.error(),
        "Invalid login credentials | You have 1 attempts remaining"
    );
    assert_eq!(
        attempt("192.0.2.1", "wrong").await.error(),
        "Invalid login credentials | You have 0 attempts remaining"
    );
    let refused = attempt("192.0.2.1", "right").await;
    refused.refused(429, "too_many_attempts");
    assert!(
        refused
            .error()
            .starts_with("Too many attempts | Try again in "),
        "{}",
        refused.error()
    );
    assert!(refused.headers.contains_key("retry-after"));
    // Others are not held up, and what a proxy did not write itself is not believed.
    attempt("192.0.2.2", "right").await.ok();
    for forged in [
        "192.0.2.9, 192.0.2.1",
        "192.0.2.9, unknown, 192.0.2.1",
        "192.0.2.9, 192.0.2.1, 127.0.0.1",
    ] {
        attempt(forged, "right")
            .await
            .refused(429, "too_many_attempts");
    }
    // A client that goes on with an old token or key does not keep the person beside it from signing in.
    for bad in [
        ("authorization", "no token"),
        ("authorization", "nor this"),
        ("authorization", "nor that"),
    ] {
        let mut bad = Credentials(vec![(bad.0, bad.1.to_owned())]);
        bad.0.push(("x-forwarded-for", "192.0.2.3".into()));
        let answer = core.post("/read/GetVersion", &bad, &json!({})).await;
        assert!([401, 429].contains(&answer.status.as_u16()));
    }
    attempt("192.0.2.3", "right").await.ok();
    // Credentials that cannot be guessed work on.
    let mut admin = core.token(core.admin);
    admin.0.push(("x-forwarded-for", "192.0.2.1".into()));
    core.post("/read/GetVersion", &admin, &json!({})).await.ok();
}

#[tokio::test]
async fn forwarded_addresses_of_strangers_are_not_believed() {
    let core = Core::start_with(|config| {
        config.auth_rate_limit_disabled = false;
        config.auth_rate_limit_max_attempts = 1;
        config.auth_rate_limit_window_seconds = 3600;
    })
    .await;
    for address in ["192.0.2.1", "192.0.2.2"] {
        let forged = Credentials(vec![("x-forwarded-for", address.to_owned())]);
        let answer = core
            .post(
                "/auth/login/LoginLocalUser",
                &forged,
                &login("ada", "wrong"),
            )
            .await;
        let expected = if address == "192.0.2.1" { 401 } else { 429 };
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.body);
    }
}

#[tokio::test]
async fn users_of_other_providers_have_no_password() {
    let core = Core::start().await;
    core.user("octocat", |account| {
        account.user.config = UserConfig::Github {
            github_id: "1".into(),
            avatar: "https://a.example/1".into(),
        };
    })
    .await;
    let nobody = Credentials::default();
    core.post("/auth/login/LoginLocalUser", &nobody, &login("octocat", ""))
        .await
        .refused(401, "unauthenticated");
    let id = core.app.desired.snapshot().accounts_by_name["octocat"];
    let named = core
        .ask("/read/GetUsername", json!({ "user_id": id }))
        .await
        .ok();
    assert_eq!(
        named,
        json!({ "username": "octocat", "avatar": "https://a.example/1" })
    );
    let system = core
        .ask(
            "/read/GetUsername",
            json!({ "user_id": "000000000000000000000003" }),
        )
        .await
        .ok();
    assert_eq!(system["username"], json!("Git Webhook"));
    core.ask(
        "/read/GetUsername",
        json!({ "user_id": "6b03cee55639f5296c6951f9" }),
    )
    .await
    .refused(404, "not_found");
}
