//! How a run comes to be: of a new operation, of one that waited for its server, or of one that an earlier start of Core
//! left open.

use std::{collections::BTreeSet, sync::Arc};

use komodo_api::{
    container::ContainerAction,
    id::Id,
    resource::ResourceTarget,
    update::{Update, UpdateStatus},
};

use super::{
    Inner,
    hand_over::HandOver,
    lease::{Held, Holder, Key, key, leased},
    open::Open,
    order::Ordered,
    overdue::Overdue,
    refuse::needs_write,
    run::{Run, note},
    stage::{At, mark},
};
use crate::fleet::lost;

impl Run {
    /// Follows a new operation, which the agent is still to be asked for; `open` is where it was shown before, if it
    /// waited.
    pub(super) fn begun(
        tasks: &Arc<Inner>,
        id: Id,
        update: Update,
        ordered: Ordered,
        held: Held,
        open: Option<Arc<Open>>,
    ) {
        Run::start(tasks, id, update, ordered, Some(held), open, true);
    }

    /// Takes up an operation of an earlier start of Core. Its agent may know it from beginning to end, or not at all.
    pub(super) fn resumed(
        tasks: &Arc<Inner>,
        id: Id,
        mut update: Update,
        ordered: Option<Ordered>,
    ) {
        let Some(ordered) = ordered else {
            let tasks = Arc::clone(tasks);
            tasks.clone().running.spawn(async move {
                let now = tasks.clock.now();
                update.logs.push(note(
                    "Settle",
                    "Core ended while it ran, and kept nothing to settle it by: nobody can tell how it ended",
                    now,
                ));
                (update.success, update.end_ts, update.stage) = (false, Some(now), None);
                (update.status, update.cancelable) = (UpdateStatus::Complete, false);
                if let Err(error) = tasks.store.updates().save(&update).await {
                    tracing::warn!(update.id = %id, %error, "an Update could not be closed");
                }
                tasks.publish(&update);
            });
            return;
        };
        let holder = holder(id, &update, &ordered);
        let held = tasks.leases.take(server_of(&update), [], holder).ok();
        if let Some(held) = &held {
            let settled: BTreeSet<_> = update
                .verdicts
                .iter()
                .map(|verdict| verdict.id.as_str())
                .collect();
            held.extend(
                leased(&ordered.items)
                    .filter(|item| !settled.contains(item.id.as_str()))
                    .map(key),
            );
            if ordered.operation.action == ContainerAction::Prune {
                held.extend([Key::PruneContainers]);
            }
        }
        Run::start(tasks, id, update, ordered, held, None, false);
    }

    fn start(
        tasks: &Arc<Inner>,
        id: Id,
        mut update: Update,
        mut ordered: Ordered,
        held: Option<Held>,
        open: Option<Arc<Open>>,
        new: bool,
    ) {
        let server = server_of(&update);
        let hand_over = HandOver::resumed(&update);
        // An agent refuses what an earlier start of Core orders.
        ordered.operation.epoch = tasks.store.epoch();
        let at = match hand_over {
            Some(_) => At::HandedOver,
            None => At::Asking,
        };
        if tasks.fleet.agent(server).is_none()
            && let Some(view) = tasks.fleet.view(server)
            && hand_over.is_none()
        {
            update.waiting_for = Some(tasks.waiting_for(server, lost(&view).0));
        }
        mark(&mut update, &ordered.operation, at);
        let open = open.unwrap_or_else(|| {
            let needs_write = needs_write(&ordered.operation, &ordered.items);
            Open::new(server, needs_write, &update)
        });
        tasks.open.insert(id, Arc::clone(&open));
        open.show(&update);
        tasks.leases.free();
        let run = Run {
            tasks: Arc::clone(tasks),
            id,
            server,
            update,
            held,
            open,
            at,
            seq: 0,
            from: 0,
            accepted: false,
            // It is begun also where Core ended just before it asked, as long as its time is not over.
            orderable: new || hand_over.is_none(),
            asked: !new,
            earlier: !new,
            ordered,
            begun: BTreeSet::new(),
            wanted: 0,
            cancels: false,
            hand_over,
            watched: None,
            sent_until: None,
            first_stream: false,
            announced: None,
            agent: None,
            overdue: Overdue::default(),
            show_at: None,
            save_at: None,
            unsaved: false,
        };
        tasks.running.spawn(run.run());
    }
}

/// Who holds the leases of an operation.
pub(super) fn holder(id: Id, update: &Update, ordered: &Ordered) -> Holder {
    Holder {
        update: id,
        operation: request_of(update),
        username: ordered.operation.operator.clone(),
        since: update.start_ts,
        action: ordered.operation.action,
    }
}

/// Name of the request that an Update is of.
pub(super) fn request_of(update: &Update) -> String {
    update
        .request
        .clone()
        .unwrap_or_else(|| format!("{:?}", update.operation))
}

/// The server that an Update is on; one that there is not, where it is on something else.
pub(super) fn server_of(update: &Update) -> Id {
    match &update.target {
        ResourceTarget::Server(id) => id.parse().unwrap_or(Id::system(0)),
        _ => Id::system(0),
    }
}
