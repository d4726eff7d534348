//! The one road that all requests take: authenticate → read → resolve names to ids → authorize → run → answer.
//!
//! Every operation of the list has an [`Entry`] here, made from its type; an operation without a handler does not
//! compile. A handler gets a [`Granted`], which only [`authorize`](self) can make.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use komodo_api::{Error, Module, Operation, OperationSpec, for_each_operation};

use crate::App;

/// Who asks, and what is known of the request.
#[derive(Debug, Clone)]
pub struct Cx {
    /// Id of the request, in the log and in error bodies.
    pub request_id: String,
}

/// An operation that its caller may run, with the target it was granted for.
#[derive(Debug)]
pub struct Granted<O> {
    /// The operation.
    pub op: O,
    // Only this module makes one.
    _made_by_authorize: (),
}

/// The answer of a handler: a body and additional headers.
#[derive(Debug)]
pub struct Reply<T> {
    /// The body.
    pub body: Body<T>,
    /// Headers (`x-total-count`, `x-as-of`).
    pub headers: HeaderMap,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body<T> {
    /// A value, still to be written.
    Value(T),
    /// JSON that is written already.
    Json(Bytes),
}

impl<T> From<T> for Reply<T> {
    fn from(value: T) -> Self {
        Reply { body: Body::Value(value), headers: HeaderMap::new() }
    }
}

/// How Core runs an operation.
pub trait Handle<O: Operation> {
    /// Runs it.
    fn handle(
        self: &Arc<Self>,
        granted: Granted<O>,
        cx: &Cx,
    ) -> impl Future<Output = Result<Reply<O::Output>, Error>> + Send;
}

/// An operation in the table.
pub struct Entry {
    /// What it is.
    pub spec: OperationSpec,
    /// Takes a request body down the road.
    pub run: fn(Arc<App>, Cx, Bytes) -> BoxFuture<'static, Result<Reply<Bytes>, Error>>,
}

/// All operations by module and name, aliases included.
pub type Table = BTreeMap<(Module, &'static str), Arc<Entry>>;
