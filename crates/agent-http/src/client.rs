//! Core's side: [`AgentApi`] over a link.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentStream,
    CoreHello, LogRequest, OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{live::LogLine, resource::ContainerRef};
use komodo_link::{LinkBody, LinkClient, RequestError};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    drain,
    wire::{About, Cancel, Follow, Inspect, path},
};

/// Largest answer to a unary call, in bytes; the Engine's document of a container is the largest.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest body of an error, in bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// How long an agent may take. Streams are bounded only until their head; what follows is as long as it is.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// Hello and acknowledgement.
    pub short: Duration,
    /// What asks the Engine, and accepting an operation, which waits for the disk.
    pub engine: Duration,
    /// How long the reader of a stream may leave its buffer full before the stream is ended.
    pub stalled_reader: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            short: Duration::from_secs(10),
            engine: Duration::from_secs(30),
            stalled_reader: Duration::from_secs(30),
        }
    }
}

/// An agent at the other end of a link. Cheap to clone.
///
/// An error with the code `link` or `deadline_exceeded` says that no answer came; the agent may have acted all the same.
#[derive(Debug, Clone)]
pub struct AgentClient {
    link: LinkClient,
    deadlines: Deadlines,
}

impl AgentClient {
    /// Speaks with the agent over `link`.
    pub fn new(link: LinkClient, deadlines: Deadlines) -> Self {
        Self { link, deadlines }
    }

    /// The link below.
    pub fn link(&self) -> &LinkClient {
        &self.link
    }

    /// Sends a body of JSON and takes the whole answer.
    async fn call<I: Serialize>(
        &self,
        path: &str,
        body: &I,
        deadline: Duration,
    ) -> Result<Bytes, AgentError> {
        let answer = self
            .link
            .request_whole(request(path, body)?, deadline, ANSWER_BYTES_MAX)
            .await
            .map_err(from_link)?;
        let (status, body) = (answer.status(), answer.into_body());
        if status.is_success() {
            Ok(body)
        } else {
            Err(refused(status, &body))
        }
    }

    async fn ask<I: Serialize, O: DeserializeOwned>(
        &self,
        path: &str,
        body: &I,
        deadline: Duration,
    ) -> Result<O, AgentError> {
        let answer = self.call(path, body, deadline).await?;
        serde_json::from_slice(&answer).map_err(|error| nonsense(&error))
    }

    async fn stream<I, O>(&self, path: &str, body: &I) -> Result<AgentStream<O>, AgentError>
    where
        I: Serialize,
        O: DeserializeOwned + Send + 'static,
    {
        let deadline = self.deadlines.engine;
        let answer = self
            .link
            .request(request(path, body)?, deadline)
            .await
            .map_err(from_link)?;
        if answer.status().is_success() {
            return Ok(drain::lines(
                answer.into_body(),
                self.deadlines.stalled_reader,
            ));
        }
        Err(self.read_refusal(answer).await)
    }

    async fn read_refusal(&self, answer: Response<LinkBody>) -> AgentError {
        let status = answer.status();
        let whole = Limited::new(answer.into_body(), ERROR_BYTES_MAX).collect();
        match tokio::time::timeout(self.deadlines.short, whole).await {
            Ok(Ok(body)) => refused(status, &body.to_bytes()),
            _ => refused(status, b""),
        }
    }
}

#[async_trait]
impl AgentApi for AgentClient {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        self.ask(path::HELLO, &core, self.deadlines.short).await
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        self.stream(path::EVENTS, &()).await
    }

    async fn inspect_container(
        &self,
        container: ContainerRef,
    ) -> Result<serde_json::Value, AgentError> {
        self.ask(
            path::INSPECT_CONTAINER,
            &Inspect { container },
            self.deadlines.engine,
        )
        .await
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        self.stream(path::CONTAINER_LOG, &request).await
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.stream(path::OPERATE, &operation).await
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.stream(path::FOLLOW, &Follow { operation, seq }).await
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        self.call(
            path::CANCEL,
            &Cancel { operation, by },
            self.deadlines.short,
        )
        .await
        .map(drop)
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        self.ask(path::RECEIVE_PROGRAM, &part, self.deadlines.short)
            .await
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        let about = About { operation };
        self.call(path::CONFIRM, &about, self.deadlines.short)
            .await
            .map(drop)
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        let about = About { operation };
        self.call(path::ACKNOWLEDGE, &about, self.deadlines.short)
            .await
            .map(drop)
    }
}

fn request<I: Serialize>(path: &str, body: &I) -> Result<Request<Full<Bytes>>, AgentError> {
    let internal = |text: String| AgentError::new(AgentErrorCode::Internal, text);
    let body = serde_json::to_vec(body)
        .map_err(|error| internal(format!("a request cannot be written as JSON: {error}")))?;
    Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| internal(error.to_string()))
}

/// The agent's own error, or what can be said when its answer is not one.
fn refused(status: StatusCode, body: &[u8]) -> AgentError {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        AgentError::new(
            AgentErrorCode::Link,
            format!("the agent answered {status} without an error that can be read"),
        )
    })
}

fn nonsense(error: &serde_json::Error) -> AgentError {
    AgentError::new(
        AgentErrorCode::Link,
        format!("the agent's answer is not as expected: {error}"),
    )
}

fn from_link(error: RequestError) -> AgentError {
    let code = match &error {
        RequestError::Deadline { .. } => AgentErrorCode::DeadlineExceeded,
        _ => AgentErrorCode::Link,
    };
    let message = match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    AgentError::new(code, message)
}
