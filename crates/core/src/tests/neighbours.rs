//! Agents that share an Engine: each hears of the others and of what those depend on, also where it did not listen at
//! first.

use komodo_api::{id::Id, plan::ReasonCode};
use komodo_sim::{AgentOptions, Fault, SimHost};

use super::harness::{Core, Host, pass, wait};

fn protects(core: &Core, host: &Host, container: &str) -> bool {
    core.view(host).protected.iter().any(|one| {
        one.name == container
            && one
                .reasons
                .iter()
                .any(|reason| reason.code == ReasonCode::Agent)
    })
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_did_not_hear_of_another_is_told_again() {
    let mut core = Core::start().await;
    let host = core.host("alpha", &["periphery", "second"]).await;
    assert!(!protects(&core, &host, "second"));
    host.agent.set_fault(Fault::Hang);
    let beta = core.server("beta").await;
    let container = host.world.container("second").expect("there").name;
    let options = AgentOptions {
        container: Some(container),
        host_name: "beta".into(),
    };
    let neighbour = SimHost::new(host.world.clone(), options).start();
    core.attach(beta, &neighbour);
    wait("the neighbour is connected", || {
        core.app
            .background
            .fleet
            .view(beta)
            .is_some_and(|view| view.is_live())
    })
    .await;
    // The hello that tells of it is given up before the agent listens again.
    pass(std::time::Duration::from_secs(12)).await;
    host.agent.set_fault(Fault::None);
    core.until(&host, "it protects its neighbour", |_| {
        protects(&core, &host, "second")
    })
    .await;
}

/// Why a container is protected on a server, in words.
fn reasons(core: &Core, server: Id, container: &str) -> Vec<String> {
    let view = core.app.background.fleet.view(server);
    let view = view.expect("the server is known");
    let protected = view.protected.iter().find(|one| one.name == container);
    protected
        .map(|one| {
            one.reasons
                .iter()
                .map(|it| format!("{:?} {:?}", it.code, it.detail))
                .collect()
        })
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_one_agent_depends_on_is_spared_by_the_others_for_as_long_as_it_does() {
    let mut core = Core::start().await;
    let containers = ["periphery", "second", "proxy", "other", "web"];
    let alpha = core.host("alpha", &containers).await;
    let beta = core.server("beta").await;
    let container = alpha.world.container("second").expect("there").name;
    let options = AgentOptions {
        container: Some(container),
        host_name: "beta".into(),
    };
    let neighbour = SimHost::new(alpha.world.clone(), options).start();
    neighbour.reach_engine_through(Some("proxy"));
    core.attach(beta, &neighbour);
    let needed = |name: &'static str| {
        let core = &core;
        let alpha = alpha.id;
        move || !reasons(core, alpha, name).is_empty()
    };
    wait("alpha spares what beta needs", needed("proxy")).await;
    assert!(
        reasons(&core, alpha.id, "proxy")[0].contains("needed by the agent of beta"),
        "{:?}",
        reasons(&core, alpha.id, "proxy")
    );
    assert_eq!(reasons(&core, alpha.id, "web"), Vec::<String>::new());

    // Both need it, then only beta, then none: nobody keeps it for what the other only heard.
    alpha.agent.reach_engine_through(Some("proxy"));
    wait("beta finds it too", || {
        let own = reasons(&core, alpha.id, "proxy");
        own.first().is_some_and(|reason| !reason.contains("beta"))
    })
    .await;
    alpha.agent.reach_engine_through(None);
    wait("alpha is told of it again", || {
        let told = reasons(&core, alpha.id, "proxy");
        told.first().is_some_and(|reason| reason.contains("beta"))
    })
    .await;

    neighbour.reach_engine_through(Some("other"));
    wait("alpha spares what beta needs now", needed("other")).await;
    wait("and no longer what it needed", || !needed("proxy")()).await;
    assert_eq!(reasons(&core, beta, "proxy"), Vec::<String>::new());

    // One that is away needs it still: it comes back through it.
    neighbour.kill();
    wait("beta is away", || {
        let view = core.app.background.fleet.view(beta);
        view.is_some_and(|view| !view.is_live())
    })
    .await;
    assert!(needed("other")());
}
