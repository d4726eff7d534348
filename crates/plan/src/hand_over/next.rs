//! The next step of a hand over, from what is observed alone: whoever begins anew, at whatever point, goes on rightly.
//!
//! - Before the old one is stopped, what goes wrong leaves it as it is.
//! - From then on, what goes wrong puts it back: it is started first, under whatever name, and only then tidied up.
//! - An old one in another run than the plan's is being put back; a new one that has ended is given up.
//! - A confirmed new one that runs is never given up.

use komodo_api::{UnixMs, engine::ContainerStateStatusEnum};

use super::{Body, Failure, HandOverPlan, Outcome, Replace, Scene, Step, Which};

/// Time after the end of the plan's in which the old container is still tried to be brought back.
const PATIENCE_MS: i64 = 600_000;
/// Pause before a container that has ended by itself is started again.
const START_PAUSE_MS: i64 = 5_000;

/// The next step. One that fails is told as [`Scene::failed`] at the next look.
pub fn next(plan: &HandOverPlan, scene: &Scene) -> Step {
    if plan.run.started_at.is_none() {
        // Nobody could tell whether it was started again.
        return finish(Outcome::Untouched {
            why: "it is not known since when the container runs".to_owned(),
        });
    }
    let look = Look { plan, scene };
    match &plan.replace {
        None => look.restart(),
        Some(replace) => look.replace(replace),
    }
}

/// Why a container that replaces another is given up, where it is. The first one seen is to be kept as [`Scene::why`]:
/// what follows from it looks like another one.
pub fn reason(plan: &HandOverPlan, scene: &Scene) -> Option<String> {
    plan.replace.as_ref()?;
    let look = Look { plan, scene };
    let old = there(&scene.old)?;
    look.given_up(old, there(&scene.new))
}

struct Look<'a> {
    plan: &'a HandOverPlan,
    scene: &'a Scene,
}

impl Look<'_> {
    /// The same container is stopped and started.
    fn restart(&self) -> Step {
        let Some(old) = there(&self.scene.old) else {
            return stuck("the container was removed meanwhile".to_owned());
        };
        match (self.again(old), is_up(old)) {
            (false, true) => match self.failed(&Step::Stop(Which::Old)) {
                Some(failure) => finish(Outcome::Untouched { why: told(failure) }),
                None if self.is_over() => finish(Outcome::Untouched {
                    why: "its time was over before it was stopped".to_owned(),
                }),
                None => Step::Stop(Which::Old),
            },
            (true, true) => self.watch(old, "there is nothing to go back to"),
            (_, false) => self.start(Which::Old, old),
        }
    }

    /// A new container takes the place of the old one.
    fn replace(&self, replace: &Replace) -> Step {
        let new = there(&self.scene.new);
        let Some(old) = there(&self.scene.old) else {
            return self.only(new);
        };
        if let Some(new) = new
            && self.scene.confirmed
            && new.state == ContainerStateStatusEnum::Running
        {
            return self.complete(old);
        }
        match self.given_up(old, new) {
            Some(why) => self.back(replace, old, new, why),
            None => self.forward(replace, old, new),
        }
    }

    /// Why it is given up, where it is: what the new one did itself comes before what was done to it for that.
    fn given_up(&self, old: &Body, new: Option<&Body>) -> Option<String> {
        let Scene { confirmed, why, .. } = self.scene;
        if *confirmed && new.is_some_and(|new| new.state == ContainerStateStatusEnum::Running) {
            return None;
        }
        if let Some(why) = why {
            return Some(why.clone());
        }
        let forward = [
            Step::Create,
            Step::Hold,
            Step::Stop(Which::Old),
            Step::Rename(Which::Old, self.plan.old_name()),
            Step::Rename(Which::New, self.plan.name.clone()),
            Step::Begin,
        ];
        if let Some(failure) = forward.iter().find_map(|step| self.failed(step)) {
            return Some(told(failure));
        }
        if let Some(new) = new {
            let in_time = |finished: UnixMs| finished < self.plan.until;
            let by_itself = new.run.finished_at.map_or(!self.is_over(), in_time);
            if new.restarts > 0 {
                let code = match new.state {
                    ContainerStateStatusEnum::Restarting => ended(new),
                    _ => "ended".to_owned(),
                };
                return Some(format!(
                    "the new container {code}, and the Engine started it again (times: {})",
                    new.restarts
                ));
            }
            if !is_up(new) && was_started(new) && by_itself {
                return Some(format!("the new container {}", ended(new)));
            }
        }
        if self.is_over() {
            return Some(match is_up(old) && !self.again(old) {
                true => "its time was over before the old container was stopped".to_owned(),
                false => "the new container was not confirmed within its time".to_owned(),
            });
        }
        if self.again(old) {
            return Some("the old container was started again meanwhile".to_owned());
        }
        match new {
            None if !is_up(old) => Some(format!(
                "there is no new container, and the old one {}",
                ended(old)
            )),
            _ => None,
        }
    }

    fn forward(&self, replace: &Replace, old: &Body, new: Option<&Body>) -> Step {
        let Some(new) = new else { return Step::Create };
        if !old.held && !is_no(replace) {
            // First of all: an Engine that restarts must not start both.
            return Step::Hold;
        }
        if is_up(old) {
            return Step::Stop(Which::Old);
        }
        if old.name == self.plan.name {
            return Step::Rename(Which::Old, self.plan.old_name());
        }
        if new.name != self.plan.name {
            return Step::Rename(Which::New, self.plan.name.clone());
        }
        match is_up(new) {
            true => Step::Await,
            false => Step::Begin,
        }
    }

    /// The new one is confirmed and runs.
    fn complete(&self, old: &Body) -> Step {
        if is_up(old) {
            let stop = Step::Stop(Which::Old);
            return match self.failed(&stop) {
                Some(failure) if self.is_past_patience() => stuck(format!(
                    "the new container is confirmed, but the old one runs: {}",
                    told(failure)
                )),
                _ => stop,
            };
        }
        let remove = Step::Remove(Which::Old);
        match self.may(&remove) {
            true => remove,
            // One that stays behind does no harm: nobody starts it.
            false => finish(Outcome::Confirmed),
        }
    }

    /// Puts the old one back.
    fn back(&self, replace: &Replace, old: &Body, new: Option<&Body>, why: String) -> Step {
        if new.is_some_and(is_up) {
            // Two of one identity must not run, whatever it takes.
            let stop = Step::Stop(Which::New);
            return match self.failed(&stop) {
                Some(failure) if self.is_past_patience() => stuck(format!(
                    "{why}; the new container still runs: {}",
                    told(failure)
                )),
                _ => stop,
            };
        }
        if !is_up(old) {
            return self.start(Which::Old, old);
        }
        if old.held && !is_no(replace) && self.may(&Step::Release) {
            return Step::Release;
        }
        let name_back = Step::Rename(Which::Old, self.plan.name.clone());
        let is_away = old.name == self.plan.old_name();
        if let Some(new) = new {
            let make_way = Step::Rename(Which::New, self.plan.new_name());
            if new.name == self.plan.name && is_away && self.may(&make_way) {
                return make_way;
            }
            if new.name != self.plan.name && is_away && self.may(&name_back) {
                return name_back;
            }
            // Last, since it tells why.
            let remove = Step::Remove(Which::New);
            if self.may(&remove) {
                return remove;
            }
        }
        if is_away && self.may(&name_back) {
            return name_back;
        }
        if !self.again(old) {
            return finish(Outcome::Untouched { why });
        }
        match old.state {
            ContainerStateStatusEnum::Restarting if self.is_past_patience() => stuck(format!(
                "{why}; the old container {} again and again",
                ended(old)
            )),
            ContainerStateStatusEnum::Restarting => Step::Await,
            _ => finish(Outcome::RolledBack { why }),
        }
    }

    /// The old one is gone: the new one is all there is, and nobody removes it.
    fn only(&self, new: Option<&Body>) -> Step {
        let Some(new) = new else {
            return stuck("the container was removed meanwhile".to_owned());
        };
        let name = Step::Rename(Which::New, self.plan.name.clone());
        if new.name != self.plan.name && self.may(&name) {
            return name;
        }
        match is_up(new) {
            true => self.watch(new, "the old container is gone, so it stays"),
            false if !was_started(new) && self.may(&Step::Begin) => Step::Begin,
            false => self.start(Which::New, new),
        }
    }

    /// One that there is nothing to go back from.
    fn watch(&self, body: &Body, why_not: &str) -> Step {
        match (body.state, self.scene.confirmed, self.is_over()) {
            (ContainerStateStatusEnum::Restarting, _, true) => {
                stuck(format!("the container {} again and again", ended(body)))
            }
            (ContainerStateStatusEnum::Running, true, _) => finish(Outcome::Confirmed),
            (state, _, true) => finish(Outcome::Unconfirmed {
                why: format!(
                    "it is {} and was not confirmed within its time; {why_not}",
                    state.as_str()
                ),
            }),
            _ => Step::Await,
        }
    }

    /// Starts what has to run, again and again for a while.
    fn start(&self, which: Which, body: &Body) -> Step {
        let start = Step::Start(which);
        let stopped_by_us = which == Which::Old && !self.again(body);
        if self.is_past_patience() {
            let why = match self.failed(&start) {
                Some(failure) => Some(told(failure)),
                // A clock that was set, or a host that slept, makes it late before it was ever tried.
                None => (!stopped_by_us).then(|| format!("it {}", ended(body))),
            };
            if let Some(why) = why {
                return stuck(format!("the container does not run: {why}"));
            }
        }
        let ended_ms_ago = body.run.finished_at.map(|at| self.scene.now - at);
        match ended_ms_ago {
            Some(0..START_PAUSE_MS) if !stopped_by_us => Step::Await,
            _ => start,
        }
    }

    /// Whether the old one is in another run than the plan's.
    fn again(&self, old: &Body) -> bool {
        let both = old.run.started_at.zip(self.plan.run.started_at);
        both.is_some_and(|(now, then)| now != then)
    }

    fn is_over(&self) -> bool {
        self.scene.now >= self.plan.until
    }

    fn is_past_patience(&self) -> bool {
        self.scene.now >= self.plan.until.saturating_add(PATIENCE_MS)
    }

    fn failed(&self, step: &Step) -> Option<&Failure> {
        self.scene
            .failed
            .iter()
            .find(|failure| failure.step == *step)
    }

    /// Whether a step that nothing depends on is worth a try.
    fn may(&self, step: &Step) -> bool {
        self.failed(step).is_none()
    }
}

/// One that is being removed is as good as gone.
fn there(body: &Option<Body>) -> Option<&Body> {
    body.as_ref()
        .filter(|body| body.state != ContainerStateStatusEnum::Removing)
}

/// Whether there is something to stop. What is not known counts as that: a stop too many does no harm.
fn is_up(body: &Body) -> bool {
    use ContainerStateStatusEnum::{Created, Dead, Exited};
    !matches!(body.state, Created | Exited | Dead)
}

fn was_started(body: &Body) -> bool {
    body.run.started_at.is_some()
}

/// Whether the old one never was started by the Engine by itself.
fn is_no(replace: &Replace) -> bool {
    let name = replace.restart_policy.get("Name");
    let name = name.and_then(serde_json::Value::as_str).unwrap_or_default();
    matches!(name, "" | "no")
}

/// `ended with exit code 1`.
fn ended(body: &Body) -> String {
    match body.exit_code {
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

/// What could not be done, and why.
fn told(failure: &Failure) -> String {
    let whose = |which: &Which| match which {
        Which::Old => "the old container",
        Which::New => "the new container",
    };
    let what = match &failure.step {
        Step::Create => "make the new container".to_owned(),
        Step::Hold => "keep the old container from being started by the Engine".to_owned(),
        Step::Release => "put the restart policy of the old container back".to_owned(),
        Step::Stop(which) => format!("stop {}", whose(which)),
        Step::Rename(which, name) => format!("name {} {name}", whose(which)),
        Step::Begin => "start the new container".to_owned(),
        Step::Start(which) => format!("start {}", whose(which)),
        Step::Remove(which) => format!("remove {}", whose(which)),
        Step::Await | Step::Finish(_) => "wait".to_owned(),
    };
    format!("cannot {what}: {}", failure.why)
}

fn finish(outcome: Outcome) -> Step {
    Step::Finish(outcome)
}

fn stuck(why: String) -> Step {
    finish(Outcome::Stuck { why })
}
