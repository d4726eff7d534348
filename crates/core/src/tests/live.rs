//! The live feed without its socket: subscriptions, what they send, and what ends them.

use std::sync::Arc;

use komodo_api::{
    Code, Module,
    id::Id,
    live::{LogStream, Topic},
    permission::{PermissionLevel, SpecificPermission},
    resource::{ContainerRef, ServerRef},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, Instant, timeout},
};

use super::harness::{Core, pass, wait};
use crate::live::test::subscription;

struct Feed {
    messages: mpsc::Receiver<String>,
    _task: JoinSet<()>,
}

impl Feed {
    fn open(core: &Core, user: Id, topic: Topic, after: Option<u64>, queue: usize) -> Self {
        let (sender, messages) = mpsc::channel(queue);
        let mut task = JoinSet::new();
        task.spawn(subscription(
            Arc::clone(&core.app),
            user,
            1,
            sender,
            topic,
            after,
        ));
        Feed {
            messages,
            _task: task,
        }
    }

    async fn next(&mut self) -> Value {
        let message = timeout(Duration::from_secs(120), self.messages.recv())
            .await
            .expect("a message comes");
        serde_json::from_str(&message.expect("the subscription is open")).expect("JSON")
    }

    async fn next_of(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message:#}");
        message
    }

    fn is_silent(&mut self) -> bool {
        self.messages.try_recv().is_err()
    }
}

fn containers(server: &str) -> Topic {
    Topic::Containers {
        server: ServerRef(server.into()),
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_containers_go_out_at_once() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web", "db"]).await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), None, 16);
    let snapshot = feed.next_of("snapshot").await;
    assert_eq!(
        (&snapshot["data"][0]["name"], &snapshot["data"][1]["name"]),
        (&json!("db"), &json!("web"))
    );
    let begun = Instant::now();
    host.world.stop("web").expect("it stops");
    let delta = feed.next_of("delta").await;
    assert_eq!(
        (&delta["upsert"][0]["name"], &delta["upsert"][0]["state"]),
        (&json!("web"), &json!("exited"))
    );
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "nothing is held back to be sent together"
    );
    assert!(delta["rev"].as_u64() > snapshot["rev"].as_u64());
    host.world.remove("web").expect("it is removed");
    let gone = feed.next_of("delta").await;
    assert_eq!(gone["remove"].as_array().map(Vec::len), Some(1));
    assert!(
        gone["rev"].as_u64() <= Some(1 << 53),
        "a browser holds it exactly"
    );
}

#[tokio::test(start_paused = true)]
async fn figures_of_the_host_send_nothing_about_containers() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    let before = core.view(&host).rev;
    host.world.set_stats(komodo_api::stats::SystemStats {
        cpu_perc: 42.0,
        ..Default::default()
    });
    wait("the figures are in the view", || {
        core.view(&host).rev > before
    })
    .await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), None, 16);
    feed.next_of("snapshot").await;
    pass(Duration::from_secs(1)).await;
    assert!(feed.is_silent(), "one snapshot says it all");
    host.world.stop("web").expect("it stops");
    feed.next_of("delta").await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_on_where_he_was() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web", "db"]).await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), None, 16);
    let rev = feed.next_of("snapshot").await["rev"].as_u64();
    drop(feed);
    host.world.stop("web").expect("it stops");
    core.until(&host, "it is seen", |view| {
        view.find("web")
            .is_some_and(|web| web.state.as_str() == "exited")
    })
    .await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), rev, 16);
    let delta = feed.next_of("delta").await;
    assert_eq!(
        delta["upsert"].as_array().map(Vec::len),
        Some(1),
        "only what changed meanwhile"
    );
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), Some(7), 16);
    feed.next_of("snapshot").await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_a_gap_and_then_all_there_is() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["a", "b"]).await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), None, 1);
    let mut quick = Feed::open(&core, core.admin, containers("alpha"), None, 4096);
    feed.next_of("snapshot").await;
    for round in 0..1500 {
        let _ = if round % 2 == 0 {
            host.world.stop("a")
        } else {
            host.world.start("a")
        };
        core.until(&host, "it is seen", |view| {
            view.find("a")
                .is_some_and(|a| (a.state.as_str() == "exited") == (round % 2 == 0))
        })
        .await;
    }
    host.world.remove("b").expect("it is removed");
    core.until(&host, "it is seen", |view| view.containers.len() == 1)
        .await;
    let mut kinds = Vec::new();
    let last = loop {
        let message = feed.next().await;
        kinds.push(message["type"].as_str().expect("a type").to_owned());
        if message["type"] == "snapshot" {
            break message;
        }
    };
    assert!(
        kinds.ends_with(&["gap".into(), "snapshot".into()]),
        "{kinds:?}"
    );
    assert_eq!(
        last["data"].as_array().map(Vec::len),
        Some(1),
        "the snapshot is whole and new"
    );
    quick.next_of("snapshot").await;
    quick.next_of("delta").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_server_is_shown_as_stale_and_as_live_again() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", &["web"]).await;
    let mut feed = Feed::open(&core, core.admin, containers("alpha"), None, 16);
    assert!(
        feed.next_of("snapshot").await["data"][0]
            .get("stale_since")
            .is_none()
    );
    core.cut(&host).await;
    assert!(feed.next_of("snapshot").await["data"][0]["stale_since"].is_i64());
    core.reconnect(&mut host).await;
    assert!(
        feed.next_of("snapshot").await["data"][0]
            .get("stale_since")
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn servers_come_go_and_change() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["web"]).await;
    let reader = core
        .user("reader", alpha.id, PermissionLevel::Read, &[])
        .await;
    wait("the feed is up", || {
        core.app.background.fleet.view(alpha.id).is_some()
    })
    .await;
    let mut all = Feed::open(&core, core.admin, Topic::Servers, None, 64);
    let mut own = Feed::open(&core, reader, Topic::Servers, None, 64);
    let first = own.next_of("snapshot").await;
    assert_eq!(first["data"][0]["name"], "alpha");
    assert_eq!(first["data"][0]["info"]["state"], "Ok");
    all.next_of("snapshot").await;
    core.cut(&alpha).await;
    let delta = own.next_of("delta").await;
    assert_eq!(delta["upsert"][0]["info"]["reason"]["code"], "unreachable");
    let beta = core.server("beta").await;
    let mut seen = false;
    while !seen {
        let message = all.next().await;
        let items = message
            .get("data")
            .or(message.get("upsert"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        seen = items.iter().any(|item| item["name"] == "beta");
    }
    pass(Duration::from_secs(1)).await;
    assert!(own.is_silent(), "what may not be read is not told");
    core.grant(reader, beta, PermissionLevel::Read, &[]).await;
    let names = own.next_of("snapshot").await;
    assert_eq!(
        names["data"].as_array().map(Vec::len),
        Some(2),
        "and is told once it may be"
    );
}

#[tokio::test(start_paused = true)]
async fn rights_that_are_taken_away_end_subscriptions() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["web"]).await;
    let logs = [SpecificPermission::Logs];
    let reader = core
        .user("reader", alpha.id, PermissionLevel::Read, &logs)
        .await;
    let log = Topic::ContainerLog {
        server: ServerRef("alpha".into()),
        container: ContainerRef("web".into()),
        tail: 10,
        since: None,
    };
    alpha.world.log("web", LogStream::Stdout, "hello");
    let mut lines = Feed::open(&core, reader, log.clone(), None, 16);
    assert_eq!(lines.next_of("lines").await["lines"][0]["l"], "hello");
    let mut items = Feed::open(&core, reader, containers("alpha"), None, 16);
    items.next_of("snapshot").await;
    core.grant(reader, alpha.id, PermissionLevel::Read, &[])
        .await;
    let error = lines.next_of("error").await;
    assert_eq!(error["error"]["code"], "forbidden");
    wait("the request at the Engine has ended", || {
        alpha.world.log_readers("web") == 0
    })
    .await;
    core.grant(reader, alpha.id, PermissionLevel::None, &[])
        .await;
    assert_eq!(items.next_of("error").await["error"]["code"], "not_found");
    let mut refused = Feed::open(&core, reader, log, None, 16);
    assert_eq!(refused.next_of("error").await["error"]["code"], "not_found");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_disabled_hears_nothing_more() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["web"]).await;
    let reader = core
        .user("reader", alpha.id, PermissionLevel::Read, &[])
        .await;
    let mut items = Feed::open(&core, reader, containers("alpha"), None, 16);
    items.next_of("snapshot").await;
    let mut account =
        crate::desired::Account::clone(&core.app.desired.snapshot().accounts[&reader]);
    account.user.enabled = false;
    core.put(crate::store::Change::PutAccount(Arc::new(account)))
        .await;
    assert_eq!(
        items.next_of("error").await["error"]["code"],
        "account_disabled"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_is_followed_and_its_request_ends_with_its_reader() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["web"]).await;
    let log = Topic::ContainerLog {
        server: ServerRef("alpha".into()),
        container: ContainerRef("web".into()),
        tail: 1,
        since: None,
    };
    alpha.world.log("web", LogStream::Stdout, "before");
    alpha.world.log("web", LogStream::Stderr, "last");
    let mut feed = Feed::open(&core, core.admin, log, None, 16);
    assert_eq!(feed.next_of("lines").await["lines"][0]["l"], "last");
    alpha.world.log("web", LogStream::Stdout, "new");
    let line = feed.next_of("lines").await["lines"][0].clone();
    assert_eq!((&line["s"], &line["l"]), (&json!("stdout"), &json!("new")));
    assert_eq!(alpha.world.log_readers("web"), 1);
    drop(feed);
    wait("the request at the Engine has ended", || {
        alpha.world.log_readers("web") == 0
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_is_told_whole_until_its_end() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["a", "b"]).await;
    let stranger = core
        .user(
            "stranger",
            core.server("other").await,
            PermissionLevel::Read,
            &[],
        )
        .await;
    alpha.world.set_latency(
        komodo_api::container::ContainerAction::Stop,
        Duration::from_secs(1),
    );
    let mut list = Feed::open(&core, core.admin, Topic::Updates, None, 64);
    let mut foreign = Feed::open(&core, stranger, Topic::Updates, None, 64);
    list.next_of("snapshot").await;
    foreign.next_of("snapshot").await;
    let begun = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect("it begins");
    let id = begun.id.expect("it has an id").0;
    let mut one = Feed::open(
        &core,
        core.admin,
        Topic::Update {
            update: id.to_string(),
        },
        None,
        64,
    );
    assert_eq!(
        one.next_of("snapshot").await["data"]["status"],
        "InProgress"
    );
    let ended = core.end(&begun).await;
    let mut last = Value::Null;
    loop {
        let message = one.next().await;
        if message["type"] == "end" {
            break;
        }
        last = message;
    }
    assert_eq!(
        (
            &last["data"]["status"],
            last["data"]["verdicts"].as_array().map(Vec::len)
        ),
        (&json!("Complete"), Some(2))
    );
    let mut told = Vec::new();
    while told
        .last()
        .is_none_or(|item: &Value| item["status"] != "Complete")
    {
        told.push(list.next_of("delta").await["upsert"][0].clone());
    }
    let stages: Vec<_> = told.iter().map(|item| &item["stage"]).collect();
    assert_eq!(stages, [&json!("asking"), &json!("acting"), &Value::Null]);
    assert!(
        foreign.is_silent(),
        "of servers that may not be read nothing is told"
    );
    let mut refused = Feed::open(
        &core,
        stranger,
        Topic::Update {
            update: id.to_string(),
        },
        None,
        4,
    );
    assert_eq!(refused.next_of("error").await["error"]["code"], "not_found");
    assert!(ended.success);
    let error = core
        .ask(stranger, Module::Read, "GetUpdate", json!({ "id": id }))
        .await
        .expect_err("may not know");
    assert_eq!(error.code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_reader_takes_nothing_for_20_s_ends_with_a_gap() {
    let mut core = Core::start().await;
    let alpha = core.host("alpha", &["web"]).await;
    let log = Topic::ContainerLog {
        server: ServerRef("alpha".into()),
        container: ContainerRef("web".into()),
        tail: 8,
        since: None,
    };
    // Each fills a message of its own.
    for _ in 0..8 {
        alpha
            .world
            .log("web", LogStream::Stdout, &"x".repeat(40 * 1024));
    }
    let mut feed = Feed::open(&core, core.admin, log, None, 1);
    for _ in 0..3 {
        feed.next_of("lines").await;
        pass(Duration::from_secs(19)).await;
        assert_eq!(
            alpha.world.log_readers("web"),
            1,
            "a reader may be slow, as long as he takes something"
        );
    }
    pass(Duration::from_secs(2)).await;
    assert_eq!(
        alpha.world.log_readers("web"),
        0,
        "the request at the Engine has ended, though nobody has read anything since"
    );
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "end") {
        let message = feed.next().await;
        kinds.push(message["type"].as_str().expect("a type").to_owned());
    }
    assert_eq!(
        kinds,
        ["lines", "gap", "end"],
        "and he is told that there was more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_ends_what_it_began() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    let (sender, messages) = mpsc::channel(16);
    let mut task = JoinSet::new();
    task.spawn(crate::live::test::expiring(
        Arc::clone(&core.app),
        core.admin,
        core.now() + 60_000,
        sender,
        containers("alpha"),
    ));
    let mut feed = Feed {
        messages,
        _task: task,
    };
    feed.next_of("snapshot").await;
    tokio::time::advance(Duration::from_secs(59)).await;
    host.world.stop("web").expect("it stops");
    feed.next_of("delta").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    host.world.start("web").expect("it starts");
    let error = feed.next_of("error").await;
    assert_eq!(error["error"]["code"], "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn an_open_update_that_nobody_runs_is_told_once() {
    let core = Core::start().await;
    let update: komodo_api::update::Update = serde_json::from_value(json!({
        "_id": core.app.new_id(), "operation": "StopAllContainers", "start_ts": 1, "success": true, "operator": "u",
        "target": { "type": "System", "id": "system" }, "logs": [], "end_ts": null, "status": "InProgress",
    }))
    .expect("an Update");
    let updates = core.app.store.updates();
    updates.insert(&update, None).await.expect("stored");
    let id = update.id.expect("it has an id").0.to_string();
    let topic = Topic::Update { update: id };
    let mut feed = Feed::open(&core, core.admin, topic, None, 16);
    feed.next_of("snapshot").await;
    pass(Duration::from_secs(60)).await;
    assert!(
        feed.is_silent(),
        "it is not sent again while nothing changes"
    );
    let ended = komodo_api::update::Update {
        status: komodo_api::update::UpdateStatus::Complete,
        ..update
    };
    updates.save(&ended).await.expect("stored");
    assert_eq!(feed.next_of("snapshot").await["data"]["status"], "Complete");
    feed.next_of("end").await;
}

#[tokio::test(start_paused = true)]
async fn alerts_are_told_to_who_may_read_their_server() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    let other = core.server("other").await;
    let stranger = core
        .user("stranger", other, PermissionLevel::Read, &[])
        .await;
    let mut feed = Feed::open(&core, core.admin, Topic::Alerts, None, 16);
    let mut foreign = Feed::open(&core, stranger, Topic::Alerts, None, 16);
    assert_eq!(feed.next_of("snapshot").await["data"], json!([]));
    foreign.next_of("snapshot").await;
    let alerts = &core.app.background.alerts;
    let target = komodo_api::resource::ResourceTarget::Server(host.id.to_string());
    for _ in 0..2 {
        alerts
            .warn_of_update("u", target.clone(), "it hangs".into(), String::new())
            .await
            .expect("stored");
    }
    let raised = feed.next_of("delta").await["upsert"][0].clone();
    assert_eq!(
        (&raised["level"], &raised["resolved"]),
        (&json!("WARNING"), &json!(false))
    );
    alerts.resolve_of_update("u").await.expect("stored");
    let resolved = feed.next_of("delta").await["upsert"][0].clone();
    assert_eq!(
        (&resolved["_id"], &resolved["resolved"]),
        (&raised["_id"], &json!(true))
    );
    assert!(feed.is_silent() && foreign.is_silent());
}
