//! An agent that is a service is restarted through Core.

use komodo_acceptance::{
    native::{SERVER, Site},
    told::tells_confirmed,
};
use komodo_api::{
    container::ContainerListItem,
    plan::{Effect, PlanOperation},
    update::VerdictKind,
};
use komodo_testkit::installation::{AGENT_UNIT, Failure};

#[tokio::test]
async fn the_service_is_restarted_and_confirmed() -> Result<(), Failure> {
    restarts(&Site::start().await?).await
}

/// It is both a service and in a container: the service is what is restarted.
#[tokio::test]
async fn the_service_in_a_container_is_restarted_and_confirmed() -> Result<(), Failure> {
    let site = Site::start_in_its_own_engine().await?;
    let knows = |list: &[ContainerListItem]| {
        let mut own = list.iter().filter(|item| item.name == "machine");
        own.any(|item| !item.protected.is_empty())
    };
    site.core
        .wait_containers(SERVER, "the agent to know its container", knows)
        .await?;
    let began = site.machine.began().await?;
    restarts(&site).await?;
    assert_eq!(began, site.machine.began().await?, "the container was");
    Ok(())
}

async fn restarts(site: &Site) -> Result<(), Failure> {
    let plan = PlanOperation {
        operation: "RestartPeriphery".into(),
        params: serde_json::from_value(serde_json::json!({ "server": SERVER }))?,
    };
    let plan = site.core.client.call(&plan).await?;
    let planned: Vec<_> = plan
        .items
        .iter()
        .map(|item| (item.container.as_str(), item.effect))
        .collect();
    assert_eq!(planned, [(AGENT_UNIT, Effect::HandOver)], "{plan:?}");
    for _ in 0..2 {
        let before = site.run().await?;
        let update = site.settled(&site.ask_restart().await?).await?;
        tells_confirmed(&update)?;
        let verdicts: Vec<_> = update
            .verdicts
            .iter()
            .map(|one| (one.container.as_str(), one.verdict))
            .collect();
        assert_eq!(verdicts, [(AGENT_UNIT, VerdictKind::Done)], "{update:#?}");
        let after = site.run().await?;
        assert!(before.program == after.program, "another program");
        assert_ne!(before.invocation, after.invocation, "not restarted");
    }
    Ok(())
}
