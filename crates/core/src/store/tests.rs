//! What the database does when it may not, when much comes at once, and when it is asked oddly.

use std::sync::Arc;

use http::HeaderMap;
use komodo_api::{
    Code, Error, Module, UnixMs,
    id::{Id, Oid},
    resource::ResourceTarget,
    update::{Log, Update},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Store, StoreError, StoreOptions, UpdateFilter, Visible};
use crate::{
    App,
    app::{Surroundings, first_administrator, local_user},
    config::Config,
    desired::Account,
    dispatch::Cx,
    store::Change,
};

fn open(directory: &TempDir) -> Store {
    let options = StoreOptions {
        directory: directory.path().join("data"),
        database: None,
        inline: false,
    };
    Store::open(&options).expect("it opens")
}

fn update(number: i64, bytes: usize) -> Update {
    let log = Log {
        stdout: "x".repeat(bytes),
        success: true,
        ..Log::default()
    };
    let mut update: Update = serde_json::from_value(json!({
        "_id": Oid(crate::id::new_id(number * 1000)), "operation": "StopContainer", "start_ts": number, "success": true,
        "operator": Id::system(0), "target": { "type": "Server", "id": "a" }, "logs": [], "end_ts": null,
        "status": "InProgress",
    }))
    .expect("an Update");
    update.logs = vec![log];
    update
}

fn id(update: &Update) -> Id {
    update.id.expect("it has one").0
}

/// Sees everything.
struct Everybody;

impl Visible for Everybody {
    fn may_read(&self, _: &ResourceTarget) -> bool {
        true
    }
    fn username(&self, operator: &str) -> String {
        operator.to_owned()
    }
}

/// Lets a file grow by a number of pages and no further, as a disk that fills up does.
async fn limit(worker: &super::Worker, pages: i64) {
    worker
        .call(move |connection| {
            let count: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            connection.pragma_update(None, "max_page_count", count + pages)?;
            Ok::<_, StoreError>(((), None))
        })
        .await
        .expect("limited");
}

#[tokio::test]
async fn what_is_inserted_and_saved_is_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let mut one = update(1, 10);
    let ordered = json!({ "action": "stop" });
    store
        .updates()
        .insert(&one, Some(&ordered))
        .await
        .expect("inserted");
    assert!(matches!(
        store.updates().insert(&one, None).await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        store.updates().save(&update(2, 0)).await,
        Err(StoreError::NotFound)
    ));
    one.other_data = "changed".into();
    store.updates().save(&one).await.expect("saved");
    drop(store);
    // Also by the next start.
    let store = open(&directory);
    assert_eq!(
        store.updates().get(id(&one)).await.expect("read"),
        Some(one.clone())
    );
    let open = store.updates().open().await.expect("read");
    assert_eq!(
        open.iter()
            .map(|open| (&open.update, open.ordered.as_ref()))
            .collect::<Vec<_>>(),
        [(&one, Some(&ordered))]
    );
}

#[tokio::test]
async fn many_saves_at_once_all_come_about() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let updates: Vec<Update> = (0..300).map(|number| update(number, 100)).collect();
    let inserts = updates.iter().map(|update| {
        let store = store.clone();
        async move { store.updates().insert(update, None).await }
    });
    for inserted in futures_util::future::join_all(inserts).await {
        inserted.expect("inserted");
    }
    let mut seen = 0;
    let mut page = Some(0);
    while let Some(number) = page {
        let (items, next) = store
            .updates()
            .list(UpdateFilter::all(), number, Arc::new(Everybody))
            .await
            .expect("listed");
        assert!(
            items.is_sorted_by(|a, b| a.start_ts >= b.start_ts),
            "the newest come first"
        );
        seen += items.len();
        page = next;
    }
    assert_eq!(seen, 300);
}

#[tokio::test]
async fn one_call_that_fails_takes_no_other_with_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let known = update(1, 0);
    store
        .updates()
        .insert(&known, None)
        .await
        .expect("inserted");
    let (new, other) = (update(2, 0), update(3, 0));
    let updates = store.updates();
    let (a, b, c) = tokio::join!(
        updates.insert(&new, None),
        updates.insert(&known, None),
        updates.insert(&other, None)
    );
    assert!(
        a.is_ok() && matches!(b, Err(StoreError::Conflict)) && c.is_ok(),
        "{a:?} {b:?} {c:?}"
    );
    assert!(
        store
            .updates()
            .get(id(&other))
            .await
            .expect("read")
            .is_some()
    );
}

#[tokio::test]
async fn on_a_full_disk_writes_say_so_and_reads_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory);
    let before = update(1, 10);
    store
        .updates()
        .insert(&before, None)
        .await
        .expect("inserted");
    limit(store.journal(), 2).await;
    let error = store
        .updates()
        .insert(&update(2, 500_000), None)
        .await
        .expect_err("there is no room");
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert_eq!(
        store.updates().get(id(&before)).await.expect("read"),
        Some(before.clone())
    );
    let (items, _) = store
        .updates()
        .list(UpdateFilter::all(), 0, Arc::new(Everybody))
        .await
        .expect("listed");
    assert_eq!(items.len(), 1, "nothing of the failed one is there");
    // And when there is room again, all is well.
    limit(store.journal(), 1_000_000).await;
    store
        .updates()
        .insert(&update(3, 500_000), None)
        .await
        .expect("inserted");
}

async fn ask(
    app: &Arc<App>,
    admin: &Arc<Account>,
    module: Module,
    name: &str,
    params: Value,
) -> Result<Value, Error> {
    let cx = Cx {
        request_id: "test".into(),
        caller: Some(Arc::clone(admin)),
        peer: [127, 0, 0, 1].into(),
        state: app.desired.snapshot(),
    };
    let entry = Arc::clone(app.table.find(module, name).expect("it is in the list"));
    let (body, _): (_, HeaderMap) =
        (entry.run)(Arc::clone(app), cx, params.to_string().into()).await?;
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_core_on_a_full_disk_still_answers() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::for_directory(directory.path().join("data"));
    let app = App::start(config, Surroundings::default())
        .await
        .expect("it starts");
    let account = Account {
        id: app.new_id(),
        user: local_user("admin"),
        password_hash: None,
    };
    let admin = Arc::new(first_administrator(account, 1));
    let change = Change::PutAccount(Arc::clone(&admin));
    app.desired
        .commit(move |_| Ok((vec![change], ())))
        .await
        .expect("stored");
    ask(
        &app,
        &admin,
        Module::Write,
        "CreateServer",
        json!({ "name": "before" }),
    )
    .await
    .expect("created");
    limit(&app.store.inner.desired, 0).await;
    let mut refused = None;
    for number in 0..200 {
        // What is left of the last page takes a few.
        let name = format!("{}-{number}", "x".repeat(150));
        if let Err(error) = ask(
            &app,
            &admin,
            Module::Write,
            "CreateServer",
            json!({ "name": name }),
        )
        .await
        {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.expect("at some time there is no room");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::StorageFull, 507),
        "{error:?}"
    );
    assert!(error.error.contains("reading goes on"), "{error}");
    let servers = ask(
        &app,
        &admin,
        Module::Read,
        "ListServers",
        json!({ "limit": 0 }),
    )
    .await
    .expect("listed");
    assert_eq!(
        servers.as_array().map(Vec::len),
        Some(1 + number),
        "what was refused is not shown"
    );
    limit(&app.store.inner.desired, 1_000_000).await;
    ask(
        &app,
        &admin,
        Module::Write,
        "CreateServer",
        json!({ "name": "after" }),
    )
    .await
    .expect("created");
    app.shut_down().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::for_directory(directory.path().join("data"));
    let app = App::start(config, Surroundings::default())
        .await
        .expect("it starts");
    let id = app.new_id();
    let account = Arc::new(Account {
        id,
        user: local_user("ada"),
        password_hash: None,
    });
    let mut changes = app.desired.changes();
    changes.borrow_and_update();
    let commit = app
        .desired
        .commit(move |_| Ok((vec![Change::PutAccount(account)], ())));
    // Polled once, so that it is on its way, and then dropped.
    assert!(
        futures_util::future::poll_immediate(Box::pin(commit))
            .await
            .is_none()
    );
    tokio::time::timeout(std::time::Duration::from_secs(30), changes.changed())
        .await
        .expect("in time")
        .expect("open");
    assert!(app.desired.snapshot().accounts.contains_key(&id));
    assert!(
        app.store
            .desired_load()
            .await
            .expect("read")
            .accounts
            .contains_key(&id)
    );
}

fn fits(query: Value, document: &Value) -> bool {
    let Value::Object(query) = query else {
        panic!("a query is an object")
    };
    UpdateFilter::parse(&query)
        .expect("understood")
        .matches(document)
}

#[test]
fn filters_mean_what_mongodb_means() {
    let now: UnixMs = 1_795_411_685_814;
    let document = json!({
        "_id": { "$oid": "6b03cee55639f5296c6951f9" }, "n": now, "f": 1.5, "ok": true, "gone": null,
        "target": { "type": "Server", "id": "a" }, "logs": [{ "stage": "One", "ok": true }, { "stage": "Two" }],
        "tags": ["x", "y"],
    });
    for (query, expected) in [
        (json!({}), true),
        (json!({ "target.type": "Server", "ok": true }), true),
        (json!({ "target.type": "Server", "ok": false }), false),
        (json!({ "target": { "type": "Server", "id": "a" } }), true),
        (json!({ "n": now as f64 }), true),
        (json!({ "n": { "$gte": now, "$lt": now + 1 } }), true),
        (json!({ "n": { "$gt": "text" } }), false),
        (json!({ "f": { "$lte": 1.5 } }), true),
        (json!({ "_id": "6b03cee55639f5296c6951f9" }), true),
        (
            json!({ "_id": { "$in": [{ "$oid": "6b03cee55639f5296c6951f9" }] } }),
            true,
        ),
        (json!({ "gone": null }), true),
        (json!({ "never": null }), true),
        (
            json!({ "never": { "$exists": false }, "gone": { "$exists": true } }),
            true,
        ),
        (json!({ "ok": { "$ne": null } }), true),
        (json!({ "never": { "$ne": 1 } }), true),
        (json!({ "tags": "x" }), true),
        (json!({ "tags": ["x", "y"] }), true),
        (json!({ "tags": { "$nin": ["z"] } }), true),
        (json!({ "tags": { "$nin": ["x"] } }), false),
        (json!({ "logs.stage": "Two" }), true),
        (json!({ "logs.1.stage": "Two" }), true),
        (json!({ "logs.0.stage": "Two" }), false),
        (
            json!({ "logs.stage": { "$regex": "^t", "$options": "i" } }),
            true,
        ),
        (
            json!({ "logs.stage": { "$not": { "$regex": "^T" } } }),
            false,
        ),
        (json!({ "$nor": [{ "ok": false }, { "n": 1 }] }), true),
        (
            json!({ "$or": [{ "ok": false }, { "$and": [{ "n": now }, { "f": 1.5 }] }] }),
            true,
        ),
    ] {
        assert_eq!(fits(query.clone(), &document), expected, "{query}");
    }
}

#[test]
fn filters_that_cannot_be_understood_are_refused() {
    let parse = |query: Value| {
        let Value::Object(query) = query else {
            panic!("a query is an object")
        };
        UpdateFilter::parse(&query)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        parse(json!({ "a": { "$where": "1" } })),
        Err("the operator $where is not supported in a query".into())
    );
    assert_eq!(
        parse(json!({ "$or": {} })),
        Err("$or needs a list of queries".into())
    );
    assert!(parse(json!({ "a": { "$regex": "(" } })).is_err());
    assert!(
        parse(json!({ "a": { "$regex": "(x{1000}){1000}" } })).is_err(),
        "a bomb"
    );
    let mut deep = json!({ "a": 1 });
    for _ in 0..20 {
        deep = json!({ "$and": [deep] });
    }
    assert!(parse(deep).is_err());
    assert!(parse(json!({ "a": { "$in": vec![1; 1000] } })).is_err());
}
