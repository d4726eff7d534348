//! Operations that wait for their server (`when_back`): kept on disk, begun once when it is back.

use std::{sync::Arc, time::Duration};

use komodo_api::{
    Code, Error, UnixMs,
    id::Id,
    permission::PermissionLevel,
    plan::PlanItem,
    resource::ResourceTarget,
    update::{Log, Update},
};
use komodo_failpoint::failpoint;
use tokio::time::{Instant, sleep_until};

use super::{
    Inner,
    begin::{holder, request_of},
    lease::Held,
    open::Open,
    order::{Ordered, plan_of, range},
    refuse::{fits, needs_write, protected},
    run::Run,
    stage::{At, mark},
};
use crate::auth::access;

/// Operations that may wait for one server.
pub(super) const QUEUED_PER_SERVER_MAX: usize = 64;
/// Longest pause before it is looked again whether one can begin that waits for something else than its server.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Longest pause before an end that could not be stored is stored again.
const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

/// An operation that waits.
pub(super) struct Queued {
    tasks: Arc<Inner>,
    id: Id,
    server: Id,
    update: Update,
    ordered: Ordered,
    open: Arc<Open>,
}

/// Why an operation does not begin.
enum Not {
    /// It may, later.
    Yet(String),
    /// It never will.
    Ever(Error),
}

impl Queued {
    /// Lets an operation wait that is on disk.
    pub(super) fn start(
        tasks: &Arc<Inner>,
        id: Id,
        server: Id,
        mut update: Update,
        ordered: Ordered,
    ) {
        mark(&mut update, &ordered.operation, At::Queue);
        let needs_write = needs_write(&ordered.operation, &ordered.items);
        let open = Open::new(server, needs_write, &update);
        tasks.open.insert(id, Arc::clone(&open));
        let queued = Queued {
            tasks: Arc::clone(tasks),
            id,
            server,
            update,
            ordered,
            open,
        };
        tasks.running.spawn(queued.run());
    }

    async fn run(mut self) {
        let tasks = Arc::clone(&self.tasks);
        let deleted = || "its server was deleted".to_owned();
        let Some((mut agents, gone)) = tasks.fleet.watch_agent(self.server) else {
            return self.end(deleted()).await;
        };
        let mut freed = tasks.leases.freed();
        let mut pause = tasks.settings.retry;
        loop {
            freed.borrow_and_update();
            let connected = agents.borrow_and_update().is_some();
            if self.left_ms() == 0 {
                return self.expire().await;
            }
            let why = match self.begin().await {
                Ok(held) => {
                    let Queued {
                        tasks,
                        id,
                        update,
                        ordered,
                        open,
                        ..
                    } = self;
                    return Run::begun(&tasks, id, update, ordered, held, Some(open));
                }
                Err(Not::Ever(error)) => return self.end(error.error).await,
                Err(Not::Yet(why)) => why,
            };
            self.wait_for(why);
            let again = Instant::now() + pause;
            tokio::select! {
                biased;
                () = tasks.end.cancelled() => return,
                () = gone.cancelled() => return self.end(deleted()).await,
                wanted = self.open.canceled(0) => {
                    self.update.canceled_by = Some(wanted.by.clone());
                    return self.end(format!("canceled by {}", wanted.by)).await;
                }
                () = self.expired() => return self.expire().await,
                changed = agents.changed() => match changed {
                    Ok(()) => pause = tasks.settings.retry,
                    Err(_) => return self.end(deleted()).await,
                },
                _ = freed.changed() => {}
                // What an agent that is there waits for, nobody tells.
                () = sleep_until(again), if connected => pause = (pause * 2).min(RETRY_MAX),
            }
        }
    }

    /// Plans it against what is seen now, takes the leases, and stores that it begins.
    async fn begin(&mut self) -> Result<Held, Not> {
        let tasks = Arc::clone(&self.tasks);
        let ready = tasks.ready(self.server).map_err(|error| match error.code {
            Code::NotFound => Not::Ever(error),
            _ => Not::Yet(error.error),
        })?;
        if tasks
            .open
            .queued(self.server)
            .first()
            .is_some_and(|first| *first != self.id)
        {
            return Err(Not::Yet(
                "an operation that was asked for earlier is still to begin".into(),
            ));
        }
        let operation = &self.ordered.operation;
        let plan = plan_of(&ready.view, operation).map_err(Not::Ever)?;
        if let Some(item) = plan.refused() {
            return Err(Not::Ever(protected(item, operation.action)));
        }
        self.still_may(&plan.items).map_err(Not::Ever)?;
        fits(&ready, operation, &plan.items).map_err(Not::Ever)?;
        let holder = holder(self.id, &self.update, &self.ordered);
        let held = tasks
            .leases
            .take(self.server, range(operation.action, &plan), holder)
            .map_err(|busy| Not::Yet(busy.error))?;
        let before = (self.update.clone(), self.ordered.clone());
        self.ordered
            .plan(&ready.view, plan, tasks.clock.now(), &mut self.update);
        self.ordered.queued = false;
        // A Core that was restarted since must not be taken for one that was replaced.
        self.ordered.operation.epoch = tasks.store.epoch();
        self.update.waiting_for = None;
        mark(&mut self.update, &self.ordered.operation, At::Asking);
        failpoint!("queue.beginning");
        if let Err(error) = tasks
            .store
            .updates()
            .begin(&self.update, &self.ordered.kept().map_err(Not::Ever)?)
            .await
        {
            tracing::warn!(update.id = %self.id, %error, "an operation that waited cannot be stored as begun");
            (self.update, self.ordered) = before;
            return Err(Not::Yet(Error::from(error).error));
        }
        failpoint!("queue.begun");
        tasks.publish(&self.update);
        Ok(held)
    }

    /// Whether who asked still may.
    fn still_may(&self, items: &[PlanItem]) -> Result<(), Error> {
        let state = self.tasks.desired.snapshot();
        let who = &self.ordered.operation.operator;
        let no = |why: &str| Error::new(Code::Forbidden, format!("{who}, who asked for it, {why}"));
        let account = self
            .update
            .operator
            .parse()
            .ok()
            .and_then(|id: Id| state.accounts.get(&id))
            .ok_or_else(|| no("was deleted"))?;
        if !account.user.enabled {
            return Err(no("was disabled"));
        }
        let needed = match needs_write(&self.ordered.operation, items) {
            true => PermissionLevel::Write,
            false => PermissionLevel::Execute,
        };
        let target = ResourceTarget::Server(self.server.to_string());
        match access(&state, account, &target).level >= needed {
            true => Ok(()),
            false => Err(no("may no longer do that")),
        }
    }

    fn wait_for(&mut self, why: String) {
        let same = self
            .update
            .waiting_for
            .as_ref()
            .is_some_and(|now| now.why.as_ref() == Some(&why));
        if same {
            return;
        }
        self.update.waiting_for = Some(self.tasks.waiting_for(self.server, why));
        self.open.show(&self.update);
        self.tasks.publish(&self.update);
    }

    /// How long it may still wait, in milliseconds.
    fn left_ms(&self) -> u64 {
        let expires: UnixMs = self.update.expires.unwrap_or(0);
        u64::try_from(expires.saturating_sub(self.tasks.clock.now())).unwrap_or(0)
    }

    async fn expired(&self) {
        while self.left_ms() > 0 {
            tokio::time::sleep(Duration::from_millis(self.left_ms())).await;
        }
    }

    async fn expire(self) {
        let waiting = self.update.waiting_for.as_ref();
        let why = waiting
            .and_then(|waiting| waiting.why.as_ref())
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        self.end(format!("it waited for as long as it was allowed to{why}"))
            .await;
    }

    /// Ends it without having begun.
    async fn end(mut self, why: String) {
        let now = self.tasks.clock.now();
        self.update.logs.push(Log {
            stage: "Queue".into(),
            stderr: format!(
                "{} was not begun, nothing was done: {why}",
                request_of(&self.update)
            ),
            start_ts: self.update.start_ts,
            end_ts: now,
            ..Log::default()
        });
        self.update.waiting_for = None;
        (self.update.success, self.update.end_ts) = (false, Some(now));
        mark(&mut self.update, &self.ordered.operation, At::End);
        let mut pause = self.tasks.settings.retry;
        while let Err(error) = self.tasks.store.updates().save(&self.update).await {
            tracing::error!(update.id = %self.id, %error, "the end of an operation could not be stored; it is tried again");
            tokio::select! {
                biased;
                () = self.tasks.end.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(STORE_RETRY_MAX);
        }
        self.open.show(&self.update);
        self.tasks.publish(&self.update);
        self.tasks.open.remove(self.id);
        // Who waits behind it may begin.
        self.tasks.leases.free();
    }
}
