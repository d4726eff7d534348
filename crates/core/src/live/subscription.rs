//! One subscription: which topic, for whom, and where its messages go.

use std::sync::Arc;

use komodo_api::{
    Error,
    live::{LiveMessage, Topic},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{access::Login, alerts, containers, log, servers, updates};
use crate::{
    App,
    desired::{Account, DesiredState},
};

/// A subscription; every topic gets one.
pub(super) struct Subscription {
    pub(super) app: Arc<App>,
    pub(super) login: Login,
    pub(super) id: u32,
    pub(super) out: mpsc::Sender<String>,
}

/// The end of a subscription.
pub(super) enum End {
    /// There is nothing more to tell.
    Over,
    /// It cannot be served any more.
    Error(Error),
    /// The socket is gone.
    Gone,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Error(error)
    }
}

impl From<crate::store::StoreError> for End {
    fn from(error: crate::store::StoreError) -> Self {
        End::Error(error.into())
    }
}

impl Subscription {
    /// Serves it to its end.
    pub(super) async fn run(self, topic: Topic, after: Option<u64>) {
        let id = self.id;
        let ended = match topic {
            Topic::Servers => servers::serve(&self, after).await,
            Topic::Containers { server } => containers::serve(&self, &server.0, after).await,
            Topic::Updates => updates::serve(&self, after).await,
            Topic::Alerts => alerts::serve(&self, after).await,
            Topic::Update { update } => updates::serve_one(&self, &update).await,
            Topic::ContainerLog {
                server,
                container,
                tail,
                since,
            } => log::serve(&self, &server.0, container, tail, since).await,
        };
        let message = match ended {
            Ok(never) => match never {},
            Err(End::Gone) => return,
            Err(End::Over) => LiveMessage::End { id },
            Err(End::Error(error)) => LiveMessage::Error {
                id: Some(id),
                error,
            },
        };
        // Where nobody reads it the socket is gone.
        let _ = self.out.send(frame(&message)).await;
    }

    /// The account and the state to look at for the next message.
    pub(super) fn look(&self) -> Result<(Arc<DesiredState>, Arc<Account>), End> {
        let state = self.app.desired.snapshot();
        let account = self.login.account(&self.app, &state)?;
        Ok((state, account))
    }

    /// Sends a message once there is room for it.
    pub(super) async fn send(&self, message: &LiveMessage) -> Result<(), End> {
        self.out.send(frame(message)).await.map_err(|_| End::Gone)
    }

    /// Sends all there is.
    pub(super) async fn snapshot(
        &self,
        rev: u64,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), End> {
        let data = raw(data)?;
        self.send(&LiveMessage::Snapshot {
            id: self.id,
            rev,
            data,
        })
        .await
    }

    /// Sends what changed; nothing where nothing did.
    pub(super) async fn delta(
        &self,
        rev: u64,
        upsert: Vec<Box<RawValue>>,
        remove: Vec<String>,
    ) -> Result<(), End> {
        if upsert.is_empty() && remove.is_empty() {
            return Ok(());
        }
        self.send(&LiveMessage::Delta {
            id: self.id,
            rev,
            upsert,
            remove,
        })
        .await
    }

    /// Says that something was left out.
    pub(super) async fn gap(&self) -> Result<(), End> {
        self.send(&LiveMessage::Gap { id: self.id }).await
    }
}

/// A value as JSON.
pub(super) fn raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, End> {
    serde_json::value::to_raw_value(value).map_err(|error| {
        End::Error(
            Error::new(
                komodo_api::Code::Internal,
                "a message of the live feed cannot be written",
            )
            .cause(error),
        )
    })
}

/// A message as it is sent.
pub(super) fn frame(message: &LiveMessage) -> String {
    serde_json::to_string(message).expect("text, numbers and JSON can always be written as JSON")
}
