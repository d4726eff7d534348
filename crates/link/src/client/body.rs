//! The body of an answer: bytes as they come, back-pressure by the stream's window, cancelled when dropped.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use super::LinkClient;

/// A streamed answer. What is not read stays on the agent, save one stream window. Dropping it cancels the request.
pub struct LinkBody {
    stream: RecvStream,
    /// The rest of the request body, still being sent.
    _upload: Option<AbortOnDropHandle<()>>,
    _permit: OwnedSemaphorePermit,
    /// A link lives as long as somebody reads from it.
    _link: LinkClient,
}

/// The stream failed: reset by the agent, or lost with the link.
#[derive(Debug, thiserror::Error)]
#[error("the stream ended early")]
pub struct BodyError(#[source] pub(crate) h2::Error);

impl LinkBody {
    pub(super) fn new(
        stream: RecvStream,
        upload: Option<AbortOnDropHandle<()>>,
        permit: OwnedSemaphorePermit,
        link: LinkClient,
    ) -> Self {
        Self {
            stream,
            _upload: upload,
            _permit: permit,
            _link: link,
        }
    }
}

impl Body for LinkBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            return match ready!(self.stream.poll_data(context)) {
                // The end of a stream often comes in a frame of its own that holds nothing.
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    let released = self.stream.flow_control().release_capacity(bytes.len());
                    Poll::Ready(Some(
                        released.map(|()| Frame::data(bytes)).map_err(BodyError),
                    ))
                }
                // The agent had the whole answer out before it had read the whole request. That is a proper end.
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => Poll::Ready(None),
                Some(Err(error)) => Poll::Ready(Some(Err(BodyError(error)))),
                None => Poll::Ready(
                    ready!(self.stream.poll_trailers(context))
                        .map(|trailers| trailers.map(Frame::trailers))
                        .map_err(BodyError)
                        .transpose(),
                ),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
