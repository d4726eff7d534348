//! A run: what it consists of, how its steps are drawn, what is checked after each.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use komodo_api::{UnixMs, engine::ContainerStateStatusEnum};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Break, Counts, Options,
    claims::Roles,
    core::{CORE_NEEDS, Core},
    host::{AGENT, Host, IMAGE},
    operate::{Answered, Asked},
    trouble::Relief,
};

/// Servers.
pub const HOSTS: usize = 20;
/// Steps between two looks at Updates that are open.
const LOOK_EVERY: u32 = 10;
/// What most hosts run. One that shares a network comes after its owner.
const CONTAINERS: [&str; 9] = [
    "dns protect=true restart=always",
    "backup skip=true",
    "web project=shop service=web needs=api timeout=3 restart=unless-stopped",
    "api project=shop service=api needs=db",
    "db project=shop service=db restart=always",
    "cron exited",
    "ice paused",
    "fresh created",
    "loop net=web",
];

/// A run that is being played.
pub struct Story<'a> {
    pub(crate) rng: fastrand::Rng,
    pub(crate) core: Core,
    pub(crate) hosts: Vec<Host>,
    pub(crate) roles: Roles,
    /// Requests whose answer is awaited.
    pub(crate) waiting: JoinSet<(usize, Answered)>,
    /// All requests that were made, in order.
    pub(crate) asked: Vec<Asked>,
    /// Places in `asked`, by the Update that was answered.
    pub(crate) by_update: BTreeMap<String, usize>,
    /// Faults that pass by themselves, and when.
    pub(crate) reliefs: Vec<(Instant, Relief)>,
    /// Acts of each host that were looked at.
    pub(crate) acts_seen: Vec<usize>,
    /// Acts that belong to requests which were not answered yet, by host.
    pub(crate) acts_unclaimed: Vec<(usize, komodo_sim::Act)>,
    /// What was asked of which container by which operation.
    pub(crate) acts_once: std::collections::BTreeSet<(String, String, &'static str)>,
    /// What helpers asked for, by host.
    pub(crate) helped: Vec<(usize, komodo_sim::Act)>,
    /// The container that a hand over made, by its operation.
    pub(crate) made: BTreeMap<String, String>,
    /// Of those, how many were looked at, by host.
    pub(crate) made_seen: Vec<usize>,
    pub(crate) core_jumped_ms: u64,
    pub(crate) created: u32,
    pub(crate) counts: &'a mut Counts,
    trace: &'a mut Vec<String>,
}

impl<'a> Story<'a> {
    /// Plays a run from the beginning to the end.
    ///
    /// # Errors
    /// What was found untrue.
    pub async fn play(
        seed: u64,
        options: Options,
        trace: &'a mut Vec<String>,
        counts: &'a mut Counts,
    ) -> anyhow::Result<()> {
        let mut story = Story::begin(seed, options.broken, trace, counts).await?;
        for step in 0..options.steps {
            story.relieve(false).await?;
            story.step().await?;
            story.listen();
            story.freeze();
            story.check_acts()?;
            if step % LOOK_EVERY == 0 {
                story.check_open()?;
            }
        }
        story.finale().await?;
        let Story { core, hosts, .. } = story;
        drop(hosts);
        core.end().await
    }

    async fn begin(
        seed: u64,
        broken: Option<Break>,
        trace: &'a mut Vec<String>,
        counts: &'a mut Counts,
    ) -> anyhow::Result<Self> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let core = Core::start(rng.u64(..)).await?;
        let core_key = core.app()?.identity.public_key();
        let mut hosts = Vec::new();
        let mut roles = Roles::default();
        for at in 0..HOSTS {
            let name = format!("host-{at:02}");
            let identity = Host::identity()?;
            let id = core
                .add_server(&name, &identity.public_key().to_string())
                .await?;
            let mut containers: Vec<String> = Vec::new();
            // The other agents run on the host itself.
            if rng.u32(0..5) > 0 {
                match rng.bool() {
                    true => containers.extend([
                        "vpn restart=always".to_owned(),
                        format!("{AGENT} image={IMAGE} net=vpn restart=always"),
                    ]),
                    false => containers.push(format!("{AGENT} image={IMAGE} restart=always")),
                }
            }
            if at == 0 {
                containers.push(format!("{CORE_NEEDS} restart=always"));
            }
            containers.extend(CONTAINERS.map(str::to_owned));
            let delay = Duration::from_millis([0, 0, 1, 20][rng.usize(0..4)]);
            let host = Host::new(
                (&name, id, rng.u64(..)),
                &containers,
                identity,
                core_key,
                core.slot.clone(),
                delay,
            )?;
            match broken {
                Some(Break::Guard) => host.host.break_guard(),
                Some(Break::Journal) => host.host.break_journal(),
                Some(Break::Settlement) => host.host.break_settlement(),
                Some(Break::Probation) => host.host.break_probation(),
                None => {}
            }
            roles.learn(&host);
            hosts.push(host);
        }
        let story = Story {
            rng,
            core,
            roles,
            waiting: JoinSet::new(),
            asked: Vec::new(),
            by_update: BTreeMap::new(),
            reliefs: Vec::new(),
            acts_seen: vec![0; hosts.len()],
            acts_unclaimed: Vec::new(),
            acts_once: Default::default(),
            helped: Vec::new(),
            made: BTreeMap::new(),
            made_seen: vec![0; hosts.len()],
            core_jumped_ms: 0,
            created: 0,
            hosts,
            counts,
            trace,
        };
        story
            .until_all_are_live(Duration::from_secs(60))
            .await
            .context("at the beginning")?;
        Ok(story)
    }

    /// The time that passes for everybody, since the beginning, in ms.
    pub(crate) fn now(&self) -> UnixMs {
        self.core.clock.clock.true_ms() - crate::BEGINNING_MS
    }

    /// Adds a line to the trace.
    pub(crate) fn tell(&mut self, what: impl AsRef<str>) {
        let line = format!("{:>9} {}", self.now(), what.as_ref());
        self.trace.push(line);
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(0..from.len())]
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        let at = self.rng.usize(0..self.hosts.len());
        match self.rng.u32(0..100) {
            0..31 => self.operate(at),
            31..36 => self.branch(at),
            36..39 => self.cancel(),
            39..42 => self.undo(),
            42..58 => self.meddle(at),
            58..88 => self.trouble(at).await?,
            _ => {
                let ms = self.pick(&[1, 700, 5_000, 20_000, 120_000]);
                self.tell(format!("{ms} ms pass"));
                sleep(Duration::from_millis(ms)).await;
            }
        }
        // Time for what was begun to get somewhere, or nowhere.
        let ms = self.pick(&[0, 1, 1, 5, 50, 1_000]);
        sleep(Duration::from_millis(ms)).await;
        Ok(())
    }

    /// An agent whose container is paused stands still, and so do its connections.
    fn freeze(&self) {
        for host in self.hosts.iter().filter(|host| host.is_contained()) {
            let own = host.host.agent_container();
            let state = own.and_then(|own| host.world().state_of(&own));
            let paused = state == Some(ContainerStateStatusEnum::Paused);
            host.network.set_frozen(paused);
        }
    }

    /// Waits until Core has a link to every server, and has seen all that there is.
    pub(crate) async fn until_all_are_live(&self, within: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + within;
        for host in &self.hosts {
            loop {
                let app = self.core.app()?;
                let view = app.background.fleet.view(host.id);
                let truth = host.world().containers();
                let seen = view.as_ref().is_some_and(|view| {
                    view.is_live()
                        && view.containers.len() == truth.len()
                        && truth.iter().all(|container| {
                            view.container(&container.id).is_some_and(|seen| {
                                seen.state == container.state
                                    && seen.state_at_ns == container.state_at_ns
                            })
                        })
                });
                if seen {
                    break;
                }
                anyhow::ensure!(
                    Instant::now() < until,
                    "Core does not see {} as it is: {:?}; {}",
                    host.name,
                    view.map(|view| (view.is_live(), view.lost_why.clone())),
                    host.link_state()
                );
                drop(app);
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}
