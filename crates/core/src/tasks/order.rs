//! From a request to an operation that runs: refusals, plan, leases, the durable Update.

use std::{collections::BTreeMap, sync::Arc};

use komodo_agent_api::{AgentOperation, Expected, LEVEL_MIN};
use komodo_api::{
    Code, Error, UnixMs,
    container::{ContainerAction, ContainerOperation, Scope, WhenAway},
    engine::ContainerStateStatusEnum,
    id::{Id, Oid},
    plan::{Effect, Plan, PlanItem},
    resource::{ContainerRef, ResourceTarget},
    update::{Update, WaitingFor},
};
use komodo_failpoint::failpoint;
use komodo_plan::{
    ContainersPlan, Observed, PlanError, PlanInput, operation_deadline_ms, plan_containers,
    plan_hash,
};
use serde::{Deserialize, Serialize};

use super::{
    Inner, Tasks,
    begin::holder,
    lease::Key,
    queue::{QUEUED_PER_SERVER_MAX, Queued},
    refuse::{self, check, check_expiry, fits, protected},
    run::Run,
    stage::{At, mark},
};
use crate::fleet::{ServerView, engine_unreachable, unreachable};

/// A request to do something to containers, by somebody who may.
#[derive(Debug)]
pub struct Ask {
    /// Name of the request.
    pub request: &'static str,
    /// Id of the server.
    pub server: Id,
    /// Who asks.
    pub by: By,
    /// What is asked.
    pub operation: ContainerOperation,
}

/// Who asks for something.
#[derive(Debug, Clone)]
pub struct By {
    /// Id of the user.
    pub operator: String,
    /// Name of the user.
    pub username: String,
    /// Whether the user holds Write on the server, which more than the ordinary needs.
    pub may_write: bool,
}

/// What is kept with an open Update to settle it after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ordered {
    /// As the agent was told, or was going to be.
    pub(super) operation: AgentOperation,
    /// What it was going to do; nothing while it waits for its server.
    pub(super) items: Vec<PlanItem>,
    /// Start of the run that each target was in.
    pub(super) runs: BTreeMap<String, UnixMs>,
    /// Whether it still waits for its server.
    #[serde(default)]
    pub(super) queued: bool,
    /// When it was planned, where it had waited for its server before.
    #[serde(default)]
    pub(super) ordered_at: Option<UnixMs>,
    /// Start of the agent that it was planned for, as that agent told it.
    #[serde(default)]
    pub(super) agent_started_at: Option<UnixMs>,
}

impl Ordered {
    /// Takes over a plan, and what follows from it for the Update.
    pub(super) fn plan(
        &mut self,
        view: &ServerView,
        plan: ContainersPlan,
        now: UnixMs,
        update: &mut Update,
    ) {
        let within = operation_deadline_ms(&plan, self.operation.concurrency);
        let within = UnixMs::try_from(within).unwrap_or(UnixMs::MAX);
        update.deadline = Some(now.saturating_add(within));
        update.targets = Some(u32::try_from(plan.items.len()).unwrap_or(u32::MAX));
        if let Some(name) = name_of_one(&self.operation, &plan.items) {
            update.container = Some(name);
        }
        self.runs = runs(view, &plan);
        self.items = plan.items;
        self.ordered_at = self.queued.then_some(now);
        self.agent_started_at = view.agent.as_ref().map(|agent| agent.started_at);
    }

    /// As it is kept.
    pub(super) fn kept(&self) -> Result<serde_json::Value, Error> {
        serde_json::to_value(self)
            .map_err(|error| Error::new(Code::Internal, "the order cannot be written").cause(error))
    }
}

/// What is asked of the tasks: an operation, by whom, and what it undoes.
pub(super) struct Wish {
    pub(super) request: &'static str,
    pub(super) server: Id,
    pub(super) by: By,
    pub(super) operation: AgentOperation,
    /// Hash of the plan that was looked at.
    pub(super) plan: Option<String>,
    pub(super) when_away: WhenAway,
    /// The Update that it undoes.
    pub(super) undoes: Option<Id>,
    /// Id of its Update, where that is known beforehand.
    pub(super) id: Option<Id>,
}

impl Wish {
    /// What the hash of its plan is over, besides the plan.
    fn hashed_as(&self) -> String {
        hashed_as(self.request, self.undoes)
    }
}

fn hashed_as(request: &str, undoes: Option<Id>) -> String {
    match undoes {
        Some(id) => format!("{request} {id}"),
        None => request.to_owned(),
    }
}

/// A server that can be asked, with its view.
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) view: Arc<ServerView>,
    /// Level that its agent speaks.
    pub(super) level: u32,
}

impl Tasks {
    /// What an operation would do now.
    ///
    /// # Errors
    /// As [`Tasks::order`], but for containers that refuse: the plan shows those.
    pub fn plan(
        &self,
        request: &str,
        server: Id,
        operation: ContainerOperation,
    ) -> Result<Plan, Error> {
        check(&operation)?;
        let operation = self.inner.agent_operation(operation, "");
        self.inner.plan(request, server, &operation, None)
    }

    /// Begins an operation: answers its Update once that is on disk. One whose server is away, and that may wait for it,
    /// is kept; a plan cannot be given with it, since it is planned afresh when the server is back.
    ///
    /// # Errors
    /// What is known before anything begins: 404 no such container, 403 override without Write, 409 `protected`,
    /// `plan_drifted`, `busy` or `server_disabled`, 422 what does not go together, 503 `server_unreachable` or
    /// `engine_unreachable`, 507 `storage_full`.
    pub async fn order(&self, ask: Ask) -> Result<Update, Error> {
        let Ask {
            request,
            server,
            by,
            mut operation,
        } = ask;
        let (plan, when_away) = (operation.plan.take(), operation.when_away);
        let checked = check(&operation).and_then(|()| check_expiry(when_away));
        let wish = Wish {
            request,
            server,
            operation: self.inner.agent_operation(operation, &by.username),
            by,
            plan,
            when_away,
            undoes: None,
            id: None,
        };
        checked?;
        self.wish(wish).await
    }

    /// Begins what is wished; what is refused is recorded.
    pub(super) async fn wish(&self, wish: Wish) -> Result<Update, Error> {
        let (operator, request) = (wish.by.operator.clone(), wish.request);
        let target = ResourceTarget::Server(wish.server.to_string());
        let ordered = self.inner.begin(wish).await;
        if let Err(error) = &ordered
            && matches!(
                error.code,
                Code::Protected | Code::PlanDrifted | Code::Busy | Code::Forbidden
            )
        {
            self.record_refusal(&operator, request, target, error).await;
        }
        ordered
    }
}

impl Inner {
    /// Begins what is wished, or refuses it and does nothing.
    pub(super) async fn begin(self: &Arc<Self>, mut wish: Wish) -> Result<Update, Error> {
        let inner = self;
        let ready = match inner.ready(wish.server) {
            Ok(ready) => ready,
            Err(away) => return inner.queue(wish, away).await,
        };
        refuse::by_fields(&wish.operation, &wish.by, || inner.name(wish.server))?;
        let plan = plan_of(&ready.view, &wish.operation)?;
        let action = wish.operation.action;
        if let Some(item) = plan.refused() {
            return Err(protected(item, action));
        }
        refuse::by_plan(&ready.name, &wish.by, &plan.items)?;
        fits(&ready, &wish.operation, &plan.items)?;
        let hashed_as = wish.hashed_as();
        if let Some(hash) = &wish.plan
            && plan_hash(&hashed_as, wish.server.as_str(), &plan) != *hash
        {
            let shown = inner.shown(wish.request, &hashed_as, &ready, action, plan);
            return Err(Error::new(
                Code::PlanDrifted,
                "the world has changed since the plan was made; nothing was done. Look at the new plan and ask again",
            )
            .param("plan", shown));
        }
        if wish.undoes.is_some() && plan.acts().next().is_none() {
            let shown = inner.shown(wish.request, &hashed_as, &ready, action, plan);
            return Err(Error::new(
                Code::NotUndoable,
                "nothing is left to undo: every container that it changed was changed again since, or is gone",
            )
            .param("plan", shown));
        }
        if wish.plan.is_some() && wish.undoes.is_none() {
            wish.operation.expected = bound_to(&plan);
            wish.operation.bound = true;
        }
        let (id, mut update, mut ordered) = inner.update_of(&wish)?;
        let holder = holder(id, &update, &ordered);
        let held = inner
            .leases
            .take(wish.server, keys(action, &plan), holder)?;
        ordered.plan(&ready.view, plan, update.start_ts, &mut update);
        mark(&mut update, &ordered.operation, At::Asking);
        failpoint!("update.inserting");
        let original = inner
            .store
            .updates()
            .insert_undo(&update, Some(&ordered.kept()?), wish.undoes)
            .await?;
        failpoint!("update.inserted");
        inner.publish(&update);
        if let Some(original) = original {
            inner.publish(&original);
        }
        Run::begun(inner, id, update.clone(), ordered, held, None);
        Ok(update)
    }

    /// What an operation would do now.
    pub(super) fn plan(
        &self,
        request: &str,
        server: Id,
        operation: &AgentOperation,
        undoes: Option<Id>,
    ) -> Result<Plan, Error> {
        let ready = self.ready(server)?;
        let plan = plan_of(&ready.view, operation)?;
        fits(&ready, operation, &plan.items)?;
        let hashed_as = hashed_as(request, undoes);
        Ok(self.shown(request, &hashed_as, &ready, operation.action, plan))
    }

    /// An operation as an agent is told, but for its id.
    pub(super) fn agent_operation(
        &self,
        operation: ContainerOperation,
        username: &str,
    ) -> AgentOperation {
        AgentOperation {
            id: String::new(),
            epoch: self.store.epoch(),
            core_id: Some(self.store.core_id().to_owned()),
            action: operation.action,
            scope: operation.scope,
            exclude: operation.exclude,
            signal: operation.signal,
            time: operation.time,
            override_reason: operation.override_reason,
            detach: operation.detach,
            recreate: operation.recreate,
            probation_s: Some(self.settings.probation_s),
            expected: BTreeMap::new(),
            bound: false,
            concurrency: self.settings.concurrency,
            operator: username.to_owned(),
        }
    }

    /// Keeps an operation whose server is away, where it may wait.
    async fn queue(self: &Arc<Self>, wish: Wish, away: Error) -> Result<Update, Error> {
        let WhenAway::Queue { expires_s } = wish.when_away else {
            return Err(away);
        };
        if !matches!(away.code, Code::ServerUnreachable | Code::EngineUnreachable) {
            return Err(away);
        }
        refuse::by_fields(&wish.operation, &wish.by, || self.name(wish.server))?;
        if wish.plan.is_some() {
            return Err(Error::new(
                Code::Unprocessable,
                "a plan cannot bind an operation that waits for its server, since it is planned afresh when the server is \
                 back: leave out `plan`, or `when_back`",
            ));
        }
        // Held until it counts itself, or two at a time would pass the limit.
        let _one_at_a_time = self.queueing.lock().await;
        let waiting = self.open.queued(wish.server).len();
        if waiting >= QUEUED_PER_SERVER_MAX {
            return Err(Error::new(
                Code::Busy,
                format!(
                    "{waiting} operations wait for this server already; cancel some of them first"
                ),
            )
            .param("operations", waiting));
        }
        let (id, mut update, mut ordered) = self.update_of(&wish)?;
        ordered.queued = true;
        update.expires = Some(
            update
                .start_ts
                .saturating_add(UnixMs::from(expires_s).saturating_mul(1000)),
        );
        update.waiting_for = Some(self.waiting_for(wish.server, away.error));
        mark(&mut update, &ordered.operation, At::Queue);
        failpoint!("queue.inserting");
        self.store
            .updates()
            .insert(&update, Some(&ordered.kept()?))
            .await?;
        failpoint!("queue.inserted");
        self.publish(&update);
        Queued::start(self, id, wish.server, update.clone(), ordered);
        Ok(update)
    }

    /// A new Update for what is wished, and what is kept with it.
    fn update_of(&self, wish: &Wish) -> Result<(Id, Update, Ordered), Error> {
        let target = ResourceTarget::Server(wish.server.to_string());
        let mut update = self.new_update(&wish.by.operator, wish.request, target);
        if let Some(id) = wish.id {
            update.id = Some(Oid(id));
        }
        let Some(Oid(id)) = update.id else {
            return Err(Error::new(Code::Internal, "an Update without an id"));
        };
        let operation = AgentOperation {
            id: id.to_string(),
            ..wish.operation.clone()
        };
        update.other_data = refuse::audited(&operation);
        update.undoes = wish.undoes.map(|id| id.to_string());
        // Until it is planned, as it was named.
        update.container = match &operation.scope {
            Scope::One(ContainerRef(name)) => Some(name.clone()),
            Scope::Agent(service) => Some(service.unit.clone()),
            Scope::Listed(_) | Scope::Matching(_) | Scope::All => None,
        };
        let ordered = Ordered {
            operation,
            items: Vec::new(),
            runs: BTreeMap::new(),
            queued: false,
            ordered_at: None,
            agent_started_at: None,
        };
        Ok((id, update, ordered))
    }

    /// The server, when it can be asked.
    pub(super) fn ready(&self, server: Id) -> Result<Ready, Error> {
        let desired = self.desired.snapshot();
        let (Some(known), Some(view)) = (desired.servers.get(&server), self.fleet.view(server))
        else {
            return Err(Error::not_found("server", server.as_str()));
        };
        if let Some(error) = unreachable(&known.name, known.config.enabled, &view) {
            return Err(error);
        }
        if let Some(error) = engine_unreachable(&known.name, &view) {
            return Err(error);
        }
        Ok(Ready {
            name: known.name.clone(),
            level: view.level.unwrap_or(LEVEL_MIN),
            view,
        })
    }

    /// Name of a server.
    pub(super) fn name(&self, server: Id) -> String {
        let desired = self.desired.snapshot();
        desired
            .servers
            .get(&server)
            .map_or_else(|| server.to_string(), |server| server.name.clone())
    }

    /// What an Update waits for, in words.
    pub(super) fn waiting_for(&self, server: Id, why: String) -> WaitingFor {
        let view = self.fleet.view(server);
        WaitingFor {
            server: self.name(server),
            last_contact: view.and_then(|view| match view.is_live() {
                true => Some(self.clock.now()),
                false => view.last_contact,
            }),
            why: Some(why),
        }
    }

    fn shown(
        &self,
        request: &str,
        hashed_as: &str,
        ready: &Ready,
        action: ContainerAction,
        plan: ContainersPlan,
    ) -> Plan {
        let server = ready.view.server;
        let hands_over = plan
            .items
            .iter()
            .any(|item| item.effect == Effect::HandOver);
        let undo = plan.has_undo(action);
        Plan {
            hash: plan_hash(hashed_as, server.as_str(), &plan),
            operation: request.to_owned(),
            server: server.to_string(),
            server_name: ready.name.clone(),
            items: plan.items,
            counts: plan.counts,
            warnings: plan.warnings,
            undo,
            probation_s: hands_over.then_some(self.settings.probation_s),
            as_of: self.clock.now(),
        }
    }
}

/// Name of the one container that an operation is about, where its request named one.
fn name_of_one(operation: &AgentOperation, items: &[PlanItem]) -> Option<String> {
    match (&operation.scope, items) {
        (Scope::One(_), [item]) => Some(item.container.clone()),
        _ => None,
    }
}

/// What an agent has to find, to act as a plan says that was looked at: it plans again, and may see more by then.
fn bound_to(plan: &ContainersPlan) -> BTreeMap<String, Expected> {
    let there = plan.items.iter().filter(|item| !item.id.is_empty());
    there
        .map(|item| {
            let expected = Expected {
                name: item.container.clone(),
                state: item.state,
                run: Default::default(),
                back_to: ContainerStateStatusEnum::Empty,
            };
            (item.id.clone(), expected)
        })
        .collect()
}

pub(super) fn plan_of(
    view: &ServerView,
    operation: &AgentOperation,
) -> Result<ContainersPlan, Error> {
    let observed = Observed::new(
        view.containers.iter().map(|container| &**container),
        &view.protected,
    );
    plan_containers(&PlanInput::from(operation), observed).map_err(|error| {
        let text = error.to_string();
        match error {
            PlanError::NotFound { reference } => Error::new(Code::NotFound, text)
                .param("kind", "container")
                .param("reference", reference),
            PlanError::Ambiguous { reference, names } => Error::new(Code::Invalid, text)
                .param("reference", reference)
                .param("names", names),
            PlanError::Empty => Error::new(Code::Invalid, text),
        }
    })
}

/// What an operation leases: the containers that it acts on.
fn keys(action: ContainerAction, plan: &ContainersPlan) -> Vec<(Key, &str)> {
    leases(action, plan.acts().map(|(item, _)| item))
}

/// Everything in the range of an operation. What waited for its server is planned only when nobody works on any of it:
/// against a container that is just being stopped, a start would find that there is nothing to do.
pub(super) fn range(action: ContainerAction, plan: &ContainersPlan) -> Vec<(Key, &str)> {
    leases(action, plan.items.iter().filter(|item| !item.id.is_empty()))
}

fn leases<'a>(
    action: ContainerAction,
    items: impl Iterator<Item = &'a PlanItem>,
) -> Vec<(Key, &'a str)> {
    let mut keys: Vec<_> = items
        .map(|item| (Key::Container(item.id.clone()), item.container.as_str()))
        .collect();
    if action == ContainerAction::Prune {
        keys.push((Key::PruneContainers, "pruning containers"));
    }
    keys
}

fn runs(view: &ServerView, plan: &ContainersPlan) -> BTreeMap<String, UnixMs> {
    plan.acts()
        .filter_map(|(item, _)| Some((item.id.clone(), view.container(&item.id)?.started_at?)))
        .collect()
}
