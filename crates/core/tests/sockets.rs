//! Websockets of clients and links of agents, over real connections: simulated agents dial through the whole link.

use std::path::PathBuf;

use futures_util::{SinkExt, StreamExt};
use komodo_api::{id::Id, permission::PermissionLevel};
use komodo_link::{
    JoinString,
    agent::{CoreAddress, LinkState},
};
use komodo_sim::{AgentOptions, DialOptions, SimHost, World, dial, parse_container};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Duration, Instant, pause, timeout},
};
use tokio_util::sync::CancellationToken;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::harness::{Core, DEADLINE};

/// A client's end of a websocket.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(core: &Core, path: &str) -> Self {
        let uri = format!("ws://core{path}").parse().expect("an address");
        let stream = TcpStream::connect(core.address).await.expect("connected");
        let (socket, response) = ClientBuilder::from_uri(uri)
            .connect_on(stream)
            .await
            .expect("upgraded");
        assert_eq!(response.status(), 101);
        Socket(socket)
    }

    /// Opens one and signs in.
    async fn login(core: &Core, path: &str, user: Id) -> Self {
        let mut socket = Socket::open(core, path).await;
        let jwt = core.app.auth.tokens.issue(user, core.app.clock.now());
        socket
            .send(&json!({ "type": "Jwt", "params": { "jwt": jwt } }).to_string())
            .await;
        assert_eq!(socket.text().await.as_deref(), Some("LOGGED_IN"));
        socket
    }

    async fn send(&mut self, text: &str) {
        self.0
            .send(Message::text(text.to_owned()))
            .await
            .expect("sent");
    }

    /// The next text; `None` at the end.
    async fn text(&mut self) -> Option<String> {
        loop {
            match timeout(DEADLINE, self.0.next())
                .await
                .expect("something comes in time")
            {
                Some(Ok(message)) if message.is_text() => {
                    return message.as_text().map(str::to_owned);
                }
                Some(Ok(message)) if !message.is_close() => {}
                _ => return None,
            }
        }
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await.expect("it is open")).expect("JSON")
    }

    /// The next message that is no heartbeat, of the one kind that is expected.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.json().await;
            if message["type"] == "heartbeat" {
                continue;
            }
            assert_eq!(message["type"], kind, "{message:#}");
            return message;
        }
    }
}

/// A simulated host whose agent dials.
struct Dialling {
    world: World,
    state: watch::Receiver<LinkState>,
    cancel: CancellationToken,
    _task: JoinSet<()>,
}

impl Dialling {
    async fn start(
        core: &Core,
        name: &str,
        containers: &[&str],
        join: &str,
        keys: Option<PathBuf>,
    ) -> Self {
        let world = World::beginning_at(name.len() as u64, core.app.clock.now());
        for line in containers {
            world.create(parse_container(line).expect("a container"));
        }
        let container = world.container("periphery").map(|own| own.name);
        let host = SimHost::new(
            world.clone(),
            AgentOptions {
                container,
                host_name: name.to_owned(),
            },
        );
        host.start();
        let address: CoreAddress = format!("http://{}", core.address)
            .parse()
            .expect("an address");
        let options = DialOptions {
            core: address,
            join: join.parse::<JoinString>().expect("a join string"),
            keys,
        };
        let (sender, state) = watch::channel(LinkState::Connecting);
        let cancel = CancellationToken::new();
        let (name, until) = (name.to_owned(), cancel.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            dial(&host, &name, &options, sender, until)
                .await
                .expect("it dials");
        });
        Dialling {
            world,
            state,
            cancel,
            _task: task,
        }
    }

    /// Waits until the state of the link reads as wanted.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) {
        let reached = self.state.wait_for(|state| wanted(&format!("{state:?}")));
        timeout(DEADLINE, reached)
            .await
            .expect("in time")
            .expect("it goes on");
    }
}

async fn join_string(core: &Core) -> String {
    let made = core
        .ask("/write/CreateOnboardingKey", json!({ "name": "test" }))
        .await
        .ok();
    made["private_key"].as_str().expect("text").to_owned()
}

/// Waits until a server is in a state.
async fn until_state(core: &Core, server: &str, wanted: &str) -> Value {
    let mut feed = Socket::login(core, "/ws/live", core.admin).await;
    feed.send(
        &json!({ "type": "subscribe", "id": 1, "topic": { "topic": "servers" } }).to_string(),
    )
    .await;
    loop {
        let message = feed.json().await;
        let items = message
            .get("data")
            .or(message.get("upsert"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let fits = |item: &&Value| {
            let code = &item["info"]["reason"]["code"];
            item["name"] == server && (item["info"]["state"] == wanted || *code == wanted)
        };
        if let Some(item) = items.iter().find(fits) {
            return item.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_joins_and_an_operation_is_told_on_both_feeds() {
    let core = Core::start().await;
    let agent = Dialling::start(
        &core,
        "alpha",
        &["periphery", "web", "db"],
        &join_string(&core).await,
        None,
    )
    .await;
    until_state(&core, "alpha", "Ok").await;

    let mut updates = Socket::login(&core, "/ws/update", core.admin).await;
    let mut live = Socket::login(&core, "/ws/live", core.admin).await;
    let topic = json!({ "topic": "containers", "server": "alpha" });
    live.send(&json!({ "type": "subscribe", "id": 7, "topic": topic }).to_string())
        .await;
    let snapshot = live.next_of("snapshot").await;
    assert_eq!(
        (&snapshot["id"], snapshot["data"].as_array().map(Vec::len)),
        (&json!(7), Some(3))
    );
    assert_eq!(snapshot["data"][1]["protected"][0]["reason"], "agent");

    let begun = core
        .ask("/execute/StopAllContainers", json!({ "server": "alpha" }))
        .await
        .ok();
    let id = begun["_id"]["$oid"].clone();
    let first = updates.json().await;
    let keys: Vec<_> = first
        .as_object()
        .expect("an item")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        keys,
        [
            "cancelable",
            "id",
            "operation",
            "operator",
            "stage",
            "start_ts",
            "status",
            "success",
            "target",
            "username"
        ]
    );
    assert_eq!(
        (&first["id"], &first["status"], &first["username"]),
        (&id, &json!("InProgress"), &json!("admin"))
    );
    let last = loop {
        let item = updates.json().await;
        if item["status"] == "Complete" {
            break item;
        }
    };
    assert_eq!((&last["id"], &last["success"]), (&id, &json!(true)));
    let update = core.ask("/read/GetUpdate", json!({ "id": id })).await.ok();
    assert_eq!(update["verdicts"].as_array().map(Vec::len), Some(3));

    let mut stopped = std::collections::BTreeSet::new();
    while stopped.len() < 2 {
        let delta = live.next_of("delta").await;
        for item in delta["upsert"].as_array().expect("items") {
            if item["state"] == "exited" {
                stopped.insert(item["name"].as_str().expect("a name").to_owned());
            }
        }
    }
    assert_eq!(
        agent
            .world
            .state_of("periphery")
            .map(|state| state.as_str()),
        Some("running")
    );
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_comes_back_after_a_restart_of_core_and_an_open_operation_ends() {
    let keys = tempfile::tempdir().expect("a directory");
    let core = Core::start().await;
    let mut agent = Dialling::start(
        &core,
        "alpha",
        &["periphery", "web", "db"],
        &join_string(&core).await,
        Some(keys.path().to_owned()),
    )
    .await;
    until_state(&core, "alpha", "Ok").await;
    agent.world.set_latency(
        komodo_api::container::ContainerAction::Stop,
        std::time::Duration::from_secs(1),
    );
    let begun = core
        .ask("/execute/StopAllContainers", json!({ "server": "alpha" }))
        .await
        .ok();
    let (admin, port) = (core.admin, core.address.port());
    let directory = core.stop().await;
    let mut core = Core::start_in(directory, |config| config.port = port).await;
    core.admin = admin;
    let open = core
        .ask("/read/GetUpdate", json!({ "id": begun["_id"]["$oid"] }))
        .await
        .ok();
    assert_eq!(
        (&open["status"], &open["success"]),
        (&json!("InProgress"), &json!(true))
    );
    let mut live = Socket::login(&core, "/ws/live", core.admin).await;
    let topic = json!({ "topic": "update", "update": begun["_id"]["$oid"] });
    live.send(&json!({ "type": "subscribe", "id": 1, "topic": topic }).to_string())
        .await;
    let ended = loop {
        let snapshot = live.next_of("snapshot").await;
        if snapshot["data"]["status"] == "Complete" {
            break snapshot;
        }
    };
    live.next_of("end").await;
    assert_eq!(ended["data"]["success"], true, "{ended:#}");
    agent.until(|state| state.starts_with("Up")).await;
    agent.cancel.cancel();
    let away = until_state(&core, "alpha", "unreachable").await;
    assert_eq!(
        away["info"]["containers"]["total"], 3,
        "its last view stays"
    );
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_may_not_link_are_refused_and_shown() {
    let core = Core::start().await;
    let join = join_string(&core).await;
    let first = tempfile::tempdir().expect("a directory");
    let _agent = Dialling::start(
        &core,
        "alpha",
        &["web"],
        &join,
        Some(first.path().to_owned()),
    )
    .await;
    until_state(&core, "alpha", "Ok").await;
    // The same key once more, as from a cloned machine: the one that lives stays.
    let mut twin = Dialling::start(
        &core,
        "alpha",
        &["other"],
        &join,
        Some(first.path().to_owned()),
    )
    .await;
    twin.until(|state| state.contains("already_connected"))
        .await;
    let listed = core
        .ask("/read/ListContainers", json!({ "server": "alpha" }))
        .await
        .ok();
    assert_eq!(listed[0]["name"], "web");
    // Another key under the same name.
    let mut thief = Dialling::start(&core, "alpha", &["other"], &join, None).await;
    thief
        .until(|state| state.contains("server_has_an_agent"))
        .await;
    let server = core
        .ask("/read/GetServer", json!({ "server": "alpha" }))
        .await
        .ok();
    assert_ne!(server["info"]["attempted_public_key"], "");
    twin.cancel.cancel();
    _agent.cancel.cancel();
    until_state(&core, "alpha", "key_refused").await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_prove_who_he_is_is_told_and_let_go() {
    let core = Core::start().await;
    for path in ["/ws/update", "/ws/live"] {
        let mut socket = Socket::open(&core, path).await;
        socket.send("hello").await;
        let text = socket.text().await.expect("a text");
        assert!(text.starts_with("[400 Bad Request]: "), "{text}");
        assert_eq!(socket.text().await, None);

        let mut socket = Socket::open(&core, path).await;
        socket
            .send(
                &json!({ "type": "ApiKeys", "params": { "key": "K_x_K", "secret": "S_x_S" } })
                    .to_string(),
            )
            .await;
        let text = socket.text().await.expect("a text");
        assert!(text.starts_with("[401 Unauthorized]: "), "{text}");
        assert_eq!(socket.text().await, None);

        let answer = core.get(path, &[]).await;
        assert!(
            answer.status.is_client_error(),
            "without an upgrade: {}",
            answer.status
        );
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_wrong_are_answered_and_those_that_are_too_large_end_the_socket() {
    let core = Core::start().await;
    let mut socket = Socket::login(&core, "/ws/live", core.admin).await;
    socket.send("nonsense").await;
    assert_eq!(
        socket.next_of("error").await["error"]["code"],
        "unprocessable"
    );
    let subscribe = |id: u32| {
        json!({ "type": "subscribe", "id": id, "topic": { "topic": "updates" } }).to_string()
    };
    socket.send(&subscribe(1)).await;
    socket.next_of("snapshot").await;
    socket.send(&subscribe(1)).await;
    assert_eq!(socket.next_of("error").await["error"]["code"], "conflict");
    for id in 2..=64 {
        socket.send(&subscribe(id)).await;
        socket.next_of("snapshot").await;
    }
    socket.send(&subscribe(65)).await;
    assert_eq!(socket.next_of("error").await["id"], 65);
    socket
        .send(&json!({ "type": "unsubscribe", "id": 1 }).to_string())
        .await;
    socket.send(&subscribe(65)).await;
    assert_eq!(socket.next_of("snapshot").await["id"], 65);
    socket
        .send(&json!({ "type": "unsubscribe", "id": 65 }).to_string())
        .await;
    let unknown = json!({ "type": "subscribe", "id": 1, "topic": { "topic": "containers", "server": "nope" } });
    socket.send(&unknown.to_string()).await;
    assert_eq!(socket.next_of("error").await["error"]["code"], "not_found");
    socket.send(&"x".repeat(70_000)).await;
    assert_eq!(socket.text().await, None);
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_disabled_is_let_go() {
    let core = Core::start().await;
    let server = core.server("alpha").await;
    let user = core.user("ann", |_| {}).await;
    core.grant(user, server, PermissionLevel::Read, &[]).await;
    let mut live = Socket::login(&core, "/ws/live", user).await;
    let mut updates = Socket::login(&core, "/ws/update", user).await;
    let mut account =
        komodo_core::desired::Account::clone(&core.app.desired.snapshot().accounts[&user]);
    account.user.enabled = false;
    core.put(komodo_core::store::Change::PutAccount(std::sync::Arc::new(
        account,
    )))
    .await;
    assert_eq!(
        live.next_of("error").await["error"]["code"],
        "account_disabled"
    );
    assert_eq!(live.text().await, None);
    core.ask(
        "/write/RenameServer",
        json!({ "id": "alpha", "name": "beta" }),
    )
    .await
    .ok();
    assert_eq!(updates.json().await["type"], "INVALID_USER");
    assert_eq!(updates.text().await, None);
    core.stop().await;
}

/// Time that may pass besides on a clock that stands still unless everybody waits.
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn who_opens_a_socket_and_says_nothing_is_let_go_after_10_s() {
    let core = Core::start().await;
    for path in ["/ws/update", "/ws/live"] {
        let mut socket = Socket::open(&core, path).await;
        pause();
        let begun = Instant::now();
        assert_eq!(socket.text().await, None, "{path}");
        let took = begun.elapsed();
        let login = Duration::from_secs(10);
        assert!(
            (login - SLACK..=login + SLACK).contains(&took),
            "{path}: after {took:?}"
        );
        tokio::time::resume();
    }
    core.stop().await;
}

#[tokio::test]
async fn an_idle_live_socket_has_a_heartbeat_every_15_s() {
    let core = Core::start().await;
    let mut live = Socket::login(&core, "/ws/live", core.admin).await;
    pause();
    let begun = Instant::now();
    for beat in 1..=3 {
        let message = live.json().await;
        assert_eq!(message["type"], "heartbeat", "{message:#}");
        assert!(message["at"].is_i64(), "{message:#}");
        let (took, due) = (begun.elapsed(), Duration::from_secs(15) * beat);
        assert!(
            (due - SLACK..=due + SLACK).contains(&took),
            "beat {beat} after {took:?}"
        );
    }
    tokio::time::resume();
    core.stop().await;
}
