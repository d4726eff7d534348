//! What must never be untrue of an agent that is handed over, or goes on purpose: at the end exactly one runs, and what
//! its Update says is what became of the containers.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{bail, ensure};
use komodo_api::{
    UnixMs,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    update::{Update, UpdateStatus, Verdict, VerdictKind},
};
use komodo_plan::hand_over::HELPER_LABEL;
use komodo_sim::Image;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    finale::{CONNECTED, SETTLED},
    host::{AGENT, IMAGES},
    operate::Kind,
    story::Story,
};

/// Time within which an agent that said that it goes has gone, in ms.
const GONE_MS: UnixMs = 120_000;

/// Whether a container of this name runs the agent, or did, or will.
pub(crate) fn is_agent(name: &str) -> bool {
    name == AGENT
        || name
            .strip_prefix(AGENT)
            .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a container of this name is a helper's.
pub(crate) fn is_helper(name: &str) -> bool {
    name.starts_with("komodo-hand-over-")
}

fn is_up(state: ContainerStateStatusEnum) -> bool {
    use ContainerStateStatusEnum::{Paused, Restarting, Running};
    matches!(state, Running | Restarting | Paused)
}

impl Story<'_> {
    /// Takes note of the containers that hand overs make: each makes one at most.
    pub(crate) fn watch_hand_overs(&mut self) -> anyhow::Result<()> {
        for (host, seen) in self.hosts.iter().zip(&mut self.made_seen) {
            let made = host.world().made_since(*seen);
            *seen += made.len();
            for (operation, id) in made {
                self.roles.learn_agent(&id);
                let before = self.made.insert(operation.clone(), id);
                ensure!(
                    before.is_none(),
                    "{}: hand over {operation} made two containers",
                    host.name
                );
            }
        }
        Ok(())
    }

    /// Whether an Update is about the agent itself.
    pub(crate) fn is_of_the_branch(&self, update: &str) -> bool {
        let Some(asked) = self.by_update.get(update).map(|place| &self.asked[*place]) else {
            return false;
        };
        let restarts = asked.name == "RestartContainer";
        match asked.kind {
            Kind::One { detach, .. } => {
                (detach || restarts) && asked.params["container"].as_str().is_some_and(is_agent)
            }
            _ => false,
        }
    }

    /// Checks the verdict on an agent that was to be handed over, or to go.
    pub(crate) fn check_branch(
        &self,
        update: &str,
        host: usize,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        let asked = &self.asked[self.by_update[update]];
        if let Kind::One { detach: true, .. } = asked.kind {
            return self.check_detached(update, host, verdict);
        }
        let helped = |action: ContainerAction, id: &str| {
            self.helped
                .iter()
                .any(|(_, act)| act.operation == update && act.action == action && act.id == id)
        };
        let world = self.hosts[host].world();
        let new = self.made.get(update);
        let new_runs = new.is_some_and(|new| world.state_of(new).is_some_and(is_up));
        let recreates = asked.params.get("recreate").is_some();
        let why = verdict.error.as_deref().unwrap_or_default();
        match verdict.verdict {
            VerdictKind::Done => {
                let image = asked.params["recreate"]["image"].as_str();
                let works =
                    |(name, does): &(&str, Image)| Some(*name) != image || *does == Image::Good;
                ensure!(
                    IMAGES.iter().all(works),
                    "{verdict:?}: {image:?} was taken for good, and cannot work"
                );
                match (recreates, new) {
                    (true, None) => bail!("{verdict:?}, and there never was a new container"),
                    (true, Some(_)) => ensure!(
                        !world.state_of(&verdict.id).is_some_and(is_up),
                        "{verdict:?}, and the old container runs"
                    ),
                    // Where its agent can no longer tell, it is what is seen that counts: it runs again, whoever did that.
                    (false, _) => {
                        let began = asked.at + crate::BEGINNING_MS;
                        let now = world.clock().true_ms();
                        let states = world.states_between(&verdict.id, began, now);
                        ensure!(
                            helped(ContainerAction::Start, &verdict.id)
                                || states.contains(&Some(ContainerStateStatusEnum::Exited)),
                            "{verdict:?}, and it never was started again"
                        );
                    }
                }
            }
            VerdictKind::Failed => {
                ensure!(!new_runs, "{verdict:?}, and the new container runs");
                if why.starts_with("rolled back") {
                    let states = self.states_then(host, &verdict.id, verdict.at);
                    ensure!(
                        states.contains(&Some("running")),
                        "{verdict:?}, but it was {states:?} then"
                    );
                }
                if why.starts_with("nothing was changed") {
                    ensure!(
                        !helped(ContainerAction::Start, &verdict.id),
                        "{verdict:?}, and a helper started it again"
                    );
                }
            }
            VerdictKind::Unchanged | VerdictKind::Skipped => ensure!(
                !helped(ContainerAction::Stop, &verdict.id),
                "{verdict:?}, and a helper stopped it"
            ),
            VerdictKind::Unknown => {}
        }
        Ok(())
    }

    /// One that is said to have gone was away for a time, unless it was killed on its way.
    fn check_detached(&self, update: &str, host: usize, verdict: &Verdict) -> anyhow::Result<()> {
        let asked = &self.asked[self.by_update[update]];
        let began = asked.at + crate::BEGINNING_MS;
        let host = &self.hosts[host];
        if verdict.verdict != VerdictKind::Done || host.kills != asked.kills {
            return Ok(());
        }
        let now = host.world().clock().true_ms();
        let states = host.world().states_between(&verdict.id, began, now);
        let states: BTreeSet<Option<&str>> = states
            .into_iter()
            .map(|state| state.map(|state| state.as_str()))
            .collect();
        let away = match asked.name {
            "PauseContainer" => states.contains(&Some("paused")),
            "DestroyContainer" => states.contains(&None),
            _ => states.contains(&Some("exited")) || states.contains(&None),
        };
        ensure!(
            away || now < began + GONE_MS,
            "{verdict:?}, but it was {states:?} since"
        );
        Ok(())
    }

    /// Waits until no helper is at work any more, and no agent is about to go; whoever has gone is brought back. The time
    /// that helpers have is by the clocks of their hosts.
    pub(crate) async fn until_the_branch_is_settled(&mut self) -> anyhow::Result<()> {
        let jumped = |host: &crate::host::Host| host.jumped_ms;
        let jumped_ms = self.hosts.iter().map(jumped).max().unwrap_or_default();
        let length = SETTLED + Duration::from_millis(jumped_ms + self.core_jumped_ms);
        let until = Instant::now() + length;
        loop {
            for at in 0..self.hosts.len() {
                // One that is being replaced is for its helper to start.
                if !self.hosts[at].has_helper() {
                    self.bring_agent_back(at)?;
                }
                self.hosts[at].start_agent();
            }
            self.check_acts()?;
            let helped: Vec<&str> = self
                .hosts
                .iter()
                .filter(|host| host.has_helper())
                .map(|host| host.name.as_str())
                .collect();
            let app = self.core.app()?;
            let open = |id: &&String| {
                let id = id.parse().ok();
                let open = id.and_then(|id| app.background.tasks.open(id));
                open.is_some_and(|update| update.status != UpdateStatus::Complete)
            };
            let of_the_branch = self.by_update.keys().filter(|id| self.is_of_the_branch(id));
            let open: Vec<&String> = of_the_branch.filter(open).collect();
            if helped.is_empty() && open.is_empty() {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "helpers on {helped:?}, or Updates {open:?}, do not end"
            );
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Exactly one agent runs on each host, and nothing of a hand over is left.
    pub(crate) fn check_one_agent_each(&self) -> anyhow::Result<()> {
        for host in &self.hosts {
            let containers = host.world().containers();
            let left: Vec<&str> = containers
                .iter()
                .filter(|one| one.labels.contains_key(HELPER_LABEL))
                .map(|one| one.name.as_str())
                .collect();
            ensure!(left.is_empty(), "{}: helpers are left: {left:?}", host.name);
            let running: Vec<&str> = containers
                .iter()
                .filter(|one| self.roles.is_agent(&one.id) && is_up(one.state))
                .map(|one| one.name.as_str())
                .collect();
            let wanted: &[&str] = if host.is_contained() { &[AGENT] } else { &[] };
            ensure!(
                running == wanted && host.agent().is_alive(),
                "{}: {running:?} run its agent; {}",
                host.name,
                host.link_state()
            );
        }
        Ok(())
    }

    /// The agent of a host is handed over where nothing disturbs it: to a good image, or to a bad one.
    pub(crate) async fn hand_over_exactly(&mut self, at: usize) -> anyhow::Result<()> {
        if !self.hosts[at].is_contained() {
            return Ok(());
        }
        self.until_all_are_live(CONNECTED).await?;
        let server = self.hosts[at].name.clone();
        let world = self.hosts[at].world().clone();
        let mut params = json!({ "server": server, "container": AGENT });
        let (image, is_good) = match self.rng.u32(0..3) {
            0 => (None, true),
            1 => (Some(IMAGES[0].0), true),
            _ => (Some(self.pick(&IMAGES[1..]).0), false),
        };
        if let Some(image) = image {
            params["recreate"] = json!({ "image": image });
        }
        let before = world.container(AGENT);
        let (overridden, detach) = (false, false);
        let kind = Kind::One { overridden, detach };
        let did = self.do_now(at, "RestartContainer", params, kind).await?;
        let update: Update =
            did.map_err(|code| anyhow::anyhow!("{server}: hand over is refused: {code:?}"))?;
        let (Some(before), Some(after)) = (before, world.container(AGENT)) else {
            bail!("{server}: there is no {AGENT}");
        };
        ensure!(
            update.success == is_good,
            "{server}: hand over to {image:?}: {update:?}"
        );
        ensure!(
            (after.id == before.id) == (image.is_none() || !is_good),
            "{server}: hand over to {image:?} left {after:?} after {before:?}"
        );
        ensure!(
            is_good || after.restart_policy == before.restart_policy,
            "{server}: it is not as it was: {after:?}"
        );
        Ok(())
    }
}
