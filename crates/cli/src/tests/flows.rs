//! Whole commands against a scripted server: what is asked of Core, what is printed, and the exit code.

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
struct Core {
    address: String,
    /// Path and body of each request.
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    _server: JoinSet<()>,
}

async fn core(answers: &[(&'static str, u16, Value)]) -> Core {
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
struct Ended {
    code: u8,
    out: String,
    err: String,
}

/// Who is there.
#[derive(Clone, Copy, PartialEq)]
enum There {
    /// A person, who types this.
    Person(&'static str),
    /// A pipe with this in it.
    Pipe(&'static str),
}

async fn km(core: &Core, line: &str, there: There) -> Ended {
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
    fn asked(&self, name: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(path, _)| path.ends_with(&format!("/{name}")))
            .map(|(_, body)| body.clone())
            .collect()
    }
}

fn plan(hash: &str, containers: &[&str]) -> Value {
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

fn update(status: &str, success: bool, verdicts: &Value) -> Value {
    json!({
        "_id": { "$oid": "65aa00000000000000000001" }, "operation": "StopAllContainers",
        "start_ts": 1_769_860_800_000_i64, "end_ts": 1_769_860_802_400_i64, "success": success, "operator": "o",
        "target": { "type": "Server", "id": "s" }, "logs": [], "status": status, "verdicts": verdicts,
    })
}

fn verdicts() -> Value {
    json!([
        { "container": "web", "id": "1", "verdict": "done", "at": 1 },
        { "container": "periphery", "id": "2", "verdict": "skipped", "reason": { "reason": "agent" }, "at": 1 },
        { "container": "old", "id": "3", "verdict": "unchanged", "reason": { "reason": "already" }, "at": 1 },
    ])
}

const STOP: &str = "km x stop-all-containers alpha";

#[tokio::test]
async fn without_anybody_to_ask_nothing_is_sent() {
    let core = core(&[]).await;
    let ended = km(&core, STOP, There::Pipe("y\n")).await;
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(
        ended.err.contains("there is nobody to ask") && ended.err.contains("-y says yes"),
        "{}",
        ended.err
    );
    assert!(core.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_yes_is_bound_to_the_plan_that_was_shown() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web", "api"])),
        (
            "StopAllContainers",
            200,
            update("InProgress", true, &json!([])),
        ),
        ("GetUpdate", 200, update("Complete", true, &verdicts())),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("y\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.err, "Stop 2 containers on alpha? [y/N] ");
    expect_test::expect![[r#"
        StopAllContainers on alpha (as seen 0 s ago)

        Will be stopped (2)
          web  running
          api  running

          done       web
          skipped    periphery  it runs the agent; without it the server could not be controlled
        succeeded: 1 stopped, 1 unchanged, 1 left alone in 2.4 s  (update 65aa00000000000000000001)
    "#]]
    .assert_eq(&ended.out);
    assert_eq!(
        core.asked("PlanOperation"),
        [json!({ "type": "StopAllContainers", "params": { "server": "alpha" } })]
    );
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha", "plan": "h1" })]
    );
}

#[tokio::test]
async fn anything_but_yes_does_nothing() {
    for answer in ["n\n", "\n", "", "yesterday\n"] {
        let core = core(&[("PlanOperation", 200, plan("h1", &["web"]))]).await;
        let ended = km(&core, STOP, There::Person(answer)).await;
        assert_eq!(ended.code, 1);
        assert!(ended.err.ends_with("nothing was done\n"), "{}", ended.err);
        assert_eq!(core.asked("StopAllContainers"), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn when_the_server_changed_the_new_plan_is_shown_and_asked_for_again() {
    let drifted = json!({ "error": "the world changed", "trace": [], "code": "plan_drifted" });
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        ("PlanOperation", 200, plan("h2", &["web", "new"])),
        ("StopAllContainers", 409, drifted),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &verdicts()),
        ),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("y\ny\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("The server has changed since this plan was made."),
        "{}",
        ended.err
    );
    let asked = core.asked("StopAllContainers");
    assert_eq!(
        asked,
        [
            json!({ "server": "alpha", "plan": "h1" }),
            json!({ "server": "alpha", "plan": "h2" })
        ]
    );
}

#[tokio::test]
async fn yes_beforehand_shows_the_plan_and_is_not_bound_to_it() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &verdicts()),
        ),
    ])
    .await;
    let ended = km(
        &core,
        "km x stop-all-containers alpha --exclude a,b -y",
        There::Pipe(""),
    )
    .await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("Will be stopped (1)"), "{}", ended.out);
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha", "exclude": ["a", "b"] })]
    );
}

#[tokio::test]
async fn the_exit_code_is_the_result_of_the_operation() {
    let failed = json!([{ "container": "web", "id": "1", "verdict": "failed", "error": "it did not stop", "at": 1 }]);
    let core = core(&[("StopContainer", 200, update("Complete", false, &failed))]).await;
    let ended = km(&core, "km x stop-container alpha web", There::Pipe("")).await;
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .out
            .contains("  failed     web  it did not stop\nfailed: 1 failed"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn a_refusal_says_why_with_its_code() {
    let protected = json!({ "error": "periphery is protected: it runs the agent", "trace": [], "code": "protected", "request_id": "r7" });
    let core = core(&[("StopContainer", 409, protected)]).await;
    let ended = km(
        &core,
        "km x stop-container alpha periphery",
        There::Pipe(""),
    )
    .await;
    assert_eq!((ended.code, ended.out.as_str()), (3, ""));
    assert_eq!(
        ended.err,
        "error: periphery is protected: it runs the agent [protected]\nrequest id: r7\n"
    );
}

#[tokio::test]
async fn without_waiting_the_id_is_all_there_is() {
    let core = core(&[("StopContainer", 200, update("InProgress", true, &json!([])))]).await;
    let ended = km(
        &core,
        "km x stop-container alpha web --no-wait",
        There::Pipe(""),
    )
    .await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "65aa00000000000000000001\n")
    );
    assert_eq!(core.asked("GetUpdate"), Vec::<Value>::new());
}

#[tokio::test]
async fn json_is_all_there_is_on_standard_output() {
    let core = core(&[
        ("PlanOperation", 200, plan("h1", &["web"])),
        (
            "StopAllContainers",
            200,
            update("InProgress", true, &json!([])),
        ),
        ("GetUpdate", 200, update("Complete", true, &verdicts())),
    ])
    .await;
    let ended = km(
        &core,
        "km x -f json -y stop-all-containers alpha",
        There::Pipe(""),
    )
    .await;
    let printed: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(printed["verdicts"].as_array().unwrap().len(), 3);
    assert!(ended.err.contains("Will be stopped (1)"), "{}", ended.err);
}

#[tokio::test]
async fn a_core_without_plans_is_asked_about_all_the_same() {
    let unknown = json!({ "error": "unknown variant `PlanOperation`", "trace": [] });
    let core = core(&[
        ("PlanOperation", 500, unknown),
        (
            "StopAllContainers",
            200,
            update("Complete", true, &json!([])),
        ),
    ])
    .await;
    let ended = km(&core, STOP, There::Person("yes\n")).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("cannot say beforehand")
            && ended.err.contains("Stop all containers on alpha?"),
        "{}",
        ended.err
    );
    assert_eq!(
        core.asked("StopAllContainers"),
        [json!({ "server": "alpha" })]
    );
}

#[tokio::test]
async fn what_is_shown_once_stands_alone() {
    let created = json!({ "private_key": "join-string", "created": { "name": "racks" } });
    let core = core(&[("CreateOnboardingKey", 200, created)]).await;
    let ended = km(&core, "km create onboarding-key racks", There::Pipe("")).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "join-string\n"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("join-string"));
}

#[tokio::test]
async fn a_container_on_two_servers_has_to_be_named_with_its_server() {
    let containers = json!([
        { "server_id": "a", "server_name": "alpha", "name": "web", "id": "1", "state": "running" },
        { "server_id": "b", "server_name": "beta", "name": "web", "id": "2", "state": "running" },
        { "server_id": "b", "server_name": "beta", "name": "db", "id": "0123456789abcdef", "state": "running" },
    ]);
    let log = json!({
        "stage": "", "command": "", "stdout": "2026-01-01T00:00:02Z out\n", "stderr": "2026-01-01T00:00:01Z err\n",
        "success": true, "start_ts": 0, "end_ts": 0,
    });
    let core = core(&[
        ("ListAllContainers", 200, containers),
        ("GetContainerLog", 200, log),
    ])
    .await;
    let ended = km(&core, "km logs web", There::Pipe("")).await;
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.err,
        "error: there are 2 containers 'web', on alpha, beta\nhint: name the server, too\n"
    );
    for line in ["km logs db", "km logs 0123456789ab", "km logs beta db"] {
        let ended = km(&core, line, There::Pipe("")).await;
        assert_eq!(
            (ended.code, ended.out.as_str(), ended.err.as_str()),
            (0, "out\n", "err\n"),
            "{line}"
        );
    }
    assert_eq!(core.asked("GetContainerLog").len(), 3);
    let ended = km(&core, "km logs nothing", There::Pipe("")).await;
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .err
            .starts_with("error: there is no container 'nothing'"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn signing_in_stores_a_key_and_no_password() {
    let core = core(&[
        (
            "LoginLocalUser",
            200,
            json!({ "type": "Jwt", "data": { "jwt": "token" } }),
        ),
        (
            "CreateApiKey",
            200,
            json!({ "key": "K_new_K", "secret": "S_new_S" }),
        ),
    ])
    .await;
    let folder = std::env::temp_dir().join(format!("km-login-{}", std::process::id()));
    let file = folder.join("new/komodo.cli.toml");
    let (terminal, out, err) = terminal("admin\nhunter2\n");
    let environment: Environment = [(
        "KOMODO_CLI_CONFIG_PATHS".to_owned(),
        folder.join("new").display().to_string(),
    )]
    .into();
    let km = Km::try_parse_from(["km", "login", &core.address, "-p", "home"]).unwrap();
    let ended = run(km, &environment, terminal).await;
    assert!(
        ended.is_ok(),
        "{:?}",
        ended.err().map(|(failure, _)| failure)
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        text.contains("K_new_K") && text.contains("S_new_S") && text.contains("home"),
        "{text}"
    );
    assert!(
        text.contains(&core.address) && !text.contains("hunter2") && !text.contains("token"),
        "{text}"
    );
    let printed = format!("{}{}", out.text(), err.text());
    assert!(
        !printed.contains("S_new_S") && !printed.contains("hunter2"),
        "{printed}"
    );
    assert_eq!(
        core.asked("LoginLocalUser"),
        [json!({ "username": "admin", "password": "hunter2" })]
    );
}

#[tokio::test]
async fn containers_that_do_not_run_are_counted_and_not_shown() {
    let containers = json!([
        { "server_name": "alpha", "name": "web", "state": "running" },
        { "server_name": "alpha", "name": "old", "state": "exited" },
    ]);
    let core = core(&[("ListAllContainers", 200, containers)]).await;
    let ended = km(&core, "km ps", There::Pipe("")).await;
    assert!(
        ended.out.contains("web") && !ended.out.contains("old"),
        "{}",
        ended.out
    );
    assert_eq!(ended.err, "1 container not running; -a shows all\n");
    let ended = km(&core, "km ps -a", There::Pipe("")).await;
    assert!(ended.out.contains("old"), "{}", ended.out);
}
