//! What goes wrong, and what others do on hosts without asking anybody.

use std::time::Duration;

use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum};
use komodo_sim::{Fault, HelperDies, KillAt, Quirk, parse_container};
use tokio::time::{Instant, sleep};

use crate::{
    hand_over::{is_agent, is_helper},
    host::AGENT,
    network::Weather,
    story::{HOSTS, Story},
};

const ACTIONS: [ContainerAction; 7] = {
    use ContainerAction::*;
    [Start, Restart, Pause, Unpause, Stop, Destroy, Prune]
};
const QUIRKS: [Quirk; 7] = [
    Quirk::None,
    Quirk::FailsToStop,
    Quirk::Hangs,
    Quirk::Vanishes,
    Quirk::LosesAnswer,
    Quirk::Ignores,
    Quirk::ExitsAtStart(1),
];

/// What passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relief {
    /// The network of a host.
    Network(usize),
    /// The agent of a host is what it should be.
    Agent(usize),
    /// The Engine of a host answers.
    Engine(usize),
    /// Core runs.
    Core,
}

impl Story<'_> {
    /// What others do on a host.
    pub(crate) fn meddle(&mut self, at: usize) {
        let name = self.hosts[at].name.clone();
        let world = self.hosts[at].world().clone();
        // They leave the control path alone here; when it is taken down from outside is a trouble of its own.
        let Some(container) = self.container(at).filter(|name| !is_branch(name)) else {
            return;
        };
        match self.rng.u32(0..16) {
            0..6 => {
                let action = self.pick(&ACTIONS);
                let done = world.docker(action, &container);
                self.tell(format!("{name}: docker {action:?} {container}: {done:?}"));
            }
            6..8 => {
                self.created += 1;
                let state = self.pick(&["running", "exited", "paused"]);
                let line = format!("new{} {state}", self.created);
                if let Ok(container) = parse_container(&line) {
                    world.create(container);
                }
                self.tell(format!("{name}: docker create {line}"));
            }
            8 => {
                self.created += 1;
                let new = format!("{container}-{}", self.created);
                // What names say of the control path is not for chance to take away.
                if !["dns", "backup", "core-db"].contains(&&*container) {
                    world.rename(&container, &new);
                    self.tell(format!("{name}: {container} is called {new}"));
                }
            }
            9 => {
                if world.state_of(&container) == Some(ContainerStateStatusEnum::Running) {
                    world.exit(&container, 3);
                    self.tell(format!("{name}: {container} exits"));
                }
            }
            10..14 => {
                let quirk = self.pick(&QUIRKS);
                world.set_quirk(&container, quirk);
                self.tell(format!("{name}: {container} is {quirk:?}"));
            }
            _ => {
                let (action, ms) = (self.pick(&ACTIONS), self.pick(&[0, 50, 4_000, 15_000]));
                world.set_latency(action, Duration::from_millis(ms));
                self.tell(format!("{name}: {action:?} takes {ms} ms"));
            }
        }
    }

    pub(crate) fn passes(&mut self, relief: Relief, among_s: &[u64]) {
        let after = Duration::from_secs(self.pick(among_s));
        self.reliefs.push((Instant::now() + after, relief));
    }

    /// Something goes wrong with a host, or with Core.
    pub(crate) async fn trouble(&mut self, at: usize) -> anyhow::Result<()> {
        self.counts.faults += 1;
        let name = self.hosts[at].name.clone();
        match self.rng.u32(0..100) {
            0..14 => {
                self.tell(format!("{name}: cut"));
                self.hosts[at].network.cut();
            }
            14..28 => {
                let weather = self.pick(&[
                    Weather::DropsAll,
                    Weather::DropsToAgent,
                    Weather::DropsToCore,
                    Weather::Refuses,
                ]);
                self.tell(format!("{name}: network {weather:?}"));
                self.hosts[at].network.set_weather(weather);
                if weather == Weather::Refuses {
                    self.hosts[at].network.cut();
                }
                self.passes(Relief::Network(at), &[1, 15, 60, 600]);
            }
            28..34 => {
                let ms = self.pick(&[5, 300, 3_000]);
                self.tell(format!("{name}: everything takes {ms} ms"));
                self.hosts[at].network.set_delay(Duration::from_millis(ms));
                self.hosts[at].delayed = true;
                self.passes(Relief::Network(at), &[5, 60]);
            }
            34..44 => {
                self.tell(format!("{name}: agent killed"));
                self.hosts[at].agent().kill();
                self.hosts[at].kills += 1;
                self.passes(Relief::Agent(at), &[1, 5, 60, 900]);
            }
            44..56 => {
                let write = self.rng.usize(1..14);
                let kill = match self.rng.u32(0..3) {
                    0 => KillAt::Before(write),
                    1 => KillAt::Within(write),
                    _ => KillAt::After(write),
                };
                self.tell(format!("{name}: agent is killed {kill:?} writes"));
                self.hosts[at].host.kill_at(Some(kill));
                self.hosts[at].kills += 1;
                self.passes(Relief::Agent(at), &[5, 30, 120]);
            }
            56..66 => {
                let fault = self.pick(&[
                    Fault::Hang,
                    Fault::LosesAnswers,
                    Fault::Slow(Duration::from_millis(2)),
                ]);
                self.tell(format!("{name}: agent {fault:?}"));
                self.hosts[at].agent().set_fault(fault);
                self.passes(Relief::Agent(at), &[1, 20, 90, 600]);
            }
            66..73 => {
                self.tell(format!("{name}: Engine away"));
                self.hosts[at].world().engine_away("no answer");
                self.passes(Relief::Engine(at), &[1, 10, 120]);
            }
            73..79 => self.engine_dies(at),
            79..84 => {
                let ms = self.pick(&[-7_200_000, -60_000, -1_500, 1_500, 60_000, 7_200_000_i64]);
                self.tell(format!("{name}: clock set by {ms} ms"));
                self.hosts[at].world().clock().jump(ms);
                self.hosts[at].jumped_ms += ms.unsigned_abs();
            }
            84..86 => {
                let ms = self.pick(&[-600_000, -2_000, 2_000, 600_000_i64]);
                self.tell(format!("Core's clock set by {ms} ms"));
                self.core.clock.clock.jump(ms);
                self.core_jumped_ms += ms.unsigned_abs();
            }
            86..88 => {
                self.tell(format!("{name}: disk full"));
                self.hosts[at].host.set_disk_full(true);
                self.passes(Relief::Agent(at), &[20]);
            }
            88..90 => {
                let step = self.rng.usize(1..10);
                let dies = match self.rng.bool() {
                    true => HelperDies::Before(step),
                    false => HelperDies::After(step),
                };
                self.tell(format!("{name}: the next helper dies {dies:?} steps"));
                self.hosts[at].host.helper_dies(Some(dies));
            }
            90 => {
                self.tell(format!("{name}: flood"));
                self.hosts[at].world().flood(3_000);
            }
            91..94 => self.agent_from_outside(at),
            94..97 => self.kill_core()?,
            _ => self.restart_core().await?,
        }
        Ok(())
    }

    fn engine_dies(&mut self, at: usize) {
        let live_restore = self.rng.bool();
        let host = &mut self.hosts[at];
        host.world().engine_dies(live_restore);
        host.kills += 1;
        if !live_restore && host.is_contained() {
            host.agent().kill();
        }
        let line = format!("{}: Engine dies, live restore {live_restore}", host.name);
        self.tell(line);
        self.passes(Relief::Engine(at), &[1, 10, 60]);
    }

    /// Somebody stops or pauses the agent's container on its host.
    fn agent_from_outside(&mut self, at: usize) {
        let action = self.pick(&[ContainerAction::Stop, ContainerAction::Pause]);
        let host = &mut self.hosts[at];
        host.kills += 1;
        let done = host.world().docker(action, AGENT);
        if done.is_ok() && action == ContainerAction::Pause {
            host.network.set_frozen(true);
        }
        let line = format!("{}: docker {action:?} {AGENT}: {done:?}", host.name);
        self.tell(line);
        self.passes(Relief::Agent(at), &[5, 60, 300]);
    }

    fn kill_core(&mut self) -> anyhow::Result<()> {
        if self.core.slot.app().is_none() {
            return Ok(());
        }
        self.tell("Core killed");
        for host in &self.hosts {
            host.network.cut();
        }
        self.core.kill()?;
        self.waiting.abort_all();
        for asked in &mut self.asked {
            if asked.answer == crate::operate::Answer::None {
                asked.answer = crate::operate::Answer::Lost;
            }
        }
        self.passes(Relief::Core, &[1, 5, 40]);
        Ok(())
    }

    async fn restart_core(&mut self) -> anyhow::Result<()> {
        if self.core.slot.app().is_none() {
            return Ok(());
        }
        self.tell("Core restarts");
        self.hang_up().await;
        self.core.restart().await?;
        self.tell("Core runs");
        Ok(())
    }

    /// What was to pass by now has passed, or all of it has.
    pub(crate) async fn relieve(&mut self, all: bool) -> anyhow::Result<()> {
        let now = Instant::now();
        let due: Vec<Relief> = self
            .reliefs
            .iter()
            .filter(|(at, _)| all || *at <= now)
            .map(|(_, relief)| *relief)
            .collect();
        self.reliefs.retain(|(at, _)| !all && *at > now);
        for relief in due {
            self.tell(format!("passes: {relief:?}"));
            match relief {
                Relief::Network(at) => {
                    self.hosts[at].network.set_weather(Weather::Fair);
                    self.hosts[at].network.set_delay(Duration::ZERO);
                }
                Relief::Engine(at) => {
                    self.hosts[at].world().engine_back();
                    self.bring_agent_back(at)?;
                }
                Relief::Agent(at) => self.bring_agent_back(at)?,
                Relief::Core => {
                    self.core.begin().await?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn bring_agent_back(&mut self, at: usize) -> anyhow::Result<()> {
        let host = &mut self.hosts[at];
        host.agent().set_fault(Fault::None);
        host.host.set_disk_full(false);
        host.host.kill_at(None);
        let made = host.make_agent()?;
        use ContainerStateStatusEnum::{Paused, Running};
        let done = match host.world().state_of(AGENT) {
            None | Some(Running) => Ok(()),
            Some(Paused) => host.world().docker(ContainerAction::Unpause, AGENT),
            Some(_) => host.world().docker(ContainerAction::Start, AGENT),
        };
        host.network.set_frozen(false);
        if done.is_ok() {
            host.start_agent();
        }
        let line = format!("{}: docker run {AGENT}", host.name);
        if made {
            self.tell(line);
        }
        Ok(())
    }

    /// Everything that is wrong is put right.
    pub(crate) async fn put_right(&mut self) -> anyhow::Result<()> {
        self.relieve(true).await?;
        self.core.begin().await?;
        for at in 0..HOSTS {
            let host = &self.hosts[at];
            host.network.set_weather(Weather::Fair);
            host.network.set_delay(Duration::ZERO);
            host.world().engine_back();
            for container in host.world().containers() {
                host.world().set_quirk(&container.id, Quirk::None);
            }
            for action in ACTIONS {
                host.world().set_latency(action, Duration::ZERO);
            }
            self.bring_agent_back(at)?;
        }
        sleep(Duration::from_millis(1)).await;
        Ok(())
    }
}

/// Whether a container is what the agent itself needs.
fn is_branch(name: &str) -> bool {
    name == "vpn" || is_agent(name) || is_helper(name)
}
