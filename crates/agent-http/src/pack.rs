//! A stream of values as NDJSON: all lines that are ready go into one frame.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use komodo_agent_api::{AgentError, AgentErrorCode, AgentStream};
use serde::Serialize;

use crate::wire::{FRAME_BYTES_MAX, LINE_BYTES_MAX, Line};

/// The frames of a stream. Dropping it drops the stream, which is how a cancel arrives.
pub(crate) struct Frames<T> {
    /// Gone after its end or its error.
    stream: Option<AgentStream<T>>,
    ready: BytesMut,
}

impl<T> Frames<T> {
    pub(crate) fn new(stream: AgentStream<T>) -> Self {
        Self {
            stream: Some(stream),
            ready: BytesMut::new(),
        }
    }

    fn frame(&mut self) -> Option<Bytes> {
        match self.ready.len() {
            0 => None,
            length => {
                let frame = self.ready.split_to(length.min(FRAME_BYTES_MAX)).freeze();
                if self.ready.is_empty() {
                    // An idle stream holds no buffer.
                    self.ready = BytesMut::new();
                }
                Some(frame)
            }
        }
    }
}

impl<T: Serialize> Frames<T> {
    fn push(&mut self, item: Result<T, AgentError>) {
        let line = match item {
            Ok(item) => Line::Item(item),
            Err(error) => {
                self.stream = None;
                Line::Error(error)
            }
        };
        let before = self.ready.len();
        let written = serde_json::to_writer((&mut self.ready).writer(), &line);
        let fault = match written {
            Err(error) => Some(format!("an answer cannot be written as JSON: {error}")),
            Ok(()) if self.ready.len() - before > LINE_BYTES_MAX => {
                Some(format!("an answer is larger than {LINE_BYTES_MAX} bytes"))
            }
            Ok(()) => None,
        };
        if let Some(message) = fault {
            self.ready.truncate(before);
            self.stream = None;
            let line: Line<()> = Line::Error(AgentError::new(AgentErrorCode::Internal, message));
            serde_json::to_writer((&mut self.ready).writer(), &line)
                .expect("a code and a text always serialize");
        }
        self.ready.put_u8(b'\n');
    }
}

impl<T: Serialize> Stream for Frames<T> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.ready.len() < FRAME_BYTES_MAX {
            let Some(stream) = &mut self.stream else {
                break;
            };
            match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(item)) => self.push(item),
                Poll::Ready(None) => self.stream = None,
                Poll::Pending if self.ready.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(self.frame().map(Ok))
    }
}

#[cfg(test)]
mod tests;
