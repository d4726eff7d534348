//! From a request to an operation that runs: refusals, plan, leases, the durable Update.

use std::collections::BTreeMap;

use komodo_agent_api::AgentOperation;
use komodo_api::{
    Code, Error, UnixMs,
    container::{ContainerAction, ContainerOperation, Scope},
    id::{Id, Oid},
    plan::{Plan, PlanItem},
    resource::{ContainerRef, ResourceTarget},
    update::Update,
};
use komodo_failpoint::failpoint;
use komodo_plan::{
    ContainersPlan, Observed, PlanError, PlanInput, has_undo, operation_deadline_ms,
    plan_containers, plan_hash,
};
use serde::{Deserialize, Serialize};

use super::{
    Inner, Tasks,
    lease::{Holder, Key},
    run::Run,
};
use crate::fleet::{ServerView, engine_unreachable, unreachable};

/// Names in one request at most.
const NAMES_MAX: usize = 10_000;
/// Longest override reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// A request to do something to containers, by somebody who may.
#[derive(Debug)]
pub struct Ask {
    /// Name of the request.
    pub request: &'static str,
    /// Id of the server.
    pub server: Id,
    /// Id of the user.
    pub operator: String,
    /// Name of the user.
    pub username: String,
    /// Whether the user holds Write on the server, which an override needs.
    pub may_override: bool,
    /// What is asked.
    pub operation: ContainerOperation,
}

/// What is kept with an open Update to settle it after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ordered {
    /// As the agent was told, or was going to be.
    pub(super) operation: AgentOperation,
    /// What it was going to do.
    pub(super) items: Vec<PlanItem>,
    /// Start of the run that each target was in.
    pub(super) runs: BTreeMap<String, UnixMs>,
}

/// A server that can be asked, with its view.
struct Ready {
    name: String,
    view: std::sync::Arc<ServerView>,
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
        operation: &ContainerOperation,
    ) -> Result<Plan, Error> {
        check(operation)?;
        let ready = self.inner.ready(server)?;
        let plan = plan_of(&ready.view, operation)?;
        Ok(self.inner.shown(request, &ready, operation.action, plan))
    }

    /// Begins an operation: answers its Update once that is on disk.
    ///
    /// # Errors
    /// What is known before anything begins: 404 no such container, 403 override without Write, 409 `protected`,
    /// `plan_drifted`, `busy` or `server_disabled`, 503 `server_unreachable` or `engine_unreachable`, 507 `storage_full`.
    pub async fn order(&self, ask: Ask) -> Result<Update, Error> {
        let (operator, request) = (ask.operator.clone(), ask.request);
        let target = ResourceTarget::Server(ask.server.to_string());
        let ordered = self.begin(ask).await;
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

    async fn begin(&self, ask: Ask) -> Result<Update, Error> {
        let Ask {
            request,
            server,
            operator,
            username,
            may_override,
            operation,
        } = ask;
        check(&operation)?;
        let ready = self.inner.ready(server)?;
        if operation.override_reason.is_some() && !may_override {
            return Err(Error::new(
                Code::Forbidden,
                format!("an override needs Write on server '{}'", ready.name),
            ));
        }
        let plan = plan_of(&ready.view, &operation)?;
        if let Some(item) = plan.refused() {
            return Err(protected(item, operation.action));
        }
        if let Some(hash) = &operation.plan
            && plan_hash(request, server.as_str(), &plan) != *hash
        {
            let shown = self.inner.shown(request, &ready, operation.action, plan);
            return Err(Error::new(
                Code::PlanDrifted,
                "the world has changed since the plan was made; nothing was done. Look at the new plan and ask again",
            )
            .param("plan", shown));
        }

        let inner = &self.inner;
        let mut update = inner.new_update(
            &operator,
            request,
            ResourceTarget::Server(server.to_string()),
        );
        let Some(Oid(id)) = update.id else {
            return Err(Error::new(Code::Internal, "an Update without an id"));
        };
        let holder = Holder {
            update: id,
            operation: request.to_owned(),
            username: username.clone(),
            since: update.start_ts,
            action: operation.action,
        };
        let held = inner
            .leases
            .take(server, keys(operation.action, &plan), holder)?;
        let concurrency = inner.settings.concurrency;
        let within = operation_deadline_ms(&plan, concurrency);
        update.deadline = Some(
            update
                .start_ts
                .saturating_add(UnixMs::try_from(within).unwrap_or(UnixMs::MAX)),
        );
        update.targets = Some(u32::try_from(plan.items.len()).unwrap_or(u32::MAX));
        if let Some(reason) = &operation.override_reason {
            update.other_data = format!("override: {reason}");
        }
        let ordered = Ordered {
            runs: runs(&ready.view, &plan),
            items: plan.items,
            operation: AgentOperation {
                id: id.to_string(),
                epoch: inner.store.epoch(),
                action: operation.action,
                scope: operation.scope,
                exclude: operation.exclude,
                signal: operation.signal,
                time: operation.time,
                override_reason: operation.override_reason,
                core_id: None,
                expected: Default::default(),
                concurrency,
                operator: username,
            },
        };
        let kept = serde_json::to_value(&ordered).map_err(|error| {
            Error::new(Code::Internal, "the order cannot be written").cause(error)
        })?;
        failpoint!("update.inserting");
        inner.store.updates().insert(&update, Some(&kept)).await?;
        failpoint!("update.inserted");
        inner.publish(&update);
        Run::begun(inner, id, update.clone(), ordered, held);
        Ok(update)
    }
}

impl Inner {
    /// The server, when it can be asked.
    fn ready(&self, server: Id) -> Result<Ready, Error> {
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
            view,
        })
    }

    fn shown(
        &self,
        request: &str,
        ready: &Ready,
        action: ContainerAction,
        plan: ContainersPlan,
    ) -> Plan {
        let server = ready.view.server;
        Plan {
            hash: plan_hash(request, server.as_str(), &plan),
            operation: request.to_owned(),
            server: server.to_string(),
            server_name: ready.name.clone(),
            items: plan.items,
            counts: plan.counts,
            warnings: plan.warnings,
            undo: has_undo(action),
            as_of: self.clock.now(),
        }
    }
}

fn check(operation: &ContainerOperation) -> Result<(), Error> {
    let named = match &operation.scope {
        Scope::Listed(names) => names.len(),
        Scope::One(ContainerRef(name)) if name.is_empty() => {
            return Err(Error::invalid("the container has no name"));
        }
        Scope::One(_) | Scope::Matching(_) | Scope::All => 1,
    };
    if named > NAMES_MAX || operation.exclude.len() > NAMES_MAX {
        return Err(Error::invalid(format!(
            "at most {NAMES_MAX} containers can be named in one request"
        )));
    }
    match &operation.override_reason {
        Some(reason) if reason.trim().is_empty() => {
            Err(Error::invalid("an override needs a reason"))
        }
        Some(reason) if reason.chars().count() > REASON_CHARS_MAX => Err(Error::invalid(format!(
            "the reason of an override has at most {REASON_CHARS_MAX} characters"
        ))),
        _ => Ok(()),
    }
}

fn plan_of(view: &ServerView, operation: &ContainerOperation) -> Result<ContainersPlan, Error> {
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

fn protected(item: &PlanItem, action: ContainerAction) -> Error {
    let Some(reason) = &item.reason else {
        return Error::new(
            Code::Protected,
            format!("'{}' is protected", item.container),
        );
    };
    Error::new(
        Code::Protected,
        komodo_plan::refusal(&item.container, action, reason),
    )
    .param("container", &item.container)
    .param("id", &item.id)
    .param("reason", reason.code)
    .param("detail", &reason.detail)
}

fn keys(action: ContainerAction, plan: &ContainersPlan) -> Vec<(Key, &str)> {
    let mut keys: Vec<_> = plan
        .acts()
        .map(|(item, _)| (Key::Container(item.id.clone()), item.container.as_str()))
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
