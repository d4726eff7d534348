//! Passwords that are guessed many at a time.

use std::sync::Arc;

use futures_util::future::join_all;
use komodo_api::{Code, Module, permission::PermissionLevel};
use serde_json::json;

use super::harness::Core;
use crate::{auth::password::hash_now, desired::Account, store::Change};

#[tokio::test]
async fn guesses_at_the_same_time_are_limited_like_those_one_after_the_other() {
    let core = Core::start().await;
    let server = core.server("alpha").await;
    let ada = core.user("ada", server, PermissionLevel::Read, &[]).await;
    let account = Arc::clone(&core.app.desired.snapshot().accounts[&ada]);
    core.put(Change::PutAccount(Arc::new(Account {
        password_hash: Some(hash_now("right")),
        ..Account::clone(&account)
    })))
    .await;
    let most = core.app.config.auth_rate_limit_max_attempts;
    // All are let in before the first has been found to be wrong; each waits for its turn in this order.
    let passwords = std::iter::repeat_n("wrong", most + 2).chain(["right"]);
    let guesses = passwords.map(|password| {
        let params = json!({ "username": "ada", "password": password });
        core.ask(ada, Module::AuthLogin, "LoginLocalUser", params)
    });
    let answers = join_all(guesses).await;
    let told = |code| {
        let of = |answer: &&Result<_, komodo_api::Error>| {
            answer.as_ref().is_err_and(|error| error.code == code)
        };
        answers.iter().filter(of).count()
    };
    assert_eq!(told(Code::Unauthenticated), most);
    assert_eq!(told(Code::TooManyAttempts), 3, "also the one that fits");
}
