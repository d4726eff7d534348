//! Gives a link up when Core has been silent for too long.
//!
//! Core pings, the agent only listens: every byte from Core counts. The same clock fails writes that are stuck, since
//! on a dead link it is often the writer that waits.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::wire::ENDED_WITHOUT_GOODBYE;

pub(super) struct Watchdog<IO> {
    io: IO,
    limit: Duration,
    last_read: Instant,
    /// Set for the time of an earlier read and moved only when it fires, so that reads cost no timer.
    alarm: Pin<Box<Sleep>>,
}

impl<IO> Watchdog<IO> {
    pub(super) fn new(io: IO, limit: Duration) -> Self {
        let last_read = Instant::now();
        Self {
            io,
            limit,
            last_read,
            alarm: Box::pin(sleep_until(last_read + limit)),
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let due = self.last_read + self.limit;
            if due <= Instant::now() {
                let text = format!("core was silent for {:?}", self.limit);
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            self.alarm.as_mut().reset(due);
        }
        Ok(())
    }

    fn or_silent<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => match self.check(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
            ready => ready,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watchdog<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut polled = Pin::new(&mut self.io).poll_read(context, buffer);
        match &polled {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // With the kind as it is, h2 would take this for an orderly end.
                let kind = io::ErrorKind::ConnectionAborted;
                let error = io::Error::new(kind, ENDED_WITHOUT_GOODBYE);
                polled = Poll::Ready(Err(error));
            }
            Poll::Ready(_) => self.last_read = Instant::now(),
            Poll::Pending => {}
        }
        self.or_silent(polled, context)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watchdog<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.or_silent(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.or_silent(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.or_silent(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.or_silent(polled, context)
    }
}
