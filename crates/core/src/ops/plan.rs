//! `PlanOperation`: what an execute request would do. Which requests those are is found in the list of operations.

use std::{marker::PhantomData, sync::Arc};

use komodo_api::{
    Code, Error, Operation,
    container::{ContainerOperation, ExecuteContainers},
    for_each_operation,
    plan::{Plan, PlanOperation},
};
use serde_json::Value;

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply, parse},
};

impl Handle<PlanOperation> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<PlanOperation>,
        _: &Cx,
    ) -> Result<Reply<Plan>, Error> {
        let (server, _) = granted.server()?;
        let PlanOperation { operation, params } = &granted.op;
        let (name, operation) = read(operation, &Value::Object(params.clone()))?;
        Ok(self.background.tasks.plan(name, server, &operation)?.into())
    }
}

type Read = fn(&[u8]) -> Result<ContainerOperation, Error>;

/// The request of that name in the common form, with its name as it is declared.
fn read(operation: &str, params: &Value) -> Result<(&'static str, ContainerOperation), Error> {
    let shown: String = operation.chars().take(100).collect();
    let unknown = || {
        Error::new(
            Code::Unprocessable,
            format!("'{shown}' is no execute request that can be planned"),
        )
        .param("request", &shown)
    };
    let (name, read) = find(operation).ok_or_else(unknown)?;
    Ok((name, read(params.to_string().as_bytes())?))
}

fn find(operation: &str) -> Option<(&'static str, Read)> {
    macro_rules! find {
        ($($candidate:ty),* $(,)?) => { $(
            if <$candidate>::NAME == operation || <$candidate>::ALIASES.contains(&operation) {
                return Some((<$candidate>::NAME, (&Probe::<$candidate>(PhantomData)).reader()?));
            }
        )* };
    }
    for_each_operation!(find);
    None
}

/// Asks of a type whether it is an operation on containers: where it is, the method of [`Plannable`] is nearer than the
/// one of [`NotPlannable`], which is found one reference further away.
struct Probe<O>(PhantomData<O>);

trait Plannable {
    fn reader(&self) -> Option<Read>;
}

impl<O: ExecuteContainers> Plannable for Probe<O> {
    fn reader(&self) -> Option<Read> {
        Some(|params| Ok(parse::<O>(params)?.containers()))
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
    use komodo_api::{Module, operations};

    use super::*;

    #[test]
    fn every_execute_request_can_be_planned_and_nothing_else() {
        for spec in operations() {
            assert_eq!(
                find(spec.name).is_some(),
                spec.module == Module::Execute,
                "{}",
                spec.name
            );
        }
        assert!(find("Nonsense").is_none());
    }

    #[test]
    fn parameters_are_read_like_those_of_the_request() {
        let params = serde_json::json!({ "server": "s", "exclude": ["web"] });
        let (name, operation) = read("StopAllContainers", &params).expect("they fit");
        assert_eq!((name, operation.exclude.len()), ("StopAllContainers", 1));
        assert_eq!(
            read("StopContainer", &params)
                .expect_err("no container")
                .code,
            Code::Unprocessable
        );
        assert_eq!(
            read("ListServers", &params).expect_err("a read").code,
            Code::Unprocessable
        );
    }
}
