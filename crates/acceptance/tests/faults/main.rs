//! Faults at every step of an operation on twenty containers of a real Engine, with the real programs: afterwards each
//! verdict of the Update is what the Engine says, nobody was acted on twice, and nothing is stuck.

mod cancels;
mod cuts;
mod drift;
mod engine;
mod kills;
mod lies;
mod queued;
mod startup;
mod undos;

pub(crate) use komodo_acceptance::each;
use komodo_acceptance::{
    act_on_all,
    truth::{Host, Moment, SERVER},
};
use komodo_api::{
    container::{ContainerAction, RestartAllContainers, StopAllContainers},
    server::ServerState,
    update::Update,
};
use komodo_testkit::installation::Failure;

/// Orders it, and does not wait for the end.
async fn order(host: &Host, action: ContainerAction) -> Result<Update, Failure> {
    let client = &host.core.client;
    Ok(match action {
        ContainerAction::Stop => client.call(&StopAllContainers::of(SERVER)).await?,
        ContainerAction::Restart => client.call(&RestartAllContainers::of(SERVER)).await?,
        other => return Err(format!("{other:?} is not tried here").into()),
    })
}

fn id_of(update: &Update) -> Result<String, Failure> {
    let id = update.id.as_ref().ok_or("an Update has an id")?;
    Ok(id.0.to_string())
}

/// What is known of an operation when the fault is healed.
#[derive(Debug, Clone, Copy)]
struct Ordered {
    action: ContainerAction,
    /// The moment before it.
    before: Moment,
    /// Whether Core answered its order.
    answered: bool,
    /// Whether the Engine has kept its events, so that they are counted.
    counted: bool,
}

impl Ordered {
    const fn new(action: ContainerAction, before: Moment) -> Self {
        Ordered {
            action,
            before,
            answered: true,
            counted: true,
        }
    }
}

/// After the fault is healed: the truth, and that the next operation runs.
async fn recovers(host: &Host, ordered: Ordered) -> Result<Option<Update>, Failure> {
    let Ordered {
        action,
        before,
        answered,
        counted,
    } = ordered;
    host.core.wait_server(SERVER, ServerState::Ok).await?;
    let update = match host.ordered_since(before).await? {
        Some(id) => {
            let update = host.closed(&id).await?;
            let since = counted.then_some(before);
            host.tells_the_truth(&update, action, since).await?;
            Some(update)
        }
        None if answered => return Err("the Update is lost".into()),
        // Core died before it had answered, or stored, anything: then nothing was done.
        None => {
            host.was_left_alone(before).await?;
            None
        }
    };
    host.nothing_is_stuck().await?;
    let start = act_on_all(&host.core, SERVER, ContainerAction::Start).await?;
    host.tells_the_truth(&start, ContainerAction::Start, None)
        .await?;
    // An Engine that was killed may not start everything again; then that is the truth.
    if !start.success && counted {
        return Err(format!("the next operation: {start:?}").into());
    }
    host.nothing_is_stuck().await?;
    Ok(update)
}
