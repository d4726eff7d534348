//! A WebSocket as a byte stream, so that TLS and HTTP/2 can run over it.
//!
//! Binary messages of at most [`FRAME_BYTES_MAX`] carry the bytes; message borders mean nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{Config, Error, Limits, Message, WebSocketStream};

use crate::wire::FRAME_BYTES_MAX;

/// Largest message that is accepted, in bytes. A masked message is buffered whole before it can be read.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Settings for both ends: no large buffers, one message is one frame.
pub(crate) fn config() -> Config {
    Config::default()
        .frame_size(FRAME_BYTES_MAX)
        .flush_threshold(FRAME_BYTES_MAX)
}

/// Limits for both ends.
pub(crate) fn limits() -> Limits {
    Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX))
}

/// Bytes over a WebSocket.
pub struct WsIo<S> {
    socket: WebSocketStream<S>,
    /// What is left of the last message; empty most of the time, and then it holds no memory.
    unread: Bytes,
    close: Close,
}

#[derive(PartialEq)]
enum Close {
    Open,
    /// A Close frame is queued; nothing may be written behind it.
    Queued,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WsIo<S> {
    pub(crate) fn new(socket: WebSocketStream<S>) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            close: Close::Open,
        }
    }

    /// The stream below the WebSocket.
    pub fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    fn send(&mut self, payload: Bytes) -> io::Result<usize> {
        let length = payload.len();
        Pin::new(&mut self.socket)
            .start_send(Message::binary(payload))
            .map_err(into_io)?;
        Ok(length)
    }

    fn poll_can_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.close == Close::Queued {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.socket)
            .poll_ready(context)
            .map_err(into_io)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WsIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(message)) if message.is_binary() => {
                    self.unread = message.into_payload().into()
                }
                Some(Ok(message)) if message.is_close() => return Poll::Ready(Ok(())),
                Some(Ok(message)) if message.is_text() => {
                    let error =
                        io::Error::new(io::ErrorKind::InvalidData, "text message on a link");
                    return Poll::Ready(Err(error));
                }
                // Pings of a proxy are answered by the library, pongs mean nothing here.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        if self.unread.is_empty() {
            // An empty `Bytes` would keep the whole message alive until the next one comes.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WsIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_can_write(context))?;
        let length = bytes.len().min(FRAME_BYTES_MAX);
        Poll::Ready(self.send(Bytes::copy_from_slice(&bytes[..length])))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_can_write(context))?;
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut payload = BytesMut::with_capacity(total.min(FRAME_BYTES_MAX));
        for slice in slices {
            let room = FRAME_BYTES_MAX - payload.len();
            payload.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Poll::Ready(self.send(payload.freeze()))
    }

    /// Several TLS records become one message.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_flush(context)
            .map_err(into_io)
    }

    /// Queues a Close frame and flushes it. It does not wait for the peer's Close frame as `Sink::poll_close` would:
    /// on a dead link that never comes, and whoever shuts the link down because it is dead would hang.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.close == Close::Open {
            self.close = Close::Queued;
            match Pin::new(&mut self.socket).start_send(Message::close(None, "")) {
                // The peer closed first; the library has queued the answer.
                Ok(()) | Err(Error::AlreadyClosed) => {}
                Err(error) => return Poll::Ready(Err(into_io(error))),
            }
        }
        self.poll_flush(context)
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(source) => source,
        Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests;
