//! A hook, a build step and raw requests that go for the agent, its image, network and volume: with the agent in a
//! container, and the socket that its children have.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use komodo_docker::Command;
use komodo_testkit::engine::{Container, State};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, UnixStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::docker;
use crate::{
    core::Linked,
    harness::{PATIENCE, folder},
    own_container::{IMAGE, Setting},
};

/// An agent in a container with a network and a volume of its own, and others beside it.
struct Host {
    setting: Setting,
    linked: Linked,
    socket: PathBuf,
    started_at: Option<String>,
    id: String,
}

impl Host {
    async fn start() -> Self {
        let mut setting = Setting::new().await;
        let engine = &setting.engine;
        for network in ["komodo", "other"] {
            engine.create_network(network).await.unwrap();
        }
        let agent = setting
            .agent("periphery")
            .network_mode("komodo")
            .with(|body| {
                let host = body.host_config.get_or_insert_default();
                let binds = host.binds.get_or_insert_default();
                binds.push("komodo-data:/data".into());
            });
        let id = engine.run(agent).await.unwrap();
        engine.run(Container::idle("web")).await.unwrap();
        let labelled = Container::idle("noted").label("komodo.skip", "true");
        engine.run(labelled).await.unwrap();
        let labelled = Container::idle("old").label("komodo.skip", "");
        engine.create(labelled).await.unwrap();
        engine.create(Container::idle("done")).await.unwrap();
        let declared = Container::idle("dns").label("komodo.protect", "true");
        engine.run(declared).await.unwrap();
        let started_at = started_at(&setting).await;
        let linked = setting.core.linked().await;
        let socket = setting.state.join("children/docker.sock");
        // It knows itself once it has listed the containers; until then every change is refused.
        Host {
            setting,
            linked,
            socket,
            started_at,
            id,
        }
    }

    /// The agent is what it was, and so is all that it uses.
    async fn is_untouched(&self) {
        let engine = &self.setting.engine;
        for (name, state) in [
            ("periphery", State::Running),
            ("dns", State::Running),
            ("old", State::Created),
        ] {
            assert_eq!(engine.state(name).await.unwrap(), state, "{name}");
        }
        assert_eq!(started_at(&self.setting).await, self.started_at);
        assert!(
            self.linked.client.link().is_closed().is_none(),
            "connected throughout"
        );
        let inspected = engine.inspect("periphery").await.unwrap();
        let networks = inspected.network_settings.unwrap().networks.unwrap();
        assert!(networks.contains_key("komodo"), "{networks:?}");
        let policy = inspected.host_config.unwrap().restart_policy.unwrap();
        assert_eq!(policy.name.unwrap().to_string(), "unless-stopped");
        for what in [
            ["network", "komodo"],
            ["volume", "komodo-data"],
            ["image", IMAGE],
        ] {
            let direct = &engine.socket();
            docker(direct, &[what[0], "inspect", what[1]]).await.ok();
        }
    }
}

async fn started_at(setting: &Setting) -> Option<String> {
    let inspected = setting.engine.inspect("periphery").await.unwrap();
    inspected.state.unwrap().started_at
}

/// Everything that a script may try, and what is named in the refusal.
const ATTEMPTS: [(&str, &str); 19] = [
    ("stop periphery", "'periphery' is protected (agent)"),
    ("stop -t 0 periphery", "'periphery' is protected (agent)"),
    ("kill periphery", "'periphery' is protected (agent)"),
    ("kill -s HUP periphery", "'periphery' is protected (agent)"),
    ("pause periphery", "'periphery' is protected (agent)"),
    ("restart periphery", "'periphery' is protected (agent)"),
    ("rm -f periphery", "'periphery' is protected (agent)"),
    ("rename periphery other", "'periphery' is protected (agent)"),
    (
        "update --restart no periphery",
        "'periphery' is protected (agent)",
    ),
    (
        "commit periphery copy:1",
        "'periphery' is protected (agent)",
    ),
    (
        "network disconnect -f komodo periphery",
        "'periphery' is protected (agent)",
    ),
    ("network rm komodo", "network 'komodo' is protected (agent)"),
    (
        "volume rm -f komodo-data",
        "volume 'komodo-data' is protected (agent)",
    ),
    (
        "rmi -f komodo-test/agent:1",
        "is protected (agent): 'periphery' uses it",
    ),
    (
        "container prune -f",
        "this prune takes 'old', which is protected (label)",
    ),
    (
        "system prune -af --volumes",
        "this prune takes 'old', which is protected (label)",
    ),
    ("swarm leave --force", "`docker swarm leave` on the host"),
    ("stop dns", "'dns' is protected (declared)"),
    ("rm -f dns", "'dns' is protected (declared)"),
];

fn script() -> String {
    let attempts = ATTEMPTS.iter();
    attempts
        .map(|(attempt, _)| {
            format!("echo \"> {attempt}\"\ndocker {attempt} 2>&1 && echo SUCCEEDED\n")
        })
        .collect()
}

/// That each attempt failed, with the words that it should.
fn all_refused(output: &str) {
    for (attempt, words) in ATTEMPTS {
        let told = output
            .split("> ")
            .find_map(|part| part.strip_prefix(&format!("{attempt}\n")))
            .unwrap_or_else(|| panic!("{attempt} was not tried: {output}"));
        assert!(told.contains(words), "{attempt}: {told}");
        assert!(!told.contains("SUCCEEDED"), "{attempt}: {told}");
    }
}

#[tokio::test]
async fn a_hook_cannot_take_the_agent_away() {
    let host = Host::start().await;
    let mut output = String::new();
    let ended = Command::new("sh", PATIENCE)
        .arguments(["-c", &script()])
        .engine_socket(&host.socket)
        .run(&CancellationToken::new(), |line| {
            output.push_str(&line.text);
            output.push('\n');
        })
        .await;
    ended.unwrap();
    all_refused(&output);
    host.is_untouched().await;

    // And it does what is nobody's branch.
    for allowed in [
        "stop -t 0 noted",
        "rm -f noted",
        "restart -t 0 web",
        "pause web",
        "unpause web",
        "rename web site",
        "update --restart always site",
        "start periphery",
        "exec periphery true",
        "network connect other site",
        "network disconnect other site",
        "network rm other",
        "container prune -f --filter label!=komodo.skip",
        "image prune -af",
        "volume prune -f",
        "builder prune -f",
        "rm -f site",
    ] {
        let arguments: Vec<&str> = allowed.split(' ').collect();
        let said = docker(&host.socket, &arguments).await;
        assert_eq!(said.code, 0, "{allowed}: {}", said.err);
    }
    let engine = &host.setting.engine;
    for gone in ["noted", "site", "done"] {
        assert_eq!(engine.state(gone).await.unwrap(), State::Absent, "{gone}");
    }
    host.is_untouched().await;
}

#[tokio::test]
async fn a_build_step_cannot_take_the_agent_away() {
    let host = Host::start().await;
    let engine = &host.setting.engine;
    // A step has no way to a Unix socket of the host, so it is given one over TCP.
    let listener = TcpListener::bind((engine.host_address(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = host.socket.clone();
    let mut forwarding = JoinSet::new();
    forwarding.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut step, _)) = listener.accept().await {
            let socket = socket.clone();
            connections.spawn(async move {
                let mut guarded = UnixStream::connect(socket).await.unwrap();
                let _ = copy_bidirectional(&mut step, &mut guarded).await;
            });
        }
    });
    let program = docker_program();
    engine
        .image_from_binary(&program, "komodo-test/docker:1")
        .await
        .unwrap();
    let context = folder();
    std::fs::write(context.join("attack"), script()).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM komodo-test/docker:1\nARG DOCKER_HOST\nCOPY attack /attack\nRUN sh /attack; true\n",
    )
    .unwrap();
    let argument = format!("DOCKER_HOST=tcp://{address}");
    let context = context.to_str().unwrap();
    let built = docker(
        &host.socket,
        &["build", "-t", "attack:1", "--build-arg", &argument, context],
    )
    .await
    .ok();
    all_refused(&built.text());
    host.is_untouched().await;
    std::fs::remove_dir_all(context).unwrap();
}

fn docker_program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join("docker"))
        .find(|program| program.is_file())
        .expect("there is a docker command")
}

/// Status and body of an answer to a request in plain words.
async fn raw(socket: &Path, request: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        // One that is closed with part of the request unread breaks off, after its answer.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut answer).await {}
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| panic!("no answer to {:.300}", request));
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), body.to_owned())
}

#[tokio::test]
async fn who_is_refused_reads_why_although_the_body_comes_behind_the_head() {
    let host = Host::start().await;
    let body = r#"{"RestartPolicy":{"Name":"no"}}"#;
    let head = format!(
        "POST /containers/periphery/update HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(&host.socket).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // With an answer now the connection would end, and whoever writes would hear of that only.
    let mut answer = Vec::new();
    let early = timeout(Duration::from_millis(300), stream.read_buf(&mut answer)).await;
    assert!(early.is_err(), "{:?}", String::from_utf8_lossy(&answer));
    stream.write_all(body.as_bytes()).await.unwrap();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert!(answer.contains("'periphery' is protected"), "{answer}");

    // What does not come is not waited for without end.
    let mut stream = UnixStream::connect(&host.socket).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 409"));
    host.is_untouched().await;
}

#[tokio::test]
async fn no_way_of_writing_a_request_goes_around_the_guard() {
    let host = Host::start().await;
    let id = &host.id;
    let short = &id[..12];
    // The Engine knows it by the shortest beginning that is nobody else's.
    let shortest = (1..12).map(|digits| &id[..digits]);
    let others = host.setting.engine.list().await.unwrap();
    let shortest = shortest
        .into_iter()
        .find(|beginning| {
            let fits = others.iter().filter(|other| {
                other
                    .id
                    .as_deref()
                    .is_some_and(|id| id.starts_with(beginning))
            });
            fits.count() == 1
        })
        .unwrap();
    for path in [
        "/containers/periphery/stop".to_owned(),
        "/v1.41/containers/periphery/stop?t=0".to_owned(),
        "//containers//periphery//stop".to_owned(),
        "/v1.41/containers/%70eriphery/stop".to_owned(),
        "/containers/%2Fperiphery/stop".to_owned(),
        "/containers%2Fperiphery%2Fkill".to_owned(),
        format!("/containers/{id}/stop"),
        format!("/containers/{short}/stop"),
        format!("/containers/{shortest}/stop"),
        "/containers/periphery/rename?name=x".to_owned(),
        "/commit?container=web&pause=0&pause=1&container=periphery".to_owned(),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let (status, body) = raw(&host.socket, &request).await;
        if path.starts_with("/commit") {
            // The first of each counts, for the Engine and for the guard.
            assert_eq!(status, 201, "{path}: {body}");
            continue;
        }
        assert_eq!(status, 409, "{path}: {body}");
        let document: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["code"], "protected");
        assert_eq!(document["reason"], "agent");
        assert_eq!(document["container"], "periphery");
        assert!(
            document["message"]
                .as_str()
                .unwrap()
                .contains("on the host")
        );
    }
    for (path, expected) in [
        ("/containers/x/../periphery/stop", 400),
        ("/containers/periphery%00/stop", 400),
        ("/containers/absent/stop", 404),
        ("/containers/PERIPHERY/stop", 404),
        ("/containers/periphery/destroy", 409),
        ("/Containers/periphery/stop", 409),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let (status, body) = raw(&host.socket, &request).await;
        assert_eq!(status, expected, "{path}: {body}");
    }
    // Bodies that say whom.
    let disconnect = |body: &str, headers: &str| {
        format!(
            "POST /networks/komodo/disconnect HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    for body in [
        "{\"Container\":\"periphery\",\"Force\":true}".to_owned(),
        "{\"container\":\"periphery\"}".to_owned(),
        "{\"CONTAINER\":\"\\u0070eriphery\"}".to_owned(),
        format!("{{\"Container\":\"{short}\"}}"),
    ] {
        let length = format!("Content-Length: {}\r\n", body.len());
        let (status, answer) = raw(&host.socket, &disconnect(&body, &length)).await;
        assert_eq!(status, 409, "{body}: {answer}");
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let request = disconnect(&chunked, "Transfer-Encoding: chunked\r\n");
        let (status, answer) = raw(&host.socket, &request).await;
        assert_eq!(status, 409, "{body}: {answer}");
    }
    for body in [
        "{\"Container\":\"web\",\"container\":\"periphery\"}",
        "{}",
        "[]",
        "periphery",
    ] {
        let length = format!("Content-Length: {}\r\n", body.len());
        let (status, answer) = raw(&host.socket, &disconnect(body, &length)).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    // A form in the body counts more than the query, for the Engine: it never gets to see one.
    let form = "pause=1&container=periphery";
    let request = format!(
        "POST /commit?container=web&pause=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (status, body) = raw(&host.socket, &request).await;
    assert_ne!(status, 409, "{body}");
    // Two requests on one connection are two questions.
    let two = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\nPOST /containers/periphery/kill HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (status, body) = raw(&host.socket, two).await;
    assert_eq!(status, 200);
    assert!(body.contains("409 Conflict"), "{body}");
    let huge = format!(
        "GET /_ping HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(4_000_000)
    );
    let (status, _) = raw(&host.socket, &huge).await;
    assert_eq!(status, 431);
    host.is_untouched().await;
}
