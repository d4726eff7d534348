//! `km execute`, `km undo`, `km cancel`: the plan, the question, the order. What follows is in `watch`.

use komodo_api::{
    Code, Module, Operation,
    plan::Plan,
    update::{CancelUpdate, UndoUpdate, Update, UpdateStatus},
};
use komodo_client::{Client, ClientError};
use serde_json::{Map, Value};

use crate::{
    args::{self, Waiting},
    derived::{self, Derived},
    failure::{Failure, Outcome},
    plan::{self, Verb},
    session::Session,
    table::{self, Format},
    terminal::plain,
    watch, words,
};

/// Plans that are shown for one command while the server changes under it.
const PLANS_MAX: usize = 5;
/// Field of the requests that may wait for their server.
const WHEN_BACK: &str = "when_back";

/// `km execute`.
///
/// # Errors
/// When nobody can be asked who must be, or Core refuses or cannot be reached.
pub async fn execute(session: &mut Session, args: &args::Execute) -> Result<Outcome, Failure> {
    order(session, &args.operation, args.yes, args.waiting).await
}

/// `km undo`.
///
/// # Errors
/// When nobody can be asked who must be, the Update cannot be undone, or Core cannot be reached.
pub async fn undo(session: &mut Session, args: &args::Undo) -> Result<Outcome, Failure> {
    let operation = Derived::of::<UndoUpdate>(by_id(&args.id));
    order(session, &operation, args.yes, args.waiting).await
}

/// `km cancel`.
///
/// # Errors
/// When the Update cannot be canceled, or Core cannot be reached.
pub async fn cancel(session: &mut Session, args: &args::Cancel) -> Result<Outcome, Failure> {
    let operation = Derived::of::<CancelUpdate>(by_id(&args.id));
    order(session, &operation, false, args.waiting).await
}

fn by_id(id: &str) -> Map<String, Value> {
    Map::from_iter([("id".to_owned(), Value::from(id))])
}

async fn order(
    session: &mut Session,
    operation: &Derived<derived::Execute>,
    yes: bool,
    waiting: Waiting,
) -> Result<Outcome, Failure> {
    let mut params = operation.with_secrets(&mut session.terminal)?;
    let name = operation.operation.name;
    let verb = plan::verb(name, &params);
    let asks = is_bulk(operation);
    if asks && !yes && !session.terminal.interactive {
        return Err(Failure::usage(
            format!("{name} asks before it acts, and there is nobody to ask here"),
            "-y says yes; `km plan` shows beforehand what will happen",
        ));
    }
    let client = session.client()?;
    let bound_by_caller = params.contains_key("plan");
    for _ in 0..PLANS_MAX {
        if asks {
            let shown =
                planned(session, &client, operation, &params, &verb, waiting.format).await?;
            if !yes {
                let nothing = matches!(&shown, Shown::Plan(plan) if plan.counts.act == 0);
                if !nothing
                    && !session
                        .terminal
                        .confirm(&question(&shown, &verb, &params))?
                {
                    session.terminal.note("nothing was done")?;
                    return Ok(Outcome::Declined);
                }
                if let (Shown::Plan(plan), false) = (&shown, bound_by_caller) {
                    // Bound to what was shown: if the server changed since, Core refuses and the new plan is shown.
                    params.insert("plan".into(), Value::from(plan.hash.as_str()));
                }
            }
        }
        let answer = client
            .call_by_name::<Update>(Module::Execute, name, &params)
            .await;
        match answer {
            Ok(answer) => {
                return accepted(session, &client, operation, waiting, answer.value, &verb).await;
            }
            Err(error) if asks && !yes && !bound_by_caller && is(&error, Code::PlanDrifted) => {
                params.remove("plan");
                session.terminal.note(
                    "\nThe server has changed since this plan was made. The plan is now:\n",
                )?;
            }
            Err(error) => return Err(refused(error, operation)),
        }
    }
    Err(Failure::usage(
        "the server changes faster than its plan can be agreed to; nothing was done",
        "-y acts on what is there at that moment",
    ))
}

/// Whether an operation acts on many containers at once.
pub fn is_bulk(operation: &Derived<derived::Execute>) -> bool {
    operation.takes("plan") && !operation.takes("container")
}

fn is(error: &ClientError, code: Code) -> bool {
    error.api().is_some_and(|error| error.code == code)
}

fn is_away(error: &ClientError) -> bool {
    is(error, Code::ServerUnreachable) || is(error, Code::EngineUnreachable)
}

/// A refusal; where the server is away, with the way to wait for it.
fn refused(error: ClientError, operation: &Derived<derived::Execute>) -> Failure {
    match is_away(&error) && operation.takes(WHEN_BACK) {
        true => Failure::Refused {
            error,
            hint: "--when-back keeps the operation and carries it out once when the server is back",
        },
        false => error.into(),
    }
}

/// What a person was shown before the question.
enum Shown {
    Plan(Box<Plan>),
    /// This Core knows no plans.
    Nothing,
    /// The server is away, and the operation waits for it.
    Away,
}

async fn planned(
    session: &mut Session,
    client: &Client,
    operation: &Derived<derived::Execute>,
    params: &Map<String, Value>,
    verb: &Verb,
    format: Format,
) -> Result<Shown, Failure> {
    match plan::ask(client, operation.operation.name, params).await {
        Ok(plan) => {
            match format {
                Format::Json => plan::note(&mut session.terminal, &plan, verb)?,
                Format::Table => {
                    for line in plan::lines(&session.terminal, &plan, verb) {
                        session.terminal.line(line)?;
                    }
                    session.terminal.line("")?;
                }
            }
            Ok(Shown::Plan(Box::new(plan)))
        }
        // A Core that does not know plans: of another make, or older than this km.
        Err(ClientError::Api { error, .. })
            if matches!(
                error.code,
                Code::NotBuilt | Code::Unprocessable | Code::Internal
            ) =>
        {
            session
                .terminal
                .note("this Core cannot say beforehand what will happen")?;
            Ok(Shown::Nothing)
        }
        Err(error) if is_away(&error) && params.get(WHEN_BACK) == Some(&Value::Bool(true)) => {
            session.terminal.note(format!(
                "{}\nIt will be planned when the server is back, and carried out once.",
                plain(&error.report())
            ))?;
            Ok(Shown::Away)
        }
        Err(error) => Err(refused(error, operation)),
    }
}

fn question(shown: &Shown, verb: &Verb, params: &Map<String, Value>) -> String {
    let server = match shown {
        Shown::Plan(plan) => plan.server_name.as_str(),
        Shown::Nothing | Shown::Away => params
            .get("server")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    };
    let what = match shown {
        Shown::Plan(plan) => words::count(plan.counts.act, "container"),
        Shown::Nothing => "all containers".to_owned(),
        Shown::Away => "the containers".to_owned(),
    };
    let when = match shown {
        Shown::Away => " when it is back",
        Shown::Plan(_) | Shown::Nothing => "",
    };
    format!("{} {what} on {}{when}?", verb.order, plain(server))
}

async fn accepted(
    session: &mut Session,
    client: &Client,
    operation: &Derived<derived::Execute>,
    waiting: Waiting,
    update: Update,
    verb: &Verb,
) -> Result<Outcome, Failure> {
    let Some(id) = update.id else {
        return Err(ClientError::NoUpdate.into());
    };
    if waiting.no_wait && update.status != UpdateStatus::Complete {
        match waiting.format {
            Format::Json => table::json(&mut session.terminal, &update)?,
            Format::Table => {
                session.terminal.line(id.0.as_str())?;
                session.terminal.note(format!(
                    "accepted; `km update watch {}` waits for its end",
                    id.0
                ))?;
            }
        }
        return Ok(Outcome::Success);
    }
    let canceling = operation.operation.name == CancelUpdate::NAME;
    let end = watch::watch(
        session,
        client,
        id.0.as_str(),
        Some(update),
        waiting.format,
        (!canceling).then_some(verb),
    )
    .await?;
    Ok(match end {
        // What was asked for is the end of it, and that it has.
        watch::End::Canceled if canceling => Outcome::Success,
        end => end.outcome(),
    })
}
