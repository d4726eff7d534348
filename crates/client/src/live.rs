//! The live feed: one websocket, any number of subscriptions, messages in the order of the server.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Uri;
use komodo_api::{
    Error, UnixMs,
    live::{HEARTBEAT_MS, LiveMessage, LiveRequest, LogLine, Topic},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_websockets::{
    ClientBuilder, Error as WsError, Limits, Message, WebSocketStream, upgrade,
};

use crate::{
    credentials::Credentials,
    error::ClientError,
    http::{CONNECT_MS_MAX, Http, Stream},
};

/// Time from the connection to the accepted login, and for each frame that is sent.
pub const LOGIN_MS_MAX: u64 = 10_000;
/// Silence after which the feed counts as lost: more than two heartbeats.
pub const SILENCE_MS_MAX: u64 = HEARTBEAT_MS * 5 / 2;
/// Largest frame that is read.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the server answers to an accepted login.
const LOGGED_IN: &str = "LOGGED_IN";

/// The live feed of a Core.
pub struct Live {
    http: Http,
    socket: WebSocketStream<Stream>,
    last_id: u32,
}

/// A message with every field that any kind of it has. Payloads stay unread JSON, which a tagged enum cannot keep.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    id: Option<u32>,
    #[serde(default)]
    rev: u64,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    upsert: Vec<Box<RawValue>>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    lines: Vec<LogLine>,
    error: Option<Error>,
    #[serde(default)]
    at: UnixMs,
}

impl Frame {
    /// `None` for a kind that this client does not know, or one without what it must hold.
    fn message(self) -> Option<LiveMessage> {
        Some(match self.kind.as_str() {
            "snapshot" => LiveMessage::Snapshot {
                id: self.id?,
                rev: self.rev,
                data: self.data?,
            },
            "delta" => LiveMessage::Delta {
                id: self.id?,
                rev: self.rev,
                upsert: self.upsert,
                remove: self.remove,
            },
            "lines" => LiveMessage::Lines {
                id: self.id?,
                lines: self.lines,
            },
            "gap" => LiveMessage::Gap { id: self.id? },
            "error" => LiveMessage::Error {
                id: self.id,
                error: self.error?,
            },
            "end" => LiveMessage::End { id: self.id? },
            "heartbeat" => LiveMessage::Heartbeat { at: self.at },
            _ => return None,
        })
    }
}

impl Live {
    pub(crate) async fn open(http: &Http, credentials: &Credentials) -> Result<Self, ClientError> {
        let login = credentials
            .login()
            .ok_or_else(|| ClientError::LiveLogin("there are no credentials".into()))?;
        let stream = http.connect(Duration::from_millis(CONNECT_MS_MAX)).await?;
        let uri = websocket_uri(http)?;
        let upgrading = ClientBuilder::from_uri(uri)
            .limits(Limits::default().max_payload_len(Some(FRAME_BYTES_MAX)));
        let socket = match within(http, upgrading.connect_on(stream)).await? {
            Ok((socket, _)) => socket,
            Err(WsError::Upgrade(refusal)) => return Err(no_live_feed(http, &refusal)),
            Err(error) => return Err(http.broken(error)),
        };
        let mut live = Live {
            http: http.clone(),
            socket,
            last_id: 0,
        };
        live.send(&login).await?;
        let answer = within(http, live.text()).await??;
        match answer.as_str() {
            LOGGED_IN => Ok(live),
            refusal => Err(ClientError::LiveLogin(refusal.chars().take(500).collect())),
        }
    }

    /// Starts a subscription and returns its number. Its first message is a snapshot, lines or an error.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn subscribe(&mut self, topic: Topic) -> Result<u32, ClientError> {
        self.last_id += 1;
        self.send(&LiveRequest::Subscribe {
            id: self.last_id,
            topic,
            after: None,
        })
        .await?;
        Ok(self.last_id)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn unsubscribe(&mut self, id: u32) -> Result<(), ClientError> {
        self.send(&LiveRequest::Unsubscribe { id }).await
    }

    /// The next message. Kinds that this client does not know are left out. May be dropped without losing a message.
    ///
    /// # Errors
    /// When the connection is gone, or silent for longer than two heartbeats.
    pub async fn next(&mut self) -> Result<LiveMessage, ClientError> {
        loop {
            let silence = Duration::from_millis(SILENCE_MS_MAX);
            let text = match timeout(silence, self.text()).await {
                Ok(text) => text?,
                Err(_) => {
                    return Err(ClientError::Deadline {
                        address: self.http.address().to_owned(),
                        after: silence,
                    });
                }
            };
            let frame: Frame =
                serde_json::from_str(&text).map_err(|source| ClientError::Answer {
                    address: self.http.address().to_owned(),
                    status: http::StatusCode::SWITCHING_PROTOCOLS,
                    source,
                })?;
            if let Some(message) = frame.message() {
                return Ok(message);
            }
        }
    }

    /// The next text frame.
    async fn text(&mut self) -> Result<String, ClientError> {
        loop {
            match self.socket.next().await {
                Some(Ok(message)) => {
                    if let Some(text) = message.as_text() {
                        return Ok(text.to_owned());
                    }
                }
                Some(Err(error)) => return Err(self.http.broken(error)),
                None => return Err(self.http.broken("the live feed was closed")),
            }
        }
    }

    async fn send(&mut self, frame: &impl Serialize) -> Result<(), ClientError> {
        let text = serde_json::to_string(frame).map_err(ClientError::Request)?;
        let http = self.http.clone();
        within(&http, self.socket.send(Message::text(text)))
            .await?
            .map_err(|error| http.broken(error))
    }
}

async fn within<T>(http: &Http, future: impl Future<Output = T>) -> Result<T, ClientError> {
    let after = Duration::from_millis(LOGIN_MS_MAX);
    timeout(after, future)
        .await
        .map_err(|_| ClientError::Deadline {
            address: http.address().to_owned(),
            after,
        })
}

fn websocket_uri(http: &Http) -> Result<Uri, ClientError> {
    let mut parts = http.uri("/ws/live")?.into_parts();
    let scheme = if parts.scheme == Some(http::uri::Scheme::HTTPS) {
        "wss"
    } else {
        "ws"
    };
    parts.scheme = Some(scheme.parse().expect("ws and wss are schemes"));
    Uri::from_parts(parts).map_err(|_| ClientError::Address {
        address: http.address().to_owned(),
        why: "it cannot be read",
    })
}

fn no_live_feed(http: &Http, refusal: &upgrade::Error) -> ClientError {
    let status = match refusal {
        upgrade::Error::DidNotSwitchProtocols(status) => Some(*status),
        _ => None,
    };
    ClientError::NoLiveFeed {
        address: http.address().to_owned(),
        status,
    }
}
