//! `PlanOperation`: what an execute request would do. Which requests those are is found in the list of operations.

use std::{marker::PhantomData, sync::Arc};

use komodo_api::{
    Code, Error, Guard, Module, Operation,
    container::{ContainerOperation, ExecuteContainers},
    for_each_operation,
    id::Oid,
    periphery::{RestartPeriphery, UpdatePeriphery},
    plan::{Plan, PlanOperation},
    update::UndoUpdate,
};
use serde_json::Value;

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply, parse},
    tasks::Renewal,
};

impl Handle<PlanOperation> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<PlanOperation>,
        _: &Cx,
    ) -> Result<Reply<Plan>, Error> {
        let PlanOperation { operation, params } = &granted.op;
        let request = read(operation, &Value::Object(params.clone()))?;
        let tasks = &self.background.tasks;
        let plan = match request {
            Request::Periphery(renewal) => {
                let (server, _) = granted.server()?;
                tasks.plan_renewal(server, &renewal).await?
            }
            Request::Containers(name, operation) => {
                let (server, _) = granted.server()?;
                tasks.plan(name, server, *operation)?
            }
            Request::Undo => match granted.into_update()?.id {
                Some(Oid(id)) => tasks.plan_undo(id).await?,
                None => return Err(Error::new(Code::Internal, "an Update without an id")),
            },
        };
        Ok(plan.into())
    }
}

/// What can be planned.
#[derive(Debug)]
enum Request {
    /// An operation on containers, with its name as it is declared.
    Containers(&'static str, Box<ContainerOperation>),
    /// A restart or an update of an agent.
    Periphery(Renewal),
    /// An undo.
    Undo,
}

/// Reads the parameters of a request.
type Read = fn(&[u8]) -> Result<Request, Error>;

/// The request of that name.
fn read(operation: &str, params: &Value) -> Result<Request, Error> {
    let shown: String = operation.chars().take(100).collect();
    let refuse = |why: &str| {
        Error::new(Code::Unprocessable, format!("'{shown}' {why}")).param("request", &shown)
    };
    let read = match find(operation) {
        Found::Plannable(read) => read,
        Found::Ends => {
            return Err(refuse(
                "only ends what another operation does: there is nothing to plan",
            ));
        }
        Found::Orders => {
            return Err(refuse(
                "orders other requests, one after the other: plan `UpdatePeriphery` for each server",
            ));
        }
        Found::NoExecute => return Err(refuse("is no execute request; only those have a plan")),
        Found::Unknown => return Err(refuse("is no request that this Core knows")),
    };
    let names_server = params.get("server").is_some();
    match read(params.to_string().as_bytes())? {
        // What it was granted for is the server, then, and not the Update.
        Request::Undo if names_server => Err(refuse("takes an Update and no server")),
        request => Ok(request),
    }
}

/// What there is by a name.
enum Found {
    Plannable(Read),
    Ends,
    Orders,
    NoExecute,
    Unknown,
}

fn find(operation: &str) -> Found {
    macro_rules! find {
        ($($candidate:ty),* $(,)?) => { $(
            if <$candidate>::NAME == operation || <$candidate>::ALIASES.contains(&operation) {
                return match (<$candidate>::MODULE, <$candidate>::GUARD, (&Probe::<$candidate>(PhantomData)).reader()) {
                    (Module::Execute, Some(Guard::Ends), _) => Found::Ends,
                    (Module::Execute, Some(Guard::Orders), _) => Found::Orders,
                    (Module::Execute, _, Some(read)) => Found::Plannable(read),
                    (Module::Execute, ..) if <$candidate>::NAME == UpdatePeriphery::NAME => Found::Plannable(|params| {
                        let UpdatePeriphery { image, version, .. } = parse(params)?;
                        Ok(Request::Periphery(Renewal::Update { image, version }))
                    }),
                    (Module::Execute, ..) if <$candidate>::NAME == RestartPeriphery::NAME => Found::Plannable(|params| {
                        parse::<RestartPeriphery>(params).map(|_| Request::Periphery(Renewal::Restart))
                    }),
                    // The one that is planned from what another one did.
                    (Module::Execute, ..) if <$candidate>::NAME == UndoUpdate::NAME => {
                        Found::Plannable(|params| parse::<UndoUpdate>(params).map(|_| Request::Undo))
                    }
                    _ => Found::NoExecute,
                };
            }
        )* };
    }
    for_each_operation!(find);
    Found::Unknown
}

/// Asks of a type whether it is an operation on containers: where it is, the method of [`Plannable`] is nearer than the
/// one of [`NotPlannable`], which is found one reference further away.
struct Probe<O>(PhantomData<O>);

trait Plannable {
    fn reader(&self) -> Option<Read>;
}

impl<O: ExecuteContainers> Plannable for Probe<O> {
    fn reader(&self) -> Option<Read> {
        Some(|params| {
            Ok(Request::Containers(
                O::NAME,
                Box::new(parse::<O>(params)?.containers()),
            ))
        })
    }
}

trait NotPlannable {
    fn reader(&self) -> Option<Read>;
}

impl<O> NotPlannable for &Probe<O> {
    fn reader(&self) -> Option<Read> {
        None
    }
}

#[cfg(test)]
mod tests {
    use komodo_api::operations;

    use super::*;

    #[test]
    fn every_execute_request_can_be_planned_but_those_that_only_end_another() {
        for spec in operations() {
            let found = find(spec.name);
            let fits = match (spec.module, spec.guard) {
                (Module::Execute, Some(Guard::Ends)) => matches!(found, Found::Ends),
                (Module::Execute, Some(Guard::Orders)) => matches!(found, Found::Orders),
                (Module::Execute, _) => matches!(found, Found::Plannable(_)),
                _ => matches!(found, Found::NoExecute),
            };
            assert!(fits, "{}", spec.name);
        }
        assert!(matches!(find("Nonsense"), Found::Unknown));
    }

    #[test]
    fn parameters_are_read_like_those_of_the_request() {
        let params = serde_json::json!({ "server": "s", "exclude": ["web"] });
        let Ok(Request::Containers(name, operation)) = read("StopAllContainers", &params) else {
            panic!("they fit");
        };
        assert_eq!((name, operation.exclude.len()), ("StopAllContainers", 1));
        let undo = serde_json::json!({ "id": "0123" });
        assert!(matches!(read("UndoUpdate", &undo), Ok(Request::Undo)));
        let both = serde_json::json!({ "id": "0123", "server": "s" });
        for (request, params, says) in [
            ("StopContainer", &params, "container"),
            ("ListServers", &params, "no execute request"),
            ("CancelUpdate", &undo, "nothing to plan"),
            ("Nonsense", &params, "no request that this Core knows"),
            ("UndoUpdate", &params, "id"),
            ("UndoUpdate", &both, "no server"),
        ] {
            let error = read(request, params).expect_err(request);
            assert_eq!(error.code, Code::Unprocessable, "{request}");
            assert!(error.error.contains(says), "{request}: {}", error.error);
        }
    }
}
