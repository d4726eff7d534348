//! A host that hangs, dawdles or floods hurts nobody: by the virtual clock, what is asked of other servers takes exactly
//! as long as when all are well.

use std::{future::pending, time::Duration};

use futures_util::future::join_all;
use komodo_api::Module;
use komodo_sim::Fault;
use serde_json::json;
use tokio::time::Instant;

use super::harness::{Core, Host};

const CONTAINERS: &[&str] = &["periphery", "web", "db", "cache"];
/// Events of the flooding host in a millisecond.
const FLOOD_EVENTS: usize = 50;

/// What is wrong with the other servers.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Nothing,
    Hang,
    ByteASecond,
    Flood,
    All,
}

/// Names of servers in trouble.
const BAD: [&str; 3] = ["hanging", "slow", "flooding"];

#[tokio::test(start_paused = true)]
async fn no_request_waits_for_the_agent_of_another_server() {
    let quiet = times(Trouble::Nothing).await;
    assert!(quiet.len() > 40, "{quiet:?}");
    for trouble in [
        Trouble::Hang,
        Trouble::ByteASecond,
        Trouble::Flood,
        Trouble::All,
    ] {
        assert_eq!(times(trouble).await, quiet, "{trouble:?}");
    }
}

/// How long each request to a good server takes while others are in trouble, and are asked for things meanwhile.
async fn times(trouble: Trouble) -> Vec<(&'static str, Duration)> {
    let mut core = Core::start().await;
    let _good = core.host("good", CONTAINERS).await;
    let mut bad: Vec<Host> = Vec::new();
    for name in BAD {
        bad.push(core.host(name, CONTAINERS).await);
    }
    let is = |wanted: fn(&Trouble) -> bool| wanted(&trouble) || matches!(trouble, Trouble::All);
    if is(|trouble| matches!(trouble, Trouble::Hang)) {
        bad[0].agent.set_fault(Fault::Hang);
    }
    if is(|trouble| matches!(trouble, Trouble::ByteASecond)) {
        bad[1].agent.set_fault(Fault::BYTE_A_SECOND);
    }
    let floods = is(|trouble| matches!(trouble, Trouble::Flood));
    let flood = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        if !floods {
            pending::<()>().await;
        }
        loop {
            ticks.tick().await;
            bad[2].world.flood(FLOOD_EVENTS);
        }
    };
    // Whoever asks the bad ones waits for them; that is theirs.
    let stuck = async {
        let asked = BAD.iter().flat_map(|server| {
            let core = &core;
            [
                (
                    Module::Read,
                    "InspectContainer",
                    json!({ "server": server, "container": "web" }),
                ),
                (
                    Module::Read,
                    "GetContainerLog",
                    json!({ "server": server, "container": "web" }),
                ),
                (
                    Module::Execute,
                    "StopAllContainers",
                    json!({ "server": server }),
                ),
            ]
            .map(|(module, name, params)| core.ask(core.admin, module, name, params))
        });
        join_all(asked).await;
        pending().await
    };
    tokio::select! {
        biased;
        () = flood => unreachable!("it never ends"),
        () = stuck => unreachable!("it never ends"),
        times = ask_the_good_one(&core) => times,
    }
}

async fn ask_the_good_one(core: &Core) -> Vec<(&'static str, Duration)> {
    let server = json!({ "server": "good" });
    let web = json!({ "server": "good", "container": "web" });
    let mut times = Vec::new();
    for _ in 0..5 {
        for (name, params) in [
            ("ListServers", json!({})),
            ("ListAllContainers", json!({})),
            ("GetContainersSummary", json!({})),
            ("GetServerState", server.clone()),
            ("ListContainers", server.clone()),
            ("InspectContainer", web.clone()),
            ("GetContainerLog", web.clone()),
        ] {
            let begun = Instant::now();
            core.read(name, params).await;
            times.push((name, begun.elapsed()));
        }
        for name in ["StopAllContainers", "StartAllContainers"] {
            let begun = Instant::now();
            let update = core
                .execute(name, server.clone())
                .await
                .expect("nobody is busy with it");
            let update = core.end(&update).await;
            assert!(update.success, "{update:#?}");
            times.push((name, begun.elapsed()));
        }
    }
    times
}
