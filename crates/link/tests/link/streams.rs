//! Requests and streams on a link that is up: back-pressure, cancel, bounds.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use komodo_link::{LinkBody, REQUESTS_IN_FLIGHT_MAX, RequestError};
use tokio::sync::{Notify, mpsc};

use crate::{harness::*, relay::*};

const MIB: usize = 1024 * 1024;

fn get_request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

async fn pair(service: Router) -> MemoryPair {
    MemoryPair::start(service, &Arc::new(Weather::default())).await
}

/// Counts what was made of an endless stream and says when it was dropped.
#[derive(Clone, Default)]
struct Source {
    chunks: Arc<AtomicUsize>,
    began: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct Guard(Source);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

impl Source {
    /// Chunks of this size, each made of the low byte of its number.
    fn body(&self, length: usize, chunks: usize) -> Body {
        let guard = Guard(self.clone());
        let made = stream::iter(0..chunks).map(move |n| {
            guard.0.chunks.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from(vec![(n % 256) as u8; length]))
        });
        Body::from_stream(made)
    }

    fn silent_body(&self) -> Body {
        let guard = Guard(self.clone());
        let silence = stream::once(async move {
            let _guard = guard;
            pending::<Result<Bytes, std::io::Error>>().await
        });
        Body::from_stream(silence)
    }

    fn router(&self) -> Router {
        let (endless, silent, slow, large) =
            (self.clone(), self.clone(), self.clone(), self.clone());
        service()
            .route(
                "/endless",
                get(async move || endless.body(1000, usize::MAX)),
            )
            .route("/silent", get(async move || silent.silent_body()))
            .route("/large", get(async move || large.body(16 * 1024, 1024)))
            .route(
                "/slow",
                get(async move || {
                    let _guard = Guard(slow.clone());
                    slow.began.notify_one();
                    pending::<()>().await;
                }),
            )
    }
}

async fn read(body: &mut LinkBody) -> Option<Bytes> {
    let frame = soon("a frame", body.frame()).await?;
    Some(frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn sixteen_mebibytes_arrive_whole_and_the_sender_waits_for_the_reader() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let mut body = pair
        .link
        .client
        .request(get_request("/large"), SOON)
        .await
        .unwrap()
        .into_body();
    let first = read(&mut body).await.unwrap();
    // The reader stops; the sender comes to rest once windows and buffers are full.
    let mut made = 0;
    loop {
        soon(
            "a sign of life beside the stalled stream",
            pair.link.client.ping(SOON),
        )
        .await
        .unwrap();
        let now = source.chunks.load(Ordering::SeqCst);
        if now == made && now > 1 {
            break;
        }
        made = now;
        tokio::task::yield_now().await;
    }
    assert!(
        made * 16 * 1024 < 2 * MIB,
        "{made} chunks of 16 KiB were made for a reader that stands still"
    );

    let mut received = first.to_vec();
    while let Some(bytes) = read(&mut body).await {
        received.extend_from_slice(&bytes);
    }
    assert_eq!(received.len(), 16 * MIB);
    let wrong = received
        .chunks(16 * 1024)
        .enumerate()
        .find(|(n, chunk)| chunk.iter().any(|&b| b != (n % 256) as u8));
    assert!(wrong.is_none());
}

#[tokio::test]
async fn upload_waits_for_a_slow_handler() {
    let gate = Arc::new(Notify::new());
    let service = {
        let gate = Arc::clone(&gate);
        service().route(
            "/upload",
            post(async move |body: Body| {
                gate.notified().await;
                let whole = body.collect().await.unwrap().to_bytes();
                whole.len().to_string()
            }),
        )
    };
    let pair = pair(service).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let chunks = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![1; 16 * 1024])))
    });
    let body = StreamBody::new(chunks.take(512));
    let upload =
        pair.link
            .client
            .request_whole(Request::post("/upload").body(body).unwrap(), SOON, 100);
    let watch = async {
        let mut before = 0;
        loop {
            pair.link.client.ping(SOON).await.unwrap();
            let now = sent.load(Ordering::SeqCst);
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
        assert!(
            before * 16 * 1024 < MIB,
            "{before} chunks of 16 KiB were read for a handler that stands still"
        );
        gate.notify_one();
    };
    let (answer, ()) = tokio::join!(upload, watch);
    assert_eq!(answer.unwrap().body(), &(512 * 16 * 1024).to_string());
}

#[tokio::test]
async fn dropping_a_streaming_answer_stops_the_handler() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    for path in ["/endless", "/silent"] {
        let body = pair
            .link
            .client
            .request(get_request(path), SOON)
            .await
            .unwrap()
            .into_body();
        drop(body);
        soon(path, source.dropped.notified()).await;
    }
}

#[tokio::test]
async fn dropping_a_request_stops_the_handler_that_still_computes() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    tokio::select! {
        _ = pair.link.client.request(get_request("/slow"), SOON) => panic!("never answers"),
        () = soon("the handler begins", source.began.notified()) => {}
    }
    soon("the handler is dropped", source.dropped.notified()).await;
}

// The clock only moves once the handler has begun and nothing is left to do.
#[tokio::test(start_paused = true)]
async fn deadline_ends_the_request_on_both_sides() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let deadline = Duration::from_millis(50);
    let late = pair
        .link
        .client
        .request(get_request("/slow"), deadline)
        .await
        .map(drop);
    assert!(
        matches!(late, Err(RequestError::Deadline { after }) if after == deadline),
        "{late:?}"
    );
    soon("the handler is dropped", source.dropped.notified()).await;
    let late = pair
        .link
        .client
        .request_whole(get_request("/silent"), deadline, 10)
        .await;
    assert!(
        matches!(late, Err(RequestError::Deadline { .. })),
        "{late:?}"
    );
    soon("the body is dropped", source.dropped.notified()).await;
}

#[tokio::test]
async fn answer_over_the_limit_is_an_error_and_stops_the_handler() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let large = pair
        .link
        .client
        .request_whole(get_request("/endless"), SOON, 5000)
        .await;
    assert!(
        matches!(large, Err(RequestError::TooLarge { bytes_max: 5000 })),
        "{large:?}"
    );
    soon("the body is dropped", source.dropped.notified()).await;
}

#[tokio::test]
async fn both_directions_stream_at_the_same_time() {
    let pair = pair(service()).await;
    let (keys, typed) = mpsc::channel::<Bytes>(4);
    let typed = stream::unfold(typed, async |mut typed| {
        let bytes = typed.recv().await?;
        Some((
            Ok::<_, std::io::Error>(http_body::Frame::data(bytes)),
            typed,
        ))
    });
    let request = Request::post("/echo").body(StreamBody::new(typed)).unwrap();
    let mut echo = pair
        .link
        .client
        .request(request, SOON)
        .await
        .unwrap()
        .into_body();
    for text in ["l", "s", "\n"] {
        keys.send(Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
        assert_eq!(read(&mut echo).await.unwrap(), text);
    }
    drop(keys);
    assert_eq!(read(&mut echo).await, None);
}

#[tokio::test]
async fn body_that_fails_cancels_its_request() {
    let source = Source::default();
    let guarded = source.clone();
    let service = service().route(
        "/swallow",
        post(async move |body: Body| {
            let _guard = Guard(guarded.clone());
            match body.collect().await {
                Ok(_) => pending::<()>().await,
                Err(_) => guarded.began.notify_one(),
            }
        }),
    );
    let pair = pair(service).await;
    let broken = stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
        Err(std::io::Error::other("the file is gone")),
    ]);
    let request = Request::post("/swallow")
        .body(StreamBody::new(broken))
        .unwrap();
    let answer = pair.link.client.request(request, SOON).await.map(drop);
    assert!(matches!(answer, Err(RequestError::Stream(_))), "{answer:?}");
    soon("the handler is dropped", source.dropped.notified()).await;
}

#[tokio::test]
async fn too_many_requests_are_refused_and_not_queued() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let mut open = Vec::new();
    for _ in 0..REQUESTS_IN_FLIGHT_MAX {
        open.push(
            pair.link
                .client
                .request(get_request("/silent"), SOON)
                .await
                .unwrap(),
        );
    }
    let one_more = pair
        .link
        .client
        .request(get_request("/silent"), SOON)
        .await
        .map(drop);
    assert!(matches!(one_more, Err(RequestError::Busy)), "{one_more:?}");
    open.pop();
    let again = pair.link.client.request(get_request("/silent"), SOON).await;
    assert!(again.is_ok());
}

#[tokio::test]
async fn bursts_of_cancelled_requests_do_not_hurt_the_link() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    for _ in 0..3 {
        let burst = (0..1000).map(|_| pair.link.client.request(get_request("/slow"), SOON));
        let burst = futures_util::future::join_all(burst);
        tokio::select! {
            _ = burst => panic!("never answers"),
            () = soon("a handler begins", source.began.notified()) => {}
        }
    }
    let echo = Request::post("/echo")
        .body(Full::new(Bytes::from_static(b"still here")))
        .unwrap();
    let answer = pair
        .link
        .client
        .request_whole(echo, SOON, 100)
        .await
        .unwrap();
    assert_eq!(answer.body(), "still here");
}

#[tokio::test]
async fn late_frames_of_many_cancelled_streams_do_not_end_the_link() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let client = &pair.link.client;
    for _ in 0..150 {
        let open = (0..10).map(|_| client.request(get_request("/endless"), SOON));
        for answer in futures_util::future::join_all(open).await {
            drop(answer.unwrap().into_body());
        }
    }
    assert!(client.ping(SOON).await.is_ok());
    assert_eq!(client.is_closed(), None);
}

#[tokio::test]
async fn small_frames_that_nobody_reads_do_not_end_the_link() {
    let lines = service().route(
        "/lines",
        get(async || {
            let line = Bytes::from(vec![b'x'; 40]);
            Body::from_stream(stream::repeat_with(move || {
                Ok::<_, std::io::Error>(line.clone())
            }))
        }),
    );
    let pair = pair(lines).await;
    let client = &pair.link.client;
    let mut stalled = client
        .request(get_request("/lines"), SOON)
        .await
        .unwrap()
        .into_body();
    // A whole window of frames of 40 bytes is on Core's side once the agent has nothing left to send with.
    settle(client).await;
    assert_eq!(client.is_closed(), None);
    let mut received = 0;
    while received < MIB {
        received += read(&mut stalled).await.unwrap().len();
    }
}

#[tokio::test]
async fn stalled_streams_do_not_block_the_others() {
    let source = Source::default();
    let pair = pair(source.router()).await;
    let client = &pair.link.client;
    let mut stalled = Vec::new();
    // Together they hold more than 64 MiB, the size that a connection window usually has.
    for _ in 0..66 {
        stalled.push(client.request(get_request("/large"), SOON).await.unwrap());
    }
    settle(client).await;
    let made = source.chunks.load(Ordering::SeqCst);
    assert!(
        made >= 66 * 64,
        "only {made} chunks of 16 KiB, so nothing is stalled"
    );
    let echo = Request::post("/echo")
        .body(Full::new(Bytes::from(vec![1; MIB])))
        .unwrap();
    let answer = client.request_whole(echo, SOON, 2 * MIB).await.unwrap();
    assert_eq!(answer.body().len(), MIB);
}

/// Waits until the agent has sent all that the windows allow: then a ping is answered at once, and again and again.
async fn settle(client: &komodo_link::LinkClient) {
    let mut quick = 0;
    while quick < 20 {
        let took = client.ping(SOON).await.unwrap();
        quick = if took < Duration::from_millis(5) {
            quick + 1
        } else {
            0
        };
    }
}
