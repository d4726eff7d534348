//! What must never be untrue, told apart from the code that is to keep it: from what users asked for, what the Engines
//! say that was asked of them, and what became of the containers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use komodo_api::{
    UnixMs,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::ReasonCode,
    update::{Update, UpdateStatus, Verdict, VerdictKind},
};
use komodo_sim::{Act, Hand};

use crate::{
    core::CORE_NEEDS,
    hand_over,
    host::{AGENT, Host},
    operate::{Answer, Asked, Kind},
    story::Story,
};

/// How long an Update may be open without saying what it waits for: longer than any operation of these hosts may act.
const SILENT_MAX_MS: UnixMs = 20 * 60 * 1000;
/// How far Core's look at a host may lag behind where the network takes time, in ms.
const LOOK_LAG_MS: UnixMs = 10_000;

/// Why a container is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Agent,
    /// The agent's network, Core's database, what its owner declared.
    Needed,
    /// `komodo.skip`.
    Labelled,
}

/// Why containers are protected, by id; as the owner of the hosts knows it.
#[derive(Debug, Default)]
pub struct Roles(BTreeMap<String, (Role, String)>);

impl Roles {
    /// Takes in the containers that a host has, as they are called when they are seen first.
    pub fn learn(&mut self, host: &Host) {
        for container in host.world().containers() {
            if self.0.contains_key(&container.id) {
                continue;
            }
            let role = match &*container.name {
                AGENT => Role::Agent,
                name if hand_over::is_agent(name) => Role::Agent,
                name if hand_over::is_helper(name) => Role::Needed,
                "vpn" | "dns" | CORE_NEEDS => Role::Needed,
                "backup" => Role::Labelled,
                _ => continue,
            };
            self.0.insert(container.id, (role, container.name));
        }
    }

    /// Takes in a container that a helper made.
    pub fn learn_agent(&mut self, id: &str) {
        self.0
            .insert(id.to_owned(), (Role::Agent, AGENT.to_owned()));
    }

    /// Whether a container runs the agent, or was to.
    pub fn is_agent(&self, id: &str) -> bool {
        matches!(self.0.get(id), Some((Role::Agent, _)))
    }

    /// Why an act must not have been, if so.
    fn forbids(&self, act: &Act, kind: &Kind) -> Option<String> {
        use ContainerAction::{Destroy, Pause, Prune, Start, Stop, Unpause};
        let (role, name) = self.0.get(&act.id)?;
        let harmless = matches!(act.action, Start | Unpause);
        let allowed = match (role, kind) {
            (Role::Agent, Kind::One { detach, .. }) => {
                harmless || (*detach && matches!(act.action, Stop | Pause | Destroy))
            }
            (Role::Needed, Kind::One { overridden, .. }) => harmless || *overridden,
            (Role::Labelled, Kind::One { .. }) => true,
            (Role::Labelled, Kind::Listed) => act.action != Prune,
            // What it does is what the one before did, backwards: that is claimed of it on its own.
            (_, Kind::Undo(_)) => *role != Role::Agent || harmless,
            (_, Kind::Listed | Kind::All | Kind::Cancel) => false,
        };
        (!allowed).then(|| format!("{:?} of {name}: the branch was sawn off", act.action))
    }
}

/// The word for an action.
fn word(action: ContainerAction) -> &'static str {
    use ContainerAction::*;
    match action {
        Start => "start",
        Restart => "restart",
        Pause => "pause",
        Unpause => "unpause",
        Stop => "stop",
        Destroy => "destroy",
        Prune => "prune",
    }
}

fn inverse(action: ContainerAction) -> Option<ContainerAction> {
    use ContainerAction::*;
    Some(match action {
        Start => Stop,
        Stop => Start,
        Pause => Unpause,
        Unpause => Pause,
        Restart | Destroy | Prune => return None,
    })
}

impl Story<'_> {
    /// Checks what operations asked the Engines for since the last time.
    pub(crate) fn check_acts(&mut self) -> anyhow::Result<()> {
        for host in &self.hosts {
            self.roles.learn(host);
        }
        self.watch_hand_overs()?;
        for (at, seen) in self.acts_seen.iter_mut().enumerate() {
            let acts = self.hosts[at].world().acts_since(*seen);
            *seen += acts.len();
            self.counts.acts += acts.len() as u64;
            for act in acts {
                if act.by == Hand::Helper {
                    ensure!(
                        self.roles.is_agent(&act.id),
                        "{}: a helper asked for {:?} of what does not run the agent: {}",
                        self.hosts[at].name,
                        act.action,
                        act.id
                    );
                    self.helped.push((at, act));
                    continue;
                }
                let once = (act.operation.clone(), act.id.clone(), word(act.action));
                ensure!(
                    self.acts_once.insert(once),
                    "{}: operation {} asked twice for {:?} of {}",
                    self.hosts[at].name,
                    act.operation,
                    act.action,
                    act.id
                );
                self.acts_unclaimed.push((at, act));
            }
        }
        for (at, act) in std::mem::take(&mut self.acts_unclaimed) {
            match self.by_update.get(&act.operation) {
                None => self.acts_unclaimed.push((at, act)),
                Some(place) => self.check_act(at, &act, &self.asked[*place])?,
            }
        }
        Ok(())
    }

    fn check_act(&self, at: usize, act: &Act, asked: &Asked) -> anyhow::Result<()> {
        let host = &self.hosts[at].name;
        ensure!(
            asked.host == at,
            "{host}: acts for {}, which was asked of {}",
            asked.name,
            self.hosts[asked.host].name
        );
        if let Some(why) = self.roles.forbids(act, &asked.kind) {
            bail!("{host}: {} ({}): {why}", asked.name, asked.params);
        }
        if let Some(planned) = &asked.planned {
            ensure!(
                planned.contains(&act.id),
                "{host}: {} was bound to its plan, and asked for {:?} of {}, which the plan left alone",
                asked.name,
                act.action,
                act.id
            );
        }
        if let Kind::Undo(of) = &asked.kind {
            ensure!(
                !self.is_of_the_branch(of),
                "{host}: undoing {of} of the agent asked for {:?} of {}",
                act.action,
                act.id
            );
            let did = |act: &Act| {
                self.acts_once
                    .iter()
                    .any(|(operation, id, _)| operation == of && *id == act.id)
            };
            ensure!(
                did(act),
                "{host}: undoing {of} asked for {:?} of {}, which that one never touched",
                act.action,
                act.id
            );
        }
        Ok(())
    }

    /// Whoever is still unclaimed belongs to a request whose answer was lost: its Update has to be there.
    pub(crate) async fn check_unclaimed(&mut self) -> anyhow::Result<()> {
        for (at, act) in std::mem::take(&mut self.acts_unclaimed) {
            let update = self.update(&act.operation).await;
            let update = update.with_context(|| {
                format!("an operation acted, and there is no Update of it: {act:?}")
            })?;
            let name = request_of(&update);
            let lost: Vec<&Asked> = self
                .asked
                .iter()
                .filter(|asked| {
                    asked.answer == Answer::Lost && asked.host == at && asked.name == name
                })
                .collect();
            ensure!(
                !lost.is_empty(),
                "nobody asked for {name} ({})",
                act.operation
            );
            let mut claimed: anyhow::Result<()> = Ok(());
            for asked in lost {
                claimed = self.check_act(at, &act, asked);
                if claimed.is_ok() {
                    break;
                }
            }
            claimed?;
        }
        Ok(())
    }

    /// Checks that every Update that is open says what it waits for, where it takes long.
    pub(crate) fn check_open(&self) -> anyhow::Result<()> {
        let Some(app) = self.core.slot.app() else {
            return Ok(());
        };
        for (id, place) in &self.by_update {
            let asked = &self.asked[*place];
            let Some(update) = id
                .parse()
                .ok()
                .and_then(|id| app.background.tasks.open(id))
                .filter(|update| update.status != UpdateStatus::Complete)
            else {
                continue;
            };
            let jumped = self.core_jumped_ms + self.hosts[asked.host].jumped_ms;
            let silent_max = SILENT_MAX_MS.saturating_add_unsigned(jumped);
            ensure!(
                update.waiting_for.is_some()
                    || update.expires.is_some()
                    || self.now() - asked.at < silent_max,
                "{}: Update {id} of {} is open since {}, and does not say what it waits for: {update:?}",
                self.hosts[asked.host].name,
                asked.name,
                asked.at
            );
        }
        Ok(())
    }

    /// Checks an Update that has ended.
    pub(crate) fn check_ended(&mut self, update: &Update) -> anyhow::Result<()> {
        let id = update.id.context("an Update has an id")?.0.to_string();
        ensure!(update.status == UpdateStatus::Complete, "it is open");
        ensure!(
            update.waiting_for.is_none(),
            "it has ended, and waits for {:?}",
            update.waiting_for
        );
        let bad = |verdict: &Verdict| {
            matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown)
        };
        ensure!(
            update.verdicts.is_empty()
                || update.canceled_by.is_some()
                || update.success != update.verdicts.iter().any(bad),
            "success is {}, and the verdicts say: {:?}",
            update.success,
            update.verdicts
        );
        ensure!(
            update.canceled_by.is_none() || !update.success,
            "it was canceled, and is called a success"
        );
        let Some(place) = self.by_update.get(&id).copied() else {
            return Ok(());
        };
        let action = self.action_of(&self.asked[place]);
        let host = self.asked[place].host;
        let plain = !matches!(self.asked[place].kind, Kind::Undo(_));
        let mut targets = BTreeSet::new();
        for verdict in &update.verdicts {
            ensure!(
                verdict.id.is_empty() || targets.insert(&verdict.id),
                "two verdicts on {}",
                verdict.container
            );
            self.counts.verdicts += 1;
            self.check_verdict(&id, host, action.filter(|_| plain), verdict)?;
        }
        Ok(())
    }

    /// What a request does to each container; `None` where it does nothing itself.
    pub(crate) fn action_of(&self, asked: &Asked) -> Option<ContainerAction> {
        if let Kind::Undo(of) = &asked.kind {
            let of = self.by_update.get(of)?;
            return inverse(self.action_of(&self.asked[*of])?);
        }
        if let Some(action) = asked.params.get("action") {
            return serde_json::from_value(action.clone()).ok();
        }
        let verbs = [
            ("Stop", ContainerAction::Stop),
            ("Start", ContainerAction::Start),
            ("Restart", ContainerAction::Restart),
            ("Pause", ContainerAction::Pause),
            ("Unpause", ContainerAction::Unpause),
            ("Destroy", ContainerAction::Destroy),
            ("Prune", ContainerAction::Prune),
        ];
        let found = verbs.iter().find(|(verb, _)| asked.name.starts_with(verb));
        found.map(|(_, action)| *action)
    }

    /// Every state that a container was in when a verdict was found: by the clock of its host, or by Core's, where that
    /// looked itself.
    pub(crate) fn states_then(
        &self,
        host: usize,
        id: &str,
        at: UnixMs,
    ) -> BTreeSet<Option<&'static str>> {
        let host = &self.hosts[host];
        let mut states: Vec<Option<ContainerStateStatusEnum>> = host.world().states_at(id, at);
        let lag = if host.delayed { LOOK_LAG_MS } else { 0 };
        for time in self.core.clock.clock.times_of(at) {
            states.extend(host.world().states_between(id, time - lag, time));
        }
        let word = |state: ContainerStateStatusEnum| state.as_str();
        states.into_iter().map(|state| state.map(word)).collect()
    }

    fn check_verdict(
        &self,
        update: &str,
        host: usize,
        action: Option<ContainerAction>,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        use ContainerAction as A;
        if verdict.id.is_empty() {
            return Ok(());
        }
        let acted = self
            .acts_once
            .iter()
            .any(|(operation, id, _)| operation == update && *id == verdict.id);
        let code = verdict.reason.as_ref().map(|reason| reason.code);
        if verdict.verdict == VerdictKind::Skipped && code != Some(ReasonCode::Gone) {
            ensure!(!acted, "it was acted on, and yet: {verdict:?}");
        }
        let mut states = self.states_then(host, &verdict.id, verdict.at);
        // What bears the name then is told of.
        if let Some(new) = self.made.get(update) {
            states.extend(self.states_then(host, new, verdict.at));
        }
        if let Some(after) = verdict.after {
            ensure!(
                states.contains(&Some(after.as_str())),
                "{verdict:?}, but it was {states:?} then"
            );
        }
        if self.roles.is_agent(&verdict.id) && self.is_of_the_branch(update) {
            return self.check_branch(update, host, verdict);
        }
        let Some(action) = action else { return Ok(()) };
        let asked = |state: &Option<&str>| match action {
            A::Stop => matches!(state, Some("exited" | "created" | "dead") | None),
            A::Start | A::Restart | A::Unpause => matches!(state, Some("running" | "restarting")),
            A::Pause => matches!(state, Some("paused")),
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

/// Name of the request of an Update.
pub(crate) fn request_of(update: &Update) -> String {
    match &update.request {
        Some(request) => request.clone(),
        None => format!("{:?}", update.operation),
    }
}
