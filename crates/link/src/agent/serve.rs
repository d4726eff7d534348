//! The requests of a session: the link's own are answered here, all others by the agent's service.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::{body::Incoming, rt::Executor};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use super::AgentLinkConfig;
use crate::{
    Refusal,
    wire::{HELLO_PATH, JOIN_PATH, JoinAnswer, LINK_BODY_BYTES_MAX, LINK_PREFIX, REFUSED_PATH},
};

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Only the link's own requests and the hello are answered.
    New,
    /// The hello was answered.
    Up,
    /// Core told us why it will not have us.
    Refused,
}

/// What the handlers of one session share.
pub(super) struct Progress {
    pub(super) config: Arc<AgentLinkConfig>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) refusal: Mutex<Option<Refusal>>,
}

impl Progress {
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// The service of one session, for hyper.
#[derive(Clone)]
pub(super) struct LinkService<S> {
    pub(super) service: S,
    pub(super) progress: Arc<Progress>,
}

type Answer<B> = Response<Either<Full<Bytes>, B>>;

impl<S, B> hyper::service::Service<Request<Incoming>> for LinkService<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Answer<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer<B>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let progress = Arc::clone(&self.progress);
        let path = request.uri().path();
        if path.starts_with(LINK_PREFIX) {
            return Box::pin(async move { Ok(progress.answer(request).await.map(Either::Left)) });
        }
        let is_hello = path == HELLO_PATH;
        if !is_hello && *progress.phase.borrow() != Phase::Up {
            let early = text(StatusCode::FORBIDDEN, "hello comes first");
            return Box::pin(std::future::ready(Ok(early.map(Either::Left))));
        }
        let mut service = self.service.clone();
        Box::pin(async move {
            poll_fn(|context| service.poll_ready(context)).await?;
            let answer = service.call(request).await?;
            if is_hello && answer.status().is_success() {
                progress.phase.send_if_modified(|phase| match phase {
                    Phase::New => {
                        *phase = Phase::Up;
                        true
                    }
                    Phase::Up | Phase::Refused => false,
                });
            }
            Ok(answer.map(Either::Right))
        })
    }
}

impl Progress {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, JOIN_PATH) => self.answer_join(),
            (&Method::POST, REFUSED_PATH) => self.take_refused(request.into_body()).await,
            _ => text(StatusCode::NOT_FOUND, "the link has no such request"),
        }
    }

    /// Only a Core that proved a pinned key gets this far.
    fn answer_join(&self) -> Response<Full<Bytes>> {
        let Some(token) = self.config.join_token.clone() else {
            return text(StatusCode::NOT_FOUND, "no onboarding key is configured");
        };
        let answer = JoinAnswer {
            token,
            connect_as: self.config.connect_as.clone(),
        };
        let body = serde_json::to_vec(&answer).expect("two strings always serialize");
        let mut response = Response::new(Full::new(Bytes::from(body)));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
    }

    async fn take_refused(&self, body: Incoming) -> Response<Full<Bytes>> {
        let Ok(body) = Limited::new(body, LINK_BODY_BYTES_MAX).collect().await else {
            return text(StatusCode::BAD_REQUEST, "refusal cannot be read");
        };
        let Ok(refusal) = serde_json::from_slice::<Refusal>(&body.to_bytes()) else {
            return text(StatusCode::BAD_REQUEST, "refusal is malformed");
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.bounded());
        self.phase.send_replace(Phase::Refused);
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Runs the handlers of one session; they all end with it.
#[derive(Clone)]
pub(super) struct SessionExecutor {
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl<F> Executor<F> for SessionExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(future));
    }
}
