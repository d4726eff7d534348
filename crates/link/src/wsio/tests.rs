use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};

use super::{WsIo, config, limits};
use crate::wire::FRAME_BYTES_MAX;

const SOON: Duration = Duration::from_secs(10);

/// Our end, and the other as bare messages.
fn pair(buffer: usize) -> (WsIo<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (near, far) = duplex(buffer);
    let ours = ClientBuilder::new()
        .config(config())
        .limits(limits())
        .take_over(near);
    (
        WsIo::new(ours),
        ServerBuilder::new().limits(limits()).serve(far),
    )
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("happens soon")
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_the_peer() {
    let (mut ours, _silent) = pair(64 * 1024);
    soon(ours.shutdown()).await.unwrap();
    let after = ours.write_all(b"late").await;
    assert_eq!(after.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn close_frame_is_the_end_of_the_stream() {
    let (mut ours, mut peer) = pair(64 * 1024);
    ours.write_all(b"last words").await.unwrap();
    soon(ours.shutdown()).await.unwrap();
    let message = soon(peer.next()).await.unwrap().unwrap();
    assert_eq!(&message.into_payload()[..], b"last words");
    assert!(soon(peer.next()).await.unwrap().unwrap().is_close());
    assert!(
        soon(peer.next()).await.is_none(),
        "answers the close and ends"
    );
    let mut rest = Vec::new();
    assert_eq!(soon(ours.read_to_end(&mut rest)).await.unwrap(), 0);
}

#[tokio::test]
async fn message_borders_mean_nothing_and_nothing_stays_allocated() {
    let (mut ours, mut peer) = pair(64 * 1024);
    for part in ["he", "", "l", "lo"] {
        peer.send(Message::binary(part.as_bytes().to_vec()))
            .await
            .unwrap();
    }
    peer.send(Message::ping("are you there")).await.unwrap();
    peer.send(Message::binary(" world".as_bytes().to_vec()))
        .await
        .unwrap();
    let mut text = [0; 11];
    soon(ours.read_exact(&mut text[..4])).await.unwrap();
    assert!(!ours.unread.is_empty(), "half a message is left");
    soon(ours.read_exact(&mut text[4..])).await.unwrap();
    assert_eq!(&text, b"hello world");
    // An empty rest of a real message would still own its memory.
    assert_eq!(ours.unread.as_ptr(), bytes::Bytes::new().as_ptr());
    ours.flush().await.unwrap();
    assert!(soon(peer.next()).await.unwrap().unwrap().is_pong());
}

#[tokio::test]
async fn messages_are_at_most_a_frame_and_several_writes_share_one() {
    let (mut ours, mut peer) = pair(256 * 1024);
    let large = vec![7; FRAME_BYTES_MAX * 2 + 1];
    ours.write_all(&large).await.unwrap();
    ours.flush().await.unwrap();
    for expected in [FRAME_BYTES_MAX, FRAME_BYTES_MAX, 1] {
        let message = soon(peer.next()).await.unwrap().unwrap();
        assert_eq!(message.into_payload().len(), expected);
    }
    assert!(ours.is_write_vectored());
    let slices = [b"record one ".as_slice(), b"record two".as_slice()].map(std::io::IoSlice::new);
    assert_eq!(ours.write_vectored(&slices).await.unwrap(), 21);
    ours.flush().await.unwrap();
    assert_eq!(
        &soon(peer.next()).await.unwrap().unwrap().into_payload()[..],
        b"record one record two"
    );
}

#[tokio::test]
async fn writer_waits_for_a_peer_that_does_not_read() {
    let (mut ours, peer) = pair(1024);
    let chunk = vec![0; FRAME_BYTES_MAX];
    let mut accepted = 0;
    while timeout(Duration::from_millis(50), ours.write_all(&chunk))
        .await
        .is_ok()
    {
        accepted += 1;
        assert!(accepted < 10, "accepts bytes that nobody takes");
    }
    drop(peer);
    assert!(soon(ours.write_all(&chunk)).await.is_err());
}

#[tokio::test]
async fn text_and_oversized_messages_are_errors() {
    let (mut ours, mut peer) = pair(64 * 1024);
    peer.send(Message::text("hello")).await.unwrap();
    let text = soon(ours.read_u8()).await.unwrap_err();
    assert_eq!(text.kind(), std::io::ErrorKind::InvalidData);

    let (mut ours, mut peer) = pair(1024 * 1024);
    peer.send(Message::binary(vec![0; 300 * 1024]))
        .await
        .unwrap();
    let mut sink = Vec::new();
    let large = soon(ours.read_to_end(&mut sink)).await;
    assert!(
        large.is_err() && sink.len() <= 256 * 1024,
        "{large:?} after {} bytes",
        sink.len()
    );
}
