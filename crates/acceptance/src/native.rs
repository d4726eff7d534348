//! An agent that systemd runs, and what must hold of it after it was handed over.

use komodo_api::server::ServerState;
use komodo_testkit::{
    engine::Engine,
    installation::{AGENT_UNIT, Core, Failure, Machine, wait_for},
};

use crate::hand_over::PROBATION_SECONDS;
pub use crate::hand_over::SERVER;

/// A machine with systemd and the agent in it, an Engine that the agent manages, and a Core outside.
#[derive(Debug)]
pub struct Site {
    /// Core.
    pub core: Core,
    /// The machine.
    pub machine: Machine,
    /// The Engine that the agent manages, which knows nothing of the machine.
    pub engine: Engine,
}

impl Site {
    /// Starts all of it.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start() -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        let machine = Machine::start(&[engine.directory()]).await?;
        let probation = [("KOMODO_PROBATION_SECONDS", PROBATION_SECONDS)];
        let core = Core::start_with(machine.host.host_address().into(), &probation).await?;
        core.agent_service(&machine, &engine, SERVER, &[]).await?;
        let site = Site {
            core,
            machine,
            engine,
        };
        site.is_up().await?;
        Ok(site)
    }

    /// Waits until the unit runs and the agent is connected.
    ///
    /// # Errors
    /// When it does not; the error holds what the machine says.
    pub async fn is_up(&self) -> Result<(), Failure> {
        let runs = wait_for("the agent's unit to run", || async {
            let active = self
                .machine
                .property(AGENT_UNIT, "ActiveState")
                .await
                .ok()?;
            (active == "active").then_some(())
        });
        let up = async {
            runs.await?;
            self.core.wait_server(SERVER, ServerState::Ok).await
        };
        match up.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let journal = self.machine.journal("").await;
                Err(format!("{error}\nthe machine: {journal}").into())
            }
        }
    }
}
