use std::path::PathBuf;

use komodo_api::plan::ReasonCode;
use komodo_plan::hand_over::{JournalPlace, Replace};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

use super::*;
use crate::Endpoint;

const WITHIN: Duration = Duration::from_secs(10);

fn plan() -> HandOverPlan {
    HandOverPlan {
        operation: "op1".into(),
        container: "old1".into(),
        name: "agent".into(),
        run: Default::default(),
        stop_timeout_s: None,
        replace: Some(Replace {
            image: "komodo:2".into(),
            restart_policy: json!({ "Name": "always", "MaximumRetryCount": 0 }),
            carry: Vec::new(),
        }),
        journal: JournalPlace {
            container: None,
            path: "/j".into(),
        },
        until: 0,
    }
}

fn found(id: &str, label: Option<(&str, &str)>) -> Inspected {
    let mut found = Inspected {
        id: id.into(),
        ..Inspected::default()
    };
    if let Some((key, value)) = label {
        found.config.labels.insert(key.into(), value.into());
    }
    found
}

fn grant() -> HandOverGrant {
    grant_hand_over(plan(), &[Reason::new(ReasonCode::Agent)]).expect("it runs the agent")
}

fn old() -> HandOverTarget {
    grant().target(&found("old1", None)).expect("of the plan")
}

fn new() -> HandOverTarget {
    let new = found("new1", Some((NEW_LABEL, "op1")));
    grant().target(&new).expect("of the plan")
}

#[test]
fn only_what_runs_the_agent_or_core_is_handed_over() {
    let ask = |reasons: &[Reason]| grant_hand_over(plan(), reasons).map(|_| ());
    for code in [ReasonCode::Agent, ReasonCode::Core] {
        assert_eq!(ask(&[Reason::new(code)]), Ok(()));
        let both = [Reason::new(code), Reason::new(ReasonCode::Label)];
        assert_eq!(ask(&both), Ok(()));
    }
    let neighbour = Reason::with(ReasonCode::Agent, "of another server on this Engine");
    for reason in [neighbour, Reason::new(ReasonCode::Declared)] {
        let reasons = [reason.clone()];
        assert_eq!(ask(&reasons), Err(Refused::Refuse(reason)));
    }
    for ordinary in [&[][..], &[Reason::new(ReasonCode::Label)]] {
        assert!(
            matches!(ask(ordinary), Err(Refused::Refuse(_))),
            "{ordinary:?}"
        );
    }
}

#[test]
fn a_helper_is_who_bears_the_label_of_the_operation() {
    let of = |own: &Inspected| HandOverGrant::of_helper(plan(), own).map(|_| ());
    assert_eq!(of(&found("h", Some((HELPER_LABEL, "op1")))), Ok(()));
    for other in [
        found("h", Some((HELPER_LABEL, "op2"))),
        found("h", Some((NEW_LABEL, "op1"))),
        found("h", None),
        // It is not its own helper.
        found("old1", Some((HELPER_LABEL, "op1"))),
    ] {
        assert_eq!(of(&other), Err(NotOfHandOver("op1".into())));
    }
}

#[test]
fn nothing_is_acted_on_but_what_belongs_to_the_plan() {
    let role = |found: &Inspected| grant().target(found).map(|target| target.role());
    assert_eq!(role(&found("old1", None)), Some(HandOverRole::Old));
    let new = found("x", Some((NEW_LABEL, "op1")));
    assert_eq!(role(&new), Some(HandOverRole::New));
    let helper = found("x", Some((HELPER_LABEL, "op1")));
    assert_eq!(role(&helper), Some(HandOverRole::Helper));
    for other in [found("x", None), found("x", Some((NEW_LABEL, "op0")))] {
        assert_eq!(role(&other), None);
    }
    // Made by an earlier hand over, and handed over now.
    let twice = found("old1", Some((NEW_LABEL, "op0")));
    assert_eq!(role(&twice), Some(HandOverRole::Old));
}

#[test]
fn names_are_those_of_the_plan() {
    use HandOverRole::{Helper, New, Old};
    for (role, name, allowed) in [
        (Old, "agent", true),
        (Old, "agent.komodo-old", true),
        (Old, "agent.komodo-new", false),
        (New, "agent", true),
        (New, "agent.komodo-new", true),
        (New, "agent.komodo-old", false),
        (New, "db", false),
        (Helper, "komodo-hand-over-op1", false),
    ] {
        assert_eq!(grant().allows_name(role, name), allowed, "{role:?} {name}");
    }
}

#[test]
fn images_are_pulled_by_name_and_tag() {
    let id = "f".repeat(64);
    for (image, expected) in [
        ("komodo", Some(("komodo", "latest"))),
        ("komodo:2", Some(("komodo", "2"))),
        ("host:5000/a/b", Some(("host:5000/a/b", "latest"))),
        ("host:5000/a/b:2", Some(("host:5000/a/b", "2"))),
        ("a/b@sha256:00", Some(("a/b", "sha256:00"))),
        ("a/b:2@sha256:00", Some(("a/b", "sha256:00"))),
        ("sha256:00", None),
        (id.as_str(), None),
        ("", None),
    ] {
        assert_eq!(name_and_tag(image), expected, "{image}");
    }
}

/// An Engine that answers what it is told to, one connection after the other, and keeps what it was asked.
struct Scripted {
    engine: Engine,
    _directory: tempfile::TempDir,
    listener: UnixListener,
}

impl Scripted {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket: PathBuf = directory.path().join("engine.sock");
        Scripted {
            listener: UnixListener::bind(&socket).expect("it binds"),
            engine: Engine::new(Endpoint::Unix(socket)),
            _directory: directory,
        }
    }

    /// What it was asked; each answer is a status and a body.
    async fn answer(&self, answers: &[(u16, &str)]) -> Vec<String> {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut caller, _) = self.listener.accept().await.expect("it is asked");
            asked.push(request(&mut caller).await);
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let written = caller.write_all(answer.as_bytes()).await;
            written.expect("it listens");
        }
        asked
    }
}

/// A request's first line and its body.
async fn request(caller: &mut tokio::net::UnixStream) -> String {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = caller.read(&mut part).await.expect("it is asked");
        assert!(
            length > 0,
            "it broke off: {}",
            String::from_utf8_lossy(&read)
        );
        read.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        let chunked = head.contains("transfer-encoding: chunked");
        let whole = match chunked {
            true => body.ends_with("0\r\n\r\n"),
            false => body.len() >= length,
        };
        if whole {
            let first = text.lines().next().unwrap_or_default();
            let first = first.trim_end_matches(" HTTP/1.1");
            let body = match chunked {
                true => body.split("\r\n").nth(1).unwrap_or_default(),
                false => body,
            };
            return format!("{first} {body}").trim_end().to_owned();
        }
    }
}

#[tokio::test]
async fn a_new_container_gets_the_restart_policy_that_the_old_one_had() {
    let engine = Scripted::new();
    let made = Recreated {
        body: json!({ "Image": "komodo:2", "HostConfig": { "RestartPolicy": { "Name": "no" } } }),
        networks: vec![
            ("there".into(), json!({})),
            ("edge".into(), json!({ "Aliases": ["a"] })),
        ],
    };
    let mut now = found("new1", None);
    let networks = &mut now.network_settings.networks;
    networks.insert("there".into(), Default::default());
    let grant = grant();
    let new = new();
    let making = async {
        let id = engine.engine.create_new(&grant, &made, WITHIN).await?;
        engine
            .engine
            .connect_missing(&new, &now, &made, WITHIN)
            .await?;
        Ok::<_, EngineError>(id)
    };
    let answers = [(201, r#"{"Id":"new1","Warnings":[]}"#), (200, "")];
    let (made, asked) = tokio::join!(making, engine.answer(&answers));
    assert_eq!(made.expect("it is made"), "new1");
    assert_eq!(
        asked,
        [
            concat!(
                "POST /v1.41/containers/create?name=agent%2Ekomodo%2Dnew ",
                r#"{"HostConfig":{"RestartPolicy":{"MaximumRetryCount":0,"Name":"always"}},"Image":"komodo:2","#,
                r#""Labels":{"komodo.handed-over":"op1"}}"#
            ),
            concat!(
                "POST /v1.41/networks/edge/connect ",
                r#"{"Container":"new1","EndpointConfig":{"Aliases":["a"]}}"#
            ),
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_not_of_the_plan_is_not_asked_for() {
    let engine = Scripted::new();
    let renamed = engine.engine.rename_target(&grant(), &new(), "db").await;
    assert!(
        matches!(renamed, Err(EngineError::BadReference(_))),
        "{renamed:?}"
    );
}

#[tokio::test]
async fn state_goes_from_one_container_into_the_other() {
    let engine = Scripted::new();
    let (old, new) = (old(), new());
    let carrying = engine.engine.carry(&old, &new, "/var/lib/komodo/", WITHIN);
    let answers = [(200, "an archive"), (200, "")];
    let (carried, asked) = tokio::join!(carrying, engine.answer(&answers));
    assert!(carried.expect("it is carried"));
    assert_eq!(
        asked,
        [
            "GET /v1.41/containers/old1/archive?path=%2Fvar%2Flib%2Fkomodo",
            "PUT /v1.41/containers/new1/archive?path=%2Fvar%2Flib an archive",
        ]
    );
    // What is not there is not missed; what cannot be put there is.
    let carrying = engine.engine.carry(&old, &new, "/data", WITHIN);
    let nothing = [(404, r#"{"message":"Could not find the file"}"#)];
    let (carried, _) = tokio::join!(carrying, engine.answer(&nothing));
    assert!(!carried.expect("it is no error"));
    let carrying = engine.engine.carry(&old, &new, "/data", WITHIN);
    let refused = [
        (200, "an archive"),
        (404, r#"{"message":"no such directory"}"#),
    ];
    let (carried, asked) = tokio::join!(carrying, engine.answer(&refused));
    assert!(carried.is_err());
    assert!(
        asked[1].starts_with("PUT /v1.41/containers/new1/archive?path=%2F "),
        "{asked:?}"
    );
    for root in ["/", "", "data"] {
        let carried = engine.engine.carry(&old, &new, root, WITHIN).await;
        assert!(
            matches!(carried, Err(EngineError::BadReference(_))),
            "{root}"
        );
    }
}

#[tokio::test]
async fn more_state_than_is_carried_breaks_off() {
    let engine = Scripted::new();
    let deadline = Deadline::after(WITHIN);
    let carry = async |bytes_max: u64| {
        let client = &engine.engine.client;
        let packed = client.send(Method::GET, "/from", deadline).await?;
        let payload = Payload::archive(packed, bytes_max);
        let sent = client
            .send_with(Method::PUT, "/to", Some(payload), deadline)
            .await?;
        sent.bytes(100, deadline).await.map(drop)
    };
    let answers = [(200, "12345"), (200, "")];
    let (carried, _) = tokio::join!(carry(5), engine.answer(&answers));
    carried.expect("it fits");
    let unfinished = async {
        let asked = engine.answer(&answers[..1]).await;
        let (mut caller, _) = engine.listener.accept().await.expect("it is asked");
        let mut read = Vec::new();
        // It ends without the end of a body.
        let _ = caller.read_to_end(&mut read).await;
        assert!(!read.ends_with(b"0\r\n\r\n"));
        asked
    };
    let (carried, _) = tokio::join!(carry(4), unfinished);
    assert!(carried.is_err());
}

#[tokio::test]
async fn a_pull_tells_how_it_gets_on_and_why_it_fails() {
    let engine = Scripted::new();
    let grant = grant();
    let mut told = Vec::new();
    let body =
        "{\"status\":\"Pulling from a/b\",\"id\":\"2\"}\r\n{\"status\":\"Status: done\"}\r\n";
    let pulling = engine
        .engine
        .pull(&grant, "a/b:2", WITHIN, |line| told.push(line.to_owned()));
    let answers = [(200, body)];
    let (pulled, asked) = tokio::join!(pulling, engine.answer(&answers));
    pulled.expect("it is pulled");
    assert_eq!(told, ["2: Pulling from a/b", "Status: done"]);
    assert_eq!(asked, ["POST /v1.41/images/create?fromImage=a%2Fb&tag=2"]);
    // The Engine has said 200 by then.
    let body =
        "{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"manifest unknown\"}";
    let pulling = engine.engine.pull(&grant, "a/b:3", WITHIN, |_| ());
    let answers = [(200, body)];
    let (pulled, _) = tokio::join!(pulling, engine.answer(&answers));
    assert!(matches!(pulled, Err(EngineError::Pull(why)) if why == "manifest unknown"));
    let by_id = engine
        .engine
        .pull(&grant, "sha256:00", WITHIN, |_| ())
        .await;
    assert!(matches!(by_id, Err(EngineError::BadReference(_))));
}

#[tokio::test]
async fn what_a_proxy_forbids_is_known_beforehand() {
    let engine = Scripted::new();
    let grant = grant();
    let nobody = (404, r#"{"message":"No such container"}"#);
    let mut answers = [nobody; 8];
    answers[0] = (400, r#"{"message":"config cannot be empty"}"#);
    answers[5] = (200, "{}");
    let probing = engine.engine.probe_hand_over(&grant);
    let (probed, asked) = tokio::join!(probing, engine.answer(&answers));
    probed.expect("it is let through");
    for asked in &asked[1..] {
        // Nothing that is there is acted on.
        let harmless = asked.contains("komodo-hand-over-op1-probe") || asked.starts_with("GET ");
        assert!(harmless, "{asked}");
    }
    let mut barred = answers;
    barred[6] = (403, "forbidden");
    let probing = engine.engine.probe_hand_over(&grant);
    let (probed, _) = tokio::join!(probing, engine.answer(&barred[..7]));
    let error = probed.expect_err("it is not let through");
    assert!(
        matches!(
            error,
            EngineError::Barred {
                what: "rename containers",
                ..
            }
        ),
        "{error}"
    );
}
