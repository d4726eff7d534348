//! Agents that share an Engine: each hears of the others, also where it did not listen at first.

use komodo_api::plan::ReasonCode;
use komodo_sim::{AgentOptions, Fault, SimHost};

use super::harness::{Core, Host};

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
    super::harness::wait("the neighbour is connected", || {
        core.app
            .background
            .fleet
            .view(beta)
            .is_some_and(|view| view.is_live())
    })
    .await;
    // The hello that tells of it is given up before the agent listens again.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    host.agent.set_fault(Fault::None);
    core.until(&host, "it protects its neighbour", |_| {
        protects(&core, &host, "second")
    })
    .await;
}
