//! The agent's side: one route for each method of [`AgentApi`].

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentOperation, AgentStream, CoreHello, LogRequest,
    ProgramPart,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::task::TaskTracker;

use crate::{
    pack::Frames,
    wire::{About, Cancel, Follow, Inspect, REQUEST_BYTES_MAX, path},
};

#[derive(Clone)]
struct Agent {
    api: Arc<dyn AgentApi>,
    /// Calls that must not be torn down with the request that brought them.
    accepting: TaskTracker,
}

/// Serves every method of `api`. A handler or stream that Core drops is dropped here, except that an acknowledgement is
/// carried out to the end.
pub fn router(api: Arc<dyn AgentApi>) -> Router {
    let agent = Agent {
        api,
        accepting: TaskTracker::new(),
    };
    Router::new()
        .route(path::HELLO, post(hello))
        .route(path::EVENTS, post(events))
        .route(path::INSPECT_CONTAINER, post(inspect_container))
        .route(path::CONTAINER_LOG, post(container_log))
        .route(path::OPERATE, post(operate))
        .route(path::FOLLOW, post(follow))
        .route(path::CANCEL, post(cancel))
        .route(path::RECEIVE_PROGRAM, post(receive_program))
        .route(path::CONFIRM, post(confirm))
        .route(path::ACKNOWLEDGE, post(acknowledge))
        .fallback(async || {
            Failure(AgentError::new(
                AgentErrorCode::Level,
                "this agent has no such request",
            ))
        })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(agent)
}

type Answer = Result<Response, Failure>;

async fn hello(State(agent): State<Agent>, Json(core): Json<CoreHello>) -> Answer {
    json(&agent.api.hello(core).await?)
}

async fn events(State(agent): State<Agent>) -> Answer {
    Ok(ndjson(agent.api.events().await?))
}

async fn inspect_container(State(agent): State<Agent>, Json(body): Json<Inspect>) -> Answer {
    json(&agent.api.inspect_container(body.container).await?)
}

async fn container_log(State(agent): State<Agent>, Json(request): Json<LogRequest>) -> Answer {
    Ok(ndjson(agent.api.container_log(request).await?))
}

async fn operate(State(agent): State<Agent>, Json(operation): Json<AgentOperation>) -> Answer {
    // Dropped with the request: an order that Core no longer waits for must not be accepted behind its back.
    Ok(ndjson(agent.api.operate(operation).await?))
}

async fn follow(State(agent): State<Agent>, Json(body): Json<Follow>) -> Answer {
    Ok(ndjson(agent.api.follow(body.operation, body.seq).await?))
}

async fn cancel(State(agent): State<Agent>, Json(body): Json<Cancel>) -> Answer {
    let Agent { api, accepting } = agent;
    finish(&accepting, async move {
        api.cancel(body.operation, body.by).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn receive_program(State(agent): State<Agent>, Json(part): Json<ProgramPart>) -> Answer {
    let Agent { api, accepting } = agent;
    let received = finish(&accepting, async move { api.receive_program(part).await });
    json(&received.await?)
}

async fn confirm(State(agent): State<Agent>, Json(body): Json<About>) -> Answer {
    let Agent { api, accepting } = agent;
    finish(&accepting, async move { api.confirm(body.operation).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn acknowledge(State(agent): State<Agent>, Json(body): Json<About>) -> Answer {
    let Agent { api, accepting } = agent;
    finish(
        &accepting,
        async move { api.acknowledge(body.operation).await },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs a call to its end even if nobody waits for it any more.
async fn finish<T: Send + 'static>(
    tasks: &TaskTracker,
    call: impl Future<Output = Result<T, AgentError>> + Send + 'static,
) -> Result<T, AgentError> {
    match tasks.spawn(call).await {
        Ok(result) => result,
        Err(_) => Err(AgentError::new(
            AgentErrorCode::Internal,
            "the agent failed in this request",
        )),
    }
}

fn json<T: Serialize>(answer: &T) -> Answer {
    match serde_json::to_vec(answer) {
        Ok(bytes) => Ok(with_type(Body::from(bytes), "application/json")),
        Err(error) => Err(Failure(AgentError::new(
            AgentErrorCode::Internal,
            format!("an answer cannot be written as JSON: {error}"),
        ))),
    }
}

fn ndjson<T: Serialize + Send + 'static>(stream: AgentStream<T>) -> Response {
    with_type(
        Body::from_stream(Frames::new(stream)),
        "application/x-ndjson",
    )
}

fn with_type(body: Body, content_type: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))],
        body,
    )
        .into_response()
}

/// A body as JSON, whatever its content type says.
struct Json<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let invalid = |text: String| Failure(AgentError::new(AgentErrorCode::Invalid, text));
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| invalid(rejection.body_text()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| invalid(format!("the request is not as expected: {error}")))
    }
}

/// An error with its status.
struct Failure(AgentError);

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            AgentErrorCode::NotFound => StatusCode::NOT_FOUND,
            AgentErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            AgentErrorCode::StaleEpoch => StatusCode::CONFLICT,
            AgentErrorCode::EngineUnreachable => StatusCode::SERVICE_UNAVAILABLE,
            AgentErrorCode::JournalFull | AgentErrorCode::StorageFull => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            AgentErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            AgentErrorCode::Link => StatusCode::BAD_GATEWAY,
            AgentErrorCode::Level => StatusCode::NOT_IMPLEMENTED,
            AgentErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = serde_json::to_vec(&self.0).expect("a code and a text always serialize");
        (status, with_type(Body::from(body), "application/json")).into_response()
    }
}
