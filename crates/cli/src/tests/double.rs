//! A scripted server in place of Core, and commands that are run against it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use clap::Parser;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::terminal;
use crate::{args::Km, config::Environment, run};

type Answers = Arc<Mutex<HashMap<&'static str, VecDeque<(u16, Value)>>>>;

/// A server that has for each request a queue of answers; the last one stays.
pub(super) struct Core {
    pub(super) address: String,
    /// Path and body of each request.
    pub(super) requests: Arc<Mutex<Vec<(String, Value)>>>,
    _server: JoinSet<()>,
}

pub(super) async fn core(answers: &[(&'static str, u16, Value)]) -> Core {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let queues = Answers::default();
    for (name, status, body) in answers {
        queues
            .lock()
            .unwrap()
            .entry(name)
            .or_default()
            .push_back((*status, body.clone()));
    }
    let requests = Arc::<Mutex<Vec<(String, Value)>>>::default();
    let kept = requests.clone();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, queues.clone(), kept.clone()));
        }
    });
    Core {
        address,
        requests,
        _server: server,
    }
}

async fn serve(mut stream: TcpStream, answers: Answers, kept: Arc<Mutex<Vec<(String, Value)>>>) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length: usize = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        while bytes.len() < end + 4 + length {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            bytes.extend_from_slice(&buffer[..read]);
        }
        let first = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let path = first.split(' ').nth(1).unwrap().to_owned();
        let body = serde_json::from_slice(&bytes[end + 4..end + 4 + length]).unwrap_or(Value::Null);
        bytes.drain(..end + 4 + length);
        let name = path.rsplit('/').next().unwrap().to_owned();
        if name != "live" {
            kept.lock().unwrap().push((path, body));
        }
        let (status, answer) = {
            let mut answers = answers.lock().unwrap();
            match answers.get_mut(name.as_str()) {
                Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
                Some(queue) => queue[0].clone(),
                None => (
                    404,
                    json!({ "error": format!("no {name} here"), "trace": [], "code": "not_found" }),
                ),
            }
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream
            .write_all(format!("{head}{answer}").as_bytes())
            .await
            .unwrap();
    }
}

/// How a command ended.
pub(super) struct Ended {
    pub(super) code: u8,
    pub(super) out: String,
    pub(super) err: String,
}

/// Who is there.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum There {
    /// A person, who types this.
    Person(&'static str),
    /// A pipe with this in it.
    Pipe(&'static str),
}

pub(super) async fn km(core: &Core, line: &str, there: There) -> Ended {
    let (There::Person(input) | There::Pipe(input)) = there;
    let (mut terminal, out, err) = terminal(input);
    terminal.interactive = matches!(there, There::Person(_));
    let environment: Environment = [
        ("KOMODO_CLI_HOST", core.address.as_str()),
        ("KOMODO_CLI_KEY", "K_k_K"),
        ("KOMODO_CLI_SECRET", "S_s_S"),
        ("KOMODO_CLI_CONFIG_PATHS", "/does/not/exist"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let km = Km::try_parse_from(line.split(' ')).unwrap();
    let code = match run(km, &environment, terminal).await {
        Ok(outcome) => outcome.exit_code(),
        Err((failure, mut terminal)) => {
            for line in failure.lines() {
                terminal.note(line).unwrap();
            }
            failure.exit_code()
        }
    };
    let code = (0..=255)
        .find(|number| std::process::ExitCode::from(*number) == code)
        .unwrap();
    Ended {
        code,
        out: out.text(),
        err: err.text(),
    }
}

impl Core {
    pub(super) fn asked(&self, name: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(path, _)| path.ends_with(&format!("/{name}")))
            .map(|(_, body)| body.clone())
            .collect()
    }
}

pub(super) fn plan(hash: &str, containers: &[&str]) -> Value {
    let items: Vec<Value> = containers
        .iter()
        .map(|name| json!({ "container": name, "id": name, "state": "running", "effect": "act" }))
        .collect();
    json!({
        "hash": hash, "operation": "StopAllContainers", "server": "s", "server_name": "alpha", "items": items,
        "counts": { "act": items.len(), "protected": 0, "unchanged": 0, "excluded": 0, "refused": 0 },
        "warnings": [], "undo": true, "as_of": 1_769_860_800_000_i64,
    })
}

pub(super) fn update(status: &str, success: bool, verdicts: &Value) -> Value {
    json!({
        "_id": { "$oid": "65aa00000000000000000001" }, "operation": "StopAllContainers",
        "start_ts": 1_769_860_800_000_i64, "end_ts": 1_769_860_802_400_i64, "success": success, "operator": "o",
        "target": { "type": "Server", "id": "s" }, "logs": [], "status": status, "verdicts": verdicts,
    })
}

pub(super) fn verdicts() -> Value {
    json!([
        { "container": "web", "id": "1", "verdict": "done", "at": 1 },
        { "container": "periphery", "id": "2", "verdict": "skipped", "reason": { "reason": "agent" }, "at": 1 },
        { "container": "old", "id": "3", "verdict": "unchanged", "reason": { "reason": "already" }, "at": 1 },
    ])
}

/// An Update with some fields of another value.
pub(super) fn with(mut update: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    update.as_object_mut().unwrap().extend(fields);
    update
}

/// What is done to all.
pub(super) const STOP: &str = "km x stop-all-containers alpha";
