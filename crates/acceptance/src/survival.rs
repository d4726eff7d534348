//! What the agent must survive: every server-wide operation, one after the other, while it carries them out itself.

use komodo_api::{
    container::{ContainerAction, ListProtected},
    engine::ContainerStateStatusEnum,
    plan::{Effect, PlanOperation, ReasonCode},
    resource::ServerRef,
    server::ServerState,
    update::{Update, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{Core, Failure},
};

use crate::act_on_all;

/// Containers that nothing protects.
pub const OTHERS: [&str; 3] = ["web", "db", "cache"];

/// What the agent logs each time it has connected.
pub const LINK_UP: &str = "link with core is up";

/// Reasons that some containers must be spared for, by name.
pub type Spared = &'static [(&'static str, ReasonCode)];

/// An agent that runs in a container of the Engine it is the agent of.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What is particular about it.
    pub name: &'a str,
    /// The Engine.
    pub engine: &'a Engine,
    /// Core.
    pub core: &'a Core,
    /// Its server.
    pub server: &'a str,
    /// Id of its container.
    pub agent_id: &'a str,
    /// What must be spared, and why.
    pub spared: Spared,
}

/// Starts the containers that nothing protects.
///
/// # Errors
/// When the Engine refuses.
pub async fn start_others(engine: &Engine) -> Result<(), Failure> {
    for name in OTHERS {
        engine.run(Container::idle(name)).await?;
    }
    engine.create(Container::idle("never-started")).await?;
    Ok(())
}

/// Pauses, resumes, restarts, stops and starts all containers and prunes them: what must be spared runs throughout and
/// is named with its reason, the others end in the asked state.
///
/// # Errors
/// When an operation is refused or a state does not come.
///
/// # Panics
/// When something is not as it must be.
pub async fn survives(scene: Scene<'_>) -> Result<(), Failure> {
    let Scene { engine, core, .. } = scene;
    core.wait_containers(
        scene.server,
        "all containers in view, the protected ones marked",
        |list| {
            OTHERS
                .iter()
                .all(|name| list.iter().any(|item| item.name == *name))
                && scene.spared.iter().all(|(name, code)| {
                    list.iter().any(|item| {
                        item.name == *name
                            && item.protected.iter().any(|reason| reason.code == *code)
                    })
                })
        },
    )
    .await?;
    let listed = core
        .client
        .call(&ListProtected {
            server: ServerRef(scene.server.into()),
        })
        .await?;
    for (name, code) in scene.spared {
        assert!(
            listed
                .iter()
                .any(|item| item.container == *name
                    && item.protected.iter().any(|r| r.code == *code)),
            "{}: {name} is not listed as {code:?}: {listed:?}",
            scene.name
        );
    }
    assert!(
        !listed
            .iter()
            .any(|item| OTHERS.contains(&item.container.as_str())),
        "{listed:?}"
    );

    let before = runs(&scene).await?;

    let plan = core
        .client
        .call(&PlanOperation {
            operation: "StopAllContainers".into(),
            params: serde_json::from_value(serde_json::json!({ "server": scene.server }))?,
        })
        .await?;
    for (name, code) in scene.spared {
        let item = plan
            .items
            .iter()
            .find(|item| item.container == *name)
            .ok_or("not in the plan")?;
        assert_eq!(
            (item.effect, item.reason.as_ref().map(|r| r.code)),
            (Effect::Skip, Some(*code)),
            "{}",
            scene.name
        );
    }

    use ContainerAction::{Pause, Prune, Restart, Start, Stop, Unpause};
    let steps = [
        (Pause, State::Paused, true),
        (Unpause, State::Running, false),
        (Restart, State::Running, true),
        (Stop, State::Exited, true),
        (Start, State::Running, false),
        (Stop, State::Exited, true),
        (Prune, State::Absent, false),
    ];
    for (action, state, spares) in steps {
        let update = act_on_all(core, scene.server, action).await?;
        settled(&scene, &update, state, spares).await?;
        if action == Restart {
            assert_eq!(
                engine.state("never-started").await?,
                State::Created,
                "restart of all restarts only what runs"
            );
        }
    }

    assert_eq!(
        runs(&scene).await?,
        before,
        "{}: what must be spared was stopped or started anew",
        scene.name
    );
    core.wait_server(scene.server, ServerState::Ok).await?;
    let log = engine.logs(scene.agent_id).await?;
    assert_eq!(
        log.matches(LINK_UP).count(),
        1,
        "{}: the agent was connected throughout: {log}",
        scene.name
    );
    Ok(())
}

/// When each container that must be spared was started; all of them run.
async fn runs(scene: &Scene<'_>) -> Result<Vec<(&'static str, Option<String>)>, Failure> {
    let mut runs = Vec::new();
    for (name, _) in scene.spared {
        let state = scene.engine.inspect(name).await?.state.ok_or("no state")?;
        assert_eq!(
            (state.running, state.paused),
            (Some(true), Some(false)),
            "{}: {name} does not run",
            scene.name
        );
        runs.push((*name, state.started_at));
    }
    Ok(runs)
}

/// The others have the state and the Update says so for each. Where it spares containers, because the action would
/// apply to them, it names each with its reason.
async fn settled(
    scene: &Scene<'_>,
    update: &Update,
    state: State,
    spares: bool,
) -> Result<(), Failure> {
    for (name, code) in scene.spared.iter().filter(|_| spares) {
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == *name);
        let Some(verdict) = verdict else {
            panic!("{}: no verdict on {name}: {update:?}", scene.name)
        };
        assert_eq!(
            verdict.verdict,
            VerdictKind::Skipped,
            "{}: {verdict:?}",
            scene.name
        );
        assert_eq!(
            verdict.reason.as_ref().map(|reason| reason.code),
            Some(*code),
            "{}: {verdict:?}",
            scene.name
        );
    }
    assert!(
        update.success,
        "{}: {:?} is not successful: {update:#?}",
        scene.name, update.operation
    );
    assert!(update.end_ts.is_some());
    for name in OTHERS {
        assert_eq!(
            scene.engine.state(name).await?,
            state,
            "{}: {name} after {:?}",
            scene.name,
            update.operation
        );
        let verdict = update
            .verdicts
            .iter()
            .find(|verdict| verdict.container == name);
        let Some(verdict) = verdict else {
            panic!("{}: no verdict on {name}: {update:?}", scene.name)
        };
        assert_eq!(
            verdict.verdict,
            VerdictKind::Done,
            "{}: {verdict:?}",
            scene.name
        );
        if state != State::Absent {
            assert_ne!(
                verdict.after,
                Some(ContainerStateStatusEnum::Empty),
                "{verdict:?}"
            );
        }
    }
    Ok(())
}
