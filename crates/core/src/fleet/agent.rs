//! The agent of a server while its link is up: every call has its own deadline, and errors that users understand.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentHello, AgentOperation, AgentStream, Container,
    EngineState, EventBody, LogRequest, OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{Code, Error, UnixMs, id::Id, live::LogLine, resource::ContainerRef};
use komodo_plan::LinkState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{LinkHandle, ServerView};

/// Longest wait for one whole answer of an agent.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for an agent to take an operation into its journal, or to find one there.
const ACCEPT: Duration = Duration::from_secs(15);

/// An agent behind a link that came up; stays an error maker when the link is gone.
pub struct Agent {
    server: Id,
    server_name: Arc<str>,
    api: Arc<dyn AgentApi>,
    link: Arc<dyn LinkHandle>,
    hello: AgentHello,
    requests: Arc<Semaphore>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Agent {
    pub(super) fn new(
        server: Id,
        server_name: &str,
        api: Arc<dyn AgentApi>,
        link: Arc<dyn LinkHandle>,
        hello: AgentHello,
        requests: Arc<Semaphore>,
    ) -> Self {
        Agent {
            server,
            server_name: server_name.into(),
            api,
            link,
            hello,
            requests,
        }
    }

    /// Id of its server.
    pub fn server(&self) -> Id {
        self.server
    }

    /// What it said first.
    pub fn hello(&self) -> &AgentHello {
        &self.hello
    }

    pub(super) fn api(&self) -> &Arc<dyn AgentApi> {
        &self.api
    }

    pub(super) fn link(&self) -> &Arc<dyn LinkHandle> {
        &self.link
    }

    /// The Engine's own document of a container.
    ///
    /// # Errors
    /// As the agent answers; `deadline_exceeded` after 10 s.
    pub async fn inspect(&self, container: &ContainerRef) -> Result<serde_json::Value, Error> {
        let _permit = self.permit().await?;
        self.within(ANSWER, self.api.inspect_container(container.clone()))
            .await
    }

    /// Lines of a log. The caller bounds how long it reads; dropping the stream ends the request at the Engine.
    ///
    /// # Errors
    /// As the agent answers; `deadline_exceeded` where no answer begins within 10 s.
    pub async fn log(&self, request: LogRequest) -> Result<AgentStream<Vec<LogLine>>, Error> {
        // A follow may last for days; only its beginning counts among the requests.
        let permit = self.permit().await?;
        let follow = request.follow;
        let stream = self.within(ANSWER, self.api.container_log(request)).await?;
        if follow {
            return Ok(stream);
        }
        Ok(stream
            .map(move |chunk| {
                let _held = &permit;
                chunk
            })
            .boxed())
    }

    /// Orders an operation; the error is raw, since what is to be done about it depends on whether it was accepted.
    pub(crate) async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        within_raw(ACCEPT, self.api.operate(operation)).await
    }

    /// Follows an operation.
    pub(crate) async fn follow(
        &self,
        operation: &str,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        within_raw(ACCEPT, self.api.follow(operation.to_owned(), seq)).await
    }

    /// Cancels an operation that the agent knows.
    pub(crate) async fn cancel(&self, operation: &str, by: &str) -> Result<(), AgentError> {
        within_raw(ACCEPT, self.api.cancel(operation.to_owned(), by.to_owned())).await
    }

    /// Sends a part of a program; the answer says how much is there.
    pub(crate) async fn receive_program(
        &self,
        part: ProgramPart,
    ) -> Result<ProgramReceived, AgentError> {
        within_raw(ACCEPT, self.api.receive_program(part)).await
    }

    /// Confirms what an operation handed over.
    pub(crate) async fn confirm(&self, operation: &str) -> Result<(), AgentError> {
        within_raw(ACCEPT, self.api.confirm(operation.to_owned())).await
    }

    /// What the agent sees now, not what it told before: its view of the Engine may have come a long way since.
    ///
    /// # Errors
    /// Also where the agent itself cannot look, because its Engine does not answer.
    pub(crate) async fn look(&self) -> Result<Vec<Container>, AgentError> {
        let look = async {
            let first = self.api.events().await?.next().await;
            match first.transpose()?.map(|event| event.body) {
                Some(EventBody::Snapshot(snapshot)) => match snapshot.engine {
                    EngineState::Connected { .. } => Ok(snapshot.containers),
                    EngineState::Unreachable { why, .. } => {
                        Err(AgentError::new(AgentErrorCode::EngineUnreachable, why))
                    }
                },
                _ => Err(AgentError::new(
                    AgentErrorCode::Link,
                    "the agent did not tell what it sees",
                )),
            }
        };
        within_raw(ANSWER, look).await
    }

    /// Lets the agent forget an operation.
    pub(crate) async fn acknowledge(&self, operation: &str) -> Result<(), AgentError> {
        within_raw(ANSWER, self.api.acknowledge(operation.to_owned())).await
    }

    /// Waits for the end of the link.
    pub(crate) async fn closed(&self) -> String {
        self.link.closed().await
    }

    /// An error of the agent as the API answers it.
    pub fn error(&self, error: AgentError) -> Error {
        let server = &*self.server_name;
        let code = match error.code {
            AgentErrorCode::NotFound => Code::NotFound,
            AgentErrorCode::Invalid => Code::Invalid,
            AgentErrorCode::EngineUnreachable => Code::EngineUnreachable,
            AgentErrorCode::JournalFull => Code::JournalFull,
            AgentErrorCode::StorageFull => Code::StorageFull,
            AgentErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
            AgentErrorCode::Link => Code::ServerUnreachable,
            AgentErrorCode::StaleEpoch | AgentErrorCode::Level | AgentErrorCode::Internal => {
                Code::BadAgent
            }
        };
        Error::new(code, format!("server '{server}': {}", error.message)).param("server", server)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(ANSWER, Arc::clone(&self.requests).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Code::DeadlineExceeded,
                format!(
                    "server '{}' has not answered earlier requests yet; try again later",
                    self.server_name
                ),
            )
            .param("server", &*self.server_name)),
        }
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, Error> {
        within_raw(deadline, call)
            .await
            .map_err(|error| self.error(error))
    }
}

async fn within_raw<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, AgentError>>,
) -> Result<T, AgentError> {
    tokio::time::timeout(deadline, call)
        .await
        .unwrap_or_else(|_| {
            Err(AgentError::new(
                AgentErrorCode::DeadlineExceeded,
                format!("the agent did not answer within {} s", deadline.as_secs()),
            ))
        })
}

/// Why nothing can be asked of a server now: disabled, not connected. `None` where it can.
pub fn unreachable(name: &str, enabled: bool, view: &ServerView) -> Option<Error> {
    if !enabled {
        return Some(
            Error::new(
                Code::ServerDisabled,
                format!("server '{name}' is disabled; enable it in its configuration first"),
            )
            .param("server", name),
        );
    }
    let (why, since) = match &view.link {
        LinkState::Up { .. } => return None,
        LinkState::Never if view.too_old.is_none() => ("no agent ever connected".to_owned(), None),
        _ => lost(view),
    };
    Some(
        Error::new(
            Code::ServerUnreachable,
            format!("server '{name}' is not connected: {why}"),
        )
        .param("server", name)
        .param("since", since)
        .param("last_contact", view.last_contact)
        .param("why", why),
    )
}

/// Why the Engine of a connected server cannot be asked, where it cannot.
pub(crate) fn engine_unreachable(name: &str, view: &ServerView) -> Option<Error> {
    match &view.engine {
        EngineState::Connected { .. } => None,
        EngineState::Unreachable { why, since } => Some(
            Error::new(
                Code::EngineUnreachable,
                format!("the Docker Engine on server '{name}' does not answer: {why}"),
            )
            .param("server", name)
            .param("since", since)
            .param("why", why),
        ),
    }
}

/// Why the link of a server is lost and since when, in words.
pub(crate) fn lost(view: &ServerView) -> (String, Option<UnixMs>) {
    let (_, reason) = view.state(true);
    let since = reason
        .as_ref()
        .and_then(|reason| reason.since)
        .or(view.last_contact);
    let said = reason.map_or_else(
        || "its agent is not connected".to_owned(),
        |reason| reason.why,
    );
    match (&view.link, &view.lost_why) {
        _ if view.too_old.is_some() => (said, since),
        (LinkState::Lost { goodbye: None, .. }, Some(why)) => (format!("{said} ({why})"), since),
        _ => (said, since),
    }
}
