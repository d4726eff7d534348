//! What runs in which container of a host: the agent, helpers. It is what the command of a container says on a real one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use komodo_api::update::Run;
use komodo_plan::hand_over::{HandOverPlan, Outcome};
use tokio::sync::watch;

use crate::{
    agent::SimAgent,
    image::{HelperDies, Image},
};

#[derive(Default)]
pub(crate) struct Programs {
    state: Mutex<State>,
    /// The agent that runs, or ran last.
    pub(crate) agent: watch::Sender<Option<SimAgent>>,
}

#[derive(Default)]
struct State {
    /// Ids of the containers that run the agent.
    agents: BTreeSet<String>,
    /// Helpers, by the id of their container.
    helpers: BTreeMap<String, Helper>,
    /// In which run of a container its process was started.
    begun: BTreeMap<String, Run>,
    /// In which run of a container its process was given its time.
    lives: BTreeMap<String, Run>,
    /// How often the Engine has started a container again by itself.
    restarts: BTreeMap<String, u64>,
    images: BTreeMap<String, Image>,
    helper_dies: Option<HelperDies>,
}

struct Helper {
    plan: HandOverPlan,
    /// How it ended.
    outcome: Option<Outcome>,
    /// It died by itself, and was not started again yet.
    died: bool,
}

impl Programs {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agents(&self) -> Vec<String> {
        self.state().agents.iter().cloned().collect()
    }

    /// A container runs the agent.
    pub(crate) fn run_agent(&self, id: &str) {
        self.state().agents.insert(id.to_owned());
    }

    pub(crate) fn forget_agent(&self, id: &str) {
        let mut state = self.state();
        state.agents.remove(id);
        state.begun.remove(id);
    }

    /// In which run of a container its process was started last.
    pub(crate) fn begun(&self, id: &str) -> Option<Run> {
        self.state().begun.get(id).copied()
    }

    pub(crate) fn begin(&self, id: &str, run: Run) {
        self.state().begun.insert(id.to_owned(), run);
    }

    /// A run of a container is given its time; whether it was not before.
    pub(crate) fn give_time(&self, id: &str, run: Run) -> bool {
        self.state().lives.insert(id.to_owned(), run) != Some(run)
    }

    pub(crate) fn restarts(&self, id: &str) -> u64 {
        self.state().restarts.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn started_again(&self, id: &str) {
        *self.state().restarts.entry(id.to_owned()).or_default() += 1;
    }

    pub(crate) fn set_image(&self, name: &str, image: Image) {
        self.state().images.insert(name.to_owned(), image);
    }

    pub(crate) fn image(&self, name: &str) -> Image {
        self.state().images.get(name).copied().unwrap_or_default()
    }

    /// A container runs a helper with a plan.
    pub(crate) fn run_helper(&self, id: &str, plan: HandOverPlan) {
        let helper = Helper {
            plan,
            outcome: None,
            died: false,
        };
        self.state().helpers.insert(id.to_owned(), helper);
    }

    pub(crate) fn helpers(&self) -> Vec<String> {
        self.state().helpers.keys().cloned().collect()
    }

    pub(crate) fn forget_helper(&self, id: &str) {
        let mut state = self.state();
        state.helpers.remove(id);
        state.begun.remove(id);
    }

    pub(crate) fn plan(&self, helper: &str) -> Option<HandOverPlan> {
        self.state().helpers.get(helper).map(|it| it.plan.clone())
    }

    pub(crate) fn outcome(&self, helper: &str) -> Option<Outcome> {
        self.state().helpers.get(helper)?.outcome.clone()
    }

    pub(crate) fn end_helper(&self, id: &str, outcome: Outcome) {
        if let Some(helper) = self.state().helpers.get_mut(id) {
            helper.outcome = Some(outcome);
        }
    }

    pub(crate) fn helper_died(&self, id: &str) {
        if let Some(helper) = self.state().helpers.get_mut(id) {
            helper.died = true;
        }
    }

    /// Whether it died by itself since this was asked last.
    pub(crate) fn died(&self, id: &str) -> bool {
        let mut state = self.state();
        let helper = state.helpers.get_mut(id);
        helper.is_some_and(|helper| std::mem::take(&mut helper.died))
    }

    pub(crate) fn helper_dies(&self, at: Option<HelperDies>) {
        self.state().helper_dies = at;
    }

    /// A helper comes to a step (`after`: has done it); whether it dies there.
    pub(crate) fn comes_to_step(&self, after: bool) -> bool {
        let mut state = self.state();
        let (left, dies_after) = match &mut state.helper_dies {
            None => return false,
            Some(HelperDies::Before(left)) => (left, false),
            Some(HelperDies::After(left)) => (left, true),
        };
        if dies_after != after {
            return false;
        }
        *left = left.saturating_sub(1);
        let dies = *left == 0;
        if dies {
            state.helper_dies = None;
        }
        dies
    }
}
