//! The update of one server of a roll: ordered once, under the id that was written down, and awaited.

use std::sync::Arc;

use komodo_api::{
    Code, Error, Operation,
    container::WhenAway,
    id::Oid,
    periphery::UpdatePeriphery,
    update::{Update, UpdateStatus, VerdictKind},
};

use super::{STORE_RETRY_MAX, Step};
use crate::tasks::{By, Inner, order::Wish, periphery::Renewal};

/// How it went with a server.
pub(super) enum Went {
    /// Its Update has ended.
    Ended(Box<Update>),
    /// It could not be begun.
    Refused(Error),
    /// Core ends.
    Core,
}

/// Orders the Update of a server where it is not known yet, and waits for its end.
pub(super) async fn update_one(
    tasks: &Arc<Inner>,
    step: &Step,
    by: &By,
    renewal: &Renewal,
) -> Went {
    let Some(id) = step.update else {
        return Went::Refused(Error::new(Code::Internal, "its turn has not come"));
    };
    let mut pause = tasks.settings.retry;
    loop {
        if let Some(open) = tasks.open.get(id) {
            let mut shown = open.watch();
            let ended = |update: &Arc<Update>| update.status == UpdateStatus::Complete;
            let update = match shown.wait_for(ended).await {
                Ok(update) => Update::clone(&update),
                Err(_) => return Went::Core,
            };
            return Went::Ended(Box::new(update));
        }
        match tasks.store.updates().get(id).await {
            Ok(Some(update)) if update.status == UpdateStatus::Complete => {
                return Went::Ended(Box::new(update));
            }
            // On disk, and its run is about to begin.
            Ok(Some(_)) => {}
            Ok(None) => {
                let ordered = match tasks.renewal(step.server, renewal).await {
                    Ok(operation) => {
                        let wish = Wish {
                            request: UpdatePeriphery::NAME,
                            server: step.server,
                            by: by.clone(),
                            operation: tasks.agent_operation(operation, &by.username),
                            plan: None,
                            when_away: WhenAway::Refuse,
                            undoes: None,
                            id: Some(id),
                        };
                        tasks.begin(wish).await
                    }
                    Err(error) => Err(error),
                };
                match ordered {
                    Ok(_) => continue,
                    Err(error) => return Went::Refused(error),
                }
            }
            Err(error) => {
                tracing::warn!(update.id = %id, %error, "an Update of a roll cannot be read; it is tried again");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(STORE_RETRY_MAX);
    }
}

/// What the end of an Update means for its server.
pub(super) fn verdict_of(update: &Update) -> (VerdictKind, Option<String>) {
    if update.success {
        return (VerdictKind::Done, None);
    }
    let bad = update
        .verdicts
        .iter()
        .find(|verdict| matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown));
    let logged = || {
        let mut logs = update.logs.iter().filter(|log| !log.success);
        logs.next_back().map(|log| log.stderr.clone())
    };
    let said = bad
        .and_then(|verdict| verdict.error.clone())
        .or_else(logged);
    let id = update.id.map(|Oid(id)| id.to_string()).unwrap_or_default();
    let error = format!(
        "{} (Update {id})",
        said.unwrap_or_else(|| "it was not done".into())
    );
    let kind = bad.map_or(VerdictKind::Failed, |verdict| verdict.verdict);
    (kind, Some(error))
}
