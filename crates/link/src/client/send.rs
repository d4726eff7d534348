//! Sending one request: head, then body as the agent's window allows.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::SendRequest};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio_util::task::AbortOnDropHandle;

/// Most bytes that are handed to the connection at once.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Sends a request and waits for the head of the answer. When the body is not sent by then, the rest goes on in a
/// task that ends with the returned handle.
#[expect(clippy::disallowed_methods, reason = "ends with what holds the handle")]
pub(super) async fn send<B>(
    send: SendRequest<Bytes>,
    head: Request<()>,
    body: B,
) -> Result<(Response<RecvStream>, Option<AbortOnDropHandle<()>>), h2::Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut send = send.ready().await?;
    let no_body = body.is_end_stream();
    let (response, stream) = send.send_request(head, no_body)?;
    if no_body {
        return Ok((response.await?, None));
    }
    let mut response = std::pin::pin!(response);
    let mut upload = Box::pin(upload(body, stream));
    tokio::select! {
        biased;
        answer = &mut response => Ok((answer?, Some(AbortOnDropHandle::new(tokio::spawn(upload))))),
        () = &mut upload => Ok((response.await?, None)),
    }
}

/// Sends `body` until its end, or until the agent does not want it any more.
async fn upload<B>(body: B, mut stream: SendStream<Bytes>)
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error,
{
    let mut body = std::pin::pin!(body);
    loop {
        let frame = tokio::select! {
            biased;
            _ = poll_fn(|context| stream.poll_reset(context)) => return,
            frame = body.frame() => frame,
        };
        let sent = match frame {
            None => stream.send_data(Bytes::new(), true).is_ok(),
            Some(Err(error)) => {
                tracing::debug!(error = %error, "request body failed, the request is cancelled");
                stream.send_reset(Reason::CANCEL);
                return;
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if send_data(&mut stream, data).await {
                        continue;
                    }
                    return;
                }
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => stream.send_trailers(trailers).is_ok(),
                    Err(_) => continue,
                },
            },
        };
        if !sent {
            tracing::debug!("the agent closed the stream before the request was sent");
        }
        return;
    }
}

/// Sends one piece of a body as capacity comes. False when the stream is gone.
async fn send_data(stream: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len().min(CHUNK_BYTES_MAX));
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(capacity)) => {
                let chunk = data.split_to(capacity.min(data.len()));
                if stream.send_data(chunk, false).is_err() {
                    return false;
                }
            }
            Some(Err(_)) | None => return false,
        }
    }
    true
}
