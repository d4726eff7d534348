//! Servers that are away, hang or flood: what is still told of them, and that nobody else notices.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentApi, AgentError, AgentEvent, AgentHello, AgentOperation, AgentStream, CoreHello,
    GoodbyeReason, LogRequest, OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{Code, Module, live::LogLine, resource::ContainerRef, server::Server};
use komodo_plan::LinkState;
use komodo_sim::{Fault, SimAgent};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::harness::{BEGINNING_MS, Core, wait};
use crate::store::Change;

#[tokio::test(start_paused = true)]
async fn a_server_that_never_connected_says_so() {
    let core = Core::start().await;
    core.server("new").await;
    let error = core
        .execute("StopAllContainers", json!({ "server": "new" }))
        .await
        .expect_err("nobody is there");
    assert_eq!(
        (error.code, error.status().as_u16()),
        (Code::ServerUnreachable, 503)
    );
    let state = core
        .read("GetServerState", json!({ "server": "new" }))
        .await;
    assert_eq!(
        (&state["status"], &state["reason"]["code"]),
        (&json!("NotOk"), &json!("never_connected"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_server_keeps_its_last_view_with_its_age() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", &["web", "db"]).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let lost_at = core.cut(&host).await;
    assert!(core.now() - lost_at < 10);
    host.world.stop("web").expect("it stops");
    tokio::time::advance(Duration::from_secs(600)).await;

    let ask = core
        .ask(
            core.admin,
            Module::Read,
            "ListContainers",
            json!({ "server": "alpha" }),
        )
        .await;
    let (listed, headers) = ask.expect("lists go on");
    assert_eq!(
        listed.as_array().map(Vec::len),
        Some(2),
        "never an empty list"
    );
    assert_eq!(listed[0]["stale_since"], lost_at);
    assert_eq!(listed[1]["state"], "running", "as it was last seen");
    assert_eq!(
        listed[1]["status"], "Up About a minute",
        "its age stands still"
    );
    assert_eq!(
        headers["x-as-of"].to_str().ok(),
        Some(lost_at.to_string().as_str())
    );

    let inspect = json!({ "server": "alpha", "container": "web" });
    let (document, headers) = core
        .ask(core.admin, Module::Read, "InspectContainer", inspect)
        .await
        .expect("remembered");
    assert_eq!(
        (&document["Name"], &document["State"]["Status"]),
        (&json!("/web"), &json!("running"))
    );
    assert_eq!(
        headers["x-stale-since"].to_str().ok(),
        Some(lost_at.to_string().as_str())
    );

    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("nobody is there");
    assert_eq!(error.code, Code::ServerUnreachable);
    assert_eq!(
        (&error.params["last_contact"], &error.params["since"]),
        (&json!(lost_at), &json!(lost_at))
    );

    core.reconnect(&mut host).await;
    let listed = core
        .read("ListContainers", json!({ "server": "alpha" }))
        .await;
    assert!(listed[0].get("stale_since").is_none());
    assert_eq!(listed[1]["state"], "exited", "and now as it is");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_stopped_on_its_host_says_so_before_it_goes() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", &["web"]).await;
    host.agent.terminate();
    core.until(&host, "it is lost", |view| !view.is_live())
        .await;
    let state = core
        .read("GetServerState", json!({ "server": "alpha" }))
        .await;
    assert_eq!(state["reason"]["code"], "agent_stopped");
    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("nobody is there");
    assert!(
        error
            .error
            .contains("stopped on the host at 2026-11-23 12:00:00 UTC (by SIGTERM)"),
        "{}",
        error.error
    );
    host.agent = host.host.start();
    core.reconnect(&mut host).await;
    assert_eq!(
        core.read("GetServerState", json!({ "server": "alpha" }))
            .await["status"],
        "Ok"
    );
}

/// An agent whose events go on after a goodbye, as those of one that was only paused do.
struct Staying(SimAgent);

#[async_trait]
impl AgentApi for Staying {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        self.0.hello(core).await
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        Ok(self.0.events().await?.chain(stream::pending()).boxed())
    }

    async fn inspect_container(&self, container: ContainerRef) -> Result<Value, AgentError> {
        self.0.inspect_container(container).await
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        self.0.container_log(request).await
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.0.operate(operation).await
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.0.follow(operation, seq).await
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        self.0.cancel(operation, by).await
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        self.0.receive_program(part).await
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        self.0.confirm(operation).await
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        self.0.acknowledge(operation).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_says_goodbye_and_stays_is_there_again() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", &["web"]).await;
    core.cut(&host).await;
    host.link = core.attach_as(host.id, &host.agent, Arc::new(Staying(host.agent.clone())));
    core.until(&host, "it is connected again", |view| view.is_live())
        .await;
    host.agent.goodbye(GoodbyeReason::EngineEvent {
        action: "pause".into(),
    });
    core.until(&host, "nothing is asked of it", |view| !view.is_live())
        .await;
    let begun = Instant::now();
    core.until(&host, "it is there again", |view| view.is_live())
        .await;
    assert!(
        begun.elapsed() <= Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_another_key_is_refused_and_shown() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    core.app.background.fleet.key_refused(host.id, "new-key");
    let mut server = Server::clone(&core.app.desired.snapshot().servers[&host.id]);
    server.info.public_key = "pinned-key".into();
    core.put(Change::PutServer(host.id, Arc::new(server))).await;
    core.app.background.fleet.key_refused(host.id, "new-key");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(core.view(&host).is_live(), "a good link is not disturbed");
    core.cut(&host).await;
    core.app.background.fleet.key_refused(host.id, "new-key");
    core.until(&host, "it is shown", |view| {
        matches!(view.link, LinkState::KeyRefused { .. })
    })
    .await;
    let state = core
        .read("GetServerState", json!({ "server": "alpha" }))
        .await;
    assert_eq!(state["reason"]["code"], "key_refused");
    assert!(
        state["reason"]["why"]
            .as_str()
            .expect("words")
            .contains("new-key")
    );
    assert_eq!(
        core.read("ListContainers", json!({ "server": "alpha" }))
            .await
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_paused_from_outside_is_given_up_with_the_reason() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    host.link.answers.store(false, Ordering::Relaxed);
    host.agent.goodbye(GoodbyeReason::EngineEvent {
        action: "pause".into(),
    });
    wait("its link is closed", || {
        core.app.background.fleet.agent(host.id).is_none()
    })
    .await;
    tokio::time::advance(Duration::from_secs(30)).await;
    let state = core
        .read("GetServerState", json!({ "server": "alpha" }))
        .await;
    assert_eq!(state["reason"]["code"], "agent_stopped");
    let since = state["reason"]["since"].as_i64().expect("a time");
    assert!(
        since - BEGINNING_MS < 1_000,
        "when it said so is when it went: {since}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_delays_nobody() {
    let mut core = Core::start().await;
    let hung = core.host("hung", &["web"]).await;
    let well = core.host("well", &["web"]).await;
    hung.agent.set_fault(Fault::Hang);
    let inspect = |server: &str| json!({ "server": server, "container": "web" });
    let waiting = core.ask(
        core.admin,
        Module::Read,
        "InspectContainer",
        inspect(&hung.name),
    );
    let others = async {
        let begun = Instant::now();
        let (document, _) = core
            .ask(
                core.admin,
                Module::Read,
                "InspectContainer",
                inspect(&well.name),
            )
            .await
            .expect("it answers");
        assert_eq!(document["Name"], "/web");
        core.read("ListAllContainers", json!({})).await;
        core.read("ListServers", json!({})).await;
        begun.elapsed()
    };
    let (waited, others) = tokio::join!(waiting, others);
    assert_eq!(
        others,
        Duration::ZERO,
        "nobody waited for the one that hangs"
    );
    let (document, headers) = waited.expect("it is remembered");
    assert_eq!(document["Name"], "/web");
    assert!(headers.contains_key("x-stale-since"), "and says that it is");
    // An operation on it begins at once too, and waits by itself.
    let begun = Instant::now();
    let update = core
        .execute("StopContainer", inspect("hung"))
        .await
        .expect("it begins");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let waiting = core
        .until_update(&update, "it waits", |update| update.waiting_for.is_some())
        .await;
    assert_eq!(waiting.waiting_for.expect("it waits").server, "hung");
    hung.agent.set_fault(Fault::None);
    core.end(&update).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_in_what_is_true() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["a", "b", "c", "d exited"]).await;
    for round in 0..20 {
        host.world.flood(2_000);
        let _ = if round % 2 == 0 {
            host.world.stop("a")
        } else {
            host.world.start("a")
        };
        host.world.rename("b", &format!("b{round}"));
    }
    host.world.remove("c").expect("it is removed");
    core.until(&host, "it agrees with the Engine", |view| {
        let mut seen: Vec<_> = view
            .containers
            .iter()
            .map(|one| (one.name.clone(), one.state))
            .collect();
        let mut is: Vec<_> = host
            .world
            .containers()
            .iter()
            .map(|one| (one.name.clone(), one.state))
            .collect();
        seen.sort();
        is.sort();
        view.is_live() && seen == is
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_a_state_of_a_connected_server() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["web"]).await;
    host.world.engine_away("connection refused");
    core.until(&host, "it is told", |view| view.engine_id().is_none())
        .await;
    let state = core
        .read("GetServerState", json!({ "server": "alpha" }))
        .await;
    assert_eq!(
        (&state["status"], &state["reason"]["code"]),
        (&json!("NotOk"), &json!("docker"))
    );
    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("no Engine");
    assert_eq!(
        (error.code, &error.params["why"]),
        (Code::EngineUnreachable, &json!("connection refused"))
    );
    assert_eq!(
        core.read("ListContainers", json!({ "server": "alpha" }))
            .await
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    host.world.engine_back();
    core.until(&host, "it is back", |view| view.engine_id().is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_known_after_a_restart_of_core() {
    let mut core = Core::start().await;
    let host = core
        .host("alpha", &["web image=nginx:1", "kept skip=true"])
        .await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let (id, ended_at) = (host.id, core.now());
    let core = core.restart().await;
    let ask = core
        .ask(
            core.admin,
            Module::Read,
            "ListContainers",
            json!({ "server": id }),
        )
        .await;
    let (listed, headers) = ask.expect("it is listed");
    assert_eq!(
        (&listed[1]["name"], &listed[1]["image"]),
        (&json!("web"), &json!("nginx:1"))
    );
    assert_eq!(
        (
            &listed[0]["protected"][0]["reason"],
            &listed[0]["stale_since"]
        ),
        (&json!("label"), &json!(ended_at))
    );
    assert_eq!(
        headers["x-as-of"].to_str().ok(),
        Some(ended_at.to_string().as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn agents_on_one_engine_protect_each_other() {
    let mut core = Core::start().await;
    let first = core
        .host("first", &["periphery", "periphery-2", "web"])
        .await;
    let id = core.server("second").await;
    let options = komodo_sim::AgentOptions {
        container: Some("periphery-2".into()),
        host_name: "second".into(),
    };
    let second = komodo_sim::SimHost::new(first.world.clone(), options).start();
    core.attach(id, &second);
    let both = |view: &crate::fleet::ServerView| view.protected.len() == 2;
    core.until(&first, "the first knows both", both).await;
    wait("the second knows both", || {
        core.app
            .background
            .fleet
            .view(id)
            .is_some_and(|view| both(&view))
    })
    .await;
    let error = core
        .execute(
            "StopContainer",
            json!({ "server": "first", "container": "periphery-2" }),
        )
        .await;
    assert_eq!(error.expect_err("protected").code, Code::Protected);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_disabled_is_left_alone() {
    let mut core = Core::start().await;
    let mut host = core.host("alpha", &["web"]).await;
    let disable = json!({ "id": "alpha", "config": { "enabled": false } });
    core.ask(core.admin, Module::Write, "UpdateServer", disable)
        .await
        .expect("it is changed");
    core.until(&host, "its link is closed", |view| !view.is_live())
        .await;
    let error = core
        .execute("StopAllContainers", json!({ "server": "alpha" }))
        .await
        .expect_err("disabled");
    assert_eq!(error.code, Code::ServerDisabled);
    let enable = json!({ "id": "alpha", "config": { "enabled": true } });
    core.ask(core.admin, Module::Write, "UpdateServer", enable)
        .await
        .expect("it is changed");
    core.reconnect(&mut host).await;
}
