//! An Update to its end: over the live feed, or by asking once a second where there is none.

use std::time::Duration;

use komodo_api::{
    Code,
    live::{LiveMessage, Topic},
    update::{GetUpdate, Update, UpdateStatus},
};
use tokio::time::{Instant, sleep};

use crate::{client::Client, error::ClientError, live::Live};

/// Time between two questions where there is no live feed.
pub const POLL_MS: u64 = 1_000;
/// Time without any answer of Core after which the watch gives up; the operation goes on all the same.
pub const OUTAGE_MS_MAX: u64 = 120_000;

/// An Update that is watched. Has no deadline of its own: an operation may wait for its server for days.
pub struct UpdateWatch {
    client: Client,
    id: String,
    source: Source,
    last: Option<Update>,
    unanswered_since: Option<Instant>,
}

enum Source {
    /// Not yet opened.
    Fresh,
    Live(Box<Live>),
    /// Asked for; at once the first time.
    Poll,
}

impl UpdateWatch {
    pub(crate) fn new(client: Client, id: String) -> Self {
        UpdateWatch {
            client,
            id,
            source: Source::Fresh,
            last: None,
            unanswered_since: None,
        }
    }

    /// The Update at first and after each change; `None` after its end.
    ///
    /// # Errors
    /// [`ClientError::Api`] when the Update does not exist or may not be read; a transport error when Core has not
    /// answered for two minutes.
    pub async fn next(&mut self) -> Result<Option<Update>, ClientError> {
        if self
            .last
            .as_ref()
            .is_some_and(|last| last.status == UpdateStatus::Complete)
        {
            return Ok(None);
        }
        loop {
            let update = self.observe().await?;
            if let Some(update) = update
                && self.last.as_ref() != Some(&update)
            {
                self.last = Some(update.clone());
                return Ok(Some(update));
            }
        }
    }

    /// One step; `None` where it showed nothing.
    async fn observe(&mut self) -> Result<Option<Update>, ClientError> {
        match &mut self.source {
            Source::Fresh => {
                self.source = match self.open().await {
                    Ok(live) => Source::Live(Box::new(live)),
                    // Whatever is wrong with the feed, the question that follows says it better, or works.
                    Err(_) => Source::Poll,
                };
                match self.source {
                    Source::Poll => self.ask().await,
                    _ => Ok(None),
                }
            }
            Source::Live(live) => match live.next().await {
                Ok(LiveMessage::Snapshot { data, .. }) => match serde_json::from_str(data.get()) {
                    Ok(update) => Ok(Some(update)),
                    Err(_) => self.fall_back().await,
                },
                Ok(LiveMessage::Error { error, .. }) if error.code == Code::NotFound => {
                    Err(ClientError::Api {
                        status: error.status(),
                        error: Box::new(error),
                    })
                }
                Ok(LiveMessage::Error { .. } | LiveMessage::End { .. }) | Err(_) => {
                    self.fall_back().await
                }
                Ok(_) => Ok(None),
            },
            Source::Poll => {
                sleep(Duration::from_millis(POLL_MS)).await;
                self.ask().await
            }
        }
    }

    async fn open(&self) -> Result<Live, ClientError> {
        let mut live = self.client.live().await?;
        live.subscribe(Topic::Update {
            update: self.id.clone(),
        })
        .await?;
        Ok(live)
    }

    async fn fall_back(&mut self) -> Result<Option<Update>, ClientError> {
        self.source = Source::Poll;
        self.ask().await
    }

    async fn ask(&mut self) -> Result<Option<Update>, ClientError> {
        match self
            .client
            .call(&GetUpdate {
                id: self.id.clone(),
            })
            .await
        {
            Ok(update) => {
                self.unanswered_since = None;
                Ok(Some(update))
            }
            Err(error) if error.is_transport() => {
                let since = *self.unanswered_since.get_or_insert_with(Instant::now);
                match since.elapsed() < Duration::from_millis(OUTAGE_MS_MAX) {
                    true => Ok(None),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}
