//! How an Engine goes and comes back.

use std::{collections::BTreeMap, sync::PoisonError};

use komodo_agent_api::{Container, EngineState};
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum};

use super::{Away, Change, World};
use crate::engine::{connected, end};

impl World {
    /// The Engine stops answering. Containers go on.
    pub fn engine_away(&self, why: &str) {
        let since = self.now();
        let mut state = self.state();
        if state.away.is_none() {
            let seen = state
                .containers
                .values()
                .map(|entry| entry.container.clone())
                .collect();
            state.away = Some(Away {
                seen,
                untold: BTreeMap::new(),
            });
        }
        state.engine = EngineState::Unreachable {
            why: why.to_owned(),
            since,
        };
        let engine = state.engine.clone();
        state.tell(Change::Engine(engine));
    }

    /// The Engine ends; what it was doing is lost, and nobody is answered. Without `live_restore` containers end with
    /// it, and those that are to be restarted run again when it is back.
    pub fn engine_dies(&self, live_restore: bool) {
        self.engine_away("connection refused");
        let at = self.moment();
        self.shared
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        if live_restore {
            return;
        }
        let mut state = self.state();
        let up = |container: &Container| {
            use ContainerStateStatusEnum::{Paused, Restarting, Running};
            matches!(container.state, Running | Restarting | Paused)
        };
        let ended: Vec<(String, bool)> = state
            .containers
            .values_mut()
            .filter(|entry| up(&entry.container))
            .map(|entry| {
                end(&mut entry.container, 137, at);
                let restarts = matches!(
                    &*entry.container.restart_policy,
                    "always" | "unless-stopped"
                );
                (entry.container.id.clone(), restarts)
            })
            .collect();
        for (id, restarts) in ended {
            state.remember(at, &id, Some(ContainerStateStatusEnum::Exited));
            state.tell_of(&id, false);
            if restarts {
                state.restarting.push(id);
            }
        }
    }

    /// The Engine answers again.
    pub fn engine_back(&self) {
        let at = self.moment();
        let since = at.ms;
        let mut state = self.state();
        for id in std::mem::take(&mut state.restarting) {
            // It may have been removed meanwhile, which is no error of anybody.
            let _gone = state.act(&id, ContainerAction::Start, at);
        }
        state.engine = connected(&state.engine_id, since);
        let engine = state.engine.clone();
        let untold = state
            .away
            .take()
            .map(|away| away.untold)
            .unwrap_or_default();
        state.tell(Change::Engine(engine));
        for change in untold.into_values() {
            state.tell(change);
        }
    }
}
