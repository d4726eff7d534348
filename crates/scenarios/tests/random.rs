//! Operations and faults by chance, by seed: whatever happens, the control path stays up, no Update stays open, and no
//! verdict is untrue.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use komodo_api::{
    Module,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    update::{Update, UpdateStatus, Verdict, VerdictKind},
};
use komodo_scenarios::Fleet;
use komodo_sim::{Fault, KillAt, Quirk, World, parse_container};
use serde_json::{Value, json};

/// Steps of one story.
const STEPS: usize = 40;
/// Stories; each takes about a tenth of a second.
const SEEDS: u64 = 40;
const HOSTS: [&str; 2] = ["alpha", "beta"];
/// What must never go down.
const BRANCH: [&str; 2] = ["periphery", "vpn"];
const ACTIONS: [ContainerAction; 7] = {
    use ContainerAction::*;
    [Start, Restart, Pause, Unpause, Stop, Destroy, Prune]
};
const CONTAINERS: [&str; 11] = [
    "periphery net=vpn",
    "vpn",
    "dns protect=true",
    "backup skip=true",
    "web project=shop service=web needs=api timeout=3",
    "api project=shop service=api needs=db",
    "db project=shop service=db",
    "cron exited",
    "ice paused",
    "fresh created",
    "loop net=web",
];

/// A story: what was done, in order, and the Updates that came of it.
struct Story {
    fleet: Fleet,
    rng: fastrand::Rng,
    updates: Vec<(&'static str, String)>,
    told: Vec<String>,
    created: usize,
}

impl Story {
    async fn begin(seed: u64) -> anyhow::Result<Story> {
        let mut fleet = Fleet::start().await?;
        for (at, name) in HOSTS.into_iter().enumerate() {
            // A container that shares a network has to come after its owner.
            let mut containers = CONTAINERS.to_vec();
            containers.sort_by_key(|line| line.contains("net="));
            fleet
                .add_host(
                    name,
                    seed.wrapping_mul(31).wrapping_add(at as u64),
                    &containers,
                )
                .await?;
        }
        Ok(Story {
            fleet,
            rng: fastrand::Rng::with_seed(seed),
            updates: Vec::new(),
            told: Vec::new(),
            created: 0,
        })
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(0..from.len())]
    }

    fn container(&mut self, host: &str, ordinary: bool) -> anyhow::Result<Option<String>> {
        let mut names: Vec<String> = self
            .fleet
            .host(host)?
            .world()
            .containers()
            .into_iter()
            .map(|container| container.name)
            .collect();
        names.retain(|name| !ordinary || !BRANCH.contains(&name.as_str()));
        names.sort();
        if names.is_empty() {
            return Ok(None);
        }
        let at = self.rng.usize(0..names.len());
        Ok(Some(names.swap_remove(at)))
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        let host = self.pick(&HOSTS);
        let world = self.fleet.host(host)?.world().clone();
        match self.rng.u32(0..100) {
            0..30 => self.operate(host).await?,
            30..45 => {
                let action = self.pick(&ACTIONS);
                if let Some(name) = self.container(host, true)? {
                    let done = world.docker(action, &name);
                    self.told
                        .push(format!("docker {host} {action:?} {name}: {done:?}"));
                }
            }
            45..50 => {
                self.created += 1;
                let state = self.pick(&["running", "exited", "paused"]);
                let line = format!("new{} {state}", self.created);
                world.create(parse_container(&line).map_err(anyhow::Error::msg)?);
                self.told.push(format!("docker {host} create {line}"));
            }
            50..58 => {
                let quirks = [
                    Quirk::None,
                    Quirk::FailsToStop,
                    Quirk::Hangs,
                    Quirk::Vanishes,
                    Quirk::LosesAnswer,
                    Quirk::Ignores,
                    Quirk::ExitsAtStart(1),
                ];
                let quirk = self.pick(&quirks);
                if let Some(name) = self.container(host, true)? {
                    world.set_quirk(&name, quirk);
                    self.told.push(format!("quirk {host} {name} {quirk:?}"));
                }
            }
            58..63 => {
                let (action, latency) = (self.pick(&ACTIONS), self.pick(&[0, 50, 4_000]));
                world.set_latency(action, Duration::from_millis(latency));
                self.told
                    .push(format!("latency {host} {action:?} {latency} ms"));
            }
            63..68 => {
                self.told.push(format!("cut {host}"));
                self.fleet.cut(host).await?;
            }
            68..76 => self.dial(host).await?,
            76..80 => {
                let fault = self.pick(&[Fault::None, Fault::Hang, Fault::LosesAnswers]);
                self.fleet.host(host)?.agent().set_fault(fault);
                self.told.push(format!("fault {host} {fault:?}"));
            }
            80..84 => {
                let write = self.rng.usize(1..12);
                let kill = if self.rng.bool() {
                    KillAt::Before(write)
                } else {
                    KillAt::After(write)
                };
                self.fleet.host(host)?.host.kill_at(Some(kill));
                self.told.push(format!("kill {host} {kill:?}"));
            }
            84..86 => {
                self.told.push(format!("kill {host}"));
                self.fleet.host(host)?.agent().kill();
            }
            86..88 => {
                self.told.push("restart core".to_owned());
                self.fleet.restart_core().await?;
            }
            88..90 => {
                self.told.push(format!("engine {host} away"));
                world.engine_away("restarting");
            }
            90..92 => {
                self.told.push(format!("engine {host} back"));
                world.engine_back();
            }
            92..93 => world.flood(3_000),
            _ => {
                let time = self.pick(&[1, 700, 20_000]);
                self.told.push(format!("advance {time} ms"));
                tokio::time::sleep(Duration::from_millis(time)).await;
            }
        }
        self.branch_is_up()
    }

    async fn dial(&mut self, host: &str) -> anyhow::Result<()> {
        if !self.fleet.host(host)?.agent().is_alive() {
            self.told.push(format!("agent {host} start"));
            // Core may not have noticed yet.
            self.fleet.cut(host).await?;
            self.fleet.host(host)?.host.kill_at(None);
            self.fleet.start_agent(host)?;
        }
        if !self.fleet.is_live(host)? {
            self.told.push(format!("dial {host}"));
            self.fleet.dial(host)?;
        }
        Ok(())
    }

    async fn operate(&mut self, host: &'static str) -> anyhow::Result<()> {
        let (name, params) = match self.rng.u32(0..3) {
            0 => {
                let all = [
                    "StopAllContainers",
                    "StartAllContainers",
                    "RestartAllContainers",
                    "PauseAllContainers",
                    "UnpauseAllContainers",
                    "PruneContainers",
                ];
                let exclude: Vec<String> = self.container(host, false)?.into_iter().collect();
                (
                    self.pick(&all),
                    json!({ "server": host, "exclude": exclude }),
                )
            }
            1 => {
                let one = [
                    "StopContainer",
                    "StartContainer",
                    "RestartContainer",
                    "PauseContainer",
                    "UnpauseContainer",
                    "DestroyContainer",
                ];
                let Some(container) = self.container(host, false)? else {
                    return Ok(());
                };
                let mut params = json!({ "server": host, "container": container });
                // A reason given lifts what the owner declared; what leads to the agent is his to take down, not ours.
                if self.rng.bool() && container != "vpn" {
                    params["override"] = json!("by chance");
                }
                (self.pick(&one), params)
            }
            _ => {
                let listed: Vec<String> = (0..3)
                    .map(|_| self.container(host, false))
                    .collect::<Result<Vec<_>, _>>()?
                    .into_iter()
                    .flatten()
                    .collect();
                let action = self.pick(&ACTIONS);
                (
                    "BatchContainers",
                    json!({ "server": host, "containers": listed, "action": action }),
                )
            }
        };
        match self
            .fleet
            .ask("admin", Module::Execute, name, &params)
            .await
        {
            Ok(update) => {
                let update: Update = serde_json::from_value(update)?;
                let id = update.id.context("an Update has an id")?.0.to_string();
                self.told.push(format!("{name} {params}: Update {id}"));
                self.updates.push((host, id));
            }
            Err(refused) => self.told.push(format!(
                "{name} {params}: {:?} {}",
                refused.code, refused.error
            )),
        }
        Ok(())
    }

    fn branch_is_up(&self) -> anyhow::Result<()> {
        for host in HOSTS {
            for name in BRANCH {
                let state = self.fleet.host(host)?.world().state_of(name);
                ensure!(
                    state == Some(ContainerStateStatusEnum::Running),
                    "{name} on {host} is {state:?}: the branch was sawn off"
                );
            }
        }
        Ok(())
    }

    /// Everything that is wrong is put right; then every Update has to end, and to have told the truth.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.told.push("all is put right".to_owned());
        for host in HOSTS {
            let world = self.fleet.host(host)?.world().clone();
            world.engine_back();
            for container in world.containers() {
                world.set_quirk(&container.id, Quirk::None);
            }
            self.fleet.host(host)?.host.kill_at(None);
            self.fleet.host(host)?.agent().set_fault(Fault::None);
            self.dial(host).await?;
            self.fleet
                .until(host, "it is connected", |view| view.is_live())
                .await?;
        }
        for (host, id) in &self.updates {
            let update = self
                .fleet
                .end(id)
                .await
                .with_context(|| format!("Update {id}"))?;
            ensure!(update.status == UpdateStatus::Complete);
            let bad = |verdict: &Verdict| {
                matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown)
            };
            let refused_as_a_whole = update.verdicts.is_empty();
            ensure!(
                refused_as_a_whole || update.success != update.verdicts.iter().any(bad),
                "success is {}, and the verdicts say: {:?}",
                update.success,
                update.verdicts
            );
            let action = action_of(&update, self.fleet.host(host)?.world())?;
            for verdict in &update.verdicts {
                self.is_true(host, action, verdict)
                    .with_context(|| format!("Update {id}"))?;
            }
        }
        for host in HOSTS {
            self.fleet.until_seen(host).await?;
        }
        let all = self
            .fleet
            .ask("admin", Module::Read, "ListUpdates", &json!({}))
            .await?;
        let open: Vec<&Value> = all["updates"]
            .as_array()
            .context("a list")?
            .iter()
            .filter(|update| update["status"] != "Complete")
            .collect();
        ensure!(open.is_empty(), "open: {open:?}");
        self.branch_is_up()
    }

    fn is_true(
        &self,
        host: &str,
        action: Option<ContainerAction>,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        use ContainerAction as A;
        use ContainerStateStatusEnum::{Created, Dead, Exited, Paused, Restarting, Running};
        if verdict.id.is_empty() {
            return Ok(());
        }
        let world = self.fleet.host(host)?.world();
        let states = world.states_at(&verdict.id, verdict.at);
        if let Some(after) = verdict.after {
            ensure!(
                states.contains(&Some(after)),
                "{verdict:?}, but it was {states:?} then"
            );
        }
        let Some(action) = action else { return Ok(()) };
        let asked = |state: &Option<ContainerStateStatusEnum>| match action {
            A::Stop => matches!(state, Some(Exited | Created | Dead) | None),
            A::Start | A::Restart | A::Unpause => matches!(state, Some(Running | Restarting)),
            A::Pause => matches!(state, Some(Paused)),
            A::Destroy | A::Prune => state.is_none(),
        };
        match verdict.verdict {
            VerdictKind::Done => ensure!(
                states.iter().any(asked),
                "{action:?}: {verdict:?}, but it was {states:?} then"
            ),
            VerdictKind::Failed
                if verdict.reason.is_none() && action != A::Restart && verdict.after.is_some() =>
            {
                ensure!(
                    !states.iter().all(asked),
                    "{action:?}: {verdict:?}, but it was {states:?} then"
                );
            }
            _ => {}
        }
        Ok(())
    }
}

/// What an Update was of; a batch does not say.
fn action_of(update: &Update, _world: &World) -> anyhow::Result<Option<ContainerAction>> {
    let name = match &update.request {
        Some(request) => request.clone(),
        None => format!("{:?}", update.operation),
    };
    let verbs = [
        ("Stop", ContainerAction::Stop),
        ("Start", ContainerAction::Start),
        ("Restart", ContainerAction::Restart),
        ("Pause", ContainerAction::Pause),
        ("Unpause", ContainerAction::Unpause),
        ("Destroy", ContainerAction::Destroy),
        ("Prune", ContainerAction::Prune),
        ("Batch", ContainerAction::Prune),
    ];
    match verbs.iter().find(|(verb, _)| name.starts_with(verb)) {
        Some(("Batch", _)) => Ok(None),
        Some((_, action)) => Ok(Some(*action)),
        None => bail!("an Update of {name}"),
    }
}

/// Plays one story; the error tells it.
async fn play(seed: u64, guard_broken: bool) -> Result<(), String> {
    let mut story = Story::begin(seed)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let played = async {
        if guard_broken {
            for host in HOSTS {
                story.fleet.host(host)?.host.break_guard();
            }
        }
        for _ in 0..STEPS {
            story.step().await?;
        }
        story.end().await
    };
    let played: anyhow::Result<()> = played.await;
    played.map_err(|error| format!("seed {seed}: {error:#}\n{}", story.told.join("\n")))
}

#[tokio::test(start_paused = true)]
async fn nothing_that_chance_does_takes_the_branch_or_the_truth() {
    // More of them, for a long night: KOMODO_STORIES=1000..2000.
    let asked = std::env::var("KOMODO_STORIES").unwrap_or_default();
    let asked = asked
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    for seed in asked.unwrap_or(0..SEEDS) {
        if let Err(story) = play(seed, false).await {
            panic!("{story}");
        }
    }
}

/// The test above can fail: agents whose guard is broken saw off their branch within a few stories.
#[tokio::test(start_paused = true)]
async fn a_broken_guard_is_found() {
    for seed in 0..SEEDS {
        if let Err(story) = play(seed, true).await {
            assert!(story.contains("the branch was sawn off"), "{story}");
            return;
        }
    }
    panic!("{SEEDS} stories without a guard, and nothing was noticed");
}
