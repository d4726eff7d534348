//! Reading a stream of lines from an agent.
//!
//! A task always drains the link into a bounded buffer: frames that nobody reads would hold up memory and, if they are
//! many and small, end the link of the whole server. A reader that leaves its buffer full for too long loses its
//! stream, and nothing else.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use komodo_agent_api::{AgentError, AgentErrorCode, AgentStream};
use komodo_link::LinkBody;
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::wire::{LINE_BYTES_MAX, Line};

/// Items that wait for the reader.
const ITEMS_WAITING_MAX: usize = 32;

/// The items of a body of NDJSON. Dropping the stream cancels it on the agent.
pub(crate) fn lines<T>(body: LinkBody, stalled_reader: Duration) -> AgentStream<T>
where
    T: DeserializeOwned + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(ITEMS_WAITING_MAX);
    #[expect(clippy::disallowed_methods, reason = "ends with what holds the handle")]
    let task = AbortOnDropHandle::new(tokio::spawn(drain(body, sender, stalled_reader)));
    stream::unfold((receiver, Some(task)), async |(mut receiver, task)| {
        if let Some(item) = receiver.recv().await {
            return Some((Ok(item), (receiver, task)));
        }
        match task?.await {
            Ok(None) => None,
            Ok(Some(error)) => Some((Err(error), (receiver, None))),
            Err(_) => {
                let error =
                    AgentError::new(AgentErrorCode::Internal, "reading from the agent failed");
                Some((Err(error), (receiver, None)))
            }
        }
    })
    .boxed()
}

/// Reads to the end and returns the error that the stream ends with, if any.
async fn drain<T: DeserializeOwned>(
    mut body: LinkBody,
    sender: mpsc::Sender<T>,
    stalled_reader: Duration,
) -> Option<AgentError> {
    let link = |text: String| Some(AgentError::new(AgentErrorCode::Link, text));
    let mut lines = Lines::default();
    loop {
        while let Some(line) = lines.next() {
            let item = match serde_json::from_slice(&line) {
                Ok(Line::Item(item)) => item,
                Ok(Line::Error(error)) => return Some(error),
                Err(error) => {
                    return link(format!("the agent's answer is not as expected: {error}"));
                }
            };
            match timeout(stalled_reader, sender.send(item)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    return link(format!(
                        "nobody read for {stalled_reader:?}, so the stream was ended"
                    ));
                }
            }
        }
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // Nobody will read what comes.
            () = sender.closed() => return None,
        };
        match frame {
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    lines.push(&bytes);
                }
                if lines.unfinished_bytes() > LINE_BYTES_MAX {
                    return link(format!(
                        "the agent sent a line of more than {LINE_BYTES_MAX} bytes"
                    ));
                }
            }
            Some(Err(error)) => {
                let cause = std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                return link(format!("{error}: {cause}"));
            }
            None if lines.unfinished_bytes() > 0 => {
                return link("the stream ended in the middle of a line".into());
            }
            None => return None,
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// So far there is no line end in `bytes`.
    searched: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its end.
    fn next(&mut self) -> Option<BytesMut> {
        match self.bytes[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n')
        {
            Some(offset) => {
                let line = self.bytes.split_to(self.searched + offset);
                self.bytes.advance(1);
                self.searched = 0;
                if self.bytes.is_empty() {
                    // The line keeps the memory as long as it needs it; an idle stream needs none.
                    self.bytes = BytesMut::new();
                }
                Some(line)
            }
            None => {
                self.searched = self.bytes.len();
                None
            }
        }
    }

    fn unfinished_bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
