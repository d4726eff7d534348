//! What happened on an Engine: the states that containers came into, and what operations asked for. Bounded.

use std::collections::VecDeque;

use komodo_api::{UnixMs, container::ContainerAction, engine::ContainerStateStatusEnum};

/// Changes of state, and requests, that an Engine remembers.
const HISTORY_MAX: usize = 20_000;

/// Who asks the Engine for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The agent itself.
    Agent,
    /// The helper that hands the agent, or Core, over.
    Helper,
}

/// A request that an operation made of the Engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Id of the operation.
    pub operation: String,
    /// Id of the container.
    pub id: String,
    /// What it asked for.
    pub action: ContainerAction,
    /// Who asked.
    pub by: Hand,
    /// When, by a clock that was never set.
    pub at: UnixMs,
}

/// By a clock that was never set.
#[derive(Default)]
pub(crate) struct History {
    acts: VecDeque<Act>,
    states: VecDeque<(UnixMs, String, Option<ContainerStateStatusEnum>)>,
    made: VecDeque<(String, String)>,
}

impl History {
    pub(crate) fn asked(&mut self, act: Act) {
        if self.acts.len() == HISTORY_MAX {
            self.acts.pop_front();
        }
        self.acts.push_back(act);
    }

    /// All but the first so many that it remembers.
    pub(crate) fn acts_since(&self, seen: usize) -> Vec<Act> {
        self.acts.iter().skip(seen).cloned().collect()
    }

    /// A helper made a container for an operation.
    pub(crate) fn made(&mut self, operation: &str, id: &str) {
        if self.made.len() == HISTORY_MAX {
            self.made.pop_front();
        }
        self.made.push_back((operation.to_owned(), id.to_owned()));
    }

    /// All but the first so many that it remembers.
    pub(crate) fn made_since(&self, seen: usize) -> Vec<(String, String)> {
        self.made.iter().skip(seen).cloned().collect()
    }

    pub(crate) fn came_into(
        &mut self,
        at: UnixMs,
        id: &str,
        state: Option<ContainerStateStatusEnum>,
    ) {
        if self.states.len() == HISTORY_MAX {
            self.states.pop_front();
        }
        self.states.push_back((at, id.to_owned(), state));
    }

    /// The state before a time, and all that came until another.
    pub(crate) fn states_between(
        &self,
        id: &str,
        from: UnixMs,
        until: UnixMs,
    ) -> Vec<Option<ContainerStateStatusEnum>> {
        let mut states = vec![None];
        let mut within = 0;
        let of_id = self.states.iter().filter(|(_, of, _)| of == id);
        for (since, _, next) in of_id.take_while(|(since, ..)| *since <= until) {
            states.push(*next);
            within += usize::from(*since >= from);
        }
        states.split_off(states.len() - 1 - within)
    }
}
