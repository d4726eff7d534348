//! What users ask for.

use std::{collections::BTreeSet, time::Duration};

use komodo_api::{Code, Error, Module, UnixMs, container::ContainerAction};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    core::ask,
    hand_over::is_helper,
    host::{AGENT, IMAGES},
    story::Story,
    trouble::Relief,
};

const ACTIONS: [ContainerAction; 7] = {
    use ContainerAction::*;
    [Start, Restart, Pause, Unpause, Stop, Destroy, Prune]
};

/// A request that was made.
pub struct Asked {
    /// Its name.
    pub name: &'static str,
    /// What it was made with.
    pub params: Value,
    /// Place of its host.
    pub host: usize,
    /// What it is about.
    pub kind: Kind,
    /// When, by the time that passes for everybody.
    pub at: UnixMs,
    /// What came of it.
    pub answer: Answer,
    /// How often the agent there had been killed then.
    pub kills: u32,
    /// Containers that the plan, whose hash it carried, would act on.
    pub planned: Option<BTreeSet<String>>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One container.
    One {
        /// With a reason why a protected one is acted on all the same.
        overridden: bool,
        /// The agent may go on purpose.
        detach: bool,
    },
    /// Several by name.
    Listed,
    /// All of a host.
    All,
    /// Bringing back what an Update did.
    Undo(String),
    /// Canceling an Update.
    Cancel,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// An Update, by its id.
    Update(String),
    /// A refusal.
    Refused(Code),
    /// Core went before it answered.
    Lost,
}

/// An answer, and the containers of the plan that was looked at before, if one was.
pub struct Answered {
    result: Result<Value, Error>,
    planned: Option<BTreeSet<String>>,
}

impl Story<'_> {
    /// Asks for an operation.
    pub(crate) fn operate(&mut self, at: usize) {
        let server = self.hosts[at].name.clone();
        let (name, mut params, kind) = match self.rng.u32(0..3) {
            0 => {
                let all = [
                    "StopAllContainers",
                    "StartAllContainers",
                    "RestartAllContainers",
                    "PauseAllContainers",
                    "UnpauseAllContainers",
                    "PruneContainers",
                ];
                let exclude: Vec<String> = self.container(at).into_iter().collect();
                let params = json!({ "server": server, "exclude": exclude });
                (self.pick(&all), params, Kind::All)
            }
            1 => {
                let one = [
                    "StopContainer",
                    "StartContainer",
                    "RestartContainer",
                    "PauseContainer",
                    "UnpauseContainer",
                    "DestroyContainer",
                ];
                let Some(container) = self.container(at) else {
                    return;
                };
                let mut params = json!({ "server": server, "container": container });
                // A helper that somebody takes away on purpose leaves its work undone.
                let overridden = self.rng.u32(0..4) == 0 && !is_helper(&container);
                if overridden {
                    params["override"] = json!("by chance");
                }
                (
                    self.pick(&one),
                    params,
                    Kind::One {
                        overridden,
                        detach: false,
                    },
                )
            }
            _ => {
                let listed: Vec<String> = (0..4).filter_map(|_| self.container(at)).collect();
                let action = self.pick(&ACTIONS);
                let params = json!({ "server": server, "containers": listed, "action": action });
                ("BatchContainers", params, Kind::Listed)
            }
        };
        if self.rng.u32(0..4) == 0 {
            params["when_back"] = json!(true);
            params["expires_s"] = json!(self.pick(&[60, 3_600]));
        }
        let looks_first = (self.rng.u32(0..4) == 0).then(|| self.pick(&[0, 10, 2_000]));
        self.request(at, name, params, kind, looks_first);
    }

    /// Asks for the agent itself to be restarted, made anew, or to go, in which case somebody brings it back.
    pub(crate) fn branch(&mut self, at: usize) {
        let server = self.hosts[at].name.clone();
        let mut params = json!({ "server": server, "container": AGENT });
        let detach = self.rng.u32(0..3) == 0;
        let name = match detach {
            true => {
                params["detach"] = json!(true);
                self.passes(Relief::Agent(at), &[30, 120, 600]);
                self.pick(&["StopContainer", "PauseContainer", "DestroyContainer"])
            }
            false => {
                match self.rng.u32(0..3) {
                    0 => {}
                    1 => params["recreate"] = json!({}),
                    _ => {
                        let (image, _) = self.pick(&IMAGES);
                        params["recreate"] = json!({ "image": image });
                    }
                }
                "RestartContainer"
            }
        };
        let looks_first = (self.rng.u32(0..4) == 0).then(|| self.pick(&[0, 10, 2_000]));
        let overridden = false;
        let kind = Kind::One { overridden, detach };
        self.request(at, name, params, kind, looks_first);
    }

    /// Cancels an Update that has not ended, or one that has.
    pub(crate) fn cancel(&mut self) {
        if let Some((at, id)) = self.some_update(true) {
            self.request(at, "CancelUpdate", json!({ "id": id }), Kind::Cancel, None);
        }
    }

    /// Brings back what an Update did.
    pub(crate) fn undo(&mut self) {
        if let Some((at, id)) = self.some_update(false) {
            let params = json!({ "id": id });
            self.request(at, "UndoUpdate", params, Kind::Undo(id), None);
        }
    }

    /// One of the last Updates of operations, by place of its host and id.
    fn some_update(&mut self, open: bool) -> Option<(usize, String)> {
        let app = self.core.slot.app()?;
        let is_open = |id: &str| {
            id.parse()
                .ok()
                .is_some_and(|id| app.background.tasks.open(id).is_some())
        };
        let found: Vec<(usize, String)> = self
            .asked
            .iter()
            .rev()
            .filter_map(|asked| match &asked.answer {
                Answer::Update(id) if asked.kind != Kind::Cancel => Some((asked.host, id.clone())),
                _ => None,
            })
            .filter(|(_, id)| is_open(id) == open)
            .take(10)
            .collect();
        if found.is_empty() {
            return None;
        }
        let at = self.rng.usize(0..found.len());
        found.into_iter().nth(at)
    }

    /// Makes a request, and goes on. One that looks first makes it with the hash of its plan, so many ms later.
    pub(crate) fn request(
        &mut self,
        host: usize,
        name: &'static str,
        mut params: Value,
        kind: Kind,
        looks_first_ms: Option<u64>,
    ) {
        let place = self.asked.len();
        let Some(app) = self.core.slot.app() else {
            return;
        };
        let look = match looks_first_ms {
            Some(ms) => format!(", after a look and {ms} ms"),
            None => String::new(),
        };
        self.tell(format!("#{place} {name} {params}{look}"));
        self.asked.push(Asked {
            name,
            params: params.clone(),
            host,
            kind,
            at: self.now(),
            answer: Answer::None,
            kills: self.hosts[host].kills,
            planned: None,
        });
        let user = self.core.admin();
        self.waiting.spawn(async move {
            let mut planned = None;
            if let Some(ms) = looks_first_ms {
                let look = json!({ "type": name, "params": params });
                let plan = match ask(&app, user, Module::Read, "PlanOperation", &look).await {
                    Ok(plan) => plan,
                    Err(error) => {
                        let result = Err(error);
                        return (place, Answered { result, planned });
                    }
                };
                sleep(Duration::from_millis(ms)).await;
                params["plan"] = plan["hash"].clone();
                let items = plan["items"].as_array().into_iter().flatten();
                planned = Some(
                    items
                        .filter(|item| {
                            ["act", "hand-over", "detach"]
                                .iter()
                                .any(|acts| item["effect"] == *acts)
                        })
                        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
                        .collect(),
                );
            }
            let result = ask(&app, user, Module::Execute, name, &params).await;
            (place, Answered { result, planned })
        });
    }

    /// Takes the answers that have come.
    pub(crate) fn listen(&mut self) {
        while let Some(joined) = self.waiting.try_join_next() {
            // One that was aborted has been given up already.
            if let Ok((place, answered)) = joined {
                self.hear(place, answered);
            }
        }
    }

    pub(crate) fn hear(&mut self, place: usize, answered: Answered) {
        let answer = match &answered.result {
            Ok(update) => match update["_id"]["$oid"].as_str() {
                Some(id) => Answer::Update(id.to_owned()),
                None => Answer::Lost,
            },
            Err(error) => Answer::Refused(error.code),
        };
        let text = match (&answer, &answered.result) {
            (Answer::Update(id), Ok(update)) => format!("Update {id} {}", update["status"]),
            (_, Ok(other)) => format!("{other}"),
            (_, Err(error)) => format!("{:?} {}", error.code, error.error),
        };
        self.tell(format!("#{place} -> {text}"));
        let asked = &mut self.asked[place];
        if let Answer::Update(id) = &answer
            && asked.kind != Kind::Cancel
        {
            self.by_update.insert(id.clone(), place);
            self.counts.updates += 1;
        }
        asked.answer = answer;
        asked.planned = answered.planned;
    }

    /// Core goes: nobody is answered any more.
    pub(crate) async fn hang_up(&mut self) {
        self.waiting.abort_all();
        while let Some(joined) = self.waiting.join_next().await {
            if let Ok((place, answered)) = joined {
                self.hear(place, answered);
            }
        }
        for asked in &mut self.asked {
            if asked.answer == Answer::None {
                asked.answer = Answer::Lost;
            }
        }
    }

    /// The name of some container of a host.
    pub(crate) fn container(&mut self, at: usize) -> Option<String> {
        let mut names: Vec<String> = self.hosts[at]
            .world()
            .containers()
            .into_iter()
            .map(|container| container.name)
            .collect();
        names.sort();
        if names.is_empty() {
            return None;
        }
        let chosen = self.rng.usize(0..names.len());
        Some(names.swap_remove(chosen))
    }
}
