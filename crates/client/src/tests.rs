//! The client against a scripted server: what is sent, what each answer becomes, and how an Update is watched.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use komodo_api::{
    Code,
    auth::GetLoginOptions,
    core::GetVersion,
    live::{LiveMessage, Topic},
    resource::ServerRef,
    server::GetServer,
    update::UpdateStatus,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_websockets::{Message, ServerBuilder};

use crate::{Client, ClientError, Credentials};

/// What the server does with a websocket after the login.
type Frames = Vec<Value>;

/// A server that answers from a script, in order, and keeps the requests.
struct Scripted {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

/// Answers to plain requests, and what the live feed does: nothing where there is none.
async fn scripted(answers: Vec<(u16, String)>, live: Option<Frames>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let kept = requests.clone();
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, answers.clone(), live.clone(), kept.clone()));
        }
    });
    Scripted {
        address,
        requests,
        _server: server,
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    live: Option<Frames>,
    kept: Arc<Mutex<Vec<String>>>,
) {
    let mut start = [0; 8];
    stream.peek(&mut start).await.unwrap();
    if start.starts_with(b"GET /ws/")
        && let Some(frames) = live
    {
        let (_, mut socket) = ServerBuilder::new().accept(stream).await.unwrap();
        let login = socket.next().await.unwrap().unwrap();
        kept.lock()
            .unwrap()
            .push(login.as_text().unwrap().to_owned());
        socket.send(Message::text("LOGGED_IN")).await.unwrap();
        let subscription = socket.next().await.unwrap().unwrap();
        kept.lock()
            .unwrap()
            .push(subscription.as_text().unwrap().to_owned());
        for frame in frames {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
        return;
    }
    while let Some(request) = request(&mut stream).await {
        kept.lock().unwrap().push(request);
        let Some((status, body)) = answers.lock().unwrap().pop_front() else {
            // Nothing more to say: the deadline of the client has to end this.
            std::future::pending::<()>().await;
            return;
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nx-as-of: 1500\r\nx-total-count: 7\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .unwrap();
    }
}

/// Reads one request, whole.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8(bytes).unwrap());
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn client(address: &str) -> Client {
    let credentials = Credentials::ApiKey {
        key: "K_key_K".into(),
        secret: "S_secret_S".into(),
    };
    Client::new(address, credentials).unwrap()
}

fn version() -> (u16, String) {
    (200, json!({ "version": "2.3.2" }).to_string())
}

#[tokio::test]
async fn a_call_carries_the_parameters_and_the_key_and_reads_what_core_says_about_the_answer() {
    let core = scripted(vec![version()], None).await;
    let answer = client(&format!("{}/komodo/", core.address))
        .ask(&GetVersion {})
        .await
        .unwrap();
    assert_eq!(
        (answer.value.version.as_str(), answer.as_of, answer.total),
        ("2.3.2", Some(1500), Some(7))
    );
    let request = core.requests.lock().unwrap()[0].clone();
    assert!(
        request.starts_with("POST /komodo/read/GetVersion HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request
            .to_lowercase()
            .contains("content-type: application/json\r\n"),
        "{request}"
    );
    assert!(
        request.contains("x-api-key: K_key_K\r\n")
            && request.contains("x-api-secret: S_secret_S\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");
}

#[tokio::test]
async fn one_connection_serves_several_calls() {
    let core = scripted(vec![version(), version()], None).await;
    let client = client(&core.address);
    client.call(&GetVersion {}).await.unwrap();
    client.call(&GetVersion {}).await.unwrap();
    assert_eq!(core.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn refusals_keep_status_code_text_and_causes() {
    let known =
        json!({ "error": "busy", "trace": ["by admin"], "code": "busy", "request_id": "r1" })
            .to_string();
    let newer =
        json!({ "error": "something new", "trace": [], "code": "code_of_tomorrow" }).to_string();
    let upstream = json!({ "error": "failed", "trace": ["because"] }).to_string();
    let core = scripted(vec![(409, known), (418, newer), (500, upstream)], None).await;
    let client = client(&core.address);
    let mut seen = Vec::new();
    for _ in 0..3 {
        match client
            .call(&GetServer {
                server: ServerRef("x".into()),
            })
            .await
        {
            Err(error @ ClientError::Api { status, .. }) => {
                seen.push((status.as_u16(), error.api().unwrap().code, error.report()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        seen,
        [
            (409, Code::Busy, "busy: by admin".to_owned()),
            (418, Code::Internal, "something new".to_owned()),
            (500, Code::Internal, "failed: because".to_owned()),
        ]
    );
}

#[tokio::test]
async fn what_is_not_core_is_said_to_be_so() {
    let core = scripted(
        vec![
            (200, "<html>".into()),
            (404, "<html>".into()),
            (502, "<html>".into()),
        ],
        None,
    )
    .await;
    let client = client(&core.address);
    for transport in [false, false, true] {
        let error = client.call(&GetVersion {}).await.unwrap_err();
        assert!(
            error.to_string().contains("cannot be understood"),
            "{error}"
        );
        assert_eq!(error.is_transport(), transport, "{error}");
    }
}

#[tokio::test]
async fn a_core_that_does_not_answer_is_given_up_at_the_deadline() {
    let core = scripted(Vec::new(), None).await;
    let client = client(&core.address).with_deadline(Duration::from_millis(50));
    let error = client.call(&GetVersion {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Deadline { .. }), "{error:?}");
}

#[tokio::test]
async fn a_core_that_is_not_there_cannot_be_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&address).call(&GetVersion {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert!(
        error
            .report()
            .starts_with(&format!("cannot connect to {address}: tcp connect error")),
        "{}",
        error.report()
    );
}

#[test]
fn addresses_are_checked_before_anything_is_sent() {
    for (address, why) in [
        ("localhost:9120", "it must start with http:// or https://"),
        ("ftp://x", "it must start with http:// or https://"),
        ("", "it cannot be read; write it like http://localhost:9120"),
        ("http://", "it must start with http:// or https://"),
        ("http://user:pass@host", "it must not hold credentials"),
        ("http://host/?a=b", "it must not hold a query"),
    ] {
        match Client::new(address, Credentials::None) {
            Err(ClientError::Address { why: found, .. }) => assert_eq!(found, why, "{address}"),
            other => panic!("{address}: {other:?}"),
        }
    }
    let client = Client::new(" https://host:9120/komodo/ ", Credentials::None).unwrap();
    assert_eq!(client.address(), "https://host:9120/komodo");
    let error = Client::new("http://host", Credentials::Jwt("a\nb".into())).unwrap_err();
    assert!(matches!(error, ClientError::Credentials(_)), "{error:?}");
}

#[test]
fn credentials_are_not_printed() {
    let text = format!(
        "{:?} {:?}",
        client("http://host"),
        Credentials::Jwt("hidden".into())
    );
    assert!(
        !text.contains("secret_S") && !text.contains("hidden"),
        "{text}"
    );
}

fn update(status: &str, verdicts: usize) -> Value {
    let verdicts: Vec<Value> = (0..verdicts)
        .map(|number| json!({ "container": format!("c{number}"), "id": format!("{number}"), "verdict": "done", "at": 1 }))
        .collect();
    json!({
        "_id": { "$oid": "65aa00000000000000000001" }, "operation": "StopAllContainers", "start_ts": 1, "success": true,
        "operator": "o", "target": { "type": "Server", "id": "s" }, "logs": [], "end_ts": null, "status": status,
        "verdicts": verdicts,
    })
}

fn snapshot(rev: u64, data: &Value) -> Value {
    json!({ "type": "snapshot", "id": 1, "rev": rev, "data": data })
}

async fn watched(client: &Client) -> Vec<(UpdateStatus, usize)> {
    let mut watch = client.watch_update("65aa00000000000000000001");
    let mut seen = Vec::new();
    while let Some(update) = watch.next().await.unwrap() {
        seen.push((update.status, update.verdicts.len()));
    }
    seen
}

#[tokio::test]
async fn an_update_is_watched_over_the_live_feed_without_a_question() {
    let frames = vec![
        json!({ "type": "heartbeat", "at": 1 }),
        snapshot(1, &update("InProgress", 0)),
        snapshot(2, &update("InProgress", 0)),
        json!({ "type": "gap", "id": 1 }),
        json!({ "type": "kind_of_tomorrow", "id": 1 }),
        snapshot(3, &update("InProgress", 2)),
        snapshot(4, &update("Complete", 3)),
    ];
    let core = scripted(Vec::new(), Some(frames)).await;
    use UpdateStatus::{Complete, InProgress};
    assert_eq!(
        watched(&client(&core.address)).await,
        [(InProgress, 0), (InProgress, 2), (Complete, 3)]
    );
    let requests = core.requests.lock().unwrap().clone();
    let frames: Vec<Value> = requests
        .iter()
        .map(|frame| serde_json::from_str(frame).unwrap())
        .collect();
    let login =
        json!({ "type": "ApiKeys", "params": { "key": "K_key_K", "secret": "S_secret_S" } });
    let topic = json!({ "topic": "update", "update": "65aa00000000000000000001" });
    assert_eq!(
        frames,
        [
            login,
            json!({ "type": "subscribe", "id": 1, "topic": topic })
        ]
    );
}

#[tokio::test]
async fn where_the_feed_breaks_off_or_is_missing_the_update_is_asked_for() {
    let ends = vec![
        (200, update("InProgress", 1).to_string()),
        (200, update("Complete", 1).to_string()),
    ];
    use UpdateStatus::{Complete, InProgress};
    let broken = scripted(
        ends.clone(),
        Some(vec![snapshot(1, &update("InProgress", 0))]),
    )
    .await;
    let mut missing_answers = vec![(404, "{}".to_owned())];
    missing_answers.extend(ends);
    let missing = scripted(missing_answers, None).await;
    let (broken_client, missing_client) = (client(&broken.address), client(&missing.address));
    let (of_broken, of_missing) = tokio::join!(watched(&broken_client), watched(&missing_client));
    assert_eq!(of_broken, [(InProgress, 0), (InProgress, 1), (Complete, 1)]);
    assert_eq!(of_missing, [(InProgress, 1), (Complete, 1)]);
}

#[tokio::test]
async fn an_unknown_update_is_an_error_and_not_a_wait() {
    let error = json!({ "error": "there is no update", "trace": [], "code": "not_found" });
    let core = scripted(
        Vec::new(),
        Some(vec![json!({ "type": "error", "id": 1, "error": error })]),
    )
    .await;
    let mut watch = client(&core.address).watch_update("65aa00000000000000000001");
    match watch.next().await {
        Err(ClientError::Api { status, error }) => {
            assert_eq!((status.as_u16(), error.code), (404, Code::NotFound))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lines_of_a_log_arrive_as_they_were_sent() {
    let lines =
        json!([{ "t": "", "s": "stdout", "l": "one" }, { "t": "", "s": "stderr", "l": "two" }]);
    let frames = vec![
        json!({ "type": "lines", "id": 1, "lines": lines }),
        json!({ "type": "end", "id": 1 }),
    ];
    let core = scripted(Vec::new(), Some(frames)).await;
    let mut live = client(&core.address).live().await.unwrap();
    live.subscribe(Topic::Servers).await.unwrap();
    match live.next().await.unwrap() {
        LiveMessage::Lines { id: 1, lines } => {
            assert_eq!(
                lines
                    .iter()
                    .map(|line| line.line.as_str())
                    .collect::<Vec<_>>(),
                ["one", "two"]
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        live.next().await.unwrap(),
        LiveMessage::End { id: 1 }
    ));
    assert!(live.next().await.unwrap_err().is_transport());
}

#[tokio::test]
async fn without_credentials_the_live_feed_is_not_tried() {
    let core = scripted(vec![(200, json!({}).to_string())], None).await;
    let anonymous = Client::new(&core.address, Credentials::None).unwrap();
    assert!(matches!(
        anonymous.live().await,
        Err(ClientError::LiveLogin(_))
    ));
    assert!(core.requests.lock().unwrap().is_empty());
    let error = anonymous.call(&GetLoginOptions {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error:?}");
    assert!(!core.requests.lock().unwrap()[0].contains("x-api-key"));
}
