//! The end of a run: all is put right, time passes, and nothing may be left open or untrue. Then one more operation is
//! undone, where nothing disturbs it, and has to leave everything as it was.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use komodo_api::{
    Code, Module,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    update::{Update, UpdateStatus, VerdictKind},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    claims::request_of,
    core::ask,
    operate::{Answer, Kind},
    story::Story,
};

/// How long an Update may stay open when nothing is wrong any more: longer than the longest pause and deadline.
pub(crate) const SETTLED: Duration = Duration::from_secs(2 * 60 * 60);
/// How long it may take until everybody is connected again.
pub(crate) const CONNECTED: Duration = Duration::from_secs(300);
/// Hosts on which an operation is undone at the end.
const UNDONE: usize = 3;
/// Hosts whose agent is handed over at the end.
const HANDED_OVER: usize = 3;
/// Pages of Updates at most.
const PAGES_MAX: u32 = 100;

impl Story<'_> {
    pub(crate) async fn finale(&mut self) -> anyhow::Result<()> {
        self.tell("all is put right");
        self.put_right().await?;
        self.until_all_is_answered().await?;
        self.until_the_branch_is_settled().await?;
        self.until_all_are_live(CONNECTED).await?;
        self.tell("all are connected");
        let ids: Vec<String> = self.by_update.keys().cloned().collect();
        for id in ids {
            self.end_of(&id).await?;
        }
        self.check_acts()?;
        self.check_unclaimed().await?;
        for _ in 0..UNDONE {
            let at = self.rng.usize(0..self.hosts.len());
            self.undo_exactly(at).await?;
        }
        for _ in 0..HANDED_OVER {
            let at = self.rng.usize(0..self.hosts.len());
            self.hand_over_exactly(at).await?;
        }
        self.check_acts()?;
        self.check_unclaimed().await?;
        self.check_list().await?;
        self.until_all_are_live(CONNECTED).await?;
        self.check_one_agent_each()?;
        self.tell("all is well");
        Ok(())
    }

    /// Waits for the answers to all requests.
    async fn until_all_is_answered(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + CONNECTED;
        while !self.waiting.is_empty() {
            self.listen();
            ensure!(Instant::now() < until, "a request is not answered");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn ask(&self, module: Module, name: &str, params: Value) -> anyhow::Result<Value> {
        let app = self.core.app()?;
        let answer = ask(&app, self.core.admin(), module, name, &params).await;
        answer.map_err(|error| anyhow::anyhow!("{name}: {:?} {}", error.code, error.error))
    }

    /// An Update as it is now.
    pub(crate) async fn update(&self, id: &str) -> anyhow::Result<Update> {
        let update = self
            .ask(Module::Read, "GetUpdate", json!({ "id": id }))
            .await?;
        serde_json::from_value(update).context("it is no Update")
    }

    /// Waits for the end of an Update, and checks it.
    async fn end_of(&mut self, id: &str) -> anyhow::Result<Update> {
        let jumped = Duration::from_millis(self.core_jumped_ms);
        let until = Instant::now() + SETTLED + jumped;
        let mut pause = Duration::from_millis(5);
        let update = loop {
            let update = self.update(id).await?;
            if update.status == UpdateStatus::Complete {
                break update;
            }
            ensure!(
                Instant::now() < until,
                "Update {id} does not end: {update:?}"
            );
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        };
        let verdicts: Vec<String> = update
            .verdicts
            .iter()
            .map(|verdict| {
                let code = verdict.reason.as_ref().map(|reason| reason.code);
                format!(
                    "{} {:?}{}",
                    verdict.container,
                    verdict.verdict,
                    code.map(|code| format!(" ({code:?})")).unwrap_or_default()
                )
            })
            .collect();
        self.tell(format!(
            "Update {id} {} {}: {}",
            request_of(&update),
            if update.success {
                "success"
            } else {
                "no success"
            },
            verdicts.join(", ")
        ));
        self.check_acts()?;
        let name = self
            .by_update
            .get(id)
            .map(|place| self.hosts[self.asked[*place].host].name.clone());
        self.check_ended(&update).with_context(|| {
            format!(
                "{}: Update {id} of {}",
                name.unwrap_or_default(),
                request_of(&update)
            )
        })?;
        Ok(update)
    }

    /// No Update at all is open, also none whose answer nobody got.
    async fn check_list(&mut self) -> anyhow::Result<()> {
        for page in 0..PAGES_MAX {
            let list = self
                .ask(Module::Read, "ListUpdates", json!({ "page": page }))
                .await?;
            let updates = list["updates"].as_array().context("a list")?.clone();
            for update in &updates {
                if update["status"] != "Complete" {
                    let id = update["id"].as_str().context("an id")?.to_owned();
                    self.end_of(&id).await?;
                }
            }
            if list["next_page"].is_null() {
                return Ok(());
            }
        }
        anyhow::bail!("there are more than {PAGES_MAX} pages of Updates")
    }

    /// Makes a request where nothing disturbs it; answers its Update, or the code of the refusal.
    pub(crate) async fn do_now(
        &mut self,
        at: usize,
        name: &'static str,
        params: Value,
        kind: Kind,
    ) -> anyhow::Result<Result<Update, Code>> {
        let place = self.asked.len();
        self.request(at, name, params, kind, None);
        self.until_all_is_answered().await?;
        match self.asked[place].answer.clone() {
            Answer::Update(id) => Ok(Ok(self.end_of(&id).await?)),
            Answer::Refused(code) => Ok(Err(code)),
            Answer::None | Answer::Lost => anyhow::bail!("{name} is not answered"),
        }
    }

    fn states(&self, at: usize) -> BTreeMap<String, ContainerStateStatusEnum> {
        let containers = self.hosts[at].world().containers();
        let states = containers.into_iter().map(|one| (one.id, one.state));
        states.collect()
    }

    /// An operation on a host, changes by others, and the way back: what the operation changed and nobody else did is as
    /// before, and nothing else is touched.
    async fn undo_exactly(&mut self, at: usize) -> anyhow::Result<()> {
        use ContainerStateStatusEnum::{Exited, Paused, Running};
        let server = self.hosts[at].name.clone();
        let name = self.pick(&[
            "StopAllContainers",
            "PauseAllContainers",
            "StartAllContainers",
            "UnpauseAllContainers",
        ]);
        let before = self.states(at);
        let did = self
            .do_now(at, name, json!({ "server": server }), Kind::All)
            .await?;
        let did = did.map_err(|code| anyhow::anyhow!("{server}: {name} is refused: {code:?}"))?;
        let changed: Vec<String> = did
            .verdicts
            .iter()
            .filter(|verdict| verdict.verdict == VerdictKind::Done)
            .map(|verdict| verdict.id.clone())
            .collect();
        // Somebody else takes one of them on.
        let mut others = None;
        if !changed.is_empty() && self.rng.bool() {
            let id = changed[self.rng.usize(0..changed.len())].clone();
            let world = self.hosts[at].world().clone();
            let action = match world.state_of(&id) {
                Some(Exited) => ContainerAction::Start,
                Some(Paused) => ContainerAction::Unpause,
                _ => ContainerAction::Stop,
            };
            let done = world.docker(action, &id);
            self.tell(format!("{server}: docker {action:?} {id}: {done:?}"));
            others = Some(id);
        }
        self.until_all_are_live(CONNECTED).await?;
        let between = self.states(at);
        let id = did.id.context("an Update has an id")?.0.to_string();
        let undone = self
            .do_now(
                at,
                "UndoUpdate",
                json!({ "id": id }),
                Kind::Undo(id.clone()),
            )
            .await?;
        let after = self.states(at);
        let undone = match undone {
            Ok(undone) => undone,
            Err(code) => {
                // Nothing to bring back is told before anything begins.
                let left = changed.iter().any(|id| others.as_ref() != Some(id));
                ensure!(
                    code == Code::NotUndoable && !left,
                    "{server}: undoing {name} is refused: {code:?}"
                );
                ensure!(after == between, "{server}: a refused undo did something");
                return Ok(());
            }
        };
        for (id, now) in &after {
            let (was, then) = (before.get(id), between.get(id));
            let expected = match changed.contains(id) && others.as_ref() != Some(id) {
                true => was,
                false => then,
            };
            let same = expected == Some(now)
                // One that was never started is stopped by being ended.
                || (expected == Some(&ContainerStateStatusEnum::Created) && *now == Exited)
                || (expected == Some(&Running) && *now == Running);
            ensure!(
                same,
                "{server}: undoing {name} left {id} {now:?}, and not {expected:?} (before {was:?}, then {then:?}): {:?}",
                undone.verdicts
            );
        }
        ensure!(undone.success, "{server}: the undo failed: {undone:?}");
        Ok(())
    }
}
