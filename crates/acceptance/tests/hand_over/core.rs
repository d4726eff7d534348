//! Core runs in a container of a host that it manages, and is restarted and replaced through itself: with a good image it
//! is confirmed, with one that fails it is back on the old version by itself, with its database as it was.

use std::path::Path;

use komodo_acceptance::{
    each,
    hand_over::{
        AGENT, Body, PROBATION_SECONDS, SERVER, ask_recreate, ask_restart, closed, is_up, names,
        same,
    },
    told::{story, tells_confirmed, tells_rolled_back},
};
use komodo_api::{
    plan::{Effect, PlanOperation, ReasonCode},
    server::{ListServers, ServerState},
    update::{Update, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Engine, Restart},
    installation::{
        AgentContainer, CORE_IMAGE, CoreContainer, Failure,
        images::{BadCore, bad_core, next_version},
        wait_for,
    },
};

const CORE: &str = "komodo";
/// Byte of an SQLite file that the bad version of Core sets: the last one of `user_version`.
const VERSION_BYTE: usize = 63;

struct Host {
    engine: Engine,
    core: CoreContainer,
    _agent: AgentContainer,
    containers: Vec<String>,
}

impl Host {
    async fn start() -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        let core = CoreContainer::start(&engine, CORE, |container| {
            container
                .env("KOMODO_PROBATION_SECONDS", PROBATION_SECONDS)
                .label("com.docker.compose.project", "komodo")
        })
        .await?;
        let agent = core.agent_container(&engine, AGENT, SERVER).await?;
        engine
            .run(agent.container.clone().restart(Restart::UnlessStopped))
            .await?;
        engine.run(Container::idle("web")).await?;
        is_up(&core, &engine).await?;
        core.wait_containers(SERVER, "Core to know its own container", |list| {
            list.iter().any(|item| {
                item.name == CORE
                    && item
                        .protected
                        .iter()
                        .any(|reason| reason.code == ReasonCode::Core)
            })
        })
        .await?;
        let containers = names(&engine).await?;
        Ok(Host {
            engine,
            core,
            _agent: agent,
            containers,
        })
    }

    async fn body(&self) -> Result<Body, Failure> {
        Body::of(&self.engine, CORE).await
    }

    /// Waits for the end, and that Core, the agent and nothing else is left.
    async fn settled(&self, id: &str) -> Result<Update, Failure> {
        let update = closed(&self.core, id).await;
        let log = self.engine.logs(CORE).await.unwrap_or_default();
        let update = update.map_err(|error| format!("{error}\nCore: {log}"))?;
        let settled = async {
            self.core.wait_server(SERVER, ServerState::Ok).await?;
            wait_for("nothing to be left of a hand over", || async {
                (names(&self.engine).await.ok()? == self.containers).then_some(())
            })
            .await
        };
        settled
            .await
            .map_err(|error| format!("{error}\n{update:#?}"))?;
        Ok(update)
    }

    /// First 100 bytes of the database.
    fn database(&self) -> Result<Vec<u8>, Failure> {
        let mut header = std::fs::read(self.core.directory().join("komodo.db"))?;
        header.truncate(100);
        Ok(header)
    }
}

fn one_verdict(update: &Update, kind: VerdictKind) {
    let verdicts: Vec<_> = update
        .verdicts
        .iter()
        .map(|one| (one.container.as_str(), one.verdict))
        .collect();
    assert_eq!(verdicts, [(CORE, kind)], "{update:#?}");
}

#[tokio::test]
async fn core_is_restarted_and_replaced_through_itself() -> Result<(), Failure> {
    let host = Host::start().await?;
    let plan = PlanOperation {
        operation: "RestartContainer".into(),
        params: serde_json::from_value(serde_json::json!({ "server": SERVER, "container": CORE }))?,
    };
    let plan = host.core.client.call(&plan).await?;
    let effects: Vec<_> = plan.items.iter().map(|item| item.effect).collect();
    assert_eq!(effects, [Effect::HandOver], "{plan:?}");

    let before = host.body().await?;
    let update = host
        .settled(&ask_restart(&host.core, SERVER, CORE).await?)
        .await?;
    tells_confirmed(&update)?;
    one_verdict(&update, VerdictKind::Done);
    let after = host.body().await?;
    same(&before.identity(), &after.identity())?;
    assert_ne!(before.started_at(), after.started_at());

    let next = next_version(&host.engine, CORE_IMAGE).await?;
    let id = ask_recreate(&host.core, SERVER, CORE, Some(&next)).await?;
    let update = host.settled(&id).await?;
    tells_confirmed(&update)?;
    one_verdict(&update, VerdictKind::Done);
    let new = host.body().await?;
    assert_ne!(new.id(), after.id());
    assert_ne!(new.image(), after.image());
    Ok(())
}

async fn rolled_back(host: &Host, bad: BadCore) -> Result<(), Failure> {
    let before = host.body().await?;
    let image = bad_core(&host.engine, bad).await?;
    let all = ListServers::default();
    let servers = || host.core.client.call_raw(&all);
    let known = servers().await?[0]["id"].clone();
    let id = ask_recreate(&host.core, SERVER, CORE, Some(&image)).await?;
    let update = host.settled(&id).await?;
    println!("{bad:?}: {}", story(&update));
    tells_rolled_back(&update, "")?;
    one_verdict(&update, VerdictKind::Failed);
    let after = host.body().await?;
    same(&before.identity(), &after.identity())?;
    if servers().await?[0]["id"] != known {
        return Err("another database".into());
    }
    Ok(())
}

#[tokio::test]
async fn core_is_back_on_its_old_version_by_itself() -> Result<(), Failure> {
    let host = Host::start().await?;
    let bad = [
        BadCore::CannotStart,
        BadCore::CannotOpenDatabase,
        BadCore::MigratesAndFails,
    ];
    let version = host.database()?[VERSION_BYTE];
    each!(bad, |bad| rolled_back(&host, bad))?;
    assert_eq!(host.database()?[VERSION_BYTE], version);
    // What the newer version made of the database is kept, for people to look at.
    let kept = newer_files(host.core.directory())?;
    assert!(kept > 0, "the newer database is gone");
    Ok(())
}

/// Database files below a folder that a newer version has migrated.
fn newer_files(folder: &Path) -> Result<usize, Failure> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found += newer_files(&path)?;
        } else if std::fs::read(&path)?.get(VERSION_BYTE) == Some(&99)
            && std::fs::read(&path)?.starts_with(b"SQLite format 3")
        {
            found += 1;
        }
    }
    Ok(found)
}
