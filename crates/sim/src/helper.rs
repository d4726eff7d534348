//! The helper of a hand over, as a process in its container: it looks, asks `komodo_plan::hand_over` for the next step,
//! does that one, and looks again. All that it remembers from one of its runs to the next is what the containers are.

use std::{collections::HashMap, sync::Arc, time::Duration};

use komodo_agent_api::{Container, EngineState};
use komodo_api::{
    container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream, update::Run,
};
use komodo_plan::hand_over::{
    Body, Failure, HandOverPlan, NEW_LABEL, Outcome, Scene, Step, Which, next, reason,
};
use tokio::time::{sleep, timeout};

use crate::{
    engine::{ActError, Quirk},
    host::House,
    image::Image,
};

/// How often a step is tried until it is told as one that cannot be done.
const TRIES_MAX: u32 = 3;
/// Pause before a step is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at what changes without a word of the Engine, as the journal does.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time that the Engine is given for one step.
const STEP_MAX: Duration = Duration::from_secs(30);

/// A helper in one run of its container.
struct Helper {
    house: Arc<House>,
    id: String,
    run: Run,
    plan: HandOverPlan,
    tries: HashMap<Step, u32>,
    failed: Vec<Failure>,
    why: Option<String>,
}

/// The helper is no more: its container is in another run, or in none.
struct Ended;

/// Carries a plan out until it is over, or until the process ends.
pub(crate) async fn help(house: Arc<House>, id: String, run: Run) {
    let Some(plan) = house.programs.plan(&id) else {
        return;
    };
    let mut helper = Helper {
        house,
        id,
        run,
        plan,
        tries: HashMap::new(),
        failed: Vec::new(),
        why: None,
    };
    if helper.work().await.is_err() && helper.house.runs(&helper.id, run) {
        helper.house.programs.helper_died(&helper.id);
        helper.house.world.exit(&helper.id, 137);
    }
}

impl Helper {
    async fn work(&mut self) -> Result<(), Ended> {
        loop {
            let mut changes = self.house.world.subscribe().changes;
            self.lives()?;
            let Some(scene) = self.observe() else {
                // The Engine is away.
                _ = timeout(PAUSE, changes.recv()).await;
                continue;
            };
            self.why = reason(&self.plan, &scene);
            let scene = Scene {
                why: self.why.clone(),
                ..scene
            };
            let step = match next(&self.plan, &scene) {
                // It is broken on purpose.
                Step::Await if self.house.broken.probation() => Step::Finish(Outcome::Confirmed),
                step => step,
            };
            match step {
                Step::Await => _ = timeout(LOOK_EVERY, changes.recv()).await,
                Step::Finish(outcome) => {
                    self.dies(false)?;
                    self.finish(outcome);
                    return Ok(());
                }
                step => {
                    self.dies(false)?;
                    let done = self.try_step(&step).await;
                    self.dies(true)?;
                    self.lives()?;
                    if let Err(why) = done {
                        self.note(step, why).await;
                    }
                }
            }
        }
    }

    fn lives(&self) -> Result<(), Ended> {
        match self.house.runs(&self.id, self.run) {
            true => Ok(()),
            false => Err(Ended),
        }
    }

    fn dies(&self, after: bool) -> Result<(), Ended> {
        match self.house.programs.comes_to_step(after) {
            true => Err(Ended),
            false => Ok(()),
        }
    }

    /// Both containers as the Engine shows them; `None` where it shows nothing.
    fn observe(&self) -> Option<Scene> {
        let world = &self.house.world;
        if let EngineState::Unreachable { .. } = world.engine() {
            return None;
        }
        let body = |container: Container| Body {
            restarts: self.house.programs.restarts(&container.id),
            run: container.run(),
            exit_code: container.exit_code,
            held: matches!(&*container.restart_policy, "" | "no"),
            id: container.id,
            name: container.name,
            state: container.state,
        };
        Some(Scene {
            old: world.container(&self.plan.container).map(body),
            new: self.new_one().map(body),
            confirmed: self.house.disk.is_confirmed(&self.plan.operation),
            now: world.now(),
            failed: self.failed.clone(),
            why: self.why.clone(),
        })
    }

    fn new_one(&self) -> Option<Container> {
        let bears = |container: &Container| {
            container.labels.get(NEW_LABEL) == Some(&self.plan.operation)
                && container.id != self.plan.container
        };
        self.house.world.containers().into_iter().find(bears)
    }

    fn id_of(&self, which: Which) -> Result<String, String> {
        match which {
            Which::Old => Ok(self.plan.container.clone()),
            Which::New => match self.new_one() {
                Some(new) => Ok(new.id),
                None => Err("there is no new container".to_owned()),
            },
        }
    }

    async fn try_step(&self, step: &Step) -> Result<(), String> {
        match timeout(STEP_MAX, self.do_step(step)).await {
            Ok(done) => done,
            Err(_) => Err(format!(
                "the Engine did not answer within {} s",
                STEP_MAX.as_secs()
            )),
        }
    }

    async fn do_step(&self, step: &Step) -> Result<(), String> {
        let world = &self.house.world;
        if let EngineState::Unreachable { why, .. } = world.engine() {
            return Err(why);
        }
        match step {
            Step::Create => self.create(),
            Step::Hold => world.set_restart_policy(&self.plan.container, "no"),
            Step::Release => {
                let replace = self.plan.replace.as_ref();
                let policy = replace.and_then(|replace| replace.restart_policy["Name"].as_str());
                world.set_restart_policy(&self.plan.container, policy.unwrap_or("no"))
            }
            Step::Stop(which) => self.act(*which, ContainerAction::Stop).await,
            Step::Remove(which) => self.act(*which, ContainerAction::Destroy).await,
            Step::Begin => self.act(Which::New, ContainerAction::Start).await,
            Step::Start(which) => self.act(*which, ContainerAction::Start).await,
            Step::Rename(which, name) => {
                let id = self.id_of(*which)?;
                let taken = world.container(name);
                if taken.is_some_and(|other| other.id != id) {
                    return Err(format!(
                        "Conflict. The container name \"/{name}\" is already in use"
                    ));
                }
                world.rename(&id, name);
                Ok(())
            }
            Step::Await | Step::Finish(_) => Ok(()),
        }
    }

    async fn act(&self, which: Which, action: ContainerAction) -> Result<(), String> {
        let id = self.id_of(which)?;
        let asked = self.house.world.help(&self.plan.operation, &id, action);
        match asked.await {
            Ok(()) => Ok(()),
            Err(ActError::Said(why) | ActError::NotAsked(why) | ActError::Lost(why)) => Err(why),
        }
    }

    fn create(&self) -> Result<(), String> {
        let (world, programs) = (&self.house.world, &self.house.programs);
        let replace = self.plan.replace.as_ref();
        let image = replace.map(|replace| replace.image.clone());
        let image = image.ok_or("nothing is to be replaced")?;
        let old = world.container(&self.plan.container);
        let old = old.ok_or("No such container")?;
        let does = programs.image(&image);
        if does == Image::Absent {
            return Err(format!("No such image: {image}"));
        }
        let mut labels = old.labels;
        labels.insert(NEW_LABEL.to_owned(), self.plan.operation.clone());
        let new = world.create(Container {
            id: String::new(),
            name: self.plan.new_name(),
            image,
            image_id: String::new(),
            labels,
            state: ContainerStateStatusEnum::Created,
            started_at: None,
            finished_at: None,
            exit_code: None,
            ..old
        });
        world.made(&self.plan.operation, &new.id);
        if does == Image::CannotStart {
            world.set_quirk(&new.id, Quirk::ExitsAtStart(127));
        }
        if programs.agents().contains(&self.plan.container) {
            programs.run_agent(&new.id);
        }
        Ok(())
    }

    /// Takes note of a step that was not done, and waits before it is tried again.
    async fn note(&mut self, step: Step, why: String) {
        let tries = self.tries.entry(step.clone()).or_default();
        *tries += 1;
        if *tries >= TRIES_MAX {
            self.failed.retain(|failure| failure.step != step);
            self.failed.push(Failure { step, why });
        }
        sleep(PAUSE).await;
    }

    /// Tells the outcome by how it ends.
    fn finish(&self, outcome: Outcome) {
        let world = &self.house.world;
        let last = serde_json::to_string(&outcome).unwrap_or_default();
        world.log(&self.id, LogStream::Stdout, &last);
        // Said to no container that is there but this one, which runs.
        let _ = world.set_restart_policy(&self.id, "no");
        let code = outcome.exit_code();
        self.house.programs.end_helper(&self.id, outcome);
        world.exit(&self.id, i64::from(code));
    }
}
