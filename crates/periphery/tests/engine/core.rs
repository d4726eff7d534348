//! The smallest Core there can be: it takes links over TCP, and asks agents.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use komodo_agent_api::{AgentHello, CoreHello, LEVEL};
use komodo_agent_http::{AgentClient, Deadlines};
use komodo_link::{
    Acceptor, CoreTimings, Identity, JoinToken, Link, Peer, Policy, Recognition, Refusal,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};

use crate::harness::PATIENCE;

#[derive(Default)]
struct TakesAll {
    core_container: Option<String>,
}

impl Policy for TakesAll {
    type Identity = String;

    async fn recognise(&self, peer: &Peer) -> Recognition<String> {
        Recognition::Known(peer.key.to_string())
    }

    async fn join(&self, _: &Peer, _: Option<JoinToken>) -> Result<String, Refusal> {
        Err(Refusal::new("unknown_key", "not asked for"))
    }

    async fn hello(&self, _: &Peer, _: &String) -> Result<Bytes, Refusal> {
        let hello = CoreHello {
            core_container: self.core_container.clone(),
            ..hello()
        };
        Ok(serde_json::to_vec(&hello).unwrap().into())
    }
}

pub fn hello() -> CoreHello {
    CoreHello {
        level: LEVEL,
        version: "2.3.2".into(),
        core_id: "core".into(),
        epoch: 1,
        server_id: "s".into(),
        server_name: "s".into(),
        core_container: None,
        core_depends_on: Vec::new(),
        agents_on_engine: Vec::new(),
        depended_on: Vec::new(),
    }
}

pub struct Core {
    pub port: u16,
    pub public_key: String,
    links: mpsc::Receiver<Link<String>>,
    _tasks: JoinSet<()>,
}

/// A linked agent.
pub struct Linked {
    pub client: AgentClient,
    pub hello: AgentHello,
    /// The key that it proved.
    pub key: String,
}

impl Core {
    pub async fn start() -> Self {
        Self::start_in(None).await
    }

    /// One that says that it runs in a container.
    pub async fn start_in(core_container: Option<&str>) -> Self {
        let policy = TakesAll {
            core_container: core_container.map(str::to_owned),
        };
        let identity = Identity::generate().unwrap();
        let acceptor = Acceptor::new(&identity, policy, CoreTimings::default()).unwrap();
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, links) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, address)) = listener.accept().await {
                connections.spawn(serve(socket, address, acceptor.clone(), sender.clone()));
            }
        });
        Core {
            port,
            public_key: identity.public_key().to_string(),
            links,
            _tasks: tasks,
        }
    }

    /// The next agent that connects.
    pub async fn linked(&mut self) -> Linked {
        let link = timeout(PATIENCE, self.links.recv())
            .await
            .expect("an agent connects")
            .unwrap();
        Linked {
            client: AgentClient::new(link.client, Deadlines::default()),
            hello: serde_json::from_slice(&link.hello).unwrap(),
            key: link.identity,
        }
    }
}

async fn serve(
    socket: tokio::net::TcpStream,
    address: SocketAddr,
    acceptor: Acceptor<TakesAll>,
    links: mpsc::Sender<Link<String>>,
) {
    let pending = Arc::new(std::sync::Mutex::new(JoinSet::new()));
    let tasks = Arc::clone(&pending);
    let service = hyper::service::service_fn(move |request| {
        let (acceptor, links, tasks) = (acceptor.clone(), links.clone(), Arc::clone(&tasks));
        async move {
            let answer = acceptor.accept(request, Some(address)).await;
            if let Some(link) = answer.link {
                tasks.lock().unwrap().spawn(async move {
                    if let Ok(link) = link.establish().await {
                        let _ = links.send(link).await;
                    }
                });
            }
            Ok::<_, std::convert::Infallible>(answer.response)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await;
    let mut tasks = std::mem::take(&mut *pending.lock().unwrap());
    while tasks.join_next().await.is_some() {}
}
