//! `RollPeriphery`: updates of agents one after the other, each an Update of its own; this is who orders them.
//!
//! What was ordered is on disk before it is ordered, under an id that was chosen before, so that a restart of Core at any
//! point orders nothing twice and leaves nothing out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use komodo_api::{
    Code, Error, UnixMs,
    container::{ContainerOperation, Scope},
    id::{Id, Oid},
    periphery::{ROLL_SERVERS_MAX, RollPeriphery, WAVE_PAUSE_S_MAX, WAVE_SIZE_DEFAULT},
    plan::{Reason, ReasonCode},
    resource::ResourceTarget,
    update::{Log, Stage, Update, UpdateStatus, Verdict, VerdictKind},
};
use komodo_failpoint::failpoint;
use komodo_plan::update_success;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

mod one;

use super::{
    By, Inner, Tasks,
    open::{Open, Wanted},
    periphery::{Renewal, check_image, check_version},
    run::note,
    until::due,
};

use one::{Went, update_one, verdict_of};

/// Name of the request.
const REQUEST: &str = "RollPeriphery";
/// Longest pause before an end that could not be stored is stored again.
const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

/// What is kept of a roll.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rolling {
    /// What was asked; it also tells such a one from an operation.
    roll: Roll,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Roll {
    /// For agents in containers.
    #[serde(default)]
    image: Option<String>,
    /// For agents that are services.
    #[serde(default)]
    version: Option<String>,
    wave_size: u32,
    pause_s: u32,
    username: String,
    steps: Vec<Step>,
    /// Waves that have been begun.
    waves: u32,
    /// When the next one may begin.
    #[serde(default)]
    next_at: Option<UnixMs>,
}

impl Roll {
    fn renewal(&self) -> Renewal {
        Renewal::Roll {
            image: self.image.clone(),
            version: self.version.clone(),
        }
    }

    /// To what it goes, as it was asked.
    fn goal(&self) -> Vec<(&'static str, &str)> {
        let goals = [("image", &self.image), ("version", &self.version)];
        let given = goals.into_iter();
        given
            .filter_map(|(what, goal)| Some((what, goal.as_deref()?)))
            .collect()
    }
}

/// One server.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    server: Id,
    name: String,
    /// Its Update, once its turn came.
    #[serde(default)]
    update: Option<Id>,
}

struct Run {
    tasks: Arc<Inner>,
    id: Id,
    update: Update,
    roll: Roll,
    open: Arc<Open>,
    wanted: u32,
}

impl Tasks {
    /// Begins a roll: answers its Update once that is on disk.
    ///
    /// # Errors
    /// 404 no such server, 422 no servers, too many, or a value out of its rules.
    pub async fn roll(&self, request: RollPeriphery, by: By) -> Result<Update, Error> {
        let inner = &self.inner;
        let roll = inner.rolling(request, &by)?;
        let mut update = inner.new_update(&by.operator, REQUEST, ResourceTarget::system());
        let Some(Oid(id)) = update.id else {
            return Err(Error::new(Code::Internal, "an Update without an id"));
        };
        let goals = roll.goal().into_iter();
        let goals: Vec<_> = goals
            .map(|(what, goal)| format!("{what}: {goal}"))
            .collect();
        update.other_data = goals.join(", ");
        update.targets = Some(u32::try_from(roll.steps.len()).unwrap_or(u32::MAX));
        (update.stage, update.cancelable) = (Some(Stage::Acting), true);
        failpoint!("roll.inserting");
        let kept = kept(&roll)?;
        inner.store.updates().insert(&update, Some(&kept)).await?;
        failpoint!("roll.inserted");
        inner.publish(&update);
        inner.roll_on(id, update.clone(), roll);
        Ok(update)
    }
}

impl Inner {
    /// The servers that are meant, in the order of the request.
    fn rolling(&self, request: RollPeriphery, by: &By) -> Result<Roll, Error> {
        let RollPeriphery {
            servers,
            tags,
            image,
            version,
            wave_size,
            pause_s,
        } = request;
        check_image(image.as_deref())?;
        check_version(version.as_deref())?;
        let wrong = |path: &str, text: String| {
            Err(Error::new(Code::Unprocessable, text).param("path", path))
        };
        if image.is_none() && version.is_none() {
            let text = "give `image` for agents in containers, `version` for those that are services, or both";
            return wrong("image", text.into());
        }
        let wave_size = wave_size.unwrap_or(WAVE_SIZE_DEFAULT);
        if wave_size == 0 {
            return wrong("wave_size", "a wave has at least one server".into());
        }
        let pause_s = pause_s.unwrap_or(0);
        if pause_s > WAVE_PAUSE_S_MAX {
            return wrong(
                "pause_s",
                format!("`pause_s` is at most {WAVE_PAUSE_S_MAX}"),
            );
        }
        let state = self.desired.snapshot();
        let mut meant = Vec::new();
        for server in &servers {
            let (id, known) = state
                .server(&server.0)
                .ok_or_else(|| Error::not_found("server", &server.0))?;
            meant.push((id, known.name.clone()));
        }
        let mut tagged = BTreeSet::new();
        for tag in &tags {
            let id = state
                .tag(tag)
                .map_or_else(|| tag.clone(), |id| id.to_string());
            tagged.insert(id);
        }
        let with_tag = state
            .servers
            .iter()
            .filter(|(_, server)| server.tags.iter().any(|tag| tagged.contains(tag)));
        let mut with_tag: Vec<_> = with_tag.map(|(id, it)| (*id, it.name.clone())).collect();
        with_tag.sort_by(|a, b| a.1.cmp(&b.1));
        meant.extend(with_tag);
        let mut seen = BTreeSet::new();
        meant.retain(|(id, _)| seen.insert(*id));
        if meant.is_empty() {
            return wrong(
                "servers",
                "no servers are meant: give `servers` or `tags`".into(),
            );
        }
        if meant.len() > ROLL_SERVERS_MAX {
            return wrong(
                "servers",
                format!("at most {ROLL_SERVERS_MAX} servers at once"),
            );
        }
        let steps = meant.into_iter().map(|(server, name)| Step {
            server,
            name,
            update: None,
        });
        Ok(Roll {
            image,
            version,
            wave_size,
            pause_s,
            username: by.username.clone(),
            steps: steps.collect(),
            waves: 0,
            next_at: None,
        })
    }

    /// Takes up a roll of an earlier start of Core, when its Updates have been.
    pub(super) fn resume_roll(self: &Arc<Self>, id: Id, update: Update, rolling: Rolling) {
        self.roll_on(id, update, rolling.roll);
    }

    fn roll_on(self: &Arc<Self>, id: Id, update: Update, roll: Roll) {
        let open = Open::new(Id::system(0), true, &update);
        self.open.insert(id, Arc::clone(&open));
        let run = Run {
            tasks: Arc::clone(self),
            id,
            update,
            roll,
            open,
            wanted: 0,
        };
        self.running.spawn(run.run());
    }
}

fn kept(roll: &Roll) -> Result<serde_json::Value, Error> {
    let rolling = Rolling { roll: roll.clone() };
    serde_json::to_value(rolling)
        .map_err(|error| Error::new(Code::Internal, "a roll cannot be written").cause(error))
}

impl Run {
    async fn run(mut self) {
        loop {
            // Of an earlier start of Core, or of the wave that was just begun.
            let under_way: Vec<Step> =
                self.steps(|run, step| step.update.is_some() && !run.has(step));
            if !under_way.is_empty() {
                if !self.await_all(&under_way).await {
                    return self.leave_open().await;
                }
                continue;
            }
            if let Some(why) = self.halted() {
                self.leave_out(&why);
                return self.end().await;
            }
            if !self.pause().await {
                return self.leave_open().await;
            }
            if self.update.canceled_by.is_some() {
                continue;
            }
            if !self.begin_wave().await {
                return self.leave_open().await;
            }
            if self.steps(|run, step| !run.has(step)).is_empty() {
                return self.end().await;
            }
        }
    }

    fn steps(&self, fits: impl Fn(&Self, &Step) -> bool) -> Vec<Step> {
        let steps = self.roll.steps.iter().filter(|step| fits(self, step));
        steps.cloned().collect()
    }

    /// Whether there is a verdict on a server.
    fn has(&self, step: &Step) -> bool {
        let mut verdicts = self.update.verdicts.iter();
        verdicts.any(|verdict| verdict.id == step.server.as_str())
    }

    /// Why no further server is begun with.
    fn halted(&self) -> Option<Halt> {
        if self.update.canceled_by.is_some() {
            return Some(Halt::Canceled);
        }
        let bad = |verdict: &&Verdict| {
            matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown)
        };
        let failed = self.update.verdicts.iter().find(bad)?;
        Some(Halt::At(failed.container.clone()))
    }

    /// Waits until the next wave may begin; `false` where Core ends.
    async fn pause(&mut self) -> bool {
        let Some(at) = self.roll.next_at else {
            return true;
        };
        let left = at.saturating_sub(self.tasks.clock.now());
        let until = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let tasks = Arc::clone(&self.tasks);
        tokio::select! {
            biased;
            () = tasks.end.cancelled() => false,
            wanted = self.open.canceled(self.wanted) => {
                self.cancel(wanted).await;
                true
            }
            () = due(Some(until)) => true,
        }
    }

    /// Chooses the servers whose turn it is, and writes that down; `false` where that cannot be stored and Core ends.
    async fn begin_wave(&mut self) -> bool {
        let canary = !self
            .update
            .verdicts
            .iter()
            .any(|verdict| verdict.verdict == VerdictKind::Done);
        let size = match canary {
            true => 1,
            false => usize::try_from(self.roll.wave_size).unwrap_or(usize::MAX),
        };
        let renewal = self.roll.renewal();
        let mut wave = Vec::new();
        for at in 0..self.roll.steps.len() {
            if wave.len() == size {
                break;
            }
            let step = self.roll.steps[at].clone();
            if self.has(&step) {
                continue;
            }
            match self.tasks.renewal(step.server, &renewal).await {
                Ok(operation) if changes_nothing(&operation) => {
                    self.put(&step, VerdictKind::Unchanged, None, None);
                }
                Ok(_) => {
                    self.roll.steps[at].update = Some(crate::id::id_by(&*self.tasks.clock));
                    wave.push(step.name);
                }
                // It is away, of another kind, switched off: others are not.
                Err(error) => self.put(&step, VerdictKind::Skipped, None, Some(error.error)),
            }
        }
        if !wave.is_empty() {
            self.roll.waves += 1;
            let stage = match canary {
                true => "Canary".to_owned(),
                false => format!("Wave {}", self.roll.waves),
            };
            let goals: Vec<_> = self.roll.goal().into_iter().map(|(_, goal)| goal).collect();
            let text = format!("{} to {}", wave.join(", "), goals.join(" or "));
            self.update
                .logs
                .push(note(&stage, &text, self.tasks.clock.now()));
        }
        self.roll.next_at = None;
        failpoint!("roll.wave");
        self.store().await
    }

    /// Orders what is still to be ordered, and waits for the ends; `false` where Core ends.
    async fn await_all(&mut self, steps: &[Step]) -> bool {
        let (tasks, by) = (Arc::clone(&self.tasks), self.by());
        let renewal = self.roll.renewal();
        let all = join_all(steps.iter().map(|step| {
            let (tasks, by, renewal) = (Arc::clone(&tasks), &by, &renewal);
            async move { update_one(&tasks, step, by, renewal).await }
        }));
        tokio::pin!(all);
        let went = loop {
            tokio::select! {
                biased;
                () = tasks.end.cancelled() => return false,
                wanted = self.open.canceled(self.wanted) => {
                    self.cancel(wanted).await;
                    for step in steps {
                        self.cancel_one(step);
                    }
                }
                went = &mut all => break went,
            }
        };
        for (step, went) in steps.iter().zip(went) {
            match went {
                Went::Ended(update) => {
                    let (kind, error) = verdict_of(&update);
                    self.put(step, kind, None, error);
                }
                Went::Refused(error) => {
                    self.put(step, VerdictKind::Failed, None, Some(error.error));
                }
                Went::Core => return false,
            }
        }
        let pause = UnixMs::from(self.roll.pause_s).saturating_mul(1000);
        self.roll.next_at = Some(self.tasks.clock.now().saturating_add(pause));
        failpoint!("roll.waved");
        self.store().await
    }

    /// Who asks, as far as he still may.
    fn by(&self) -> By {
        let state = self.tasks.desired.snapshot();
        let account = self.update.operator.parse().ok();
        let account = account.and_then(|id: Id| state.accounts.get(&id));
        By {
            operator: self.update.operator.clone(),
            username: self.roll.username.clone(),
            may_write: account.is_some_and(|account| {
                let user = &account.user;
                user.enabled && (user.admin || user.super_admin)
            }),
        }
    }

    /// Nothing further is begun with; what is under way and can be canceled is.
    async fn cancel(&mut self, wanted: Wanted) {
        self.wanted = wanted.times;
        self.update.canceled_by.get_or_insert(wanted.by);
        (self.update.stage, self.update.cancelable) = (Some(Stage::Canceling), false);
        self.show();
        failpoint!("roll.canceling");
        if let Err(error) = self.save().await {
            tracing::warn!(update.id = %self.id, %error, "a cancel could not be saved; it holds all the same");
        }
    }

    fn cancel_one(&self, step: &Step) {
        let open = step.update.and_then(|id| self.tasks.open.get(id));
        if let Some(open) = open
            && open.update().cancelable
            && let Some(by) = &self.update.canceled_by
        {
            open.cancel(by);
        }
    }

    /// The servers whose turn does not come.
    fn leave_out(&mut self, why: &Halt) {
        for step in self.steps(|run, step| !run.has(step)) {
            match why {
                Halt::Canceled => {
                    let reason = Reason::new(ReasonCode::Canceled);
                    self.put(&step, VerdictKind::Skipped, Some(reason), None);
                }
                Halt::At(server) => {
                    let text = format!("not tried, since '{server}' was not done");
                    self.put(&step, VerdictKind::Skipped, None, Some(text));
                }
            }
        }
        let text = match (why, &self.update.canceled_by) {
            (Halt::At(server), _) => format!("halted: '{server}' was not done"),
            (Halt::Canceled, by) => format!("canceled by {}", by.as_deref().unwrap_or("somebody")),
        };
        let at = self.tasks.clock.now();
        self.update.logs.push(Log {
            stderr: text,
            success: false,
            ..note("Halt", "", at)
        });
    }

    fn put(
        &mut self,
        step: &Step,
        verdict: VerdictKind,
        reason: Option<Reason>,
        error: Option<String>,
    ) {
        self.update.verdicts.push(Verdict {
            container: step.name.clone(),
            id: step.server.to_string(),
            verdict,
            reason,
            error,
            before: None,
            after: None,
            run: None,
            at: self.tasks.clock.now(),
        });
        self.update.success = update_success(&self.update.verdicts);
    }

    fn show(&self) {
        self.open.show(&self.update);
        self.tasks.publish(&self.update);
    }

    async fn save(&self) -> Result<(), Error> {
        let kept = kept(&self.roll)?;
        Ok(self
            .tasks
            .store
            .updates()
            .begin(&self.update, &kept)
            .await?)
    }

    /// Shows where it is, and stores that for as long as it takes; `false` where Core ends before.
    async fn store(&mut self) -> bool {
        self.show();
        let mut pause = self.tasks.settings.retry;
        while let Err(error) = self.save().await {
            tracing::error!(update.id = %self.id, %error, "a roll could not be stored; it is tried again");
            tokio::select! {
                biased;
                () = self.tasks.end.cancelled() => return false,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(STORE_RETRY_MAX);
        }
        true
    }

    async fn leave_open(self) {
        if let Err(error) = self.save().await {
            tracing::warn!(update.id = %self.id, %error, "a roll could not be saved; its servers tell how far it came");
        }
    }

    async fn end(mut self) {
        let now = self.tasks.clock.now();
        let update = &mut self.update;
        update.success = update_success(&update.verdicts) && update.canceled_by.is_none();
        (update.end_ts, update.status) = (Some(now), UpdateStatus::Complete);
        (update.stage, update.cancelable) = (None, false);
        let count = |kind| {
            update
                .verdicts
                .iter()
                .filter(|it| it.verdict == kind)
                .count()
        };
        let text = format!(
            "{} updated, {} left out, {} failed",
            count(VerdictKind::Done),
            count(VerdictKind::Skipped) + count(VerdictKind::Unchanged),
            count(VerdictKind::Failed) + count(VerdictKind::Unknown)
        );
        let log = Log {
            success: update.success,
            start_ts: update.start_ts,
            ..note("Roll Periphery", &text, now)
        };
        update.logs.insert(0, log);
        failpoint!("roll.ending");
        if !self.store().await {
            return;
        }
        self.tasks.open.remove(self.id);
        self.show();
    }
}

/// Whether an agent runs already what it is to run.
fn changes_nothing(operation: &ContainerOperation) -> bool {
    matches!(&operation.scope, Scope::Agent(service) if service.program.is_none())
}

/// Why it goes no further.
enum Halt {
    /// Somebody canceled it.
    Canceled,
    /// A server was not done.
    At(String),
}
