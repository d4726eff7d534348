//! The network between agent and Core is cut, or the agent's disk is full, in the middle of a hand over.

use bollard::{
    exec::StartExecOptions,
    models::{ExecConfig, VolumeCreateRequest},
};
use komodo_acceptance::{
    cut::{Cut, heal},
    hand_over::{AGENT, Body, SERVER, Site, core_of, helper, same},
    told::{story, tells_confirmed, tells_rolled_back},
};
use komodo_api::{
    server::ServerState,
    update::{GetUpdate, Stage, Update},
};
use komodo_testkit::{
    engine::{Container, Engine, Restart, State},
    installation::{Failure, wait_for},
};

/// An agent whose packets to Core pass through chains of the Engine's own namespace.
async fn on_the_host_network() -> Result<Site, Failure> {
    Site::start(|container| {
        container
            .network_mode("host")
            .restart(Restart::UnlessStopped)
    })
    .await
}

/// Waits until a container bears the agent's name that runs, and is not in the run from before.
async fn another_run(site: &Site, before: &Body, what: &str) -> Result<Body, Failure> {
    wait_for(what, || async {
        let now = site.body().await.ok()?;
        let runs = site.engine.state(AGENT).await.ok()? == State::Running;
        (runs && now.started_at() != before.started_at()).then_some(now)
    })
    .await
}

async fn stage(site: &Site, id: &str, stage: Stage) -> Result<(), Failure> {
    let get = GetUpdate { id: id.to_owned() };
    wait_for(&format!("the Update to be at {stage:?}"), || async {
        let update = site.core.client.call(&get).await.ok()?;
        (update.stage == Some(stage)).then_some(())
    })
    .await
}

/// The new container runs while it cannot be seen, and is confirmed when it can.
async fn cut_while_it_is_replaced(site: &Site, cut: Cut) -> Result<Update, Failure> {
    let before = site.body().await?;
    let id = site.ask_recreate(None).await?;
    helper(&site.engine).await?;
    cut.strike(&site.engine, site.core.address)?;
    let new = another_run(site, &before, "the new container to run").await?;
    heal(&site.engine)?;
    let update = site.settled(&id).await?;
    tells_confirmed(&update)?;
    assert_ne!(new.id(), before.id());
    assert_eq!(new.id(), site.body().await?.id());
    Ok(update)
}

#[tokio::test]
async fn the_network_is_cut_while_the_agent_is_replaced() -> Result<(), Failure> {
    let site = on_the_host_network().await?;
    for cut in [Cut::Lost, Cut::Reset] {
        cut_while_it_is_replaced(&site, cut).await?;
    }

    // A link that breaks in the probation is watched anew.
    let before = site.body().await?;
    let id = site.ask_restart().await?;
    stage(&site, &id, Stage::Probation).await?;
    Cut::Reset.strike(&site.engine, site.core.address)?;
    site.core.wait_server(SERVER, ServerState::NotOk).await?;
    heal(&site.engine)?;
    let update = site.settled(&id).await?;
    tells_confirmed(&update)?;
    same(&before.identity(), &site.body().await?.identity())
}

/// Nobody but the helper is there to bring the old agent back.
#[tokio::test]
async fn a_network_that_stays_cut_brings_the_old_agent_back() -> Result<(), Failure> {
    let site = on_the_host_network().await?;
    let before = site.body().await?;
    let id = site.ask_recreate(None).await?;
    helper(&site.engine).await?;
    Cut::Lost.strike(&site.engine, site.core.address)?;
    wait_for("the old container to be put back", || async {
        let now = site.body().await.ok()?;
        let back = now.id() == before.id() && now.started_at() != before.started_at();
        back.then_some(())
    })
    .await?;
    heal(&site.engine)?;
    let update = site.settled(&id).await?;
    tells_rolled_back(&update, "not confirmed")?;
    same(&before.identity(), &site.body().await?.identity())
}

/// A container that keeps the agent's small disk mounted, and fills it.
const HOLDER: &str = "disk";
const ROOT: &str = "/etc/komodo";

async fn in_holder(engine: &Engine, script: &str) -> Result<(), Failure> {
    let docker = engine.docker();
    let exec = ExecConfig {
        cmd: Some(vec!["sh".into(), "-c".into(), script.into()]),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(HOLDER, exec).await?;
    let options = StartExecOptions {
        detach: true,
        ..StartExecOptions::default()
    };
    docker.start_exec(&exec.id, Some(options)).await?;
    wait_for("a command to end", || async {
        let seen = docker.inspect_exec(&exec.id).await.ok()?;
        (seen.running == Some(false)).then_some(())
    })
    .await
}

#[tokio::test]
async fn the_agents_disk_is_full() -> Result<(), Failure> {
    let engine = Engine::start().await?;
    let small = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")];
    engine
        .docker()
        .create_volume(VolumeCreateRequest {
            name: Some("small".into()),
            driver_opts: Some(
                small
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            ),
            ..VolumeCreateRequest::default()
        })
        .await?;
    engine
        .run(Container::idle(HOLDER).bind("small", ROOT))
        .await?;
    let core = core_of(&engine).await?;
    let agent = core
        .agent_without_volume(&engine, AGENT, SERVER)
        .await?
        .restart(Restart::UnlessStopped)
        .bind("small", ROOT);
    let site = Site::run(engine, core, agent, None).await?;
    let fill = format!("dd if=/dev/zero of={ROOT}/filler bs=4096; true");
    let free = format!("rm {ROOT}/filler");

    // Before: nothing is begun that could not be written down.
    in_holder(&site.engine, &fill).await?;
    let before = site.body().await?;
    for id in [site.ask_restart().await, site.ask_recreate(None).await] {
        if let Ok(id) = id {
            let update = site.settled(&id).await?;
            assert!(!update.success, "{}", story(&update));
        }
        let after = site.body().await?;
        assert_eq!(before.started_at(), after.started_at());
    }
    in_holder(&site.engine, &free).await?;

    // Meanwhile: the confirmation cannot be written down until there is room again.
    for recreate in [false, true] {
        let before = site.body().await?;
        let id = match recreate {
            false => site.ask_restart().await?,
            true => site.ask_recreate(None).await?,
        };
        stage(&site, &id, Stage::HandedOver).await?;
        in_holder(&site.engine, &fill).await?;
        another_run(&site, &before, "the new run").await?;
        site.core.wait_server(SERVER, ServerState::Ok).await?;
        in_holder(&site.engine, &free).await?;
        let update = site.settled(&id).await?;
        tells_confirmed(&update)?;
    }
    Ok(())
}
