//! `/ws/live`: one socket, many subscriptions. Each is a task of its own that feeds one bounded queue; this loop reads
//! what the client asks and writes what they have.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use hyper::upgrade::OnUpgrade;
use komodo_api::{
    Code, Error,
    live::{HEARTBEAT_MS, LiveMessage, LiveRequest, SUBSCRIPTIONS_MAX},
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Duration, Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    access::Login,
    socket::{Frame, Socket},
    subscription::{Subscription, frame},
};
use crate::App;

/// Messages that wait to be written; then the subscriptions wait.
const QUEUE_MESSAGES_MAX: usize = 16;
/// Messages that are written together.
const TOGETHER_MAX: usize = 64;

pub(super) async fn serve(app: Arc<App>, upgrade: OnUpgrade, peer: IpAddr, end: CancellationToken) {
    let login = tokio::select! {
        biased;
        () = end.cancelled() => return,
        login = Socket::login(&app, upgrade, peer) => login,
    };
    let Some((mut socket, login)) = login else {
        return;
    };
    let mut revisions = app.desired.changes();
    let heartbeat = Duration::from_millis(HEARTBEAT_MS);
    let mut heartbeat = interval_at(Instant::now() + heartbeat, heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (sender, mut queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let mut subscriptions = Subscriptions {
        app: Arc::clone(&app),
        login,
        sender,
        tasks: JoinSet::new(),
        open: HashMap::new(),
    };
    loop {
        let texts = tokio::select! {
            biased;
            () = end.cancelled() => break,
            // Before what waits to be written: who is flooded must be able to unsubscribe.
            frame = socket.receive() => match frame {
                Frame::Text(message) => subscriptions.take(message.as_payload()).into_iter().collect(),
                Frame::Pong => continue,
                Frame::End => return,
            },
            Some(text) = queue.recv() => {
                let mut texts = vec![text];
                while texts.len() < TOGETHER_MAX && let Ok(text) = queue.try_recv() {
                    texts.push(text);
                }
                texts
            }
            Some(ended) = subscriptions.tasks.join_next_with_id() => {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                subscriptions.open.retain(|_, handle| handle.id() != task);
                continue;
            }
            _ = heartbeat.tick() => match subscriptions.alive() {
                Ok(text) => vec![text],
                Err(text) => {
                    socket.send_text(text).await;
                    break;
                }
            },
            Ok(()) = revisions.changed() => match subscriptions.alive() {
                Ok(_) => continue,
                Err(text) => {
                    socket.send_text(text).await;
                    break;
                }
            },
        };
        if socket.send_all(texts).await.is_none() {
            return;
        }
    }
    socket.close().await;
}

struct Subscriptions {
    app: Arc<App>,
    login: Login,
    sender: mpsc::Sender<String>,
    tasks: JoinSet<()>,
    open: HashMap<u32, AbortHandle>,
}

impl Subscriptions {
    /// The heartbeat, or why the account may no longer be here.
    fn alive(&self) -> Result<String, String> {
        let state = self.app.desired.snapshot();
        match self.login.account(&self.app, &state) {
            Ok(_) => Ok(frame(&LiveMessage::Heartbeat {
                at: self.app.clock.now(),
            })),
            Err(error) => Err(frame(&LiveMessage::Error { id: None, error })),
        }
    }

    /// Does what a frame asks; returns what to say to it at once.
    fn take(&mut self, payload: &[u8]) -> Option<String> {
        let refuse = |id, error| Some(frame(&LiveMessage::Error { id, error }));
        match serde_json::from_slice(payload) {
            Err(error) => refuse(
                None,
                Error::new(
                    Code::Unprocessable,
                    format!("the frame is no request of the live feed: {error}"),
                ),
            ),
            Ok(LiveRequest::Unsubscribe { id }) => {
                if let Some(handle) = self.open.remove(&id) {
                    handle.abort();
                }
                None
            }
            Ok(LiveRequest::Subscribe { id, .. }) if self.open.contains_key(&id) => refuse(
                Some(id),
                Error::new(Code::Conflict, format!("subscription {id} is open already")),
            ),
            Ok(LiveRequest::Subscribe { id, .. }) if self.open.len() >= SUBSCRIPTIONS_MAX => {
                refuse(
                    Some(id),
                    Error::new(
                        Code::Invalid,
                        format!(
                            "at most {SUBSCRIPTIONS_MAX} subscriptions can be open on one socket"
                        ),
                    ),
                )
            }
            Ok(LiveRequest::Subscribe { id, topic, after }) => {
                let subscription = Subscription {
                    app: Arc::clone(&self.app),
                    login: self.login.clone(),
                    id,
                    out: self.sender.clone(),
                };
                self.open
                    .insert(id, self.tasks.spawn(subscription.run(topic, after)));
                None
            }
        }
    }
}
